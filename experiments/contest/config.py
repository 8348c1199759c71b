"""What is chosen of a contest. Light, for the command line."""

from dataclasses import dataclass
from typing import get_args

from experiments.core.archetypes import WorkforceConfig
from experiments.core.checks import require_at_least, require_some
from experiments.core.config import FORMULA, WelfareName
from experiments.validity.config import CertifiedConfig, require_workers


@dataclass(frozen=True)
class ContestConfig(CertifiedConfig, WorkforceConfig):
    """Let planners ask the same language-model workers equally often, one by surrogate gradient."""

    workers: str = "llm"
    """Who works: llm (language models that read personas), formula (which econjax-small was
    taught; then no model is asked, and none plans), or corrected:RUN, those of the two whose
    chances of hours are tilted by the correction of a run of econjax people."""
    agents: int | None = 40
    """Workers, each asked once in a step."""
    evaluations: int = 12
    """Tax years that every planner may ask for."""
    steps: int = 1
    """Steps of labor in a tax year."""
    seeds: int = 20
    """How often everything is done, with --seed and the seeds after it: personas, draws and
    planners differ."""
    welfare: tuple[WelfareName, ...] = ("rawlsian", "atkinson")
    """Welfare functions to maximise."""

    @property
    def asks_a_model(self) -> bool:
        """Whether the workers are language models."""
        return self.model_works(self.workers)

    @property
    def questions(self) -> int:
        """About how many questions the model is asked: by eight planners as often."""
        years = self.seeds * len(self.welfare) * 8 * self.evaluations
        return years * self.steps * self.answering(self.size)

    def _check(self) -> None:
        for name, least in {"evaluations": 1, "steps": 1, "seeds": 2}.items():
            require_at_least(least, name, getattr(self, name))
        require_workers(self.kinds, ("llm", FORMULA))
        require_some("welfare", self.welfare, get_args(WelfareName))
        self.check_archetypes(self.size, "choice", models_work=True)
