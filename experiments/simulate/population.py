"""Who the workers of a simulation are: an economy, personas, and language models that play them."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Key

from econjax import Economy, Population
from experiments.simulate.config import SimulateConfig
from llm_policy.engines.base import Engine, Unread
from llm_policy.engines.wrappers.currency import rename
from llm_policy.engines.wrappers.tally import Tally
from llm_policy.formula.policy import FormulaWorkers
from llm_policy.personas.draw import draw_personas
from llm_policy.personas.files import load_personas
from llm_policy.personas.text import (
    ATTEMPTS,
    People,
    roles,
    templated,
    traits,
    writing_prompts,
    written,
)
from llm_policy.prompts.objectives import Objective, mix
from llm_policy.workers.best import BestWorkers
from llm_policy.workers.habits import AdaptingWorkers, FollowingWorkers, leaders
from llm_policy.workers.llm import LLMWorkers, SkilledWorkers

_FIXED_HOURS = (40, 60)


class Cast(NamedTuple):
    """Who chooses hours, and all workers as they live: with habits, and who follows whom."""

    choosing: SkilledWorkers
    living: SkilledWorkers


def cast_people(
    config: SimulateConfig, economy: Economy, engine: Engine | None, key: Key[Array, ""]
) -> People | None:
    """Return one person per worker, or None where workers have no personas.

    Texts state amounts in the economy's currency.

    Raises:
        ValueError: a saved population does not fit the economy.
        EngineError: the engine that writes personas cannot answer.
    """
    if config.scenario == "rational" or config.workers == "rational":
        return None
    people = _people(config, economy.population, engine, key)
    currency = config.currency_of_prompts()
    if currency is None:
        return people
    return replace(people, texts=tuple(rename(text, currency) for text in people.texts))


def _people(
    config: SimulateConfig, population: Population, engine: Engine | None, key: Key[Array, ""]
) -> People:
    if config.population is not None:
        return load_personas(Path(config.population), population)
    if config.people == "roles":
        return roles(key, population.agents)
    if config.people == "traits":
        return traits(key, population)
    personas = draw_personas(key, population)
    if config.people == "template":
        return templated(personas)
    assert engine is not None, "a language model writes them"
    people = written(engine, personas)
    unread = 1 - people.written.mean()
    if unread > config.most_unread:
        facts = [text for text, own in zip(people.texts, people.written, strict=True) if not own]
        raise Unread(
            f"{unread:.0%} of the personas that the model wrote cannot be used (at most "
            f"{config.most_unread:.0%}): use another model, or --people template.",
            writing_prompts(facts),
            ATTEMPTS,
        )
    return people


def cast_all(
    config: SimulateConfig,
    economy: Economy,
    people: People | None,
    engine: Engine | None,
    keys: tuple[Key[Array, ""], Key[Array, ""]],
    *,
    tally: Tally,
) -> Cast:
    """Return the workers that `config` asks for: who chooses, and how all live by that.

    `keys` are those of people and of aims; the formula's answers count in `tally`.
    """
    people_key, key = keys
    own = own_hours(config, economy, key)
    leader = np.arange(economy.population.agents)
    if config.stand_for > 1:
        leader = leaders(np.asarray(economy.population.skill, float), config.stand_for, own)
    if config.workers == "rational":
        choosing: SkilledWorkers = BestWorkers(economy, fixed=own)
    else:
        fixed = np.full(len(leader), np.nan) if own is None else own
        fixed = np.where(leader == np.arange(len(leader)), fixed, _FOLLOWS)
        if config.workers == "formula":
            personas, style = draw_personas(people_key, economy.population), config.style()
            choosing = FormulaWorkers(economy, personas, tally=tally, style=style, fixed=fixed)
        else:
            assert engine is not None, "a language model works"
            choosing = cast_models(config, economy, people, engine, key, fixed=fixed)
    living = choosing if config.stand_for == 1 else FollowingWorkers(choosing, leader)
    if config.adapt < 1:
        living = AdaptingWorkers(living, config.adapt, fixed=own)
    return Cast(choosing, living)


def own_hours(
    config: SimulateConfig, economy: Economy, key: Key[Array, ""]
) -> Float[np.ndarray, " agents"] | None:
    """Return the hours of those who do not choose any, NaN of the others; None: all choose.

    With `one_model` that are all but one worker of middle skill.
    """
    if not config.one_model:
        return config.fixed_hours(economy)
    agents, (low, high) = economy.population.agents, _FIXED_HOURS
    drawn = jax.random.randint(jax.random.split(key)[1], (agents,), low, high + 1)
    hours = np.asarray(drawn, float)
    hours[agents // 2] = np.nan
    return hours


def cast_models(
    config: SimulateConfig,
    economy: Economy,
    people: People | None,
    engine: Engine,
    key: Key[Array, ""],
    **options: Any,
) -> LLMWorkers:
    """Return language models as the workers, with the aims that `config` asks for.

    `options` are further ones of `LLMWorkers`.
    """
    mix_key, _ = jax.random.split(key)
    others = config.altruistic + config.adversarial
    shares: dict[Objective, float] = {
        "egotistical": 1 - others,
        "altruistic": config.altruistic,
        "adversarial": config.adversarial,
    }
    return LLMWorkers(
        engine,
        economy,
        None if people is None else people.texts,
        scenario="rational" if people is None else "bounded",
        style=config.style(),
        aims=mix(mix_key, economy.population.agents, shares),
        welfare=config.aim(config.welfare).definition,
        asks_satisfaction=people is not None,
        most_unread=config.most_unread,
        most_leaked=config.most_leaked,
        **options,
    )


_FOLLOWS = 0.0
"""Hours that stand for those of a worker for whom another one decides."""
