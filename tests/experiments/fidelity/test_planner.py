import re
from dataclasses import astuple, replace

import jax
import numpy as np
import pytest

from baselines.optimum import simplex
from econjax import us_federal
from experiments.fidelity import planner as fidelity_planner
from experiments.fidelity.planner import FormulaPlanner, planner_fidelity, planner_table
from llm_policy.answers.reading import STEPS
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.formula.planner import changes_probabilities
from llm_policy.memory.planner import Trial
from llm_policy.prompts.numbers import bracket_names

MODEL, FORGETFUL, SHUFFLED, _, RAMP, WALK, TEACHER = range(7)
ABOVE, READ = 7, 8


class Pupil(ScriptedEngine):
    """Answers as the formula would who reads the lists of the prompt; keeps its batches.

    It was taught each change as one letter.
    """

    def __init__(self, *, learns: bool = True):
        self.batches, self.learns = [], learns
        super().__init__(str, likelihood=self.chance)

    def choose(self, prompts, options):
        self.batches.append(list(prompts))
        return super().choose(prompts, options)

    def describe(self):
        return replace(super().describe(), letters="fixed")

    def chance(self, prompt, letter):
        [current] = re.findall(r"Current rates, from the lowest bracket: (.*)\.", prompt.shared)
        shown = re.findall(r"- rates (.*): result \$([\d,]+) a year, ", prompt.shared)
        seen = [Trial(rates(text), -place, 0.0) for place, (text, _) in enumerate(shown)]
        probabilities = changes_probabilities(rates(current), seen if self.learns else [])
        return probabilities[BRACKETS.index(prompt.personal.split(": the rate")[0])][
            "ABCDE".index(letter)
        ]


BRACKETS = [f"Bracket {name}" for name in bracket_names(np.asarray(us_federal(2024).thresholds))]


def rates(text):
    return tuple(float(rate.removesuffix(" %")) / 100 for rate in text.split(", "))


@pytest.fixture(scope="module", autouse=True)
def brief_search():
    """Search the best schedule around the best one that a planner found only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            fidelity_planner,
            "best_found",
            lambda evaluate, starts: simplex(evaluate, starts[-1], most=60),
        )
        yield


@pytest.fixture(scope="module")
def pupil():
    return Pupil()


@pytest.fixture(scope="module")
def found(pupil):
    return planner_fidelity(pupil, seeds=8, evaluations=24, agents=100, welfare=["atkinson"])


def test_a_model_that_answers_as_its_formula_gains_by_its_history_and_is_no_better(found):
    assert (found.rows[MODEL].lead, found.rows[MODEL].beaten) == (None, None)
    assert found.rows[FORGETFUL].beaten
    assert not found.rows[TEACHER].beaten
    lead = found.rows[TEACHER].lead
    assert lead.low < 0 < lead.high


def test_shares_are_paired_by_seed_and_nobody_passes_the_best(found):
    for row in found.rows:
        shares = np.array(row.shares)
        assert len(shares) == found.seeds
        assert shares.max() <= 1
        assert row.regret >= 0
        assert row.share.value == pytest.approx(shares.mean())
        if row.lead is not None:
            lead = np.array(found.rows[MODEL].shares) - shares
            # half the width is t(7 degrees of freedom, 97.5 %) = 2.36462425 standard errors
            half = 2.36462425 * lead.std(ddof=1) / 8**0.5
            assert astuple(row.lead) == pytest.approx(
                (lead.mean(), lead.mean() - half, lead.mean() + half)
            )
    assert (
        min(found.rows[MODEL].shares + found.rows[FORGETFUL].shares) >= 0
    )  # they have seen US federal


def test_all_runs_are_asked_in_step_and_only_the_history_differs(pupil, found):
    questions = found.seeds * len(BRACKETS)
    assert [len(batch) for batch in pupil.batches] == [3 * questions] * (found.evaluations - 1)
    assert [row.understood for row in found.rows] == [1] * 3 + [None] * 4
    for batch in pupil.batches:
        informed, forgetful = batch[:questions], batch[questions : 2 * questions]
        assert all("The latest tax years, latest last:" in prompt.shared for prompt in informed)
        for prompt in forgetful:
            told = prompt.shared.splitlines()
            assert told[-2] == "No tax year has passed yet."
            assert told[-1].startswith("Current rates, from the lowest bracket: ")
            assert re.fullmatch(
                r"Bracket .*: the rate is [0-9.]* %\.", prompt.personal.splitlines()[0]
            )
    assert len({prompt.shared for prompt in pupil.batches[-1][:questions]}) == found.seeds


def test_a_model_that_learns_nothing_is_not_said_to_gain_by_its_history():
    found = planner_fidelity(
        Pupil(learns=False), seeds=4, evaluations=6, agents=100, welfare=["atkinson"]
    )
    assert not found.rows[FORGETFUL].beaten
    assert list(planner_table(found).columns[ABOVE].cells)[:2] == ["-", "NO"]


def test_the_table_says_whom_the_model_is_above_and_that_a_formula_is_imitated(found):
    table = planner_table(found)
    assert "8 seeds, 24 evaluations each, 100 rational workers" in str(table.title)
    assert "imitates a known formula" in str(table.title)
    assert list(table.columns[ABOVE].cells)[:2] == ["-", "yes"]
    assert list(table.columns[READ].cells) == ["100.0"] * 3 + ["-"] * 4


def test_one_seed_has_no_interval():
    with pytest.raises(ValueError, match="at least 2 seeds and 2 evaluations; got 1 and 2"):
        planner_fidelity(Pupil(), seeds=1, evaluations=2)


def test_the_formula_starts_from_the_law_and_then_moves_by_steps():
    law = us_federal(2024)
    planner, key = FormulaPlanner(law), jax.random.key(0)
    first, state = planner.ask(key, planner.init(key))
    assert first is law
    current = Trial(tuple(np.asarray(law.rates, float).tolist()), 1.0, 0.0)
    second, _ = planner.ask(key, (*state, current))
    moved = 100 * (np.asarray(second.rates) - np.asarray(law.rates))
    allowed = [np.clip(100 * law.rates + step, 0, 100) - 100 * law.rates for step in STEPS]
    assert np.isclose(moved, allowed, atol=1e-3).any(axis=0).all()
    again, _ = planner.ask(key, (*state, current))
    np.testing.assert_array_equal(again.rates, second.rates)
