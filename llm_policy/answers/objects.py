"""The JSON objects in what a model says: behind its reasoning, between words, fences and braces."""

import json
import re
from typing import Any, NamedTuple, NoReturn


class Objects(NamedTuple):
    """The JSON objects of a text, in order, and whether it ends within braces."""

    found: tuple[dict[str, Any], ...]
    cut: bool = False


def objects_in(text: str) -> Objects:
    """Return the JSON objects that a text says outside of other braces and of its reasoning.

    Reasoning stands between tags (`<think>`, `[THINK]` and the like), or before a closing tag whose
    opening one the prompt held; a tag that is never closed is a word. Braces around something else
    are passed over with all that they hold. A name given twice in one object makes it none. A text
    that ends within the decimals of an object's last number, six of them or more, says that number:
    small models go on with digits until they are cut.
    """
    found: list[dict[str, Any]] = []
    at = 0
    if _CUT_DECIMALS.search(text):
        text += "}"
    while mark := _MARK.search(text, at):
        at = mark.end()
        if mark[0] == "{":
            read, at = _object(text, mark.start())
            found += read
            if at < 0:
                return Objects(tuple(found), cut=True)
        elif mark["closes"]:
            found.clear()
        elif end := _CLOSING.search(text, at):
            at = end.end()
    return Objects(tuple(found))


def _object(text: str, start: int) -> tuple[list[dict[str, Any]], int]:
    """Return the object that begins at a brace, if one does, and where braces end; -1: nowhere."""
    try:
        read, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return [], _behind(text, start)
    return [read], end


def _behind(text: str, start: int) -> int:
    """Return where the brace at `start` is closed; else the next end of reasoning, -1 if none."""
    depth = 0
    for brace in _BRACE.finditer(text, start):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return brace.end()
    closing = _CLOSING.search(text, start)
    return closing.start() if closing else -1


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        raise ValueError("A name is given twice.")
    return read


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON.")


_REASONING = r"\s*(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad|analysis)\s*[>\]]"
_CLOSING = re.compile(r"[<\[]/" + _REASONING, re.IGNORECASE)
_MARK = re.compile(r"\{|[<\[](?P<closes>/?)" + _REASONING, re.IGNORECASE)
_BRACE = re.compile("[{}]")
_CUT_DECIMALS = re.compile(r":\s*-?[0-9]{1,9}\.[0-9]{6,}\Z")
_DECODER = json.JSONDecoder(object_pairs_hook=_each_once, parse_constant=_no_number, strict=False)
