"""Questions about taxes: their answers against NumPy by hand, and what makes them fair."""

import re
from collections import Counter

import jax
import numpy as np
import pytest

from econjax import calibrate, gb2, us_federal
from llm_policy.sense.draws import OFFERED_HOURS, SenseWorld, round_number
from llm_policy.sense.items import answer_form, sense_items

CASES = 20


@pytest.fixture(scope="module")
def world():
    law = us_federal(2024)
    population = calibrate(gb2(200), law)
    return SenseWorld.of(population.skill, population.weight, law.thresholds, 0.25)


@pytest.fixture(scope="module")
def items(world):
    return sense_items(world, cases=CASES)


def law_in(text):
    """Return thresholds and rates as a reader of a question finds them."""
    lines = re.findall(
        r"^- (?:above )?\$([\d,]+)(?: to \$[\d,]+)?: ([\d.]+) %$", text, re.MULTILINE
    )
    starts, rates = zip(*lines, strict=True)
    return np.array([number(each) for each in starts]), np.array([float(r) / 100 for r in rates])


def number(text):
    return float(text.replace(",", ""))


def tax(text, income):
    """Return the integral of the marginal rates that a text lists."""
    starts, rates = law_in(text)
    ends = np.append(starts[1:], np.inf)
    return float(rates @ np.clip(np.minimum(income, ends) - starts, 0, None))


def options_in(text):
    legend = text.splitlines()[-1]
    return [number(each) for each in re.findall(r"[A-Z] = \$?([\d,]+)", legend)]


def of(items, family, role):
    return [item for item in items if (item.family, item.role) == (family, role)]


def test_the_tax_that_is_due_is_the_integral_of_the_rates_that_are_shown(items):
    for item in of(items, "competency", "tax"):
        income = number(re.search(r"income is \$([\d,]+) a year", item.question)[1])
        assert item.target == pytest.approx(tax(item.question, income), abs=0.5)


def test_what_is_kept_is_the_rise_less_the_rise_of_the_tax(items):
    for item in of(items, "competency", "kept"):
        income, more = map(
            number,
            re.search(r"is \$([\d,]+) a year, and it rises by \$([\d,]+)", item.question).groups(),
        )
        taken = tax(item.question, income + more) - tax(item.question, income)
        assert item.target == pytest.approx(more - taken, abs=0.5)


def test_best_hours_bring_the_most_utility_by_the_formula_that_is_stated(items):
    for item in of(items, "competency", "hours"):
        wage = number(re.search(r"earns you \$([\d,]+) a year", item.question)[1])
        scale, power = re.search(r"A = \$([\d,]+) a year and p = ([\d.]+)", item.question).groups()
        utility = [
            wage * hours
            - tax(item.question, wage * hours)
            - number(scale) * (hours / 40) ** float(power)
            for hours in item.values
        ]
        assert item.values[int(np.argmax(utility))] == item.target


def test_options_are_shown_as_they_are_scored_and_clearly_apart(items):
    for item in items:
        shown = options_in(item.question)
        if item.family == "preference":
            assert set(item.values) == {0, 1}
            continue
        assert shown == list(item.values)
        assert item.target is None or item.values.count(item.target) == 1
        if item.role in ("tax", "kept"):
            gaps = np.diff(np.sort(shown))
            assert len(shown) == 4
            assert gaps.min() > 0.03 * item.target
        else:
            assert sorted(shown) == list(OFFERED_HOURS)


@pytest.mark.parametrize(("role", "letters"), [("tax", 4), ("kept", 4), ("hours", 5)])
def test_no_letter_is_right_more_often_than_others(items, role, letters):
    places = Counter(item.values.index(item.target) for item in of(items, "competency", role))
    assert set(places.values()) == {CASES // letters}


def test_no_hours_are_best_more_often_than_others(items):
    best = Counter(item.target for item in of(items, "competency", "hours"))
    assert best == dict.fromkeys(OFFERED_HOURS, CASES // len(OFFERED_HOURS))


def test_higher_taxes_give_back_what_they_take_at_forty_hours_and_leave_a_quarter(items):
    pairs = zip(of(items, "litmus", "before"), of(items, "litmus", "taxed"), strict=True)
    for before, taxed in pairs:
        wage = number(re.search(r"earns you \$([\d,]+) a year", before.question)[1])
        given = number(re.search(r"also receive \$([\d,]+) a year", taxed.question)[1])
        rise = tax(taxed.question, 40 * wage) - tax(before.question, 40 * wage)
        assert given == pytest.approx(rise, abs=0.5)
        kept = (1 - law_in(taxed.question)[1]) / (1 - law_in(before.question)[1])
        assert kept == pytest.approx(np.full(7, 0.25), abs=0.01)
        assert before.values == taxed.values
        assert taxed.target < before.target == 40


def test_what_cannot_matter_is_a_rate_beyond_all_hours_that_are_offered(items):
    pairs = zip(of(items, "litmus", "before"), of(items, "litmus", "irrelevant"), strict=True)
    for before, after in pairs:
        (starts, rates), (_, changed) = law_in(before.question), law_in(after.question)
        wage = number(re.search(r"earns you \$([\d,]+) a year", before.question)[1])
        assert np.flatnonzero(changed != rates).tolist() == [6]
        assert wage * max(OFFERED_HOURS) < starts[-1]
        assert before.target == after.target


def test_reliability_asks_the_same_in_the_same_words_another_order_and_other_words(items):
    first, again, order, words = (
        of(items, "reliability", role) for role in ("first", "again", "order", "words")
    )
    for one, same, turned, reworded in zip(first, again, order, words, strict=True):
        assert one.prompt("choice") == same.prompt("choice")
        assert all(a != b for a, b in zip(one.values, turned.values, strict=True))
        assert (one.rules, law_in(one.question)[1].tolist()) == (
            turned.rules,
            law_in(turned.question)[1].tolist(),
        )
        assert reworded.values == one.values
        assert reworded.rules != one.rules


def test_a_progressive_tax_and_a_flat_one_take_the_same(world, items):
    for item in of(items, "preference", "first"):
        progressive, flat = item.question.split("The second tax:")
        rate = float(re.search(r"all income: ([\d.]+) %", flat)[1]) / 100
        taken = world.weights @ np.array([tax(progressive, income) for income in world.incomes])
        assert rate == pytest.approx(taken / (world.weights @ world.incomes), abs=0.0005)


def test_questions_depend_on_seed_and_number_and_not_on_precision_or_how_many(world, items):
    assert sense_items(world, cases=3) == [item for item in items if item.case < 3]
    with jax.enable_x64(False):
        assert sense_items(world, cases=3) == [item for item in items if item.case < 3]
    assert sense_items(world, cases=3, seed=1) != sense_items(world, cases=3)
    assert len({item.id for item in items}) == len(items) == 12 * CASES


@pytest.mark.parametrize(
    ("skill", "thresholds", "elasticity", "words"),
    [
        ([1000.0], [0, 10_000], 0.25, "at least three brackets"),
        ([1000.0], [0, 10_000, 10_001], 0.25, "differ in their first two digits"),
        ([10.0], [0, 10_000, 90_000], 0.25, "Nobody earns between 10,000 and 90,000"),
    ],
)
def test_a_world_without_questions_is_told(skill, thresholds, elasticity, words):
    with pytest.raises(ValueError, match=words):
        SenseWorld.of(skill, np.ones(1), thresholds, elasticity)


def test_people_who_hardly_respond_make_no_litmus(world):
    with pytest.raises(ValueError, match="elasticity is too low"):
        sense_items(world._replace(elasticity=0.01), cases=1)


def test_numbers_are_round_and_answers_have_one_form():
    assert [round_number(each) for each in (11_600, 609_350, 0, 987)] == [12_000, 610_000, 0, 990]
    assert answer_form("choice", "AB") == "Answer with one letter, A or B, and nothing else."
    assert answer_form("text", "ABC").endswith('where L is "A", "B" or "C".')
