"""Who sets the taxes of a simulation: a planner, or leaders elected by the workers."""

import math
from collections.abc import Callable
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
from llm_policy.elections.democracy import Democracy
from llm_policy.elections.state import DemocracyState, exploitation, turnover
from llm_policy.engines.base import Engine
from llm_policy.planners.text import LLMPlanner
from llm_policy.prompts.election import ElectionRules
from llm_policy.prompts.planner import PlannerStyle
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


def form_government(config: SimulateConfig, engine: Engine, society: Society) -> Government:
    """Return the planner or the democracy that `config` asks for."""
    start = config.schedule()
    if config.scenario == "democratic":
        democracy = Democracy(
            engine,
            start,
            rules=rules_of(config),
            goal=config.aim(config.welfare).words,
            style=_style(config),
            most_unread=config.most_unread,
        )
        return _Elected(democracy)
    rational = RationalEvaluator(society.workers.economy, society.welfare)
    if config.planner == "fixed":
        return _Planned(FixedPlanner(start), rational)
    if config.planner != "llm":
        setting = PlanningContext(
            law=start,
            elasticity=config.told,
            engine=engine,
            aim=config.aim(config.welfare),
            statuses=config.statuses,
        )
        return _Planned(REGISTRY[config.planner].planner(setting), rational)
    return _Planned(planner_of(config, engine, rational.what_if), rational)


def planner_of(
    config: SimulateConfig,
    engine: Engine,
    what_if: Callable[[BracketSchedule], Report] | None,
    *,
    person: str = "",
) -> LLMPlanner:
    """Return the language model that plans, or a leader who is a `person`."""
    return LLMPlanner(
        engine,
        config.schedule(),
        goal=config.aim(config.welfare).words,
        style=_style(config),
        person=person,
        warmup=config.warmup,
        most_unread=config.most_unread,
        what_if=what_if if config.queries else None,
        queries=config.queries,
    )


def rules_of(config: SimulateConfig) -> ElectionRules:
    """Return the rules of the elections."""
    return ElectionRules(
        platforms=config.platforms,
        candidates=config.candidates,
        rule=config.rule,
        term=config.term,
        term_limit=config.term_limit,
        leader=config.leader,
    )


def _style(config: SimulateConfig) -> PlannerStyle:
    return PlannerStyle(
        answer=config.answer,
        think=config.think,
        explore=config.explore,
        exploit=config.exploit,
        reflect=config.reflect,
        observe=config.observe,
        statuses=config.statuses,
    )


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


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
