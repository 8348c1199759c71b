"""What a server says of a failure, fit to be shown: one line, short, without secrets."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

MOST_WORDS = 300
"""Characters that are shown of what a server says."""

_MOST_READ = 4000
_PIECE, _PIECE_ALONE = 6, 4
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.?", re.DOTALL
)
_MARKUP = re.compile(r"<(script|style)\b.*?</\1\s*>|<[!/?a-z][^<>]*>", re.DOTALL | re.IGNORECASE)
_KEYS = re.compile(
    r"\b(?:sk|pk|gsk|xai|hf|nvapi|pplx|csk)[-_][\w.\-]{8,}|\bAIza[\w-]{8,}|\bBearer +\S{8,}"
)
"""What the keys of well-known providers look like."""
_WORDS = ("error", "message", "detail", "msg", "error_description", "title", "reason")


def clean(text: str, secrets: Iterable[str] = (), *, most: int = MOST_WORDS) -> str:
    """Return a text on one line of `most` characters at most, without escapes and secrets.

    A piece of a secret is hidden where it has 6 characters, or 4 and stands alone, as in
    "sk-a***wxyz"; so is whatever looks like a key.
    """
    shown = _ESCAPES.sub(" ", text[:_MOST_READ])
    shown = "".join(character if character.isprintable() else " " for character in shown)
    shown = _KEYS.sub("***", shown)
    for secret in secrets:
        shown = hide(shown, secret)
    shown = " ".join(shown.split())
    return shown if len(shown) <= most else f"{shown[: most - 1].rstrip()}…"


def hide(text: str, secret: str) -> str:
    """Return a text with "***" for every piece of a secret."""
    if not secret:
        return text
    shown, place = [], 0
    while place < len(text):
        end = _shared(text, place, secret)
        if _tells(text, place, end, secret):
            shown.append("***")
            place = end
        else:
            shown.append(text[place])
            place += 1
    return "".join(shown)


def said(body: bytes) -> str:
    """Return what the body of a reply says of a failure, in its own words; "" if nothing."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return " ".join(_MARKUP.sub(" ", body[:_MOST_READ].decode("utf-8", "replace")).split())
    return words_of(found)


def words_of(found: Any, depth: int = 0) -> str:
    """Return the words in the JSON of a failure: its message, the parameter, a provider's own."""
    if isinstance(found, str):
        return found[:_MOST_READ]
    if depth > 5:
        return ""
    if isinstance(found, list):
        parts = (words_of(each, depth + 1) for each in found[:3])
        return "; ".join(part for part in parts if part)
    if not isinstance(found, Mapping):
        return ""
    message = next((text for key in _WORDS if (text := words_of(found.get(key), depth + 1))), "")
    raw, parameter = _raw(found.get("metadata")), found.get("param")
    if isinstance(parameter, str) and parameter and parameter not in message:
        message += f" (parameter {parameter})"
    return f"{message}: {raw}" if raw and raw not in message else message


def _raw(metadata: Any) -> str:
    """Return what a gateway hands on of the words of the provider behind it."""
    raw = metadata.get("raw") if isinstance(metadata, Mapping) else None
    return said(raw.encode("utf-8", "replace")) if isinstance(raw, str) else ""


def _shared(text: str, start: int, secret: str) -> int:
    """Return where the longest piece of the secret that begins at `start` ends."""
    end = start
    while end < len(text) and text[start : end + 1] in secret:
        end += 1
    return end


def _tells(text: str, start: int, end: int, secret: str) -> bool:
    if end - start >= min(_PIECE, len(secret)):
        return True
    alone = not text[start - 1 : start].isalnum() and not text[end : end + 1].isalnum()
    return end - start >= _PIECE_ALONE and alone
