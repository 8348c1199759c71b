import re

import jax.numpy as jnp
import numpy as np
import pytest

from econjax import (
    GHH,
    BracketSchedule,
    Economy,
    Isoelastic,
    Population,
    Quasilinear,
    calibrate,
    gb2,
)
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.prompts.disutility import (
    PRICED_HOURS,
    effort_cost,
    price_of_an_hour,
    utility_in_words,
)
from llm_policy.workers.llm import LLMWorkers
from tests.helpers.laboratory import settled

N = 6
LAW = BracketSchedule([0.0, 11_600.0, 100_000.0], [0.1, 0.25, 0.4])
WEEKS = (10.0, 37.5, 40.0, 66.0, 100.0)
OWN = np.array([0.1, 0.2, 0.25, 0.4, 0.7, 1.5])
CASES = {
    "one elasticity": (lambda: Quasilinear(0.25), {}),
    "awkward elasticity": (lambda: Quasilinear(0.33), {}),
    "own elasticities": (lambda: Quasilinear(0.25), {"elasticity": OWN}),
    "isoelastic": (lambda: Isoelastic(1.5, exponent=3.0, scale=1e-6, unit=30_000.0), {}),
    "log": (lambda: Isoelastic(1.0, exponent=2.5, scale=1e-5), {}),
}
every_utility = pytest.mark.parametrize("case", CASES)

pytestmark = pytest.mark.usefixtures("x64")


def economy_of(case="one elasticity", **more):
    make, options = CASES[case]
    population = Population(np.asarray(gb2(N).skill), **options, **more)
    preferences = make()
    return Economy(
        population=calibrate(population, LAW, preferences=preferences), preferences=preferences
    )


def computed(text):
    """Return the function of kept money and hours that a prompt states, and its numbers."""
    gain, cost = re.search(
        r"Your utility of a year, in \w+, is (.*?),? minus your cost of effort, (.*?)\. ", text
    ).groups()
    numbers = {
        name: float(value.replace(",", ""))
        for name, value in re.findall(r"\b([ABp]) = \$?([\d.,]*\d(?:e-?\d+)?)", text)
    }
    code = f"({gain}) - {cost}".replace("the natural log of", "log").replace(
        "the money you keep", "kept"
    )
    code = re.sub(
        r"\$([\d,.]*\d)",
        lambda found: found[1].replace(",", ""),
        code.replace("money you keep", "kept"),
    )
    code = code.replace("40 hours", "40").replace("weekly hours", "hours")
    code = code.replace("^", "**").replace(" x ", " * ")
    return lambda kept, hours: eval(
        code, {"log": np.log}, {**numbers, "kept": kept, "hours": hours}
    ), numbers


@every_utility
def test_the_stated_formula_with_the_stated_numbers_is_the_utility_that_is_settled(case):
    economy = economy_of(case)
    lines = LLMWorkers(ScriptedEngine(str), economy, scenario="rational").lines
    texts = list(map(str, lines))
    for week in WEEKS:
        outcome = settled(economy, LAW, jnp.full(N, week))
        for i, text in enumerate(texts):
            utility, numbers = computed(text)
            kept = float(outcome.income[i] - outcome.tax[i] + outcome.rebate)
            cost = utility(kept, 0.0) - utility(kept, week)
            rounding = 0.5 * (week / 40) ** numbers["p"] if "A" in numbers else 1e-12
            assert utility(kept, week) == pytest.approx(
                float(outcome.utility[i]), abs=2e-3 * cost + rounding
            )


def test_the_stated_formula_counts_the_fixed_cost_of_working():
    economy = economy_of(fixed_cost=np.full(N, 300.0))
    outcome = settled(economy, LAW, jnp.full(N, 40.0))
    for i, text in enumerate(LLMWorkers(ScriptedEngine(str), economy, scenario="rational").lines):
        utility, _ = computed(str(text))
        kept = float(outcome.income[i] - outcome.tax[i] + outcome.rebate)
        less = float(re.search(r"Working at all costs you \$([\d,]+)", text.means)[1])
        assert utility(kept, 40.0) - less == pytest.approx(float(outcome.utility[i]), abs=1.5)


@pytest.mark.parametrize("case", ["one elasticity", "awkward elasticity", "own elasticities"])
def test_an_hour_at_40_hours_costs_what_calibrated_workers_keep_of_it(case):
    """They are content with 40 hours: the next hour costs what it brings after tax."""
    economy = economy_of(case)
    skill, e = np.asarray(economy.population.skill), economy.population.elasticity
    kept = skill * (1 - np.asarray(LAW.marginal_rate(40 * jnp.asarray(skill))))
    power = 1 / np.asarray(economy.preferences.elasticity if e is None else e)
    for hours, price in zip(PRICED_HOURS, price_of_an_hour(economy).T, strict=True):
        np.testing.assert_allclose(price, kept * (hours / 40) ** power, rtol=1e-9)


@every_utility
def test_prices_leave_a_worker_as_well_off_with_an_hour_more(case):
    """By finite differences of utility: a bit more work, paid at its price, changes nothing."""
    economy, bit = economy_of(case), 1e-4
    population, consumption = economy.population, 40 * economy.population.skill
    for hours, price in zip(PRICED_HOURS, price_of_an_hour(economy).T, strict=True):
        utility = [
            economy.preferences.utility(
                consumption + sign * bit / 2 * price,
                jnp.full(N, hours + sign * bit / 2),
                population,
            )
            for sign in (-1, 1)
        ]
        by_price = economy.preferences.utility(
            consumption + bit * price, jnp.full(N, hours), population
        )
        worth = by_price - economy.preferences.utility(consumption, jnp.full(N, hours), population)
        np.testing.assert_array_less(np.abs(utility[1] - utility[0]), 1e-4 * np.abs(worth) + 1e-12)


def test_prices_are_the_same_in_both_precisions(eps):
    economy = economy_of()
    population = economy.population
    by_hand = population.taste * population.skill * 1.5**4
    np.testing.assert_allclose(price_of_an_hour(economy)[:, 2], by_hand, rtol=64 * eps)


def test_workers_of_one_kind_are_told_one_cost():
    economy = Economy(population=Population(np.full(3, 900.0)), preferences=Quasilinear(0.25))
    _, own = utility_in_words(economy)
    assert len(own) == 3
    assert len(set(own)) == 1


def test_preferences_without_a_formula_are_an_error_that_says_what_to_use():
    economy = Economy(population=economy_of().population, preferences=GHH(1.5, elasticity=0.25))
    with pytest.raises(
        ValueError, match="GHH preferences have no formula in words: use Quasilinear"
    ):
        utility_in_words(economy)


def test_a_concave_utility_of_the_same_composite_has_the_same_prices():
    """GHH utility rises with consumption less labor's cost: what an hour is worth is the same."""
    economy = economy_of()
    concave = Economy(population=economy.population, preferences=GHH(1.5, elasticity=0.25))
    np.testing.assert_array_equal(price_of_an_hour(concave), price_of_an_hour(economy))


def test_whoever_earns_nothing_reads_the_prices_of_1000_dollars_a_year():
    population = Population([0.0, 25.0, 900.0], taste=np.ones(3))
    economy = Economy(
        population=population, preferences=Isoelastic(1.5, exponent=3.0, scale=1e-6, unit=30_000.0)
    )
    poor, least, rich = price_of_an_hour(economy)
    np.testing.assert_array_equal(poor, least)
    assert np.isfinite(poor).all()
    assert (poor > 0).all()
    assert (rich > least).all(), "the less is consumed, the dearer a dollar"
    for text in map(str, LLMWorkers(ScriptedEngine(str), economy, ["You."] * 3).lines):
        assert not re.search(r"nan|inf|\?|-\$", text)


@pytest.mark.parametrize("on", [np.asarray, jnp.asarray], ids=["numpy", "jax"])
def test_effort_has_the_price_at_40_hours_and_the_ratio_of_those_at_60_and_20(x64, on):
    prices = tuple(on(each) for each in ([[4.0, 90.0]], [[10.0, 100.0]], [[13.0, 400.0]]))
    hours = np.array(PRICED_HOURS)[:, None]
    step = 1e-4
    rise = effort_cost(prices, on(hours + step)) - effort_cost(prices, on(hours - step))
    low, middle, high = np.asarray(rise, float) / (2 * step)
    np.testing.assert_allclose(middle, prices[1][0], rtol=1e-8)
    np.testing.assert_allclose(high / low, (prices[2] / prices[0])[0], rtol=1e-8)
