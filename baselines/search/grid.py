"""Schedules, all tried: a grid that fills the cube of rates, every combination, or a given list."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from scipy.stats import qmc

from econjax import BracketSchedule
from econjax.bounds import USUAL_BOUNDS, RateBounds
from econjax.planning import VALUE, Incumbent, Report, require_law


class GridSearchState(NamedTuple):
    """How many schedules were tried, and the best of them."""

    tried: int
    incumbent: Incumbent


class GridSearch(NamedTuple):
    """Try every row of `rates` once, in order, then the best again; recommend the best seen.

    The number of tries is the number of rows: plan for as many steps.
    """

    law: BracketSchedule
    rates: Float[Array, "tries *groups brackets"]
    observes = VALUE

    def init(self, key: Key[Array, ""]) -> GridSearchState:
        """Return the start of the list."""
        return GridSearchState(
            0, Incumbent.none(BracketSchedule(self.law.thresholds, self.rates[0]))
        )

    def ask(
        self, key: Key[Array, ""], state: GridSearchState
    ) -> tuple[BracketSchedule, GridSearchState]:
        """Propose the next row."""
        if state.tried >= len(self.rates):
            return state.incumbent.schedule, state
        return BracketSchedule(self.law.thresholds, np.asarray(self.rates)[state.tried]), state

    def tell(
        self, state: GridSearchState, schedule: BracketSchedule, report: Report
    ) -> GridSearchState:
        """Keep the better one."""
        return GridSearchState(state.tried + 1, state.incumbent.or_better(schedule, report))

    def recommend(self, state: GridSearchState) -> BracketSchedule:
        """Recommend the best row tried."""
        return state.incumbent.schedule


def even_grid(
    law: BracketSchedule,
    *,
    tries: int,
    bounds: RateBounds | None = None,
    seed: int = 0,
) -> GridSearch:
    """Return the search over `tries` schedules spread evenly within the bounds of every rate.

    Scrambled Halton points (Owen 2017, arXiv 1706.02808), as scipy has them: each rate is spread
    evenly, and so are they together, whatever the number of tries.

    Raises:
        ValueError: less than one try.
    """
    if tries < 1:
        raise ValueError(f"A grid has at least 1 try; got {tries}.")
    like = require_law(law).rates
    points = qmc.Halton(like.size, scramble=True, rng=seed).random(tries)
    bounds = bounds or USUAL_BOUNDS
    low, high = bounds.box(like.shape[-1]).T
    points = points.reshape(tries, *like.shape)
    rates = jnp.asarray(low + (high - low) * points, float)
    return GridSearch(law, jax.vmap(bounds.nearest)(rates))


def factorial_grid(law: BracketSchedule, levels: Sequence[float]) -> GridSearch:
    """Return the search over every combination of `levels`: len(levels) ** rates tries.

    Raises:
        ValueError: no level, one that is not a share between -1 and 1, or more than a million
        combinations.
    """
    like = require_law(law).rates
    tries = len(levels) ** like.size
    if not 0 < tries <= 1_000_000:
        raise ValueError(
            f"{len(levels)} levels for {like.size} brackets make {tries:,} tries: 1 to 1,000,000."
        )
    if not all(-1 <= level <= 1 for level in levels):
        raise ValueError(
            f"Levels are rates, shares between -1 and 1: 35 % is 0.35; got {list(levels)}."
        )
    rates = jnp.asarray(list(itertools.product(levels, repeat=like.size)), float)
    return GridSearch(law, rates.reshape(tries, *like.shape))


def reference_grid(law: BracketSchedule) -> GridSearch:
    """Return the search over `REFERENCE_RATES`, the LLM Economist's 18 schedules of three brackets.

    Raises:
        ValueError: another number of brackets.
    """
    rates = require_law(law).rates
    if rates.shape != (3,):
        raise ValueError(
            f"The reference grid is for 3 brackets, there at 0, 90000 and 159100; got {rates.size}."
        )
    return GridSearch(law, jnp.asarray(list(REFERENCE_RATES.values()), float))


REFERENCE_RATES: dict[str, tuple[float, float, float]] = {
    "federal": (0.12, 0.24, 0.35),
    "flat 30 %": (0.30, 0.30, 0.30),
    "learned, moderate": (0.20, 0.35, 0.50),
    "learned, steep": (0.30, 0.60, 0.90),
    "progressive": (0.2, 0.4, 0.6),
    "progressive, high": (0.4, 0.6, 0.8),
    "progressive, highest": (0.5, 0.75, 0.99),
    "U-shaped": (0.4, 0.2, 0.5),
    "U-shaped, high": (0.5, 0.25, 0.6),
    "regressive": (0.4, 0.3, 0.2),
    "regressive, highest": (0.9, 0.75, 0.5),
    "regressive, higher": (0.8, 0.6, 0.4),
    "regressive, high": (0.7, 0.5, 0.3),
    "top-heavy": (0.05, 0.1, 0.6),
    "top-heavy, high": (0.1, 0.2, 0.7),
    "flat 80 %": (0.8, 0.8, 0.8),
    "flat 90 %": (0.9, 0.9, 0.9),
    "flat 99 %": (0.99, 0.99, 0.99),
}
"""What the LLM Economist's grid search (arXiv 2507.15815, its code) tries on three brackets."""
