"""One battery for every planner."""

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
import pytest
from scipy.optimize import minimize

from baselines.constrained.constraints import RevenueFloor
from baselines.constrained.planner import ConstrainedPlanner
from baselines.fixed import FixedPlanner
from baselines.gradient.ascent import GradientPlanner, MultiStart, adam
from baselines.gradient.parametrisation import PlainRates, Squashed
from baselines.gradient.trust_region import TrustRegionPlanner
from baselines.optimum import best_found
from baselines.saez.empirical import EmpiricalSaezPlanner
from baselines.saez.iterated import SaezPlanner, StaticSaezPlanner, reference_saez
from baselines.search.coordinate import CoordinateSearch
from baselines.search.evolution import EvolutionPlanner
from baselines.search.grid import even_grid
from baselines.search.random import FlatSearch, RandomSearch
from baselines.search.uninformed import RampPlanner, WalkPlanner
from econjax import Atkinson, BracketSchedule, Rawlsian
from econjax.bounds import RateBounds
from econjax.planning import RationalEvaluator, plan
from tests.helpers.laboratory import economy_of, equivalent, float64
from tests.helpers.reference import THRESHOLDS, US_2024, grid
from tests.helpers.reference import solve as reference_solve

STEPS = 8


@dataclass
class Maker:
    name: str
    make: Any
    learns: bool = True

    def __repr__(self):
        return self.name


def law():
    return BracketSchedule(THRESHOLDS, US_2024)


def flat(rate):
    return BracketSchedule(THRESHOLDS, np.full(7, rate))


class Knowing(NamedTuple):
    """A true model, to plan on within a trust region."""

    values: tuple[float, ...]

    def predict(self, schedule):
        return equivalent_of(schedule.rates, economy(), schedule.thresholds)


@eqx.filter_jit
@eqx.filter_value_and_grad
def equivalent_of(rates, economy, thresholds):
    return equivalent(economy, WELFARE[0], BracketSchedule(thresholds, rates))[2]


class Knowledge:
    """Fits by looking at what the trials brought."""

    observes = ()

    def __call__(self, key, trials, model):
        return Knowing(tuple(float(trial.report.equivalent) for trial in trials))


PLANNERS = [
    Maker("fixed", lambda: FixedPlanner(law()), learns=False),
    Maker("random", lambda: RandomSearch(law())),
    Maker("flat", lambda: FlatSearch(law())),
    Maker("gradient", lambda: GradientPlanner(law())),
    Maker("saez", lambda: SaezPlanner(law(), 0.25)),
    Maker(
        "recipe",
        lambda: reference_saez("llm-economist", grid("GB2", 400) / 40, THRESHOLDS),
        learns=False,
    ),
    Maker("static saez", lambda: StaticSaezPlanner(law(), tuple([0.25] * 7))),
    Maker("empirical saez", lambda: EmpiricalSaezPlanner(law())),
    Maker("even grid", lambda: even_grid(law(), tries=STEPS)),
    Maker("coordinate", lambda: CoordinateSearch(law())),
    Maker("ramp", lambda: RampPlanner(law())),
    Maker("walk", lambda: WalkPlanner(law())),
    Maker("evolution", lambda: EvolutionPlanner(law())),
    Maker("adam", lambda: GradientPlanner(law(), adam(0.05), coordinates=PlainRates())),
    Maker(
        "squashed",
        lambda: GradientPlanner(law(), coordinates=Squashed(RateBounds(0.0, 0.7, rising=True))),
    ),
    Maker(
        "several starts",
        lambda: MultiStart((GradientPlanner(law()), GradientPlanner(flat(0.5))), rounds=2),
    ),
    Maker(
        "constrained",
        lambda: ConstrainedPlanner(law(), RateBounds(rising=True), (RevenueFloor(15_000),)),
    ),
    pytest.param(
        Maker("trust region", lambda: TrustRegionPlanner(law(), Knowledge())),
        marks=pytest.mark.long,
    ),
]
WELFARE = [Atkinson(1.0), Rawlsian()]
every_planner = pytest.mark.parametrize("planner", PLANNERS, ids=repr)


@functools.cache
def economy():
    return economy_of(grid("GB2", 400), 0.25)


def evaluator(welfare=WELFARE[0]):
    return RationalEvaluator(economy(), welfare)


def run(planner, *, seed=0, welfare=WELFARE[0], steps=STEPS):
    return plan(jax.random.key(seed), planner.make(), evaluator(welfare), steps=steps)


def assert_legal(schedule):
    np.testing.assert_array_equal(schedule.thresholds, THRESHOLDS)
    assert np.all(np.isfinite(schedule.rates))
    assert np.all(np.abs(schedule.rates) <= 1)


@every_planner
@pytest.mark.parametrize("welfare", WELFARE, ids=["atkinson", "rawls"])
def test_proposals_and_recommendation_are_legal(planner, welfare):
    found = run(planner, welfare=welfare)
    for schedule in (*found.schedules, found.recommended):
        assert_legal(schedule)
    assert all(np.isfinite(report.equivalent) for report in found.reports)


@every_planner
def test_a_key_is_a_run(planner):
    one, same = run(planner), run(planner)
    for a, b in zip(
        (*one.schedules, one.recommended), (*same.schedules, same.recommended), strict=True
    ):
        np.testing.assert_array_equal(a.rates, b.rates)


@every_planner
def test_evaluations_are_the_steps(planner):
    evaluate, instance = evaluator(), planner.make()
    plan(jax.random.key(0), instance, evaluate, steps=STEPS)
    assert sum(evaluate.counts.values()) == STEPS
    assert evaluate.counts["gradient" if "gradient" in instance.observes else "value"] == STEPS


@every_planner
def test_the_second_run_does_not_compile_again(planner, compilations):
    run(planner)
    with compilations() as seen:
        run(planner, seed=1)
    assert not seen


@every_planner
def test_a_longer_run_does_not_compile_again(planner, compilations):
    run(planner)
    with compilations() as seen:
        run(planner, steps=STEPS + 3)
    assert not seen


@every_planner
def test_the_recommendation_is_worth_its_evaluations(planner):
    found = run(planner)
    equivalents = [float(report.equivalent) for report in found.reports]
    recommended = float(evaluator().value(found.recommended).equivalent)
    assert recommended >= equivalents[0] * (1 - 1e-6)
    if planner.learns:
        assert recommended >= np.median(equivalents)


@every_planner
def test_a_planner_keeps_no_secrets_between_runs(planner):
    instance = planner.make()
    one = plan(jax.random.key(3), instance, evaluator(), steps=STEPS)
    other = plan(jax.random.key(3), instance, evaluator(), steps=STEPS)
    np.testing.assert_array_equal(one.recommended.rates, other.recommended.rates)


def test_random_draws_are_uniform_and_belong_to_their_key():
    one, other = run(PLANNERS[1], steps=40), run(PLANNERS[1], seed=1, steps=40)
    rates = np.array([schedule.rates for schedule in one.schedules])
    assert np.all((rates >= 0) & (rates < 1))
    assert abs(rates.mean() - 0.5) < 4 / np.sqrt(12 * rates.size)
    assert len(np.unique(rates)) == rates.size
    assert not np.array_equal(rates[0], other.schedules[0].rates)


def test_random_search_recommends_its_best_draw():
    found = run(PLANNERS[1], steps=40)
    best = int(np.argmax([report.equivalent for report in found.reports]))
    np.testing.assert_array_equal(found.recommended.rates, found.schedules[best].rates)


def test_the_fixed_planner_never_moves():
    found = run(PLANNERS[0])
    for schedule in (*found.schedules, found.recommended):
        np.testing.assert_array_equal(schedule.rates, law().rates)


def test_flat_search_is_flat():
    for schedule in run(PLANNERS[2]).schedules:
        assert len(np.unique(schedule.rates)) == 1


@pytest.mark.parametrize("welfare", WELFARE, ids=["atkinson", "rawls"])
def test_the_best_found_is_what_brute_force_finds(x64, welfare):
    n, edges = grid("GB2", 500), np.array([0.0, 30000, 100000])
    aversion = 1 if isinstance(welfare, Atkinson) else np.inf

    def loss(rates):
        return -reference_solve(n, edges, np.clip(rates, -1, 0.999), 0.25).equivalent(aversion)

    starts = [np.full(3, t) for t in (0.3, 0.5, 0.7)] + [np.array([0.9, 0.7, 0.6])]
    options = {"xatol": 1e-6, "fatol": 1e-7, "maxfev": 600}
    brute = min(minimize(loss, s, method="Nelder-Mead", options=options).fun for s in starts)
    evaluate = RationalEvaluator(economy_of(n, 0.25), welfare)
    found = best_found(
        evaluate, [BracketSchedule(edges, s) for s in starts[1:3]], steps=25, most=250
    ).schedule
    exact = -loss(np.asarray(found.rates))
    # Step-like values: section 2.3 allows 1e-6 (good), 1e-5 (acceptable); 500 workers make larger
    # steps.
    assert exact >= -brute * (1 - 1e-4)
    assert_equivalent_to(evaluate, found, exact)


def assert_equivalent_to(evaluate, schedule, exact):
    with float64():
        assert evaluate.value(schedule).equivalent == pytest.approx(exact, rel=1e-10)


FROM_A_LAW = [
    CoordinateSearch,
    EvolutionPlanner,
    FixedPlanner,
    FlatSearch,
    GradientPlanner,
    RampPlanner,
    RandomSearch,
    SaezPlanner,
    StaticSaezPlanner,
    WalkPlanner,
    EmpiricalSaezPlanner,
    ConstrainedPlanner,
    lambda law: MultiStart((GradientPlanner(law),)),
    lambda law: TrustRegionPlanner(law, Knowledge()),
    lambda law: even_grid(law, tries=3),
]


@pytest.mark.parametrize("make", FROM_A_LAW)
def test_a_planner_that_is_given_no_law_says_what_it_wants(make):
    with pytest.raises(ValueError, match=r"given a law, a BracketSchedule.*got ndarray"):
        make(THRESHOLDS).init(jax.random.key(0))
