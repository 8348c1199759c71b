"""The workers of an economy as language models, each with a persona of their own."""

from typing import Any

import numpy as np
from jaxtyping import Array, Key

from econjax import Economy
from llm_policy.answers.elicitation import MOST_LEAKED
from llm_policy.archetypes.crowd import PeopledEconomy
from llm_policy.archetypes.society import MakeWorkers
from llm_policy.engines.base import Engine
from llm_policy.engines.wrappers.tally import Tally
from llm_policy.formula.policy import taught_workers
from llm_policy.moments.correction import Correction
from llm_policy.personas.draw import Personas, describe, draw_personas
from llm_policy.prompts.workers import Mode, Style
from llm_policy.surrogate.recording import RecordedWorkers, person_features


def people(
    economy: Economy, engine: Engine | None, key: Key[Array, ""], **options: Any
) -> RecordedWorkers:
    """Return language models as the workers of an economy, each with a persona drawn with the key.

    `options` are those of `models_of`.
    """
    return models_of(economy, draw_personas(key, economy.population), engine, **options)


def makes_models(engine: Engine | None, **options: Any) -> MakeWorkers:
    """Return what makes language models who choose of people, as archetypes are made.

    `options` are those of `models_of`, but for hours that are fixed.
    """

    def make(some: PeopledEconomy) -> RecordedWorkers:
        return models_of(some.economy, some.personas, engine, fixed=some.fixed, **options)

    return make


def models_of(
    economy: Economy,
    personas: Personas,
    engine: Engine | None,
    *,
    tally: Tally | None = None,
    mode: Mode = "choice",
    most_leaked: float = MOST_LEAKED,
    statuses: tuple[str, ...] = (),
    fixed: np.ndarray | None = None,
    correction: Correction | None = None,
) -> RecordedWorkers:
    """Return language models as the workers of an economy, who are these people.

    They are recorded. Without an engine they are the formula itself, whose answers count in
    `tally`. `statuses` are the names of their groups, and nobody is asked who has `fixed` hours,
    not NaN. A `correction` tilts their chances of hours.

    Raises:
        ValueError: a correction of texts, whose chances are not known.
    """
    if correction is not None and mode == "text":
        raise ValueError(
            "A correction tilts known chances of the hours on offer, and of hours in a text none "
            "are known: ask in choice mode."
        )
    options: dict[str, Any] = {"style": Style(mode=mode, statuses=statuses), "fixed": fixed}
    if engine is None:
        return taught_workers(economy, personas, tally=tally, correction=correction, **options)
    return RecordedWorkers(
        engine,
        economy,
        describe(personas),
        person=person_features(personas),
        most_leaked=most_leaked,
        correction=correction,
        **options,
    )
