"""Hold archetypes against the truth: what every worker of a crowd says.

Run `python -m experiments.tools.archetype_truth --agents 1000000`. The formula is asked as an
engine, of few, and computed for everybody, a block of workers after the other. With `--model
econjax-small --agents 20000` everybody is asked, which takes as many calls a schedule. One step
under each of five schedules, or the first `--schedules` of them: calls against decisions, the
distribution of hours and a test of whether it is the same, welfare, the order of the schedules by
it, and whether the certificate's intervals cover the truth.
"""

import argparse
import json
import resource
import sys
import time
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.stats import chi2

from econjax import (
    Atkinson,
    BracketSchedule,
    Economy,
    Quasilinear,
    calibrate,
    gb2,
    settle,
    us_federal,
)
from experiments.core.choices import EngineOptions
from experiments.core.config import FORMULA
from experiments.core.engines import start_engine
from experiments.report.disclosure import SHIPPED
from llm_policy.answers.elicitation import MOST_LEAKED
from llm_policy.archetypes.certificate import BiasCertificate, certify_bias, mixed_chances
from llm_policy.archetypes.crowd import PeopledEconomy, crowd_of
from llm_policy.archetypes.lives import FewAnswers, ask, begun
from llm_policy.archetypes.society import (
    TOLERANCE,
    Archetypes,
    ArchetypeSociety,
    CrowdStep,
    archetypes_of,
)
from llm_policy.audit.variation import jensen_shannon, total_variation
from llm_policy.engines.base import Engine
from llm_policy.engines.embedded.engine import EmbeddedEngine
from llm_policy.formula.workers import Endowment, hours_probabilities, of_personas
from llm_policy.memory.workers import Records, nothing, remember
from llm_policy.people import makes_models
from llm_policy.prompts.disutility import price_of_an_hour
from llm_policy.workers.lived import SUBSISTENCE, lived, own_best

_BLOCK = 2**15
_DRAWN, _MOST_DRAWS = 2**21, 100
"""Workers times draws that the truth is scored by, and the most draws; there is one at least."""
_CACHE_BYTES = 1 << 28
_HOURS = np.arange(0.0, 101.0, 10.0)
_AIM = Atkinson(1.0)


def main() -> None:
    """Print what is found under each schedule, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=100_000)
    parser.add_argument("--archetypes", type=int, default=4_096)
    parser.add_argument("--error", type=float, default=TOLERANCE)
    parser.add_argument("--audited", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default=FORMULA)
    parser.add_argument("--schedules", type=int, default=5)
    parser.add_argument("--most-unread", type=float, default=MOST_LEAKED)
    print(json.dumps(against_truth(parser.parse_args()), indent=1))


def against_truth(chosen: argparse.Namespace) -> dict[str, Any]:
    """Return what archetypes took, and what they err by under three schedules."""
    law, key, started = us_federal(2024), jax.random.key(chosen.seed), time.perf_counter()
    population = calibrate(gb2(chosen.agents), law)
    crowd = crowd_of(key, Economy(population=population, preferences=Quasilinear(0.25)))
    make = makes_models(_engine(chosen.model), most_leaked=chosen.most_unread)
    few = archetypes_of(crowd, make, law, most=chosen.archetypes, tolerance=chosen.error)
    chosen_in, steep = time.perf_counter() - started, jnp.minimum(1.6 * law.rates, 0.8)
    flat = jnp.zeros_like(law.rates)
    schedules = {"law": law.rates, "flat 30 %": 0.3 + flat, "steep": steep}
    schedules |= {"no tax": flat, "flat 60 %": 0.6 + flat}
    schedules = dict(list(schedules.items())[: chosen.schedules])
    found = {
        name: _under(key, few, BracketSchedule(law.thresholds, rates), chosen)
        for name, rates in schedules.items()
    }
    by_worth = {
        whose: sorted(found, key=lambda name: -found[name][whose])
        for whose in ("equivalent", "true_equivalent")
    }
    audits = sum(one["audit_calls"] for one in found.values())
    decisions = len(schedules) * chosen.agents
    calls = few.calls - len(schedules) * len(few.nodes.cell)  # a certificate's year asks once more
    return {
        "model": chosen.model,
        "agents": chosen.agents,
        "archetypes": len(few.nodes.cell),
        "cells": len(few.cells.typical),
        "held_out": few.held_out._asdict(),
        "calls": calls,
        "audit_calls": audits,
        "decisions": decisions,
        "fewer": decisions / calls,
        "fewer_with_audit": decisions / (calls + audits),
        "seconds_to_choose": chosen_in,
        "peak_gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        "best_first": by_worth["equivalent"],
        "truly_best_first": by_worth["true_equivalent"],
        "schedules": found,
    }


def _engine(model: str) -> Engine | None:
    """Return what a model's engine is, None for the formula.

    What econjax-small keeps of what it read is bounded, for nobody is asked twice.
    """
    if model == FORMULA:
        return None
    if model == SHIPPED:
        return EmbeddedEngine(cache_bytes=_CACHE_BYTES)
    return start_engine(EngineOptions(model, server=None, temperature=1.0, context=8192))


def formula_chances(
    crowd: PeopledEconomy, schedule: BracketSchedule
) -> Float[np.ndarray, "agents options"]:
    """Return everybody's chances of hours in the only step of a tax year, after 40 hours of work.

    They are those of a crowd without groups, credits or other income.
    """
    economy, count = crowd.economy, crowd.economy.population.agents
    skill, zero = np.asarray(economy.population.skill, float), np.zeros(count)
    means = Endowment(skill, price_of_an_hour(economy), zero)
    usual, unknown = zero + 40, np.full(count, np.nan)
    first = Records(zero, zero, usual, zero, zero, zero, unknown, unknown)
    memory = remember(nothing(count, last=1, best=0), first)
    return hours_probabilities(means, of_personas(crowd.personas), schedule, memory, "exploit")


def asked_chances(
    some: PeopledEconomy, schedule: BracketSchedule, few: Archetypes, rebate: float
) -> Float[np.ndarray, "agents options"]:
    """Return the chances of hours that workers state in the only step of a tax year, each asked."""
    workers = few.make(some)
    state = begun(workers, schedule, jnp.asarray(rebate)).next_year(schedule)
    return ask(jax.random.key(0), workers, state.situation("exploit"), state.memory).probabilities


def _under(key, few: Archetypes, schedule: BracketSchedule, chosen: Any) -> dict[str, Any]:
    society, steps = ArchetypeSociety(few, _AIM), list[CrowdStep]()
    started = time.perf_counter()
    report, _ = society.tax_year(
        key,
        society.begin(schedule),
        schedule,
        steps=1,
        on_step=lambda number, step, report: steps.append(step),
    )
    seconds = time.perf_counter() - started
    print(f"drawn in {seconds:.1f} s", file=sys.stderr, flush=True)
    certificate = certify_bias(key, society, schedule, steps=1, audited=chosen.audited)
    assert certificate.welfare is not None, "it is not that of the worst off"
    print("certified", file=sys.stderr, flush=True)
    chances = partial(formula_chances, schedule=schedule)
    if chosen.model != FORMULA:
        rebate = society.begin(schedule).rebate
        chances = partial(asked_chances, schedule=schedule, few=few, rebate=rebate)
    hours, apart, same, truth = _truth(few, schedule, steps[0].answers, chances)
    worth, drawn = float(truth.equivalent), float(report.equivalent)
    return {
        "seconds": seconds,
        "divergence": float(jensen_shannon(certificate.hours, hours)),
        "variation": float(total_variation(certificate.hours, hours)),
        "divergence_by_worker": apart,
        "same_distribution": same,
        "equivalent": drawn,
        "true_equivalent": worth,
        "relative_error": drawn / worth - 1,
        "corrected_relative_error": (drawn + certificate.welfare.value) / worth - 1,
        "audit_calls": certificate.calls,
        "covered": _covered(certificate, hours, report, truth),
        "certified_divergence": certificate.total.divergence._asdict(),
        "certified_welfare": certificate.welfare._asdict(),
    }


def _covered(certificate: BiasCertificate, hours, report, truth) -> dict[str, bool]:
    """Return which of the certificate's intervals hold what is true."""
    more = {
        name: float(getattr(truth, name) - getattr(report, name)) for name in ("labor", "income")
    }
    more |= {
        "revenue": float(truth.rebate - report.rebate),
        "welfare": float(truth.equivalent - report.equivalent),
    }
    held = {name: getattr(certificate, name) for name in more}
    more["divergence"] = float(jensen_shannon(certificate.hours, hours))
    held["divergence"] = certificate.total.divergence
    return {name: held[name].low <= true <= held[name].high for name, true in more.items()}


def _truth(few: Archetypes, schedule: BracketSchedule, answers: FewAnswers, chances_of: Any):
    """Return the distribution of hours, each worker's distance from it, a test, the mean report.

    The test is of hours drawn once with the chances that workers state and once with those of
    their archetypes: Wald's statistic of the difference between the two counts of each option,
    whose covariance is known, is chi-squared if both are drawn from the same. The report is the
    mean over draws of everybody's hours, of which there are the more, the fewer workers there are.
    """
    economy, agents = few.crowd.economy, few.crowd.economy.population.agents
    weight = np.asarray(economy.population.weight).astype(float)
    draws = max(1, min(_MOST_DRAWS, _DRAWN // agents))
    rng, labor = np.random.default_rng(0), np.empty((draws, agents), np.float32)
    hours, apart = np.zeros(len(_HOURS)), 0.0
    counts, covariance = np.zeros(len(_HOURS)), np.zeros((len(_HOURS), len(_HOURS)))
    for start in range(0, agents, _BLOCK):
        here = np.arange(start, min(start + _BLOCK, agents))
        chances = chances_of(few.crowd.some(here))
        drawn = mixed_chances(answers, *(part[here] for part in few.links))
        hours += weight[here] @ chances
        apart += weight[here] @ jensen_shannon(chances, drawn)
        for sign, ones in ((1, chances), (-1, drawn)):
            counts += sign * np.bincount(_drawn(rng, ones), minlength=len(_HOURS))
            covariance += np.diag(ones.sum(axis=0)) - ones.T @ ones
        for one in labor:
            one[here] = _HOURS[_drawn(rng, chances)]
    reports = [_settled(economy, schedule, one) for one in labor]
    report = jax.tree.map(lambda *values: sum(values) / draws, *reports)
    wald, degrees = counts @ np.linalg.pinv(covariance) @ counts, (hours > 0).sum() - 1
    same = {"statistic": wald, "degrees": int(degrees), "p": float(chi2.sf(wald, degrees))}
    return hours / weight.sum(), float(apart / weight.sum()), same, report


def _drawn(rng: np.random.Generator, chances: Float[np.ndarray, "n options"]) -> np.ndarray:
    """Return the place of an option drawn for each row."""
    return (rng.random((len(chances), 1)) >= np.cumsum(chances, axis=1)[:, :-1]).sum(axis=1)


def _settled(economy: Economy, schedule: BracketSchedule, labor: Float[np.ndarray, " agents"]):
    outcome = jax.jit(settle)(economy, schedule, jnp.asarray(labor))
    best = own_best(economy, schedule, outcome.rebate)
    options = {"subsistence": SUBSISTENCE, "understood": jnp.ones(())}
    return lived(economy, schedule, outcome, _AIM, best=best, **options).report


if __name__ == "__main__":
    main()
