"""Workers who choose best, adapt in part, follow others, and whose skills move."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import BracketSchedule, Economy, Isoelastic, Population, Quasilinear, Utilitarian
from econjax.dynamics.policies import Lagged, Rational
from econjax.dynamics.simulation import Ar1Skills, simulate
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.formula.policy import FormulaWorkers
from llm_policy.personas.draw import draw_personas
from llm_policy.prompts.workers import Style
from llm_policy.workers.best import BestWorkers
from llm_policy.workers.habits import AdaptingWorkers, FollowingWorkers, leaders
from llm_policy.workers.llm import LLMWorkers
from llm_policy.workers.society import MovingSkills, Society

N, STEPS = 12, 6
KEY = jax.random.key(0)
THRESHOLDS, RATES = [0.0, 11_600.0, 100_000.0], [0.1, 0.25, 0.4]

pytestmark = pytest.mark.usefixtures("x64")


@pytest.fixture
def process():
    return Ar1Skills(0.9, 0.2)


def economy_of(preferences=None):
    population = Population(np.geomspace(200.0, 3_000.0, N))
    return Economy(population=population, preferences=preferences or Quasilinear(0.25))


def formula(economy, **options):
    personas = draw_personas(KEY, economy.population)
    return FormulaWorkers(economy, personas, style=Style(mode="choice"), **options)


def lived(workers, *, steps=STEPS, skills=None):
    """Return the steps of a tax year, and its report."""
    moving = None if skills is None else MovingSkills(skills, workers)
    society, found = Society(workers, Utilitarian(), skills=moving), []
    law = BracketSchedule(THRESHOLDS, RATES)
    report, _ = society.tax_year(
        KEY, society.begin(law), law, steps=steps, on_step=lambda n, step, r: found.append(step)
    )
    return found, report


def column(steps, name):
    return np.array([getattr(step.outcome, name) for step in steps], float)


@pytest.mark.parametrize("fraction", [1.0, 0.3])
@pytest.mark.parametrize("kind", ["quasilinear", "isoelastic"])
def test_best_workers_who_adapt_live_as_the_core_s_rational_ones_who_lag(fraction, kind):
    economy = economy_of(
        Isoelastic(0.5, exponent=3.0, scale=1e-4, unit=1_000.0) if kind == "isoelastic" else None
    )
    workers = AdaptingWorkers(BestWorkers(economy), fraction)
    steps, report = lived(workers)
    law = BracketSchedule(THRESHOLDS, RATES)
    start = Society(workers, Utilitarian()).usual(law)[0].outcome
    theirs = simulate(
        KEY, economy, law, Lagged(Rational(), fraction), periods=STEPS, start=start, save=_labor
    )
    np.testing.assert_allclose(column(steps, "labor"), theirs.saved, rtol=1e-9)
    assert report.standard_error == 0


def _labor(economy, outcome):
    return outcome.labor


def test_whoever_adapts_in_part_goes_that_share_of_the_way():
    """Of an engine that always says 60 hours, from 40: the distance shrinks by one factor."""
    engine = ScriptedEngine(lambda prompt: '{"hours": 60}')
    workers = LLMWorkers(engine, economy_of(), scenario="rational")
    steps, _ = lived(AdaptingWorkers(workers, 0.25))
    expected = 60 - 20 * 0.75 ** np.arange(1, STEPS + 1)
    np.testing.assert_allclose(column(steps, "labor"), np.tile(expected[:, None], N), rtol=1e-9)


def test_fixed_hours_are_no_habit():
    fixed = np.where(np.arange(N) < 3, 50.0, np.nan)
    engine = ScriptedEngine(lambda prompt: '{"hours": 60}')
    workers = LLMWorkers(engine, economy_of(), scenario="rational", fixed=fixed)
    steps, _ = lived(AdaptingWorkers(workers, 0.25, fixed=fixed))
    assert np.all(column(steps, "labor")[:, :3] == 50)


@pytest.mark.parametrize("fraction", [0.0, 1.2, -1.0])
def test_a_fraction_that_is_none_is_told(fraction):
    with pytest.raises(ValueError, match="share of the way"):
        AdaptingWorkers(BestWorkers(economy_of()), fraction)


@pytest.mark.parametrize("make", [BestWorkers, formula])
def test_skills_move_as_the_process_says_whatever_workers_do(make, process):
    economy = economy_of()
    steps, _ = lived(make(economy), steps=40, skills=process)
    skill = np.array([step.economy.population.skill for step in steps], float)
    np.testing.assert_allclose(column(steps, "income"), skill * column(steps, "labor"), rtol=1e-9)
    x = np.log(skill / np.asarray(economy.population.skill))
    shocks = x[1:] - 0.9 * x[:-1]
    assert shocks.std() == pytest.approx(0.2, rel=0.1)
    assert abs(shocks.mean()) < 3 * 0.2 / shocks.size**0.5
    others, _ = lived(AdaptingWorkers(make(economy), 0.5), steps=3, skills=process)
    np.testing.assert_allclose(
        np.array([step.economy.population.skill for step in others], float), skill[:3], rtol=1e-12
    )


def test_the_budget_balances_while_skills_move(process):
    for step in lived(formula(economy_of()), skills=process)[0]:
        weight = np.asarray(step.economy.population.weight)
        money = np.asarray(step.outcome.income) - np.asarray(step.outcome.consumption)
        assert weight @ money == pytest.approx(0, abs=1e-6)


def test_best_workers_are_never_off_their_best_but_for_the_rebate_that_they_do_not_know(process):
    """Without income effects the rebate moves no hours, so that there is no loss at all."""
    society = Society(BestWorkers(economy_of()), Utilitarian())
    for step in lived(BestWorkers(economy_of()), skills=process)[0]:
        off, lost = society.errors(step, BracketSchedule(THRESHOLDS, RATES))
        assert off == pytest.approx(0, abs=1e-6)
        assert lost == pytest.approx(0, abs=1e-6)


def test_language_models_are_told_the_skill_that_they_have(process):
    prompts = []

    def answer(prompt):
        prompts.append(prompt.personal)
        return '{"hours": 40}'

    workers = LLMWorkers(ScriptedEngine(answer), economy_of(), scenario="rational")
    steps, _ = lived(workers, skills=process)
    for place, step in enumerate(steps):
        for worker, income in enumerate(np.asarray(step.outcome.income, float)):
            told = prompts[place * N + worker].replace(",", "")
            assert f"${income:.0f} at 40 hours" in told
    still = workers.at(workers.economy)
    assert still.lines == workers.lines


@pytest.mark.parametrize("each", [1, 2, 5, 20])
def test_one_of_neighbouring_skills_decides_for_all_of_them(each):
    economy = economy_of()
    leader = leaders(np.asarray(economy.population.skill, float), each)
    assert np.array_equal(leader[leader], leader)  # who decides decides for itself
    assert len(set(leader.tolist())) == -(-N // each)
    assert (np.diff(leader) >= 0).all()
    _, sizes = np.unique(leader, return_counts=True)
    assert max(sizes) <= each
    fixed = np.where(leader == np.arange(N), np.nan, 0.0)
    steps, _ = lived(FollowingWorkers(formula(economy, fixed=fixed), leader))
    labor = column(steps, "labor")
    assert np.array_equal(labor, labor[:, leader])


def test_the_order_of_workers_does_not_matter_to_who_decides():
    skill, order = np.geomspace(1, 9, N), np.random.default_rng(0).permutation(N)
    inverse = np.argsort(order)
    assert np.array_equal(inverse[leaders(skill, 4)[order]], leaders(skill[order], 4))


def test_whoever_stands_alone_decides_for_nobody():
    fixed = np.full(N, np.nan)
    fixed[[0, 5]] = 0.0
    leader = leaders(np.geomspace(1, 9, N), 4, fixed)
    for place in (0, 5):
        assert np.flatnonzero(leader == place).tolist() == [place]


def test_luck_that_is_shared_errs_by_more():
    """Of equal workers one decision for 4 has a standard error of about twice as much."""
    equal = eqx.tree_at(
        lambda e: e.population.skill, economy_of(), jnp.full(N, 1_000.0, jnp.float64)
    )
    leader = np.arange(N) // 4 * 4
    fixed = np.where(leader == np.arange(N), np.nan, 0.0)
    alone = lived(AdaptingWorkers(formula(equal), 1.0))[1]
    shared = lived(FollowingWorkers(formula(equal, fixed=fixed), leader))[1]
    assert 1.2 < float(shared.standard_error / alone.standard_error) < 3.5
