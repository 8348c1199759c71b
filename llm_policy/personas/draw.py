"""Who the workers are: people as in the US labor force of 2024, drawn jointly with their skill."""

from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from econjax import Population
from llm_policy.personas.joint import Cells, cells
from llm_policy.personas.tables import (
    AGES,
    BANDS,
    USUAL_HOURS,
    age_shares,
    hours_shares,
    names,
    state_shares,
)

RISK_ATTITUDES = (
    "You avoid every financial risk.",
    "You would rather not take financial risks.",
    "You take financial risks that clearly pay.",
    "You like to take financial risks.",
    "You seek out big financial risks.",
)
"""From the most to the least careful."""

TAX_ATTITUDES = (
    "You want much lower taxes, even with fewer public services.",
    "You want somewhat lower taxes.",
    "You find taxes about right.",
    "You would pay somewhat higher taxes for better public services.",
    "You want much higher taxes and far better public services.",
)
"""From the least to the most willing to pay."""

ATTITUDE_SHARES = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
"""Of both attitudes, independent of all else: assumed, since no table here measures them."""


@dataclass(frozen=True)
class Personas:
    """One person per worker of a population, in the population's order.

    Codes are places in `persona_tables.names()`, attitudes in `RISK_ATTITUDES` and `TAX_ATTITUDES`.
    `hours` are usual weekly hours; `skill` is the worker's, in dollars of annual income per weekly
    hour.
    """

    occupation: Int[np.ndarray, " agents"]
    woman: Bool[np.ndarray, " agents"]
    age: Int[np.ndarray, " agents"]
    education: Int[np.ndarray, " agents"]
    state: Int[np.ndarray, " agents"]
    hours: Int[np.ndarray, " agents"]
    risk: Int[np.ndarray, " agents"]
    tax_attitude: Int[np.ndarray, " agents"]
    skill: Float[np.ndarray, " agents"]

    def __len__(self) -> int:
        """Return the number of people."""
        return len(self.skill)

    @property
    def group(self) -> Int[np.ndarray, " agents"]:
        """The major group of each occupation, a place in `persona_tables.names().group`."""
        return names().group_of[self.occupation]

    @property
    def income(self) -> Float[np.ndarray, " agents"]:
        """What each person earns at its usual hours, in dollars a year before tax."""
        return self.skill * self.hours

    @property
    def occupation_names(self) -> list[str]:
        """The title of each occupation, in the plural as published."""
        return names().occupation[self.occupation].tolist()

    @property
    def education_names(self) -> list[str]:
        """Each level of education, as published."""
        return names().education[self.education].tolist()

    @property
    def state_names(self) -> list[str]:
        """The state where each person lives."""
        return names().state[self.state].tolist()

    @property
    def sex_names(self) -> list[str]:
        """For each person "woman" or "man"."""
        return np.where(self.woman, "woman", "man").tolist()


def draw_personas(key: Key[Array, ""], population: Population) -> Personas:
    """Return people with the shares of the 2024 US labor force and the skills of `population`.

    Each person is drawn from the joint table of occupation, sex, age, education and full or part
    time (`persona_cells`), with earnings per hour that vary around those of its cell. The worker at
    the q-th quantile of skill (by weight) then is the person at the q-th quantile of earnings:
    skills stay exactly as they are, and rise with what the person's groups earn. Where skills are
    spread more widely than earnings (by their middle half), luck fills the gap, so that groups
    differ as published and not by more.

    Ages are drawn within the band and sex, hours within the occupation and sex, states by
    employment alone. Nobody under 25 has more education than fits the age. Risk and tax attitudes
    are an assumption: no table of the project measures them (`ATTITUDE_SHARES`).
    """
    rng = generator(key)
    skill, weight = (np.asarray(a, np.float64) for a in (population.skill, population.weight))
    order = np.argsort(skill, kind="stable")
    weight = weight[order] / weight.sum()
    quantile = np.cumsum(weight) - weight / 2
    # Equal weights: as many people as workers. Else enough for the worker of the smallest weight.
    pool = max(len(skill), min(round(1 / weight[weight > 0].min()), _LARGEST_POOL))
    table, sizes = cells(), cells().share.shape
    cell = _pick(rng.random(pool), table.share.reshape(1, -1))
    earnings = table.log_hourly.ravel()[cell] + _luck(
        rng, table, cell, _variance(skill[order], quantile)
    )
    rank = np.minimum((quantile * pool).astype(int), pool - 1)
    person = np.empty(len(skill), int)
    person[order] = np.argsort(earnings, kind="stable")[rank]
    occupation, woman, band, education, part_time = np.unravel_index(cell[person], sizes)
    draws = rng.random((5, pool))[:, person]
    age = AGES[_pick(draws[0], age_shares(), woman * len(BANDS) + band)]
    hours = hours_shares()
    row = np.where(part_time == 1, len(hours) - 1, occupation * 2 + woman)
    return Personas(
        occupation=occupation,
        woman=woman == 1,
        age=age,
        education=np.minimum(education, _MOST_EDUCATION[age - AGES[0]]),
        state=_pick(draws[1], state_shares()[None]),
        hours=USUAL_HOURS[_pick(draws[2], hours, row)],
        risk=_pick(draws[3], np.array([ATTITUDE_SHARES])),
        tax_attitude=_pick(draws[4], np.array([ATTITUDE_SHARES])),
        skill=skill,
    )


def generator(key: Key[Array, ""]) -> np.random.Generator:
    """Return the host's random numbers of a key, in float64 whatever JAX's precision is."""
    return np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())


def describe(personas: Personas) -> list[str]:
    """Return a few second-person sentences on each person: what it is and earns, no question."""
    people = zip(
        personas.occupation_names,
        personas.sex_names,
        personas.age.tolist(),
        _EDUCATION_WORDS[personas.education].tolist(),
        _places()[personas.state].tolist(),
        personas.hours.tolist(),
        np.rint(personas.income).astype(int).tolist(),
        personas.risk.tolist(),
        personas.tax_attitude.tolist(),
        strict=True,
    )
    return [
        f"You are a {sex}, {age} years old, in {place}, with {education}. Your occupation: "
        f"{title[0].lower()}{title[1:]}. You usually work {hours} hours a week and earn "
        f"${income:,} a year before tax. {RISK_ATTITUDES[risk]} {TAX_ATTITUDES[tax]}"
        for title, sex, age, education, place, hours, income, risk, tax in people
    ]


_LARGEST_POOL = 1_000_000
_MOST_EDUCATION = np.select(
    [AGES < 18, AGES < 19, AGES < 21, AGES < 22, AGES < 25], [0, 1, 2, 3, 4], 5
)
"""The highest level of education at each age."""

_EDUCATION_WORDS = np.array(
    [
        "no high school diploma",
        "a high school diploma",
        "some college but no degree",
        "an associate degree",
        "a bachelor's degree",
        "an advanced degree",
    ]
)


def _places() -> np.ndarray:
    return np.array(
        [f"the {state}" if state.startswith("District") else state for state in names().state]
    )


def _luck(
    rng: np.random.Generator, table: Cells, cell: Int[np.ndarray, " people"], variance: float
) -> Float[np.ndarray, " people"]:
    """Return how far log earnings are from the cell's, so that all vary by `variance` or more."""
    within, beyond = rng.standard_normal((2, len(cell)))
    occupation = cell // (table.share.size // len(table.share))
    return (
        within * table.spread[occupation, (within > 0).astype(int)]
        + beyond * max(variance - table.variance, 0.0) ** 0.5
    )


def _variance(skill: Float[np.ndarray, " agents"], quantile: Float[np.ndarray, " agents"]) -> float:
    """Return log skill's variance if it were normal with the middle half of the skills above 0.

    Both arrays ascend.
    """
    some = skill > 0
    if not some.any():
        return 0.0
    first, last = quantile[some][[0, -1]]
    at = first + np.array([0.25, 0.75]) * (last - first)
    low, high = np.interp(at, quantile[some], np.log(skill[some]))
    return ((high - low) / _MIDDLE_HALF) ** 2


_MIDDLE_HALF = 1.3489795003921634  # standard deviations between the quartiles of a normal


def _pick(
    uniform: Float[np.ndarray, " n"],
    shares: Float[np.ndarray, "rows options"],
    row: Int[np.ndarray, " n"] | int = 0,
) -> Int[np.ndarray, " n"]:
    """Return one option each, drawn with the shares of its row."""
    ends = np.cumsum(shares, axis=1)
    ends = ends / ends[:, -1:] + np.arange(len(shares))[:, None]
    at = np.minimum(row + uniform, np.nextafter(np.add(row, 1.0), 0))
    return np.searchsorted(ends.ravel(), at, side="right") - row * shares.shape[1]
