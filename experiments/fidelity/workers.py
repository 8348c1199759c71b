"""The small model as worker beside its formula: answers, elasticity, personas, memory."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from rich import box
from rich.table import Table

from experiments.fidelity.answers import Divergence, answer_divergences
from experiments.fidelity.learning import Learning, learning
from experiments.fidelity.responses import (
    SETTINGS,
    PersonaEffect,
    Responsiveness,
    persona_effects,
    responsiveness,
)
from experiments.fidelity.texts import Frequencies, answer_frequencies
from experiments.report.intervals import Measured
from llm_policy.engines.base import Engine

MOST_DIVERGENCE = 0.03
"""The mean divergence in nats that hours may have on held-out questions."""
MOST_ELASTICITY_ERROR = 0.15
"""The share of the formula's by which an elasticity may differ from it."""


@dataclass(frozen=True)
class WorkerSizes:
    """How much is asked.

    `groups` of 8 workers for each length of memory, `writers` such groups who write `samples` texts
    each, `agents` of a population whose elasticity is measured, `people` whose personas are
    exchanged, and a `society` of so many who live `years` of `steps`.
    """

    groups: int = 32
    writers: int = 2
    samples: int = 8
    agents: int = 2000
    people: int = 400
    society: int = 200
    years: int = 2
    steps: int = 6

    def scaled(self, factor: float) -> "WorkerSizes":
        """Return sizes with so many times the workers, at least 2 of each."""

        def times(count: int) -> int:
            return max(2, round(factor * count))

        return replace(
            self,
            groups=times(self.groups),
            writers=times(self.writers),
            agents=times(self.agents),
            people=times(self.people),
            society=times(self.society),
        )


@dataclass(frozen=True)
class WorkerFidelity:
    """All figures on the model as worker. `model` is the engine's description of itself.

    `close` says whether the divergence of hours stays within `MOST_DIVERGENCE` in every wording,
    all lengths of memory together, and `elastic` whether every elasticity is within
    `MOST_ELASTICITY_ERROR` of the formula's.
    """

    model: dict[str, Any]
    answers: tuple[Divergence, ...]
    texts: tuple[Frequencies, ...]
    elasticities: tuple[Responsiveness, ...]
    personas: tuple[PersonaEffect, ...]
    learning: Learning
    close: bool
    elastic: bool


def worker_fidelity(
    engine: Engine,
    *,
    sizes: WorkerSizes | None = None,
    seed: int = 0,
    progress: Callable[[str], Any] = lambda what: None,
) -> WorkerFidelity:
    """Measure the model against its formula, through the engine.

    Hours, satisfaction and a planner's change of one rate are choices, whose chances are compared;
    votes, candidacies and a planner's changes in JSON are texts, of which samples are.

    Raises:
        EngineError: the engine cannot answer, or gives an option no probability at all.
    """
    sizes = sizes or WorkerSizes()
    progress("workers: questions of no example")
    answers = answer_divergences(engine, groups=sizes.groups, seed=seed)
    progress("workers: texts")
    texts = answer_frequencies(engine, groups=sizes.writers, samples=sizes.samples, seed=seed)
    elasticities = []
    for setting in SETTINGS:
        progress(f"workers: elasticity, {setting.name}")
        elasticities.append(responsiveness(engine, setting, agents=sizes.agents, seed=seed))
    progress("workers: other personas")
    personas = persona_effects(engine, agents=sizes.people, seed=seed)
    progress("workers: years of a society")
    learned = learning(
        engine, agents=sizes.society, years=sizes.years, steps=sizes.steps, seed=seed
    )
    over_all = [row for row in answers if row.question == "hours" and row.remembered == "all"]
    return WorkerFidelity(
        engine.describe().asdict(),
        answers,
        texts,
        tuple(elasticities),
        personas,
        learned,
        close=all(row.divergence.value <= MOST_DIVERGENCE for row in over_all),
        elastic=all(abs(row.ratio.value - 1) <= MOST_ELASTICITY_ERROR for row in elasticities),
    )


def worker_tables(found: WorkerFidelity) -> list[Table]:
    """Return the figures for people."""
    return [
        _answers(found),
        _texts(found),
        _elasticities(found),
        _personas(found),
        _learning(found.learning),
    ]


def _answers(found: WorkerFidelity) -> Table:
    table = _table(
        "Divergence from the formula on questions of no example, in nats; hours should be at most "
        f"{MOST_DIVERGENCE:g} in every wording: {_verdict(found.close)}",
        ("question", "wording", "remembered"),
        (
            "prompts",
            "divergence",
            "95 % interval",
            "formula's entropy",
            "their mean",
            "no taxes",
            "leaked %",
        ),
    )
    for row in found.answers:
        table.add_row(
            *(row.question, row.wording, row.remembered, f"{row.prompts:,}"),
            *_measured(row.divergence, ".4f"),
            f"{row.entropy:.3f}",
            f"{row.constant:.3f}",
            "-" if row.untaxed is None else f"{row.untaxed:.3f}",
            f"{100 * row.leaked:.3f}",
        )
    return table


def _texts(found: WorkerFidelity) -> Table:
    table = _table(
        "Texts: total variation of the shares of answers written from the formula's chances, which "
        "as many draws from these (floor) and equal chances show too",
        ("question",),
        ("prompts", "texts each", "model", "floor", "equal chances", "unread %"),
    )
    for row in found.texts:
        table.add_row(
            *(row.question, f"{row.prompts:,}", str(row.samples)),
            "-" if row.distance is None else f"{row.distance:.4f}",
            *(f"{row.floor:.4f}", f"{row.equal:.4f}", f"{100 * row.unread:.1f}"),
        )
    return table


def _elasticities(found: WorkerFidelity) -> Table:
    table = _table(
        "Elasticity of aggregate income, all rates 5 points up and down, no draws; the ratio "
        f"should be within {MOST_ELASTICITY_ERROR:.0%} of 1: {_verdict(found.elastic)}",
        ("law, elasticity told",),
        (
            *(
                "workers",
                "model",
                "95 % interval",
                "formula",
                "95 % interval",
                "ratio",
                "95 % interval",
            ),
            *("model's hours", "formula's"),
        ),
    )
    for row in found.elasticities:
        table.add_row(
            *(row.setting, f"{row.workers:,}"),
            *_measured(row.elasticity, ".4f"),
            *_measured(row.formula, ".4f"),
            *_measured(row.ratio, ".3f"),
            *(f"{row.hours:.2f}", f"{row.formula_hours:.2f}"),
        )
    return table


def _personas(found: WorkerFidelity) -> Table:
    table = _table(
        "Personas exchanged: total variation of the chances of hours; the model's changes on the "
        "formula's",
        ("changed to",),
        ("workers", "model", "95 % interval", "formula", "slope", "correlation"),
    )
    for row in found.personas:
        slopes = (
            "-" if value is None else f"{value:.3f}" for value in (row.slope, row.correlation)
        )
        table.add_row(
            row.changed,
            f"{row.workers:,}",
            *_measured(row.distance, ".4f"),
            f"{row.formula:.4f}",
            *slopes,
        )
    return table


def _learning(found: Learning) -> Table:
    count = len(found.model)
    table = _table(
        f"Utility forgone, % of the income of 40 hours, by step: {found.workers:,} workers, "
        f"{found.years} years ({found.setting}). Memory saves the model {_points(found.worth)}, "
        f"its formula {_points(found.formula_worth)}.",
        ("workers",),
        tuple(map(str, range(1, count + 1))),
    )
    rows = (
        ("model", found.model),
        ("formula", found.formula),
        ("model without memory", found.forgetful_model),
        ("formula without memory", found.forgetful_formula),
    )
    for name, losses in rows:
        table.add_row(name, *(f"{100 * loss:.2f}" for loss in losses))
    return table


def _table(title: str, words: tuple[str, ...], numbers: tuple[str, ...]) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for column in words:
        table.add_column(column, no_wrap=True)
    for column in numbers:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _measured(figure: Measured, form: str) -> tuple[str, str]:
    return f"{figure.value:{form}}", f"{figure.low:{form}} to {figure.high:{form}}"


def _points(worth: Measured) -> str:
    return f"{100 * worth.value:.2f} ({100 * worth.low:.2f} to {100 * worth.high:.2f})"


def _verdict(met: bool) -> str:
    return "it is" if met else "IT IS NOT"
