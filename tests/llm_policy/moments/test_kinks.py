"""Bunching of workers whose elasticities are planted, of rational ones, and of noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import Economy, Population, Quasilinear
from econjax.measures import Bunching
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.memory.workers import nothing
from llm_policy.moments.kinks import (
    ABOVE,
    BELOW,
    KINKS,
    WINDOW,
    ask_kinks,
    bunching_moments,
    with_own_schedules,
)
from llm_policy.moments.measure import ALL, AskedHours, rational_workers
from llm_policy.prompts.workers import Style
from llm_policy.workers.llm import Answers, LLMWorkers

N = 400
WAGES, OWN = 0.1, 0.9


class Planted:
    """Wage earners and self-employed of known elasticities, whose answers are never the same."""

    def __init__(self, seed, *, noise=0.1, wages=WAGES, own=OWN):
        draw = np.random.default_rng(seed)
        self.skill, self.noise = draw.lognormal(7, 0.7, N), noise
        self.hours = draw.choice([20.0, 37, 40, 45, 55, 65], N, p=[0.2, 0.07, 0.5, 0.1, 0.08, 0.05])
        self.own = draw.random(N) < 0.1
        self.elasticity = np.where(self.own, own, wages)
        self.seed, self.asked = seed, []

    @property
    def economy(self):
        return Economy(population=Population(self.skill), preferences=Quasilinear(0.25))

    def choose(self, key, situation, memory):
        draw = np.random.default_rng(np.asarray(jax.random.key_data(key)))
        income = self.skill * self.hours * np.exp(self.noise * draw.normal(size=N))
        thresholds = np.asarray(situation.schedule.thresholds)
        self.asked.append(thresholds)
        if thresholds.shape[1] == 2:
            kink, more = thresholds[:, 1], ((1 - BELOW) / (1 - ABOVE)) ** self.elasticity
            income = np.where(income < kink, income, np.maximum(kink, income / more))
        return Answers(jnp.asarray(income / self.skill), jnp.ones(N, bool), np.zeros(N))

    def moments(self, **changes):
        asked = AskedHours(self.choose, nothing(N, last=1, best=0), None)
        said = ask_kinks(jax.random.key(self.seed), self.economy, asked, rebate=0.0)
        groups = {"wage earners": ~self.own, "self-employed": self.own}
        found = bunching_moments(self.economy, said, groups=groups)
        return {one.group: one.estimate for one in found}, said


def test_planted_bunching_is_within_its_interval_in_95_of_100_seeds():
    covered = {"wage earners": 0, "self-employed": 0}
    truths = {"wage earners": WAGES, "self-employed": OWN}
    for seed in range(100):
        found, _ = Planted(seed).moments()
        for group, truth in truths.items():
            covered[group] += found[group].low <= truth <= found[group].high
    assert min(covered.values()) >= 95, covered


def test_who_does_not_bunch_is_told_from_who_does():
    found, _ = Planted(0, noise=0.0, wages=0.0).moments()
    assert found["wage earners"].value == found["wage earners"].standard_error == 0
    assert 0 < found["self-employed"].low < OWN < found["self-employed"].high
    assert found[ALL].workers == found["wage earners"].workers + found["self-employed"].workers


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("elasticity", [0.1, 0.25, 1.0])
def test_rational_workers_bunch_by_the_elasticity_of_their_utility(elasticity):
    population = Population(np.linspace(500, 2_000, 2_000))
    economy = Economy(population=population, preferences=Quasilinear(elasticity), max_labor=1e3)
    asked = rational_workers(with_own_schedules(economy))
    said = ask_kinks(jax.random.key(0), economy, asked, rebate=0.0)
    [found] = bunching_moments(economy, said)
    assert found.estimate.low < elasticity < found.estimate.high
    assert found.estimate.high - found.estimate.low < 0.15


def test_the_figure_is_that_of_the_estimator_of_the_core():
    people = Planted(1)
    found, said = people.moments()

    def near(hours, kink):
        away = np.log(people.skill * hours.hours[:, 0] / kink)
        return np.mean(np.abs(away) < WINDOW)

    pairs = list(zip(said.kinked, said.kinks, strict=True))
    there = np.mean([near(hours, kink) for hours, kink in pairs])
    without = np.mean([near(said.flat, kink) for _, kink in pairs])
    density = without / (2 * WINDOW)
    core = Bunching(
        there - without, below=density, above=density, threshold=1.0, rates=[BELOW, ABOVE]
    )
    assert found[ALL].value == pytest.approx(float(core.small_kink()), rel=1e-4)


def test_everybody_has_kinks_of_its_own_and_is_asked_so_often():
    people = Planted(2)
    _, said = people.moments()
    assert len(people.asked) == 1 + KINKS
    assert said.kinks.shape == (KINKS, N)
    income = people.skill * said.flat.hours[:, 0]
    away = np.log(said.kinks / income)
    assert -1.1 <= away.min() < -1.05
    assert 0.65 < away.max() <= 0.7
    np.testing.assert_allclose(people.asked[1][:, 1], said.kinks[0], rtol=1e-6)


def test_who_never_works_is_never_at_a_kink_and_who_is_not_read_has_no_part():
    people = Planted(3)

    def idle(key, situation, memory):
        known = jnp.arange(N) >= 10
        return Answers(jnp.zeros(N), known, np.zeros(N))

    asked = AskedHours(idle, nothing(N, last=1, best=0), None)
    said = ask_kinks(jax.random.key(0), people.economy, asked, rebate=0.0)
    [found] = bunching_moments(people.economy, said)
    assert np.isfinite(said.kinks).all()
    assert (found.estimate.value, found.estimate.workers) == (None, N - 10)


def test_language_models_read_their_own_kink_and_no_group():
    read = []

    def answer(prompt):
        read.append(prompt)
        return '{"hours": 40}'

    economy = Economy(population=Population([500.0, 1_000.0]), preferences=Quasilinear(0.25))
    style = Style(mode="text", statuses=("", ""), history=1, best=0)
    workers = LLMWorkers(
        ScriptedEngine(answer), with_own_schedules(economy), ["One.", "Two."], style=style
    )
    asked = AskedHours(workers.labor, workers.begin(), None)
    said = ask_kinks(jax.random.key(0), economy, asked, rebate=0.0)
    assert len(read) == 2 * (1 + KINKS)
    assert not any("status" in text or "group" in text for prompt in read for text in prompt)
    for prompt, kink in zip(read[2:4], said.kinks[0], strict=True):
        assert f"${kink:,.0f}" in prompt.shared
        assert "40%" in prompt.shared.replace(" %", "%")
