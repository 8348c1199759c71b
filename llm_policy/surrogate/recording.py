"""What language-model workers were asked and would answer, as arrays: a surrogate's lessons."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from econjax import BracketSchedule, Economy, Utilitarian
from econjax.economy import income_and_tax
from econjax.population import REFERENCE_HOURS
from econjax.schedule import AbstractSchedule
from llm_policy.engines.base import Engine
from llm_policy.memory.workers import Memory, latest, nudge
from llm_policy.moments.correction import Correction, redrawn
from llm_policy.personas.draw import Personas
from llm_policy.prompts.disutility import effort_cost, prices
from llm_policy.prompts.workers import Situation, Style
from llm_policy.workers.chances import Chances
from llm_policy.workers.lived import on_offer
from llm_policy.workers.llm import Answers, LLMWorkers
from llm_policy.workers.society import Society


class Remembered(NamedTuple):
    """A worker's memory in short: last hours, the direction their last change speaks for, steps.

    `pull` is +1 (more), -1 (fewer), 0 (neither) or between; `steps` counts the steps lived;
    `exploit` is 1 where workers are told to stop trying.
    """

    hours: Float[Array, " rows"]
    pull: Float[Array, " rows"]
    steps: Float[Array, " rows"]
    exploit: Float[Array, " rows"]


class Seen(eqx.Module):
    """What workers see before they choose among some weekly hours, one row per question.

    `person` is who they are, in numbers of about unit size. `kept` is income less tax at each of
    the hours, beyond that of no work, `effort` what these cost in effort, both as shares of income
    at 40 hours: see `effort_cost`.
    """

    person: Float[Array, "rows features"]
    log_skill: Float[Array, " rows"]
    kept: Float[Array, "rows options"]
    effort: Float[Array, "rows options"]
    memory: Remembered


@dataclass(frozen=True)
class Recording:
    """Questions and the probabilities of each of `hours` as answers; rows of weight 0 hold nothing.

    `years` counts the tax years, `year` is each row's; `queries` counts the prompts that a model
    was asked.
    """

    seen: Seen
    probabilities: Float[Array, "rows options"]
    weight: Float[Array, " rows"]
    year: Int[np.ndarray, " rows"]
    hours: Float[Array, " options"]
    queries: int

    @property
    def years(self) -> int:
        """The number of tax years recorded."""
        return int(self.year.max()) + 1


class Heard(NamedTuple):
    """A population's step: what it saw under a schedule, chances of hours, who was understood."""

    schedule: BracketSchedule
    seen: Seen
    probabilities: Float[Array, "agents options"]
    known: Bool[np.ndarray, " agents"]


def person_features(personas: Personas) -> Float[Array, "agents 6"]:
    """Return usual hours, risk, tax attitude, sex, age, education, centred, of about unit size."""
    columns = [
        (personas.hours - REFERENCE_HOURS) / 15,
        personas.risk - 2.0,
        personas.tax_attitude - 2.0,
        np.where(personas.woman, 0.5, -0.5),
        (personas.age - 42.0) / 15,
        (personas.education - 2.5) / 2,
    ]
    return jax.device_put(np.stack(columns, axis=1).astype(float))


@eqx.filter_jit
def see(
    economy: Economy,
    person: Float[Array, "agents features"],
    schedule: AbstractSchedule,
    memory: Remembered,
    hours: Float[Array, " options"],
) -> Seen:
    """Return what an economy's workers see under a schedule: pure, differentiable in its rates."""
    skill = economy.population.skill[:, None]
    full_time = jnp.maximum(REFERENCE_HOURS * skill, 1.0)
    labor = jnp.broadcast_to(hours[None], (skill.shape[0], hours.shape[0]))
    kept = jnp.subtract(*on_offer(economy.population, schedule, labor))
    idle = jnp.subtract(*income_and_tax(economy.population, schedule, jnp.zeros_like(skill[:, 0])))
    price = prices(economy) / full_time
    low, middle, high = (jnp.maximum(column, 1e-9)[:, None] for column in price.T)
    return Seen(
        person=person,
        log_skill=jnp.log(jnp.maximum(skill[:, 0], 1.0) / 1000),
        kept=(kept - idle[:, None]) / full_time,
        effort=effort_cost((low, middle, high), hours[None]),
        memory=memory,
    )


class RecordedWorkers:
    """`LLMWorkers` whose chances of hours are kept, step by step, in `years`.

    They answer as they would otherwise. Of texts no chances are known: what was said is kept, as a
    chance of 1 that is shared between the nearest hours on offer, so that means are the same.

    `queries` counts the questions for hours. A tax year begins where a society does, with workers
    who remember one step, and with a year's number. Of `fixed` hours there may be those on offer:
    their chance is 1, and they teach nothing. `told` is told what they are about to be asked. With
    a `correction` the chances are corrected ones, and hours are drawn from these.

    Raises:
        ValueError: as `LLMWorkers`, fixed hours that are not on offer, or features of other people.
    """

    def __init__(
        self,
        engine: Engine,
        economy: Economy,
        personas: Sequence[str] | None = None,
        *,
        person: Float[Array, "agents features"],
        style: Style | None = None,
        told: Callable[[Situation, Memory], None] = lambda situation, memory: None,
        correction: Correction | None = None,
        **options: Any,
    ):
        """Hold the workers, their features `person` in numbers, and `options` of `LLMWorkers`."""
        self.models = LLMWorkers(
            engine, economy, personas, style=style or Style(mode="choice"), **options
        )
        offered, fixed = self.models.choice_set.values, self.models.fixed
        if not np.isin(fixed[~np.isnan(fixed)], offered).all():
            raise ValueError("Recorded workers work fixed hours that are on offer, or none.")
        if person.shape[0] != economy.population.agents:
            raise ValueError(
                f"There are {economy.population.agents} workers and features of {person.shape[0]}."
            )
        self.person, self.queries = person, 0
        self.hours = jnp.asarray(offered, economy.population.skill.dtype)
        self.years: list[list[Heard]] = []
        self._told, self._correction = told, correction
        self._tax_year = -1

    @property
    def economy(self) -> Economy:
        """The workers' economy."""
        return self.models.economy

    @property
    def chances(self) -> Chances | None:
        """The chances of hours that the last answers were drawn from, None where nobody knows."""
        if self.models.style.mode == "text" or not self.years:
            return None
        return Chances(self.hours, self.years[-1][-1].probabilities)

    @property
    def deciding(self) -> Int[np.ndarray, " agents"]:
        """Themselves, -1 where hours are fixed."""
        return self.models.deciding

    def labor(self, key: Key[Array, ""], situation: Situation, memory: Memory) -> Answers:
        """Ask every worker for its next hours, and keep the chances."""
        self._told(situation, memory)
        answers = self._answers(key, situation, memory)
        seen = see(
            self.economy, self.person, situation.schedule, remembered(memory, situation), self.hours
        )
        if memory.seen <= 1 or situation.tax_year != self._tax_year:
            self.years.append([])
        self._tax_year = situation.tax_year
        probabilities = jnp.asarray(self._of_everyone(answers), self.hours.dtype)
        self.years[-1].append(
            Heard(situation.schedule, seen, probabilities, np.asarray(answers.understood))
        )
        self.queries += len(self.models.asked)
        return answers

    def _answers(self, key: Key[Array, ""], situation: Situation, memory: Memory) -> Answers:
        """Return the models' answers, or with a correction everybody's, corrected."""
        answers = self.models.labor(key, situation, memory)
        if self._correction is None:
            return answers
        return redrawn(
            key,
            self._correction,
            answers._replace(probabilities=self._of_everyone(answers)),
            self.economy,
            situation.schedule,
            np.asarray(self.hours),
        )

    def _of_everyone(self, answers: Answers) -> Float[np.ndarray, "agents options"]:
        """Return everybody's chances of hours; who has fixed ones surely works these."""
        found, fixed = answers.probabilities, self.models.fixed
        if found is None:
            return _shares(np.asarray(answers.labor), np.asarray(self.hours))
        if len(found) == len(fixed):
            return found
        surely = 1.0 * (fixed[:, None] == np.array(self.models.choice_set.values))
        surely[self.models.asked] = found
        return surely

    def recording(self, years: Sequence[int] | None = None) -> Recording:
        """Return the steps of some tax years as one recording, of all if not said which.

        Raises:
            ValueError: nothing was asked yet.
        """
        chosen = range(len(self.years)) if years is None else years
        steps = [(number, step) for number, year in enumerate(chosen) for step in self.years[year]]
        if not steps:
            raise ValueError("Nothing is recorded yet: let these workers live a tax year first.")
        agents = self.economy.population.agents
        weight = np.asarray(self.economy.population.weight) * agents * np.isnan(self.models.fixed)
        return Recording(
            seen=jax.tree.map(
                lambda *parts: jnp.concatenate(parts), *(step.seen for _, step in steps)
            ),
            probabilities=jnp.concatenate([step.probabilities for _, step in steps]),
            weight=jnp.asarray(np.concatenate([weight * step.known for _, step in steps])),
            year=np.repeat([number for number, _ in steps], agents),
            hours=self.hours,
            queries=len(self.models.asked) * len(steps),
        )


def record(
    key: Key[Array, ""],
    workers: RecordedWorkers,
    schedules: Sequence[BracketSchedule],
    *,
    steps: int = 1,
) -> Recording:
    """Let a population live a tax year of `steps` under each schedule; return what was said.

    Raises:
        EngineError: too many answers could not be read, or the engine cannot answer.
    """
    society, before = Society(workers, Utilitarian()), len(workers.years)
    for place, schedule in enumerate(schedules):
        year_key = jax.random.fold_in(key, place)
        society.tax_year(year_key, society.begin(schedule), schedule, steps=steps)
    return workers.recording(range(before, len(workers.years)))


def _shares(
    labor: Float[np.ndarray, " agents"], hours: Float[np.ndarray, " options"]
) -> Float[np.ndarray, "agents options"]:
    """Return each one's hours as shares of the two nearest on offer, with the same mean."""
    place = np.interp(labor, hours, np.arange(len(hours)))
    return np.maximum(1 - np.abs(place[:, None] - np.arange(len(hours))), 0)


def remembered(memory: Memory, situation: Situation) -> Remembered:
    """Return a memory in short; who never chose any hours has the 40 that all begin with."""
    last = latest(memory)
    exploit = float(situation.phase == "exploit")
    columns = (
        np.nan_to_num(last.labor, nan=REFERENCE_HOURS),
        nudge(memory),
        np.nan_to_num(last.step),
    )
    shape = columns[0].shape
    return Remembered(
        *(jnp.asarray(column, float) for column in (*columns, np.full(shape, exploit)))
    )
