"""How results are printed, of every command."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TableConfig:
    """What is printed of tables."""

    wide: bool = False
    """Print tables whole, however wide the terminal is; where one does not fit it is split."""
    columns: tuple[str, ...] = ()
    """Columns to print, by the beginnings of their names; all if nothing is said."""
