"""What an economy file says of the choices of a command: their defaults. Light, for parsing."""

import dataclasses
from pathlib import Path
from typing import Any

from experiments.economies.document import read_document
from experiments.economies.sections import Document

FROM_FILE = "file"
"""The name of incomes, and of a law, that an economy file states itself."""


def file_defaults(kind: type, path: Path) -> dict[str, Any]:
    """Return the choices of a command that an economy file says, by name; itself is one.

    Raises:
        ValueError: the file is none that can be read (`read_document`).
    """
    document = read_document(path)
    fields = {field.name: field.default for field in dataclasses.fields(kind)}
    said = choices_said(document)
    if functions := document.welfare.functions:
        said["welfare"] = functions if isinstance(fields.get("welfare"), tuple) else functions[0]
    known = {name: value for name, value in said.items() if name in fields}
    return known | {"economy_file": path} | _of_scoreboard(fields)


def choices_said(document: Document) -> dict[str, Any]:
    """Return the choices of an economy that a file says, by name."""
    return {name: value for name, value in _said(document).items() if value is not None}


def _said(document: Document) -> dict[str, Any]:
    incomes, law = document.incomes, document.law
    return {
        "incomes": FROM_FILE if incomes.file or incomes.distribution else None,
        "agents": incomes.agents,
        "law": FROM_FILE if law.is_own or law.index or law.deduction else None,
        "group_rates": law.group_rates,
        "year": law.year,
        "status": law.status,
        "elasticity": document.preferences.elasticity,
        "spending": document.spending.public,
        "aversion": document.welfare.aversion,
    }


def _of_scoreboard(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the one economy of a command that otherwise has several."""
    return {"economies": ("own",)} if "economies" in fields else {}
