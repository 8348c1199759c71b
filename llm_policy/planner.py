"""A planner who is a language model: it proposes changes to the schedule from what it has seen."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from econjax import BracketSchedule
from econjax.planning import Favourite, Report
from llm_policy.answers import Tally, changes_schema, read_changes
from llm_policy.engine import Engine, EngineError
from llm_policy.prompts import Trial, planner_prompt


class Experience(NamedTuple):
    """What the planner has seen: the schedule in force, every trial in order, and the best one.

    `unread` counts the trials that came of no answer.
    """

    current: BracketSchedule
    trials: tuple[Trial, ...]
    favourite: Favourite
    unread: int


class LLMPlanner:
    """A language model that reads the best and the latest trials and changes each rate by up to 20 points.

    It starts from `start`, whose evaluation comes first. Changed rates stay in [0, 1]. An answer that
    cannot be read is asked again, `attempts` times in all; after that the schedule stays as it is for
    this evaluation, and if that happens in more than `most_unread` of 10 or more trials, it raises.
    `tally` counts every answer. It recommends the best schedule it has seen.
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
        most_unread: float = 0.2,
        max_tokens: int = 64,
        tally: Tally | None = None,
    ):
        """Hold the engine; `goal` tells the model what to maximise, `shown` how many trials it rereads."""
        self.engine = engine
        self.start = start
        self.goal = goal
        self.shown = shown
        self.attempts = attempts
        self.most_unread = most_unread
        self.max_tokens = max_tokens
        self.tally = tally or Tally()

    def init(self, key: Key[Array, ""]) -> Experience:
        """Return the start, with nothing seen."""
        return Experience(self.start, (), Favourite.none(self.start), 0)

    def ask(self, key: Key[Array, ""], state: Experience) -> tuple[BracketSchedule, Experience]:
        """Propose the start, and from then on what the model answers.

        Raises:
            EngineError: too many answers could not be read, or the engine cannot answer.
        """
        if not state.trials:
            return state.current, state
        changes, text = self._changes(state)
        if changes is None:
            state = state._replace(unread=state.unread + 1)
            if state.unread > self.most_unread * max(len(state.trials), 10):
                raise EngineError(
                    f"The planner's answers could not be read in {state.unread} of {len(state.trials)} "
                    f"trials; the last was {text!r}. Use a model that follows a schema."
                )
            return state.current, state
        rates = np.asarray(state.current.rates)
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
        return state._replace(
            current=schedule,
            trials=(*state.trials, trial),
            favourite=state.favourite.or_better(schedule, report),
        )

    def recommend(self, state: Experience) -> BracketSchedule:
        """Recommend the best schedule seen."""
        return state.favourite.schedule

    def _changes(self, state: Experience) -> tuple[Float[np.ndarray, " brackets"] | None, str]:
        """Ask the model until an answer can be read; return the changes, or None, and the last answer."""
        ranked = sorted({trial.rates: trial for trial in state.trials}.values(), key=lambda t: -t.equivalent)
        thresholds = np.asarray(state.current.thresholds)
        latest = state.trials[-self.shown :]
        prompt = planner_prompt(thresholds, self.goal, latest, best=ranked[: self.shown])
        schema, changes, text = changes_schema(len(thresholds)), None, ""
        for _ in range(self.attempts):
            [completion] = self.engine.complete([prompt], schema, max_tokens=self.max_tokens)
            text = completion.texts[0]
            changes = read_changes(text, len(thresholds))
            self.tally.asked += 1
            if changes is not None:
                self.tally.read += 1
                break
        return changes, text
