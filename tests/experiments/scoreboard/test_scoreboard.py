"""The scoreboard: all planners on the same draws, against the best that anybody found on each."""

import json
from dataclasses import replace

import jax
import numpy as np
import pytest

from baselines.optimum import simplex
from econjax.planning import RationalEvaluator
from experiments.core.registry import REGISTRY
from experiments.report.intervals import Measured, bootstrap
from experiments.scoreboard import run as board
from experiments.scoreboard.economies import ECONOMIES
from experiments.scoreboard.run import (
    Contest,
    ContestSize,
    ScoreboardConfig,
    contest_scores,
    contests,
    pooled,
)
from llm_policy.engines.wrappers.tally import Tallied
from llm_policy.prompts.welfare import WELFARE
from tests.helpers.laboratory import float64

PLANNERS = ("laissez-faire", "federal", "flat", "saez", "gradient")
SIZES = ContestSize(populations=3, agents=200, evaluations=12)


@pytest.fixture(scope="module", autouse=True)
def brief_search():
    """Search the best schedule around the best one that a planner found only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            board, "best_found", lambda evaluate, starts: simplex(evaluate, starts[-1], most=40)
        )
        yield


@pytest.fixture(scope="module")
def scores():
    contests = [Contest(ECONOMIES[name], WELFARE["atkinson"]) for name in ("acs", "mixed")]
    with float64():
        return [score for contest in contests for score in contest_scores(contest, PLANNERS, SIZES)]


def of(scores, name, place=0):
    return [score for score in scores if score.planner == REGISTRY[name].name][place]


@pytest.mark.parametrize("name", ECONOMIES)
def test_everybody_works_40_hours_under_the_law_of_each_economy(name, x64):
    kind = ECONOMIES[name]
    economy = kind.economy(jax.random.key(3), 200)
    report = RationalEvaluator(economy, WELFARE["atkinson"].welfare).value(kind.law)
    assert float(report.labor) == pytest.approx(40, rel=1e-9)


def test_where_elasticities_differ_their_median_is_the_stated_one():
    kind = ECONOMIES["mixed"]
    elasticity = np.asarray(kind.economy(jax.random.key(0), 4000).population.elasticity)
    assert np.median(elasticity) == pytest.approx(kind.elasticity, rel=0.05)
    assert np.log(elasticity).std() == pytest.approx(kind.spread, rel=0.05)


def test_nobody_passes_the_best_and_the_status_quo_covers_nothing(scores):
    for score in scores:
        assert min(score.regrets) >= 0
        assert len(score.regrets) == SIZES.populations
        assert score.regret.low <= score.regret.value <= score.regret.high
    assert of(scores, "federal").shares == (0, 0, 0)
    assert of(scores, "laissez-faire").share.high < 0 < of(scores, "flat").share.low


def test_equivalent_regret_and_share_agree(scores):
    for place in (0, 1):
        best = {
            round(score.equivalent + score.regret.value, 6)
            for score in scores[5 * place : 5 * place + 5]
        }
        assert len(best) == 1
        start = of(scores, "federal", place).regrets
        for score in scores[5 * place : 5 * place + 5]:
            np.testing.assert_allclose(score.shares, 1 - np.array(score.regrets) / start, atol=1e-9)


def test_evaluations_are_counted_by_kind(scores):
    assert (of(scores, "gradient").values, of(scores, "gradient").gradients) == (
        0,
        SIZES.evaluations,
    )
    assert (of(scores, "saez").values, of(scores, "federal").values) == (SIZES.evaluations, 1)
    assert {score.queries for score in scores} == {0}


def test_somebody_wins_every_draw(scores):
    assert sum(score.wins for score in scores[:5]) >= 1


def test_a_planner_s_score_does_not_depend_on_who_else_plans(scores, x64):
    (alone,) = contest_scores(of(scores, "gradient").contest, ("gradient",), SIZES)
    assert alone.equivalent == pytest.approx(of(scores, "gradient").equivalent, rel=1e-12)


def test_pooled_scores_are_means_over_economies(scores):
    together = pooled(scores)
    assert len(together) == len(PLANNERS)
    for score in together:
        both = [other for other in scores if other.planner == score.planner]
        assert score.regret.value == pytest.approx(np.mean([other.regret.value for other in both]))
        assert score.share.low < score.share.value or score.planner == "US federal"


def test_the_bootstrap_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    inside = 0
    for seed in range(200):
        found = bootstrap([rng.normal(1.0, 1.0, 40).tolist()], seed=seed)
        inside += found.low < 1.0 < found.high
    assert 0.89 * 200 < inside < 0.99 * 200


def test_groups_are_drawn_each_on_its_own():
    apart = bootstrap([[0.0] * 10, [100.0] * 10])
    assert apart == Measured(50, 50, 50)


@pytest.mark.parametrize("vary", ["elasticity", "aversion", "told"])
def test_one_thing_varies(vary):
    varied = contests(ScoreboardConfig(vary=vary))
    assert len({(c.kind.elasticity, c.aim.name, c.told) for c in varied}) == len(varied) == 4
    assert [contest.told for contest in varied] == (
        [0.1, 0.25, 0.5, 1.0] if vary == "told" else [None] * 4
    )


def test_a_model_plans_every_draw_and_its_questions_are_counted(improviser):
    contest = Contest(ECONOMIES["acs"], WELFARE["atkinson"])
    sizes = replace(SIZES, evaluations=4)
    engine = improviser()
    counted = Tallied(engine)
    (score,) = contest_scores(contest, ("llm",), sizes, counted)
    assert score.queries == 3 * 7 * 5  # the first is the law's; 7 brackets, 5 orders of letters
    asked = 3 * 7 * 5 * sizes.populations
    assert engine.chosen == counted.tally.asked == counted.tally.read == asked


def test_the_command_prints_tables_and_json(econjax, runs):
    options = [
        "--runs",
        runs,
        "--populations",
        2,
        "--agents",
        100,
        "--evaluations",
        3,
        "--economies",
        "acs",
        "mixed",
    ]
    options += ["--planners", "federal", "flat", "--welfare", "rawlsian"]
    ran = econjax("scoreboard", *options)
    assert ran.code == 0, ran.err
    assert "Rawlsian: all economies" in ran.out
    assert "Rawlsian: incomes of the ACS 2023, single" in ran.out
    found = json.loads(econjax("scoreboard", *options, "--json").out)
    assert {row["planner"] for row in found["scores"]} == {"US federal", "flat, best by search"}


def test_bad_choices_are_told_in_one_line(econjax, assert_told):
    assert_told(econjax("scoreboard", "--populations", 1), "populations", 1)
    assert_told(econjax("scoreboard", "--economies", "mars"), "mars", "acs")
    assert_told(econjax("scoreboard", "--vary", "aversion"), "leave llm out")
