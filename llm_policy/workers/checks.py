"""Checks of what language-model workers are given."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from llm_policy.prompts.objectives import OBJECTIVES


def check_personas(scenario: str, personas: Sequence[str] | None, agents: int) -> None:
    """Check that there are personas where there must be.

    Raises:
        ValueError: an unknown scenario, or personas that it lacks or has no use for.
    """
    if scenario not in ("rational", "bounded"):
        raise ValueError(f'The scenario is "rational" or "bounded"; got {scenario!r}.')
    if scenario == "bounded" and personas is None:
        raise ValueError(
            "Bounded workers have personas: give their texts, for instance "
            "describe(draw_personas(key, population))."
        )
    if scenario == "rational" and personas is not None:
        raise ValueError(
            "Rational workers have no personas: leave them out, or choose the bounded scenario."
        )
    if personas is not None and len(personas) != agents:
        raise ValueError(f"There are {agents} workers and {len(personas)} personas: give one each.")


def checked_aims(aims: ArrayLike | None, agents: int, welfare: str) -> Int[np.ndarray, " agents"]:
    """Return everybody\'s aim, as a place in `OBJECTIVES`.

    Raises:
        ValueError: places that are none, or aims at a welfare that nobody describes.
    """
    values = np.zeros(agents, int) if aims is None else np.asarray(aims)
    _check_length("aims", values, agents)
    if not np.isin(values, range(len(OBJECTIVES))).all():
        raise ValueError(
            f"Aims are places in {OBJECTIVES}, 0 to {len(OBJECTIVES) - 1}; got "
            f"{set(values.tolist())}."
        )
    if values.any() and not welfare:
        raise ValueError(
            "Workers who aim at welfare have to be told what it is: give `welfare` in words."
        )
    return values.astype(int)


def checked_hours(
    fixed: ArrayLike | None, agents: int, most: float
) -> Float[np.ndarray, " agents"]:
    """Return the fixed hours of a week, NaN for models.

    Raises:
        ValueError: hours that nobody can work, or not one entry per worker.
    """
    values = np.full(agents, np.nan) if fixed is None else np.asarray(fixed, float)
    _check_length("fixed", values, agents)
    if not np.all(np.isnan(values) | ((values >= 0) & (values <= most))):
        raise ValueError(
            f"Fixed hours are 0 to {most:g} a week, NaN for a model; got {values.tolist()[:20]}."
        )
    return values


def _check_length(name: str, values: np.ndarray, agents: int) -> None:
    if values.shape != (agents,):
        raise ValueError(
            f"{name} has one entry per worker, {agents} in all; got shape {values.shape}."
        )
