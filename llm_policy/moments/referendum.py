"""How likely each voter is for a proposal instead of the law, with an argument or without."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Array, Bool, Float, Key

from llm_policy.answers.ballots import letter_answer, letter_in
from llm_policy.answers.elicitation import Asker
from llm_policy.answers.orders import balanced_orders
from llm_policy.answers.reading import Reading, as_column, schema
from llm_policy.engines.requests import ChoiceRequest, TextRequest
from llm_policy.prompts.referendum import (
    ARGUMENTS,
    TAX_LETTERS,
    Argument,
    Referendum,
    referendum_questions,
)
from llm_policy.prompts.segments import joined
from llm_policy.prompts.workers import Mode


class VoteShares(NamedTuple):
    """How likely each voter is for the proposal, and of whom that is known; 0 of the others."""

    favor: Float[np.ndarray, " voters"]
    known: Bool[np.ndarray, " voters"]


CastVotes = Callable[[Key[Array, ""], Argument], VoteShares]
"""How voters vote after an argument; any randomness comes from the key."""


def ask_votes(key: Key[Array, ""], cast: CastVotes) -> dict[Argument, VoteShares]:
    """Return the votes without an argument, and after each, all with the same key.

    Raises:
        EngineError: too many answers could not be read, or the engine cannot answer.
    """
    return {argument: cast(key, argument) for argument in ARGUMENTS}


def model_votes(
    asker: Asker,
    reform: Referendum,
    voters: Sequence[str],
    *,
    mode: Mode,
    samples: int = 1,
    phrasing: Literal[0, 1] = 0,
    reverse: bool = False,
) -> CastVotes:
    """Return how language models vote who read these texts on themselves.

    Half of the voters find the proposal first, by `reverse` the other half; a voter's list is the
    same whatever is argued, so that the place of a tax is no part of an argument's effect. By
    choice a voter says its probabilities once; in texts it answers `samples` times.

    Raises:
        ValueError: no sample.
    """
    if samples < 1:
        raise ValueError(f"Voters are asked at least once; got {samples} samples.")
    orders = balanced_orders(len(voters), 2)
    orders = orders[:, ::-1] if reverse else orders

    def cast(key: Key[Array, ""], argument: Argument) -> VoteShares:
        asked = referendum_questions(
            reform, voters, argument=argument, orders=orders, form=_FORMS[mode], phrasing=phrasing
        )
        prompts, rows = joined(asked), np.arange(len(voters))
        if mode == "choice":
            drawn = asker.choose(key, ChoiceRequest(prompts, TAX_LETTERS), rows)
            first, known = np.exp(drawn.logprob[:, 0]), drawn.understood
        else:
            request = TextRequest(prompts, schema(letter_answer(TAX_LETTERS)), max_tokens=_TOKENS)
            heard = [as_column(asker.write(request, _read)) for _ in range(samples)]
            said, read = (np.stack(columns) for columns in zip(*heard, strict=True))
            count = read.sum(axis=0)
            first = np.sum(read * (said == 0), axis=0) / np.maximum(count, 1)
            known = count > 0
        favor = np.where(orders[:, 0] == 1, first, 1 - first)
        return VoteShares(np.where(known, favor, 0.0), known)

    return cast


def votes_by_gain(reform: Referendum) -> CastVotes:
    """Return how people vote who look at what they keep alone: no argument moves them."""
    favor = (1 + np.sign(reform.gain)) / 2
    return lambda key, argument: VoteShares(favor, np.ones(favor.shape, bool))


def _read(text: str) -> Reading[float]:
    return letter_in(text, TAX_LETTERS)


_TOKENS = 16
_FORMS: Mapping[Mode, str] = {
    "choice": "Answer with one letter and nothing else: A or B.",
    "text": 'Answer with JSON only: {"vote": "A"} or {"vote": "B"}.',
}
