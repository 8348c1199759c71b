"""Teachers of voters and candidates: ballots from the tax on one's own last income. Known formulas.

They look at nothing but the share of its last income that a platform would take from the voter, as
if income and rebate stayed as they are, and at who stands. They make no claim about how people
vote.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

from llm_policy.formula.planner import probabilities_around
from llm_policy.formula.workers import by_bracket

BETA = 15.0
"""What a platform loses in value per unit of income share that it takes: 1.5 for 10 points."""
SELF = 2.0
"""The value of being the candidate oneself."""
OFFICE = 0.3
"""The value of a candidate having been in office."""
ABSTAIN = -1.0
"""The value of abstaining, where that of a candidate who keeps the current law is 0."""
STAND = -2.0
"""The log odds that a worker who pays no tax stands for election."""
BURDEN = 5.0
"""What these log odds gain for each unit of the share of income that the current law takes."""
PROMISE = 15.0
"""By how many percentage points a candidate wants rates changed far from its own income."""
NEAR = 0.7
"""Log points from its income where a bracket begins that it wants changed by 0.76 of that."""


def candidate_values(
    income: Float[np.ndarray, " voters"],
    thresholds: Float[np.ndarray, " brackets"],
    current: Float[np.ndarray, " brackets"],
    platforms: Float[np.ndarray, "candidates brackets"],
    *,
    own: Int[np.ndarray, " voters"],
    served: Bool[np.ndarray, " candidates"],
) -> Float[np.ndarray, "voters candidates"]:
    """Return what each candidate is worth to each voter.

    `income` is the voters' last, in dollars a year, `platforms` the promised rates (the current
    ones for who promises none), `own` each voter's place on the ballot from 0, or -1, `served` who
    has been in office.
    """
    lost = tax_share(income, thresholds, platforms) - tax_share(income, thresholds, current[None])
    is_self = own[:, None] == np.arange(len(platforms))
    return -BETA * lost + SELF * is_self + OFFICE * served


def vote_probabilities(
    values: Float[np.ndarray, "voters candidates"],
) -> Float[np.ndarray, "voters candidates+1"]:
    """Return the chances of each vote: column 0 abstains, column N names candidate N."""
    weight = np.exp(_with_abstaining(values))
    return weight / weight.sum(axis=1, keepdims=True)


def reform_probabilities(
    income: Float[np.ndarray, " voters"],
    thresholds: Float[np.ndarray, " brackets"],
    current: Float[np.ndarray, " brackets"],
    proposed: Float[np.ndarray, " brackets"],
) -> Float[np.ndarray, " voters"]:
    """Return the chances of votes for proposed rates, where nobody stands and nobody abstains."""
    nobody = np.full(income.shape, -1)
    values = candidate_values(
        income, thresholds, current, proposed[None], own=nobody, served=np.zeros(1, bool)
    )
    return 1 / (1 + np.exp(-values[:, 0]))


def sample_rankings(
    rng: np.random.Generator, values: Float[np.ndarray, "voters candidates"]
) -> Int[np.ndarray, "voters candidates"]:
    """Return a draw of rankings, each voter's best first, candidates from 0; a row of -1 abstains.

    Candidates are named one after the other by `vote_probabilities` among those left (Plackett
    1975, Luce 1959), and who would name abstaining first abstains.
    """
    options = _with_abstaining(values)
    order = np.argsort(-(options + rng.gumbel(size=options.shape)), axis=1)
    ranked = order[order > 0].reshape(values.shape) - 1
    return np.where(order[:, :1] == 0, -1, ranked)


def approval_probabilities(
    values: Float[np.ndarray, "voters candidates"],
) -> Float[np.ndarray, "voters candidates"]:
    """Return the chances that voters approve of each candidate: above 1/2 above the mean value."""
    return 1 / (1 + np.exp(values.mean(axis=1, keepdims=True) - values))


def stand_probabilities(
    income: Float[np.ndarray, " voters"],
    thresholds: Float[np.ndarray, " brackets"],
    current: Float[np.ndarray, " brackets"],
) -> Float[np.ndarray, " voters"]:
    """Return each worker's chance to stand, which rises with the share of income it pays now."""
    return 1 / (1 + np.exp(-STAND - BURDEN * tax_share(income, thresholds, current[None])[:, 0]))


def promise_probabilities(
    income: Float[np.ndarray, " voters"], thresholds: Float[np.ndarray, " brackets"]
) -> Float[np.ndarray, "voters brackets 5"]:
    """Return the chances of changes that each worker promises if it stands, brackets independent.

    It wants lower rates where a bracket begins below its income, and higher ones above, softly
    around it.
    """
    with np.errstate(divide="ignore"):
        above = np.log(_positive(income)[:, None]) - np.log(thresholds)
    return probabilities_around(-PROMISE * np.tanh(above / NEAR))


def tax_share(
    income: Float[np.ndarray, " voters"],
    thresholds: Float[np.ndarray, " brackets"],
    rates: Float[np.ndarray, "schedules brackets"],
) -> Float[np.ndarray, "voters schedules"]:
    """Return the share of each income that each schedule takes: its lowest rate at no income."""
    income = _positive(income)
    return by_bracket(income, thresholds) / income[:, None] @ rates.T


def _positive(income: Float[np.ndarray, " voters"]) -> Float[np.ndarray, " voters"]:
    return np.maximum(income, 1.0)


def _with_abstaining(
    values: Float[np.ndarray, "voters candidates"],
) -> Float[np.ndarray, "voters options"]:
    return np.insert(values, 0, ABSTAIN, axis=1)
