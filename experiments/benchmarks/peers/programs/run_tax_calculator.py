"""Tax-Calculator: its rate schedules alone, and marginal rates of the whole federal law."""

import numpy as np
import pandas as pd  # pyright: ignore[reportMissingImports]
import taxcalc  # pyright: ignore[reportMissingImports]
from serving import Prepared  # pyright: ignore[reportMissingImports]
from taxcalc.calcfunctions import SchXYZTax  # pyright: ignore[reportMissingImports]

_YEAR = 2024


def _people(incomes: np.ndarray):
    """Return the law of the year, and single people with these wages and nothing else."""
    number = np.arange(1, 1 + incomes.size)
    wages = {"RECID": number, "MARS": np.ones_like(number), "e00200": incomes, "e00200p": incomes}
    records = taxcalc.Records(
        data=pd.DataFrame(wages), start_year=_YEAR, gfactors=None, weights=None
    )
    law = taxcalc.Policy()
    law.set_year(_YEAR)
    return law, records


def _schedule(law) -> tuple[list[float], list[float]]:
    """Return the brackets of single people."""
    ends = [getattr(law, f"II_brk{bracket}")[0][0] for bracket in range(1, 7)]
    return [0.0, *ends], [getattr(law, f"II_rt{bracket}")[0] for bracket in range(1, 8)]


def _taxes(incomes: np.ndarray) -> Prepared:
    law, records = _people(incomes)
    records.c04800[:] = incomes  # taxable income

    def run() -> np.ndarray:
        SchXYZTax(law, records)
        return records.c05200

    return Prepared(run, *_schedule(law))


def _rates(incomes: np.ndarray) -> Prepared:
    law, records = _people(incomes)
    calculator = taxcalc.Calculator(policy=law, records=records)
    calculator.calc_all()

    def run() -> None:
        calculator.mtr("e00200p", calc_all_already_called=True)

    return Prepared(run, *_schedule(law))


_OPERATIONS = {"taxes": _taxes, "rates": _rates}
