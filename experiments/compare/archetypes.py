"""What stands below a table whose workers were drawn from archetypes."""

from typing import Any, NamedTuple

from llm_policy.archetypes.certificate import BiasCertificate, Gap, Inferred
from llm_policy.archetypes.nodes import HeldOutError


class StandIn(NamedTuple):
    """How many archetypes, in how many cells; hours drawn from them for a table; what they err by.

    `calls` counts what they were asked since the run began, to choose them too, `a_second` the
    `decisions`. The `certificate` is of a tax year under the schedule of the `planner`; None if
    nobody was audited.
    """

    archetypes: int
    cells: int
    calls: int
    held_out: HeldOutError
    planner: str
    decisions: int
    a_second: float
    certificate: BiasCertificate | None = None


def stand_in_lines(stand_in: StandIn) -> list[str]:
    """Return the lines, for people."""
    held = stand_in.held_out
    lines = [
        f"{stand_in.archetypes:,} archetypes in {stand_in.cells:,} cells of like personas "
        f"were asked {stand_in.calls:,} times so far, to choose them too; {stand_in.decisions:,} "
        f"decisions were drawn for this table, {stand_in.a_second:,.0f} a second. Between two "
        f"skills, {held.asked:,} of the answers that were held out lie {held.mean:.4f} bits from "
        f"the interpolated ones (Jensen-Shannon, by weight), {held.worst:.4f} at most."
    ]
    found = stand_in.certificate
    if found is None:
        return lines
    divergence, variation = found.sampling
    welfare = "" if found.welfare is None else f", the equivalent ${_more(found.welfare, ',.0f')}"
    return [
        *lines,
        f"Certificate, under the schedule of {stand_in.planner}: {found.asked:,} workers asked one "
        f"by one ({found.calls:,} calls). Hours of all lie {_gap(found.total)} from theirs; of "
        f"this, personas within a cell {_gap(found.persons)}, interpolation "
        f"{_gap(found.skills)}, drawing {divergence:.5f} bits ({variation:.2%} of workers). Asking "
        f"everybody would change mean hours by {_more(found.labor, '.2f')}, income by "
        f"${_more(found.income, ',.0f')}, revenue by ${_more(found.revenue, ',.0f')}{welfare} "
        "(95 % intervals).",
    ]


def as_dict(stand_in: StandIn) -> dict[str, Any]:
    """Return the figures, ready for JSON."""
    found = stand_in.certificate
    figures: dict[str, Any] = stand_in._asdict() | {"held_out": stand_in.held_out._asdict()}
    if found is not None:
        parts = {name: _gap_dict(getattr(found, name)) for name in ("total", "persons", "skills")}
        means = ("labor", "income", "revenue", "welfare")
        more = {name: one and one._asdict() for name in means for one in [getattr(found, name)]}
        hours = {name: getattr(found, name).tolist() for name in ("hours", "corrected")}
        sampling = dict(zip(("divergence", "variation"), found.sampling, strict=True))
        counts = {"asked": found.asked, "calls": found.calls, "equivalent": found.equivalent}
        figures["certificate"] = counts | parts | {"sampling": sampling} | more | hours
    return figures


def _gap_dict(gap: Gap) -> dict[str, Any]:
    return {name: one._asdict() for name, one in gap._asdict().items()}


def _gap(gap: Gap) -> str:
    bits, share = gap
    return (
        f"{bits.value:.5f} bits ({bits.low:.5f} to {bits.high:.5f}; "
        f"{share.value:.2%} of workers, {share.low:.2%} to {share.high:.2%})"
    )


def _more(estimate: Inferred, form: str) -> str:
    value, low, high = (format(number, form) for number in estimate)
    return f"{value} ({low} to {high})"
