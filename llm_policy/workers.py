"""Workers who are language models: personas and prompts in, an array of weekly hours out."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from econjax import BracketSchedule, Economy, Outcome, Population, settle
from econjax.preferences import REFERENCE_HOURS
from llm_policy.answers import HOURS_SCHEMA, Tally, read_hours
from llm_policy.engine import Engine, EngineError, Prompt
from llm_policy.personas import Personas
from llm_policy.prompts import WorkerRecord, worker_prompts


class Answers(NamedTuple):
    """One step of labor: hours a week, and whose answer was understood. Hours of the others are 0."""

    labor: Float[Array, " agents"]
    understood: Bool[Array, " agents"]


class LLMWorkers:
    """Language models that read a persona and choose weekly hours, one batch a step.

    A worker whose answer cannot be read is asked again, `attempts` times in all, and is then left out
    of that step (`present`). If more than `most_unread` of the workers are left out, the step raises.
    `tally` counts every answer.
    """

    def __init__(
        self,
        engine: Engine,
        personas: Personas,
        *,
        attempts: int = 3,
        most_unread: float = 0.2,
        max_tokens: int = 24,
        tally: Tally | None = None,
    ):
        """Hold the engine and the people; nothing is asked yet."""
        self.engine = engine
        self.personas = personas
        self.attempts = attempts
        self.most_unread = most_unread
        self.max_tokens = max_tokens
        self.tally = tally or Tally()

    def answer(self, economy: Economy, schedule: BracketSchedule, record: WorkerRecord) -> Answers:
        """Ask every worker for next year's hours.

        Raises:
            EngineError: too many answers could not be read, or the engine cannot answer.
        """
        prompts = worker_prompts(
            self.personas,
            schedule,
            record,
            skill=np.asarray(economy.population.skill),
            effort_cost=np.asarray(_effort_cost(economy)),
        )
        hours, understood = np.zeros(len(prompts)), np.zeros(len(prompts), bool)
        unreadable = ""
        for _ in range(self.attempts):
            asked = np.flatnonzero(~understood)
            if not asked.size:
                break
            hours[asked], understood[asked], unreadable = self._ask([prompts[i] for i in asked])
        unread = np.mean(~understood)
        if unread > self.most_unread or not understood.any():
            raise EngineError(
                f"{unread:.0%} of the workers' answers could not be read after {self.attempts} attempts (at "
                f"most {self.most_unread:.0%}); one was {unreadable!r}. Use a model that follows a schema."
            )
        return Answers(jnp.asarray(hours, economy.population.skill.dtype), jnp.asarray(understood))

    def _ask(self, prompts: list[Prompt]) -> tuple[np.ndarray, np.ndarray, str]:
        """Return the hours, which of them could be read, and a text that could not."""
        completions = self.engine.complete(prompts, HOURS_SCHEMA, max_tokens=self.max_tokens)
        texts = [completion.texts[0] for completion in completions]
        hours, understood = read_hours(texts)
        self.tally.asked += len(texts)
        self.tally.read += int(understood.sum())
        return hours, understood, next((t for t, ok in zip(texts, understood, strict=True) if not ok), "")


def present(population: Population, understood: Bool[Array, " agents"]) -> Population:
    """Return the population with the weight of those who were not understood spread over the others."""
    weight = jnp.where(understood, population.weight, 0)
    return eqx.tree_at(lambda p: p.weight, population, weight / weight.sum())


def settle_answers(
    economy: Economy, schedule: BracketSchedule, answers: Answers
) -> tuple[Population, Outcome]:
    """Settle a step among those who were understood; the others have weight 0 in the population returned."""
    population = present(economy.population, answers.understood)
    economy = eqx.tree_at(lambda e: e.population, economy, population)
    return population, settle(economy, schedule, answers.labor)


def usual_hours(economy: Economy, schedule: BracketSchedule) -> WorkerRecord:
    """Return the record that a tax year starts from: everyone works 40 hours."""
    labor = jnp.full_like(economy.population.skill, REFERENCE_HOURS)
    return remember(economy, schedule, labor, settle(economy, schedule, labor).rebate)


def remember(
    economy: Economy, schedule: BracketSchedule, labor: Float[Array, " agents"], rebate: Float[Array, ""]
) -> WorkerRecord:
    """Return what workers remember of a step: their own hours, income and tax, and the rebate."""
    income = economy.population.skill * labor
    return WorkerRecord(
        np.asarray(labor), np.asarray(income), np.asarray(schedule.tax(income)), float(rebate)
    )


_EFFORT_HOURS = (20.0, 40.0, 60.0)


def _effort_cost(economy: Economy) -> Float[Array, "agents 3"]:
    """Return what one more weekly hour costs in utility at 20, 40 and 60 hours."""
    population = economy.population

    def cost(hours: float) -> Float[Array, " agents"]:
        labor = jnp.full_like(population.skill, hours)

        def utility(labor):
            nothing = jnp.zeros_like(labor)
            return economy.preferences.utility(nothing, labor, population)

        return -jax.jvp(utility, (labor,), (jnp.ones_like(labor),))[1]

    return jnp.stack([cost(hours) for hours in _EFFORT_HOURS], axis=1)
