import itertools
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from llm_policy.engines._host import cores
from llm_policy.engines.embedded.attention import TOGETHER
from llm_policy.engines.embedded.batching import page_table
from llm_policy.engines.embedded.prefixes import BLOCK
from llm_policy.engines.embedded.threads import side_by_side

FOLLOWED = {
    "nothing": [([], 0), ([], 0)],
    "one row": [(list(range(9)), 9 * BLOCK)],
    "alike to the end": [(list(range(8)), 8 * BLOCK)] * 3,
    "alike at first": [([5, 3, 8, 1, 9, 2, row], 7 * BLOCK) for row in range(20, 24)],
    "of other lengths": [(list(range(4 + row)), (4 + row) * BLOCK - row) for row in range(5)],
    "alike, the last block not full": [([7, 5, 6, 2], 4 * BLOCK - 1)] * 2,
    "alike by chance further on": [([row, 4, 5, 6, 7], 5 * BLOCK) for row in range(2)],
}


@pytest.mark.parametrize("case", FOLLOWED)
def test_blocks_in_common_and_then_its_own_are_those_of_each_row(case):
    followed = FOLLOWED[case]
    table = page_table(followed, rows=8, context=512)
    common = int(table.common_length) // BLOCK
    assert common * BLOCK == table.common_length
    assert common % TOGETHER == 0
    for (places, tokens), own in zip(followed, table.places.tolist(), strict=False):
        both = [*table.common[:common].tolist(), *own]
        assert both[: len(places)] == places
        assert table.common_length <= tokens
    alike = itertools.takewhile(
        lambda column: len(set(column)) == 1,
        zip(*(places[: tokens // BLOCK] for places, tokens in followed), strict=False),
    )
    assert len(list(alike)) - common < TOGETHER
    assert table.length.tolist() == [*(tokens for _, tokens in followed), *[0] * 8][:8]


def test_what_runs_side_by_side_comes_back_in_order_and_in_float32(x64):
    together = threading.Barrier(min(cores(), 4), timeout=60)

    def double(number):
        if number < together.parties:
            together.wait()  # so many run at a time
        return jnp.asarray(np.float64(number)) * 2

    doubled = side_by_side(double, range(9))
    assert [float(number) for number in doubled] == [2.0 * number for number in range(9)]
    assert {number.dtype for number in doubled} == {np.dtype(np.float32)}
    assert jax.config.read("jax_enable_x64")
    assert side_by_side(double, []) == []


def test_what_fails_side_by_side_is_raised():
    def fail(number):
        raise ValueError(number)

    with pytest.raises(ValueError, match="0"):
        side_by_side(fail, [0])
    with pytest.raises(ValueError, match=r"0|1"):
        side_by_side(fail, [0, 1])
