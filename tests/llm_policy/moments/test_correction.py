"""Answers with planted biases are brought to people's moments, those that were not fitted too."""

import contextlib

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import BracketSchedule, Economy, Population, Quasilinear, us_federal
from llm_policy.memory.workers import nothing
from llm_policy.moments.correction import (
    Correction,
    corrected_hours,
    corrected_shares,
    fit_correction,
)
from llm_policy.moments.hours import HoursShares
from llm_policy.moments.measure import (
    ALL,
    AskedHours,
    ask_situations,
    less_kept,
    measure,
    moments_of,
)
from llm_policy.prompts.workers import Situation
from llm_policy.workers.llm import Answers

LAW, KEY, N = us_federal(2024), jax.random.key(0), 300
VALUES = np.arange(0.0, 81.0, 4)
ELASTICITY = 0.35
pytestmark = pytest.mark.usefixtures("x64")


def economy():
    skill = np.random.default_rng(1).lognormal(7, 0.7, N)
    return Economy(population=Population(skill), preferences=Quasilinear(0.25))


def probabilities(kept, *, spike=2.5, usual=39.0, elasticity=ELASTICITY, home=0.1):
    """Return what people find likely: a spike at 40, usual hours of their own, some at home."""
    own = usual + np.random.default_rng(2).normal(0, 4, N)
    middle = own * kept**elasticity
    odds = -(((VALUES[None, 1:] - middle[:, None]) / 9) ** 2) / 2 + spike * (VALUES[1:] == 40)
    share = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
    return np.concatenate([np.full((N, 1), home), (1 - home) * share], axis=1)


def kept_of(schedule):
    return (1 - float(schedule.rates[0])) / (1 - float(LAW.rates[0]))


def chooser(**biases):
    def choose(key, situation, memory):
        table = probabilities(kept_of(situation.schedule), **biases)
        labor = jnp.asarray(VALUES)[jnp.asarray(table).argmax(axis=1)]
        return Answers(labor, jnp.ones(N, bool), np.zeros(N), table)

    return choose


def said_by(**biases):
    asked = AskedHours(chooser(**biases), nothing(N, last=1, best=0), VALUES)
    return ask_situations(KEY, LAW, asked, rebate=0.0)


def figures(said):
    """Return all that is known of people, by moment and group."""
    rich = np.asarray(economy().population.skill) > 1_500
    found = moments_of(economy(), LAW, said, values=VALUES, groups={"rich": rich})
    return {(m.moment, m.group): m.estimate.value for m in found if m.estimate.value is not None}


FITTED = ("hours_1_34", "hours_40", "mean_hours", "income")


@pytest.mark.parametrize(
    "bias",
    [
        {"spike": 0.5},
        {"spike": 4.0},
        {"usual": 44.0},
        {"usual": 33.0},
        {"elasticity": 0.1},
        {"elasticity": 0.9},
        {"spike": 0.5, "usual": 44.0, "elasticity": 0.8},
    ],
)
def test_a_planted_bias_is_under_5_per_cent_on_what_was_not_fitted(bias):
    people, model = figures(said_by()), said_by(**bias)
    targets = {name: people[name, ALL] for name in FITTED}
    fitted = fit_correction(economy(), LAW, model, targets, values=VALUES)
    before, after = figures(model), figures(corrected_shares(fitted.correction, economy(), model))
    for name in FITTED:
        assert after[name, ALL] == pytest.approx(people[name, ALL], rel=1e-4)
    held_out = [key for key in people if key[0] not in FITTED or key[1] != ALL]
    worst = 0.0
    for key in held_out:
        if key[0] == "mean_hours" or key[0].endswith(("hours", "income")):
            assert after[key] == pytest.approx(people[key], rel=0.05)
            worst = max(worst, abs(before[key] / people[key] - 1))
    assert "spike" in bias or worst > 0.1
    assert 0 < fitted.left <= 1
    assert {m.moment: m.estimate.value for m in fitted.after if m.group == ALL}[
        "hours_40"
    ] == pytest.approx(people["hours_40", ALL], rel=1e-4)


def test_answers_that_are_people_s_are_left_as_they_are():
    said = said_by()
    people = figures(said)
    targets = {name: people[name, ALL] for name in FITTED}
    fitted = fit_correction(economy(), LAW, said, targets, values=VALUES)
    assert fitted.left == pytest.approx(1, abs=1e-9)
    np.testing.assert_allclose(fitted.correction.tilt, 0, atol=1e-5)
    assert float(fitted.correction.response) == pytest.approx(0, abs=1e-5)


def test_who_stays_at_home_is_as_was_answered():
    said = said_by(usual=44.0, home=0.3)
    fitted = fit_correction(economy(), LAW, said, {"mean_hours": 38.0}, values=VALUES)
    after = corrected_shares(fitted.correction, economy(), said)
    np.testing.assert_allclose([one.share[:, 0] for one in after], 0.3, atol=1e-12)
    np.testing.assert_allclose([one.share.sum(axis=1) for one in after], 1, atol=1e-12)


def test_noise_is_refused():
    draw = np.random.default_rng(5)

    def noise(key, situation, memory):
        table = draw.dirichlet(np.ones(len(VALUES)), N)
        return Answers(jnp.zeros(N), jnp.ones(N, bool), np.zeros(N), table)

    accepted = 0
    for _ in range(20):
        asked = AskedHours(noise, nothing(N, last=1, best=0), VALUES)
        said = ask_situations(KEY, LAW, asked, rebate=0.0)
        with contextlib.suppress(ValueError):
            fit_correction(economy(), LAW, said, {"mean_hours": 38.3}, values=VALUES)
            accepted += 1
    assert accepted <= 1


def test_who_always_says_the_same_is_refused():
    share = np.zeros((N, len(VALUES)))
    share[:, 10] = 1
    same = [HoursShares(np.tile(VALUES, (N, 1)), share, np.ones(N, bool))] * 3
    with pytest.raises(ValueError, match=r"no signal.*0.000 to 0.000"):
        fit_correction(economy(), LAW, same, {"mean_hours": 38.3}, values=VALUES)
    unread = [HoursShares(one.hours, 0 * share, np.zeros(N, bool)) for one in same]
    with pytest.raises(ValueError, match="nothing is known"):
        fit_correction(economy(), LAW, unread, {"mean_hours": 38.3}, values=VALUES)


@pytest.mark.parametrize(
    ("targets", "told"),
    [
        ({"mean_hours": 90.0}, "No tilt of these answers"),
        ({"hours_1_34": 60.0, "hours_40": 60.0}, "contradict each other"),
        ({"hours_35_39": 0.0, "hours_40": 48.0, "mean_hours": 12.0}, "No tilt of these answers"),
        ({"participation": 0.25}, "No correction is fitted to 'participation'"),
        ({"income": 99.0}, "99 cannot be met"),
    ],
)
def test_targets_that_no_answers_reach_are_named(targets, told):
    with pytest.raises(ValueError, match=told):
        fit_correction(economy(), LAW, said_by(), targets, values=VALUES)


def test_a_class_that_nobody_can_choose_is_no_target():
    said = []
    for one in said_by():
        share = one.share * (VALUES != 40)
        said.append(HoursShares(one.hours, share / share.sum(axis=1, keepdims=True), one.known))
    with pytest.raises(ValueError, match="hardly anybody gives such hours"):
        fit_correction(economy(), LAW, said, {"hours_40": 48.7}, values=VALUES)


def test_workers_who_are_corrected_draw_what_people_find_likely():
    targets = {"mean_hours": 36.0, "income": 0.3}
    fitted = fit_correction(economy(), LAW, said_by(), targets, values=VALUES)
    choose = corrected_hours(fitted.correction, chooser(), economy(), VALUES)
    asked = AskedHours(choose, nothing(N, last=1, best=0), VALUES)
    found = {
        m.moment: m.estimate.value
        for m in measure(KEY, economy(), LAW, asked, rebate=0.0)
        if m.group == ALL
    }
    assert found["mean_hours"] == pytest.approx(36.0, abs=1e-3)
    assert found["income"] == pytest.approx(0.3, abs=1e-3)
    situation = Situation(LAW, 1, {}, 0.0, "exploit")
    answers = choose(KEY, situation, nothing(N, last=1, best=0))
    drawn = [choose(jax.random.key(i), situation, asked.memory).labor for i in range(40)]
    expected = float(np.mean(answers.probabilities @ VALUES))
    assert float(np.mean(drawn)) == pytest.approx(expected, abs=0.5)
    again = choose(KEY, situation, asked.memory)
    np.testing.assert_array_equal(again.labor, answers.labor)


def test_a_correction_is_of_probabilities():
    correction = Correction((), jnp.zeros(0), jnp.zeros(0), jnp.zeros(()), LAW)

    def write(key, situation, memory):
        return chooser()(key, situation, memory)._replace(probabilities=None)

    choose = corrected_hours(correction, write, economy(), VALUES)
    with pytest.raises(ValueError, match="got none: ask in choice mode"):
        choose(KEY, Situation(LAW, 1, {}, 0.0, "exploit"), nothing(N, last=1, best=0))


def test_it_has_derivatives_in_the_rates_and_in_the_answers():
    fitted = fit_correction(
        economy(), LAW, said_by(), {"mean_hours": 37.0, "income": 0.4}, values=VALUES
    )
    share = jnp.asarray(said_by()[0].share)
    hours = jnp.tile(jnp.asarray(VALUES), (N, 1))

    def mean_hours(rates, share):
        schedule = BracketSchedule(LAW.thresholds, rates)
        found = fitted.correction(share, hours, economy().population, schedule)
        return jnp.mean(jnp.sum(found * hours, axis=1))

    rates, step = jnp.asarray(np.asarray(LAW.rates, float)), 1e-6
    by_rate, by_share = jax.jit(jax.grad(mean_hours, (0, 1)))(rates, share)
    for bracket in (1, 3):
        up, down = (float(mean_hours(rates.at[bracket].add(s), share)) for s in (step, -step))
        assert float(by_rate[bracket]) == pytest.approx(
            (up - down) / (2 * step), rel=1e-4, abs=1e-8
        )
    assert np.isfinite(by_share).all()
    assert float(by_rate.sum()) < 0


def test_what_is_kept_is_measured_against_the_law_that_it_was_fitted_under():
    correction = Correction((), jnp.zeros(0), jnp.zeros(0), jnp.asarray(2.0), LAW)
    share = jnp.asarray(said_by()[0].share)
    hours = jnp.tile(jnp.asarray(VALUES), (N, 1))
    same = correction(share, hours, economy().population, LAW)
    np.testing.assert_allclose(same, share, atol=1e-12)
    fewer = correction(share, hours, economy().population, less_kept(LAW))
    assert float(jnp.sum((fewer - share) * hours)) < 0
    steeper = eqx.tree_at(lambda c: c.response, correction, jnp.asarray(4.0))
    most = steeper(share, hours, economy().population, less_kept(LAW))
    assert float(jnp.sum((most - fewer) * hours)) < 0
