"""Voting rules: from ballots to the winner.

A rule returns the number of the winning candidate, from 0. Candidates tied for the most points win
with equal probability, by the `key` (`jax.random.key`): the same key gives the same winner. If
everyone abstains, all are tied. `weight` says how much each voter counts, in any unit; one vote
each if not given. Unweighted points are counted exactly; weighted ones are tied if they differ by
no more than rounding. Ballots and weights are checked where their values are known, so not inside
`jit`.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Key, Num
from numpy.typing import ArrayLike

from econjax._arrays import as_float, is_concrete


def plurality(
    key: Key[Array, ""], ballots: ArrayLike, *, candidates: int, weight: ArrayLike | None = None
) -> Int[Array, ""]:
    """Return the candidate named by most voters.

    `ballots` [voters] holds the number of each voter's candidate, or -1 for who abstains.

    Raises:
        ValueError: `candidates` is not a positive whole number, or ballots or weights are not of
        that form.
    """
    ballots = _cast(ballots, jnp.integer, 1, "one whole number per voter")
    _require_candidates(candidates)
    legal = (ballots >= -1) & (ballots < candidates)
    _require(
        ballots,
        legal,
        f"A ballot is a candidate's number, 0 to {candidates - 1}, or -1 to abstain.",
    )
    return _winner(key, ballots[:, None] == jnp.arange(candidates)[None, :], weight)


def borda(
    key: Key[Array, ""], ballots: ArrayLike, *, weight: ArrayLike | None = None
) -> Int[Array, ""]:
    """Return the candidate with the most points, one for each rival that a voter places below.

    `ballots` [voters, candidates] lists the numbers of all candidates, each voter's best first; a
    row of -1 abstains.

    Raises:
        ValueError: there are no candidates, or ballots or weights are not of that form.
    """
    ballots = _cast(ballots, jnp.integer, 2, "a list of whole numbers per voter")
    candidates = ballots.shape[1]
    _require_candidates(candidates)
    complete = jnp.all(jnp.sort(ballots, axis=1) == jnp.arange(candidates)[None, :], axis=1)
    legal = complete | jnp.all(ballots == -1, axis=1)
    _require(
        ballots,
        legal,
        f"A ballot lists each of 0 to {candidates - 1} once, or is all -1 to abstain.",
    )
    # A candidate's place is where the ballot names it: the inverse permutation.
    points = candidates - 1 - jnp.argsort(ballots, axis=1)
    return _winner(key, jnp.where(ballots[:, :1] >= 0, points, 0), weight)


def approval(
    key: Key[Array, ""], ballots: ArrayLike, *, weight: ArrayLike | None = None
) -> Int[Array, ""]:
    """Return the candidate of whom most voters approve.

    `ballots` [voters, candidates] is true where the voter approves; who abstains approves of
    nobody.

    Raises:
        ValueError: there are no candidates, or ballots or weights are not of that form.
    """
    ballots = _cast(ballots, jnp.bool_, 2, "a list of true or false per voter")
    _require_candidates(ballots.shape[1])
    return _winner(key, ballots, weight)


def _winner(
    key: Key[Array, ""],
    points: Num[Array, "voters candidates"] | Bool[Array, "voters candidates"],
    weight: ArrayLike | None,
) -> Int[Array, ""]:
    if weight is None:
        total = jnp.sum(points, axis=0, dtype=int)
        tied = total == jnp.max(total)
    else:
        weight = as_float(weight)
        if weight.shape != points.shape[:1]:
            raise ValueError(
                f"weight needs one entry for each of {points.shape[0]} voters; got {weight.shape}."
            )
        _require(
            weight, (weight >= 0) & (weight < jnp.inf), "A voter's weight is finite and 0 or more."
        )
        total = jnp.sum(points * weight[:, None], axis=0)
        tied = total >= jnp.max(total) * (1 - 32 * jnp.finfo(total.dtype).eps)
    return jax.random.categorical(key, jnp.where(tied, 0.0, -jnp.inf))


def _cast(ballots: ArrayLike, kind: type, axes: int, form: str) -> Array:
    ballots = jnp.asarray(ballots)
    if ballots.ndim != axes or (ballots.size and not jnp.issubdtype(ballots.dtype, kind)):
        raise ValueError(
            f"Ballots are {form}; got an array of shape {ballots.shape} and type {ballots.dtype}."
        )
    if kind is jnp.integer:
        # Too great an unsigned number wraps around: it names nobody, rather than to abstain.
        signed = ballots.astype(int)
        ballots = jnp.where((signed < 0) & (ballots > 0), jnp.iinfo(signed.dtype).max, signed)
    return ballots


def _require_candidates(candidates: int) -> None:
    if not isinstance(candidates, int) or candidates < 1:
        raise ValueError(
            f"A vote needs at least one candidate, in whole numbers; got {candidates}."
        )


def _require(entries: Num[Array, "voters ..."], legal: Bool[Array, " voters"], remedy: str) -> None:
    if is_concrete(legal) and not jnp.all(legal):
        voter = int(jnp.argmin(legal))
        raise ValueError(f"{remedy} Voter {voter}, counted from 0, has {entries[voter].tolist()}.")
