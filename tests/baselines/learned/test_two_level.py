"""Two workers and a planner: backward induction over a grid of schedules, in plain NumPy."""

import functools
import itertools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from baselines.gradient.ascent import GradientPlanner, MultiStart
from baselines.optimum import best_found
from econjax import Atkinson, BracketSchedule, Rawlsian
from econjax.bounds import RateBounds
from econjax.planning import RationalEvaluator, plan
from tests.helpers.laboratory import economy_of

LEVELS = np.round(np.arange(-0.1, 0.951, 0.05), 2)


@dataclass(frozen=True)
class Game:
    """Two workers of elasticity 1/2, a threshold, and whether logs or the worse-off count."""

    potential: tuple[float, float]
    edge: float
    counts_logs: bool
    jumps: bool = False

    def __repr__(self):
        aim = "log" if self.counts_logs else "worse-off"
        return f"{aim}-{self.potential[1]:.0f}-{self.edge:.0f}" + "-jumps" * self.jumps


# Where "jumps", the planner taxes the better-off worker until it would rather drop below the
# threshold.
GAMES = [
    Game((20_000, 200_000), 30_000, counts_logs=True),
    Game((20_000, 200_000), 30_000, counts_logs=False),
    Game((20_000, 100_000), 60_000, counts_logs=True),
    Game((20_000, 80_000), 60_000, counts_logs=False, jumps=True),
    Game((20_000, 120_000), 100_000, counts_logs=True, jumps=True),
]
every_game = pytest.mark.parametrize("game", GAMES, ids=repr)


def respond(potential, edge, rates):
    """Return a worker's best income, and what it is worth before the rebate.

    u = z - T(z) - n / 3 (z / n)^3: within a bracket z = n sqrt(1 - t), and else the threshold.
    """

    def worth(income):
        tax = rates[0] * min(income, edge) + rates[1] * max(income - edge, 0)
        return income - tax - potential / 3 * (income / potential) ** 3

    below, above = (potential * np.sqrt(1 - rate) for rate in rates)
    points = [edge, *([below] if below <= edge else []), *([above] if above >= edge else [])]
    best = max(points, key=worth)
    return best, worth(best)


def outcome(game, rates):
    """Return incomes and the planner's value once both workers have done their best."""
    incomes, worths = zip(*(respond(n, game.edge, rates) for n in game.potential), strict=True)
    revenue = sum(rates[0] * min(z, game.edge) + rates[1] * max(z - game.edge, 0) for z in incomes)
    utility = np.array(worths) + revenue / 2
    return incomes, np.sqrt(utility[0] * utility[1]) if game.counts_logs else utility.min()


@functools.cache
def induction(game):
    """Return the value of every schedule of the grid, and the best of them."""
    values = {
        rates: outcome(game, rates)[1] for rates in itertools.product(LEVELS.tolist(), repeat=2)
    }
    return values, max(values, key=values.__getitem__)


def evaluator(game):
    welfare = Atkinson(1.0) if game.counts_logs else Rawlsian()
    return RationalEvaluator(economy_of(game.potential, 0.5), welfare)


def schedule(game, rates):
    return BracketSchedule(jnp.array([0.0, game.edge]), jnp.asarray(rates, float))


def starts(game):
    return [schedule(game, rates) for rates in ((0.3, 0.3), (0.5, 0.3), (0.7, 0.1))]


def corners(rates):
    """Return the schedules of the grid between which a schedule lies."""
    around = [
        np.clip(np.searchsorted(LEVELS, rate) - np.array([1, 0]), 0, LEVELS.size - 1)
        for rate in rates
    ]
    return list(itertools.product(*(LEVELS[levels].tolist() for levels in around)))


@every_game
def test_enumeration_finds_the_equilibrium(x64, game):
    values, equilibrium = induction(game)
    evaluate = evaluator(game)
    heard = {rates: float(evaluate.value(schedule(game, rates)).equivalent) for rates in values}
    np.testing.assert_allclose(list(heard.values()), list(values.values()), rtol=1e-10)
    assert max(heard, key=heard.__getitem__) == equilibrium
    assert evaluate.counts["value"] == len(LEVELS) ** 2


@every_game
def test_the_best_found_is_the_equilibrium_on_the_grid_and_better_off_it(x64, game):
    values, equilibrium = induction(game)
    bounds = RateBounds(-0.8, 0.999)  # the equilibrium of some games pays for work
    found = best_found(evaluator(game), starts(game), steps=20, most=300, bounds=bounds)
    rates = np.asarray(found.schedule.rates).tolist()
    assert found.equivalent == pytest.approx(outcome(game, rates)[1], rel=1e-10)
    assert found.equivalent >= values[equilibrium]
    assert max(corners(rates), key=values.__getitem__) == equilibrium


@every_game
def test_the_gradient_planner_is_as_good(x64, game):
    # Its gradients take two workers for a density of them, so it may stop a little short.
    values, equilibrium = induction(game)
    planner = MultiStart(tuple(GradientPlanner(start) for start in starts(game)))
    found = plan(jax.random.key(0), planner, evaluator(game), steps=90)
    rates = np.asarray(found.recommended.rates).tolist()
    assert outcome(game, rates)[1] >= values[equilibrium] * (1 - 1e-3)
    if not game.jumps:
        assert max(corners(rates), key=values.__getitem__) == equilibrium


@pytest.mark.parametrize("game", [game for game in GAMES if game.jumps], ids=repr)
def test_beyond_the_equilibrium_a_worker_jumps(game):
    equilibrium = induction(game)[1]
    beyond = (equilibrium[0] + 0.05, equilibrium[1])
    (_, stays), value = outcome(game, equilibrium)
    (_, leaves), less = outcome(game, beyond)
    assert stays > game.edge > leaves
    assert less < 0.9 * value
    # The last dollar of the better-off is not taxed: all of its tax is owed on income below the
    # threshold.
    assert equilibrium[1] <= 0
