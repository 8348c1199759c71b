"""The contest of planners among workers whose formula is known."""

import json
import re

import jax
import numpy as np
import pytest

from baselines.gradient.trust_region import TriedSchedule
from econjax import Atkinson, BracketSchedule, us_federal
from experiments.contest.config import ContestConfig
from experiments.contest.run import ENTRANTS, SURROGATE, compete
from experiments.contest.tables import contest_table
from experiments.core.economy import EconomyConfig
from experiments.core.registry import REGISTRY, surrogate_planner
from llm_policy.formula.policy import taught_workers
from llm_policy.personas.draw import draw_personas
from llm_policy.surrogate.refit import SurrogateRefit
from llm_policy.workers.evaluator import ModelEvaluator
from llm_policy.workers.society import Society

LAW = us_federal(2024)
RANDOM = REGISTRY["random"].name
KEY = jax.random.key(0)
SMALL = ContestConfig(workers="formula", agents=30, evaluations=4, seeds=3, welfare=("atkinson",))


def workers():
    economy = EconomyConfig(agents=SMALL.agents).economy()
    return taught_workers(economy, draw_personas(KEY, economy.population))


@pytest.fixture(scope="module")
def rows():
    return {row.planner: row for row in compete(None, SMALL)}


def test_workers_may_be_drawn_from_archetypes(brief_fits):
    config = ContestConfig(
        workers="formula", agents=200, archetypes=16, evaluations=2, seeds=2, welfare=("atkinson",)
    )
    config.check()
    with brief_fits():
        surrogate, law = compete(None, config, entrants=[SURROGATE, REGISTRY["federal"]])
    assert surrogate.queries == 2 * law.queries
    assert law.queries <= 16
    assert "16 archetypes at most" in " ".join(config.notes())
    assert config.questions < ContestConfig(workers="formula", agents=200).questions
    with pytest.raises(ValueError, match="of 16 --agents ask each: leave out --archetypes"):
        ContestConfig(agents=16, archetypes=16).check()


@pytest.mark.long
def test_everyone_gets_the_same_number_of_answers(rows):
    assert rows[SURROGATE.name].queries == rows[RANDOM].queries == SMALL.agents * SMALL.evaluations
    assert rows["US federal"].queries == SMALL.agents
    assert all(row.proposals == 0 for row in rows.values())


@pytest.mark.long
def test_the_surrogate_planner_beats_random_search_and_the_law(rows):
    assert rows[SURROGATE.name].beaten is None
    assert rows["US federal"].beaten
    lead = rows[RANDOM].lead
    own, other = (np.array(rows[name].equivalents) for name in (SURROGATE.name, RANDOM))
    assert lead.value == pytest.approx((own - other).mean(), rel=1e-6)
    assert lead.value > 0
    assert rows[RANDOM].beaten == (lead.low > 0)


@pytest.mark.long
def test_the_table_names_everyone(rows):
    table = contest_table(list(rows.values()), "title")
    assert table.row_count == sum(not entry.is_model for entry in ENTRANTS)


def test_a_contest_needs_the_surrogate_planner_and_two_seeds():
    with pytest.raises(ValueError, match="two seeds"):
        compete(None, ContestConfig(seeds=1))
    with pytest.raises(ValueError, match="entrant"):
        compete(None, SMALL, entrants=[REGISTRY["federal"]])


def test_trials_are_the_tax_years_that_were_recorded():
    some = workers()
    planner = surrogate_planner(LAW, some, Atkinson(1.0), steps=1)
    report = ModelEvaluator(Society(some, Atkinson(1.0)), steps=1, key=KEY).value(LAW)
    other = BracketSchedule(LAW.thresholds, 0.5 * LAW.rates)
    refit: SurrogateRefit = planner.refit
    for trials in ([TriedSchedule(other, report)], [TriedSchedule(LAW, report)] * 2):
        with pytest.raises(ValueError, match="tax years recorded"):
            refit(KEY, trials, None)


@pytest.mark.long
def test_the_belief_predicts_a_known_year_and_its_gradient():
    """At the schedule it has heard of, the surrogate forecasts what answers there are worth."""
    some = workers()
    planner = surrogate_planner(LAW, some, Atkinson(1.0), steps=1)
    report = ModelEvaluator(Society(some, Atkinson(1.0)), steps=1, key=KEY).value(LAW)
    model = planner.tell(planner.init(KEY), LAW, report).model
    value, gradient = model.predict(LAW)
    assert float(value) == pytest.approx(model.values[0], rel=0.02)
    assert gradient.shape == LAW.rates.shape
    step, way = 0.01, np.asarray(gradient) / np.linalg.norm(gradient)
    ahead, behind = (
        float(model.predict(BracketSchedule(LAW.thresholds, LAW.rates + by * way))[0])
        for by in (step, -step)
    )
    assert (ahead - behind) / (2 * step) == pytest.approx(float(np.linalg.norm(gradient)), rel=0.05)


def test_the_command_prints_a_table_and_json(econjax, improviser, brief_fits, play, runs):
    play(improviser())
    options = [
        "contest",
        "--runs",
        runs,
        "--agents",
        6,
        "--evaluations",
        2,
        "--seeds",
        2,
        "--welfare",
        "atkinson",
    ]
    with brief_fits():
        ran, listed = econjax(*options), econjax(*options, "--json")
    assert ran.code == 0, ran.err
    assert all(entry.name in ran.out for entry in ENTRANTS)
    assert "Atkinson, aversion 1, seed 1, language model" in ran.err
    read, asked = re.search(r"Answers understood: ([\d,]+) of ([\d,]+)\.\n", ran.out).groups()
    assert read == asked
    rows = {row["planner"]: row for row in json.loads(listed.out)}
    assert {row["queries"] for name, row in rows.items() if name != "US federal"} == {2 * 6}
    # the first year is under the law, which has 7 brackets, each asked with 5 orders of letters
    assert rows["language model"]["proposals"] == 5 * 7


def test_bad_choices_are_told_in_one_line(econjax, assert_told):
    assert_told(econjax("contest", "--seeds", 1), "seeds", 1)
    assert_told(econjax("contest", "--elasticity", -1), "elasticity", -1)
