"""AgentTorch: taxes and equal rebates of its macroeconomic model.

The model in the wheel of 0.6.0 imports the library by a name that the wheel does not have, which
stands here for the one that it has.
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from agent_torch.core import substep  # pyright: ignore[reportMissingImports]
from agent_torch.core.helpers import general  # pyright: ignore[reportMissingImports]
from serving import Prepared  # pyright: ignore[reportMissingImports]

_THRESHOLDS = [0.0, 11_600.0, 47_150.0, 100_525.0, 191_950.0, 243_725.0, 609_350.0]
_RATES = [0.10, 0.12, 0.22, 0.24, 0.32, 0.35, 0.37]


def _earning():
    """Return the module of the model's earning step."""
    sys.modules["AgentTorch"] = sys.modules["agent_torch"]
    sys.modules["AgentTorch.substep"] = substep
    sys.modules["AgentTorch.helpers"] = general
    core = Path(substep.__file__).parents[1]
    file = core / "models/macro_economics/substeps/earning/transition.py"
    described = importlib.util.spec_from_file_location("earning", file)
    assert described is not None
    assert described.loader is not None
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    return module


def _taxes(incomes: np.ndarray) -> Prepared:
    wages = torch.from_numpy(incomes)[:, None]
    told = {
        "calibration": False,
        "hours_worked": 1,
        "num_agents": incomes.size,
        "tax_brackets": _THRESHOLDS,
        "tax_rates": _RATES,
    }
    step = _earning().UpdateAssets(
        {"simulation_metadata": told},
        {"hourly_wage": "wage", "monthly_income": "income"},
        {},
        {"learnable": {}, "fixed": {}},
    )
    state = {"wage": wages, "income": torch.zeros_like(wages)}
    action = {"consumers": {"will_work": torch.ones_like(wages)}}

    def run() -> np.ndarray:
        kept, revenue = step.calculatePostTaxIncome(state, action)
        step.distributeTax(state, action, revenue, kept)
        return (wages - kept).numpy()

    return Prepared(run, _THRESHOLDS, _RATES)


_OPERATIONS = {"taxes": _taxes}
