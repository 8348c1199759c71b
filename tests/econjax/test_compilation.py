"""What compiles, how often, and how large the programs are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import (
    GHH,
    AbstractSchedule,
    Atkinson,
    BracketSchedule,
    Economy,
    Isoelastic,
    LogLinearSchedule,
    Population,
    Quasilinear,
    Rawlsian,
    Utilitarian,
    _choices,
    best_response,
    bracket_statistics,
    consumption_equivalent_gain,
    converged_saez,
    equilibrium,
    grid_response,
    logit_probabilities,
    logit_response,
    nan_where_illegal,
    settle,
)
from econjax.optimal.saez import jump_revenue
from econjax.planning import RationalEvaluator

LAW = ([0.0, 20_000.0, 60_000.0], [0.1, 0.4, 0.3])
SKILL = np.geomspace(100.0, 5_000.0, 40)


def economy_with(preferences, **workers):
    return Economy(population=Population(SKILL, **workers), preferences=preferences)


ECONOMIES = {
    "quasi-linear": lambda: economy_with(Quasilinear(0.25)),
    "isoelastic": lambda: economy_with(Isoelastic(1.0, exponent=3.0, scale=5.2e-6)),
    "GHH": lambda: economy_with(GHH(1.5, elasticity=0.25)),
    "elasticities": lambda: economy_with(Quasilinear(0.25), elasticity=np.linspace(0.1, 0.5, 40)),
    "fixed costs": lambda: economy_with(
        Quasilinear(0.25), fixed_cost=np.linspace(0.0, 4_000.0, 40)
    ),
}
SCHEDULES = {
    "brackets": lambda: BracketSchedule(*LAW),
    "log-linear": lambda: LogLinearSchedule(3.0, 0.1),
}


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("economy", ECONOMIES)
def test_a_second_call_outside_jit_compiles_nothing(compilations, economy, schedule):
    economy, schedule = ECONOMIES[economy](), SCHEDULES[schedule]()

    def respond(rebate):
        hours = best_response(economy, schedule, rebate)
        return hours, settle(economy, schedule, hours), equilibrium(economy, schedule)

    jax.block_until_ready(respond(0.0))
    with compilations() as seen:
        jax.block_until_ready(respond(10.0))
    assert not seen


CALLS = {
    "grid": lambda e, s, o: grid_response(e, s, 5.0),
    "logit": lambda e, s, o: logit_response(
        jax.random.key(0), e, s, temperature=100.0, grid=[0, 20, 40]
    ),
    "odds": lambda e, s, o: logit_probabilities(e, s, temperature=100.0),
    "statistics": lambda e, s, o: bracket_statistics(e, s, o, Utilitarian()),
    "jumps": lambda e, s, o: jump_revenue(e, s),
    "saez": lambda e, s, o: converged_saez(e, s, Atkinson(), elasticity=0.25, most_steps=2),
    "welfare": lambda e, s, o: Atkinson(1.5)(e.population, o),
    "gain": lambda e, s, o: consumption_equivalent_gain(e, o, o, Atkinson()),
    "gradient": lambda e, s, o: jax.grad(
        lambda rates: equilibrium(e, BracketSchedule(s.thresholds, rates)).rebate
    )(s.rates),
}


@pytest.mark.parametrize("call", CALLS)
def test_so_do_choices_welfare_formulas_and_derivatives(compilations, call):
    economy, schedule = ECONOMIES["quasi-linear"](), SCHEDULES["brackets"]()
    outcome = settle(economy, schedule, jnp.full(40, 40.0))
    jax.block_until_ready(CALLS[call](economy, schedule, outcome))
    with compilations() as seen:
        jax.block_until_ready(CALLS[call](economy, schedule, outcome))
    assert not seen


def test_welfare_functions_share_the_gradient_of_the_equilibrium(compilations):
    economy, law = ECONOMIES["quasi-linear"](), SCHEDULES["brackets"]()
    with compilations() as first:
        RationalEvaluator(economy, Utilitarian()).value_and_grad(law)
    with compilations() as second:
        RationalEvaluator(economy, Rawlsian()).value_and_grad(law)
    assert len(second) < len(first)


def test_borders_are_traced_once_for_values_and_derivatives(monkeypatch):
    """A rule of derivatives has another context than the function, and JAX would trace anew."""
    traced, options = [], _choices._options

    def counting(*given):
        traced.append(given)
        return options(*given)

    def welfare(rates):
        law = BracketSchedule(jnp.arange(11) * 9_000.0, rates)
        return equilibrium(economy, law).outcome.rebate

    monkeypatch.setattr(_choices, "_options", counting)
    economy = ECONOMIES["quasi-linear"]()
    jax.jit(jax.value_and_grad(welfare)).lower(jnp.linspace(0.5, 0.1, 11))
    assert len(traced) == 1


def test_values_known_at_the_call_raise_at_once():
    economy = economy_with(Quasilinear(0.25))
    with pytest.raises(ValueError, match="regressive"):
        best_response(economy, LogLinearSchedule(3.0, -6.0))
    with pytest.raises(ValueError, match="regressive"):
        equilibrium(economy, LogLinearSchedule(3.0, -6.0))


class Proportional(AbstractSchedule):
    rate: jax.Array

    def tax(self, income):
        return self.rate * income

    def marginal_rate(self, income):
        return jnp.broadcast_to(self.rate, income.shape)


def test_illegal_values_of_what_is_traced_raise_or_are_nan(x64):
    """Whichever came first in a process; with nan there is no callback, which no disk keeps."""

    @jax.jit
    def tax(rate):
        return BracketSchedule(jnp.zeros(1), rate[None]).tax(jnp.asarray(100.0))

    for _ in range(2):
        with nan_where_illegal():
            assert jnp.isnan(tax(2.0))
            assert tax(0.5) == 50.0
            assert "callback" not in tax.lower(2.0).as_text()
            with pytest.raises(ValueError, match="Rates are shares of a dollar"):
                BracketSchedule([0.0], [35.0])
        with pytest.raises(jax.errors.JaxRuntimeError, match="Rates are shares of a dollar"):
            tax(2.0).block_until_ready()
        assert "callback" in tax.lower(2.0).as_text()


@pytest.mark.parametrize("method", ["tax", "marginal_rate"])
@pytest.mark.parametrize("make", [
    lambda x: BracketSchedule([0.0, 1e4], jnp.stack([x, x + 0.1])),
    lambda x: LogLinearSchedule(3.0, x),
    Proportional,
])  # fmt: skip
def test_methods_of_every_schedule_may_be_jitted(make, method):
    incomes = jnp.array([5e3, 2e4])
    low, high = make(jnp.asarray(0.1)), make(jnp.asarray(0.3))
    compiled = jax.jit(getattr(low, method)), jax.jit(getattr(high, method))
    for law, function in zip((low, high), compiled, strict=True):
        for _ in range(2):
            np.testing.assert_allclose(function(incomes), getattr(law, method)(incomes), rtol=1e-5)

    @jax.jit
    def inside(x):
        return jax.jit(getattr(make(x), method))(incomes)

    for law, x in ((low, 0.1), (high, 0.3)):
        np.testing.assert_allclose(inside(jnp.asarray(x)), getattr(law, method)(incomes), rtol=1e-5)


def many_brackets(brackets):
    thresholds = jnp.concatenate([jnp.zeros(1), jnp.geomspace(4e3, 3e5, brackets - 1)])
    return BracketSchedule(thresholds, jnp.linspace(0.0, 0.6, brackets))


def welfare_of(economy, schedule, rates):
    schedule = BracketSchedule(schedule.thresholds, rates)
    return Utilitarian()(economy.population, equilibrium(economy, schedule).outcome)


def test_the_gradient_of_300_brackets_is_that_of_finite_differences(x64):
    economy, schedule = economy_with(Quasilinear(0.25)), many_brackets(300)
    both = jax.jit(jax.value_and_grad(welfare_of, argnums=2))
    _, gradient = both(economy, schedule, schedule.rates)
    for direction in np.random.default_rng(0).normal(size=(3, 300)):
        up, down = (
            both(economy, schedule, schedule.rates + 1e-7 * way)[0]
            for way in (direction, -direction)
        )
        np.testing.assert_allclose(gradient @ direction, (up - down) / 2e-7, rtol=1e-4)


@pytest.mark.parametrize("brackets", [5, 16, 17, 40])
def test_few_and_many_brackets_owe_the_same(x64, brackets):
    schedule = many_brackets(brackets)
    starts, rates = np.asarray(schedule.thresholds), np.asarray(schedule.rates)
    incomes = np.append(np.linspace(0.0, 5e5, 50), starts)
    owed = [
        rates @ np.clip(income - starts, 0, np.append(np.diff(starts), np.inf))
        for income in incomes
    ]
    np.testing.assert_allclose(schedule.tax(jnp.array(incomes)), owed, rtol=1e-12, atol=1e-9)
    passed = np.searchsorted(starts, incomes, side="right") - 1
    np.testing.assert_array_equal(schedule.marginal_rate(jnp.array(incomes)), rates[passed])


def size(jaxpr) -> int:
    """Return the number of equations, those within others counted."""
    inner = jax.tree.leaves(
        [list(e.params.values()) for e in jaxpr.eqns], is_leaf=lambda x: hasattr(x, "eqns")
    )
    return len(jaxpr.eqns) + sum(size(getattr(x, "jaxpr", x)) for x in inner if hasattr(x, "eqns"))


@pytest.mark.parametrize(
    "function", [welfare_of, jax.grad(welfare_of, argnums=2)], ids=["value", "gradient"]
)
def test_the_program_does_not_grow_with_the_number_of_brackets(function):
    economy = economy_with(Quasilinear(0.25))
    sizes = []
    for brackets in (18, 56, 300):
        schedule = many_brackets(brackets)
        sizes.append(size(jax.make_jaxpr(function)(economy, schedule, schedule.rates).jaxpr))
    assert max(sizes) < 1.25 * min(sizes), sizes
