"""A stratified sample of a crowd, and its bootstrap."""

import itertools
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float, Int, Key

from llm_policy.archetypes.crowd import PeopledEconomy
from llm_policy.personas.draw import generator

TAIL = 0.01
"""The share of all workers that is poorest, and as many richest: strata of their own."""
LEAST_SAMPLE = 32
_OF_TAIL, _A_STRATUM = 8, 8


class AuditSample(NamedTuple):
    """Sampled workers: places, weights that sum to 1, strata, and the share of each that was taken.

    `taken` is 1 where everybody of a worker's stratum is in the sample.
    """

    place: Int[np.ndarray, " sample"]
    weight: Float[np.ndarray, " sample"]
    stratum: Int[np.ndarray, " sample"]
    taken: Float[np.ndarray, " sample"]


def sample_of(key: Key[Array, ""], crowd: PeopledEconomy, size: int) -> AuditSample:
    """Return a sample of about so many workers, or all of them if they are no more.

    Raises:
        ValueError: a sample of fewer than 32.
    """
    if size < LEAST_SAMPLE:
        raise ValueError(f"A sample has at least {LEAST_SAMPLE} workers; got {size}.")
    weight = np.asarray(crowd.economy.population.weight).astype(float)
    reached = np.cumsum(weight) / weight.sum()
    ends = np.searchsorted(reached, [TAIL, 1 - TAIL], side="right")
    tails = sum(min(count, size // _OF_TAIL) for count in (ends[0], len(weight) - ends[1]))
    inner = max(1, (size - tails) // _A_STRATUM)
    shares = reached[ends[0]] + np.arange(1, inner) / inner * (reached[ends[1] - 1] - TAIL)
    cuts = [0, ends[0], *np.searchsorted(reached, shares), ends[1], len(weight)]
    rng, parts = generator(key), []
    for number, (first, last) in enumerate(itertools.pairwise(cuts)):
        tail = number in (0, inner + 1)
        count = min(last - first, size // _OF_TAIL if tail else _A_STRATUM)
        if count > 0:
            place = first + np.sort(rng.choice(last - first, count, replace=False, shuffle=False))
            share = weight[place] / weight[place].sum() * weight[first:last].sum()
            taken = count / (last - first)
            parts.append((place, share, np.full(count, number), np.full(count, taken)))
    place, share, stratum, taken = map(np.concatenate, zip(*parts, strict=True))
    return AuditSample(place, share / share.sum(), stratum, taken)


def replicates(
    key: Key[Array, ""], sample: AuditSample, times: int
) -> Float[np.ndarray, "times sample"]:
    """Return weights of the sample drawn again, with the variance of its design (Rao and Wu 1988).

    Each stratum is drawn again with replacement, one fewer; who was taken in whole strata is sure.
    """
    rng, factor = generator(key), np.ones((times, len(sample.place)))
    for number in np.unique(sample.stratum):
        here = np.flatnonzero(sample.stratum == number)
        count = len(here)
        if count > 1:
            drawn = rng.multinomial(count - 1, np.full(count, 1 / count), times)
            left = np.sqrt(1 - sample.taken[here])
            factor[:, here] = 1 + (drawn * count / (count - 1) - 1) * left
    weight = sample.weight * factor
    return weight / weight.sum(axis=1, keepdims=True)
