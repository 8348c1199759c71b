"""Preferences with income effects: a power of consumption, a separable disutility of labor."""

import math
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from econjax._arrays import at_most, require, require_scalar
from econjax.population import Population
from econjax.preferences._powers import (
    TOO_REGRESSIVE,
    crra,
    hours_of,
    log_skill_of,
    positive_taste,
    power,
    without_end,
)
from econjax.utility import AbstractPreferences, Agents, Choice


class Isoelastic(AbstractPreferences):
    """A power of consumption and a separable power disutility of labor: hours fall with the rebate.

    u = (c^(1 - eta) - 1) / (1 - eta) - taste * scale * l^delta, or with log c at eta = 1, where c
    is in multiples of `unit` dollars. `curvature` is eta, `exponent` delta. In float32 an eta of 2
    wants a unit near typical consumption: with c in single dollars the last digit of utility is
    worth $149 at $50,000. Utility is -inf where consumption is not positive.

    Raises:
        ValueError: a parameter is not positive and finite, or the exponent is not above 1.
    """

    curvature: Float[Array, ""]
    exponent: Float[Array, ""]
    scale: Float[Array, ""]
    unit: Float[Array, ""]
    utility_in_dollars: ClassVar[bool] = False
    income_effects: ClassVar[bool] = True

    def __init__(
        self, curvature: ArrayLike, *, exponent: ArrayLike, scale: ArrayLike, unit: ArrayLike = 1.0
    ):
        self.curvature = require_scalar("curvature", curvature, positive=True)
        self.exponent = require_scalar("exponent - 1", jnp.asarray(exponent) - 1, positive=True) + 1
        self.scale = require_scalar("scale", scale, positive=True)
        self.unit = require_scalar("unit, in dollars,", unit, positive=True)

    def utility(self, consumption: Agents, labor: Agents, workers: Population) -> Agents:
        """Return the utility of consumption less the disutility of labor."""
        _refuse_elasticities(workers)
        return crra(consumption / self.unit, self.curvature) - self._disutility(labor, workers)

    def advantage(
        self, consumption: Agents, labor: Agents, over: Choice, workers: Population
    ) -> Agents:
        """Return the difference of utilities in dollars of the other choice's marginal utility."""
        both = (over[0] > 0) & (consumption > 0)
        base = jnp.where(both, over[0], 1)
        # Cut so that no product is 0 * inf.
        most = 0.9 * jnp.log(jnp.finfo(base.dtype).max) - jnp.maximum(jnp.log(self.unit), 0)
        per_util = self.unit * power(base / self.unit, self.curvature, most=most)  # at `over`
        gain = base * crra(jnp.where(both, consumption, 1) / base, self.curvature)
        worse = self._disutility(labor, workers) - self._disutility(over[1], workers)
        advantage = gain - per_util * worse
        return jnp.where(both, advantage, jnp.where(consumption > 0, jnp.inf, -jnp.inf))

    def linear_labor(
        self,
        log_net_rate: Float[Array, "..."],
        virtual_income: Float[Array, "..."],
        workers: Population,
    ) -> Agents:
        """Return the hours at a worker's first-order condition; none where none is kept."""
        keeps = log_net_rate > -jnp.inf
        log_kept = jnp.where(keeps, log_net_rate, 0)
        return jnp.where(keeps, self._labor(log_kept, jnp.ones(()), virtual_income, workers), 0)

    def log_linear_labor(
        self,
        scale: Float[Array, ""],
        progressivity: Float[Array, ""],
        virtual_income: Float[Array, "..."],
        workers: Population,
    ) -> Agents:
        """Return the hours at which the worker's first-order condition holds."""
        ok = self.exponent + progressivity > 1
        progressivity = require(progressivity, ok, TOO_REGRESSIVE)
        return self._labor(jnp.log(scale), 1 - progressivity, virtual_income, workers)

    def log_type(self, workers: Population) -> Agents:
        """Return log(skill * taste^(-1/delta))."""
        return jnp.log(workers.skill) - jnp.log(workers.taste) / self.exponent

    def revealed_taste(
        self, net_rate: Agents, consumption: Agents, labor: Agents, workers: Population
    ) -> Agents:
        """Return net rate * skill * U'(consumption) / (scale * delta * l^(delta - 1))."""
        marginal = (consumption / self.unit) ** -self.curvature / self.unit
        return (
            net_rate
            * workers.skill
            * marginal
            / (self.scale * self.exponent * labor ** (self.exponent - 1))
        )

    def elasticity_of(self, workers: Population) -> None:
        """Return None: there are income effects."""

    def _disutility(self, labor: Agents, workers: Population) -> Agents:
        most = 0.5 * jnp.log(jnp.finfo(labor.dtype).max)
        return workers.taste * self.scale * power(labor, self.exponent, most=most)

    def _labor(
        self,
        log_scale: Float[Array, "..."],
        power: Float[Array, ""],
        virtual_income: Float[Array, "..."],
        workers: Population,
    ) -> Agents:
        """Return the best hours on c = virtual income + X, log X = log scale + power * log income.

        The first-order condition is (delta / power - 1) log X + eta log(virtual income + X) =
        known.
        """
        log_skill, works = log_skill_of(workers)
        per_income = self.exponent / power
        marginal = jnp.log(self.scale * self.exponent * positive_taste(workers)) + (
            1 - self.curvature
        ) * jnp.log(self.unit)
        known = jnp.log(power) + self.exponent * log_skill - marginal + per_income * log_scale
        log_x = _log_root(per_income - 1, self.curvature, virtual_income, known)
        hours = hours_of((log_x - log_scale) / power - log_skill)
        return jnp.where(works, without_end(hours, workers), 0)


@jax.custom_jvp
def _log_root(
    first: Float[Array, ""], second: Float[Array, ""], shift: Float[Array, "..."], known: Agents
) -> Agents:
    """Return the log of the X at which first * log X + second * log(shift + X) = known.

    In m = log X (or log(shift + X) where the shift is negative) the left side is convex and rising:
    slope * m + bend * log_sum, with log_sum the log of |shift| + e^m. Householder's method of order
    4 (Householder 1970, The Numerical Treatment of a Single Nonlinear Equation) multiplies correct
    digits by 5 in a step, which takes one exponential and one logarithm as one of Newton's does.
    """
    negative = shift < 0
    slope = jnp.where(negative, second, first)
    bend = jnp.where(negative, first, second)
    size = jnp.abs(shift)
    log_size = jnp.log(jnp.where(size > 0, size, jnp.finfo(size.dtype).tiny))
    m = _start(slope, bend, log_size, known)

    def improve(m: Agents) -> tuple[Agents, Agents]:
        return _householder(slope, bend, log_size, known, m)

    usual = 2 if jnp.finfo(m.dtype).nmant > 30 else 1
    for _ in range(usual - 1):
        m, _ = improve(m)
    # Further steps where the left side turns sharply: exact to rounding down to a share of 1e-4.
    flatter = jnp.minimum(first, second) / (first + second)
    further = jnp.where(flatter < _SHARP, 2, jnp.where(flatter < 0.3 / usual**2, 1, 0))
    m = jax.lax.fori_loop(0, further, lambda _, m: improve(m)[0], m)
    m, log_sum = improve(m)
    return jnp.where(negative, log_sum, m)


_SHARP = 0.03
"""Where the flatter side has less of the whole slope, the two sides are nearer than a hyperbola."""


def _start(
    slope: Float[Array, "..."],
    bend: Float[Array, "..."],
    log_size: Float[Array, "..."],
    known: Agents,
) -> Agents:
    """Return about the m at which slope * m + bend * log_sum = known.

    With t = m - log_size, log_sum - log_size is log(1 + e^t). A hyperbola with the same asymptotes
    and the same value at 0 makes it a quadratic equation; a sharp turn is next to its asymptotes.
    """
    whole = slope + bend
    product = slope * whole
    above = known - whole * log_size
    root = jnp.sqrt(above * above + (2 * _LOG_2) ** 2 * product)
    hyperbola = ((slope + bend / 2) * above - bend / 2 * root) / product
    lower = jnp.minimum(above / slope, above / whole)
    return log_size + jnp.where(jnp.minimum(slope, bend) < _SHARP * whole, lower, hyperbola)


_LOG_2 = math.log(2)


def _householder(
    slope: Float[Array, "..."],
    bend: Float[Array, "..."],
    log_size: Float[Array, "..."],
    known: Agents,
    m: Agents,
) -> tuple[Agents, Agents]:
    """Return the next m, and log_sum there: from its derivatives here, as the step is short."""
    ratio = jnp.exp(-jnp.abs(m - log_size))
    log_sum = jnp.maximum(m, log_size) + jnp.log(1 + ratio)
    share = jnp.where(m > log_size, 1, ratio) / (1 + ratio)  # of e^m in the sum
    second = share * (1 - share)
    third, fourth = second * (1 - 2 * share), second * (1 - 6 * second)
    rising = slope + bend * share
    newton = (slope * m + bend * log_sum - known) / rising
    part = bend * newton / rising
    u, v, w = part * second / 2, part * newton * third / 6, part * newton**2 * fourth / 24
    step = -newton * (1 - 2 * u + v) / (1 - 3 * u + u * u + 2 * v - w)
    rise = step * (share + step * (second / 2 + step * (third / 6 + step * fourth / 24)))
    return m + step, log_sum + rise


@_log_root.defjvp
def _log_root_jvp(primals, tangents):
    first, second, _, known = primals
    log_x = checkpoint_name(_log_root(*primals), "root")
    log_sum = (known - first * log_x) / second
    by_first, by_second, by_shift, by_known = tangents
    # Both sides of a division, in parts of the larger of X and shift + X, which may be next to 0.
    larger = jnp.maximum(log_x, log_sum)
    whole, part = jnp.exp(log_sum - larger), jnp.exp(log_x - larger)
    most = 0.5 * jnp.log(jnp.finfo(log_x.dtype).max)
    per_shift = second * jnp.exp(at_most(-larger, most))
    excess = (by_first * log_x + by_second * log_sum - by_known) * whole + by_shift * per_shift
    return log_x, -excess / (first * whole + second * part)


def _refuse_elasticities(workers: Population) -> None:
    if workers.elasticity is not None:
        raise ValueError(
            "Workers with elasticities of their own have Quasilinear or GHH preferences; "
            "Isoelastic takes one exponent for everyone. Make the population without `elasticity`."
        )
