import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from econjax import BracketSchedule
from llm_policy.prompts.numbers import bracket_names, dollars, money, per_cent, schedule_table

schedules = st.lists(st.integers(1, 10**6), unique=True, max_size=3).flatmap(
    lambda edges: st.tuples(
        st.just([0, *sorted(edges)]),
        st.lists(st.integers(-1000, 1000), min_size=len(edges) + 1, max_size=len(edges) + 1),
    )
)


@given(schedules)
def test_the_table_says_the_schedule(drawn):
    thresholds, mills = drawn
    rates = [mill / 1000 for mill in mills]
    rows = re.findall(
        r"^- (.*): (-?[\d.]+) %$", schedule_table(BracketSchedule(thresholds, rates)), re.M
    )
    edges = [
        [int(edge.replace(",", "")) for edge in re.findall(r"\$([\d,]+)", name)] for name, _ in rows
    ]
    assert [edge[0] for edge in edges] == thresholds
    assert [edge[1] for edge in edges[:-1]] == thresholds[1:]
    assert rows[-1][0].startswith("above ")
    np.testing.assert_allclose([float(rate) / 100 for _, rate in rows], rates, atol=1e-9)


def test_a_flat_tax_has_one_bracket():
    assert bracket_names(np.zeros(1)) == ["above $0"]


def test_rates_are_said_in_per_cent_to_four_digits():
    assert per_cent([0.1, 0.125, -0.05, 0.123456, 1.0]) == "10 %, 12.5 %, -5 %, 12.35 %, 100 %"


@pytest.mark.parametrize(
    ("amount", "said"),
    [(-0.3, "$0"), (-0.5, "$0"), (-0.0, "$0"), (0.4, "$0"), (-0.7, "-$1"), (-1234.4, "-$1,234")],
)
def test_dollars_are_rounded_and_nothing_is_owed_below_a_half(amount, said):
    assert dollars(amount) == said
    assert money(np.array([amount])) == [said]


@given(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=5))
def test_many_amounts_are_said_as_one_is(amounts):
    assert money(np.array(amounts)) == [dollars(amount) for amount in amounts]
