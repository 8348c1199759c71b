"""The small model that comes with the project, and its like, answered in JAX: no server, no torch."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Int, UInt32

from llm_policy.engine import Choices, Completion, EngineError, Prompt, Schema
from llm_policy.engines.chat import Chat
from llm_policy.engines.scores import choices, single_tokens
from llm_policy.tiny_model import is_noise, weights_of

try:
    from llm_policy.engines.forward import Read, draw, lay_down, option_scores, read, read_head, table
    from llm_policy.engines.grammar import Draft, Grammars
    from llm_policy.engines.passes import (
        Group,
        Pass,
        layout,
        padded,
        power_of_four,
        power_of_two,
        rounded,
        side_by_side,
    )
    from llm_policy.engines.tokens import Tokens
    from llm_policy.llama import Past, load_weights
except ImportError as error:
    raise ImportError(
        f"The embedded engine needs {error.name}: pip install 'econjax[llm]'", name=error.name
    ) from error

SHIPPED = Path(__file__).parent.parent / "model"
"""The folder of the model that comes with the project."""
_NAME = "econjax-small"
_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


class EmbeddedEngine:
    """A small Llama in this process, in float32, on whatever JAX runs on.

    `folder` holds a model as `llama.save_weights` writes it, with its tokenizer; None is the model that comes
    with the project, which imitates a known formula and says nothing about people. `temperature` is that of
    `complete`; `choose` always scores at temperature 1. Answers are repeatable: the n-th text that an engine
    of one `seed` writes to a prompt is the same whatever else it is asked, up to the rounding of sums. The
    forward passes have few sizes: each is compiled when it is met first.

    Raises:
        EngineError: the folder holds no such model, or its chat template takes no question.
    """

    def __init__(self, folder: Path | str | None = None, *, temperature: float = 1.0, seed: int = 0) -> None:
        self._name = _NAME if folder is None else str(folder)
        self._folder = SHIPPED if folder is None else Path(folder).expanduser()
        self.temperature = temperature
        self.seed = seed
        if missing := [name for name in _FILES if not (self._folder / name).is_file()]:
            raise EngineError(
                f"The embedded engine finds no model in '{self._folder}': {', '.join(missing)} missing."
            )
        try:
            self._weights, self._sizes = load_weights(self._folder)
        except ValueError as error:
            raise EngineError(f"The embedded engine cannot read the model: {error}") from error
        tokens = Tokens(self._folder)
        self._tokenizer = tokens.tokenizer
        self._chat = Chat(tokens)
        self._grammars = Grammars(tokens.tokenizer, vocabulary=self._sizes.vocab_size, end=tokens.end)
        self._written: Counter[bytes] = Counter()
        self._revision = _digest((self._folder / "model.safetensors").read_bytes())

    def complete(
        self, prompts: Sequence[Prompt], schema: Schema, *, samples: int = 1, max_tokens: int = 64
    ) -> list[Completion]:
        """Return compact JSON under `schema`, `samples` texts a prompt, at the engine's temperature.

        Raises:
            EngineError: a prompt and its answer do not fit into the model's context, or the grammar of the
                answers cannot express the schema (nothing is read then).
        """
        encoded = self._encode(prompts, max_tokens)
        drafts = self._grammars.drafts(schema, count=len(prompts) * samples, max_tokens=max_tokens)
        seeds = self._seeds(prompts, samples)
        begun = drafts[0].tokens if drafts else []
        groups = self._layout([tokens + begun for tokens in encoded], prompts)
        for head, passes in groups:
            shared = self._read_head(head)
            for turn in side_by_side(passes, samples=samples, max_tokens=max_tokens):
                rows = [place * samples + n for part in turn for place in part.places for n in range(samples)]
                self._write(turn, shared, [drafts[row] for row in rows], seeds[rows])
        answers = [drafts[place * samples : (place + 1) * samples] for place in range(len(prompts))]
        return [
            Completion(
                texts=tuple(self._tokenizer.decode(draft.tokens) for draft in answer),
                prompt_tokens=len(tokens),
                answer_tokens=sum(len(draft.tokens) for draft in answer),
                cached_tokens=min(cached, len(tokens)),
            )
            for answer, tokens, cached in zip(answers, encoded, _cached(groups), strict=True)
        ]

    def choose(self, prompts: Sequence[Prompt], options: Sequence[str]) -> Choices:
        """Score the options with the model's own probabilities: temperature 1, nothing filtered.

        Raises:
            ValueError: an option is not a single token of this model, or two options are the same token.
            EngineError: a prompt does not fit into the model's context (nothing is read then).
        """
        tokens = np.array(single_tokens(options, self._chat.tokens(options)), np.int32)
        encoded = self._encode(prompts, 1)
        groups = self._layout(encoded, prompts)
        scores = [
            self._score(rows, shared, tokens)
            for head, passes in groups
            for shared in [self._read_head(head)]
            for rows in passes
        ]
        raw = np.zeros((len(prompts), len(options)))
        passes = (rows for group in groups for rows in group.passes)
        for rows, score in zip(passes, jax.device_get(scores), strict=True):
            raw[rows.places] = score[: len(rows.places)]
        return choices(raw, list(map(len, encoded)), _cached(groups))

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the number of the model's tokens of each text, without special tokens."""
        return [len(tokens) for tokens in self._chat.tokens(texts)]

    def describe(self) -> dict[str, str | int | float | bool]:
        """Say which weights answer, in which numbers, under which chat template."""
        return {
            "engine": "embedded",
            "version": version("econjax"),
            "model": self._name,
            "revision": self._revision,
            "dtype": "float32",
            "temperature": self.temperature,
            "seed": self.seed,
            "context": self._sizes.max_position_embeddings,
            "tokenizer": "exact",
            "chat_template": _digest(self._chat.template.encode()) if self._chat.template else "none",
            "system_role": self._chat.system_role,
            "noise": is_noise(self._folder),
            "weights": weights_of(self._folder),
        }

    def close(self) -> None:
        """Free the weights. No call may follow."""
        self._weights = {}

    def _encode(self, prompts: Sequence[Prompt], answer: int) -> list[list[int]]:
        """Return the tokens of every prompt, after checking that they and their answers fit."""
        encoded = self._chat.encode(prompts)
        context = self._sizes.max_position_embeddings
        for place, tokens in enumerate(encoded):
            if len(tokens) + answer > context:
                raise EngineError(
                    f"Prompt {place} has {len(tokens)} tokens and its answer up to {answer}, but the "
                    f"model holds {context}: shorten the prompt, or serve a larger model with vLLM."
                )
        return encoded

    def _layout(self, encoded: Sequence[list[int]], prompts: Sequence[Prompt]) -> list[Group]:
        shared = [prompt.shared for prompt in prompts]
        return layout(encoded, shared, heads=self._sizes.num_attention_heads)

    def _seeds(self, prompts: Sequence[Prompt], samples: int) -> UInt32[np.ndarray, "answers 2"]:
        """Return a seed for each text: of the prompt, and of how many texts were written to it before."""
        seeds = []
        for shared, personal in prompts:
            asked = hashlib.sha256(json.dumps([self.seed, shared, personal]).encode()).digest()
            for _ in range(samples):
                seeds.append(hashlib.sha256(asked + self._written[asked].to_bytes(8, "big")).digest()[:8])
                self._written[asked] += 1
        return np.frombuffer(b"".join(seeds), np.uint32).reshape(-1, 2)

    def _read_head(self, head: Sequence[int]) -> Past | None:
        with jax.enable_x64(False):
            return read_head(self._weights, self._sizes, head)

    def _score(self, rows: Pass, shared: Past | None, options: Int[np.ndarray, " options"]) -> jax.Array:
        """Return the log probability of each option after each row."""
        with jax.enable_x64(False):
            return option_scores(self._weights, self._sizes, rows.tokens, rows.length, shared, options)

    def _write(
        self,
        turn: Sequence[Pass],
        shared: Past | None,
        drafts: Sequence[Draft],
        seeds: UInt32[np.ndarray, "answers 2"],
    ) -> None:
        """Finish the answers to the prompts of some passes, side by side."""
        if all(draft.done for draft in drafts):
            return
        with jax.enable_x64(False):
            known = self._read_turn(turn, shared, len(drafts), drafts[0].max_tokens)
            rows = len(known.states)
            seeds = np.pad(seeds, ((0, rows - len(seeds)), (0, 0)))
            while True:
                allowed = self._grammars.allowed(drafts, rows=rows)
                written = np.zeros(rows, np.int32)
                written[: len(drafts)] = [len(draft.tokens) for draft in drafts]
                drawn = draw(self._weights, known.states, allowed, seeds, written, self.temperature)
                new = [draft.take(token) for draft, token in zip(drafts, drawn.tolist(), strict=False)]
                longest = max(map(len, new))
                if not longest:
                    return
                tokens, length = padded(new, shape=(rows, power_of_four(longest)))
                known = read(self._weights, self._sizes, tokens, length, shared, known.past)

    def _read_turn(self, turn: Sequence[Pass], shared: Past | None, answers: int, max_tokens: int) -> Read:
        """Return what is known after the prompts of some passes, in a row for each answer to them."""
        samples = answers // sum(len(part.places) for part in turn)
        rows = power_of_two(sum(part.tokens.shape[1] for part in turn) * samples)
        room = max(part.tokens.shape[2] for part in turn) + rounded(max_tokens)
        known, row = table(self._sizes, rows=rows, room=room), 0
        for part in turn:
            some = read(self._weights, self._sizes, part.tokens, part.length, shared)
            known = lay_down(known, some, row, samples=samples)
            row += len(part.places) * samples  # the next pass lies over the padding
        return known


def _cached(groups: Sequence[Group]) -> list[int]:
    """Return how many tokens of each prompt had been read with the first one of its group."""
    cached = {}
    for head, passes in groups:
        places = [place for rows in passes for place in rows.places]
        cached |= dict.fromkeys(places, len(head)) | {min(places): 0}
    return [cached[place] for place in sorted(cached)]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
