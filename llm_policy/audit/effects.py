"""What moves workers' hours: law, person, memory and wording, each against the same question."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from econjax import BracketSchedule, best_response
from llm_policy.audit.workers import WorkersQuestion
from llm_policy.engines.wrappers.currency import CURRENCIES, Renamed
from llm_policy.prompts.workers import Style
from llm_policy.workers.llm import LLMWorkers

LESS = 0.8
"""What the law that is compared leaves of every net-of-tax rate."""


@dataclass(frozen=True)
class Effect:
    """What one change of the question does to the hours of `workers`, each compared with itself.

    `hours` is the mean change, in hours a week, and `hours_error` its standard error over workers.
    `size` is the root mean square of workers' own changes, hours a week, free of the noise of a
    few texts, and from `size_low` to `size_high` goes two standard errors of its square each way
    (0 where the noise explains all). None where too few workers were read both times.
    """

    name: str
    workers: int
    hours: float | None = None
    hours_error: float | None = None
    size: float | None = None
    size_low: float | None = None
    size_high: float | None = None


@dataclass(frozen=True)
class TaxResponse:
    """The elasticity of mean hours to the net-of-tax rate, and its standard error over workers.

    All net-of-tax rates fall to `LESS` times themselves, at the same rebate and memory: so it is
    the uncompensated arc elasticity. `best` is that of the same workers' best responses. None where
    too few workers were read both times, or they do not work.
    """

    elasticity: float | None
    standard_error: float | None
    best: float


@dataclass(frozen=True)
class Effects:
    """What changes of the question do to hours that are written, and to expected hours chosen."""

    texts: tuple[Effect, ...]
    choices: tuple[Effect, ...]
    text_response: TaxResponse
    choice_response: TaxResponse


def effects(
    question: WorkersQuestion, *, others: LLMWorkers | None = None, samples: int = 16
) -> Effects:
    """Ask workers a question in both modes, and again with one thing changed at a time.

    The law leaves `LESS` of every net-of-tax rate, the persona is that of the worker in the same
    place among `others`, who are the same but for it, there is no memory, the wording is another,
    money is in another currency, the numbers to choose from are listed in reverse; nothing changes
    where it is asked "again".

    Raises:
        ValueError: no sample.
        EngineError: the engine cannot answer.
    """
    if samples < 1:
        raise ValueError(f"Effects on texts need at least 1 sample; got {samples}.")
    changes = [_Change("", question), *_changes(question, others)]
    listed = _Change("order", question, {"style": _reversed(question.workers.style)})
    written = [_written(change, samples) for change in changes]
    chosen = [_chosen(change) for change in (*changes, listed)]
    names = [change.name for change in (*changes, listed)]
    best = [_best(change.question) for change in changes[:2]]
    return Effects(
        _effects(names, written),
        _effects(names, chosen),
        _response(written, best),
        _response(chosen, best),
    )


class _Change(NamedTuple):
    """A question, and how it is asked: in which style, by which engine."""

    name: str
    question: WorkersQuestion
    how: dict[str, Any] = {}  # noqa: RUF012


class _Hours(NamedTuple):
    """Each worker's mean hours, NaN where none were read, and the variance of that mean."""

    mean: Float[np.ndarray, " n"]
    noise: Float[np.ndarray, " n"]


def _changes(question: WorkersQuestion, others: LLMWorkers | None) -> Iterator[_Change]:
    workers, situation, style = question.workers, question.situation, question.workers.style
    law = situation.schedule
    higher = BracketSchedule(law.thresholds, 1 - LESS * (1 - law.rates))
    yield _Change("law", replace(question, situation=situation._replace(schedule=higher)))
    if others is not None:
        yield _Change("persona", replace(question, workers=others))
    yield _Change("memory", replace(question, memory=workers.begin()))
    yield _Change("wording", question, {"style": replace(style, phrasing=1 - style.phrasing)})
    currency = Renamed(workers.engine, **CURRENCIES[0]._asdict())
    yield _Change("currency", question, {"engine": currency})
    yield _Change("again", question)


def _reversed(style: Style) -> Style:
    return replace(style, reverse=not style.reverse)


def _written(change: _Change, samples: int) -> _Hours:
    hours, read = change.question.write(samples, **change.how)
    count = read.sum(axis=1)
    hours = np.where(read, hours, 0.0)
    mean = np.where(count > 0, hours.sum(axis=1) / np.maximum(count, 1), np.nan)
    spread = np.where(read, (hours - mean[:, None]) ** 2, 0.0).sum(axis=1)
    noise = spread / np.maximum(count - 1, 1) / np.maximum(count, 1)
    return _Hours(np.where(count > 1, mean, np.nan), noise)


def _chosen(change: _Change) -> _Hours:
    scored = change.question.choose(**change.how)
    mean = scored.probabilities @ np.array(change.question.workers.choice_set.values, float)
    return _Hours(np.where(scored.known, mean, np.nan), np.zeros(len(mean)))


def _effects(names: Sequence[str], hours: Sequence[_Hours]) -> tuple[Effect, ...]:
    """Return the effect of each change on the hours of the question that comes first."""
    pairs = zip(names[1:], hours[1:], strict=False)
    return tuple(_effect(name, hours[0], other) for name, other in pairs)


def _effect(name: str, plain: _Hours, other: _Hours) -> Effect:
    both = np.isfinite(plain.mean) & np.isfinite(other.mean)
    change = (other.mean - plain.mean)[both]
    if (workers := len(change)) < 2:
        return Effect(name, workers)
    square = change**2 - (plain.noise + other.noise)[both]
    middle, error = square.mean(), _error(square)
    sizes = np.sqrt(np.maximum([middle, middle - 2 * error, middle + 2 * error], 0.0))
    return Effect(name, workers, float(change.mean()), _error(change), *sizes.tolist())


def _response(hours: Sequence[_Hours], best: Sequence[Float[np.ndarray, " n"]]) -> TaxResponse:
    """Return the response of hours to the first two laws."""
    plain, other = (asked.mean for asked in hours[:2])
    both = np.isfinite(plain) & np.isfinite(other)
    elasticity, error = elasticity_of_means(plain[both], other[both])
    at_best, _ = elasticity_of_means(*best)
    return TaxResponse(elasticity, error, at_best or 0.0)


def elasticity_of_means(
    plain: Float[np.ndarray, " n"], other: Float[np.ndarray, " n"], *, left: float = LESS
) -> tuple[float | None, float | None]:
    """Return the arc elasticity of a mean to the net-of-tax rate, and its error (delta method).

    The same workers stand in both, and `left` is what is left of every net-of-tax rate in `other`.
    None of fewer than 2 workers, or where nothing is earned or worked.
    """
    if len(plain) < 2 or not (level := (plain + other).mean() / 2) > 0:
        return None, None
    change = (other - plain) / np.log(left)
    value = change.mean() / level
    return float(value), _error((change - value * (plain + other) / 2) / level)


def _error(values: Float[np.ndarray, " n"]) -> float:
    return float(values.std(ddof=1) / len(values) ** 0.5)


def _best(question: WorkersQuestion) -> Float[np.ndarray, " n"]:
    """Return the best responses of those who are asked, at the last rebate."""
    workers, situation = question.workers, question.situation
    best = best_response(workers.economy, situation.schedule, situation.rebate)
    return np.asarray(best, float)[workers.asked]
