"""Evaluate many schedules at once: one `vmap` over rates, one program, a Laffer curve."""

import jax
import jax.numpy as jnp

import econjax as ej


def main(workers: int = 1_000, schedules: int = 50) -> None:
    """Print the flat rate that raises most, beside the formula 1 / (1 + e)."""
    elasticity = 0.4
    preferences = ej.Quasilinear(elasticity)
    population = ej.calibrate(ej.gb2(workers), ej.us_federal(2024), preferences=preferences)
    economy = ej.Economy(population=population, preferences=preferences)
    flat = jnp.linspace(0.0, 0.98, schedules)

    @jax.jit
    @jax.vmap
    def revenue(rate):
        schedule = ej.BracketSchedule(jnp.zeros(1), rate[None])
        return ej.equilibrium(economy, schedule).rebate

    raised = revenue(flat)
    best = jnp.argmax(raised)
    print(f"A flat tax of {flat[best]:.0%} raises most: ${raised[best]:,.0f} a head.")
    print(f"The formula says {ej.top_rate(1.0, elasticity=elasticity):.1%}.")


if __name__ == "__main__":
    main()
