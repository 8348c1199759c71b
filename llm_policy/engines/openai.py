"""Any server that speaks OpenAI's chat protocol: vllm serve, OpenAI, OpenRouter, Gemini, Ollama."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urlsplit

import numpy as np
import openai

from llm_policy.engine import Choices, Completion, EngineError, Prompt, Schema
from llm_policy.engines.scores import check_distinct, choices, single_tokens
from llm_policy.tiny_model import is_noise

_T = TypeVar("_T")

TOP_LOGPROBS = 20
"""How many first tokens the protocol scores: an option that is not among them counts as unknown."""

_FOR_VLLM = {
    "chat_template_kwargs": {"enable_thinking": False},
    "top_k": 0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
}
"""What only vLLM understands: no thinking, and samples from the model's own distribution."""


class OpenAIEngine:
    """A model behind `url`, which ends in /v1, asked at most `concurrency` prompts at a time.

    `api_key` defaults to the environment variable OPENAI_API_KEY, and "EMPTY" without one.
    `temperature` is that of `complete`; `choose` asks for scores at temperature 1. A request that
    meets a broken connection, a full server (429) or a failure (5xx) is sent again, `max_retries`
    times at most, after the pause the server asks for or up to 8 seconds. `timeout`, in seconds, is
    that of one attempt; a connection that takes 10 seconds is given up.

    Raises:
        EngineError: no server answers, it refuses the key, or it does not have the model.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        api_key: str | None = None,
        temperature: float = 0.7,
        concurrency: int = 64,
        timeout: float = 600.0,
        max_retries: int = 5,
    ) -> None:
        self.url = _public(url)
        if not url.startswith(("http://", "https://")):
            raise EngineError(f"{self.url!r} is no address of a server: write http://HOST:PORT/v1.")
        self.model = model
        self.temperature = temperature
        self._concurrency = concurrency
        self._vocabulary: dict[str, list[int]] = {}
        self._key = api_key or os.environ.get("OPENAI_API_KEY") or "EMPTY"
        limit = openai.Timeout(timeout, connect=10.0)
        self._client = openai.OpenAI(base_url=url, api_key=self._key, timeout=limit, max_retries=1)
        try:
            card = self._find_model()
            self._root = card.get("root") or model
            self._version = self._vllm_version() if card.get("owned_by") == "vllm" else ""
        except BaseException:
            self._client.close()
            raise
        self._client.max_retries = max_retries

    def complete(
        self, prompts: Sequence[Prompt], schema: Schema, *, samples: int = 1, max_tokens: int = 64
    ) -> list[Completion]:
        """Return `samples` texts under `schema` for every prompt; a refusal is an empty text.

        Raises:
            EngineError: the server fails for good, or ignores `samples`.
        """

        def read(reply: Any) -> Completion:
            texts = tuple(choice["message"]["content"] or "" for choice in reply["choices"])
            if len(texts) != samples:
                raise EngineError(
                    f"{self.url} returned {len(texts)} samples of {samples}: it ignores their number. Ask "
                    "the same prompt several times instead."
                )
            return Completion(texts, reply["usage"]["prompt_tokens"], reply["usage"]["completion_tokens"])

        answer = {"name": "answer", "strict": True, "schema": dict(schema)}
        body = {
            "response_format": {"type": "json_schema", "json_schema": answer},
            "n": samples,
            "max_tokens": max_tokens,
            "temperature": self.temperature,
        }
        return self._chat(prompts, body, read)

    def choose(self, prompts: Sequence[Prompt], options: Sequence[str]) -> Choices:
        """Score the options: all of them on a vLLM server, the likely ones on any other.

        vLLM scores exactly the tokens of the options. Any other server names the `TOP_LOGPROBS` most
        likely first tokens: an option that is not the text of one of them has probability 0 (-inf),
        and whatever the options' named tokens do not hold counts as leaked. Where no option is named
        `leaked` is 1 and the options are equally likely, which carries no information: a caller
        treats such a row as unread.

        Raises:
            ValueError: no options, two alike, or (known on a vLLM server only) not a single token.
            EngineError: the server fails for good, or gives no scores.
        """
        check_distinct(options, options)
        body: dict[str, Any] = {
            "max_tokens": 1,
            "temperature": 1.0,
            "logprobs": True,
            "top_logprobs": TOP_LOGPROBS,
        }
        names = list(options)
        if self._version:
            tokens = single_tokens(options, [self._tokens(option) for option in options])
            body |= {"logprob_token_ids": tokens, "return_tokens_as_token_ids": True}
            names = [f"token_id:{token}" for token in tokens]

        def read(reply: Any) -> tuple[list[float], int]:
            scores = reply["choices"][0].get("logprobs")
            if scores is None:
                raise EngineError(f"{self.url} gives no scores for {self.model!r}: ask with complete().")
            firsts = [entry for first in scores["content"][:1] for entry in (first, *first["top_logprobs"])]
            known = {entry["token"]: entry["logprob"] for entry in firsts}
            return [known.get(name, -np.inf) for name in names], reply["usage"]["prompt_tokens"]

        rows = self._chat(prompts, body, read)
        raw = np.array([row for row, _ in rows], dtype=np.float64).reshape(len(prompts), len(names))
        return choices(raw, np.array([tokens for _, tokens in rows], dtype=np.int64))

    def describe(self) -> dict[str, str | int | float | bool]:
        """Say what is known from outside; a model's noise marker is seen only on the same machine."""
        noise = is_noise(self._root)
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
            "chat_template": "unknown",
            "noise": noise,
            "weights": "random noise" if noise else "the model's own",
        }

    def close(self) -> None:
        """Close the connections. No call may follow."""
        self._client.close()

    def _chat(self, prompts: Sequence[Prompt], body: dict[str, Any], read: Callable[[Any], _T]) -> list[_T]:
        """Return what `read` finds in the reply to every prompt, in order; the first failure ends it."""
        shared_body = {"model": self.model, "top_p": 1.0} | (_FOR_VLLM if self._version else {}) | body

        def ask(prompt: Prompt) -> _T:
            roles = {"system": prompt.shared, "user": prompt.personal}
            messages = [{"role": role, "content": text} for role, text in roles.items()]
            return self._request("/chat/completions", shared_body | {"messages": messages}, read)

        pool = ThreadPoolExecutor(self._concurrency)
        try:
            return list(pool.map(ask, prompts))
        finally:
            pool.shutdown(cancel_futures=True)

    def _find_model(self) -> dict[str, Any]:
        """Return the server's entry for the model."""
        cards = self._request("/models", None, lambda reply: {card["id"]: card for card in reply["data"]})
        for name in (self.model, f"models/{self.model}"):
            if name in cards:
                return cards[name]
        some = ", ".join(sorted(cards)[:20]) or "none"
        more = f" and {len(cards) - 20} more" if len(cards) > 20 else ""
        raise EngineError(f"{self.url} has no model {self.model!r}. Name one it has: {some}{more}.")

    def _vllm_version(self) -> str:
        """Return the version of a vLLM server, or "" if only its /v1 can be reached."""
        try:
            return self._request(self._beside_v1("version"), None, lambda reply: reply["version"])
        except EngineError:
            return ""

    def _tokens(self, text: str) -> list[int]:
        """Return the tokens of `text` on a vLLM server, without special tokens; asked once."""
        if text not in self._vocabulary:
            body = {"model": self.model, "prompt": text, "add_special_tokens": False}
            url = self._beside_v1("tokenize")
            self._vocabulary[text] = self._request(url, body, lambda reply: reply["tokens"])
        return self._vocabulary[text]

    def _beside_v1(self, path: str) -> str:
        """Return the absolute URL of what vLLM serves outside /v1."""
        return f"{str(self._client.base_url).rstrip('/').removesuffix('/v1')}/{path}"

    def _request(self, path: str, body: dict[str, Any] | None, read: Callable[[Any], _T]) -> _T:
        """Send one request and return what `read` finds in the JSON of its reply.

        Raises:
            EngineError: in one line, without the API key.
        """
        try:
            if body is None:
                return read(self._client.get(path, cast_to=object))
            return read(self._client.post(path, cast_to=object, body=body))
        except openai.APIError as error:
            reason = _reason(error)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            reason = f"does not speak OpenAI's protocol ({type(error).__name__}): does the URL end in /v1?"
        raise EngineError(f"{self.url} {reason}".replace(self._key, "***"))


def _reason(error: openai.APIError) -> str:
    """Return what a failed request means and what to do about it."""
    said = " ".join(error.message.split())[:300]
    if isinstance(error, openai.APITimeoutError):
        return "did not answer in time: check the URL, raise timeout, or lower concurrency."
    if isinstance(error, openai.APIConnectionError):
        return "does not answer: start the server, or correct the URL (it ends in /v1)."
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return "refuses the API key: set OPENAI_API_KEY, or give api_key."
    if isinstance(error, openai.NotFoundError):
        return f"was not found: does the URL end in /v1? ({said})"
    if isinstance(error, openai.RateLimitError):
        return f"is full or the quota is spent: lower concurrency, or wait. ({said})"
    return f"failed: {said}"


def _public(url: str) -> str:
    """Return `url` without a user, a password or a query."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl().rstrip("/")
