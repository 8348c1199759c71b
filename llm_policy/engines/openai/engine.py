"""A model behind a server that speaks OpenAI's chat protocol, asked in batches."""

import contextlib
import json
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any, Literal

import httpx2
import numpy as np

from llm_policy.engines._options import OptionTree, option_tree
from llm_policy.engines._scores import check_distinct, choices
from llm_policy.engines.base import (
    Choices,
    Completion,
    EngineError,
    EngineInfo,
    Interrupted,
    Prompt,
    Schema,
)
from llm_policy.engines.openai.addresses import key_of, key_variable_of, parse_address
from llm_policy.engines.openai.client import Client
from llm_policy.engines.openai.failures import Failed, is_about_scores
from llm_policy.engines.openai.loop import Fetched, Loop
from llm_policy.engines.openai.replies import read_completion
from llm_policy.engines.openai.scores import NoScores, Scores, read_firsts, read_places
from llm_policy.engines.openai.served import ServedTokens, text_body
from llm_policy.engines.openai.server import Server
from llm_policy.engines.provenance import is_noise, taught_entries, weights_of
from llm_policy.engines.requests import Reply

TOP_LOGPROBS = 20
"""How many first tokens the protocol scores: an option that is not among them counts as unknown."""

_MOST_SAMPLES = 128
"""How many texts one request may ask for."""

_HELLO = Prompt("Answer with a number in JSON.", 'How many fingers has a hand? {"number": ...}')
_HELLO_SCHEMA = {
    "type": "object",
    "properties": {
        "number": {"type": "integer", "minimum": 0, "maximum": 10},
        "list": {"type": "array", "items": {"type": "number"}, "minItems": 0, "maxItems": 1},
    },
    "required": ["number", "list"],
    "additionalProperties": False,
}
"""A small question that uses whatever the questions of a run use."""


class OpenAIEngine:
    """A model behind `url`, which ends in /v1, asked at most `concurrency` prompts at a time.

    `model` is a name that the server knows, or a short name of `models.MODELS`. `url` may hold a
    name and a password, and a query, which goes with every request; they are never shown. A key is
    `api_key`, or that of the environment variable `key_variable`, or where neither is given that of
    the provider in `models.PROVIDERS` whose address `url` is; a provider's key goes nowhere else,
    and none goes over plain http to another machine.

    `extra` goes into the body of every question, such as what turns thinking off (see
    `models.Provider`). `temperature` is that of `complete`; `choose` asks for scores at temperature
    1. `max_retries` and `timeout` (seconds, for a whole reply) are those of `client.Client`.

    What a server refuses of a request (several texts, a schema, a temperature, ...) is left out of
    all further ones, where a smaller request is answered: it is logged once as a warning, and named
    in `describe().refused`. The first question of each kind goes alone, so that this costs one
    failed request.

    Raises:
        EngineError: no server answers, it refuses the key, or it does not have the model.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        api_key: str | None = None,
        key_variable: str | None = None,
        extra: Mapping[str, Any] | None = None,
        temperature: float = 0.7,
        concurrency: int = 64,
        timeout: float = 600.0,
        max_retries: int = 5,
    ) -> None:
        address = parse_address(url)
        variable = None if api_key else key_variable_of(address, key_variable)
        key = key_of(address, variable, api_key)
        self.hear: Callable[[Sequence[int], list[Completion] | Choices], None] | None = None
        self.url = address.url
        self.temperature = temperature
        self._extra = dict(extra or {})
        self._concurrency = concurrency
        self._met: set[str] = set()
        self._unscored = ""
        self._client = Client(
            address, key, key_variable=variable, timeout=timeout, concurrency=concurrency
        )
        self._server = Server(self._client, address.url, self._extra)
        self._loop = Loop()
        try:
            self._loop.wait(self._server.find(model))
        except BaseException:
            self.close()
            raise
        self.model = self._server.model
        self._client.retries = max_retries
        self._served = ServedTokens(self._tokenize, self._server.template)

    def complete(
        self,
        prompts: Sequence[Prompt],
        schema: Schema | None,
        *,
        samples: int = 1,
        max_tokens: int = 64,
    ) -> list[Completion]:
        """Return `samples` texts under `schema` for every prompt; a refusal is an empty text.

        A server that gives fewer samples than asked for is asked for the rest, at the prompt's full
        cost.

        Raises:
            EngineError: the server fails for good; `Interrupted` if it answered some.
        """
        body: dict[str, Any] = {"max_tokens": max_tokens, "temperature": self.temperature}
        if schema is not None:
            answer = {"name": "answer", "strict": True, "schema": dict(schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": answer}

        async def ask(prompt: Prompt) -> Completion:
            parts: list[Completion] = []
            while missing := samples - sum(len(part.texts) for part in parts):
                number = min(missing, _MOST_SAMPLES)
                read = partial(self._completion, samples=number)
                parts.append(await self._server.chat(prompt, body | {"n": number}, read))
            return _joined(parts)

        return self._batch("complete", prompts, ask, list)

    def choose(self, prompts: Sequence[Prompt], options: Sequence[str]) -> Choices:
        """Score the options: all of them on a vLLM server, the likely ones on any other.

        vLLM scores exactly the tokens of the options; those of several tokens take a request that
        asks for every place in the tree of options, each of which the server bills as a prompt.
        Any other server names the `TOP_LOGPROBS` most likely first tokens: an option that is not
        the text of one of them has probability 0 (-inf), and whatever the options' named tokens do
        not hold counts as leaked. Where no option is named, or the scores are no probabilities,
        `leaked` is 1 and the options are equally likely, which carries no information: a caller
        treats such a row as unread.

        Raises:
            ValueError: no options, or two alike.
            EngineError: the server fails for good, or gives no scores; `Interrupted` if it answered
            some.
        """
        check_distinct(options, options)
        if not self._server.version:
            return self._choose_firsts(prompts, options, options, {"top_logprobs": TOP_LOGPROBS})
        answers, ends = self._served.encoded(options)
        tree = option_tree(options, answers, ends=ends)
        if len(tree.tokens):
            return self._choose_tree(prompts, tree)
        scored = {**_scored(tree), "logprobs": True, "top_logprobs": TOP_LOGPROBS}
        return self._choose_firsts(prompts, options, _names(tree), scored)

    def greet(self, mode: Literal["text", "choice", "auto"]) -> None:
        """Ask a small question as a run in `mode` will, so that refusals are known before work.

        Text mode needs texts, choice mode scores, auto either. What the server refuses is then in
        `describe()`.

        Raises:
            EngineError: the server does not answer as the mode needs.
        """
        failures: dict[str, EngineError] = {}
        for way in ("text", "choice")[: 1 if mode == "text" else 2]:
            try:
                if way == "text":
                    self.complete([_HELLO], _HELLO_SCHEMA, samples=2, max_tokens=32)
                else:
                    self.choose([_HELLO], ["4", "5"])
            except EngineError as error:
                failures[way] = error
        if mode in failures:
            raise failures[mode]
        if len(failures) == 2:
            raise failures["text"]

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return each text's number of tokens: exact on a vLLM server, estimated on others."""
        if not self._server.version:
            return [math.ceil(len(text) / 4) for text in texts]

        async def length(text: str) -> int:
            return len(await self._server.tokens(text_body(text)))

        came = chain.from_iterable(self._loop.each(texts, length, together=self._concurrency))
        lengths = {one.place: one for one in came}
        if failures := [one.error for one in lengths.values() if one.error is not None]:
            raise failures[0]
        return [lengths[place].answer or 0 for place in range(len(texts))]

    def describe(self) -> EngineInfo:
        """Say what is known from outside; a model's noise marker only on the same machine.

        `refused` names what the server refuses of a request, if anything.
        """
        folder = self._server.card.root or self.model
        refused = (*self._server.refused, *(["scores"] if self._unscored else []))
        return EngineInfo(
            engine="openai",
            version=httpx2.__version__,
            server=f"vllm {self._server.version}" if self._server.version else "unknown",
            url=self.url,
            model=self.model,
            revision="unknown",
            dtype="unknown",
            quantization="unknown",
            temperature=1.0 if "temperature" in refused else self.temperature,
            extra=json.dumps(self._extra, sort_keys=True),
            context=self._server.card.context,
            tokenizer="exact" if self._server.version else "estimated",
            chat_template="unknown",
            noise=is_noise(folder),
            weights=weights_of(folder),
            **taught_entries(folder),
            refused=", ".join(refused),
        )

    def close(self) -> None:
        """Close the connections. No call may follow."""
        self._loop.close(self._client.close)

    def _choose_firsts(
        self,
        prompts: Sequence[Prompt],
        options: Sequence[str],
        names: Sequence[str],
        scored: Mapping[str, Any],
    ) -> Choices:
        """Score the first tokens that the server calls `names`."""
        body = {"max_tokens": 1, "temperature": 1.0, "logprobs": True, **scored}

        async def ask(prompt: Prompt) -> Scores:
            if self._unscored:
                raise EngineError(self._unscored)
            try:
                return await self._server.chat(prompt, body, partial(read_firsts, names=names))
            except NoScores:
                self._unscored = (
                    f"{self.url} gives no scores for {self.model!r}: use --mode text (from Python, "
                    "complete())."
                )
            except Failed as error:
                if not is_about_scores(error.words):
                    raise
                self._unscored = str(error)
            raise EngineError(self._unscored)

        return self._batch("choose", prompts, ask, partial(_packed, options=len(options)))

    def _choose_tree(self, prompts: Sequence[Prompt], tree: OptionTree) -> Choices:
        """Score the next tokens at all places of a tree after each prompt."""
        body = {"max_tokens": 1, "temperature": 1.0, **_scored(tree)}
        paths = tree.paths
        read = partial(read_places, names=_names(tree), places=len(paths))

        async def ask(prompt: Prompt) -> Scores:
            tokens = await self._server.tokens(self._served.prompt_body(prompt))
            whole = body | {"prompt": [tokens + path for path in paths]}
            found = await self._server.complete(whole, read)
            (raw,) = tree.log_probabilities(found.logprob[None])
            return found._replace(logprob=raw)

        return self._batch("choose", prompts, ask, partial(_packed, options=tree.options))

    def _batch(
        self,
        verb: str,
        prompts: Sequence[Prompt],
        ask: Callable[[Prompt], Awaitable[Fetched]],
        pack: Callable[[list[Fetched]], Reply],
    ) -> Reply:
        """Return the answers to all prompts, in order, and tell of each as it comes.

        After a failure nothing more is sent, and what was sent is waited for; an interrupt waits
        for nothing.
        """
        answers: dict[int, Fetched] = {}
        failures: list[Exception] = []
        first = verb not in self._met
        with contextlib.closing(
            self._loop.each(prompts, ask, together=self._concurrency, first=first)
        ) as coming:
            for come in coming:
                fresh = {one.place: one.answer for one in come if one.answer is not None}
                failures += [one.error for one in come if one.error is not None]
                answers |= fresh
                if self.hear is not None and fresh:
                    self.hear(list(fresh), pack(list(fresh.values())))
        if answers:
            self._met.add(verb)
        done = sorted(answers)
        packed = pack([answers[place] for place in done])
        if not failures:
            return packed
        if not done or not isinstance(failures[0], EngineError):
            raise failures[0]
        raise Interrupted(str(failures[0]), done, packed)

    def _tokenize(self, body: Mapping[str, Any]) -> list[int]:
        return self._loop.wait(self._server.tokens(body))

    def _completion(self, body: bytes, *, samples: int) -> Completion:
        """Return the texts of a reply, without a secret that the server may repeat."""
        found = read_completion(body, samples=samples)
        texts = tuple(self._client.concealed(text) for text in found.texts)
        return Completion(texts, found.prompt_tokens, found.answer_tokens, found.cached_tokens)


def _joined(parts: Sequence[Completion]) -> Completion:
    """Return the texts of several replies to one prompt, with their cost."""
    return Completion(
        texts=tuple(text for part in parts for text in part.texts),
        prompt_tokens=sum(part.prompt_tokens for part in parts),
        answer_tokens=sum(part.answer_tokens for part in parts),
        cached_tokens=sum(part.cached_tokens for part in parts),
    )


def _scored(tree: OptionTree) -> dict[str, Any]:
    """Return what asks a vLLM server for the scores of a tree's tokens, by their numbers."""
    asked = {"logprob_token_ids": list(tree.asked), "return_tokens_as_token_ids": True}
    return asked | {"logprobs": 1}


def _names(tree: OptionTree) -> list[str]:
    return [f"token_id:{token}" for token in tree.asked]


def _packed(rows: Sequence[Scores], *, options: int) -> Choices:
    raw = np.array([row.logprob for row in rows], dtype=np.float64).reshape(len(rows), options)
    tokens = ([row.prompt_tokens for row in rows], [row.cached_tokens for row in rows])
    return choices(raw, *tokens)
