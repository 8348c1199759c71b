#!/usr/bin/env bash
# Tax-Calculator 6.8.0 and policyengine-us 2.68.0 both give qualifying surviving spouses the child tax credit of joint filers.
#
# The law (Internal Revenue Code, section 24(h)(3)): the credit is taken back from $400,000 "in the case of a joint return ($200,000 in any
# other case)", 5 cents of each dollar; schedule 8812, line 9, asks for $200,000 of all who do not file jointly. A surviving spouse has the
# rates and the standard deduction of joint filers (sections 1(a) and 63(c)), and files no joint return.
# Expected: with two children and an income of $300,000 in 2025, $4,400 - 5 % of $100,000, which leaves nothing.
# Seen: $4,400 in both, from 2018 on, without a warning. Until 2017 both have $75,000 for them, as for all who are not married, and they
# have $200,000 for heads of household. Two models that agree are no check of each other where they read a table alike.
# (Of policyengine-us the file of the parameter is read here; its Simulation follows it.)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "taxcalc==6.8.0" "pyyaml==6.0.3"
"$folder/env/bin/pip" install --quiet --no-deps --no-compile "policyengine-us==2.68.0"
cat > "$folder/look.py" <<'EOF2'
import importlib.util
import pathlib

import pandas as pd
import yaml
from taxcalc import Calculator, Policy, Records

STATUSES = {"joint": 2, "head of household": 4, "surviving spouse": 5}
spouses = [int(status == "joint") for status in STATUSES]
said = {"nu18": 2, "n24": 2, "age_head": 45, "e00200": 300_000.0, "e00200p": 300_000.0}
people = {"MARS": STATUSES.values(), "XTOT": [3 + n for n in spouses], "num": [1 + n for n in spouses]}
data = pd.DataFrame({"RECID": range(1, 4), "age_spouse": [45 * n for n in spouses]} | people).assign(**said)
calculator = Calculator(policy=Policy(), records=Records(data=data, start_year=2025, gfactors=None, weights=None))
calculator.advance_to_year(2025)
calculator.calc_all()
paid = dict(zip(STATUSES, calculator.array("c07220") + calculator.array("c11070"), strict=True))
print("Tax-Calculator, two children and $300,000 in 2025:", {status: float(credit) for status, credit in paid.items()})
assert paid == {"joint": 4_400, "head of household": 0, "surviving spouse": 4_400}

policy = Policy()
starts = {}
for year in (2017, 2018, 2025):
    policy.set_year(year)
    starts[year] = dict(zip(STATUSES, (float(policy.CTC_ps[0][mars - 1]) for mars in STATUSES.values()), strict=True))
print("Tax-Calculator, the credit is taken back from:", starts)

package = pathlib.Path(importlib.util.find_spec("policyengine_us").origin).parent
table = yaml.safe_load((package / "parameters/gov/irs/credits/ctc/phase_out/threshold.yaml").read_text())
other = {
    status: [table[status.replace(" ", "_").upper()][day] for day in sorted(table["JOINT"])] for status in STATUSES
}
print("policyengine-us, before 2018 and from then on:", other)
for status in STATUSES:
    assert other[status] == [starts[2017][status], starts[2018][status]]
    assert starts[2018][status] == starts[2025][status]
assert other["surviving spouse"] == [75_000, 400_000] and other["head of household"] == [75_000, 200_000]
EOF2
"$folder/env/bin/python" "$folder/look.py"
