"""What a comparison finds: a row for each planner, and whether two can be told apart."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from experiments.compare.archetypes import StandIn
from experiments.report.intervals import mean_of
from experiments.report.rates import Rates
from experiments.validity.cards import AskedWorkers
from llm_policy.engines.wrappers.tally import Tally
from llm_policy.prompts.workers import Mode
from llm_policy.workers.llm import LLMWorkers


@dataclass(frozen=True)
class CostOfErrors:
    """What workers' choices lose against each one's own best at the rebate that they lived with.

    `mean` is in dollars a year per worker, without a bound, and `error` its standard error over
    years; `costliest` is the share of it that the costliest tenth of workers bears; `bounded` the
    share of answers that count as more than their utility.
    """

    mean: float
    error: float
    costliest: float
    bounded: float


@dataclass(frozen=True)
class ComparisonRow:
    """One planner under one welfare function: what it recommends, what that brings, what it took.

    In dollars a year; `rates` are a list for each group where groups have their own; `labor` is the
    mean week in hours. `regret` is the distance to the best row, `share` the part of the distance
    from US federal to the best row that was covered (None without such a distance), `last` the
    equivalent of the last schedule evaluated, `understood` the share of model answers read (None
    where no model was asked). `planner_model` and `worker_model` are the language models that
    planned and worked.

    Among language models `equivalent` is welfare as lived, the mean of independent `years` under
    the schedule, `at_best` what the same people would bring if each chose best, and `errors` what
    the choices cost. `tied` says that the row and the best one cannot be told apart.
    """

    planner: str
    observes: str
    rates: Rates
    equivalent: float
    standard_error: float
    last: float
    gini: float
    labor: float
    rebate: float
    floored: float
    values: int
    gradients: int
    seconds: float
    calls: int
    understood: float | None
    regret: float = 0.0
    share: float | None = None
    planner_model: str | None = None
    worker_model: str | None = None
    years: tuple[float, ...] = ()
    at_best: float | None = None
    errors: CostOfErrors | None = None
    tied: bool = False


@dataclass(frozen=True)
class Comparison:
    """The rows of each table by its title, its size in words, and a record of every evaluation.

    A table holds one welfare function and workers of one kind. `workers` are the language models
    who worked, if any, and `asked` says in which mode workers and planners who are models answered.
    `tally` counts the answers, and why some could not be read. `stand_ins` are the archetypes of
    tables whose workers were drawn from some. `aims` are the welfare functions of tables, by title,
    and `cards` say who worked but for the rational.
    """

    tables: dict[str, list[ComparisonRow]]
    sizes: dict[str, str]
    metrics: list[dict[str, Any]]
    workers: LLMWorkers | None = None
    asked: Mapping[str, Mode] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    stand_ins: dict[str, StandIn] = field(default_factory=dict)
    aims: dict[str, str] = field(default_factory=dict)
    cards: list[AskedWorkers] = field(default_factory=list)


def cannot_be_told_apart(best: ComparisonRow, row: ComparisonRow) -> bool:
    """Return whether 0 lies within the 95 % interval of how far a row falls short of the best.

    Years are paired, for their draws have the same keys; a single one has but its own error.
    """
    if not row.years:
        return False
    if len(row.years) == 1:
        error = math.hypot(best.standard_error, row.standard_error)
        return best.equivalent - row.equivalent <= 2 * error
    return mean_of(np.array(best.years) - np.array(row.years)).low <= 0
