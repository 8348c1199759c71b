"""The same economy in another currency: what a model knows by heart about dollars is no help."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from llm_policy.engines.base import Engine, EngineInfo, Prompt
from llm_policy.engines.requests import Reply, Request
from llm_policy.engines.wrappers.wrapper import Wrapper


class Currency(NamedTuple):
    """A currency: its name in the plural, how many of it a dollar is worth, a symbol if it has one.

    A symbol takes the place of "$", directly before the number; without one amounts bear the name.
    """

    name: str
    scale: float
    symbol: str = ""


CURRENCIES = (Currency("crowns", 7), Currency("florins", 31), Currency("talers", 437))
"""Whole scales: whole dollars are not rounded, so that relative prices stay as they are."""


class Renamed(Wrapper):
    """The same protocol as `engine`, which reads every amount of money in another currency.

    "$11,600", "11,600 dollars" and "$11.6k" are multiplied by `scale` and rounded to whole units
    ("81,200 crowns"), and the words dollar and dollars become the currency's; a singular drops the
    s of the plural `name`. With a `symbol`, "$11,600" becomes that and the number. Per cents,
    hours, step numbers and pure numbers stay, and so do the ratios of thresholds. Options and
    answers are not rewritten. A `scale` that is no whole number rounds small amounts and shifts
    relative prices.

    Raises:
        ValueError: a name that is not a word of letters or is the dollar's, or a scale that is not
        positive.
    """

    def __init__(self, engine: Engine, *, name: str, scale: float, symbol: str = "") -> None:
        if not name.isalpha() or _DOLLAR.search(name):
            raise ValueError(
                f'A currency\'s name is another word than dollars, such as "crowns"; got {name!r}.'
            )
        if not 0 < scale < math.inf:
            raise ValueError(
                f"A currency's scale, units per dollar, is positive and finite; got {scale}."
            )
        self._engine, self._currency = engine, Currency(name, scale, symbol)

    def answer(self, request: Request[Reply]) -> Reply:
        """Return the answers to every prompt in the currency."""
        return request.about(self._rename(request.prompts)).ask(self._engine)

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text in the currency."""
        return self._engine.count([rename(text, self._currency) for text in texts])

    def describe(self) -> EngineInfo:
        """Return the engine's description, with the currency and how many make a dollar."""
        name, scale, _ = self._currency
        return replace(self._engine.describe(), currency=name, currency_scale=scale)

    def _rename(self, prompts: Sequence[Prompt]) -> list[Prompt]:
        shared = {
            prompt.shared: "" for prompt in prompts
        }  # one text for a whole batch: rewritten once
        shared = {text: rename(text, self._currency) for text in shared}
        return [Prompt(shared[p.shared], rename(p.personal, self._currency)) for p in prompts]


def rename(text: str, currency: Currency) -> str:
    """Return a text with its amounts of money, and the word for them, in another currency."""
    singular = currency.name.removesuffix("s")

    def amount(match: re.Match[str]) -> str:
        sign, symbol, number, size, word = match.groups()
        if not symbol and not word:
            return match[0]
        whole = round(
            float(number.replace(",", "")) * _SIZES[(size or "").lower()] * currency.scale
        )
        if symbol and currency.symbol:
            return f"{sign if whole else ''}{currency.symbol}{whole:,}"
        return f"{sign if whole else ''}{whole:,} {singular if whole == 1 else currency.name}"

    def name(match: re.Match[str]) -> str:
        word = currency.name if match[0].lower() == "dollars" else singular
        return word.capitalize() if match[0][0].isupper() else word

    return _DOLLAR.sub(name, _AMOUNT.sub(amount, text))


_AMOUNT = re.compile(
    r"(-?)(\$?)\b(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
    r"(?:\s?(k|thousand|million|billion)\b)?(\s(?:US )?dollars?\b)?",
    re.IGNORECASE,
)
_DOLLAR = re.compile(r"\bdollars?\b", re.IGNORECASE)
_SIZES = {"": 1.0, "k": 1e3, "thousand": 1e3, "million": 1e6, "billion": 1e9}
