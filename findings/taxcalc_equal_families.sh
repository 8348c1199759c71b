#!/usr/bin/env bash
# Tax-Calculator 6.8.0: of equal families some get the earned income credit and some get nothing, by their place in the file.
#
# Expected: records that differ in their number alone owe the same; a microsimulation of current law pays a credit that the law gives
# (Internal Revenue Code, section 32), or is told by the user who claims it.
# Seen: a credit is claimed with a probability of 1.03 times the larger of 0.4 and its share of the largest credit, and each record's draw
# depends on its row alone. Of 12 single parents of one child with wages of $45,000 in 2025, four get $868 and eight get nothing. Turn the
# file round and the same rows win; a column `credit_claim_urn` of the user's own is overwritten; a family computed alone (row 1) loses its
# credit. A budget line drawn from rows of rising wages has holes: the credit falls to 0 and comes back, again and again, and marginal rates
# between its rows mean nothing. The additional child tax credit is drawn for in the same way. No warning is given.
# Remedy: a reform that sets eitc_claim_prob_scale and actc_claim_prob_scale to 9e99.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "taxcalc==6.8.0"
cat > "$folder/look.py" <<'EOF2'
import warnings

import numpy as np
import pandas as pd
from taxcalc import Calculator, Policy, Records

ALL_CLAIM = {"eitc_claim_prob_scale": {2025: 9e99}, "actc_claim_prob_scale": {2025: 9e99}}


def family(wages, rows):
    """Single parents of one child, as many as there are wages."""
    said = {"MARS": 4, "XTOT": 2, "num": 1, "nu18": 1, "nu13": 1, "n24": 1, "EIC": 1, "age_head": 40}
    wages = np.broadcast_to(np.asarray(wages, float), (rows,))
    return pd.DataFrame({"RECID": np.arange(1, rows + 1), "e00200": wages, "e00200p": wages} | said)


def credits(data, reform=None):
    policy = Policy()
    if reform:
        policy.implement_reform(reform)
    records = Records(data=data, start_year=2025, gfactors=None, weights=None)
    calculator = Calculator(policy=policy, records=records)
    calculator.advance_to_year(2025)
    calculator.calc_all()
    return calculator.array("eitc").round()


with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    equal = family(45_000, 12)
    paid = credits(equal)
claims = [w for w in warned if "claim" in str(w.message).lower()]
print("12 equal families, wages of $45,000:", paid.astype(int).tolist())
assert sorted(set(paid)) == [0, 868] and (paid > 0).sum() == 4 and not claims
assert (credits(equal.iloc[::-1]) == paid).all()
assert (credits(equal.assign(credit_claim_urn=0.0)) == paid).all()
assert credits(family(45_000, 1)).tolist() == [0]

wages = np.arange(40_000, 50_000, 250)
line = credits(family(wages, len(wages)))
print("as wages rise from $40,000 by $250 each:", line.astype(int).tolist())
holes = int(((line[:-1] > 0) & (line[1:] == 0)).sum())
print(f"the credit falls to 0 {holes} times on the way out")
assert holes > 5

law = credits(family(wages, len(wages)), ALL_CLAIM)
print("if all claim:", law.astype(int).tolist())
assert (np.diff(law) < 0).all() and law[0] == 1667
assert (credits(equal, ALL_CLAIM) == 868).all()
EOF2
"$folder/env/bin/python" "$folder/look.py"
