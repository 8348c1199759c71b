"""What a search for the optimum found, line by line."""

from collections.abc import Sequence

from rich.console import Console

from experiments.optimum.models import Candidate, ModelOptimum, Search
from experiments.optimum.run import Optimum
from experiments.report.rates import rates_text


def print_optimum(lines: Sequence[str], console: Console) -> None:
    """Print what was found."""
    for line in lines:
        console.print(line)


def lines_of(found: Optimum) -> list[str]:
    """Return the schedule, and a line for each method and check."""
    rates = rates_text(found.rates)
    spent = {
        name: f"{counts['gradient']:,} gradients and {counts['value']:,} values"
        for name, counts in (("climb", found.gradient_counts), ("search", found.search_counts))
    }
    steepest = max(range(len(found.slopes)), key=lambda j: abs(found.slopes[j]))
    lines = [
        ("best found", f"${found.equivalent:,.2f} at {rates} %, rebate ${found.rebate:,.2f}"),
        (
            "status quo",
            f"${found.status_quo:,.2f}, ${found.equivalent - found.status_quo:,.2f} short",
        ),
        (
            "by gradients",
            f"${found.gradients:,.2f}, from five starts, then a simplex: {spent['climb']}",
        ),
        (
            "without gradients",
            f"${found.search:,.2f}, differential evolution, then a simplex: {spent['search']}",
        ),
        ("they differ by", f"${abs(found.gradients - found.search):,.4f}"),
        (
            "first-order conditions",
            f"one point of a rate changes the equivalent by ${abs(found.slopes[steepest]):.3f} at "
            f"most, in bracket {steepest + 1}, where {found.share[steepest]:.2%} of people are",
        ),
        ("upper bound", _bound_line(found)),
    ]
    return [f"{name:<24}{text}" for name, text in lines]


def _bound_line(found: Optimum) -> str:
    if found.bound is None:
        return f"none: {found.no_bound}"
    gap = found.bound - found.equivalent
    verdict = "certified" if gap < 1e-6 * found.bound else "not certified"
    return (
        f"${found.bound:,.2f}: no schedule of any form brings these workers more (finite-type "
        f"Mirrlees). The best found is within ${gap:,.2f} ({gap / found.bound:.3%}) of it: "
        f"{verdict}."
    )


def lines_of_models(found: ModelOptimum, search: Search, agents: int) -> list[str]:
    """Return the best schedule with its band, and how far the others are behind."""
    best, years = found.candidates[0], search.tries + search.climbs
    first = (
        f"{'best found':<38} ${best.mean:,.2f} (95 % band ${found.band.low:,.2f} to "
        f"${found.band.high:,.2f}) at {_rates(best)} %: {best.name}"
    )
    others = [
        f"{candidate.name:<38} ${gap.value:,.2f} behind ({gap.low:,.2f} to "
        f"{gap.high:,.2f}{'' if gap.low > 0 else ', not told apart'}) at {_rates(candidate)} %"
        for candidate, gap in zip(found.candidates[1:], found.behind, strict=True)
    ]
    last = (
        f"{agents:,} language models as workers; {years} tax years of {search.steps} steps to "
        f"search, {search.checks} more for each candidate; {found.answers:,} answers. The best "
        "found, not the best that exists: no bound is known for workers who are no formula."
    )
    return [first, *others, last]


def _rates(candidate: Candidate) -> str:
    return rates_text(candidate.rates)
