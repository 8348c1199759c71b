"""A known formula for planners: from the history that a prompt shows to each change's probability.

It steers by three lists of rates that a prompt with two or more records shows: the current ones,
the best record's and the second best's. It prefers no schedule to another before it has tried both:
turning every rate r that it reads into 1 - r turns its changes around. It makes no claim about how
people or governments decide.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from llm_policy.answers.reading import STEPS
from llm_policy.memory.planner import Trial, is_in_force, records

OWN = 1.0
"""How far a rate goes on after a success: multiples of its move from second best to best record."""
COMMON = 3.0
"""How far it goes on with the others: multiples of the mean of that move over the brackets."""
SPREAD = 9.0
"""How far changes scatter around the one aimed at, in percentage points."""


def changes_probabilities(
    current_rates: Sequence[float], trials: Sequence[Trial]
) -> Float[np.ndarray, "brackets 5"]:
    """Return each bracket's chances of `STEPS`, the brackets being independent given the history.

    With fewer than two schedules tried there is nothing to compare, and every change is as likely
    as any. After that a planner whose schedule is not the best record aims back at that, and one
    whose schedule is the best aims onward, by OWN and COMMON. `probabilities_around` says how
    changes scatter around the aim.
    """
    current = 100 * np.asarray(current_rates, float)
    if len(records(trials)) < 2:
        return np.full((len(current), len(STEPS)), 1 / len(STEPS))
    return probabilities_around(aim(current, trials))


def aim(
    current: Float[np.ndarray, " brackets"], trials: Sequence[Trial]
) -> Float[np.ndarray, " brackets"]:
    """Return the changes aimed at, in percentage points as `current`, after two tried schedules."""
    known = records(trials)[:2]
    best, second = (100 * np.asarray(record.rates, float) for record in known)
    if is_in_force(known[0], current):
        return OWN * (best - second) + COMMON * (best - second).mean()
    return best - current


def probabilities_around(aim: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape 5"]:
    """Return the chances of `STEPS` around changes aimed at, in percentage points, of 20 at most.

    They fall with the distance x from the aim as exp(-x^2 / (2 SPREAD^2)).
    """
    distance = np.array(STEPS) - np.clip(aim, min(STEPS), max(STEPS))[..., None]
    weight = np.exp(-(distance**2) / (2 * SPREAD**2))
    return weight / weight.sum(axis=-1, keepdims=True)


def sample_changes(
    rng: np.random.Generator, probabilities: Float[np.ndarray, "brackets 5"]
) -> Float[np.ndarray, " brackets"]:
    """Return one draw of the changes, as shares."""
    return np.array([rng.choice(STEPS, p=bracket) for bracket in probabilities], float) / 100
