"""Planners by name."""

import math
from dataclasses import replace

import numpy as np
import pytest

from baselines.learned.neural import AmortisedPlanner
from baselines.learned.training import TrainingOptions
from econjax import us_federal
from experiments.core import registry as roster
from experiments.core.registry import REGISTRY, PlanningContext, language_model
from llm_policy.answers.reading import Tally
from llm_policy.planners.choice import ChoicePlanner
from llm_policy.planners.text import LLMPlanner
from llm_policy.prompts.welfare import WELFARE

LAW = us_federal(2024)


def setting(aim="rawlsian", **more):
    return PlanningContext(LAW, 0.25, None, WELFARE[aim], Tally(), **more)


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
