"""Schedules made for one kind of workers and enacted on another."""

import json

import jax
import numpy as np
import pytest

from experiments.report.intervals import Measured
from experiments.transfer import run
from experiments.transfer.config import TransferConfig
from experiments.transfer.run import transfer
from llm_policy.workers.evaluator import ModelEvaluator
from tests.helpers.laboratory import float64

SMALL = TransferConfig(
    agents=6,
    seeds=2,
    planners=("federal", "flat", "surrogate"),
    welfare=("atkinson",),
    evaluations=(6, 2),
    tax_year=1,
    checks=2,
)


@pytest.fixture(scope="module")
def found(improviser, brief_fits):
    with float64(), brief_fits():
        return transfer(SMALL, improviser())


def test_every_planner_learns_from_both_and_is_measured_on_both(found):
    *both, last = found
    assert [(one.planner, one.learned_from) for one in both] == [
        (planner, kind)
        for planner in ("US federal", "flat, best by search")
        for kind in SMALL.workers
    ]
    for one in both:
        assert set(one.on) == set(one.lost) == set(SMALL.workers)
    # There is no surrogate of workers who respond exactly.
    assert (last.planner, last.learned_from) == ("gradient on a surrogate", "llm")
    assert (set(last.on), set(last.lost)) == (set(SMALL.workers), {"llm"})


def test_nothing_is_lost_by_those_who_learned_from_the_workers_themselves(found):
    for one in found:
        assert one.lost[one.learned_from] == Measured(0, 0, 0)


def test_a_fixed_schedule_brings_rational_workers_the_same_whoever_it_was_made_for(found):
    made_for = {one.learned_from: one for one in found if one.planner == "US federal"}
    assert made_for["rational"].on["rational"] == made_for["llm"].on["rational"]
    assert made_for["llm"].lost["rational"].value == pytest.approx(0)


def test_the_best_flat_rate_for_rational_workers_is_best_for_them(found):
    flat = {one.learned_from: one for one in found if one.planner.startswith("flat")}
    assert flat["llm"].lost["rational"].low >= -1e-9


def test_equivalents_are_per_head(found, improviser, brief_fits):
    """Twice the people bring about the same dollars: nothing is a total."""
    with float64(), brief_fits():
        more = transfer(TransferConfig(**{**vars(SMALL), "agents": 12}), improviser())
    for one, other in zip(found, more, strict=True):
        assert np.isclose(one.on["rational"].value, other.on["rational"].value, rtol=0.2)


def test_schedules_are_compared_on_the_same_draws_and_none_that_they_were_made_on(
    improviser, monkeypatch
):
    keys = []

    class Noting(ModelEvaluator):
        def __init__(self, society, *, key, **options):
            keys.append(jax.random.key_data(key).tolist())
            super().__init__(society, key=key, **options)

    monkeypatch.setattr(run, "ModelEvaluator", Noting)
    transfer(TransferConfig(**{**vars(SMALL), "planners": ("federal",)}), improviser())
    # By seed: what was made for rational workers is checked; what is made for models, and checked.
    for checked, made, again in (keys[:3], keys[3:]):
        assert checked == again != made
    assert keys[0] != keys[3]


def test_schedules_may_be_made_for_a_crowd_that_is_drawn_from_archetypes(improviser):
    drawn = TransferConfig(
        **{**vars(SMALL), "agents": 200, "archetypes": 16, "planners": ("federal",)}
    )
    found = transfer(drawn, improviser())
    assert [one.learned_from for one in found] == list(SMALL.workers)
    assert all(np.isfinite(one.on["llm"].value) for one in found)
    assert drawn.questions < TransferConfig(**{**vars(drawn), "archetypes": None}).questions


def test_the_command_prints_tables_and_json(play, improviser, econjax, runs):
    play(improviser())
    options = [
        "--runs",
        runs,
        "--agents",
        6,
        "--seeds",
        2,
        "--planners",
        "federal",
        "--welfare",
        "rawlsian",
        "--checks",
        1,
    ]
    ran = econjax("transfer", *options, "--evaluations", 2, 2)
    assert ran.code == 0, ran.err
    assert "Rawlsian" in ran.out
    assert "6 people, the same ones" in " ".join(ran.out.split())
    assert "Answers understood: " in ran.out
    (one, other) = json.loads(econjax("transfer", *options, "--evaluations", 2, 2, "--json").out)
    assert {one["learned_from"], other["learned_from"]} == set(SMALL.workers)


def test_bad_choices_are_told_in_one_line(play, econjax, assert_told):
    play(None)
    assert_told(econjax("transfer", "--seeds", 1), "seeds", 1)
    assert_told(econjax("transfer", "--evaluations", 0, 3), "evaluations", 0)
