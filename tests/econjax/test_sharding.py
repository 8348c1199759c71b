"""Workers spread over devices: the same figures, from simulated ones and from two processes."""

import os
import socket
import subprocess
import sys

import pytest

from econjax._blocks import BLOCK

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


# Two economies beside one another, the workers of each over four devices, in one or two processes.
MESH = """
import sys
import jax

number, processes, address = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
jax.config.update("jax_enable_x64", True)
if processes > 1:
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(address, processes, number)

import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
import econjax as ej

assert (jax.device_count(), jax.process_count()) == (8, processes)
law = ej.us_federal(2024)
devices = np.array(jax.devices()).reshape(4, 2).T  # agents over both processes
mesh = Mesh(devices, ("economies", "agents"))
populations = [ej.lognormal(AGENTS, median=median, sigma=0.7) for median in (4e4, 6e4)]
held = jax.tree.map(lambda *arrays: np.stack(arrays), *populations)
elasticities = np.array([0.2, 0.4])


def spread(values, *axes):
    sharding = NamedSharding(mesh, PartitionSpec(*axes))
    return jax.make_array_from_callback(values.shape, sharding, lambda at: values[at])


def equivalent(rates, elasticity, population):
    economy = ej.Economy(population=population, preferences=ej.Quasilinear(elasticity))
    outcome = ej.equilibrium(economy, ej.BracketSchedule(law.thresholds, rates)).outcome
    return ej.Atkinson(1.0).equivalent(population, outcome)


def compiled(**options):
    both = jax.vmap(jax.value_and_grad(equivalent), in_axes=(None, 0, 0))
    return jax.jit(both, **options)


over = compiled(out_shardings=NamedSharding(mesh, PartitionSpec()))
alone = compiled()
people = jax.tree.map(lambda values: spread(values, "economies", "agents"), held)
for rates in (np.asarray(law.rates), np.asarray(law.rates)[::-1] + 0.1):
    parts = over(spread(rates), spread(elasticities, "economies"), people)
    whole = alone(rates, elasticities, held)
    for one, other in zip(parts, whole):
        np.testing.assert_allclose(one, other, rtol=1e-9)
assert over._cache_size() == 1
"""


def run(program, *arguments, devices):
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        env=os.environ | {"XLA_FLAGS": flags},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_four_devices():
    said, _ = (running := run(PROGRAM, devices=4)).communicate()
    assert running.returncode == 0, said


@pytest.mark.parametrize(
    ("processes", "agents"), [(1, 1_600), (1, 2 * BLOCK + 64), (2, 1_600)], ids=str
)
def test_economies_and_workers_over_eight_devices(processes, agents):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    program = MESH.replace("AGENTS", str(agents))
    running = [
        run(program, number, processes, address, devices=8 // processes)
        for number in range(processes)
    ]
    for one in running:
        said, _ = one.communicate()
        assert one.returncode == 0, said
