"""Workers who answer as the formula says, with no model in between: a known population."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Array, Int, Key

from econjax import Economy
from llm_policy.engines.base import (
    Choices,
    Completion,
    EngineError,
    EngineInfo,
    Prompt,
    Schema,
)
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.engines.wrappers.tally import Tallied, Tally
from llm_policy.formula.workers import Endowment, hours_probabilities, of_personas
from llm_policy.memory.workers import Memory
from llm_policy.personas.draw import Personas, describe
from llm_policy.prompts.disutility import price_of_an_hour
from llm_policy.prompts.workers import Situation
from llm_policy.surrogate.recording import RecordedWorkers, person_features
from llm_policy.workers.llm import Answers, LLMWorkers


def taught_workers(
    economy: Economy, personas: Personas, *, tally: Tally | None = None, **options: Any
) -> RecordedWorkers:
    """Return workers whose chances of hours are those of `formula.workers.hours_probabilities`.

    They are asked in words like any others, and counted, but the words are not read. `options` are
    those of `LLMWorkers`.
    """
    formula = _Formula(economy, personas)
    workers = RecordedWorkers(
        Tallied(formula, tally),
        economy,
        describe(personas),
        person=person_features(personas),
        told=formula.hear,
        **options,
    )
    formula.asked = workers.models.asked
    return workers


class FormulaWorkers:
    """Workers of the formula whose skills may change; what they chose from is not kept.

    They are counted in `tally`; `options` are those of `LLMWorkers`.
    """

    def __init__(
        self, economy: Economy, personas: Personas, *, tally: Tally | None = None, **options: Any
    ):
        self._formula, self._personas = _Formula(economy, personas), personas
        self._options = {"tally": tally, **options}
        engine = Tallied(self._formula, tally)
        self.models = LLMWorkers(engine, economy, describe(personas), **options)
        self._formula.asked = self.models.asked

    @property
    def chances(self) -> None:
        """Nothing: nobody keeps them."""
        return None

    @property
    def deciding(self) -> Int[np.ndarray, " agents"]:
        """Themselves, -1 where hours are fixed."""
        return self.models.deciding

    def at(self, economy: Economy) -> "FormulaWorkers":
        """Return the same people in an economy in which they have other skills."""
        return FormulaWorkers(economy, self._personas, **self._options)

    def labor(self, key: Key[Array, ""], situation: Situation, memory: Memory) -> Answers:
        """Return hours that are drawn as the formula says."""
        self._formula.hear(situation, memory)
        return self.models.labor(key, situation, memory)


class _Formula:
    """An engine that scores all workers' hours by the formula, in the situation it was told."""

    now: tuple[Situation, Memory]
    asked: Int[np.ndarray, " asked"]

    def __init__(self, economy: Economy, personas: Personas) -> None:
        self._script = ScriptedEngine(_says_nothing)
        skill, cost = np.asarray(economy.population.skill, float), economy.population.fixed_cost
        fixed = np.zeros_like(skill) if cost is None else np.asarray(cost, float)
        self._means = Endowment(skill, price_of_an_hour(economy), fixed, *_beside_work(economy))
        self._mind = of_personas(personas)

    def hear(self, situation: Situation, memory: Memory) -> None:
        self.now = situation, memory

    def choose(self, prompts: Sequence[Prompt], options: Sequence[str]) -> Choices:
        situation, memory = self.now
        found = hours_probabilities(
            self._means, self._mind, situation.schedule, memory, situation.phase
        )[self.asked]
        none = np.zeros(len(prompts), np.int64)
        return Choices(np.log(np.maximum(found, 1e-300)), np.zeros(len(prompts)), none, none)

    def complete(
        self,
        prompts: Sequence[Prompt],
        schema: Schema | None,
        *,
        samples: int = 1,
        max_tokens: int = 64,
    ) -> list[Completion]:
        return self._script.complete(prompts, schema, samples=samples, max_tokens=max_tokens)

    def count(self, texts: Sequence[str]) -> list[int]:
        return self._script.count(texts)

    def describe(self) -> EngineInfo:
        return self._script.describe()

    def close(self) -> None:
        self._script.close()


def _beside_work(economy: Economy) -> tuple[Any, Any, Any]:
    """Return everybody's other income, group and credits, if there are some."""
    other, group = economy.population.other_income, economy.population.group
    return (
        None if other is None else np.asarray(other, float),
        None if group is None else np.asarray(group),
        economy.population.credits,
    )


def _says_nothing(prompt: Prompt) -> str:
    raise EngineError("The formula chooses among hours and writes no texts: use mode choice.")
