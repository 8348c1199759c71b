"""What a run hands back: rows for its directory, and what is said of it, in tables or as JSON."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from experiments.runs.rows import Row
from experiments.validity.cards import ValidityCard


class Result(NamedTuple):
    """What came of a run of any command.

    `found` is what the command's tables print, and `said` is it ready for JSON. `metrics` are the
    rows that pooling needs, without those columns that are the same of all of a run, or None if the
    run wrote them as it went; `timings` are rows that a replay changes, and `remarks` lines below
    the tables. `card` says what workers who are language models may stand for.
    """

    found: Any
    said: Any
    metrics: Sequence[Row] | None
    timings: Sequence[Row] = ()
    remarks: Sequence[str] = ()
    card: ValidityCard | None = None
