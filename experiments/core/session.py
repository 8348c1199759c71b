"""The models of a run, with what was asked of them."""

from dataclasses import dataclass

from experiments.report.disclosure import Askers, nature
from llm_policy.engines.base import EngineInfo
from llm_policy.engines.wrappers.budget import Budget
from llm_policy.engines.wrappers.dedupe import Dedupe
from llm_policy.engines.wrappers.journal import Journal
from llm_policy.workers.llm import LLMWorkers


@dataclass(frozen=True)
class Session:
    """The engine, which asks no prompt of a batch twice, its budget, and the journal of both.

    `others` are those of further models of the run, whose budgets share their limits.
    """

    engine: Dedupe
    budget: Budget
    journal: Journal
    others: tuple["Session", ...] = ()

    @property
    def all(self) -> tuple["Session", ...]:
        """The sessions of all models, this one first."""
        return (self, *self.others)

    def describe(self) -> EngineInfo:
        """Return the description of the model that answers."""
        return self.engine.describe()

    def remarks(self, asked: Askers, workers: LLMWorkers | None = None) -> list[str]:
        """Return what a reader should know of the answers, `asked` for so, and what they cost."""
        info, spent = self.describe(), self.budget.spent
        prompts, distinct = self.engine.asked, self.engine.distinct
        remarks = [f"Model: {info.model}; {spent}; {distinct:,} of {prompts:,} prompts distinct."]
        if workers is not None and workers.choice_set.order is not None:
            remarks.append(
                "Nobody but this model knows its tokens: letters stood for weekly hours."
            )
        if info.refused:
            remarks.append(f"The server refuses, and was asked without: {info.refused}.")
        if info.lost:
            remarks.append(
                f"Of several servers some were lost, and the others went on: {info.lost}"
            )
        return [*remarks, *nature(info, asked).remarks]
