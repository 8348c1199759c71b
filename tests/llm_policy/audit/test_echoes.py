"""Who repeats what it reads is found out; who says the same whatever it reads is not."""

import functools
import re

import numpy as np
import pytest

from econjax import Atkinson, Economy, Quasilinear, calibrate, gb2, us_federal
from llm_policy.audit.echoes import NUMBERS, echoes
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.prompts.workers import Situation, Style
from llm_policy.workers.llm import LLMWorkers
from llm_policy.workers.society import Society

N = 12
LAW = us_federal(2024)


@functools.cache
def economy():
    return Economy(population=calibrate(gb2(N), LAW), preferences=Quasilinear(0.25))


def found(hours, *, ages=range(25, 25 + 3 * N, 3), **options):
    people = [f"You are {age} years old. You live on 40 hours a week." for age in ages]
    engine = ScriptedEngine(lambda prompt: f'{{"hours": {hours(prompt)}}}')
    workers = LLMWorkers(engine, economy(), people, style=Style(mode="choice"))
    state = Society(workers, Atkinson(1.0)).begin(LAW)
    situation = Situation(LAW, 1, {}, state.rebate, "explore")
    return {
        echo.kind: echo
        for echo in echoes(workers, situation, state.memory, **({"samples": 4} | options))
    }


def age_of(prompt):
    return NUMBERS["age"].search(prompt.personal)[0]


def test_who_repeats_its_age_is_found_out_and_of_that_alone():
    echo = found(age_of)
    age = echo["age"]
    assert (age.workers, age.shown, age.hidden, age.difference) == (N, 1, 0, 1)
    assert age.standard_error == 0
    for kind in ("rate", "amount"):
        assert echo[kind].difference == pytest.approx(0)


def test_who_repeats_a_rate_is_found_out():
    """Of the rates 10, 12, 22, ... 37 % and 3 points more only 35 % is in both."""
    echo = found(lambda prompt: NUMBERS["rate"].findall(prompt.shared)[1])
    assert (echo["rate"].shown, echo["rate"].hidden) == (1, 0)
    assert echo["age"].difference == pytest.approx(0)


@pytest.mark.parametrize("hours", [40, 25, 37, 12])
def test_who_says_the_same_number_whatever_it_reads_repeats_nothing(hours):
    """40 is also the age of one, a rate after the change and 40 hours; 12 and 37 are rates."""
    ages = range(40 - N + 1, 41)
    for echo in found(lambda prompt: hours, ages=ages).values():
        assert echo.difference == pytest.approx(0)
        assert echo.shown == echo.hidden
    assert found(lambda prompt: 12)["rate"].shown > 0  # that is why shares alone say nothing


def test_who_echoes_half_the_time_is_half_an_echo_within_its_error():
    rng = np.random.default_rng(0)
    age = found(lambda prompt: age_of(prompt) if rng.random() < 0.5 else 99)["age"]
    assert age.difference == pytest.approx(0.5, abs=4 * age.standard_error)
    assert 0 < age.standard_error < 0.1


def test_a_number_that_is_not_there_and_answers_that_cannot_be_read_are_no_echo():
    echo = found(lambda prompt: '"well"')["age"]
    assert (echo.workers, echo.difference, echo.standard_error) == (0, None, None)


def test_only_the_numbers_of_a_kind_are_changed():
    read = set()
    found(lambda prompt: read.add("".join(prompt)) or 40)
    assert len(read) == 4 * N
    for text in read:
        assert text.count("40 hours a week") >= 2
        assert re.search(r"any number of weekly hours from 0 to 100\.", text)
    ages = {NUMBERS["age"].search(text)[0] for text in read}
    assert ages == {str(25 + 3 * step) for step in range(N + 1)}
    tables = {tuple(NUMBERS["rate"].findall(text)[:2]) for text in read}
    assert tables == {("10", "12"), ("13", "15")}


@pytest.mark.parametrize("wrong", [{"samples": 0}, {"change": 0}])
def test_audits_of_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match="at least 1 sample and a change"):
        found(lambda prompt: 40, **({"change": 3} | wrong))
