#!/usr/bin/env bash
# rich 15.0.0: a console made with markup=False still reads markup in what `status` and a progress bar's TextColumn show.
#
# Expected: Console(markup=False) takes no text for markup: a model called "org/name[bold]" is shown as it is.
# Seen: print and tables keep it; status and TextColumn drop "[bold]", and a closing tag alone raises MarkupError.
# Remedy: give `status` a Text, and TextColumn markup=False.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "rich==15.0.0"
cat > "$folder/look.py" <<'EOF2'
import io

from rich.console import Console
from rich.errors import MarkupError
from rich.progress import Progress, TextColumn
from rich.text import Text

NAME = "org/name[bold]"


def shown(show):
    console = Console(file=io.StringIO(), force_terminal=True, markup=False, width=60)
    show(console)
    return Text.from_ansi(console.file.getvalue()).plain


def waits(console, name=NAME):
    with console.status(name):
        pass


def counts(console):
    with Progress(TextColumn("{task.description}"), console=console) as progress:
        progress.add_task(NAME, total=1)


print("print: ", repr(shown(lambda console: console.print(NAME))))
print("status:", repr(shown(waits)))
print("column:", repr(shown(counts)))
assert NAME in shown(lambda console: console.print(NAME))
assert "org/name" in shown(waits) and NAME not in shown(waits)
assert "org/name" in shown(counts) and NAME not in shown(counts)
try:
    shown(lambda console: waits(console, "org/name[/b]"))
except MarkupError as error:
    print("status of a closing tag:", error)
else:
    raise SystemExit("a closing tag alone is no error any more")
EOF2
"$folder/env/bin/python" "$folder/look.py"
