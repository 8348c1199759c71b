"""What workers remember, as arrays: the last steps, the best ones, and running averages."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

Values = Float[np.ndarray, "*kept agents"]


class Records(NamedTuple):
    """Steps as workers remember them; NaN hours where not understood, or where no such memory is.

    `labor` is in hours a week; income, tax and rebate in dollars a year; `result` in the unit of
    the worker's aim, NaN where it is not known or not finite; `satisfied` is 1, 0, or NaN where
    nobody asked or the answer was not understood. The run's first step and tax year are number 1;
    step 0 is the 40 hours that all begin with, which nobody chose.
    """

    step: Values
    tax_year: Values
    labor: Values
    income: Values
    tax: Values
    rebate: Values
    result: Values
    satisfied: Values


@dataclass(frozen=True)
class Memory:
    """The last steps [kept, agents], latest last, the best by result, best first, and averages.

    `seen` counts all steps. `steps` counts those that each worker chose and whose result it knows;
    best ones and means are of these.
    """

    last: Records
    best: Records
    seen: int
    steps: Float[np.ndarray, " agents"]
    mean_labor: Float[np.ndarray, " agents"]
    mean_result: Float[np.ndarray, " agents"]


def nothing(agents: int, *, last: int, best: int) -> Memory:
    """Return an empty memory with room for `last` latest steps, at least one, and `best` best ones.

    Old steps are dropped in blocks of half as many as `last`: meanwhile what a worker rereads
    begins as it did before, and a model with a prefix cache need not read that again. So there is
    room for some more.
    """

    def empty(kept: int) -> Records:
        return Records(*(np.full((kept, agents), np.nan) for _ in Records._fields))

    zero = np.zeros(agents)
    return Memory(empty(last + _block(last) - 1), empty(best), 0, zero, zero, zero)


def remember(memory: Memory, now: Records) -> Memory:
    """Return the memory after a step, whose records have shape [agents].

    Among the best, the same hours in the same tax year stand once, as they were last.
    """
    known = now._replace(
        result=np.where(np.isnan(now.labor) | ~np.isfinite(now.result), np.nan, now.result)
    )
    counted = ~np.isnan(known.result) & (now.step > 0)
    chosen = known._replace(result=np.where(counted, known.result, np.nan))
    steps = memory.steps + counted
    return replace(
        memory,
        last=_each(lambda old, new: np.concatenate([old[1:], new[None]]), memory.last, known),
        best=_best(memory.best, chosen) if len(memory.best.labor) else memory.best,
        seen=memory.seen + 1,
        steps=steps,
        mean_labor=_mean(memory.mean_labor, known.labor, steps, counted),
        mean_result=_mean(memory.mean_result, known.result, steps, counted),
    )


def recent(memory: Memory, last: int) -> Records:
    """Return the steps to reread, [shown, agents], latest last: `last`, or up to half more."""
    shown = memory.seen if memory.seen <= last else last + (memory.seen - last) % _block(last)
    return _each(lambda values: values[len(values) - shown :], memory.last)


def latest(memory: Memory) -> Records:
    """Return each worker's latest remembered step, [agents]; NaN for those who remember none."""
    known = ~np.isnan(memory.last.labor)
    place = len(known) - 1 - np.argmax(known[::-1], axis=0)
    return _each(lambda values: np.take_along_axis(values, place[None], axis=0)[0], memory.last)


def nudge(memory: Memory) -> Float[np.ndarray, " agents"]:
    """Return the direction that the last change of hours speaks for: +1 more, -1 fewer, 0 neither.

    It compares two steps of one tax year; the result may have changed for other reasons.
    """
    if len(memory.last.labor) < 2:
        return np.zeros_like(memory.steps)
    before, now = (_each(lambda values, at=at: values[at], memory.last) for at in (-2, -1))
    direction = np.sign(now.labor - before.labor) * np.sign(now.result - before.result)
    return np.where(now.tax_year == before.tax_year, np.nan_to_num(direction), 0.0)


def _block(last: int) -> int:
    return max(1, last // 2)


def _each(change, *records: Records) -> Records:
    """Return the records whose every field is `change` of these fields."""
    return Records(*(change(*values) for values in zip(*records, strict=True)))


def _best(best: Records, now: Records) -> Records:
    same = (best.labor == now.labor) & (best.tax_year == now.tax_year) & ~np.isnan(now.result)
    kept = best._replace(result=np.where(same, np.nan, best.result))
    both = _each(lambda old, new: np.concatenate([old, new[None]]), kept, now)
    order = np.argsort(-both.result, axis=0, kind="stable")[: len(best.labor)]  # NaN goes last
    ranked = _each(lambda values: np.take_along_axis(values, order, axis=0), both)
    return ranked._replace(labor=np.where(np.isnan(ranked.result), np.nan, ranked.labor))


def _mean(
    mean: Float[np.ndarray, " agents"],
    now: Float[np.ndarray, " agents"],
    steps: Float[np.ndarray, " agents"],
    counted: Bool[np.ndarray, " agents"],
) -> Float[np.ndarray, " agents"]:
    return mean + np.where(counted, now - mean, 0.0) / np.maximum(steps, 1)
