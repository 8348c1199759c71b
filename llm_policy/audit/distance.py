"""How far workers' answers lie from what is best for each of them."""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from econjax import BracketSchedule, Economy, best_response
from econjax.economy import income_and_tax, spendable
from llm_policy.audit.variation import mean_if_any
from llm_policy.prompts.workers import Situation
from llm_policy.workers.llm import LLMWorkers


@dataclass(frozen=True)
class Distance:
    """How far answers lie from what is best for each worker itself, at the law and the last rebate.

    `hours` is the mean of |hours - best response|, hours a week. `dollars` is the mean of the
    utility lost, in dollars a year at the best response's marginal utility (infinite where an
    answer leaves nothing to live on and preferences do not allow that). Altruistic and adversarial
    workers do not aim at it.
    """

    hours: float | None
    dollars: float | None


def distance(
    workers: LLMWorkers,
    situation: Situation,
    hours: Float[np.ndarray, "n answers"],
    weight: Float[np.ndarray, "n answers"],
) -> Distance:
    """Return the mean distance from the best response.

    The weights of a worker's answers sum to 1, or are 0 to leave it out.
    """
    economy, asked = workers.economy, workers.asked
    everyone = np.zeros((hours.shape[1], economy.population.agents))
    everyone[:, asked] = hours.T
    rebate = jnp.asarray(situation.rebate, float)
    best, lost = _best_and_lost(economy, situation.schedule, rebate, jnp.asarray(everyone, float))
    best, lost = np.asarray(best, float)[asked], np.asarray(lost, float)[:, asked].T
    present = weight.sum(axis=1) > 0
    away = np.abs(hours - best[:, None])
    weighted = (
        np.where(weight > 0, values, 0) * weight for values in (away, lost)
    )  # a loss may be infinite
    return Distance(*(mean_if_any(values.sum(axis=1)[present]) for values in weighted))


@eqx.filter_jit
def _best_and_lost(
    economy: Economy,
    schedule: BracketSchedule,
    rebate: Float[Array, ""],
    hours: Float[Array, "answers agents"],
) -> tuple[Float[Array, " agents"], Float[Array, "answers agents"]]:
    """Return each worker's best response, and the dollars that each of its answers loses."""
    best = best_response(economy, schedule, rebate)

    def choice(
        labor: Float[Array, " agents"],
    ) -> tuple[Float[Array, " agents"], Float[Array, " agents"]]:
        income, tax = income_and_tax(economy.population, schedule, labor)
        kept = spendable(economy, income - tax + rebate, labor)
        return jnp.maximum(kept, economy.consumption_floor), labor

    def lost(labor: Float[Array, " agents"]) -> Float[Array, " agents"]:
        return -economy.preferences.advantage(*choice(labor), choice(best), economy.population)

    return best, jax.vmap(lost)(hours)
