"""The command line: one command per experiment, with nothing imported that it does not need."""

import errno
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from experiments.core.commands import EVERY_COMMAND, Command
from experiments.core.parsing import parse
from experiments.core.signals import leave, stop_behind, stoppable


def main() -> None:
    """Run a command; what the user can mend is told in one line.

    The exit code is then 2, or 128 and the number of the signal that ended it.
    """
    with stoppable():
        try:
            _main(sys.argv[1:])
        except BaseException as error:
            if (stop := stop_behind(error)) is None:
                raise
            leave(stop)


def _main(arguments: Sequence[str]) -> None:
    """Run the command of the arguments, or say in one line why that cannot be."""
    try:
        name, config, tables = parse(arguments)
    except ValueError as error:
        print(f"econjax: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # whoever read the help has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    from experiments.report.console import NOTES, TABLE_CHOICES, Mistake
    from experiments.report.plain import one_line
    from llm_policy.engines.base import EngineError

    TABLE_CHOICES.append(tables)
    try:
        _run(name, config)
    except (Mistake, EngineError, OSError) as error:
        NOTES.print(f"econjax: {one_line(error)}{_remedy(error)}", style="red")
        sys.exit(2)
    finally:
        TABLE_CHOICES.pop()


def _remedy(error: Exception) -> str:
    """Return what to do about a full disk, which no library's message says."""
    if not isinstance(error, OSError) or error.errno != errno.ENOSPC:
        return ""
    return (
        ". Make room: what is written stays. `econjax resume` ends a run or a sweep, "
        "and the same command a study."
    )


def _run(name: str, config: Any) -> None:
    """Run a command, in double precision unless it is a benchmark that has another."""
    import jax

    from experiments.core.compilations import keep_compilations
    from experiments.core.memory import collect_seldom, keep_memory

    keep_memory()
    collect_seldom()
    command = EVERY_COMMAND[name]
    own = "float64" if command.leaves_run else getattr(config, "precision", "float64")
    jax.config.update("jax_enable_x64", own == "float64")
    keep_compilations()
    if command.leaves_run:
        from experiments.runs.lifecycle import start

        start(name, config)
    elif command.tables:
        show(command, config)
    else:
        command.load_run()(config)


def show(command: Command, config: Any) -> None:
    """Check a command's choices, do its work and print what is found, in tables or as JSON.

    Raises:
        Mistake: choices that say nothing to do.
    """
    from experiments.report.console import NOTES, mistakes, results

    with mistakes():
        config.check()
    with NOTES.status("") as status:
        found = command.load_run()(config, status.update)
    if not config.json:
        command.load_tables()(found, results())
        return
    said = [asdict(one) for one in found] if isinstance(found, list) else asdict(found)
    print(json.dumps(said, indent=2, allow_nan=False))


if __name__ == "__main__":
    main()
