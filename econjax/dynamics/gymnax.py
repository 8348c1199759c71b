"""An environment in the call shape of gymnax, whose episodes begin again by themselves."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key
from numpy.typing import ArrayLike

from econjax.dynamics.env import Box, EnvState, TaxEnv, WorkerEnv


class Gymnax(eqx.Module):
    """An environment as training loops for gymnax (0.0.9) call it.

    `reset(key, params)` returns (observation, state), and `step(key, state, action, params)`
    (observation, state, reward, done, info). The parameters are an environment itself, with all
    that its economy is made of: without any it is `default_params`, the wrapped one, and a batch of
    them (`jax.vmap`) is a batch of economies. After the last year of an episode `step` returns the
    first observation and state of a new one, with the reward and the `info` of the year that
    ended; `info["last_observation"]` holds what that year showed, for bootstrapping a truncated
    episode.
    """

    env: TaxEnv | WorkerEnv

    @property
    def default_params(self) -> TaxEnv | WorkerEnv:
        """The wrapped environment."""
        return self.env

    def action_space(self, params: TaxEnv | WorkerEnv | None = None) -> Box:
        """Return what actions may be."""
        return self._of(params).action_space

    def observation_space(self, params: TaxEnv | WorkerEnv | None = None) -> Box:
        """Return what observations may be."""
        return self._of(params).observation_space

    def reset(
        self, key: Key[Array, ""], params: TaxEnv | WorkerEnv | None = None
    ) -> tuple[Float[Array, "..."], EnvState]:
        """Return the first observation of an episode, and the state."""
        return self._of(params).reset(key)

    def step(
        self,
        key: Key[Array, ""],
        state: EnvState,
        action: ArrayLike,
        params: TaxEnv | WorkerEnv | None = None,
    ) -> tuple[Float[Array, "..."], EnvState, Float[Array, "..."], Bool[Array, ""], dict[str, Any]]:
        """Return observation, state, reward, done and info; a new episode where one has ended.

        Raises:
            ValueError: an action that the environment refuses.
        """
        env = self._of(params)
        step_key, reset_key = jax.random.split(key)
        seen, after, reward, terminated, truncated, info = env.step(step_key, state, action)
        done = terminated | truncated
        first, fresh = env.reset(reset_key)
        state = jax.tree.map(lambda new, old: jnp.where(done, new, old), fresh, after)
        observation = jnp.where(done, first, seen)
        return observation, state, reward, done, info | {"last_observation": seen}

    def _of(self, params: TaxEnv | WorkerEnv | None) -> TaxEnv | WorkerEnv:
        return self.env if params is None else params
