"""Few workers among many: they are asked and remember, and live with the rebate of all."""

from dataclasses import replace
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from econjax import BracketSchedule, Economy, Outcome
from econjax.economy import income_and_tax, utility_of
from econjax.population import REFERENCE_HOURS
from econjax.schedule import AbstractSchedule
from llm_policy.memory.workers import Memory, remember
from llm_policy.prompts.workers import Situation
from llm_policy.surrogate.recording import RecordedWorkers
from llm_policy.workers.society import State, step_records

_GOLDEN = (5**0.5 - 1) / 2


class FewAnswers(NamedTuple):
    """What few workers answered: chances of the hours on offer, who was understood, one draw."""

    probabilities: Float[np.ndarray, "rows options"]
    understood: Bool[np.ndarray, " rows"]
    labor: Float[Array, " rows"]


def ask(
    key: Key[Array, ""], workers: RecordedWorkers, situation: Situation, memory: Memory
) -> FewAnswers:
    """Ask every worker; draw an hour for each, from chances that are spread evenly over them.

    The points at which chances are inverted are a lattice with a random start: each is uniform, and
    together they leave little to luck (Niederreiter 1992, of Kronecker sequences).
    """
    understood = np.asarray(workers.labor(key, situation, memory).understood)
    chances = workers.chances
    assert chances is not None, "they choose"
    probabilities = np.asarray(chances.probabilities, float)
    start = float(jax.random.uniform(jax.random.fold_in(key, 1)))
    points = (start + _GOLDEN * np.arange(len(understood))) % 1
    reached = np.cumsum(probabilities, axis=1)
    place = (points[:, None] * reached[:, -1:] >= reached[:, :-1]).sum(axis=1)
    labor = jax.device_put(np.asarray(chances.hours)[place])
    return FewAnswers(probabilities, understood, labor)


def begun(workers: RecordedWorkers, schedule: BracketSchedule, rebate: Float[Array, ""]) -> State:
    """Return the state after a step 0 in which everybody worked 40 hours, with a rebate."""
    state = State(workers.models.begin(), float(rebate), laws={0: schedule})
    skill = workers.economy.population.skill
    everyone = np.ones(skill.shape, bool)
    return remembering(state, workers.economy, jnp.full_like(skill, REFERENCE_HOURS), everyone)


def remembering(
    state: State,
    economy: Economy,
    labor: Float[Array, " rows"],
    understood: Bool[np.ndarray, " rows"],
) -> State:
    """Return the state with the step in every memory: these hours, under its law and rebate."""
    rebate = jnp.asarray(state.rebate, labor.dtype)
    outcome = _outcome(economy, state.laws[state.tax_year], labor, rebate)
    result = np.where(understood, np.asarray(outcome.utility, float), np.nan)
    seen = step_records(state, outcome, jnp.asarray(understood))._replace(result=result)
    return replace(state, memory=remember(state.memory, seen))


@eqx.filter_jit
def _outcome(
    economy: Economy,
    schedule: AbstractSchedule,
    labor: Float[Array, " rows"],
    rebate: Float[Array, ""],
) -> Outcome:
    """Return what hours bring at a rebate that others pay too."""
    income, tax = income_and_tax(economy.population, schedule, labor)
    consumption = income - tax + rebate
    utility = utility_of(economy, consumption, labor)
    return Outcome(labor, income, tax, consumption, utility, rebate, jnp.zeros_like(rebate))
