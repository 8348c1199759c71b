"""A search ranks, it does not raise: what is infinitely bad is last, for every planner."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from baselines.constrained.planner import ConstrainedPlanner
from baselines.gradient.ascent import GradientPlanner, MultiStart, adam
from baselines.gradient.parametrisation import PlainRates
from baselines.learned.ppo import PPOPlanner
from baselines.optimum import simplex
from baselines.saez.empirical import EmpiricalSaezPlanner
from baselines.saez.iterated import SaezPlanner, StaticSaezPlanner
from baselines.search.coordinate import CoordinateSearch
from baselines.search.evolution import EvolutionPlanner
from baselines.search.grid import even_grid
from baselines.search.random import FlatSearch, RandomSearch
from baselines.search.uninformed import RampPlanner, WalkPlanner
from econjax import (
    BracketSchedule,
    Economy,
    Isoelastic,
    Population,
    Rawlsian,
    Utilitarian,
)
from econjax.planning import RationalEvaluator, plan, to_learn_from, worth
from tests.helpers.laboratory import economy_of
from tests.helpers.reference import grid

EDGES = [0.0, 3e4, 9e4]
STEPS = 26


def law(rate):
    return BracketSchedule(EDGES, np.full(3, rate))


PLANNERS = {
    "random": RandomSearch,
    "flat": FlatSearch,
    "even grid": lambda start: even_grid(start, tries=STEPS),
    "coordinate": CoordinateSearch,
    "evolution": EvolutionPlanner,
    "ramp": RampPlanner,
    "walk": WalkPlanner,
    "PPO": PPOPlanner,
    "gradient": GradientPlanner,
    "adam": lambda start: GradientPlanner(start, adam(), coordinates=PlainRates()),
    "several starts": lambda start: MultiStart(
        (GradientPlanner(start), GradientPlanner(law(0.5))), rounds=4
    ),
    "constrained": ConstrainedPlanner,
    "saez": lambda start: SaezPlanner(start, 0.25),
    "static saez": lambda start: StaticSaezPlanner(start, 0.25),
    "empirical saez": EmpiricalSaezPlanner,
}
STAYS = ("static saez",)  # proposes two schedules at most
every_planner = pytest.mark.parametrize("name", PLANNERS)


class Cliff(RationalEvaluator):
    """Where the lowest rate is below an edge, what a schedule brings is infinitely bad, or nan.

    If bad is a number, as where everybody is below a floor of welfare, only weights do not exist.
    """

    def __init__(self, bad, edge=0.2):
        super().__init__(economy_of(grid("GB2", 100), 0.25), Rawlsian())
        self.bad, self.edge = bad, edge

    def value(self, schedule):
        return self._beyond(schedule, super().value(schedule))

    def value_and_grad(self, schedule):
        return self._beyond(schedule, super().value_and_grad(schedule))

    def _beyond(self, schedule, report):
        if schedule.rates[0] >= self.edge:
            return report
        unknown = jnp.full_like(report.brackets.weighted_base, jnp.nan)
        slope = jnp.zeros_like(unknown) if np.isfinite(self.bad) else unknown
        return replace(
            report,
            equivalent=jnp.asarray(self.bad),
            gradient=None if report.gradient is None else slope,
            brackets=replace(report.brackets, weighted_base=unknown),
        )


def check(found, start_is_bad, name):
    reached = [worth(report) for report in found.reports]
    assert not np.isnan(np.asarray(found.recommended.rates)).any()
    if np.max(reached) == -np.inf:
        assert start_is_bad
        assert name in STAYS
        return
    best = found.schedules[int(np.argmax(reached))]
    if name not in STAYS:
        np.testing.assert_allclose(found.recommended.rates, best.rates, atol=1e-6)


@every_planner
@pytest.mark.parametrize(
    ("bad", "start"),
    [(-np.inf, 0.25), (np.nan, 0.1), (1.0, 0.25), (1.0, 0.1)],
    ids=["from good", "from bad", "from above a floor", "from below a floor"],
)
def test_beyond_a_cliff_a_planner_goes_on_and_recommends_the_best_it_heard(name, bad, start):
    found = plan(jax.random.key(1), PLANNERS[name](law(start)), Cliff(bad), steps=STEPS)
    check(found, start < 0.2, name)


def poor(welfare):
    """Workers of whom one cannot work, where spending must be met before there is a rebate."""
    skill = np.append(0.0, np.linspace(300, 3000, 19))
    preferences = Isoelastic(2.0, exponent=3.0, scale=1e-6, unit=1e4)
    economy = Economy(
        population=Population(skill), preferences=preferences, spending=jnp.asarray(1.5e3)
    )
    return RationalEvaluator(economy, welfare)


@every_planner
def test_where_some_schedules_leave_somebody_nothing_to_consume(name):
    evaluate = poor(Utilitarian())
    assert evaluate.value(law(0.02)).equivalent == -np.inf
    assert np.isfinite(evaluate.value(law(0.4)).equivalent)
    found = plan(jax.random.key(2), PLANNERS[name](law(0.02)), evaluate, steps=STEPS)
    check(found, True, name)


def test_the_simplex_climbs_down_from_nowhere_and_says_where_it_is():
    evaluate = Cliff(-np.inf, edge=0.3)
    found = simplex(evaluate, law(0.305), most=40)
    assert np.isfinite(found.equivalent)
    assert simplex(Cliff(np.nan, edge=2.0), law(0.3), most=20).equivalent == -np.inf


def test_what_is_infinitely_bad_is_learned_from_as_the_worst():
    assert to_learn_from([3.0, -np.inf, 5.0, np.nan]).tolist() == [3.0, 1.0, 5.0, 1.0]
    assert to_learn_from([-np.inf, np.nan]).tolist() == [-1.0, -1.0]
    assert to_learn_from([2.0, 1.0]).tolist() == [2.0, 1.0]
