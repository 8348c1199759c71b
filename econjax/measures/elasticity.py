"""Estimators of the elasticity of income with respect to the net-of-tax rate, 1 - T'."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int
from numpy.typing import ArrayLike

from econjax._arrays import as_float, dot, is_concrete, require, require_scalar
from econjax.schedule import AbstractSchedule, BracketSchedule


class Panel(eqx.Module):
    """The same workers before and after a reform: what their logarithms say.

    `log_income` is that of the base year, the three changes are differences of logs: of income, of
    the net-of-tax rate, and of the net-of-tax rate had income stayed as in the base year. `weight`
    is 0 for who is left out: whoever earned less than `least_income` dollars in the base year, and
    whoever has no logarithm because income or the net-of-tax rate is 0 or less in one of the years.
    `before` and `after` are the schedules of the two years; a worker at a threshold faces the rate
    above it. Weights are any multiple of people's shares (equal if not given), 0 to leave someone
    out; Gruber and Saez multiply them by base-year income.

    Raises:
        ValueError: incomes and weights that are not flat arrays of one length, an entry that is not
            finite or a negative weight (checked where they are known), or nobody left.
    """

    log_income: Float[Array, " agents"]
    income_change: Float[Array, " agents"]
    rate_change: Float[Array, " agents"]
    predicted_change: Float[Array, " agents"]
    weight: Float[Array, " agents"]

    def __init__(
        self,
        income: ArrayLike,
        later_income: ArrayLike,
        *,
        before: AbstractSchedule,
        after: AbstractSchedule,
        weight: ArrayLike | None = None,
        least_income: ArrayLike = 0.0,
    ):
        income, later, weight = _columns(income=income, later_income=later_income, weight=weight)
        old, new, predicted = _kept(before, income), _kept(after, later), _kept(after, income)
        counted = (
            (weight > 0) & (income > 0) & (income >= require_scalar("least_income", least_income))
        )
        counted &= (later > 0) & (old > 0) & (new > 0) & (predicted > 0)
        self.weight = _someone(jnp.where(counted, weight, 0))
        self.log_income = _log(income, counted)
        self.income_change = _log(later / jnp.where(counted, income, 1), counted)
        self.rate_change = _log(new / jnp.where(counted, old, 1), counted)
        self.predicted_change = _log(predicted / jnp.where(counted, old, 1), counted)


class Estimate(eqx.Module):
    """An elasticity, its heteroskedasticity-robust standard error, and how many observations."""

    elasticity: Float[Array, ""]
    standard_error: Float[Array, ""]
    observations: Int[Array, ""]


def arc_elasticity(panel: Panel) -> Float[Array, ""]:
    """Return the mean log change of income over the mean log change of the net-of-tax rate.

    The ratio of weighted sums, sum w ln(z'/z) / sum w ln((1-T'')/(1-T')): a paired perturbation,
    where nothing but the schedule differs between the two years. It is exact where all net-of-tax
    rates change by one factor and nobody is bunched; it says nothing where changes cancel.

    Raises:
        ValueError: the mean net-of-tax rate does not change.
    """
    change = dot(panel.weight, panel.rate_change)
    least = 32 * jnp.finfo(change.dtype).eps * dot(panel.weight, jnp.abs(panel.rate_change))
    change = require(
        change,
        jnp.abs(change) > least,
        "The mean net-of-tax rate must change: perturb all rates in one direction.",
    )
    return dot(panel.weight, panel.income_change) / change


def level_ols(income: ArrayLike, rate: ArrayLike, *, weight: ArrayLike | None = None) -> Estimate:
    """Return the slope of log income on the log net-of-tax rate, over any observations: biased.

    For comparison only: the AI Economist (Zheng et al. 2020) takes it, cut at 0, for the
    elasticity. With z = n (1 - rate)^e the slope is e + cov(ln n, ln(1 - rate)) / var(ln(1 -
    rate)). It is e where rates are drawn independently of potential income n; under a progressive
    schedule those who earn more keep less of the next dollar, and the slope is near -9 for a true
    0.25. `rate` is each observation's own marginal rate, as a share. Observations without income or
    with nothing kept are left out.

    Raises:
        ValueError: columns that are not flat arrays of one length, an entry that is not finite
            (checked where it is known), nobody left, or all rates equal.
    """
    income, rate, weight = _columns(income=income, rate=rate, weight=weight)
    counted = (weight > 0) & (income > 0) & (rate < 1)
    weight = _someone(jnp.where(counted, weight, 0))
    kept = _log(1 - rate, counted)
    return _two_stage(_log(income, counted), kept, kept, jnp.ones_like(kept)[:, None], weight)


def difference_ols(panel: Panel, *, pieces: int = 0) -> Estimate:
    """Return the slope of the change of log income on that of the log net-of-tax rate: biased.

    Who earns more for any reason moves into a higher bracket, so with shocks to income the slope
    falls far below the elasticity. `pieces` and errors as in `gruber_saez`.
    """
    return _two_stage(
        panel.income_change,
        panel.rate_change,
        panel.rate_change,
        _controls(panel, pieces),
        panel.weight,
    )


def gruber_saez(panel: Panel, *, pieces: int = 5) -> Estimate:
    """Return the slope of changes of log income on instrumented ones of the log net-of-tax rate.

    The instrument is the change had income stayed as in the base year (Gruber and Saez 2002,
    Journal of Public Economics 84, 1-32). Controls besides the constant: `pieces` = 0 none, 1 log
    base-year income, more a linear spline of it with knots that split the observations evenly (the
    paper has 10). It recovers the elasticity exactly where nobody is bunched or changes bracket;
    bunched workers lessen it. With mean reversion or diverging incomes the controls decide the
    answer.

    Raises:
        ValueError: negative `pieces`, or an instrument that does not move the net-of-tax rate,
            given the controls.
    """
    return _two_stage(
        panel.income_change,
        panel.rate_change,
        panel.predicted_change,
        _controls(panel, pieces),
        panel.weight,
    )


class Bunching(eqx.Module):
    """The excess mass of workers at a threshold where the marginal rate rises.

    `excess` is the share of the population bunched, `below` and `above` the densities of income on
    either side (share per dollar), `threshold` is in dollars, `rates` are those below and above it.

    Raises:
        ValueError: a threshold that is not positive, a negative density, none below, or rates that
            do not rise, or reach 1.
    """

    excess: Float[Array, ""]
    below: Float[Array, ""]
    above: Float[Array, ""]
    threshold: Float[Array, ""]
    rates: Float[Array, " sides=2"]

    def __init__(
        self,
        excess: ArrayLike,
        *,
        below: ArrayLike,
        above: ArrayLike,
        threshold: ArrayLike,
        rates: ArrayLike,
    ):
        self.excess = require_scalar("excess, a share of the population,", excess)
        self.below = require_scalar("below, a density per dollar,", below, positive=True)
        self.above = require_scalar("above, a density per dollar,", above, least=0)
        self.threshold = require_scalar("threshold, in dollars,", threshold, positive=True)
        rates = as_float(rates)
        if rates.shape != (2,):
            raise ValueError(
                f"rates are two, below and above the threshold; got shape {rates.shape}."
            )
        rises = (rates[0] < rates[1]) & (rates[1] < 1)
        self.rates = require(rates, rises, "Workers bunch where the rate rises, to less than 1.")

    def small_kink(self) -> Float[Array, ""]:
        """Return e = b / (z* ln((1-t1)/(1-t2))), b = excess / density below (Chetty et al. 2011).

        A first-order formula: 6 % too low where the rate rises from 30 % to 50 %.
        """
        return self.excess / (self.below * self.threshold * self._log_fall())

    def trapezoid(self) -> Float[Array, ""]:
        """Return e from excess = z* (x - 1) (below + above / x) / 2, x = ((1-t1)/(1-t2))^e.

        Saez (2010, American Economic Journal: Economic Policy 2, 180-212): the density between the
        two sides' potential incomes is a trapezoid. The positive root of the quadratic in x is
        taken.
        """
        linear = self.above - self.below - 2 * self.excess / self.threshold
        root = jnp.sqrt(linear**2 + 4 * self.below * self.above)
        return jnp.log((root - linear) / (2 * self.below)) / self._log_fall()

    def _log_fall(self) -> Float[Array, ""]:
        return jnp.log1p(-self.rates[0]) - jnp.log1p(-self.rates[1])


def bunching(
    income: ArrayLike,
    schedule: BracketSchedule,
    *,
    bracket: int,
    window: ArrayLike,
    weight: ArrayLike | None = None,
) -> Bunching:
    """Return the excess mass at the threshold where `bracket` starts (1 is the first inner one).

    As in Saez (2010): densities are those of two bands of `window` dollars, which start `window`
    dollars away from the threshold; the excess is what the band between them holds beyond their
    mean. `weight` are people's shares, equal if not given.

    Raises:
        ValueError: no such inner threshold, a window that is not positive or does not fit below the
            threshold, or anything `Bunching` refuses.
    """
    if not 0 < bracket < schedule.thresholds.shape[0]:
        inner = schedule.thresholds.shape[0] - 1
        raise ValueError(f"The schedule has inner thresholds 1 to {inner}; got bracket {bracket}.")
    income, weight = _columns(income=income, weight=weight)
    threshold, rates = schedule.thresholds[bracket], schedule.rates[bracket - 1 : bracket + 1]
    window = require_scalar("window, in dollars,", window, positive=True)
    window = require(
        window, 2 * window <= threshold, "Twice the window must fit below the threshold."
    )
    weight = _someone(weight)
    distance = (income - threshold) / window

    def share(low: float, high: float) -> Float[Array, ""]:
        return jnp.sum(jnp.where((distance >= low) & (distance < high), weight, 0))

    lower, upper = share(-2, -1), share(1, 2)
    excess = share(-1, 1) - lower - upper
    return Bunching(
        excess, below=lower / window, above=upper / window, threshold=threshold, rates=rates
    )


def _columns(*, weight: ArrayLike | None, **columns: ArrayLike) -> list[Float[Array, " agents"]]:
    arrays = {name: as_float(values) for name, values in columns.items()}
    first = next(iter(arrays.values()))
    arrays["weight"] = jnp.ones_like(first) if weight is None else as_float(weight)
    if any(array.ndim != 1 or array.shape != first.shape for array in arrays.values()):
        shapes = {name: array.shape for name, array in arrays.items()}
        raise ValueError(
            f"Observations are flat arrays of one length, one entry each; got shapes {shapes}."
        )
    for name, array in arrays.items():
        legal = jnp.isfinite(array) & ((array >= 0) | (name != "weight"))
        if is_concrete(legal) and not legal.all():
            where = int(jnp.argmin(legal))
            least = ", 0 or more" if name == "weight" else ""
            raise ValueError(f"{name} must be finite{least}: mend entry {where}, {array[where]}.")
    return list(arrays.values())


def _someone(weight: Float[Array, " agents"]) -> Float[Array, " agents"]:
    total = jnp.sum(weight)
    remedy = (
        "No observation of positive weight is left: income, and what is kept of the next dollar, "
        "must be above 0, and income no less than least_income."
    )
    return weight / require(total, total > 0, remedy)


def _kept(schedule: AbstractSchedule, income: Float[Array, " agents"]) -> Float[Array, " agents"]:
    # A worker at a threshold, up to rounding, faces the rate above it.
    return 1 - schedule.marginal_rate(income * (1 + 32 * jnp.finfo(income.dtype).eps))


def _log(
    values: Float[Array, " agents"], counted: Bool[Array, " agents"]
) -> Float[Array, " agents"]:
    return jnp.log(jnp.where(counted, values, 1))


def _controls(panel: Panel, pieces: int) -> Float[Array, "agents controls"]:
    """Return a constant, and a linear spline of log base-year income in so many pieces."""
    if pieces < 0 or pieces != int(pieces):
        raise ValueError(f"pieces counts the linear pieces of the spline: 0 or more; got {pieces}.")
    columns = [jnp.ones_like(panel.log_income)]
    if pieces:
        counted = panel.weight > 0
        ranked = jnp.sort(jnp.where(counted, panel.log_income, jnp.inf))
        place = jnp.arange(1, pieces) / pieces * (jnp.sum(counted) - 1)
        low, part = place.astype(int), place % 1
        high = jnp.ceil(place).astype(int)
        knots = ranked[low] * (1 - part) + ranked[high] * part
        middle = dot(panel.weight, panel.log_income)
        columns += [panel.log_income - middle]
        columns += [jnp.maximum(panel.log_income - knot, 0) for knot in knots]
    return jnp.stack(columns, axis=1)


def _two_stage(
    outcome: Float[Array, " agents"],
    regressor: Float[Array, " agents"],
    instrument: Float[Array, " agents"],
    controls: Float[Array, "agents controls"],
    weight: Float[Array, " agents"],
) -> Estimate:
    """Return two-stage least squares with one instrument, and White's (1980) standard error."""
    root = jnp.sqrt(weight)
    basis, size, _ = jnp.linalg.svd(root[:, None] * controls, full_matrices=False)
    rounding = 1e2 * jnp.finfo(weight.dtype).eps
    basis = jnp.where(size > rounding * size[0], basis, 0)

    def unexplained(values: Float[Array, " agents"]) -> Float[Array, " agents"]:
        values = root * values
        return values - dot(basis, dot(basis.T, values))

    income, rate, moved = unexplained(outcome), unexplained(regressor), unexplained(instrument)
    first_stage = dot(moved, rate)
    least = rounding * jnp.linalg.norm(root * instrument) * jnp.linalg.norm(root * regressor)
    first_stage = require(
        first_stage,
        jnp.abs(first_stage) > least,
        "Net-of-tax rates must vary, given the controls, for an elasticity to be seen: use a "
        "reform that moves some rates more than others, or fewer controls.",
    )
    elasticity = dot(moved, income) / first_stage
    residual = income - elasticity * rate
    error = jnp.linalg.norm(moved * residual) / jnp.abs(first_stage)
    return Estimate(elasticity, error, jnp.sum(weight > 0))
