"""The choices of commands in which few language models stand for many workers."""

from dataclasses import dataclass

from experiments.core.checks import require_at_least
from experiments.core.choices import ModeName
from experiments.core.config import RunConfig

LEAST_ARCHETYPES = 16


@dataclass(frozen=True)
class WorkforceConfig(RunConfig):
    """A run whose language models who work are asked one by one, or stand for many others."""

    archetypes: int | None = None
    """Ask at most so many language models a step, and draw the hours of all workers from theirs,
    however many there are: archetypes for cells of like personas, at skills where interpolation
    between them would err most. If not given, every worker is asked."""
    archetype_error: float = 0.0
    """Jensen-Shannon divergence, in bits, that interpolation between two skills may err by before
    another archetype is put between them, as long as there may be more; 0: as many as may be."""

    def answering(self, workers: int) -> int:
        """Return how many models are asked in a step of so many workers, at most."""
        return self.archetypes or workers

    def notes(self) -> tuple[str, ...]:
        """Return what tables say of people in groups, and of who stood for all workers."""
        if self.archetypes is None:
            return super().notes()
        return (
            *super().notes(),
            f"Workers' hours were drawn from those of {self.archetypes:,} archetypes at most: "
            "econjax compare --archetypes says what these err by.",
        )

    def check_archetypes(self, agents: int | None, mode: ModeName, *, models_work: bool) -> None:
        """Refuse archetypes who stand for nobody, or write.

        Raises:
            ValueError: so they do.
        """
        if not 0 <= self.archetype_error <= 1:
            raise ValueError(f"--archetype-error is from 0 to 1 bit; got {self.archetype_error}.")
        if self.archetypes is None:
            return
        require_at_least(LEAST_ARCHETYPES, "archetypes", self.archetypes)
        if not models_work:
            raise ValueError("--archetypes stand for language models: give --workers llm.")
        if mode == "text":
            raise ValueError("Archetypes choose among hours: give --archetypes with --mode choice.")
        if agents is None or agents <= self.archetypes:
            raise ValueError(
                f"{self.archetypes:,} archetypes stand for more workers than that; of "
                f"{agents or 'so few'} --agents ask each: leave out --archetypes."
            )
