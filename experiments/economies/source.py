"""An economy as flags and a file say it: the law, the people, what they want, what is spent."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from jaxtyping import Array, Key

from econjax import (
    GHH,
    AbstractPreferences,
    BracketSchedule,
    Economy,
    Isoelastic,
    Population,
    Quasilinear,
    calibrate,
    equilibrium,
    gb2,
    us_federal,
)
from econjax.laws import US_FEDERAL_STEPS, indexed, load_schedule
from econjax.populations import (
    GB2,
    GB2_ACS_2023,
    GB2_CPS_2023,
    GB2_SSA_2022,
    AbstractDistribution,
    Lognormal,
    LognormalPareto,
    Pareto,
    Uniform,
)
from econjax.welfare import AbstractWelfare, require_dollars
from experiments.economies.cps import cps_file, cps_words
from experiments.economies.defaults import FROM_FILE
from experiments.economies.document import Brackets, Document, Source, read_document
from experiments.economies.kept import Kept
from experiments.economies.records import Microdata, records_of

CPS = "cps"
US_FEDERAL = "us_federal"
DISTRIBUTIONS: dict[str, AbstractDistribution] = {
    "acs-2023": GB2_ACS_2023,
    "cps-2023": GB2_CPS_2023,
    "ssa-2022": GB2_SSA_2022,
}
"""Distributions fitted to published tables, by name."""
PARAMETRIC: dict[str, tuple[Any, tuple[str, ...]]] = {
    "gb2": (GB2, ("mu", "sigma", "nu", "tau")),
    "lognormal": (Lognormal, ("median", "sigma")),
    "pareto": (Pareto, ("minimum", "index")),
    "lognormal-pareto": (LognormalPareto, ("scale", "sigma", "index")),
    "uniform": (Uniform, ("low", "high")),
}
"""Distributions that an economy file states with parameters."""


@dataclass(frozen=True)
class EconomySource:
    """What an economy is made of. Whatever it returns is as exact as JAX's default precision.

    `file` is an economy file or None, `incomes` and `law` are names, paths, or `FROM_FILE`;
    `agents` None stands for every record of a data file, or 10,000 of a distribution.
    """

    file: Path | None
    incomes: str
    law: str
    year: int
    status: str
    agents: int | None
    elasticity: float
    spending: Literal["none", "federal", "law"] | float

    @cached_property
    def document(self) -> Document:
        """What the economy file says; nothing without one."""
        if self.file is None:
            return Document()
        Kept.of(self.file)  # a run's copies are as they were, or nothing is read
        return read_document(self.file)

    def check(self, aims: Sequence[AbstractWelfare] = ()) -> None:
        """Make the economy once, so that whatever is wrong is said before any work.

        Raises:
            ValueError: a choice, a file or data that make no economy, or aims that have no meaning
                in it.
        """
        economy = self.economy()
        for welfare in aims:
            require_dollars(economy, welfare)

    def schedule(self) -> BracketSchedule:
        """Return the law as it stands.

        Raises:
            ValueError: a law that is none, or one that this version cannot do.
        """
        index = self.document.law.index if self.law == FROM_FILE else None
        law = self._unindexed()
        if index is None:
            return law
        with _at(self, "law", "index"):
            return indexed(law, index.factor, step=index.step, rounding=index.rounding, of=index.of)

    @property
    def law_title(self) -> str:
        """The law in words for a table, such as "US federal"."""
        said = self.document.law
        if self.law == US_FEDERAL or (self.law == FROM_FILE and not said.is_own):
            return "US federal"
        return said.name or "the law"

    @cached_property
    def records(self) -> Microdata | None:
        """The people of a data file; None where incomes are a distribution."""
        path = self._data()
        if path is None:
            return None
        found = records_of(path, self._rules())
        self._require_one_status(path, found)
        return found

    @property
    def size(self) -> int:
        """The number of workers."""
        if self.agents is not None:
            return self.agents
        return 10_000 if self.records is None else self.records.count

    def population(
        self, agents: int | None = None, key: Key[Array, ""] | None = None
    ) -> Population:
        """Return the workers before calibration: `agents` of them, or as many as there are."""
        agents = self.agents if agents is None else agents
        if self.records is not None:
            return self.records.population(agents, key)
        distribution = self.distribution()
        if distribution is GB2_ACS_2023 and key is None:
            return gb2(agents or 10_000)
        return distribution.population(agents or 10_000, key)

    def columns(self) -> dict[str, np.ndarray]:
        """Return what a data file says of each worker of `population()`, beside the income."""
        if self.records is None:
            return {}
        if self.agents is None:
            return dict(self.records.columns)
        places = self.records.places(self.agents)
        return {name: values[places] for name, values in self.records.columns.items()}

    def distribution(self) -> AbstractDistribution:
        """Return the distribution of incomes, where they are one.

        Raises:
            ValueError: an unknown name, or parameters that are not those of the distribution.
        """
        said, name = self.document.incomes, self._named_distribution
        parameters = said.parameters if self.incomes == FROM_FILE else {}
        if name in PARAMETRIC:
            made, wanted = PARAMETRIC[name]
            if set(parameters) != set(wanted):
                raise self._blame(
                    ("incomes", "parameters" if parameters else "distribution"),
                    f"the distribution {name} takes parameters {', '.join(wanted)}; got "
                    f"{', '.join(parameters) or 'none'}.",
                )
            with _at(self, "incomes", "parameters"):
                return made(**parameters)
        if name not in DISTRIBUTIONS:
            known = ", ".join([*DISTRIBUTIONS, CPS])
            raise self._blame(
                ("incomes", "distribution"),
                f"there are no incomes {name!r}: give one of {known}, or a CSV or Parquet file"
                + (f"; with parameters: {', '.join(PARAMETRIC)}." if self.file else "."),
            )
        return DISTRIBUTIONS[name]

    @property
    def _named_distribution(self) -> str:
        said = self.document.incomes.distribution or "acs-2023"
        return said if self.incomes == FROM_FILE else self.incomes

    def preferences(self) -> AbstractPreferences:
        """Return what workers want."""
        said = self.document.preferences
        options = {name: value for name in ("unit",) if (value := said.unit) is not None}
        with _at(self, "preferences"):
            if said.kind == "isoelastic":
                return Isoelastic(
                    said.curvature or 0.0,
                    exponent=said.exponent or 0.0,
                    scale=said.scale or 0.0,
                    **options,
                )
            if said.kind == "ghh":
                return GHH(said.curvature or 0.0, elasticity=self.elasticity, **options)
        return Quasilinear(self.elasticity)

    @property
    def told(self) -> float | None:
        """The elasticity that a planner can be told: None where there is no one number."""
        own = self.records is not None and "elasticity" in self.records.columns
        return None if own or self.document.preferences.kind == "isoelastic" else self.elasticity

    def words(self) -> str:
        """Return where the people come from, what they want, and the law, in words."""
        if self.records is None:
            known = self.distribution() is GB2_ACS_2023
            name = "ACS-2023" if known else self._named_distribution
            who = f"Workers are on the quantile grid of {name} incomes"
        elif self._named_data == CPS:
            who = f"{cps_words(self.year)} Workers are they"
        else:
            who = f"Workers are those of {self._named_data}"
        remarks = self.records.remarks if self.records else ()
        fitted = self.document.calibration.kind == "40 hours"
        law = f"{self.year} {self.status}" if self.law_title == "US federal" else self.law_title
        how = f", calibrated to {law} law" if fitted else ""
        return " ".join((f"{who}{how}, {self._wants()}.", *remarks))

    def _wants(self) -> str:
        said = self.document.preferences
        if said.kind == "isoelastic":
            return f"isoelastic, curvature {said.curvature:g}, exponent {said.exponent:g}"
        kind = f"GHH, curvature {said.curvature:g}, " if said.kind == "ghh" else ""
        own = self.told is None
        return kind + ("elasticities of their own" if own else f"elasticity {self.elasticity:g}")

    def economy(self, agents: int | None = None, key: Key[Array, ""] | None = None) -> Economy:
        """Return the economy, of workers drawn with a key or on the quantile grid.

        Raises:
            ValueError: a choice, a file or data that make no economy.
        """
        law, preferences = self.schedule(), self.preferences()
        population, said = self.population(agents, key), self.document.calibration
        if said.kind == "40 hours":
            if self.records is not None and "taste" in self.records.columns:
                raise self._blame(
                    ("calibration", "kind"),
                    "tastes are in the data, so that nothing is left to calibrate: say kind = "
                    '"none" under [calibration], or leave the column out.',
                )
            with _at(self, "calibration"):
                population = calibrate(population, law, preferences=preferences, rebate=said.rebate)
        economy = Economy(population=population, preferences=preferences)
        spending = self._spending(economy, law)
        return Economy(population=population, preferences=preferences, spending=spending)

    def _spending(self, economy: Economy, law: BracketSchedule) -> Any:
        if self.spending == "none":
            return 0.0
        if isinstance(self.spending, str):
            return equilibrium(economy, law).rebate
        return self.spending

    def _unindexed(self) -> BracketSchedule:
        said = self.document.law
        if self.law == US_FEDERAL or (self.law == FROM_FILE and not said.is_own):
            deduction = self.law == FROM_FILE and said.deduction
            return us_federal(self.year, self.status, deduction=deduction)
        if self.law != FROM_FILE:
            return _brackets_of(self._path(self.law, self.law))
        if said.file:
            return _brackets_of(self._path(said.file, self.law))
        if said.by_status:
            return self._of_status(said.by_status)
        return self._brackets(("law",), Brackets(said.thresholds or (), said.rates or ()))

    def _of_status(self, laws: dict[str, Brackets]) -> BracketSchedule:
        if self.status not in laws and len(laws) > 1:
            raise self._blame(
                ("law", "by_status"),
                f"several schedules are not solved together yet ({', '.join(laws)}): choose one by "
                f'status = "{next(iter(laws))}" under [law], or --status.',
            )
        chosen = self.status if self.status in laws else next(iter(laws))
        return self._brackets(("law", "by_status", chosen), laws[chosen])

    def _brackets(self, keys: tuple[str, ...], said: Brackets) -> BracketSchedule:
        bad_rate = next((rate for rate in said.rates if not abs(rate) <= 1), None)
        if bad_rate is not None:
            raise self._blame(
                (*keys, "rates"),
                f"a rate is a share of money from -1 to 1: 35 % is 0.35; got {bad_rate}.",
            )
        if len(said.rates) != len(said.thresholds):
            raise self._blame(
                (*keys, "rates"),
                f"{len(said.rates)} rates for {len(said.thresholds)} thresholds: each bracket has "
                "one of both.",
            )
        with _at(self, *keys, "thresholds"):
            return BracketSchedule(list(said.thresholds), list(said.rates))

    @property
    def files(self) -> dict[str, Path]:
        """Where each data or law file is that the economy names."""
        law = self.document.law.file if self.law == FROM_FILE else self.law
        named = {} if law in (None, US_FEDERAL) else {law: self._path(law, self.law)}
        data = self._data()
        return named if data is None else named | {self._named_data or "": data}

    @property
    def _named_data(self) -> str | None:
        return self.document.incomes.file if self.incomes == FROM_FILE else self.incomes

    def _data(self) -> Path | None:
        """Return the data file of incomes, if they are one."""
        said = self._named_data
        if said == CPS:
            return self._cps()
        if said is None or (self.incomes != FROM_FILE and not _looks_like_a_file(said)):
            return None
        return self._path(said, self.incomes)

    def _cps(self) -> Path:
        kept = Kept.of(self.file)
        return kept.path(CPS) if CPS in kept.copies else cps_file(self.year)

    def _path(self, said: str, flag: str) -> Path:
        """Return where a file is, which a flag names unless the economy file does."""
        return Kept.of(self.file).path(said, by_flag=flag != FROM_FILE)

    def _rules(self) -> Any:
        """Return the rules for the data; those of CPS choose units of the law's status."""
        said = self.document.incomes
        if self._named_data == CPS and not said.only:
            return msgspec.structs.replace(said, only=(self.status,))
        return said

    def _require_one_status(self, path: Path, found: Microdata) -> None:
        """Refuse data whose statuses have no schedule, or several.

        Raises:
            ValueError: a status without a schedule, or several statuses.
        """
        if "status" not in found.columns:
            return
        own = self.document.law.by_status if self.law == FROM_FILE else {}
        known = list(own) or (list(US_FEDERAL_STEPS) if self.law_title == "US federal" else [])
        there = sorted(set(found.columns["status"]))
        if known and (strangers := [name for name in there if name not in known]):
            raise ValueError(
                f"{path}: the status {strangers[0]} has no schedule in the law, which knows "
                f"{', '.join(known)}: add it under [law.by_status], or choose others by `only` "
                "under [incomes]."
            )
        if len(there) > 1:
            raise ValueError(
                f"{path}: several schedules are not solved together yet, and there are people of "
                f'status {", ".join(there)}: choose one by only = ["{there[0]}"] under [incomes].'
            )

    def _blame(self, keys: tuple[str, ...], message: str) -> ValueError:
        """Return an error at a key of the economy file, if there is one."""
        if self.file is None:
            return ValueError(message[0].upper() + message[1:])
        return Source(self.file).at(keys, message)


class _at:
    """A context in which a ValueError is said of a key of the economy file."""

    def __init__(self, source: EconomySource, *keys: str) -> None:
        self._source, self._keys = source, keys

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, ValueError) and self._source.file is not None:
            raise self._source._blame(self._keys, str(error)) from error


def _looks_like_a_file(said: str) -> bool:
    return Path(said).suffix.lower() in (".csv", ".parquet", ".txt", ".tsv") or "/" in said


def _brackets_of(path: Path) -> BracketSchedule:
    law = load_schedule(path)
    if not isinstance(law, BracketSchedule):
        raise ValueError(
            f"{path} is {type(law).__name__}: planners set rates in brackets; give those."
        )
    return law


def as_lists(schedule: BracketSchedule) -> tuple[list[float], list[float]]:
    """Return thresholds and rates as plain numbers."""
    return (
        np.asarray(schedule.thresholds, float).tolist(),
        np.asarray(schedule.rates, float).tolist(),
    )
