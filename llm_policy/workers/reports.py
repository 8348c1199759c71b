"""Means of reports, with standard errors: of a tax year's steps, and of independent years."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from econjax import BracketSchedule
from econjax.planning import Report
from econjax.welfare import AbstractWelfare
from llm_policy.workers.chances import Moment, year_error


def year_report(
    schedule: BracketSchedule,
    reports: Sequence[Report],
    moments: Sequence[Moment],
    welfare: AbstractWelfare,
    *,
    subsistence: float | None,
    deciding: Int[np.ndarray, " agents"],
) -> Report:
    """Return the mean report of a year's steps with its error, NaN if the mean is infinite."""
    mean, error = _mean(reports), np.nan
    if np.isfinite(float(mean.equivalent)):
        error = year_error(schedule, moments, welfare, subsistence=subsistence, deciding=deciding)
    return _with_error(mean, error)


def mean_report(reports: Sequence[Report]) -> Report:
    """Return the mean report on independent years, with the standard error of its equivalent.

    The error is that of their spread, NaN if one is infinite; a single year keeps its own.
    """
    mean = _mean(reports)
    if len(reports) == 1:
        return mean
    values = np.array([float(report.equivalent) for report in reports])
    finite = np.isfinite(values).all()
    return _with_error(mean, np.std(values, ddof=1) / len(values) ** 0.5 if finite else np.nan)


def _mean(reports: Sequence[Report]) -> Report:
    return jax.tree.map(lambda *values: jnp.mean(jnp.stack(values), axis=0), *reports)


def _with_error(report: Report, error: float) -> Report:
    error_ = jnp.asarray(error, report.equivalent.dtype)
    return eqx.tree_at(lambda r: r.standard_error, report, error_)
