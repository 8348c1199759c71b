"""Whether a simulation's longest prompts fit the model's context, before anything is asked."""

from collections.abc import Iterator

import jax.numpy as jnp

from econjax import BracketSchedule
from econjax.planning import Report
from experiments.simulate.config import SimulateConfig
from experiments.simulate.government import planner_of, rules_of
from llm_policy.answers.proposals import answer_tokens, listed_rates
from llm_policy.engines.base import Engine, Prompt
from llm_policy.prompts.election import OWN_GOAL, vote_prompts
from llm_policy.prompts.numbers import LONGEST_RATE
from llm_policy.prompts.planner import PlannerStyle
from llm_policy.workers.llm import TEMPLATE_TOKENS
from llm_policy.workers.society import Society


def check_context(config: SimulateConfig, society: Society, engine: Engine, report: Report) -> None:
    """Check the longest prompts of workers, planner, leaders, voters; `report` is as they may read.

    Raises:
        ValueError: a prompt and its answer do not fit.
    """
    room = engine.describe().context
    for who, prompt, answer in _longest(config, society, engine, report):
        length = sum(engine.count(prompt)) + answer + TEMPLATE_TOKENS
        if 0 < room < length:
            raise ValueError(
                f"A {who}'s longest prompt and its answer take up to {length:,} tokens, but the "
                f"model holds {room:,}: raise --context, or shorten what is read (--history, "
                "--best, --candidates)."
            )


def _longest(
    config: SimulateConfig, society: Society, engine: Engine, report: Report
) -> Iterator[tuple[str, Prompt, int]]:
    """Yield who is asked, the longest question, and the tokens that its answer may take."""
    workers, start = society.workers, config.schedule()
    situation, memory = workers.worst_case(start)
    yield "worker", _most(workers.prompts(situation, memory)), workers.answer_tokens
    if config.scenario != "democratic":
        if config.planner == "llm":
            yield (
                "planner",
                *planner_of(config, engine, lambda schedule: report).longest_question(report),
            )
        return
    shared, voters = society.voters_of(situation, memory)
    person = f"{shared}\n{max(voters, key=len)}"
    leader = planner_of(config, engine, None, person=person)
    yield ("leader", *leader.longest_question(report))
    yield ("voter", *_vote(config, start, shared, voters))


def _vote(
    config: SimulateConfig, start: BracketSchedule, shared: str, voters: list[str]
) -> tuple[Prompt, int]:
    """Return the longest ballot with the longest voter, and the tokens of an answer."""
    rules, count = rules_of(config), min(config.candidates or len(voters), len(voters))
    law = BracketSchedule(start.thresholds, jnp.full_like(start.rates, LONGEST_RATE))
    rates = listed_rates(law)
    [prompt] = vote_prompts(
        law,
        [max(voters, key=len)],
        list(range(count)),
        rules=rules,
        goal=OWN_GOAL,
        style=PlannerStyle(think=config.think, statuses=config.statuses),
        economy=shared,
        platforms=[rates] * count if config.platforms else [],
        past=list(range(count)),
    )
    return prompt, answer_tokens(count, think=config.think)


def _most(prompts: list[Prompt]) -> Prompt:
    return max(prompts, key=lambda prompt: len(prompt.shared) + len(prompt.personal))
