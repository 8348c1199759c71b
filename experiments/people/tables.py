"""Workers beside people, in a table: a line for each moment, and what it means."""

from rich import box
from rich.console import Console
from rich.table import Table

from experiments.people.found import PeopleCertificate, PeopleLine
from llm_policy.moments.kinks import ABOVE, BELOW, KINKS
from llm_policy.moments.measure import ALL, HIGH_INCOME, KEPT, LUMP_SUM
from llm_policy.moments.published import PublishedMoment
from llm_policy.moments.votes import RISE


def print_certificate(found: PeopleCertificate, console: Console) -> None:
    """Print a line for each moment, and what the figures mean."""
    table = Table(
        title=f"{found.who}, mode {found.mode}", box=box.SIMPLE_HEAD, title_justify="left"
    )
    corrected = _CORRECTED if found.fit else ()
    for title in ("moment", "of", *_FIGURES, *corrected):
        word = title in ("moment", "of", "verdict", "then")
        table.add_column(title, justify="left" if word else "right", no_wrap=True)
    for line in found.lines:
        table.add_row(*_cells(line), *(_after(line) if found.fit else ()))
    console.print(table)
    for remark in (*_unvoted(found), *_correction(found), *_LEGEND, *_sources(found)):
        console.print(remark, markup=False)


_FIGURES = ("workers", "99 % interval", "other ways", "best", "people", "their range", "verdict")
_CORRECTED = ("corrected", "99 %", "then")
_NAMES = {
    "hours_1_34": "at work 1 to 34 hours, %",
    "hours_35_39": "at work 35 to 39 hours, %",
    "hours_40": "at work 40 hours, %",
    "hours_41_48": "at work 41 to 48 hours, %",
    "hours_49_59": "at work 49 to 59 hours, %",
    "hours_60": "at work 60 hours and more, %",
    "mean_hours": "mean hours at work",
    "hours": "elasticity of hours at work",
    "hicksian_hours": "the same, compensated",
    "at_work": "who works at all, %",
    "participation": "elasticity of working at all",
    "income": "elasticity of income",
    "propensity_to_earn": "earned more for a dollar given",
    "bunching": "elasticity by bunching at a kink",
    "in_favor": "for higher top rates, %",
    "fairness_effect": "the argument of fairness, points",
    "efficiency_effect": "the argument of efficiency, points",
}
_LEGEND = (
    f"Elasticities are to what is kept of a dollar, which falls to {KEPT:.0%}; earned more for a "
    f"dollar given: of ${LUMP_SUM:,.0f} a year beside work. best: the same people at their best "
    "hours. other ways: the least and the greatest value where the same question is asked in other "
    "words, with the options in reverse, with a memory of 40 hours (but for votes), and, of a "
    "model, in crowns.",
    f"Bunching: everybody is asked without a kink and at {KINKS} kinks near its own income, where "
    f"the rate rises from {BELOW:.0%} to {ABOVE:.0%}, and reads for whom it works. Votes: for the "
    f"law or for {100 * RISE:.0f} points more on incomes from ${HIGH_INCOME:,.0f} on, paid back in "
    "equal shares; everybody reads what it would keep. An argument says that this is fair, or what "
    "it costs; points are percentage points, of the same voters.",
    "Who chooses has 0, 10, ... 100 hours to choose from: 50 stands for 45 to 54. agrees: the "
    "workers' interval overlaps what is published, its range if it has one, and reaches no further "
    "beyond it than half of the value; undecided: it overlaps and reaches further, so ask more "
    "workers. Intervals are over workers. - : no option is such hours, too few were read, or "
    "nothing is published.",
    "Participation, hours and income are of people in one week and year of an economy without "
    "savings, families or fixed jobs, where people's are of panels and cross sections: a verdict "
    "says how far workers are from people, not why.",
)


def _cells(line: PeopleLine) -> tuple[str, ...]:
    estimate, people = line.estimate, line.published
    between = None if estimate.low is None else (estimate.low, estimate.high)
    return (
        _NAMES[line.moment],
        "" if line.group == ALL else line.group,
        _number(estimate.value),
        _range(between),
        _range(line.spread),
        _number(line.best),
        *(("-", "-") if people is None else _published(people)),
        line.verdict,
    )


def _after(line: PeopleLine) -> tuple[str, ...]:
    if line.corrected is None or line.corrected.low is None:
        return "-", "-", line.then
    after = line.corrected
    return _number(after.value), _range((after.low, after.high)), line.then


def _unvoted(found: PeopleCertificate) -> list[str]:
    return [f"WARNING, no votes: {found.unvoted}"] if found.unvoted else []


def _correction(found: PeopleCertificate) -> list[str]:
    """Return what a correction was fitted to, or why there is none."""
    if found.refused:
        return [f"WARNING, no correction: {found.refused}"]
    if not found.fit:
        return []
    fitted = ", ".join(f"{_NAMES[name]} {value:g}" for name, value in found.fit["targets"].items())
    return [
        f"corrected: answers tilted as little as possible to have {fitted}; all other moments were "
        f"held out. {found.fit['left']:.0%} of the answers is left (1 over the sum of squared "
        "probabilities after by those before). Intervals take the correction as given."
    ]


def _published(people: PublishedMoment) -> tuple[str, str]:
    low, high = people.low, people.high
    value = "-" if people.value is None else f"{people.value:g}"
    if low is None or high is None:
        return value, "-" if high is None else f"at most {high:g}"
    return value, f"{low:g} to {high:g}"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if abs(value) >= 10 else f"{round(value, 3) + 0.0:.3f}"


def _range(ends: tuple[float | None, float | None] | None) -> str:
    return "-" if ends is None else f"{_number(ends[0])} to {_number(ends[1])}"


def _sources(found: PeopleCertificate) -> list[str]:
    """Return the sources of what is published, each once."""
    rows = [line.published for line in found.lines if line.published is not None]
    said = (r.source if r.year is None else f"{r.source}, {r.year}" for r in rows)
    return [f"People: {source}." for source in dict.fromkeys(said)]
