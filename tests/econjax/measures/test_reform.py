"""Winners and losers: money adds up, and neither order nor records matter."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import GHH, BracketSchedule, Economy, Isoelastic, Population, Quasilinear
from econjax.measures.reform import effects_by, quantile_groups, reform_effects
from tests.helpers.laboratory import float64

BASE = ([0.0, 20_000.0, 60_000.0], [0.1, 0.2, 0.3])
REFORM = ([0.0, 20_000.0, 60_000.0], [0.05, 0.25, 0.4])
SKILL = np.geomspace(100.0, 6_000.0, 40)
WEIGHT = np.linspace(1.0, 3.0, 40) / 80


def moved(economy, base=BASE, reform=REFORM):
    return reform_effects(economy, BracketSchedule(*base), BracketSchedule(*reform))


def economy_of(preferences=None, *, skill=SKILL, weight=WEIGHT, **options):
    population = Population(skill, weight=weight / weight.sum(), **options)
    return Economy(population=population, preferences=preferences or Quasilinear(0.3))


WANTS = {
    "quasilinear": Quasilinear(0.3),
    "ghh": GHH(1.5, elasticity=0.3, unit=1_000.0),
    "isoelastic": Isoelastic(1.0, exponent=3.0, scale=1e-6, unit=1_000.0),
}


@pytest.mark.parametrize("wants", WANTS)
def test_parts_of_revenue_add_up_and_the_rebate_returns_them(wants):
    with float64():
        economy = economy_of(jax.tree.map(lambda x: jnp.asarray(x, float), WANTS[wants]))
        found, weight = moved(economy), economy.population.weight
        change = jnp.sum(weight * (found.after.tax - found.before.tax))
        parts = jnp.sum(weight * (found.mechanical + found.behavioural))
        np.testing.assert_allclose(parts, change, rtol=1e-10)
        rise = found.after.rebate - found.before.rebate
        np.testing.assert_allclose(change, rise, rtol=1e-6, atol=1e-6)


def test_groups_with_the_same_schedule_are_as_one():
    with float64():
        one = moved(economy_of())
        twice = [
            (np.stack([starts] * 2), np.stack([rates] * 2)) for starts, rates in (BASE, REFORM)
        ]
        two = moved(economy_of(group=np.arange(40) % 2), *twice)
        for mine, other in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-8, atol=1e-6)


def test_gains_are_changes_of_utility_where_that_is_money():
    with float64():
        found = moved(economy_of())
        np.testing.assert_allclose(
            found.gain, found.after.utility - found.before.utility, rtol=1e-9, atol=1e-8
        )


def test_nobody_gains_where_nothing_changes():
    with float64():
        found = moved(economy_of(), reform=BASE)
        for values in (found.gain, found.mechanical, found.behavioural):
            np.testing.assert_array_equal(values, 0)


def test_who_does_not_respond_brings_the_mechanical_part_alone():
    # The behavioural part is proportional to the elasticity as it goes to 0 (Saez 2001).
    with float64():
        weight = jnp.asarray(WEIGHT / WEIGHT.sum())
        parts = [
            float(jnp.sum(weight * moved(economy_of(Quasilinear(e))).behavioural))
            for e in (1e-6, 1e-3)
        ]
        assert abs(parts[0]) < 0.1 < abs(parts[1])


def test_a_small_rise_of_a_flat_tax_costs_what_saez_says():
    # Behavioural over mechanical is -e t / (1 - t) for a flat rate t (Saez 2001, section 3).
    with float64():
        rate, step, elasticity = 0.4, 1e-5, 0.3
        weight = jnp.asarray(WEIGHT / WEIGHT.sum())
        found = moved(economy_of(), ([0.0], [rate]), ([0.0], [rate + step]))
        mechanical, behavioural = (
            float(jnp.sum(weight * part)) for part in (found.mechanical, found.behavioural)
        )
        ratio = -elasticity * rate / (1 - rate)
        np.testing.assert_allclose(behavioural / mechanical, ratio, rtol=1e-3)


def test_groups_add_up_to_all_and_splitting_a_record_changes_nothing():
    with float64():
        whole = economy_of()
        twice = economy_of(skill=np.repeat(SKILL, 2), weight=np.repeat(WEIGHT / 2, 2))
        groups = []
        for economy in (whole, twice):
            found, weight = moved(economy), economy.population.weight
            deciles = quantile_groups(found.before.income, weight, groups=4)
            groups.append(effects_by(found, weight, deciles, groups=4))
            total = effects_by(found, weight, 0 * deciles, groups=1)
            for name in ("gain", "tax_after", "mechanical", "behavioural", "gaining"):
                parts = getattr(groups[-1], name) * groups[-1].share
                np.testing.assert_allclose(parts.sum(), getattr(total, name)[0], rtol=1e-9)
        for one, other in zip(*map(jax.tree.leaves, groups), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9)


@pytest.mark.parametrize(("tolerance", "beyond"), [(0.0, 20), (5.0, 15), (5.5, 14)])
def test_who_gains_or_loses_the_tolerance_or_less_counts_for_neither(tolerance, beyond):
    gains = jnp.arange(40) - 19.5
    found = eqx.tree_at(lambda effects: effects.gain, moved(economy_of()), gains)
    all_people = jnp.zeros(40, int)
    groups = effects_by(found, jnp.asarray(WEIGHT), all_people, groups=1, tolerance=tolerance)
    losing, gaining = WEIGHT[:beyond].sum() / WEIGHT.sum(), WEIGHT[-beyond:].sum() / WEIGHT.sum()
    np.testing.assert_allclose([groups.losing[0], groups.gaining[0]], [losing, gaining], rtol=1e-5)


def test_order_does_not_matter_and_equals_stay_together():
    values, weight = jnp.array([3.0, 1.0, 2.0, 2.0, 9.0]), jnp.full(5, 0.2)
    found = quantile_groups(values, weight, groups=5)
    assert found.tolist() == [3, 0, 1, 1, 4] or found.tolist() == [3, 0, 2, 2, 4]
    assert quantile_groups(values[::-1], weight, groups=5).tolist() == found.tolist()[::-1]


def test_deciles_hold_a_tenth_each():
    found = quantile_groups(jnp.arange(1_000.0), jnp.ones(1_000))
    assert np.bincount(np.asarray(found)).tolist() == [100] * 10


def test_it_goes_through_jit_vmap_and_grad():
    with float64():
        economy = economy_of()

        def mean_gain(rates):
            found = moved(economy, reform=(BASE[0], rates))
            return jnp.sum(economy.population.weight * found.gain)

        rates = jnp.array([[0.05, 0.25, 0.4], [0.1, 0.2, 0.35]])
        gains = jax.jit(jax.vmap(mean_gain))(rates)
        slope, step = jax.grad(mean_gain)(rates[0]), 1e-5
        near = [mean_gain(rates[0].at[1].add(s)) for s in (step, -step)]
        np.testing.assert_allclose(slope[1], (near[0] - near[1]) / (2 * step), rtol=2e-2)
        np.testing.assert_allclose(gains[0], mean_gain(rates[0]), rtol=1e-9)


def test_a_group_of_nobody_has_no_means():
    found = moved(economy_of())
    groups = eqx.filter_jit(effects_by)(
        found, jnp.asarray(WEIGHT), jnp.zeros(40, int), groups=2, tolerance=1.0
    )
    assert groups.share.tolist() == [1.0, 0.0]
    assert np.isnan(groups.gain[1])
