"""Lives to learn from: crowds of many skills live for some steps under many laws."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float, Int

from econjax import BracketSchedule, Economy, Isoelastic, Population, Quasilinear
from econjax.population import REFERENCE_HOURS
from econjax.preferences import AbstractPreferences
from experiments.training.examples import (
    draw_law,
)
from llm_policy.answers.reading import HOURS
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.formula import workers as formula
from llm_policy.memory.workers import Memory, Records, nothing, remember
from llm_policy.personas.draw import Personas, describe, draw_personas
from llm_policy.personas.roles import ROLES
from llm_policy.personas.text import traits
from llm_policy.prompts.disutility import price_of_an_hour
from llm_policy.prompts.objectives import mix
from llm_policy.prompts.segments import WorkerLines
from llm_policy.prompts.welfare import WELFARE
from llm_policy.prompts.workers import (
    Mode,
    Phase,
    Situation,
    Style,
)
from llm_policy.workers.llm import LLMWorkers

GROUP = 8
"""Workers who are asked together."""
CROWD = 1024
"""Workers who are drawn together."""
HELD_OUT_OCCUPATIONS = 10
"""Of so many occupations one is in no example."""


class Crowd(NamedTuple):
    """Workers, what their formula knows of them, and their order, in which groups are taken."""

    workers: LLMWorkers
    endowment: formula.Endowment
    attitudes: formula.Attitudes


def draw_crowd(rng: np.random.Generator, *, held_out: bool = False) -> Crowd:
    """Return workers of many skills, efforts and people; `held_out` ones in unseen occupations."""
    draw = rng.random(3)
    rational, satisfaction = bool(draw[0] < 0.08), bool(draw[1] < 0.3)
    economy = _draw_economy(rng, in_dollars=rational or draw[2] < 0.85)
    key = jax.random.key(int(rng.integers(2**31)))
    texts, attitudes = (
        (None, formula.neutral(CROWD)) if rational else _draw_people(rng, key, economy, held_out)
    )
    selfish = 0.9 if rng.random() < 0.3 else 1.0
    others = (1 - selfish) / 2
    aims = mix(key, CROWD, {"egotistical": selfish, "altruistic": others, "adversarial": others})
    goal = list(WELFARE.values())[int(rng.integers(len(WELFARE)))]
    workers = LLMWorkers(
        ScriptedEngine(lambda prompt: ""),
        economy,
        texts,
        scenario="rational" if rational else "bounded",
        style=Style(mode="choice"),
        aims=aims,
        welfare=goal.definition,
        asks_satisfaction=satisfaction,
    )
    fixed = economy.population.fixed_cost
    endowment = formula.Endowment(
        np.asarray(economy.population.skill, float),
        price_of_an_hour(economy),
        np.zeros(CROWD) if fixed is None else np.asarray(fixed, float),
    )
    return Crowd(workers, endowment, formula.with_aims(attitudes, aims))


def draw_lives(
    rng: np.random.Generator,
    crowd: Crowd,
    *,
    first_step: float,
    written: float = 0.35,
    held_out: bool = False,
) -> Iterator["Life"]:
    """Yield each group of the crowd under a law of its own.

    A share of them, `first_step`, has not chosen any hours yet, and a share answers in JSON.
    """
    for members in rng.permutation(CROWD).reshape(-1, GROUP):
        steps = 0 if rng.random() < first_step else int(rng.choice(_STEPS))
        yield draw_life(rng, crowd, members, steps=steps, written=written, held_out=held_out)


def draw_life(
    rng: np.random.Generator,
    crowd: Crowd,
    members: Int[np.ndarray, " group"],
    *,
    steps: int,
    written: float,
    held_out: bool,
) -> "Life":
    """Return so many steps of a group of the crowd, which answers in JSON with that chance."""
    style = _draw_style(rng, written)
    return _live(rng, _take(crowd, members), style, steps, held_out)


def forty_hours(agents: int) -> Memory:
    """Return the memory of workers who know nothing but that they have worked 40 hours."""
    one = np.ones(agents)
    now = Records(*(np.nan * one for _ in Records._fields))
    now = now._replace(step=0 * one, tax_year=0 * one, labor=REFERENCE_HOURS * one)
    return remember(nothing(agents, last=1, best=0), now)


_STEPS = (*(1,) * 5, *(2,) * 4, *(3,) * 3, 4, 4, 5, 5, 6, 8, 10, 14)


class Group(NamedTuple):
    """A few workers of a crowd."""

    workers: LLMWorkers
    population: Population
    lines: list[WorkerLines]
    endowment: formula.Endowment
    attitudes: formula.Attitudes


class Life(NamedTuple):
    """What a group has lived through, and what it is asked next."""

    group: Group
    style: Style
    situation: Situation
    memory: Memory


def _draw_economy(rng: np.random.Generator, *, in_dollars: bool) -> Economy:
    """Return an economy of `CROWD` workers who like to work 28 to 58 hours untaxed."""
    income = np.where(
        rng.random(CROWD) < 0.7,
        np.exp(rng.normal(np.log(48_000), 0.9, CROWD)),
        np.exp(rng.uniform(np.log(3e3), np.log(3e6), CROWD)),
    )
    skill, liked = income / REFERENCE_HOURS, np.exp(rng.uniform(np.log(28), np.log(58), CROWD))
    elasticity = np.exp(rng.uniform(np.log(0.1), np.log(1.2), CROWD))
    more: dict[str, Any] = {}
    preferences: AbstractPreferences = Quasilinear(0.25)
    if in_dollars:
        more["elasticity"] = elasticity
        if rng.random() < 0.1:
            more["fixed_cost"] = np.where(
                rng.random(CROWD) < 0.5, 0.0, rng.uniform(0, 0.2, CROWD) * income
            )
    else:
        elasticity = np.maximum(elasticity[:1], 0.25)  # float32 holds no larger powers of 60 hours
        preferences = Isoelastic(
            float(rng.choice([0.5, 1.0, 1.0, 2.0])),
            exponent=1 + 1 / elasticity[0],
            scale=1e-4,
            unit=1e4,
        )
    untaxed = Economy(population=Population(skill, **more), preferences=preferences)
    taste = skill / price_of_an_hour(untaxed)[:, 1] * (REFERENCE_HOURS / liked) ** (1 / elasticity)
    return Economy(population=Population(skill, taste=taste, **more), preferences=preferences)


def _draw_people(
    rng: np.random.Generator, key: jax.Array, economy: Economy, held_out: bool
) -> tuple[list[str], formula.Attitudes]:
    """Return what workers read about themselves, and the attitudes that follow from it."""
    kind = rng.random()
    if kind < 0.07 and not held_out:
        names = rng.choice(list(ROLES), CROWD).tolist()
        return [ROLES[name] for name in names], formula.of_roles(names)
    personas = _allowed(rng, draw_personas(key, economy.population), held_out)
    texts = describe(personas)
    if kind < 0.14:
        people = traits(key, economy.population)
        ends = [text[text.index(" By temperament") :] for text in people.texts]
        texts = [text + end for text, end in zip(texts, ends, strict=True)]
    return texts, formula.of_personas(personas)


def _allowed(rng: np.random.Generator, personas: Personas, held_out: bool) -> Personas:
    """Return the people with other occupations where theirs is not for these examples."""
    codes = np.arange(personas.occupation.max() + 1)
    allowed = codes[(codes % HELD_OUT_OCCUPATIONS == 0) == held_out]
    fits = np.isin(personas.occupation, allowed)
    other = rng.choice(allowed, len(fits))
    return replace(personas, occupation=np.where(fits, personas.occupation, other))


def _take(crowd: Crowd, members: Int[np.ndarray, " group"]) -> Group:
    everybody = jax.tree.map(np.asarray, crowd.workers.economy.population)
    return Group(
        crowd.workers,
        jax.tree.map(lambda values: values[members], everybody),
        [crowd.workers.lines[i] for i in members],
        jax.tree.map(lambda values: values[members], crowd.endowment),
        formula.Attitudes(*(values[members] for values in crowd.attitudes)),
    )


def _live(rng: np.random.Generator, group: Group, style: Style, steps: int, held_out: bool) -> Life:
    """Return the group after steps in a few tax years, in which it chose as its formula would."""
    memory = nothing(GROUP, last=style.history, best=style.best)
    year, number = 1, 0
    if rng.random() < 0.15:  # late in a run
        year, number = int(rng.integers(1, 9)), int(rng.integers(1, 150))
    laws = {place: draw_law(rng, held_out=held_out) for place in range(max(1, year - 1), year + 1)}
    floors = laws[year].thresholds
    laws = {place: _same_floors(law, floors, rng) for place, law in laws.items()}
    rebate = float(np.exp(rng.uniform(np.log(500), np.log(60_000))))
    labor = np.full(GROUP, REFERENCE_HOURS)
    first_step = number
    for step in range(steps + 1):
        if step and rng.random() < 0.08 and len(laws) < 4:
            year += 1
            laws[year] = _same_floors(draw_law(rng), floors, rng)
        rebate *= float(np.exp(rng.normal(0, 0.05)))
        told = {"step": first_step + step, "year": year if first_step + step else 0}
        now = _settled(rng, group, labor, laws[year], rebate=rebate, **told)
        memory = remember(memory, now)
        if step < steps:
            labor = _labor(rng, group, laws[year], memory, "explore")
    phase: Phase = "exploit" if rng.random() < 0.4 else "explore"
    past = {place: law for place, law in laws.items() if place < year}
    return Life(group, style, Situation(laws[year], year, past, rebate, phase), memory)


def _draw_style(rng: np.random.Generator, written: float) -> Style:
    usual = rng.random() < 0.7
    mode: Mode = "text" if rng.random() < written else "choice"
    return Style(
        mode=mode,
        think=bool(mode == "text" and rng.random() < 0.1),
        history=10 if usual else int(rng.integers(1, 11)),
        best=5 if usual else int(rng.integers(0, 6)),
        averages=bool(usual or rng.random() < 0.5),
        explore=bool(usual or rng.random() < 0.5),
        phrasing=0 if rng.random() < 0.6 else 1,
    )


def _same_floors(law: BracketSchedule, floors: Any, rng: np.random.Generator) -> BracketSchedule:
    if law.thresholds is floors:
        return law
    rates = np.asarray(law.rates, float)
    places = np.linspace(0, len(rates) - 1, len(floors)).round().astype(int)
    return BracketSchedule(floors, rates[places].tolist())


def _settled(
    rng: np.random.Generator,
    group: Group,
    labor: Float[np.ndarray, " group"],
    law: BracketSchedule,
    *,
    rebate: float,
    step: int,
    year: int,
) -> Records:
    """Return a step as the workers remember it."""
    income = group.endowment.skill * labor
    tax = formula.taxes(law, income)
    consumption = income - tax + rebate
    utility = _utility(group.workers.economy.preferences, consumption, labor, group.population)
    one = np.ones(GROUP)
    now = Records(
        step=one * step,
        tax_year=one * year,
        labor=labor,
        income=income,
        tax=tax,
        rebate=one * rebate,
        result=np.asarray(utility, float),
        satisfied=one * np.nan,
    )
    if not group.workers.asks_satisfaction:
        return now
    if step == 0:
        return now._replace(result=one * np.nan)
    satisfied = (rng.random(GROUP) < formula.satisfied_probabilities(group.attitudes, now)).astype(
        float
    )
    return now._replace(
        satisfied=satisfied,
        result=np.where(satisfied > 0, now.result, now.result - abs(now.result) / 2),
    )


@eqx.filter_jit
def _utility(preferences, consumption, labor, population):
    return preferences.utility(consumption, labor, population)


def _labor(
    rng: np.random.Generator, group: Group, law: BracketSchedule, memory: Memory, phase: Phase
) -> Float[np.ndarray, " group"]:
    """Draw hours as the formula does, now and then others so that histories differ."""
    probabilities = formula.hours_probabilities(
        group.endowment, group.attitudes, law, memory, phase
    )
    places = (probabilities.cumsum(axis=1) > rng.random((GROUP, 1))).argmax(axis=1)
    return np.where(rng.random(GROUP) < 0.1, rng.integers(0, len(HOURS), GROUP), places) * 10.0
