"""The language models who work in a command: asked one by one, or drawn from archetypes."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Array, Key

from econjax import Economy
from econjax.welfare import AbstractWelfare
from experiments.core.archetypes import WorkforceConfig
from llm_policy.archetypes.crowd import crowd_of
from llm_policy.archetypes.society import Archetypes, ArchetypeSociety, archetypes_of
from llm_policy.engines.base import Engine
from llm_policy.people import makes_models, people
from llm_policy.surrogate.recording import RecordedWorkers
from llm_policy.workers.society import Society


@dataclass(frozen=True)
class Workforce:
    """The `workers` who are asked, and what stands for all others if those are `archetypes`."""

    workers: RecordedWorkers
    archetypes: Archetypes | None = None

    def society(
        self, welfare: AbstractWelfare, subsistence: float | None
    ) -> Society | ArchetypeSociety:
        """Return all who work, as they live tax years.

        Raises:
            ValueError: what `Society` raises.
        """
        if self.archetypes is None:
            return Society(self.workers, welfare, subsistence=subsistence)
        return ArchetypeSociety(self.archetypes, welfare, subsistence=subsistence)


def workforce_of(
    config: WorkforceConfig,
    economy: Economy,
    engine: Engine | None,
    key: Key[Array, ""],
    **options: Any,
) -> Workforce:
    """Return the language models who work in an economy, each with a persona drawn with the key.

    Without an engine they are the formula. `options` are those of `models_of`. Archetypes are
    chosen under the law.

    Raises:
        EngineError: too many answers could not be read, or the engine cannot answer.
    """
    fixed = config.fixed_hours(economy)
    options = {"statuses": config.statuses} | options
    if config.archetypes is None:
        return Workforce(people(economy, engine, key, fixed=fixed, **options))
    few = archetypes_of(
        crowd_of(key, economy, fixed),
        makes_models(engine, **options),
        config.status_quo(),
        most=config.archetypes,
        tolerance=config.archetype_error,
    )
    return Workforce(few.workers, few)
