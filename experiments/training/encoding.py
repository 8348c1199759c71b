"""The small model's tokenizer, and examples as tokens.

Digits and the marks of JSON are tokens of their own, so that an answer has one spelling whoever
writes it, and no token goes past the end of a line or sentence; apart from that, tokens may hold
whole phrases, spaces included, so that what all prompts repeat costs few of them. A text that is
nothing but one of the hours offered is one token.
"""

import functools
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from tokenizers import Encoding, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from econjax import BracketSchedule
from experiments.training.examples import Example, Part, Task
from llm_policy.answers.reading import HOURS
from llm_policy.engines.embedded.random_weights import CHAT_TEMPLATE, CONTEXT, SPECIAL

SINGLE = (*map(str, HOURS), "yes", "no", *"ABCDEFGHIJK")
"""Texts that are one token where they stand alone."""


def train_tokenizer(texts: Iterable[str], *, size: int = 4096) -> Tokenizer:
    """Return a byte-level BPE tokenizer of `size` tokens, trained on texts.

    Raises:
        ValueError: one of the `SINGLE` texts is not one token.
    """
    tokenizer = Tokenizer(models.BPE())
    alone = "|".join(map(str, HOURS[1:]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\n|\. "), "merged_with_previous"),
            pre_tokenizers.Split(Regex(rf"\A(?:{alone})\z|[0-9]|{_JSON}"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        show_progress=False,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        max_token_length=160,
    )
    tokenizer.train_from_iterator([*texts, *SINGLE * 1000], trainer)
    split = [text for text in SINGLE if len(tokenizer.encode(text).ids) != 1]
    if split:
        raise ValueError(f"The texts leave no room for the single tokens {split}: give more room.")
    return tokenizer


def save_tokenizer(folder: Path, tokenizer: Tokenizer) -> None:
    """Write tokenizer.json and tokenizer_config.json into `folder`."""
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|begin|>",
        "eos_token": "<|end|>",
        "pad_token": "<|pad|>",
        "model_max_length": CONTEXT,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    text = json.dumps(config, indent=2) + "\n"
    (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")


class EncodedRow(NamedTuple):
    """A prompt after the shared text, its answer, and what should follow at places, as tokens.

    After the token at `places[k]` those in `follows[k]` may follow, each with its chance;
    `workings[k]` is what the formula has found by then, () where nothing new. `endowment` follows
    from the worker's means, which end with the token at `means_end`.
    """

    tokens: list[int]
    places: list[int]
    follows: list[dict[int, float]]
    workings: list[tuple[float, ...]]
    endowment: Sequence[float]
    means_end: int


class Encoded(NamedTuple):
    """An example as tokens: what all rows share, the law that it states, and the rows."""

    task: Task
    shared: list[int]
    rows: list[EncodedRow]
    schedule: BracketSchedule | None


class Encoder:
    """Writes examples as tokens, as the chat template would lay them out."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._comma, self._point = (tokenizer.encode(mark).ids[-1] for mark in ",.")
        self._digits = np.full(tokenizer.get_vocab_size(), -1.0)
        for digit in range(10):
            self._digits[tokenizer.encode(f"{digit} hours").ids[0]] = digit
        ends = [
            token for text, token in tokenizer.get_vocab().items() if text.endswith(("\u010a", "["))
        ]
        self._begins_list = np.zeros(len(self._digits), bool)
        self._begins_list[ends] = True
        self._spelled = functools.lru_cache(maxsize=10_000)(self._spell)

    def write(self, rng: np.random.Generator, example: Example) -> Encoded:
        """Return the example as tokens; where several texts may be said, one is drawn."""
        shared = f"<|begin|><|system|>\n{example.prompts[0].shared}<|end|>\n<|user|>\n"
        personal = [f"{prompt.personal}<|end|>\n<|assistant|>\n" for prompt in example.prompts]
        first, *rest = self._tokenizer.encode_batch([shared, *personal])
        endowment = example.endowment or [()] * len(rest)
        ends = example.means_end or [0] * len(rest)
        rows = [
            self._row(rng, found.ids, answer, told, _token_before(found, end))
            for found, answer, told, end in zip(rest, example.answers, endowment, ends, strict=True)
        ]
        return Encoded(example.task, first.ids, rows, example.schedule)

    def numbers(self, tokens: Int[np.ndarray, "*rows tokens"]) -> Float[np.ndarray, "*rows tokens"]:
        """Return the number that each token goes on with, as far as read, NaN where there is none.

        The token after a number still has it; signs count for nothing.
        """
        found, worth = np.full(tokens.shape, np.nan), self._digits
        value, place, reading = (np.zeros(tokens.shape[:-1]) for _ in range(3))
        for now in range(tokens.shape[-1]):
            token = tokens[..., now]
            digit = worth[token]
            is_digit, goes_on = (
                digit >= 0,
                reading * ((token == self._comma) | (token == self._point)) > 0,
            )
            value = np.where(is_digit & (reading == 0), 0.0, value)
            place = np.where(is_digit & (reading == 0), 0.0, place)
            whole = np.where(place > 0, value + digit * 0.1**place, 10 * value + digit)
            value = np.where(is_digit, whole, value)
            place = np.where(
                is_digit & (place > 0) | goes_on & (token == self._point), place + 1, place
            )
            found[..., now] = np.where(is_digit | (reading > 0), value, np.nan)
            reading = (is_digit | goes_on).astype(float)
        return found

    def ordinals(self, tokens: Sequence[int]) -> Float[np.ndarray, " tokens"]:
        """Return how many numbers have digits up to each token, from its line or bracket on."""
        marks = self._comma, self._point
        found, count, last = np.zeros(len(tokens)), 0, False
        for now, token in enumerate(tokens):
            digit = self._digits[token] >= 0
            count = 0 if self._begins_list[token] else count + (digit and not last)
            last = digit or (last and token in marks)
            found[now] = count
        return found

    def _row(
        self,
        rng: np.random.Generator,
        prompt: list[int],
        answer: Sequence[Part],
        endowment: Sequence[float] = (),
        means_end: int = 0,
    ) -> EncodedRow:
        tokens, places, follows, workings = list(prompt), [], [], []
        for part in answer if answer[0].single else (*answer, _END):
            texts = [self._spelled(text, part.single) for text in part.texts]
            chosen = texts[_draw(rng, part) if part.said is None else part.said]
            for place, token in enumerate(chosen):
                next_tokens: dict[int, float] = {}
                for text, chance in zip(texts, part.probabilities, strict=True):
                    if text[:place] == chosen[:place]:
                        next_tokens[text[place]] = next_tokens.get(text[place], 0.0) + chance
                places.append(len(tokens) - 1)
                follows.append(next_tokens)
                workings.append(part.workings if place == 0 else ())
                tokens.append(token)
        return EncodedRow(tokens[:-1], places, follows, workings, endowment, means_end)

    def _spell(self, text: str, single: bool) -> tuple[int, ...]:
        parts = [text] if single else [part for part in re.split("([0-9])", text) if part]
        return tuple(
            token for found in self._tokenizer.encode_batch_fast(parts) for token in found.ids
        )


def _token_before(found: Encoding, end: int) -> int:
    """Return the place of the token that holds the last letter before `end`, 0 if none is."""
    place = found.char_to_token(max(end - 1, 0))
    assert place is not None
    return place


def _draw(rng: np.random.Generator, part: Part) -> int:
    if len(part.texts) == 1:
        return 0
    return int(
        np.searchsorted(
            np.cumsum(part.probabilities), rng.random() * sum(part.probabilities), side="right"
        )
    )


_JSON = r"-(?=[0-9])|[\"\[\]{}]|: |true|false|null"
_END = Part(("<|end|>",))
