"""The bracket formula of Saez (2001), iterated on the economy until it agrees with itself."""

from typing import NamedTuple

from jaxtyping import Array, Key

from econjax import BracketSchedule
from econjax.planning import Report
from econjax.saez import saez_rates, toward


class SaezPlanner(NamedTuple):
    """Set rates by the first-order condition of each bracket, at the statistics the last rates brought.

    It is told the workers' elasticity. Each step goes half of the way, in log net-of-tax rates, to what
    the formula says; the fixed point is recommended. Where rates fall with income the formula leaves out
    workers who jump over a threshold, so there the fixed point is near the optimum, not at it.
    """

    start: BracketSchedule
    elasticity: float
    needs_gradient = False

    def init(self, key: Key[Array, ""]) -> BracketSchedule:
        """Return the start."""
        return self.start

    def ask(self, key: Key[Array, ""], state: BracketSchedule) -> tuple[BracketSchedule, BracketSchedule]:
        """Propose the current rates."""
        return state, state

    def tell(self, state: BracketSchedule, schedule: BracketSchedule, report: Report) -> BracketSchedule:
        """Move half of the way to the rates that the formula implies here."""
        implied = saez_rates(report.brackets, elasticity=self.elasticity, current=schedule.rates)
        return BracketSchedule(schedule.thresholds, toward(schedule.rates, implied))

    def recommend(self, state: BracketSchedule) -> BracketSchedule:
        """Recommend the rates reached."""
        return state
