"""Who is self-employed: as many as published, in the occupations where they are."""

import jax
import jax.numpy as jnp
import numpy as np

from econjax import Population
from llm_policy.personas.draw import describe, draw_personas
from llm_policy.personas.employment import (
    draw_self_employed,
    self_employed_shares,
    with_employment,
)
from llm_policy.personas.tables import column, names, read_table

KEY = jax.random.key(0)
PERSONAS = draw_personas(KEY, Population(jnp.linspace(300, 3_000, 20_000)))


def test_shares_are_those_of_the_occupations_and_in_all_the_published_one():
    share = dict(zip(names().occupation.tolist(), self_employed_shares().tolist(), strict=True))
    employed = column(read_table("occupations"), "employed")
    # BLS, Employment Projections 2024-34, table 1.2: 5.8 % of all jobs.
    assert abs(self_employed_shares() @ employed / employed.sum() - 0.058) < 1e-12
    # The same table, of jobs: chief executives 25.9 %, general managers 0.9 %.
    ratio = share["Chief executives"] / share["General and operations managers"]
    assert abs(ratio - 25.9 / 0.9) < 1e-9
    assert all(0 <= each < 1 for each in share.values())


def test_as_many_are_drawn_and_nobody_else_changes():
    own = draw_self_employed(KEY, PERSONAS)
    expected = self_employed_shares()[PERSONAS.occupation]
    assert abs(own.mean() - expected.mean()) < 4 * np.sqrt(0.06 / len(own))
    often = expected > np.quantile(expected, 0.9)
    assert own[often].mean() > 3 * own[~often].mean()
    np.testing.assert_array_equal(own, draw_self_employed(KEY, PERSONAS))


def test_everybody_reads_for_whom_it_works():
    texts = describe(PERSONAS)[:2]
    told = with_employment(texts, np.array([True, False]))
    assert told[0] == f"{texts[0]} You are self-employed."
    assert told[1] == f"{texts[1]} You work for an employer, for a wage."
