"""Ask a model about taxes, and score its answers."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from experiments.core.session import Session
from experiments.report.console import mistakes
from experiments.report.files import whole
from experiments.runs.result import Result
from experiments.runs.rows import Row
from experiments.sense.config import QuestionsConfig, SenseConfig
from llm_policy.engines.wrappers.tally import Tallied, Tally
from llm_policy.prompts.workers import Mode
from llm_policy.sense.asking import SenseAnswer, ask_items
from llm_policy.sense.draws import SenseWorld
from llm_policy.sense.items import SenseItem, sense_items
from llm_policy.sense.scoring import SenseScore, score

ANSWERS = "answers.jsonl"
"""The file of a run directory with an answer a line."""


@dataclass(frozen=True)
class SenseReport:
    """A model's scores, and the mean probability that it gave to no letter, None for texts."""

    model: str
    mode: Mode
    questions: int
    scores: tuple[SenseScore, ...]
    leaked: float | None


def run_sense(config: SenseConfig, path: Path, session: Session | None) -> Result:
    """Ask every question once, with a row for each score.

    Raises:
        Mistake: an economy that makes no questions.
        EngineError: the engine cannot answer.
    """
    assert session is not None, "a model is asked"
    tally = Tally()
    with mistakes():
        items = items_of(config)
    answers = ask_items(Tallied(session.engine, tally), items, config.mode, held=config.schema)
    _write_answers(path / ANSWERS, items, answers)
    found = report_on(items, answers, session.describe().model, config.mode)
    rows = list(sense_rows(config, found))
    remarks = [*config.notes(), *session.remarks({"respondents": config.mode}), tally.words]
    said = asdict(found) | {"scores": [each._asdict() for each in found.scores]}
    return Result(found, said, rows, remarks=remarks)


def items_of(config: QuestionsConfig) -> list[SenseItem]:
    """Return the questions: wages are of the economy's people, thresholds of its law.

    Raises:
        ValueError: an economy that makes no questions.
    """
    population, law = config.economy().population, config.status_quo()
    world = SenseWorld.of(population.skill, population.weight, law.thresholds, config.elasticity)
    return sense_items(world, cases=config.cases, seed=config.seed)


def report_on(
    items: Sequence[SenseItem], answers: Sequence[SenseAnswer], model: str, mode: Mode
) -> SenseReport:
    """Return the scores of the answers to the items."""
    scores = score(
        item.answered(answer.chosen) for item, answer in zip(items, answers, strict=True)
    )
    given = [sum(answer.probabilities) for answer in answers if answer.probabilities is not None]
    mean = float(1 - np.mean(given)) if given else None
    return SenseReport(model, mode, len(items), tuple(scores), mean)


def sense_rows(config: SenseConfig, found: SenseReport) -> Iterator[Row]:
    """Yield a row for each score."""
    nobody_plans = dict.fromkeys(("planner_model", "welfare", "aversion"))
    for each in found.scores:
        own = each._asdict()
        own["figure"] = own.pop("measure")  # a name that collections have for their own
        asked = {"worker_model": found.model, "seed": config.seed, "mode": found.mode}
        yield nobody_plans | asked | own


def _write_answers(path: Path, items: Sequence[SenseItem], answers: Sequence[SenseAnswer]) -> None:
    with whole(path) as partial, partial.open("w", encoding="utf-8") as file:
        for item, answer in zip(items, answers, strict=True):
            file.write(json.dumps({"id": item.id, **answer._asdict()}) + "\n")
