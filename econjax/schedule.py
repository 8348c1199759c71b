"""Tax schedules: what a worker with a given income owes."""

import abc
from collections.abc import Callable
from types import MethodType
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int
from numpy.typing import ArrayLike

from econjax._arrays import as_float, at_most, require, require_scalar, seen
from econjax._groups import row_of
from econjax._taxes import owed, owed_by_group, rate_above, row_passed
from econjax.population import Population
from econjax.utility import AbstractPreferences


class AbstractSchedule(eqx.Module):
    """A tax function T of annual income, in dollars.

    The tax of a loss is that of no income, T(0) = 0, and the marginal rate below 0 is 0: no
    schedule pays for losses or takes from them. At 0 the marginal rate is that of the first dollar.
    An income of nan owes nan.

    Settling, best responses, equilibria and calibration take any schedule of this module. What
    speaks of brackets (planners, bracket statistics, the Saez formulas) takes a `BracketSchedule`.
    """

    def __getattribute__(self, name: str) -> Any:
        """Return what is asked for; a method as a pytree of the schedule that `jax.jit` takes."""
        found = object.__getattribute__(self, name)
        if isinstance(found, MethodType) and found.__self__ is self and not name.startswith("__"):
            return jax.tree_util.Partial(found.__func__, self)
        return found

    def of(self, workers: Population) -> "AbstractSchedule":
        """Return the schedule for incomes of these workers, in their order: each by its group.

        It is less their credits that depend on income.

        Raises:
            ValueError: a schedule of several groups, and workers who belong to none or to others.
        """
        return _less_credits(self, workers)

    @property
    def segments(self) -> "BracketSchedule | None":
        """The brackets that budgets consist of; None where a budget is one smooth curve.

        Raises:
            TypeError: a schedule to which no best response is known.
        """
        raise TypeError(
            f"No best response to a {type(self).__name__} is known: use a BracketSchedule or a "
            "LogLinearSchedule."
        )

    def smooth_labor(
        self,
        preferences: AbstractPreferences,
        virtual_income: Float[Array, "..."],
        workers: Population,
    ) -> Float[Array, " agents"]:
        """Return the best hours where a budget is one smooth curve: without `segments`."""
        raise NotImplementedError

    @property
    def groups(self) -> int | None:
        """How many groups have a schedule of their own; None where there is one for everybody."""
        return None

    def group_of(self, workers: Population) -> Int[Array, " agents"] | None:
        """Return everybody's group where groups have schedules of their own, else None."""
        return None

    @abc.abstractmethod
    def tax(self, income: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return T(income), in dollars a year, for incomes of any shape."""

    @abc.abstractmethod
    def marginal_rate(self, income: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return the tax on the next dollar earned, as a share of it, for incomes of any shape."""


class BracketSchedule(AbstractSchedule):
    """A piecewise-linear schedule: within a bracket, every dollar is taxed at the bracket's rate.

    Bracket j taxes the income from `thresholds[j]` up to the next threshold; the last has no end,
    which may be written as one more threshold of `inf`. `thresholds` are dollars a year, rise
    strictly and start at 0. `rates` are shares of a dollar in [-1, 1] and need not rise. Both are
    pytree leaves: differentiate with respect to them, or `vmap` over a batch of schedules.

    Workers of several groups, as by filing status, may each have a schedule of their own, all of as
    many brackets: `thresholds` are then [groups, brackets], and `rates` are too, or [brackets],
    where the groups' thresholds differ and their rates do not. `of(population)` taxes everybody by
    the own group's, `of_group(number)` is the schedule of one.

    Raises:
        ValueError: shapes that do not fit, or an illegal value. Inside `jit`, where values are not
            yet known, an illegal value raises when the compiled function runs.
    """

    thresholds: Float[Array, "*groups brackets"]
    rates: Float[Array, "*own brackets"]

    def __init__(self, thresholds: ArrayLike, rates: ArrayLike):
        thresholds, rates = as_float(thresholds), as_float(rates)
        thresholds = _without_end(thresholds, rates)
        fits = rates.shape in (thresholds.shape, thresholds.shape[-1:])
        if thresholds.ndim not in (1, 2) or not fits or thresholds.size == 0:
            raise ValueError(
                "A schedule needs at least one bracket and as many rates as thresholds, in two "
                "flat lists, or in two lists with one of them for each group; got thresholds of "
                f"shape {thresholds.shape} and rates of shape {rates.shape}."
            )
        edges = seen(thresholds)
        self.thresholds = require(
            thresholds,
            (edges[..., 0] == 0).all()
            & (edges[..., 1:] > edges[..., :-1]).all()
            & (abs(edges) < jnp.inf).all(),
            "Thresholds are dollars a year, finite, rising strictly from 0. Write the first as 0, "
            "and a bracket from inf, which nobody reaches, not at all.",
        )
        self.rates = require(
            rates,
            (abs(seen(rates)) <= 1).all(),
            "Rates are shares of a dollar between -1 and 1: 35 % is 0.35, not 35.",
        )

    @property
    def segments(self) -> "BracketSchedule":
        """Itself."""
        return self

    @property
    def groups(self) -> int | None:
        """How many groups have a schedule of their own; None where there is one for everybody."""
        return self.thresholds.shape[0] if self.thresholds.ndim == 2 else None

    def of(self, workers: Population) -> AbstractSchedule:
        """Return the schedule for incomes of these workers, in their order: each by its group."""
        group = self.group_of(workers)
        own = self if group is None else _OfWorkers(*self.each_group(), group)
        return _less_credits(own, workers)

    def of_group(self, number: int) -> "BracketSchedule":
        """Return the schedule of one group, or of everybody where there are none."""
        if self.groups is None:
            return self
        thresholds, rates = self.each_group()
        return BracketSchedule(thresholds[number], rates[number])

    def each_group(
        self,
    ) -> tuple[Float[Array, "*groups brackets"], Float[Array, "*groups brackets"]]:
        """Return thresholds, and a rate for each of them."""
        return self.thresholds, jnp.broadcast_to(self.rates, self.thresholds.shape)

    def group_of(self, workers: Population) -> Int[Array, " agents"] | None:
        """Return everybody's group where groups have schedules of their own, else None.

        Raises:
            ValueError: there are such, and workers belong to none or to others.
        """
        if self.groups is None:
            return None
        if workers.group is None or workers.groups > self.groups:
            has = "none" if workers.group is None else f"{workers.groups}"
            raise ValueError(
                f"The schedule is of {self.groups} groups and the population has {has}: give "
                "Population a `group` for each worker, a whole number below that."
            )
        return workers.group

    def tax(self, income: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return T(income), dollars a year, for incomes of any shape; inf as the largest number.

        At a threshold the derivative is the rate of the bracket below, at 0 that of the first.
        """
        _require_one_group(self)
        return owed(as_float(income), self.thresholds, self.rates)

    def marginal_rate(self, income: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return the tax on the next dollar; at a threshold, the rate of the bracket above it."""
        _require_one_group(self)
        return rate_above(as_float(income), self.thresholds, self.rates)


class LogLinearSchedule(AbstractSchedule):
    """A schedule that leaves scale * income^(1 - progressivity) dollars of income.

    The two-parameter function of Benabou (2002) and Heathcote, Storesletten and Violante (2017):
    lambda is `scale` (dollars^progressivity), p or tau is `progressivity`: 0 for a flat tax of 1 -
    scale, above 0 where the average rate rises. Low incomes receive money. At an income of 0 the
    marginal rate is -inf if the schedule is progressive and 1 if it is regressive.

    Raises:
        ValueError: the scale is not positive, or the progressivity is not below 1.
    """

    scale: Float[Array, ""]
    progressivity: Float[Array, ""]

    def __init__(self, scale: ArrayLike, progressivity: ArrayLike):
        self.scale = require_scalar("scale", scale, positive=True)
        progressivity = require_scalar("progressivity", progressivity)
        self.progressivity = require(
            progressivity,
            progressivity < 1,
            "progressivity is below 1: at 1 everyone keeps the same.",
        )

    @property
    def segments(self) -> None:
        """None: the budget is one curve."""

    def smooth_labor(
        self,
        preferences: AbstractPreferences,
        virtual_income: Float[Array, "..."],
        workers: Population,
    ) -> Float[Array, " agents"]:
        """Return the best hours on c = virtual income + scale * income^(1 - progressivity)."""
        return preferences.log_linear_labor(self.scale, self.progressivity, virtual_income, workers)

    def tax(self, income: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return T(income) = income - scale * income^(1 - p), dollars a year, for any shape.

        Where the slope is infinite, at an income of 0 under a progressive schedule, the derivative
        given is 1.
        """
        income = _finite(income)
        income = jnp.where(income < 0, 0, income)
        return income - self.scale * income * self._per_dollar(income, at_zero=0)

    def marginal_rate(self, income: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return 1 - scale * (1 - p) * income^(-p)."""
        income = _finite(income)
        kept = self.scale * (1 - self.progressivity) * self._per_dollar(income, at_zero=jnp.inf)
        return jnp.where(income < 0, 0, 1 - kept)

    def _per_dollar(
        self, income: Float[Array, "*shape"], *, at_zero: float
    ) -> Float[Array, "*shape"]:
        """Return income^(-p); at 0, where it is infinite if p > 0, then `at_zero`."""
        p, none = self.progressivity, income <= 0
        first = jnp.where(p == 0, 1, jnp.where(p > 0, at_zero, 0))
        return jnp.where(none, first, jnp.exp(-p * jnp.log(jnp.where(none, 1, income))))


class _OfWorkers(AbstractSchedule):
    """The schedules of several groups, for incomes of workers whose groups are known."""

    thresholds: Float[Array, "groups brackets"]
    rates: Float[Array, "groups brackets"]
    group: Int[Array, " agents"]

    def tax(self, income: Float[Array, "*more agents"]) -> Float[Array, "*more agents"]:
        """Return everybody's tax."""
        return owed_by_group(_finite(income), self.thresholds, self.rates, self.group)

    def marginal_rate(self, income: Float[Array, "*more agents"]) -> Float[Array, "*more agents"]:
        """Return the tax on everybody's next dollar."""
        income = as_float(income)
        row = self._row(lambda start: income >= start, income.shape)
        return jnp.where(income < 0, 0, row_of(self.rates.T, row, self.group))

    def _row(
        self,
        passes: Callable[[Float[Array, " agents"]], Bool[Array, "*more agents"]],
        shape: tuple[int, ...],
    ) -> Int[Array, "*more agents"]:
        """Return the number of the last bracket that everybody's income passes."""
        return row_passed(self.thresholds, self.group, passes, shape)


class _LessCredits(AbstractSchedule):
    """A schedule less credits that depend on income, for incomes of workers who have them."""

    schedule: AbstractSchedule
    credits: _OfWorkers

    def tax(self, income: Float[Array, "*more agents"]) -> Float[Array, "*more agents"]:
        """Return everybody's tax, credits deducted."""
        return self.schedule.tax(income) + self.credits.tax(income)

    def marginal_rate(self, income: Float[Array, "*more agents"]) -> Float[Array, "*more agents"]:
        """Return the tax on everybody's next dollar, and the credit that it takes back."""
        return self.schedule.marginal_rate(income) + self.credits.marginal_rate(income)


def _less_credits(schedule: AbstractSchedule, workers: Population) -> AbstractSchedule:
    found = workers.credits
    if found is None:
        return schedule
    return _LessCredits(schedule, _OfWorkers(found.thresholds, found.rates, found.kind))


def _without_end(
    thresholds: Float[Array, "..."], rates: Float[Array, "..."]
) -> Float[Array, "..."]:
    """Return the thresholds where brackets begin, if the end of the last one is given too."""
    if thresholds.ndim != 1 or rates.ndim != 1 or not 1 < thresholds.size == rates.size + 1:
        return thresholds
    return require(
        thresholds,
        seen(thresholds)[-1] == jnp.inf,
        "A schedule has as many rates as thresholds; one threshold more is the end of the last "
        "bracket, inf.",
    )[:-1]


def _require_one_group(schedule: BracketSchedule) -> None:
    if schedule.groups is not None:
        raise ValueError(
            f"This schedule is of {schedule.groups} groups: ask `of(population)` for the taxes of "
            "workers, or `of_group(number)` for the schedule of one."
        )


def _finite(income: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return incomes with inf as the largest number there is."""
    income = as_float(income)
    return at_most(income, jnp.finfo(income.dtype).max)
