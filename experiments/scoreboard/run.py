"""All planners on several economies, each drawn several times: regret with intervals over draws."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from baselines.optimum import best_found
from econjax import Atkinson, BracketSchedule
from econjax.planning import Planner, RationalEvaluator, plan
from experiments.core.config import PlannerName
from experiments.core.registry import REGISTRY, PlannerSpec, PlanningContext, titled
from experiments.economies.kept import name_of
from experiments.report.intervals import Measured, bootstrap
from experiments.scoreboard.config import OWN_ECONOMY, ScoreboardConfig
from experiments.scoreboard.economies import ECONOMIES, Kind, OwnKind
from llm_policy.engines.base import Engine
from llm_policy.engines.wrappers.lockstep import in_step
from llm_policy.engines.wrappers.tally import Tallied, Tally
from llm_policy.prompts.welfare import WELFARE, WelfareSpec


def contests(config: ScoreboardConfig) -> "list[Contest]":
    """Return the contests; planners told elasticities are told the truth unless that varies."""
    kinds = {name: _kind(name, config) for name in config.economies}
    kind, aim = kinds[config.economies[0]], config.aim(config.welfare[0])
    if config.vary == "elasticity":
        return [
            Contest(replace(kind, elasticity=size, name=f"{kind.name}, elasticity {size:g}"), aim)
            for size in _ELASTICITIES
        ]
    if config.vary == "aversion":
        return [Contest(kind, averse) for averse in _AVERSIONS]
    if config.vary == "told":
        return [Contest(kind, aim, told) for told in _ELASTICITIES]
    return [
        Contest(kinds[name], config.aim(welfare))
        for welfare in config.welfare
        for name in config.economies
    ]


def _kind(name: str, config: ScoreboardConfig) -> Kind | OwnKind:
    if name != OWN_ECONOMY:
        return ECONOMIES[name]
    file = config.economy_file
    name = f"incomes {config.incomes}" if file is None else name_of(file)
    return OwnKind(name, config, config.elasticity)


class Contest(NamedTuple):
    """An economy, what planners maximise, and the elasticity that those hear who are told one.

    Without one they are told the truth: of each bracket, the elasticities of those who respond
    there.
    """

    kind: Kind | OwnKind
    aim: WelfareSpec
    told: float | None = None

    @property
    def title(self) -> str:
        """The contest in words."""
        told = "" if self.told is None else f"; told an elasticity of {self.told:g}"
        return f"{self.aim.name}: {self.kind.name}{told}"


_ELASTICITIES = (0.1, 0.25, 0.5, 1.0)
_AVERSIONS = (
    *(
        WelfareSpec(f"Atkinson, aversion {size:g}", partial(Atkinson, size), "", "")
        for size in (0.5, 1.0, 2.0)
    ),
    WELFARE["rawlsian"],
)


@dataclass(frozen=True)
class Score:
    """One planner in one contest, or over the economies of several: dollars a year of equivalent.

    `regret` is the distance to the best schedule that anybody found on the same draw, and
    `regrets` holds it draw by draw, as `tried` holds what was recommended; `share` is the part of
    the distance from US federal to the best that was covered. `wins` is the share of draws on which
    no other planner found more. Counts and `seconds` are means over draws: evaluations by kind, and
    questions to a model; a model's runs go side by side and share the time of all.
    """

    contest: Contest
    planner: str
    observes: str
    equivalent: float
    regret: Measured
    share: Measured
    regrets: tuple[float, ...]
    shares: tuple[float, ...]
    wins: float
    values: float
    gradients: float
    training: int
    queries: float
    seconds: float
    tried: "tuple[TriedOnDraw, ...]" = ()


@dataclass(frozen=True)
class ContestSize:
    """How much every contest holds; its draws have the seed and those after it."""

    populations: int
    agents: int
    evaluations: int
    seed: int = 0

    @property
    def seeds(self) -> range:
        """The seed of each draw."""
        return range(self.seed, self.seed + self.populations)


def contest_scores(
    contest: Contest,
    planners: Sequence[PlannerName],
    sizes: ContestSize,
    engine: Engine | None = None,
) -> list[Score]:
    """Run every planner on the same draws of the population and with the same seeds.

    Runs of a planner that is a model are asked in step, and counted by the engine if it counts. The
    best of a draw is the best of all that planners recommend and of a search without a limit on
    evaluations, which climbs from the law, from 50 % in every bracket and from where the planner
    who is best over all draws has come.

    Raises:
        ValueError: a planner is a model and there is no engine to ask.
        EngineError: the engine cannot answer, or too few of its answers can be read.
    """
    economies = [contest.kind.economy(jax.random.key(seed), sizes.agents) for seed in sizes.seeds]
    evaluators = [partial(RationalEvaluator, economy, contest.aim.welfare) for economy in economies]
    runs = {
        REGISTRY[name]: _runs(REGISTRY[name], contest, evaluators, sizes, engine)
        for name in planners
    }
    found = {entry: np.array([run.equivalent for run in tried]) for entry, tried in runs.items()}
    start = np.array([float(new().value(contest.kind.law).equivalent) for new in evaluators])
    leader = max(found, key=lambda entry: found[entry].mean())
    best = np.array(
        [_best(new(), contest, run) for new, run in zip(evaluators, runs[leader], strict=True)]
    )
    best = np.max([best, *found.values()], axis=0)
    most = np.max(list(found.values()), axis=0)
    return [
        _score(contest, entry, tried, best=best, start=start, wins=found[entry] >= most)
        for entry, tried in runs.items()
    ]


def pooled(scores: Sequence[Score]) -> list[Score]:
    """Return one score per planner and aim: the mean over economies, drawn anew within each."""
    together: dict[tuple[str, str], list[Score]] = {}
    for score in scores:
        together.setdefault((score.contest.aim.name, score.planner), []).append(score)
    return [
        replace(
            some[0],
            contest=some[0].contest._replace(
                kind=replace(some[0].contest.kind, name="all economies")
            ),
            equivalent=float(np.mean([score.equivalent for score in some])),
            regret=bootstrap([score.regrets for score in some]),
            share=bootstrap([score.shares for score in some]),
            regrets=tuple(np.mean([score.regrets for score in some], axis=0).tolist()),
            shares=tuple(np.mean([score.shares for score in some], axis=0).tolist()),
            tried=(),
            **{name: float(np.mean([getattr(score, name) for score in some])) for name in _MEANS},
        )
        for some in together.values()
    ]


class TriedOnDraw(NamedTuple):
    """What a planner recommends on one draw, what it brings, and what it took."""

    schedule: BracketSchedule
    equivalent: float
    counts: Mapping[str, int]
    queries: int
    seconds: float
    observes: str


_MEANS = ("wins", "values", "gradients", "queries", "seconds")
_Evaluators = Sequence[Callable[[], RationalEvaluator]]


def _runs(
    entry: PlannerSpec,
    contest: Contest,
    evaluators: _Evaluators,
    sizes: ContestSize,
    engine: Engine | None,
) -> list[TriedOnDraw]:
    """Return the planner's run on each draw."""
    counted = engine.tally if isinstance(engine, Tallied) else None

    def run(place: int, asked: Engine | None) -> TriedOnDraw:
        evaluate, started = evaluators[place](), time.perf_counter()
        model = None if asked is None else Tallied(asked, Tally(within=counted))
        setting = PlanningContext(
            law=contest.kind.law,
            elasticity=contest.told,
            engine=model,
            aim=contest.aim,
            evaluations=sizes.evaluations,
            statuses=contest.kind.statuses,
        )
        planner: Planner = entry.planner(setting)
        steps = entry.evaluations or sizes.evaluations
        schedule = plan(
            jax.random.key(sizes.seeds[place]), planner, evaluate, steps=steps
        ).recommended
        seconds = time.perf_counter() - started
        reached = float(evaluators[place]().value(schedule).equivalent)
        seen = entry.observes(planner)
        answers = 0 if model is None else model.tally.asked
        return TriedOnDraw(schedule, reached, evaluate.counts, answers, seconds, seen)

    if not entry.is_model:
        return [run(place, None) for place in range(len(evaluators))]
    if engine is None:
        raise ValueError(f"{entry.name} needs an engine.")
    started, places = time.perf_counter(), range(len(evaluators))
    runs = in_step(engine, [partial(run, place) for place in places])
    seconds = (time.perf_counter() - started) / len(runs)
    return [made._replace(seconds=seconds) for made in runs]


def _best(evaluate: RationalEvaluator, contest: Contest, leader: TriedOnDraw) -> float:
    law = contest.kind.law
    starts = [law, BracketSchedule(law.thresholds, jnp.full_like(law.rates, 0.5)), leader.schedule]
    return best_found(evaluate, starts).equivalent


def _score(
    contest: Contest,
    entry: PlannerSpec,
    runs: Sequence[TriedOnDraw],
    *,
    best: Float[np.ndarray, " draws"],
    start: Float[np.ndarray, " draws"],
    wins: np.ndarray,
) -> Score:
    reached = np.array([run.equivalent for run in runs])
    regrets, shares = best - reached, (reached - start) / (best - start)

    def mean(of: Callable[[TriedOnDraw], Any]) -> float:
        return float(np.mean([of(run) for run in runs]))

    return Score(
        contest=contest,
        planner=titled(entry, contest.kind.law_title),
        observes=runs[0].observes,
        equivalent=float(reached.mean()),
        regret=bootstrap([regrets.tolist()]),
        share=bootstrap([shares.tolist()]),
        regrets=tuple(regrets.tolist()),
        shares=tuple(shares.tolist()),
        wins=float(wins.mean()),
        values=mean(lambda run: run.counts["value"]),
        gradients=mean(lambda run: run.counts["gradient"]),
        training=entry.training,
        queries=mean(lambda run: run.queries),
        seconds=mean(lambda run: run.seconds),
        tried=tuple(runs),
    )
