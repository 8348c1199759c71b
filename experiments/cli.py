"""The command line: one command per experiment, with nothing imported that it does not need."""

import dataclasses
import json
import pkgutil
import sys
from collections.abc import Sequence
from typing import Any

from experiments.core.commands import EVERY_COMMAND, parse
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
    from experiments.report.console import NOTES, TABLE_CHOICES, Mistake
    from experiments.report.plain import one_line
    from llm_policy.engines.base import EngineError

    TABLE_CHOICES.append(tables)
    try:
        _run(name, config)
    except (Mistake, EngineError, OSError) as error:
        NOTES.print(f"econjax: {one_line(error)}", style="red")
        sys.exit(2)
    finally:
        TABLE_CHOICES.pop()


def _run(name: str, config: Any) -> None:
    """Run a command in double precision, or a benchmark in its own precision if it has one."""
    import jax

    from experiments.core.compilations import keep_compilations

    jax.config.update("jax_enable_x64", getattr(config, "precision", "float64") == "float64")
    keep_compilations()
    command = EVERY_COMMAND[name]
    if command.leaves_run:
        from experiments.runs.lifecycle import start

        start(name, config)
    elif command.show:
        _measure(pkgutil.resolve_name(command.run), pkgutil.resolve_name(command.show), config)
    else:
        pkgutil.resolve_name(command.run)(config)


def _measure(run: Any, show: Any, config: Any) -> None:
    """Check, run and show a benchmark."""
    from experiments.report.console import NOTES, mistakes, results

    with mistakes():
        config.check()
    with NOTES.status("") as status:
        benchmark = run(config, status.update)
    if config.json:
        print(json.dumps(dataclasses.asdict(benchmark), indent=2, allow_nan=False))
    else:
        show(benchmark, results())


if __name__ == "__main__":
    main()
