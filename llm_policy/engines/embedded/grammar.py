"""What may come next in an answer under a JSON schema, in a model's tokens."""

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
from jaxtyping import Int32
from llguidance import LLExecutor, LLMatcher, LLTokenizer
from llguidance.numpy import fill_next_token_bitmask_par
from tokenizers import Tokenizer

from llm_policy.engines.base import EngineError, Schema


class Grammars:
    """The grammars of answers in the `vocabulary` tokens of a model, which the token `end` ends.

    Answers are written as Python's `json.dumps` writes them, without other white space.
    """

    def __init__(self, tokenizer: Tokenizer, *, vocabulary: int, end: int) -> None:
        self._tokens = LLTokenizer(tokenizer.to_str(), n_vocab=vocabulary, eos_token=end, slices=[])
        self._end = end
        self._words = -(-vocabulary // 32)
        self._executor = LLExecutor()

    def drafts(self, schema: Schema | None, *, count: int, max_tokens: int) -> "list[Draft]":
        """Return `count` answers under `schema` yet to be written, of at most `max_tokens`.

        None allows any text.

        Raises:
            EngineError: the schema says what the grammar cannot.
        """
        matcher = LLMatcher(self._tokens, _grammar_of(schema), log_level=0)
        if matcher.is_error():
            raise EngineError(
                f"The embedded engine cannot write under this schema ({matcher.get_error()}): use "
                "a simpler one, or vLLM."
            )
        return [
            Draft(matcher.deep_copy(), end=self._end, max_tokens=max_tokens) for _ in range(count)
        ]

    def allowed(self, drafts: "Sequence[Draft]", *, rows: int) -> Int32[np.ndarray, "rows words"]:
        """Return a bit for each token that may follow each draft, in `rows` rows.

        Drafts that are done, and rows without a draft, allow nothing.
        """
        bits = np.zeros((rows, self._words), np.int32)
        going = [(draft.matcher, row) for row, draft in enumerate(drafts) if not draft.done]
        fill_next_token_bitmask_par(self._executor, going, bits)
        return bits


class Draft:
    """An answer being written: its `tokens` so far, `max_tokens` at most, and whether it is `done`.

    What the grammar leaves no choice about is written at once.
    """

    def __init__(self, matcher: LLMatcher, *, end: int, max_tokens: int) -> None:
        self.matcher = matcher
        self.tokens: list[int] = []
        self.done = False
        self._end = end
        self.max_tokens = max_tokens
        self._go_on()

    def take(self, token: int) -> list[int]:
        """Write `token`, and return what the model must read before it is asked again.

        At the end that is nothing.
        """
        if self.done:
            return []
        before = len(self.tokens)
        self.matcher.consume_token(token)
        if token != self._end:
            self.tokens.append(token)
        self._go_on()
        return [] if self.done else self.tokens[before:]

    def _go_on(self) -> None:
        """Write what is without choice, and see whether the answer is done."""
        if forced := self.matcher.compute_ff_tokens():
            self.matcher.consume_tokens(forced)
            self.tokens += forced
        if self.matcher.is_error():
            raise EngineError(f"The grammar of the answers has failed: {self.matcher.get_error()}")
        del self.tokens[self.max_tokens :]
        self.done = len(self.tokens) == self.max_tokens or self.matcher.is_stopped()


def _grammar_of(schema: Schema | None) -> str:
    if schema is None:
        return LLMatcher.grammar_from_regex("(?s:.*)")
    return LLMatcher.grammar_from_json_schema(
        json.dumps(_with_round_numbers(schema)),
        overrides={"item_separator": ", ", "key_separator": ": ", "whitespace_flexible": False},
    )


def _with_round_numbers(schema: Any) -> Any:
    """Return what allows the same numbers as a schema, those that a bound begins with too.

    llguidance 1.7.6 to 1.9.1 takes 0.36 and 0.37 under a maximum of 0.37, and not 0.3: under a
    maximum of 0.3 it does.
    """
    if isinstance(schema, Mapping):
        inner = {name: _with_round_numbers(part) for name, part in schema.items()}
        shorter = list(_with_shorter_bounds(inner)) if inner.get("type") == "number" else []
        return {"anyOf": [inner, *shorter]} if shorter else inner
    if isinstance(schema, Sequence) and not isinstance(schema, str):
        return [_with_round_numbers(part) for part in schema]
    return schema


def _with_shorter_bounds(number: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the schema of a number with one bound cut to fewer decimals, each way to cut one."""
    open_ends = (number.get("exclusiveMinimum", -np.inf), number.get("exclusiveMaximum", np.inf))
    least = max(number.get("minimum", -np.inf), open_ends[0])
    most = min(number.get("maximum", np.inf), open_ends[1])
    for end, value in (("minimum", least), ("maximum", most)):
        if not np.isfinite(value) or (value > 0) != (end == "maximum"):
            continue
        whole, _, decimals = f"{Decimal(str(value)):f}".partition(".")
        cuts = {float(f"{whole}.{decimals[:places]}") for places in range(1, len(decimals))}
        others = {name: part for name, part in number.items() if not name.lower().endswith(end)}
        within = sorted(cut for cut in cuts.difference(open_ends) if least <= cut <= most)
        yield from (others | {end: cut} for cut in within)
