"""The scores in a server's replies: log probabilities by the texts of tokens, or none."""

import math
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import numpy as np
from jaxtyping import Float
from msgspec import Meta, Raw, Struct

from llm_policy.engines.openai.replies import (
    Unreadable,
    answered,
    decoded,
    is_missing,
    usage_of,
)

LogProbability = Annotated[float, Meta(le=1e-3)]
"""A log probability that a server gives: 0 at most, but for rounding."""

_ROUNDING = 1.01
"""What the probabilities of different tokens may sum to."""


class NoScores(Exception):
    """A reply with an answer, but without the scores that were asked for."""


class Scores(NamedTuple):
    """Log probabilities after a prompt, and its tokens, in all and those cached."""

    logprob: Float[np.ndarray, "*places options"]
    prompt_tokens: int
    cached_tokens: int


def read_firsts(body: bytes, names: Sequence[str]) -> Scores:
    """Return the log probabilities of first tokens by their texts, -inf for those not named.

    Tokens with the same text are summed, the one that was said counts once. Numbers that are no
    probabilities leave all at -inf, which is how an unread choice is known.

    Raises:
        Unreadable: the body is no such reply.
        ReportedFailure: it reports a failure.
        NoScores: it holds no scores.
    """
    reply = answered(body)
    if not reply.choices or is_missing(reply.choices[0].logprobs):
        raise NoScores
    return Scores(_firsts(reply.choices[0].logprobs, names), *usage_of(reply).prompt)


def read_places(body: bytes, names: Sequence[str], *, places: int) -> Scores:
    """Return the log probabilities of the tokens `names` at every place that was asked for.

    Raises:
        Unreadable: the body is no such reply.
        ReportedFailure: it reports a failure.
    """
    reply = answered(body)
    if sorted(choice.index for choice in reply.choices) != list(range(places)):
        raise Unreadable(f"it scores {len(reply.choices)} places where {places} were asked for")
    rows = [
        _place(choice.logprobs, names) for choice in sorted(reply.choices, key=lambda c: c.index)
    ]
    known = all(row is not None for row in rows)
    found = np.array(rows, float) if known else np.full((places, len(names)), -np.inf)
    return Scores(found, *usage_of(reply).prompt)


class _Alternative(Struct):
    token: str
    logprob: LogProbability


class _First(_Alternative):
    top_logprobs: list[_Alternative] | None = None


class _ChatScores(Struct):
    content: list[_First]


class _PlaceScores(Struct):
    top_logprobs: list[dict[str, LogProbability]]


def _firsts(raw: Raw, names: Sequence[str]) -> Float[np.ndarray, " options"]:
    unread = np.full(len(names), -np.inf)
    try:
        content = decoded(raw, _ChatScores).content
    except Unreadable:
        if _lacks_scores(raw):
            raise NoScores from None
        return unread
    if not content:
        return unread
    mass: dict[str, float] = {}
    for token in _distinct(content[0]):
        logprob = min(token.logprob, 0.0)
        known = mass.get(token.token)
        mass[token.token] = logprob if known is None else float(np.logaddexp(known, logprob))
    if sum(map(math.exp, mass.values())) > _ROUNDING:
        return unread
    return np.array([mass.get(name, -np.inf) for name in names], float)


def _lacks_scores(raw: Raw) -> bool:
    """Tell whether scores are an object without any, as some servers write null."""
    try:
        found = decoded(raw, dict[str, Any])
    except Unreadable:
        return False
    return found.get("content") is None


def _distinct(first: _First) -> list[_Alternative]:
    """Return the tokens that are scored in a place, among them the one that was said."""
    named = list(first.top_logprobs or ())
    said = any(
        token.token == first.token and math.isclose(token.logprob, first.logprob, abs_tol=1e-6)
        for token in named
    )
    return named if said else [first, *named]


def _place(raw: Raw, names: Sequence[str]) -> list[float] | None:
    """Return the scores in a place, None where they are no probabilities.

    Raises:
        Unreadable: a token that was asked for has none.
    """
    if is_missing(raw):
        raise Unreadable("a place has no scores")
    try:
        found = decoded(raw, _PlaceScores).top_logprobs
    except Unreadable:
        return None
    if not found or not set(names) <= found[0].keys():
        raise Unreadable("a token that was asked for has no score")
    scores = [min(found[0][name], 0.0) for name in names]
    return scores if sum(map(math.exp, scores)) <= _ROUNDING else None
