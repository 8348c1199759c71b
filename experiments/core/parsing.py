"""What the arguments of the command line say, and what may have been meant by a word unknown."""

import dataclasses
import difflib
import importlib.metadata
import itertools
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import tyro

from experiments.core.commands import COMMANDS, EVERY_COMMAND, GROUPS
from experiments.report.config import TableConfig
from experiments.report.plain import plain


class Parsed(NamedTuple):
    """A command's name, its choices, and how its tables are printed."""

    name: str
    choices: Any
    tables: TableConfig


def parse(arguments: Sequence[str]) -> Parsed:
    """Return what the arguments say.

    Raises:
        SystemExit: help or the version was asked for (code 0); the arguments make no command (2).
        ValueError: an economy file that cannot be read.
    """
    if list(arguments) == ["--version"]:
        print(importlib.metadata.version("econjax"))
        sys.exit(0)
    group = arguments[0] if arguments and arguments[0] in GROUPS else ""
    _suggest_command(arguments, group, GROUPS[group][1] if group else [*COMMANDS, *GROUPS])
    named = _named(arguments)
    kinds = {name: command.kind(loaded=name in named) for name, command in COMMANDS.items()}
    lines = {name: command.summary for name, command in EVERY_COMMAND.items()}
    inner = {
        group: {
            name: command.kind(loaded={group, name} <= named) for name, command in commands.items()
        }
        for group, (_, commands) in GROUPS.items()
    }
    all_kinds = kinds | {name: kind for some in inner.values() for name, kind in some.items()}
    for name in arguments[:2]:
        if name in all_kinds:
            _suggest_value(arguments, all_kinds[name])
    said = _said_by_file(arguments, all_kinds)
    groups = {group: _choice(some, lines, said) for group, some in inner.items()}
    lines |= {group: line for group, (line, _) in GROUPS.items()}
    every = _choice(kinds | groups, lines, said)
    given = tyro.cli(every, prog="econjax", args=arguments)
    choices, tables = given, TableConfig()
    if isinstance(given, _Printing):
        choices, tables = given.choices, given.tables
    [name] = (name for name, kind in all_kinds.items() if type(choices) is kind)
    return Parsed(name, choices, tables)


def _named(arguments: Sequence[str]) -> set[str]:
    """Return the names of the commands that the arguments may mean: all, to write completions."""
    if any(argument.startswith("--tyro-") for argument in arguments):
        return {*EVERY_COMMAND, *GROUPS}
    return set(arguments)


def _said_by_file(arguments: Sequence[str], kinds: Mapping[str, Any]) -> dict[str, Any]:
    """Return the choices of the command that its economy file says, where it is given one.

    Raises:
        ValueError: the file is none that can be read.
    """
    name = next((argument for argument in arguments[:2] if argument not in GROUPS), None)
    of_file = getattr(kinds.get(name), "of_file", None) if name else None
    if name is None or of_file is None:
        return {}
    for argument, following in itertools.pairwise([*arguments, ""]):
        flag, equals, value = argument.partition("=")
        if flag == "--economy":
            return {name: of_file(Path(value if equals else following))}
    return {}


def _choice(
    kinds: Mapping[str, Any], lines: Mapping[str, str], defaults: Mapping[str, Any] | None = None
) -> Any:
    """Return the type of which tyro makes a choice of subcommands, each with its line of help."""
    said = defaults or {}
    members = []
    for name, kind in kinds.items():
        shape, start = kind, said.get(name)
        if hasattr(kind, "json"):
            shape = _printing(kind)
            start = None if start is None else shape(start)
        default = {} if start is None else {"default": start}
        choice = tyro.conf.subcommand(name, description=lines[name], **default)
        members.append(Annotated[shape, choice])
    # Of more than one member: the types are known only when the program runs.
    return Union[tuple(members)]  # noqa: UP007


@dataclasses.dataclass(frozen=True)
class _Printing:
    """The choices of a command that prints tables, and how it prints them."""

    choices: Any
    tables: Annotated[TableConfig, tyro.conf.arg(name="")] = dataclasses.field(
        default_factory=TableConfig
    )


def _printing(kind: type) -> Any:
    """Return the class of choices of a kind, with those of tables."""
    choices = ("choices", Annotated[kind, tyro.conf.arg(name="")])
    return dataclasses.make_dataclass(kind.__name__, [choices], bases=(_Printing,), frozen=True)


def _suggest_command(arguments: Sequence[str], group: str, known: Collection[str]) -> None:
    """End with the command, of a `group` or of none (""), that may have been meant by a word."""
    given = arguments[bool(group) : bool(group) + 1]
    if not given or given[0] in known:
        return
    if close := difflib.get_close_matches(given[0], known, n=1):
        whole = f"{group} {close[0]}".strip()
        _end(f"there is no command {plain(given[0])}. Did you mean econjax {whole}?")


def _suggest_value(arguments: Sequence[str], kind: type) -> None:
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
