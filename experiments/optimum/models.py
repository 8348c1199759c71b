"""The best schedule found among workers who are language models, with a confidence band."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Array, Float, Key

from baselines.optimum import climb
from baselines.search.evolution import EvolutionPlanner
from baselines.search.random import FlatSearch
from econjax import BracketSchedule
from econjax.planning import Evaluator, RationalEvaluator, plan
from experiments.core.registry import surrogate_planner
from experiments.core.workforce import workforce_of
from experiments.optimum.config import OptimumConfig
from experiments.report.intervals import DRAWS, Measured, quantiles
from experiments.report.rates import Rates, rates_of
from llm_policy.archetypes.society import ArchetypeSociety
from llm_policy.engines.base import Engine
from llm_policy.surrogate.recording import RecordedWorkers
from llm_policy.workers.evaluator import ModelEvaluator
from llm_policy.workers.society import Society


@dataclass(frozen=True)
class Search:
    """How much a search among language models may ask: tax years of so many `steps` each.

    `tries` by evolution, of which the best `finalists` are enacted again, in `checks` further
    years, and `climbs` by gradient on a surrogate, if the workers' choices are recorded, of which
    the best is.
    """

    tries: int = 40
    climbs: int = 20
    finalists: int = 5
    checks: int = 12
    steps: int = 2


SEARCH = Search()
"""What the command asks."""


@dataclass(frozen=True)
class Candidate:
    """A schedule, where it comes from, and its equivalents in dollars a year, one per check."""

    name: str
    rates: Rates
    equivalents: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean over checks."""
        return float(np.mean(self.equivalents))


@dataclass(frozen=True)
class ModelOptimum:
    """What was found, the best first.

    `band` holds the equivalent of the best found and its 95 % interval: years are drawn anew, and
    with them which candidate is the best, so that it counts the luck of having been chosen.
    `behind` is, for each candidate after the best, by how much it falls short of it, year by year.
    Nobody knows the best schedule among language models: a better one may exist.
    """

    candidates: tuple[Candidate, ...]
    band: Measured
    behind: tuple[Measured, ...]
    answers: int


def find_model_optimum(
    key: Key[Array, ""],
    society: Society | ArchetypeSociety,
    law: BracketSchedule,
    search: Search,
    progress: Callable[[str], None] = lambda what: None,
    *,
    status_quo: str = "US federal",
) -> ModelOptimum:
    """Search from rational workers' optimum, in two ways, then enact what looks best once more.

    The draws of a check are the same for all candidates.

    Raises:
        EngineError: the engine cannot answer, or too few of its answers can be read.
    """
    economy, answering = society.economy, society.answering
    tally = answering.models.asker.tally
    before = tally.asked
    hunt, races = jax.random.split(key)
    rational = climb(RationalEvaluator(economy, society.welfare), [law]).schedule
    progress(f"evolution among language models, {search.tries} tax years")
    evaluate = ModelEvaluator(society, steps=search.steps, key=hunt)
    tried = plan(hunt, EvolutionPlanner(rational), evaluate, steps=search.tries)
    heard = np.array([float(report.equivalent) for report in tried.reports])
    places = np.argsort(-heard)[: search.finalists].tolist()
    climbed = {}
    if isinstance(answering, RecordedWorkers):
        progress(f"gradients on a surrogate, {search.climbs} tax years")
        planner = surrogate_planner(
            rational,
            answering,
            society.welfare,
            steps=search.steps,
            subsistence=society.subsistence or 0.0,
        )
        climbed["gradient on a surrogate"] = plan(
            hunt, planner, evaluate, steps=search.climbs
        ).recommended
    schedules = {
        "best among rational workers": rational,
        status_quo: law,
        "best flat rate among rational workers": _flat(
            RationalEvaluator(economy, society.welfare), law
        ),
        **climbed,
        **{f"evolution, try {place + 1}": tried.schedules[place] for place in places},
    }
    candidates = []
    for name, schedule in schedules.items():
        progress(f"{search.checks} tax years under: {name}")
        again = ModelEvaluator(society, steps=search.steps, key=races)
        worth = [float(again.value(schedule).equivalent) for _ in range(search.checks)]
        candidates.append(Candidate(name, rates_of(schedule), tuple(worth)))
    candidates.sort(key=lambda candidate: -candidate.mean)
    years = np.array([candidate.equivalents for candidate in candidates])
    band, behind = bands(years)
    return ModelOptimum(tuple(candidates), band, behind, tally.asked - before)


def bands(
    years: Float[np.ndarray, "candidates years"], *, seed: int = 0
) -> tuple[Measured, tuple[Measured, ...]]:
    """Return the band of the best candidate, the first, and how far each other one is behind.

    The bootstrap draws whole years, so what years have in common cancels in differences; the band
    is that of the largest mean (Efron 1979).
    """
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, years.shape[1], (DRAWS, years.shape[1]))
    means = years[:, drawn].mean(axis=2)
    gaps = years[0] - years[1:]
    behind = (
        quantiles(float(gap.mean()), means[0] - row)
        for gap, row in zip(gaps, means[1:], strict=True)
    )
    return quantiles(float(years[0].mean()), means.max(axis=0)), tuple(behind)


def search_models(
    config: OptimumConfig,
    engine: Engine | None,
    search: Search,
    progress: Callable[[str], None] = lambda what: None,
) -> ModelOptimum:
    """Search among language models with personas, by `find_model_optimum`; or among the formula's.

    Raises:
        EngineError: the engine cannot answer, or too few of its answers can be read.
    """
    people_key, key = jax.random.split(jax.random.key(config.seed))
    economy, corrected = config.economy(), config.correction_of(config.workers)
    correction = corrected and corrected.as_correction()
    workforce = workforce_of(config, economy, engine, people_key, correction=correction)
    return find_model_optimum(
        key,
        workforce.society(config.function, config.subsistence),
        config.status_quo(),
        search,
        progress,
        status_quo=config.law_title,
    )


def _flat(evaluate: Evaluator, law: BracketSchedule) -> BracketSchedule:
    return plan(jax.random.key(0), FlatSearch(law), evaluate, steps=20).recommended
