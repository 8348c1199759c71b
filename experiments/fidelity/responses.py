"""How the small model's workers, beside its formula's, react to taxes and to personas."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from econjax import Atkinson, BracketSchedule, us_federal
from econjax.population import REFERENCE_HOURS
from experiments.core.economy import EconomyConfig
from experiments.fidelity.answers import Asked
from experiments.report.intervals import Measured, mean_of, quantiles
from llm_policy.answers.choice_sets import probabilities
from llm_policy.answers.reading import HOURS
from llm_policy.engines.base import Engine
from llm_policy.formula import workers as formula
from llm_policy.personas.draw import Personas, describe, draw_personas
from llm_policy.prompts.disutility import price_of_an_hour
from llm_policy.prompts.workers import Situation, Style
from llm_policy.workers.llm import LLMWorkers
from llm_policy.workers.society import Society, State

POINTS = 0.05
"""By how much all rates are moved up and down."""


@dataclass(frozen=True)
class Setting:
    """A law and how elastic its workers are told to be, the same federal brackets in every law."""

    name: str
    elasticity: float
    rate: float | None = None
    """The same rate in all brackets; None: the federal ones."""

    @property
    def law(self) -> BracketSchedule:
        """The law, with the brackets of 2024."""
        law = us_federal(2024, "single")
        return (
            law
            if self.rate is None
            else BracketSchedule(law.thresholds, [self.rate] * len(law.rates))
        )


SETTINGS = (
    Setting("US federal, 0.25", 0.25),
    Setting("US federal, 0.5", 0.5),
    Setting("flat 30 %, 0.25", 0.25, rate=0.3),
)


@dataclass(frozen=True)
class Responsiveness:
    """The elasticity of aggregate income in the net-of-tax rate, by a paired perturbation.

    All rates move up and down by `POINTS`; each worker's income is the expectation over its chances
    of hours, so that nothing is drawn. The elasticity is the log change of aggregate income over
    the mean log change of the net-of-tax rate at incomes of 40 hours, weighted by these. `ratio` is
    the model's over the formula's. Intervals are bootstraps over workers, the same ones for both.
    `hours` are the mean of both laws.
    """

    setting: str
    workers: int
    elasticity: Measured
    formula: Measured
    ratio: Measured
    hours: float
    formula_hours: float


@dataclass(frozen=True)
class PersonaEffect:
    """What a change of all personas does to the chances of hours.

    `distance` and `formula` are mean total variations between before and after. `slope` and
    `correlation` are those of the model's changes on the formula's, over workers and hours; None
    where the formula sees none.
    """

    changed: str
    workers: int
    distance: Measured
    formula: float
    slope: float | None
    correlation: float | None


class World(NamedTuple):
    """Workers who have lived 40 hours under a law, and what their formula knows of them."""

    workers: LLMWorkers
    personas: Personas
    endowment: formula.Endowment
    state: State
    law: BracketSchedule


def populate(engine: Engine, setting: Setting, *, agents: int, seed: int) -> World:
    """Return workers of the default economy as a comparison draws them."""
    economy = EconomyConfig(agents=agents, elasticity=setting.elasticity).economy()
    personas = draw_personas(jax.random.key(seed), economy.population)
    workers = LLMWorkers(engine, economy, describe(personas), style=Style(mode="choice"))
    skill = np.asarray(economy.population.skill, float)
    endowment = formula.Endowment(skill, price_of_an_hour(economy), np.zeros_like(skill))
    state = Society(workers, Atkinson(1.0)).begin(setting.law)
    return World(workers, personas, endowment, state, setting.law)


def first_step(world: World, law: BracketSchedule, personas: Personas | None = None) -> Asked:
    """Return a year's first question under `law`, to these workers or others of the same means."""
    workers, who = world.workers, world.personas if personas is None else personas
    if personas is not None:
        workers = LLMWorkers(workers.engine, workers.economy, describe(who), style=workers.style)
    memory, situation = world.state.memory, Situation(law, 1, {}, world.state.rebate, "explore")
    told = formula.hours_probabilities(
        world.endowment, formula.of_personas(who), law, memory, "explore"
    )
    return Asked(workers.prompts(situation, memory), told)


def responsiveness(engine: Engine, setting: Setting, *, agents: int, seed: int) -> Responsiveness:
    """Measure one population's elasticity, and its formula's.

    Raises:
        EngineError: the engine cannot answer.
    """
    world = populate(engine, setting, agents=agents, seed=seed)
    laws = [BracketSchedule(world.law.thresholds, world.law.rates + by) for by in (-POINTS, POINTS)]
    asked = [first_step(world, law) for law in laws]
    hours = {
        "model": [_heard(world, some) @ np.array(HOURS, float) for some in asked],
        "formula": [some.probabilities @ np.array(HOURS, float) for some in asked],
    }
    weight, income = (
        np.asarray(world.workers.economy.population.weight, float),
        REFERENCE_HOURS * world.endowment.skill,
    )
    base = weight * income
    kept = [np.log(1 - np.asarray(law.marginal_rate(jnp.asarray(income)), float)) for law in laws]
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(agents, np.full(agents, 1 / agents), size=_DRAWS)
    counts = np.concatenate([np.ones((1, agents), int), draws])
    found = {
        who: np.log(counts @ (base * high) / (counts @ (base * low)))
        / (counts @ (base * (kept[1] - kept[0])) / (counts @ base))
        for who, (low, high) in hours.items()
    }
    return Responsiveness(
        setting.name,
        agents,
        elasticity=_bootstrapped(found["model"]),
        formula=_bootstrapped(found["formula"]),
        ratio=_bootstrapped(found["model"] / found["formula"]),
        hours=float(np.mean(hours["model"])),
        formula_hours=float(np.mean(hours["formula"])),
    )


def persona_effects(engine: Engine, *, agents: int, seed: int) -> tuple[PersonaEffect, ...]:
    """Measure what each of `CHANGES` does under the federal law, to the model and to its formula.

    Raises:
        EngineError: the engine cannot answer.
    """
    world = populate(engine, SETTINGS[0], agents=agents, seed=seed)
    before = first_step(world, world.law)
    heard = _heard(world, before)
    effects = []
    for name, change in CHANGES.items():
        after = first_step(world, world.law, change(world.personas))
        model, told = _heard(world, after) - heard, after.probabilities - before.probabilities
        said, same, own = (told**2).sum(), (model * told).sum(), (model**2).sum()
        effects.append(
            PersonaEffect(
                name,
                agents,
                distance=mean_of(_total_variation(model)),
                formula=float(_total_variation(told).mean()),
                slope=float(same / said) if said else None,
                correlation=float(same / np.sqrt(said * own)) if said and own else None,
            )
        )
    return tuple(effects)


def _strangers(personas: Personas) -> Personas:
    """Return the same attitudes and usual hours in other lives."""
    other = np.random.default_rng(0).permutation(len(personas))
    fields = ("occupation", "woman", "age", "education", "state")
    return replace(personas, **{name: getattr(personas, name)[other] for name in fields})


def _at(**values: int) -> Callable[[Personas], Personas]:
    def change(personas: Personas) -> Personas:
        more: dict[str, Any] = {
            name: np.full_like(getattr(personas, name), value) for name, value in values.items()
        }
        return replace(personas, **more)

    return change


CHANGES: dict[str, Callable[[Personas], Personas]] = {
    "usual hours: 40": _at(hours=40),
    "taxes: about right": _at(tax_attitude=2),
    "risks: those that pay": _at(risk=2),
    "all three: a neutral person": _at(hours=40, tax_attitude=2, risk=2),
    "another life, same attitudes": _strangers,
}
"""Personas exchanged; the last change is of what the formula does not look at."""
_DRAWS = 1000


def _heard(world: World, asked: Asked) -> Float[np.ndarray, "agents options"]:
    workers = world.workers
    return probabilities(workers.engine, asked.prompts, workers.choice_set, workers.asked)[0]


def _total_variation(change: Float[np.ndarray, "agents options"]) -> Float[np.ndarray, " agents"]:
    return np.abs(change).sum(axis=1) / 2


def _bootstrapped(values: Float[np.ndarray, " draws+1"]) -> Measured:
    """Return the first value with the middle 95 % of the others."""
    return quantiles(float(values[0]), values[1:])
