"""Planners ask and tell; most recommend the best schedule that they have seen."""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from numpy.typing import ArrayLike

from econjax.planning.evaluators import Evaluator
from econjax.planning.report import Observation, Report, observed
from econjax.schedule import BracketSchedule


@runtime_checkable
class Planner(Protocol):
    """Whoever sets the schedule. `state` is the planner's own; only the functions below read it.

    An equivalent of -inf is worse than any other, and so is nan: a planner ranks such a schedule
    last and goes on. It raises nothing but for a report that lacks what it observes.

    `observes` declares the parts of a report that `tell` reads: it hears no others. A planner that
    observes "gradient" is answered by evaluations with gradients.
    """

    @property
    def observes(self) -> Collection[Observation]:
        """The parts of a report that the planner hears."""
        ...

    def init(self, key: Key[Array, ""]) -> Any:
        """Return the state before anything was seen."""
        ...

    def ask(self, key: Key[Array, ""], state: Any) -> tuple[BracketSchedule, Any]:
        """Propose a schedule to evaluate."""
        ...

    def tell(self, state: Any, schedule: BracketSchedule, report: Report) -> Any:
        """Hear what the schedule brought."""
        ...

    def recommend(self, state: Any) -> BracketSchedule:
        """Return the schedule the planner would now enact."""
        ...


@dataclass(frozen=True)
class Plan:
    """A planner's run: the schedules proposed, the report on each, and the final recommendation."""

    schedules: tuple[BracketSchedule, ...]
    reports: tuple[Report, ...]
    recommended: BracketSchedule


def plan(
    key: Key[Array, ""],
    planner: Planner,
    evaluate: Evaluator,
    *,
    steps: int,
    on_step: Callable[[int, BracketSchedule, Report], None] = lambda step, schedule, report: None,
) -> Plan:
    """Let a planner propose and hear `steps` times, and return all of it.

    `on_step(step, schedule, report)` is called after each evaluation.
    """
    init_key, ask_key = jax.random.split(key)
    state = planner.init(init_key)
    schedules, reports = [], []
    for step in range(steps):
        schedule, state = planner.ask(jax.random.fold_in(ask_key, step), state)
        report = evaluated(planner, evaluate, schedule)
        state = hear(planner, state, schedule, report)
        on_step(step, schedule, report)
        schedules.append(schedule)
        reports.append(report)
    return Plan(tuple(schedules), tuple(reports), planner.recommend(state))


def evaluated(planner: Planner, evaluate: Evaluator, schedule: BracketSchedule) -> Report:
    """Return the whole report on a schedule, by the kind of evaluation that the planner needs."""
    if "gradient" in planner.observes:
        return evaluate.value_and_grad(schedule)
    return evaluate.value(schedule)


def hear(planner: Planner, state: Any, schedule: BracketSchedule, report: Report) -> Any:
    """Return the planner's state after it heard what it observes of a report."""
    return planner.tell(state, schedule, observed(report, planner.observes))


def require_law(law: object) -> BracketSchedule:
    """Return the law that a planner starts from, the first argument of every planner.

    Raises:
        ValueError: it is no bracket schedule.
    """
    if not isinstance(law, BracketSchedule):
        raise ValueError(
            f"A planner is given a law, a BracketSchedule such as us_federal(2024); got "
            f"{type(law).__name__}: {law!r:.60}."
        )
    return law


def worth(report: Report) -> float:
    """Return the equivalent by which a schedule ranks, in dollars; -inf, the last, if it is nan."""
    value = float(report.equivalent)
    return -math.inf if math.isnan(value) else value


def to_learn_from(values: ArrayLike) -> Float[np.ndarray, " tries"]:
    """Return equivalents as finite numbers in the same order, for methods that compute with them.

    What is infinitely bad, or nan, is as far below the worst of the others as that is below the
    best.
    """
    values = np.asarray(values, np.float64)
    known = values[np.isfinite(values)]
    worst, best = (known.min(), known.max()) if known.size else (0.0, 0.0)
    return np.where(np.isfinite(values), values, worst - max(best - worst, 1.0))


class Incumbent(eqx.Module):
    """The best schedule a planner has seen so far: what most planners recommend."""

    schedule: BracketSchedule
    equivalent: Float[Array, ""]

    @classmethod
    def none(cls, schedule: BracketSchedule) -> "Incumbent":
        """Return an incumbent that any evaluated schedule replaces."""
        return cls(schedule, jnp.asarray(-jnp.inf))

    @property
    def is_lost(self) -> bool:
        """Whether nothing better than -inf was heard of any schedule."""
        return bool(self.equivalent == -jnp.inf)

    def or_better(self, schedule: BracketSchedule, report: Report) -> "Incumbent":
        """Return the better of this incumbent and a schedule just evaluated."""
        return (
            Incumbent(schedule, report.equivalent) if report.equivalent > self.equivalent else self
        )
