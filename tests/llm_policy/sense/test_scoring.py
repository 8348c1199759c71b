"""Scoring of answers about taxes against counts by hand, and the reading of letters."""

import numpy as np
import pytest
from scipy import stats

from llm_policy.sense.scoring import MEASURES, likeliest, read_letter, score, wilson


def answered(family, case, role, values, chosen, target=None):
    return dict(family=family, case=case, role=role, values=values, chosen=chosen, target=target)


def litmus(case, before, taxed, irrelevant):
    hours = [20, 30, 40]
    chosen = {"before": (before, 40), "taxed": (taxed, 30), "irrelevant": (irrelevant, 40)}
    return [
        answered("litmus", case, role, hours, None if value is None else hours.index(value), best)
        for role, (value, best) in chosen.items()
    ]


def by_name(answers):
    return {each.measure: each for each in score(answers)}


def test_litmus_is_counted_by_hand():
    answers = [
        *litmus(0, 40, 30, 40),  # as the best
        *litmus(1, 30, 40, 30),  # responds, the wrong way
        *litmus(2, 40, 40, 30),  # does not, and to what does not matter
        *litmus(3, 40, None, 40),  # unread
    ]
    found = by_name(answers)
    assert [found[name].value for name in ("responds", "right_direction", "unmoved")] == [
        *(0.5, 0.25, 0.75),
    ]
    assert found["responds"].read == 7 / 8
    assert found["unmoved"].read == 1
    assert [found[name].chance for name in ("responds", "right_direction", "unmoved")] == (
        pytest.approx([2 / 3, 1 / 3, 1 / 3])
    )


def test_the_same_hours_at_another_letter_are_the_same():
    answers = [
        answered("reliability", 0, "first", [20, 30], 0),
        answered("reliability", 0, "again", [20, 30], 0),
        answered("reliability", 0, "order", [30, 20], 1),
        answered("reliability", 0, "words", [20, 30], 1),
    ]
    found = by_name(answers)
    assert [found[name].value for name in ("asked_again", "other_order", "other_words")] == [
        1,
        1,
        0,
    ]


def test_preferences_count_only_in_both_orders():
    def asked(case, first, second):
        return [
            answered("preference", case, "first", [1.0, 0.0], first),
            answered("preference", case, "second", [0.0, 1.0], second),
        ]

    found = by_name([*asked(0, 0, 1), *asked(1, 1, 0), *asked(2, 0, 0), *asked(3, 0, 1)])
    assert found["prefers_progressive"].value == 0.5
    assert found["prefers_flat"].value == 0.25
    assert found["prefers_flat"].chance == 0.25


def test_a_case_that_was_not_asked_whole_does_not_count():
    answers = [*litmus(0, 40, 30, 40), *litmus(1, 40, 30, 40)[:1]]
    assert by_name(answers)["responds"].cases == 1
    assert set(by_name(answers)) == {"responds", "right_direction", "unmoved"}
    assert score([]) == []


def test_every_measure_has_a_name_of_its_own():
    assert len({measure.name for measure in MEASURES}) == len(MEASURES)


@pytest.mark.parametrize(("passed", "cases"), [(0, 7), (3, 10), (10, 10), (39, 40)])
def test_intervals_are_wilsons(passed, cases):
    known = stats.binomtest(passed, cases).proportion_ci(method="wilson")
    assert wilson(passed, cases) == pytest.approx((known.low, known.high), abs=1e-12)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    draw = np.random.default_rng(0)
    for share in (0.2, 0.5, 0.9):
        ends = np.array([wilson(n, 40) for n in range(41)])[draw.binomial(40, share, 20_000)]
        assert 0.92 < np.mean((ends[:, 0] <= share) & (share <= ends[:, 1])) < 0.98


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"answer": "B"}', 1),
        ('I say {"answer": " c "}.', 2),
        ('<think>{"answer": "A"}</think>{"answer": "B"}', 1),
        ('{"answer": "E"}', None),
        ('{"answer": "AB"}', None),
        ('{"answer": ""}', None),
        ('{"answer": 1}', None),
        ('{"answer": "A"} {"answer": "B"}', None),
        ("B", None),
        ("", None),
    ],
)
def test_a_letter_is_read_from_the_one_object_that_answers(text, place):
    assert read_letter(text, 4) == place


def test_the_likeliest_is_the_first_of_equals_and_none_where_nothing_is_known():
    assert likeliest([-2.0, -1.0, -1.0]) == 1
    assert likeliest([float("-inf"), -9.0]) == 1
    assert likeliest([float("-inf")] * 3) is None
