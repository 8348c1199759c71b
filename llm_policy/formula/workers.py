"""How the small model's workers choose: a quantal response around perceived utility.

A worker perceives what each week would bring: income less tax, less what effort costs it. Its
attitudes bend both (a taste for leisure, an aversion to taxes), the less the more steps it has
lived through. It keeps to the hours it has, follows what its last change of hours spoke for, and
chooses among the hours offered with probabilities that rise with perceived utility (McFadden 1974;
McKelvey and Palfrey 1995). All of it is an
assumption: a known truth to measure instruments with, and no claim about people.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from econjax import BracketSchedule, IncomeCredits
from econjax.population import REFERENCE_HOURS
from llm_policy.answers.reading import HOURS
from llm_policy.memory.workers import Memory, Records, latest, nudge
from llm_policy.personas.draw import Personas
from llm_policy.prompts.disutility import effort_cost
from llm_policy.prompts.objectives import OBJECTIVES
from llm_policy.prompts.workers import Phase

TEMPERATURE = 0.1
"""Of the quantal response, as a share of the worker's income at 40 hours."""
EXPLOIT_COOLING = 0.6
"""What the temperature is multiplied by when workers are told to stop trying."""
RISK = 1.2
"""What the temperature is multiplied by for each degree of liking risks."""
LEISURE = 0.5
"""By how much effort costs less, in logs, to who usually works 80 hours instead of 40."""
AVERSION = 0.15
"""By what share a worker overstates its taxes for each degree of wanting lower ones."""
ATTITUDE_PATIENCE = 8.0
"""Steps after which attitudes count half."""
HABIT = 0.6
"""What a change of hours by 40 takes from the log odds of a choice."""
NUDGE = 0.4
"""What the last change of hours adds to the log odds of hours in its direction."""
SPITE = 2.0
"""The log factor of effort's cost to who wants everybody's harm."""
ROLE_ATTITUDES = {
    "nurse": (0.3, -0.5),
    "teacher": (0.4, -1.0),
    "shop assistant": (0.0, 1.0),
    "factory worker": (0.0, 0.5),
    "software developer": (0.0, 0.5),
    "engineer": (0.0, 0.0),
    "shop owner": (-0.5, 1.5),
    "founder": (-0.6, 1.5),
    "delivery driver": (-0.2, 0.5),
    "office clerk": (0.2, -0.5),
    "craftsman": (-0.4, 1.0),
    "caregiver": (0.4, -0.5),
    "near retirement": (0.6, 0.0),
}
"""Each role's taste for leisure, in multiples of `LEISURE`, and degree of wanting lower taxes."""
_LEAST_PRICE = 1e-9  # dollars: effort costs nothing whose hours earn nothing
CONTENT, BURDEN, MOOD = 1.0, 5.0, 4.0
"""Log odds of satisfaction: at no net tax, lost per share of income paid, per unit of aversion."""


class Attitudes(NamedTuple):
    """Workers' attitudes: `leisure` adds to log effort cost, `aversion` to 1 as a factor of taxes.

    `noise` multiplies the temperature.
    """

    leisure: Float[np.ndarray, " agents"]
    aversion: Float[np.ndarray, " agents"]
    noise: Float[np.ndarray, " agents"]


class Endowment(NamedTuple):
    """What workers' hours earn and cost them, in dollars a year.

    `skill` is what an hour a week earns, `prices` what one more costs in effort at 20, 40 and 60
    hours (see `effort.price_of_an_hour`), `fixed_cost` what working at all costs, `other_income`
    what labor does not bring, `group` whose schedule taxes them, where groups have their own, and
    `credits` by what their tax is lower as it depends on income.
    """

    skill: Float[np.ndarray, " agents"]
    prices: Float[np.ndarray, "agents 3"]
    fixed_cost: Float[np.ndarray, " agents"]
    other_income: Float[np.ndarray, " agents"] | None = None
    group: Int[np.ndarray, " agents"] | None = None
    credits: IncomeCredits | None = None


def neutral(agents: int) -> Attitudes:
    """Return the attitudes of workers of whom nothing is known."""
    return Attitudes(np.zeros(agents), np.zeros(agents), np.ones(agents))


def of_personas(personas: Personas) -> Attitudes:
    """Return the attitudes that personas state: usual hours, risk, taxes."""
    middle = 2  # of five degrees
    return Attitudes(
        leisure=-LEISURE * (personas.hours - REFERENCE_HOURS) / REFERENCE_HOURS,
        aversion=AVERSION * (middle - personas.tax_attitude),
        noise=RISK ** (personas.risk - float(middle)),
    )


def of_roles(roles: Sequence[str]) -> Attitudes:
    """Return the attitudes of people who play these roles of `persona_roles.ROLES`."""
    leisure, aversion = np.array([ROLE_ATTITUDES[role] for role in roles]).T
    return Attitudes(LEISURE * leisure, AVERSION * aversion, np.ones(len(roles)))


def with_aims(attitudes: Attitudes, aims: Int[np.ndarray, " agents"]) -> Attitudes:
    """Return the attitudes of workers with these aims, places in `OBJECTIVES`.

    Who wants everybody's good has nothing against taxes; who wants everybody's harm works little.
    """
    return attitudes._replace(
        leisure=np.where(aims == OBJECTIVES.index("adversarial"), SPITE, attitudes.leisure),
        aversion=np.where(aims == OBJECTIVES.index("altruistic"), 0.0, attitudes.aversion),
    )


class Reckoning(NamedTuple):
    """What workers find on the way to a choice: dollars a year by `HOURS`, and what bends them.

    `kept` is income less tax, `overstated` what an aversion adds to the tax, `effort` what the
    hours cost in effort, as the worker feels it now; `fixed` what working at all costs;
    `temperature` is in dollars too. `change` is by how much the hours differ from the last ones, in
    multiples of 40, `pull` the direction that the last change speaks for.
    """

    kept: Float[np.ndarray, "agents options"]
    overstated: Float[np.ndarray, "agents options"]
    effort: Float[np.ndarray, "agents options"]
    fixed: Float[np.ndarray, " agents"]
    temperature: Float[np.ndarray, " agents"]
    change: Float[np.ndarray, "agents options"]
    pull: Float[np.ndarray, " agents"]


def perceived_utility(
    who: Endowment, attitudes: Attitudes, schedule: BracketSchedule, memory: Memory, phase: Phase
) -> Reckoning:
    """Return what workers find on the way to their choice of hours."""
    hours = np.array(HOURS, float)
    now = latest(memory)
    known = np.nan_to_num(now.step)
    trust = (1 / (1 + known / ATTITUDE_PATIENCE))[:, None]
    low, high = (np.maximum(who.prices[:, [place]], _LEAST_PRICE) for place in (0, 2))
    cost = effort_cost((low, who.prices[:, [1]], high), hours)
    income = who.skill[:, None] * hours
    taxed = income if who.other_income is None else income + who.other_income[:, None]
    tax = taxes(schedule, taxed, who.group)
    if who.credits is not None:
        less = BracketSchedule(who.credits.thresholds, who.credits.rates)
        tax = tax + taxes(less, taxed, np.asarray(who.credits.kind))
    full_time = np.maximum(REFERENCE_HOURS * who.skill, 1.0)
    return Reckoning(
        kept=income - tax,
        overstated=trust * attitudes.aversion[:, None] * tax,
        effort=cost * np.exp(trust * attitudes.leisure[:, None]),
        fixed=who.fixed_cost,
        temperature=TEMPERATURE
        * attitudes.noise
        * (EXPLOIT_COOLING if phase == "exploit" else 1.0)
        * full_time,
        change=np.where(np.isnan(now.labor), 0.0, (hours[:, None] - now.labor) / REFERENCE_HOURS).T,
        pull=nudge(memory),
    )


def hours_probabilities(
    who: Endowment, attitudes: Attitudes, schedule: BracketSchedule, memory: Memory, phase: Phase
) -> Float[np.ndarray, "agents options"]:
    """Return the probabilities with which workers choose each of `HOURS`."""
    found = perceived_utility(who, attitudes, schedule, memory, phase)
    fixed = found.fixed[:, None] * (np.array(HOURS) > 0)
    perceived = found.kept - found.overstated - found.effort - fixed
    odds = perceived / found.temperature[:, None] - HABIT * np.abs(found.change)
    odds = odds + NUDGE * found.pull[:, None] * np.sign(found.change)
    probabilities = np.exp(odds - odds.max(axis=1, keepdims=True))
    return probabilities / probabilities.sum(axis=1, keepdims=True)


def satisfied_probabilities(attitudes: Attitudes, now: Records) -> Float[np.ndarray, " agents"]:
    """Return the probability that workers are satisfied with the taxes and rebate of a step."""
    burden = np.clip((now.tax - now.rebate) / np.maximum(now.income, 1000.0), -1, 1)
    return 1 / (1 + np.exp(BURDEN * burden + MOOD * attitudes.aversion - CONTENT))


def taxes(
    schedule: BracketSchedule,
    income: Float[np.ndarray, "*shape"],
    group: Int[np.ndarray, " agents"] | None = None,
) -> Float[np.ndarray, "*shape"]:
    """Return the tax on incomes, on the host; of [agents, options] by `group` if groups differ."""
    floors, rates = (np.asarray(values, float) for values in schedule.each_group())
    if schedule.groups is not None and group is not None:
        floors, rates = floors[group][:, None], rates[group][:, None]
    parts, tax = rates * by_bracket(income, floors), np.zeros_like(income)
    for bracket in range(parts.shape[-1]):  # one after the other: a sum in another order differs
        tax += parts[..., bracket]
    return tax


def by_bracket(
    income: Float[np.ndarray, "*shape"], thresholds: Float[np.ndarray, "... brackets"]
) -> Float[np.ndarray, "*shape brackets"]:
    """Return how much of each income lies in each bracket, on the host."""
    widths = np.diff(thresholds, append=np.inf)
    return np.clip(income[..., None] - thresholds, 0, widths)
