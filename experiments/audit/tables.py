"""An audit in a table: a line for each figure, and what the figures mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from experiments.report.disclosure import Askers, nature
from llm_policy.audit.distance import Distance
from llm_policy.audit.echoes import Echo
from llm_policy.audit.effects import Effect, Effects, TaxResponse
from llm_policy.audit.orders import OrderEffect
from llm_policy.audit.planner import Recall
from llm_policy.audit.workers import Shift, WorkerAudit
from llm_policy.engines.base import EngineInfo


@dataclass(frozen=True)
class Audit:
    """The figures on a model's answers, and what `engine` answered.

    `effects` are of one change of the workers' question at a time, `echoes` of workers' texts,
    `ballots` of votes by place in each voter's own list and `candidates` by place in the list of
    candidates, `letters` of a planner's answers by letter.
    """

    workers: WorkerAudit
    effects: Effects
    echoes: tuple[Echo, ...]
    planner: Recall
    ballots: OrderEffect
    candidates: OrderEffect
    letters: OrderEffect
    engine: dict[str, str | int | float | bool]


def print_audit(found: Audit, console: Console) -> None:
    """Print a line for each figure, and what the figures mean."""
    table = Table(box=box.SIMPLE_HEAD)
    for title in ("figure", "value", "noise floor", "unit"):
        number = title in ("value", "noise floor")
        table.add_column(title, justify="right" if number else "left", no_wrap=number)
    for line in figures(found):
        table.add_row(line.name, _number(line.value), _number(line.floor), line.unit)
    console.print(table)
    for remark in _remarks(found):
        console.print(remark)


class AuditFigure(NamedTuple):
    """A figure and its noise floor: None where nothing could be read or there is no floor."""

    name: str
    value: float | None
    floor: float | None
    unit: str


def figures(found: Audit) -> list[AuditFigure]:
    """Return the figures of an audit in the order of the table."""
    workers, planner = found.workers, found.planner
    shifts = (
        ("options listed in reverse", workers.reverse),
        ("letters instead of numbers", workers.letters),
        ("the question in other words", workers.phrasing),
        ("money in another currency", workers.renamed),
    )
    return [
        AuditFigure("texts that could not be read", workers.unreadable, None, _SHARE),
        AuditFigure("workers about whose options nothing is known", workers.unknown, None, _SHARE),
        AuditFigure("probability on no option, mean", workers.leaked_mean, None, _SHARE),
        AuditFigure("probability on no option, largest", workers.leaked_max, None, _SHARE),
        AuditFigure("texts against choices", workers.disagreement, workers.noise_floor, _VARIATION),
        AuditFigure("mean hours of choices", workers.choice_hours, None, _HOURS),
        AuditFigure("mean hours of texts", workers.text_hours, None, _HOURS),
        *(line for name, shift in shifts for line in _shift_lines(name, shift, workers.again)),
        *_effect_lines("choices", found.effects.choices, found.effects.choice_response),
        *_effect_lines("texts", found.effects.texts, found.effects.text_response),
        *_distance_lines("choices", workers.choice_distance),
        *_distance_lines("texts", workers.text_distance),
        AuditFigure("planner's texts that could not be read", planner.unreadable, None, _SHARE),
        AuditFigure(
            "planner in another currency: change of a rate",
            planner.shift,
            planner.shift_floor,
            "percentage points",
        ),
        AuditFigure(
            "planner in another currency: same commonest answer",
            planner.same,
            planner.same_floor,
            "share of askings",
        ),
        *(line for echo in found.echoes for line in _echo_lines(echo)),
        *_order_lines("votes for the first of the list", found.ballots),
        *_order_lines("votes for the first candidate", found.candidates),
        *_order_lines("planner's answers that are the first letter", found.letters),
    ]


_ASKED: Askers = {"workers": "choice", "planner": "text", "voters": "text"}
_SHARE, _VARIATION, _HOURS = "share", "total variation, 0 to 1", "hours a week"
_LEGEND = (
    "Total variation: half the sum of absolute differences of the options' probabilities, mean "
    "over workers. The noise floor of texts is what as many draws from the choices would show; "
    "that of other wordings, and of the planner, is the same question asked again.",
    "Best: each worker's exact best response at the law and the last rebate. A planner who "
    "remembers nothing about dollars changes rates alike in every currency, within the noise "
    "floor.",
    "Texts that repeat a number: its noise floor is the share that say it where the prompt shows "
    "another, 3 higher. Places: the floor is equal shares; a small p-value says that places count.",
)


def _effect_lines(kind: str, found: Sequence[Effect], response: TaxResponse) -> list[AuditFigure]:
    """Return how far each change moves hours, above the noise, and how they respond to taxes."""
    lines = [
        AuditFigure(
            f"{kind}: hours moved by another {effect.name}",
            effect.size,
            None,
            f"hours a week ({effect.size_low:.2f} to {effect.size_high:.2f}); mean "
            f"{effect.hours:+.2f} ± {effect.hours_error:.2f}",
        )
        for effect in found
        if effect.size is not None
    ]
    if response.elasticity is not None:
        unit = f"± {response.standard_error:.3f}; best hours: {response.best:.3f}"
        name = f"{kind}: elasticity to the net-of-tax rate"
        lines.append(AuditFigure(name, response.elasticity, None, unit))
    return lines


def _echo_lines(echo: Echo) -> list[AuditFigure]:
    """Return what is said of one kind of number: nothing where no prompt shows any."""
    if echo.difference is None:
        return []
    name = f"texts that repeat one {echo.kind} of the prompt"
    error = "-" if echo.standard_error is None else f"{echo.standard_error:.4f}"
    return [
        AuditFigure(name, echo.shown, echo.hidden, _SHARE),
        AuditFigure(f"{name}: above the floor", echo.difference, None, f"standard error {error}"),
    ]


def _order_lines(name: str, effect: OrderEffect) -> list[AuditFigure]:
    if effect.p_value is None:
        return []
    return [
        AuditFigure(name, effect.shares[0], effect.expected[0], _SHARE),
        AuditFigure(f"{name}: no effect of places", effect.p_value, None, "p-value, chi-squared"),
    ]


def _shares(name: str, effect: OrderEffect) -> list[str]:
    if effect.statistic is None:
        return [f"{name}: no answer could be read."]
    shares = " ".join(f"{100 * share:.0f}" for share in effect.shares)
    return [
        f"{name}, % by place: {shares} (of {effect.answers:,}; chi-squared {effect.statistic:.1f})."
    ]


def _shift_lines(name: str, shift: Shift | None, again: Shift) -> list[AuditFigure]:
    if shift is None:
        return []
    return [
        AuditFigure(name, shift.total_variation, again.total_variation, _VARIATION),
        AuditFigure(f"{name}: change of mean hours", shift.hours, again.hours, _HOURS),
    ]


def _distance_lines(name: str, distance: Distance) -> list[AuditFigure]:
    return [
        AuditFigure(f"{name} from the best hours", distance.hours, None, _HOURS),
        AuditFigure(f"{name}: utility lost", distance.dollars, None, "dollars a year per worker"),
    ]


def _nothing_chosen(workers: WorkerAudit) -> list[str]:
    """Return why texts were not compared with choices, where nobody chose."""
    if workers.unknown < 1:
        return []
    return [
        f"Texts could not be compared with choices: of every worker the model puts "
        f"{workers.leaked_mean:.0%} of its probability on none of the options, which is no answer. "
        "Let it write: --mode text, which auto takes."
    ]


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.2f}" if abs(value) >= 10 else f"{value:.4f}"


def _remarks(found: Audit) -> list[str]:
    engine = found.engine
    return [
        *_LEGEND,
        *_nothing_chosen(found.workers),
        *_shares("Votes, each voter with a list of its own", found.ballots),
        *_shares("A planner's letters, each asked for every change", found.letters),
        f"{found.workers.workers:,} workers, {found.workers.samples} texts each. Model: "
        f"{engine['model']}, texts at temperature {engine['temperature']:g}, choices scored at 1.",
        *nature(EngineInfo.of(engine), _ASKED).remarks,
    ]
