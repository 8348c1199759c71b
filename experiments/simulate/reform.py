"""Elasticities about a reform: asked under both laws, before and after it, beside a twin without.

The net-of-tax rate changes by one factor for everybody; the elasticities are arc elasticities of
means to it. They differ where workers learn, adapt in part, or have skills that move.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from econjax import BracketSchedule, best_response
from econjax.dynamics.simulation import with_skills
from econjax.planning import Report
from llm_policy.audit.effects import elasticity_of_means
from llm_policy.workers.llm import SkilledWorkers
from llm_policy.workers.society import Society, State, Step

REFORM_ELASTICITIES = {
    "best_before": "best responses, before",
    "best_after": "best responses, after",
    "paired_before": "the same moment under both laws, before",
    "paired_after": "the same moment under both laws, after",
    "naive": "before and after",
    "twin": "with and without the reform",
    "bias": "before and after, less with and without",
}
"""What each is of, by the end of its column."""
OUTCOMES = ("hours", "income")


def column_of(outcome: str, name: str) -> str:
    """Return the column of an elasticity."""
    return f"{outcome}_elasticity_{name}"


class WorkersMeans(NamedTuple):
    """Each worker's hours and income: expected ones, or means over a tax year; NaN: not known."""

    hours: Float[np.ndarray, " n"]
    income: Float[np.ndarray, " n"]


@dataclass
class YearMeans:
    """Collects a tax year's hours and incomes, of the steps in which a worker was understood."""

    kept: dict[str, list[Float[np.ndarray, " agents"]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def __call__(self, number: int, step: Step, report: Report) -> None:
        """Hear of a step."""
        known = np.asarray(step.answers.understood)
        for name, values in (("hours", step.outcome.labor), ("income", step.outcome.income)):
            self.kept[name].append(np.where(known, np.asarray(values, float), np.nan))

    def means(self) -> WorkersMeans:
        """Return each worker's means."""
        return WorkersMeans(*(_mean(self.kept[name]) for name in OUTCOMES))


@dataclass
class ReformRecord:
    """What is known about a reform while it is lived.

    `choosing` are those who choose hours, without habits and followers.
    """

    society: Society
    choosing: SkilledWorkers
    old: BracketSchedule
    new: BracketSchedule
    keep: float
    steps: int
    year: int
    key: Key[Array, ""]
    twin: State | None = None
    found: dict[str, float | None] = field(default_factory=dict)
    before: WorkersMeans | None = None
    without: WorkersMeans | None = None

    def begin(self, year: int, now: State) -> None:
        """Hear of the state before a tax year, and ask before the one of the reform."""
        if year == self.year:
            self._pair("before", now)
            self.twin = now

    def live(self, key: Key[Array, ""], exploit: Callable[[int], bool]) -> None:
        """Let the twin, if there is one by now, live the tax year under the old law."""
        if self.twin is None:
            return
        lived, options = YearMeans(), {"steps": self.steps, "exploit": exploit}
        _, self.twin = self.society.tax_year(key, self.twin, self.old, on_step=lived, **options)
        self.without = lived.means()

    def end(self, year: int, lived: YearMeans) -> None:
        """Hear of a tax year that was lived: the last one before the reform is kept."""
        if year == self.year - 1:
            self.before = lived.means()

    def finish(self, state: State, last: YearMeans) -> None:
        """Ask once more after the last tax year, and reckon."""
        self._pair("after", state)
        after, before, without = last.means(), self.before, self.without
        assert before is not None, "a year was lived before the reform"
        assert without is not None, "the reform was lived"
        for outcome in OUTCOMES:
            now = getattr(after, outcome)
            naive = self._elasticity(getattr(before, outcome), now)
            twin = self._elasticity(getattr(without, outcome), now)
            bias = None if naive is None or twin is None else naive - twin
            for name, value in (("naive", naive), ("twin", twin), ("bias", bias)):
                self.found[column_of(outcome, name)] = value

    def _pair(self, when: str, now: State) -> None:
        """Ask the same workers at the same moment under both laws, and reckon their best hours."""
        key = jax.random.fold_in(self.key, now.step)
        asked = [self._chosen(now, law, key) for law in (self.old, self.new)]
        best = [self._best(now, law) for law in (self.old, self.new)]
        for name, pair in (("paired", asked), ("best", best)):
            for outcome in OUTCOMES:
                values = (getattr(means, outcome) for means in pair)
                self.found[column_of(outcome, f"{name}_{when}")] = self._elasticity(*values)

    def _chosen(self, now: State, law: BracketSchedule, key: Key[Array, ""]) -> WorkersMeans:
        """Return the hours that workers choose, expected ones where their chances are known."""
        workers = self._at(now)
        models, situation = workers.models, now.situation("exploit")._replace(schedule=law)
        answers = workers.labor(key, situation, now.memory)
        hours = np.asarray(answers.labor, float)[models.asked]
        if answers.probabilities is not None:
            hours = answers.probabilities @ np.array(models.choice_set.values, float)
        known = np.asarray(answers.understood)[models.asked]
        return self._with_income(now, np.where(known, hours, np.nan))

    def _best(self, now: State, law: BracketSchedule) -> WorkersMeans:
        models = self._at(now).models
        best = best_response(models.economy, law, jnp.asarray(now.rebate))
        return self._with_income(now, np.asarray(best, float)[models.asked])

    def _with_income(self, now: State, hours: Float[np.ndarray, " n"]) -> WorkersMeans:
        models = self._at(now).models
        skill = np.asarray(models.economy.population.skill, float)[models.asked]
        return WorkersMeans(hours, skill * hours)

    def _at(self, now: State) -> SkilledWorkers:
        """Return those who choose, with the skills that they have."""
        if now.deviation is None:
            return self.choosing
        return self.choosing.at(with_skills(self.society.economy, now.deviation))

    def _elasticity(
        self, plain: Float[np.ndarray, " n"], other: Float[np.ndarray, " n"]
    ) -> float | None:
        known = np.isfinite(plain) & np.isfinite(other)
        return elasticity_of_means(plain[known], other[known], left=self.keep)[0]


def reformed(law: BracketSchedule, keep: float) -> BracketSchedule:
    """Return the law that leaves a share of every net-of-tax rate."""
    return BracketSchedule(law.thresholds, 1 - keep * (1 - law.rates))


def _mean(values: list[Float[np.ndarray, " agents"]]) -> Float[np.ndarray, " agents"]:
    """Return means over steps, NaN of who was never understood."""
    every = np.array(values)
    count = np.sum(~np.isnan(every), axis=0)
    return np.where(count, np.nansum(every, axis=0) / np.maximum(count, 1), np.nan)
