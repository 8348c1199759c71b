"""Planning by gradient against workers who are language models: all planners at equal numbers of questions.

The surrogate planner distils the workers from the answers of its own tax years alone. It sees more of each
than others do: the probabilities of the workers' answers, and what the workers themselves are told (their
skills, prices of effort and personas). It never asks about a schedule that it does not try.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Key
from rich import box
from rich.table import Table

from baselines.evolution import EvolutionPlanner
from baselines.fixed import FixedPlanner, uniform
from baselines.search import RandomSearch
from baselines.trust_region import Trial, TrustRegionPlanner
from econjax import BracketSchedule, Economy, us_federal
from econjax.planning import Planner, plan
from econjax.welfare import AbstractWelfare
from experiments.config import EconomyConfig, WelfareName
from experiments.evaluation import ModelEvaluator
from experiments.fidelity_answers import Measured, mean_of
from experiments.roster import AIMS, Aim, Setting, language_model
from llm_policy.answers import Tally
from llm_policy.engine import Engine
from llm_policy.forecast import forecast, worth
from llm_policy.personas import Personas, describe, draw_personas
from llm_policy.recording import RecordedWorkers, person_features
from llm_policy.society import Society
from llm_policy.surrogate import Surrogate, fit
from llm_policy.teachers.taught import TaughtWorkers


@dataclass(frozen=True)
class Sizes:
    """How large a contest is. One evaluation is one tax year, of `steps` questions to each worker."""

    agents: int = 100
    evaluations: int = 12
    steps: int = 1
    seeds: int = 20
    elasticity: float = 0.25
    welfare: tuple[WelfareName, ...] = ("rawlsian", "atkinson")


class Seat(NamedTuple):
    """What a planner may start from in one run; `tally` counts the proposals that a model was asked for."""

    law: BracketSchedule
    engine: Engine | None
    aim: Aim
    workers: RecordedWorkers
    steps: int
    key: Key[Array, ""]
    tally: Tally


@dataclass(frozen=True)
class Entrant:
    """A planner of the contest: what it sees of a tax year, how to make it, its evaluations if not all."""

    sees: str
    make: Callable[[Seat], Planner]
    evaluations: int | None = None


@dataclass(frozen=True)
class ContestRow:
    """One planner under one welfare function, over the seeds.

    `equivalents` are those expected of the recommended schedules, seed by seed, in dollars a year, from the
    probabilities of the workers' answers in a tax year of its own: no chance of draws is in them. `lead` is
    the surrogate planner's less this one's, paired by seed, and `beaten` whether its whole 95 % interval is
    above 0 (None for the surrogate planner itself). `queries` are the workers' answers a run took in its
    search, `proposals` the planner's own questions to a model.
    """

    welfare: str
    planner: str
    sees: str
    equivalents: tuple[float, ...]
    mean: Measured
    lead: Measured | None
    beaten: bool | None
    queries: float
    proposals: float
    seconds: float


@dataclass(frozen=True)
class SurrogateBelief:
    """What a surrogate predicts, and what each recorded tax year is worth by the chances in it."""

    worth: tuple[float, ...]
    surrogate: Surrogate
    person: Float[Array, "agents features"]
    economy: Economy
    welfare: AbstractWelfare
    steps: int

    def predict(self, schedule: BracketSchedule) -> tuple[Float[Array, ""], Float[Array, " brackets"]]:
        """Return the expected equivalent of a tax year, and its gradient in the rates."""
        return _predict(self.surrogate, self.person, self.economy, self.welfare, schedule, self.steps)


@dataclass(frozen=True)
class SurrogateRefit:
    """Distils the workers anew from the tax years that they lived since `begun`, going on from the last fit.

    Raises:
        ValueError: at a call, trials that are not these tax years.
    """

    workers: RecordedWorkers
    welfare: AbstractWelfare
    key: Key[Array, ""]
    steps: int
    begun: int

    def __call__(self, trials: Sequence[Trial], belief: SurrogateBelief | None) -> SurrogateBelief:
        """Return the belief after all trials."""
        years = range(self.begun, len(self.workers.years))
        lived = [self.workers.years[year][0].schedule for year in years]
        if len(lived) != len(trials) or not eqx.tree_equal(lived[-1], trials[-1].schedule):
            raise ValueError(
                f"{len(trials)} trials are not the {len(lived)} tax years recorded: evaluate them on these "
                "workers, and nothing beside them."
            )
        economy, last = self.workers.economy, self.workers.years[-1]
        return SurrogateBelief(
            worth=(*(belief.worth if belief else ()), worth(economy, self.welfare, last, self.workers.hours)),
            surrogate=fit(
                jax.random.fold_in(self.key, len(trials)),
                self.workers.recording(years),
                start=belief.surrogate if belief else None,
                steps=_REFIT_STEPS if belief else _FIRST_STEPS,
            ),
            person=self.workers.person,
            economy=economy,
            welfare=self.welfare,
            steps=self.steps,
        )


def surrogate_planner(seat: Seat) -> TrustRegionPlanner:
    """Return the planner that climbs on a surrogate of the seat's workers."""
    refit = SurrogateRefit(
        seat.workers, seat.aim.welfare, seat.key, seat.steps, begun=len(seat.workers.years)
    )
    return TrustRegionPlanner(seat.law, refit)


def _language_model(seat: Seat) -> Planner:
    return language_model(Setting(seat.law, math.nan, seat.engine, seat.aim, seat.tally))


def _evolution(seat: Seat) -> EvolutionPlanner:
    return EvolutionPlanner(uniform(seat.law.thresholds).schedule)


SURROGATE = "surrogate gradient, trust region"
ENTRANTS: dict[str, Entrant] = {
    SURROGATE: Entrant("answers' probabilities, what workers are told", surrogate_planner),
    "random search": Entrant("values", lambda seat: RandomSearch(seat.law.thresholds)),
    "evolution (CMA-ES), from 50 %": Entrant("values", _evolution),
    "language model": Entrant("values", _language_model),
    "US federal": Entrant("nothing", lambda seat: FixedPlanner(seat.law), evaluations=1),
}


def compete(
    engine: Engine | None,
    sizes: Sizes,
    *,
    entrants: Mapping[str, Entrant] = ENTRANTS,
    progress: Callable[[str], None] = lambda what: None,
) -> tuple[ContestRow, ...]:
    """Let every entrant plan for the same workers with the same luck, seed by seed.

    A seed draws the workers' personas and their hours. Without an engine the workers are those of the
    teacher's formula.

    Raises:
        ValueError: the surrogate planner is not among the entrants, or fewer than two seeds.
        EngineError: the engine cannot answer, or too few of its answers can be read.
    """
    if SURROGATE not in entrants or sizes.seeds < 2:
        raise ValueError(f"A contest has the entrant {SURROGATE!r} and two seeds at least.")
    rows = []
    for name in sizes.welfare:
        runs: dict[str, list[_Run]] = {entrant: [] for entrant in entrants}
        for seed in range(sizes.seeds):
            for entrant, entry in entrants.items():
                runs[entrant].append(_run(engine, sizes, AIMS[name], seed, entry))
                progress(f"{AIMS[name].name}, seed {seed}, {entrant}: {runs[entrant][-1].equivalent:,.0f}")
        rows += [_row(AIMS[name], entrant, entrants[entrant], runs) for entrant in entrants]
    return tuple(rows)


def contest_table(rows: Sequence[ContestRow], title: str) -> Table:
    """Return the rows for people."""
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for column in _COLUMNS:
        left = column in _COLUMNS[:3]
        table.add_column(column, justify="left" if left else "right", no_wrap=True)
    for row in rows:
        lead = "-" if row.lead is None else f"{row.lead.value:,.0f}"
        ends = "-" if row.lead is None else f"{row.lead.low:,.0f} to {row.lead.high:,.0f}"
        table.add_row(
            *(row.welfare, row.planner, row.sees, f"{row.mean.value:,.0f}", lead, ends),
            {None: "-", True: "yes", False: "NO"}[row.beaten],
            *(f"{row.queries:,.0f}", f"{row.proposals:,.0f}", f"{row.seconds:,.1f}"),
        )
    return table


class _Run(NamedTuple):
    equivalent: float
    queries: int
    proposals: int
    seconds: float


def _run(engine: Engine | None, sizes: Sizes, aim: Aim, seed: int, entry: Entrant) -> _Run:
    key = jax.random.key(seed)
    people_key, plan_key, search_key, final_key = jax.random.split(key, 4)
    economy = EconomyConfig(agents=sizes.agents, elasticity=sizes.elasticity).economy()
    workers = _workers(engine, economy, draw_personas(people_key, economy.population))
    society, tally, law = Society(workers, aim.welfare), Tally(), us_federal(2024, "single")
    started = time.perf_counter()
    planner = entry.make(Seat(law, engine, aim, workers, sizes.steps, plan_key, tally))
    evaluate = ModelEvaluator(society, steps=sizes.steps, key=search_key)
    steps = entry.evaluations or sizes.evaluations
    found = plan(plan_key, planner, evaluate, steps=steps).recommended
    queries, seconds = workers.queries, time.perf_counter() - started
    ModelEvaluator(society, steps=sizes.steps, key=final_key).value(found)
    value = worth(economy, aim.welfare, workers.years[-1], workers.hours)
    return _Run(value, queries, tally.asked, seconds)


def _workers(engine: Engine | None, economy: Economy, personas: Personas) -> RecordedWorkers:
    if engine is None:
        return TaughtWorkers(economy, personas)
    return RecordedWorkers(engine, economy, describe(personas), person=person_features(personas))


def _row(aim: Aim, name: str, entry: Entrant, runs: Mapping[str, Sequence[_Run]]) -> ContestRow:
    values, own = (np.array([run.equivalent for run in runs[who]]) for who in (SURROGATE, name))
    lead = None if name == SURROGATE else mean_of(values - own)
    queries, proposals, seconds = (
        float(np.mean([getattr(run, what) for run in runs[name]]))
        for what in ("queries", "proposals", "seconds")
    )
    return ContestRow(
        welfare=aim.name,
        planner=name,
        sees=entry.sees,
        equivalents=tuple(own.tolist()),
        mean=mean_of(own),
        lead=lead,
        beaten=None if lead is None else lead.low > 0,
        queries=queries,
        proposals=proposals,
        seconds=seconds,
    )


_FIRST_STEPS, _REFIT_STEPS = 800, 300
_COLUMNS = (
    "welfare",
    "planner",
    "sees",
    "expected $",
    "surrogate leads by",
    "95 % interval",
    "beaten",
    "answers",
    "proposals",
    "seconds",
)


@eqx.filter_jit
def _predict(
    surrogate: Surrogate,
    person: Float[Array, "agents features"],
    economy: Economy,
    welfare: AbstractWelfare,
    schedule: BracketSchedule,
    steps: int,
) -> tuple[Float[Array, ""], Float[Array, " brackets"]]:
    def value(rates: Float[Array, " brackets"]) -> Float[Array, ""]:
        moved = eqx.tree_at(lambda s: s.rates, schedule, rates)
        return forecast(surrogate, person, economy, welfare, moved, steps=steps)

    return jax.value_and_grad(value)(schedule.rates)


if __name__ == "__main__":
    import tyro
    from rich.console import Console

    from llm_policy.engines.embedded import EmbeddedEngine

    def main(sizes: Sizes, taught: bool = False) -> None:
        """Run the contest and print its table; `taught`: among the teacher's workers, without a model."""
        engine = None if taught else EmbeddedEngine()
        some = {name: entry for name, entry in ENTRANTS.items() if engine or name != "language model"}
        console = Console(width=220)
        rows = compete(engine, sizes, entrants=some, progress=console.print)
        console.print(contest_table(rows, f"{sizes}"))

    tyro.cli(main)
