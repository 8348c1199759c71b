"""A schedule that stays as it is: no tax at all, or the law."""

from typing import NamedTuple

from jaxtyping import Array, Key

from econjax import BracketSchedule
from econjax.planning import Report


class FixedPlanner(NamedTuple):
    """Propose and recommend one schedule, whatever it brings."""

    schedule: BracketSchedule
    needs_gradient = False

    def init(self, key: Key[Array, ""]) -> None:
        """Return no state."""

    def ask(self, key: Key[Array, ""], state: None) -> tuple[BracketSchedule, None]:
        """Propose the schedule."""
        return self.schedule, None

    def tell(self, state: None, schedule: BracketSchedule, report: Report) -> None:
        """Learn nothing."""

    def recommend(self, state: None) -> BracketSchedule:
        """Recommend the schedule."""
        return self.schedule
