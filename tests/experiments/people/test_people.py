"""`econjax people`: workers beside published moments, in a table, as rows, and again by replay."""

import dataclasses
import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from experiments.people.command import hold_against_people
from experiments.people.config import PeopleConfig
from experiments.people.found import PeopleLine
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.engines.wrappers.tally import Tallied, Tally
from llm_policy.moments.estimates import MomentEstimate
from llm_policy.moments.published import published_moments
from tests.experiments.conftest import told


@pytest.fixture(scope="module")
def formula():
    return hold_against_people(PeopleConfig(workers="formula", agents=60), None, Tally())


def by_name(found):
    return {(line.moment, line.group): line for line in found.lines}


def test_every_published_moment_has_a_line_of_known_workers(formula):
    lines = by_name(formula)
    for row in published_moments():
        line = lines[row.moment, row.group]
        assert line.published == row
        assert line.verdict in ("agrees", "above", "below", "undecided", "-")
    assert lines["income", "all"].verdict == "agrees"
    assert lines["hours_40", "all"].verdict == "above"
    assert lines["hours_35_39", "all"].estimate.value is None  # no option is such hours


def test_ways_of_asking_spread_around_the_first(formula):
    for line in formula.lines:
        if line.spread is not None:
            low, high = line.spread
            assert low <= line.estimate.value <= high
    assert by_name(formula)["hours", "all"].spread[0] < by_name(formula)["hours", "all"].spread[1]
    alone = hold_against_people(
        PeopleConfig(workers="formula", agents=60, ways=False), None, Tally()
    )
    assert [line.estimate for line in alone.lines] == [line.estimate for line in formula.lines]
    assert all(line.spread is None for line in alone.lines)


def test_best_hours_stand_beside_and_are_those_of_rational_workers(formula):
    rational = hold_against_people(PeopleConfig(workers="rational", agents=60), None, Tally())
    for line, ideal in zip(formula.lines, rational.lines, strict=True):
        assert line.best == ideal.best == ideal.estimate.value
    assert by_name(rational)["hours_40", "all"].estimate.value == 100


def test_known_workers_bunch_as_their_elasticity_says_and_vote_by_their_taxes(formula):
    lines = by_name(formula)
    everybody, hours = lines["bunching", "all"].estimate, lines["hours", "all"].estimate
    assert everybody.low < hours.value < everybody.high
    kinds = [lines["bunching", group] for group in ("wage earners", "self-employed")]
    assert sum(line.estimate.workers for line in kinds) == 60
    assert kinds[0].verdict == "above"  # people's is 0
    assert lines["in_favor", "earning below $100000"].estimate.value == pytest.approx(50)
    assert lines["in_favor", "who gains"].best == pytest.approx(100)
    assert lines["in_favor", "earning $100000 and more"].estimate.high < 50
    assert lines["fairness_effect", "all"].estimate.value == 0


class Voters(ScriptedEngine):
    """Work 40 hours or 50, and vote for higher top rates more often after an argument for them."""

    def __init__(self):
        self.read = []
        super().__init__(lambda prompt: "", likelihood=self.likes)

    def likes(self, prompt, option):
        if option not in "AB":
            return 8.0 if option == "40" else 1.0
        self.read.append(prompt)
        first, second = prompt.shared.split("Tax B, by")
        raised = "A" if "47 %" in first else "B"
        assert ("47 %" in second) == (raised == "B")
        chance = 0.7 if "argues for" in prompt.shared or "speaker for" in prompt.shared else 0.5
        return chance if option == raised else 1 - chance


def test_models_are_asked_in_every_way_and_an_argument_moves_those_it_moves():
    engine, tally = Voters(), Tally()
    config = PeopleConfig(agents=6, mode="choice")
    found = hold_against_people(config, Tallied(engine, tally), tally)
    lines = by_name(found)
    assert tally.asked == tally.read == config.questions
    effect = lines["fairness_effect", "all"]
    assert effect.estimate.value == pytest.approx(20)
    assert effect.spread == pytest.approx((20, 20))
    assert lines["in_favor", "all"].estimate.value == pytest.approx(50)
    assert lines["efficiency_effect", "all"].estimate.value == pytest.approx(0, abs=1e-9)
    assert any("crowns" in prompt.shared for prompt in engine.read)
    assert not any("employer" in prompt.personal for prompt in engine.read)
    assert found.unvoted == ""


def test_a_correction_meets_what_it_is_fitted_to_and_says_what_is_left():
    config = PeopleConfig(workers="formula", agents=60, ways=False, correct=True)
    found = hold_against_people(config, None, Tally())
    lines = by_name(found)
    for name, value in found.fit["targets"].items():
        assert lines[name, "all"].corrected.value == pytest.approx(value, rel=1e-3)
        assert lines[name, "all"].then == "agrees"
        assert lines[name, "all"].published.fitted
    assert set(found.fit["targets"]) == {"hours_1_34", "hours_40", "mean_hours", "income"}
    assert 0 < found.fit["left"] < 1
    work = lines["participation", "all"]
    assert work.corrected.value == pytest.approx(work.estimate.value, abs=1e-5)


def test_who_always_says_40_is_not_corrected(econjax, tmp_path):
    ran = econjax("people", "--workers", "rational", "--correct", "--agents", 6, "--runs", tmp_path)
    assert ran.code == 0, ran.err
    assert "WARNING, no correction: No tilt of these answers" in ran.out
    ran = econjax("people", "--workers", "formula", "--correct", "--agents", 6, "--runs", tmp_path)
    assert "of the answers is left" in ran.out.replace("\n", " ")


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.1, 0.2, "agrees"),
        (-1.0, 1.0, "undecided"),
        (0.41, 0.5, "above"),
        (0.0, 0.1, "below"),
        (None, None, "-"),
    ],
)
def test_a_verdict_says_on_which_side(low, high, verdict):
    [row] = (row for row in published_moments() if (row.moment, row.group) == ("income", "all"))
    line = PeopleLine("income", "all", MomentEstimate(2, 0.1, 0.1, low, high), None, None, row)
    assert line.verdict == verdict
    unknown = dataclasses.replace(line, published=None)
    assert unknown.verdict == "-"


def test_the_command_asks_a_model_prints_and_is_replayed(econjax, tmp_path):
    place = ("--runs", tmp_path, "--name", "one")
    ran = econjax("people", "--agents", 5, "--no-ways", *place)
    assert ran.code == 0, ran.err
    assert "at work 40 hours, %" in ran.out
    # Hours in three situations, without a kink and under four; no vote of the first five is read.
    assert "Answers understood: 40 of 45" in ran.out
    assert "WARNING, no votes: 100% of the voters' answers could not be read" in ran.out
    assert "NOT TAUGHT TO ANSWER SO AS VOTERS ON A REFORM" in ran.out.replace("\n", " ")
    rows = pq.read_table(tmp_path / "one" / "metrics.parquet").to_pylist()
    assert {row["moment"] for row in rows} >= {"hours_40", "hicksian_hours", "participation"}
    assert {row["worker_model"] for row in rows} == {"econjax-small"}
    ran = econjax("replay", tmp_path / "one")
    assert ran.code == 0, ran.err


def test_the_command_needs_no_model_for_the_formula_and_speaks_json(econjax, tmp_path):
    ran = econjax("people", "--workers", "formula", "--agents", 6, "--json", "--runs", tmp_path)
    assert ran.code == 0, ran.err
    assert len(json.loads(ran.out)["lines"]) == len(
        hold_against_people(
            PeopleConfig(workers="formula", agents=6, ways=False), None, Tally()
        ).lines
    )


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (("--samples", 0), "samples"),
        (("--agents", 1), "agents"),
        (("--most-unread", 1.5), "--most-unread is a share from 0 to 1; got 1.5"),
        (("--workers", "formula", "--mode", "text"), "write no texts: leave out --mode text"),
    ],
)
def test_what_cannot_be_compared_is_told_in_one_line(econjax, wrong, says):
    told(econjax("people", *wrong), says)


def test_people_of_a_file_are_fitted_to_in_part_and_the_rest_is_held_out(econjax, tmp_path):
    draw = np.random.default_rng(0)
    hours = draw.choice([0, 20, 40, 50, 60], 600, p=[0.1, 0.2, 0.4, 0.2, 0.1])
    file = tmp_path / "hours.csv"
    file.write_text("\n".join(["hours", *map(str, hours)]) + "\n")
    few = ("--workers", "formula", "--correct", "--no-ways", "--agents", 60)
    place = ("--human", file, "--runs", tmp_path, "--name", "one")
    ran = econjax("people", *few, *place)
    assert ran.code == 0, ran.err
    assert "People: hours.csv, the share that was held out." in ran.out
    made = json.loads((tmp_path / "one" / "certificate.json").read_text())
    assert made["of"]["people"] == "hours.csv, 50% of whom were held out"
    moments = {(one["moment"], one["group"]): one for one in made["moments"]}
    spike = moments["hours_40", "all"]
    assert spike["corrected"]["value"] == pytest.approx(made["correction"]["targets"]["hours_40"])
    assert spike["people"] != pytest.approx(made["correction"]["targets"]["hours_40"])
    assert spike["low"] < 100 * 0.4 / 0.9 < spike["high"]
    assert moments["income", "all"]["people"] == 0.25
    again = econjax("replay", tmp_path / "one")
    assert (again.code, "is identical" in again.err) == (0, True), again.err
    file.write_text("\n".join(["hours", *map(str, [40] * 90 + [60] * 90)]) + "\n")
    told(econjax("people", *few, *place[:-1], "two"), "These moments contradict each other")
