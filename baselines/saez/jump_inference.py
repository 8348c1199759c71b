"""What the elasticity and a report tell a planner of the workers who jump over thresholds."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy import interpolate, special

from econjax import BracketSchedule, Economy, Population, Quasilinear
from econjax.optimal.saez import jump_revenue
from econjax.planning import Report
from econjax.population import REFERENCE_HOURS


def inferred_jump(
    schedule: BracketSchedule, report: Report, elasticity: float
) -> Float[Array, "*groups brackets"]:
    """Return `jump_revenue` of workers inferred from a report, in dollars per unit of each rate.

    0 where rates rise with income, and where the report tells too little. Correct in so far as
    workers best-respond with that elasticity and without income effects. Workers of several groups
    are inferred group by group; of groups that have rates in common, a report tells too little.
    """
    if schedule.groups is None:
        return _of_one(schedule, report, elasticity)
    if schedule.rates.ndim == 1:
        return jnp.zeros_like(schedule.rates)
    each = (_of_group(schedule, report, elasticity, number) for number in range(schedule.groups))
    return jnp.stack(list(each))


def _of_group(
    schedule: BracketSchedule, report: Report, elasticity: float, number: int
) -> Float[Array, " brackets"]:
    """Return a group's part, from its shares of brackets alone: deciles are of everybody."""
    people = jnp.sum(report.brackets.share[number])
    if people == 0:
        return jnp.zeros_like(schedule.rates[number])
    own = eqx.tree_at(
        lambda r: (r.brackets.share, r.income_deciles),
        report,
        (report.brackets.share[number] / people, jnp.zeros_like(report.income_deciles)),
    )
    return people * _of_one(schedule.of_group(number), own, elasticity)


def _of_one(
    schedule: BracketSchedule, report: Report, elasticity: float
) -> Float[Array, " brackets"]:
    rates = np.asarray(schedule.rates)
    workers = (
        inferred_population(schedule, report, elasticity) if np.any(np.diff(rates) < 0) else None
    )
    if workers is None:
        return jnp.zeros_like(schedule.rates)
    economy = Economy(population=workers, preferences=Quasilinear(elasticity), max_labor=jnp.inf)
    return jump_revenue(economy, schedule, bandwidth=_BANDWIDTH)


def inferred_population(
    schedule: BracketSchedule, report: Report, elasticity: float
) -> Population | None:
    """Return workers whose incomes under the schedule would have the report's shares and deciles.

    The share of people up to each threshold, and each decile that is inside a bracket, says how
    many potential incomes n = z / (1 - rate)^e lie below one. In between, log n is a monotone cubic
    of the log odds of that share, and beyond them a straight line (a Pareto tail). None if there
    are fewer than two such points.
    """
    points = _known(schedule, report, elasticity)
    if len(points) < 2:
        return None
    log_odds, log_potential = np.array(points).T
    edges = np.linspace(-_REACH, _REACH, _WORKERS + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    inner = np.clip(middle, log_odds[0], log_odds[-1])
    slopes = np.diff(log_potential) / np.diff(log_odds)
    beyond = np.where(middle < inner, slopes[0], slopes[-1]) * (middle - inner)
    potential = np.exp(interpolate.PchipInterpolator(log_odds, log_potential)(inner) + beyond)
    share = np.diff(special.expit(edges))
    return Population(potential / REFERENCE_HOURS, weight=share / share.sum())


_REACH, _WORKERS = 10.0, 400  # log odds, and workers spread evenly over them
_APART = 0.1  # of log odds: points that are nearer say more of single workers than of the density
_BANDWIDTH = 0.25  # of log potential income


def _known(
    schedule: BracketSchedule, report: Report, elasticity: float
) -> list[tuple[float, float]]:
    """Return pairs of log odds of the share below and log potential income, both rising."""
    thresholds = np.asarray(schedule.thresholds, np.float64)
    kept = np.maximum(1 - np.asarray(schedule.rates, np.float64), 1e-3)
    below = np.cumsum(np.asarray(report.brackets.share, np.float64))[:-1]
    places = list(
        zip(below, thresholds[1:] / _response(kept[:-1], kept[1:], elasticity), strict=True)
    )
    deciles = np.asarray(report.income_deciles, np.float64)
    off = np.abs(deciles[:, None] - thresholds) > 1e-4 * thresholds
    bracket = np.searchsorted(thresholds, deciles, side="right") - 1
    inside = (deciles > 0) & np.all(off, axis=1)
    potential = deciles / kept[bracket] ** elasticity
    places += list(zip(np.arange(1, 10)[inside] / 10, potential[inside], strict=True))
    points: list[tuple[float, float]] = []
    for share, place in sorted(places):
        if 1e-6 < share < 1 - 1e-6:
            point = (float(special.logit(share)), float(np.log(place)))
            if not points or (point[0] > points[-1][0] + _APART and point[1] > points[-1][1]):
                points.append(point)
    return points


def _response(
    low: Float[np.ndarray, " borders"], high: Float[np.ndarray, " borders"], elasticity: float
) -> Float[np.ndarray, " borders"]:
    """Return threshold / n of the last worker n below each border, from what is kept on both sides.

    Where less is kept above, workers bunch, up to who would earn the threshold there. Where more is
    kept, who is indifferent between the sides has the mean of kept^e over the rates in between.
    """
    power = 1 + elasticity
    rise = np.where(high > low, high - low, 1)
    mean = (high**power - low**power) / (power * rise)
    return np.where(high > low, mean, high**elasticity)
