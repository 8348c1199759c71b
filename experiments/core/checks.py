"""Checks that the choices of several commands share."""

import math
from collections.abc import Mapping, Sequence

COSTS = ("limit_tokens", "limit_dollars", "limit_seconds")
"""The choices that say what a run may cost."""


def require_at_least(least: int, name: str, value: int | None) -> None:
    """Check a whole number that may be left out."""
    if value is not None and value < least:
        raise ValueError(f"--{name.replace('_', '-')} must be at least {least}; got {value}.")


def require_some(name: str, chosen: Sequence[str], options: Sequence[str]) -> None:
    """Check that some of the options were chosen, each once."""
    if not chosen or len(set(chosen)) < len(chosen) or not set(chosen) <= set(options):
        wanted = ", ".join(options)
        raise ValueError(
            f"--{name} takes some of {wanted}, each once; got {' '.join(chosen) or 'none'}."
        )


def check_limits(limits: Mapping[str, float | None], prices: tuple[float, float]) -> None:
    """Check what something may cost: limits by name, and dollars per million tokens.

    Raises:
        ValueError: a limit or a price that makes no sense.
    """
    for name in COSTS:
        limit = limits[name]
        if limit is not None and not 0 < limit < math.inf:
            raise ValueError(f"--{name.replace('_', '-')} must be positive; got {limit}.")
    if not all(0 <= price < math.inf for price in prices):
        raise ValueError(f"--prices must not be negative; got {prices[0]} {prices[1]}.")
    if limits["limit_dollars"] is not None and not any(prices):
        raise ValueError(
            "--limit-dollars needs --prices: dollars per million tokens read and per million "
            "written."
        )
