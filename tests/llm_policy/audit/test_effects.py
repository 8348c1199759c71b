import functools
import re
from dataclasses import replace

import numpy as np
import pytest

from econjax import Atkinson, Economy, Quasilinear, calibrate, gb2, us_federal
from llm_policy.audit.effects import LESS, effects
from llm_policy.audit.workers import WorkersQuestion
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.prompts.workers import Situation, Style
from llm_policy.workers.llm import LLMWorkers
from llm_policy.workers.society import Society

N, LAW = 60, us_federal(2024)
ELASTICITY = 0.5


class Model(ScriptedEngine):
    """Writes `hours(prompt)` with noise of a standard deviation, and chooses the option nearest."""

    def __init__(self, hours, noise=0.0, seed=0):
        self.noise = np.random.default_rng(seed).normal(0, noise, 10**6) if noise else np.zeros(1)
        self.hours, self.asked = hours, 0
        super().__init__(self.write, likelihood=self.likelihood)

    def write(self, prompt):
        self.asked += 1
        noise = self.noise[self.asked % len(self.noise)]
        return f'{{"hours": {np.clip(self.hours(prompt) + noise, 0, 100):.6f}}}'

    def likelihood(self, prompt, option):
        return 1.0 if abs(int(option) - self.hours(prompt)) <= 5 else 1e-12

    def count(self, texts):
        return [1 for _ in texts]

    def describe(self):
        return replace(super().describe(), tokenizer="exact")


@functools.cache
def economy():
    return Economy(population=calibrate(gb2(N), LAW), preferences=Quasilinear(0.25))


def effects_of(engine, *, strangers=True, samples=8):
    people = [f"You are person {i}." for i in range(N)]
    style = Style(mode="choice")
    workers, others = (
        LLMWorkers(engine, economy(), texts, style=style) for texts in (people, people[::-1])
    )
    state = Society(workers, Atkinson(1.0)).begin(LAW)
    situation = Situation(LAW, 1, {}, state.rebate, "explore")
    question = WorkersQuestion(workers, situation, state.memory)
    return effects(question, others=others if strangers else None, samples=samples)


def first_rate(prompt):
    return float(re.search(r"([\d.]+) %", prompt.shared)[1]) / 100


def responsive(prompt):
    return 40 * ((1 - first_rate(prompt)) / 0.9) ** ELASTICITY


def by_name(found):
    return {effect.name: effect for effect in found}


def test_a_planted_elasticity_is_found_and_nothing_else():
    found = effects_of(Model(responsive, noise=4.0))
    response = found.text_response
    assert abs(response.elasticity - ELASTICITY) < 3 * response.standard_error < 0.1
    texts = by_name(found.texts)
    drop = 40 * (LESS**ELASTICITY - 1)
    assert abs(texts["law"].hours - drop) < 3 * texts["law"].hours_error
    assert texts["law"].size_low < -drop < texts["law"].size_high
    for name in ("persona", "memory", "wording", "currency", "again"):
        effect = texts[name]
        assert abs(effect.hours) < 3.5 * effect.hours_error
        assert effect.size_low < 0.5


def test_best_responses_have_the_elasticity_of_the_economy():
    assert effects_of(Model(responsive)).text_response.best == pytest.approx(0.25, abs=0.06)


@pytest.mark.parametrize(
    ("name", "hours"),
    [
        (
            "persona",
            lambda prompt: 30 + 10 * (int(re.search(r"person (\d+)", prompt.personal)[1]) % 2),
        ),
        ("memory", lambda prompt: 40 if "Step 0" in prompt.personal else 30),
        ("wording", lambda prompt: 40 if "in hours?" in prompt.personal else 30),
        ("currency", lambda prompt: 40 if "$" in prompt.personal else 30),
        ("order", lambda prompt: 40 if "0, 10, 20" in prompt.shared else 30),
    ],
)
def test_what_moves_hours_is_named(name, hours):
    found = effects_of(Model(hours))
    for effects_found in (found.choices, found.texts):
        sizes = {effect.name: effect.size for effect in effects_found}
        sizes.pop(name) if name in sizes else None
        assert sizes == dict.fromkeys(sizes, 0.0)
    assert by_name(found.choices)[name].size == pytest.approx(10)


def test_without_strangers_no_persona_is_compared():
    names = [effect.name for effect in effects_of(Model(responsive), strangers=False).texts]
    assert names == ["law", "memory", "wording", "currency", "again"]


def test_workers_who_write_nothing_have_no_effects():
    found = effects_of(Model(lambda prompt: np.nan))
    assert {(effect.workers, effect.hours) for effect in found.texts} == {(0, None)}
    assert found.text_response.elasticity is None


def test_effects_need_samples():
    with pytest.raises(ValueError, match="at least 1 sample; got 0"):
        effects_of(Model(responsive), samples=0)
