"""Moments of workers whose behaviour is planted, beside the table of published ones."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import BracketSchedule, Economy, Isoelastic, Population, Quasilinear, us_federal
from llm_policy.engines.base import EngineError
from llm_policy.memory.workers import nothing
from llm_policy.moments.estimates import jackknifed, limits_of
from llm_policy.moments.hours import ask_hours
from llm_policy.moments.kinks import ask_kinks, bunching_moments, with_own_schedules
from llm_policy.moments.measure import (
    ALL,
    HIGH,
    HOURS_CLASSES,
    KEPT,
    LOW,
    LUMP_SUM,
    AskedHours,
    measure,
    rational_workers,
)
from llm_policy.moments.published import published_moments
from llm_policy.prompts.workers import Situation
from llm_policy.workers.llm import Answers

LAW = us_federal(2024)
KEY = jax.random.key(0)
N = 400
HOURS = np.array([20.0, 37.0, 40.0, 45.0, 55.0, 65.0])
SHARES = np.array([0.2, 0.07, 0.5, 0.1, 0.08, 0.05])
HOURS_ELASTICITY, WORK_ELASTICITY, WORK, LESS_WORK = 0.4, 0.25, 0.8, 0.06


class Planted:
    """People whose hours follow what they keep of a dollar, and a lump sum; half work 40 hours."""

    def __init__(self, seed):
        draw = np.random.default_rng(seed)
        self.skill = draw.lognormal(7, 0.7, N)
        self.hours = draw.choice(HOURS, N, p=SHARES)
        self.reluctance = draw.random(N)
        self.calls = 0

    @property
    def economy(self):
        return Economy(population=Population(self.skill), preferences=Quasilinear(0.25))

    def choose(self, key, situation, memory):
        self.calls += 1
        kept = (1 - float(situation.schedule.rates[0])) / 0.9
        less = 1 - LESS_WORK * (situation.rebate > 100)
        works = self.reluctance < WORK * kept**WORK_ELASTICITY
        hours = np.where(works, self.hours * kept**HOURS_ELASTICITY * less, 0.0)
        return Answers(jnp.asarray(hours), jnp.ones(N, bool), np.zeros(N))

    def moments(self, **options):
        asked = AskedHours(self.choose, empty(N), None)
        return measure(KEY, self.economy, LAW, asked, rebate=0.0, **options)


def empty(agents):
    return nothing(agents, last=1, best=0)


def arc(ratio):
    return (ratio - 1) / ((1 + ratio) / 2) / math.log(KEPT)


def truths():
    """Return what people like these do on average, by moment and group."""
    worked = KEPT**WORK_ELASTICITY
    mean = float(HOURS @ SHARES)
    income = math.exp(7 + 0.7**2 / 2) * WORK * mean
    propensity = -LESS_WORK * income / LUMP_SUM
    shares = {
        name: 100 * float(SHARES[(c.least <= HOURS) & (c.end > HOURS)].sum())
        for name, c in HOURS_CLASSES.items()
    }
    return {
        **{(name, ALL): value for name, value in shares.items()},
        ("mean_hours", ALL): mean,
        ("at_work", ALL): 100 * WORK,
        ("hours", ALL): arc(KEPT**HOURS_ELASTICITY),
        ("participation", ALL): arc(worked),
        ("income", ALL): arc(worked * KEPT**HOURS_ELASTICITY),
        ("propensity_to_earn", ALL): propensity,
    }


def test_planted_moments_are_within_their_intervals_in_95_of_100_seeds():
    covered = dict.fromkeys(truths(), 0)
    for seed in range(100):
        found = {(m.moment, m.group): m.estimate for m in Planted(seed).moments()}
        for name, truth in truths().items():
            covered[name] += found[name].low <= truth <= found[name].high
    assert min(covered.values()) >= 95, covered


def test_three_situations_are_asked_and_each_person_is_compared_with_itself():
    people = Planted(0)
    found = {(m.moment, m.group): m.estimate for m in people.moments()}
    assert people.calls == 3
    exact = found["hours", ALL]
    # Reluctant people leave work, so hours of those at work move a little beside the elasticity.
    assert exact.value == pytest.approx(arc(KEPT**HOURS_ELASTICITY), abs=0.05)
    assert exact.standard_error < 0.05
    slutsky = found["hicksian_hours", ALL].value - exact.value
    assert 0 < slutsky < -found["propensity_to_earn", ALL].value


def test_groups_have_moments_of_their_own():
    people = Planted(1)
    young = people.hours < 40
    found = {(m.moment, m.group): m.estimate for m in people.moments(groups={"young": young})}
    assert found["mean_hours", "young"].high < 40 < found["mean_hours", ALL].high
    assert {group for name, group in found if name == "at_work"} == {ALL, "young"}
    assert found["participation", "young"].workers == young.sum()
    assert found["income", HIGH].workers + found["income", LOW].workers == N


@pytest.mark.usefixtures("x64")
def test_rational_workers_have_the_elasticity_of_their_utility():
    population = Population(np.linspace(500, 900, 60))
    for preferences, none in (
        (Quasilinear(0.25), True),
        (Isoelastic(1.0, exponent=3.0, scale=5.2083e-6), False),
    ):
        economy = Economy(population=population, preferences=preferences, max_labor=1e3)
        flat = BracketSchedule([0.0], [0.2])
        moments = measure(KEY, economy, flat, rational_workers(economy), rebate=0.0)
        found = {m.moment: m.estimate.value for m in moments if m.group == ALL}
        if none:
            assert found["hours"] == pytest.approx(arc(KEPT**0.25), rel=1e-6)
            assert found["propensity_to_earn"] == pytest.approx(0, abs=1e-9)
            assert found["hicksian_hours"] == pytest.approx(found["hours"], rel=1e-6)
        else:
            assert found["propensity_to_earn"] < -0.05
            assert found["hicksian_hours"] > found["hours"] + 0.05
        assert found["participation"] == 0


def test_probabilities_are_as_good_as_endless_answers():
    values = np.array([0.0, 30.0, 40.0])
    table = np.array([[0.1, 0.2, 0.7], [0.0, 1.0, 0.0], [0.5, 0.5, 0.0]])

    def choose(key, situation, memory):
        drawn = [
            jax.random.choice(jax.random.fold_in(key, i), values, p=row)
            for i, row in enumerate(table)
        ]
        known = jnp.array([True, True, False])
        return Answers(jnp.stack(drawn), known, np.zeros(3), 0.5 * table)

    situation = Situation(LAW, 1, {}, 0.0, "exploit")
    scored = ask_hours(KEY, choose, situation, empty(3), values=values)
    np.testing.assert_allclose(scored.share[:2], table[:2])
    assert not scored.share[2].any()
    assert scored.expected(lambda h: h)[0] == pytest.approx(34)

    def write(key, situation, memory):
        return choose(key, situation, memory)._replace(probabilities=None)

    drawn = ask_hours(KEY, write, situation, empty(3), values=values, samples=300)
    assert drawn.expected(lambda h: h)[0] == pytest.approx(34, abs=2.5)
    assert list(drawn.known) == [True, True, False]


def test_a_class_of_hours_that_nobody_can_choose_has_no_estimate():
    people = Planted(2)
    tens = np.arange(0.0, 101, 10)

    def choose(key, situation, memory):
        table = np.zeros((N, 11))
        table[:, 4] = 1
        return Answers(jnp.full(N, 40.0), jnp.ones(N, bool), np.zeros(N), table)

    asked = AskedHours(choose, empty(N), tens)
    found = {m.moment: m.estimate for m in measure(KEY, people.economy, LAW, asked, rebate=0.0)}
    assert found["hours_40"].value == 100
    assert found["hours_35_39"].value is None
    assert found["hours_1_34"].value == 0


@pytest.mark.parametrize("unread", [N, N - 1])
def test_who_was_not_read_has_no_part(unread):
    people = Planted(3)

    def choose(key, situation, memory):
        read = jnp.arange(N) >= unread
        return people.choose(key, situation, memory)._replace(understood=read)

    asked = AskedHours(choose, empty(N), None)
    for moment in measure(KEY, people.economy, LAW, asked, rebate=0.0):
        assert moment.estimate.value is None
        assert moment.estimate.workers <= N - unread


def test_half_a_table_of_probabilities_and_no_sample_are_refused():
    people = Planted(4)

    def half(key, situation, memory):
        answers = people.choose(key, situation, memory)
        return answers._replace(probabilities=np.ones((N // 2, 2)) / 2)

    options = {"rebate": 0.0}
    with pytest.raises(ValueError, match="workers who are all asked"):
        measure(KEY, people.economy, LAW, AskedHours(half, empty(N), np.zeros(2)), **options)
    with pytest.raises(ValueError, match="at least once; got 0 samples"):
        measure(KEY, people.economy, LAW, AskedHours(people.choose, empty(N), None, 0), **options)


def test_an_engine_that_cannot_answer_ends_it():
    def choose(key, situation, memory):
        raise EngineError("gone")

    people = Planted(5)
    with pytest.raises(EngineError, match="gone"):
        measure(KEY, people.economy, LAW, AskedHours(choose, empty(N), None), rebate=0.0)


def test_errors_of_a_mean_are_those_of_textbooks_and_weights_count():
    values = np.array([1.0, 2.0, 4.0, 9.0])
    everybody, one = np.ones(4, bool), np.ones(4)
    found = jackknifed({"x": values}, one, everybody, lambda m: m["x"])
    assert found.standard_error == pytest.approx(values.std(ddof=1) / 2)
    assert found.high - found.value > 5.8409 * found.standard_error  # Student's, 3 of freedom
    half = np.array([True, True, False, False])
    assert jackknifed({"x": values}, one, half, lambda m: m["x"]).value == 1.5
    weighted = jackknifed({"x": values}, np.array([1, 1, 0, 2.0]), everybody, lambda m: m["x"])
    assert (weighted.value, weighted.workers) == (5.25, 3)
    assert jackknifed({"x": values}, one, half & ~half, lambda m: m["x"]).value is None


def test_every_published_figure_stands_once_with_its_source():
    table = published_moments()
    assert len({(row.moment, row.group) for row in table}) == len(table) >= 15
    for row in table:
        for text in (row.unit, row.definition, row.population, row.source, row.page):
            assert text
        assert 1990 < row.year < 2030
        ends = (row.low, row.value, row.high)
        known = [end for end in ends if end is not None]
        assert known
        assert known == sorted(known)
    classes = [row.value for row in table if row.moment in HOURS_CLASSES]
    assert sum(classes) == pytest.approx(100, abs=0.2)
    assert {row.moment for row in table if row.fitted} < {row.moment for row in table}


def test_every_published_moment_is_measured():
    people = Planted(6)
    groups = {row.group for row in published_moments() if row.moment == "mean_hours"} - {ALL}
    found = people.moments(groups=dict.fromkeys(groups, people.hours > 0))
    said = ask_kinks(
        KEY, people.economy, rational_workers(with_own_schedules(people.economy)), rebate=0.0
    )
    kinds = dict.fromkeys(("wage earners", "self-employed"), people.hours > 0)
    found += bunching_moments(people.economy, said, groups=kinds)
    assert {(row.moment, row.group) for row in published_moments()} <= {
        (m.moment, m.group) for m in found
    }


@pytest.mark.parametrize(
    ("value", "low", "high", "interval", "verdict"),
    [
        (0.25, 0.12, 0.4, (0.3, 0.5), "agrees"),
        (0.25, 0.12, 0.4, (0.3, 0.9), "undecided"),
        (0.25, 0.12, 0.4, (-0.4, 0.2), "undecided"),
        (0.25, 0.12, 0.4, (0.41, 0.9), "above"),
        (0.25, 0.12, 0.4, (-1.0, 0.1), "below"),
        (0.33, None, None, (0.3, 0.4), "agrees"),
        (0.33, None, None, (0.34, 0.4), "above"),
        (-0.11, None, None, (-0.15, -0.1), "agrees"),
        (-0.11, None, None, (-1.0, 1.0), "undecided"),
        (0.0, None, None, (-0.02, 0.1), "agrees"),
        (0.0, None, None, (-0.02, 0.11), "undecided"),
        (0.0, None, None, (0.01, 0.02), "above"),
        (None, None, 0.19, (-1.0, 0.1), "agrees"),
        (None, None, 0.19, (0.1, 0.3), "undecided"),
        (None, None, 0.19, (0.2, 0.3), "above"),
    ],
)
def test_an_interval_agrees_where_it_overlaps_and_is_not_wide(value, low, high, interval, verdict):
    row = dataclasses.replace(published_moments()[0], value=value, low=low, high=high)
    assert row.verdict(*interval) == verdict


def test_a_share_that_nobody_has_may_be_of_a_kind_that_was_not_drawn():
    nobody, everybody = np.zeros(200), np.ones(200, bool)
    found = jackknifed(
        {"x": nobody}, np.ones(200), everybody, lambda m: m["x"], limits=limits_of(nobody)
    )
    # Clopper and Pearson: 0 of 200, 99 %
    assert (found.low, found.high) == (0, pytest.approx(100 * (1 - 0.005 ** (1 / 200))))
    alike = np.full(200, 30.0)
    found = jackknifed(
        {"x": alike}, np.ones(200), everybody, lambda m: m["x"], limits=limits_of(alike)
    )
    assert (found.low, found.high) == (30, 30)  # chances, of which none is apart


def test_workers_of_unequal_weight_tell_of_who_was_not_drawn_as_fewer_alike():
    # Kish (1965): 100 of weight 1 and 100 of weight 3 are (100 + 300)^2 / (100 + 900) = 160 alike.
    nobody, everybody = np.zeros(200), np.ones(200, bool)
    weight = np.repeat([1.0, 3.0], 100)
    found = jackknifed({"x": nobody}, weight, everybody, lambda m: m["x"], limits=(0.0, 100.0))
    assert found.high == pytest.approx(100 * (1 - 0.005 ** (1 / 160)))
