"""Teach a network to set taxes: gradients of welfare go through the workers' exact equilibrium.

The network reads how averse to inequality the government is, and names a rate for each bracket.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

import econjax as ej


def main(workers: int = 200, steps: int = 60) -> None:
    """Train, and print what the network proposes beside today's law."""
    law = ej.us_federal(2024)
    population = ej.calibrate(ej.gb2(workers), law)
    economy = ej.Economy(population=population, preferences=ej.Quasilinear(0.25))
    network = eqx.nn.MLP(1, law.rates.size, width_size=16, depth=2, key=jax.random.key(0))
    optimiser = optax.adam(1e-2)

    def rates(network, aversion):
        return 0.9 * jax.nn.sigmoid(network(jnp.log(aversion)[None]))

    def equivalent(network, aversion):
        schedule = ej.BracketSchedule(law.thresholds, rates(network, aversion))
        outcome = ej.equilibrium(economy, schedule).outcome
        return ej.Atkinson(aversion).equivalent(population, outcome)

    @eqx.filter_jit
    def step(network, state, key):
        aversion = jnp.exp(jax.random.uniform(key, minval=-1.0, maxval=1.5))
        loss, slope = eqx.filter_value_and_grad(
            lambda network: -jnp.log(equivalent(network, aversion))
        )(network)
        updates, state = optimiser.update(slope, state)
        return eqx.apply_updates(network, updates), state, loss

    state = optimiser.init(eqx.filter(network, eqx.is_inexact_array))
    for key in jax.random.split(jax.random.key(1), steps):
        network, state, _ = step(network, state, key)
    for aversion in (0.5, 1.0, 4.0):
        welfare = ej.Atkinson(aversion)
        today = welfare.equivalent(population, ej.equilibrium(economy, law).outcome)
        proposed = ", ".join(f"{rate:.0%}" for rate in rates(network, jnp.asarray(aversion)))
        ours = equivalent(network, jnp.asarray(aversion))
        print(f"aversion {aversion}: ${ours:,.0f} at {proposed}; today ${today:,.0f}")


if __name__ == "__main__":
    main()
