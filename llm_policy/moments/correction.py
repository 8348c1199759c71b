"""Answers of workers tilted so that a few of their moments are those of people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from scipy import optimize

from econjax import BracketSchedule, Economy, Population
from econjax.population import REFERENCE_HOURS
from llm_policy.memory.workers import Memory
from llm_policy.moments.hours import HoursShares
from llm_policy.moments.measure import (
    ALL,
    AT_WORK,
    HOURS_CLASSES,
    KEPT,
    MeasuredMoment,
    less_kept,
    moments_of,
)
from llm_policy.prompts.workers import Situation
from llm_policy.workers.llm import Answers
from llm_policy.workers.society import ChooseHours


class Correction(eqx.Module):
    """A map from workers' probabilities of hours to corrected ones, under any schedule.

    Of the hours that somebody at work finds likely, the log odds rise by the sum of `tilt` times
    the fitted moments' own functions of hours, and by `response` times these hours, the worker's
    own mean hours, and the log of what the schedule leaves of a dollar, against the `law` that it
    was fitted under. Whether people
    work at all stays as it was answered. It has derivatives in the probabilities, the skills and
    the schedule's rates, as far as these have.
    """

    names: tuple[str, ...] = eqx.field(static=True)
    targets: Float[Array, " moments"]
    tilt: Float[Array, " moments"]
    response: Float[Array, ""]
    law: BracketSchedule

    def __call__(
        self,
        probabilities: Float[Array, "agents options"],
        hours: Float[Array, "agents options"],
        population: Population,
        schedule: BracketSchedule,
    ) -> Float[Array, "agents options"]:
        """Return the corrected probabilities, rows of which sum to what they did."""
        kept = _log_kept(population, schedule) - _log_kept(population, self.law)
        odds = jnp.tensordot(_functions(hours, self.names, self.targets), self.tilt, 1)
        at_work = jnp.where(hours >= AT_WORK, probabilities, 0)
        odds += self.response * kept[:, None] * _own(at_work, hours) * hours / REFERENCE_HOURS
        most = jnp.max(jnp.where(at_work > 0, odds, -jnp.inf), axis=1, keepdims=True)
        tilted = at_work * jnp.exp(jnp.where(at_work > 0, odds - most, 0))
        share, total = (jnp.sum(each, axis=1, keepdims=True) for each in (at_work, tilted))
        at_home = probabilities - at_work
        return at_home + tilted * share / jnp.where(total > 0, total, 1)


@dataclass(frozen=True)
class FittedCorrection:
    """A correction, its workers' moments before and after, and how much of the answers is left.

    `left` is the mean over workers of one over the sum of squared probabilities after by those
    before: 1 where nothing changed, near 0 where hours count that hardly anybody had found likely.
    """

    correction: Correction
    before: tuple[MeasuredMoment, ...]
    after: tuple[MeasuredMoment, ...]
    left: float


def fit_correction(
    economy: Economy,
    law: BracketSchedule,
    said: Sequence[HoursShares],
    targets: Mapping[str, float],
    *,
    values: Float[np.ndarray, " options"] | None = None,
    groups: Mapping[str, np.ndarray] | None = None,
) -> FittedCorrection:
    """Return the least change of answers (in relative entropy) that has the moments of `targets`.

    `said` is what `ask_situations` returned, with the hours that workers chose from as `values`.
    Targets are by the names of the published table: classes of hours in per cent of those at work,
    "mean_hours", and "income", the elasticity of income, which all answers together are tilted for.
    The intervals of what comes after are over workers, the correction being given.

    Raises:
        ValueError: a target that is unknown, or that no answers reach however they are tilted, as
            where two contradict each other or nobody gives such hours any probability; workers
            whose income does not move with what is kept of a dollar, so that there is nothing to
            correct.
    """
    before = moments_of(economy, law, said, values=values, groups=groups)
    _check(targets, before)
    static = {name: value for name, value in targets.items() if name != "income"}
    weight = _weight(economy, said)
    names, aims = tuple(static), jnp.asarray(list(static.values()), float)
    correction = Correction(names, aims, jnp.zeros(len(names)), jnp.zeros(()), law)
    if names:
        correction = eqx.tree_at(lambda c: c.tilt, correction, _tilt(correction, said[0], weight))
    if "income" in targets:
        response = _response(correction, economy, said, weight, targets["income"])
        correction = eqx.tree_at(lambda c: c.response, correction, response)
    after = corrected_shares(correction, economy, said)
    moments = moments_of(economy, law, after, values=values, groups=groups)
    return FittedCorrection(correction, tuple(before), tuple(moments), _left(said[0], after[0]))


def corrected_shares(
    correction: Correction, economy: Economy, said: Sequence[HoursShares]
) -> list[HoursShares]:
    """Return what is found likely in the three situations after the correction."""
    law = correction.law
    found = []
    for one, schedule in zip(said, (law, less_kept(law), law), strict=True):
        hours, share = jnp.asarray(one.hours), jnp.asarray(one.share)
        share = np.asarray(correction(share, hours, economy.population, schedule), float)
        found.append(HoursShares(one.hours, share, one.known))
    return found


def corrected_hours(
    correction: Correction, choose: ChooseHours, economy: Economy, values: Float[np.ndarray, " n"]
) -> ChooseHours:
    """Return how workers choose among `values` whose probabilities are corrected, and drawn anew.

    Raises:
        ValueError: at a call, workers who give no probabilities, or not all of them.
    """

    def corrected(key: Key[Array, ""], situation: Situation, memory: Memory) -> Answers:
        answers = choose(key, situation, memory)
        shape = None if answers.probabilities is None else answers.probabilities.shape
        if shape != (economy.population.agents, len(values)):
            raise ValueError(
                f"A correction is of probabilities of {len(values)} hours, of every worker; got "
                f"{'none' if shape is None else f'shape {shape}'}: ask in choice mode."
            )
        return redrawn(key, correction, answers, economy, situation.schedule, values)

    return corrected


def redrawn(
    key: Key[Array, ""],
    correction: Correction,
    answers: Answers,
    economy: Economy,
    schedule: BracketSchedule,
    values: Float[np.ndarray, " n"],
) -> Answers:
    """Return answers of everybody with corrected probabilities, and hours drawn from these."""
    hours, labor = jnp.asarray(values, answers.labor.dtype), answers.labor
    given = jnp.asarray(answers.probabilities, labor.dtype)
    share, drawn = _redrawn(key, correction, given, economy.population, schedule, hours)
    return answers._replace(
        labor=jnp.where(answers.understood, drawn, 0), probabilities=np.asarray(share)
    )


@eqx.filter_jit
def _redrawn(
    key: Key[Array, ""],
    correction: Correction,
    given: Float[Array, "agents options"],
    population: Population,
    schedule: BracketSchedule,
    hours: Float[Array, " options"],
) -> tuple[Float[Array, "agents options"], Float[Array, " agents"]]:
    share = correction(given, jnp.broadcast_to(hours, given.shape), population, schedule)
    draw = jax.random.fold_in(key, _DRAWN_ANEW)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(draw, jnp.arange(len(given)))
    return share, hours[jax.vmap(jax.random.categorical)(keys, jnp.log(share))]


_DRAWN_ANEW = 5
_TOLERANCE = 1e-6
_STEEPEST = 1e3


def _functions(
    hours: Float[Array, "agents options"], names: Sequence[str], targets: Float[Array, " moments"]
) -> Float[Array, "agents options moments"]:
    """Return of each hours, per moment, what has the mean 0 among those at work at its target."""
    found = []
    for place, name in enumerate(names):
        if name == "mean_hours":
            found.append((hours - targets[place]) / REFERENCE_HOURS)
        else:
            least, end = HOURS_CLASSES[name]
            found.append(((hours >= least) & (hours < end)) - targets[place] / 100)
    return jnp.stack(found, axis=-1) if found else jnp.zeros((*hours.shape, 0))


def _log_kept(population: Population, schedule: BracketSchedule) -> Float[Array, " agents"]:
    """Return the log of what each worker keeps of a further dollar at 40 hours."""
    rate = schedule.marginal_rate(REFERENCE_HOURS * population.skill)
    return jnp.log(jnp.maximum(1 - rate, _LEAST_KEPT))


_LEAST_KEPT = 1e-3


def _own(
    at_work: Float[Array, "agents options"], hours: Float[Array, "agents options"]
) -> Float[Array, "agents 1"]:
    """Return each worker's mean hours at work, in parts of 40."""
    share = jnp.sum(at_work, axis=1, keepdims=True)
    total = jnp.sum(at_work * hours, axis=1, keepdims=True)
    return total / jnp.where(share > 0, share, 1) / REFERENCE_HOURS


def _check(targets: Mapping[str, float], before: Sequence[MeasuredMoment]) -> None:
    known = {"mean_hours", "income", *HOURS_CLASSES}
    if strange := sorted(set(targets) - known):
        raise ValueError(
            f"No correction is fitted to {strange[0]!r}: the moments are "
            f"{', '.join(sorted(known))}."
        )
    [moved] = (each.estimate for each in before if (each.moment, each.group) == ("income", ALL))
    low, high = moved.low, moved.high
    if low is None or high is None or low <= 0:
        said = "nothing is known" if low is None else f"its elasticity is {low:.3f} to {high:.3f}"
        raise ValueError(
            "These workers carry no signal: their income does not rise with what is kept of a "
            f"dollar ({said}), so there is nothing to correct. Use another model or prompt, or ask "
            "more workers."
        )


def _weight(economy: Economy, said: Sequence[HoursShares]) -> Float[Array, " agents"]:
    known = np.logical_and.reduce([one.known for one in said])
    return jnp.where(known, economy.population.weight, 0)


def _tilt(
    correction: Correction, said: HoursShares, weight: Float[Array, " agents"]
) -> Float[Array, " moments"]:
    """Return the tilt at which the moments under the law are met: the least of a convex function.

    That is the log of the mean of exp(tilt * functions), over those at work.
    """
    given = jnp.asarray(said.hours), correction.names, correction.targets
    functions = np.asarray(_functions(*given), float)
    at_work = np.where(said.hours >= AT_WORK, said.share, 0.0)
    who = np.asarray(weight, float) * at_work.sum(axis=1)
    who, at_work, functions = (each[who > 0] for each in (who / who.sum(), at_work, functions))

    def dual(tilt: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Return the function, its gradient and its Hessian."""
        odds = np.where(at_work > 0, functions @ tilt, -np.inf)
        most = odds.max(axis=1, keepdims=True)
        tilted = at_work * np.exp(odds - most)
        total = tilted.sum(axis=1, keepdims=True)
        share = tilted / total
        mean = np.einsum("ik,ikm->im", share, functions)
        square = np.einsum("i,ik,ikm,ikn->mn", who, share, functions, functions, optimize=True)
        value = who @ (np.log(total) + most - np.log(at_work.sum(axis=1, keepdims=True)))[:, 0]
        return float(value), who @ mean, square - np.einsum("i,im,in->mn", who, mean, mean)

    found = optimize.minimize(
        lambda tilt: dual(tilt)[0],
        np.zeros(len(correction.names)),
        jac=lambda tilt: dual(tilt)[1],
        hess=lambda tilt: dual(tilt)[2],
        method="trust-exact",
        options={"gtol": _TOLERANCE / 10},
    )
    off = np.abs(dual(found.x)[1])
    if not off.max() < _TOLERANCE or np.abs(found.x).max() > _STEEPEST:
        name = correction.names[int(np.argmax(off))]
        raise ValueError(
            f"No tilt of these answers has all of {', '.join(correction.names)} ({name} is "
            "farthest): the targets contradict each other, or hardly anybody gives such hours any "
            "probability. Leave one out, or let workers choose among more hours."
        )
    return jnp.asarray(found.x, float)


def _response(
    correction: Correction,
    economy: Economy,
    said: Sequence[HoursShares],
    weight: Float[Array, " agents"],
    target: float,
) -> Float[Array, ""]:
    """Return the response at which the elasticity of income is met."""
    population, less = economy.population, less_kept(correction.law)
    dollars = weight * population.skill
    plain, other = ((jnp.asarray(one.share), jnp.asarray(one.hours)) for one in said[:2])
    before = jnp.sum(dollars[:, None] * correction(*plain, population, correction.law) * plain[1])

    @jax.jit
    def short(response: Float[Array, ""]) -> Float[Array, ""]:
        steeper = eqx.tree_at(lambda c: c.response, correction, response)
        share = steeper(*other, population, less)
        after = jnp.sum(dollars[:, None] * share * other[1])
        return (after - before) / ((after + before) / 2) / jnp.log(KEPT) - target

    ends = -_STEEPEST, _STEEPEST
    least, most = (float(short(jnp.asarray(end))) for end in ends)
    if not least < 0 < most:
        raise ValueError(
            f"However these answers are tilted, the elasticity of income lies from "
            f"{least + target:.2f} to {most + target:.2f}: {target:g} cannot be met. Let workers "
            "choose among more hours."
        )
    return jnp.asarray(optimize.brentq(lambda r: float(short(jnp.asarray(r))), *ends, xtol=1e-10))


def _left(before: HoursShares, after: HoursShares) -> float:
    """Return how much of the answers is left, the mean over those who are known."""
    ratio = np.where(
        before.share > 0, after.share**2 / np.where(before.share > 0, before.share, 1), 0
    )
    return float(np.mean(1 / ratio.sum(axis=1)[before.known]))
