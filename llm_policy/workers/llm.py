"""Workers who are language models: memory and prompts in, an array of weekly hours out."""

import copy
import functools
from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key
from numpy.typing import ArrayLike

from econjax import BracketSchedule, Economy, Outcome, Population, settle
from llm_policy.answers.choice_sets import ChoiceSet, letters, numbers, of_values
from llm_policy.answers.elicitation import MOST_LEAKED, Asker
from llm_policy.answers.reading import (
    HOURS,
    SATISFIED_ANSWER,
    as_column,
    hours_answer,
    hours_in,
    satisfied_in,
    schema,
)
from llm_policy.engines.base import Engine, EngineError, Prompt
from llm_policy.engines.requests import ChoiceRequest, TextRequest
from llm_policy.engines.wrappers.tally import tallied
from llm_policy.memory.workers import Memory, nothing
from llm_policy.prompts.disutility import price_of_an_hour, utility_in_words
from llm_policy.prompts.means import means_of, price_lines, worker_lines
from llm_policy.prompts.objectives import OBJECTIVES, in_words
from llm_policy.prompts.segments import WorkerLines, joined
from llm_policy.prompts.workers import Situation, Style, labor_questions, satisfaction_questions
from llm_policy.workers.chances import Chances
from llm_policy.workers.checks import check_personas, checked_aims, checked_hours

HOURS_TOKENS = 24
"""Tokens that hours in JSON may take, without a thought."""


class Answers(NamedTuple):
    """One step of labor: hours a week, and whose answer was understood. Hours of the others are 0.

    `leaked` is the probability that a worker's model gave to no option, 0 in text mode. Of choices,
    `probabilities` are those of the hours on offer, of each who was asked.
    """

    labor: Float[Array, " agents"]
    understood: Bool[Array, " agents"]
    leaked: Float[np.ndarray, " agents"]
    probabilities: Float[np.ndarray, "asked options"] | None = None


class Workers(Protocol):
    """Language models who work, and how they come to their hours."""

    @property
    def models(self) -> "LLMWorkers":
        """The language models."""
        ...

    @property
    def chances(self) -> Chances | None:
        """The chances of hours that the last answers were drawn from; None: nobody kept them."""
        ...

    @property
    def deciding(self) -> Int[np.ndarray, " agents"]:
        """The place of the worker whose luck each one's hours depend on, -1 where none."""
        ...

    def labor(self, key: Key[Array, ""], situation: Situation, memory: Memory) -> Answers:
        """Return everybody's next hours.

        Raises:
            EngineError: too many answers could not be read, or the engine cannot answer.
        """
        ...


class SkilledWorkers(Workers, Protocol):
    """Workers whose skills may change."""

    def at(self, economy: Economy) -> "SkilledWorkers":
        """Return the same people in an economy in which they have other skills."""
        ...


class LLMWorkers:
    """Language models that choose weekly hours, one batch a step.

    In the `rational` scenario they are told the formula of their utility and nobody's life; in the
    `bounded` one they read a persona and what effort is worth to them. `aims` holds places in
    `OBJECTIVES`; altruistic and adversarial workers are told to raise or to lower welfare, which
    `welfare` describes to them. With `asks_satisfaction` they know that discontent halves their
    utility. Workers with hours in `fixed` are no
    models: they work these; NaN marks the models.

    In text mode a worker whose answer cannot be read is asked again, `attempts` times in all, and
    is then left out of that step (`present`); in choice mode that happens to a worker whose model
    gives more than `most_leaked` of its probability to none of the options. If more than
    `most_unread` of the workers asked are left out, the step raises. Every answer is counted.
    In choice mode the codes of `choice_set` are letters where only the model knows its tokens.

    Raises:
        ValueError: personas that the scenario lacks or has no use for, arrays that do not fit the
            population, welfare without words, or a model without single tokens for letters (choice
            mode).
    """

    def __init__(
        self,
        engine: Engine,
        economy: Economy,
        personas: Sequence[str] | None = None,
        *,
        scenario: Literal["rational", "bounded"] = "bounded",
        style: Style | None = None,
        aims: ArrayLike | None = None,
        welfare: str = "",
        asks_satisfaction: bool = False,
        fixed: ArrayLike | None = None,
        attempts: int = 3,
        most_unread: float = 0.2,
        most_leaked: float = MOST_LEAKED,
    ):
        agents = economy.population.agents
        check_personas(scenario, personas, agents)
        self.economy, self.scenario, self.style = economy, scenario, style or Style()
        self.asker = Asker(tallied(engine), attempts, most_unread, most_leaked)
        self.most = _most_hours(economy)
        self.aims = checked_aims(aims, agents, welfare)
        self.fixed = checked_hours(fixed, agents, self.most)
        self.asks_satisfaction = asks_satisfaction
        group = economy.population.group
        self.group = None if group is None else np.asarray(group)
        self.unit = "$" if economy.preferences.utility_in_dollars else "utils"
        self.asked = np.flatnonzero(np.isnan(self.fixed))
        self._told = personas, welfare
        self.lines = self._lines(personas, welfare)
        self.choice_set = self._menu()

    @property
    def engine(self) -> Engine:
        """Whom the workers ask."""
        return self.asker.engine

    @property
    def models(self) -> "LLMWorkers":
        """These workers."""
        return self

    @property
    def chances(self) -> None:
        """Nothing: nobody keeps them."""
        return None

    @property
    def deciding(self) -> Int[np.ndarray, " agents"]:
        """Themselves, -1 where hours are fixed."""
        return np.where(np.isnan(self.fixed), np.arange(len(self.fixed)), -1)

    def at(self, economy: Economy) -> "LLMWorkers":
        """Return the same people in an economy in which they have other skills."""
        moved = copy.copy(self)
        moved.economy = economy
        moved.lines = moved._lines(*self._told)
        return moved

    def begin(self) -> Memory:
        """Return the memory of workers who have seen nothing."""
        return nothing(
            self.economy.population.agents, last=self.style.history, best=self.style.best
        )

    def labor(self, key: Key[Array, ""], situation: Situation, memory: Memory) -> Answers:
        """Ask every worker for its next hours; in choice mode `key` draws from the probabilities.

        Raises:
            EngineError: too many answers could not be read, or the engine cannot answer.
        """
        prompts = self.prompts(situation, memory)
        asked, leaked, chances = [prompts[i] for i in self.asked], np.zeros(len(self.asked)), None
        if self.style.mode == "choice":
            request = ChoiceRequest(asked, self.choice_set.codes)
            places, understood, leaked, logprob = self.asker.choose(key, request, self.asked)
            chances = of_values(logprob, self.choice_set, self.asked)
            if self.choice_set.order is not None:
                places = self.choice_set.order[self.asked, places]
            hours = np.where(understood, np.array(self.choice_set.values, float)[places], 0.0)
        else:
            answer = schema(hours_answer(self.most), thought=self.style.think)
            read = functools.partial(hours_in, most=self.most)
            request = TextRequest(asked, answer, max_tokens=self.answer_tokens)
            hours, understood = as_column(self.asker.write(request, read))
        labor, present, outside = (
            np.nan_to_num(self.fixed),
            ~np.isnan(self.fixed),
            np.zeros(len(prompts)),
        )
        labor[self.asked], present[self.asked], outside[self.asked] = hours, understood, leaked
        if not present.any():
            raise EngineError(NOBODY)
        hours = jnp.asarray(labor, self.economy.population.skill.dtype)
        return Answers(hours, jnp.asarray(present), outside, chances)

    def prompts(
        self,
        situation: Situation,
        memory: Memory,
        *,
        style: Style | None = None,
        choice_set: ChoiceSet | None = None,
    ) -> list[Prompt]:
        """Return the question for hours, one prompt per worker; in another style if one is said."""
        asked = labor_questions(
            style or self.style,
            situation,
            self.lines,
            memory,
            choice_set=choice_set or self.choice_set,
            unit=self.unit,
            most=self.most,
            group=self.group,
        )
        return joined(asked)

    def satisfied(
        self,
        key: Key[Array, ""],
        situation: Situation,
        memory: Memory,
        understood: Bool[np.ndarray, " agents"],
    ) -> Float[np.ndarray, " agents"]:
        """Ask if the step just remembered satisfies a worker: 1, 0, NaN if unread or not asked.

        Only workers who were `understood` in that step are asked.

        Raises:
            EngineError: too many answers could not be read, or the engine cannot answer.
        """
        asked = self.asked[understood[self.asked]]
        answer = np.full(len(self.lines), np.nan)
        if self.style.mode == "choice":
            codes = _yes_and_no(self.engine)
            prompts = self._satisfaction_prompts(situation, memory, asked, CODED[codes])
            places, known, *_ = self.asker.choose(key, ChoiceRequest(prompts, codes), asked)
            said = 1.0 - places
        else:
            prompts = self._satisfaction_prompts(situation, memory, asked, WRITTEN)
            request = TextRequest(prompts, schema(SATISFIED_ANSWER), max_tokens=16)
            said, known = as_column(self.asker.write(request, satisfied_in))
        answer[asked] = np.where(known, said, np.nan)
        return answer

    @property
    def answer_tokens(self) -> int:
        """The tokens that an answer may have."""
        if self.style.mode == "choice":
            tokens = max(self.engine.count(self.choice_set.codes))
            return 1 if tokens == 1 else tokens + 1
        return 160 if self.style.think else HOURS_TOKENS

    def _lines(self, personas: Sequence[str] | None, welfare: str) -> list[WorkerLines]:
        population, formula = self.economy.population, None
        if self.scenario == "rational":
            formula, own = utility_in_words(self.economy)
            effort = [f"{formula} For you {numbers}." for numbers in own]
        else:
            effort = price_lines(price_of_an_hour(self.economy))
        fixed_cost = (
            None if population.fixed_cost is None else np.asarray(population.fixed_cost, float)
        )
        halved, own = self.asks_satisfaction, "that utility" if formula else _OWN[self.unit]
        words = [in_words(aim, own=own, welfare=welfare, halved=halved) for aim in OBJECTIVES]
        skill = np.asarray(population.skill, float)
        aims = [words[aim] for aim in self.aims]
        means = means_of(population, self.style.statuses)
        return worker_lines(personas, aims, skill, effort, fixed_cost, means)

    def _menu(self) -> ChoiceSet:
        hours = hours_on_offer(self.economy)
        if self.style.mode == "text" or self.engine.describe().is_exact:
            return numbers(hours)
        choice_set = letters(self.economy.population.agents, hours)
        if max(self.engine.count(choice_set.codes)) > 1:
            raise ValueError(
                "This model can be asked neither for numbers nor for letters: use text mode."
            )
        return choice_set

    def _satisfaction_prompts(
        self, situation: Situation, memory: Memory, asked: Int[np.ndarray, " asked"], form: str
    ) -> list[Prompt]:
        questions = satisfaction_questions(
            situation, self.lines, memory, unit=self.unit, form=form, group=self.group
        )
        return joined([questions[i] for i in asked])


def hours_on_offer(economy: Economy) -> list[int]:
    """Return the weekly hours that workers of an economy choose from in choice mode."""
    return [value for value in HOURS if value <= _most_hours(economy)]


def _most_hours(economy: Economy) -> float:
    return float(min(economy.max_labor, 100))


NOBODY = "Nobody is left in this step: no answer could be read. Use a model that follows a schema."
MOST_LAWS = 10
"""Laws of earlier tax years that workers reread."""


def present(population: Population, understood: Bool[Array, " agents"]) -> Population:
    """Return the population with the weight of those not understood spread over the others."""
    weight = jnp.where(understood, population.weight, 0)
    return eqx.tree_at(lambda p: p.weight, population, weight / weight.sum())


def settle_answers(
    economy: Economy, schedule: BracketSchedule, answers: Answers
) -> tuple[Economy, Outcome]:
    """Settle a step among those understood; the others have weight 0 in the economy returned."""
    population = present(economy.population, answers.understood)
    economy = eqx.tree_at(lambda e: e.population, economy, population)
    return economy, settle(economy, schedule, answers.labor)


_OWN = {
    "$": "the money you keep minus what your effort is worth to you",
    "utils": "how well off the money you keep and your effort leave you, in utils",
}
WRITTEN = 'Answer with JSON only: {"satisfied": "yes"} or {"satisfied": "no"}.'
CODED = {
    ("yes", "no"): "Answer with one word and nothing else: yes or no.",
    ("A", "B"): "Answer with one letter and nothing else: A for yes, B for no.",
}


def _yes_and_no(engine: Engine) -> tuple[str, str]:
    return ("yes", "no") if engine.describe().is_exact else ("A", "B")
