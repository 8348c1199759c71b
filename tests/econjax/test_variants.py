"""The same numbers with and without `jit`, and wherever arrays are put."""

import chex
import jax
import jax.numpy as jnp
from absl.testing import parameterized

import econjax as ej
from tests.helpers.laboratory import economy_of
from tests.helpers.reference import THRESHOLDS, US_2024, grid

ECONOMY = economy_of(grid("GB2", 60), 0.25)
LAW = ej.BracketSchedule(THRESHOLDS, US_2024)
LABOR = jnp.linspace(10.0, 60.0, 60, dtype=jnp.float32)
FUNCTIONS = {
    "tax": lambda labor: LAW.tax(900.0 * labor),
    "marginal rate": lambda labor: LAW.marginal_rate(900.0 * labor),
    "settle": lambda labor: ej.settle(ECONOMY, LAW, labor),
    "best response": lambda labor: ej.best_response(ECONOMY, LAW, jnp.mean(labor)),
    "equilibrium": lambda labor: ej.equilibrium(ECONOMY, LAW).outcome,
    "choices": lambda labor: ej.grid_response(ECONOMY, LAW, jnp.mean(labor)),
    "welfare": lambda labor: ej.Atkinson(1.0).equivalent(
        ECONOMY.population, ej.settle(ECONOMY, LAW, labor)
    ),
    "gini": lambda labor: ej.gini(labor),
}


class VariantsTest(chex.TestCase):
    """chex runs each test in every way that the decorator names."""

    @chex.variants(with_jit=True, without_jit=True, with_device=True)
    @parameterized.named_parameters((name.replace(" ", "_"), name) for name in FUNCTIONS)
    def test_every_way_gives_the_same(self, name):
        found = self.variant(FUNCTIONS[name])(LABOR)
        expected = FUNCTIONS[name](LABOR)
        chex.assert_trees_all_close(found, expected, rtol=2e-5, atol=1e-3)
        chex.assert_trees_all_equal_shapes_and_dtypes(found, expected)
        chex.assert_tree_all_finite(found)
        assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(found))
