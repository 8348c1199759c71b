"""People from data: what is done with losses, zeros and top codes, and the workers they make."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import msgspec
import numpy as np
from jaxtyping import Array, Key

from econjax import REFERENCE_HOURS, Population
from econjax.populations import shares
from experiments.economies.credits import StatedCredits
from experiments.economies.sections import Columns, Incomes
from experiments.economies.tables import place_of, read_columns

if TYPE_CHECKING:
    from jaxtyping import Float

    Column = Float[np.ndarray, " records"]


@dataclass(frozen=True)
class PeopleRecords:
    """People of a data file, one entry per record, with what was done to them in words.

    `income` is money a year at 40 hours a week, `weight` shares that sum to 1, and `people` what
    the weights summed to; `columns` holds whatever else the file says of them, and `entry` is the
    number of each record in the file, from 0. `remarks` say how many people, and how much money,
    each rule concerned. People are in groups by status where `groups` names some, in their order,
    and have the `credits` that the file states.
    """

    income: "Column"
    weight: "Column"
    people: float
    columns: Mapping[str, np.ndarray]
    entry: np.ndarray
    remarks: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    credits: StatedCredits | None = None

    @functools.cached_property
    def statuses(self) -> tuple[str, ...]:
        """The statuses that people have, in alphabetical order; none without such a column."""
        return tuple(np.unique(self.columns.get("status", np.array([], str))).tolist())

    @functools.cached_property
    def group(self) -> np.ndarray:
        """The number of everybody's group, 0 where there is but one."""
        if not self.groups:
            return np.zeros(self.count, np.int32)
        order = np.argsort(self.groups)
        places = np.searchsorted(np.array(self.groups)[order], self.columns["status"])
        return order[places].astype(np.int32)

    @property
    def group_shares(self) -> "Column":
        """The share of people in each group."""
        return np.bincount(self.group, self.weight, max(len(self.groups), 1))

    @property
    def count(self) -> int:
        """The number of records."""
        return self.income.size

    def population(
        self, agents: int | None = None, key: Key[Array, ""] | None = None
    ) -> Population:
        """Return a worker for each record or, with `agents`, so many of equal weight.

        These are the records at the mid-points of the quantile grid of income, one group after the
        other, or, with a key, independent draws; what else the file says of a record goes with it.
        """
        if agents is None:
            return self._population(np.arange(self.count), self.weight)
        return self._population(self.places(agents, key), None)

    def places(self, agents: int, key: Key[Array, ""] | None = None) -> np.ndarray:
        """Return the records that so many workers of equal weight are: as `population` says."""
        order = np.lexsort((self.income, self.group))
        reached = np.cumsum(self.weight[order])
        rounding = (4 + reached.size) * np.finfo(np.float64).eps
        at = np.searchsorted(reached / reached[-1], shares(agents, key) * (1 - rounding))
        return order[at]

    def _population(self, places: np.ndarray, weight: Any) -> Population:
        own: dict[str, Any] = {
            name: self.columns[name][places] for name in _OF_WORKERS if name in self.columns
        }
        if self.groups:
            own |= {"group": self.group[places], "groups": len(self.groups)}
        if self.credits is not None:
            own |= self.credits.of_workers(places, own.get("credit"))
        return Population(self.income[places] / REFERENCE_HOURS, weight=weight, **own)


_OF_WORKERS = ("taste", "elasticity", "fixed_cost", "other_income", "credit")


def records_of(path: Path, incomes: Incomes) -> PeopleRecords:
    """Return the people of a data file by the rules of an economy file.

    Raises:
        ValueError: the file cannot be read (`read_columns`), a value is illegal, or nobody is left:
            one line, with the file's where it is one record's fault.
    """
    stamp = path.stat().st_mtime_ns if path.is_file() else 0
    return _records(path, msgspec.json.encode(incomes), stamp)


@functools.lru_cache(maxsize=2)
def _records(path: Path, rules: bytes, stamp: int) -> PeopleRecords:
    incomes = msgspec.json.decode(rules, type=Incomes)
    names = {name: getattr(incomes.columns, name) for name in Columns.__struct_fields__}
    columns = read_columns(path, names, separator=incomes.separator, decimal=incomes.decimal)
    _check(path, columns)
    income = columns.pop("income")
    weight = columns.pop("weight", np.ones_like(income))
    found = PeopleRecords(income, weight, float(weight.sum()), columns, np.arange(income.size))
    for rule in (_only, _losses, _zeros, _top_code):
        found = rule(path, found, incomes)
    people = float(found.weight.sum())
    return replace(found, weight=found.weight / people, people=people)


def _check(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """Refuse values that no rule mends."""
    least = {"weight": (0, True), "taste": (0, False), "elasticity": (0, False)}
    least |= dict.fromkeys(("fixed_cost", "credit", "children", "age"), (0, True))
    for name, (bound, may_equal) in least.items():
        if name in columns:
            bad = columns[name] < bound if may_equal else columns[name] <= bound
            if bad.any():
                entry = int(np.argmax(bad))
                words = "0 or more" if may_equal else "above 0"
                raise ValueError(
                    f"{place_of(path, entry)}: {name} is {columns[name][entry]:g}: it must be "
                    f"{words}: mend it, or drop the line."
                )
    if "weight" in columns and not columns["weight"].sum() > 0:
        raise ValueError(f"{path}: all weights are 0: say how many people each line stands for.")


def _only(path: Path, found: PeopleRecords, incomes: Incomes) -> PeopleRecords:
    if not incomes.only:
        return found
    if "status" not in found.columns:
        raise ValueError(f"{path}, line 1: there is no column of status to choose `only` by.")
    known = sorted(set(found.columns["status"]))
    if strangers := [name for name in incomes.only if name not in known]:
        raise ValueError(
            f"{path}: nobody's status is {strangers[0]}; there are {', '.join(known)}."
        )
    return _keep(
        path,
        found,
        np.isin(found.columns["status"], incomes.only),
        "of another status were left out",
    )


def _losses(path: Path, found: PeopleRecords, incomes: Incomes) -> PeopleRecords:
    """Keep the rule on losses, of work or of what else brings income."""
    zero = np.zeros_like(found.income)
    other = found.columns.get("other_income", zero)
    lost = np.minimum(found.income, 0) + np.minimum(other, 0)
    if not lost.any():
        return found
    who = lost < 0
    if incomes.losses == "refuse":
        place = int(np.argmax(who))
        what = "income" if found.income[place] < 0 else "other_income"
        raise ValueError(
            f"{place_of(path, int(found.entry[place]))}: {what} is {lost[place]:g}, a loss "
            f'({who.sum():,} in the file): say losses = "clip" (to 0), "drop" or "keep" under '
            "[incomes]."
        )
    if incomes.losses == "drop":
        return _keep(path, found, ~who, "with losses were dropped", lost)
    words, other = "with losses count as earning nothing", np.maximum(other, 0)
    if incomes.losses == "keep":
        words = "with losses keep them: such years bring less, and the tax of a loss is 0"
        other = found.columns.get("other_income", zero) + np.minimum(found.income, 0)
    own = {"other_income": other} if other.any() or "other_income" in found.columns else {}
    return replace(
        found,
        income=np.maximum(found.income, 0),
        columns={**found.columns, **own},
        remarks=(*found.remarks, _remark(found, who, words, lost)),
    )


def _zeros(path: Path, found: PeopleRecords, incomes: Incomes) -> PeopleRecords:
    zero = found.income == 0
    if not zero.any():
        return found
    other = found.columns.get("other_income", found.income)
    if incomes.zeros == "drop":
        return _keep(path, found, ~zero, "without income were dropped", other)
    words = {
        "keep": "without income do not work, receive the rebate and count",
        "apart": "do not work: they are kept apart, are asked nothing and receive the rebate",
    }[incomes.zeros]
    return replace(found, remarks=(*found.remarks, _remark(found, zero, words, other)))


def _top_code(path: Path, found: PeopleRecords, incomes: Incomes) -> PeopleRecords:
    """Spread incomes at or above the top code over a Pareto tail, by its quantile mid-points."""
    top, index = incomes.top_code, incomes.pareto_index
    if top is None or index is None:
        return found
    coded = np.flatnonzero(found.income >= top)
    if not coded.size or not found.weight[coded].sum() > 0:
        raise ValueError(f"{path}: nobody earns the top_code of {top:,.0f}: leave it out.")
    order = coded[np.argsort(found.income[coded], kind="stable")]
    reached = np.cumsum(found.weight[order])
    middle = (reached - found.weight[order] / 2) / reached[-1]
    income = found.income.copy()
    income[order] = top * (1 - middle) ** (-1 / index)
    words = f"at or above {top:,.0f} were spread over a Pareto tail of index {index:g}"
    at_top = np.isin(np.arange(found.count), coded)
    return replace(found, income=income, remarks=(*found.remarks, _remark(found, at_top, words)))


def _keep(
    path: Path,
    found: PeopleRecords,
    kept: np.ndarray,
    words: str,
    money: "Column | None" = None,
) -> PeopleRecords:
    if not found.weight[kept].sum() > 0:
        raise ValueError(f"{path}: nobody is left: all {found.count:,} records {words}.")
    return PeopleRecords(
        found.income[kept],
        found.weight[kept],
        found.people,
        {name: column[kept] for name, column in found.columns.items()},
        found.entry[kept],
        (*found.remarks, _remark(found, ~kept, words, money)),
    )


def _remark(
    found: PeopleRecords, who: np.ndarray, words: str, money: "Column | None" = None
) -> str:
    """Return how many records a rule concerned, and their `money`, incomes if not said."""
    share = found.weight[who].sum() / found.weight.sum()
    amounts = found.income if money is None else money
    total = float(found.weight[who] @ amounts[who])
    return (
        f"{who.sum():,} of {found.count:,} records ({share:.1%} of people; {total:,.0f} in all) "
        f"{words}."
    )


def as_groups(labels: np.ndarray) -> tuple[tuple[str, ...], Array]:
    """Return the names of groups, in order, and each record's number among them."""
    names, places = np.unique(labels.astype(str), return_inverse=True)
    return tuple(names.tolist()), jnp.asarray(places)
