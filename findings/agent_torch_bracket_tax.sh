#!/usr/bin/env bash
# AgentTorch 0.6.0's macroeconomic model taxes a bracket as if the brackets below it were free, and never uses the top rate.
#
# Expected: a bracket tax that rises with income: with the model's own brackets (from 0, 50, 100 and 500) and rates (10, 20, 30 and
# 35 %) an income of 60 owes 0.1 * 50 + 0.2 * 10 = 7, and one of 600 owes 0.1 * 50 + 0.2 * 50 + 0.3 * 400 + 0.35 * 100 = 170.
# Seen: 60 owes 2, for what lies below its own bracket is free: whoever earns a little more than 50 or 100 owes a few cents where who
# earns a little less owes 4.90 or 9.80. 600 owes 0.3 * (600 - 100) = 150: the top rate is never used. Nothing is raised or warned of.
# (The model in the wheel imports the library as AgentTorch, a name that the wheel does not have: it stands here for agent_torch.)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-deps "agent-torch==0.6.0"
"$folder/env/bin/pip" install --quiet "torch==2.13.0" "torch_geometric==2.8.1" "numpy==2.4.6" "pandas==3.1.1" "networkx==3.6.1" \
    "omegaconf==2.4.0" "tqdm==4.70.1"
cat > "$folder/look.py" <<'EOF2'
import importlib.util
import sys
from pathlib import Path

import torch
from agent_torch.core import substep
from agent_torch.core.helpers import general

sys.modules |= {"AgentTorch": sys.modules["agent_torch"], "AgentTorch.substep": substep, "AgentTorch.helpers": general}
file = Path(substep.__file__).parents[1] / "models/macro_economics/substeps/earning/transition.py"
described = importlib.util.spec_from_file_location("earning", file)
earning = importlib.util.module_from_spec(described)
described.loader.exec_module(earning)


def taxed(incomes):
    wages = torch.tensor(incomes)[:, None]
    told = {"calibration": False, "hours_worked": 1, "num_agents": len(incomes)}
    told |= {"tax_brackets": [0.0, 50.0, 100.0, 500.0], "tax_rates": [0.1, 0.2, 0.3, 0.35]}
    names = {"hourly_wage": "wage", "monthly_income": "income"}
    step = earning.UpdateAssets({"simulation_metadata": told}, names, {}, {"learnable": {}, "fixed": {}})
    state = {"wage": wages, "income": torch.zeros_like(wages)}
    kept, _ = step.calculatePostTaxIncome(state, {"consumers": {"will_work": torch.ones_like(wages)}})
    return (wages - kept).ravel().tolist()


owed = taxed([49.0, 51.0, 60.0, 99.0, 101.0, 600.0])
for income, tax in zip([49, 51, 60, 99, 101, 600], owed):
    print(f"income {income}: owes {tax:.2f}")
seen = [4.9, 0.2, 2.0, 9.8, 0.3, 150.0]
assert all(abs(tax - once) < 1e-3 for tax, once in zip(owed, seen, strict=True)), owed
EOF2
"$folder/env/bin/python" "$folder/look.py"
