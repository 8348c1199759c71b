"""Who the workers of a simulation are: an economy, personas, and language models that play them."""

from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Array, Float, Key

from econjax import Economy, Population
from experiments.simulate.config import SimulateConfig
from llm_policy.engines.base import Engine, Unread
from llm_policy.engines.wrappers.currency import rename
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
from llm_policy.workers.llm import LLMWorkers

_FIXED_HOURS = (40, 60)


def cast_people(
    config: SimulateConfig, economy: Economy, engine: Engine, key: Key[Array, ""]
) -> People | None:
    """Return one person per worker, or None where workers have no personas.

    Texts state amounts in the economy's currency.

    Raises:
        ValueError: a saved population does not fit the economy.
        EngineError: the engine that writes personas cannot answer.
    """
    if config.scenario == "rational":
        return None
    people = _people(config, economy.population, engine, key)
    currency = config.currency_of_prompts()
    if currency is None:
        return people
    return replace(people, texts=tuple(rename(text, currency) for text in people.texts))


def _people(
    config: SimulateConfig, population: Population, engine: Engine, key: Key[Array, ""]
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


def cast_workers(
    config: SimulateConfig,
    economy: Economy,
    people: People | None,
    engine: Engine,
    key: Key[Array, ""],
) -> LLMWorkers:
    """Return the workers, with the aims and the fixed hours that `config` asks for."""
    mix_key, hours_key = jax.random.split(key)
    agents = economy.population.agents
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
        aims=mix(mix_key, agents, shares),
        welfare=config.aim(config.welfare).definition,
        asks_satisfaction=people is not None,
        fixed=_fixed_hours(hours_key, agents) if config.one_model else config.fixed_hours(economy),
        most_unread=config.most_unread,
        most_leaked=config.most_leaked,
    )


def _fixed_hours(key: Key[Array, ""], agents: int) -> Float[np.ndarray, " agents"]:
    """Return hours for all but one worker of middle skill, who is left to the model."""
    low, high = _FIXED_HOURS
    hours = np.asarray(jax.random.randint(key, (agents,), low, high + 1), float)
    hours[agents // 2] = np.nan
    return hours
