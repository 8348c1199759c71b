"""How workers choose their hours each year: policies of two pure functions and a state."""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Key
from numpy.typing import ArrayLike

from econjax._arrays import as_float, require, require_scalar
from econjax._jumps import arriving_revenue
from econjax.economy import Economy, Outcome
from econjax.response import best_response, logit_response
from econjax.schedule import AbstractSchedule


class Chosen(NamedTuple):
    """What workers decided for a year: hours a week, and the policy's next state.

    `arriving`, 0 in value, carries the derivative of revenue that the hours do not tell: that of
    workers who jump over a threshold (None: there is none). Money moves with it in `settle`.
    """

    labor: Float[Array, " agents"]
    state: Any
    arriving: Float[Array, ""] | None = None


@runtime_checkable
class LaborPolicy(Protocol):
    """How workers choose their hours each year: two pure functions and an explicit state.

    The state is a pytree of arrays that keeps its shapes, so that years can be scanned; only the
    policy reads it. Whatever else workers know is in the arguments: their own skill, the schedule
    in force, and the `last` outcome, from which they learn the rebate. The rebate of the year
    itself follows from everybody's hours, and is not known when they are chosen.
    """

    def init(self, key: Key[Array, ""], economy: Economy) -> Any:
        """Return the state before the first year."""
        ...

    def __call__(
        self,
        key: Key[Array, ""],
        state: Any,
        economy: Economy,
        schedule: AbstractSchedule,
        last: Outcome,
    ) -> Chosen:
        """Return hours a week, between 0 and the longest week, and the next state."""
        ...


class Rational(eqx.Module):
    """Workers best-respond to the schedule and last year's rebate.

    Derivatives of a year count those who jump, as `equilibrium` does. Within `Lagged` they are
    refused with a TypeError: there those who jump go only a part of the way.
    """

    def init(self, key: Key[Array, ""], economy: Economy) -> None:
        """Return no state."""

    def __call__(
        self,
        key: Key[Array, ""],
        state: None,
        economy: Economy,
        schedule: AbstractSchedule,
        last: Outcome,
    ) -> Chosen:
        """Return the best responses, and the revenue that those who jump bring."""
        labor = best_response(economy, schedule, last.rebate)
        arriving = arriving_revenue(economy, schedule, last.rebate, None, None)
        return Chosen(labor, None, arriving)


class FixedHours(eqx.Module):
    """Everyone works the same hours a week, whatever the schedule.

    Raises:
        ValueError: negative hours, or more than the economy's longest week (at `init`).
    """

    hours: Float[Array, ""]

    def __init__(self, hours: ArrayLike):
        self.hours = require_scalar("hours a week", hours, least=0)

    def init(self, key: Key[Array, ""], economy: Economy) -> Float[Array, " agents"]:
        """Return the hours themselves."""
        remedy = "hours a week must not exceed the economy's max_labor."
        hours = require(self.hours, self.hours <= economy.max_labor, remedy)
        return jnp.broadcast_to(hours, economy.population.skill.shape)

    def __call__(
        self,
        key: Key[Array, ""],
        state: Float[Array, " agents"],
        economy: Economy,
        schedule: AbstractSchedule,
        last: Outcome,
    ) -> Chosen:
        """Return the hours."""
        return Chosen(state, state)


class Logit(eqx.Module):
    """Workers choose among a few weekly hours, the better ones more often: `logit_response`.

    `temperature` is in dollars; the `grid` holds the hours (0, 10, ..., 100 if not given). A draw
    has no derivative:
    asking for one raises a TypeError.

    Raises:
        ValueError: a temperature that is not positive.
    """

    temperature: Float[Array, ""]
    grid: Float[Array, " options"] | None

    def __init__(self, temperature: ArrayLike, *, grid: ArrayLike | None = None):
        self.temperature = require_scalar("temperature, in dollars,", temperature, positive=True)
        self.grid = None if grid is None else as_float(grid)

    def init(self, key: Key[Array, ""], economy: Economy) -> None:
        """Return no state."""

    def __call__(
        self,
        key: Key[Array, ""],
        state: None,
        economy: Economy,
        schedule: AbstractSchedule,
        last: Outcome,
    ) -> Chosen:
        """Return one draw for each worker."""
        known = _not_differentiated((economy, schedule, last.rebate))
        drawn = logit_response(key, *known, temperature=self.temperature, grid=self.grid)
        return Chosen(drawn, None)


class Lagged(eqx.Module):
    """Workers move each year a `fraction` of the way from last year's hours to another policy's.

    Raises:
        ValueError: a fraction that is not above 0 and at most 1.
    """

    policy: LaborPolicy
    fraction: Float[Array, ""]

    def __init__(self, policy: LaborPolicy, fraction: ArrayLike):
        self.policy = policy
        fraction = require_scalar("fraction", fraction, positive=True)
        self.fraction = require(
            fraction, fraction <= 1, "fraction is a share of the way: at most 1."
        )

    def init(self, key: Key[Array, ""], economy: Economy) -> Any:
        """Return the other policy's state."""
        return self.policy.init(key, economy)

    def __call__(
        self,
        key: Key[Array, ""],
        state: Any,
        economy: Economy,
        schedule: AbstractSchedule,
        last: Outcome,
    ) -> Chosen:
        """Return hours between last year's and the other policy's."""
        aim, state, arriving = self.policy(key, state, economy, schedule, last)
        aim = aim if arriving is None else _not_differentiated(aim)
        return Chosen(last.labor + self.fraction * (aim - last.labor), state)


@eqx.filter_custom_jvp
def _not_differentiated(values: Any) -> Any:
    return values


@_not_differentiated.def_jvp
def _no_derivative(primals, tangents):
    raise TypeError(
        "These hours have no useful derivative: workers who jump over a threshold, or draw their "
        "hours, would be taken not to respond. Use Rational() itself as the policy, or "
        "equilibrium; logit_probabilities give expected hours."
    )
