"""What is chosen of a scoreboard. Light, for the command line."""

import dataclasses
from dataclasses import dataclass
from typing import Literal, get_args

from experiments.core.checks import require_at_least, require_some
from experiments.core.config import (
    MODEL_PLANNERS,
    ONE_SCHEDULE,
    QUESTIONS_OF_A_PLANNER,
    PlannerName,
    RunConfig,
    WelfareName,
    check_planners,
)
from experiments.core.economy import EconomyConfig

ECONOMY_NAMES = ("acs", "elastic", "lognormal", "thick-tail", "mixed")
"""The economies of the scoreboard."""
OWN_ECONOMY = "own"
"""The economy of an economy file and of flags."""
RATIONAL: tuple[PlannerName, ...] = tuple(
    name for name in get_args(PlannerName) if name != "surrogate"
)
"""Planners who can plan for rational workers."""


@dataclass(frozen=True)
class ScoreboardConfig(RunConfig):
    """Let planners plan on several economies, each drawn several times, and print their regret."""

    economies: tuple[str, ...] = ECONOMY_NAMES
    """Economies, each calibrated to 2024 federal law; own is that of --economy and of the flags of
    an economy (--incomes, --law, --elasticity, ...), which concern no other."""
    populations: int = 10
    """How many times each is drawn: all planners meet the same draws."""
    agents: int | None = 10_000
    """Workers in each draw."""
    welfare: tuple[WelfareName, ...] = ("atkinson", "rawlsian")
    """Welfare functions to maximise."""
    planners: tuple[PlannerName, ...] = RATIONAL
    """Planners to run; all if none are named, but those who know one schedule for all where people
    are taxed by their own status."""
    evaluations: int = 40
    """Evaluations of every planner that learns from them."""
    vary: Literal["nothing", "elasticity", "aversion", "told"] = "nothing"
    """What varies instead of economies and welfare functions, of which then only the first is
    taken: the elasticity (0.1 to 1), the aversion to inequality (0.5 to infinity), or the
    elasticity that planners are told (0.1 to 1) while the true one stays."""

    def _check(self) -> None:
        for name, least in (("populations", 2), ("evaluations", 1)):
            require_at_least(least, name, getattr(self, name))
        require_some("economies", self.economies, (*ECONOMY_NAMES, OWN_ECONOMY))
        self._check_own()
        require_some("welfare", self.welfare, get_args(WelfareName))
        require_some("planners", self.planners, RATIONAL)
        check_planners(self, self.roster)
        if self.vary == "aversion" and self.asks_a_model:
            raise ValueError(
                "No words tell a language model of every aversion: leave llm out of --planners, "
                "llm-forgetful and llm-shuffled too."
            )

    def _check_own(self) -> None:
        """Refuse choices of an economy that is not among those of the scoreboard.

        Raises:
            ValueError: there are some.
        """
        if OWN_ECONOMY in self.economies:
            return
        fields = {one.name: one for one in dataclasses.fields(EconomyConfig)}
        for name in fields.keys() - {"agents", "aversion"}:
            if getattr(self, name) != fields[name].default:
                flag = "economy" if name == "economy_file" else name
                raise ValueError(f"--{flag} is for the economy own: add --economies {OWN_ECONOMY}.")

    @property
    def roster(self) -> tuple[PlannerName, ...]:
        """The planners; of all there are, those who can plan for the statuses of the economy."""
        if self.planners != RATIONAL or not self.statuses:
            return self.planners
        return tuple(name for name in self.planners if name not in ONE_SCHEDULE)

    @property
    def questions(self) -> int:
        """About how many questions the model is asked as a planner."""
        models = len(set(self.planners) & set(MODEL_PLANNERS))
        contests = len(self.economies) * self.populations * len(self.welfare)
        return contests * models * self.evaluations * QUESTIONS_OF_A_PLANNER

    @property
    def asks_a_model(self) -> bool:
        """Whether a planner is a language model."""
        return not set(self.planners).isdisjoint(MODEL_PLANNERS)
