"""What a run is: every choice that its figures depend on.

JAX is imported where it computes, not to parse.
"""

import dataclasses
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from experiments.core.checks import COSTS, check_limits, require_at_least
from experiments.core.choices import (
    AskedModel,
    CommandChoices,
    EngineName,
    EngineOptions,
    EngineOrder,
    ModeName,
    RunChoices,
    as_typed,
)
from experiments.core.economy import EconomyConfig
from experiments.report.disclosure import SHIPPED

FORMULA = "formula"
"""Names, as a model of workers, the formula that econjax-small was taught, with no model."""
WelfareName = Literal["atkinson", "rawlsian", "utilitarian"]
KindOfWorkers = Literal["rational", "llm"]
"""Who works but for those who are corrected."""
PlannerName = Literal[
    "laissez-faire",
    "federal",
    "uniform",
    "flat",
    "random",
    "grid",
    "coordinate",
    "cma-es",
    "cma-es-long",
    "ppo",
    "saez-static",
    "saez-flat",
    "saez-empirical",
    "saez",
    "adam",
    "multi-start",
    "gradient",
    "amortised",
    "surrogate",
    "ramp",
    "walk",
    "llm",
    "llm-forgetful",
    "llm-shuffled",
]
COMPARED: tuple[PlannerName, ...] = (
    "laissez-faire",
    "federal",
    "flat",
    "random",
    "cma-es",
    "saez",
    "gradient",
    "llm",
)
"""The planners of a comparison if none are named."""
MODEL_PLANNERS: tuple[PlannerName, ...] = ("llm", "llm-forgetful", "llm-shuffled")
"""The planners who are language models."""
QUESTIONS_OF_A_PLANNER = 35
"""What a planner in choice mode is asked of a try: of seven brackets, in five orders of letters."""
ONE_SCHEDULE: tuple[PlannerName, ...] = ("amortised",)
"""The planners who were trained where all are taxed by one schedule."""
UNINFORMED: tuple[PlannerName, ...] = ("ramp", "walk", "llm-forgetful", "llm-shuffled")
"""The planners who know nothing: a language model that plans must stand beside them."""


def with_uninformed(planners: Sequence[PlannerName]) -> tuple[PlannerName, ...]:
    """Return the planners, and after them, if one is a language model, all of `UNINFORMED`."""
    if not set(planners) & set(MODEL_PLANNERS):
        return tuple(planners)
    return (*planners, *(name for name in UNINFORMED if name not in planners))


def check_planners(config: EconomyConfig, planners: Sequence[PlannerName]) -> None:
    """Refuse planners who cannot plan for groups with schedules of their own.

    Raises:
        ValueError: there is one, and there are groups.
    """
    strangers = [name for name in planners if name in ONE_SCHEDULE]
    if strangers and config.statuses:
        raise ValueError(
            f"The planner {strangers[0]} knows one schedule for all, and each status has its own "
            "here: leave it out of --planners, or tax all as one by --status."
        )


@dataclass(frozen=True)
class ModelConfig(CommandChoices):
    """Which model answers, and how."""

    model: str = SHIPPED
    """Model: econjax-small, which comes with the project, runs anywhere, imitates a known
    formula and makes no claim about people; smollm2-135m, a small pretrained model that a Python
    package carries, so that no hub is needed; a GGUF file of a Llama, Mistral or Qwen2; a folder;
    "tiny" (random weights, whose answers are noise), or "random:SHAPE", such as
    random:llama-3.1-8b, to measure speed without a download; or for vLLM an alias or a hub name."""
    engine: EngineName = "auto"
    """What computes a model in this process: embedded (JAX in float32, anywhere, repeatable; reads
    econjax-small, smollm2-135m, GGUF files, folders of Llamas and random weights), or vllm (any
    model, GPUs). auto is embedded for econjax-small, else vllm if it is installed."""
    server: str | None = None
    """Ask an OpenAI-compatible server, not a model in this process: its address, such as
    http://localhost:8000/v1 (several separated by commas), or openai, openrouter, gemini or
    ollama."""
    key_variable: str | None = None
    """Environment variable that holds the key of --server, where that is an address. Providers have
    their own: OPENAI_API_KEY is sent to openai alone."""
    context: int = 8192
    """Tokens that vLLM makes room for, prompt and answer together."""
    temperature: float | None = None
    """Sampling temperature of texts: if not given, 1 for econjax-small, which imitates chances,
    else 0.7."""
    quantization: str | None = None
    """vLLM's method for quantised weights, such as awq, gptq or fp8."""
    tensor_parallel: int = 1
    """GPUs that share one copy of the model in vLLM."""
    seed: int = 0
    """Names what is random in the texts of the embedded engine."""

    def _check(self) -> None:
        for name in ("context", "tensor_parallel"):
            require_at_least(1, name, getattr(self, name))
        if not 0 <= self.heat < math.inf:
            raise ValueError(f"--temperature must not be negative; got {self.temperature}.")
        if self.key_variable is not None and self.key_variable not in os.environ:
            raise ValueError(
                "--key-variable names no variable of this environment: export it first, and give "
                "its name, not the key."
            )

    @property
    def questions(self) -> int | None:
        """About how many questions the model is asked, None if nobody can tell."""
        return None

    @property
    def costs(self) -> tuple[float, float] | None:
        """Dollars per million tokens read, and written; None where nobody counts them."""
        return None

    @property
    def heat(self) -> float:
        """The temperature that texts are drawn at."""
        if self.temperature is not None:
            return self.temperature
        return 1.0 if self.model == SHIPPED and self.server is None else 0.7

    @property
    def greeting(self) -> ModeName:
        """The mode in which an engine is asked first."""
        return "auto"

    def order(self) -> EngineOrder:
        """Return the engine to start."""
        options = EngineOptions(
            model=self.model,
            server=self.server,
            engine=self.engine,
            temperature=self.heat,
            context=self.context,
            seed=self.seed,
            quantization=self.quantization,
            tensor_parallel=self.tensor_parallel,
            key_variable=self.key_variable,
            greet=self.greeting,
        )
        return EngineOrder(options, self.questions, self.costs)


@dataclass(frozen=True)
class RunConfig(EconomyConfig, ModelConfig, RunChoices):
    """What a run directory is made of: an economy, a model and what it may cost, seed and place."""

    limit_tokens: int | None = None
    """Stop before the run has read and written more tokens than this."""
    limit_dollars: float | None = None
    """Stop before the run has cost more than this; needs --prices."""
    limit_seconds: float | None = None
    """Stop before the model has worked longer than this."""
    prices: tuple[float, float] = (0.0, 0.0)
    """Dollars per million tokens read, and per million tokens written."""
    seed: int = 0
    """Names everything random in the run."""
    name: str | None = None
    """Name of the run directory; the time if not given."""
    runs: Path = field(default=Path("runs"))
    """Folder that holds run directories."""
    json: bool = False
    """Print the result as JSON on standard output instead of tables."""

    def _check(self) -> None:
        for name, value in vars(self).items():
            if not all(text.isprintable() for text in _texts(value)):
                raise ValueError(
                    f"--{name.replace('_', '-')} holds a character that cannot be printed."
                )
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"--seed must be from 0 to {2**63 - 1}; got {self.seed}.")
        check_limits(self.limits(), self.prices)

    @property
    def asks_a_model(self) -> bool:
        """Whether anyone in the run is a language model."""
        return True

    def models(self) -> tuple[AskedModel, ...]:
        """Return the models that the run asks, each of them once."""
        return (AskedModel(self.model, self.server),) if self.asks_a_model else ()

    @property
    def costs(self) -> tuple[float, float]:
        """Dollars per million tokens read, and written."""
        return self.prices

    def orders(self) -> list[EngineOrder]:
        """Return the engine to start for each model."""
        own = (dataclasses.replace(self, **asked._asdict()) for asked in self.models())
        return [each.order() for each in own]

    def limits(self) -> dict[str, Any]:
        """Return what the run may cost, ready for JSON."""
        return {name: getattr(self, name) for name in LIMITS}

    def servers(self) -> list[str]:
        """Return the names of the choices that say servers and their keys, where some are said."""
        said = vars(self)
        return [name for name in SERVERS if said.get(name)]

    def columns(self) -> dict[str, Any]:
        """Return what every row of the metrics says of the run, by column."""
        from experiments.economies.kept import digest_of_economy

        return {
            "economy": digest_of_economy(vars(self), self.carried()),
            "elasticity": self.elasticity,
            "agents": self.size,
            "planner_model": None,
            "worker_model": None,
        }

    def of_run(self, path: Path) -> Self:
        """Return the choices with what a run kept in its directory in place of its sources."""
        kept = path / KEPT_ECONOMY
        return dataclasses.replace(self, economy_file=kept) if kept.is_file() else self

    def tolerant(self) -> Self:
        """Return the choices without limits: a finished run has met those that it had."""
        return dataclasses.replace(self, **dict.fromkeys(COSTS))

    @property
    def numbers(self) -> dict[str, int | None]:
        """The numbers that stand for those that are not given, by name."""
        return {"agents": self.asked_for}

    def asdict(self) -> dict:
        """Return the choices that figures depend on, ready for JSON."""
        file = self.economy_file
        choices = dataclasses.asdict(self) | self.numbers
        choices["economy_file"] = None if file is None else str(file)
        return {name: value for name, value in choices.items() if name not in NO_MATTER}

    @classmethod
    def fromdict(cls, choices: dict[str, Any]) -> Self:
        """Return the configuration that `asdict` described, held to what the command line takes.

        `choices` are as JSON has them; limits may stand among them.

        Raises:
            ValueError: it was written by a version with other choices, or a value is no choice.
        """
        known = set(cls().asdict())
        strange, missing = set(choices) - known - set(LIMITS), known - set(choices)
        if strange or missing:
            differs = f"has {min(strange)!r}" if strange else f"lacks {min(missing)!r}"
            raise ValueError(
                f"The manifest was written by another version of econjax, or edited: it {differs}. "
                "Put back the file, or use that version."
            )
        for text in _texts(choices):
            if not text.isprintable():
                raise ValueError(f"The manifest holds {text!r}, which cannot be printed. Mend it.")
        return as_typed(cls, choices, "The manifest")


@dataclass(frozen=True)
class AnsweringConfig(RunConfig):
    """A run whose language models answer in a mode that is chosen."""

    mode: ModeName = "auto"
    """How workers answer: text (any hours from 0 to 100), or choice (one draw from the model's own
    probabilities of 0, 10, ... 100 hours); auto is as the model was taught, or else what a probe of
    a few questions finds right for it."""
    most_leaked: float = 0.5
    """A choice is no answer where a model gives more than this share of its probability to none of
    the options."""

    def _check(self) -> None:
        if not 0 <= self.most_leaked <= 1:
            raise ValueError(f"--most-leaked is a share from 0 to 1; got {self.most_leaked}.")

    @property
    def greeting(self) -> ModeName:
        """The mode that was chosen."""
        return self.mode


LIMITS = (*COSTS, "prices")
SERVERS = ("server", "planner_server", "worker_server", "key_variable")
KEPT_ECONOMY = Path("economy", "economy.toml")
"""Where a run directory keeps its economy file."""
NO_MATTER = ("name", "runs", "json", *SERVERS, *LIMITS)
"""A run's place, how it is printed, what it may cost, and addresses, maybe with a password."""


def _texts(values: Any) -> Iterator[str]:
    """Yield every text in values as JSON has them, names too."""
    if isinstance(values, str):
        yield values
    elif isinstance(values, dict | list | tuple):
        for value in [*values, *values.values()] if isinstance(values, dict) else values:
            yield from _texts(value)
