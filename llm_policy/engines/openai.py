"""Any server that speaks OpenAI's chat protocol: vllm serve, OpenAI, OpenRouter, Gemini, Ollama."""

import json
import math
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import numpy as np
import openai

from llm_policy.engines._arrivals import arrivals
from llm_policy.engines._options import OptionTree, option_tree
from llm_policy.engines._scores import check_distinct, choices
from llm_policy.engines._served import ServedTokens
from llm_policy.engines.base import (
    Choices,
    Completion,
    EngineError,
    Hear,
    Interrupted,
    Prompt,
    Schema,
)
from llm_policy.engines.models import resolve
from llm_policy.engines.provenance import is_noise, taught_entries, weights_of

_T = TypeVar("_T")
_Answers = TypeVar("_Answers", list[Completion], Choices)

_Scored = tuple[list[float], int, int]
"""Log probabilities of options after a prompt, and its tokens, in all and those cached."""

TOP_LOGPROBS = 20
"""How many first tokens the protocol scores: an option that is not among them counts as unknown."""

_FOR_VLLM = {
    "chat_template_kwargs": {"enable_thinking": False},
    "top_k": 0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
}
"""What only vLLM understands: no thinking, and samples from the model's own distribution."""

_MOST_SAMPLES = 128
"""How many texts one request may ask for."""

_REFUSALS = (
    (
        "response_format|json_?schema|structured|grammar",
        "cannot answer under a JSON schema: use choice mode, or another model or server.",
    ),
    (
        "(system|developer) (role|message|instruction|prompt)",
        "has a model that takes no system message: use another model, or give its server a chat "
        "template that takes one (vllm serve --chat-template FILE).",
    ),
    (
        "reasoning|thinking",
        "cannot turn this model's thinking off: use a model that can answer at once, or a newer "
        "server.",
    ),
)
"""By words in a server's refusal: what it means, and what to do about it."""


class OpenAIEngine:
    """A model behind `url`, which ends in /v1, asked at most `concurrency` prompts at a time.

    `model` is a name that the server knows, or a short name of `models.MODELS`. `api_key` defaults
    to the environment variable `key_variable`, and "EMPTY" without one. `extra` goes into the body
    of every question, such as what turns thinking off (see `models.Provider`). `temperature` is
    that of `complete`; `choose` asks for scores at temperature 1. A request that meets a broken
    connection, a full server (429), a failure (5xx) or an unreadable reply is sent again,
    `max_retries` times at most, after the pause that the server asks for, if that is at most a
    minute, or up to 8 seconds. `timeout`, in seconds, is that of one attempt; a connection that
    takes 10 seconds is given up.

    Raises:
        EngineError: no server answers, it refuses the key, or it does not have the model.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        api_key: str | None = None,
        key_variable: str = "OPENAI_API_KEY",
        extra: Mapping[str, Any] | None = None,
        temperature: float = 0.7,
        concurrency: int = 64,
        timeout: float = 600.0,
        max_retries: int = 5,
    ) -> None:
        self.hear: Hear | None = None
        self.url = _public(url)
        if not url.startswith(("http://", "https://")):
            raise EngineError(f"{self.url!r} is no address of a server: write http://HOST:PORT/v1.")
        self.temperature = temperature
        self._extra = dict(extra or {})
        self._concurrency = concurrency
        self._key_variable = key_variable
        self._key = api_key or os.environ.get(key_variable) or "EMPTY"
        limit = openai.Timeout(timeout, connect=10.0)
        self._client = openai.OpenAI(base_url=url, api_key=self._key, timeout=limit, max_retries=1)
        try:
            self.model, self._card = self._find_model(model)
            self._version = self._vllm_version() if self._card.get("owned_by") == "vllm" else ""
            template = {**_FOR_VLLM, **self._extra}["chat_template_kwargs"]
            self._served = ServedTokens(self._tokenize, template)
        except BaseException:
            self._client.close()
            raise
        self._client.max_retries = max_retries

    def complete(
        self, prompts: Sequence[Prompt], schema: Schema, *, samples: int = 1, max_tokens: int = 64
    ) -> list[Completion]:
        """Return `samples` texts under `schema` for every prompt; a refusal is an empty text.

        A server that gives fewer samples than asked for is asked for the rest, at the prompt's full
        cost.

        Raises:
            EngineError: the server fails for good, or knows no schemas; `Interrupted` if it
            answered some.
        """
        answer = {"name": "answer", "strict": True, "schema": dict(schema)}
        body = {
            "response_format": {"type": "json_schema", "json_schema": answer},
            "max_tokens": max_tokens,
            "temperature": self.temperature,
        }

        def ask(prompt: Prompt) -> Completion:
            parts: list[Completion] = []
            while missing := samples - sum(len(part.texts) for part in parts):
                number = min(missing, _MOST_SAMPLES)
                parts.append(
                    self._chat(prompt, body | {"n": number}, partial(_read_completion, number))
                )
            return Completion(
                texts=tuple(text for part in parts for text in part.texts),
                prompt_tokens=sum(part.prompt_tokens for part in parts),
                answer_tokens=sum(part.answer_tokens for part in parts),
                cached_tokens=sum(part.cached_tokens for part in parts),
            )

        return self._batch(prompts, ask, list)

    def choose(self, prompts: Sequence[Prompt], options: Sequence[str]) -> Choices:
        """Score the options: all of them on a vLLM server, the likely ones on any other.

        vLLM scores exactly the tokens of the options; those of several tokens take a request that
        asks for every place in the tree of options, each of which the server bills as a prompt.
        Any other server names the `TOP_LOGPROBS` most likely first tokens: an option that is not
        the text of one of them has probability 0 (-inf), and whatever the options' named tokens do
        not hold counts as leaked. Where no option is named `leaked` is 1 and the options are
        equally likely, which carries no information: a caller treats such a row as unread.

        Raises:
            ValueError: no options, or two alike.
            EngineError: the server fails for good, or gives no scores; `Interrupted` if it answered
            some.
        """
        check_distinct(options, options)
        if not self._version:
            return self._choose_firsts(prompts, options, options, {"top_logprobs": TOP_LOGPROBS})
        answers, ends = self._served.encoded(options)
        tree = option_tree(options, answers, ends=ends)
        if len(tree.tokens):
            return self._choose_tree(prompts, tree)
        scored = {**_scored(tree), "logprobs": True, "top_logprobs": TOP_LOGPROBS}
        return self._choose_firsts(prompts, options, _names(tree), scored)

    def _choose_firsts(
        self,
        prompts: Sequence[Prompt],
        options: Sequence[str],
        names: Sequence[str],
        scored: Mapping[str, Any],
    ) -> Choices:
        """Score the first tokens that the server calls `names`."""
        body = {"max_tokens": 1, "temperature": 1.0, "logprobs": True, **scored}

        def read(reply: Any) -> _Scored:
            scores = reply["choices"][0].get("logprobs")
            if scores is None:
                raise EngineError(
                    f"{self.url} gives no scores for {self.model!r}: ask with complete()."
                )
            firsts = [
                entry
                for first in scores["content"][:1]
                for entry in (first, *first["top_logprobs"])
            ]
            known = {entry["token"]: entry["logprob"] for entry in firsts}
            return [known.get(name, -np.inf) for name in names], *_prompt_tokens(reply)

        pack = partial(_packed, options=len(options))
        return self._batch(prompts, lambda prompt: self._chat(prompt, body, read), pack)

    def _choose_tree(self, prompts: Sequence[Prompt], tree: OptionTree) -> Choices:
        """Score the next tokens at all places of a tree after each prompt."""
        body = {"model": self.model, "max_tokens": 1, "temperature": 1.0, **_scored(tree)}
        names, paths = _names(tree), tree.paths

        def read(reply: Any) -> _Scored:
            places = sorted(reply["choices"], key=lambda choice: choice["index"])
            found = [choice["logprobs"]["top_logprobs"][0] for choice in places]
            scores = np.array([[known[name] for name in names] for known in found], float)
            (raw,) = tree.log_probabilities(scores[None])
            return raw.tolist(), *_prompt_tokens(reply)

        def ask(prompt: Prompt) -> _Scored:
            tokens = self._served.prompt(prompt)
            whole = body | {"prompt": [tokens + path for path in paths]}
            return self._request("/completions", whole, read)

        return self._batch(prompts, ask, partial(_packed, options=tree.options))

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return each text's number of tokens: exact on a vLLM server, estimated on others."""
        if not self._version:
            return [math.ceil(len(text) / 4) for text in texts]
        with ThreadPoolExecutor(self._concurrency) as pool:
            return [len(tokens) for tokens in pool.map(self._served.text, texts)]

    def describe(self) -> dict[str, str | int | float | bool]:
        """Say what is known from outside; a model's noise marker only on the same machine."""
        folder = self._card.get("root") or self.model
        return {
            "engine": "openai",
            "version": openai.__version__,
            "server": f"vllm {self._version}" if self._version else "unknown",
            "url": self.url,
            "model": self.model,
            "revision": "unknown",
            "dtype": "unknown",
            "quantization": "unknown",
            "temperature": self.temperature,
            "extra": json.dumps(self._extra, sort_keys=True),
            "context": self._card.get("max_model_len") or self._card.get("context_length") or 0,
            "tokenizer": "exact" if self._version else "estimated",
            "chat_template": "unknown",
            "noise": is_noise(folder),
            "weights": weights_of(folder),
            **taught_entries(folder),
        }

    def close(self) -> None:
        """Close the connections. No call may follow."""
        self._client.close()

    def _batch(
        self,
        prompts: Sequence[Prompt],
        ask: Callable[[Prompt], _T],
        pack: Callable[[list[_T]], _Answers],
    ) -> _Answers:
        """Return the answers to all prompts, in order, and tell of each as it comes.

        After a failure nothing more is sent, and what was sent is waited for.
        """
        answers: dict[int, _T] = {}
        failures: list[Exception] = []
        with closing(arrivals(prompts, ask, together=self._concurrency)) as coming:
            for come in coming:
                fresh = {one.place: cast(_T, one.answer) for one in come if one.error is None}
                failures += [one.error for one in come if one.error is not None]
                answers |= fresh
                if self.hear is not None and fresh:
                    self.hear(list(fresh), pack(list(fresh.values())))
        done = sorted(answers)
        packed = pack([answers[place] for place in done])
        if not failures:
            return packed
        if not done or not isinstance(failures[0], EngineError):
            raise failures[0]
        raise Interrupted(str(failures[0]), done, packed)

    def _chat(self, prompt: Prompt, body: dict[str, Any], read: Callable[[Any], _T]) -> _T:
        """Return what `read` finds in the reply to one prompt."""
        roles = {"system": prompt.shared, "user": prompt.personal}
        messages = [{"role": role, "content": text} for role, text in roles.items()]
        own = {"model": self.model, "messages": messages, "top_p": 1.0}
        own |= (_FOR_VLLM if self._version else {}) | self._extra
        return self._request("/chat/completions", own | body, read)

    def _find_model(self, model: str) -> tuple[str, dict[str, Any]]:
        """Return the name by which the server knows `model`, and what it says of it."""
        cards = self._request(
            "/models", None, lambda reply: {card["id"]: card for card in reply["data"]}
        )
        for name in (model, resolve(model).name):
            if card := cards.get(name) or cards.get(f"models/{name}"):
                return name, card
        some = ", ".join(sorted(cards)[:20]) or "none"
        more = f" and {len(cards) - 20} more" if len(cards) > 20 else ""
        raise EngineError(f"{self.url} has no model {model!r}. Name one it has: {some}{more}.")

    def _vllm_version(self) -> str:
        """Return the version of a vLLM server, or "" if only its /v1 can be reached."""
        try:
            return self._request(self._beside_v1("version"), None, lambda reply: reply["version"])
        except EngineError:
            return ""

    def _tokenize(self, body: Mapping[str, Any]) -> list[int]:
        """Return the tokens that a vLLM server finds in `body`."""
        whole = {"model": self.model, **body}
        return self._request(self._beside_v1("tokenize"), whole, lambda reply: reply["tokens"])

    def _beside_v1(self, path: str) -> str:
        """Return the absolute URL of what vLLM serves outside /v1."""
        return f"{str(self._client.base_url).rstrip('/').removesuffix('/v1')}/{path}"

    def _request(self, path: str, body: dict[str, Any] | None, read: Callable[[Any], _T]) -> _T:
        """Send one request and return what `read` finds in the JSON of its reply.

        Raises:
            EngineError: in one line, without the API key.
        """
        reason = ""
        for attempt in range(self._client.max_retries + 1):
            time.sleep(min(8.0, 0.25 * 2**attempt) if attempt else 0.0)
            try:
                if body is None:
                    return read(self._client.get(path, cast_to=object))
                return read(self._client.post(path, cast_to=object, body=body))
            except openai.APIError as error:
                reason = _reason(error, self._key_variable)
                break
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                kind = type(error).__name__
                reason = f"does not speak OpenAI's protocol ({kind}): does the URL end in /v1?"
        raise EngineError(f"{self.url} {reason}".replace(self._key, "***"))


def _scored(tree: OptionTree) -> dict[str, Any]:
    """Return what asks a vLLM server for the scores of a tree's tokens, by their numbers."""
    asked = {"logprob_token_ids": list(tree.asked), "return_tokens_as_token_ids": True}
    return asked | {"logprobs": 1}


def _names(tree: OptionTree) -> list[str]:
    return [f"token_id:{token}" for token in tree.asked]


def _packed(rows: Sequence[_Scored], *, options: int) -> Choices:
    raw = np.array([row for row, _, _ in rows], dtype=np.float64).reshape(len(rows), options)
    return choices(raw, [tokens for _, tokens, _ in rows], [cached for _, _, cached in rows])


def _read_completion(samples: int, reply: Any) -> Completion:
    """Return the texts and cost of a reply, which has one text at least and `samples` at most."""
    texts = tuple(choice["message"].get("content") or "" for choice in reply["choices"])
    if not 1 <= len(texts) <= samples:
        raise LookupError(f"{len(texts)} texts where {samples} were asked for")
    prompt_tokens, cached_tokens = _prompt_tokens(reply)
    answer_tokens = (reply.get("usage") or {}).get("completion_tokens") or 0
    return Completion(texts, prompt_tokens, answer_tokens, cached_tokens)


def _prompt_tokens(reply: Any) -> tuple[int, int]:
    """Return the prompt's tokens, and how many had been read before: 0 where nobody says."""
    usage = reply.get("usage") or {}
    details = usage.get("prompt_tokens_details") or {}
    return usage.get("prompt_tokens") or 0, details.get("cached_tokens") or 0


def _reason(error: openai.APIError, key_variable: str) -> str:
    """Return what a failed request means and what to do about it."""
    said = " ".join(error.message.split())[:300]
    if isinstance(error, openai.APITimeoutError):
        return "did not answer in time: check the URL, raise timeout, or lower concurrency."
    if isinstance(error, openai.APIConnectionError):
        return "does not answer: start the server, or correct the URL (it ends in /v1)."
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return f"refuses the API key: set {key_variable}, or give api_key."
    if isinstance(error, openai.NotFoundError):
        return f"was not found: does the URL end in /v1? ({said})"
    if isinstance(error, openai.RateLimitError):
        return f"is full or the quota is spent: lower concurrency, or wait. ({said})"
    if isinstance(error, openai.BadRequestError | openai.UnprocessableEntityError):
        for words, meaning in _REFUSALS:
            if re.search(words, said, re.IGNORECASE):
                return f"{meaning} ({said})"
    return f"failed: {said}"


def _public(url: str) -> str:
    """Return `url` without a user, a password or a query."""
    parts = urlsplit(url)
    return (
        parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="")
        .geturl()
        .rstrip("/")
    )
