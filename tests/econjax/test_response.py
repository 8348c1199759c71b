import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from econjax import (
    Atkinson,
    BracketSchedule,
    Economy,
    InverseIncome,
    Population,
    Quasilinear,
    Rawlsian,
    Utilitarian,
    best_response,
    equilibrium,
    gini,
    settle,
)
from tests.helpers.laboratory import (
    economy_of,
    float64,
    power_economy,
    rebate_and_gradients,
    respond,
    solve,
)
from tests.helpers.reference import THRESHOLDS, US_2024, continuum, cost, grid, pareto_quantile, tax
from tests.helpers.reference import solve as reference_solve

# Oracles, section 5a: e = .5, thresholds [0, 100]; the last digit printed is the eighth.
N_5A = np.array([50, 111.8, 111.81, 115, 124.31, 124.32, 130, 141.42, 141.43, 200])
RISING_5A = [44.72135955, 99.99695995, 100, 100, 100, 100, 100, 100, 100.00611206, 141.42135624]
RISING_U = [
    23.85139176, 53.33171198, 53.33648197, 54.79521109, 58.42918211,
    58.43265218, 60.27613412, 63.33301366, 63.33537069, 77.14045208,
]  # fmt: skip
FALLING_5A = [
    35.35533906, 79.05453814, 79.0616092, 81.31727984, 87.90044397,
    111.19518839, 116.27553483, 126.48989335, 126.49883762, 178.8854382,
]  # fmt: skip
FALLING_U = [
    11.78511302, 26.35151271, 26.35386973, 27.10575995, 29.30014799,
    29.30410047, 32.01361858, 37.46127645, 37.46604673, 65.40556704,
]  # fmt: skip


@pytest.mark.eager
@pytest.mark.parametrize(
    ("rates", "income", "utility"),
    [([0.2, 0.5], RISING_5A, RISING_U), ([0.5, 0.2], FALLING_5A, FALLING_U)],
    ids=["bunch where rates rise", "jump where rates fall"],
)
def test_two_brackets(x64, rates, income, utility):
    economy = economy_of(N_5A, 0.5)
    outcome = solve(economy, BracketSchedule([0, 100], rates)).outcome
    np.testing.assert_allclose(outcome.income, income, atol=5.1e-9)
    np.testing.assert_allclose(outcome.utility - outcome.rebate, utility, atol=5.1e-9)
    np.testing.assert_allclose(
        respond(economy, BracketSchedule([0, 100], rates)), outcome.labor, rtol=1e-15
    )


def test_a_skipped_bracket(x64):
    # Oracles, section 5a: nobody stays in the bracket [50, 60] taxed at 70 %.
    n = np.array([40.0, 55, 60, 61, 62, 63, 64, 70, 80])
    outcome = solve(economy_of(n, 0.5), BracketSchedule([0, 50, 60], [0.2, 0.7, 0.1])).outcome
    expected = [35.77708764, 49.1934955, 50, 50, 50, 50, 50, 50, 75.89466384]
    np.testing.assert_allclose(outcome.income, expected, atol=5.1e-9)


def test_the_jump_is_where_the_closed_form_says(x64):
    # Oracles, section 5a: n* = 124.3133887667, where income jumps from 87.90284019 to 111.18927512.
    n = 124.3133887667 + np.array([-1e-9, 1e-9])
    income = solve(economy_of(n, 0.5), BracketSchedule([0, 100], [0.5, 0.2])).outcome.income
    np.testing.assert_allclose(income, [87.90284019, 111.18927512], atol=1e-8)


WAGES = np.array([250.0, 750, 1500, 4000, 20000])  # section 2.5, case A: printed z / printed l


@pytest.mark.eager
def test_unit_population_a(x64):
    economy = Economy(population=Population(WAGES), preferences=Quasilinear(0.25))
    outcome = solve(economy, BracketSchedule(THRESHOLDS, US_2024)).outcome
    income = [9740.03746425, 29056.40784351, 56386.46922692, 149390.63756115, 712730.13948086]
    taxes = [974.00374643, 3254.76894122, 7458.02322992, 28896.25301468, 221897.90160792]
    consumption = [
        61262.22382586,
        78297.82901032,
        101424.63610503,
        172990.57465451,
        543328.42798097,
    ]
    utility = [
        59509.01708229449, 73183.90122986131, 92628.3469056284, 150283.19774521433,
        453524.4304063841,
    ]  # fmt: skip
    labor = [38.960149857, 38.7418771247, 37.5909794846, 37.3476593903, 35.636506974]
    assert outcome.rebate == pytest.approx(52496.1901080324, abs=5.1e-11)
    np.testing.assert_allclose(outcome.labor, labor, atol=5.1e-11)
    np.testing.assert_allclose(outcome.income, income, atol=5.1e-9)
    np.testing.assert_allclose(outcome.tax, taxes, atol=5.1e-9)
    np.testing.assert_allclose(outcome.consumption, consumption, atol=5.1e-9)
    np.testing.assert_allclose(outcome.utility, utility, rtol=1e-14)
    people = economy.population
    assert 5 * Utilitarian()(people, outcome) == pytest.approx(829128.893369382713, rel=1e-14)
    assert 5 * InverseIncome(1.0)(people, outcome) == pytest.approx(11.913450898764, abs=5.1e-13)
    assert Rawlsian()(people, outcome) == pytest.approx(59509.017082294493, rel=1e-14)
    assert Atkinson(1.0)(people, outcome) == pytest.approx(11.715209113333, abs=5.1e-13)
    assert Atkinson(2.0)(people, outcome) == pytest.approx(-1.002465426385e-05, rel=1e-12)
    assert gini(outcome.income) == pytest.approx(0.637755582552, abs=5.1e-13)


def test_unit_population_with_falling_rates(x64):
    # Oracles, section 2.5, case A'.
    economy = Economy(population=Population(WAGES), preferences=Quasilinear(0.25))
    rates = [0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2]
    outcome = solve(economy, BracketSchedule(THRESHOLDS, rates)).outcome
    income = [8408.96415254, 25835.2058989, 52806.7042076, 143664.1216019, 756593.28720254]
    utility = [
        65413.6569440123,
        72837.5618785139,
        84459.7893026471,
        128791.6645159832,
        486054.7750926235,
    ]
    np.testing.assert_allclose(outcome.income, income, rtol=0, atol=1e-7)
    np.testing.assert_allclose(outcome.utility, utility, rtol=1e-14)
    assert outcome.rebate == pytest.approx(62050.0712829974, abs=5.1e-11)


def test_unit_population_of_the_reference_system(x64):
    # Oracles, section 2.5, case D: u = c - 0.0005 l^3.5, flat 30 %.
    economy = power_economy([1.24, 10, 40, 80, 159.1], 0.0005, 3.5)
    outcome = solve(economy, BracketSchedule([0], [0.3])).outcome
    labor = [11.97271572, 27.59459323, 48.04497736, 63.3957277, 83.46263052]
    income = [14.846167, 275.945932, 1921.799094, 5071.658216, 13278.904515]
    utility = [1241.21231927, 1371.76220168, 2194.68878272, 3769.61834347, 7873.24149328]
    np.testing.assert_allclose(outcome.labor, labor, atol=5.1e-9)
    np.testing.assert_allclose(outcome.income, income, atol=5.1e-7)
    np.testing.assert_allclose(outcome.utility, utility, atol=5.1e-9)
    assert outcome.rebate == pytest.approx(1233.78923553, abs=5.1e-9)


@pytest.mark.parametrize(
    ("rate", "share"),
    [(0.0, 0.897820), (0.22, 0.869103), (0.5, 0.797183), (0.8, 0.532619), (0.95, 0.079520)],
)
def test_the_hours_cap_binds_in_the_reference_system(x64, rate, share):
    # Oracles, section 9a: share of the GB2 population at 100 hours, u = c - 0.0005 l^3.5.
    economy = power_economy(grid("GB2") / 40, 0.0005, 3.5, max_labor=100.0)
    labor = solve(economy, BracketSchedule([0], [rate])).labor
    assert np.mean(np.asarray(labor) > 100 - 1e-9) == pytest.approx(share, abs=1 / 20000)


def test_the_reference_system_under_federal_rates(x64):
    # Oracles, sections 9a and 9b: mean hours 96.7352, 88.39 % at the cap, mean income, rebate.
    economy = power_economy(grid("GB2") / 40, 0.0005, 3.5, max_labor=100.0)
    outcome = solve(economy, BracketSchedule(THRESHOLDS, US_2024)).outcome
    assert outcome.labor.mean() == pytest.approx(96.7352, abs=5.1e-5)
    assert np.mean(np.asarray(outcome.labor) > 100 - 1e-9) == pytest.approx(0.8839, abs=1e-4)
    assert outcome.income.mean() == pytest.approx(147757.99, abs=5.1e-3)
    assert outcome.rebate == pytest.approx(34566.44, abs=5.1e-3)


SKILLS = np.append(0.0, np.geomspace(1.0, 5e4, 39))
schedules = st.tuples(
    st.lists(st.floats(1.0, 3e5), min_size=3, max_size=3),
    st.lists(st.floats(-1.0, 1.0), min_size=4, max_size=4),
)


@given(schedules, st.floats(0.1, 1.0), st.sampled_from([30.0, 100.0, np.inf]), st.floats(-1e4, 1e4))
def test_no_deviation_beats_the_best_response(schedule, elasticity, cap, rebate):
    widths, rates = schedule
    thresholds = np.cumsum([0, *widths])
    taste = 0.5 + (np.arange(40) % 4) / 3
    with float64():
        economy = Economy(
            population=Population(SKILLS, taste=taste),
            preferences=Quasilinear(elasticity),
            max_labor=cap,
        )
        labor = np.asarray(respond(economy, BracketSchedule(thresholds, rates), rebate))

    def utility(hours):
        income = SKILLS[:, None] * hours
        loss = taste[:, None] * cost(40 * SKILLS[:, None], income, elasticity)
        return income - tax(thresholds, rates, income) - loss

    assert np.all((labor >= 0) & (labor <= cap * (1 + 1e-12)))
    chosen = utility(labor[:, None])[:, 0]
    hours = np.linspace(0, cap if np.isfinite(cap) else 40 * 4**elasticity, 1001)
    kinks = np.divide(thresholds, SKILLS[:, None], out=np.zeros((40, 4)), where=SKILLS[:, None] > 0)
    grid_best = utility(np.broadcast_to(hours, (40, 1001))).max(1)
    kink_best = utility(np.minimum(kinks, cap)).max(1)
    slack = 1e-12 * (SKILLS * 200 + 1)
    assert np.all(chosen >= grid_best - slack)
    assert np.all(chosen >= kink_best - slack)


@given(schedules, st.floats(0.1, 1.0))
def test_income_never_falls_with_skill(schedule, elasticity):
    # Section 5, algorithm: z is monotone in n, for any schedule.
    widths, rates = schedule
    with float64():
        economy = economy_of(40 * SKILLS, elasticity)
        income = solve(economy, BracketSchedule(np.cumsum([0, *widths]), rates)).outcome.income
        assert np.all(np.diff(income) >= -1e-9 * np.asarray(income[1:]))


@given(schedules, st.floats(0.1, 1.0), st.sampled_from([40.0, np.inf]))
def test_the_independent_solution(schedule, elasticity, cap):
    widths, rates = schedule
    thresholds = np.cumsum([0, *widths])
    with float64():
        economy = economy_of(40 * SKILLS, elasticity, max_labor=cap)
        found = solve(economy, BracketSchedule(thresholds, rates))
        with np.errstate(invalid="ignore"):
            limit = np.where(SKILLS > 0, cap * SKILLS, 0.0)
        expected = reference_solve(40 * SKILLS, thresholds, np.array(rates), elasticity, cap=limit)
        surplus = found.outcome.utility - found.rebate
        scale = 1 + 200 * SKILLS
        np.testing.assert_array_less(
            np.abs(surplus - (expected.utility - expected.rebate)), 1e-12 * scale
        )


def test_a_zero_skill_earns_nothing_and_is_no_nan():
    economy = economy_of([0.0, 4e4], 0.25)
    for rates in (US_2024, US_2024[::-1], -US_2024):
        outcome = solve(economy, BracketSchedule(THRESHOLDS, rates)).outcome
        assert outcome.income[0] == 0
        assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(outcome))


def test_a_worker_without_distaste_works_to_the_cap():
    economy = Economy(
        population=Population([100.0, 100.0], taste=[0.0, 1.0]), preferences=Quasilinear(0.25)
    )
    outcome = solve(economy, BracketSchedule([0, 5000], [0.2, 0.5])).outcome
    assert outcome.labor[0] == pytest.approx(100, rel=1e-6)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(outcome))


def test_a_single_agent_gets_its_tax_back(x64):
    outcome = solve(economy_of([50000.0], 0.25), BracketSchedule([0], [0.5])).outcome
    assert outcome.labor[0] == pytest.approx(40 * 0.5**0.25, rel=1e-14)
    assert outcome.consumption[0] == pytest.approx(float(outcome.income[0]), rel=1e-14)


def test_one_bracket_equals_seven_equal_ones(x64):
    economy = economy_of(grid("GB2", 500), 0.25)
    one = solve(economy, BracketSchedule([0], [0.4])).outcome
    seven = solve(economy, BracketSchedule(THRESHOLDS, np.full(7, 0.4))).outcome
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), one, seven)


@pytest.mark.parametrize("elasticity", [0.1, 0.25, 0.5, 1.0])
def test_revenue_peaks_at_the_laffer_rate(x64, elasticity):
    # Section 1a: 1/(1 + e), whatever the population.
    economy = economy_of(grid("LN", 500), elasticity)
    peak = 1 / (1 + elasticity)
    revenue = [solve(economy, BracketSchedule([0], [peak + d])).rebate for d in (-1e-3, 0, 1e-3)]
    assert revenue[1] > max(revenue[0], revenue[2])
    *_, slope = rebate_and_gradients(economy, np.zeros(1), np.array([peak]))
    assert abs(slope[0]) < 1e-8 * revenue[1]


def test_the_top_rate_that_brings_most_revenue(x64):
    # Section 1a: 1/(1 + a e) above the threshold, a the Pareto index of incomes; a = 2, e = .25:
    # 2/3.
    n, weight = continuum(pareto_quantile(8000.0, 2.0))
    economy = economy_of(n, 0.25, weight=weight)
    *_, slope = rebate_and_gradients(economy, np.array([0, 1e5]), np.array([0.3, 2 / 3]))
    top_base = weight @ np.maximum(reference_solve(n, [0, 1e5], [0.3, 2 / 3], 0.25).income - 1e5, 0)
    assert abs(slope[1]) < 2e-3 * top_base


def test_the_order_of_workers_does_not_matter(x64):
    n = grid("GB2", 500)
    order = np.random.default_rng(0).permutation(500)
    schedule = BracketSchedule(THRESHOLDS, US_2024[::-1])
    one, other = (solve(economy_of(x, 0.25), schedule).outcome for x in (n, n[order]))
    np.testing.assert_allclose(np.asarray(one.income)[order], other.income, rtol=1e-13)
    assert one.rebate == pytest.approx(float(other.rebate), rel=1e-12)


def statistics(economy, schedule):
    outcome, people = solve(economy, schedule).outcome, economy.population
    measures = [Utilitarian(), Atkinson(1.0), Atkinson(2.0), Rawlsian(), InverseIncome(1.0)]
    return [
        outcome.rebate,
        gini(outcome.income, people.weight),
        *(measure(people, outcome) for measure in measures),
        *(measure.equivalent(people, outcome) for measure in measures),
    ]


def test_duplicating_everyone_changes_nothing(x64):
    n, schedule = grid("GB2", 300), BracketSchedule(THRESHOLDS, US_2024[::-1])
    once, twice = (statistics(economy_of(x, 0.25), schedule) for x in (n, np.repeat(n, 2)))
    np.testing.assert_allclose(once, twice, rtol=1e-12)


def test_splitting_a_worker_into_two_halves_changes_nothing(x64):
    n, schedule = grid("GB2", 300), BracketSchedule(THRESHOLDS, US_2024[::-1])
    weight = np.full(300, 1 / 300)
    split = np.append(weight, weight[-1] / 2)
    split[-2] /= 2
    once, halves = (
        statistics(economy_of(x, 0.25, weight=w), schedule)
        for x, w in ((n, weight), (np.append(n, n[-1]), split))
    )
    np.testing.assert_allclose(once, halves, rtol=1e-12)


def test_vmap_over_schedules_equals_a_loop():
    economy = economy_of(grid("GB2", 200), 0.25)
    rates = jax.random.uniform(jax.random.key(0), (5, 7))

    def outcome(rates):
        return equilibrium(economy, BracketSchedule(THRESHOLDS.tolist(), rates)).outcome

    batch = eqx.filter_jit(jax.vmap(outcome))(rates)
    compiled = eqx.filter_jit(outcome)
    loop = [compiled(row) for row in rates]
    for i, single in enumerate(loop):
        for a, b in zip(jax.tree.leaves(single), jax.tree.leaves(batch), strict=True):
            np.testing.assert_allclose(a, b[i], rtol=1e-5)


@pytest.mark.parametrize("rates", [US_2024, US_2024[::-1]], ids=["rising", "falling"])
def test_float32_loses_little_utility(rates):
    n = grid("GB2", 20000)
    labor = np.asarray(respond(economy_of(n, 0.25), BracketSchedule(THRESHOLDS, rates)), float)
    assert np.isfinite(labor).all()
    income = n / 40 * labor
    best = reference_solve(n, THRESHOLDS, rates, 0.25)
    surplus = income - tax(THRESHOLDS, rates, income) - cost(n, income, 0.25)
    loss = (best.utility - best.rebate - surplus) / best.utility
    assert loss.max() < 1e-6


@pytest.mark.parametrize("rates", [US_2024, US_2024[::-1]], ids=["rising", "falling"])
def test_float32_agrees_with_float64(rates):
    n = grid("GB2", 20000)
    single = solve(economy_of(n, 0.25), BracketSchedule(THRESHOLDS, rates))
    assert single.outcome.utility.dtype == jnp.float32
    expected = reference_solve(n, THRESHOLDS, rates, 0.25)
    eps = np.finfo(np.float32).eps
    np.testing.assert_allclose(single.outcome.utility, expected.utility, rtol=50 * eps)
    assert single.rebate == pytest.approx(expected.rebate, rel=1e-5)
    assert Atkinson(1.0).equivalent(Population(n / 40), single.outcome) == pytest.approx(
        expected.equivalent(1), rel=1e-5
    )


def test_the_result_says_how_it_was_reached(x64):
    found = solve(economy_of(grid("GB2", 200), 0.25), BracketSchedule(THRESHOLDS, US_2024))
    assert found.gap == 0
    assert found.steps == 1
    np.testing.assert_array_equal(found.labor, found.outcome.labor)
    assert found.rebate == found.outcome.rebate


def test_the_rebate_does_not_change_anyones_hours(x64):
    economy, schedule = economy_of(grid("GB2", 200), 0.25), BracketSchedule(THRESHOLDS, US_2024)
    np.testing.assert_array_equal(
        best_response(economy, schedule), best_response(economy, schedule, jnp.array(5e4))
    )


def test_the_second_call_does_not_compile_again(compilations):
    economy = economy_of(grid("GB2", 200), 0.25)
    make = lambda shift: (  # noqa: E731
        BracketSchedule(jnp.array(THRESHOLDS), jnp.array(US_2024) + shift)
    )
    solve(economy, make(0.0))
    schedule = make(0.1)
    with compilations() as seen:
        solve(economy, schedule)
    assert not seen


KINDS = {
    "one law": {},
    "groups": {"group": np.arange(60) % 2},
    "other income": {"other_income": np.linspace(-5e3, 8e4, 60)},
    "fixed costs": {"fixed_cost": np.linspace(0.0, 2e4, 60)},
    "credits": {"credit": np.linspace(0.0, 3e3, 60)},
    "elasticities": {"elasticity": np.linspace(0.1, 0.9, 60)},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rates", [[0.1, 0.3, 0.5], [0.5, 0.2, 0.4], [0.3, 0.3, 0.3]])
@pytest.mark.parametrize("cap", [25.0, 35.0, np.inf])
def test_taxes_of_an_equilibrium_are_those_that_its_hours_owe(kind, rates, cap, x64):
    # Those whom the longest week binds earn less than their type would, in a lower bracket.
    starts = [0.0, 30_000.0, 90_000.0]
    thresholds = [starts, [0.0, 40_000.0, 80_000.0]] if kind == "groups" else starts
    skill, taste = np.geomspace(100.0, 6_000.0, 60), 0.5 + (np.arange(60) % 4) / 3
    economy = Economy(
        population=Population(skill, taste=taste, **KINDS[kind]),
        preferences=Quasilinear(0.25),
        max_labor=cap,
    )
    schedule = BracketSchedule(thresholds, rates)
    found = equilibrium(economy, schedule).outcome
    owed = settle(economy, schedule, found.labor)
    np.testing.assert_allclose(found.tax, owed.tax, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(found.utility, owed.utility, rtol=1e-12)
    assert np.isclose(found.labor.max(), cap) == np.isfinite(cap)
