"""Workers who are language models: memory and prompts in, an array of weekly hours out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from econjax import BracketSchedule, Economy, Outcome, Population, settle
from llm_policy.answers import (
    HOURS,
    HOURS_ANSWER,
    SATISFIED_ANSWER,
    Tally,
    read_hours,
    read_satisfied,
    schema,
)
from llm_policy.effort import price_of_an_hour, utility_in_words
from llm_policy.engine import Engine, EngineError, Prompt
from llm_policy.memory import Memory, Records, nothing, remember
from llm_policy.prompts import (
    Menu,
    Situation,
    Style,
    labor_prompts,
    letters,
    numbers,
    price_lines,
    satisfaction_prompts,
    worker_lines,
)

Aim = Literal["egotistical", "altruistic", "adversarial"]
AIMS: tuple[Aim, ...] = ("egotistical", "altruistic", "adversarial")


class Answers(NamedTuple):
    """One step of labor: hours a week, and whose answer was understood. Hours of the others are 0.

    `leaked` is the probability that a worker's model gave to no option, 0 in text mode.
    """

    labor: Float[Array, " agents"]
    understood: Bool[Array, " agents"]
    leaked: Float[np.ndarray, " agents"]


class LLMWorkers:
    """Language models that choose weekly hours, one batch a step.

    In the `rational` scenario they are told the formula of their utility and nobody's life; in the `bounded`
    one they read a persona and what effort is worth to them. `aims` holds places in `AIMS`; altruistic and
    adversarial workers are told to raise or to lower welfare. Workers with hours in `fixed` are no models:
    they work these; NaN marks the models.

    In text mode a worker whose answer cannot be read is asked again, `attempts` times in all, and is then
    left out of that step (`present`); in choice mode that happens to a worker about whose options nothing is
    known. If more than `most_unread` of the workers asked are left out, the step raises. `tally` counts
    every answer.

    Raises:
        ValueError: personas that the scenario lacks or has no use for, arrays that do not fit the
            population, or (choice mode) a model without single tokens for letters.
    """

    def __init__(
        self,
        engine: Engine,
        economy: Economy,
        personas: Sequence[str] | None = None,
        *,
        scenario: Literal["rational", "bounded"] = "bounded",
        style: Style | None = None,
        aims: Int[np.ndarray, " agents"] | None = None,
        fixed: Float[np.ndarray, " agents"] | None = None,
        attempts: int = 3,
        most_unread: float = 0.2,
        tally: Tally | None = None,
    ):
        agents = economy.population.agents
        _check_personas(scenario, personas, agents)
        self.engine, self.economy, self.style = engine, economy, style or Style()
        self.scenario = scenario
        self.attempts, self.most_unread, self.tally = attempts, most_unread, tally or Tally()
        self.aims = _fitting("aims", np.zeros(agents, int) if aims is None else aims, agents)
        self.fixed = _fitting("fixed", np.full(agents, np.nan) if fixed is None else fixed, agents)
        self.unit = "$" if economy.preferences.utility_in_dollars else "utils"
        self.asked = np.flatnonzero(np.isnan(self.fixed))
        self.constants = self._constants(personas)
        self.menu = self._menu()

    def begin(self) -> Memory:
        """Return the memory of workers who have seen nothing."""
        return nothing(self.economy.population.agents, last=self.style.history, best=self.style.best)

    def labor(self, key: Key[Array, ""], situation: Situation, memory: Memory) -> Answers:
        """Ask every worker for its next hours; `key` draws them from the probabilities in choice mode.

        Raises:
            EngineError: too many answers could not be read, or the engine cannot answer.
        """
        prompts = self.prompts(situation, memory)
        asked = [prompts[i] for i in self.asked]
        if self.style.mode == "choice":
            hours, understood, leaked = self._choose(key, asked)
        else:
            answer = schema(HOURS_ANSWER, thought=self.style.think)
            hours, understood = self._write(asked, answer, read_hours, max_tokens=self.answer_tokens)
            leaked = np.zeros(len(asked))
        labor, present, outside = np.nan_to_num(self.fixed), ~np.isnan(self.fixed), np.zeros(len(prompts))
        labor[self.asked], present[self.asked], outside[self.asked] = hours, understood, leaked
        return Answers(jnp.asarray(labor, self._dtype), jnp.asarray(present), outside)

    def prompts(self, situation: Situation, memory: Memory) -> list[Prompt]:
        """Return the question for hours, one prompt per worker."""
        return labor_prompts(self.style, situation, self.constants, memory, menu=self.menu, unit=self.unit)

    def satisfied(self, situation: Situation, memory: Memory) -> Float[np.ndarray, " agents"]:
        """Ask every worker whether the step just remembered satisfies it: 1, 0, NaN if unread or not asked.

        Raises:
            EngineError: too many answers could not be read, or the engine cannot answer.
        """
        prompts = satisfaction_prompts(situation, self.constants, memory, unit=self.unit)
        said, understood = self._write(
            [prompts[i] for i in self.asked], schema(SATISFIED_ANSWER), read_satisfied, max_tokens=16
        )
        answer = np.full(len(prompts), np.nan)
        answer[self.asked] = np.where(understood, said, np.nan)
        return answer

    def check_context(self, situation: Situation) -> int:
        """Return the tokens of the longest labor prompt of a run, its memory full, and its answer.

        Raises:
            ValueError: they do not fit into the model's context.
        """
        longest = max(self.longest_prompts(situation), key=lambda prompt: len(prompt.personal))
        length = sum(self.engine.count(longest)) + self.answer_tokens
        room = int(self.engine.describe()["context"])
        if 0 < room < length:
            raise ValueError(
                f"A worker's prompt with {self.style.history} latest and {self.style.best} best steps and "
                f"its answer take {length:,} tokens, but the model holds {room:,}: shorten the history, or "
                "raise the context."
            )
        return length

    def longest_prompts(self, situation: Situation) -> list[Prompt]:
        """Return prompts as long as they get in a run: every memory full, of large amounts."""
        full = self.begin()
        many = np.full(self.economy.population.agents, -1_234_567.0)
        for step in range(self.style.history + self.style.best):
            full = remember(full, Records(many, many, np.abs(many) + step, *([many] * 5)))
        return self.prompts(situation, full)

    @property
    def answer_tokens(self) -> int:
        """The tokens that an answer may have."""
        if self.style.mode == "choice":
            return 1
        return 160 if self.style.think else 24

    @property
    def _dtype(self) -> jnp.dtype:
        return self.economy.population.skill.dtype

    def _constants(self, personas: Sequence[str] | None) -> list[str]:
        population = self.economy.population
        if self.scenario == "rational":
            formula, own = utility_in_words(self.economy)
            effort = [f"{formula} For you {numbers}." for numbers in own]
        else:
            effort = price_lines(price_of_an_hour(self.economy))
        fixed_cost = None if population.fixed_cost is None else np.asarray(population.fixed_cost, float)
        aims = [_AIMS_IN_WORDS[AIMS[aim]] for aim in self.aims]
        return worker_lines(personas, aims, np.asarray(population.skill, float), effort, fixed_cost)

    def _menu(self) -> Menu:
        menu = numbers(HOURS)
        if self.style.mode == "text" or max(self.engine.count(menu.codes)) == 1:
            return menu
        menu = letters(self.economy.population.agents, HOURS)
        if max(self.engine.count(menu.codes)) > 1:
            raise ValueError("This model has single tokens neither for hours nor for letters: use text mode.")
        return menu

    def _choose(
        self, key: Key[Array, ""], prompts: list[Prompt]
    ) -> tuple[Float[np.ndarray, " n"], Bool[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Return hours drawn from each prompt's probabilities, where these are known, and what leaked."""
        choices = self.engine.choose(prompts, self.menu.codes)
        place = np.asarray(_draw(key, jnp.asarray(choices.logprob), jnp.asarray(self.asked)))
        if self.menu.order is not None:
            place = self.menu.order[self.asked, place]
        understood = choices.leaked < 1
        self.tally.count(understood)
        self._require_understood(understood, "it names none of the options among its likeliest words")
        return np.where(understood, np.array(self.menu.values, float)[place], 0.0), understood, choices.leaked

    def _write(
        self,
        prompts: list[Prompt],
        answer: Mapping,
        read: Callable[[Sequence[str]], tuple[np.ndarray, np.ndarray]],
        *,
        max_tokens: int,
    ) -> tuple[Float[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
        """Return what was written, read into numbers, asking again those who could not be read."""
        values, understood = np.zeros(len(prompts)), np.zeros(len(prompts), bool)
        unreadable = ""
        for _ in range(self.attempts):
            open_ = np.flatnonzero(~understood)
            if not open_.size:
                break
            completions = self.engine.complete([prompts[i] for i in open_], answer, max_tokens=max_tokens)
            texts = [completion.texts[0] for completion in completions]
            values[open_], ok = read(texts)
            understood[open_] = ok
            self.tally.count(ok)
            unreadable = next((text for text, fine in zip(texts, ok, strict=True) if not fine), unreadable)
        self._require_understood(understood, f"one was {unreadable!r}")
        return values, understood

    def _require_understood(self, understood: Bool[np.ndarray, " n"], example: str) -> None:
        unread = np.mean(~understood) if understood.size else 0.0
        if unread > self.most_unread or (understood.size and not understood.any()):
            raise EngineError(
                f"{unread:.0%} of the workers' answers could not be read after {self.attempts} attempts (at "
                f"most {self.most_unread:.0%}); {example}. Use a model that follows a schema."
            )


def mix(key: Key[Array, ""], agents: int, shares: Mapping[Aim, float]) -> Int[np.ndarray, " agents"]:
    """Return an aim per worker, as a place in `AIMS`, by largest remainder of `shares`; `key` deals them out.

    Raises:
        ValueError: an unknown aim, a negative share, or shares that do not sum to 1.
    """
    if not set(shares) <= set(AIMS) or min(shares.values()) < 0 or abs(sum(shares.values()) - 1) > 1e-6:
        raise ValueError(
            f"Shares of {', '.join(AIMS)} workers are not negative and sum to 1; got {dict(shares)}, which "
            f"sum to {sum(shares.values()):g}."
        )
    exact = np.array([shares.get(aim, 0.0) for aim in AIMS]) * agents
    count = np.floor(exact + 1e-9).astype(int)
    count[np.argsort(count - exact, kind="stable")[: agents - count.sum()]] += 1
    return np.asarray(jax.random.permutation(key, np.repeat(np.arange(len(AIMS)), count)))


def present(population: Population, understood: Bool[Array, " agents"]) -> Population:
    """Return the population with the weight of those who were not understood spread over the others."""
    weight = jnp.where(understood, population.weight, 0)
    return eqx.tree_at(lambda p: p.weight, population, weight / weight.sum())


def settle_answers(economy: Economy, schedule: BracketSchedule, answers: Answers) -> tuple[Economy, Outcome]:
    """Settle a step among those who were understood; the others have weight 0 in the economy returned."""
    population = present(economy.population, answers.understood)
    economy = eqx.tree_at(lambda e: e.population, economy, population)
    return economy, settle(economy, schedule, answers.labor)


_AIMS_IN_WORDS: dict[Aim, str] = {
    "egotistical": "Your aim is a result that is as high as possible for yourself.",
    "altruistic": "Your aim is the welfare of everybody, as high as possible, whatever it costs you; it is "
    "what counts as your result.",
    "adversarial": "Your aim is to harm: the welfare of everybody shall be as low as possible, whatever it "
    "costs you; the lower it is, the higher is what counts as your result.",
}


def _check_personas(scenario: str, personas: Sequence[str] | None, agents: int) -> None:
    if scenario == "bounded" and personas is None:
        raise ValueError(
            "Bounded workers have personas: give their texts, for instance "
            "describe(draw_personas(key, population))."
        )
    if scenario == "rational" and personas is not None:
        raise ValueError("Rational workers have no personas: leave them out, or choose the bounded scenario.")
    if personas is not None and len(personas) != agents:
        raise ValueError(f"There are {agents} workers and {len(personas)} personas: give one each.")


def _fitting(name: str, values: np.ndarray, agents: int) -> np.ndarray:
    if values.shape != (agents,):
        raise ValueError(f"{name} has one entry per worker, {agents} in all; got shape {values.shape}.")
    return values


@jax.jit
def _draw(
    key: Key[Array, ""], logprob: Float[Array, "n options"], workers: Int[Array, " n"]
) -> Int[Array, " n"]:
    """Draw one option per row with the worker's own key, so that the order of a batch changes nothing."""
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, workers)
    return jax.vmap(jax.random.categorical)(keys, logprob)
