"""Audit a model: what its answers as a worker and as a planner are worth, beside what is noise."""

import contextlib
import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
from rich import box
from rich.console import Console
from rich.table import Table

from econjax import Economy, us_federal
from econjax.planning import RationalEvaluator, hear
from econjax.schedule import BracketSchedule
from experiments.audit.config import AuditConfig
from experiments.core.engines import engine_of
from experiments.report.console import NOTES, mistakes, results
from experiments.report.disclosure import Askers, nature
from llm_policy.audit.planner import Recall, recall
from llm_policy.audit.workers import Distance, Shift, WorkerAudit, audit_workers
from llm_policy.engines.base import Engine
from llm_policy.personas.draw import describe, draw_personas
from llm_policy.planners.text import LLMPlanner
from llm_policy.prompts.welfare import WELFARE
from llm_policy.prompts.workers import Situation, Style
from llm_policy.workers.llm import LLMWorkers
from llm_policy.workers.society import Society


@dataclass(frozen=True)
class Audit:
    """The figures on a model's answers as workers and as a planner, and what `engine` answered."""

    workers: WorkerAudit
    planner: Recall
    engine: dict[str, str | int | float | bool]


def run_audit(config: AuditConfig) -> None:
    """Audit the model and print what is found.

    Raises:
        Mistake: a choice that makes no audit.
        EngineError: the engine cannot answer.
    """
    with mistakes():
        config.check()
    with contextlib.closing(engine_of(config)) as engine, NOTES.status("") as status:
        found = audit(config, engine, status.update)
    if config.json:
        print(json.dumps(dataclasses.asdict(found), indent=2, allow_nan=False))
    else:
        print_audit(found, results())


def audit(
    config: AuditConfig, engine: Engine, on_stage: Callable[[str], Any] = lambda stage: None
) -> Audit:
    """Ask workers after one step of 40 hours under the law, and a planner after one tax year.

    The planner's tax year is that of rational workers under the law.

    Raises:
        ValueError: a choice that makes no audit, or prompts that do not fit into the model's
        context.
        EngineError: the engine cannot answer.
    """
    config.check()
    law, economy = us_federal(config.year, config.status), config.economy()
    on_stage(f"asking {config.size:,} workers in many ways")
    workers = _audit_workers(config, engine, economy, law)
    on_stage("asking the planner in several currencies")
    return Audit(workers, _audit_planner(config, engine, economy, law), engine.describe())


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
)


def _audit_workers(
    config: AuditConfig, engine: Engine, economy: Economy, law: BracketSchedule
) -> WorkerAudit:
    key, personas = jax.random.key(config.seed), None
    if config.scenario == "bounded":
        personas = describe(draw_personas(key, economy.population))
    workers = LLMWorkers(
        engine, economy, personas, scenario=config.scenario, style=Style(mode="choice")
    )
    state = Society(workers, WELFARE[config.welfare].welfare).begin(law)
    situation = Situation(law, 1, {}, state.rebate, "explore")
    return audit_workers(workers, situation, state.memory, samples=config.samples)


def _audit_planner(
    config: AuditConfig, engine: Engine, economy: Economy, law: BracketSchedule
) -> Recall:
    aim = WELFARE[config.welfare]
    planner = LLMPlanner(engine, law, goal=aim.words)
    report = RationalEvaluator(economy, aim.welfare).value(law)
    state = hear(planner, planner.init(jax.random.key(config.seed)), law, report)
    return recall(planner, state, samples=config.samples)


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


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.2f}" if abs(value) >= 10 else f"{value:.4f}"


def _remarks(found: Audit) -> list[str]:
    engine = found.engine
    return [
        *_LEGEND,
        f"{found.workers.workers:,} workers, {found.workers.samples} texts each. Model: "
        f"{engine['model']}, texts at temperature {engine['temperature']:g}, choices scored at 1.",
        *nature(engine, _ASKED).remarks,
    ]
