"""How far workers' answers can be trusted: in other words, in both modes, and at best."""

import functools
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from llm_policy.answers.choice_sets import ChoiceSet, letters, probabilities
from llm_policy.answers.elicitation import is_answer
from llm_policy.answers.reading import hours_answer, read_hours, schema
from llm_policy.audit.distance import Distance, distance
from llm_policy.audit.variation import (
    expected_variation,
    mean_if_any,
    shares_of,
    total_variation,
)
from llm_policy.engines.base import Engine, Prompt
from llm_policy.engines.wrappers.currency import CURRENCIES, Currency, Renamed
from llm_policy.memory.workers import Memory
from llm_policy.prompts.workers import Situation, Style
from llm_policy.workers.llm import HOURS_TOKENS, LLMWorkers


@dataclass(frozen=True)
class Shift:
    """What another wording of the same question does to choices, over the workers known under both.

    `total_variation` is the mean over workers of half the sum of absolute differences of the
    options' probabilities, from 0 (the same) to 1; `hours` the mean change of expected hours a
    week.
    """

    total_variation: float | None
    hours: float | None


@dataclass(frozen=True)
class WorkerAudit:
    """Figures on workers who answer one question in both modes; None where no answer could be read.

    Every worker counts once, whatever its weight.

    - `workers` asked, `samples` texts each; `unreadable` is the share of texts that could not be
      read.
    - `unknown` is the share of workers about whose options the model says nothing, who have no
      probabilities. `leaked_mean` and `leaked_max` are of the probability on no option, over all
      workers.
    - `disagreement` is the mean total variation between the texts, each counted for the nearest
      option (the lower of two), and the probabilities of choice mode; `noise_floor` is what it
      would be on average if the texts were as many draws from these probabilities. Choices are
      scored at temperature 1, so that texts written at another temperature disagree more.
    - `choice_hours` and `text_hours` are mean hours a week in the two modes, over the workers known
      in both.
    - `again` is the shift of the very same question asked twice, the floor of the shifts below it:
      options listed in `reverse`; `letters` instead of numbers (None if the model is asked in
      letters anyway, or has no tokens for them); the other `phrasing`; money in another currency
      (`renamed`, mean over currencies).
    - `choice_distance` is the expectation over the options, `text_distance` the mean over the
      texts.
    """

    workers: int
    samples: int
    unreadable: float
    unknown: float
    leaked_mean: float
    leaked_max: float
    disagreement: float | None
    noise_floor: float | None
    choice_hours: float | None
    text_hours: float | None
    again: Shift
    reverse: Shift
    letters: Shift | None
    phrasing: Shift
    renamed: Shift
    choice_distance: Distance
    text_distance: Distance


def audit_workers(
    workers: LLMWorkers,
    situation: Situation,
    memory: Memory,
    *,
    samples: int = 16,
    currencies: Sequence[Currency] = CURRENCIES,
) -> WorkerAudit:
    """Ask workers the same question in many ways and compare what they say. Nobody is asked again.

    Choice mode takes one batch for each of 5 wordings and each currency, text mode one batch.

    Raises:
        ValueError: workers who are not in choice mode or all have fixed hours, no sample, or no
        currency.
        EngineError: the engine cannot answer.
    """
    if workers.style.mode != "choice":
        raise ValueError(
            'An audit compares choices with texts: give workers with Style(mode="choice"), who '
            "are asked for both."
        )
    if not workers.asked.size:
        raise ValueError(
            "Nobody can be audited: all workers have fixed hours, so no model answers."
        )
    check_audit(samples, currencies)
    asking, style = WorkersQuestion(workers, situation, memory), workers.style
    away = functools.partial(distance, workers, situation)
    plain = asking.choose()
    hours, readable = asking.write(samples)
    drawn = readable.sum(axis=1)
    both = plain.known & (drawn > 0)
    values = np.array(workers.choice_set.values, float)
    share = shares_of(hours, readable, values)
    return WorkerAudit(
        workers=len(drawn),
        samples=samples,
        unreadable=float(np.mean(~readable)),
        unknown=float(np.mean(~plain.known)),
        leaked_mean=float(np.mean(plain.leaked)),
        leaked_max=float(np.max(plain.leaked)),
        disagreement=mean_if_any(total_variation(share, plain.probabilities)[both]),
        noise_floor=mean_if_any(expected_variation(plain.probabilities, drawn)[both]),
        choice_hours=mean_if_any((plain.probabilities @ values)[both]),
        text_hours=mean_if_any(_row_means(hours, readable)[both]),
        again=_shift(plain, asking.choose(), values),
        reverse=_shift(
            plain, asking.choose(style=replace(style, reverse=not style.reverse)), values
        ),
        letters=_letters(asking, plain, values),
        phrasing=_shift(
            plain, asking.choose(style=replace(style, phrasing=1 - style.phrasing)), values
        ),
        renamed=_renamed(asking, plain, values, currencies),
        choice_distance=away(
            np.tile(values, (len(drawn), 1)), plain.probabilities * plain.known[:, None]
        ),
        text_distance=away(hours, readable / np.maximum(drawn, 1)[:, None]),
    )


def check_audit(samples: int, currencies: Sequence[Currency]) -> None:
    """Check that there is something to compare.

    Raises:
        ValueError: no sample, or no other currency.
    """
    if samples < 1 or not currencies:
        raise ValueError(
            f"An audit needs at least 1 sample and 1 other currency; got {samples} and "
            f"{len(currencies)}."
        )


def text_prompts(workers: LLMWorkers, situation: Situation, memory: Memory) -> list[Prompt]:
    """Return the question for hours in words, to all who are asked, whatever their mode."""
    style = replace(workers.style, mode="text")
    return _prompts(workers, situation, memory, style, workers.choice_set)


@dataclass(frozen=True)
class ScoredHours:
    """Probabilities of each worker's options and what leaked; whose are an answer."""

    probabilities: Float[np.ndarray, "n options"]
    leaked: Float[np.ndarray, " n"]
    most_leaked: float

    @property
    def known(self) -> Bool[np.ndarray, " n"]:
        """Whose probabilities are an answer."""
        return is_answer(self.leaked, self.most_leaked)


@dataclass(frozen=True)
class WorkersQuestion:
    """One question to workers, which can be asked in many ways."""

    workers: LLMWorkers
    situation: Situation
    memory: Memory

    def choose(
        self,
        *,
        style: Style | None = None,
        choice_set: ChoiceSet | None = None,
        engine: Engine | None = None,
    ) -> ScoredHours:
        """Return what is scored: in another style, of other codes, or by another engine."""
        choice_set = choice_set or self.workers.choice_set
        asker, asked = self.workers.asker, self.workers.asked
        prompts = self._prompts(style or self.workers.style, choice_set)
        scored = probabilities(engine or asker.engine, prompts, choice_set, asked)
        return ScoredHours(*scored, asker.most_leaked)

    def write(
        self, samples: int, *, style: Style | None = None, engine: Engine | None = None
    ) -> tuple[Float[np.ndarray, "n samples"], Bool[np.ndarray, "n samples"]]:
        """Return the hours of as many texts of each worker, and which could be read.

        They may be asked in another style, in words all the same, or by another engine.
        """
        workers = self.workers
        written = replace(style or workers.style, mode="text")
        said = (engine or workers.engine).complete(
            self._prompts(written, workers.choice_set),
            schema(hours_answer(workers.most)),
            samples=samples,
            max_tokens=HOURS_TOKENS,
        )
        texts = [text for completion in said for text in completion.texts]
        hours, readable = read_hours(texts, workers.most)
        return hours.reshape(len(said), -1), readable.reshape(len(said), -1)

    def _prompts(self, style: Style, choice_set: ChoiceSet) -> list[Prompt]:
        return _prompts(self.workers, self.situation, self.memory, style, choice_set)


def _prompts(
    workers: LLMWorkers, situation: Situation, memory: Memory, style: Style, choice_set: ChoiceSet
) -> list[Prompt]:
    """Return the question for hours to all who are asked."""
    prompts = workers.prompts(situation, memory, style=style, choice_set=choice_set)
    return [prompts[i] for i in workers.asked]


def _letters(
    asking: WorkersQuestion, plain: ScoredHours, values: Float[np.ndarray, " options"]
) -> Shift | None:
    workers = asking.workers
    choice_set = letters(workers.economy.population.agents, workers.choice_set.values)
    if workers.choice_set.order is not None or max(workers.engine.count(choice_set.codes)) > 1:
        return None
    return _shift(plain, asking.choose(choice_set=choice_set), values)


def _shift(plain: ScoredHours, other: ScoredHours, values: Float[np.ndarray, " options"]) -> Shift:
    both = plain.known & other.known
    change = (other.probabilities - plain.probabilities) @ values
    return Shift(
        mean_if_any(total_variation(plain.probabilities, other.probabilities)[both]),
        mean_if_any(change[both]),
    )


def _renamed(
    asking: WorkersQuestion,
    plain: ScoredHours,
    values: Float[np.ndarray, " options"],
    currencies: Sequence[Currency],
) -> Shift:
    engines = (Renamed(asking.workers.engine, **currency._asdict()) for currency in currencies)
    shifts = [_shift(plain, asking.choose(engine=engine), values) for engine in engines]
    columns = (
        [value for value in column if value is not None]
        for column in zip(*map(astuple, shifts), strict=True)
    )
    return Shift(*map(mean_if_any, columns))


def _row_means(
    values: Float[np.ndarray, "n samples"], counted: Bool[np.ndarray, "n samples"]
) -> Float[np.ndarray, " n"]:
    return (values * counted).sum(axis=1) / np.maximum(counted.sum(axis=1), 1)
