"""The best of all tax schedules for quasi-linear workers (Mirrlees 1971; Diamond 1998).

Computed on the host in float64. A worker is its potential income n, the income it earns untaxed: at
a marginal rate t it earns z = n (1 - t)^e, at a cost of n / (1 + 1/e) (z / n)^(1 + 1/e) dollars.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy import special

from econjax.economy import Economy
from econjax.optimal._panels import Panels, Quantile, rate_at
from econjax.optimal._types import Types, continuous_types, finite_types
from econjax.population import REFERENCE_HOURS
from econjax.preferences import Quasilinear
from econjax.welfare import AbstractWelfare


class MirrleesBound(NamedTuple):
    """The optimum over all schedules on one population: none brings a higher `equivalent`.

    Some schedule comes within `gap` dollars a year of it (rounding), unless somebody would have to
    work longer than the economy's longest week. The arrays have one entry per distinct type, in
    rising order: potential income, share of the population, and income and utility at the optimum,
    in dollars a year. `pooled` is the share of people who earn as much as another type.
    """

    equivalent: float
    gap: float
    potential: Float[np.ndarray, " types"]
    weight: Float[np.ndarray, " types"]
    income: Float[np.ndarray, " types"]
    utility: Float[np.ndarray, " types"]
    pooled: float


def mirrlees_bound(economy: Economy, welfare: AbstractWelfare) -> MirrleesBound:
    """Return the highest equivalent that any tax schedule can bring to the workers of an economy.

    No type may gain from earning what the next lower one earns. With incomes that rise with the
    type nothing else binds; where they would fall, types are pooled (Mirrlees 1971; Lollivier and
    Rochet 1983, Journal of Economic Theory 31, 392-400). Welfare is concave in what is left to
    choose, so its tangent at the optimum lies above all that is feasible: that is the bound. It
    exceeds the continuum's optimum, for finite types leave gaps. Types are 40 * skill * taste^(-e);
    workers of weight 0 are left out. A longest week is left out too: it only takes choices away,
    provided that skill rises with the type, so that everyone can earn what the next lower type
    does. The welfare function's own floor is taken to bind nobody: the bound is that of schedules
    which leave everyone at or above it. On the host: neither compiled nor batched.

    Raises:
        ValueError: preferences other than `Quasilinear`; an elasticity or a fixed cost per worker;
            a taste of 0; a longest week where skill does not rise with the type; a consumption
            floor; a welfare function other than `Utilitarian`, `Atkinson` and exact `Rawlsian`;
            utilities at the optimum that are not positive or lie below that function's floor.
    """
    aversion, elasticity = _aversion(welfare), _common_elasticity(economy)
    counted = np.asarray(economy.population.weight) > 0
    skill, taste, weight = (
        np.asarray(field, np.float64)[counted]
        for field in (economy.population.skill, economy.population.taste, economy.population.weight)
    )
    if np.any(taste == 0):
        raise ValueError(
            "A worker with taste 0 would work without end: give everyone a positive taste."
        )
    if economy.consumption_floor > -np.inf:
        raise ValueError(
            f"The bound needs an economy without a consumption floor, not "
            f"${economy.consumption_floor:,.2f}."
        )
    own = REFERENCE_HOURS * skill * taste**-elasticity
    if np.isfinite(economy.max_labor) and np.any(np.diff(skill[np.lexsort((skill, own))]) < 0):
        raise ValueError(
            "With a longest week the bound needs workers whose skill rises with their type, "
            "skill * taste^(-elasticity): use one taste for everyone, or set max_labor=jnp.inf."
        )
    potential, member = np.unique(own, return_inverse=True)
    share = np.bincount(member, weight) / weight.sum()
    types = finite_types(potential, share, elasticity, float(economy.spending))
    cost, equivalent = _optimum(types, aversion)
    income, utility = types.income(cost), types.utility(cost)
    _require_above_floor(utility, welfare)
    apart = np.append(np.append(True, np.diff(income) > 1e-12 * income[1:]), True)
    return MirrleesBound(
        equivalent=equivalent,
        gap=equivalent - _equivalent(utility, share, aversion),
        potential=potential,
        weight=share,
        income=income,
        utility=utility,
        pooled=float(share @ ~(apart[:-1] & apart[1:])),
    )


class MirrleesContinuum(NamedTuple):
    """The optimum over all schedules on a continuum of types.

    `equivalent`, `lowest` (the utility of the lowest type) and `mean_income` are in dollars a year.
    The arrays follow the types in rising order, but for a share of 1e-6 at the lower and 1e-12 at
    the upper end: share of people below, income in dollars a year, marginal rate. If not
    `monotone`, incomes fall somewhere, where types would have to be pooled, and no schedule reaches
    `equivalent`.
    """

    equivalent: float
    lowest: float
    mean_income: float
    below: Float[np.ndarray, " nodes"]
    income: Float[np.ndarray, " nodes"]
    rate: Float[np.ndarray, " nodes"]
    monotone: bool

    def marginal_rate(self, income: ArrayLike) -> Float[np.ndarray, "*shape"]:
        """Return the marginal rate at incomes that somebody earns.

        Raises:
            ValueError: an income that nobody earns, or an optimum that is not monotone.
        """
        return rate_at(income, self.income, self.rate, monotone=self.monotone)


def mirrlees_continuum(
    quantile: Quantile, *, elasticity: float, welfare: AbstractWelfare, spending: float = 0.0
) -> MirrleesContinuum:
    """Return the optimum over all schedules for a continuum of potential incomes.

    t / (1 - t) = (1/e) (1 - F) / (n f) (1 - G), where G is the mean marginal welfare weight of
    those above n over that of all (Diamond 1998; Saez 2001, section 3). `quantile(below, above)`
    gives potential incomes in dollars a year by the shares of people below and above, both given so
    that neither tail loses digits: `lambda below, above: 8000 * above**-0.5` is a Pareto
    distribution. `spending` is per head. The welfare function's own floor is as in
    `mirrlees_bound`.

    Raises:
        ValueError: as `mirrlees_bound` for the welfare function and utilities; an elasticity that
            is not positive; a `quantile` that falls, or that is not positive and finite in the far
            tails; types without a mean.
    """
    if not elasticity > 0:
        raise ValueError(f"elasticity must be positive; got {elasticity}.")
    aversion = _aversion(welfare)
    panels = Panels(quantile)
    panels.require_mean(np.exp(panels.log_type))
    types = continuous_types(panels, elasticity, spending)
    cost, _ = _optimum(types, aversion)
    income, utility = types.income(cost), types.utility(cost)
    # Below, rents are lost in rounding.
    inner = panels.inner & (panels.below > 1e-6)
    _require_above_floor(utility, welfare)
    return MirrleesContinuum(
        equivalent=_equivalent(utility, types.weight, aversion),
        lowest=float(utility[0]),
        mean_income=types.mean(income),
        below=panels.below[inner],
        income=income[inner],
        rate=(1 - (income / types.potential) ** (1 / elasticity))[inner],
        monotone=panels.mostly_rising(income),
    )


def _optimum(types: Types, aversion: float) -> tuple[Float[np.ndarray, " types"], float]:
    """Return the best costs of working, and an equivalent that none exceeds.

    At the current welfare weights the best costs are in closed form; the step towards them is the
    best one (Frank and Wolfe 1956). With g = u^(-aversion) the equivalent is concave and
    homogeneous, so its tangent at u bounds it everywhere by E[g u'] / E[g u] of itself, and the
    closed form maximises that.
    """
    cost = types.best_cost(np.ones_like(types.potential) if aversion == 0 else None)
    utility = types.utility(cost)
    if aversion in (0, np.inf):
        return cost, _equivalent(utility, types.weight, aversion)
    if utility[0] <= 0:
        raise ValueError(
            f"No schedule leaves everyone a positive utility (at best ${utility[0]:,.2f} a year), "
            f"which Atkinson welfare needs: lower spending, ${types.spending:,.2f} a head."
        )
    bound = np.inf
    for _ in range(_MOST_STEPS):
        social = (utility / utility[0]) ** -aversion
        target = types.best_cost(social / types.mean(social))
        reached = types.utility(target)
        tangent = types.mean(social * reached) / types.mean(social * utility)
        bound = min(bound, tangent * _equivalent(utility, types.weight, aversion))
        length = _step(types, cost, target - cost, aversion)
        if length == 0 or np.max(np.abs(reached / utility - 1)) < _CLOSE:
            break
        cost = cost + length * (target - cost)
        utility = types.utility(cost)
    return cost, float(max(bound, _equivalent(utility, types.weight, aversion)))


_MOST_STEPS = 200
_CLOSE = 1e-11


def _step(
    types: Types,
    cost: Float[np.ndarray, " types"],
    move: Float[np.ndarray, " types"],
    aversion: float,
) -> float:
    """Return about how much of a move is best: the derivative's root; 0 if it is all rounding."""

    def slope(length: float) -> float:
        at = cost + length * move
        utility = types.utility(at)
        if utility[0] <= 0:
            return -1.0
        return types.mean((utility / utility[0]) ** -aversion * types.gain(at, move))

    if slope(1.0) >= 0:
        return 1.0
    if slope(0.0) <= 0:
        return 0.0
    from scipy import optimize  # here: it is slow to import

    return max(optimize.root_scalar(slope, bracket=(0.0, 1.0), xtol=0.05).root, 0.01)


def _aversion(welfare: AbstractWelfare) -> float:
    if welfare.constant_aversion is None:
        raise ValueError(
            "The optimum is known for Utilitarian, Atkinson and exact Rawlsian welfare, not "
            f"{welfare}."
        )
    return float(welfare.constant_aversion)


def _require_above_floor(utility: Float[np.ndarray, " types"], welfare: AbstractWelfare) -> None:
    least = welfare.least_utility
    if least is not None and utility[0] < least:
        raise ValueError(
            f"At the optimum without a floor somebody has a utility of ${utility[0]:,.2f} a year, "
            f"below the welfare function's floor of ${least:,.2f}, which may pay: lower "
            "the floor."
        )


_OF_EACH = ("elasticity", "fixed_cost", "other_income", "credit", "credits")


def _common_elasticity(economy: Economy) -> float:
    population, preferences = economy.population, economy.preferences
    if not isinstance(preferences, Quasilinear):
        raise ValueError(
            f"The bound holds for Quasilinear preferences, not {type(preferences).__name__}."
        )
    own = [name for name in _OF_EACH if getattr(population, name) is not None]
    if own:
        raise ValueError(
            f"The bound needs workers who differ in one number: leave out {' and '.join(own)}."
        )
    return float(preferences.elasticity)


def _equivalent(
    utility: Float[np.ndarray, " types"], weight: Float[np.ndarray, " types"], aversion: float
) -> float:
    if aversion == 0:
        return float(np.sum(weight * utility))
    if aversion == np.inf:
        return float(utility[0])
    log = np.log(utility / utility[0])
    power = 1 - aversion
    if power == 0:
        mean = np.sum(weight * log)
    elif abs(power) < 0.01:  # digits near 0
        mean = np.log1p(np.sum(weight * np.expm1(power * log))) / power
    else:
        mean = special.logsumexp(power * log, b=weight) / power
    return float(utility[0] * np.exp(mean))
