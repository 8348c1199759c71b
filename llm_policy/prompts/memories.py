"""What workers remember, in words: the steps that they lived, and the best of them."""

import numpy as np
from jaxtyping import Float

from llm_policy.memory.workers import Records
from llm_policy.prompts.numbers import money


def steps_text(records: Records, unit: str) -> list[str]:
    """Return each worker's lines of a few steps [kept, agents], joined.

    Steps of NaN hours are left out.
    """
    kept, agents = records.labor.shape
    texts = [[""] * agents]
    year = 0.0
    for place in range(kept):
        now = Records(*(values[place] for values in records))
        new_year = bool(now.tax_year[0] != year)
        year = now.tax_year[0]
        texts.append(step_text(now, unit, headed=new_year and year > 0))
    return ["".join(lines) for lines in zip(*texts, strict=True)]


def step_text(now: Records, unit: str, *, headed: bool) -> list[str]:
    """Return each worker's line of one step."""
    read, told = ~np.isnan(now.labor), np.isfinite(now.result)
    amounts = (now.income, now.tax, now.rebate, now.income - now.tax + now.rebate)
    columns = zip(
        np.round(now.labor, 2).tolist(),
        *(money(np.nan_to_num(values)) for values in amounts),
        results_text(np.where(told, now.result, 0.0), unit),
        told.tolist(),
        [_FEELINGS.get(feeling, "") for feeling in now.satisfied.tolist()],
        read.tolist(),
        now.step.tolist(),
        strict=True,
    )
    head = f"Tax year {now.tax_year[0]:.0f}:\n" if headed else ""
    return [
        f"{head}Step {n:.0f}: {h:g} hours a week, income {z}, tax {t}, rebate {r}, kept {c}"
        f"{f', result {u}' if known else ''}{s}\n"
        if ok
        else head
        for h, z, t, r, c, u, known, s, ok, n in columns
    ]


def best_text(best: Records, unit: str, *, first_shown: float) -> list[str]:
    """Return each worker's best steps [kept, agents] in one line.

    Those shown above are there by their number alone.
    """
    kept, agents = best.labor.shape
    known = ~np.isnan(best.labor)
    texts = [["Your best steps, best first"] * agents]
    for place in range(kept):
        now = Records(*(np.where(known[place], values[place], 0.0) for values in best))
        columns = zip(
            known[place].tolist(),
            now.step.tolist(),
            now.tax_year.tolist(),
            np.round(now.labor, 2).tolist(),
            results_text(now.result, unit),
            strict=True,
        )
        mark = ";" if place else ":"
        texts.append(
            [
                (
                    f"{mark} step {n:.0f}"
                    if n >= first_shown
                    else f"{mark} step {n:.0f} (tax year {y:.0f}, {h:g} hours a week, result {u})"
                )
                if ok
                else ""
                for ok, n, y, h, u in columns
            ]
        )
    lines = ["".join(parts) for parts in zip(*texts, strict=True)]
    return [f"{line}.\n" if ok else "" for line, ok in zip(lines, known[0].tolist(), strict=True)]


def results_text(values: Float[np.ndarray, " n"], unit: str) -> list[str]:
    """Return results in words: dollars, or their unit."""
    return money(values) if unit == "$" else [f"{value:.5g} {unit}" for value in values.tolist()]


_FEELINGS = {1.0: ", satisfied", 0.0: ", not satisfied"}
