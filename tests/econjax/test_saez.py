import jax
import jax.numpy as jnp
import numpy as np
import pytest
from laboratory import economy_of, equivalent, solve, welfare_of
from reference import (
    QUANTILES,
    THRESHOLDS,
    US_2024,
    continuum,
    grid,
    lognormal_pareto_quantile,
    pareto_quantile,
)
from reference import solve as reference_solve

from baselines.saez import SaezPlanner
from econjax import Atkinson, BracketSchedule, Rawlsian, Utilitarian
from econjax.planning import RationalEvaluator, plan
from econjax.saez import BracketStatistics, bracket_statistics, saez_rates

# Oracles, section 1d: gold rates of the continuum, and what the first-order condition implies there.
FOC = {
    "LN": (
        [0.40961, 0.45786, 0.46982, 0.46365, 0.45184, 0.43688, 0.39853],
        [0.40961, 0.45786, 0.47027, 0.46506, 0.45815, 0.43961, 0.40700],
    ),
    "GB2": (
        [0.60399, 0.54771, 0.52462, 0.54185, 0.56269, 0.58257, 0.61135],
        [0.61102, 0.55078, 0.52652, 0.54185, 0.56269, 0.58257, 0.61135],
    ),
}


@pytest.mark.parametrize("name", FOC)
def test_the_first_order_condition_at_the_optimum(x64, name):
    gold, implied = FOC[name]
    n, weight = continuum(QUANTILES[name], 1_000_001)
    economy, schedule = economy_of(n, 0.25, weight=weight), BracketSchedule(THRESHOLDS, gold)
    outcome = solve(economy, schedule).outcome
    statistics = bracket_statistics(economy.population, schedule, outcome, Atkinson(1.0))
    found = saez_rates(statistics, elasticity=0.25, current=schedule.rates)
    # Rates are printed to 5e-6, and jumping workers are one cell of the quadrature off.
    np.testing.assert_allclose(found, implied, atol=5e-5)


@pytest.mark.parametrize("rates", [US_2024, US_2024[::-1].copy()], ids=["rising", "falling"])
def test_statistics_by_hand(x64, rates):
    n = grid("GB2", 3000)
    economy, schedule = economy_of(n, 0.25), BracketSchedule(THRESHOLDS, rates)
    found = bracket_statistics(economy.population, schedule, solve(economy, schedule).outcome, Atkinson(1.0))
    exact = reference_solve(n, THRESHOLDS, rates, 0.25)
    ends = np.append(THRESHOLDS[1:], np.inf)
    within = [np.clip(exact.income - b, 0, top - b) for b, top in zip(THRESHOLDS, ends, strict=True)]
    inside = [(exact.income > b) & (exact.income < top) for b, top in zip(THRESHOLDS, ends, strict=True)]
    g = (1 / exact.utility) / np.mean(1 / exact.utility)
    np.testing.assert_allclose(found.base, np.mean(within, axis=1), rtol=1e-10)
    np.testing.assert_allclose(found.weighted_base, np.mean(g * np.array(within), axis=1), rtol=1e-10)
    np.testing.assert_allclose(found.active, np.mean(exact.income * np.array(inside), axis=1), rtol=1e-10)
    last = [(exact.income > b) & (exact.income <= top) for b, top in zip(THRESHOLDS, ends, strict=True)]
    np.testing.assert_allclose(found.share, np.mean(last, axis=1), atol=1e-12)


def test_statistics_add_up(x64):
    n = grid("LN", 3000)
    economy, schedule = economy_of(n, 0.25), BracketSchedule(THRESHOLDS, US_2024)
    outcome = solve(economy, schedule).outcome
    for welfare in (Utilitarian(), Atkinson(2.0), Rawlsian()):
        found = bracket_statistics(economy.population, schedule, outcome, welfare)
        assert found.share.sum() == pytest.approx(1, rel=1e-12)
        assert found.base.sum() == pytest.approx(float(outcome.income.mean()), rel=1e-12)
        assert found.base @ schedule.rates == pytest.approx(float(outcome.rebate), rel=1e-12)
        assert np.all(np.asarray(found.active) <= np.asarray(outcome.income.mean()))
    utilitarian = bracket_statistics(economy.population, schedule, outcome, Utilitarian())
    np.testing.assert_allclose(utilitarian.weighted_base, utilitarian.base, rtol=1e-12)
    rawlsian = bracket_statistics(economy.population, schedule, outcome, Rawlsian())
    assert rawlsian.weighted_base.sum() == pytest.approx(float(outcome.income[0]), rel=1e-12)


def test_a_rate_of_a_bracket_by_hand(x64):
    # tau / (1 - tau) = (base - weighted) / (e active): (4 - 1) / (0.5 * 6) = 1.
    statistics = BracketStatistics(
        share=jnp.array([0.5, 0.5, 0.0]),
        base=jnp.array([4.0, 2.0, 0.0]),
        weighted_base=jnp.array([1.0, 2.0, 0.0]),
        active=jnp.array([6.0, 3.0, 0.0]),
    )
    found = saez_rates(statistics, elasticity=0.5, current=jnp.array([0.1, 0.2, 0.3]))
    np.testing.assert_allclose(found, [0.5, 0.0, 0.3], atol=1e-15)


# Oracles, section 1b: optimal linear rate and its equivalent.
LINEAR = [
    ("GB2", 0.25, 1, 0.5474816243, 40903.424335),
    ("GB2", 0.25, 2, 0.6232518631, 39203.429318),
    ("GB2", 0.50, 1, 0.4099379872, 32677.241099),
    ("GB2", 0.50, 2, 0.4866341226, 30685.827059),
    ("LN", 0.25, 1, 0.4622930660, 47608.670257),
    ("LN", 0.25, 2, 0.5517224585, 45763.009315),
    ("LN", 0.50, 1, 0.3304684809, 38644.335989),
    ("LN", 0.50, 2, 0.4148473900, 36520.189700),
]


@pytest.mark.parametrize("row", LINEAR, ids=lambda row: "-".join(map(str, row[:3])))
def test_one_bracket_converges_to_the_optimal_linear_tax(x64, row):
    name, elasticity, aversion, rate, ede = row
    n, weight = continuum(QUANTILES[name])
    economy = economy_of(n, elasticity, weight=weight)
    evaluate = RationalEvaluator(economy, Atkinson(float(aversion)))
    planner = SaezPlanner(BracketSchedule([0], [0.3]), elasticity)
    best = plan(jax.random.key(0), planner, evaluate, steps=50).recommended
    np.testing.assert_allclose(best.rates, rate, atol=2e-6)
    assert equivalent(economy, welfare_of(aversion), best)[2] == pytest.approx(ede, rel=2e-7)


# Oracles, section 2.5: Pareto(L, alpha), e, optimal rate, u_min; and the quantile grid at that rate.
PARETO = [
    (8000.0, 2.0, 0.25, 9725.89677634, (8087.58048999, 9708.58354871, 12131.37073498)),
    (8000.0, 1.6, 0.50, 9481.48148148, (7818.28486858, 9398.55647402, 14072.91276344)),
    (5000.0, 1.5, 0.40, 7237.28592065, (6220.82111162, 7125.49692969, 9953.31377859)),
]


@pytest.mark.parametrize("row", PARETO, ids=lambda row: "-".join(map(str, row[:3])))
def test_pareto_and_rawls_make_all_rates_equal(x64, row):
    lowest, index, elasticity, worst, _ = row
    n, weight = continuum(pareto_quantile(lowest, index))
    economy = economy_of(n, elasticity, weight=weight)
    planner = SaezPlanner(BracketSchedule(THRESHOLDS, np.full(7, 0.4)), elasticity)
    best = plan(jax.random.key(0), planner, RationalEvaluator(economy, Rawlsian()), steps=50).recommended
    np.testing.assert_allclose(best.rates, 1 / (1 + index * elasticity), atol=1e-3)
    _, income, found = equivalent(economy, Rawlsian(), best)
    assert found == pytest.approx(worst, rel=1e-5)
    assert found == pytest.approx(float(income) / (1 + elasticity), rel=1e-3)  # section 1, identity 6


@pytest.mark.parametrize("row", PARETO, ids=lambda row: "-".join(map(str, row[:3])))
def test_pareto_grid_at_the_theoretical_rate(x64, row):
    lowest, index, elasticity, _, (rebate, worst, income) = row
    u = (np.arange(20000) + 0.5) / 20000
    economy = economy_of(pareto_quantile(lowest, index)(u, 1 - u), elasticity)
    schedule = BracketSchedule(THRESHOLDS, np.full(7, 1 / (1 + index * elasticity)))
    np.testing.assert_allclose(
        equivalent(economy, Rawlsian(), schedule), (rebate, income, worst), rtol=1e-12, atol=5.1e-9
    )


def test_the_fixed_point_is_the_optimum_where_rates_rise(x64):
    # Section 1, formula 5: exact for a convex schedule. Bounded below so that the gradient must vanish.
    n, weight = continuum(lognormal_pareto_quantile)
    economy = economy_of(n, 0.25, weight=weight)
    evaluate = RationalEvaluator(economy, Atkinson(1.0))
    start = BracketSchedule([0.0, 60000, 150000], [0.4, 0.5, 0.6])
    best = plan(jax.random.key(0), SaezPlanner(start, 0.25), evaluate, steps=60).recommended
    report = evaluate.value_and_grad(best)
    assert np.all(np.diff(best.rates) > 0), "the economy was chosen for rising rates"
    np.testing.assert_allclose(report.gradient, np.zeros(3), atol=1e-3 * float(report.equivalent))
    for step in 0.01 * np.vstack([np.eye(3), -np.eye(3)]):
        moved = reference_solve(n, start.thresholds, np.asarray(best.rates) + step, 0.25, weight=weight)
        assert moved.equivalent(1) < report.equivalent
