"""Planning on a model of the workers that is trusted only near the best schedule so far."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np
from jaxtyping import Array, Float, Key
from scipy import optimize

from econjax import BracketSchedule
from econjax.bounds import USUAL_BOUNDS, RateBounds
from econjax.planning import VALUE, Observation, Report, require_law, to_learn_from


class TriedSchedule(NamedTuple):
    """A schedule that was evaluated, and what it brought."""

    schedule: BracketSchedule
    report: Report


class SurrogateModel(Protocol):
    """A model of the workers after some trials.

    `values` holds an equivalent for each trial, in dollars a year: the report's own, or a better
    estimate of what the schedule brings on average, if one is known.
    """

    @property
    def values(self) -> Sequence[float]:
        """Return the equivalents of the trials, in their order."""
        ...

    def predict(
        self, schedule: BracketSchedule
    ) -> tuple[Float[Array, ""], Float[Array, "*groups brackets"]]:
        """Return the equivalent that a schedule should bring, and its gradient in the rates."""
        ...


class Refit(Protocol):
    """Learns from trials: a new model, which may go on from the last one.

    `observes` declares what it knows of the workers beyond the trials' schedules and values.
    """

    @property
    def observes(self) -> tuple[Observation, ...]:
        """What it knows beyond the trials."""
        ...

    def __call__(
        self, key: Key[Array, ""], trials: Sequence[TriedSchedule], model: Any
    ) -> SurrogateModel:
        """Return the model after all trials; `model` is that before the last, None at first."""
        ...


class TrustRegionState(NamedTuple):
    """Where the search stands.

    `centre` is the place of the best trial, `radius` how far from its rates proposals may go, in
    rates; `promised` is what the last proposal should have gained, and `stretched` whether it went
    all the way. `key` names the luck of refitting.
    """

    trials: tuple[TriedSchedule, ...]
    model: SurrogateModel | None
    centre: int
    radius: float
    key: Key[Array, ""]
    promised: float = 0.0
    stretched: bool = False


class TrustRegionPlanner(NamedTuple):
    """Climb a model's forecast in a box around the best schedule so far, ask, refit, adapt the box.

    No rate of a proposal is further than the radius from the best one's. With rho the actual gain
    over the predicted one, the radius is halved where rho is below 1/4, as after every proposal
    that gains nothing, and doubled where rho is above 3/4 and the box was in the way (Conn, Gould
    and Toint 2000, algorithm 6.1.1); it stays within [`least`, `most`], and rates within the
    `bounds`. Gains are differences of `SurrogateModel.values`. The best trial by that is
    recommended. The first evaluation is of `start`.

    It observes what `refit` does.
    """

    start: BracketSchedule
    refit: Refit
    radius: float = 0.2
    least: float = 0.005
    most: float = 0.6
    bounds: RateBounds = USUAL_BOUNDS

    @property
    def observes(self) -> tuple[Observation, ...]:
        """Values, and what `refit` knows beyond the trials."""
        return (*VALUE, *self.refit.observes)

    def init(self, key: Key[Array, ""]) -> TrustRegionState:
        """Return the search before any trial."""
        require_law(self.start)
        return TrustRegionState((), None, 0, self.radius, key)

    def ask(
        self, key: Key[Array, ""], state: TrustRegionState
    ) -> tuple[BracketSchedule, TrustRegionState]:
        """Propose the start, and after that the best that the model predicts in the box."""
        if state.model is None:
            return self.start, state
        like = self.recommend(state)
        centre = np.asarray(like.rates, float).ravel()
        low, high = (
            np.clip(centre + way * state.radius, *self.bounds.interior_of(like.rates).T)
            for way in (-1, 1)
        )
        rng = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())
        rates, promised = _climb(state.model, like, np.clip(centre, low, high), low, high, rng)
        stretched = bool(np.abs(rates - centre).max() > 0.99 * state.radius)
        schedule = _with_rates(like, rates)
        return schedule, state._replace(promised=promised, stretched=stretched)

    def tell(
        self, state: TrustRegionState, schedule: BracketSchedule, report: Report
    ) -> TrustRegionState:
        """Learn from the trial, move to it if it is the best, and adapt the radius."""
        trials = (*state.trials, TriedSchedule(schedule, report))
        model = self.refit(jax.random.fold_in(state.key, len(trials)), trials, state.model)
        if not state.trials:
            return TrustRegionState(trials, model, 0, state.radius, state.key)
        values = to_learn_from(np.asarray(model.values, float))
        gain = float(values[-1] - values[state.centre])
        radius = state.radius
        if gain <= 0 or gain < 0.25 * state.promised:
            radius = max(self.least, radius / 2)
        elif gain > 0.75 * state.promised and state.stretched:
            radius = min(self.most, 2 * radius)
        return TrustRegionState(trials, model, int(np.argmax(values)), radius, state.key)

    def recommend(self, state: TrustRegionState) -> BracketSchedule:
        """Recommend the best trial, and before all the start."""
        return state.trials[state.centre].schedule if state.trials else self.start


_CLIMBS = 3


def _climb(
    model: SurrogateModel,
    like: BracketSchedule,
    centre: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, float]:
    """Return the best rates L-BFGS-B (scipy) finds in the box, and the gain the model promises.

    It climbs from the centre and from random points.
    """

    def loss(rates: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = model.predict(_with_rates(like, rates))
        return -float(value) / scale, -np.asarray(slope, float).ravel() / scale

    scale = 1.0
    here = loss(centre)[0]
    scale = 1.0 + abs(here)
    starts = [centre, *rng.uniform(low, high, (_CLIMBS - 1, len(centre)))]
    bounds = np.stack([low, high], axis=1)
    found = [
        optimize.minimize(
            loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxfun": 60}
        )
        for start in starts
    ]
    best = min(found, key=lambda climb: float(climb.fun))
    if -float(best.fun) * scale <= -here:
        return centre, 0.0
    return np.clip(best.x, low, high), -float(best.fun) * scale + here


def _with_rates(like: BracketSchedule, rates: np.ndarray) -> BracketSchedule:
    """Return the schedule with other rates, given as one list."""
    return BracketSchedule(like.thresholds, rates.reshape(like.rates.shape).tolist())
