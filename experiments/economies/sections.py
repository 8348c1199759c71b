"""What may stand in an economy file: its tables and keys, with what holds where one is left out.

`template.toml` says what each means.
"""

from typing import Literal

import msgspec

WelfareFunction = Literal["atkinson", "rawlsian", "utilitarian"]
GroupRates = Literal["common", "own"]
"""Whether planners set one list of rates for all statuses, or a list for each."""


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file, in which every key is known."""


class Money(_Section, frozen=True):
    """What money is called: a `symbol` before amounts, and the `name` in the plural."""

    symbol: str = "$"
    name: str = "dollars"


class Columns(_Section, frozen=True):
    """Which column of a data file holds what; one that is not named is known by its own name."""

    income: str = "income"
    weight: str | None = None
    status: str | None = None
    taste: str | None = None
    elasticity: str | None = None
    fixed_cost: str | None = None
    other_income: str | None = None
    credit: str | None = None
    children: str | None = None
    age: str | None = None
    group: str | None = None


class Incomes(_Section, frozen=True):
    """Where incomes come from, a `distribution` or a `file`, and what is done with odd ones."""

    distribution: str | None = None
    parameters: dict[str, float] = {}
    file: str | None = None
    agents: int | None = None
    columns: Columns = Columns()
    separator: str = ","
    decimal: Literal[".", ","] = "."
    zeros: Literal["keep", "drop", "apart"] = "keep"
    losses: Literal["refuse", "clip", "drop", "keep"] = "refuse"
    top_code: float | None = None
    pareto_index: float | None = None
    only: tuple[str, ...] = ()


class Brackets(_Section, frozen=True):
    """A schedule of one status: thresholds from 0, rates as shares of a unit of money."""

    thresholds: tuple[float, ...]
    rates: tuple[float, ...]


class Index(_Section, frozen=True):
    """By what thresholds are multiplied, and how the result is rounded."""

    factor: float
    step: float = 0.0
    rounding: Literal["down", "nearest", "up"] = "down"
    of: Literal["increase", "threshold"] = "increase"


class Law(_Section, frozen=True):
    """The law as it stands: of the United States by year, own brackets, a file, or by status."""

    name: str | None = None
    year: int | None = None
    status: str | None = None
    deduction: bool = False
    thresholds: tuple[float, ...] | None = None
    rates: tuple[float, ...] | None = None
    file: str | None = None
    by_status: dict[str, Brackets] = {}
    group_rates: GroupRates | None = None
    index: Index | None = None

    @property
    def is_own(self) -> bool:
        """Whether the law is stated here, and is not that of the United States."""
        return bool(self.thresholds or self.rates or self.file or self.by_status)


class Credit(_Section, frozen=True):
    """A refundable credit of some people, by taxed income: it rises to `most`, stays, and falls.

    `phase_in` and `phase_out` are shares of a unit of money; without the first it is `most` from no
    income on, without the second it stays. It falls from an income of `until` on. Whose it is:
    those of each `status`, `group` and number of `children` (`or_more`) that is said.
    """

    most: float
    phase_in: float | None = None
    until: float | None = None
    phase_out: float | None = None
    status: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    children: int | None = None
    or_more: bool = False


class Preferences(_Section, frozen=True):
    """How workers trade consumption against labor: a kind, and the parameters of that kind."""

    kind: Literal["quasilinear", "ghh", "isoelastic"] = "quasilinear"
    elasticity: float | None = None
    curvature: float | None = None
    exponent: float | None = None
    scale: float | None = None
    unit: float | None = None


class Welfare(_Section, frozen=True):
    """What planners maximise, and the aversion to inequality of Atkinson welfare.

    `counts` says of whom it is. `subsistence` is the least that a year of a worker who may err
    counts as, in money a year. `inverse_income` is the floor of incomes, in money a year, of the
    LLM Economist's welfare, which a comparison of rational workers then reports beside its own.
    """

    functions: tuple[WelfareFunction, ...] = ()
    counts: Literal["everyone", "workers"] = "everyone"
    aversion: float | None = None
    subsistence: float | None = None
    inverse_income: float | None = None


class Spending(_Section, frozen=True):
    """Public spending: none, what the law collects, or money a head and year."""

    public: Literal["none", "law"] | float = "none"


class Calibrated(_Section, frozen=True):
    """Whether tastes are those at which everyone works 40 hours under the law, at a `rebate`."""

    kind: Literal["40 hours", "none"] = "40 hours"
    rebate: float = 0.0


class Published(_Section, frozen=True):
    """Published figures of incomes, with their source, to hold the population against."""

    source: str
    mean: float | None = None
    median: float | None = None
    gini: float | None = None


class Document(_Section, frozen=True):
    """An economy file."""

    currency: Money = Money()
    incomes: Incomes = Incomes()
    law: Law = Law()
    credits: dict[str, Credit] = {}
    spending: Spending = Spending()
    preferences: Preferences = Preferences()
    welfare: Welfare = Welfare()
    calibration: Calibrated = Calibrated()
    published: Published | None = None
