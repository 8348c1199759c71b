"""What workers would do in one situation: how likely each finds each number of weekly hours."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from econjax import Economy, best_response
from llm_policy.memory.workers import Memory
from llm_policy.prompts.workers import Situation
from llm_policy.workers.llm import Answers
from llm_policy.workers.society import ChooseHours


@dataclass(frozen=True)
class HoursShares:
    """Each worker's weekly hours, and how likely it finds them: rows of `share` sum to 1.

    Rows of workers who are not `known` are zeros.
    """

    hours: Float[np.ndarray, "agents points"]
    share: Float[np.ndarray, "agents points"]
    known: Bool[np.ndarray, " agents"]

    def expected(
        self, of: Callable[[Float[np.ndarray, "agents points"]], Float[np.ndarray, "agents points"]]
    ) -> Float[np.ndarray, " agents"]:
        """Return each worker's expectation of a function of its hours."""
        return np.sum(self.share * of(self.hours), axis=1)


def ask_hours(
    key: Key[Array, ""],
    choose: ChooseHours,
    situation: Situation,
    memory: Memory,
    *,
    values: Float[np.ndarray, " options"],
    samples: int = 1,
) -> HoursShares:
    """Return what workers find likely: by their probabilities of `values`, or in `samples` answers.

    Workers who give probabilities are asked once. Everybody of them is asked, so that nobody has
    fixed hours.

    Raises:
        ValueError: no sample, or probabilities of some workers alone.
        EngineError: too many answers could not be read, or the engine cannot answer.
    """
    if samples < 1:
        raise ValueError(f"Workers are asked at least once; got {samples} samples.")
    first, *keys = jax.random.split(key, samples)
    answers = choose(first, situation, memory)
    if answers.probabilities is not None:
        return _scored(answers, values)
    drawn = [answers, *(choose(each, situation, memory) for each in keys)]
    hours = np.stack([np.asarray(one.labor, float) for one in drawn], axis=1)
    read = np.stack([np.asarray(one.understood) for one in drawn], axis=1)
    count = read.sum(axis=1)
    return HoursShares(hours, read / np.maximum(count, 1)[:, None], count > 0)


def rational_hours(economy: Economy) -> ChooseHours:
    """Return how workers choose who choose best, at the rebate that they are told."""

    def choose(key: Key[Array, ""], situation: Situation, memory: Memory) -> Answers:
        labor = best_response(economy, situation.schedule, situation.rebate)
        return Answers(labor, jnp.ones(labor.shape, bool), np.zeros(labor.shape))

    return choose


def _scored(answers: Answers, values: Float[np.ndarray, " options"]) -> HoursShares:
    assert answers.probabilities is not None
    agents, known = answers.labor.shape[0], np.asarray(answers.understood)
    if answers.probabilities.shape != (agents, len(values)):
        raise ValueError(
            f"Moments are of workers who are all asked; got probabilities of shape "
            f"{answers.probabilities.shape} of {agents} workers and {len(values)} hours."
        )
    share = np.where(known[:, None], answers.probabilities, 0.0)
    share = share / np.where(known, share.sum(axis=1), 1.0)[:, None]
    return HoursShares(np.tile(np.asarray(values, float), (agents, 1)), share, known)
