"""How far one distribution of hours lies from another."""

import numpy as np
from jaxtyping import Float


def jensen_shannon(
    p: Float[np.ndarray, "... options"], q: Float[np.ndarray, "... options"]
) -> Float[np.ndarray, "..."]:
    """Return the Jensen-Shannon divergence (Lin 1991) in bits: from 0, the same, to 1."""
    middle = (p + q) / 2
    return (_relative(p, middle) + _relative(q, middle)) / 2


def total_variation(
    p: Float[np.ndarray, "... options"], q: Float[np.ndarray, "... options"]
) -> Float[np.ndarray, "..."]:
    """Return the share of people whose hours would have to change to make one the other."""
    return np.abs(p - q).sum(axis=-1) / 2


def _relative(
    p: Float[np.ndarray, "... options"], q: Float[np.ndarray, "... options"]
) -> Float[np.ndarray, "..."]:
    some = p > 0
    ratio = np.where(some, p, 1) / np.where(some, q, 1)
    return np.maximum((p * np.log2(ratio)).sum(axis=-1), 0)
