"""What a planner reads of its tax years: their people, and how schedules did, in words."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Array, Float

from econjax import BracketSchedule
from econjax.planning import Report
from llm_policy.memory.planner import Record, Trial, is_in_force, records
from llm_policy.prompts.numbers import dollars, per_cent, rate_names


def observation_text(
    schedule: BracketSchedule, report: Report, statuses: Sequence[str] = ()
) -> str:
    """Return a tax year's people: how many per bracket, and the spread of income and utility."""
    names = rate_names(schedule, statuses)
    shares = np.asarray(report.brackets.share, float).ravel().tolist()
    lines = ["The last tax year. Workers by annual income, one # for 5 of 100 workers:"]
    lines += [
        f"- {name}: {'#' * round(20 * share)} {100 * share:.1f} of 100 workers"
        for name, share in zip(names, shares, strict=True)
    ]
    lines += [
        _spread("Annual income", report.income, report.income_spread, report.income_deciles),
        _spread(
            "Utility, what the year is worth to each in dollars",
            *(report.utility, report.utility_spread, report.utility_deciles),
        ),
        f"Everyone's rebate: {dollars(float(report.rebate))} a year. "
        f"Mean work: {float(report.labor):.3g} hours a week.",
    ]
    return "\n".join(lines)


def reflection_text(before: Record, after: Record, *, names: Sequence[str]) -> str:
    """Return how the last schedule did against the one before it, and where the two differ.

    There is no clear difference where it is below twice its standard error, or half a dollar.
    """
    difference = after.mean - before.mean
    error = float(np.hypot(before.standard_error, after.standard_error))
    moved = "; ".join(
        f"{name} from {100 * old:.4g} % to {100 * new:.4g} %"
        for name, old, new in zip(names, before.rates, after.rates, strict=True)
        if round(old, 4) != round(new, 4)
    )
    amount = f"{dollars(abs(difference))} a year{_error(error)}"
    if abs(difference) < max(2 * error, 0.5):
        verdict = f"no clear difference: it is {amount}"
    else:
        verdict = f"the last one brought {amount} {'more' if difference > 0 else 'less'}"
    together = " The result is of these changes together." if moved.count(";") else ""
    return (
        f"The last schedule against the one before it: {verdict}. "
        f"Rates that differ: {moved}.{together}"
    )


def rate_differences(current: Float[np.ndarray, " brackets"], trials: Sequence[Trial]) -> list[str]:
    """Return each bracket's rate, in per cent, and how it differs in the best schedule so far."""
    now = [f"the rate is {rate:.4g} %" for rate in current]
    if len(known := records(trials)[:2]) < 2:
        return [f"{rate}." for rate in now]
    best, second = (100 * np.asarray(record.rates, float) for record in known)
    if not is_in_force(known[0], current):
        return [
            f"{rate}, in the best schedule so far {other:.4g} %, a change of "
            f"{_points(other - own)}."
            for rate, own, other in zip(now, current, best, strict=True)
        ]
    mean = _points((best - second).mean())
    return [
        f"{rate}, as in the best schedule so far. From the second best to that it changed by "
        f"{_points(move)}; over all brackets the mean change was {mean}."
        for rate, move in zip(now, best - second, strict=True)
    ]


def trial_lines(trials: Sequence[Trial], shown: int) -> list[str]:
    """Return the best schedules so far and the latest tax years, so many of each, in words."""
    if not trials:
        return ["No tax year has passed yet."]
    lines = ["The best schedules so far, best first:", *map(_record, records(trials)[:shown])]
    return [*lines, "The latest tax years, latest last:", *map(_trial, trials[-shown:])]


def _points(difference: float) -> str:
    return f"{round(difference, 2) + 0.0:+.4g} points"


def _record(record: Record) -> str:
    years = "1 tax year" if record.tax_years == 1 else f"mean of {record.tax_years} tax years"
    result = f"{dollars(record.mean)} a year{_error(record.standard_error)}"
    return f"- rates {per_cent(record.rates)}: result {result}, {years}"


def _trial(trial: Trial) -> str:
    result = f"{dollars(trial.equivalent)} a year{_error(trial.standard_error)}"
    return f"- rates {per_cent(trial.rates)}: result {result}"


def _error(error: float) -> str:
    return f" (standard error {dollars(error)})" if error else ""


def _spread(
    what: str, mean: Float[Array, ""], spread: Float[Array, ""], deciles: Float[Array, " 9"]
) -> str:
    tenths = list(map(dollars, np.asarray(deciles, float).tolist()))
    return (
        f"{what}: mean {dollars(float(mean))}, median {tenths[4]}, standard deviation "
        f"{dollars(float(spread))}; nine deciles {', '.join(tenths)}."
    )
