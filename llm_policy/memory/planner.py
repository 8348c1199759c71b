"""What a planner remembers: the tax years it has seen, and the schedules, best first."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

History = Literal["kept", "none", "shuffled"]
"""What a planner reads of the tax years that it has seen: all, none, or results of other years."""


class Trial(NamedTuple):
    """A tax year: rates as shares, and the equivalent it brought with error, in dollars a year."""

    rates: tuple[float, ...]
    equivalent: float
    standard_error: float


class Record(NamedTuple):
    """All tax years of one schedule: their mean equivalent and its error, in dollars a year.

    `standard_error` is the larger of what the years' own errors imply for the mean (the root of the
    sum of their squares, over the number of years) and what the scatter between years does (its
    standard deviation over the root of the number), for a year's steps do not tell how much years
    differ.
    """

    rates: tuple[float, ...]
    mean: float
    standard_error: float
    tax_years: int


def records(trials: Sequence[Trial]) -> list[Record]:
    """Return one record per schedule, best mean first, of equals the first that was tried.

    Rates that differ by less than a hundredth of a percentage point are the same.
    """
    years: dict[tuple[float, ...], list[Trial]] = {}
    for trial in trials:
        years.setdefault(_key(trial.rates), []).append(trial)
    return sorted(map(_record, years.values()), key=lambda record: -record.mean)


def recalled(trials: Sequence[Trial], history: History) -> tuple[Trial, ...]:
    """Return the tax years that a planner reads of those that it has seen.

    Shuffled, the rates stay in their order and the results are dealt to them anew, by a draw that
    the whole dollars of the results name, so that the same years are always shuffled alike.
    """
    if history == "kept":
        return tuple(trials)
    if history == "none":
        return ()
    whole = np.rint([trial.equivalent for trial in trials]).astype(np.int64)
    dealt = np.random.default_rng(whole.view(np.uint64)).permutation(len(trials))
    return tuple(
        trials[place]._replace(rates=trial.rates)
        for trial, place in zip(trials, dealt.tolist(), strict=True)
    )


def last_two(trials: Sequence[Trial]) -> tuple[Record, Record] | None:
    """Return the records of the last but one schedule tried and of the last, if there are two."""
    by_key = {_key(record.rates): record for record in records(trials)}
    keys = list(dict.fromkeys(_key(trial.rates) for trial in reversed(trials)))
    return (by_key[keys[1]], by_key[keys[0]]) if len(keys) > 1 else None


def is_in_force(record: Record, current: Float[np.ndarray, " brackets"]) -> bool:
    """Tell whether a record is that of the `current` rates, in per cent."""
    return bool(np.allclose(100 * np.asarray(record.rates), current, atol=0.01))


def _key(rates: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(rate, 4) for rate in rates)


def _record(trials: list[Trial]) -> Record:
    results = [trial.equivalent for trial in trials]
    errors, years = [trial.standard_error for trial in trials], len(trials)
    scatter = float(np.std(results, ddof=1)) if years > 1 else 0.0
    error = max(float(np.linalg.norm(errors)) / years, scatter / years**0.5)
    return Record(trials[0].rates, float(np.mean(results)), error, years)
