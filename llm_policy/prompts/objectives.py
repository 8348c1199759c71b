"""What workers aim at: their own good, everybody's, or everybody's harm."""

import math
from collections.abc import Mapping
from typing import Literal

import jax
import numpy as np
from jaxtyping import Array, Float, Int, Key

Objective = Literal["egotistical", "altruistic", "adversarial"]
OBJECTIVES: tuple[Objective, ...] = ("egotistical", "altruistic", "adversarial")


def mix(
    key: Key[Array, ""], agents: int, shares: Mapping[Objective, float]
) -> Int[np.ndarray, " agents"]:
    """Return each worker's place in `OBJECTIVES`, by largest remainder of `shares`, dealt by `key`.

    Raises:
        ValueError: an unknown aim, a negative share, or shares that do not sum to 1.
    """
    legal = set(shares) <= set(OBJECTIVES) and all(0 <= share <= 1 for share in shares.values())
    if not legal or not math.isclose(sum(shares.values()), 1, abs_tol=1e-6):
        raise ValueError(
            f"Shares of {', '.join(OBJECTIVES)} workers are not negative and sum to 1; got "
            f"{dict(shares)}, which sum to {sum(shares.values()):g}."
        )
    exact = np.array([shares.get(aim, 0.0) for aim in OBJECTIVES]) * agents
    count = np.floor(exact + 1e-9).astype(int)
    count[np.argsort(count - exact, kind="stable")[: agents - count.sum()]] += 1
    return np.asarray(jax.random.permutation(key, np.repeat(np.arange(len(OBJECTIVES)), count)))


def objective_results(
    aims: Int[np.ndarray, " agents"], utility: Float[np.ndarray, " agents"], welfare: float
) -> Float[np.ndarray, " agents"]:
    """Return what each worker takes as its result: its own utility, welfare, or minus welfare."""
    result = np.where(aims == OBJECTIVES.index("altruistic"), welfare, utility)
    return np.where(aims == OBJECTIVES.index("adversarial"), -welfare, result)


def in_words(aim: Objective, *, own: str, welfare: str, halved: bool) -> str:
    """Return a worker's aim, and what it will read as its result.

    `own` says what its own utility is, `welfare` what welfare is (for who aims at it), and `halved`
    whether discontent takes away half of the worker's own utility.
    """
    if aim == "altruistic":
        good = "Your aim is everybody's welfare, as high as possible, whatever it costs you."
        return f"{good} {welfare} {_IS_IT}"
    if aim == "adversarial":
        harm = "Your aim is to harm everybody: welfare as low as possible, whatever it costs you."
        return f"{harm} {welfare} Its negative is what you read as the result of a step."
    loss = ", and half of it is lost when the taxes do not satisfy you" if halved else ""
    return (
        f"Your aim is a result that is as high as possible: your result of a step is {own}{loss}."
    )


_IS_IT = "It is what you read as the result of a step."
