"""The formula that the small model's workers imitate: laws of its choice probabilities."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import BracketSchedule, Population
from llm_policy.answers.reading import HOURS
from llm_policy.formula.workers import (
    ROLE_ATTITUDES,
    Attitudes,
    Endowment,
    by_bracket,
    hours_probabilities,
    neutral,
    of_personas,
    of_roles,
    satisfied_probabilities,
    taxes,
    with_aims,
)
from llm_policy.memory.workers import Records, nothing, remember
from llm_policy.personas.draw import draw_personas
from llm_policy.personas.roles import ROLES
from llm_policy.prompts.objectives import OBJECTIVES

AGENTS = 4
SKILL = np.array([300.0, 1_000.0, 2_500.0, 20_000.0])
LAW = BracketSchedule([0, 11_600, 47_150, 100_525], [0.1, 0.12, 0.22, 0.24])
FLAT = BracketSchedule([0.0], [0.3])


def endowment(skill=SKILL, elasticity=0.3, taste=0.8, fixed_cost=0.0):
    prices = np.stack([skill * taste * (h / 40) ** (1 / elasticity) for h in (20, 40, 60)], axis=1)
    return Endowment(skill, prices, np.full(len(skill), fixed_cost))


def memory(*steps):
    """Return a memory of steps of one tax year, each with hours and a result for everybody."""
    kept, one = nothing(AGENTS, last=10, best=5), np.ones(AGENTS)
    for number, hours, result in steps:
        income = SKILL * hours
        now = Records(
            number * one, one, hours * one, income, 0 * one, 0 * one, result * one, np.nan * one
        )
        kept = remember(kept, now)
    return kept


def probabilities(attitudes=None, law=LAW, phase="explore", who=None, kept=None):
    attitudes, who = attitudes or neutral(AGENTS), who or endowment()
    return hours_probabilities(who, attitudes, law, kept or nothing(AGENTS, last=10, best=5), phase)


def mean_hours(**given):
    return probabilities(**given) @ np.array(HOURS)


def test_the_probabilities_are_those_of_the_logit_of_perceived_utility():
    skill, elasticity = SKILL[1], 0.3
    utility = [
        skill * h
        - 0.3 * skill * h
        - 0.8 * skill * 40 / (1 + 1 / elasticity) * (h / 40) ** (1 + 1 / elasticity)
        for h in HOURS
    ]
    odds = np.exp(np.array(utility) / (0.1 * 40 * skill))
    np.testing.assert_allclose(probabilities(law=FLAT)[1], odds / odds.sum(), rtol=1e-5)


def test_probabilities_are_shares_and_dollars_have_no_scale():
    found = probabilities()
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-12)
    double = BracketSchedule(2 * np.asarray(LAW.thresholds), LAW.rates)
    np.testing.assert_allclose(
        probabilities(who=endowment(2 * SKILL), law=double), found, atol=1e-6
    )


@pytest.mark.parametrize(
    ("fewer", "more"),
    [
        (dict(law=BracketSchedule([0.0], [0.5])), dict(law=FLAT)),
        (dict(attitudes=neutral(AGENTS)._replace(leisure=np.full(AGENTS, 0.4))), {}),
        (dict(attitudes=neutral(AGENTS)._replace(aversion=np.full(AGENTS, 0.3))), {}),
        (dict(who=endowment(taste=1.2)), {}),
        (dict(kept=memory((1, 20, 0.0))), dict(kept=memory((1, 60, 0.0)))),
        (
            dict(kept=memory((1, 30, 9.0), (2, 40, 5.0))),
            dict(kept=memory((1, 30, 5.0), (2, 40, 9.0))),
        ),
        (dict(who=endowment(fixed_cost=2e4)), {}),
    ],
    ids=["tax", "leisure", "aversion", "effort", "habit", "nudge", "fixed cost"],
)
def test_what_makes_workers_work_less(fewer, more):
    assert np.all(mean_hours(**fewer) < mean_hours(**more))


def test_who_stops_trying_takes_the_likeliest_hours_more_often():
    assert np.all(probabilities(phase="exploit").max(axis=1) > probabilities().max(axis=1))


def test_attitudes_fade_with_experience():
    averse = Attitudes(np.full(AGENTS, 0.3), np.full(AGENTS, 0.3), np.ones(AGENTS))

    def bend(step):
        kept = memory((step, 40, 0.0))
        return np.abs(mean_hours(attitudes=averse, kept=kept) - mean_hours(kept=kept))

    assert np.all(bend(1) > bend(8))
    assert np.all(bend(8) > bend(80))


def test_the_burden_of_taxes_and_the_dislike_of_them_lower_satisfaction():
    one = np.ones(AGENTS)
    now = Records(
        one, one, 40 * one, 40_000 * one, np.array([0.0, 4e3, 8e3, 2e4]), 0 * one, one, one
    )
    content = satisfied_probabilities(neutral(AGENTS), now)
    assert np.all(np.diff(content) < 0)
    averse = neutral(AGENTS)._replace(aversion=np.full(AGENTS, 0.3))
    assert np.all(satisfied_probabilities(averse, now) < content)
    rebated = now._replace(rebate=now.tax)
    np.testing.assert_allclose(
        satisfied_probabilities(neutral(AGENTS), rebated), content[0], rtol=1e-12
    )


def test_personas_state_the_attitudes():
    personas = draw_personas(jax.random.key(0), Population(np.geomspace(200, 20_000, 500)))
    attitudes = of_personas(personas)
    assert np.corrcoef(attitudes.leisure, personas.hours)[0, 1] < -0.999
    assert np.corrcoef(attitudes.aversion, personas.tax_attitude)[0, 1] < -0.999
    assert np.all(
        np.argsort(attitudes.noise, kind="stable") == np.argsort(personas.risk, kind="stable")
    )
    assert set(ROLE_ATTITUDES) == set(ROLES)
    assert of_roles(list(ROLES)).leisure.shape == (len(ROLES),)


def test_aims_bend_attitudes():
    aims = np.array(
        [
            OBJECTIVES.index("egotistical"),
            OBJECTIVES.index("altruistic"),
            OBJECTIVES.index("adversarial"),
            0,
        ]
    )
    averse = neutral(AGENTS)._replace(aversion=np.full(AGENTS, 0.3))
    bent = mean_hours(attitudes=with_aims(averse, aims)) - mean_hours(attitudes=averse)
    assert bent[0] == bent[3] == 0
    assert bent[1] > 0 > bent[2]


def test_taxes_are_those_of_the_schedule():
    income = np.geomspace(1, 1e6, 50).reshape(5, 10)
    np.testing.assert_allclose(
        taxes(LAW, income), np.asarray(LAW.tax(jnp.asarray(income))), rtol=1e-5
    )


def test_income_is_the_sum_of_its_parts_by_bracket_and_each_fits_into_its_bracket():
    income, thresholds = np.geomspace(1, 1e6, 50).reshape(5, 10), np.asarray(LAW.thresholds, float)
    parts = by_bracket(income, thresholds)
    np.testing.assert_allclose(parts.sum(axis=-1), income, rtol=1e-12)
    assert (parts >= 0).all()
    assert (parts <= np.diff(thresholds, append=np.inf)).all()
