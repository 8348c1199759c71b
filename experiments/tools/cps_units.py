"""Tax units of Tax-Calculator's public CPS file, with the taxes that its own code finds for them.

`python -m experiments.tools.cps_units FILE` needs the package `taxcalc`, whose code it runs, and
writes the .npz that `experiments.tools.filing_statuses` reads: tax units at the levels of 2024,
their `status` in the order of `FILING_STATUSES`, `wages` (e00200), `taxable_income` (c04800), and
`expected`, the tax on that under the law's brackets (c05200).
"""

import argparse
from pathlib import Path

import numpy as np

_YEAR = 2024
_PLACE = np.array([-1, 0, 1, 2, 3, 1])
"""Of MARS (1 single, 2 joint, 3 separate, 4 head of household, 5 widowed) among the statuses."""


def main() -> None:
    """Write the file."""
    import taxcalc  # pyright: ignore[reportMissingImports]

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    file = parser.parse_args().file
    calculator = taxcalc.Calculator(
        policy=taxcalc.Policy(), records=taxcalc.Records.cps_constructor()
    )
    calculator.advance_to_year(_YEAR)
    calculator.calc_all()
    np.savez(
        file,
        status=_PLACE[np.asarray(calculator.array("MARS"))],
        weight=calculator.array("s006"),
        wages=calculator.array("e00200"),
        taxable_income=calculator.array("c04800"),
        expected=calculator.array("c05200"),
    )


if __name__ == "__main__":
    main()
