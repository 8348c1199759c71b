"""Checks that the choices of several commands share."""

import math
from collections.abc import Sequence
from typing import Any

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


def check_limits(config: Any) -> None:
    """Check what something may cost.

    Raises:
        ValueError: a limit or a price that makes no sense.
    """
    for name in COSTS:
        limit = getattr(config, name)
        if limit is not None and not 0 < limit < math.inf:
            raise ValueError(f"--{name.replace('_', '-')} must be positive; got {limit}.")
    if not all(0 <= price < math.inf for price in config.prices):
        raise ValueError(
            f"--prices must not be negative; got {config.prices[0]} {config.prices[1]}."
        )
    if config.limit_dollars is not None and not any(config.prices):
        raise ValueError(
            "--limit-dollars needs --prices: dollars per million tokens read and per million "
            "written."
        )
