"""Attitudes to a more progressive tax, and what an argument does to them, of any voters."""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from econjax import BracketSchedule, Economy, settle
from llm_policy.moments.estimates import FeatureMeans, jackknifed, limits_of
from llm_policy.moments.measure import ALL, HIGH, HIGH_INCOME, LOW, MeasuredMoment
from llm_policy.moments.referendum import VoteShares
from llm_policy.prompts.referendum import Argument, Referendum

RISE = 0.1
"""By how much the proposal raises the rates on high incomes."""
GAINS, LOSES = "who gains", "who loses"
LESS, MORE = "wanting lower taxes", "wanting higher taxes"


def proposed_reform(
    economy: Economy, law: BracketSchedule, labor: Float[np.ndarray, " agents"]
) -> Referendum:
    """Return the law and what raises its rates from `HIGH_INCOME` on by `RISE`, to 1 at most.

    Rates rise in brackets that start there or above; where none does, one is added that starts
    there. Revenue beyond public spending is everybody's rebate, at these hours: who gains is exact.
    """
    thresholds, rates = (np.asarray(values, float) for values in (law.thresholds, law.rates))
    if thresholds[-1] < HIGH_INCOME:
        thresholds, rates = np.append(thresholds, HIGH_INCOME), np.append(rates, rates[-1])
    raised = np.where(thresholds >= HIGH_INCOME, np.minimum(rates + RISE, 1.0), rates)
    schedules = BracketSchedule(thresholds, rates), BracketSchedule(thresholds, raised)
    first, second = (settle(economy, one, jnp.asarray(labor, float)) for one in schedules)
    kept = np.stack([np.asarray(one.consumption, float) for one in (first, second)])
    return Referendum(schedules, (float(first.rebate), float(second.rebate)), kept)


def voting_groups(
    reform: Referendum, income: Float[np.ndarray, " voters"], attitude: Float[np.ndarray, " voters"]
) -> dict[str, Bool[np.ndarray, " voters"]]:
    """Return who is in each group: by income in dollars a year, by stakes, by stated attitude.

    `attitude` is negative of who wants lower taxes, positive of who would pay more.
    """
    rich = np.asarray(income) >= HIGH_INCOME
    return {
        ALL: np.ones(rich.shape, bool),
        HIGH: rich,
        LOW: ~rich,
        GAINS: reform.gain > 0,
        LOSES: reform.gain < 0,
        LESS: attitude < 0,
        MORE: attitude > 0,
    }


def vote_moments(
    weight: Float[np.ndarray, " voters"],
    votes: Mapping[Argument, VoteShares],
    groups: Mapping[str, Bool[np.ndarray, " voters"]],
) -> list[MeasuredMoment]:
    """Return the share in favour of the proposal, and what each argument adds, in per cent.

    Shares are of votes without an argument. An argument's effect is in percentage points, of those
    whose votes are known with it and without: each voter is compared with itself. It is of
    everybody and of the two groups of income.
    """
    features = {argument: 100 * shares.favor for argument, shares in votes.items()}
    known = {argument: shares.known for argument, shares in votes.items()}
    limits = limits_of(features["none"][known["none"]])
    found = [
        MeasuredMoment(
            "in_favor",
            group,
            jackknifed(features, weight, who & known["none"], _in_favor, limits=limits),
        )
        for group, who in groups.items()
    ]
    for argument in votes:
        if argument == "none":
            continue
        both = known["none"] & known[argument]
        found += [
            MeasuredMoment(
                f"{argument}_effect",
                group,
                jackknifed(
                    features, weight, groups[group] & both, lambda m, a=argument: m[a] - m["none"]
                ),
            )
            for group in (ALL, HIGH, LOW)
        ]
    return found


def _in_favor(m: FeatureMeans) -> Float[np.ndarray, "..."]:
    return m["none"]
