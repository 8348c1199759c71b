import math
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_policy.memory.workers import Memory, Records, latest, nothing, nudge, recent, remember

NAN = float("nan")


def records(labor, result=NAN, *, year=1, step=1):
    """Return the records of one step of some workers, whose tax is a tenth of $100 an hour."""
    labor, result = np.broadcast_arrays(
        np.atleast_1d(np.asarray(labor, float)), np.asarray(result, float)
    )
    one = np.ones(labor.shape)
    income = 100 * np.nan_to_num(labor)
    return Records(one * step, one * year, labor, income, income / 10, one * 50, result, one * NAN)


def remembered(steps, *, last=3, best=2):
    """Return one worker's memory after steps (hours, result, tax year)."""
    memory = nothing(1, last=last, best=best)
    for number, (hours, result, year) in enumerate(steps, start=1):
        memory = remember(memory, records(hours, result, year=year, step=number))
    return memory


class Diary:
    """What one worker remembers, in plain Python: the reference."""

    def __init__(self, last, best):
        self.steps, self.best, self.counted, self.room = [], [], [], (last, best)

    def write(self, number, hours, result, year):
        last, best = self.room
        result = NAN if math.isnan(hours) or math.isinf(result) else result
        self.steps.append((number, hours, result, year))
        if len(self.steps) == last + max(1, last // 2):
            self.steps = self.steps[-last:]  # a block is dropped
        if math.isnan(result) or number == 0:
            return
        self.counted.append((hours, result))
        others = [entry for entry in self.best if (entry[1], entry[3]) != (hours, year)]
        self.best = sorted([*others, (number, hours, result, year)], key=lambda entry: -entry[2])[
            :best
        ]

    def latest(self):
        return next((entry for entry in reversed(self.steps) if not math.isnan(entry[1])), None)

    def nudge(self):
        if len(self.steps) < 2 or self.steps[-2][3] != self.steps[-1][3]:
            return 0
        (_, hours, result, _), (_, hours_now, result_now, _) = self.steps[-2:]
        product = (hours_now - hours) * (result_now - result)
        return 0 if math.isnan(product) else (product > 0) - (product < 0)


def entries(kept, worker):
    """Return a worker's memory as tuples (step, hours, result, tax year), without empty places."""
    columns = (kept.step, kept.labor, kept.result, kept.tax_year)
    rows = zip(*(column[:, worker].tolist() for column in columns), strict=True)
    return known(rows)


def known(rows):
    """Return the entries whose hours are known; where a result is not, it is written None."""
    return [(n, h, None if math.isnan(u) else u, y) for n, h, u, y in rows if not math.isnan(h)]


hours = st.sampled_from([0.0, 20.0, 37.5, 40.0, NAN])
results = st.sampled_from([-3.0, 0.0, 1.0, 2.0, 5.0, NAN, np.inf, -np.inf])
workers = st.integers(1, 4)
stories = workers.flatmap(
    lambda n: st.lists(
        st.tuples(st.lists(st.tuples(hours, results), min_size=n, max_size=n), st.booleans()),
        max_size=12,
    )
)


@given(stories, st.integers(1, 5), st.integers(0, 3), st.integers(0, 1))
def test_memories_are_those_of_a_diary(story, last, best, first):
    agents = len(story[0][0]) if story else 1
    memory, year = nothing(agents, last=last, best=best), 1
    diaries = [Diary(last, best) for _ in range(agents)]
    for number, (said, new_year) in enumerate(story, start=first):
        year += new_year
        labor, result = np.array(said).T
        memory = remember(memory, records(labor, result, year=year, step=number))
        for diary, (worked, felt) in zip(diaries, said, strict=True):
            diary.write(number, worked, felt, year)
    assert last <= len(recent(memory, last).labor) < 1.5 * last + 1 or len(story) < last
    for i, diary in enumerate(diaries):
        assert entries(recent(memory, last), i) == known(diary.steps)
        assert entries(memory.best, i) == diary.best
        assert nudge(memory)[i] == (diary.nudge() if last > 1 else 0)
        assert memory.steps[i] == len(diary.counted)
        if diary.counted:
            means = np.mean(diary.counted, axis=0)
            np.testing.assert_allclose(
                [memory.mean_labor[i], memory.mean_result[i]], means, atol=1e-12
            )
        if known(diary.steps):
            now = Records(*(values[None] for values in latest(memory)))
            assert entries(now, i) == known(diary.steps)[-1:]


def test_what_is_reread_begins_as_it_did_but_for_one_step_in_a_block():
    memory, begins = nothing(1, last=10, best=0), []
    for number in range(1, 41):
        memory = remember(memory, records(40.0, 1.0, step=number))
        begins.append(recent(memory, 10).step[0, 0])
    assert begins == [1] * 14 + [6] * 5 + [11] * 5 + [16] * 5 + [21] * 5 + [26] * 5 + [31]


def test_a_step_keeps_all_that_was_said_of_it():
    now = records([20.0, 30.0], [1.0, 2.0])._replace(satisfied=np.array([1.0, 0.0]))
    memory = remember(nothing(2, last=2, best=1), now)
    for kept in (latest(memory), Records(*(values[0] for values in memory.best))):
        for name, one, other in zip(Records._fields, kept, now, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=name)


def test_remembering_leaves_the_memory_before_as_it_was():
    before = remembered([(40.0, 1.0, 1)])
    copies = {field.name: np.copy(getattr(before, field.name)) for field in fields(Memory)}
    remember(before, records(40.0, 9.0))
    for name, copy in copies.items():
        np.testing.assert_array_equal(np.array(getattr(before, name)), copy, err_msg=name)


def test_the_same_hours_stand_once_among_the_best_as_they_were_last():
    memory = remembered([(40.0, 9.0, 1), (30.0, 5.0, 1), (40.0, 2.0, 1)])
    assert entries(memory.best, 0) == [(2, 30.0, 5.0, 1), (3, 40.0, 2.0, 1)]


def test_the_same_hours_in_two_tax_years_are_two_memories():
    memory = remembered([(40.0, 9.0, 1), (40.0, 5.0, 2)])
    assert entries(memory.best, 0) == [(1, 40.0, 9.0, 1), (2, 40.0, 5.0, 2)]


def test_a_result_that_is_not_known_erases_no_best_step():
    memory = remembered([(40.0, 9.0, 1), (40.0, NAN, 1)])
    assert entries(memory.best, 0) == [(1, 40.0, 9.0, 1)]


@pytest.mark.parametrize(
    ("now", "result", "year", "direction"),
    [
        (50.0, 8.0, 1, 1),
        (50.0, 6.0, 1, -1),
        (30.0, 8.0, 1, -1),
        (30.0, 6.0, 1, 1),
        (40.0, 8.0, 1, 0),
        (50.0, 7.0, 1, 0),
        (50.0, 8.0, 2, 0),
        (NAN, 8.0, 1, 0),
        (50.0, NAN, 1, 0),
    ],
)
def test_a_nudge_points_to_where_results_rose_within_one_tax_year(now, result, year, direction):
    assert nudge(remembered([(40.0, 7.0, 1), (now, result, year)])) == [direction]


def test_a_result_without_end_spoils_no_average_after_it():
    """Utility is -inf with nothing left to consume: the step is remembered, its result is not."""
    memory = remembered([(40.0, 1.0, 1), (0.0, -np.inf, 1), (0.0, -np.inf, 1), (20.0, np.inf, 1)])
    assert nudge(memory) == [0]
    assert (memory.mean_labor, memory.mean_result, memory.steps) == (40, 1, 1)
    assert entries(memory.best, 0) == [(1, 40.0, 1.0, 1)]
    assert recent(memory, 3).labor[:, 0].tolist() == [0, 0, 20]
    assert np.isnan(recent(memory, 3).result).all()


def test_what_nobody_chose_is_neither_among_the_best_nor_averaged():
    memory = remember(nothing(1, last=3, best=2), records(40.0, 99.0, year=0, step=0))
    memory = remember(memory, records(30.0, 5.0))
    assert recent(memory, 3).step[:, 0].tolist() == [0, 1]
    assert entries(memory.best, 0) == [(1, 30.0, 5.0, 1)]
    assert (memory.mean_labor, memory.mean_result, memory.steps) == (30, 5, 1)
