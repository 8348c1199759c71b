"""The longest that workers may come to read, and whether it fits the model's context."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from econjax import BracketSchedule
from llm_policy.engines.base import Engine, Prompt
from llm_policy.memory.workers import Memory, Records, remember
from llm_policy.prompts.numbers import LONGEST_RATE
from llm_policy.prompts.workers import Situation
from llm_policy.workers.llm import MOST_LAWS, LLMWorkers

TEMPLATE_TOKENS = 64
"""Room for what a chat template puts around a prompt."""


class LongestQuestion(NamedTuple):
    """Who is asked, the longest question, and the tokens that its answer may take."""

    who: str
    prompt: Prompt
    answer_tokens: int


def check_context(
    engine: Engine,
    questions: Sequence[LongestQuestion],
    *,
    remedy: str = "raise the context, or shorten what is read",
) -> int:
    """Return the tokens of the longest of questions to the model with its answer.

    Raises:
        ValueError: a prompt and its answer do not fit into the context; `remedy` says what to do.
    """
    room, lengths = engine.describe().context, []
    for who, prompt, answer in questions:
        length = sum(engine.count(prompt)) + answer + TEMPLATE_TOKENS
        if 0 < room < length:
            raise ValueError(
                f"A {who}'s longest prompt and its answer take up to {length:,} tokens, but the "
                f"model holds {room:,}: {remedy}."
            )
        lengths.append(length)
    return max(lengths)


def longest_question(workers: LLMWorkers, schedule: BracketSchedule) -> LongestQuestion:
    """Return the longest question for hours of a run on these brackets."""
    prompts = workers.prompts(*worst_case(workers, schedule))
    longest = max(prompts, key=lambda prompt: len(prompt.shared) + len(prompt.personal))
    return LongestQuestion("worker", longest, workers.answer_tokens)


def worst_case(workers: LLMWorkers, schedule: BracketSchedule) -> tuple[Situation, Memory]:
    """Return what makes prompts longest: memory and past laws full, amounts and rates long."""
    everybody, full = np.ones(len(workers.lines)), workers.begin()
    kept, best = len(full.last.labor), workers.style.best
    amount = max(1_234_567.0, workers.most * float(jnp.max(workers.economy.population.skill)))
    for step in range(kept + best):
        now = dict(
            step=10_001.0 + step,
            tax_year=1_001.0 + min(step, kept + best - 2),  # a nudge takes two steps of one year
            labor=10.25 + step,
            income=amount,
            tax=amount,
            rebate=amount,
            result=-amount - step,
            satisfied=0.0 if workers.asks_satisfaction else np.nan,
        )
        full = remember(full, Records(**{name: value * everybody for name, value in now.items()}))
    law = BracketSchedule(schedule.thresholds, jnp.full_like(schedule.rates, LONGEST_RATE))
    past = dict.fromkeys(range(1001, 1001 + MOST_LAWS), law)
    worst = Situation(law, 1001 + MOST_LAWS, past, amount, "exploit")
    return worst, replace(full, seen=kept)
