"""The planners of a comparison: a new one is a file of its own and one entry here."""

from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp

from baselines.fixed import FixedPlanner
from baselines.gradient import GradientPlanner
from baselines.saez import SaezPlanner
from baselines.search import FlatSearch, RandomSearch
from econjax import Atkinson, BracketSchedule, Rawlsian, Utilitarian
from econjax.planning import Planner
from econjax.welfare import AbstractWelfare
from experiments.config import WelfareName
from llm_policy.answers import Tally
from llm_policy.engine import Engine
from llm_policy.planner import LLMPlanner


@dataclass(frozen=True)
class Aim:
    """A welfare function, its name for people, and what a language model is told of it.

    `words` are for who sets the schedule, `definition` says what welfare is to anybody else.
    """

    name: str
    welfare: AbstractWelfare
    words: str
    definition: str


AIMS: dict[WelfareName, Aim] = {
    "atkinson": Aim(
        "Atkinson, aversion 1",
        Atkinson(1.0),
        "Your aim is the average logarithm of what everyone's life is worth to them in dollars, after tax, "
        "rebate and the effort of work. The result of a schedule is the amount that, given equally to all, "
        "would be as good.",
        "Welfare is the amount in dollars a year that, given equally to all, would be as good for the "
        "average logarithm of what a year is worth to each.",
    ),
    "rawlsian": Aim(
        "Rawlsian",
        Rawlsian(),
        "Your aim is the worst-off person. The result of a schedule is what the life of that person is worth "
        "in dollars, after tax, rebate and the effort of work.",
        "Welfare is what a year is worth to the worst-off person, in dollars.",
    ),
    "utilitarian": Aim(
        "Utilitarian",
        Utilitarian(),
        "Your aim is the average of what everyone's life is worth to them in dollars, after tax, rebate and "
        "the effort of work. The result of a schedule is that average.",
        "Welfare is the average of what a year is worth to everyone, in dollars.",
    ),
}


@dataclass(frozen=True)
class Setting:
    """What planners may start from: the law, the elasticity that only Saez is told, an engine, the aim.

    `tally` counts the answers of models, whoever asks them.
    """

    law: BracketSchedule
    elasticity: float
    engine: Engine | None
    aim: Aim
    tally: Tally


@dataclass(frozen=True)
class Entry:
    """A planner of the comparison: its name, what it sees of each evaluation, and how to make it.

    A planner that `is_fixed` never changes its schedule. `training` counts evaluations of other economies
    that it learned from before.
    """

    name: str
    sees: str
    make: Callable[[Setting], Planner]
    is_model: bool = False
    is_fixed: bool = False
    training: int = 0


def _no_tax(setting: Setting) -> FixedPlanner:
    return FixedPlanner(BracketSchedule(setting.law.thresholds, jnp.zeros_like(setting.law.rates)))


def _language_model(setting: Setting) -> LLMPlanner:
    if setting.engine is None:
        raise ValueError("A planner that is a language model needs an engine.")
    return LLMPlanner(setting.engine, setting.law, goal=setting.aim.words, tally=setting.tally)


ROSTER = {
    "laissez-faire": Entry("laissez-faire", "nothing", _no_tax, is_fixed=True),
    "federal": Entry("US federal", "nothing", lambda s: FixedPlanner(s.law), is_fixed=True),
    "flat": Entry("flat, best by search", "values", lambda s: FlatSearch(s.law.thresholds)),
    "random": Entry("random search, rates U[0,1)", "values", lambda s: RandomSearch(s.law.thresholds)),
    "saez": Entry("Saez, iterated", "brackets, elasticity", lambda s: SaezPlanner(s.law, s.elasticity)),
    "gradient": Entry("gradient (L-BFGS)", "gradients", lambda s: GradientPlanner(s.law)),
    "llm": Entry("language model", "values", _language_model, is_model=True),
}
