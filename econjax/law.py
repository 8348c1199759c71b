"""The law as it stands: dated, sourced federal income-tax schedules of the United States."""

import functools
import importlib.resources
import tomllib
from typing import Any

from econjax.schedule import BracketSchedule


def us_federal(year: int, status: str = "single", *, deduction: bool = False) -> BracketSchedule:
    """Return the federal income-tax brackets of a year, for a filing status.

    `status` is "single", "joint", "separate" or "head_of_household". The brackets apply to taxable
    income. With `deduction` they apply to gross wages: the first bracket is then the standard
    deduction, taxed at 0, and the others begin that much higher. Not in it: the additions for the
    aged and blind, the personal exemptions of 2013-2017 (3,900 to 4,050 dollars a head, taken back
    from high incomes), credits. Source and checks: `econjax/data/us_federal.toml`.

    Raises:
        ValueError: a year or status that the table does not hold.
    """
    law = _law_book()
    if str(year) not in law:
        raise ValueError(
            f"No federal schedule for year {year}; the table holds {min(law)} to {max(law)}. To "
            "move one to another year by a factor of your own: econjax.laws.indexed, or "
            "[law.index] in an economy file."
        )
    if status not in law[str(year)]:
        raise ValueError(
            f"Unknown filing status {status!r}; choose one of {', '.join(law[str(year)])}."
        )
    entry = law[str(year)][status]
    thresholds, rates = entry["thresholds"], entry["rates"]
    if deduction:
        thresholds = [0, *(entry["standard_deduction"] + threshold for threshold in thresholds)]
        rates = [0.0, *rates]
    return BracketSchedule(thresholds, rates)


@functools.cache
def _law_book() -> dict[str, dict[str, dict[str, Any]]]:
    return tomllib.loads(
        importlib.resources.files("econjax").joinpath("data/us_federal.toml").read_text("utf-8")
    )
