"""Who sets the taxes of a simulation: a planner, or leaders elected by the workers."""

import math
from dataclasses import dataclass
from typing import Any, Protocol

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from baselines.fixed import FixedPlanner
from econjax import BracketSchedule
from econjax.planning import Planner, RationalEvaluator, Report, hear
from experiments.core.registry import REGISTRY, PlanningContext
from experiments.simulate.config import SimulateConfig
from experiments.simulate.context import longest_in_democracy
from experiments.simulate.reform import reformed
from llm_policy.elections.democracy import Democracy
from llm_policy.elections.state import DemocracyState, exploitation, turnover
from llm_policy.engines.base import Engine
from llm_policy.planners.text import LLMPlanner
from llm_policy.workers.context import LongestQuestion
from llm_policy.workers.evaluator import with_gradient
from llm_policy.workers.society import Society, State


class Government(Protocol):
    """Whoever sets the schedule of each tax year; `state` is its own."""

    def init(self, key: Key[Array, ""]) -> Any:
        """Return the state before the first tax year."""
        ...

    def decide(
        self, key: Key[Array, ""], state: Any, society: Society, now: State
    ) -> tuple[BracketSchedule, Any]:
        """Return the schedule of the next tax year."""
        ...

    def leader(self, state: Any) -> int | None:
        """Return the worker who decided last, None if no worker did."""
        ...

    def tell(
        self,
        state: Any,
        schedule: BracketSchedule,
        report: Report,
        utility: Float[np.ndarray, " agents"],
    ) -> Any:
        """Hear what the tax year brought, `utility` each worker's mean."""
        ...

    def summary(self, state: Any) -> dict[str, Any]:
        """Return what there is to say in the end, ready for JSON."""
        ...

    def longest(self, society: Society, report: Report) -> list[LongestQuestion]:
        """Return the longest question to each model that governs; `report` is as it may read."""
        ...


def form_government(config: SimulateConfig, engine: Engine | None, society: Society) -> Government:
    """Return the planner or the democracy that `config` asks for."""
    start, aim = config.schedule(), config.aim(config.welfare)
    asked: dict[str, Any] = {
        "goal": aim.words,
        "style": config.planner_style(),
        "most_unread": config.most_unread,
    }
    if config.elects:
        assert engine is not None, "voters are language models"
        return _Elected(Democracy(engine, start, rules=config.rules(), **asked))
    rational = RationalEvaluator(society.workers.economy, society.welfare)
    if config.reform_year is not None:
        later = reformed(start, config.reform_keep)
        return _Reforming(FixedPlanner(start), rational, later, config.reform_year)
    if config.planner == "fixed":
        return _Planned(FixedPlanner(start), rational)
    if config.planner == "llm":
        assert engine is not None, "a language model plans"
        what_if = rational.what_if if config.queries else None
        options = {"warmup": config.warmup, "queries": config.queries, "what_if": what_if}
        return _PlannedByModel(LLMPlanner(engine, start, **asked, **options), rational)
    setting = PlanningContext(
        law=start,
        elasticity=config.told,
        engine=engine,
        aim=aim,
        statuses=config.statuses,
    )
    return _Planned(REGISTRY[config.planner].planner(setting), rational)


@dataclass(frozen=True)
class _Planned:
    """A planner, who hears the gradient of rational workers if it needs one."""

    planner: Planner
    rational: RationalEvaluator

    def init(self, key: Key[Array, ""]) -> Any:
        return self.planner.init(key)

    def decide(
        self, key: Key[Array, ""], state: Any, society: Society, now: State
    ) -> tuple[BracketSchedule, Any]:
        return self.planner.ask(key, state)

    def leader(self, state: Any) -> None:
        return None

    def tell(
        self,
        state: Any,
        schedule: BracketSchedule,
        report: Report,
        utility: Float[np.ndarray, " agents"],
    ) -> Any:
        if "gradient" in self.planner.observes:
            report = with_gradient(report, self.rational, schedule)
        return hear(self.planner, state, schedule, report)

    def summary(self, state: Any) -> dict[str, Any]:
        rates = np.asarray(self.planner.recommend(state).rates, float).tolist()
        return {"recommended": rates, "queries": self.rational.counts["what_if"]}

    def longest(self, society: Society, report: Report) -> list[LongestQuestion]:
        return []


@dataclass(frozen=True)
class _Reforming(_Planned):
    """Whoever keeps the first schedule, and from a tax year on has another one."""

    later: BracketSchedule
    year: int

    def decide(
        self, key: Key[Array, ""], state: Any, society: Society, now: State
    ) -> tuple[BracketSchedule, Any]:
        schedule, state = self.planner.ask(key, state)
        return schedule if now.tax_year + 1 < self.year else self.later, state


@dataclass(frozen=True)
class _PlannedByModel(_Planned):
    """A planner who is a language model."""

    planner: LLMPlanner

    def longest(self, society: Society, report: Report) -> list[LongestQuestion]:
        return [LongestQuestion("planner", *self.planner.longest_question(report))]


@dataclass(frozen=True)
class _Elected:
    """Leaders elected by the workers."""

    democracy: Democracy

    def init(self, key: Key[Array, ""]) -> DemocracyState:
        return self.democracy.init(key)

    def decide(
        self, key: Key[Array, ""], state: DemocracyState, society: Society, now: State
    ) -> tuple[BracketSchedule, DemocracyState]:
        shared, voters = society.voters(now)
        return self.democracy.decide(key, state, shared=shared, voters=voters)

    def leader(self, state: DemocracyState) -> int | None:
        return state.leaders[-1]

    def tell(
        self,
        state: DemocracyState,
        schedule: BracketSchedule,
        report: Report,
        utility: Float[np.ndarray, " agents"],
    ) -> DemocracyState:
        return self.democracy.tell(state, schedule, report, jnp.asarray(utility))

    def summary(self, state: DemocracyState) -> dict[str, Any]:
        found = exploitation(state)
        return {
            "elections": [
                {
                    "tax_year": election.tax_year + 1,
                    "stood": list(election.stood),
                    "candidates": list(election.candidates),
                    "platforms": [list(rates) for rates in election.platforms],
                    "ballots": [list(ballot) for ballot in election.ballots],
                    "abstentions": int(election.abstains.sum()),
                    "unread": election.unread,
                    "winner": election.winner,
                }
                for election in state.elections
            ],
            "turnover": _finite(turnover(state)),
            "leader_advantage": _finite(found.advantage),
            "minority_ratio": _finite(found.minority_ratio),
        }

    def longest(self, society: Society, report: Report) -> list[LongestQuestion]:
        return longest_in_democracy(self.democracy, society, report)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
