"""A planner that learns by PPO in the environment, in a training loop of the gymnax call shape."""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

import econjax as ej
from econjax.dynamics import Gymnax, Lagged, Rational, TaxEnv


class Actor(eqx.Module):
    """Rates from observations: a Gaussian before a sigmoid."""

    mean: eqx.nn.MLP
    spread: jax.Array

    def act(self, key, seen):
        """Return a draw, and its log probability."""
        drawn = self.mean(seen) + self.spread * jax.random.normal(key, self.spread.shape)
        return drawn, self.log_probability(seen, drawn)

    def log_probability(self, seen, drawn):
        """Return the log density of a draw, up to a constant."""
        off = (drawn - self.mean(seen)) / self.spread
        return -jnp.sum(off**2 / 2 + jnp.log(self.spread))


def train(env, actor, *, updates: int, episodes: int, years: int, key):
    """Return the actor after PPO (Schulman et al. 2017), and the mean reward of each update."""
    optimiser, params = optax.adam(3e-3), env.default_params
    state = optimiser.init(eqx.filter(actor, eqx.is_inexact_array))

    def episode(actor, key):
        seen, now = env.reset(key, params)

        def year(carry, key):
            seen, now = carry
            drawn, log_p = actor.act(key, seen)
            after, now, reward, _, _ = env.step(key, now, jax.nn.sigmoid(drawn), params)
            return (after, now), (seen, drawn, log_p, reward)

        return jax.lax.scan(year, (seen, now), jax.random.split(key, years))[1]

    @eqx.filter_jit
    def update(actor, state, key):
        seen, drawn, old, reward = jax.vmap(episode, (None, 0))(
            actor, jax.random.split(key, episodes)
        )
        to_come = jnp.cumsum(reward[:, ::-1], axis=1)[:, ::-1]
        gain = (to_come - to_come.mean(axis=0, keepdims=True)) / (
            to_come.std(axis=0, keepdims=True) + 1e-6
        )

        def loss(actor):
            ratio = jnp.exp(jax.vmap(jax.vmap(actor.log_probability))(seen, drawn) - old)
            return -jnp.minimum(ratio * gain, jnp.clip(ratio, 0.8, 1.2) * gain).mean()

        for _ in range(4):
            slope = eqx.filter_grad(loss)(actor)
            moves, state = optimiser.update(slope, state)
            actor = eqx.apply_updates(actor, moves)
        return actor, state, reward.mean()

    rewards = []
    for own in jax.random.split(key, updates):
        actor, state, reward = update(actor, state, own)
        rewards.append(float(reward))
    return actor, rewards


def main(workers: int = 100, updates: int = 60, episodes: int = 64) -> list[float]:
    """Train where workers take time to adjust; return the mean equivalent of each update."""
    law = ej.us_federal(2024)
    economy = ej.Economy(
        population=ej.calibrate(ej.gb2(workers), law), preferences=ej.Quasilinear(0.25)
    )
    env = Gymnax(
        TaxEnv(
            economy,
            law.thresholds,
            ej.Atkinson(1.0),
            periods=4,
            policy=Lagged(Rational(), 0.5),
        )
    )
    features, brackets = env.observation_space().shape[0], law.rates.size
    network = eqx.nn.MLP(features, brackets, width_size=32, depth=1, key=jax.random.key(0))
    actor = Actor(network, jnp.full(brackets, 0.3))
    _, rewards = train(
        env, actor, updates=updates, episodes=episodes, years=4, key=jax.random.key(1)
    )
    print(f"Mean equivalent of a year: ${rewards[0]:,.0f} at first, ${rewards[-1]:,.0f} in the end")
    return rewards


if __name__ == "__main__":
    main()
