"""The longest questions of a democracy."""

import jax.numpy as jnp

from econjax import BracketSchedule
from econjax.planning import Report
from llm_policy.answers.proposals import answer_tokens, listed_rates
from llm_policy.elections.democracy import Democracy
from llm_policy.planners.text import LLMPlanner
from llm_policy.prompts.election import OWN_GOAL, vote_questions
from llm_policy.prompts.numbers import LONGEST_RATE
from llm_policy.prompts.segments import joined
from llm_policy.workers.context import LongestQuestion, worst_case
from llm_policy.workers.society import Society

REMEDY = "raise --context, or shorten what is read (--history, --best, --candidates)"
"""What to do where a prompt does not fit the model's context."""


def longest_in_democracy(
    democracy: Democracy, society: Society, report: Report
) -> list[LongestQuestion]:
    """Return the longest question to a leader, and to a voter; `report` is as it may read."""
    start = democracy.start
    shared, voters = society.voters_of(*worst_case(society.workers, start))
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
