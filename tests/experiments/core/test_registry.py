"""Planners by name."""

import math
from dataclasses import replace

import jax
import numpy as np
import pytest

from baselines.learned.neural import AmortisedPlanner
from baselines.learned.training import TrainingOptions
from econjax import us_federal
from econjax.bounds import RateBounds
from econjax.planning import OBSERVATIONS, hear, plan
from experiments.core import registry as roster
from experiments.core.registry import REGISTRY, PlanningContext, language_model
from llm_policy.planners.choice import ChoicePlanner
from llm_policy.planners.text import LLMPlanner
from llm_policy.prompts.welfare import WELFARE
from tests.helpers.valued import Valued, bowl

LAW = us_federal(2024)


def setting(aim="rawlsian", **more):
    return PlanningContext(law=LAW, elasticity=0.25, engine=None, aim=WELFARE[aim], **more)


@pytest.fixture
def brief_training(monkeypatch):
    monkeypatch.setattr(
        roster, "_TRAINING", TrainingOptions(steps=2, batch=2, populations=4, agents=40, width=8)
    )
    roster._trained.cache_clear()
    yield
    roster._trained.cache_clear()


def test_a_network_is_trained_once_for_a_law_and_hears_how_averse_welfare_is(brief_training):
    averse = {aim: REGISTRY["amortised"].planner(setting(aim)) for aim in WELFARE}
    assert all(isinstance(planner, AmortisedPlanner) for planner in averse.values())
    assert len({id(planner.network) for planner in averse.values()}) == 1
    found = {aim: planner.aversion for aim, planner in averse.items()}
    assert found == {"atkinson": 1.0, "rawlsian": math.inf, "utilitarian": 0.5}
    np.testing.assert_array_equal(averse["rawlsian"].network.law.rates, LAW.rates)
    assert REGISTRY["amortised"].training == 3000 * 48


def test_a_model_plans_as_the_mode_says(improviser):
    for mode, kind in {"choice": ChoicePlanner, "text": LLMPlanner}.items():
        assert isinstance(language_model(replace(setting(mode=mode), engine=improviser())), kind)
    with pytest.raises(ValueError, match="needs an engine"):
        language_model(setting())


def test_a_surrogate_needs_workers_who_are_recorded():
    with pytest.raises(ValueError, match="there are none"):
        REGISTRY["surrogate"].planner(setting())


NAMES = [name for name, spec in REGISTRY.items() if not spec.needs_models]


@pytest.mark.parametrize("name", [name for name in NAMES if REGISTRY[name].evaluations != 1])
def test_every_proposal_lies_within_the_bounds_of_the_problem(brief_training, improviser, name):
    bounds = RateBounds(0.15, 0.45)
    context = replace(setting(bounds=bounds, evaluations=12), engine=improviser())
    evaluate = Valued(bowl(np.array([0.9, 0.0, 0.3, 0.9, 0.0, 0.6, 0.9])))
    planner = REGISTRY[name].planner(context)
    found = plan(jax.random.key(0), planner, evaluate, steps=12)
    tried = [s for s in found.schedules if not np.array_equal(s.rates, LAW.rates)]
    assert tried  # the law itself is where some begin
    for schedule in tried:
        rates = np.asarray(schedule.rates, float)
        assert np.all((rates >= 0.15 - 1e-6) & (rates <= 0.45 + 1e-6)), rates


@pytest.mark.parametrize("name", NAMES)
def test_a_planner_lives_on_what_it_declares(brief_training, improviser, name):
    """It hears nothing else, and what it declares is what the table shows."""
    spec = REGISTRY[name]
    planner = spec.planner(replace(setting(), engine=improviser()))
    assert set(planner.observes) <= set(OBSERVATIONS)
    evaluate = Valued(bowl(np.full(7, 0.4)))
    state = planner.init(jax.random.key(0))
    for step in range(3):
        schedule, state = planner.ask(jax.random.key(step), state)
        state = hear(planner, state, schedule, evaluate.value_and_grad(schedule))
    assert spec.observes(planner).startswith(", ".join(planner.observes))


def test_the_elasticity_reaches_only_those_who_are_told():
    told = {name for name in NAMES if REGISTRY[name].told_elasticity}
    assert told == {"saez", "saez-static"}
    for name in ("saez", "saez-static"):
        planner = REGISTRY[name].planner(setting())
        assert planner.elasticity == 0.25
        assert REGISTRY[name].observes(planner).endswith("told the elasticity")
        untold = REGISTRY[name].planner(replace(setting(), elasticity=None))
        assert "elasticity" in untold.observes
        assert "told" not in REGISTRY[name].observes(untold)


def test_the_row_of_a_language_model_names_what_its_prompt_holds(improviser):
    for mode in ("choice", "text"):
        planner = language_model(replace(setting(mode=mode), engine=improviser()))
        assert REGISTRY["llm"].observes(planner) == "value, distribution, brackets"
    blind = replace(planner.style, observe=False)
    assert blind.observes == ("value",)
