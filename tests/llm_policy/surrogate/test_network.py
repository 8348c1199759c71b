"""A surrogate recovers chances and elasticity of workers of known formula, with gradients."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import (
    Atkinson,
    BracketSchedule,
    Economy,
    Quasilinear,
    Rawlsian,
    Utilitarian,
    calibrate,
    gb2,
    settle,
    simulate,
    us_federal,
)
from econjax.dynamics.policies import LaborPolicy
from econjax.economy import utility_of
from llm_policy.engines.base import EngineError
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.formula.policy import taught_workers
from llm_policy.personas.draw import describe, draw_personas
from llm_policy.prompts.workers import Style
from llm_policy.surrogate.expectation import expected_equivalent, forecast, recorded_value
from llm_policy.surrogate.network import SurrogatePolicy, calibration, distil, fit, new
from llm_policy.surrogate.recording import RecordedWorkers, Remembered, person_features, record, see
from llm_policy.workers.llm import LLMWorkers
from llm_policy.workers.society import Society
from tests.helpers.laboratory import float64, settled

AGENTS = 120
LAW = us_federal(2024)
KEY = jax.random.key(0)
seen_by, worth, foreseen = (eqx.filter_jit(f) for f in (see, expected_equivalent, forecast))


def economy_and_people(agents=AGENTS):
    economy = Economy(population=calibrate(gb2(agents), LAW), preferences=Quasilinear(0.25))
    return economy, draw_personas(KEY, economy.population)


def taught(agents=AGENTS):
    return taught_workers(*economy_and_people(agents))


def schedules(seed, count):
    rng = np.random.default_rng(seed)
    return [
        BracketSchedule(LAW.thresholds, rng.uniform(0, 0.95, len(LAW.rates))) for _ in range(count)
    ]


@pytest.fixture(scope="module")
def lesson():
    """Workers of the formula, their surrogate, and what it learned from: years of two steps."""
    workers = taught()
    heard = record(jax.random.key(1), workers, schedules(0, 12), steps=2)
    held_out = record(jax.random.key(2), workers, schedules(1, 4), steps=2)
    return workers, heard, held_out, distil(KEY, heard, held_out)


def first_step(workers, schedule):
    one = jnp.ones(AGENTS)
    memory = Remembered(40 * one, 0 * one, 0 * one, one)
    return seen_by(workers.economy, workers.person, schedule, memory, workers.hours)


@pytest.mark.long
def test_queries_are_counted_and_rows_are_the_answers(lesson):
    workers, heard, held_out, distilled = lesson
    assert distilled.queries == heard.queries == 12 * 2 * AGENTS
    assert workers.queries == heard.queries + held_out.queries
    assert heard.years == 12
    np.testing.assert_allclose(heard.probabilities.sum(axis=1), 1, rtol=1e-5)
    assert heard.seen.kept.shape == (heard.queries, len(heard.hours))


def test_what_is_held_out_is_known_within_a_thousandth_of_a_nat(lesson):
    *_, distilled = lesson
    found = distilled.calibration
    assert found.rows == 4 * 2 * AGENTS
    assert 0 < found.divergence < 0.001
    assert found.divergence < 0.01 * found.of_mean
    assert found.error < 0.005


def test_a_surrogate_that_has_learned_nothing_is_further_off(lesson):
    _, heard, held_out, distilled = lesson
    assert calibration(new(KEY, heard), held_out).divergence > 5 * distilled.calibration.divergence


def test_calibration_of_the_truth_is_perfect_and_of_nobody_is_the_mean(lesson):
    _, _, held_out, _ = lesson

    class Oracle(eqx.Module):
        answers: jax.Array

        def log_probabilities(self, seen):
            return jnp.log(jnp.maximum(self.answers, 1e-30))

    right = calibration(Oracle(held_out.probabilities), held_out)
    assert right.divergence == pytest.approx(0, abs=1e-6)
    assert right.error == pytest.approx(0, abs=1e-6)
    mean = jnp.broadcast_to(held_out.probabilities.mean(axis=0), held_out.probabilities.shape)
    assert calibration(Oracle(mean), held_out).divergence == pytest.approx(right.of_mean, rel=1e-4)


def test_the_elasticity_is_the_formulas(lesson):
    workers, *_, distilled = lesson

    def response(probabilities_at):
        """Return the log change of aggregate income from five points less tax to five more."""
        low, high = (
            BracketSchedule(LAW.thresholds, jnp.full_like(LAW.rates, 0.4 + by))
            for by in (-0.05, 0.05)
        )
        skill = np.asarray(workers.economy.population.skill, float)
        hours = np.asarray(workers.hours, float)
        incomes = [
            skill @ (np.asarray(probabilities_at(law), float) @ hours) for law in (low, high)
        ]
        return np.log(incomes[1] / incomes[0]) / np.log(0.55 / 0.65)

    def say(law):
        return record(KEY, workers, [law]).probabilities

    formula = response(say)
    assert 0.1 < formula < 0.6
    own = response(
        lambda law: jnp.exp(distilled.surrogate.log_probabilities(first_step(workers, law)))
    )
    assert own == pytest.approx(formula, rel=0.02)


def test_what_is_seen_is_what_the_schedule_leaves_and_what_an_hour_is_worth(lesson):
    workers, heard, *_ = lesson
    flat = BracketSchedule([0.0], [0.3])
    seen = first_step(workers, flat)
    np.testing.assert_allclose(
        seen.kept, np.tile(0.7 * np.asarray(workers.hours) / 40, (AGENTS, 1)), rtol=1e-5
    )
    population = workers.economy.population
    labor = jnp.full(AGENTS, 60.0)
    cost = workers.economy.preferences.cost(labor, population) / (40 * population.skill)
    np.testing.assert_allclose(seen.effort[:, 6], cost, rtol=1e-4)
    assert np.all(seen.effort[:, 0] == 0)
    assert float(heard.seen.memory.steps.max()) == 1


def test_workers_who_are_overheard_answer_as_others_do():
    economy, people = economy_and_people(12)

    def model():
        return ScriptedEngine(
            str,
            likelihood=lambda prompt, option: 1.0 + (len(prompt.personal) % 7) * (option == "30"),
        )

    overheard = RecordedWorkers(model(), economy, describe(people), person=person_features(people))
    plain = LLMWorkers(model(), economy, describe(people), style=Style(mode="choice"))
    states = []
    for workers in (overheard, plain):
        society = Society(workers, Utilitarian())
        states.append(society.tax_year(KEY, society.begin(LAW), LAW, steps=2)[1])
    for one, other in zip(*(state.memory.last for state in states), strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(overheard.years) == 1
    assert len(overheard.years[0]) == 2


def test_texts_are_kept_as_shares_of_the_nearest_hours():
    economy, people = economy_and_people(4)
    said = iter([0.0, 33.0, 40.0, 97.5, *4 * [50.0]])
    engine = ScriptedEngine(lambda prompt: f'{{"hours": {next(said)}}}')
    workers = RecordedWorkers(
        engine, economy, describe(people), person=person_features(people), style=Style()
    )
    society = Society(workers, Utilitarian())
    society.tax_year(KEY, society.begin(LAW), LAW, steps=2)
    first, second = (np.asarray(step.probabilities) for step in workers.years[0])
    hours = np.asarray(workers.hours)
    np.testing.assert_allclose(first @ hours, [0.0, 33.0, 40.0, 97.5], rtol=1e-6)
    np.testing.assert_allclose(first.sum(axis=1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(first[1, 3:5], [0.7, 0.3], rtol=1e-6)
    assert np.count_nonzero(first) == 1 + 2 + 1 + 2
    np.testing.assert_array_equal(second, np.eye(len(hours))[4 * [5]])
    assert workers.chances is None  # a text was not drawn from these
    assert workers.recording().queries == 8


def test_what_cannot_be_recorded_is_told():
    economy, people = economy_and_people(4)
    engine = ScriptedEngine(str)
    with pytest.raises(ValueError, match="features of 3"):
        RecordedWorkers(engine, economy, describe(people), person=person_features(people)[:3])
    with pytest.raises(ValueError, match="tax year first"):
        RecordedWorkers(
            engine, economy, describe(people), person=person_features(people)
        ).recording()


def test_a_formula_writes_no_texts():
    with pytest.raises(EngineError, match="writes no texts"):
        taught(4).models.engine.complete(["?"], {})


def test_it_is_a_labor_policy_that_scans(lesson):
    workers, *_, distilled = lesson
    policy = SurrogatePolicy(distilled.surrogate, workers.person)
    assert isinstance(policy, LaborPolicy)
    start = settle(workers.economy, LAW, jnp.full(AGENTS, 40.0))
    found = simulate(KEY, workers.economy, LAW, policy, periods=4, start=start)
    first = (
        jnp.exp(distilled.surrogate.log_probabilities(_explored(first_step(workers, LAW))))
        @ workers.hours
    )
    assert float(found.saved.labor[0]) == pytest.approx(float(first.mean()), rel=1e-4)
    assert np.all((found.last.labor >= 0) & (found.last.labor <= 100))


def _explored(seen):
    return eqx.tree_at(lambda s: s.memory.exploit, seen, jnp.zeros_like(seen.memory.exploit))


def test_draws_are_hours_offered_with_the_expected_hours_as_mean_and_derivative(lesson):
    workers, *_, distilled = lesson
    start = settle(workers.economy, LAW, jnp.full(AGENTS, 40.0))

    @eqx.filter_jit
    def labor(rates, key, how):
        law = BracketSchedule(LAW.thresholds, rates)
        policy = SurrogatePolicy(distilled.surrogate, workers.person, how)
        return policy(key, policy.init(key, workers.economy), workers.economy, law, start)[0]

    @eqx.filter_jit
    def slope(rates, how):
        return jax.grad(lambda r: labor(r, KEY, how).sum())(rates)

    expected = labor(LAW.rates, KEY, "expected")
    draws = jnp.stack([labor(LAW.rates, key, "drawn") for key in jax.random.split(KEY, 200)])
    assert set(np.unique(draws)) <= set(np.asarray(workers.hours).tolist())
    error = np.asarray(draws.std(axis=0)) / np.sqrt(200)
    assert np.mean(np.abs(draws.mean(axis=0) - expected) < 3 * error + 0.05) > 0.97
    np.testing.assert_allclose(slope(LAW.rates, "drawn"), slope(LAW.rates, "expected"), rtol=1e-4)


@pytest.mark.parametrize("welfare", [Atkinson(1.0), Rawlsian()], ids=["atkinson", "rawls"])
@pytest.mark.parametrize("how", ["policy", "forecast"])
def test_gradients_are_finite_differences(lesson, welfare, how):
    """In float64; at these rates nobody changes places as the worst-off within the differences."""
    workers, *_, distilled = lesson
    rates = np.array([0.5, 0.45, 0.4, 0.42, 0.44, 0.46, 0.48])
    with float64():
        economy, surrogate, person, thresholds = jax.tree.map(
            lambda leaf: (
                jnp.asarray(np.asarray(leaf), jnp.float64) if eqx.is_inexact_array(leaf) else leaf
            ),
            (workers.economy, distilled.surrogate, workers.person, LAW.thresholds),
        )

        @eqx.filter_jit
        def value(rates):
            law = BracketSchedule(thresholds, rates)
            if how == "forecast":
                return forecast(surrogate, person, economy, welfare, law, steps=2)
            start = settle(economy, law, jnp.full(AGENTS, 40.0))
            policy = SurrogatePolicy(surrogate, person)
            last = simulate(KEY, economy, law, policy, periods=2, start=start).last
            return welfare.equivalent(economy.population, last)

        found = jax.grad(value)(jnp.asarray(rates))
        step = 1e-6
        differences = [
            float(value(jnp.asarray(rates + step * way)) - value(jnp.asarray(rates - step * way)))
            / (2 * step)
            for way in np.eye(len(rates))
        ]
        np.testing.assert_allclose(
            found, differences, rtol=1e-4, atol=1e-4 * np.abs(differences).max()
        )


def test_the_second_call_does_not_compile_again(lesson, compilations):
    _, heard, *_ = lesson
    fit(KEY, heard, steps=5)
    with compilations() as seen:
        fit(jax.random.key(5), heard, steps=5)
    assert not seen


def test_the_expected_lowest_utility_is_the_mean_over_draws():
    economy, _ = economy_and_people(6)
    rng = np.random.default_rng(0)
    probabilities, hours = (
        jnp.asarray(rng.dirichlet(np.ones(4), 6), float),
        jnp.array([0.0, 20.0, 40.0, 55.0]),
    )
    law = BracketSchedule(LAW.thresholds, np.linspace(0.6, 0.2, 7))
    weight, skill = (
        np.asarray(a, float) for a in (economy.population.weight, economy.population.skill)
    )
    income = skill[:, None] * np.asarray(hours)
    tax = np.asarray(law.tax(jnp.asarray(income, float)), float)
    offered = np.stack(
        [
            np.asarray(utility_of(economy, jnp.asarray(income - tax, float)[:, o], jnp.full(6, h)))
            for o, h in enumerate(hours)
        ],
        axis=1,
    )
    lowest = rebate = 0.0
    for places in np.ndindex(4, 4, 4, 4, 4, 4):  # all that can be drawn
        chance = np.prod([probabilities[i, o] for i, o in enumerate(places)])
        paid = sum(weight[i] * tax[i, o] for i, o in enumerate(places))
        lowest += chance * (min(offered[i, o] for i, o in enumerate(places)) + paid)
        rebate += chance * paid
    options = {"subsistence": None}
    found = worth(economy, Rawlsian(), law, probabilities, hours, **options)
    assert float(found) == pytest.approx(float(lowest), rel=1e-4)
    utilitarian = worth(economy, Utilitarian(), law, probabilities, hours, **options)
    mean = weight @ (np.asarray(probabilities, float) * offered).sum(axis=1) + rebate
    assert float(utilitarian) == pytest.approx(float(mean), rel=1e-4)


def test_certain_hours_are_worth_what_settling_them_brings():
    economy, _ = economy_and_people(20)
    hours = jnp.array([30.0, 40.0])
    probabilities = jnp.tile(jnp.array([[0.0, 1.0]]), (20, 1))
    outcome = settled(economy, LAW, jnp.full(20, 40.0))
    for welfare in (Atkinson(1.0), Rawlsian(), Rawlsian(500.0), Utilitarian()):
        expected = welfare.equivalent(economy.population, outcome)
        found = worth(economy, welfare, LAW, probabilities, hours)
        assert float(found) == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.parametrize("welfare", [Atkinson(1.0), Rawlsian()], ids=["atkinson", "rawls"])
def test_a_recorded_year_is_worth_its_report_on_average(welfare):
    workers = taught(40)
    society = Society(workers, welfare)
    reports = [
        float(society.tax_year(jax.random.key(k), society.begin(LAW), LAW, steps=1)[0].equivalent)
        for k in range(60)
    ]
    values = [
        recorded_value(workers.economy, welfare, year, workers.hours) for year in workers.years
    ]
    assert np.ptp(values) < 1e-3 * abs(values[0])  # first answers do not depend on the draws
    error = np.std(reports, ddof=1) / np.sqrt(len(reports))
    assert abs(np.mean(reports) - values[0]) < 3.5 * error + 0.003 * abs(values[0])


def test_the_forecast_of_several_steps_is_the_mean_of_many_lives(lesson):
    """The surrogate's own workers draw, are settled and remember, as a society does."""
    workers, *_, distilled = lesson
    economy, surrogate, steps, lives = workers.economy, distilled.surrogate, 4, 500

    @jax.jit
    def live(key):
        last = settle(economy, LAW, jnp.full(AGENTS, 40.0))
        pull, values = jnp.zeros(AGENTS), []
        for step in range(steps):
            lived, exploit = (jnp.full(AGENTS, float(value)) for value in (step, step == steps - 1))
            seen = see(
                economy,
                workers.person,
                LAW,
                Remembered(last.labor, pull, lived, exploit),
                workers.hours,
            )
            places = jax.random.categorical(
                jax.random.fold_in(key, step), surrogate.log_probabilities(seen)
            )
            before, last = last, settle(economy, LAW, workers.hours[places])
            moved = jnp.sign(last.labor - before.labor) * jnp.sign(last.utility - before.utility)
            pull = moved if step else jnp.zeros(AGENTS)
            values.append(Utilitarian().equivalent(economy.population, last))
        return jnp.mean(jnp.stack(values))

    found = np.asarray(jax.lax.map(live, jax.random.split(KEY, lives)), float)
    expected = float(foreseen(surrogate, workers.person, economy, Utilitarian(), LAW, steps=steps))
    assert expected == pytest.approx(found.mean(), abs=3.5 * found.std() / np.sqrt(lives) + 1)
