"""In which ways workers are asked, and who they are: models, the formula, people at their best."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from econjax import Economy, Population, Utilitarian, settle
from econjax.population import REFERENCE_HOURS
from experiments.core.modes import mode_for
from experiments.people.config import PeopleConfig
from llm_policy.answers.elicitation import Asker
from llm_policy.audit.probe import Probe, probe_workers
from llm_policy.engines.base import Engine, Unread
from llm_policy.engines.wrappers.currency import CURRENCIES, Renamed
from llm_policy.engines.wrappers.tally import Tallied, Tally, tallied
from llm_policy.formula.policy import taught_workers
from llm_policy.formula.voters import reform_probabilities
from llm_policy.moments.hours import HoursShares
from llm_policy.moments.humans import age_groups
from llm_policy.moments.kinks import (
    KinkAnswers,
    ask_kinks,
    bunching_moments,
    with_own_schedules,
)
from llm_policy.moments.measure import (
    AskedHours,
    MeasuredMoment,
    ask_situations,
    moments_of,
    rational_workers,
)
from llm_policy.moments.referendum import (
    CastVotes,
    VoteShares,
    ask_votes,
    model_votes,
    votes_by_gain,
)
from llm_policy.moments.votes import proposed_reform, vote_moments, voting_groups
from llm_policy.personas.draw import TAX_ATTITUDES, Personas, describe, draw_personas
from llm_policy.personas.employment import draw_self_employed, with_employment
from llm_policy.prompts.referendum import ARGUMENTS, Argument
from llm_policy.prompts.workers import Mode, Style
from llm_policy.workers.llm import LLMWorkers, Workers
from llm_policy.workers.society import Society


class Way(NamedTuple):
    """How workers are asked, if in another currency, and if they remember a step of 40 hours."""

    style: Style
    remembers: bool = False
    renamed: bool = False


class Said(NamedTuple):
    """What workers find likely in three situations, and at kinks, and how they vote.

    `values` are the hours that they choose from. Votes are None where nobody was asked for them;
    `unvoted` says why none could be read, "" if they could.
    """

    hours: list[HoursShares]
    values: Float[np.ndarray, " options"] | None
    kinks: KinkAnswers
    votes: dict[Argument, VoteShares] | None
    unvoted: str = ""

    def of(self, rows: Int[np.ndarray, " sample"]) -> "Said":
        """Return what those in some rows said."""

        def some(one: HoursShares) -> HoursShares:
            return HoursShares(one.hours[rows], one.share[rows], one.known[rows])

        flat, kinked, kinks = self.kinks
        votes = self.votes and {
            argument: VoteShares(one.favor[rows], one.known[rows])
            for argument, one in self.votes.items()
        }
        return self._replace(
            hours=[some(one) for one in self.hours],
            kinks=KinkAnswers(some(flat), tuple(map(some, kinked)), kinks[:, rows]),
            votes=votes,
        )


def ways_of(mode: Mode, *, every: bool, renames: bool) -> dict[str, Way]:
    """Return the ways of asking, by what is added to the sentence that says so."""
    plain = Style(mode=mode, history=1, best=0, averages=False, nudges=False, explore=False)
    ways = {"": Way(plain)}
    if every:
        ways[" in other words"] = Way(replace(plain, phrasing=1))
        ways[" with a memory of 40 hours"] = Way(plain, remembers=True)
        if mode == "choice":
            ways[" with the options in reverse"] = Way(replace(plain, reverse=True))
        if renames:
            ways[" in crowns"] = Way(plain, renamed=True)
    return ways


class AskedPeople:
    """The people of a comparison, the laws that they live under, and who answers for them."""

    def __init__(self, config: PeopleConfig, engine: Engine | None, tally: Tally):
        self.config, self.engine, self.tally = config, engine, tally
        self.key = jax.random.key(config.seed)
        self.law, self.economy = config.status_quo(), config.economy()
        self.personas = draw_personas(self.key, self.economy.population)
        self.self_employed = draw_self_employed(self.key, self.personas)
        self.own_schedules = with_own_schedules(self.economy)
        usual = jnp.full_like(self.economy.population.skill, REFERENCE_HOURS)
        self.rebate = float(settle(self.economy, self.law, usual).rebate)
        self.reform = proposed_reform(self.economy, self.law, self.personas.hours)

    def at_best(self) -> Said:
        """Return what the same people do who choose best, and vote for what they gain by."""
        return self._said(
            rational_workers(self.economy),
            rational_workers(self.own_schedules),
            votes_by_gain(self.reform),
        )

    def said(self, way: Way) -> Said:
        """Return what the workers say who are asked so.

        Workers read for whom they work where they are asked at kinks, and there alone. By memory
        only hours differ, so that there nobody votes again.

        Raises:
            EngineError: the engine cannot answer, or too few of its answers can be read.
        """
        engine = self.engine
        if engine is not None and way.renamed:
            engine = Tallied(Renamed(engine, **CURRENCIES[0]._asdict()), self.tally)
        texts = describe(self.personas)
        at_kinks = replace(way.style, statuses=("",) * len(texts))
        told = with_employment(texts, self.self_employed)
        return self._said(
            self._asked(self._workers(engine, self.economy, texts, way.style), way),
            self._asked(self._workers(engine, self.own_schedules, told, at_kinks), way),
            None if way.remembers else self._cast(engine, texts, way.style),
        )

    def mode(self) -> Mode:
        """Return the mode in which the workers answer."""
        engine = self.engine
        if engine is None:
            return "choice"

        def probe(engine: Engine) -> Probe:
            texts, style = describe(self.personas), Style(mode="choice")
            return probe_workers(LLMWorkers(engine, self.economy, texts, style=style), self.law)

        config = self.config
        return mode_for("workers", config.mode, [engine], probe, most_leaked=config.most_leaked)

    def moments(
        self, said: Said, rows: Int[np.ndarray, " sample"] | None = None
    ) -> list[MeasuredMoment]:
        """Return all moments of what was said, by everybody or by those in `rows`.

        These count equally; somebody may be in several rows.
        """
        here = np.arange(self.personas.age.size) if rows is None else rows
        economy, own = self.economy, self.self_employed[here]
        if rows is not None:
            said = said.of(rows)
            skill = np.asarray(economy.population.skill)[rows]
            economy = Economy(population=Population(skill), preferences=economy.preferences)
        groups = {name: who[here] for name, who in published_groups(self.personas).items()}
        found = moments_of(economy, self.law, said.hours, values=said.values, groups=groups)
        jobs = {"wage earners": ~own, "self-employed": own}
        found += bunching_moments(economy, said.kinks, groups=jobs)
        if said.votes is None:
            return found
        voters = {name: who[here] for name, who in self._voters().items()}
        return found + vote_moments(np.asarray(economy.population.weight), said.votes, voters)

    def _voters(self) -> dict[str, Bool[np.ndarray, " agents"]]:
        """Return who is in each group of voters."""
        attitude = self.personas.tax_attitude - len(TAX_ATTITUDES) // 2
        return voting_groups(self.reform, self.personas.income, attitude)

    def _said(self, asked: AskedHours, at_kinks: AskedHours, cast: CastVotes | None) -> Said:
        key, rebate = self.key, self.rebate
        hours = ask_situations(key, self.law, asked, rebate=rebate)
        kinks = ask_kinks(jax.random.fold_in(key, 2), self.economy, at_kinks, rebate=rebate)
        if cast is None:
            return Said(hours, asked.values, kinks, None)
        try:
            return Said(hours, asked.values, kinks, ask_votes(jax.random.fold_in(key, 3), cast))
        except Unread as error:
            agents = self.economy.population.agents
            nobody = VoteShares(np.zeros(agents), np.zeros(agents, bool))
            votes = dict.fromkeys(ARGUMENTS, nobody)
            return Said(hours, asked.values, kinks, votes, str(error))

    def _cast(self, engine: Engine | None, texts: Sequence[str], style: Style) -> CastVotes:
        if engine is None:
            return self._formula_votes()
        config = self.config
        asker = Asker(tallied(engine), 3, config.most_unread, config.most_leaked, who="voters")
        return model_votes(
            asker,
            self.reform,
            texts,
            mode=style.mode,
            samples=config.samples,
            phrasing=style.phrasing,
            reverse=style.reverse,
        )

    def _formula_votes(self) -> CastVotes:
        """Return how the formula votes that econjax-small was taught elections by."""
        thresholds = np.asarray(self.reform.schedules[0].thresholds, float)
        rates = [np.asarray(one.rates, float) for one in self.reform.schedules]
        favor = reform_probabilities(self.personas.income, thresholds, *rates)
        return lambda key, argument: VoteShares(favor, np.ones(favor.shape, bool))

    def _asked(self, workers: Workers, way: Way) -> AskedHours:
        models = workers.models
        memory = None
        if way.remembers:
            memory = Society(workers, Utilitarian()).begin(self.law).memory
        chosen = models.style.mode == "choice"
        values = np.array(models.choice_set.values, float) if chosen else None
        return AskedHours(workers.labor, memory or models.begin(), values, self.config.samples)

    def _workers(
        self, engine: Engine | None, economy: Economy, texts: Sequence[str], style: Style
    ) -> Workers:
        options = {"style": style, "most_unread": self.config.most_unread}
        if engine is None:
            return taught_workers(economy, self.personas, tally=self.tally, **options)
        return LLMWorkers(engine, economy, texts, most_leaked=self.config.most_leaked, **options)


def published_groups(personas: Personas) -> dict[str, Bool[np.ndarray, " agents"]]:
    """Return who is in each group of the published table."""
    return {"men": ~personas.woman, "women": personas.woman} | age_groups(personas.age)
