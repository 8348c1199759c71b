"""The small model that comes with the project, and its like, in JAX: no server, no torch."""

import functools
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int32, UInt32

import econjax
from llm_policy.engines._chat import Chat
from llm_policy.engines._options import OptionTree, option_tree
from llm_policy.engines._scores import choices, join
from llm_policy.engines.base import (
    Choices,
    Completion,
    EngineError,
    EngineInfo,
    Hear,
    Prompt,
    Schema,
)
from llm_policy.engines.provenance import SHIPPED_FOLDER, is_noise, taught_entries, weights_of

try:
    from llm_policy.engines.embedded.batching import (
        answers_together,
        padded,
        page_table,
        rounded,
    )
    from llm_policy.engines.embedded.checkpoint import (
        INDEX_FILE,
        WEIGHTS_FILE,
        draw_weights,
        load_sizes,
        load_weights,
        weight_files,
    )
    from llm_policy.engines.embedded.forward import (
        begin_decoding,
        draw,
        go_on,
        next_scores,
        tree_scores,
    )
    from llm_policy.engines.embedded.grammar import Draft, Grammars
    from llm_policy.engines.embedded.known import KnownTexts
    from llm_policy.engines.embedded.llama import Branches
    from llm_policy.engines.embedded.prefixes import FoundBlocks, packed, tokens_in
    from llm_policy.engines.embedded.threads import side_by_side
    from llm_policy.engines.embedded.tokenizer import Tokens
except ImportError as error:
    raise ImportError(
        f"The embedded engine needs {error.name}: pip install 'econjax[llm]'", name=error.name
    ) from error

_NAME = "econjax-small"
_SCORED = 64  # prompts at once
_OPTIONS = 16  # tokens and nodes to a multiple of
_TOKENS = 4  # of each answer that are read in one pass
_ROOM = 32
_FILES = ("config.json", WEIGHTS_FILE, "tokenizer.json", "tokenizer_config.json")


class _Turn(NamedTuple):
    """Answers that are written together: blocks and tokens of each one's prompt, draft, seed."""

    asked: Sequence[tuple[list[int], int]]
    drafts: Sequence[Draft]
    seeds: UInt32[np.ndarray, "answers 2"]


class EmbeddedEngine:
    """A small Llama in this process, in float32, on whatever JAX runs on.

    `folder` holds a Llama, Mistral or Qwen2 in the Hugging Face layout, with its tokenizer; None is
    the model that comes with the project, which imitates a known formula and says nothing about
    people. Of a folder that is marked as random noise and holds no weights, they are drawn here.
    `temperature` is that of `complete`; `choose` always scores at temperature 1. Answers are
    repeatable: the n-th text that an engine of one `seed` writes to a prompt is the same whatever
    else it is asked, up to the rounding of sums.

    What was read is kept between calls, in blocks of 16 tokens with all that comes before them, so
    a prompt costs what follows the longest beginning that it has in common with one read before,
    and nothing if it is that prompt. This takes up to `cache_bytes` of memory, little at first (by
    default a quarter of the device's memory, on a CPU at most 4 GiB; what a single prompt needs in
    any case): 6.2 kB a token of the model that comes with the project. Beyond it, what was of no
    use for longest is dropped. The forward passes have few sizes: each is compiled when it is met
    first, and again if the memory grows, which it does once. `name` is what the engine calls its
    model: the folder, if not given.

    Raises:
        EngineError: the folder holds no such model, or its chat template takes no question.
    """

    def __init__(
        self,
        folder: Path | str | None = None,
        *,
        temperature: float = 1.0,
        seed: int = 0,
        cache_bytes: int | None = None,
        name: str | None = None,
    ) -> None:
        self.hear: Hear | None = None
        self._name = name or (_NAME if folder is None else str(folder))
        self._folder = SHIPPED_FOLDER if folder is None else Path(folder).expanduser()
        self.temperature = temperature
        self.seed = seed
        there = {file.name for file in self._folder.glob("*")}
        drawn_here = is_noise(self._folder) and not weight_files(self._folder)
        there |= {WEIGHTS_FILE} if INDEX_FILE in there or drawn_here else set()
        if missing := [name for name in _FILES if name not in there]:
            raise EngineError(
                f"The embedded engine finds no model in '{self._folder}': {', '.join(missing)} "
                "missing."
            )
        try:
            if drawn_here:
                self._sizes = load_sizes(self._folder)
                self._weights = draw_weights(self._sizes)
            else:
                self._weights, self._sizes = load_weights(self._folder)
        except ValueError as error:
            raise EngineError(f"The embedded engine cannot read the model: {error}") from error
        tokens = Tokens(self._folder)
        self._tokenizer = tokens.tokenizer
        self._chat = Chat(tokens)
        self._ends = tokens.ends
        self._grammars = Grammars(
            tokens.tokenizer, vocabulary=self._sizes.vocab_size, end=tokens.end
        )
        self._written: Counter[bytes] = Counter()
        self._known = KnownTexts(self._sizes, cache_bytes)
        self._revision = _digest_of_files(
            weight_files(self._folder) or [self._folder / "config.json"]
        )

    def complete(
        self,
        prompts: Sequence[Prompt],
        schema: Schema | None,
        *,
        samples: int = 1,
        max_tokens: int = 64,
    ) -> list[Completion]:
        """Return `samples` compact JSON texts a prompt under `schema`, at the engine's temperature.

        Raises:
            EngineError: a prompt and its answer do not fit into the model's context, or the grammar
                of the answers cannot express the schema (nothing is read then).
        """
        encoded = self._encode(prompts, max_tokens)
        drafts = self._grammars.drafts(schema, count=len(prompts) * samples, max_tokens=max_tokens)
        seeds = self._seeds(prompts, samples)
        begun = drafts[0].tokens if drafts else []
        answers: list[Completion] = []
        for texts in self._known.sittings([packed(tokens + begun) for tokens in encoded]):
            first, found = len(answers), self._known.read(self._weights, texts)
            rows = [(place, row) for place in range(len(texts)) for row in range(samples)]
            rows.sort(key=lambda row: len(texts[row[0]]))
            together = answers_together(len(rows))
            turns = []
            for turn in (rows[start : start + together] for start in range(0, len(rows), together)):
                places = [(first + place) * samples + row for place, row in turn]
                asked = [(found[place].places, tokens_in(texts[place])) for place, _ in turn]
                turns.append(_Turn(asked, [drafts[place] for place in places], seeds[places]))
            side_by_side(functools.partial(self._write, rows=together), turns)
            answers += [
                self._completion(drafts[at * samples : (at + 1) * samples], len(encoded[at]), text)
                for at, text in enumerate(found, start=first)
            ]
            self._tell(first, answers[first:])
        return answers

    def choose(self, prompts: Sequence[Prompt], options: Sequence[str]) -> Choices:
        """Score the options with the model's own probabilities: temperature 1, nothing filtered.

        All options of several tokens are read after a prompt in one pass, as a tree.

        Raises:
            ValueError: there is no option, or two options are the same tokens.
            EngineError: a prompt does not fit into the model's context (nothing is read then).
        """
        tree = option_tree(options, self._chat.answers(options), ends=self._ends)
        encoded = self._encode(prompts, tree.longest)
        answered = [choices(np.zeros((0, len(options))), [], [])]
        first = 0
        for texts in self._known.sittings(list(map(packed, encoded))):
            found = self._known.read(self._weights, texts)
            length = np.array([tokens_in(text) for text in texts], np.int32)
            scores = jax.device_get(list(self._score(found, length, tree)))
            raw = np.concatenate(list(map(tree.log_probabilities, scores)))
            answered.append(choices(raw, length.tolist(), [text.known for text in found]))
            self._tell(first, answered[-1])
            first += len(texts)
        return join(answered, range(len(prompts)))

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the number of the model's tokens of each text, without special tokens."""
        return [len(tokens) for tokens in self._chat.tokens(texts)]

    def describe(self) -> EngineInfo:
        """Say which weights answer, in which numbers, under which chat template."""
        return EngineInfo(
            engine="embedded",
            version=econjax.__version__,
            model=self._name,
            revision=self._revision,
            dtype="float32",
            temperature=self.temperature,
            seed=self.seed,
            context=self._sizes.max_position_embeddings,
            tokenizer="exact",
            chat_template=self._chat.digest,
            system_role=self._chat.system_role,
            noise=is_noise(self._folder),
            weights=weights_of(self._folder),
            **taught_entries(self._folder),
        )

    def renew(self, seed: int) -> None:
        """Answer from now on as an engine that has just been started with this seed."""
        self.seed = seed
        self._written.clear()
        self._known.forget()

    def close(self) -> None:
        """Free the weights and what was read. No call may follow."""
        self._weights = {}
        self._known.forget()

    def _encode(self, prompts: Sequence[Prompt], answer: int) -> list[list[int]]:
        """Return the tokens of every prompt, after checking that they and their answers fit."""
        encoded = self._chat.encode(prompts)
        context = self._sizes.max_position_embeddings
        for place, tokens in enumerate(encoded):
            if len(tokens) + answer > context:
                raise EngineError(
                    f"Prompt {place} has {len(tokens)} tokens and its answer up to {answer}, but "
                    f"the model holds {context}: shorten the prompt, or serve a larger model with "
                    "vLLM."
                )
        return encoded

    def _seeds(self, prompts: Sequence[Prompt], samples: int) -> UInt32[np.ndarray, "answers 2"]:
        """Return a seed for each text: of the prompt, and of how many texts it had before."""
        seeds = []
        for shared, personal in prompts:
            asked = hashlib.sha256(json.dumps([self.seed, shared, personal]).encode()).digest()
            for _ in range(samples):
                seeds.append(
                    hashlib.sha256(asked + self._written[asked].to_bytes(8, "big")).digest()[:8]
                )
                self._written[asked] += 1
        return np.frombuffer(b"".join(seeds), np.uint32).reshape(-1, 2)

    def _completion(self, drafts: Sequence[Draft], length: int, text: FoundBlocks) -> Completion:
        """Return what was written to a prompt of `length` tokens."""
        return Completion(
            texts=tuple(self._tokenizer.decode(draft.tokens) for draft in drafts),
            prompt_tokens=length,
            answer_tokens=sum(len(draft.tokens) for draft in drafts),
            cached_tokens=min(text.known, length),
        )

    def _tell(self, first: int, said: Choices | Sequence[Completion]) -> None:
        """Tell who listens of the answers to the prompts from place `first` on."""
        if self.hear is not None:
            count = len(said.leaked) if isinstance(said, Choices) else len(said)
            self.hear(range(first, first + count), said)

    def _score(
        self, found: Sequence[FoundBlocks], length: Int32[np.ndarray, " texts"], tree: OptionTree
    ) -> Iterator[Float[jax.Array, "rows places asked"]]:
        """Yield the log probability of what `tree` asks, after each text and each of its nodes."""
        count, context = len(tree.asked), self._sizes.max_position_embeddings
        asked = np.pad(np.array(tree.asked, np.int32), (0, rounded(count, _OPTIONS) - count))
        tokens, branches = _padded_tree(tree)
        together = answers_together(len(found)) if len(tokens) else _SCORED
        with jax.enable_x64(False):
            for start in range(0, len(found), together):
                some = found[start : start + together]
                more = (0, together - len(some))
                ends = np.pad(np.array([text.places[-1] for text in some], np.int32), more)
                scores = next_scores(self._weights, self._known.pool, ends, asked)[:, None]
                if len(tokens):
                    read = length[start : start + together].tolist()
                    followed = [(text.places, many) for text, many in zip(some, read, strict=True)]
                    table = page_table(followed, rows=together, context=context)
                    pages = self._known.pool.pages(table)
                    below = tree_scores(self._weights, self._sizes, pages, tokens, branches, asked)
                    scores = jnp.concatenate([scores, below], axis=1)
                yield scores[: len(some), : len(tree.tokens) + 1, :count]

    def _write(self, turn: _Turn, *, rows: int) -> None:
        """Finish the answers of a turn, in `rows` rows."""
        asked, drafts, seeds = turn
        if all(draft.done for draft in drafts):
            return
        more = rows - len(drafts)
        seeds = np.pad(seeds, ((0, more), (0, 0)))
        table = page_table(asked, rows=rows, context=self._sizes.max_position_embeddings)
        pages = self._known.pool.pages(table)
        ends = np.pad(np.array([places[-1] for places, _ in asked], np.int32), (0, more))
        room = rounded(drafts[0].max_tokens + _TOKENS, _ROOM)
        answers = begin_decoding(self._sizes, self._known.pool, ends, room=room)
        while True:
            allowed = self._grammars.allowed(drafts, rows=rows)
            written = np.zeros(rows, np.int32)
            written[: len(drafts)] = [len(draft.tokens) for draft in drafts]
            drawn = draw(self._weights, answers.states, allowed, seeds, written, self.temperature)
            new = [draft.take(token) for draft, token in zip(drafts, drawn.tolist(), strict=False)]
            if not any(new):
                return
            while any(new):
                some, new = (
                    [tokens[:_TOKENS] for tokens in new],
                    [tokens[_TOKENS:] for tokens in new],
                )
                tokens, length = padded(some, shape=(rows, _TOKENS))
                answers = go_on(self._weights, self._sizes, pages, answers, tokens, length)


def _padded_tree(tree: OptionTree) -> tuple[Int32[np.ndarray, " nodes"], Branches]:
    """Return a tree's tokens and shape, with nodes that mean nothing for a size met before."""
    count = len(tree.tokens)
    more = (0, rounded(count, _OPTIONS) - count)
    above = np.pad(tree.above, (more, more)) | np.eye(count + more[1], dtype=bool)
    depth = np.pad(tree.depth, more)
    return np.pad(tree.tokens, more), Branches(jnp.asarray(depth), jnp.asarray(above))


def _digest_of_files(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while part := file.read(1 << 20):
                digest.update(part)
    return digest.hexdigest()[:16]
