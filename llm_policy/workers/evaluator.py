"""Evaluate schedules on workers who are language models: one evaluation is one tax year."""

import equinox as eqx
import jax
from jaxtyping import Array, Key

from econjax import BracketSchedule
from econjax.planning import RationalEvaluator, Report
from llm_policy.workers.society import Society


class ModelEvaluator:
    """Report the mean over a tax year of `steps` answers by language-model workers.

    Every year starts from 40 hours a week for everyone and draws with a key of its own, so no
    evaluation depends on the one before. Whoever is not understood is left out of that step.
    Language models have no
    gradient: `value_and_grad` adds that of the same economy with rational workers, and `what_if` is
    theirs.
    """

    def __init__(self, society: Society, *, steps: int, key: Key[Array, ""]):
        """Hold the society; nothing is counted yet.

        Raises:
            ValueError: a tax year without a step.
        """
        if steps < 1:
            raise ValueError(f"A tax year has at least 1 step; got {steps}.")
        self.society, self.steps, self.key = society, steps, key
        self.rational = RationalEvaluator(society.workers.economy, society.welfare)
        self.counts = {"value": 0, "gradient": 0, "what_if": 0}

    def value(self, schedule: BracketSchedule) -> Report:
        """Return the report on one tax year."""
        return self._tax_year("value", schedule)

    def value_and_grad(self, schedule: BracketSchedule) -> Report:
        """Return the report on a tax year, with the gradient that rational workers would bring."""
        return with_gradient(self._tax_year("gradient", schedule), self.rational, schedule)

    def what_if(self, schedule: BracketSchedule) -> Report:
        """Return the report on rational workers."""
        self.counts["what_if"] += 1
        return self.rational.value(schedule)

    def _tax_year(self, kind: str, schedule: BracketSchedule) -> Report:
        key = jax.random.fold_in(self.key, self.counts["value"] + self.counts["gradient"])
        self.counts[kind] += 1
        return self.society.tax_year(key, self.society.begin(schedule), schedule, steps=self.steps)[
            0
        ]


def with_gradient(report: Report, rational: RationalEvaluator, schedule: BracketSchedule) -> Report:
    """Return the report with the gradient that rational workers would bring."""
    gradient = rational.value_and_grad(schedule).gradient
    return eqx.tree_at(lambda r: r.gradient, report, gradient, is_leaf=lambda leaf: leaf is None)
