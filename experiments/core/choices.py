"""What the choices of a run are to whoever begins, finishes or repeats it, whatever its command."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, TypeVar

if TYPE_CHECKING:
    from llm_policy.engines.wrappers.currency import Currency

EngineName = Literal["auto", "embedded", "vllm"]
ModeName = Literal["auto", "text", "choice"]


class AskedModel(NamedTuple):
    """A model that a run asks, and the server that answers for it, if one does."""

    model: str
    server: str | None


class EngineOptions(NamedTuple):
    """What an engine is started with: see `start_engine`."""

    model: str
    server: str | None
    temperature: float
    context: int
    engine: EngineName = "auto"
    seed: int = 0
    quantization: str | None = None
    tensor_parallel: int = 1
    key_variable: str | None = None
    greet: ModeName | None = None


class EngineOrder(NamedTuple):
    """An engine to start, about how many questions it is asked, and the prices of its tokens.

    None where nobody knows how many, or that prices may be said.
    """

    options: EngineOptions
    questions: int | None
    prices: tuple[float, float] | None


class CommandChoices:
    """The choices of a command. What each of their classes has to check is its `_check`."""

    def check(self) -> None:
        """Check all that can be checked before any work, base classes first.

        Raises:
            ValueError: a choice that makes no sense, or does not go with the others.
        """
        for kind in reversed(type(self).__mro__):
            if "_check" in vars(kind):
                kind._check(self)


class RunChoices(CommandChoices):
    """The choices of a run, by whatever command: of one that asks no model unless said otherwise.

    They are frozen, and hold all that the run's figures depend on.
    """

    name: str | None = None
    runs: Path = Path("runs")
    json: bool = False

    def models(self) -> tuple[AskedModel, ...]:
        """Return the models that the run asks, each of them once."""
        return ()

    def orders(self) -> list[EngineOrder]:
        """Return the engine to start for each model."""
        return []

    def limits(self) -> dict[str, Any]:
        """Return what the run may cost, ready for JSON."""
        return {}

    def servers(self) -> list[str]:
        """Return the names of the choices that say servers and their keys, where some are said."""
        return []

    def currency_of_prompts(self) -> "Currency | None":
        """Return the currency that prompts speak of, None for dollars."""
        return None

    def words(self) -> Mapping[str, str]:
        """Return what stands for words of tables, such as the sign of another currency."""
        return {}

    def columns(self) -> dict[str, Any]:
        """Return what every row of the metrics says of the run, by column."""
        return {}

    def carried(self) -> dict[str, bytes]:
        """Return the files that the run keeps of what it was given, by name."""
        return {}

    def of_run(self, path: Path) -> Self:
        """Return the choices with what a run kept in its directory in place of its sources."""
        return self

    def tolerant(self) -> Self:
        """Return the choices without limits: a finished run has met those that it had."""
        return self

    def scored(self, score: tuple[str, ...]) -> Self:
        """Return the choices with other welfare functions to score the run under.

        Raises:
            ValueError: there are some, and this kind of run is not scored.
        """
        if score:
            raise ValueError(
                "--score is for simulations: other runs are of the functions under --welfare, or "
                'under "welfare.functions" of a file.'
            )
        return self

    def asdict(self) -> dict[str, Any]:
        """Return the choices that figures depend on, ready for JSON."""
        raise NotImplementedError

    @classmethod
    def fromdict(cls, choices: dict[str, Any]) -> Self:
        """Return the choices that `asdict` described.

        Raises:
            ValueError: the manifest holds others.
        """
        return as_typed(cls, choices, "The manifest")


_Typed = TypeVar("_Typed")


def as_typed(kind: type[_Typed], values: Any, where: str) -> _Typed:
    """Return values, as JSON has them, as a dataclass or another type that they must be of.

    Raises:
        ValueError: one is of another type or not among the choices.
    """
    import msgspec

    try:
        return msgspec.convert(values, kind, dec_hook=lambda known, value: known(value))
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at ")
        at = f", at {place.strip('`').removeprefix('$.')}" if place else ""
        raise ValueError(
            f"{where} does not hold what a run writes: {what}{at}. Mend it."
        ) from error
