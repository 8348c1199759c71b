"""The choices of commands in which few language models stand for many workers."""

from dataclasses import dataclass

from experiments.core.checks import require_at_least
from experiments.core.choices import ModeName

LEAST_ARCHETYPES, LEAST_AUDITED = 16, 32


@dataclass(frozen=True)
class ArchetypeChoices:
    """Whether workers are asked one by one, or drawn from archetypes, and how those are checked."""

    archetypes: int | None = None
    """Ask at most so many language models a step, and draw the hours of all workers from theirs,
    however many there are: archetypes for cells of like personas, at skills where interpolation
    between them would err most. If not given, every worker is asked."""
    archetype_error: float = 0.002
    """Jensen-Shannon divergence, in bits, that interpolation between two skills may err by before
    another archetype is put between them, as long as there may be more."""
    audited: int = 200
    """Workers asked one by one, beside the archetypes, under the best schedule of a table: what
    archetypes err by, with intervals. 0: nobody."""

    def check_archetypes(self, agents: int | None, mode: ModeName, *, models_work: bool) -> None:
        """Refuse archetypes who stand for nobody, or write.

        Raises:
            ValueError: so they do.
        """
        if not 0 <= self.archetype_error <= 1:
            raise ValueError(f"--archetype-error is from 0 to 1 bit; got {self.archetype_error}.")
        if self.audited:
            require_at_least(LEAST_AUDITED, "audited", self.audited)
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
