"""Years in a row: moving skills, and one scan over all periods."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key
from numpy.typing import ArrayLike

from econjax._arrays import dot, require, require_scalar
from econjax.dynamics.policies import LaborPolicy
from econjax.economy import Economy, Outcome, settle
from econjax.response import best_response
from econjax.schedule import AbstractSchedule, BracketSchedule
from econjax.welfare.inequality import gini


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
        income=dot(weight, outcome.income),
        labor=dot(weight, outcome.labor),
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
    return _simulate(
        key,
        economy,
        schedule,
        policy,
        each=each,
        periods=periods,
        skill_process=skill_process,
        start=start,
        save=save,
    )


def whole_years(periods: float) -> int:
    """Return a number of years.

    Raises:
        ValueError: it is not 1 or more, or not whole.
    """
    if periods < 1 or periods != int(periods):
        raise ValueError(f"periods counts years, a whole number of 1 or more; got {periods}.")
    return int(periods)


@eqx.filter_jit
def _simulate(
    key: Key[Array, ""],
    economy: Economy,
    schedule: AbstractSchedule,
    policy: LaborPolicy,
    *,
    each: Any,
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
