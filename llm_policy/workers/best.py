"""Workers who choose best: no model is asked of them."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key
from numpy.typing import ArrayLike

from econjax import Economy, best_response
from llm_policy.engines.base import EngineError, Prompt
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.memory.workers import Memory
from llm_policy.prompts.workers import Situation, Style
from llm_policy.workers.llm import Answers, LLMWorkers


class BestWorkers:
    """Workers who best-respond to the schedule and the last rebate, as `dynamics.Rational` do.

    Those with hours in `fixed`, not NaN, work these. What they read as `models` nobody is asked.
    """

    def __init__(self, economy: Economy, *, fixed: ArrayLike | None = None):
        nobody, style = ScriptedEngine(_says_nothing), Style(mode="choice")
        self.models = LLMWorkers(nobody, economy, scenario="rational", style=style, fixed=fixed)

    @property
    def chances(self) -> None:
        """Nothing: they leave nothing to chance."""
        return None

    @property
    def deciding(self) -> Int[np.ndarray, " agents"]:
        """Nobody's luck."""
        return np.full(len(self.models.fixed), -1)

    def at(self, economy: Economy) -> "BestWorkers":
        """Return the same people in an economy in which they have other skills."""
        return BestWorkers(economy, fixed=self.models.fixed)

    def labor(self, key: Key[Array, ""], situation: Situation, memory: Memory) -> Answers:
        """Return everybody's best hours."""
        fixed = self.models.fixed
        best = best_response(self.models.economy, situation.schedule, situation.rebate)
        hours = jnp.where(jnp.isnan(fixed), best, jnp.nan_to_num(fixed))
        return Answers(hours, jnp.ones(hours.shape, bool), np.zeros(hours.shape))


def _says_nothing(prompt: Prompt) -> str:
    raise EngineError("Workers who choose best are asked nothing.")
