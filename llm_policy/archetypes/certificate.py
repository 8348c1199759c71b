"""How far hours drawn from archetypes lie from those of workers who are asked one by one."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from econjax import BracketSchedule, Economy, Rawlsian, settle
from econjax.planning import Report
from econjax.welfare import AbstractWelfare
from llm_policy.archetypes.device import drawn_labor
from llm_policy.archetypes.lives import FewAnswers, ask, begun, remembering
from llm_policy.archetypes.sampling import AuditSample, replicates, sample_of
from llm_policy.archetypes.society import ArchetypeSociety, CrowdStep
from llm_policy.audit.variation import jensen_shannon, total_variation
from llm_policy.surrogate.recording import RecordedWorkers
from llm_policy.workers.chances import Chances, drawn_hours
from llm_policy.workers.lived import counted, on_offer, own_best, standing
from llm_policy.workers.society import State

_REPLICATES = 1_000
_COVERED = 0.95
_WELFARE_REPLICATES = 200
_SKIPPED = 4  # of draws of the sample's hours, every so manieth is settled


class Inferred(NamedTuple):
    """An estimate and its 95 % interval, of a stratified bootstrap."""

    value: float
    low: float
    high: float


class Gap(NamedTuple):
    """How far two distributions of hours lie apart, in all of a tax year.

    The Jensen-Shannon divergence is in bits, total variation the share of people whose hours would
    have to change. Intervals hold by the triangle inequality, for both (the root of the first) are
    metrics: they begin at 0 where the sample is too small to tell.
    """

    divergence: Inferred
    variation: Inferred


@dataclass(frozen=True)
class BiasCertificate:
    """What archetypes err by under a schedule, by a sample of workers asked one by one.

    The `total` gap in the distribution of hours is parted in `persons`, who answer otherwise than
    those who speak for them in their place, and `skills`, between which is interpolated;
    `sampling` is that of the hours that were drawn for all workers from the chances they had, which
    is known. Of means, what asking everybody would bring more: `labor` in hours a week, `income`
    and `revenue` in money a year, `welfare` its equivalent (None where it is that of the worst off,
    which no sample knows). `hours` is the distribution over the hours on offer with archetypes
    alone, and `corrected` with the sample's difference added. `calls` counts the questions.
    """

    asked: int
    calls: int
    total: Gap
    persons: Gap
    skills: Gap
    sampling: tuple[float, float]
    labor: Inferred
    income: Inferred
    revenue: Inferred
    welfare: Inferred | None
    equivalent: float
    hours: Float[np.ndarray, " options"]
    corrected: Float[np.ndarray, " options"]


def certify_bias(
    key: Key[Array, ""],
    society: ArchetypeSociety,
    schedule: BracketSchedule,
    *,
    steps: int,
    audited: int = 200,
) -> BiasCertificate:
    """Let a crowd live a tax year, and a stratified sample of its workers with it, in person.

    The poorest and the richest hundredth of the workers are strata of their own with an eighth of
    the sample each, and asked one and all where they are no more; the others are in strata of equal
    weight. Each is asked twice a step, with its own persona and with one that speaks for it, and
    remembers what it then did at the rebate that the crowd brings. What a sampled worker's chances
    differ by from those that its hours were drawn from is added up with the weights of the design
    (a difference estimator; Cassel, Särndal and Wretman 1976).

    Raises:
        ValueError: a sample of fewer than 32.
        EngineError: too many answers could not be read, or the engine cannot answer.
    """
    archetypes = society.archetypes
    sample = sample_of(jax.random.fold_in(key, 1), archetypes.crowd, audited)
    here = archetypes.crowd.some(sample.place, sample.weight)
    begun_at = society.begin(schedule)
    own = _Witnesses(archetypes.make(here), schedule, begun_at.rebate)
    spoken = archetypes.spoken_for(jax.random.fold_in(key, 3), sample.place).personas
    cell = _Witnesses(archetypes.make(here._replace(personas=spoken)), schedule, begun_at.rebate)
    year = _Year(key, society, sample)

    def on_step(number: int, step: CrowdStep, report: Report) -> None:
        for who in (own, cell):
            who.live(jax.random.fold_in(key, number), step)
        year.see(number, step)

    report, _ = society.tax_year(key, begun_at, schedule, steps=steps, on_step=on_step)
    chances = own.chances, cell.chances, year.drawn
    asked, spoken_of, mixed = (np.mean(each, axis=0) for each in chances)
    heard = np.where(own.known & cell.known, sample.weight, 0)
    sample = sample._replace(weight=heard / heard.sum())
    worth = _worth(here.economy, schedule, archetypes.workers.hours)
    again = replicates(jax.random.fold_in(key, 2), sample, _REPLICATES)
    reckoning = _Reckoning(worth, np.mean(year.whole, axis=0), sample, again)
    total, persons, skills, corrected = reckoning.gaps(asked, spoken_of, mixed)
    labor, income, revenue = reckoning.means(asked - mixed)
    return BiasCertificate(
        asked=len(sample.place),
        calls=own.calls + cell.calls,
        total=total,
        persons=persons,
        skills=skills,
        sampling=tuple(np.mean(year.luck, axis=0).tolist()),
        labor=labor,
        income=income,
        revenue=revenue,
        welfare=_of_welfare(society, here.economy, schedule, report, reckoning, asked, mixed),
        equivalent=float(report.equivalent),
        hours=reckoning.whole,
        corrected=corrected,
    )


class _Year:
    """What archetypes would have drawn, step by step: for the sample, and for all workers."""

    def __init__(self, key: Key[Array, ""], society: ArchetypeSociety, sample: AuditSample) -> None:
        archetypes = society.archetypes
        self._key, self._society = key, society
        self._links = [part[sample.place] for part in archetypes.links]
        self._weight = np.asarray(archetypes.workers.economy.population.weight, float)
        self.drawn: list[Float[np.ndarray, "sample options"]] = []
        self.whole: list[Float[np.ndarray, " options"]] = []
        self.luck: list[tuple[float, float]] = []

    def see(self, number: int, step: CrowdStep) -> None:
        self.drawn.append(mixed_chances(step.answers, *self._links))
        counts = self._weight * step.answers.understood
        self.whole.append(counts @ step.answers.probabilities / counts.sum())
        key = jax.random.fold_in(self._key, number)
        self.luck.append(_luck(key, self._society, step, self.whole[-1]))


class _Witnesses:
    """The sampled workers with one set of personas: asked with everybody else, step by step."""

    def __init__(self, workers: RecordedWorkers, schedule: BracketSchedule, rebate: float) -> None:
        self.workers, self.calls = workers, 0
        state = begun(workers, schedule, jnp.asarray(rebate))
        self.state: State = state.next_year(schedule)
        self.chances: list[Float[np.ndarray, "sample options"]] = []
        self.known = np.ones(workers.economy.population.agents, bool)

    def live(self, key: Key[Array, ""], step: CrowdStep) -> None:
        answers = ask(key, self.workers, step.situation, self.state.memory)
        self.calls += len(self.workers.models.asked)
        self.chances.append(answers.probabilities)
        self.known &= answers.understood
        state = replace(self.state, step=self.state.step + 1, rebate=step.rebate)
        self.state = remembering(state, self.workers.economy, answers.labor, answers.understood)


@dataclass(frozen=True)
class _Reckoning:
    """What differences of the sample's chances come to for all, and in bootstrap replicates.

    `worth` is what each of the hours on offer would bring each of the sample: hours, income, tax.
    """

    worth: Float[np.ndarray, "3 sample options"]
    whole: Float[np.ndarray, " options"]
    sample: AuditSample
    again: Float[np.ndarray, "times sample"]

    def gaps(
        self,
        own: Float[np.ndarray, "sample options"],
        cell: Float[np.ndarray, "sample options"],
        drawn: Float[np.ndarray, "sample options"],
    ) -> tuple[Gap, Gap, Gap, Float[np.ndarray, " options"]]:
        """Return the gaps in total, of persons and of skills, and the corrected distribution."""
        asked, spoken = self._shifted(own - drawn), self._shifted(cell - drawn)
        whole = self.whole[None]
        parts = ((whole, asked), (spoken, asked), (whole, spoken))
        total, persons, skills = (
            Gap(
                _distance(lambda p, q: np.sqrt(jensen_shannon(p, q)), *part, power=2),
                _distance(total_variation, *part, power=1),
            )
            for part in parts
        )
        return total, persons, skills, asked[0]

    def means(self, more: Float[np.ndarray, "sample options"]) -> list[Inferred]:
        """Return by how much mean hours, income and revenue are more by chances so different."""
        by_worker = (self.worth * more).sum(axis=-1)
        return [inferred(self.sample.weight @ one, self.again @ one) for one in by_worker]

    def _shifted(
        self, more: Float[np.ndarray, "sample options"]
    ) -> Float[np.ndarray, "once_and_times options"]:
        """Return everybody's distribution with a difference, by the sample and each replicate."""
        shifted = self.whole + np.stack([self.sample.weight, *self.again]) @ more
        shifted = np.maximum(shifted, 0)
        return shifted / shifted.sum(axis=1, keepdims=True)


def inferred(value: float, again: Float[np.ndarray, " times"]) -> Inferred:
    """Return an estimate with an interval as wide to both sides as its replicates lie from it."""
    away = float(np.quantile(np.abs(again - value), _COVERED))
    return Inferred(float(value), float(value) - away, float(value) + away)


def _distance(metric, one, other, *, power: int) -> Inferred:
    """Return the distance of two distributions, each [1 or more, options]: estimate, replicates."""
    found = float(metric(one[0], other[0]))
    moved = sum(metric(each[1:], each[0]) if len(each) > 1 else 0.0 for each in (one, other))
    away = float(np.quantile(moved, _COVERED))
    ends = found, max(0.0, found - away), found + away
    return Inferred(*(end**power for end in ends))


def _worth(
    economy: Economy, schedule: BracketSchedule, hours: Float[Array, " options"]
) -> Float[np.ndarray, "3 sample options"]:
    labor = jnp.broadcast_to(hours, (economy.population.agents, len(hours)))
    income, tax = on_offer(economy.population, schedule, labor)
    return np.stack([np.asarray(values, float) for values in (labor, income, tax)])


def mixed_chances(
    answers: FewAnswers, left: Int[np.ndarray, " sample"], share: Float[np.ndarray, " sample"]
) -> Float[np.ndarray, "sample options"]:
    """Return the chances that the sample's hours are drawn from."""
    known = np.where(answers.understood[:, None], answers.probabilities, 0)
    after, share = np.minimum(left + 1, len(known) - 1), share[:, None].astype(float)
    mixed = (1 - share) * known[left] + share * known[after]
    return mixed / np.maximum(mixed.sum(axis=1, keepdims=True), 1e-300)


def _luck(
    key: Key[Array, ""], society: ArchetypeSociety, step: CrowdStep, chances: np.ndarray
) -> tuple[float, float]:
    """Return how far hours drawn for all lie from their chances: divergence, variation."""
    hours = society.archetypes.workers.hours
    labor = drawn_labor(key, society.archetypes.drawn(step.answers))
    place = np.searchsorted(np.asarray(hours), np.asarray(labor))
    found = np.bincount(place, np.asarray(step.economy.population.weight), len(hours))
    found = found / found.sum()
    return float(jensen_shannon(found, chances)), float(total_variation(found, chances))


def _of_welfare(
    society: ArchetypeSociety,
    economy: Economy,
    schedule: BracketSchedule,
    report: Report,
    reckoning: _Reckoning,
    own: Float[np.ndarray, "sample options"],
    drawn: Float[np.ndarray, "sample options"],
) -> Inferred | None:
    """Return how much more the equivalent of the sample is with its own chances."""
    if isinstance(society.welfare, Rawlsian):
        return None
    hours, dtype = society.archetypes.workers.hours, economy.population.skill.dtype
    best = own_best(economy, schedule, report.rebate)
    again = reckoning.again[:_WELFARE_REPLICATES]
    weights = jnp.asarray(np.stack([reckoning.sample.weight, *again]), dtype)
    equivalent = [
        _equivalents(
            economy,
            schedule,
            drawn_hours(jax.random.key(0), Chances(hours, jnp.asarray(chances, dtype)))[::_SKIPPED],
            weights,
            best,
            society.welfare,
            society.subsistence,
        )
        for chances in (own, drawn)
    ]
    more = np.asarray(equivalent[0] - equivalent[1], float)
    return inferred(more[0], more[1:])


@eqx.filter_jit
def _equivalents(
    economy: Economy,
    schedule: BracketSchedule,
    labor: Float[Array, "draws sample"],
    weights: Float[Array, "times sample"],
    best: Float[Array, " sample"],
    welfare: AbstractWelfare,
    subsistence: float | None,
) -> Float[Array, " times"]:
    """Return the mean equivalent over draws, by each of several weights of the sample."""

    def of(weight: Float[Array, " sample"]) -> Float[Array, ""]:
        here = eqx.tree_at(lambda e: e.population.weight, economy, weight)

        def value(hours: Float[Array, " sample"]) -> Float[Array, ""]:
            outcome = settle(here, schedule, hours)
            utility = outcome.utility
            if subsistence is not None:
                stands = standing(here, schedule, outcome.rebate, best, subsistence)
                utility = counted(utility, stands)[0]
            lives = eqx.tree_at(lambda o: o.utility, outcome, utility)
            return welfare.equivalent(here.population, lives)

        return jax.vmap(value)(labor).mean()

    return jax.lax.map(of, weights)
