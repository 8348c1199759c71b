import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from laboratory import float64
from scipy.optimize import minimize_scalar

from econjax import Quasilinear


def test_utility_is_the_formula(x64):
    # u = c - taste * skill * 40 / (1 + 1/e) * (l/40)^(1 + 1/e); e = .25: power 5.
    utility = Quasilinear(0.25).utility(
        jnp.array([50000.0, 50000.0, 0.0]),
        jnp.array([40.0, 20.0, 80.0]),
        skill=jnp.array([1000.0, 1000.0, 10.0]),
        taste=jnp.array([1.0, 2.0, 0.5]),
    )
    np.testing.assert_allclose(
        utility, [50000 - 40000 / 5, 50000 - 80000 / 5 / 32, -0.5 * 400 / 5 * 32], rtol=1e-14
    )


@pytest.mark.parametrize(("scale", "power"), [(0.0005, 3.5), (0.01, 2.0)])
def test_the_reference_systems_form_is_a_choice_of_taste(x64, scale, power):
    # Oracles, section 0 (iii), and llm_economist 1.5: c - k l^d is e = 1/(d-1), taste = k d 40^(d-1) / skill.
    labor, skill = np.array([0.0, 10, 40, 100]), np.array([3.0, 30, 300, 3000])
    taste = scale * power * 40 ** (power - 1) / skill
    utility = Quasilinear(1 / (power - 1)).utility(
        jnp.full(4, 1000.0), jnp.array(labor), skill=jnp.array(skill), taste=jnp.array(taste)
    )
    np.testing.assert_allclose(utility, 1000 - scale * labor**power, rtol=1e-13)


@given(st.floats(0.05, 2), st.floats(0.01, 1.9), st.floats(0.1, 1e4), st.floats(0.1, 10))
def test_linear_labor_beats_every_other(elasticity, net_rate, skill, taste):
    with float64():
        skills, tastes = jnp.array([skill]), jnp.array([taste])
        preferences = Quasilinear(elasticity)
        chosen = preferences.linear_labor(jnp.array(net_rate), skill=skills, taste=tastes)[0]
        assert chosen == pytest.approx(40 * (net_rate / taste) ** elasticity, rel=1e-12)

        def loss(log_labor):
            labor = np.exp(log_labor)
            cost = taste * skill * 40 / (1 + 1 / elasticity) * (labor / 40) ** (1 + 1 / elasticity)
            return -(net_rate * skill * labor - cost)

        best = minimize_scalar(loss, bracket=(np.log(chosen) - 1, np.log(chosen) + 0.5))
        assert -loss(np.log(chosen)) >= -best.fun - 1e-9 * abs(best.fun)


@pytest.mark.parametrize("elasticity", [0.05, 0.25, 1.0])
def test_nothing_is_worked_where_nothing_is_kept(elasticity):
    for net_rate in (0.0, -0.5):
        labor = Quasilinear(elasticity).linear_labor(
            jnp.array(net_rate), skill=jnp.array([1.0, 100.0]), taste=jnp.ones(2)
        )
        np.testing.assert_allclose(labor, [0, 0], atol=1e-6)


def test_the_elasticity_is_that_of_income_to_the_net_rate(x64):
    def log_income(log_net):
        labor = Quasilinear(0.4).linear_labor(jnp.exp(log_net), skill=jnp.ones(1), taste=jnp.ones(1))
        return jnp.log(labor[0])

    assert jax.grad(log_income)(jnp.log(0.7)) == pytest.approx(0.4, rel=1e-12)


def test_equivalent_skill_folds_taste_into_skill(x64):
    # Oracles, section 0: potential income n = 40 * skill * taste^(-e).
    skill = Quasilinear(0.5).equivalent_skill(jnp.array([100.0, 100.0]), taste=jnp.array([4.0, 0.25]))
    np.testing.assert_allclose(skill, [50, 200], rtol=1e-14)


@pytest.mark.parametrize("elasticity", [0, -0.25, np.nan])
def test_an_elasticity_is_positive(elasticity):
    with pytest.raises(ValueError, match=str(elasticity)) as error:
        Quasilinear(elasticity)
    assert error.match("positive")
