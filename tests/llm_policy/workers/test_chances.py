"""Years scored by chances, and errors that hold: a schedule lived again lies within them."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from econjax import (
    Atkinson,
    BracketSchedule,
    Economy,
    Population,
    Quasilinear,
    Rawlsian,
    Utilitarian,
)
from llm_policy.engines.base import Prompt
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.prompts.workers import Style
from llm_policy.surrogate.recording import RecordedWorkers
from llm_policy.workers.chances import Chances, drawn_hours, expected
from llm_policy.workers.llm import LLMWorkers
from llm_policy.workers.reports import mean_report
from llm_policy.workers.society import Society
from tests.helpers.laboratory import settled

N, YEARS = 20, 80
LAW = BracketSchedule([0.0, 50_000.0], [0.2, 0.4])
PEOPLE = [f"You are person {i}." for i in range(N)]
WELFARE = {"atkinson": Atkinson(1.0), "rawlsian": Rawlsian(), "utilitarian": Utilitarian()}


def some_people():
    population = Population(np.geomspace(200.0, 3_000.0, N), taste=np.linspace(0.6, 0.9, N))
    return Economy(population=population, preferences=Quasilinear(0.25))


@pytest.fixture
def economy(x64):
    return some_people()


def person(prompt: Prompt) -> int:
    match = re.search(r"You are person (\d+)", prompt.personal)
    assert match
    return int(match[1])


def latest(prompt: Prompt) -> float:
    """Return the hours that a prompt says were worked last."""
    return float(re.findall(r": (\d+) hours a week", prompt.personal.split("Your best")[0])[-1])


class Habitual(ScriptedEngine):
    """Has a taste for hours of its own, and keeps to what it last did, `habit` of the time.

    Its first hours in a year are as likely one as another of those near its taste.
    """

    def __init__(self, seed: int, habit: float):
        self._rng, self._habit = np.random.default_rng(seed), habit
        super().__init__(self._answer, likelihood=self._likes)

    def _taste(self, prompt: Prompt) -> float:
        return 30.0 + 20.0 * (person(prompt) % 3)

    def _answer(self, prompt: Prompt) -> str:
        last, fresh = latest(prompt), self._taste(prompt) + self._rng.normal(0, 15)
        again = last != 40 and self._rng.random() < self._habit
        return f'{{"hours": {int(np.clip(last if again else fresh, 0, 100))}}}'

    def _likes(self, prompt: Prompt, option: str) -> float:
        last, hours = latest(prompt), float(option)
        fresh = float(np.exp(-(((hours - self._taste(prompt)) / 25) ** 2))) + 1e-4
        keeps = self._habit if last != 40 else 0.0
        return (1 - keeps) * fresh / 3 + keeps * (hours == last) + 1e-9


def societies(economy, mode, habit, welfare):
    """Return the same people as a text or a choice society, with luck of its own by number."""

    def society(number: int) -> Society:
        engine = Habitual(number, habit)
        if mode == "text":
            workers = LLMWorkers(engine, economy, PEOPLE)
        else:
            person = jnp.zeros((N, 1))
            workers = RecordedWorkers(
                engine, economy, PEOPLE, person=person, style=Style(mode="choice")
            )
        return Society(workers, welfare)

    return society


@functools.cache
def years(mode, habit):
    """Return `YEARS` years of the same schedule and people, as mean equivalents with errors."""
    society = societies(some_people(), mode, habit, WELFARE["atkinson"])
    reports = []
    for number in range(YEARS):
        alive, key = society(number), jax.random.key(number)
        reports.append(alive.tax_year(key, alive.begin(LAW), LAW, steps=2)[0])
    return reports


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("habit", [0.0, 0.9], ids=["forgetful", "habitual"])
@pytest.mark.parametrize("mode", ["text", "choice"])
def test_a_schedule_lived_again_lies_within_two_errors(mode, habit):
    """At least 95 of 100 times, less what chance may take; and the error is not far too large."""
    found = years(mode, habit)
    values = np.array([float(report.equivalent) for report in found])
    errors = np.array([float(report.standard_error) for report in found])
    within = np.abs(values[::2] - values[1::2]) <= 2 * np.hypot(errors[::2], errors[1::2])
    assert within.sum() >= stats.binom.ppf(0.001, YEARS // 2, 0.95)
    assert errors.mean() < 3 * values.std(ddof=1)


def test_steps_taken_as_independent_would_not_hold(economy):
    """Whoever keeps its hours keeps its luck: the spread of the steps says little of the year's."""
    society = societies(economy, "text", 0.9, WELFARE["utilitarian"])
    values, naive = [], []
    for number in range(40):
        seen, alive = [], society(number)
        report, _ = alive.tax_year(
            jax.random.key(0),
            alive.begin(LAW),
            LAW,
            steps=3,
            on_step=lambda number, step, report, seen=seen: seen.append(float(report.equivalent)),
        )
        values.append(float(report.equivalent))
        naive.append(np.std(seen, ddof=1) / 3**0.5)
    within = np.abs(np.diff(values))[::2] <= 2 * np.hypot(naive[::2], naive[1::2])
    assert within.mean() < 0.9


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("mode", ["text", "choice"])
def test_two_half_samples_of_seeds_agree_within_students_intervals(mode):
    found = years(mode, 0.9)
    agree = 0
    for start in range(0, YEARS, 8):
        one, other = (mean_report(found[start + at : start + at + 4]) for at in (0, 4))
        apart = abs(float(one.equivalent - other.equivalent))
        error = np.hypot(float(one.standard_error), float(other.standard_error))
        agree += apart <= stats.t.ppf(0.975, 6) * error
    assert agree >= stats.binom.ppf(0.001, 10, 0.95)


def test_draws_are_of_the_chances_and_independent():
    chances = Chances(
        jnp.array([0.0, 20.0, 60.0]), jnp.array([[0.25, 0.5, 0.25], [0.5, 0.5, 0.0], [0, 0, 1.0]])
    )
    drawn = np.asarray(drawn_hours(jax.random.key(0), chances))
    for hours, column in zip(chances.hours, np.asarray(chances.probabilities).T, strict=True):
        np.testing.assert_allclose((drawn == float(hours)).mean(axis=0), column, atol=1e-6)
    together = ((drawn[:, 0] == 20) & (drawn[:, 1] == 20)).mean()
    assert together == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / len(drawn)))


def test_equal_keys_are_equal_luck_whatever_the_chances():
    """Who is likelier to work more works as much or more in every draw."""
    hours = jnp.arange(0.0, 101.0, 10.0)
    few = jax.nn.softmax(-hours / 30)[None]
    many = jax.nn.softmax(hours / 30)[None]
    key = jax.random.key(3)
    assert np.all(drawn_hours(key, Chances(hours, many)) >= drawn_hours(key, Chances(hours, few)))


@pytest.mark.parametrize("welfare", WELFARE.values(), ids=WELFARE)
def test_an_expectation_is_that_over_all_that_can_be_drawn(economy, welfare):
    few = Economy(
        population=Population(economy.population.skill[::7], taste=economy.population.taste[::7]),
        preferences=economy.preferences,
    )
    hours = jnp.array([0.0, 40.0, 70.0])
    chances = jax.nn.softmax(jax.random.normal(jax.random.key(1), (3, 3)), axis=1)
    exact, lost = 0.0, np.zeros(3)
    society = Society(LLMWorkers(Habitual(0, 0.0), few, PEOPLE[:3]), welfare)
    for places in np.ndindex(3, 3, 3):
        chance = float(np.prod([chances[i, place] for i, place in enumerate(places)]))
        outcome = settled(few, LAW, hours[np.array(places)])
        step = society.usual(LAW)[0]._replace(outcome=outcome)
        counts = society.live(step, LAW)
        exact += chance * float(counts.report.equivalent)
        lost += chance * np.asarray(counts.lost)
    found = expected(
        jax.random.key(2),
        few,
        LAW,
        Chances(hours, chances),
        welfare,
        subsistence=society.subsistence,
        understood=jnp.ones(()),
    )
    assert abs(float(found.report.equivalent) - exact) <= 4 * float(found.error) + 1e-9
    np.testing.assert_allclose(found.lost, lost, rtol=0.05)


def test_a_year_without_memory_of_draws_has_no_error_but_that_of_its_draws(economy):
    """All hours equally likely, whatever is remembered: chances are the same in every step."""
    engine = ScriptedEngine(str, likelihood=lambda prompt, option: 1.0)
    workers = RecordedWorkers(
        engine, economy, PEOPLE, person=jnp.zeros((N, 1)), style=Style(mode="choice")
    )
    society, errors = Society(workers, Utilitarian()), []
    report, _ = society.tax_year(
        jax.random.key(0),
        society.begin(LAW),
        LAW,
        steps=2,
        on_step=lambda number, step, report: errors.append(float(step.lived.error)),
    )
    assert float(report.standard_error) == pytest.approx(np.hypot(*errors) / 2, rel=1e-9)
