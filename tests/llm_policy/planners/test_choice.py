"""A language model that plans by choosing one token for each bracket."""

import json
import re
from dataclasses import replace
from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import BracketSchedule, Economy, Population, Quasilinear, Rawlsian
from econjax.planning import VALUE, Planner, RationalEvaluator, plan
from experiments.training.train import ENTRIES
from llm_policy.answers.reading import STEPS
from llm_policy.engines.base import EngineError
from llm_policy.engines.embedded.engine import SHIPPED_FOLDER
from llm_policy.engines.provenance import LETTERS_ENTRY
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.memory.planner import Trial, recalled
from llm_policy.planners.choice import ChoicePlanner
from llm_policy.planners.text import LLMPlanner
from llm_policy.prompts.planner import LETTERS, PlannerStyle

KEY = jax.random.key(0)
START = BracketSchedule([0.0, 50_000.0], [0.1, 0.2])
ECONOMY = Economy(
    population=Population(np.geomspace(200, 4_000, 30)), preferences=Quasilinear(0.25)
)


def engine(likelihood=lambda prompt, option: 1.0):
    return ScriptedEngine(str, likelihood=likelihood)


def planner(**options):
    return ChoicePlanner(engine(**options), START, goal="Your aim is the worst-off person.")


def test_it_is_a_planner_that_starts_at_the_start_and_moves_by_steps():
    assert isinstance(planner(), Planner)
    found = plan(KEY, planner(), RationalEvaluator(ECONOMY, Rawlsian()), steps=4)
    rates = np.array([schedule.rates for schedule in found.schedules])
    np.testing.assert_array_equal(rates[0], START.rates)
    assert np.all((rates >= 0) & (rates <= 1))
    moves = np.round(100 * np.diff(rates, axis=0)).astype(int)
    inside = (rates[1:] > 0) & (rates[1:] < 1)
    assert set(moves[inside].tolist()) <= set(STEPS)
    best = int(np.argmax([report.equivalent for report in found.reports]))
    np.testing.assert_allclose(found.recommended.rates, rates[best], atol=1e-6)


def test_the_policy_is_the_models_bent_by_the_bias():
    """A model that prefers no change twice, and a bias of log 6 on +20: 1, 1, 2, 1, 6 of 11."""
    bias = jnp.zeros((2, 5)).at[:, 4].set(jnp.log(6.0))
    some = ChoicePlanner(
        engine(lambda prompt, option: 2.0 if meaning(prompt, option) == 0 else 1.0),
        START,
        goal="?",
        bias=bias,
    )
    states = [some.tell(some.init(KEY), START, RationalEvaluator(ECONOMY, Rawlsian()).value(START))]
    decided = some.decide(list(jax.random.split(KEY, 2000)), states * 2000)
    places = np.array([state.decisions[0].places for state in decided])
    shares = np.bincount(places.ravel(), minlength=5) / places.size
    np.testing.assert_allclose(
        shares, np.array([1, 1, 2, 1, 6]) / 11, atol=4 * 0.5 / np.sqrt(places.size)
    )
    assert some.tally.asked == some.tally.read == 2 * 5 * 2000


def meaning(prompt, letter):
    """Return the change that a letter stands for in a question."""
    return int(re.search(rf"{letter} = (-?\d+)", "".join(prompt))[1])


@pytest.mark.parametrize("letter", LETTERS)
def test_a_model_that_always_says_one_letter_likes_no_change_more_than_another(letter):
    found = decided(only=letter)
    np.testing.assert_allclose(np.exp(found), np.full((2, 5), 0.2), rtol=1e-12)


def test_a_model_that_means_a_change_keeps_all_its_probability_on_it():
    """It names +10 whatever letter that is."""
    some = ScriptedEngine(
        lambda prompt: next(letter for letter in LETTERS if meaning(prompt, letter) == 10)
    )
    np.testing.assert_allclose(np.exp(decided(some)), np.tile([0, 0, 0, 1, 0], (2, 1)))


def test_letters_stay_where_the_model_was_taught_them():
    """It asks each bracket once, in the one order, and the letters mean what was taught."""

    class Taught(ScriptedEngine):
        def describe(self):
            return replace(super().describe(), letters="fixed")

    found = decided(Taught(lambda prompt: "D"))
    np.testing.assert_allclose(np.exp(found), np.tile([0, 0, 0, 1, 0], (2, 1)))
    shipped = json.loads((SHIPPED_FOLDER / "config.json").read_text())
    assert shipped[LETTERS_ENTRY] == ENTRIES[LETTERS_ENTRY] == "fixed"


def decided(some=None, only=""):
    """Return the log probabilities of the changes of both brackets after one tax year."""
    some = some or ScriptedEngine(lambda prompt: only)
    ready = ChoicePlanner(some, START, goal="?")
    state = ready.tell(ready.init(KEY), START, RationalEvaluator(ECONOMY, Rawlsian()).value(START))
    [state] = ready.decide([KEY], [state])
    return state.decisions[0].logprob


def lived(*years):
    """Return a planner and its state after years of rates in per cent and a result in dollars."""
    some = planner()
    state = some.init(KEY)
    for rates, result in years:
        schedule = BracketSchedule(START.thresholds, [rate / 100 for rate in rates])
        report = SimpleNamespace(equivalent=result, standard_error=0.0)
        state = some.tell(state, schedule, report)
        state = state._replace(seen=state.seen._replace(report=None))
    return some, state


def lines(*years):
    some, state = lived(*years)
    return [prompt.personal.splitlines()[0] for prompt in some.prompts(state)[::5]]


def test_all_brackets_share_what_a_planner_reads_and_each_has_a_question_of_its_own():
    some, state = lived(((10, 20), 100.0), ((30, 20), 200.0))
    prompts = some.prompts(state)
    assert len({prompt.shared for prompt in prompts}) == 1
    text = prompts[0].shared
    assert len(set(prompts)) == len(prompts) == 2 * 5
    assert "worst-off person" in text
    assert "- rates 10 %, 20 %: result $100 a year" in text
    assert text.endswith("Current rates, from the lowest bracket: 30 %, 20 %.")
    for prompt in prompts:
        line, legend, question = prompt.personal.splitlines()
        assert line.startswith("Bracket ")
        assert sorted(int(said) for said in re.findall(r"[A-E] = (-?\d+)", legend)) == list(STEPS)
        assert question == "By how many percentage points do you change this rate?"
    asked = {(p.personal.splitlines()[0], x, meaning(p, x)) for p in prompts for x in LETTERS}
    assert len(asked) == 2 * 5 * 5  # every bracket asks with every letter for every change


def test_fixed_letters_are_told_once_to_all():
    style = PlannerStyle(letters="fixed")
    some = ChoicePlanner(engine(), START, goal="?", style=style)
    prompts = some.prompts(some.init(KEY))
    assert len(prompts) == 2
    assert "A = -20, B = -10, C = 0, D = 10, E = 20." in prompts[0].shared
    assert not any("A =" in prompt.personal for prompt in prompts)
    with pytest.raises(ValueError, match="got 'loose'"):
        PlannerStyle(letters="loose")


def test_a_bracket_s_line_says_how_the_best_schedule_differs():
    below, above = "Bracket $0 to $50,000: the rate is", "Bracket above $50,000: the rate is"
    assert lines(((10, 20), 100.0)) == [f"{below} 10 %.", f"{above} 20 %."]
    assert lines(((10, 20), 100.0), ((30, 15.5), 200.0)) == [
        f"{below} 30 %, as in the best schedule so far. From the second best to that it changed by "
        "+20 points; over all brackets the mean change was +7.75 points.",
        f"{above} 15.5 %, as in the best schedule so far. From the second best to that it changed "
        "by -4.5 points; over all brackets the mean change was +7.75 points.",
    ]
    assert lines(((10, 20), 300.0), ((30, 20), 200.0)) == [
        f"{below} 30 %, in the best schedule so far 10 %, a change of -20 points.",
        f"{above} 20 %, in the best schedule so far 20 %, a change of +0 points.",
    ]


def test_a_model_that_says_none_of_the_letters_is_an_error():
    mute = ChoicePlanner(ScriptedEngine(lambda prompt: "well"), START, goal="?")
    state = mute.tell(mute.init(KEY), START, RationalEvaluator(ECONOMY, Rawlsian()).value(START))
    with pytest.raises(
        EngineError, match=r"100% of its probability to none of the changes.*use text mode"
    ):
        mute.ask(KEY, state)
    with pytest.raises(ValueError, match=r"\(2, 5\)"):
        ChoicePlanner(engine(), START, goal="?", bias=jnp.zeros((3, 5)))


def remembering(history, make):
    """Return what the model reads after three tax years, and what the planner recommends."""
    some = make(engine(), START, goal="?", style=PlannerStyle(history=history))
    state = some.init(KEY)
    for rates, result in (((0.1, 0.2), 100.0), ((0.2, 0.3), 300.0), ((0.3, 0.2), 200.0)):
        report = RationalEvaluator(ECONOMY, Rawlsian()).value(START)
        report = eqx.tree_at(lambda r: r.equivalent, report, jnp.asarray(result))
        state = some.tell(state, BracketSchedule(START.thresholds, list(rates)), report)
    prompt = some.prompts(state)[0] if isinstance(some, ChoicePlanner) else some.prompt(state)
    text = "".join(prompt).split("The latest tax years, latest last:")
    years = re.findall(r"- rates ([^:]*): result \$(\d+)", text[-1])
    return years, "".join(prompt), some.recommend(state).rates, some.observes


@pytest.mark.parametrize("make", [ChoicePlanner, LLMPlanner])
def test_a_history_can_be_kept_from_the_model_but_not_from_the_planner(make):
    kept, full, best, observes = remembering("kept", make)
    assert kept == [("10 %, 20 %", "100"), ("20 %, 30 %", "300"), ("30 %, 20 %", "200")]
    np.testing.assert_allclose(best, [0.2, 0.3])
    assert "distribution" in observes
    none, text, best, observes = remembering("none", make)
    assert none == []
    assert "No tax year has passed yet." in text
    assert "Current rates, from the lowest bracket: 30 %, 20 %." in text
    assert "Workers by annual income" in full
    assert "Workers by annual income" not in text
    np.testing.assert_allclose(best, [0.2, 0.3])
    assert observes == VALUE
    shuffled, _, best, _ = remembering("shuffled", make)
    assert [rates for rates, _ in shuffled] == [rates for rates, _ in kept]
    assert sorted(result for _, result in shuffled) == ["100", "200", "300"]
    np.testing.assert_allclose(best, [0.2, 0.3])


def test_shuffled_results_are_anybodys():
    """Over many histories each tax year is as likely to show any year's result."""
    rng = np.random.default_rng(0)
    counts = np.zeros((4, 4))
    for _ in range(2000):
        years = [
            Trial((year / 10,), result, 0.0) for year, result in enumerate(1e4 * rng.random(4))
        ]
        dealt = recalled(years, "shuffled")
        assert [trial.rates for trial in dealt] == [trial.rates for trial in years]
        assert dealt == recalled(years, "shuffled")
        for place, trial in enumerate(dealt):
            counts[place, [year.equivalent for year in years].index(trial.equivalent)] += 1
    np.testing.assert_allclose(counts / 2000, 0.25, atol=4 * (0.25 * 0.75 / 2000) ** 0.5)
