"""Years in a row: workers' policies for hours, moving skills, and one scan over all periods."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key
from numpy.typing import ArrayLike

from econjax._arrays import as_float, require, require_scalar
from econjax._jumps import arriving_revenue
from econjax.economy import Economy, Outcome, settle
from econjax.inequality import gini
from econjax.response import best_response, logit_response
from econjax.schedule import AbstractSchedule, BracketSchedule


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


class Ar1Skills(eqx.Module):
    """Skills that move about a worker's own: log s_t = log s + x_t, a first-order autoregression.

    x_t = persistence * x_{t-1} + sigma * eps_t, with eps standard normal, independent between
    workers and years, and x 0 before the first year. Its variance tends to sigma^2 / (1 -
    persistence^2); the log of a worker's mean skill exceeds log s by half the variance.

    Raises:
        ValueError: a negative sigma, or a persistence that is not within (-1, 1).
    """

    persistence: Float[Array, ""]
    sigma: Float[Array, ""]

    def __init__(self, persistence: ArrayLike, sigma: ArrayLike):
        persistence = require_scalar("persistence", persistence)
        remedy = "persistence lies between -1 and 1, where skills have a long run."
        self.persistence = require(persistence, jnp.abs(persistence) < 1, remedy)
        self.sigma = require_scalar("sigma", sigma, least=0)

    @property
    def stationary_variance(self) -> Float[Array, ""]:
        """The variance of log skill about each worker's own, in the long run."""
        return self.sigma**2 / (1 - self.persistence**2)

    def __call__(
        self, key: Key[Array, ""], deviation: Float[Array, " agents"]
    ) -> Float[Array, " agents"]:
        """Return the next year's log deviations."""
        shock = jax.random.normal(key, deviation.shape, deviation.dtype)
        return self.persistence * deviation + self.sigma * shock


class SimulationState(eqx.Module):
    """What the next year needs: policy state, everybody's log deviation of skill, last outcome."""

    policy: Any
    deviation: Float[Array, " agents"]
    last: Outcome


def begin(
    key: Key[Array, ""], economy: Economy, policy: LaborPolicy, *, start: Outcome | None = None
) -> SimulationState:
    """Return the state before the first year.

    Without a `start` the year before had no taxes (public spending was paid in equal parts), and
    everyone worked the best hours for that.

    Raises:
        ValueError: a start of another population.
    """
    deviation = jnp.zeros_like(economy.population.skill)
    if start is None:
        free = BracketSchedule(jnp.zeros_like(deviation[:1]), jnp.zeros_like(deviation[:1]))
        start = settle(economy, free, best_response(economy, free, -economy.spending))
    if start.labor.shape != deviation.shape:
        raise ValueError(
            f"start is an outcome of the economy's {deviation.size} workers; it has "
            f"{start.labor.size}."
        )
    return SimulationState(policy.init(key, economy), deviation, start)


def advance(
    key: Key[Array, ""],
    state: SimulationState,
    economy: Economy,
    schedule: AbstractSchedule,
    policy: LaborPolicy,
    *,
    skill_process: Ar1Skills | None = None,
) -> tuple[Economy, SimulationState]:
    """Return the economy with this year's skills, and the state after the year.

    Skills move, workers choose their hours, money moves.
    """
    skill_key, policy_key = jax.random.split(key)
    deviation = (
        state.deviation if skill_process is None else skill_process(skill_key, state.deviation)
    )
    now = with_skills(economy, deviation)
    chosen = policy(policy_key, state.policy, now, schedule, state.last)
    outcome = settle(now, schedule, chosen.labor, arriving=chosen.arriving)
    return now, SimulationState(chosen.state, deviation, outcome)


def with_skills(economy: Economy, deviation: Float[Array, " agents"]) -> Economy:
    """Return the economy in which everybody's log skill is higher by `deviation`."""
    skill = economy.population.skill * jnp.exp(deviation)
    return eqx.tree_at(lambda e: e.population.skill, economy, skill)


class Summary(eqx.Module):
    """A year in four numbers: dollars a year per head, hours a week, and consumption's Gini."""

    rebate: Float[Array, ""]
    income: Float[Array, ""]
    labor: Float[Array, ""]
    gini: Float[Array, ""]


def summary(economy: Economy, outcome: Outcome) -> Summary:
    """Return the means of an outcome."""
    weight = economy.population.weight
    return Summary(
        rebate=outcome.rebate,
        income=weight @ outcome.income,
        labor=weight @ outcome.labor,
        gini=gini(outcome.consumption, weight),
    )


class Trajectory(eqx.Module):
    """What was saved of each year, on a leading axis of periods, and the state after the last."""

    saved: Any
    state: SimulationState

    @property
    def last(self) -> Outcome:
        """The last year's outcome."""
        return self.state.last


def simulate(
    key: Key[Array, ""],
    economy: Economy,
    schedule: AbstractSchedule | Sequence[AbstractSchedule],
    policy: LaborPolicy,
    *,
    periods: int,
    skill_process: Ar1Skills | None = None,
    start: Outcome | None = None,
    save: Callable[[Economy, Outcome], Any] = summary,
) -> Trajectory:
    """Return what happens in `periods` years under a schedule, or under one schedule for each year.

    `save(economy, outcome)` gets the economy with the year's skills, and chooses what is kept of
    the year: a pytree of arrays. Memory is that of one year and of all that it returns. `start` is
    the outcome of the year before (see `begin`). Compiled once per shape and `save`: pass a named
    function, not a new lambda each time. May be batched by `vmap`, over keys for instance, and
    differentiated where the policy can be: `Rational` as `equilibrium` says; `Lagged(Rational(),
    ...)` and `Logit` raise a TypeError.

    Do things stay stable when skills move and hours lag?

        found = simulate(key, economy, schedule, Lagged(Rational(), 0.2), periods=200,
                         skill_process=Ar1Skills(persistence=0.9, sigma=0.1))
        found.saved.rebate[100:].std() / found.saved.rebate[100:].mean()

    Raises:
        ValueError: periods that do not count years, not one schedule for each, schedules of several
            kinds or numbers of brackets, or a start of another population.
    """
    periods, each = whole_years(periods), None
    if isinstance(schedule, Sequence):
        if len(schedule) != periods:
            raise ValueError(
                f"Give one schedule for each of the {periods} periods; got {len(schedule)}."
            )
        forms = {(jax.tree.structure(s), *map(jnp.shape, jax.tree.leaves(s))) for s in schedule}
        if len(forms) > 1:
            raise ValueError(
                f"The years' schedules are of one kind and size; got {len(forms)} different ones."
            )
        each, schedule = jax.tree.map(lambda *years: jnp.stack(years), *schedule), schedule[0]
    return _simulate(key, economy, schedule, each, policy, periods, skill_process, start, save)


def whole_years(periods: float) -> int:
    """Return a number of years.

    Raises:
        ValueError: it is not 1 or more, or not whole.
    """
    if periods < 1 or periods != int(periods):
        raise ValueError(f"periods counts years, a whole number of 1 or more; got {periods}.")
    return int(periods)


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


@eqx.filter_jit
def _simulate(
    key: Key[Array, ""],
    economy: Economy,
    schedule: AbstractSchedule,
    each: Any,
    policy: LaborPolicy,
    periods: int,
    skill_process: Ar1Skills | None,
    start: Outcome | None,
    save: Callable[[Economy, Outcome], Any],
) -> Trajectory:
    init_key, key = jax.random.split(key)

    def year(state: SimulationState, now: tuple[Array, Any]) -> tuple[SimulationState, Any]:
        period, own = now
        economy_now, state = advance(
            jax.random.fold_in(key, period),
            state,
            economy,
            schedule if own is None else own,
            policy,
            skill_process=skill_process,
        )
        return state, save(economy_now, state.last)

    state, saved = jax.lax.scan(
        year, begin(init_key, economy, policy, start=start), (jnp.arange(periods), each)
    )
    return Trajectory(saved, state)
