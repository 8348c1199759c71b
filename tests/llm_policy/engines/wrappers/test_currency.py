"""Prompts in the currency of an economy: symbols and words change, numbers do not."""

import pytest

from llm_policy.engines.base import Prompt
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.engines.wrappers.currency import Currency, Renamed, rename

KRONER = Currency("crowns", 1, "Kr")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("You earn $11,600 a year.", "You earn Kr11,600 a year."),
        ("A loss of -$5.", "A loss of -Kr5."),
        ("5,000 dollars, or 1 dollar", "5,000 crowns, or 1 crown"),
        ("$0 to $9,525: 12 % of 40 hours", "Kr0 to Kr9,525: 12 % of 40 hours"),
        ("Dollars a year", "Crowns a year"),
        ("in step 3 of 8", "in step 3 of 8"),
    ],
)
def test_a_symbol_takes_the_place_of_the_dollars(text, told):
    assert rename(text, KRONER) == told


def test_an_engine_hears_the_currency_and_says_so():
    heard = []
    engine = ScriptedEngine(lambda prompt: heard.append(prompt) or "ok")
    own = Renamed(engine, name="crowns", scale=1, symbol="Kr")
    own.complete([Prompt("The rebate is $100.", "You have $20,000 left.")], {})
    assert heard == [Prompt("The rebate is Kr100.", "You have Kr20,000 left.")]
    assert own.describe().currency == "crowns"
