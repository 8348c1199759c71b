#!/usr/bin/env bash
# Tax-Calculator 6.8.0 leaves out what married people who file separately add to income under the alternative minimum tax.
#
# The law (Internal Revenue Code, section 55(d)(3), last sentence; form 6251 of 2025, line 4 and its instructions): who files separately and
# has more alternative minimum taxable income than that at which the exemption is gone ($900,350 in 2025) adds a quarter of the excess,
# $68,500 at most, so that a couple gains nothing by filing apart.
# Expected: a separate filer with $1,100,000 of long-term gains in 2025 and nothing else owes 20 % of the $15,750 that the standard
# deduction took off, and 26 % of (1,100,000 - 900,350) / 4: $3,150 + $12,977.25 = $16,127.25 of alternative minimum tax.
# Seen: $3,150. The parameter for it, AMT_em_pe, holds $900,350, and where income is above it the exemption is set to 0, which it
# has fallen to by itself. OpenTaxSolver, as tenforty 2025.12 has it, agrees with the sum by hand; both agree below the threshold.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "taxcalc==6.8.0" "tenforty==2025.12"
cat > "$folder/look.py" <<'EOF2'
import numpy as np
import pandas as pd
import tenforty
from taxcalc import Calculator, Policy, Records

GAINS = np.array([500_000.0, 900_000.0, 1_100_000.0, 1_300_000.0])
SEPARATE = 3

data = pd.DataFrame({"RECID": range(1, 5), "MARS": SEPARATE, "age_head": 50, "p23250": GAINS})
records = Records(data=data, start_year=2025, gfactors=None, weights=None)
policy = Policy()
policy.set_year(2025)
gone, exemption, deduction = policy.AMT_em_pe[0], policy.AMT_em[0][SEPARATE - 1], policy.STD[0][SEPARATE - 1]
calculator = Calculator(policy=policy, records=records)
calculator.advance_to_year(2025)
calculator.calc_all()
owed = calculator.array("c09600")

added = np.clip((GAINS - gone) / 4, 0, exemption)
law = 0.20 * deduction + 0.26 * added
other = [
    tenforty.evaluate_return(
        year=2025, filing_status="Married/Sep", long_term_capital_gains=gains
    ).federal_amt
    for gains in GAINS
]
print(f"the exemption is gone at ${gone:,.0f}, and is ${exemption:,.0f}")
for gains, seen, hand, solver in zip(GAINS, owed, law, other, strict=True):
    hand = f"${hand:,.2f}" if gains > gone else "-"
    print(f"gains ${gains:,.0f}: Tax-Calculator ${seen:,.2f}, by hand {hand}, OpenTaxSolver ${solver:,.2f}")
assert (gone, exemption, deduction) == (900_350, 68_500, 15_750)
assert np.allclose(owed[:2], other[:2])
assert np.allclose(law[2:], other[2:])
assert np.allclose(owed[2:], 3_150) and np.isclose(law[2], 16_127.25)
EOF2
"$folder/env/bin/python" "$folder/look.py"
