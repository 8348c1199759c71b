"""What a language model is told of an aversion is what the welfare function does."""

import jax
import jax.numpy as jnp
import pytest

from llm_policy.prompts.welfare import WELFARE, welfare_aim
from tests.helpers.laboratory import float64, outcome_of


@pytest.mark.parametrize(("aversion", "times"), [(0.5, 1.41), (2.0, 4), (3.0, 8)])
def test_a_dollar_counts_so_many_times_as_much_for_half_as_much(aversion, times):
    from econjax import Population

    aim = welfare_aim("atkinson", aversion)
    assert f"counts {times:g} times as much for whoever has half as much" in aim.words
    assert f"counts {times:g} times" in aim.definition
    assert aim.name == f"Atkinson, aversion {aversion:g}"
    with float64():
        people = Population(jnp.ones(2))
        utility = jnp.array([20_000.0, 40_000.0])
        poor, rich = jax.grad(lambda u: aim.welfare(people, outcome_of(u)))(utility)
        assert float(poor / rich) == pytest.approx(2**aversion)
        assert 2**aversion == pytest.approx(times, rel=0.01)


def test_an_aversion_of_1_and_other_functions_are_as_they_are_named():
    assert welfare_aim("atkinson") is WELFARE["atkinson"]
    assert welfare_aim("rawlsian", 2.0) is WELFARE["rawlsian"]
    with pytest.raises(ValueError, match="one of atkinson, rawlsian, utilitarian; got 'nash'"):
        welfare_aim("nash")
