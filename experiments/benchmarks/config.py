"""What is chosen of every benchmark. Light, for the command line."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import tyro

from experiments.core.checks import require_at_least, require_some
from experiments.core.choices import CommandChoices
from experiments.core.config import ModelConfig, WelfareName

if TYPE_CHECKING:
    from baselines.learned.two_level import TwoLevel


@dataclass(frozen=True)
class CoreBenchmarkConfig(CommandChoices):
    """Time taxes, responses and welfare gradients against NumPy and the machine's own limits."""

    sizes: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
    """Numbers of workers, separated by spaces."""
    batch: tuple[int, int] = (1_000, 10_000)
    """Schedules, and workers, of the row that evaluates many schedules at once."""
    precision: Literal["float32", "float64"] = "float32"
    """Floating-point numbers to compute with."""
    numpy: bool = True
    """Run the NumPy forms too, on the CPU."""
    repeats: int = 20
    """Rounds of each measurement, at most."""
    patience: float = 3.0
    """Seconds after which a measurement begins no further round."""
    json: bool = False
    """Print the result as JSON on standard output instead of tables."""

    def _check(self) -> None:
        counts = {"sizes": self.sizes, "batch": self.batch, "repeats": (self.repeats,)}
        for name, values in counts.items():
            if not values or min(values) < 1:
                given = " ".join(map(str, values)) or "none"
                raise ValueError(f"--{name} takes whole numbers of 1 or more; got {given}.")
        _check_patience(self.patience)


def _check_patience(patience: float) -> None:
    if not 0 <= patience < math.inf:
        raise ValueError(f"--patience is a number of seconds; got {patience}.")


@dataclass(frozen=True)
class LLMBenchmarkConfig(ModelConfig):
    """Time language-model workers in text and choice mode, and the work around the model."""

    model: str = "tiny"
    """Model: as for runs, but noise in vLLM if not given."""
    agents: int = 2_000
    """Workers, each asked once a step."""
    distinct: int | None = None
    """Workers who differ; the others are their doubles, whose prompts are asked once. All if not
    given."""
    history: int = 10
    """Latest steps that each worker rereads, besides its five best."""
    rounds: int = 3
    """Timed steps in each mode, after one that warms up."""
    seed: int = 0
    """Names the personas."""
    json: bool = False
    """Print the result as JSON on standard output instead of tables."""

    def _check(self) -> None:
        _check_asking(self)
        if self.distinct is not None and not 2 <= self.distinct <= self.agents:
            raise ValueError(
                f"--distinct must be 2 to --agents, {self.agents}; got {self.distinct}."
            )


@dataclass(frozen=True)
class EnginesBenchmarkConfig(CommandChoices):
    """Ask the embedded engine and vLLM the same prompts on the same weights, in turns."""

    model: Path | None = None
    """Folder of a model that both can load; the one that comes with the project if not given."""
    agents: int = 1_000
    """Workers, each asked once a round in a prompt of its own."""
    history: int = 10
    """Latest steps that a worker with a full memory rereads, besides its five best."""
    rounds: int = 3
    """Timed rounds of each kind of question, after one that warms up."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Numbers that vLLM computes with; the embedded engine computes with float32."""
    seed: int = 0
    """Names the personas."""
    json: bool = False
    """Print the result as JSON on standard output instead of tables."""

    def _check(self) -> None:
        _check_asking(self)


def _check_asking(config: LLMBenchmarkConfig | EnginesBenchmarkConfig) -> None:
    for name, least in {"agents": 2, "history": 1, "rounds": 1}.items():
        require_at_least(least, name, getattr(config, name))


@dataclass(frozen=True)
class LearningBenchmarkConfig(CommandChoices):
    """Let a planner and workers learn together by PPO, and a network learn to plan in one call."""

    seeds: int = 5
    """Seeds of PPO, trained side by side."""
    agents: int = 400
    """Workers who learn together with a planner, on the quantile grid of ACS-2023 incomes."""
    welfare: WelfareName = "atkinson"
    """Welfare function of the planner that learns by PPO."""
    worker_updates: int = 500
    """Updates of PPO in which workers learn alone."""
    joint_updates: int = 700
    """Updates of PPO in which workers and the planner learn."""
    settling_updates: int = 300
    """Updates of PPO in which the planner has settled, and workers learn on."""
    steps: int = 3_000
    """Steps of training of the network."""
    worlds: int = 20
    """Economies that the network never saw, on which it is measured."""
    step_agents: int = 1_000
    """Workers in the measurement of the speed of stepping."""
    precision: Literal["float32", "float64"] = "float32"
    """Floating-point numbers to compute with."""
    json: bool = False
    """Print the result as JSON on standard output instead of tables."""

    def _check(self) -> None:
        least = {
            "seeds": 2,
            "agents": 2,
            "joint_updates": 1,
            "steps": 1,
            "worlds": 2,
            "step_agents": 2,
        }
        for name, least_of in {**least, "worker_updates": 0, "settling_updates": 0}.items():
            require_at_least(least_of, name, getattr(self, name))

    @property
    def two_level(self) -> "TwoLevel":
        """How workers and the planner learn together."""
        from baselines.learned.two_level import TwoLevel

        return TwoLevel(
            worker_updates=self.worker_updates,
            joint_updates=self.joint_updates,
            settling_updates=self.settling_updates,
        )


@dataclass(frozen=True)
class SurrogateBenchmarkConfig(ModelConfig):
    """Distil language-model workers into a network, and test it on laws and people it never saw."""

    agents: int = 200
    """Workers who are recorded, each with a persona."""
    schedules: int = 24
    """Random schedules under which they live a tax year to be learned from."""
    unseen: int = 8
    """Random schedules held out."""
    steps: int = 2
    """Steps of labor in a tax year."""
    sizes: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    """Numbers of workers that the network stands for when its speed is measured."""
    json: bool = False
    """Print the result as JSON on standard output instead of tables."""

    def _check(self) -> None:
        for name, least in {"agents": 2, "schedules": 1, "unseen": 1, "steps": 1}.items():
            require_at_least(least, name, getattr(self, name))
        require_at_least(2, "sizes", min(self.sizes, default=0))


PeerName = Literal["numpy", "ai-economist", "tax-calculator", "agent-torch"]


@dataclass(frozen=True)
class PeersBenchmarkConfig(CommandChoices):
    """Measure the core beside what users would pick instead, each in an environment of its own."""

    peers: tuple[PeerName, ...] = ("numpy", "ai-economist", "tax-calculator")
    """Whom to measure, separated by spaces. Each but NumPy gets a Python environment in the user's
    cache when it is first asked for (ai-economist 0.4, tax-calculator 0.5 GB; agent-torch, which
    brings PyTorch, 1.2 GB or more)."""
    most: int = 1_000_000
    """People in the largest measurement."""
    precision: Literal["float32", "float64"] = "float64"
    """Floating-point numbers of our side; the peers compute with float64."""
    repeats: int = 20
    """Rounds of each measurement, at most."""
    patience: float = 3.0
    """Seconds after which a measurement begins no further round."""
    json: bool = False
    """Print the result as JSON on standard output instead of tables."""

    def _check(self) -> None:
        require_some("peers", self.peers, get_args(PeerName))
        require_at_least(2, "most", self.most)
        require_at_least(1, "repeats", self.repeats)
        _check_patience(self.patience)


RowName = Literal["help", "eager", "compile", "core", "compare", "engines", "sweep", "tests"]


@dataclass(frozen=True)
class AgainstBenchmarkConfig(CommandChoices):
    """Measure this checkout beside another, in turns: ratios, spreads, and tables to the cent."""

    other: Annotated[Path, tyro.conf.Positional]
    """Folder of the other checkout; both run in this Python environment."""
    rows: tuple[RowName, ...] = ("help", "eager", "compile", "core", "compare", "engines")
    """What to measure: help (CPU seconds of econjax --help), eager (compilations of a second
    call without jit), compile (value and gradient of welfare), core (benchmark core), compare
    (twice, first with nothing kept), engines (answers a second of econjax-small), sweep (optimal
    schedules of many economies: by econjax sweep, or by hand where a side lacks it), tests (the
    test suite)."""
    turns: int = 3
    """How often each side is measured."""
    brackets: tuple[int, ...] = (7, 28, 56)
    """Numbers of brackets at which value and gradient are compiled."""
    sizes: tuple[int, ...] = (10_000, 1_000_000)
    """Numbers of workers of benchmark core."""
    sweep_seeds: int = 200
    """Draws of 10,000 workers in the sweep, each under 5 elasticities and 3 aversions."""
    json: bool = False
    """Print the result as JSON on standard output instead of tables."""

    def _check(self) -> None:
        require_some("rows", self.rows, get_args(RowName))
        require_at_least(1, "turns", self.turns)
        require_at_least(2, "brackets", min(self.brackets, default=0))
        require_at_least(1, "sizes", min(self.sizes, default=0))
        require_at_least(1, "sweep-seeds", self.sweep_seeds)
