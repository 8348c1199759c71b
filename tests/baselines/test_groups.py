"""Every planner where groups have schedules of their own, with rates for each or in common."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from baselines.constrained.constraints import LossLimit, RevenueFloor, certify_plan
from baselines.constrained.planner import ConstrainedPlanner
from baselines.fixed import laissez_faire, uniform_rates
from baselines.gradient.ascent import GradientPlanner, MultiStart, adam
from baselines.gradient.parametrisation import LogNetRates, PlainRates, Squashed
from baselines.gradient.trust_region import TrustRegionPlanner
from baselines.learned.ppo import PPOPlanner
from baselines.optimum import climb, simplex
from baselines.saez.empirical import EmpiricalSaezPlanner
from baselines.saez.iterated import SaezPlanner, StaticSaezPlanner
from baselines.saez.jump_inference import inferred_jump
from baselines.search.coordinate import CoordinateSearch
from baselines.search.evolution import EvolutionPlanner
from baselines.search.grid import even_grid, factorial_grid
from baselines.search.random import FlatSearch, RandomSearch
from baselines.search.uninformed import RampPlanner, WalkPlanner
from econjax import (
    Atkinson,
    BracketSchedule,
    Economy,
    Population,
    Quasilinear,
    converged_saez,
    gb2,
)
from econjax.bounds import RateBounds
from econjax.optimal.saez import jump_revenue
from econjax.planning import RationalEvaluator, plan

THRESHOLDS = np.array([[0.0, 20_000, 80_000], [0.0, 35_000, 150_000]])
RATES = np.array([[0.3, 0.2, 0.4], [0.25, 0.35, 0.3]])
LAWS = {"own": BracketSchedule(THRESHOLDS, RATES), "common": BracketSchedule(THRESHOLDS, RATES[0])}
BOUNDS = RateBounds(0.05, 0.75)
WELFARE = Atkinson(1.0)


def economy(agents=400):
    group = np.arange(agents) % 2
    workers = Population(gb2(agents).skill * (1 + group), group=group)
    return Economy(population=workers, preferences=Quasilinear(0.3))


def evaluator(agents=400):
    return RationalEvaluator(economy(agents), WELFARE)


class Told(NamedTuple):
    """A true model, to plan on within a trust region."""

    values: tuple[float, ...]

    def predict(self, schedule):
        report = evaluator().value_and_grad(schedule)
        return report.equivalent, report.gradient


class Telling:
    """Fits by asking."""

    observes = ()

    def __call__(self, key, trials, model):
        return Told(tuple(float(trial.report.equivalent) for trial in trials))


RISING = RateBounds(0.05, 0.75, rising=True)
PLANNERS = {
    "random": lambda law: RandomSearch(law, BOUNDS),
    "flat": lambda law: FlatSearch(law, BOUNDS),
    "even grid": lambda law: even_grid(law, tries=6, bounds=BOUNDS),
    "factorial grid": lambda law: factorial_grid(law, (0.1, 0.6)),
    "coordinate": lambda law: CoordinateSearch(law, bounds=BOUNDS),
    "evolution": lambda law: EvolutionPlanner(law, bounds=BOUNDS),
    "ramp": lambda law: RampPlanner(law, bounds=BOUNDS),
    "walk": lambda law: WalkPlanner(law, bounds=BOUNDS),
    "ppo": lambda law: PPOPlanner(law, batch=3, coordinates=LogNetRates(BOUNDS)),
    "saez": lambda law: SaezPlanner(law, 0.3, bounds=BOUNDS),
    "saez, untold": lambda law: SaezPlanner(law, bounds=BOUNDS),
    "static saez": lambda law: StaticSaezPlanner(law, (0.3, 0.3, 0.4), BOUNDS),
    "empirical saez": lambda law: EmpiricalSaezPlanner(law, bounds=BOUNDS),
    "gradient": lambda law: GradientPlanner(law, coordinates=LogNetRates(BOUNDS)),
    "gradient, rising": lambda law: GradientPlanner(law, coordinates=LogNetRates(RISING)),
    "adam": lambda law: GradientPlanner(law, adam(), coordinates=PlainRates(BOUNDS)),
    "squashed": lambda law: GradientPlanner(law, coordinates=Squashed(BOUNDS)),
    "squashed, rising": lambda law: GradientPlanner(law, coordinates=Squashed(RISING)),
    "several starts": lambda law: MultiStart(
        tuple(
            GradientPlanner(start, coordinates=LogNetRates(BOUNDS))
            for start in (law, uniform_rates(law).schedule)
        ),
        rounds=2,
    ),
    "constrained": lambda law: ConstrainedPlanner(law, RISING, (RevenueFloor(9_000),)),
    "trust region": lambda law: TrustRegionPlanner(law, Telling(), bounds=BOUNDS),
    "nothing taken": laissez_faire,
}


@pytest.mark.parametrize("rates", LAWS)
@pytest.mark.parametrize("name", PLANNERS)
def test_proposals_have_the_laws_shape_and_lie_within_the_bounds(name, rates):
    law, steps = LAWS[rates], {"empirical saez": 2 * RATES.size + 2, "trust region": 3}.get(name, 8)
    found = plan(jax.random.key(0), PLANNERS[name](law), evaluator(), steps=steps)
    for schedule in (*found.schedules, found.recommended):
        np.testing.assert_array_equal(schedule.thresholds, THRESHOLDS)
        assert schedule.rates.shape == law.rates.shape
        if not np.array_equal(schedule.rates, law.rates) and name != "nothing taken":
            assert np.all((schedule.rates >= 0.05 - 1e-6) & (schedule.rates <= 0.75 + 1e-6))
        if "rising" in name or name == "constrained":
            assert np.all(np.diff(schedule.rates) >= 0)
    values = [float(report.equivalent) for report in found.reports]
    assert float(evaluator().value(found.recommended).equivalent) == pytest.approx(max(values))


@pytest.mark.parametrize("rates", LAWS)
def test_a_formula_and_gradients_find_the_same_optimum(x64, rates):
    evaluate, law = evaluator(3000), uniform_rates(LAWS[rates]).schedule
    formula = converged_saez(economy(3000), law, WELFARE, tolerance=1e-4).schedule
    climbed = climb(evaluate, [law], steps=30)
    heard = plan(jax.random.key(0), SaezPlanner(law, 0.3), evaluate, steps=30).recommended
    best = simplex(evaluate, climbed.schedule, most=30).equivalent
    assert best >= climbed.equivalent
    for schedule in (formula, heard, climbed.schedule):
        assert float(evaluate.value(schedule).equivalent) == pytest.approx(best, abs=1.0)


def test_those_who_jump_are_inferred_group_by_group(x64):
    law, many = BracketSchedule(THRESHOLDS, [[0.6, 0.3, 0.5], [0.4, 0.6, 0.3]]), economy(20_000)
    report = RationalEvaluator(many, WELFARE).value(law)
    exact, inferred = jump_revenue(many, law), inferred_jump(law, report, 0.3)
    assert inferred.shape == exact.shape
    assert float(jnp.min(jnp.max(jnp.abs(exact), axis=1))) > 0
    np.testing.assert_allclose(inferred, exact, atol=0.35 * float(jnp.max(jnp.abs(exact))))
    np.testing.assert_array_equal(inferred_jump(LAWS["common"], report, 0.3), 0)


def test_a_certificate_names_the_group_whose_rate_is_out_of_bounds():
    bounds = RateBounds(0.26, 0.9)
    found = plan(jax.random.key(0), RampPlanner(LAWS["own"], step=0.0), evaluator(), steps=1)
    certificate = certify_plan(found, bounds=bounds)
    assert set(certificate.broken) == {
        "rate of group 0 of bracket 2 at least 0.26",
        "rate of group 1 of bracket 1 at least 0.26",
    }


def test_a_loss_limit_first_guesses_as_if_deciles_were_of_each_group_in_proportion():
    report = evaluator().value(LAWS["own"])
    slopes = LossLimit.below(report, most=100.0).slopes(LAWS["own"], report)
    assert slopes.shape == (9, RATES.size)
    same = BracketSchedule(np.tile(THRESHOLDS[0], (2, 1)), np.tile(RATES[0], (2, 1)))
    merged = BracketSchedule(THRESHOLDS[0], RATES[0])
    limit = LossLimit.below(report, most=100.0)
    of_two, of_one = (limit.slopes(law, evaluator().value(law)) for law in (same, merged))
    np.testing.assert_allclose(of_two[:, :3] + of_two[:, 3:], of_one, rtol=1e-4, atol=0.1)
