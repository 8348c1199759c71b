"""Audit a model: what its answers as a worker and as a planner are worth, beside what is noise."""

import contextlib
import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from baselines.search.uninformed import WalkPlanner
from econjax import Economy
from econjax.planning import RationalEvaluator, hear, plan
from econjax.schedule import BracketSchedule
from experiments.audit.config import AuditConfig
from experiments.core.engines import engine_of, spoken
from experiments.report.console import NOTES, mistakes, results
from experiments.report.disclosure import Askers, nature
from llm_policy.audit.echoes import Echo, echoes
from llm_policy.audit.orders import OrderEffect, ballot_order, planner_order
from llm_policy.audit.planner import Recall, recall
from llm_policy.audit.workers import Distance, Shift, WorkerAudit, audit_workers
from llm_policy.elections.democracy import Democracy
from llm_policy.engines.base import Engine
from llm_policy.personas.draw import describe, draw_personas
from llm_policy.planners.choice import ChoicePlanner
from llm_policy.planners.text import LLMPlanner
from llm_policy.prompts.election import ElectionRules
from llm_policy.prompts.workers import Situation, Style
from llm_policy.workers.llm import LLMWorkers
from llm_policy.workers.society import Society, State


@dataclass(frozen=True)
class Audit:
    """The figures on a model's answers, and what `engine` answered.

    `echoes` are of workers' texts, `ballots` of votes by place in each voter's own list, `letters`
    of a planner's answers by letter.
    """

    workers: WorkerAudit
    echoes: tuple[Echo, ...]
    planner: Recall
    ballots: OrderEffect
    letters: OrderEffect
    engine: dict[str, str | int | float | bool]


def run_audit(config: AuditConfig) -> None:
    """Audit the model and print what is found.

    Raises:
        Mistake: a choice that makes no audit.
        EngineError: the engine cannot answer.
    """
    with mistakes():
        config.check()
    with (
        contextlib.closing(spoken(engine_of(config), config)) as engine,
        NOTES.status("") as status,
    ):
        found = audit(config, engine, status.update)
    if config.json:
        print(json.dumps(dataclasses.asdict(found), indent=2, allow_nan=False))
    else:
        print_audit(found, results(config))


def audit(
    config: AuditConfig, engine: Engine, on_stage: Callable[[str], Any] = lambda stage: None
) -> Audit:
    """Ask workers after one step of 40 hours under the law, and a planner after one tax year.

    The planner's tax year is that of rational workers under the law; about letters it is asked
    after each of `YEARS` of a random walk. The workers vote in `ELECTIONS`, without platforms.

    Raises:
        ValueError: a choice that makes no audit, or prompts that do not fit into the model's
        context.
        EngineError: the engine cannot answer.
    """
    config.check()
    law, economy = config.status_quo(), config.economy()
    on_stage(f"asking {config.size:,} workers in many ways")
    society, state = _society(config, engine, economy, law)
    situation = Situation(law, 1, {}, state.rebate, "explore")
    asked = society.workers, situation, state.memory
    workers = audit_workers(*asked, samples=config.samples)
    on_stage("asking the workers with other numbers")
    repeated = echoes(*asked, samples=config.samples)
    on_stage("asking the planner in several currencies")
    recalled = _audit_planner(config, engine, economy, law)
    on_stage("asking voters and the planner in many orders")
    return Audit(
        workers,
        repeated,
        recalled,
        _audit_ballots(config, engine, society, state),
        _audit_letters(config, engine, economy, law),
        engine.describe(),
    )


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
        *(line for echo in found.echoes for line in _echo_lines(echo)),
        *_order_lines("votes for the first of the list", found.ballots),
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
YEARS, ELECTIONS = 4, 4


def _society(
    config: AuditConfig, engine: Engine, economy: Economy, law: BracketSchedule
) -> tuple[Society, State]:
    """Return workers who choose, and their state after a step of 40 hours under the law."""
    key, personas = jax.random.key(config.seed), None
    if config.scenario == "bounded":
        personas = describe(draw_personas(key, economy.population))
    workers = LLMWorkers(
        engine, economy, personas, scenario=config.scenario, style=Style(mode="choice")
    )
    society = Society(workers, config.aim(config.welfare).welfare)
    return society, society.begin(law)


def _audit_planner(
    config: AuditConfig, engine: Engine, economy: Economy, law: BracketSchedule
) -> Recall:
    aim = config.aim(config.welfare)
    planner = LLMPlanner(engine, law, goal=aim.words)
    report = RationalEvaluator(economy, aim.welfare).value(law)
    state = hear(planner, planner.init(jax.random.key(config.seed)), law, report)
    return recall(planner, state, samples=config.samples)


def _audit_ballots(
    config: AuditConfig, engine: Engine, society: Society, state: State
) -> OrderEffect:
    """Let the workers vote, one election after the other, each as if it were the first."""
    law, aim = config.status_quo(), config.aim(config.welfare)
    shared, voters = society.voters(state)
    rules = ElectionRules(candidates=5)
    democracy = Democracy(engine, law, rules=rules, goal=aim.words, attempts=1, most_unread=1.0)
    elections = []
    for key in jax.random.split(jax.random.key(config.seed), ELECTIONS):
        _, after = democracy.decide(key, democracy.init(key), shared=shared, voters=voters)
        elections += after.elections
    return ballot_order(elections)


def _audit_letters(
    config: AuditConfig, engine: Engine, economy: Economy, law: BracketSchedule
) -> OrderEffect:
    """Ask the planner after each tax year of a walk that it does not choose."""
    aim, key = config.aim(config.welfare), jax.random.key(config.seed)
    walked = plan(key, WalkPlanner(law), RationalEvaluator(economy, aim.welfare), steps=YEARS)
    planner = ChoicePlanner(engine, law, goal=aim.words)
    states = [planner.init(key)]
    for schedule, report in zip(walked.schedules, walked.reports, strict=True):
        states.append(planner.tell(states[-1], schedule, report))
    return planner_order(np.random.default_rng(config.seed), planner, states[1:])


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


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.2f}" if abs(value) >= 10 else f"{value:.4f}"


def _remarks(found: Audit) -> list[str]:
    engine = found.engine
    return [
        *_LEGEND,
        *_shares("Votes, each voter with a list of its own", found.ballots),
        *_shares("A planner's letters, each asked for every change", found.letters),
        f"{found.workers.workers:,} workers, {found.workers.samples} texts each. Model: "
        f"{engine['model']}, texts at temperature {engine['temperature']:g}, choices scored at 1.",
        *nature(engine, _ASKED).remarks,
    ]
