"""What a comparison is: every choice that its figures depend on."""

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from econjax import Economy, Quasilinear, calibrate, equilibrium, gb2, us_federal

WelfareName = Literal["atkinson", "rawlsian"]
PlannerName = Literal["laissez-faire", "federal", "flat", "random", "saez", "gradient", "llm"]


@dataclass(frozen=True)
class EconomyConfig:
    """Rational workers on the quantile grid of ACS-2023 incomes, calibrated to work 40 hours under a law."""

    agents: int | None = None
    """Workers on the quantile grid; 10,000 if not given."""
    elasticity: float = 0.25
    """Elasticity of income with respect to the net-of-tax rate."""
    year: int = 2024
    """Tax year of the federal law that workers are calibrated to and planners start from."""
    status: str = "single"
    """Filing status under that law: single, joint, separate or head_of_household."""
    spending: Literal["none", "federal"] = "none"
    """Public spending: none, so that rebates return all revenue, or what the law collects today."""

    @property
    def size(self) -> int:
        """The number of workers."""
        return self.agents or 10_000

    def check(self) -> None:
        """Check all that can be checked before any work.

        Raises:
            ValueError: a choice that makes no economy.
        """
        us_federal(self.year, self.status)
        _require_at_least(2, "agents", self.agents)
        if not 0 < self.elasticity <= 10:
            raise ValueError(
                f"--elasticity must be positive, 10 at most (25 % is 0.25); got {self.elasticity}."
            )

    def economy(self) -> Economy:
        """Return the economy, as exact as JAX's default precision."""
        law = us_federal(self.year, self.status)
        population, preferences = calibrate(gb2(self.size), law), Quasilinear(self.elasticity)
        economy = Economy(population=population, preferences=preferences)
        if self.spending == "none":
            return economy
        revenue = equilibrium(economy, law).rebate
        return Economy(population=population, preferences=preferences, spending=revenue)


@dataclass(frozen=True)
class CompareConfig(EconomyConfig):
    """Compare planners on the same economy, with the same seed and the same number of evaluations."""

    workers: Literal["rational", "llm"] = "rational"
    """Who works: exact best responses, or language models that read personas (100 if not said)."""
    welfare: tuple[WelfareName, ...] = ("atkinson", "rawlsian")
    """Welfare functions to maximise, each in a comparison of its own."""
    planners: tuple[PlannerName, ...] = get_args(PlannerName)
    """Planners to run, separated by spaces; rational workers also get an optimiser without a limit."""
    evaluations: int = 40
    """Evaluations that every planner gets."""
    tax_year: int = 3
    """Steps of labor in one evaluation of language-model workers: a length, not a calendar year."""
    seed: int = 0
    """Names everything random in the run."""
    model: str = "tiny"
    """Model for vLLM: a hub name, a folder, or "tiny": random weights, whose answers are noise."""
    server: str | None = None
    """Ask this OpenAI-compatible server, such as http://localhost:8000/v1, instead of starting vLLM."""
    context: int = 8192
    """Tokens that vLLM makes room for, prompt and answer together."""
    temperature: float = 0.7
    """Sampling temperature of the model."""
    name: str | None = None
    """Name of the run directory; the time if not given."""
    runs: Path = field(default=Path("runs"))
    """Folder that holds run directories."""
    json: bool = False
    """Print the result as JSON on standard output instead of tables."""

    def check(self) -> None:
        """Check all that can be checked before any work.

        Raises:
            ValueError: a choice that makes no comparison.
        """
        EconomyConfig.check(self)
        for name in ("evaluations", "tax_year", "context"):
            _require_at_least(1, name, getattr(self, name))
        if not 0 <= self.temperature < math.inf:
            raise ValueError(f"--temperature must not be negative; got {self.temperature}.")
        for name, options in (("welfare", WelfareName), ("planners", PlannerName)):
            chosen = getattr(self, name)
            if not chosen or len(set(chosen)) < len(chosen) or not set(chosen) <= set(get_args(options)):
                wanted = ", ".join(get_args(options))
                raise ValueError(
                    f"--{name} takes some of {wanted}, each once; got {' '.join(chosen) or 'none'}."
                )

    @property
    def size(self) -> int:
        """The number of workers."""
        return self.agents or (10_000 if self.workers == "rational" else 100)

    @property
    def asks_a_model(self) -> bool:
        """Whether anyone in the run is a language model."""
        return self.workers == "llm" or "llm" in self.planners

    def asdict(self) -> dict:
        """Return the choices that figures depend on, ready for JSON."""
        choices = dataclasses.asdict(self) | {"agents": self.size}
        return {name: value for name, value in choices.items() if name not in _NO_MATTER}

    @classmethod
    def fromdict(cls, choices: dict[str, Any]) -> "CompareConfig":
        """Return the configuration that `asdict` described.

        Raises:
            ValueError: it was written by a version with other choices.
        """
        try:
            several: dict[str, Any] = {name: tuple(choices[name]) for name in ("welfare", "planners")}
            return cls(**(choices | several))
        except (LookupError, TypeError) as error:
            raise ValueError(f"The manifest was written by another version of econjax: {error}.") from error


_NO_MATTER = ("name", "runs", "json", "server")
"""Where a run is written, how it is printed, and an address, which may hold a password."""


def _require_at_least(least: int, name: str, value: int | None) -> None:
    if value is not None and value < least:
        raise ValueError(f"--{name.replace('_', '-')} must be at least {least}; got {value}.")
