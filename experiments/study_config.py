"""What is chosen of every study: a command that prints and leaves no run. Light, for the command line."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from experiments.config import (
    COMPARED,
    EconomyConfig,
    ModelConfig,
    PlannerName,
    WelfareName,
    WorkersName,
    require_at_least,
    require_some,
)

if TYPE_CHECKING:
    from econjax.welfare import AbstractWelfare

ECONOMY_NAMES = ("acs", "elastic", "lognormal", "thick-tail", "mixed")
"""The economies of the scoreboard."""
RATIONAL: tuple[PlannerName, ...] = tuple(name for name in get_args(PlannerName) if name != "surrogate")
"""Planners who can plan for rational workers."""
_FEWEST = 10_000


@dataclass(frozen=True)
class AuditConfig(EconomyConfig, ModelConfig):
    """Ask a model the same questions in many ways, as workers and as a planner, and compare its answers."""

    scenario: Literal["rational", "bounded"] = "bounded"
    """rational: workers are told their utility; bounded: they have personas."""
    samples: int = 16
    """Texts asked for each worker, and for each question to the planner."""
    welfare: WelfareName = "atkinson"
    """Welfare function that the planner is told to maximise."""
    temperature: float | None = 1.0
    """Sampling temperature of texts. Choices are scored at 1: at another one the two modes differ more."""
    seed: int = 0
    """Names the draw of personas."""
    json: bool = False
    """Print the figures as JSON on standard output instead of a table."""

    @property
    def size(self) -> int:
        """The number of workers."""
        return self.agents or 20

    def check(self) -> None:
        """Check all that can be checked before any work.

        Raises:
            ValueError: a choice that makes no audit.
        """
        EconomyConfig.check(self)
        ModelConfig.check(self)
        require_at_least(1, "samples", self.samples)


@dataclass(frozen=True)
class PersonasConfig:
    """Compare personas, drawn for skills on the quantile grid of ACS-2023 incomes, with published figures."""

    agents: int = 100_000
    """People to draw; a figure's sampling error falls with the square root of their number."""
    seed: int = 0
    """Names the draw."""
    json: bool = False
    """Print the figures as JSON on standard output instead of a table."""

    def check(self) -> None:
        """Check all that can be checked before any work.

        Raises:
            ValueError: too few people to have medians of.
        """
        if self.agents < _FEWEST:
            raise ValueError(
                f"--agents must be {_FEWEST:,} at least, so that every group has people; got {self.agents}."
            )


@dataclass(frozen=True)
class FidelityConfig:
    """Measure the small model against the known formula that it imitates, as worker and as planner."""

    model: Path | None = None
    """Folder of the model; the one that comes with the project if not given."""
    size: float = 1.0
    """How many times the usual number of workers and planners to ask: less is faster and less exact."""
    seed: int = 0
    """Names the draws of questions and workers."""
    json: bool = False
    """Print the figures as JSON on standard output instead of tables."""

    def check(self) -> None:
        """Check all that can be checked before any work.

        Raises:
            ValueError: a size or seed that makes no measurement.
        """
        if not 0 < self.size < math.inf:
            raise ValueError(f"--size must be positive; got {self.size}.")
        if self.seed < 0:
            raise ValueError(f"--seed must not be negative; got {self.seed}.")


@dataclass(frozen=True)
class ScoreboardConfig(ModelConfig):
    """Let every planner plan on several economies, each drawn several times, and print its regret."""

    economies: tuple[str, ...] = ECONOMY_NAMES
    """Economies, each calibrated to 2024 federal law."""
    populations: int = 10
    """How many times each is drawn: all planners meet the same draws."""
    agents: int = 10_000
    """Workers in each draw."""
    welfare: tuple[WelfareName, ...] = ("atkinson", "rawlsian")
    """Welfare functions to maximise."""
    planners: tuple[PlannerName, ...] = RATIONAL
    """Planners to run."""
    evaluations: int = 40
    """Evaluations of every planner that learns from them."""
    vary: Literal["nothing", "elasticity", "aversion", "told"] = "nothing"
    """What varies instead of economies and welfare functions, of which then only the first is taken: the
    elasticity (0.1 to 1), the aversion to inequality (0.5 to infinity), or the elasticity that planners are
    told (0.1 to 1) while the true one stays."""
    json: bool = False
    """Print the result as JSON on standard output instead of tables."""

    def check(self) -> None:
        """Check all that can be checked before any work.

        Raises:
            ValueError: a choice that makes no scoreboard.
        """
        ModelConfig.check(self)
        for name, least in (("populations", 2), ("agents", 2), ("evaluations", 1)):
            require_at_least(least, name, getattr(self, name))
        require_some("economies", self.economies, ECONOMY_NAMES)
        require_some("welfare", self.welfare, get_args(WelfareName))
        require_some("planners", self.planners, RATIONAL)
        if self.vary == "aversion" and self.asks_a_model:
            raise ValueError("No words tell a language model of every aversion: leave llm out of --planners.")

    @property
    def asks_a_model(self) -> bool:
        """Whether a planner is a language model."""
        return "llm" in self.planners


@dataclass(frozen=True)
class ContestConfig(ModelConfig):
    """Let planners, one by gradient on a surrogate, ask the same language-model workers equally often."""

    workers: Literal["llm", "formula"] = "llm"
    """Who works: language models that read personas, or the formula that econjax-small was taught (then no
    model is asked, and none plans)."""
    agents: int = 40
    """Workers, each asked once in a step."""
    evaluations: int = 12
    """Tax years that every planner may ask for."""
    steps: int = 1
    """Steps of labor in a tax year."""
    seeds: int = 20
    """How often everything is done: personas, draws and planners differ."""
    elasticity: float = 0.25
    """Elasticity that the prices of effort in the workers' prompts come from."""
    welfare: tuple[WelfareName, ...] = ("rawlsian", "atkinson")
    """Welfare functions to maximise."""
    json: bool = False
    """Print the result as JSON on standard output instead of a table."""

    def check(self) -> None:
        """Check all that can be checked before any work.

        Raises:
            ValueError: a choice that makes no contest.
        """
        ModelConfig.check(self)
        for name, least in {"agents": 2, "evaluations": 1, "steps": 1, "seeds": 2}.items():
            require_at_least(least, name, getattr(self, name))
        require_some("welfare", self.welfare, get_args(WelfareName))
        if not 0 < self.elasticity < math.inf:
            raise ValueError(f"--elasticity must be a positive number; got {self.elasticity}.")


@dataclass(frozen=True)
class TransferConfig(EconomyConfig, ModelConfig):
    """Let planners learn from rational workers and from language models, and set taxes for both."""

    agents: int | None = 100
    """Workers on the quantile grid: the same people, once rational and once language models."""
    welfare: tuple[WelfareName, ...] = ("atkinson", "rawlsian")
    """Welfare functions to maximise."""
    planners: tuple[PlannerName, ...] = COMPARED
    """Planners to run."""
    seeds: int = 5
    """How often everything is done: personas, draws and planners differ."""
    evaluations: tuple[int, int] = (40, 6)
    """Evaluations of a planner that learns from rational workers, and of one that learns from models."""
    tax_year: int = 2
    """Steps of labor in one evaluation of language-model workers."""
    checks: int = 4
    """Tax years of language-model workers in which a schedule is measured."""
    json: bool = False
    """Print the result as JSON on standard output instead of tables."""

    def check(self) -> None:
        """Check all that can be checked before any work.

        Raises:
            ValueError: a choice that makes no comparison.
        """
        EconomyConfig.check(self)
        ModelConfig.check(self)
        for name, least in (("seeds", 2), ("checks", 1), ("tax_year", 1)):
            require_at_least(least, name, getattr(self, name))
        require_at_least(1, "evaluations", min(self.evaluations))
        require_some("welfare", self.welfare, get_args(WelfareName))
        require_some("planners", self.planners, get_args(PlannerName))


@dataclass(frozen=True)
class OptimumConfig(EconomyConfig, ModelConfig):
    """Search the best schedule on today's brackets two ways, and bound what any schedule could bring.

    Among language models there is no bound: a search, and a confidence band of the best found.
    """

    workers: WorkersName = "rational"
    """Who works: exact best responses, or language models that read personas (100 of them if --agents is not
    given)."""
    welfare: Literal["atkinson", "rawlsian"] = "atkinson"
    """Welfare function to maximise."""
    aversion: float = 1.0
    """Aversion to inequality of the Atkinson function."""
    generations: int = 40
    """Generations of the gradient-free search among rational workers."""
    seed: int = 0
    """Seed of the gradient-free search."""
    json: bool = False
    """Print the result as JSON on standard output instead of lines."""

    def check(self) -> None:
        """Check all that can be checked before any work.

        Raises:
            ValueError: a choice that makes no search.
        """
        EconomyConfig.check(self)
        ModelConfig.check(self)
        if self.generations < 1:
            raise ValueError(f"--generations must be at least 1; got {self.generations}.")
        if not 0 <= self.aversion < math.inf:
            raise ValueError(
                f"--aversion must be 0 or more (Rawls: --welfare rawlsian); got {self.aversion}."
            )

    @property
    def size(self) -> int:
        """The number of workers."""
        return self.agents or (100 if self.workers == "llm" else 10_000)

    @property
    def function(self) -> "AbstractWelfare":
        """The welfare function."""
        from econjax import Atkinson, Rawlsian

        return Rawlsian() if self.welfare == "rawlsian" else Atkinson(self.aversion)


@dataclass(frozen=True)
class ParityConfig:
    """Print the welfare of the LLM Economist's economies at 40 hours and 2024 federal rates."""
