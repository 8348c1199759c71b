"""Whether workers who write their hours repeat numbers of the prompt that are no hours."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float

from llm_policy.answers.reading import hours_answer, read_hours, schema
from llm_policy.audit.workers import text_prompts
from llm_policy.engines.base import Prompt
from llm_policy.memory.workers import Memory
from llm_policy.prompts.workers import Situation
from llm_policy.workers.llm import HOURS_TOKENS, LLMWorkers

NUMBERS = {
    "age": re.compile(r"\b\d+(?=[ -]years?[ -]old)"),
    "rate": re.compile(r"\b\d+(?:\.\d+)?(?= %)"),
    "amount": re.compile(r"(?<=\$)\d[\d,]*"),
}
"""Numbers of a prompt that are no hours, by what they are: years, per cent and dollars."""


@dataclass(frozen=True)
class Echo:
    """How often texts repeat a number of one `kind` of their prompt, and whether it is an echo.

    Each worker is asked with the numbers as they are and with all of the kind higher. `shown` is
    the share of answers that are a number which only their own prompt showed, `hidden` that of
    answers which are a number that only the other prompt showed: what one says anyway, such as 40,
    counts in both. `difference` is `shown` less `hidden`, from 0 (no echo) to 1, and
    `standard_error` that of its mean over the `workers`, whose prompt has such a number and who
    were read with both. None where there is nobody, the error also of a single worker.
    """

    kind: str
    workers: int
    shown: float | None
    hidden: float | None
    difference: float | None
    standard_error: float | None


def echoes(
    workers: LLMWorkers,
    situation: Situation,
    memory: Memory,
    *,
    samples: int = 16,
    change: int = 3,
) -> tuple[Echo, ...]:
    """Ask workers in words, `samples` times, and again with each kind of `NUMBERS` changed.

    Every number of the kind is higher by `change`: years, percentage points, dollars.

    Raises:
        ValueError: no sample, or no change.
        EngineError: the engine cannot answer.
    """
    if samples < 1 or not change:
        raise ValueError(
            f"An audit of echoes needs at least 1 sample and a change; got {samples} and {change}."
        )
    plain = text_prompts(workers, situation, memory)
    ask = partial(_hours, workers, samples)
    said = ask(plain)
    return tuple(_echo(kind, plain, said, ask, change) for kind in NUMBERS)


def _echo(
    kind: str,
    plain: list[Prompt],
    said: Float[np.ndarray, "n samples"],
    ask: Callable[[list[Prompt]], Float[np.ndarray, "n samples"]],
    change: int,
) -> Echo:
    higher = partial(NUMBERS[kind].sub, _higher(change))
    other = [Prompt(*map(higher, prompt)) for prompt in plain]
    places = [place for place, prompt in enumerate(plain) if other[place] != prompt]
    if not places:
        return _mean(kind, [])
    again = ask([other[place] for place in places])
    rows = []
    for mine, theirs, place in zip(said[places], again, places, strict=True):
        here, there = _values(kind, plain[place]), _values(kind, other[place])
        if np.isfinite(mine).any() and np.isfinite(theirs).any():
            shown = _share(mine, here - there) + _share(theirs, there - here)
            hidden = _share(mine, there - here) + _share(theirs, here - there)
            rows.append((shown / 2, hidden / 2))
    return _mean(kind, rows)


def _mean(kind: str, rows: list[tuple[float, float]]) -> Echo:
    """Return the means over workers of what is shown and hidden."""
    if not rows:
        return Echo(kind, 0, None, None, None, None)
    shown, hidden = np.array(rows).T
    gap = shown - hidden
    error = float(gap.std(ddof=1) / len(gap) ** 0.5) if len(gap) > 1 else None
    return Echo(kind, len(gap), shown.mean().item(), hidden.mean().item(), gap.mean().item(), error)


def _hours(
    workers: LLMWorkers, samples: int, prompts: list[Prompt]
) -> Float[np.ndarray, "n samples"]:
    """Return the hours that are written, NaN where they cannot be read."""
    said = workers.engine.complete(
        prompts, schema(hours_answer(workers.most)), samples=samples, max_tokens=HOURS_TOKENS
    )
    hours, read = read_hours([text for one in said for text in one.texts], workers.most)
    return np.where(read, hours, np.nan).reshape(len(prompts), samples)


def _values(kind: str, prompt: Prompt) -> set[float]:
    """Return the numbers of a kind that a prompt shows."""
    return {
        float(found.replace(",", "")) for text in prompt for found in NUMBERS[kind].findall(text)
    }


def _share(hours: Float[np.ndarray, " samples"], values: set[float]) -> float:
    """Return the share of the hours read that are one of the values."""
    return float(np.isin(hours[np.isfinite(hours)], list(values)).mean())


def _higher(change: int) -> Callable[[re.Match[str]], str]:
    """Return what writes a number higher, grouped as it was."""

    def write(found: re.Match[str]) -> str:
        number = float(found[0].replace(",", "")) + change
        return f"{number:,.0f}" if "," in found[0] or number.is_integer() else f"{number:g}"

    return write
