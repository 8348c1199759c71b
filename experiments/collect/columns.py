"""The columns of collections, and what becomes of a run's own column of such a name."""

import pyarrow as pa

TEXT, WHOLE, NUMBER = pa.string(), pa.int64(), pa.float64()
KNOWN = {
    "run": TEXT,
    "command": TEXT,
    "version": TEXT,
    "planner_model": TEXT,
    "worker_model": TEXT,
    "economy": TEXT,
    "agents": WHOLE,
    "incomes": TEXT,
    "elasticity": NUMBER,
    "law": TEXT,
    "year": WHOLE,
    "status": TEXT,
    "spending": TEXT,
    "welfare": TEXT,
    "aversion": NUMBER,
    "seed": WHOLE,
    "planner": TEXT,
    "schedule": TEXT,
    "kind": TEXT,
    "point": WHOLE,
    "tax_year": WHOLE,
    "step": WHOLE,
    "row": WHOLE,
}
"""Columns that every collection has, with their types, before those that runs have of their own."""
MEASURE, VALUE = "measure", "value"
TITLE = "title"
"""The column of a comparison's tables, each of a welfare function and a kind of workers."""
OF_FILE = "file."
"""What the column of an economy file's key begins with."""


def renamed(metrics: pa.Table) -> pa.Table:
    """Return metrics in which a column is called own_NAME where NAME means another thing here.

    That is a text called measure, value, title or file.KEY, anything called row, and whatever is
    not of the type that a known column has.
    """
    pairs = zip(metrics.column_names, metrics.columns, strict=True)
    return metrics.rename_columns(
        [f"own_{name}" if _means_another(name, column) else name for name, column in pairs]
    )


def _means_another(name: str, column: pa.ChunkedArray) -> bool:
    if pa.types.is_string(column.type) and name not in KNOWN:
        return name in (MEASURE, VALUE, TITLE) or name.startswith(OF_FILE)
    if name not in KNOWN or name == "row":
        return name in KNOWN
    if KNOWN[name] == TEXT:
        return not (pa.types.is_string(column.type) or pa.types.is_null(column.type))
    try:
        column.cast(KNOWN[name])
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return True
    return False
