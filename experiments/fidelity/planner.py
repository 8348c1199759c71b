"""The small model as planner, with its history and without, beside random search."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key
from rich import box
from rich.table import Table

from baselines.optimum import best_found
from baselines.search.random import RandomSearch
from baselines.search.uninformed import RampPlanner, WalkPlanner
from econjax import BracketSchedule, Economy
from econjax.planning import VALUE, Plan, Planner, RationalEvaluator, Report, plan
from experiments.core.config import WelfareName
from experiments.core.economy import EconomyConfig
from experiments.core.registry import REGISTRY
from experiments.report.intervals import Measured, mean_of
from llm_policy.answers.proposals import changed
from llm_policy.engines.base import Engine
from llm_policy.engines.wrappers.lockstep import in_step
from llm_policy.engines.wrappers.tally import Tally
from llm_policy.formula.planner import changes_probabilities, sample_changes
from llm_policy.memory.planner import History, Trial, records
from llm_policy.planners.choice import ChoicePlanner
from llm_policy.planners.text import as_trial
from llm_policy.prompts.planner import PlannerStyle
from llm_policy.prompts.welfare import WELFARE, WelfareSpec


@dataclass(frozen=True)
class PlannerRow:
    """One planner under one welfare function, over the seeds.

    `shares` are, seed by seed, the share of the distance from US federal to the best schedule found
    that the recommended schedule covers (below 0: it is worse than US federal), and `share` their
    mean; `regret` is the mean distance to the best in dollars a year of equivalent. `lead` is the
    share of the model with its history less this one, paired by seed, and `beaten` whether its
    whole interval is above 0 (None for that model itself). `understood` is the share of answers
    read, None where no model is asked.
    """

    welfare: str
    planner: str
    shares: tuple[float, ...]
    share: Measured
    regret: float
    lead: Measured | None
    beaten: bool | None
    understood: float | None


@dataclass(frozen=True)
class PlannerFidelity:
    """All rows, and what they were measured with. `model` is the engine's description of itself."""

    model: dict[str, Any]
    seeds: int
    evaluations: int
    agents: int
    rows: tuple[PlannerRow, ...]


class FormulaPlanner:
    """The known formula that the model imitates, asked in the model's place."""

    observes = VALUE

    def __init__(self, start: BracketSchedule) -> None:
        """Hold the schedule of the first tax year."""
        self.start = start

    def init(self, key: Key[Array, ""]) -> tuple[Trial, ...]:
        """Return no tax years."""
        return ()

    def ask(
        self, key: Key[Array, ""], state: tuple[Trial, ...]
    ) -> tuple[BracketSchedule, tuple[Trial, ...]]:
        """Propose the start, and then a draw from the formula's chances."""
        if not state:
            return self.start, state
        current = BracketSchedule(self.start.thresholds, list(state[-1].rates))
        rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
        return changed(
            current, sample_changes(rng, changes_probabilities(state[-1].rates, state))
        ), state

    def tell(
        self, state: tuple[Trial, ...], schedule: BracketSchedule, report: Report
    ) -> tuple[Trial, ...]:
        """Remember the tax year."""
        return (*state, as_trial(schedule, report))

    def recommend(self, state: tuple[Trial, ...]) -> BracketSchedule:
        """Recommend the schedule with the best mean; the start before all."""
        best = records(state)
        return BracketSchedule(self.start.thresholds, list(best[0].rates)) if best else self.start


def planner_fidelity(
    engine: Engine,
    *,
    seeds: int = 20,
    evaluations: int = 40,
    agents: int | None = None,
    welfare: Sequence[WelfareName] = ("atkinson", "rawlsian"),
    progress: Callable[[str], None] = lambda what: None,
) -> PlannerFidelity:
    """Let every planner plan for rational workers of the default economy, once a seed.

    All planners get equally many `evaluations`, and those who start from US federal spend the first
    on it. The runs of the model are asked in step, one batch a tax year. All draw with the seed.
    Figures are as exact as JAX's default precision.

    Raises:
        ValueError: fewer than two seeds or evaluations.
        EngineError: the engine cannot answer, or too few of its answers can be read.
    """
    if min(seeds, evaluations) < 2:
        raise ValueError(f"Give at least 2 seeds and 2 evaluations; got {seeds} and {evaluations}.")
    config = EconomyConfig(agents=agents)
    config.check()
    law, economy = config.status_quo(), config.economy()
    contests = [_Contest(WELFARE[name], law, economy, evaluations) for name in welfare]
    cases = [
        (contest, name, seed) for contest in contests for name in _MODELS for seed in range(seeds)
    ]
    asked = in_step(
        engine, [partial(contest.model, name, seed) for contest, name, seed in cases], progress
    )
    runs: dict[tuple[_Contest, str], list[_Run]] = defaultdict(list)
    for (contest, name, _), run in zip(cases, asked, strict=True):
        runs[contest, name].append(run)
    rows: list[PlannerRow] = []
    for contest in contests:
        progress(f"random search, the formula and the best schedule: {contest.aim.name}")
        others = {name: [contest.other(name, seed) for seed in range(seeds)] for name in _OTHERS}
        rows += contest.rows({name: runs[contest, name] for name in _MODELS} | others)
    return PlannerFidelity(engine.describe().asdict(), seeds, evaluations, config.size, tuple(rows))


def planner_table(fidelity: PlannerFidelity) -> Table:
    """Return the rows for people: shares in per cent, with 95 % intervals over the seeds."""
    title = (
        f"Planners over {fidelity.seeds} seeds, {fidelity.evaluations} evaluations each, "
        f"{fidelity.agents:,} rational workers. The model imitates a known formula."
    )
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for column in _COLUMNS:
        left = column in _COLUMNS[:2]
        table.add_column(column, justify="left" if left else "right", no_wrap=True)
    for row in fidelity.rows:
        table.add_row(*_cells(row))
    return table


class _Run(NamedTuple):
    """What a planner did, and its answers."""

    plan: Plan
    tally: Tally


@dataclass(frozen=True, eq=False)
class _Contest:
    """All planners under one welfare function."""

    aim: WelfareSpec
    law: BracketSchedule
    economy: Economy
    evaluations: int

    def model(self, name: str, seed: int, engine: Engine) -> _Run:
        """Let the model plan."""
        style = PlannerStyle(history=_MODELS[name])
        planner = ChoicePlanner(engine, self.law, goal=self.aim.words, style=style)
        return _Run(self._plan(planner, seed), planner.tally)

    def other(self, name: str, seed: int) -> _Run:
        """Let a planner plan who is no model."""
        return _Run(self._plan(_OTHERS[name](self.law), seed), Tally())

    def rows(self, runs: Mapping[str, Sequence[_Run]]) -> list[PlannerRow]:
        """Return the rows of all planners, given their runs."""
        evaluate = RationalEvaluator(self.economy, self.aim.welfare)
        start = float(evaluate.value(self.law).equivalent)
        reached = {
            name: np.array(
                [float(evaluate.value(run.plan.recommended).equivalent) for run in tried]
            )
            for name, tried in runs.items()
        }
        leader = max(reached, key=lambda name: reached[name].max())
        best = self._best(evaluate, runs[leader][int(reached[leader].argmax())].plan.recommended)
        best = max(best, reached[leader].max())
        shares = {name: (values - start) / (best - start) for name, values in reached.items()}
        return [
            _row(self.aim, name, shares, best - reached[name].mean(), [run.tally for run in tried])
            for name, tried in runs.items()
        ]

    def _plan(self, planner: Planner, seed: int) -> Plan:
        evaluate = RationalEvaluator(self.economy, self.aim.welfare)
        return plan(jax.random.key(seed), planner, evaluate, steps=self.evaluations)

    def _best(self, evaluate: RationalEvaluator, leader: BracketSchedule) -> float:
        """Return the best equivalent found from the law, no tax, 50 % for all, and the `leader`."""
        flat = [jnp.full_like(self.law.rates, rate) for rate in (0.0, 0.5)]
        starts = [
            self.law,
            *(BracketSchedule(self.law.thresholds, rates) for rates in flat),
            leader,
        ]
        return best_found(evaluate, starts).equivalent


def _row(
    aim: WelfareSpec,
    name: str,
    shares: Mapping[str, np.ndarray],
    regret: float,
    tallies: Sequence[Tally],
) -> PlannerRow:
    lead = None if name == _MODEL else mean_of(shares[_MODEL] - shares[name])
    asked = sum(tally.asked for tally in tallies)
    return PlannerRow(
        welfare=aim.name,
        planner=name,
        shares=tuple(shares[name].tolist()),
        share=mean_of(shares[name]),
        regret=float(regret),
        lead=lead,
        beaten=None if lead is None else lead.low > 0,
        understood=sum(tally.read for tally in tallies) / asked if asked else None,
    )


_MODEL = "model with its history"
_MODELS: dict[str, History] = {
    _MODEL: "kept",
    "model without its history": "none",
    "model, its history shuffled": "shuffled",
}
_OTHERS: dict[str, Callable[[BracketSchedule], Planner]] = {
    REGISTRY["random"].name: RandomSearch,
    REGISTRY["ramp"].name: RampPlanner,
    REGISTRY["walk"].name: WalkPlanner,
    "its formula": FormulaPlanner,
}
_COLUMNS = (
    "welfare",
    "planner",
    "US→best %",
    "95 % interval",
    "regret $",
    "model leads by",
    "95 % interval",
    "model above",
    "read %",
)


def _cells(row: PlannerRow) -> tuple[str, ...]:
    lead = row.lead
    return (
        row.welfare,
        row.planner,
        f"{100 * row.share.value:.2f}",
        f"{100 * row.share.low:.2f} to {100 * row.share.high:.2f}",
        f"{row.regret:,.2f}",
        "-" if lead is None else f"{100 * lead.value:.2f}",
        "-" if lead is None else f"{100 * lead.low:.2f} to {100 * lead.high:.2f}",
        {None: "-", True: "yes", False: "NO"}[row.beaten],
        "-" if row.understood is None else f"{100 * row.understood:.1f}",
    )
