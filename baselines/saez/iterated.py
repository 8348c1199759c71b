"""The bracket formula of Saez (2001), once or iterated on the economy until self-consistent."""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from numpy.typing import ArrayLike

from baselines.fixed import FixedPlanner
from baselines.saez.jump_inference import inferred_jump
from baselines.search.local import PATIENCE, LocalSearch
from econjax import BracketSchedule
from econjax.bounds import MOST, USUAL_BOUNDS, RateBounds
from econjax.optimal.published import llm_economist_rates
from econjax.optimal.saez import damped_step, elasticity_or_reported, saez_rates
from econjax.planning import Incumbent, Observation, Report, require_law, worth

STATISTICS: tuple[Observation, ...] = ("value", "distribution", "brackets")
"""What the formula is computed from, but for the elasticity."""


class SaezState(NamedTuple):
    """Where the iteration stands: rates to try next, the last move, and the part of the way to go.

    `incumbent` is the best schedule evaluated so far; `near` tries points near it once the
    iteration brings nothing.
    """

    schedule: BracketSchedule
    move: Float[Array, " brackets"]
    share: Float[Array, " brackets"]
    incumbent: Incumbent
    near: LocalSearch

    @classmethod
    def begin(cls, start: BracketSchedule, patience: int = PATIENCE) -> "SaezState":
        """Return an unmoved iteration that ends after `patience` evaluations without a gain."""
        still, half = jnp.zeros_like(start.rates), jnp.full_like(start.rates, 0.5)
        return cls(start, still, half, Incumbent.none(start), LocalSearch.begin(patience))

    def ask(self, key: Key[Array, ""], bounds: RateBounds) -> BracketSchedule:
        """Return the rates to try next."""
        if not self.near.searches:
            return bounds.keep(self.schedule)
        best = self.incumbent.schedule.rates
        rates = 1 - (1 - best) * jnp.exp(self.near.step(key, best))
        return BracketSchedule(self.schedule.thresholds, bounds.nearest(jnp.minimum(rates, MOST)))

    def onward(
        self,
        schedule: BracketSchedule,
        report: Report,
        *,
        elasticity: ArrayLike | None,
        jumps: bool,
    ) -> "SaezState":
        """Return the iteration moved toward what the formula implies at a schedule just evaluated.

        A bracket goes half of the way, in log net-of-tax rates; one that overshoots halves its
        part, which then grows again. A trial near the best is heard only. From a schedule at which
        welfare weights do not exist, infinitely bad or one that leaves everybody below a floor, it
        goes half of the way back to the best.
        """
        if worth(report) == -math.inf:
            return self._retreat(schedule)
        before = LocalSearch.begin(self.near.patience) if self.incumbent.is_lost else self.near
        near = before.heard(bool(report.equivalent > self.incumbent.equivalent))
        incumbent = self.incumbent.or_better(schedule, report)
        if before.searches:
            return self._replace(incumbent=incumbent, near=near)
        rates = schedule.rates
        implied = implied_rates(schedule, report, elasticity=elasticity, jumps=jumps)
        if np.isnan(implied).any():
            return self._replace(incumbent=incumbent)._retreat(schedule)
        turned = (implied - rates) * self.move < 0
        share = jnp.where(turned, self.share / 2, jnp.minimum(1.1 * self.share, 0.5))
        reached = damped_step(rates, implied, share)
        onward = BracketSchedule(schedule.thresholds, reached)
        return SaezState(onward, reached - rates, share, incumbent, near)

    def _retreat(self, schedule: BracketSchedule) -> "SaezState":
        if self.incumbent.is_lost:
            return self._replace(near=self.near.lost())
        if self.near.searches:
            return self._replace(near=self.near.heard(False))
        back = damped_step(schedule.rates, self.incumbent.schedule.rates, 0.5)
        return self._replace(
            schedule=BracketSchedule(schedule.thresholds, back),
            move=back - schedule.rates,
            near=self.near.heard(False),
        )


class SaezPlanner(NamedTuple):
    """Set rates by each bracket's first-order condition, at the statistics the last rates brought.

    It is told the workers' elasticity, one for all or one for each bracket, or without one reads it
    from every report (workers who differ sort themselves anew), and iterates: at the fixed point
    every bracket's condition holds with the marginal weights of the welfare function itself. Where
    rates fall with income, workers who jump over a threshold are counted as `inferred_jump` infers
    them from the report; without `jumps`, and of groups with rates in common, they are left out,
    and the fixed point is then near the optimum, not at it. The formula is of smooth
    populations, and a finite one has steps: once the iteration has brought nothing for `patience`
    evaluations, the rest are trials of `LocalSearch`. It recommends the best rates tried.
    """

    start: BracketSchedule
    elasticity: float | tuple[float, ...] | None = None
    jumps: bool = True
    patience: int = PATIENCE
    bounds: RateBounds = USUAL_BOUNDS

    @property
    def observes(self) -> tuple[Observation, ...]:
        """Statistics of brackets and incomes; elasticities too if it is told none."""
        return STATISTICS if self.elasticity is not None else (*STATISTICS, "elasticity")

    def init(self, key: Key[Array, ""]) -> SaezState:
        """Return the start."""
        return SaezState.begin(require_law(self.start), self.patience)

    def ask(self, key: Key[Array, ""], state: SaezState) -> tuple[BracketSchedule, SaezState]:
        """Propose the current rates, or some near the best."""
        return state.ask(key, self.bounds), state

    def tell(self, state: SaezState, schedule: BracketSchedule, report: Report) -> SaezState:
        """Move toward the rates that the formula implies here."""
        return state.onward(schedule, report, elasticity=self.elasticity, jumps=self.jumps)

    def recommend(self, state: SaezState) -> BracketSchedule:
        """Recommend the best rates tried."""
        return state.incumbent.schedule


class StaticSaezPlanner(NamedTuple):
    """Apply the formula once, to the statistics that the start brought, and stay there.

    What comes of taking incomes and welfare weights as fixed (`SaezPlanner` lets them answer).
    `elasticity` is one for all, one for each bracket, or as reported; `REFERENCE_ELASTICITIES`
    holds those of others.
    """

    start: BracketSchedule
    elasticity: float | tuple[float, ...] | None = None
    bounds: RateBounds = USUAL_BOUNDS

    @property
    def observes(self) -> tuple[Observation, ...]:
        """Statistics of brackets and incomes; elasticities too if it is told none."""
        return STATISTICS if self.elasticity is not None else (*STATISTICS, "elasticity")

    def init(self, key: Key[Array, ""]) -> tuple[BracketSchedule, bool]:
        """Return the start, which has not been evaluated."""
        return require_law(self.start), False

    def ask(
        self, key: Key[Array, ""], state: tuple[BracketSchedule, bool]
    ) -> tuple[BracketSchedule, tuple[BracketSchedule, bool]]:
        """Propose the start, then what the formula makes of it."""
        return state[0], state

    def tell(
        self, state: tuple[BracketSchedule, bool], schedule: BracketSchedule, report: Report
    ) -> tuple[BracketSchedule, bool]:
        """Apply the formula to the first report; leave it at that."""
        if state[1] or worth(report) == -math.inf:
            return state
        implied = implied_rates(schedule, report, elasticity=self.elasticity, jumps=False)
        if np.isnan(implied).any():
            return state
        rates = self.bounds.nearest(damped_step(schedule.rates, implied, 1.0))
        return BracketSchedule(schedule.thresholds, rates), True

    def recommend(self, state: tuple[BracketSchedule, bool]) -> BracketSchedule:
        """Recommend the rates that the formula gave, or the start if there was no report."""
        return state[0]


def implied_rates(
    schedule: BracketSchedule, report: Report, *, elasticity: ArrayLike | None, jumps: bool
) -> Float[Array, " brackets"]:
    """Return the rates that first-order conditions imply at a report, with or without jumpers.

    Without an elasticity it is the report's.

    Raises:
        ValueError: what `elasticity_or_reported` refuses.
    """
    given = None if elasticity is None else jnp.asarray(elasticity, float)
    believed = elasticity_or_reported(report.brackets, given)
    variance = report.brackets.elasticity_variance if given is None else None
    square = believed**2 if variance is None else believed**2 + variance
    jump = _jump(schedule, report, square) if jumps else 0.0
    return saez_rates(report.brackets, elasticity=believed, current=schedule.rates, jump=jump)


def _jump(
    schedule: BracketSchedule, report: Report, square: Float[Array, "*brackets"]
) -> Float[Array, "*groups brackets"]:
    """Return `inferred_jump` where the elasticity's mean square is this.

    How many jump and how far are both in proportion to the elasticity, so that all are inferred
    with the root of the mean square, and each bracket's jump goes with its own.
    """
    active = report.brackets.active
    mean = float(jnp.sum(active * square) / jnp.maximum(jnp.sum(active), 1e-9))
    if mean == 0:  # nobody responds
        return jnp.zeros_like(active)
    return inferred_jump(schedule, report, mean**0.5) * square / mean


REFERENCE_ELASTICITIES: dict[str, float | tuple[float, ...]] = {
    "SAEZ": 3.0,
    "SAEZ_FLAT": 0.4,
    "SAEZ_THREE": (0.18, 0.11, 0.57),
}
"""The elasticities of the LLM Economist's planners of these names (arXiv 2507.15815, its code)."""


def reference_saez(
    recipe: str,
    skill: ArrayLike,
    thresholds: Float[Array, " brackets"],
    *,
    elasticity: float | tuple[float, ...] = 0.4,
) -> FixedPlanner:
    """Return the planner that keeps a published recipe's schedule, computed from everybody's skill.

    "llm-economist" is `llm_economist_rates` of incomes at 100 hours a week, as there.
    "dynamic-empirical" is the copy in the same project's experiment with estimated elasticities,
    which takes for z in the last bracket a tenth of the way from its threshold to $10,000,000:
    nobody is there as a rule, so that a is 10 and G is 0. `skill` is in dollars a year per weekly
    hour.

    Raises:
        ValueError: an unknown recipe, or anything `llm_economist_rates` refuses.
    """
    tops = {
        "llm-economist": None,
        "dynamic-empirical": thresholds[-1] + 0.1 * (1e7 - thresholds[-1]),
    }
    if recipe not in tops:
        raise ValueError(f"Unknown recipe {recipe!r}; choose one of {', '.join(tops)}.")
    incomes, elasticities = 100.0 * np.asarray(skill, float), np.asarray(elasticity, float)
    rates = llm_economist_rates(incomes, thresholds, elasticity=elasticities, top=tops[recipe])
    return FixedPlanner(BracketSchedule(thresholds, rates))
