"""Evaluators whose equivalent is a function of the rates that a test chooses."""

from collections.abc import Callable
from dataclasses import replace

import jax.numpy as jnp
import numpy as np

from econjax import Rawlsian
from econjax.planning import RationalEvaluator, Report
from tests.helpers.laboratory import economy_of
from tests.helpers.reference import grid


class Valued(RationalEvaluator):
    """Report on 30 workers, but with `value(rates)` dollars of equivalent; note every schedule."""

    def __init__(self, value: Callable[[np.ndarray], float]):
        super().__init__(economy_of(grid("GB2", 30), 0.25), Rawlsian())
        self.worth, self.tried = value, []

    def value(self, schedule) -> Report:
        """Return a report with the value chosen for the schedule."""
        rates = np.asarray(schedule.rates, np.float64)
        self.tried.append(rates)
        return replace(super().value(schedule), equivalent=jnp.asarray(self.worth(rates), float))


def bowl(best: np.ndarray) -> Callable[[np.ndarray], float]:
    """Return a value that falls with squared distance from the best rates, each bracket alone."""
    return lambda rates: 1000 * (10 - float(np.sum((rates - best) ** 2)))
