"""Economies of the LLM Economist (arXiv 2507.15815) as its code draws them, to compare figures."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from econjax import (
    BracketSchedule,
    Economy,
    InverseIncome,
    Population,
    Quasilinear,
    settle,
    us_federal,
)
from econjax.population import REFERENCE_HOURS
from econjax.populations.distributions import GB2_ACS_2023
from experiments.parity.config import ParityConfig

_A1_THRESHOLDS = [0, 23_000, 47_000, 94_000, 192_000, 244_000, 500_000]


@dataclass(frozen=True)
class Preset:
    """One of its economies: u = c - scale * l^power, brackets with federal rates, its welfare."""

    scale: float
    power: float
    law: BracketSchedule
    welfare: InverseIncome
    economy: Economy


def run_parity(config: ParityConfig) -> None:
    """Print the welfare of each economy, beside what the reference prints."""
    for tag, origin in _ORIGINS.items():
        federal, half = (reference_welfare(preset(tag), rate=rate) for rate in (None, 0.5))
        print(f"{tag}: inverse-income welfare {federal:.3f} ({origin})")
        print(f"    with 50 % in every bracket, its start: {half:.3f}, {half / federal - 1:+.1%}")


_ORIGINS = {
    "E1": "the paper's synchronous code; it gives 165.883",
    "E2": "asynchronous code, variant A1; its published run begins at 166.722 with 40.25 mean "
    "hours",
}


def preset(tag: str, *, agents: int = 100, seed: int = 42) -> Preset:
    """Return the economy "E1" (synchronous code, the paper's) or "E2" (asynchronous, variant A1).

    Skills are drawn by NumPy's legacy generator, as the reference draws them.

    Raises:
        ValueError: another tag.
    """
    federal = us_federal(2024)
    if tag == "E1":
        scale, power, law, floor = 0.0005, 3.5, federal, 1.0
    elif tag == "E2":
        scale, power, law, floor = 0.01, 2.0, BracketSchedule(_A1_THRESHOLDS, federal.rates), 0.0
    else:
        raise ValueError(f"No economy {tag!r}; choose E1 or E2.")
    share = np.random.RandomState(seed).uniform(size=agents)
    skill = GB2_ACS_2023.quantile(share) / REFERENCE_HOURS
    # scale * l^power in reference-hours form: e = 1 / (power - 1), and the taste that fits the
    # scale.
    taste = scale * power * REFERENCE_HOURS ** (power - 1) / skill
    economy = Economy(
        population=Population(skill=skill, taste=taste), preferences=Quasilinear(1 / (power - 1))
    )
    return Preset(scale, power, law, InverseIncome(floor), economy)


def reference_welfare(preset: Preset, *, rate: float | None = None) -> float:
    """Return the welfare that the reference prints, a sum over workers, if all work 40 hours.

    Rates are the federal ones, or the same in every bracket.
    """
    law = preset.law
    if rate is not None:
        law = BracketSchedule(law.thresholds, jnp.full_like(law.rates, rate))
    population = preset.economy.population
    labor = jnp.full(population.agents, REFERENCE_HOURS)
    outcome = settle(preset.economy, law, labor)
    return population.agents * float(preset.welfare(population, outcome))
