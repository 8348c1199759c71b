"""What workers' chances of hours are worth: expected equivalents of independent draws."""

from collections.abc import Sequence
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from econjax import Economy, Outcome, Population, Rawlsian
from econjax.economy import income_and_tax, utility_of
from econjax.population import REFERENCE_HOURS
from econjax.schedule import AbstractSchedule
from econjax.welfare import AbstractWelfare
from llm_policy.surrogate.network import Surrogate
from llm_policy.surrogate.recording import Heard, Remembered, see
from llm_policy.workers.lived import SUBSISTENCE, on_offer, own_best, standing


def expected_equivalent(
    economy: Economy,
    welfare: AbstractWelfare,
    schedule: AbstractSchedule,
    probabilities: Float[Array, "agents options"],
    hours: Float[Array, " options"],
    *,
    subsistence: float | None = SUBSISTENCE,
) -> Float[Array, ""]:
    """Return the equivalent that is expected of workers who draw their hours independently.

    Utilities are those that count (`lived.standing`) with a `subsistence`, as they are without. The
    rebate is the expected one. For `Rawlsian()` this is the expected utility of the worst-off
    of these very workers, exact where utility is linear in the rebate; for others the equivalent of
    a population in which each worker is split by its chances, which is the limit of many draws.
    Differentiable in the rates and in the chances, but where two workers change places as the
    worst-off.
    """
    population = economy.population
    utility, rebate = _offered(economy, schedule, probabilities, hours)
    if subsistence is not None:
        best = own_best(economy, schedule, rebate)
        stands = standing(economy, schedule, rebate, best, subsistence)
        utility = jnp.maximum(utility, stands.least[:, None])
    if isinstance(welfare, Rawlsian) and welfare.temperature is None:
        return _expected_lowest(utility, probabilities, population.weight)
    split = _repeated(population, len(hours))
    split = eqx.tree_at(
        lambda p: p.weight, split, (population.weight[:, None] * probabilities).ravel()
    )
    labor = jnp.broadcast_to(hours[None], probabilities.shape).ravel()
    income, tax = income_and_tax(split, schedule, labor)
    outcome = Outcome(
        labor=labor,
        income=income,
        tax=tax,
        consumption=income - tax + rebate,
        utility=utility.ravel(),
        rebate=rebate,
        floored=jnp.zeros_like(rebate),
    )
    return welfare.equivalent(split, outcome)


def _repeated(population: Population, times: int) -> Population:
    """Return the population with each worker so many times in a row, each of the own weight."""
    return jax.tree.map(
        lambda values: jnp.repeat(values, times) if values.ndim == 1 else values, population
    )


def forecast(
    surrogate: Surrogate,
    person: Float[Array, "agents features"],
    economy: Economy,
    welfare: AbstractWelfare,
    schedule: AbstractSchedule,
    *,
    steps: int,
    subsistence: float | None = SUBSISTENCE,
) -> Float[Array, ""]:
    """Return the expected equivalent of a tax year of `steps` that begins with 40 hours for all.

    Each worker's last hours and pull are followed as a distribution; the rebate takes its expected
    path. Differentiable in the rates.
    """
    hours = surrogate.hours
    agents, options = economy.population.agents, len(hours)
    weeks, pulls = jnp.full((1,), REFERENCE_HOURS, hours.dtype), jnp.zeros((1,), hours.dtype)
    share, values, before = jnp.ones((agents, 1), hours.dtype), [], None
    for step in range(steps):
        decide = jax.vmap(partial(_decide, surrogate, person, economy, schedule), out_axes=1)
        same = (jnp.full_like(weeks, value) for value in (step, step == steps - 1))
        found = decide(Remembered(weeks, pulls, *same))
        joint = share[:, :, None] * found
        probabilities = joint.sum(axis=1)
        values.append(
            expected_equivalent(
                economy, welfare, schedule, probabilities, hours, subsistence=subsistence
            )
        )
        utility = jax.lax.stop_gradient(_offered(economy, schedule, probabilities, hours)[0])
        share = _moved(joint, before, utility, hours)
        weeks, pulls = (
            jnp.tile(hours, 3),
            jnp.repeat(jnp.array([-1.0, 0.0, 1.0], hours.dtype), options),
        )
        before = utility
    return jnp.mean(jnp.stack(values))


def recorded_value(
    economy: Economy,
    welfare: AbstractWelfare,
    year: Sequence[Heard],
    hours: Float[Array, " options"],
    *,
    subsistence: float | None = SUBSISTENCE,
) -> float:
    """Return the expected equivalent of a recorded tax year, given what its workers remembered.

    It has the same mean as the report of that year and none of the chance of its last draws.
    Whoever was not understood in a step has no weight in it.
    """
    values = [_worth(economy, welfare, step, hours, subsistence) for step in year]
    return float(np.mean(values))


def _worth(
    economy: Economy,
    welfare: AbstractWelfare,
    step: Heard,
    hours: Float[Array, " options"],
    subsistence: float | None,
) -> float:
    weight = np.where(step.known, np.asarray(economy.population.weight), 0)
    some = eqx.tree_at(lambda e: e.population.weight, economy, jnp.asarray(weight / weight.sum()))
    return float(
        _expected(some, welfare, step.schedule, step.probabilities, hours, subsistence=subsistence)
    )


_expected = eqx.filter_jit(expected_equivalent)


def _decide(
    surrogate: Surrogate,
    person: Float[Array, "agents features"],
    economy: Economy,
    schedule: AbstractSchedule,
    memory: Remembered,
) -> Float[Array, "agents options"]:
    """Return the chances of hours of workers who all remember the same."""
    memory = jax.tree.map(lambda value: jnp.broadcast_to(value, len(person)), memory)
    return jnp.exp(
        surrogate.log_probabilities(see(economy, person, schedule, memory, surrogate.hours))
    )


def _moved(
    joint: Float[Array, "agents states options"],
    before: Float[Array, "agents options"] | None,
    utility: Float[Array, "agents options"],
    hours: Float[Array, " options"],
) -> Float[Array, "agents 3*options"]:
    """Return workers' shares by pull and last hours; a year's first step speaks for nothing."""
    options = len(hours)
    if before is None:
        still = joint.sum(axis=1)
        return jnp.concatenate([0 * still, still, 0 * still], axis=1)
    pairs = joint.reshape(len(joint), -1, options, options).sum(axis=1)
    gain = jnp.sign(utility[:, None, :] - before[:, :, None])
    pull = jnp.sign(hours[None, None, :] - hours[None, :, None]) * gain
    return jnp.concatenate([(pairs * (pull == way)).sum(axis=1) for way in (-1, 0, 1)], axis=1)


def _offered(
    economy: Economy,
    schedule: AbstractSchedule,
    probabilities: Float[Array, "agents options"],
    hours: Float[Array, " options"],
) -> tuple[Float[Array, "agents options"], Float[Array, ""]]:
    """Return what each of the hours is worth to each worker at the expected rebate, and that."""
    population = economy.population
    labor = jnp.broadcast_to(hours[None], probabilities.shape)
    income, tax = on_offer(population, schedule, labor)
    rebate = population.weight @ (probabilities * tax).sum(axis=1) - economy.spending
    consumption = income - tax + rebate
    utility = jax.vmap(lambda c, h: utility_of(economy, c, jnp.full_like(c, h)), (1, 0), 1)(
        consumption, hours
    )
    return utility, rebate


def _expected_lowest(
    utility: Float[Array, "agents options"],
    probabilities: Float[Array, "agents options"],
    weight: Float[Array, " agents"],
) -> Float[Array, ""]:
    """Return the expected lowest utility: the integral of the chance that all exceed it."""
    order = jnp.argsort(utility, axis=1)
    ranked, shares = (
        jnp.take_along_axis(values, order, axis=1) for values in (utility, probabilities)
    )
    above = jnp.maximum(
        jnp.cumsum(shares[:, ::-1], axis=1)[:, ::-1], 1e-12
    )  # chance of this or better
    after = jnp.concatenate([above[:, 1:], jnp.full_like(above[:, :1], 1e-12)], axis=1)
    counts = (weight > 0)[:, None]
    drop = jnp.where(counts, jnp.log(after) - jnp.log(above), 0).ravel()
    # Who does not count stands at the top, where nothing is left to integrate.
    ranked = jnp.where(counts, ranked, jax.lax.stop_gradient(utility.max())).ravel()
    place = jnp.argsort(ranked)
    ranked, gone = ranked[place], jnp.cumsum(drop[place])
    # Summed from the middle, so that a very bad choice of next to no chance costs no digits.
    middle = jnp.minimum(jnp.sum(gone > jnp.log(0.5)), len(gone) - 1)
    below = jnp.arange(len(gone) - 1) < middle
    parts = jnp.where(below, jnp.expm1(gone[:-1]), jnp.exp(gone[:-1]))
    return ranked[middle] + jnp.sum(jnp.diff(ranked) * parts)
