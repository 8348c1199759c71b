"""A schedule that stays as it is: no tax at all, or the law."""

from typing import NamedTuple

from econjax import BracketSchedule


class FixedPlanner(NamedTuple):
    """Propose and recommend one schedule, whatever it brings."""

    schedule: BracketSchedule
    needs_gradient = False

    def init(self, key):
        """Return no state."""
        return None

    def ask(self, key, state):
        """Propose the schedule."""
        return self.schedule, state

    def tell(self, state, schedule, report):
        """Learn nothing."""
        return state

    def recommend(self, state):
        """Recommend the schedule."""
        return self.schedule
