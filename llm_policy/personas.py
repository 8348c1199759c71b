"""Who the workers are: occupation, sex and age as in the US labor force, drawn jointly with their skill."""

import csv
import functools
import importlib.resources
import statistics
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Array, Float, Int, Key

from econjax import Population


@dataclass(frozen=True)
class Personas:
    """One person per worker of a population, in the population's order."""

    occupation: tuple[str, ...]
    sex: tuple[str, ...]
    age: Int[np.ndarray, " agents"]


def draw_personas(key: Key[Array, ""], population: Population) -> Personas:
    """Return people whose occupation, sex and age have the shares of the US labor force of 2024.

    Each person is drawn from the table with an earnings potential: the median of its occupation and
    sex times a lognormal factor as wide as wages within the occupation. Those of the highest potential
    then get the highest skills, so the skills keep their distribution exactly and rise with what the
    person's group earns. Skill is taken to be the same at all ages. Sources: `data/occupations.csv`.
    """
    groups = _groups()
    occupation_key, sex_key, band_key, year_key, luck_key = jax.random.split(key, 5)
    n = population.agents
    group = _draw(occupation_key, np.tile(groups.employed, (n, 1)))
    woman = np.asarray(jax.random.uniform(sex_key, (n,))) < groups.women[group]
    band = _draw(band_key, groups.ages[group])
    first, last = _AGE_BANDS[:, 0][band], _AGE_BANDS[:, 1][band]
    age = first + np.floor(np.asarray(jax.random.uniform(year_key, (n,))) * (last - first + 1)).astype(int)
    luck = np.asarray(jax.random.normal(luck_key, (n,)))
    potential = np.log(groups.earnings[woman.astype(int), group]) + groups.spread[group] * luck
    # The worker of the k-th lowest skill is the person of the k-th lowest potential.
    person = np.empty(n, int)
    person[np.argsort(np.asarray(population.skill), kind="stable")] = np.argsort(potential, kind="stable")
    return Personas(
        occupation=tuple(groups.title[g] for g in group[person]),
        sex=tuple("woman" if w else "man" for w in woman[person]),
        age=age[person],
    )


_AGE_BANDS = np.array([(16, 19), (20, 24), (25, 34), (35, 44), (45, 54), (55, 64), (65, 74)])
"""Ages, first and last year; the table's open band 65 and over is cut at 74."""

_DECILE = -statistics.NormalDist().inv_cdf(0.1)


@dataclass(frozen=True)
class _Groups:
    """Occupation groups: employment in thousands, share of women, median weekly earnings in dollars."""

    title: tuple[str, ...]
    employed: Float[np.ndarray, " groups"]
    women: Float[np.ndarray, " groups"]
    earnings: Float[np.ndarray, "2 groups"]
    spread: Float[np.ndarray, " groups"]
    ages: Float[np.ndarray, "groups bands"]


@functools.cache
def _groups() -> _Groups:
    text = importlib.resources.files("llm_policy").joinpath("data/occupations.csv").read_text("utf-8")
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))

    def column(name: str) -> Float[np.ndarray, " groups"]:
        return np.array([float(row[name]) for row in rows])

    return _Groups(
        title=tuple(row["occupation"] for row in rows),
        employed=column("employed"),
        women=column("women_percent") / 100,
        earnings=np.stack([column("weekly_men"), column("weekly_women")]),
        spread=np.log(column("wage_p50") / column("wage_p10")) / _DECILE,
        ages=np.stack([column(name) for name in rows[0] if name.startswith("age_")], axis=1),
    )


def _draw(key: Key[Array, ""], shares: Float[np.ndarray, "n options"]) -> Int[np.ndarray, " n"]:
    """Return one option per row, with probabilities in proportion to the row."""
    return np.asarray(jax.random.categorical(key, np.log(np.maximum(shares, 1e-9)), axis=1))
