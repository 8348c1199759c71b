"""The contest of planners among workers whose formula is known."""

import jax
import numpy as np
import pytest

from baselines.trust_region import Trial
from econjax import Atkinson, BracketSchedule, us_federal
from experiments.config import EconomyConfig
from experiments.evaluation import ModelEvaluator
from experiments.roster import AIMS
from experiments.surrogate_planning import (
    ENTRANTS,
    SURROGATE,
    Seat,
    Sizes,
    SurrogateRefit,
    compete,
    contest_table,
    surrogate_planner,
)
from llm_policy.answers import Tally
from llm_policy.personas import draw_personas
from llm_policy.society import Society
from llm_policy.teachers.taught import TaughtWorkers

LAW = us_federal(2024)
KEY = jax.random.key(0)
SMALL = Sizes(agents=30, evaluations=5, seeds=3, welfare=("atkinson",))
SOME = {name: entry for name, entry in ENTRANTS.items() if name != "language model"}


def workers(agents=20):
    economy = EconomyConfig(agents=agents).economy()
    return TaughtWorkers(economy, draw_personas(KEY, economy.population))


@pytest.fixture(scope="module")
def rows():
    return {row.planner: row for row in compete(None, SMALL, entrants=SOME)}


def test_everyone_gets_the_same_number_of_answers(rows):
    assert rows[SURROGATE].queries == rows["random search"].queries == 30 * 5
    assert rows["US federal"].queries == 30
    assert all(row.proposals == 0 for row in rows.values())


def test_the_surrogate_planner_beats_random_search_and_the_law(rows):
    assert rows[SURROGATE].beaten is None
    assert rows["US federal"].beaten
    lead = rows["random search"].lead
    own, other = (np.array(rows[name].equivalents) for name in (SURROGATE, "random search"))
    assert lead.value == pytest.approx((own - other).mean(), rel=1e-6)
    assert lead.value > 0
    assert rows["random search"].beaten == (lead.low > 0)


def test_the_table_names_everyone(rows):
    table = contest_table(list(rows.values()), "title")
    assert table.row_count == len(SOME)


def test_a_contest_needs_the_surrogate_planner_and_two_seeds():
    with pytest.raises(ValueError, match="two seeds"):
        compete(None, Sizes(seeds=1))
    with pytest.raises(ValueError, match="entrant"):
        compete(None, SMALL, entrants={"US federal": ENTRANTS["US federal"]})


def test_trials_are_the_tax_years_that_were_recorded():
    some = workers()
    seat = Seat(LAW, None, AIMS["atkinson"], some, 1, KEY, Tally())
    planner = surrogate_planner(seat)
    report = ModelEvaluator(Society(some, Atkinson(1.0)), steps=1, key=KEY).value(LAW)
    other = BracketSchedule(LAW.thresholds, 0.5 * LAW.rates)
    refit: SurrogateRefit = planner.refit
    for trials in ([Trial(other, report)], [Trial(LAW, report)] * 2):
        with pytest.raises(ValueError, match="tax years recorded"):
            refit(trials, None)


def test_the_belief_predicts_a_known_year_and_its_gradient():
    """At the schedule that it has heard of, the surrogate forecasts what the answers there are worth."""
    some = workers(40)
    seat = Seat(LAW, None, AIMS["atkinson"], some, 1, KEY, Tally())
    planner = surrogate_planner(seat)
    report = ModelEvaluator(Society(some, Atkinson(1.0)), steps=1, key=KEY).value(LAW)
    belief = planner.tell(planner.init(KEY), LAW, report).belief
    value, gradient = belief.predict(LAW)
    assert float(value) == pytest.approx(belief.worth[0], rel=0.02)
    assert gradient.shape == LAW.rates.shape
    step, way = 0.01, np.asarray(gradient) / np.linalg.norm(gradient)
    ahead, behind = (
        float(belief.predict(BracketSchedule(LAW.thresholds, LAW.rates + by * way))[0])
        for by in (step, -step)
    )
    assert (ahead - behind) / (2 * step) == pytest.approx(float(np.linalg.norm(gradient)), rel=0.05)
