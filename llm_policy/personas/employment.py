"""Who of the people works for an employer, and who for themselves."""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from llm_policy.personas.draw import Personas, generator
from llm_policy.personas.tables import column, read_table


def draw_self_employed(key: Key[Array, ""], personas: Personas) -> Bool[np.ndarray, " agents"]:
    """Return who is self-employed, drawn with the share of each person's occupation.

    No table of the project has shares by age, sex or education: within an occupation they are the
    same for all, an assumption.
    """
    draws = generator(jax.random.fold_in(key, _STREAM)).random(len(personas))
    return draws < self_employed_shares()[personas.occupation]


def self_employed_shares() -> Float[np.ndarray, " occupations"]:
    """Return each occupation's share of self-employed people.

    It is that of jobs by occupation, times what makes the share of all people the published one of
    all jobs (BLS, Employment Projections 2024-34, table 1.2): occupations with many of them are
    more often people's than jobs'.
    """
    rows = read_table("occupations")
    share, employed = column(rows, "self_employed_percent"), column(rows, "employed")
    return share * (_OF_ALL * employed.sum() / (share @ employed))


def with_employment(texts: Sequence[str], self_employed: Bool[np.ndarray, " agents"]) -> list[str]:
    """Return the texts on each person, who reads whether it works for an employer."""
    return [
        f"{text} {_OWN if own else _WAGES}"
        for text, own in zip(texts, self_employed.tolist(), strict=True)
    ]


_OF_ALL = 0.058
_STREAM = 1  # apart from the draws of who people are
_OWN = "You are self-employed."
_WAGES = "You work for an employer, for a wage."
