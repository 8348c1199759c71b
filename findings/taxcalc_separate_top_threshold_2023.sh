#!/usr/bin/env bash
# Tax-Calculator 6.8.0 has the 37 % bracket of 2023 begin at $578,125 for married people who file separately.
#
# The law (Rev. Proc. 2022-38, section 3.01, table 4) says $346,875: half of the joint threshold, as in every year.
# Expected: half of the joint threshold in 2022, 2023 and 2024.
# Seen: half in 2022 and 2024; in 2023 the threshold of single filers, so that $500,000 of taxable income is taxed
# $3,062.50 too little.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "taxcalc==6.8.0"
cat > "$folder/look.py" <<'EOF2'
from taxcalc import Policy

SINGLE, JOINT, SEPARATE = range(3)
for year in (2022, 2023, 2024):
    policy = Policy()
    policy.set_year(year)
    top = policy.II_brk6[0]
    print(year, "single", top[SINGLE], "joint", top[JOINT], "separate", top[SEPARATE])
    assert (top[SEPARATE] == top[JOINT] / 2) == (year != 2023)
    if year == 2023:
        assert top[SEPARATE] == top[SINGLE] == 578_125
        missed = (policy.II_rt7[0] - policy.II_rt6[0]) * (500_000 - 346_875)
        print(f"tax missed at a taxable income of $500,000: ${missed:,.2f}")
        assert round(missed, 2) == 3062.50
EOF2
"$folder/env/bin/python" "$folder/look.py"
