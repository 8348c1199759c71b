"""What questions are about: laws and wages that are drawn, and what is best under them."""

import itertools
from typing import NamedTuple, Self

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from econjax import BracketSchedule, Economy, Population, Quasilinear, best_response
from econjax.economy import income_and_tax
from econjax.population import REFERENCE_HOURS

OFFERED_HOURS = (20, 30, 40, 50, 60)
"""The weekly hours that questions offer."""
KEPT_WHEN_TAXED = 0.25
"""What a tax that is much higher leaves of what the law left of the next dollar."""


class SenseWorld(NamedTuple):
    """Whom and which laws questions are about.

    `thresholds` are those of all laws, and `wages` dollars a year for a weekly hour, with the
    `shares` of people who have them, both round numbers: taxes of whole per cents are then whole
    dollars. `incomes` at 40 hours, of `weights`, are those of everybody.
    """

    thresholds: Float[np.ndarray, " brackets"]
    wages: Float[np.ndarray, " wages"]
    shares: Float[np.ndarray, " wages"]
    incomes: Float[np.ndarray, " agents"]
    weights: Float[np.ndarray, " agents"]
    elasticity: float

    @classmethod
    def of(
        cls, skill: ArrayLike, weight: ArrayLike, thresholds: ArrayLike, elasticity: float
    ) -> Self:
        """Return the world of people with these skills, and of laws with about these thresholds.

        Questions are of those whose income is above the first bracket at 40 hours, and below the
        last at the longest week that is offered.

        Raises:
            ValueError: a law of fewer than three brackets, or nobody between its first and last.
        """
        edges = list(map(round_number, np.ravel(np.asarray(thresholds, float)).tolist()))
        if len(edges) < 3 or any(low >= high for low, high in itertools.pairwise(edges)):
            raise ValueError(
                "Questions about taxes need a law of at least three brackets, whose thresholds "
                f"differ in their first two digits; got {', '.join(f'{e:,.0f}' for e in edges)}."
            )
        wage = np.array([round_number(each) for each in np.asarray(skill, float).tolist()])
        share = np.asarray(weight, float)
        asked = (REFERENCE_HOURS * wage > 1.1 * edges[1]) & (OFFERED_HOURS[-1] * wage < edges[-1])
        if not share[asked].sum() > 0:
            raise ValueError(
                f"Nobody earns between {edges[1]:,.0f} and {edges[-1]:,.0f} a year, the second and "
                "the last threshold: questions would be about one bracket only. Give another law."
            )
        shares = share[asked] / share[asked].sum()
        own = wage[asked], shares, REFERENCE_HOURS * wage, share
        return cls(np.array(edges), *own, float(elasticity))

    def draw_law(self, draw: np.random.Generator) -> BracketSchedule:
        """Return a law whose rates are whole per cents and rise from bracket to bracket."""
        steps = draw.integers(2, 8, len(self.thresholds) - 1)
        rates = draw.integers(0, 11) + np.concatenate([[0], np.cumsum(steps)])
        return BracketSchedule(self.thresholds.tolist(), np.minimum(rates, _HIGHEST) / 100)

    def draw_wage(self, draw: np.random.Generator) -> float:
        """Return the wage of somebody."""
        return float(draw.choice(self.wages, p=self.shares))

    def worker(self, wage: float, hours: float, law: BracketSchedule) -> Economy:
        """Return who finds so many hours best where each hour is taxed as the last of them."""
        kept = 1 - float(law.marginal_rate(jnp.asarray(wage * hours, float)))
        taste = kept / (hours / REFERENCE_HOURS) ** (1 / self.elasticity)
        population = Population(np.array([wage]), taste=np.array([taste]))
        return Economy(population=population, preferences=Quasilinear(self.elasticity))

    def same_revenue(self, law: BracketSchedule) -> BracketSchedule:
        """Return the flat tax, to a tenth of a per cent, that takes as much of these incomes."""
        taxes = np.asarray(law.tax(jnp.asarray(self.incomes, float)), float)
        rate = (self.weights @ taxes) / (self.weights @ self.incomes)
        return BracketSchedule([0.0], [round(float(rate), 3)])


def best_offered(worker: Economy, law: BracketSchedule, lump: float = 0.0) -> int | None:
    """Return which of the offered hours bring the one worker most utility.

    None where that is not clear: where the exact best response is nearer to others, or others
    bring nearly as much.
    """
    one = worker.population
    hours = jnp.asarray(OFFERED_HOURS, float)
    skill, taste = (jnp.full_like(hours, part[0]) for part in (one.skill, one.taste))
    everyone = Population(skill, taste=taste)
    income, tax = income_and_tax(everyone, law, hours)
    utility = np.asarray(worker.preferences.utility(income - tax + lump, hours, everyone), float)
    best = int(np.argmax(utility))
    exact = float(best_response(worker, law, lump)[0])
    nearest = int(np.argmin(np.abs(np.array(OFFERED_HOURS) - exact)))
    second = np.sort(utility)[-2]
    clear = utility[best] - second > _CLEAR * float(REFERENCE_HOURS * one.skill[0])
    return OFFERED_HOURS[best] if best == nearest and clear else None


def taxed_more(law: BracketSchedule) -> BracketSchedule:
    """Return a law that leaves a quarter of what this one leaves, in whole per cents."""
    rates = 1 - KEPT_WHEN_TAXED * (1 - np.asarray(law.rates, float))
    return BracketSchedule(law.thresholds, np.round(rates, 2))


def top_taxed_more(law: BracketSchedule) -> BracketSchedule:
    """Return the law with another rate of the top bracket, 20 points higher."""
    rates = np.asarray(law.rates, float)
    return BracketSchedule(law.thresholds, [*rates[:-1].tolist(), round(rates[-1] + 0.2, 2)])


def tax_of(law: BracketSchedule, income: float) -> float:
    """Return what is owed, to a ten-thousandth of a dollar."""
    return round(float(law.tax(jnp.asarray(income, float))), 4)


def round_number(amount: float) -> float:
    """Return an amount with two digits, the rest 0."""
    return float(f"{amount:.1e}")


_HIGHEST = 75
"""The highest rate, in per cent, of a law of many brackets."""
_CLEAR = 0.002
"""By how much of a year's income at 40 hours the best must be better than the next."""
