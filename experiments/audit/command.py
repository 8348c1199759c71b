"""Audit a model: what its answers as a worker and as a planner are worth, beside what is noise."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from baselines.search.uninformed import WalkPlanner
from econjax import Economy
from econjax.planning import RationalEvaluator, hear, plan
from econjax.schedule import BracketSchedule
from experiments.audit.config import AuditConfig
from experiments.audit.tables import Audit, figures
from experiments.core.session import Session
from experiments.report.console import NOTES
from experiments.runs.result import Result
from experiments.runs.rows import Row, welfare_columns
from llm_policy.audit.echoes import echoes
from llm_policy.audit.effects import effects
from llm_policy.audit.orders import (
    OrderEffect,
    ballot_order,
    candidate_order,
    planner_order,
)
from llm_policy.audit.planner import Recall, recall
from llm_policy.audit.workers import (
    WorkersQuestion,
    audit_workers,
)
from llm_policy.elections.democracy import Democracy
from llm_policy.elections.state import Election
from llm_policy.engines.base import Engine
from llm_policy.personas.draw import describe, draw_personas
from llm_policy.planners.choice import ChoicePlanner
from llm_policy.planners.text import LLMPlanner
from llm_policy.prompts.election import ElectionRules
from llm_policy.prompts.planner import PlannerStyle
from llm_policy.prompts.workers import Situation, Style
from llm_policy.workers.llm import LLMWorkers
from llm_policy.workers.society import Society, State


def run_audit(config: AuditConfig, path: Path, session: Session | None) -> Result:
    """Audit the model, with a row for each figure.

    Raises:
        EngineError: the engine cannot answer.
    """
    assert session is not None, "an audit asks a model"
    with NOTES.status("") as status:
        found = audit(config, session.engine, status.update)
    rows = audit_rows(config, found)
    return Result(found, dataclasses.asdict(found), rows, remarks=config.notes())


def audit_rows(config: AuditConfig, found: Audit) -> list[Row]:
    """Return a row for each figure: its name, value, noise floor and unit."""
    model = found.engine["model"]
    first = {"planner_model": model, "worker_model": model}
    first |= welfare_columns(config.aim(config.welfare)) | {"seed": config.seed}
    return [
        first | {"figure": one.name, "value": one.value, "noise_floor": one.floor, "unit": one.unit}
        for one in figures(found)
    ]


def audit(
    config: AuditConfig, engine: Engine, on_stage: Callable[[str], Any] = lambda stage: None
) -> Audit:
    """Ask workers after one step of 40 hours under the law, and a planner after one tax year.

    The planner's tax year is that of rational workers under the law; about letters it is asked
    after each of `_WALKED` of a random walk. The workers vote in elections without platforms.

    Raises:
        ValueError: a choice that makes no audit, or prompts that do not fit into the model's
        context.
        EngineError: the engine cannot answer.
    """
    config.check()
    law, economy = config.status_quo(), config.economy()
    on_stage(f"asking {config.size:,} workers in many ways")
    society, state = society_of(config, engine, economy, law)
    situation = Situation(law, 1, {}, state.rebate, "explore")
    asked = society.workers, situation, state.memory
    workers = audit_workers(*asked, samples=config.samples)
    on_stage("asking the workers one change at a time")
    others = None if config.scenario == "rational" else _strangers(config, engine, economy)
    moved = effects(WorkersQuestion(*asked), others=others, samples=config.samples)
    on_stage("asking the workers with other numbers")
    repeated = echoes(*asked, samples=config.samples)
    on_stage("asking the planner in several currencies")
    recalled = _audit_planner(config, engine, economy, law)
    on_stage("asking voters and the planner in many orders")
    elections = elections_of(config, engine, society, state)
    return Audit(
        workers,
        moved,
        repeated,
        recalled,
        ballot_order(elections),
        candidate_order(elections),
        _audit_letters(config, engine, economy, law),
        engine.describe().asdict(),
    )


def society_of(
    config: AuditConfig, engine: Engine, economy: Economy, law: BracketSchedule
) -> tuple[Society, State]:
    """Return workers who choose, and their state after a step of 40 hours under the law."""
    personas = _personas(config, economy) if config.scenario == "bounded" else None
    workers = LLMWorkers(
        engine,
        economy,
        personas,
        scenario=config.scenario,
        style=_asked(config),
        fixed=config.fixed_hours(economy),
    )
    society = Society(workers, config.aim(config.welfare).welfare)
    return society, society.begin(law)


def elections_of(
    config: AuditConfig, engine: Engine, society: Society, state: State
) -> list[Election]:
    """Let the workers vote, one election after the other, each as if it were the first."""
    law, aim = config.status_quo(), config.aim(config.welfare)
    shared, voters = society.voters(state)
    rules = ElectionRules(candidates=5)
    democracy = Democracy(
        engine,
        law,
        rules=rules,
        goal=aim.words,
        style=_plans(config),
        attempts=1,
        most_unread=1.0,
    )
    elections = []
    for key in jax.random.split(jax.random.key(config.seed), config.elections):
        _, after = democracy.decide(key, democracy.init(key), shared=shared, voters=voters)
        elections += after.elections
    return elections


_WALKED = 4


def _strangers(config: AuditConfig, engine: Engine, economy: Economy) -> LLMWorkers:
    """Return the same workers, each with the persona of the next: of the nearest lower skill."""
    first, *rest = _personas(config, economy)
    fixed = config.fixed_hours(economy)
    return LLMWorkers(engine, economy, [*rest, first], style=_asked(config), fixed=fixed)


def _asked(config: AuditConfig) -> Style:
    return Style(mode="choice", statuses=config.statuses)


def _plans(config: AuditConfig) -> PlannerStyle:
    return PlannerStyle(statuses=config.statuses)


def _personas(config: AuditConfig, economy: Economy) -> list[str]:
    return describe(draw_personas(jax.random.key(config.seed), economy.population))


def _audit_planner(
    config: AuditConfig, engine: Engine, economy: Economy, law: BracketSchedule
) -> Recall:
    aim = config.aim(config.welfare)
    planner = LLMPlanner(engine, law, goal=aim.words, style=_plans(config))
    report = RationalEvaluator(economy, aim.welfare).value(law)
    state = hear(planner, planner.init(jax.random.key(config.seed)), law, report)
    return recall(planner, state, samples=config.samples)


def _audit_letters(
    config: AuditConfig, engine: Engine, economy: Economy, law: BracketSchedule
) -> OrderEffect:
    """Ask the planner after each tax year of a walk that it does not choose."""
    aim, key = config.aim(config.welfare), jax.random.key(config.seed)
    walked = plan(key, WalkPlanner(law), RationalEvaluator(economy, aim.welfare), steps=_WALKED)
    planner = ChoicePlanner(engine, law, goal=aim.words, style=_plans(config))
    states = [planner.init(key)]
    for schedule, report in zip(walked.schedules, walked.reports, strict=True):
        states.append(planner.tell(states[-1], schedule, report))
    return planner_order(np.random.default_rng(config.seed), planner, states[1:])
