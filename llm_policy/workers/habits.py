"""Workers who adapt only in part, and workers who take over what one of them decides."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from econjax import Economy
from llm_policy.memory.workers import Memory, latest
from llm_policy.prompts.workers import Situation
from llm_policy.workers.llm import Answers, LLMWorkers, SkilledWorkers


class _Changed:
    """Workers whose hours are made of those that others say."""

    _workers: SkilledWorkers

    @property
    def models(self) -> LLMWorkers:
        """The language models."""
        return self._workers.models

    @property
    def chances(self) -> None:
        """Nothing: the hours are not drawn from those on offer, worker by worker."""
        return None


class AdaptingWorkers(_Changed):
    """Workers who go a `fraction` of the way from their last hours to those that they choose.

    It is what `dynamics.Lagged` does: nobody tells them; they remember the hours that they worked.
    Who has hours in `fixed`, not NaN, works these.

    Raises:
        ValueError: a fraction that is not above 0 and at most 1.
    """

    def __init__(
        self,
        workers: SkilledWorkers,
        fraction: float,
        *,
        fixed: Float[np.ndarray, " agents"] | None = None,
    ):
        if not 0 < fraction <= 1:
            raise ValueError(
                f"The fraction is a share of the way, above 0 and at most 1; got {fraction}."
            )
        self._workers, self._fraction, self._fixed = workers, fraction, fixed

    @property
    def deciding(self) -> Int[np.ndarray, " agents"]:
        """Whose luck each one's hours depend on."""
        return self._workers.deciding

    def at(self, economy: Economy) -> "AdaptingWorkers":
        """Return the same people in an economy in which they have other skills."""
        return AdaptingWorkers(self._workers.at(economy), self._fraction, fixed=self._fixed)

    def labor(self, key: Key[Array, ""], situation: Situation, memory: Memory) -> Answers:
        """Return hours between the last ones and those that are chosen."""
        answers = self._workers.labor(key, situation, memory)
        last = latest(memory).labor
        stays = np.isnan(last)
        if self._fixed is not None:
            stays = stays | ~np.isnan(self._fixed)
        way = jnp.asarray(np.where(stays, 0.0, last), answers.labor.dtype)
        between = way + self._fraction * (answers.labor - way)
        hours = jnp.where(jnp.asarray(stays), answers.labor, between)
        return answers._replace(labor=hours, probabilities=None)


class FollowingWorkers(_Changed):
    """Workers who work the hours that others decide: `leader` is the place of whose, by worker."""

    def __init__(self, workers: SkilledWorkers, leader: Int[np.ndarray, " agents"]):
        self._workers, self._leader = workers, leader

    @property
    def deciding(self) -> Int[np.ndarray, " agents"]:
        """Whose luck each one's hours depend on."""
        return self._workers.deciding[self._leader]

    def at(self, economy: Economy) -> "FollowingWorkers":
        """Return the same people in an economy in which they have other skills."""
        return FollowingWorkers(self._workers.at(economy), self._leader)

    def labor(self, key: Key[Array, ""], situation: Situation, memory: Memory) -> Answers:
        """Return the hours of those who decide, which all who follow them work."""
        answers = self._workers.labor(key, situation, memory)
        leader = jnp.asarray(self._leader)
        return answers._replace(
            labor=answers.labor[leader], understood=answers.understood[leader], probabilities=None
        )


def leaders(
    skill: Float[np.ndarray, " agents"],
    each: int,
    fixed: Float[np.ndarray, " agents"] | None = None,
) -> Int[np.ndarray, " agents"]:
    """Return who decides for whom: the middle one of so many of neighbouring skills, and the last.

    Who has hours in `fixed`, not NaN, stands alone.
    """
    own = np.arange(len(skill))
    free = own if fixed is None else np.flatnonzero(np.isnan(fixed))
    order = free[np.argsort(skill[free], kind="stable")]
    for start in range(0, len(order), each):
        block = order[start : start + each]
        own[block] = block[len(block) // 2]
    return own
