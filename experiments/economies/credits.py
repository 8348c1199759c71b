"""Credits that an economy file states: whose each is, and what those who share some have in all."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from econjax import IncomeCredits
from experiments.economies.document import Blame
from experiments.economies.sections import Credit


class StatedCredits(NamedTuple):
    """Credits of people by kind: those of a kind have the same of the file's credits.

    As a tax below 0, `rates` [kinds, brackets] from `thresholds` [kinds, brackets] on; `lump` is
    what a kind has without income, money a year, `kind` everybody's, and `shares` the share of
    people who have each credit.
    """

    thresholds: Float[np.ndarray, "kinds brackets"]
    rates: Float[np.ndarray, "kinds brackets"]
    lump: Float[np.ndarray, " kinds"]
    kind: Int[np.ndarray, " people"]
    shares: Mapping[str, float]

    def of_workers(
        self, places: Int[np.ndarray, " some"], beside: Float[np.ndarray, " some"] | None = None
    ) -> dict[str, Any]:
        """Return the credits of some of the people, as of a `Population`, `beside` lump sums."""
        kind = self.kind[places]
        lump = self.lump[kind] + (0.0 if beside is None else beside)
        own = {} if beside is None and not lump.any() else {"credit": lump}
        return own | {"credits": IncomeCredits(self.thresholds, self.rates, kind)}

    def words(self) -> tuple[str, ...]:
        """Return that there are credits, and whose, in words."""
        who = ", ".join(f"{name} {share:.1%}" for name, share in self.shares.items())
        return (f"Credits ({who} of people) stay as they are whatever rates planners set.",)


def stated_credits(
    credits: Mapping[str, Credit],
    columns: Mapping[str, np.ndarray],
    weight: Float[np.ndarray, " people"],
    blame: Blame,
) -> StatedCredits | None:
    """Return the credits of people of whom a data file says these columns; None where none is said.

    Raises:
        ValueError: a credit is of a status, group or number of children, and the columns do not say
            whose these are; or what somebody has in all changes by more than each unit earned.
    """
    if not credits:
        return None
    has = np.stack(
        [_who(name, said, columns, weight.size, blame) for name, said in credits.items()]
    )
    held, kind = np.unique(has, axis=1, return_inverse=True)
    each = [
        _summed([c for c, own in zip(credits.values(), kinds, strict=True) if own])
        for kinds in held.T
    ]
    most = max(len(starts) for starts, _ in each)
    thresholds, rates = (
        np.stack(v) for v in zip(*(_padded(*one, most) for one in each), strict=True)
    )
    if np.abs(rates).max() > 1:
        raise blame.error(
            ("credits",),
            "the credits of somebody change together by more than each unit earned: no rates that "
            "sum to more than 1.",
        )
    lump = has.T @ [0.0 if said.phase_in else said.most for said in credits.values()]
    lumps = np.zeros(held.shape[1])
    lumps[kind.ravel()] = lump
    shares = dict(zip(credits, (has @ (weight / weight.sum())).tolist(), strict=True))
    return StatedCredits(thresholds, rates, lumps, kind.ravel().astype(np.int32), shares)


def _who(
    name: str, said: Credit, columns: Mapping[str, np.ndarray], people: int, blame: Blame
) -> Bool[np.ndarray, " people"]:
    """Return who has a credit."""
    has = np.ones(people, bool)
    for key in ("status", "group", "children"):
        wanted = getattr(said, key)
        if wanted in (None, ()):
            continue
        if key not in columns:
            raise blame.error(
                ("credits", name, key),
                f"the credit {name} goes by {key}, which the data do not say: name its column "
                f"under [incomes.columns], or leave {key} out, so that all have the credit.",
            )
        if key == "children":
            own = columns[key]
            has &= own >= wanted if said.or_more else own == wanted
        else:
            has &= np.isin(columns[key], wanted)
    return has


_Table = tuple[Float[np.ndarray, " brackets"], Float[np.ndarray, " brackets"]]
"""Thresholds from 0, and the rate from each on."""


def _summed(credits: Sequence[Credit]) -> _Table:
    """Return what credits take together from tax, as rates below 0."""
    tables = [_table(said) for said in credits]
    starts = np.unique(np.concatenate([[0.0], *(table[0] for table in tables)]))
    rates = np.zeros_like(starts)
    for edges, own in tables:
        rates += own[np.searchsorted(edges, starts, side="right") - 1]
    return starts, rates


def _table(said: Credit) -> _Table:
    """Return one credit, but for what it is without income."""
    points = [(0.0, 0.0)]
    if said.phase_in:
        points = [(0.0, -said.phase_in), (said.most / said.phase_in, 0.0)]
    if said.until is not None and said.phase_out:
        points += [(said.until, said.phase_out), (said.until + said.most / said.phase_out, 0.0)]
    starts, rates = np.array(points).T
    last = np.append(np.diff(starts) > 0, True)  # of a plateau without width
    return starts[last], rates[last]


def _padded(
    starts: Float[np.ndarray, " brackets"], rates: Float[np.ndarray, " brackets"], count: int
) -> _Table:
    """Return a table of so many brackets, the last of them split."""
    more = np.arange(1, count - len(starts) + 1)
    return np.append(starts, starts[-1] + more), np.append(rates, np.full(more.size, rates[-1]))
