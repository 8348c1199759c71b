"""Evaluate schedules on workers who are language models: one evaluation is one tax year."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from econjax import BracketSchedule, Economy
from econjax.planning import RationalEvaluator, Report, summarise
from econjax.welfare import AbstractWelfare
from llm_policy.workers import LLMWorkers, remember, settle_answers, usual_hours

_summarise = eqx.filter_jit(summarise)


class ModelEvaluator:
    """Report the mean over a tax year of `steps` answers by language-model workers.

    Every year starts from 40 hours a week for everyone, so no evaluation depends on the one before. Whoever
    is not understood is left out of that step and remembers the last hours that were. Language models
    have no gradient: `value_and_grad` adds that of the same economy with rational workers.
    """

    def __init__(self, economy: Economy, welfare: AbstractWelfare, workers: LLMWorkers, *, steps: int):
        """Hold the economy, the welfare function and the workers; nothing is counted yet."""
        self.economy = economy
        self.welfare = welfare
        self.workers = workers
        self.steps = steps
        self.counts = {"value": 0, "gradient": 0}

    def value(self, schedule: BracketSchedule) -> Report:
        """Return the report on one tax year."""
        self.counts["value"] += 1
        return self._tax_year(schedule)

    def value_and_grad(self, schedule: BracketSchedule) -> Report:
        """Return the report on one tax year, with the gradient that rational workers would bring."""
        self.counts["gradient"] += 1
        rational = RationalEvaluator(self.economy, self.welfare).value_and_grad(schedule)
        report = self._tax_year(schedule)
        return eqx.tree_at(lambda r: r.gradient, report, rational.gradient, is_leaf=lambda leaf: leaf is None)

    def _tax_year(self, schedule: BracketSchedule) -> Report:
        record, reports = usual_hours(self.economy, schedule), []
        for _ in range(self.steps):
            answers = self.workers.answer(self.economy, schedule, record)
            population, outcome = settle_answers(self.economy, schedule, answers)
            labor = jnp.where(answers.understood, answers.labor, record.labor)
            record = remember(self.economy, schedule, labor, outcome.rebate)
            share = jnp.mean(answers.understood)
            answered = eqx.tree_at(lambda e: e.population, self.economy, population)
            reports.append(_summarise(answered, schedule, outcome, self.welfare, understood=share))
        mean = jax.tree.map(lambda *values: jnp.mean(jnp.stack(values), axis=0), *reports)
        if self.steps == 1:
            return mean
        error = np.std([float(r.equivalent) for r in reports], ddof=1) / self.steps**0.5
        return eqx.tree_at(lambda r: r.standard_error, mean, jnp.asarray(error))
