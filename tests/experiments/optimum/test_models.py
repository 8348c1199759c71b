"""The best schedule found among language models, and how sure that is."""

import json
from dataclasses import astuple

import jax
import numpy as np
import pytest

from econjax import us_federal
from experiments.core.economy import EconomyConfig
from experiments.core.workforce import workforce_of
from experiments.optimum import models as optimum_models
from experiments.optimum.config import OptimumConfig
from experiments.optimum.models import Search, bands, find_model_optimum
from llm_policy.engines.wrappers.tally import Tally
from llm_policy.people import people
from llm_policy.prompts.welfare import welfare_aim
from llm_policy.workers.society import Society
from tests.helpers.laboratory import float64

AGENTS = 6
SEARCH = Search(tries=6, climbs=2, finalists=2, checks=3, steps=1)


@pytest.fixture(scope="module")
def found(improviser, brief_fits):
    with float64(), brief_fits():
        economy = EconomyConfig(agents=AGENTS).economy()
        workers = people(economy, improviser(), jax.random.key(0))
        society = Society(workers, welfare_aim("atkinson").welfare)
        return find_model_optimum(jax.random.key(1), society, us_federal(2024), SEARCH)


def test_the_best_is_first_and_inside_its_band(found):
    means = [candidate.mean for candidate in found.candidates]
    assert means == sorted(means, reverse=True)
    assert found.band.low <= found.band.value <= found.band.high
    assert found.band.value == pytest.approx(means[0])
    assert [gap.value for gap in found.behind] == pytest.approx(
        [means[0] - mean for mean in means[1:]]
    )


def test_the_law_and_the_optimum_of_rational_workers_are_candidates(found):
    names = {candidate.name for candidate in found.candidates}
    assert {"US federal", "best among rational workers", "gradient on a surrogate"} < names
    assert len(found.candidates) == 4 + SEARCH.finalists


def test_every_answer_is_counted(found):
    assert found.answers == AGENTS * SEARCH.steps * (
        SEARCH.tries + SEARCH.climbs + SEARCH.checks * len(found.candidates)
    )


def test_workers_may_be_drawn_from_archetypes_and_these_alone_are_asked(brief_fits):
    """The surrogate learns from archetypes as from workers who are asked one by one."""
    config = OptimumConfig(agents=200, archetypes=16, workers="llm")
    tally = Tally()
    with float64(), brief_fits():
        crew = workforce_of(config, config.economy(), None, jax.random.key(0), tally=tally)
        society = crew.society(welfare_aim("atkinson").welfare, config.subsistence)
        few, before = len(crew.archetypes.nodes.cell), tally.asked
        brief = Search(tries=2, climbs=2, finalists=1, checks=2, steps=1)
        found = find_model_optimum(jax.random.key(1), society, us_federal(2024), brief)
    assert few <= 16
    assert "gradient on a surrogate" in {candidate.name for candidate in found.candidates}
    assert found.answers == tally.asked - before == few * (2 + 2 + 2 * len(found.candidates))
    assert all(np.isfinite(candidate.mean) for candidate in found.candidates)


def test_what_years_have_in_common_cancels_in_differences():
    luck = np.random.default_rng(0).normal(0, 100, 30)
    band, (behind,) = bands(np.stack([luck + 1, luck]))
    assert astuple(behind) == pytest.approx((1, 1, 1))
    assert band.high - band.low > 20


def test_the_band_counts_the_luck_of_being_chosen():
    """Of many equal candidates the best looks too good: the band then lies above each one's own."""
    rng = np.random.default_rng(0)
    years = rng.normal(0, 1, (40, 20))
    years = years[np.argsort(-years.mean(axis=1))]
    alone = bands(years[:1])[0]
    band = bands(years)[0]
    assert band.low > alone.low
    assert band.high >= alone.high


def test_the_command_prints_lines_and_json(
    play, improviser, econjax, brief_fits, monkeypatch, runs
):
    monkeypatch.setattr(optimum_models, "SEARCH", SEARCH)
    play(improviser())
    options = ["optimum", "--workers", "llm", "--agents", AGENTS, "--runs", runs]
    with brief_fits():
        ran, listed = econjax(*options), econjax(*options, "--json")
    assert ran.code == 0, ran.err
    assert ran.out.startswith("best found")
    assert "no bound is known" in " ".join(ran.out.split())
    assert "Answers understood: " in ran.out
    assert json.loads(listed.out)["candidates"]
