"""Whether answers depend on the place at which an option is listed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import chisquare

from llm_policy.elections.state import Election
from llm_policy.planners.choice import ChoicePlanner, ChoicePlannerState
from llm_policy.prompts.planner import LETTERS


@dataclass(frozen=True)
class OrderEffect:
    """How often answers name what stands at each place of a list whose order is balanced.

    Of `answers`, `shares[place]` name what stands there, and `expected[place]` would if places did
    not matter. `statistic` is Pearson's chi-squared of the difference and `p_value` the chance of
    one as large where places do not matter and each answer is drawn by itself; both None where
    there is no answer or no second place.
    """

    answers: int
    shares: tuple[float, ...]
    expected: tuple[float, ...]
    statistic: float | None
    p_value: float | None


def order_effect(
    counts: Int[np.ndarray, " places"], expected: Float[np.ndarray, " places"]
) -> OrderEffect:
    """Return the effect of places that were named so often, and would be so often by chance."""
    answers = int(counts.sum())
    if not answers or len(counts) < 2:
        return OrderEffect(answers, tuple(counts.astype(float)), tuple(expected), None, None)
    found = chisquare(counts, expected)
    return OrderEffect(
        answers,
        tuple((counts / answers).tolist()),
        tuple((expected / answers).tolist()),
        float(found.statistic),
        float(found.pvalue),
    )


def ballot_order(elections: Sequence[Election]) -> OrderEffect:
    """Return how often voters name first whom they find at each place of their own lists.

    Who abstains or was not understood is left out.
    """
    most = max((len(election.candidates) for election in elections), default=0)
    counts, expected = np.zeros(most, int), np.zeros(most)
    for election in elections:
        listed = len(election.candidates)
        for ballot, order in zip(election.ballots, election.orders.tolist(), strict=True):
            if ballot:
                counts[order.index(election.candidates.index(ballot[0]))] += 1
                expected[:listed] += 1 / listed
    return order_effect(counts, expected)


def candidate_order(elections: Sequence[Election]) -> OrderEffect:
    """Return how often voters name first the first, second ... candidate of an election.

    Where each voter's list has an order of its own, what place does to a vote makes no candidate.
    """
    most = max((len(election.candidates) for election in elections), default=0)
    counts, expected = np.zeros(most, int), np.zeros(most)
    for election in elections:
        listed, named = (
            len(election.candidates),
            [ballot[0] for ballot in election.ballots if ballot],
        )
        expected[:listed] += len(named) / listed
        for candidate in named:
            counts[election.candidates.index(candidate)] += 1
    return order_effect(counts, expected)


def planner_order(
    rng: np.random.Generator, planner: ChoicePlanner, states: Sequence[ChoicePlannerState]
) -> OrderEffect:
    """Return how often a planner says each letter, asked in balanced orders whatever its style.

    One answer is drawn from its probabilities for each question: a bracket, in one order of the
    letters, after what a state has seen. Those that got no letter are left out.

    Raises:
        EngineError: the engine cannot answer.
    """
    style = replace(planner.style, letters="balanced")
    asked = ChoicePlanner(planner.engine, planner.start, goal=planner.goal, style=style)
    heard = asked.engine.choose([p for state in states for p in asked.prompts(state)], LETTERS)
    chances = np.exp(heard.logprob[heard.leaked < 1])
    drawn = [rng.choice(len(LETTERS), p=row / row.sum()) for row in chances]
    counts = np.bincount(drawn, minlength=len(LETTERS)) if drawn else np.zeros(len(LETTERS), int)
    return order_effect(counts, np.full(len(LETTERS), len(drawn) / len(LETTERS)))
