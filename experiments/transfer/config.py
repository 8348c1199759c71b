"""What is chosen of a transfer. Light, for the command line."""

from dataclasses import dataclass
from typing import get_args

from experiments.core.archetypes import WorkforceConfig
from experiments.core.checks import require_at_least, require_some
from experiments.core.config import (
    COMPARED,
    MODEL_PLANNERS,
    KindOfWorkers,
    PlannerName,
    WelfareName,
    check_planners,
    with_uninformed,
)
from experiments.validity.config import CertifiedConfig, are_models, require_workers


@dataclass(frozen=True)
class TransferConfig(CertifiedConfig, WorkforceConfig):
    """Let planners learn from rational workers and from language models, and set taxes for both."""

    workers: tuple[str, ...] = get_args(KindOfWorkers)
    """Whom planners learn from, and set taxes for: two or more of rational, llm, and corrected:RUN,
    language models whose chances of hours are tilted by the correction of a run of econjax
    people."""

    agents: int | None = 100
    """Workers on the quantile grid: the same people, once rational and once language models."""
    welfare: tuple[WelfareName, ...] = ("atkinson", "rawlsian")
    """Welfare functions to maximise."""
    planners: tuple[PlannerName, ...] = COMPARED
    """Planners to run; where a language model plans, those who know nothing join them."""
    seeds: int = 5
    """How often everything is done, with --seed and the seeds after it: personas, draws and
    planners differ."""
    evaluations: tuple[int, int] = (40, 6)
    """Evaluations of a planner that learns from rational workers, and of one that learns from
    models."""
    tax_year: int = 2
    """Steps of labor in one evaluation of language-model workers."""
    checks: int = 4
    """Tax years of language-model workers in which a schedule is measured."""

    @property
    def roster(self) -> tuple[PlannerName, ...]:
        """All planners of a table."""
        return with_uninformed(self.planners)

    @property
    def questions(self) -> int:
        """About how many questions the model is asked as workers."""
        models = sum(map(are_models, self.workers))
        learning = self.evaluations[1] + len(self.workers) * self.checks
        years = models * len(self.roster) * learning
        return self.seeds * len(self.welfare) * years * self.tax_year * self.answering(self.size)

    @property
    def asks_a_model(self) -> bool:
        """Whether anyone is a language model."""
        plans = not set(self.planners).isdisjoint(MODEL_PLANNERS)
        return plans or any(map(self.model_works, self.workers))

    def _check(self) -> None:
        for name, least in (("seeds", 2), ("checks", 1), ("tax_year", 1)):
            require_at_least(least, name, getattr(self, name))
        require_at_least(1, "evaluations", min(self.evaluations))
        require_workers(self.workers, get_args(KindOfWorkers))
        if len(self.workers) < 2:
            raise ValueError(
                "A transfer is between two kinds of --workers at least; got "
                f"{' '.join(self.workers)}."
            )
        require_some("welfare", self.welfare, get_args(WelfareName))
        require_some("planners", self.planners, get_args(PlannerName))
        check_planners(self, self.planners)
        models_work = any(map(are_models, self.workers))
        self.check_archetypes(self.size, "choice", models_work=models_work)
