"""Who a question was put to is read from every question that the project puts."""

import jax.numpy as jnp
import numpy as np
import pytest

from econjax import BracketSchedule, Economy, Population, Quasilinear, Utilitarian
from experiments.report.speakers import (
    OTHER,
    PLANNER,
    VOTERS,
    WORKERS,
    KnownWorkers,
    asked_of,
)
from llm_policy.engines.base import Prompt
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.personas.text import writing_prompts
from llm_policy.prompts.election import ElectionRules, stand_questions, vote_questions
from llm_policy.prompts.planner import PlannerStyle, bracket_questions, planner_question
from llm_policy.prompts.segments import joined
from llm_policy.prompts.workers import Style
from llm_policy.workers.context import worst_case
from llm_policy.workers.llm import WRITTEN, LLMWorkers
from llm_policy.workers.society import Society

LAW = BracketSchedule([0.0, 50_000.0], [0.1, 0.3])
STYLE, RULES = PlannerStyle(), ElectionRules(platforms=True)
PERSONAS = ["You are a cook.\nYou rest on Sundays.", "You are a judge.", "You are a cook."]


def asked(scenario="bounded", skill=(500.0, 1000.0, 500.0)):
    """Return all questions of an economy, by whom they are put to and what about."""
    economy = Economy(population=Population(jnp.array(skill)), preferences=Quasilinear(0.25))
    personas = PERSONAS if scenario == "bounded" else None
    engine = ScriptedEngine(lambda prompt: "")
    workers = LLMWorkers(engine, economy, personas, scenario=scenario, style=Style())
    society = Society(workers, Utilitarian())
    situation, memory = worst_case(workers, LAW)
    shared, voters = society.voters_of(situation, memory)
    words = {"rules": RULES, "goal": "Aim high.", "style": STYLE, "economy": shared}
    person = f"{shared}\n{voters[1]}"
    return {
        (WORKERS, "hours"): workers.prompts(situation, memory),
        (WORKERS, "satisfaction"): workers._satisfaction_prompts(
            situation, memory, np.arange(3), WRITTEN
        ),
        (VOTERS, "whether to stand"): joined(stand_questions(LAW, voters, **words)),
        (VOTERS, "vote"): joined(
            vote_questions(LAW, voters, [0, 2], platforms=[(0.1, 0.2)] * 2, past=[None], **words)
        ),
        (PLANNER, "rates"): of_planner(""),
        (PLANNER, "rates, as leader"): of_planner(person),
        (OTHER, "a persona"): writing_prompts(["A cook."]),
        (OTHER, ""): [Prompt("Anything", "else")],
    }


def of_planner(person):
    whole = planner_question(LAW, "Aim high.", [], style=STYLE, person=person)
    return joined([whole, *bracket_questions(LAW, "Aim high.", [], style=STYLE, person=person)])


@pytest.mark.parametrize("scenario", ["bounded", "rational"])
def test_every_question_says_whom_it_was_put_to(scenario):
    for (role, about), prompts in asked(scenario).items():
        for prompt in prompts:
            found = asked_of(prompt)
            assert (found.role, found.about) == (role, about), prompt


def test_workers_are_known_by_skill_and_persona():
    skill = np.array([500.0, 1000.0, 500.0])
    known, blind = KnownWorkers(skill, PERSONAS), KnownWorkers(skill)
    for (role, _), prompts in asked().items():
        if role in (WORKERS, VOTERS):
            people = [asked_of(prompt).person for prompt in prompts]
            assert [known.number(person) for person in people] == [0, 1, 2]
            assert [blind.number(person) for person in people] == [None, 1, None]
    [leader, *_] = asked()[PLANNER, "rates, as leader"]
    assert blind.number(asked_of(leader).person) == 1
