"""Whether workers who choose among some hours can have moments at all, before anybody is asked."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from scipy import optimize

from llm_policy.moments.measure import AT_WORK, HOURS_CLASSES


def require_reachable(targets: Mapping[str, float], values: Float[np.ndarray, " options"]) -> None:
    """Check that some chances of all `values`, none of them 0, have the moments of hours.

    `targets` are as `fit_correction` takes them; the elasticity of income is not looked at.

    Raises:
        ValueError: none have, so that the targets contradict each other on these hours.
    """
    static = {name: value for name, value in targets.items() if name != "income"}
    hours = np.asarray(values, float)
    hours = hours[hours >= AT_WORK]
    rows: list[np.ndarray] = [np.ones(len(hours))]
    aims = [1.0]
    for name, value in static.items():
        if name == "mean_hours":
            rows.append(hours)
            aims.append(value)
        else:
            least, end = HOURS_CLASSES[name]
            rows.append(1.0 * ((hours >= least) & (hours < end)))
            aims.append(value / 100)
    # The chances are `least` more than none, as much as possible: it must be more than nothing.
    table = np.array(rows)
    shifted = np.column_stack([table, table.sum(axis=1)])
    reward = np.zeros(len(hours) + 1)
    reward[-1] = -1.0
    found = optimize.linprog(reward, A_eq=shifted, b_eq=aims, bounds=(0, None))
    if found.success and found.x[-1] > _LEAST:
        return
    said = ", ".join(f"{name} {value:.4g}" for name, value in static.items())
    raise ValueError(
        f"These moments contradict each other among people who work {_listed(hours)} hours: "
        f"{said}. No chances of these hours have all of them: leave one out, use other people, or "
        "let workers choose among more hours."
    )


_LEAST = 1e-9


def _listed(hours: Float[np.ndarray, " options"]) -> str:
    most = 12
    said = [f"{value:g}" for value in hours]
    return ", ".join(said if len(said) <= most else [*said[:3], "...", said[-1]])
