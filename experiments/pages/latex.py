"""Tables for LaTeX, with booktabs."""

from pathlib import Path

from experiments.pages.document import DataTable
from experiments.report.files import whole
from experiments.report.plain import plain

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "→": r"$\to$",
    "≈": r"$\approx$",
    "−": "$-$",
} | {letter: f"\\{letter}" for letter in "&%$#_{}"}


def save_table(table: DataTable, folder: Path, name: str) -> Path:
    """Write a table, with its title and note as caption, and return where."""
    path = folder / f"{name}.tex"
    with whole(path) as file:
        file.write_text(latex_table(table, name), encoding="utf-8")
    return path


def latex_table(table: DataTable, name: str) -> str:
    """Return a table environment, which \\usepackage{booktabs} sets; its label is "tab:NAME"."""
    caption = f"{table.title}. {table.note}".strip()
    columns = "l" + "r" * (len(table.columns) - 1)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex_text(caption)}}}",
        rf"\label{{tab:{name}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _row(table.columns),
        r"\midrule",
        *map(_row, table.rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def latex_text(text: str) -> str:
    """Return a text that LaTeX sets as it is."""
    return "".join(_SPECIAL.get(letter, letter) for letter in plain(text))


def _row(cells: tuple[str, ...]) -> str:
    return " & ".join(map(latex_text, cells)) + r" \\"
