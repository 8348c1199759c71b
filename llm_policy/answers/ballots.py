"""How a model votes: the answer asked for, how it is read, and who wins. Reading never raises."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Array, Key

from econjax.measures.voting import approval, borda, plurality
from llm_policy.answers.reading import NoAnswer, is_number, numbers_in, reading, value_in

Rule = Literal["plurality", "borda", "approval"]

FIELDS: dict[Rule, str] = {"plurality": "vote", "borda": "ranking", "approval": "approve"}
"""The name of the field that holds a ballot under each rule."""


def ballot_answer(rule: Rule, candidates: int) -> dict[str, Any]:
    """Return the properties of an answer that is a ballot on candidates 1 to `candidates`."""
    if rule == "plurality":
        return {FIELDS[rule]: {"type": "integer", "minimum": 0, "maximum": candidates}}
    number = {"type": "integer", "minimum": 1, "maximum": candidates}
    return {FIELDS[rule]: {"type": "array", "items": number, "minItems": 0, "maxItems": candidates}}


def letter_answer(letters: Sequence[str]) -> dict[str, Any]:
    """Return the properties of an answer that is a vote for one of what letters stand for."""
    return {FIELDS["plurality"]: {"type": "string", "enum": list(letters)}}


@reading
def letter_in(text: str, letters: Sequence[str]) -> float:
    """Return the place, from 0, of the letter that a text votes for."""
    said = value_in(text, FIELDS["plurality"])
    letter = said.strip().upper() if isinstance(said, str) else ""
    if letter not in letters:
        raise NoAnswer(f"{letter or said!r:.40} is none of {', '.join(letters)}")
    return float(letters.index(letter))


def read_ballot(text: str, rule: Rule, candidates: int) -> tuple[int, ...] | None:
    """Return what `ballot_in` reads, or None."""
    return ballot_in(text, rule, candidates).value


@reading
def ballot_in(text: str, rule: Rule, candidates: int) -> tuple[int, ...]:
    """Return the places, from 0, on a text's ballot, none if it abstains."""
    name = FIELDS[rule]
    said = value_in(text, name)
    if rule == "plurality" and is_number(said, 0):
        return ()
    if isinstance(said, list) == (rule == "plurality"):
        raise NoAnswer(
            "one candidate is asked for" if rule == "plurality" else "a list is asked for"
        )
    chosen, why = numbers_in(text, name, options=candidates)
    if chosen is None:
        raise NoAnswer(why)
    if rule == "borda" and len(chosen) not in (0, candidates):
        raise NoAnswer(f"{len(chosen)} of {candidates} candidates are ranked")
    return tuple(chosen.tolist())


def count_ballots(
    key: Key[Array, ""], ballots: Sequence[Sequence[int]], rule: Rule, candidates: int
) -> int:
    """Return the place on the ballot, from 0, of who wins; `key` decides ties."""
    if rule == "plurality":
        named = [ballot[0] if ballot else -1 for ballot in ballots]
        return int(plurality(key, np.array(named), candidates=candidates))
    if rule == "borda":
        return int(borda(key, np.array([ballot or [-1] * candidates for ballot in ballots])))
    return int(
        approval(
            key, np.array([np.isin(np.arange(candidates), list(ballot)) for ballot in ballots])
        )
    )
