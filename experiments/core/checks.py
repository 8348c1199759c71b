"""Checks that the choices of several commands share."""

from collections.abc import Sequence


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
