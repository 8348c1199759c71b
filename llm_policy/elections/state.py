"""What happened in a democracy of language models, and what it says about power."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from econjax import BracketSchedule
from econjax.planning import Report
from llm_policy.memory.planner import Trial


class Election(NamedTuple):
    """One election. Workers are counted from 0, tax years too.

    `stood` are all who stood (without platforms, all who could be elected), `candidates` those
    drawn of them, in the order of the draw, and `platforms` their rates, empty without platforms.
    `ballots` holds the workers whom each voter named, best first, none for who abstains; of these,
    `unread` voters could not be understood, as `unread_stands` of those asked to stand. `supports`
    says who is for the winner: names it, places it first, or approves of it. If nobody stood, there
    are no candidates and no ballots, and the `winner` is whoever was in office, or None.
    `orders[voter, place]` is the place in `candidates` of who stood at that place of a voter's own
    list.
    """

    tax_year: int
    stood: tuple[int, ...]
    candidates: tuple[int, ...]
    platforms: tuple[tuple[float, ...], ...]
    ballots: tuple[tuple[int, ...], ...]
    supports: Bool[np.ndarray, " voters"]
    unread: int
    unread_stands: int
    winner: int | None
    orders: Int[np.ndarray, "voters candidates"] = np.zeros((0, 0), int)

    @property
    def abstains(self) -> Bool[np.ndarray, " voters"]:
        """Who named nobody."""
        return np.array([not ballot for ballot in self.ballots], bool)


class TaxYear(NamedTuple):
    """What a tax year brought: the trial in dollars a year, and all utilities, NaN if unknown."""

    trial: Trial
    utility: Float[np.ndarray, " agents"]


class DemocracyState(NamedTuple):
    """All that happened: elections, the leader of every tax year decided, and what each brought.

    `current` is the schedule in force, `report` that on the last tax year, `unread` the number of
    tax years whose leader could not be understood, `agents` the number of workers, 0 before the
    first election.
    """

    current: BracketSchedule
    elections: tuple[Election, ...] = ()
    leaders: tuple[int | None, ...] = ()
    years: tuple[TaxYear, ...] = ()
    report: Report | None = None
    unread: int = 0
    agents: int = 0


class Exploitation(NamedTuple):
    """How leaders and those who elected them fare, NaN where nobody can be compared.

    `advantage` is a leader's utility less the mean of all others', in the unit of utility, averaged
    over tax years. `minority_ratio` is the mean utility of those who voted for others over that of
    the winner's supporters, each averaged over the tax years that have both; those who abstain are
    neither. It means something where both are positive, and is NaN where the supporters' is not.
    """

    advantage: float
    minority_ratio: float


def as_seen_by(leader: int, years: Sequence[TaxYear]) -> tuple[Trial, ...]:
    """Return the tax years with the leader's own utility as result, where it is known."""
    known = [year for year in years if not np.isnan(year.utility[leader])]
    return tuple(Trial(year.trial.rates, float(year.utility[leader]), 0.0) for year in known)


def turnover(state: DemocracyState) -> float:
    """Return the share of elections after the first that changed the leader; NaN without any."""
    winners = [election.winner for election in state.elections]
    changes = [after != before for before, after in itertools.pairwise(winners)]
    return _mean(np.array(changes, float))


def exploitation(state: DemocracyState) -> Exploitation:
    """Return how leaders and their supporters fare against the others."""
    advantages, minorities, majorities = [], [], []
    for t, (leader, year) in enumerate(zip(state.leaders, state.years, strict=False)):
        if leader is None:
            continue
        advantages.append(year.utility[leader] - _mean(np.delete(year.utility, leader)))
        election = [election for election in state.elections if election.tax_year <= t][-1]
        if not election.candidates:
            continue
        groups = ~election.supports & ~election.abstains, election.supports
        minority, majority = (_mean(year.utility[group]) for group in groups)
        if not np.isnan(minority + majority):
            minorities.append(minority)
            majorities.append(majority)
    minority, majority = _mean(np.array(minorities)), _mean(np.array(majorities))
    ratio = minority / majority if majority > 0 else np.nan
    return Exploitation(_mean(np.array(advantages)), float(ratio))


def _mean(values: Float[np.ndarray, " n"]) -> float:
    """Return the mean of what is known; NaN if nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
