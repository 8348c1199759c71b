import itertools
import operator

import numpy as np
import pytest

from experiments.training.encoding import train_tokenizer
from llm_policy.engines.embedded.grammar import Grammars

BOUNDS = [
    {"maximum": 0.37},
    {"minimum": 0, "maximum": 0.375},
    {"minimum": 0.1, "maximum": 0.125},
    {"exclusiveMinimum": 0.1, "maximum": 0.125},
    {"minimum": 0.352, "maximum": 0.375},
    {"minimum": 0, "exclusiveMaximum": 0.37},
    {"minimum": -0.25, "maximum": 0.25},
    {"exclusiveMinimum": -0.375, "maximum": -0.125},
    {"minimum": 0, "maximum": 1.007},
    {"minimum": 0, "maximum": 0.699999988079071},
    {"minimum": -1, "maximum": 1},
]
NUMBERS = [number / 1000 for number in range(-1100, 1101) if number]


@pytest.fixture(scope="module")
def grammars():
    tokenizer = train_tokenizer(["The rate is 0.37 of a dollar: 12345.6789, -0.5"])
    end = tokenizer.token_to_id("<|end|>")
    return tokenizer, Grammars(tokenizer, vocabulary=tokenizer.get_vocab_size(), end=end)


def can_be_written(grammars, schema, texts):
    """Return which of the texts are whole answers under a schema."""
    tokenizer, made = grammars
    [draft] = made.drafts(schema, count=1, max_tokens=40)
    for text in texts:
        matcher, tokens = draft.matcher.deep_copy(), tokenizer.encode(text).ids
        told, left = tokens[: len(draft.tokens)], tokens[len(draft.tokens) :]
        read = told == draft.tokens and matcher.try_consume_tokens(left) == len(left)
        yield read and matcher.is_accepting()


@pytest.mark.parametrize("bounds", BOUNDS, ids=str)
def test_every_number_within_its_bounds_can_be_written_and_no_other(grammars, bounds):
    least, most = bounds.get("minimum", -np.inf), bounds.get("maximum", np.inf)
    above = bounds.get("exclusiveMinimum", -np.inf)
    below = bounds.get("exclusiveMaximum", np.inf)
    within = [least <= n <= most and above < n < below for n in NUMBERS]
    texts = [f"{number:g}" for number in NUMBERS]
    written = can_be_written(grammars, {"type": "number"} | bounds, texts)
    assert not list(itertools.compress(texts, map(operator.ne, within, written)))


def test_numbers_within_lists_and_objects_are_too(grammars):
    rate = {"type": "number", "minimum": 0, "maximum": 0.37}
    schema = {
        "type": "object",
        "properties": {"type": rate, "rates": {"type": "array", "items": rate}},
        "required": ["type", "rates"],
        "additionalProperties": False,
    }
    texts = ['{"type": 0.3, "rates": [0.3, 0.37]}', '{"type": 0.3, "rates": [0.4]}']
    assert list(can_be_written(grammars, schema, texts)) == [True, False]
