"""Who plays in a comparison: the engines that plan, and crews of workers for each that works."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from jaxtyping import Array, Key

from econjax import BracketSchedule, Economy
from experiments.compare.config import CompareConfig
from experiments.core.config import FORMULA
from experiments.core.modes import mode_for
from experiments.core.workforce import Workforce, workforce_of
from experiments.report.disclosure import nature
from experiments.validity.cards import AskedWorkers, asked_workers
from experiments.validity.certificates import SavedCertificate
from experiments.validity.checks import check_certificates
from llm_policy.archetypes.society import Archetypes
from llm_policy.audit.probe import probe_planner, probe_workers
from llm_policy.engines.base import Engine
from llm_policy.engines.wrappers.tally import Tallied, Tally
from llm_policy.personas.draw import describe, draw_personas
from llm_policy.planners.choice import ChoicePlanner
from llm_policy.prompts.planner import PlannerStyle
from llm_policy.prompts.workers import Mode, Style
from llm_policy.workers.llm import LLMWorkers


@dataclass(frozen=True)
class Players:
    """Who answers: the engines that plan, in one table, and those that work, in tables each.

    None among the workers is the formula that econjax-small was taught, with no model in between.
    """

    planners: tuple[Engine, ...] = ()
    workers: tuple[Engine | None, ...] = ()


class Crew(NamedTuple):
    """Who works, if not the rational: with the words for a title, and the model's name.

    `card` says who they are where they answer as language models do.
    """

    workforce: Workforce | None = None
    words: str = ""
    model: str | None = None
    card: AskedWorkers | None = None

    @property
    def archetypes(self) -> Archetypes | None:
        """Those whom all workers are drawn from, if they are."""
        return self.workforce and self.workforce.archetypes


def cast_of(config: CompareConfig, players: Players | Engine | None, tally: Tally) -> Players:
    """Return who plays, one engine at least for each part that a model has; all are counted.

    Raises:
        ValueError: there is no engine for a part.
    """
    if not isinstance(players, Players):
        engines = () if players is None else (players,)
        players = Players(engines, engines)
    if (config.model_plans and not players.planners) or (
        config.models_work and not players.workers
    ):
        raise ValueError("Language models take part and there is no engine to ask.")
    return Players(
        tuple(Tallied(engine, tally) for engine in players.planners),
        tuple(engine and Tallied(engine, tally) for engine in players.workers),
    )


def check_crews(config: CompareConfig, players: Players) -> None:
    """Check that corrections and certificates are of models that work here, and of hours on offer.

    Raises:
        Mistake: one is not.
    """
    if config.models_work:
        who = [None if engine is None else engine.describe() for engine in players.workers]
        check_certificates(config, who, config.among("llm").economy())


def modes_of(
    config: CompareConfig, cast: Players, law: BracketSchedule, key: Key[Array, ""]
) -> dict[str, Mode]:
    """Return in which mode those answer who are language models, workers and planner."""
    goal, modes = config.aim(config.welfare[0]).words, {}
    if config.models_work and (config.archetypes or config.kinds != config.plain):
        modes["workers"] = "choice"
    elif config.models_work:
        economy = config.among("llm").economy()
        texts = describe(draw_personas(key, economy.population))
        works = [engine for engine in cast.workers if engine is not None]
        modes["workers"] = mode_for(
            "workers",
            config.mode,
            works,
            lambda engine: probe_workers(
                LLMWorkers(
                    engine,
                    economy,
                    texts,
                    style=Style(mode="choice", statuses=config.statuses),
                    fixed=config.fixed_hours(economy),
                ),
                law,
            ),
            most_leaked=config.most_leaked,
        )
    if config.model_plans:
        modes["planner"] = mode_for(
            "planner",
            config.mode,
            cast.planners,
            lambda engine: probe_planner(
                ChoicePlanner(engine, law, goal=goal, style=PlannerStyle(statuses=config.statuses))
            ),
            most_leaked=config.most_leaked,
        )
    return modes


def crews_of(
    config: CompareConfig,
    economy: Economy,
    cast: Players,
    asked: Mapping[str, Mode],
    key: Key[Array, ""],
    tally: Tally,
) -> list[Crew]:
    """Return the crews of workers of the kind that `config` names: the same people, each model."""
    [kind] = config.workers
    if kind == "rational":
        return [Crew()]
    corrected, crews = config.correction_of(kind), []
    options: dict[str, Any] = {
        "tally": tally,
        "mode": asked["workers"],
        "most_leaked": config.most_leaked,
        "correction": corrected and corrected.as_correction(),
    }
    for engine in _who_works(corrected, cast.workers):
        words, model, described = "workers of the formula", FORMULA, None
        if engine is not None:
            described = engine.describe()
            words, model = nature(described, asked).workers, described.model
            words = with_model(words, model, cast.workers)
        words += f", corrected by {corrected.of.name}" if corrected else ""
        card = asked_workers(described, asked["workers"], corrected)
        workforce = workforce_of(config, economy, engine, key, **options)
        crews.append(Crew(workforce, words, model, card))
    return crews


def _who_works(
    corrected: SavedCertificate | None, engines: Sequence[Engine | None]
) -> Sequence[Engine | None]:
    """Return the engines that answer for workers of a kind: of corrected ones, their model's."""
    if corrected is None:
        return engines
    models = [FORMULA if engine is None else engine.describe().model for engine in engines]
    return [engines[models.index(corrected.of.worker_model)]]


def with_model(words: str, model: str, engines: Sequence[Engine | None]) -> str:
    """Return the words with the model's name where there are several."""
    return f"{words}: {model}" if len(engines) > 1 else words
