"""The programs of `examples/` run, small, and do what they say."""

import importlib.util
from pathlib import Path

import pytest

from llm_policy import ScriptedEngine

EXAMPLES = Path(__file__).parents[1] / "examples"


def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def numbers(text):
    """Return the dollars in a text, in order."""
    return [float(word[1:].rstrip(";.,").replace(",", "")) for word in text.split() if "$" in word]


def test_every_example_is_tested():
    tested = {
        "gradient_through_equilibrium",
        "many_schedules",
        "own_planner",
        "language_workers",
        "reinforcement_learning",
    }
    assert {path.stem for path in EXAMPLES.glob("*.py")} == tested


@pytest.mark.long
def test_a_network_learns_through_the_equilibrium(capsys):
    example("gradient_through_equilibrium").main(workers=60, steps=25)
    for line in capsys.readouterr().out.splitlines():
        proposed, today = numbers(line)
        assert proposed > today


def test_many_schedules_find_the_top_of_the_laffer_curve(capsys):
    example("many_schedules").main(workers=200)
    found, formula = capsys.readouterr().out.splitlines()
    assert "A flat tax of 72% raises most" in found or "A flat tax of 70% raises most" in found
    assert "71.4%" in formula  # 1 / (1 + 0.4)


def test_a_planner_of_ones_own_is_compared(capsys):
    example("own_planner").main(workers=50, evaluations=15)
    walk, random = capsys.readouterr().out.splitlines()
    assert walk.startswith("Walk: $")
    assert random.startswith("RandomSearch: $")


def test_language_workers_live_a_year(capsys):
    engine = ScriptedEngine(lambda prompt: '{"hours": 30}')
    example("language_workers").live(engine, workers=6, steps=2)
    hours, _, read = capsys.readouterr().out.splitlines()
    assert hours.startswith("Hours a week: 30.0; rational workers 40")
    assert read == "Answers that could be read: 100%."


@pytest.mark.long
def test_reinforcement_learning_raises_welfare(capsys):
    rewards = example("reinforcement_learning").main(workers=20, updates=15, episodes=32)
    assert rewards[-1] > rewards[0]
