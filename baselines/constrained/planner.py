"""The best schedule within bounds of rates that is heard to keep what it is required to bring."""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from scipy import optimize

from baselines.constrained.constraints import Requirement
from baselines.gradient.parametrisation import LogNetRates
from baselines.search.local import LocalSearch
from econjax import BracketSchedule
from econjax.bounds import USUAL_BOUNDS, RateBounds
from econjax.planning import CLIMBS, Observation, Report, require_law, worth

Vector = Float[np.ndarray, " brackets"]
"""A number for each rate, of one group after the other where groups have their own."""


class Point(NamedTuple):
    """A schedule that was heard: where it is, and what it brings per dollar of equivalent there.

    `value` is the log equivalent with its `slope`, `margins` are those of the requirements.
    """

    position: Vector
    value: float
    slope: Vector
    margins: Float[np.ndarray, " margins"]


class LocalModel(NamedTuple):
    """What the planner thinks of the neighbourhood of the `centre`, the best point so far by merit.

    `slopes` are the margins' and `curvature` is minus the second derivative of the value; no step
    is longer than `radius`, and a broken margin counts `penalty` times as much as the same gain in
    value.
    """

    centre: Point
    slopes: Float[np.ndarray, "margins brackets"]
    curvature: Float[np.ndarray, "brackets brackets"]
    radius: float
    penalty: float


class ConstrainedState(NamedTuple):
    """The model, the next position, what the margins were expected to be there, and the best heard.

    `best` is a schedule with its equivalent and the dollars by which it breaks requirements; `near`
    tries points near it once the search has ended.
    """

    model: LocalModel | None
    position: Vector
    expected: Float[np.ndarray, " margins"]
    best: tuple[BracketSchedule, float, float]
    near: LocalSearch


class ConstrainedPlanner(NamedTuple):
    """Climb the equivalent under constraints, from `start`; recommend the best that keeps them.

    Bounds of rates hold for every proposal. What is required of a report is sought by sequential
    quadratic programming with an exact penalty and a trust region in -log(1 - rate) (Fletcher
    1985): the gradient of the equivalent is heard, those of the requirements start from the
    requirement's own first guess and are learned from the margins heard (Broyden 1965), so they
    cost no evaluations. Nothing is recommended that was not heard to keep every requirement, if
    anything was; else what breaks them least, in dollars, and `certify_plan` names which it breaks.
    After `patience` evaluations without a gain, the rest are trials of `LocalSearch`.

    Raises:
        ValueError: no gradient was heard (at `tell`).
    """

    start: BracketSchedule
    bounds: RateBounds = USUAL_BOUNDS
    requirements: tuple[Requirement, ...] = ()
    patience: int = 8

    @property
    def observes(self) -> tuple[Observation, ...]:
        """Values, gradients, and what the requirements are read from."""
        return tuple(dict.fromkeys((*CLIMBS, *(o for r in self.requirements for o in r.observes))))

    def init(self, key: Key[Array, ""]) -> ConstrainedState:
        """Return the start, moved into the bounds."""
        start = require_law(self.start)
        position = np.asarray(self._coordinates.position(start.rates), float).ravel()
        nothing = np.zeros(0)
        near = LocalSearch.begin(self.patience, _REACH)
        return ConstrainedState(
            None, position, nothing, (self._schedule(position), -np.inf, np.inf), near
        )

    def ask(
        self, key: Key[Array, ""], state: ConstrainedState
    ) -> tuple[BracketSchedule, ConstrainedState]:
        """Propose the best point of the model, or one near the best heard."""
        if not state.near.searches:
            return self._schedule(state.position), state
        best = self._coordinates.position(state.best[0].rates)
        return self._schedule(np.asarray(best + state.near.step(key, best), float).ravel()), state

    def tell(
        self, state: ConstrainedState, schedule: BracketSchedule, report: Report
    ) -> ConstrainedState:
        """Learn from a report, and find the next point.

        Where it was infinitely bad, which has no gradient, the next is nearer to the best.
        """
        if worth(report) == -math.inf:
            return self._retreat(state)
        if report.gradient is None or not jnp.all(jnp.isfinite(report.gradient)):
            raise ValueError(
                f"No step can be taken from rates {schedule.rates} with gradient {report.gradient}."
            )
        best = self._better(state.best, schedule, report)
        gains = best is not state.best
        before = LocalSearch.begin(self.patience, _REACH) if state.model is None else state.near
        near = before.heard(gains)
        if before.searches:
            return state._replace(best=best, near=near)
        heard = self._heard(schedule, report)
        if state.model is None:
            model, miss = self._first_model(heard, schedule, report), np.zeros_like(heard.margins)
        else:
            model, miss = learn(state.model, heard), np.abs(heard.margins - state.expected)
        return self._onward(model, miss, best, near)

    def _retreat(self, state: ConstrainedState) -> ConstrainedState:
        if state.model is None:
            return state._replace(near=state.near.lost())
        near = state.near.heard(False)
        if state.near.searches:
            return state._replace(near=near)
        nearer = state.model._replace(radius=state.model.radius / 4)
        return self._onward(nearer, np.zeros_like(state.expected), state.best, near)

    def _onward(
        self,
        model: LocalModel,
        miss: Float[np.ndarray, " margins"],
        best: tuple[BracketSchedule, float, float],
        near: LocalSearch,
    ) -> ConstrainedState:
        """Return the best step of the model, margins having been missed by so much."""
        spare = np.clip(miss, 1e-6, 1e-3)
        step, short = best_step(model, self._bounds(), rising=self._rising, spare=spare)
        if short > 1e-6:
            model = model._replace(penalty=min(2 * model.penalty, 1e4))
        expected = model.centre.margins + model.slopes @ step
        return ConstrainedState(model, model.centre.position + step, expected, best, near)

    def recommend(self, state: ConstrainedState) -> BracketSchedule:
        """Recommend the best schedule heard that keeps every requirement, or breaks them least."""
        return state.best[0]

    @property
    def _coordinates(self) -> LogNetRates:
        return LogNetRates(self.bounds)

    @property
    def _rising(self) -> int:
        """How many neighbours in the list of rates rise together: a group's; 0 if none must."""
        return self.start.rates.shape[-1] if self.bounds.rising else 0

    def _schedule(self, position: Vector) -> BracketSchedule:
        like = self.start.rates
        near = self._coordinates.nearest(jnp.asarray(position, like.dtype).reshape(like.shape))
        return BracketSchedule(self.start.thresholds, self._coordinates.legal_rates(near))

    def _bounds(self) -> tuple[Vector, Vector]:
        floor, cap = -np.log1p(-self.bounds.interior_of(self.start.rates)).T
        return floor, cap

    def _margins(self, report: Report) -> Float[np.ndarray, " margins"]:
        each = [list(requirement.margins(report).values()) for requirement in self.requirements]
        return np.array([margin for margins in each for margin in margins])

    def _better(
        self, best: tuple[BracketSchedule, float, float], schedule: BracketSchedule, report: Report
    ) -> tuple[BracketSchedule, float, float]:
        broken = float(np.sum(np.maximum(-self._margins(report), 0)))
        value = float(report.equivalent)
        ahead = broken < best[2] or (broken == best[2] and value > best[1])
        return (schedule, value, broken) if ahead else best

    def _heard(self, schedule: BracketSchedule, report: Report) -> Point:
        scale = max(float(report.equivalent), 1.0)
        rates = np.asarray(schedule.rates, float).ravel()
        slope = np.asarray(report.gradient, float).ravel() * (1 - rates) / scale
        return Point(-np.log1p(-rates), np.log(scale), slope, self._margins(report) / scale)

    def _first_model(self, heard: Point, schedule: BracketSchedule, report: Report) -> LocalModel:
        rows = [requirement.slopes(schedule, report) for requirement in self.requirements]
        slopes = np.concatenate(rows) if rows else np.zeros((0, heard.position.size))
        slopes = slopes * np.exp(-heard.position - heard.value)
        steepness = max(float(np.max(np.abs(heard.slope))), 1e-6)
        return LocalModel(heard, slopes, 2 * steepness * np.eye(heard.position.size), 0.5, 10.0)


_REACH = 0.003


def learn(model: LocalModel, heard: Point) -> LocalModel:
    """Return the model with what was heard of another point, the new centre if it is better."""
    centre, moved = model.centre, heard.position - model.centre.position
    length = float(moved @ moved)
    if length == 0:
        return model._replace(radius=model.radius / 4)
    surprise = heard.margins - centre.margins - model.slopes @ moved
    slopes = model.slopes + np.outer(surprise, moved) / length

    def merit(value: float, margins: Float[np.ndarray, " margins"]) -> float:
        return value - model.penalty * float(np.sum(np.maximum(-margins, 0)))

    here = merit(centre.value, centre.margins)
    gain = merit(heard.value, heard.margins) - here
    bent = model.curvature @ moved
    modelled = centre.value + float((centre.slope - bent / 2) @ moved)
    hoped = merit(modelled, centre.margins + model.slopes @ moved) - here
    radius, longest = model.radius, float(np.max(np.abs(moved)))
    if gain < 0.1 * hoped:
        radius = longest / 3
    elif gain > 0.7 * hoped and longest > 0.8 * radius:
        radius = min(2 * radius, 1.0)
    curvature = _curved(model.curvature, moved, centre.slope - heard.slope)
    return LocalModel(heard if gain > 0 else centre, slopes, curvature, radius, model.penalty)


def best_step(
    model: LocalModel,
    bounds: tuple[Vector, Vector],
    *,
    rising: int,
    spare: Float[np.ndarray, " margins"],
) -> tuple[Vector, float]:
    """Return the best step by the model, and by how much it still breaks the margins, all together.

    In the list of rates, every `rising` of them must rise; none if that is 0. A margin is aimed at
    with so much to `spare`. The quadratic program is solved by SLSQP (scipy), with one slack for
    each margin.
    """
    centre, brackets, slacks = model.centre, model.centre.position.size, model.centre.margins.size
    low = np.minimum(np.maximum(bounds[0] - centre.position, -model.radius), 0)
    high = np.maximum(np.minimum(bounds[1] - centre.position, model.radius), 0)
    matrix, least = _linear(model, rising=rising, spare=spare)

    def loss(both: np.ndarray) -> tuple[float, np.ndarray]:
        step, slack = both[:brackets], both[brackets:]
        bent = model.curvature @ step
        value = step @ bent / 2 - centre.slope @ step + model.penalty * slack.sum()
        return value, np.append(bent - centre.slope, np.full(slacks, model.penalty))

    constraint = {
        "type": "ineq",
        "fun": lambda both: matrix @ both - least,
        "jac": lambda both: matrix,
    }
    found = optimize.minimize(
        loss,
        np.append(np.zeros(brackets), np.maximum(spare - centre.margins, 0)),
        jac=True,
        method="SLSQP",
        bounds=[*zip(low, high, strict=True), *[(0, None)] * slacks],
        constraints=[constraint] if least.size else [],
        options={"maxiter": 200, "ftol": 1e-12},
    )
    step = np.clip(found.x[:brackets], low, high)
    return step, float(np.sum(np.maximum(spare - centre.margins - model.slopes @ step, 0)))


def _linear(
    model: LocalModel, *, rising: int, spare: Float[np.ndarray, " margins"]
) -> tuple[Float[np.ndarray, "rows unknowns"], Float[np.ndarray, " rows"]]:
    """Return rows whose products with the step and slacks must reach the numbers beside them."""
    brackets, slacks = model.centre.position.size, spare.size
    rows = np.hstack([model.slopes, np.eye(slacks)])
    least = spare - model.centre.margins
    if not rising:
        return rows, least
    climb = np.kron(np.eye(brackets // rising), np.diff(np.eye(rising), axis=0))
    order = np.hstack([climb, np.zeros((len(climb), slacks))])
    return np.vstack([rows, order]), np.append(least, -climb @ model.centre.position)


def _curved(
    curvature: Float[np.ndarray, "brackets brackets"], moved: Vector, change: Vector
) -> Float[np.ndarray, "brackets brackets"]:
    """Return the curvature once the slope fell by `change` in a step (damped BFGS: Powell 1978)."""
    bent = curvature @ moved
    along, fell = float(moved @ bent), float(moved @ change)
    if fell < 0.2 * along:
        share = 0.8 * along / (along - fell)
        change = share * change + (1 - share) * bent
        fell = 0.2 * along
    return curvature - np.outer(bent, bent) / along + np.outer(change, change) / fell
