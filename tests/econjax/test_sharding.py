"""Workers spread over devices: the same figures, from four simulated ones."""

import os
import subprocess
import sys

PROGRAM = """
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

jax.config.update("jax_enable_x64", True)
import econjax as ej

assert jax.device_count() == 4
law = ej.us_federal(2024)
population = ej.calibrate(ej.gb2(4000), law)
welfare = ej.Atkinson(1.0)
falling = jnp.array([0.6, 0.5, 0.45, 0.55, 0.5, 0.4, 0.3])
agents = NamedSharding(Mesh(np.array(jax.devices()), ("agents",)), PartitionSpec("agents"))


@jax.jit
def equivalent(rates, population):
    economy = ej.Economy(population=population, preferences=ej.Quasilinear(0.25))
    outcome = ej.equilibrium(economy, ej.BracketSchedule(law.thresholds, rates)).outcome
    return welfare.equivalent(population, outcome), outcome.labor


gradient = jax.jit(jax.grad(lambda *args: equivalent(*args)[0]))
spread = jax.device_put(population, agents)
whole, labor = equivalent(falling, population)
parts, spread_labor = equivalent(falling, spread)
assert len(spread_labor.sharding.device_set) == 4, spread_labor.sharding
np.testing.assert_allclose(parts, whole, rtol=1e-13)
np.testing.assert_allclose(spread_labor, labor, rtol=1e-13)
np.testing.assert_allclose(gradient(falling, spread), gradient(falling, population), rtol=1e-9)
"""


def test_four_devices():
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"
    environment = os.environ | {"XLA_FLAGS": flags}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
