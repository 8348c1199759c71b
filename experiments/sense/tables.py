"""Scores of answers about taxes, in a table, and what they mean."""

from rich import box
from rich.console import Console
from rich.table import Table

from experiments.sense.command import SenseReport
from llm_policy.sense.draws import KEPT_WHEN_TAXED


def print_sense(found: SenseReport, console: Console) -> None:
    """Print a line for each score, and what the figures mean."""
    title = f"{found.model}, mode {found.mode}: {found.questions:,} questions"
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for name in ("family", "measure", "score, %", "95 % interval", "by chance", "cases", "read"):
        left = name in ("family", "measure")
        table.add_column(name, justify="left" if left else "right", no_wrap=True)
    family = ""
    for each in found.scores:
        table.add_row(
            "" if each.family == family else each.family,
            _NAMES[each.measure],
            f"{100 * each.value:.1f}",
            f"{100 * each.low:.1f} to {100 * each.high:.1f}",
            f"{100 * each.chance:.0f}",
            f"{each.cases:,}",
            f"{each.read:.0%}",
        )
        family = each.family
    console.print(table)
    for remark in (*_LEGEND, *_leaked(found)):
        console.print(remark, markup=False)


_NAMES = {
    "responds": "other hours under much higher taxes",
    "right_direction": "fewer hours under much higher taxes",
    "unmoved": "same hours when another's rate changes",
    "asked_again": "same answer when asked again",
    "other_order": "same answer to another order",
    "other_words": "same answer to other words",
    "tax_due": "tax due",
    "kept_of_more": "what is kept of more income",
    "best_hours": "best hours, utility stated",
    "prefers_progressive": "the progressive tax, in both orders",
    "prefers_flat": "the flat tax, in both orders",
}
_LEGEND = (
    f"Higher taxes leave {KEPT_WHEN_TAXED:.0%} of what a dollar left before, and give back as a "
    "lump sum what they take at 40 hours; another's rate is that of a bracket beyond any offered "
    "hours. An answer that cannot be read fails.",
    "By chance: who answers at random. Intervals are Wilson's, over cases. Preferences are neither "
    "right nor wrong: what is left to 100 % went by place.",
)


def _leaked(found: SenseReport) -> list[str]:
    if found.leaked is None:
        return []
    return [
        f"Answers are the likeliest of the letters; on average {found.leaked:.1%} of the "
        "probability was on none of them."
    ]
