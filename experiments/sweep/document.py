"""The sweep file: an economy file with two more tables, what varies and how."""

from typing import Literal

import msgspec

from experiments.economies.sections import Document

Level = bool | int | float | str


class Between(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A range that a random or a Halton design draws from, evenly or evenly in logarithms."""

    low: float
    high: float
    scale: Literal["linear", "log"] = "linear"


class Sweep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The design, how often each of its points is drawn anew, and who plans.

    `beside` names schedules to compare, besides the law: us_federal:YEAR or a JSON file.
    `seeds` 0 stands for the quantile grid, or every record, without a draw. `tolerance` and
    `most_steps` are those of `converged_saez`; a gradient planner takes `most_steps` too.
    """

    design: Literal["grid", "random", "halton"] = "grid"
    points: int | None = None
    seeds: int = 10
    seed: int = 0
    planner: Literal["saez", "gradient"] = "saez"
    beside: tuple[str, ...] = ()
    tolerance: float = 1e-3
    most_steps: int = 100


class SweepDocument(Document, frozen=True, forbid_unknown_fields=True):
    """A sweep file: `vary` holds values, or a range, by the field that takes them."""

    sweep: Sweep = Sweep()
    vary: dict[str, tuple[Level, ...] | Between] = msgspec.field(default_factory=dict)
