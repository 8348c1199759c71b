"""What is compared with each peer: an operation, its sizes, and this project's side of it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from baselines.learned.one_step import Play, observe, play
from econjax import Atkinson, BracketSchedule, Economy, Population, Quasilinear, best_response
from econjax.population import REFERENCE_HOURS


class SpeedBar(NamedTuple):
    """So many times a peer's speed, at so many people."""

    people: int
    times: float


class Operation(NamedTuple):
    """An operation of a peer beside ours, and in what the work of both differs.

    `ours` takes a law and what `given` makes of incomes in dollars a year, and does the operation
    `steps` times in a call. Where the first of what it returns is each person's tax, as the peer's
    result is, `compared` holds them together.
    """

    peer: str
    operation: str
    title: str
    sizes: tuple[int, ...]
    ours: Callable[..., Any]
    given: Callable[[Float[np.ndarray, " people"]], tuple[Any, ...]]
    work: str
    compared: bool
    bar: SpeedBar | None = None
    steps: int = 1


def _taxes(law: BracketSchedule, income: Float[Array, " people"]) -> tuple[Array]:
    return (law.tax(income),)


def _marginal_rates(law: BracketSchedule, income: Float[Array, " people"]) -> tuple[Array]:
    return (law.marginal_rate(income),)


def _rebated(law: BracketSchedule, income: Float[Array, " people"]) -> tuple[Array, Array]:
    tax = law.tax(income)
    return tax, income - tax + jnp.mean(tax)


def _tax_period(law: BracketSchedule, income: Float[Array, " people"]) -> tuple[Array, ...]:
    tax, kept = _rebated(law, income)
    above = jnp.sum(income[None] >= law.thresholds[:, None], axis=1)
    occupied = above - jnp.append(above[1:], 0)
    return tax, kept, law.marginal_rate(income), tax / jnp.maximum(income, 1e-6), occupied


def _played(
    law: BracketSchedule,
    economy: Economy,
    labor: Float[Array, " people"],
    rebate: Float[Array, ""],
) -> tuple[Play, Float[Array, "people features"]]:
    played = play(economy, Atkinson(), law, labor, rebate=rebate)
    return played, observe(economy, law, played.rebate)


def _responded(
    law: BracketSchedule, economy: Economy, rebate: Float[Array, ""]
) -> tuple[Play, Float[Array, "people features"]]:
    return _played(law, economy, best_response(economy, law, rebate), rebate)


def _played_on(
    law: BracketSchedule,
    economy: Economy,
    labor: Float[Array, " people"],
    rebate: Float[Array, ""],
) -> tuple[tuple[Array, Play], Float[Array, " steps"]]:
    """Play `_STEPS` steps, in each of which everybody's hours are others: the last, and means."""

    def step(state, hours: Float[Array, ""]):
        _, played = state
        found = _played(law, economy, labor * hours, played.rebate)
        reward = jnp.mean(found[0].gain) + jnp.mean(found[1])
        return (found[1], found[0]), reward

    first, seen = _played(law, economy, labor, rebate)
    return jax.lax.scan(step, (seen, first), jnp.linspace(0.9, 1.1, _STEPS - 1))


_STEPS = 100


def _incomes(incomes: Float[np.ndarray, " people"]) -> tuple[Array]:
    return (jnp.asarray(incomes),)


def _economy(incomes: Float[np.ndarray, " people"]) -> tuple[Economy, Array]:
    population = Population(incomes / REFERENCE_HOURS)
    return Economy(population=population, preferences=Quasilinear(0.25)), jnp.zeros(())


def _working(incomes: Float[np.ndarray, " people"]) -> tuple[Economy, Array, Array]:
    economy, rebate = _economy(incomes)
    return economy, jnp.full_like(economy.population.skill, REFERENCE_HOURS), rebate


_SMALL = (2, 10, 100, 1_000, 10_000)
_LARGE = (2, 100, 1_000, 10_000, 1_000_000)
_STEP = (2, 10, 100, 1_000)
_FOUNDATION, _TAXCALC, _TORCH, NUMPY = "ai-economist", "tax-calculator", "agent-torch", "numpy"
OPERATIONS = (
    Operation(
        *(NUMPY, "broadcast", "tax, by broadcasting", _LARGE, _taxes, _incomes),
        *("the same", True),
    ),
    Operation(
        *(NUMPY, "searchsorted", "tax, by searchsorted", _LARGE, _taxes, _incomes),
        *("the same", True),
    ),
    Operation(
        *(_FOUNDATION, "taxes", "tax, person by person", _SMALL, _taxes, _incomes),
        *("the same", True, SpeedBar(10_000, 1_000)),
    ),
    Operation(
        *(_FOUNDATION, "period", "tax period", _SMALL, _tax_period, _incomes),
        "both: tax, marginal and effective rate, equal rebate, people in each bracket; the peer "
        "keeps a log of the period too",
        compared=True,
    ),
    Operation(
        *(_FOUNDATION, "step", "step of the one-step economy", _STEP, _played, _working),
        "both: hours given, income, tax, rebate, everybody's and the planner's reward, what each "
        "worker sees (the peer: what the planner sees and who may do what, too); nobody chooses "
        "hours",
        compared=False,
    ),
    Operation(
        *(_FOUNDATION, "step", "the same, 100 in a program", _STEP, _played_on, _working),
        "as above, 100 steps after each other as one program on our side; seconds are of one",
        *(False, SpeedBar(1_000, 300), _STEPS),
    ),
    Operation(
        *(_FOUNDATION, "step", "step, ours with best hours", _STEP, _responded, _economy),
        "as above, and on our side alone every worker chooses the exactly best hours",
        compared=False,
    ),
    Operation(
        *(_TAXCALC, "taxes", "tax of single people (SchXYZTax)", _LARGE, _taxes, _incomes),
        *("the same; the peer on one core", True, SpeedBar(1_000_000, 20)),
    ),
    Operation(
        *(_TAXCALC, "rates", "marginal rates", (100, 10_000, 100_000), _marginal_rates, _incomes),
        "ours: of the rate schedule alone; the peer's, by a cent more of wages, of the whole "
        "federal income and payroll tax: not the same work",
        *(False, SpeedBar(100_000, 1_000)),
    ),
    Operation(
        *(_TORCH, "taxes", "tax and equal rebates", _LARGE, _rebated, _incomes),
        "the same, but that the peer charges nothing for the brackets below a person's own",
        compared=True,
    ),
)
PEERS = tuple(dict.fromkeys(row.peer for row in OPERATIONS))
