"""Economies of the LLM Economist (arXiv 2507.15815) as its code draws them, to compare figures."""

from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from econjax import (
    GHH,
    BracketSchedule,
    Economy,
    InverseIncome,
    Outcome,
    Population,
    Quasilinear,
    Utilitarian,
    settle,
    us_federal,
)
from econjax.population import REFERENCE_HOURS
from econjax.populations.distributions import GB2_ACS_2023
from experiments.parity.config import ParityConfig


@dataclass(frozen=True)
class Preset:
    """One of its economies: c - scale * l^power or the log of it, brackets, and its welfare.

    `law` has federal rates: those of the law's first brackets, or where there are two those at the
    thresholds.
    """

    law: BracketSchedule
    economy: Economy
    welfare: Callable[[Population, Outcome], Float[Array, ""]]
    summed: bool = True
    """Whether its code adds workers up, or takes a mean of logs, of which per cents say nothing."""


def run_parity(config: ParityConfig) -> None:
    """Print the welfare of each economy, beside what the reference prints."""
    for tag, origin in _ORIGINS.items():
        economy = preset(tag)
        federal, half = (reference_welfare(economy, rate=rate) for rate in (None, 0.5))
        gain = f"{half / federal - 1:+.1%}" if economy.summed else f"{half - federal:+.3f}"
        print(f"{tag}: {_WELFARE.get(tag, 'inverse-income welfare')} {federal:.3f} ({origin})")
        print(f"    with 50 % in every bracket, its start: {half:.3f}, {gain}")


_ORIGINS = {
    "E1": "the paper's synchronous code; it gives 165.883",
    "E2": "asynchronous code, variant A1; its published run begins at 166.722 with 40.25 mean "
    "hours",
    "E3": "asynchronous code, variant A3: three brackets, incomes count as 1,000 at least",
    "E4": "its reinforcement learning: taxes are not paid back, so that no tax is best",
    "E5": "its figure of a landscape over two rates",
}
_WELFARE = {
    "E4": "sum of the CRRA of what taxes leave",
    "E5": "mean log of consumption less effort",
}


def preset(tag: str, *, agents: int = 100, seed: int = 42) -> Preset:
    """Return one of the five economies, one of each part of its code.

    "E1" is that of the synchronous code, the paper's; "E2" and "E3" those of the asynchronous one,
    variants A1 and A3; "E4" that of its reinforcement learning, whose workers have 1,000 times
    z/1000 - (l/50)^2 / 2 and whose welfare has no labor in it and no rebate; "E5" that of a figure,
    whose elasticity drifts: 0.5 here. NumPy's legacy generator draws skills, as in the reference.

    Raises:
        ValueError: another tag.
    """
    rates = us_federal(2024).rates
    share = np.random.RandomState(seed)
    if tag in _GB2:
        scale, power, thresholds, floor = _GB2[tag]
        skill = GB2_ACS_2023.quantile(share.uniform(size=agents)) / REFERENCE_HOURS
        law = BracketSchedule(list(thresholds), list(_LOWEST) if tag == "E3" else rates)
        people = _workers(skill, scale, power)
        economy = Economy(population=people, preferences=Quasilinear(1 / (power - 1)))
        return Preset(law, economy, InverseIncome(floor))
    if tag == "E4":
        people = _workers(share.lognormal(3.5, 0.5, agents), 0.2, 2.0)
        law = BracketSchedule([0, 10_000, 40_000, 85_000, 160_000, 200_000, 500_000], rates)
        return Preset(law, Economy(population=people, preferences=Quasilinear(1.0)), _left)
    if tag == "E5":
        people = _workers(share.lognormal(7.3, 0.6, agents), 0.5 / 3, 3.0)
        economy = Economy(population=people, preferences=GHH(1.0, elasticity=0.5))
        law = BracketSchedule([0, 80_000], [0.10, 0.22])
        return Preset(law, economy, Utilitarian(), summed=False)
    raise ValueError(f"No economy {tag!r}; choose E1 to E5.")


_LOWEST = (0.10, 0.22, 0.24)
_GB2 = {
    "E1": (0.0005, 3.5, (0, 11_600, 47_150, 100_525, 191_950, 243_725, 609_350), 1.0),
    "E2": (0.01, 2.0, (0, 23_000, 47_000, 94_000, 192_000, 244_000, 500_000), 0.0),
    "E3": (0.0005, 3.5, (0, 90_000, 159_100), 1_000.0),
}
"""Of the economies of the American incomes: scale, power, thresholds and the floor of incomes."""


def _workers(skill: np.ndarray, scale: float, power: float) -> Population:
    """Return workers to whom l hours cost scale * l^power: their taste is that at 40 hours."""
    return Population(skill=skill, taste=scale * power * REFERENCE_HOURS ** (power - 1) / skill)


def _left(population: Population, outcome: Outcome) -> Float[Array, ""]:
    """Return the mean CRRA, with aversion 1.5, of what taxes leave."""
    return jnp.mean(2 - 2 / jnp.sqrt(outcome.income - outcome.tax))


def reference_welfare(preset: Preset, *, rate: float | None = None) -> float:
    """Return the welfare that the reference prints, if all work 40 hours.

    Rates are the federal ones, or the same in every bracket.
    """
    law = preset.law
    if rate is not None:
        law = BracketSchedule(law.thresholds, jnp.full_like(law.rates, rate))
    population = preset.economy.population
    labor = jnp.full(population.agents, REFERENCE_HOURS)
    outcome = settle(preset.economy, law, labor)
    welfare = float(preset.welfare(population, outcome))
    return population.agents * welfare if preset.summed else welfare
