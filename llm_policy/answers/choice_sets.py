"""What choice mode offers: values, and the single tokens that stand for them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from llm_policy.answers.reading import HOURS
from llm_policy.engines.base import Engine, Prompt

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Menu(NamedTuple):
    """The hours offered in choice mode, and the single tokens that stand for them.

    `order[worker, place]` is the place in `values` of what the code at `place` means to a worker; None if the
    codes are the numbers themselves.
    """

    values: tuple[int, ...]
    codes: tuple[str, ...]
    order: Int[np.ndarray, "agents options"] | None


def numbers(values: Sequence[int] = HOURS) -> Menu:
    """Return the menu whose codes are the numbers themselves."""
    return Menu(tuple(values), tuple(map(str, values)), None)


def letters(agents: int, values: Sequence[int] = HOURS) -> Menu:
    """Return letter codes in an order that differs between workers, so that no hours gain by their place.

    Of as many workers as there are values, each finds each value at another letter.
    """
    count = len(values)
    turn = np.arange(agents) % count
    order = (np.arange(count)[None, :] + turn[:, None]) % count
    backwards = (np.arange(agents) // count) % 2 == 1
    order[backwards] = order[backwards, ::-1]
    return Menu(tuple(values), tuple(_ALPHABET[:count]), order)


def chances(
    engine: Engine, prompts: Sequence[Prompt], menu: Menu, workers: Int[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, "n options"], Float[np.ndarray, " n"]]:
    """Return how likely a model finds each of the menu's values, in their order, and what leaked.

    `workers` are the askers' places in the menu. A row with a leak of 1 carries no information.

    Raises:
        EngineError: the engine cannot answer.
    """
    choices = engine.choose(prompts, menu.codes)
    found = np.exp(choices.logprob)
    if menu.order is not None:
        found = np.take_along_axis(found, np.argsort(menu.order[workers], axis=1), axis=1)
    return found, choices.leaked


def meanings(menu: Menu, *, reverse: bool) -> list[str]:
    """Return what the letters mean, in words, for each worker; `reverse` begins with the last letter."""
    assert menu.order is not None, "numbers mean themselves"
    step = -1 if reverse else 1
    texts: dict[tuple[int, ...], str] = {}
    rows = [tuple(order) for order in menu.order.tolist()]
    for order in set(rows):
        pairs = list(zip(menu.codes, order, strict=True))[::step]
        texts[order] = ", ".join(f"{code} = {menu.values[place]} hours a week" for code, place in pairs)
    return [texts[order] for order in rows]
