"""Two thousand workers asked one by one, and drawn from archetypes: the same hours and ranking."""

from functools import partial
from typing import NamedTuple

import jax
import numpy as np
import pytest

from econjax import Atkinson, BracketSchedule
from experiments.compare.config import CompareConfig
from experiments.core.registry import REGISTRY, PlanningContext
from experiments.core.workforce import workforce_of
from llm_policy.archetypes.certificate import mixed_chances
from llm_policy.audit.variation import jensen_shannon
from llm_policy.engines.embedded.engine import EmbeddedEngine
from llm_policy.prompts.welfare import welfare_aim

AGENTS, ARCHETYPES, TIMES = 2_000, 128, 400
KEY = jax.random.key(0)
PLANNERS = ("laissez-faire", "federal", "uniform")
"""Planners who recommend what they begin with, so that a tax year of each ranks them."""


class Lived(NamedTuple):
    """By planner, everybody's chances of hours, and the equivalent."""

    chances: dict[str, np.ndarray]
    equivalent: dict[str, float]

    @property
    def ranking(self) -> list[str]:
        return sorted(self.equivalent, key=self.equivalent.__getitem__)


def small():
    return EmbeddedEngine(cache_bytes=1 << 28)


def lived(engine, archetypes=None) -> Lived:
    config = CompareConfig(workers=("llm",), agents=AGENTS, archetypes=archetypes)
    context = PlanningContext(
        law=config.status_quo(), elasticity=None, engine=None, aim=welfare_aim("atkinson")
    )
    crew = workforce_of(config, config.economy(), engine, KEY)
    society, steps = crew.society(Atkinson(1.0), config.subsistence), []
    found = Lived({}, {})
    for name in PLANNERS:
        planner = REGISTRY[name].planner(context)
        schedule: BracketSchedule = planner.ask(KEY, planner.init(KEY))[0]
        report, _ = society.tax_year(
            KEY,
            society.begin(schedule),
            schedule,
            steps=1,
            on_step=lambda number, step, report: steps.append(step),
        )
        chances = crew.workers.chances.probabilities
        if crew.archetypes:
            chances = mixed_chances(steps[-1].answers, *crew.archetypes.links)
        found.chances[name] = np.asarray(chances, float)
        found.equivalent[name] = float(report.equivalent)
    return found


def hours_drawn(rng, chances):
    """Return how many work each of the hours, in each of some draws of everybody's."""
    reached = np.cumsum(chances, axis=1)[:, :-1]
    place = [(rng.random((AGENTS, 1)) >= reached).sum(axis=1) for _ in range(TIMES)]
    return np.stack([np.bincount(one, minlength=11) for one in place]) / AGENTS


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(lambda: None, id="formula"),
        pytest.param(small, id="econjax-small", marks=pytest.mark.long),
    ],
)
def both(request):
    engine = request.param()
    return lived(engine), lived(engine, ARCHETYPES)


@pytest.mark.parametrize("planner", PLANNERS)
def test_hours_are_distributed_as_if_everybody_were_asked(both, planner):
    """The statistic is the divergence of hours drawn, whose null distribution is resampled.

    Under the null both are draws of the workers who are asked one by one, twice; another law is
    told apart by it.
    """
    rng, (everybody, few) = np.random.default_rng(0), both
    draws = partial(hours_drawn, rng)
    one, again = (draws(everybody.chances[planner]) for _ in range(2))
    null = jensen_shannon(one, again)
    drawn = jensen_shannon(one, draws(few.chances[planner]))
    assert np.mean(drawn) < np.quantile(null, 0.95)
    p_value = np.mean(null >= drawn[0])
    assert p_value > 0.01
    other = next(name for name in PLANNERS if name != planner)
    apart = jensen_shannon(one, draws(everybody.chances[other]))
    assert apart.min() > np.quantile(null, 0.99)


def test_planners_are_ranked_as_if_everybody_were_asked(both):
    everybody, few = both
    assert few.ranking == everybody.ranking
    for name in PLANNERS:
        assert few.equivalent[name] == pytest.approx(everybody.equivalent[name], rel=0.01)
