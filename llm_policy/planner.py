"""A planner who is a language model: it proposes changes to the schedule from what it has seen."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from econjax import BracketSchedule
from econjax.planning import Favourite, Report
from llm_policy.answers import Tally, changes_schema, read_changes
from llm_policy.engine import Engine
from llm_policy.prompts import Trial, planner_prompt


class Experience(NamedTuple):
    """What the planner has seen: the schedule in force, every trial in order, and the best one."""

    current: BracketSchedule
    trials: tuple[Trial, ...]
    favourite: Favourite


class LLMPlanner:
    """A language model that reads the best and the latest trials and changes each rate by up to 20 points.

    It starts from `start`, whose evaluation comes first. Changed rates stay in [0, 1]. An answer that
    cannot be read is asked again, `attempts` times in all; after that the schedule stays as it is for
    this evaluation. `tally` counts every answer. It recommends the best schedule it has seen.
    """

    needs_gradient = False

    def __init__(
        self,
        engine: Engine,
        start: BracketSchedule,
        *,
        goal: str,
        shown: int = 5,
        attempts: int = 3,
        max_tokens: int = 64,
        tally: Tally | None = None,
    ):
        """Hold the engine; `goal` tells the model what to maximise, `shown` how many trials it rereads."""
        self.engine = engine
        self.start = start
        self.goal = goal
        self.shown = shown
        self.attempts = attempts
        self.max_tokens = max_tokens
        self.tally = tally or Tally()

    def init(self, key: Key[Array, ""]) -> Experience:
        """Return the start, with nothing seen."""
        return Experience(self.start, (), Favourite.none(self.start))

    def ask(self, key: Key[Array, ""], state: Experience) -> tuple[BracketSchedule, Experience]:
        """Propose the start, and from then on what the model answers."""
        if not state.trials:
            return state.current, state
        changes, rates = self._changes(state), np.asarray(state.current.rates)
        rates = np.where(changes == 0, rates, np.clip(rates + changes, 0, 1).round(4))
        schedule = BracketSchedule(state.current.thresholds, jnp.asarray(rates))
        return schedule, state._replace(current=schedule)

    def tell(self, state: Experience, schedule: BracketSchedule, report: Report) -> Experience:
        """Remember the trial."""
        trial = Trial(
            tuple(np.asarray(schedule.rates).tolist()),
            float(report.equivalent),
            float(report.standard_error),
        )
        return Experience(schedule, (*state.trials, trial), state.favourite.or_better(schedule, report))

    def recommend(self, state: Experience) -> BracketSchedule:
        """Recommend the best schedule seen."""
        return state.favourite.schedule

    def _changes(self, state: Experience) -> Float[np.ndarray, " brackets"]:
        """Ask the model, again if its answer cannot be read; no change if it never can."""
        ranked = sorted({trial.rates: trial for trial in state.trials}.values(), key=lambda t: -t.equivalent)
        thresholds = np.asarray(state.current.thresholds)
        prompt = planner_prompt(thresholds, self.goal, state.trials[-self.shown :], best=ranked[: self.shown])
        for _ in range(self.attempts):
            schema = changes_schema(len(thresholds))
            [completion] = self.engine.complete([prompt], schema, max_tokens=self.max_tokens)
            changes = read_changes(completion.texts[0], len(thresholds))
            self.tally.asked += 1
            if changes is not None:
                self.tally.read += 1
                return changes
        return np.zeros_like(thresholds)
