import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import (
    Atkinson,
    BracketSchedule,
    Economy,
    Population,
    Quasilinear,
    calibrate,
    gb2,
    us_federal,
)
from econjax.planning import Evaluator
from llm_policy.archetypes import device
from llm_policy.archetypes.cells import PersonCells
from llm_policy.archetypes.crowd import crowd_of
from llm_policy.archetypes.device import Drawn, chances_of, drawn_labor, scored
from llm_policy.archetypes.society import ArchetypeSociety, archetypes_of
from llm_policy.engines.base import EngineError
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.people import makes_models, people
from llm_policy.workers.evaluator import ModelEvaluator
from llm_policy.workers.society import Society

LAW = us_federal(2024)
FLAT = BracketSchedule([0.0], [0.3])
KEY = jax.random.key(0)
WELFARE = Atkinson(1.0)


def economy_of(agents):
    return Economy(population=calibrate(gb2(agents), LAW), preferences=Quasilinear(0.25))


by_formula = makes_models(None)


def archetypes(economy, make=by_formula, *, most=32, **options):
    return archetypes_of(crowd_of(KEY, economy), make, LAW, most=most, **options)


def evaluator(few, steps=1):
    return ModelEvaluator(ArchetypeSociety(few, WELFARE), steps=steps, key=KEY)


@pytest.fixture(scope="module")
def few():
    return archetypes(economy_of(400))


class Dice(ScriptedEngine):
    """Finds all hours equally likely, and keeps what it was asked."""

    def __init__(self, leaks=lambda prompt: False):
        super().__init__(str, likelihood=lambda prompt, option: 1.0)
        self.batches, self._leaks = [], leaks

    def choose(self, prompts, options):
        self.batches.append(prompts)
        found = super().choose(prompts, options)
        found.leaked[[self._leaks(prompt) for prompt in prompts]] = 1.0
        return found


def test_planners_evaluate_schedules_on_it_as_on_workers_who_are_all_asked(few):
    evaluate = evaluator(few)
    assert isinstance(evaluate, Evaluator)
    first, second = evaluate.value(LAW), evaluate.value(FLAT)
    assert first.equivalent != second.equivalent
    assert eqx.tree_equal(evaluator(few).value(LAW), first)
    assert evaluate.counts == {"value": 2, "gradient": 0, "what_if": 0}
    assert first.standard_error > 0
    assert float(first.understood) == pytest.approx(1, abs=1e-5)
    [year] = evaluate.years(LAW, 1)
    assert year.errors.cost > 0
    assert year.errors.lost.shape == (400,)


def test_where_everybody_is_an_archetype_all_is_as_if_they_were_asked_one_by_one():
    economy = economy_of(30)
    cells = PersonCells(np.arange(30), np.arange(30))
    alone = archetypes(economy, most=30, cells=cells)
    assert alone.held_out.asked == 0
    found = evaluator(alone).value(LAW)
    each = ModelEvaluator(Society(people(economy, None, KEY), WELFARE), steps=1, key=KEY).value(LAW)
    for name in ("equivalent", "labor", "income", "rebate", "gini", "utility"):
        assert float(getattr(found, name)) == pytest.approx(float(getattr(each, name)), rel=1e-5)


def test_the_order_of_workers_changes_nothing(few):
    population = few.crowd.economy.population
    order = np.random.default_rng(2).permutation(400)
    mixed = Population(
        population.skill[order], taste=population.taste[order], weight=population.weight[order]
    )
    again = archetypes(eqx.tree_at(lambda e: e.population, few.crowd.economy, mixed))
    assert eqx.tree_equal(evaluator(again).value(LAW), evaluator(few).value(LAW))


def test_more_workers_are_not_more_calls():
    calls = []
    for agents in (400, 9_000):
        some = archetypes(economy_of(agents), tolerance=0.0)
        answers = some.calls
        assert len(some.nodes.cell) in (31, 32)
        assert answers <= 64
        calls.append(answers)
    assert abs(calls[0] - calls[1]) <= 4


def test_archetypes_remember_what_they_did_and_the_rebate_of_all():
    engine = Dice()
    some = archetypes(economy_of(400), makes_models(engine), tolerance=1.0)
    engine.batches.clear()
    seen = []
    society = ArchetypeSociety(some, WELFARE)
    society.tax_year(
        KEY,
        society.begin(LAW),
        LAW,
        steps=2,
        on_step=lambda number, step, report: seen.append(step),
    )
    first, second = engine.batches
    assert len(first) == len(second) == len(some.nodes.cell)
    for prompt, hours in zip(second, np.asarray(seen[0].answers.labor), strict=True):
        told = re.findall(r": (\d+) hours a week", prompt.personal)
        assert told[0] == "40"
        assert int(told[1]) == hours
        assert f"${seen[0].rebate:,.0f}" in prompt.personal
    assert seen[1].situation.rebate == seen[0].rebate
    labor = np.asarray(seen[0].answers.labor)
    assert len(set(labor.tolist())) > 5  # a lattice spreads draws evenly over equal chances


def test_archetypes_who_say_nothing_leave_out_those_who_would_be_drawn_from_them():
    skills = np.asarray(economy_of(400).population.skill)
    poorest = f"earns you ${skills[0]:,.0f} a year"
    engine = Dice(lambda prompt: poorest in prompt.personal)
    few = archetypes(economy_of(400), makes_models(engine), tolerance=1.0)
    report = evaluator(few).value(LAW)
    left_out = 1 - float(report.understood)
    row = int(np.flatnonzero(few.nodes.place == 0)[0])
    lost = np.where(few.links.left == row, 1 - few.links.share, 0).mean()
    assert left_out == pytest.approx(lost, rel=1e-4)
    assert left_out > 0
    with pytest.raises(EngineError):
        archetypes(economy_of(400), makes_models(Dice(lambda prompt: True)))


def test_groups_are_taxed_and_asked_by_their_own_schedule():
    skill, group = np.tile(np.geomspace(200.0, 2_000.0, 50), 2), np.repeat([0, 1], 50)
    population = Population(skill, taste=np.full(100, 0.8), group=group, groups=2)
    economy = Economy(population=population, preferences=Quasilinear(0.25))
    two = BracketSchedule([[0.0]] * 2, [[0.0], [0.7]])
    engine = Dice()
    few = archetypes_of(crowd_of(KEY, economy), makes_models(engine), two, most=16)
    for prompt in engine.batches[-1]:
        assert ("70 %" in prompt.shared) != ("0 %" in prompt.shared.replace("70 %", ""))
    groups = np.asarray(few.crowd.economy.population.group)
    np.testing.assert_array_equal(groups[few.nodes.place[few.links.left]], groups)
    report = evaluator(few).value(two)
    assert float(report.rebate) == pytest.approx(0.7 * 50 * skill.mean() / 2, rel=0.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"most": 3, "cells": PersonCells(np.arange(400) % 4, np.arange(4))}, "at least 8"),
        ({"tolerance": 2.0}, "from 0 to 1"),
    ],
)
def test_archetypes_that_cannot_be(change, message):
    with pytest.raises(ValueError, match=message):
        archetypes(economy_of(400), **change)


def drawn(agents, rows=None):
    reached = jnp.asarray([[0.2, 0.5, 1.0], [0.1, 0.1, 1.0]] if rows is None else rows)
    share = jnp.asarray(np.random.default_rng(0).random(agents), reached.dtype)
    return Drawn(jnp.zeros(agents, int), share, reached, jnp.asarray([0.0, 20.0, 40.0]))


def test_hours_are_drawn_with_chances_between_two_archetypes():
    some = drawn(100_000)
    labor = np.asarray(drawn_labor(KEY, some))
    share = np.asarray(some.share)
    for hours, one, other in ((0.0, 0.2, 0.1), (20.0, 0.3, 0.0), (40.0, 0.5, 0.9)):
        for low in (0.0, 0.5):
            here = (share >= low) & (share < low + 0.5)
            chance = ((1 - share) * one + share * other)[here].mean()
            assert (labor[here] == hours).mean() == pytest.approx(chance, abs=0.008)  # 5 errors


def test_a_draw_is_a_workers_whatever_the_others_are_and_equal_luck_under_other_chances():
    some = drawn(1_000)
    more = drawn(1_000, [[0.1, 0.5, 1.0], [0.05, 0.1, 1.0]])
    labor = drawn_labor(KEY, some)
    assert (drawn_labor(KEY, more) >= labor).all()  # each chance of few hours is less
    np.testing.assert_array_equal(drawn_labor(KEY, some), labor)
    assert not np.array_equal(drawn_labor(jax.random.key(1), some), labor)


def test_a_crowd_that_is_drawn_is_worth_what_its_chances_say(monkeypatch):
    economy = economy_of(4_000)
    some = drawn(4_000, [[0.0, 0.2, 1.0], [0.0, 0.6, 1.0]])
    _, expected = scored(KEY, economy, LAW, some, WELFARE, 15_060.0)
    monkeypatch.setattr(device, "_EXPECTED", 0)
    among, found = scored(KEY, economy, LAW, some, WELFARE, 15_060.0)
    mean = float(chances_of(some).mean(axis=0) @ some.hours)
    assert float(expected.report.labor) == pytest.approx(mean, rel=1e-3)
    assert float(found.report.labor) == pytest.approx(mean, rel=1e-3)
    error = float(found.error + expected.error)
    gap = abs(float(found.report.equivalent - expected.report.equivalent))
    assert gap < 5 * error < 0.01 * float(expected.report.equivalent)
    assert float(among.population.weight.sum()) == pytest.approx(1, rel=1e-4)
