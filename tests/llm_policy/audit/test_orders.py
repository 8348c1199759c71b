"""Who goes by the place of an option is found out; who goes by what stands there is not."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chi2

from econjax import Atkinson, BracketSchedule, Economy, Quasilinear, calibrate, gb2, us_federal
from econjax.planning import RationalEvaluator
from llm_policy.audit.orders import ballot_order, order_effect, planner_order
from llm_policy.elections.democracy import Democracy
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.planners.choice import ChoicePlanner
from llm_policy.prompts.election import ElectionRules

LAW = us_federal(2024)
ECONOMY = Economy(population=calibrate(gb2(12), LAW), preferences=Quasilinear(0.25))


def elections(answer, *, count=6, voters=24, rule="plurality"):
    """Return elections of five candidates, each in a run of its own."""
    rules = ElectionRules(candidates=5, rule=rule)
    model = Democracy(ScriptedEngine(answer), LAW, rules=rules, goal="?", most_unread=1.0)
    words = [f"I am worker {i}." for i in range(voters)]
    return [
        model.decide(jax.random.key(seed), model.init(jax.random.key(0)), shared="", voters=words)[
            1
        ].elections[0]
        for seed in range(count)
    ]


@pytest.mark.parametrize(
    ("rule", "first"),
    [
        ("plurality", '{"vote": 1}'),
        ("borda", '{"ranking": [1, 2, 3, 4, 5]}'),
        ("approval", '{"approve": [1, 2]}'),
    ],
)
def test_voters_who_always_name_the_first_are_found_out(rule, first):
    found = ballot_order(elections(lambda prompt: first, rule=rule))
    assert (found.answers, found.shares) == (6 * 24, (1, 0, 0, 0, 0))
    assert found.expected == pytest.approx((0.2,) * 5)
    # all n in one of 5 equal places: n * 4, of a chi-squared with 4 degrees of freedom
    assert found.statistic == pytest.approx(4 * 6 * 24)
    assert found.p_value == pytest.approx(chi2.sf(4 * 6 * 24, 4))


def test_voters_who_draw_lots_are_within_chance_in_as_many_audits_as_the_p_value_says():
    rng = np.random.default_rng(0)
    found = [
        ballot_order(elections(lambda p: f'{{"vote": {rng.integers(1, 6)}}}', count=2)).p_value
        for _ in range(40)
    ]
    assert np.mean(np.array(found) < 0.05) <= 0.05 + 3 * (0.05 * 0.95 / 40) ** 0.5
    assert 0.3 < np.mean(found) < 0.7


def test_voters_who_abstain_or_mumble_have_no_place():
    votes = iter(['{"vote": 0}', "hm", '{"vote": 3}'] * 1000)
    found = ballot_order(elections(lambda prompt: next(votes), count=1))
    assert 0 < found.answers < 24
    nobody = ballot_order(elections(lambda prompt: '{"vote": 0}', count=1))
    assert (nobody.answers, nobody.statistic, nobody.p_value) == (0, None, None)
    assert ballot_order([]).p_value is None


def letters_of(answer=None, **options):
    planner = ChoicePlanner(ScriptedEngine(answer or str, **options), LAW, goal="?")
    report, states = RationalEvaluator(ECONOMY, Atkinson(1.0)).value(LAW), []
    for rate in (0.1, 0.3, 0.5):
        schedule = BracketSchedule(LAW.thresholds, jnp.full_like(LAW.rates, rate))
        states.append(planner.tell(planner.init(jax.random.key(0)), schedule, report))
    return planner_order(np.random.default_rng(0), planner, states)


def test_a_planner_who_always_says_the_first_letter_is_found_out():
    found = letters_of(lambda prompt: "A")
    assert (found.answers, found.shares) == (3 * 7 * 5, (1, 0, 0, 0, 0))
    assert found.p_value < 1e-12


def test_a_planner_who_always_means_the_same_change_says_all_letters_alike():
    found = letters_of(lambda prompt: re.search(r"([A-E]) = 20\b", prompt.personal)[1])
    assert found.shares == pytest.approx((0.2,) * 5)
    assert found.p_value == pytest.approx(1)


def test_a_planner_indifferent_among_letters_is_within_chance():
    assert letters_of(likelihood=lambda prompt, option: 1.0).p_value > 0.01


def test_expected_counts_are_those_of_lists_of_their_own_length():
    found = order_effect(np.array([6, 6, 0]), np.array([5.0, 5.0, 2.0]))
    assert found.statistic == pytest.approx(1 / 5 + 1 / 5 + 2)
    assert order_effect(np.array([4]), np.array([4.0])).p_value is None
