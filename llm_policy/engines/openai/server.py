"""One model of one server: found, known by its card, and asked in the way that the server takes."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from llm_policy.engines.base import EngineError, Prompt
from llm_policy.engines.models import resolve
from llm_policy.engines.openai.client import Client
from llm_policy.engines.openai.failures import Failed
from llm_policy.engines.openai.loop import Fetched
from llm_policy.engines.openai.refusals import Manners
from llm_policy.engines.openai.replies import (
    Card,
    read_cards,
    read_completion,
    read_tokens,
    read_version,
)

_LOG = logging.getLogger(__name__)

_FOR_VLLM = {
    "chat_template_kwargs": {"enable_thinking": False},
    "top_k": 0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
}
"""What only vLLM understands: no thinking, and samples from the model's own distribution."""


_HELLO = Prompt("Answer with one word.", "Are you there?")
_NO_LIST = frozenset({400, 403, 404, 405, 501})
"""What servers answer who list no models, or not with this key."""


class Server:
    """A model behind a client: `model` is its name there, `card` what the server says of it.

    `version` is that of a vLLM server, "" for any other; `refused` names what the server has been
    found to refuse. `extra` goes into every question. Call `find` before anything else.
    """

    def __init__(self, client: Client, url: str, extra: Mapping[str, Any]) -> None:
        self.model, self.version, self.card = "", "", Card("")
        self._client, self._url, self._extra = client, url, dict(extra)
        self._manners = Manners()

    @property
    def refused(self) -> tuple[str, ...]:
        """The names of what the server refuses of a request."""
        return self._manners.refused

    @property
    def template(self) -> dict[str, Any]:
        """What a vLLM server's chat template is given besides the chat."""
        return {**_FOR_VLLM, **self._extra}["chat_template_kwargs"]

    async def find(self, model: str) -> None:
        """Find out by which name the server knows a model, and what it says of it.

        Raises:
            EngineError: it does not answer, or does not have the model.
        """
        try:
            cards = await self._client.ask("/models", None, read_cards)
        except Failed as error:
            if error.status not in _NO_LIST or not await self._answers(model):
                raise
            cards = {model: Card(model)}
        names = [name for name in (model, resolve(model).name) if _named(cards, name)]
        if not names:
            some = ", ".join(sorted(self._client.cleaned(name) for name in cards)[:20]) or "none"
            more = f" and {len(cards) - 20} more" if len(cards) > 20 else ""
            raise EngineError(f"{self._url} has no model {model!r}. Name one it has: {some}{more}.")
        self.model, self.card = names[0], _named(cards, names[0]) or Card(names[0])
        if self.card.owned_by == "vllm":
            self.version = await self._vllm_version()

    async def chat(
        self, prompt: Prompt, body: Mapping[str, Any], read: Callable[[bytes], Fetched]
    ) -> Fetched:
        """Return what `read` finds in the reply to one prompt, asked as the server takes it.

        Raises:
            EngineError: the server fails for good.
        """
        roles = {"system": prompt.shared, "user": prompt.personal}
        messages = [{"role": role, "content": text} for role, text in roles.items()]
        own = {"model": self.model, "messages": messages, "top_p": 1.0}
        whole = own | (_FOR_VLLM if self.version else {}) | self._extra | dict(body)
        while True:
            sent = self._manners.fit(whole)
            try:
                found = await self._client.ask("/chat/completions", sent, read)
            except Failed as error:
                if self._manners.fit(whole) == sent and not self._manners.learn(sent, error.words):
                    raise
                continue
            for meaning in self._manners.news():
                _LOG.warning("%s refuses part of what was asked: %s.", self._url, meaning)
            return found

    async def complete(self, body: Mapping[str, Any], read: Callable[[bytes], Fetched]) -> Fetched:
        """Return what `read` finds in a vLLM server's reply to prompts in tokens.

        Raises:
            EngineError: the server fails for good.
        """
        whole = {"model": self.model, **body}
        return await self._client.ask("/completions", whole, read)

    async def tokens(self, body: Mapping[str, Any]) -> list[int]:
        """Return the tokens that a vLLM server finds in `body`.

        Raises:
            EngineError: the server fails for good.
        """
        whole = {"model": self.model, **body}
        return await self._client.ask(self._beside_v1("tokenize"), whole, read_tokens)

    async def _answers(self, model: str) -> bool:
        """Tell whether a server that lists no models answers as one; it bills a few tokens."""
        self.model = model
        try:
            await self.chat(_HELLO, {"max_tokens": 1}, partial(read_completion, samples=1))
        except EngineError:
            return False
        return True

    async def _vllm_version(self) -> str:
        """Return the version of a vLLM server, or "" if only its /v1 can be reached."""
        try:
            return await self._client.ask(self._beside_v1("version"), None, read_version)
        except EngineError:
            return ""

    def _beside_v1(self, path: str) -> str:
        """Return the absolute URL of what vLLM serves outside /v1."""
        return f"{self._url.removesuffix('/v1')}/{path}"


def _named(cards: Mapping[str, Card], name: str) -> Card | None:
    return cards.get(name) or cards.get(f"models/{name}")
