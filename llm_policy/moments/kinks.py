"""Bunching of any workers: each is asked under kinks near its own income, and under none."""

from collections.abc import Mapping
from typing import NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from econjax import BracketSchedule, Economy, Population
from econjax.population import REFERENCE_HOURS
from llm_policy.moments.estimates import FeatureMeans, jackknifed
from llm_policy.moments.hours import HoursShares, ask_hours
from llm_policy.moments.measure import ALL, AskedHours, MeasuredMoment
from llm_policy.prompts.workers import Situation

BELOW, ABOVE = 0.1, 0.4
"""The marginal rates below and above a kink; without a kink the one below holds everywhere."""
WINDOW = 0.3
"""Log points of income on either side of a kink that count as at it."""
KINKS = 4
"""Kinks that each worker is asked under."""
_LEAST, _MOST = -1.1, 0.7  # log points that kinks lie from a worker's income without one
_LOG_FALL = np.log((1 - BELOW) / (1 - ABOVE))


class KinkAnswers(NamedTuple):
    """Hours without a kink, hours under each of several, and each worker's kinks, $ a year."""

    flat: HoursShares
    kinked: tuple[HoursShares, ...]
    kinks: Float[np.ndarray, "kinks agents"]


def with_own_schedules(economy: Economy) -> Economy:
    """Return the economy in which each worker is a group, and so may have a schedule of its own.

    In `Style`, `statuses` of empty texts, one for each worker, keep this from the prompts.
    """
    population = economy.population
    agents = population.agents
    columns = {
        name: getattr(population, name)
        for name in ("taste", "elasticity", "fixed_cost", "other_income", "credit", "credits")
    }
    own = Population(
        population.skill,
        weight=population.weight,
        group=np.arange(agents),
        groups=agents,
        **columns,
    )
    return eqx.tree_at(lambda e: e.population, economy, own)


def ask_kinks(
    key: Key[Array, ""], economy: Economy, asked: AskedHours, *, rebate: float
) -> KinkAnswers:
    """Return what workers find likely at a flat rate, and where it rises near their own incomes.

    `asked` are workers of `with_own_schedules(economy)`. A worker's kinks are one in each of
    `KINKS` equal parts of the stretch from 1.1 log points below to 0.7 above what it expects to
    earn at the flat rate, at random there, so that all distances to a kink are equally likely.

    Raises:
        ValueError: no sample, or workers of whom only some give probabilities.
        EngineError: too many answers could not be read, or the engine cannot answer.
    """
    first, second, *keys = jax.random.split(key, KINKS + 2)
    values = np.zeros(0) if asked.values is None else asked.values

    def hours(key: Key[Array, ""], schedule: BracketSchedule) -> HoursShares:
        now = Situation(schedule, 1, {}, rebate, "exploit")
        return ask_hours(key, asked.choose, now, asked.memory, values=values, samples=asked.samples)

    agents = economy.population.agents
    flat = hours(first, BracketSchedule(np.zeros((agents, 1)), np.full((agents, 1), BELOW)))
    kinks = _kinks(second, economy, flat)
    rates = np.array([BELOW, ABOVE])
    laws = [BracketSchedule(np.stack([np.zeros(agents), kink], axis=1), rates) for kink in kinks]
    return KinkAnswers(
        flat, tuple(hours(each, law) for each, law in zip(keys, laws, strict=True)), kinks
    )


def bunching_moments(
    economy: Economy,
    said: KinkAnswers,
    *,
    groups: Mapping[str, Bool[np.ndarray, " agents"]] | None = None,
) -> list[MeasuredMoment]:
    """Return the elasticity of income that bunching tells, of everybody and of groups.

    It is the excess mass at the kink over the density without one, b, by the rise of the rate:
    b / ln((1-t1)/(1-t2)) (Chetty et al. 2011), where income is in logarithms. Then the formula is
    exact for an income of constant elasticity: who would earn up to so much more than the kink is
    at it. The mass without a kink is that of the same workers, in the same places, at the flat rate
    below. Elasticities above 1.5 are understated, for then people come from beyond the stretch in
    which kinks lie. A group that is never there has no estimate.
    """
    weight = np.asarray(economy.population.weight, float)
    features = _features(np.asarray(economy.population.skill, float), said)
    known = np.logical_and.reduce([said.flat.known, *(one.known for one in said.kinked)])
    everybody = np.ones(weight.shape, bool)
    return [
        MeasuredMoment("bunching", group, jackknifed(features, weight, known & who, _elasticity))
        for group, who in {ALL: everybody, **(groups or {})}.items()
    ]


def _kinks(
    key: Key[Array, ""], economy: Economy, flat: HoursShares
) -> Float[np.ndarray, "kinks agents"]:
    """Return each worker's kinks; of who would not work, around what full time would earn."""
    skill = np.asarray(economy.population.skill, float)
    hours = flat.expected(lambda h: h)
    income = np.maximum(skill, _LEAST_SKILL) * np.where(hours > 0, hours, REFERENCE_HOURS)
    place = np.asarray(jax.random.uniform(key, (KINKS, len(skill))), float)
    away = _LEAST + (_MOST - _LEAST) * (np.arange(KINKS)[:, None] + place) / KINKS
    return income * np.exp(away)


def _features(skill: Float[np.ndarray, " agents"], said: KinkAnswers) -> dict[str, np.ndarray]:
    """Return how much of its answers each worker has at its kinks, there and without them."""

    def near(hours: HoursShares, kink: Float[np.ndarray, " agents"]) -> np.ndarray:
        def at(h: Float[np.ndarray, "agents points"]) -> Float[np.ndarray, "agents points"]:
            with np.errstate(divide="ignore"):
                away = np.log(skill[:, None] * h) - np.log(kink)[:, None]
            return (away >= -WINDOW) & (away < WINDOW)

        return hours.expected(at)

    pairs = list(zip(said.kinked, said.kinks, strict=True))
    return {
        "there": np.mean([near(hours, kink) for hours, kink in pairs], axis=0),
        "without": np.mean([near(said.flat, kink) for _, kink in pairs], axis=0),
    }


def _elasticity(m: FeatureMeans) -> Float[np.ndarray, "..."]:
    return 2 * WINDOW * (m["there"] / m["without"] - 1) / _LOG_FALL


_LEAST_SKILL = 1e-3  # whose work earns nothing has a kink, and never any income
