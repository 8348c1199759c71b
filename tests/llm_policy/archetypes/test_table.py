import functools
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import (
    BracketSchedule,
    Economy,
    IncomeCredits,
    Population,
    Quasilinear,
    calibrate,
    gb2,
    settle,
    simulate,
    us_federal,
)
from econjax.dynamics.policies import LaborPolicy
from llm_policy.answers.reading import HOURS
from llm_policy.archetypes.elicit import elicit
from llm_policy.archetypes.table import ArchetypePolicy, sample
from llm_policy.engines.base import EngineError
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.prompts.workers import Style

N, BINS = 60, 3
LAW = us_federal(2024)
FLAT = BracketSchedule([0.0], [0.3])
SCHEDULES = [LAW, FLAT]
TEXTS = ["You are careful.", "You are bold.", "You are nobody here.", "You are rare."]
CELLS = np.where(np.arange(N) % 2 == 0, 0, 1)
CELLS[-1] = 3  # the richest worker, alone in its cell
WEIGHTS = {"careful": 1.0, "bold": 4.0, "rare": 9.0}


class Model(ScriptedEngine):
    """Likes long weeks the more, the bolder; nobody likes 100 hours. Keeps all batches asked."""

    def __init__(self, likelihood=None):
        self.batches = []
        super().__init__(lambda prompt: "?", likelihood=likelihood or self.score)

    def score(self, prompt, option):
        bold = next(weight for word, weight in WEIGHTS.items() if word in prompt.personal)
        hours = int(option) / 100 if "30 %" in prompt.shared else 1 - int(option) / 100
        return 1e-30 if option == "100" else 1 + bold * hours

    def choose(self, prompts, options):
        self.batches.append(prompts)
        return super().choose(prompts, options)


@functools.cache
def economy_of():
    return Economy(population=calibrate(gb2(N), LAW), preferences=Quasilinear(0.25))


@functools.cache
def table_of():
    return elicit(Model(), economy_of(), CELLS, TEXTS, SCHEDULES, bins=BINS)


def workers(count):
    """Return cells and skills of `count` workers like those of the economy, but the rare one."""
    place = np.random.default_rng(0).integers(0, N - 1, count)
    return jnp.asarray(CELLS[place]), economy_of().population.skill[place]


def test_only_those_who_exist_are_asked_once_a_schedule():
    engine = Model()
    table = elicit(engine, economy_of(), CELLS, TEXTS, SCHEDULES, bins=BINS)
    assert [len(batch) for batch in engine.batches] == [2 * BINS + 1] * 2
    assert table.asked.tolist() == [
        [True] * BINS,
        [True] * BINS,
        [False] * BINS,
        [False, False, True],
    ]
    assert not any("nobody" in prompt.personal for prompt in engine.batches[0])
    assert table.probabilities.shape == (4, BINS, 2, len(HOURS))
    np.testing.assert_array_equal(table.understood, np.repeat(table.asked[..., None], 2, axis=2))
    np.testing.assert_allclose(table.probabilities[table.asked].sum(axis=-1), 1, rtol=1e-5)


def test_bins_hold_equal_weights_and_stand_for_their_mean_skill():
    engine, economy = Model(), economy_of()
    table = elicit(engine, economy, np.zeros(N, int), TEXTS, [LAW], bins=BINS)
    np.testing.assert_allclose(table.weight[0], 1 / BINS, rtol=1e-5)
    skill = np.sort(np.asarray(economy.population.skill))
    for prompt, part in zip(engine.batches[0], np.split(skill, BINS), strict=True):
        assert f"earns you ${part.mean():,.0f} a year before tax" in prompt.personal
    heavy = np.where(np.arange(N) == 0, 0.7, 0.3 / (N - 1))
    population = eqx.tree_at(
        lambda p: p.weight, economy.population, jnp.asarray(heavy, skill.dtype)
    )
    one = eqx.tree_at(lambda e: e.population, economy, population)
    table = elicit(Model(), one, np.zeros(N, int), TEXTS, [LAW], bins=2)
    assert table.edges.tolist() == [skill[0]]  # the poorest worker alone is more than half of all
    np.testing.assert_allclose(table.weight[0], [0.7, 0.3], rtol=1e-5)


def test_letters_become_hours_again():
    class InLetters(Model):
        def describe(self):
            return replace(super().describe(), tokenizer="estimated")

        def score(self, prompt, option):
            return 1.0 if f"{option} = 70 hours" in prompt.personal else 1e-12

    table = elicit(InLetters(), economy_of(), CELLS, TEXTS, [LAW], bins=BINS)
    assert (
        np.asarray(table.hours)[np.asarray(table.probabilities[table.asked]).argmax(axis=-1)] == 70
    ).all()


def test_frequencies_are_the_tables():
    table, count = table_of(), 200_000
    cell, skill = workers(count)
    for index in range(2):
        labor = np.asarray(sample(jax.random.key(index), table, cell, skill, index))
        for c in (0, 1):
            for b in range(BINS):
                here = (np.asarray(cell) == c) & (np.searchsorted(table.edges, skill) == b)
                expected = here.sum() * np.asarray(table.probabilities[c, b, index], float)[:-1]
                found = np.array([(labor[here] == hours).sum() for hours in HOURS[:-1]])
                assert found.sum() == here.sum()  # 100 hours have no probability
                assert (
                    (found - expected) ** 2 / expected
                ).sum() < 30  # chi-square, 9 degrees: p = 0.0004
    table_means = np.asarray(table.probabilities[:2] @ table.hours).mean(axis=(0, 1))
    assert table_means[1] > table_means[0] + 10


def test_the_key_names_the_draw():
    cell, skill = workers(1000)
    one, same, other = (sample(jax.random.key(k), table_of(), cell, skill, 0) for k in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_with_keys_of_their_own_the_order_of_workers_changes_nobodys_hours():
    cell, skill = workers(1000)
    keys, order = (
        jax.random.split(jax.random.key(3), 1000),
        np.random.default_rng(1).permutation(1000),
    )
    labor = sample(keys, table_of(), cell, skill, 0)
    np.testing.assert_array_equal(
        sample(keys[order], table_of(), cell[order], skill[order], 0), labor[order]
    )


def test_a_million_workers_in_one_call_compiled_once(compilations):
    cell, skill = workers(1_000_000)
    sample(jax.random.key(0), table_of(), cell, skill, 0)
    with compilations() as seen:
        labor = sample(jax.random.key(1), table_of(), cell, skill, 1)
    assert not seen
    assert labor.shape == (1_000_000,)
    assert set(np.unique(labor)) == set(HOURS[:-1])


def test_nobody_gets_the_hours_of_a_neighbour():
    table, skill = table_of(), economy_of().population.skill
    poor = jnp.asarray([0, 3]), skill[:2]  # only a rich one of cell 3 was asked
    with pytest.raises(ValueError, match=r"1 workers have no archetype.* worker 1, of cell 3"):
        sample(jax.random.key(0), table, *poor, 0)
    for cell in (2, 4, -1):
        with pytest.raises(ValueError, match="no archetype"):
            sample(jax.random.key(0), table, jnp.asarray([cell]), skill[:1], 0)
    inside = eqx.filter_jit(sample)(jax.random.key(0), table, *poor, 0)
    assert np.isnan(inside).tolist() == [False, True]
    for index in (-1, 2):
        with pytest.raises(ValueError, match="schedules are 0 to 1"):
            sample(jax.random.key(0), table, *poor, index)
    with pytest.raises(ValueError, match="2 cells and 1 skills"):
        sample(jax.random.key(0), table, poor[0], skill[:1], 0)


def test_years_of_archetypes():
    economy, table = economy_of(), table_of()
    policy = ArchetypePolicy(table, economy.population, jnp.asarray(CELLS), schedule_index=1)
    assert isinstance(policy, LaborPolicy)
    found = simulate(jax.random.key(0), economy, FLAT, policy, periods=200)
    mean = float(jnp.nansum(table.weight * (table.probabilities[:, :, 1] @ table.hours)))
    assert found.saved.labor.mean() == pytest.approx(mean, abs=1)
    assert set(np.unique(found.last.labor)) <= set(HOURS)


def test_a_policy_keeps_to_its_schedule_and_its_people():
    economy, table, key = economy_of(), table_of(), jax.random.key(0)
    policy = ArchetypePolicy(table, economy.population, jnp.asarray(CELLS), schedule_index=0)
    last = settle(economy, LAW, jnp.full_like(economy.population.skill, 40))
    with pytest.raises(ValueError, match="another schedule"):
        policy(key, None, economy, FLAT, last)
    raised = BracketSchedule(LAW.thresholds, LAW.rates + 0.01)
    with pytest.raises(eqx.EquinoxRuntimeError, match="another schedule"):
        policy(key, None, economy, raised, last)
    with pytest.raises(ValueError, match="no archetype"):
        ArchetypePolicy(table, economy.population, jnp.full(N, 3), schedule_index=0)
    with pytest.raises(TypeError, match="no useful derivative"):
        jax.grad(
            lambda r: policy(key, None, economy, BracketSchedule(LAW.thresholds, r), last)[0].sum()
        )(LAW.rates)


def silent_for(word):
    class Silent(Model):
        def choose(self, prompts, options):
            found = super().choose(prompts, options)
            found.leaked[[word in prompt.personal for prompt in prompts]] = 1.0
            return found

    return Silent()


def test_archetypes_who_said_nothing_are_left_out_up_to_a_share():
    economy, key = economy_of(), jax.random.key(0)
    table = elicit(silent_for("rare"), economy, CELLS, TEXTS, SCHEDULES, bins=BINS)
    assert not table.understood[3].any()
    assert table.asked[3, -1]
    with pytest.raises(ValueError, match="no archetype"):
        sample(key, table, jnp.asarray(CELLS), economy.population.skill, 0)
    with pytest.raises(EngineError, match=r"50% of the population \(at most 20%\)"):
        elicit(silent_for("careful"), economy, CELLS, TEXTS, SCHEDULES, bins=BINS)
    with pytest.raises(EngineError, match="said nothing"):
        elicit(silent_for("You"), economy, CELLS, TEXTS, SCHEDULES, bins=BINS, most_unread=1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cells": CELLS[1:]}, "one entry per worker, 60"),
        ({"cells": CELLS + 1}, "places in the 4 texts; got cells from 1 to 4"),
        ({"cells": CELLS - 1}, "got cells from -1"),
        ({"texts": []}, "0 texts"),
        ({"texts": [*TEXTS[:3], "You earn $90,000."]}, "take it out of cell 3"),
        ({"schedules": []}, "at least 1 schedule"),
        ({"bins": 0}, "1 bin of skill"),
        ({"style": Style()}, "choice mode"),
    ],
)
def test_tables_that_cannot_be_asked(change, message):
    asked = {"cells": CELLS, "texts": TEXTS, "schedules": SCHEDULES} | change
    with pytest.raises(ValueError, match=message):
        elicit(Model(), economy_of(), **asked)


def test_tastes_and_costs_reach_the_archetypes():
    engine, skill = Model(), np.array([100.0, 100.0, 900.0, 900.0])
    population = Population(skill, taste=[1.0, 3.0, 1.0, 1.0], fixed_cost=[0.0, 2000.0, 0.0, 0.0])
    economy = Economy(population=population, preferences=Quasilinear(0.25))
    elicit(engine, economy, np.zeros(4, int), TEXTS, [LAW], bins=2)
    poor, rich = (prompt.personal for prompt in engine.batches[0])
    assert "$200 at 40 hours" in poor  # skill 100, mean taste 2
    assert "costs you $1,000 a year" in poor
    assert "$900 at 40 hours" in rich
    assert "Working at all" not in rich


def several_kinds(group, kind):
    """Return an economy of two people a cell: of two groups, with credits and other income."""
    population = Population(
        [100.0, 300.0, 100.0, 300.0],
        other_income=[0.0, 4_000.0, 1_000.0, 1_000.0],
        credits=IncomeCredits([[0.0, 9_000.0]] * 2, [[0.0, 0.0], [-0.3, 0.0]], kind),
        group=group,
        groups=2,
    )
    return Economy(population=population, preferences=Quasilinear(0.25))


def test_groups_credits_and_other_income_reach_the_archetypes():
    engine, two = Model(), BracketSchedule([[0.0]] * 2, [[0.1], [0.4]])
    cells = np.array([0, 0, 1, 1])
    elicit(engine, several_kinds(cells, 1 - cells), cells, TEXTS, [two], bins=1)
    first, second = (prompt.shared + prompt.personal for prompt in engine.batches[0])
    assert "$200" in first.split("earns you")[1][:20]
    assert "$2,000" in first
    assert "$1,000" in second
    assert "10 %" in first
    assert "40 %" not in first
    assert "40 %" in second
    assert "$2,700" in first  # the credit of all who earn $9,000
    assert "$2,700" not in second


@pytest.mark.parametrize(
    ("group", "kind", "message"),
    [
        ([0, 1, 1, 1], [0, 0, 1, 1], "one group, but cell 0 has people of [01] and [01]"),
        ([0, 0, 1, 1], [0, 0, 1, 0], "one kind of credits, but cell 1"),
    ],
)
def test_a_cell_of_several_groups_or_credits_is_refused(group, kind, message):
    with pytest.raises(ValueError, match=message):
        elicit(Model(), several_kinds(group, kind), np.array([0, 0, 1, 1]), TEXTS, [LAW], bins=1)
