"""Moments of any workers' labor supply: asked thrice, under a law, lower wages, and a lump sum."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from econjax import BracketSchedule, Economy
from llm_policy.memory.workers import Memory, nothing
from llm_policy.moments.estimates import FeatureMeans, MomentEstimate, jackknifed, limits_of
from llm_policy.moments.hours import HoursShares, ask_hours, rational_hours
from llm_policy.prompts.workers import Situation
from llm_policy.workers.society import ChooseHours

KEPT = 0.8
"""What the second law leaves of every net-of-tax rate, and so of what work pays after tax."""
LUMP_SUM = 5_000.0
"""Dollars a year that everybody has beside, in the third situation."""
HIGH_INCOME = 100_000.0
"""Dollars a year that divide workers by what they are expected to earn under the law."""
ALL, HIGH, LOW = "all", "earning $100000 and more", "earning below $100000"


class HoursClass(NamedTuple):
    """Weekly hours from `least` on, and below `end`."""

    least: float
    end: float


HOURS_CLASSES: Mapping[str, HoursClass] = {
    "hours_1_34": HoursClass(0.5, 34.5),
    "hours_35_39": HoursClass(34.5, 39.5),
    "hours_40": HoursClass(39.5, 40.5),
    "hours_41_48": HoursClass(40.5, 48.5),
    "hours_49_59": HoursClass(48.5, 59.5),
    "hours_60": HoursClass(59.5, np.inf),
}
"""The classes of the Current Population Survey."""
AT_WORK = HOURS_CLASSES["hours_1_34"].least
"""Weekly hours from which on somebody is at work."""


@dataclass(frozen=True)
class MeasuredMoment:
    """A moment of workers, by the names of the published table, and of which group."""

    moment: str
    group: str
    estimate: MomentEstimate


class AskedHours(NamedTuple):
    """How workers are asked: who says their hours, what they remember, how often (in words).

    `values` are the hours that they choose from, or None if they say any.
    """

    choose: ChooseHours
    memory: Memory
    values: Float[np.ndarray, " options"] | None
    samples: int = 1


def rational_workers(economy: Economy) -> AskedHours:
    """Return how workers are asked who choose best, at the rebate that they are told."""
    memory = nothing(economy.population.agents, last=1, best=0)
    return AskedHours(rational_hours(economy), memory, None)


def measure(
    key: Key[Array, ""],
    economy: Economy,
    law: BracketSchedule,
    asked: AskedHours,
    *,
    rebate: float,
    groups: Mapping[str, Bool[np.ndarray, " agents"]] | None = None,
) -> list[MeasuredMoment]:
    """Return the moments of workers under a law of one group, and of groups of them.

    Everybody is asked under the law; under one that leaves `KEPT` of every net-of-tax rate, at the
    same rebate, so that what work pays after tax falls in this proportion; and under the law with
    `LUMP_SUM` more of rebate. Elasticities are arcs between the first two, of means: of hours of
    those at work, of the share at work, of income. The compensated one of hours is by Slutsky: the
    uncompensated one less the net-of-tax rate (mean by income) times what a dollar beside work does
    to income. Mean hours, the share at work and its elasticity are of each group too. A class of
    hours that no option lies in has no estimate. Draws have the same keys in all three situations.

    Raises:
        ValueError: no sample, or workers of whom only some give probabilities.
        EngineError: too many answers could not be read, or the engine cannot answer.
    """
    said = ask_situations(key, law, asked, rebate=rebate)
    return moments_of(economy, law, said, values=asked.values, groups=groups)


def ask_situations(
    key: Key[Array, ""], law: BracketSchedule, asked: AskedHours, *, rebate: float
) -> list[HoursShares]:
    """Return what workers find likely under the law, the one that leaves less, and a lump sum.

    Raises:
        ValueError: no sample, or workers of whom only some give probabilities.
        EngineError: too many answers could not be read, or the engine cannot answer.
    """
    plain = Situation(law, 1, {}, rebate, "exploit")
    lump = plain._replace(rebate=rebate + LUMP_SUM)
    values = np.zeros(0) if asked.values is None else asked.values
    return [
        ask_hours(key, asked.choose, one, asked.memory, values=values, samples=asked.samples)
        for one in (plain, plain._replace(schedule=less_kept(law)), lump)
    ]


def less_kept(law: BracketSchedule) -> BracketSchedule:
    """Return the schedule that leaves `KEPT` of every net-of-tax rate."""
    return BracketSchedule(law.thresholds, 1 - KEPT * (1 - law.rates))


def moments_of(
    economy: Economy,
    law: BracketSchedule,
    said: Sequence[HoursShares],
    *,
    values: Float[np.ndarray, " options"] | None,
    groups: Mapping[str, Bool[np.ndarray, " agents"]] | None = None,
) -> list[MeasuredMoment]:
    """Return the moments of what was said in the three situations, choosing among `values`."""
    plain, less, lump = said
    weight = np.asarray(economy.population.weight, float)
    everybody = np.ones(weight.shape, bool)
    features = _features(economy, law, said)
    rich = features["income"] >= HIGH_INCOME
    limits = _limits(features, plain.known)

    def moment(name: str, group: str, who, *needed: HoursShares) -> MeasuredMoment:
        known = who & np.logical_and.reduce([one.known for one in needed])
        found = jackknifed(features, weight, known, _FIGURES[name], limits=limits.get(name))
        return MeasuredMoment(name, group, found)

    found = []
    for name, hours in HOURS_CLASSES.items():
        if values is None or np.any((values >= hours.least) & (values < hours.end)):
            found.append(moment(name, ALL, everybody, plain))
        else:
            found.append(MeasuredMoment(name, ALL, MomentEstimate(0)))
    every = {ALL: everybody, **(groups or {})}
    found += [moment("mean_hours", group, who, plain) for group, who in every.items()]
    found += [moment("at_work", group, who, plain) for group, who in every.items()]
    found.append(moment("hours", ALL, everybody, plain, less))
    found.append(moment("hicksian_hours", ALL, everybody, plain, less, lump))
    found += [moment("participation", group, who, plain, less) for group, who in every.items()]
    for group, who in {ALL: everybody, HIGH: rich, LOW: ~rich}.items():
        found.append(moment("income", group, who, plain, less))
    found.append(moment("propensity_to_earn", ALL, everybody, plain, lump))
    return found


def _limits(
    features: Mapping[str, Float[np.ndarray, " agents"]], known: Bool[np.ndarray, " agents"]
) -> dict[str, tuple[float, float]]:
    """Return between which limits the workers' own shares and hours lie."""
    work = features["work"]
    there = known & (work > 0)
    if not there.any():
        return {}
    own = {name: 100 * features[name][there] / work[there] for name in HOURS_CLASSES}
    own["at_work"] = 100 * work[known]
    hours = features["hours"][there] / work[there]
    found = {name: limits_of(shares) for name, shares in own.items()}
    return found | {"mean_hours": (float(hours.min()), float(hours.max()))}


def _features(
    economy: Economy, law: BracketSchedule, said: Sequence[HoursShares]
) -> dict[str, Float[np.ndarray, " agents"]]:
    """Return, of each worker, what the figures are made of."""
    skill = np.asarray(economy.population.skill, float)
    found = {
        name: said[0].expected(lambda h, c=hours: (h >= c.least) & (h < c.end))
        for name, hours in HOURS_CLASSES.items()
    }
    for suffix, one in zip(("", "_less", "_lump"), said, strict=True):
        hours = one.expected(lambda h: h)
        found[f"work{suffix}"] = one.expected(lambda h: h >= AT_WORK)
        found[f"hours{suffix}"] = hours
        found[f"income{suffix}"] = skill * hours
    rate = np.asarray(law.marginal_rate(jnp.asarray(found["income"])), float)
    found["kept"] = (1 - rate) * found["income"]
    return found


def _arc(before: Float[np.ndarray, "..."], after: Float[np.ndarray, "..."]):
    """Return the arc elasticity to what is kept of a dollar."""
    return (after - before) / ((after + before) / 2) / np.log(KEPT)


def _hours_elasticity(m: FeatureMeans) -> Float[np.ndarray, "..."]:
    return _arc(m["hours"] / m["work"], m["hours_less"] / m["work_less"])


def _propensity(m: FeatureMeans) -> Float[np.ndarray, "..."]:
    return (m["income_lump"] - m["income"]) / LUMP_SUM


_FIGURES: dict[str, Callable[[FeatureMeans], Float[np.ndarray, "..."]]] = {
    **{name: lambda m, n=name: 100 * m[n] / m["work"] for name in HOURS_CLASSES},
    "mean_hours": lambda m: m["hours"] / m["work"],
    "at_work": lambda m: 100 * m["work"],
    "hours": _hours_elasticity,
    "hicksian_hours": lambda m: _hours_elasticity(m) - m["kept"] / m["income"] * _propensity(m),
    "participation": lambda m: _arc(m["work"], m["work_less"]),
    "income": lambda m: _arc(m["income"], m["income_less"]),
    "propensity_to_earn": _propensity,
}
