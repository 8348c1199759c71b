"""Benchmarks of learning: PPO over seeds, the network, the surrogate of language-model workers."""

import dataclasses
import json
from functools import partial
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from baselines.learned.training import HeldOut
from econjax import Atkinson, BracketSchedule, us_federal
from econjax.planning import RationalEvaluator
from experiments.benchmarks import learning, surrogate
from experiments.benchmarks.learning import LearningBenchmarkConfig
from experiments.benchmarks.surrogate import SurrogateBenchmarkConfig
from experiments.core.economy import EconomyConfig
from llm_policy.formula.policy import taught_workers
from llm_policy.personas.draw import draw_personas

SMALL = LearningBenchmarkConfig(
    seeds=2,
    agents=30,
    worker_updates=4,
    joint_updates=4,
    settling_updates=2,
    steps=7,
    worlds=2,
    step_agents=20,
)
LAW = us_federal(2024)
UNSEEN = HeldOut(
    law=np.array([10.0, 20.0]),
    proposed=np.array([14.0, 38.0]),
    flat=np.array([13.0, 40.0]),
    climbed=np.array([15.0, 39.0]),
)


@pytest.fixture(scope="module")
def benchmark():
    """Return the benchmark with a network that nobody trained, and a brief search for the best."""
    trained = SimpleNamespace(network=None, evaluations={"gradient": 7, "value": 9})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning, "train_network", lambda key, law, training: trained)
        patch.setattr(learning, "held_out", lambda key, network, worlds: UNSEEN)
        patch.setattr(learning, "best_found", partial(learning.best_found, steps=4, most=20))
        yield learning.run_learning(SMALL)


def test_shares_of_all_seeds_are_of_the_way_to_one_best(benchmark):
    economy, welfare = EconomyConfig(agents=30).economy(), Atkinson(1.0)
    evaluate = RationalEvaluator(economy, welfare)
    start = float(evaluate.value(LAW).equivalent)
    ends = []
    for row in benchmark.two_level:
        schedule = BracketSchedule(LAW.thresholds, list(row.rates))
        ends.append(start + (float(evaluate.value(schedule).equivalent) - start) / row.rational)
    np.testing.assert_allclose(ends, ends[0], rtol=1e-5)
    assert all(end > start for end in ends)
    assert benchmark.two_level[0].rates != benchmark.two_level[1].rates


def test_steps_are_counted(benchmark):
    assert benchmark.worker_steps == 2 * 10 * 2 * SMALL.two_level.schedules * 30
    assert benchmark.steps_per_second > 0
    assert benchmark.network_evaluations == {"gradient": 7, "value": 9}


def test_the_network_is_measured_against_the_best_in_each_economy(benchmark):
    rows = {row.planner: row for row in benchmark.amortised}
    network = rows["network, after one evaluation (of the law)"]
    assert network.regret.value == pytest.approx((1 + 2) / 2)
    assert network.share == pytest.approx((4 + 18) / (5 + 20))
    assert rows["US federal"].share == 0


def taught(engine, economy, seed):
    return taught_workers(economy, draw_personas(jax.random.key(seed), economy.population))


def test_a_surrogate_knows_what_workers_of_a_formula_say_under_other_laws(improviser, monkeypatch):
    monkeypatch.setattr(surrogate, "engine_of", lambda config: improviser())
    monkeypatch.setattr(surrogate, "_workers", taught)
    config = SurrogateBenchmarkConfig(agents=60, schedules=8, unseen=2, sizes=(40, 80))
    found = surrogate.run_surrogate(config)
    assert found.queries == 60 * 8 * 2
    laws, people = found.held_out["laws"], found.held_out["laws and people"]
    assert (laws.rows, people.rows) == (60 * 2 * 2, 60 * 2 * 2)
    assert laws.divergence < 0.01 * laws.of_mean
    assert laws.divergence < people.divergence < 0.3 * people.of_mean
    assert [speed.workers for speed in found.speeds] == [40, 80]
    assert all(speed.value > 0 for speed in found.speeds)


def test_the_commands_print_tables_and_json(econjax, monkeypatch, benchmark):
    monkeypatch.setattr(learning, "run_learning", lambda config, progress: benchmark)
    ran = econjax("benchmark", "learning", "--seeds", 2)
    assert ran.code == 0, ran.err
    for words in ("seed 1", "steps of workers a second", "gradient (L-BFGS), 60 evaluations"):
        assert words in ran.out
    ran = econjax("benchmark", "learning", "--json")
    assert json.loads(ran.out) == json.loads(json.dumps(dataclasses.asdict(benchmark)))


def test_what_cannot_be_measured_is_told_in_one_line(econjax, assert_told):
    assert_told(econjax("benchmark", "learning", "--seeds", 1), "seeds", 1)
    assert_told(econjax("benchmark", "surrogate", "--sizes", 1), "sizes", 1)
