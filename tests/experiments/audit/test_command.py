import io
import json
from dataclasses import asdict, replace

import pytest
from rich.console import Console

from experiments.audit.command import AuditConfig, audit
from experiments.audit.tables import figures, print_audit
from llm_policy.audit.echoes import NUMBERS
from llm_policy.engines.scripted import ScriptedEngine

SMALL = AuditConfig(agents=6, samples=3)


class Steady(ScriptedEngine):
    """Works 40 hours, raises each rate by 10 points if it reads dollars, and keeps what it read."""

    def __init__(self, *, noise=False):
        self.noise, self.read = noise, []
        super().__init__(
            self.write, likelihood=lambda prompt, option: 1.0 if option == "40" else 1e-9
        )

    def write(self, prompt):
        self.read.append(prompt)
        question = prompt.personal.splitlines()[-1]
        if "hours a week" in question:
            return '{"hours": 40}'
        if "How do you vote" in question:
            return '{"vote": 1}'
        return f'{{"changes": {[10 if "$" in prompt.shared else 0] * 7}}}'

    def describe(self):
        return replace(super().describe(), noise=self.noise)


@pytest.fixture(scope="module")
def steady():
    return Steady()


@pytest.fixture(scope="module")
def found(steady):
    return audit(SMALL, steady)


def test_what_a_steady_worker_and_a_forgetful_planner_show(found):
    lines = {figure.name: figure for figure in figures(found)}
    assert lines["texts against choices"].value == pytest.approx(0, abs=1e-6)
    assert lines["mean hours of texts"].value == pytest.approx(40)
    assert lines["mean hours of choices"].value == pytest.approx(40)
    assert lines["texts from the best hours"].value == pytest.approx(
        0, abs=1e-3
    )  # calibrated to 40 hours
    assert lines["letters instead of numbers"].value > 0.5  # no letter is 40
    planner = lines["planner in another currency: change of a rate"]
    assert (planner.value, planner.floor, planner.unit) == (
        pytest.approx(10),
        0,
        "percentage points",
    )
    assert len(lines) == len(figures(found))
    votes = "votes for the first of the list"
    assert (lines[votes].value, lines[votes].floor) == (1, pytest.approx(0.2))
    assert lines[f"{votes}: no effect of places"].value < 1e-6
    assert lines["planner's answers that are the first letter: no effect of places"].value > 1e-3
    for kind in ("age", "rate", "amount"):
        echo = lines[f"texts that repeat one {kind} of the prompt: above the floor"]
        assert echo.value == pytest.approx(0)  # 40 hours, whatever it reads


def test_who_repeats_its_age_and_who_says_the_first_option_are_caught():
    """As they would stand in the table: beside a floor that they pass, or with a small p-value."""

    def say(prompt):
        age = NUMBERS["age"].search(prompt.personal)
        return f'{{"hours": {age[0]}}}' if age else "hm"

    biased = ScriptedEngine(
        say,
        likelihood=lambda prompt, option: 1.0 if option in ("A", "0") else 1e-9,
    )
    lines = {figure.name: figure for figure in figures(audit(SMALL, biased))}
    first = "planner's answers that are the first letter"
    assert (lines[first].value, lines[first].floor) == (pytest.approx(1), pytest.approx(0.2))
    assert lines[f"{first}: no effect of places"].value < 1e-6
    age = "texts that repeat one age of the prompt"
    assert (lines[age].value, lines[age].floor) == (pytest.approx(1), pytest.approx(0))
    assert lines[f"{age}: above the floor"].value == pytest.approx(1)
    assert lines["texts that repeat one rate of the prompt: above the floor"].value < 0.1


def test_bounded_workers_have_personas_and_rational_ones_a_formula(steady, found):
    assert any("years old" in prompt.personal for prompt in steady.read)
    rational = Steady()
    audit(AuditConfig(agents=6, samples=1, scenario="rational"), rational)
    assert not any("years old" in prompt.personal for prompt in rational.read)
    assert any("cost of effort" in prompt.personal for prompt in rational.read)


def printed(found, width):
    console = Console(width=width, record=True, file=io.StringIO())
    print_audit(found, console)
    return console.export_text()


def test_the_table_has_every_figure_whole(found):
    lines, narrow = printed(found, 150).splitlines(), printed(found, 70)
    for figure in figures(found):
        number = "-" if figure.value is None else f"{figure.value:.4f}"
        [line] = [line for line in lines if line.strip().startswith(f"{figure.name}   ")]
        assert line.strip().endswith(figure.unit)
        assert abs(figure.value) >= 10 or (number in line and number in narrow)


def test_the_same_seed_is_the_same_audit_and_noise_is_called_noise(found):
    noisy = audit(SMALL, Steady(noise=True))
    assert replace(noisy, engine=found.engine) == found
    assert "ITS ANSWERS ARE NOISE" in printed(noisy, 150)
    assert "NOISE" not in printed(found, 150)


def test_it_is_json_also_where_nothing_could_be_read():
    silent = audit(SMALL, ScriptedEngine(lambda prompt: "hm"))
    told = json.loads(json.dumps(asdict(silent), allow_nan=False))
    assert told["workers"]["unreadable"] == told["planner"]["unreadable"] == 1
    assert told["workers"]["disagreement"] is None
    assert told["engine"]["engine"] == "scripted"
    why = "Texts could not be compared with choices: of every worker the model puts 100% of"
    assert why in " ".join(printed(silent, 150).split())


def test_where_some_choose_nothing_is_excused(found):
    assert "could not be compared" not in printed(found, 150)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"agents": 1}, "--agents must be at least 2"),
        ({"samples": 0}, "--samples must be at least 1"),
        ({"context": 0}, "--context must be at least 1"),
        ({"temperature": -0.1}, "--temperature must not be negative"),
        ({"elasticity": 0.0}, "--elasticity"),
    ],
)
def test_choices_that_make_no_audit(options, message):
    with pytest.raises(ValueError, match=message):
        AuditConfig(**options).check()
