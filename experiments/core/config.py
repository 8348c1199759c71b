"""What a run is: every choice that its figures depend on.

JAX is imported where it computes, not to parse.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self

import tyro

from experiments.economies.defaults import file_defaults
from experiments.report.disclosure import SHIPPED

if TYPE_CHECKING:
    from econjax import BracketSchedule, Economy
    from experiments.economies.document import Money
    from experiments.economies.source import EconomySource
    from llm_policy.prompts.welfare import WelfareSpec

EngineName = Literal["auto", "embedded", "vllm"]
ModeName = Literal["auto", "text", "choice"]
FORMULA = "formula"
"""Names, as a model of workers, the formula that econjax-small was taught, with no model."""
WelfareName = Literal["atkinson", "rawlsian", "utilitarian"]
WorkersName = Literal["rational", "llm"]
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
UNINFORMED: tuple[PlannerName, ...] = ("ramp", "walk", "llm-forgetful", "llm-shuffled")
"""The planners who know nothing: a language model that plans must stand beside them."""


def with_uninformed(planners: Sequence[PlannerName]) -> tuple[PlannerName, ...]:
    """Return the planners, and after them, if one is a language model, all of `UNINFORMED`."""
    if not set(planners) & set(MODEL_PLANNERS):
        return tuple(planners)
    return (*planners, *(name for name in UNINFORMED if name not in planners))


class AskedModel(NamedTuple):
    """A model that a run asks, and the server that answers for it, if one does."""

    model: str
    server: str | None


@dataclass(frozen=True)
class EconomyConfig:
    """Rational workers on the ACS-2023 income quantile grid, calibrated to 40 hours under a law."""

    economy_file: Annotated[Path | None, tyro.conf.arg(name="economy", metavar="FILE")] = None
    """An economy file, which `econjax economy init` writes: incomes, law, currency, preferences,
    welfare. What it says is the default of the choices here, which override it."""
    incomes: str = "acs-2023"
    """Incomes at 40 hours: acs-2023, cps-2023 or ssa-2022 (fitted distributions), cps (wages of US
    tax units of the law's year and status, with econjax[cps]), or a CSV or Parquet file with a
    column income; "file" is what the economy file says."""
    agents: int | None = None
    """Workers on the quantile grid; if not given 10,000, or every record of a data file."""
    elasticity: float = 0.25
    """Elasticity of income with respect to the net-of-tax rate."""
    law: str = "us_federal"
    """The law that workers are calibrated to and planners start from: us_federal, or a JSON file
    that holds a schedule; "file" is what the economy file says."""
    year: int = 2024
    """Tax year of the federal law."""
    status: str = "single"
    """Filing status under the law; the federal one knows single, joint, separate and
    head_of_household."""
    spending: Literal["none", "federal", "law"] | float = "none"
    """Public spending: none, so that rebates return all revenue; law (or federal), what the law
    collects today; or money a head and year."""
    aversion: float = 1.0
    """Aversion to inequality of Atkinson welfare."""

    @classmethod
    def of_file(cls, path: Path, **choices: Any) -> Self:
        """Return the choices that an economy file says, but for those that are given.

        Raises:
            ValueError: the file is none that can be read.
        """
        return cls(**(file_defaults(cls, path) | choices))

    @property
    def source(self) -> "EconomySource":
        """What the economy is made of."""
        from experiments.economies.source import EconomySource

        return EconomySource(
            file=None if self.economy_file is None else Path(self.economy_file),
            incomes=self.incomes,
            law=self.law,
            year=self.year,
            status=self.status,
            agents=self.asked_for,
            elasticity=self.elasticity,
            spending=self.spending,
        )

    @property
    def size(self) -> int:
        """The number of workers."""
        return self.asked_for or self.source.size

    @property
    def usual(self) -> int | None:
        """The number of workers if none is given, None for every record of a data file."""
        return None if self.has_own_incomes else 10_000

    @property
    def asked_for(self) -> int | None:
        """The number of workers, None for every record of a data file."""
        return self.agents or self.usual

    @property
    def has_own_incomes(self) -> bool:
        """Whether incomes may come from data, of which the number of workers then depends."""
        return self.incomes != "acs-2023"

    @property
    def currency(self) -> "Money":
        """What money is called."""
        from experiments.economies.document import Money

        return Money() if self.economy_file is None else self.source.document.currency

    def check(self) -> None:
        """Check all that can be checked before any work.

        Raises:
            ValueError: a choice that makes no economy.
        """
        require_at_least(2, "agents", self.agents)
        if not 0 < self.elasticity <= 10:
            raise ValueError(
                f"--elasticity must be positive, 10 at most (25 % is 0.25); got {self.elasticity}."
            )
        if not 0 <= self.aversion < math.inf:
            raise ValueError(
                f"--aversion must be 0 or more (Rawls: --welfare rawlsian); got {self.aversion}."
            )
        if not isinstance(self.spending, str) and not math.isfinite(self.spending):
            raise ValueError(f"--spending is money a head; got {self.spending}.")
        names = getattr(self, "welfare", ())
        aims = [self.aim(name).welfare for name in ((names,) if isinstance(names, str) else names)]
        self.source.check(aims)

    def economy(self) -> "Economy":
        """Return the economy, as exact as JAX's default precision."""
        return self.source.economy()

    def status_quo(self) -> "BracketSchedule":
        """Return the law as it stands."""
        return self.source.schedule()

    @property
    def told(self) -> float | None:
        """The elasticity that planners may be told: None where workers have no common one."""
        plain = self.economy_file is None and not self.has_own_incomes
        return self.elasticity if plain else self.source.told

    @property
    def law_title(self) -> str:
        """The law in words for a table."""
        return "US federal" if self.law == "us_federal" else self.source.law_title

    @property
    def subsistence(self) -> float:
        """The least that a year of a language-model worker counts as, in money a year."""
        from llm_policy.workers.lived import SUBSISTENCE

        said = None if self.economy_file is None else self.source.document.welfare.subsistence
        if said is not None:
            return said
        return SUBSISTENCE if self.currency.name == "dollars" else 0.0

    def aim(self, name: str) -> "WelfareSpec":
        """Return the welfare function of a name, with the aversion that was chosen."""
        from llm_policy.prompts.welfare import welfare_aim

        return welfare_aim(name, self.aversion)

    def carried(self) -> dict[str, bytes]:
        """Return the files that a run keeps of the economy, by name: none where nothing is one."""
        from experiments.economies.kept import copies_of

        source = self.source
        return copies_of(source.file, source.files)


@dataclass(frozen=True)
class ModelConfig:
    """Which model answers, and how."""

    model: str = SHIPPED
    """Model: econjax-small, which comes with the project, runs anywhere, imitates a known
    formula and makes no claim about people; smollm2-135m, a small pretrained model that a Python
    package carries, so that no hub is needed; a GGUF file of a Llama, Mistral or Qwen2; a folder;
    or for vLLM an alias, a hub name, "tiny" (random weights, whose answers are noise), or
    "random:SHAPE", such as random:llama-3.1-8b, to measure speed without a download."""
    engine: EngineName = "auto"
    """What computes a model in this process: embedded (JAX in float32, anywhere, repeatable; reads
    econjax-small, smollm2-135m, GGUF files and folders of Llamas), or vllm (any model, GPUs).
    auto is embedded for econjax-small, else vllm if it is installed."""
    server: str | None = None
    """Ask an OpenAI-compatible server, not a model in this process: its address, such as
    http://localhost:8000/v1 (several separated by commas), or openai, openrouter, gemini or
    ollama."""
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

    def check(self) -> None:
        """Check all that can be checked before any work.

        Raises:
            ValueError: a choice that no engine can follow.
        """
        for name in ("context", "tensor_parallel"):
            require_at_least(1, name, getattr(self, name))
        if not 0 <= self.heat < math.inf:
            raise ValueError(f"--temperature must not be negative; got {self.temperature}.")

    @property
    def heat(self) -> float:
        """The temperature that texts are drawn at."""
        if self.temperature is not None:
            return self.temperature
        return 1.0 if self.model == SHIPPED and self.server is None else 0.7


@dataclass(frozen=True)
class RunConfig(EconomyConfig, ModelConfig):
    """What a run directory is made of: an economy, a model and what it may cost, seed and place."""

    mode: ModeName = "auto"
    """How workers answer: text (any hours from 0 to 100), or choice (one draw from the model's own
    probabilities of 0, 10, ... 100 hours); auto is as the model was taught, or else what a probe of
    a few questions finds right for it."""
    most_leaked: float = 0.5
    """A choice is no answer where a model gives more than this share of its probability to none of
    the options."""
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

    def check(self) -> None:
        """Check all that can be checked before any work.

        Raises:
            ValueError: a choice that makes no run.
        """
        EconomyConfig.check(self)
        ModelConfig.check(self)
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"--seed must be from 0 to {2**63 - 1}; got {self.seed}.")
        if not 0 <= self.most_leaked <= 1:
            raise ValueError(f"--most-leaked is a share from 0 to 1; got {self.most_leaked}.")
        for name in ("limit_tokens", "limit_dollars", "limit_seconds"):
            limit = getattr(self, name)
            if limit is not None and not 0 < limit < math.inf:
                raise ValueError(f"--{name.replace('_', '-')} must be positive; got {limit}.")
        if not all(0 <= price < math.inf for price in self.prices):
            raise ValueError(
                f"--prices must not be negative; got {self.prices[0]} {self.prices[1]}."
            )
        if self.limit_dollars is not None and not any(self.prices):
            raise ValueError(
                "--limit-dollars needs --prices: dollars per million tokens read and per million "
                "written."
            )

    @property
    def asks_a_model(self) -> bool:
        """Whether anyone in the run is a language model."""
        return True

    def models(self) -> tuple[AskedModel, ...]:
        """Return the models that the run asks, each of them once."""
        return (AskedModel(self.model, self.server),) if self.asks_a_model else ()

    def limits(self) -> dict[str, Any]:
        """Return what the run may cost, ready for JSON."""
        return {name: getattr(self, name) for name in LIMITS}

    def of_run(self, path: Path) -> Self:
        """Return the choices with what a run kept in its directory in place of its sources."""
        kept = path / KEPT_ECONOMY
        return dataclasses.replace(self, economy_file=kept) if kept.is_file() else self

    def scored(self, score: tuple[str, ...]) -> Self:
        """Return the choices with other welfare functions to score the run under.

        Raises:
            ValueError: there are some, and this kind of run is not scored.
        """
        if score:
            raise ValueError(
                "--score is for simulations: a comparison runs once per welfare function."
            )
        return self

    def tolerant(self) -> Self:
        """Return the choices without a limit on unreadable answers: a finished run has met it."""
        return self

    def asdict(self) -> dict:
        """Return the choices that figures depend on, ready for JSON."""
        file = self.economy_file
        choices = dataclasses.asdict(self) | {
            "agents": self.asked_for,
            "economy_file": None if file is None else str(file),
        }
        return {name: value for name, value in choices.items() if name not in NO_MATTER}

    @classmethod
    def fromdict(cls, choices: dict[str, Any]) -> Self:
        """Return the configuration that `asdict` described.

        Raises:
            ValueError: it was written by a version with other choices.
        """
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in choices.items()
        }
        if (file := values.get("economy_file")) is not None:
            values["economy_file"] = Path(file)
        try:
            return cls(**values)
        except TypeError as error:
            raise ValueError(
                f"The manifest was written by another version of econjax: {error}."
            ) from error


KEPT_ECONOMY = Path("economy", "economy.toml")
"""Where a run directory keeps its economy file."""
LIMITS = ("limit_tokens", "limit_dollars", "limit_seconds", "prices")
SERVERS = ("server", "planner_server", "worker_server")
NO_MATTER = ("name", "runs", "json", *SERVERS, *LIMITS)
"""A run's place, how it is printed, what it may cost, and addresses, maybe with a password."""


def require_at_least(least: int, name: str, value: int | None) -> None:
    """Check a whole number that may be left out."""
    if value is not None and value < least:
        raise ValueError(f"--{name.replace('_', '-')} must be at least {least}; got {value}.")


def require_some(name: str, chosen: Sequence[str], options: Sequence[str]) -> None:
    """Check that some of the options were chosen, each once."""
    if not chosen or len(set(chosen)) < len(chosen) or not set(chosen) <= set(options):
        wanted = ", ".join(options)
        raise ValueError(
            f"--{name} takes some of {wanted}, each once; got {' '.join(chosen) or 'none'}."
        )
