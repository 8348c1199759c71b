import re
from dataclasses import replace

import numpy as np
import pytest

from econjax import Economy, Quasilinear, calibrate, gb2, us_federal
from llm_policy.audit.probe import Probe, probe_planner, probe_workers, right_mode
from llm_policy.engines.base import EngineError
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.planners.choice import ChoicePlanner
from llm_policy.prompts.workers import Style
from llm_policy.workers.llm import LLMWorkers

LAW = us_federal(2024)
READABLE = '{"hours": 40}'
FINE = Probe("workers", texts=24, readable=1.0, choices=12, tokens=1, leaked=0.1, order=0.0)


class Model(ScriptedEngine):
    """Chooses what `pick` finds in a prompt, writes `text`, and leaks as much as `leaked`."""

    def __init__(self, pick, *, text=READABLE, leaked=0.0):
        self.leaked, self.prompts = leaked, []
        super().__init__(
            lambda prompt: text,
            likelihood=lambda prompt, option: 1.0 if option == pick(prompt) else 1e-12,
        )

    def choose(self, prompts, options):
        self.prompts += prompts
        return replace(super().choose(prompts, options), leaked=np.full(len(prompts), self.leaked))


def workers(engine, agents=10):
    economy = Economy(population=calibrate(gb2(agents), LAW), preferences=Quasilinear(0.25))
    texts = [f"You are person {i}." for i in range(agents)]
    return LLMWorkers(engine, economy, texts, style=Style(mode="choice"))


def first_listed(prompt):
    return re.search(r"nothing else: (\d+)", prompt.shared)[1]


def test_a_model_that_answers_with_a_number_chooses():
    engine = Model(lambda prompt: "40")
    found = probe_workers(workers(engine), LAW, agents=4, samples=3)
    assert (found.choices, found.texts, found.tokens) == (8, 12, 1)
    assert len(engine.prompts) == 8
    assert (found.leaked, found.readable) == (0, 1)
    assert found.order == pytest.approx(0, abs=1e-6)
    assert found.disagreement == pytest.approx(0, abs=1e-6)
    assert right_mode([found]) == "choice"


def test_a_model_that_takes_what_is_listed_first_or_says_something_else_writes():
    by_place = probe_workers(workers(Model(first_listed)), LAW)
    assert by_place.order == pytest.approx(1, abs=1e-6)
    elsewhere = probe_workers(workers(Model(lambda prompt: "40", leaked=0.77)), LAW)
    assert elsewhere.leaked == pytest.approx(0.77)
    assert elsewhere.disagreement is None  # there is no answer to compare texts with
    assert "77% of the probability on no option" in str(elsewhere)
    for found in (by_place, elsewhere):
        assert right_mode([found]) == "text"
        assert right_mode([FINE, found]) == "text"
    assert right_mode([elsewhere], most_leaked=0.8) == "choice"


def test_an_engine_that_scores_nothing_writes():
    class Mute(Model):
        def choose(self, prompts, options):
            raise EngineError("it gives no scores")

    found = probe_workers(workers(Mute(str)), LAW)
    assert found.refused == "it gives no scores"
    assert right_mode([found]) == "text"
    assert "no scores (it gives no scores)" in str(found)


def test_a_model_that_can_be_read_in_no_way_is_one_clear_error():
    found = probe_workers(workers(Model(str, text="forty", leaked=1.0)), LAW)
    with pytest.raises(EngineError, match=r"no way to read.*100% of.*no option.*0% of texts"):
        right_mode([FINE, found])


def test_a_planner_that_always_says_the_first_letter_is_found_out():
    rates = Model(lambda prompt: "A", text='{"changes": [0, 0, 0, 0, 0, 0, 0]}')
    found = probe_planner(ChoicePlanner(rates, LAW, goal="Your aim is the worst-off person."))
    assert found.order == pytest.approx(0.8, abs=1e-6)
    assert (found.readable, found.leaked) == (1, 0)
    assert right_mode([found]) == "text"
    raises = Model(lambda prompt: re.search(r"([A-E]) = 10\b", "".join(prompt))[1])
    found = probe_planner(ChoicePlanner(raises, LAW, goal="Your aim is the worst-off person."))
    assert found.order == pytest.approx(0, abs=1e-6)
    assert found.readable == 0
    assert right_mode([found]) == "choice"
