"""People of an economy as language models, and a planner among them: with the libraries alone."""

import jax
import numpy as np
import pytest

from econjax import Economy, Quasilinear, Rawlsian, calibrate, gb2, plan, us_federal
from llm_policy import LLMPlanner, ModelEvaluator, RecordedWorkers, Society, Tallied, people
from tests.helpers.improviser import Improviser

LAW = us_federal(2024)


@pytest.fixture(scope="module")
def economy():
    return Economy(population=calibrate(gb2(6), LAW), preferences=Quasilinear(0.25))


def test_a_model_plans_for_models(economy):
    engine = Tallied(Improviser(mumbles=0.0))
    workers = people(economy, engine, jax.random.key(0))
    society = Society(workers, Rawlsian())
    found = plan(
        jax.random.key(1),
        LLMPlanner(engine, LAW, Rawlsian()),
        ModelEvaluator(society, steps=1, key=jax.random.key(2)),
        steps=2,
    )
    tally = engine.tally
    assert tally.asked == tally.read == 2 * 6 + 1  # the planner too, from its second schedule on
    assert all(np.isfinite(float(report.equivalent)) for report in found.reports)


def test_who_works_follows_from_the_engine_and_the_mode(economy):
    key, engine = jax.random.key(0), Improviser()
    assert isinstance(people(economy, engine, key), RecordedWorkers)
    assert people(economy, engine, key, mode="text").models.style.mode == "text"
    assert isinstance(people(economy, None, key), RecordedWorkers)  # the formula's
