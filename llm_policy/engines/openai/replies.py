"""What a server may reply, by declared types: decoded here, or no reply at all."""

from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Raw, Struct

from llm_policy.engines.base import Completion
from llm_policy.engines.openai.loop import Fetched
from llm_policy.engines.openai.words import words_of

Count = Annotated[int, Meta(ge=0, le=10**9)]
"""A number of tokens that may be believed."""


class Unreadable(ValueError):
    """A reply that is none: in what way."""


class ReportedFailure(Exception):
    """A failure reported where an answer should be: its status, 0 if there is none, and words."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.words = words


class Card(Struct):
    """What a server says of a model: 0 and "" where it says nothing, or nothing to be believed."""

    id: str
    owned_by: str = ""
    root: str = ""
    context: int = 0


def read_completion(body: bytes, *, samples: int) -> Completion:
    """Return the texts and cost of a reply, which has one text at least and `samples` at most.

    Text in parts is joined; no text, which is how models refuse, is an empty one.

    Raises:
        Unreadable: the body is no such reply.
        ReportedFailure: it reports a failure.
    """
    reply = answered(body)
    texts = tuple(_text(choice) for choice in reply.choices)
    if not 1 <= len(texts) <= samples:
        raise Unreadable(f"{len(texts)} texts where {samples} were asked for")
    usage = usage_of(reply)
    prompt, cached = usage.prompt
    return Completion(texts, prompt, usage.completion_tokens or 0, cached)


def read_cards(body: bytes) -> dict[str, Card]:
    """Return the cards of the models that a server lists, by name; odd ones are left out.

    Raises:
        Unreadable: the body is no such list.
        ReportedFailure: it reports a failure.
    """
    listed = decoded(body, _List)
    _check(listed.error)
    if listed.data is None:
        raise Unreadable("it lists no models")
    cards = (_card(raw) for raw in listed.data)
    return {card.id: card for card in cards if card is not None}


def read_tokens(body: bytes) -> list[int]:
    """Return the tokens in a reply of a vLLM server's tokenizer.

    Raises:
        Unreadable: the body is no such reply.
    """
    return decoded(body, _Tokens).tokens


def read_version(body: bytes) -> str:
    """Return the version that a vLLM server states.

    Raises:
        Unreadable: the body is no such reply.
    """
    return decoded(body, _Version).version


class _Part(Struct):
    text: str | None = None


class _Message(Struct):
    content: str | list[_Part | str] | None = None


class ReplyChoice(Struct):
    """One answer of a reply."""

    message: _Message | None = None
    finish_reason: str | None = None
    index: int = 0
    logprobs: Raw = Raw()
    error: Any = None


class _Reply(Struct):
    choices: list[ReplyChoice] | None = None
    usage: Raw = Raw()
    error: Any = None


class _Details(Struct):
    cached_tokens: Count | None = None


class TokenUsage(Struct):
    """What a reply says of its tokens, None where it says nothing."""

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    prompt_tokens_details: _Details | None = None

    @property
    def prompt(self) -> tuple[int, int]:
        """Return the prompt's tokens, and how many had been read before: 0 where nobody says."""
        details, tokens = self.prompt_tokens_details, self.prompt_tokens or 0
        return tokens, min(tokens, details.cached_tokens or 0 if details else 0)


class _List(Struct):
    data: list[Raw] | None = None
    error: Any = None


class _Named(Struct):
    id: Annotated[str, Meta(min_length=1, max_length=500)]
    owned_by: Any = None
    root: Any = None
    max_model_len: Any = None
    context_length: Any = None


class _Tokens(Struct):
    tokens: list[Annotated[int, Meta(ge=0, lt=2**31)]]


class _Version(Struct):
    version: Annotated[str, Meta(max_length=100)]


def decoded(body: bytes | Raw, kind: type[Fetched]) -> Fetched:
    """Return the JSON of a body as what it is declared to be.

    Raises:
        Unreadable: it is not.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreadable(str(error)) from None
    except RecursionError:
        raise Unreadable("it is nested too deep") from None


class Answered(NamedTuple):
    """A reply that holds answers: choices, and what is said of its tokens."""

    choices: list[ReplyChoice]
    usage: Raw


def answered(body: bytes) -> Answered:
    """Return a reply with choices.

    Raises:
        Unreadable: there are none.
        ReportedFailure: there is a failure in their place, or in one of them.
    """
    reply = decoded(body, _Reply)
    _check(reply.error)
    if reply.choices is None:
        raise Unreadable("it has no choices")
    for choice in reply.choices:
        _check(choice.error)
        if choice.finish_reason == "error":
            raise ReportedFailure(0, "the answer ended with an error")
    return Answered(reply.choices, reply.usage)


def _check(error: Any) -> None:
    """Raise a `ReportedFailure` where there is an error."""
    if not error:
        return
    code = error.get("code", error.get("status")) if isinstance(error, dict) else None
    status = int(code) if isinstance(code, int | str) and str(code).isdecimal() else 0
    raise ReportedFailure(status if 400 <= status < 600 else 0, words_of({"error": error}))


def _text(choice: ReplyChoice) -> str:
    if choice.message is None:
        raise Unreadable("a choice has no message")
    content = choice.message.content
    if isinstance(content, list):
        return "".join(part if isinstance(part, str) else part.text or "" for part in content)
    return content or ""


def usage_of(reply: Answered) -> TokenUsage:
    """Return the tokens of a reply; of odd numbers nothing is believed."""
    if is_missing(reply.usage):
        return TokenUsage()
    try:
        return decoded(reply.usage, TokenUsage)
    except Unreadable:
        return TokenUsage()


def is_missing(raw: Raw) -> bool:
    """Tell whether a part of a reply is not there, or null."""
    return bytes(raw) in (b"", b"null")


def _card(raw: Raw) -> Card | None:
    """Return what a card says that can be believed, None if it names no model."""
    try:
        named = decoded(raw, _Named)
    except Unreadable:
        return None
    texts = (text if isinstance(text, str) else "" for text in (named.owned_by, named.root))
    sizes = (named.max_model_len, named.context_length)
    size = next((size for size in sizes if type(size) is int and 0 < size < 10**9), 0)
    return Card(named.id, *texts, context=size)
