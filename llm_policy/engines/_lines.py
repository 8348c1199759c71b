"""Tokens of texts whose lines come again and again: each line is tokenised once."""

import re
from array import array
from collections.abc import Callable, Sequence

_MOST = 1 << 23
"""Tokens of lines that are kept, some ten bytes each with text; beyond it all are forgotten."""
_BREAK = re.compile(r"\n(?=\S)")


class Lines:
    """A tokenizer that remembers lines.

    Memories of workers grow by a line a step, and all earlier lines come again. A text is cut after
    every line break before a character that is no space: tokenizers join spaces to what is around
    them. Whether the tokens of the parts are those of the whole depends on the characters around
    the cut: that is compared once for each of them, and a text with a cut that fails is tokenised
    whole.
    """

    def __init__(self, encode: Callable[[Sequence[str]], list[list[int]]]) -> None:
        self._encode = encode
        self._known: dict[str, array] = {}
        self._cuts: dict[str, bool] = {}
        self._kept = 0

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of each text."""
        parts = [_cut(text) for text in texts]
        fits = [all(map(self._fits, lines, lines[1:])) for lines in parts]
        pieces = [
            lines if ok else [text] for lines, ok, text in zip(parts, fits, texts, strict=True)
        ]
        self._learn(dict.fromkeys(piece for lines in pieces for piece in lines))
        answer = []
        for lines in pieces:
            tokens: list[int] = []
            for line in lines:
                tokens.extend(self._known[line])
            answer.append(tokens)
        return answer

    def _learn(self, lines: dict[str, None]) -> None:
        """Tokenise the lines that are not known."""
        if self._kept > _MOST:
            self._known.clear()
            self._kept = 0
        new = [line for line in lines if line not in self._known]
        for line, tokens in zip(new, self._encode(new), strict=True):
            self._known[line] = array("i", tokens)
            self._kept += len(tokens)

    def _fits(self, line: str, after: str) -> bool:
        """Tell whether a cut between two lines leaves the tokens as they are."""
        around = line[-2:] + after[:1]
        if around not in self._cuts:
            first, second, whole = self._encode([line, after, line + after])
            self._cuts[around] = first + second == whole
        return self._cuts[around]


def _cut(text: str) -> list[str]:
    *lines, last = _BREAK.split(text)
    return [*(line + "\n" for line in lines), last]
