"""What choice mode offers: values, and the answers that stand for them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from llm_policy.answers.orders import balanced_orders
from llm_policy.answers.reading import HOURS
from llm_policy.engines.base import Engine, Prompt

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class ChoiceSet(NamedTuple):
    """The hours offered in choice mode, and the answers that stand for them.

    `order[worker, place]` is the place in `values` of what the code at `place` means to a worker;
    None if the codes are the numbers themselves.
    """

    values: tuple[int, ...]
    codes: tuple[str, ...]
    order: Int[np.ndarray, "agents options"] | None


def numbers(values: Sequence[int] = HOURS) -> ChoiceSet:
    """Return the menu whose codes are the numbers themselves."""
    return ChoiceSet(tuple(values), tuple(map(str, values)), None)


def letters(agents: int, values: Sequence[int] = HOURS) -> ChoiceSet:
    """Return letter codes in orders that differ by worker, so that no hours gain by their place.

    Of as many workers as there are values, each finds each value at another letter.
    """
    count = len(values)
    return ChoiceSet(tuple(values), tuple(_ALPHABET[:count]), balanced_orders(agents, count))


def probabilities(
    engine: Engine, prompts: Sequence[Prompt], choice_set: ChoiceSet, workers: Int[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, "n options"], Float[np.ndarray, " n"]]:
    """Return how likely a model finds each of the menu's values, in their order, and what leaked.

    `workers` are the askers' places in the menu. A row with a leak of 1 carries no information.

    Raises:
        EngineError: the engine cannot answer.
    """
    choices = engine.choose(prompts, choice_set.codes)
    return of_values(choices.logprob, choice_set, workers), choices.leaked


def of_values(
    logprob: Float[np.ndarray, "n options"], choice_set: ChoiceSet, workers: Int[np.ndarray, " n"]
) -> Float[np.ndarray, "n options"]:
    """Return probabilities of the menu's values, in their order, from those of its codes."""
    found = np.exp(logprob)
    if choice_set.order is None:
        return found
    return np.take_along_axis(found, np.argsort(choice_set.order[workers], axis=1), axis=1)


def legend(choice_set: ChoiceSet, *, reverse: bool) -> list[str]:
    """Return what the letters mean, in words, by worker; `reverse` begins with the last letter."""
    assert choice_set.order is not None, "numbers mean themselves"
    step = -1 if reverse else 1
    texts: dict[tuple[int, ...], str] = {}
    rows = [tuple(order) for order in choice_set.order.tolist()]
    for order in set(rows):
        pairs = list(zip(choice_set.codes, order, strict=True))[::step]
        texts[order] = ", ".join(
            f"{code} = {choice_set.values[place]} hours a week" for code, place in pairs
        )
    return [texts[order] for order in rows]
