"""Tax statuses of people: whose have a schedule, and what is said of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from econjax import BracketSchedule
from experiments.economies.law import status_words
from experiments.economies.records import PeopleRecords
from experiments.economies.tables import place_of


def require_schedules(path: Path, found: PeopleRecords, known: Sequence[str]) -> None:
    """Refuse people of a status that the law has no schedule for, which are those `known`.

    Raises:
        ValueError: there are some, with the line of the first.
    """
    if set(found.statuses) <= set(known):
        return
    place = int(np.argmax(~np.isin(found.columns["status"], known)))
    raise ValueError(
        f"{place_of(path, int(found.entry[place]))}: the status {found.columns['status'][place]} "
        f"has no schedule in the law, which knows {', '.join(known)}: add it under "
        "[law.by_status], choose others by `only` under [incomes], or tax all as one by status = "
        f'"{known[0]}" under [law], or --status.'
    )


def without_a_column(path: Path | None, known: Sequence[str]) -> str:
    """Return that nobody's status is known, of people in a file or of a distribution."""
    where, remedy = f"{path}, line 1, has no column status", "name it under [incomes.columns]"
    if path is None:
        where, remedy = "incomes of a distribution have no status", "give a data file with one"
    return (
        f"there are schedules of {', '.join(known)}, and {where}: {remedy}, or tax all as one by "
        f'status = "{known[0]}" under [law], or --status.'
    )


def taxed_how(found: PeopleRecords, law: BracketSchedule) -> str:
    """Return the shares of people by status, and which rates planners set, in words."""
    shares = ", ".join(
        f"{status_words(name)} {share:.1%}"
        for name, share in zip(found.groups, found.group_shares, strict=True)
    )
    how = "one list of rates for all" if law.rates.ndim == 1 else "rates for each, in that order"
    return (
        f"Schedules by status ({shares} of people), each with thresholds of its own; planners set "
        f"{how}."
    )
