import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from baselines import optimum as optima
from econjax import Atkinson, us_federal
from econjax.planning import RationalEvaluator
from experiments.optimum import run as optimum
from experiments.optimum.config import OptimumConfig
from experiments.optimum.run import find_optimum
from experiments.optimum.tables import lines_of
from tests.helpers.laboratory import float64

pytestmark = pytest.mark.long
SMALL = OptimumConfig(agents=1000, generations=8)


@pytest.fixture(scope="module")
def found():
    with float64():
        return find_optimum(SMALL)


def test_both_searches_find_the_same_value(found):
    assert found.gradients == pytest.approx(found.search, rel=2e-5)
    assert found.equivalent == max(found.gradients, found.search)
    assert found.gradient_counts["gradient"] == 5 * 80
    assert found.search_counts["gradient"] == 0


def test_nothing_beats_the_bound(found):
    # Quasi-linear workers: the bound exists; a thousand workers leave gaps of half a per cent
    # between types.
    assert found.equivalent < found.bound < 1.02 * found.equivalent


def test_first_order_conditions_hold_where_people_are(found):
    # Dollars per point of a rate; at the law itself they are hundreds of dollars.
    assert (
        max(abs(s) for s, share in zip(found.slopes, found.share, strict=True) if share > 0.01) < 5
    )
    with float64():
        report = RationalEvaluator(SMALL.economy(), Atkinson(1.0)).value_and_grad(us_federal(2024))
    assert np.abs(np.asarray(report.gradient)).max() / 100 > 50


def test_the_best_beats_todays_law(found):
    assert found.equivalent > found.status_quo + 1000


def test_command(econjax, monkeypatch, runs):
    """Brief searches: the command finds what the function does, and tells it."""
    whole = optima.simplex
    monkeypatch.setattr(
        optima, "simplex", lambda *where, most, bounds: whole(*where, most=20, bounds=bounds)
    )
    monkeypatch.setattr(optimum, "best_found", partial(optima.best_found, steps=4))
    with float64():
        found = find_optimum(replace(SMALL, generations=1))
    ran = econjax("optimum", "--agents", 1000, "--generations", 1, "--json", "--runs", runs)
    told = json.loads(ran.out)
    assert told["equivalent"] == pytest.approx(found.equivalent, rel=1e-12)
    assert len(told["rates"]) == 7


def test_lines(found):
    lines = lines_of(found)
    assert [line[:24].strip() for line in lines] == [
        "best found",
        "status quo",
        "by gradients",
        "without gradients",
        "they differ by",
        "first-order conditions",
        "upper bound",
    ]
    assert "400 gradients and 600 values" in lines[2]
    assert f"${found.bound:,.2f}" in lines[-1]


def test_where_theory_has_no_bound_the_line_says_why(found):
    lines = lines_of(replace(found, bound=None, no_bound="preferences with income effects"))
    assert "none: preferences with income effects" in lines[-1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--generations", 0], "generations must be at least 1"),
        (["--aversion", -1], "aversion must be 0 or more"),
        (["--elasticity", 25], "25 % is 0.25"),
        (["--year", 1999], "2013 to 2026"),
    ],
)
def test_bad_choices_are_told_in_one_line(options, said, econjax):
    ran = econjax("optimum", *options)
    assert ran.code == 2
    assert said in ran.err
    assert ran.err.count("\n") == 1
