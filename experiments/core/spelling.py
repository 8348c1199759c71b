"""What may have been meant by a word of the command line that is none it knows."""

import difflib
import sys
from collections.abc import Collection, Sequence
from typing import Any, Literal, get_args, get_origin, get_type_hints

from experiments.report.plain import plain


def suggest_command(arguments: Sequence[str], group: str, known: Collection[str]) -> None:
    """End with the command, of a `group` or of none (""), that may have been meant by a word."""
    given = arguments[bool(group) : bool(group) + 1]
    if not given or given[0] in known:
        return
    if close := difflib.get_close_matches(given[0], known, n=1):
        whole = f"{group} {close[0]}".strip()
        _end(f"there is no command {plain(given[0])}. Did you mean econjax {whole}?")


def suggest_value(arguments: Sequence[str], kind: type) -> None:
    """End with the value that may have been meant, where one that must be of a list is not.

    Such as a planner's name. `kind` is the dataclass of the command's choices.
    """
    hints = get_type_hints(kind)
    listed = {f"--{name.replace('_', '-')}": _texts_of(hint) for name, hint in hints.items()}
    flag = ""
    for argument in arguments:
        value = argument
        if argument.startswith("--"):
            flag, _, value = argument.partition("=")
        known = listed.get(flag.replace("_", "-"), ())
        if not value or value in known:
            continue
        if close := difflib.get_close_matches(value, known, n=1):
            _end(f"{flag} knows no {plain(value)}. Did you mean {close[0]}?")


def _texts_of(hint: Any) -> tuple[str, ...]:
    """Return the texts that a type allows; none where it allows any."""
    leaves = list(_leaves(hint))
    if str in leaves:
        return ()
    return tuple(leaf for leaf in leaves if isinstance(leaf, str))


def _leaves(hint: Any) -> list[Any]:
    if get_origin(hint) is Literal or not get_args(hint):
        return list(get_args(hint)) or [hint]
    return [leaf for inner in get_args(hint) for leaf in _leaves(inner)]


def _end(message: str) -> None:
    print(f"econjax: {message}", file=sys.stderr)
    sys.exit(2)
