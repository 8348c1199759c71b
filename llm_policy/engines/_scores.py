"""What every engine's `choose` shares: checks of options, and `Choices` made and put together."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from jaxtyping import Float

from llm_policy.engines.base import Choices


def check_distinct(options: Sequence[str], tokens: Sequence[Any]) -> None:
    """Check that there are options, and that the model can tell them apart by `tokens`.

    Raises:
        ValueError: there is no option, or two options are the same token.
    """
    if not options:
        raise ValueError("choose needs at least one option, and got none.")
    for place, token in enumerate(tokens):
        if (first := tokens.index(token)) < place:
            raise ValueError(
                f"The options {options[first]!r} and {options[place]!r} are the same to this "
                "model: offer distinct ones."
            )


def choices(
    raw: Float[np.ndarray, "prompts options"],
    prompt_tokens: Sequence[int],
    cached_tokens: Sequence[int],
) -> Choices:
    """Return `Choices` from log probabilities over the vocabulary, -inf where nothing is known.

    `leaked` is the mass that is not known to be on an option. A row in which nothing is known about
    any option has `leaked` exactly 1 and equal probabilities: they carry no information, which is
    what a leak of 1 says, and the row stays finite and sums to 1.
    """
    mass = np.logaddexp.reduce(raw, axis=1)
    equal = np.full_like(raw, -np.log(raw.shape[1]))
    logprob = np.subtract(raw, mass[:, None], out=equal, where=np.isfinite(mass)[:, None])
    tokens = (np.array(counts, dtype=np.int64) for counts in (prompt_tokens, cached_tokens))
    return Choices(logprob, np.clip(-np.expm1(mass), 0.0, 1.0), *tokens)


def join(parts: Sequence[Choices], places: Sequence[int]) -> Choices:
    """Return the rows of all `parts`, sorted by `places`: each row's place in the whole batch."""
    order = np.argsort(np.array(places, dtype=int))
    names = [field.name for field in fields(Choices)]
    return Choices(
        **{name: np.concatenate([getattr(part, name) for part in parts])[order] for name in names}
    )
