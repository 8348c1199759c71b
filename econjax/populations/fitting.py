"""Distributions fitted to published tables of people by income class, on the host in float64."""

import functools
import importlib.resources
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from econjax.populations.distributions import GB2


class IncomeTable(NamedTuple):
    """People by income class: `counts[k]` have from `edges[k]` dollars to less than the next edge.

    The last class has no upper end. `mean` is the published mean income, in dollars.
    """

    edges: Float[np.ndarray, " classes"]
    counts: Float[np.ndarray, " classes"]
    mean: float


@dataclass(frozen=True)
class GB2Fit:
    """A fitted GB2 and how the fit went.

    `log_likelihood` is the sum of count times log share over the classes, without the constant of
    the multinomial. `converged` says that two starts ended, each within its tolerance, at the same
    optimum.
    """

    distribution: GB2
    log_likelihood: float
    converged: bool


def fit_gb2(edges: ArrayLike, counts: ArrayLike, *, mean: float | None = None) -> GB2Fit:
    """Return the GB2 that makes a table of people by income class most likely (McDonald 1984).

    `edges` are the lower ends of the classes in dollars, from 0, and the last class has no upper
    end. Counts may be in any unit (people, thousands, weights).

    Classes alone say nothing about the tail within the open one; `mean`, the published mean income,
    does. The criterion is then the mean log likelihood less log(mean of the GB2 / published
    mean)^2: the published mean counts as that of a sample of the table's size with a coefficient of
    variation of 1/sqrt(2), and is met closely, not exactly.

    The lognormal and the generalized gamma are limits of large `nu` and `tau`: fitted to such a
    table, the parameters have no optimum and `converged` is False, though the fitted shares may be
    close.

    Raises:
        ValueError: edges that do not rise strictly from 0, counts that are negative or not as many,
            fewer than five classes with people, or a mean that is not positive.
    """
    edges, counts = _checked(edges, counts)
    if mean is not None and not 0 < mean < np.inf:
        raise ValueError(f"mean must be positive dollars a year; got {mean}.")
    share = counts / counts.sum()

    def criterion(log_parameters: np.ndarray) -> float:
        gb2 = GB2(*np.exp(log_parameters).tolist())
        anchor = 0.0 if mean is None else np.log(gb2.mean / mean) ** 2
        return anchor - _mean_log_likelihood(gb2, edges, share)

    ends = sorted(
        (_minimum(criterion, start) for start in _starts(edges, share)), key=lambda end: end.fun
    )
    best, second = ends[:2]
    gb2 = GB2(*np.exp(best.x).tolist())
    return GB2Fit(
        distribution=gb2,
        log_likelihood=float(counts.sum() * _mean_log_likelihood(gb2, edges, share)),
        converged=bool(best.success and second.success and second.fun - best.fun < 1e-9),
    )


def us_incomes(table: str) -> IncomeTable:
    """Return a US table: "ssa_2022" (wage earners) or "cps_2023" (everyone with income).

    Sources: `econjax/data/us_incomes.toml`. `distributions.GB2_SSA_2022` and `GB2_CPS_2023` are the
    GB2s fitted to them.

    Raises:
        ValueError: another table.
    """
    tables = _income_tables()
    if table not in tables:
        raise ValueError(f"No table {table!r}; choose one of {', '.join(tables)}.")
    entry = tables[table]
    return IncomeTable(
        np.array(entry["edges"], np.float64),
        np.array(entry["counts"], np.float64),
        float(entry["mean"]),
    )


@functools.cache
def _income_tables() -> dict[str, dict[str, Any]]:
    return tomllib.loads(
        importlib.resources.files("econjax").joinpath("data/us_incomes.toml").read_text("utf-8")
    )


def _checked(edges: ArrayLike, counts: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    edges, counts = np.asarray(edges, np.float64), np.asarray(counts, np.float64)
    if edges.ndim != 1 or counts.shape != edges.shape:
        raise ValueError(
            "Give each class its lower edge and its count, in two flat lists of one length; "
            f"got shapes {edges.shape} and {counts.shape}."
        )
    if not (edges.size and edges[0] == 0 and edges[-1] < np.inf and np.all(np.diff(edges) > 0)):
        raise ValueError(
            f"edges are the lower ends of the classes, rising from 0; got {edges.tolist()}."
        )
    if not np.all((counts >= 0) & (counts < np.inf)):
        raise ValueError(f"counts must be finite and 0 or more; got {counts.tolist()}.")
    held = int(np.sum(counts > 0))
    if held < 5:
        raise ValueError(f"Four parameters need five classes with people or more; got {held}.")
    return edges, counts


def _mean_log_likelihood(gb2: GB2, edges: np.ndarray, share: np.ndarray) -> float:
    likely = np.diff(gb2.cdf(edges), append=1.0)
    # A class that rounds to nobody is next to impossible, so that the search can leave such
    # parameters.
    return float(share @ np.log(np.maximum(likely, 1e-300)))


def _starts(edges: np.ndarray, share: np.ndarray) -> list[np.ndarray]:
    """Return log parameters of several shapes, scaled so that the median falls into its class."""
    median = float(np.interp(0.5, np.cumsum(share)[:-1], edges[1:]))
    shapes = [(2.0, 0.5, 1.0), (3.0, 0.3, 0.6), (1.5, 1.0, 1.0), (5.0, 0.3, 0.5), (1.0, 1.0, 3.0)]
    return [np.log([median / float(GB2(1.0, *shape).quantile(0.5)), *shape]) for shape in shapes]


def _minimum(criterion: Callable[[np.ndarray], float], start: np.ndarray) -> Any:
    from scipy import optimize  # here: it is slow to import

    simplex = start + 0.3 * np.eye(5, 4, -1)
    options = dict(initial_simplex=simplex, xatol=1e-8, fatol=1e-13, maxiter=2000, maxfev=4000)
    return optimize.minimize(criterion, start, method="Nelder-Mead", options=options)
