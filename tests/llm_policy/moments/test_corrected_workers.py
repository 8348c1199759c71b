"""Workers with a planted bias, corrected to a known truth's moments, rank schedules as it does."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import Atkinson, BracketSchedule, Economy, Population, Quasilinear, us_federal
from llm_policy.formula import policy
from llm_policy.formula.workers import hours_probabilities
from llm_policy.moments.correction import fit_correction
from llm_policy.moments.measure import ALL, AskedHours, ask_situations, moments_of
from llm_policy.people import people
from llm_policy.surrogate.expectation import recorded_value
from llm_policy.workers.llm import hours_on_offer
from llm_policy.workers.society import Society

LAW, KEY, N = us_federal(2024), jax.random.key(3), 120
FITTED = ("hours_1_34", "hours_40", "mean_hours", "income")
RATES = (0.2, 0.35, 0.5, 0.65, 0.8)
pytestmark = pytest.mark.usefixtures("x64")


def economy():
    skill = np.random.default_rng(1).lognormal(6.6, 0.8, N)
    return Economy(population=Population(skill), preferences=Quasilinear(0.25))


def values():
    return np.array(hours_on_offer(economy()), float)


def too_responsive(who, attitudes, schedule, memory, phase):
    """Return the chances of workers who take each tax for more than it is, and like long weeks."""
    rates = jnp.clip(1 - (1 - schedule.rates) ** 2.2, 0, 1)
    felt = BracketSchedule(schedule.thresholds, rates)
    found = hours_probabilities(who, attitudes, felt, memory, phase)
    found = found * np.exp(0.02 * values())
    return found / found.sum(axis=1, keepdims=True)


def asked(workers):
    return AskedHours(workers.labor, workers.models.begin(), values())


def said_by(workers):
    return ask_situations(KEY, LAW, asked(workers), rebate=5_000.0)


def worth(workers):
    """Return what a year is worth under each flat rate, from the chances of the answers."""
    society, found = Society(workers, Atkinson(1.0)), []
    for rate in RATES:
        flat = BracketSchedule([0.0], [rate])
        society.tax_year(KEY, society.begin(flat), flat, steps=2)
        found.append(recorded_value(economy(), Atkinson(1.0), workers.years[-1], workers.hours))
    return np.array(found)


@pytest.fixture
def truth():
    workers = people(economy(), None, KEY)
    moments = moments_of(economy(), LAW, said_by(workers), values=values())
    targets = {m.moment: m.estimate.value for m in moments if m.group == ALL}
    return {name: targets[name] for name in FITTED}, worth(people(economy(), None, KEY))


def test_schedules_rank_under_the_correction_as_under_the_truth(truth, monkeypatch):
    targets, true = truth
    monkeypatch.setattr(policy, "hours_probabilities", too_responsive)
    biased = people(economy(), None, KEY)
    fitted = fit_correction(economy(), LAW, said_by(biased), targets, values=values())
    raw = worth(people(economy(), None, KEY))
    corrected = worth(people(economy(), None, KEY, correction=fitted.correction))
    assert list(np.argsort(raw)) != list(np.argsort(true))
    assert list(np.argsort(corrected)) == list(np.argsort(true))
    near = np.array(RATES) <= 0.5  # it was fitted to what 20 % less of a dollar does
    off, off_before = np.abs(corrected - true)[near], np.abs(raw - true)[near]
    assert (off < 0.05 * off_before).all()


def test_texts_are_not_corrected():
    with pytest.raises(ValueError, match="of hours in a text none are known: ask in choice mode"):
        people(economy(), None, KEY, mode="text", correction=object())
