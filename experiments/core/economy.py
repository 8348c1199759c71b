"""The choices that make an economy: flags, and a file that says their defaults.

What computes is imported where it does.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import tyro

from experiments.core.checks import require_at_least
from experiments.core.choices import CommandChoices
from experiments.economies.defaults import file_defaults

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from econjax import BracketSchedule, Economy
    from experiments.economies.document import Money
    from experiments.economies.source import EconomySource
    from llm_policy.engines.wrappers.currency import Currency
    from llm_policy.prompts.welfare import WelfareSpec

MOST_AGENTS = 10**8
"""Workers whose incomes are a few gigabytes."""


@dataclass(frozen=True)
class EconomyConfig(CommandChoices):
    """Rational workers on the ACS-2023 income quantile grid, calibrated to 40 hours under a law."""

    economy_file: Annotated[Path | None, tyro.conf.arg(name="economy", metavar="FILE")] = None
    """An economy file, which `econjax economy init` writes: incomes, law, currency, preferences,
    welfare. What it says is the default of the choices here, which override it."""
    incomes: str = "acs-2023"
    """Incomes at 40 hours: acs-2023, cps-2023 or ssa-2022 (fitted distributions), cps (wages of US
    tax units of the law's year, and of --status if it is given, with econjax[cps]), or a CSV or
    Parquet file with a column income; "file" is what the economy file says."""
    agents: int | None = None
    """Workers on the quantile grid; if not given 10,000, or every record of a data file."""
    elasticity: float = 0.25
    """Elasticity of income with respect to the net-of-tax rate."""
    law: str = "us_federal"
    """The law that workers are calibrated to and planners start from: us_federal, or a JSON file
    that holds a schedule; "file" is what the economy file says."""
    year: int = 2024
    """Tax year of the federal law."""
    status: str | None = None
    """Filing status as which all are taxed; the federal law knows single, joint, separate and
    head_of_household. If not given, everybody is taxed by the own status where the data say it, and
    as single where they do not."""
    group_rates: Literal["common", "own"] | None = None
    """Of people taxed by their own status: whether planners set one list of rates for all, on the
    thresholds of each status, or the rates of each; if not given as the law has them."""
    spending: Literal["none", "federal", "law"] | float = "none"
    """Public spending: none, so that rebates return all revenue; law (or federal), what the law
    collects today; or money a head and year."""
    aversion: float = 1.0
    """Aversion to inequality of Atkinson welfare."""

    @classmethod
    def of_file(cls, path: Path, **choices: Any) -> Self:
        """Return the choices that an economy file says, but for those that are given.

        Raises:
            ValueError: the file is none that can be read.
        """
        return cls(**(file_defaults(cls, path) | choices))

    @property
    def source(self) -> "EconomySource":
        """What the economy is made of."""
        from experiments.economies.source import EconomySource

        return EconomySource(
            file=None if self.economy_file is None else Path(self.economy_file),
            incomes=self.incomes,
            law=self.law,
            year=self.year,
            status=self.status,
            agents=self.asked_for,
            elasticity=self.elasticity,
            spending=self.spending,
            group_rates=self.group_rates,
        )

    @property
    def statuses(self) -> tuple[str, ...]:
        """The statuses, in words, that have a schedule each; none where all have the same."""
        from experiments.economies.law import status_words

        own = self.has_own_incomes or self.economy_file is not None
        return tuple(map(status_words, self.source.statuses)) if own else ()

    def notes(self) -> tuple[str, ...]:
        """Return what tables say of people in groups, kept apart, or with losses that are kept."""
        own = self.has_own_incomes or self.economy_file is not None
        return self.source.notes() if own else ()

    def fixed_hours(self, economy: "Economy") -> "np.ndarray | None":
        """Return 0 for those without work who are kept apart, NaN for whom a model is asked.

        None: all are asked.
        """
        import numpy as np

        if self.economy_file is None or self.source.document.incomes.zeros != "apart":
            return None
        return np.where(np.asarray(economy.population.skill) == 0, 0.0, np.nan)

    @property
    def size(self) -> int:
        """The number of workers."""
        return self.asked_for or self.source.size

    @property
    def usual(self) -> int | None:
        """The number of workers if none is given, None for every record of a data file."""
        return None if self.has_own_incomes else 10_000

    @property
    def asked_for(self) -> int | None:
        """The number of workers, None for every record of a data file."""
        return self.agents or self.usual

    @property
    def has_own_incomes(self) -> bool:
        """Whether incomes may come from data, of which the number of workers then depends."""
        return self.incomes != "acs-2023"

    @property
    def currency(self) -> "Money":
        """What money is called."""
        from experiments.economies.document import Money

        return Money() if self.economy_file is None else self.source.document.currency

    def currency_of_prompts(self) -> "Currency | None":
        """Return the currency that prompts speak of, whose amounts are not converted.

        None for dollars.
        """
        from experiments.economies.document import Money
        from llm_policy.engines.wrappers.currency import Currency

        money = self.currency
        return None if money.name == Money().name else Currency(money.name, 1, money.symbol)

    def words(self) -> "Mapping[str, str]":
        """Return what stands in tables for words that are of the United States."""
        money, law = self.currency, self.law_title
        named = {"$": money.symbol, "dollars": money.name, "Dollars": money.name.capitalize()}
        titles = {} if law == "US federal" else {"US→best": "law→best", "US federal": law}
        return titles | {old: new for old, new in named.items() if old != new}

    def _check(self) -> None:
        require_at_least(2, "agents", self.agents)
        if self.size > MOST_AGENTS:
            raise ValueError(f"--agents must be at most {MOST_AGENTS:,}; got {self.agents}.")
        if not 0 < self.elasticity <= 10:
            raise ValueError(
                f"--elasticity must be positive, 10 at most (25 % is 0.25); got {self.elasticity}."
            )
        if not 0 <= self.aversion < math.inf:
            raise ValueError(
                f"--aversion must be 0 or more (Rawls: --welfare rawlsian); got {self.aversion}."
            )
        if not isinstance(self.spending, str) and not math.isfinite(self.spending):
            raise ValueError(f"--spending is money a head; got {self.spending}.")
        names = getattr(self, "welfare", ())
        aims = [self.aim(name).welfare for name in ((names,) if isinstance(names, str) else names)]
        self.source.check(aims)

    def economy(self) -> "Economy":
        """Return the economy, as exact as JAX's default precision."""
        return self.source.economy()

    def status_quo(self) -> "BracketSchedule":
        """Return the law as it stands."""
        return self.source.schedule()

    @property
    def told(self) -> float | None:
        """The elasticity that planners may be told: None where workers have no common one."""
        plain = self.economy_file is None and not self.has_own_incomes
        return self.elasticity if plain else self.source.told

    @property
    def law_title(self) -> str:
        """The law in words for a table."""
        return "US federal" if self.law == "us_federal" else self.source.law_title

    @property
    def subsistence(self) -> float:
        """The least that a year of a language-model worker counts as, in money a year."""
        from llm_policy.workers.lived import SUBSISTENCE

        said = None if self.economy_file is None else self.source.document.welfare.subsistence
        if said is not None:
            return said
        return SUBSISTENCE if self.currency.name == "dollars" else 0.0

    def aim(self, name: str) -> "WelfareSpec":
        """Return the welfare function of a name, with the aversion that was chosen."""
        from llm_policy.prompts.welfare import among_workers, welfare_aim

        aim = welfare_aim(name, self.aversion)
        said = None if self.economy_file is None else self.source.document.welfare.counts
        return among_workers(aim) if said == "workers" else aim

    @property
    def inverse_income_floor(self) -> float | None:
        """The floor of incomes of inverse-income welfare, if the economy's file wants it told."""
        return self.source.document.welfare.inverse_income if self.economy_file else None

    def carried(self) -> dict[str, bytes]:
        """Return the files that a run keeps of the economy, by name: none where nothing is one."""
        from experiments.economies.kept import copies_of

        source = self.source
        return copies_of(source.file, source.files)
