"""Preferences: the utility of one worker over consumption and labor."""

import abc
from typing import TYPE_CHECKING, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float
from numpy.typing import ArrayLike

from econjax._arrays import require, require_scalar
from econjax.population import REFERENCE_HOURS, Population

if TYPE_CHECKING:
    from typing import ClassVar as AbstractClassVar
else:
    from equinox import AbstractClassVar

Agents = Float[Array, " agents"]
Choice = tuple[Agents, Agents]
"""Consumption and labor."""


class AbstractPreferences(eqx.Module):
    """How a worker trades consumption (dollars a year) against labor (hours a week).

    `income_effects` says whether hours depend on the rebate, `utility_in_dollars` whether utility
    is money.
    """

    income_effects: AbstractClassVar[bool]
    utility_in_dollars: AbstractClassVar[bool]

    @abc.abstractmethod
    def utility(self, consumption: Agents, labor: Agents, workers: Population) -> Agents:
        """Return each worker's utility, in utils; -inf where consumption is too low to have one."""

    @abc.abstractmethod
    def advantage(
        self, consumption: Agents, labor: Agents, over: Choice, workers: Population
    ) -> Agents:
        """Return how much better a choice is than `over` (consumption, labor), in dollars.

        That is the difference of utilities over the marginal utility of consumption at `over`; it
        keeps its digits where utilities are close.
        """

    @abc.abstractmethod
    def linear_labor(
        self,
        log_net_rate: Float[Array, "..."],
        virtual_income: Float[Array, "..."],
        workers: Population,
    ) -> Agents:
        """Return the best hours on the budget c = virtual income + net rate * income.

        The rate is given by its log, -inf where nothing is kept.
        """

    @abc.abstractmethod
    def log_linear_labor(
        self,
        scale: Float[Array, ""],
        progressivity: Float[Array, ""],
        virtual_income: Float[Array, "..."],
        workers: Population,
    ) -> Agents:
        """Return the best hours on c = virtual income + scale * income^(1 - progressivity)."""

    @abc.abstractmethod
    def log_type(self, workers: Population) -> Agents:
        """Return the log skill with which a worker of taste 1 would choose the same incomes."""

    @abc.abstractmethod
    def revealed_taste(
        self, net_rate: Agents, consumption: Agents, labor: Agents, workers: Population
    ) -> Agents:
        """Return the taste at which these hours are the best ones."""

    @abc.abstractmethod
    def elasticity_of(self, workers: Population) -> Float[Array, "..."] | None:
        """Return the elasticity of income in the net-of-tax rate: each worker's, or everybody's.

        None with income effects: it then depends on the budget.
        """


class Quasilinear(AbstractPreferences):
    """Consumption less a power disutility of labor: no income effects, a constant elasticity.

    u = c - taste * skill * L0 / (1 + 1/e) * (l / L0)^(1 + 1/e), with L0 = 40 hours and e the
    elasticity of income with respect to the net-of-tax rate (Diamond 1998, section 1). Utility is
    in dollars. On a straight line l = L0 * (net rate / taste)^e. Workers whose population states
    elasticities have those.

    Raises:
        ValueError: the elasticity is not positive and finite.
    """

    elasticity: Float[Array, ""]
    utility_in_dollars: ClassVar[bool] = True
    income_effects: ClassVar[bool] = False

    def __init__(self, elasticity: ArrayLike):
        self.elasticity = require_scalar("elasticity", elasticity, positive=True)

    def utility(self, consumption: Agents, labor: Agents, workers: Population) -> Agents:
        """Return consumption less the cost of labor, in dollars a year."""
        return consumption - self.cost(labor, workers)

    def cost(self, labor: Agents, workers: Population) -> Agents:
        """Return the disutility of labor, in dollars a year."""
        exponent = 1 + 1 / self.elasticity_of(workers)
        # Cut where only hopeless choices lie, so that no power overflows and no gradient is 0 *
        # inf.
        most = 0.5 * jnp.log(jnp.finfo(labor.dtype).max)
        effort = _power(labor / REFERENCE_HOURS, exponent, most=most)
        return workers.taste * workers.skill * (REFERENCE_HOURS / exponent) * effort

    def advantage(
        self, consumption: Agents, labor: Agents, over: Choice, workers: Population
    ) -> Agents:
        """Return the difference of utilities, in dollars a year."""
        return (consumption - over[0]) - (self.cost(labor, workers) - self.cost(over[1], workers))

    def linear_labor(
        self,
        log_net_rate: Float[Array, "..."],
        virtual_income: Float[Array, "..."],
        workers: Population,
    ) -> Agents:
        """Return L0 * (net rate / taste)^e hours; nothing is worked where nothing is kept."""
        log_kept = log_net_rate - jnp.log(_positive_taste(workers))
        hours = REFERENCE_HOURS * _exp(self.elasticity_of(workers) * log_kept)
        return jnp.where((workers.taste > 0) | (log_net_rate == -jnp.inf), hours, jnp.inf)

    def log_linear_labor(
        self,
        scale: Float[Array, ""],
        progressivity: Float[Array, ""],
        virtual_income: Float[Array, "..."],
        workers: Population,
    ) -> Agents:
        """Return the hours at which scale * (1 - p) * (skill l)^(-p) = taste * (l / L0)^(1/e)."""
        inverse = 1 / self.elasticity_of(workers)
        progressivity = require(
            progressivity, jnp.all(inverse + progressivity > 0), _TOO_REGRESSIVE
        )
        log_skill, _ = _log_skill(workers)
        log_taste = jnp.log(_positive_taste(workers))
        kept = jnp.log(scale * (1 - progressivity)) - progressivity * log_skill - log_taste
        hours = _exp((kept + inverse * jnp.log(REFERENCE_HOURS)) / (inverse + progressivity))
        return _without_end(hours, workers)

    def log_type(self, workers: Population) -> Agents:
        """Return log(skill * taste^(-e))."""
        return jnp.log(workers.skill) - self.elasticity_of(workers) * jnp.log(workers.taste)

    def revealed_taste(
        self, net_rate: Agents, consumption: Agents, labor: Agents, workers: Population
    ) -> Agents:
        """Return net rate * (l / L0)^(-1/e)."""
        return net_rate * (labor / REFERENCE_HOURS) ** (-1 / self.elasticity_of(workers))

    def elasticity_of(self, workers: Population) -> Float[Array, "..."]:
        """Return the population's elasticities, or everybody's if it states none."""
        return self.elasticity if workers.elasticity is None else workers.elasticity


class GHH(AbstractPreferences):
    """A power of consumption less the cost of labor: no income effects, and aversion to risk.

    u = ((c - v)^(1 - eta) - 1) / (1 - eta), or log(c - v) at eta = 1, with v the cost of labor of
    `Quasilinear(elasticity)` and c - v in multiples of `unit` dollars (Greenwood, Hercowitz and
    Huffman 1988). Hours are those of `Quasilinear`. Where c is not above v, utility is -inf.

    Raises:
        ValueError: a parameter is not positive and finite.
    """

    curvature: Float[Array, ""]
    composite: Quasilinear
    unit: Float[Array, ""]
    utility_in_dollars: ClassVar[bool] = False
    income_effects: ClassVar[bool] = False

    def __init__(self, curvature: ArrayLike, *, elasticity: ArrayLike, unit: ArrayLike = 1.0):
        self.curvature = require_scalar("curvature", curvature, positive=True)
        self.composite = Quasilinear(elasticity)
        self.unit = require_scalar("unit, in dollars,", unit, positive=True)

    def utility(self, consumption: Agents, labor: Agents, workers: Population) -> Agents:
        """Return the power of consumption less the cost of labor."""
        return _crra(
            self.composite.utility(consumption, labor, workers) / self.unit, self.curvature
        )

    def advantage(
        self, consumption: Agents, labor: Agents, over: Choice, workers: Population
    ) -> Agents:
        """Return differences of consumption less the cost of labor, which orders choices alike."""
        return self.composite.advantage(consumption, labor, over, workers)

    def linear_labor(
        self,
        log_net_rate: Float[Array, "..."],
        virtual_income: Float[Array, "..."],
        workers: Population,
    ) -> Agents:
        """Return L0 * (net rate / taste)^e hours; nothing is worked where nothing is kept."""
        return self.composite.linear_labor(log_net_rate, virtual_income, workers)

    def log_linear_labor(
        self,
        scale: Float[Array, ""],
        progressivity: Float[Array, ""],
        virtual_income: Float[Array, "..."],
        workers: Population,
    ) -> Agents:
        """Return the hours of `Quasilinear`."""
        return self.composite.log_linear_labor(scale, progressivity, virtual_income, workers)

    def log_type(self, workers: Population) -> Agents:
        """Return log(skill * taste^(-e))."""
        return self.composite.log_type(workers)

    def revealed_taste(
        self, net_rate: Agents, consumption: Agents, labor: Agents, workers: Population
    ) -> Agents:
        """Return net rate * (l / L0)^(-1/e)."""
        return self.composite.revealed_taste(net_rate, consumption, labor, workers)

    def elasticity_of(self, workers: Population) -> Float[Array, "..."]:
        """Return the elasticity of `Quasilinear`."""
        return self.composite.elasticity_of(workers)


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
        return _crra(consumption / self.unit, self.curvature) - self._disutility(labor, workers)

    def advantage(
        self, consumption: Agents, labor: Agents, over: Choice, workers: Population
    ) -> Agents:
        """Return the difference of utilities in dollars of the other choice's marginal utility."""
        both = (over[0] > 0) & (consumption > 0)
        base = jnp.where(both, over[0], 1)
        # Cut so that no product is 0 * inf.
        most = 0.9 * jnp.log(jnp.finfo(base.dtype).max) - jnp.maximum(jnp.log(self.unit), 0)
        per_util = self.unit * _power(base / self.unit, self.curvature, most=most)  # at `over`
        gain = base * _crra(jnp.where(both, consumption, 1) / base, self.curvature)
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
        progressivity = require(progressivity, ok, _TOO_REGRESSIVE)
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
        return workers.taste * self.scale * _power(labor, self.exponent, most=most)

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
        log_skill, works = _log_skill(workers)
        per_income = self.exponent / power
        marginal = jnp.log(self.scale * self.exponent * _positive_taste(workers)) + (
            1 - self.curvature
        ) * jnp.log(self.unit)
        known = jnp.log(power) + self.exponent * log_skill - marginal + per_income * log_scale
        log_x = _log_root(per_income - 1, self.curvature, virtual_income, known)
        hours = _exp((log_x - log_scale) / power - log_skill)
        return jnp.where(works, _without_end(hours, workers), 0)


_STEPS = 4
"""From its start it is then exact to rounding wherever first / (first + second) is 1e-4 or more."""


@jax.custom_jvp
def _log_root(
    first: Float[Array, ""], second: Float[Array, ""], shift: Float[Array, "..."], known: Agents
) -> Agents:
    """Return the log of the X at which first * log X + second * log(shift + X) = known.

    In m = log X (or log(shift + X) where the shift is negative) the left side is convex and rising.
    Householder's method of order 3 (Householder 1970, section 4.4), of which a step triples the
    digits and one more costs no further logarithm, begins at the lower of both asymptotes.
    """
    negative = shift < 0
    slope_m = jnp.where(negative, second, first)
    slope_log = jnp.where(negative, first, second)
    size = jnp.abs(shift)
    log_size = jnp.log(jnp.where(size > 0, size, jnp.finfo(size.dtype).tiny))
    m = jnp.minimum(known / (slope_m + slope_log), (known - slope_log * log_size) / slope_m)
    for _ in range(_STEPS):
        ratio = jnp.exp(-jnp.abs(m - log_size))
        log_sum = jnp.maximum(m, log_size) + jnp.log(1 + ratio)
        share = jnp.where(m > log_size, 1, ratio) / (1 + ratio)  # of e^m in the sum
        slope = slope_m + slope_log * share
        newton = (slope_m * m + slope_log * log_sum - known) / slope
        bend = slope_log * share * (1 - share) / (2 * slope)
        turn = bend * (1 - 2 * share) / 3
        step = newton * (1 - bend * newton) / (1 - newton * (2 * bend - turn * newton))
        m = m - step
    return jnp.where(negative, _log_add(log_size, m), m)


@_log_root.defjvp
def _log_root_jvp(primals, tangents):
    first, second, _, known = primals
    log_x = _log_root(*primals)
    log_sum = (known - first * log_x) / second
    by_first, by_second, by_shift, by_known = tangents
    # Both sides of a division, in parts of the larger of X and shift + X, which may be next to 0.
    larger = jnp.maximum(log_x, log_sum)
    whole, part = jnp.exp(log_sum - larger), jnp.exp(log_x - larger)
    most = 0.5 * jnp.log(jnp.finfo(log_x.dtype).max)
    per_shift = second * jnp.exp(jnp.minimum(-larger, most))
    excess = (by_first * log_x + by_second * log_sum - by_known) * whole + by_shift * per_shift
    return log_x, -excess / (first * whole + second * part)


def _log_add(a: Float[Array, "..."], b: Float[Array, "..."]) -> Float[Array, "..."]:
    return jnp.maximum(a, b) + jnp.log1p(jnp.exp(-jnp.abs(a - b)))


def _crra(amount: Agents, curvature: Float[Array, ""]) -> Agents:
    """Return (x^(1 - eta) - 1) / (1 - eta), log x at eta = 1, to all digits; -inf at x <= 0."""
    log = jnp.log(jnp.where(amount > 0, amount, 1))
    power = 1 - curvature
    safe = jnp.where(power == 0, 1, power)
    value = jnp.where(power == 0, log, jnp.expm1(safe * log) / safe)
    return jnp.where(amount > 0, value, -jnp.inf)


def _power(
    base: Agents, exponent: Float[Array, "..."], *, most: Float[Array, ""] | float = jnp.inf
) -> Agents:
    """Return base^exponent for a base of 0 or more: several times faster than `jnp.power`.

    Cut at exp(most).
    """
    positive = base > 0
    log = jnp.log(jnp.where(positive, base, 1))
    return jnp.where(positive, jnp.exp(jnp.minimum(exponent * log, most)), 0)


def _exp(log_hours: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return hours, cut where nobody has so many, so that no gradient is 0 * inf."""
    return jnp.exp(jnp.minimum(log_hours, 0.5 * jnp.log(jnp.finfo(log_hours.dtype).max)))


def _log_skill(workers: Population) -> tuple[Agents, Bool[Array, " agents"]]:
    """Return the log of skill, 0 where there is none, and where there is some."""
    works = workers.skill > 0
    return jnp.log(jnp.where(works, workers.skill, 1)), works


_TOO_REGRESSIVE = (
    "So regressive a schedule has no best hours between none and the longest week: marginal "
    "disutility must rise faster than the net-of-tax rate. Use a higher progressivity or a lower "
    "elasticity of labor."
)


def _positive_taste(workers: Population) -> Agents:
    return jnp.where(workers.taste > 0, workers.taste, 1)


def _without_end(hours: Agents, workers: Population) -> Agents:
    """Return the hours, or inf for workers whom labor costs nothing."""
    return jnp.where(workers.taste > 0, hours, jnp.inf)


def _refuse_elasticities(workers: Population) -> None:
    if workers.elasticity is not None:
        raise ValueError(
            "Workers with elasticities of their own have Quasilinear or GHH preferences; "
            "Isoelastic takes one exponent for everyone. Make the population without `elasticity`."
        )
