"""Whether a simulation's longest prompts fit the model's context, before anything is asked."""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp

from econjax import BracketSchedule
from econjax.planning import Report
from llm_policy.answers.proposals import answer_tokens, listed_rates
from llm_policy.elections.democracy import Democracy
from llm_policy.engines.base import Engine, Prompt
from llm_policy.planners.text import LLMPlanner
from llm_policy.prompts.election import OWN_GOAL, vote_questions
from llm_policy.prompts.numbers import LONGEST_RATE
from llm_policy.prompts.segments import joined
from llm_policy.workers.llm import TEMPLATE_TOKENS
from llm_policy.workers.society import Society


class LongestQuestion(NamedTuple):
    """Who is asked, the longest question, and the tokens that its answer may take."""

    who: str
    prompt: Prompt
    answer_tokens: int


def check_context(engine: Engine, questions: Sequence[LongestQuestion]) -> None:
    """Check the longest question to each part that a model plays.

    Raises:
        ValueError: a prompt and its answer do not fit.
    """
    room = engine.describe().context
    for who, prompt, answer in questions:
        length = sum(engine.count(prompt)) + answer + TEMPLATE_TOKENS
        if 0 < room < length:
            raise ValueError(
                f"A {who}'s longest prompt and its answer take up to {length:,} tokens, but the "
                f"model holds {room:,}: raise --context, or shorten what is read (--history, "
                "--best, --candidates)."
            )


def longest_to_workers(society: Society, start: BracketSchedule) -> LongestQuestion:
    """Return the longest question to a worker."""
    prompts = society.workers.prompts(*society.workers.worst_case(start))
    longest = max(prompts, key=lambda prompt: len(prompt.shared) + len(prompt.personal))
    return LongestQuestion("worker", longest, society.workers.answer_tokens)


def longest_in_democracy(
    democracy: Democracy, society: Society, report: Report
) -> list[LongestQuestion]:
    """Return the longest question to a leader, and to a voter; `report` is as it may read."""
    start = democracy.start
    shared, voters = society.voters_of(*society.workers.worst_case(start))
    wordiest = max(voters, key=len)
    goal = OWN_GOAL if democracy.rules.leader == "self" else democracy.goal
    person, style = f"{shared}\n{wordiest}", democracy.style
    leader = LLMPlanner(democracy.asker.engine, start, goal=goal, style=style, person=person)
    return [
        LongestQuestion("leader", *leader.longest_question(report)),
        _ballot(democracy, shared, wordiest, len(voters)),
    ]


def _ballot(democracy: Democracy, shared: str, voter: str, voters: int) -> LongestQuestion:
    """Return the longest ballot."""
    start, rules = democracy.start, democracy.rules
    count = min(rules.candidates or voters, voters)
    law = BracketSchedule(start.thresholds, jnp.full_like(start.rates, LONGEST_RATE))
    asked = vote_questions(
        law,
        [voter],
        list(range(count)),
        rules=rules,
        goal=democracy.goal,
        style=democracy.style,
        economy=shared,
        platforms=[listed_rates(law)] * count if rules.platforms else [],
        past=list(range(count)),
    )
    [prompt] = joined(asked)
    return LongestQuestion("voter", prompt, answer_tokens(count, think=democracy.style.think))
