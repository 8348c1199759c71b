"""A network that reads what today's law brought and names a schedule: planning in one call."""

from typing import Any, Literal, NamedTuple

import equinox as eqx
import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from econjax import BracketSchedule
from econjax.bounds import MOST, USUAL_BOUNDS, RateBounds
from econjax.planning import Observation, Report, worth

Sees = Literal["incomes", "values", "elasticity"]
"""What the network reads beside the aversion: statistics of incomes and hours under the law;
those and the equivalent under the law, as planners hear it; or the first and the elasticity,
which it must be told."""


class AmortisedNetwork(eqx.Module):
    """A map from a report on the law to a schedule on the law's brackets.

    It knows economies like those of `economy_prior` and no others: quasi-linear preferences with
    one elasticity between 0.1 and 1, GB2 and lognormal-Pareto incomes with medians of 25,000 to
    90,000 dollars, aversions from 0.5 to 4 and Rawls's, no public spending, and this one `law`.
    Where it is not told the elasticity, it names what is best on average over the elasticities that
    it thinks possible. Rates lie within the `bounds`.
    """

    law: BracketSchedule
    weights: Any
    centre: Float[Array, " features"]
    spread: Float[Array, " features"]
    sees: Sees = eqx.field(static=True)
    width: int = eqx.field(static=True)
    bounds: RateBounds = eqx.field(static=True, default=USUAL_BOUNDS)

    def __call__(
        self,
        report: Report,
        aversion: Float[Array, ""] | float,
        elasticity: Float[Array, ""] | float | None = None,
    ) -> BracketSchedule:
        """Return the schedule for the population of a report on the law; `aversion` inf is Rawls's.

        Raises:
            ValueError: the network reads the elasticity and is not told, or the other way round.
        """
        if (elasticity is None) == (self.sees == "elasticity"):
            raise ValueError(
                f"A network that sees {self.sees!r} got elasticity {elasticity}: give the "
                "elasticity to one "
                'that sees "elasticity", and to no other.'
            )
        seen = (features_of(report, aversion, elasticity, self.sees) - self.centre) / self.spread
        # Beyond what training has shown, the nearest it has.
        raw = MLP(self.width, self.law.rates.size).apply(self.weights, jnp.clip(seen, -4, 4))
        low, high = (jnp.minimum(end, MOST) for end in self.bounds.each(self.law.rates.size))
        return BracketSchedule(
            self.law.thresholds, low + (high - low) * nn.sigmoid(jnp.asarray(raw))
        )


READ: tuple[Observation, ...] = ("value", "distribution", "brackets")
"""What the network reads of a report."""


class Held(NamedTuple):
    """The proposal, and the better of the law and the proposal once both were heard."""

    proposal: BracketSchedule | None
    best: BracketSchedule
    equivalent: float | None


class AmortisedPlanner(NamedTuple):
    """Ask for the law, read its report, and hold what the network then proposes.

    It recommends the proposal, which one evaluation is enough for, unless it heard that the law is
    better. The elasticity is for a network that is told; the network says what it was trained on.
    """

    network: AmortisedNetwork
    aversion: float
    elasticity: float | None = None
    bounds: RateBounds = USUAL_BOUNDS
    observes = READ

    def init(self, key: Key[Array, ""]) -> Held:
        """Return the state in which nothing was read."""
        return Held(None, self.network.law, None)

    def ask(self, key: Key[Array, ""], state: Held) -> tuple[BracketSchedule, Held]:
        """Propose the law, and from then on the network's schedule."""
        return self.network.law if state.proposal is None else state.proposal, state

    def tell(self, state: Held, schedule: BracketSchedule, report: Report) -> Held:
        """Read the report on the law; then hear what the proposal is worth."""
        if state.proposal is None:
            aversion, elasticity = jnp.asarray(self.aversion, float), self.elasticity
            told = None if elasticity is None else jnp.asarray(elasticity, float)
            proposal = self.bounds.keep(_propose(self.network, report, aversion, told))
            return Held(proposal, proposal, worth(report))
        better = state.equivalent is None or worth(report) >= state.equivalent
        return state._replace(best=schedule if better else self.network.law)

    def recommend(self, state: Held) -> BracketSchedule:
        """Recommend the proposal, or the law if that was heard to be better."""
        return state.best


class MLP(nn.Module):
    """Two hidden layers, and a small output at first."""

    width: int
    brackets: int

    @nn.compact
    def __call__(self, seen: Float[Array, " features"]) -> Float[Array, " brackets"]:
        """Return one number for each bracket."""
        hidden = nn.gelu(nn.Dense(self.width)(seen))
        hidden = nn.gelu(nn.Dense(self.width)(hidden))
        return nn.Dense(self.brackets, kernel_init=nn.initializers.normal(0.01))(hidden)


def features_of(report: Report, aversion, elasticity, sees: Sees) -> Float[Array, " features"]:
    """Return logs and shares; dollars below 100 count as 100."""

    def log(dollars: Float[Array, "..."]) -> Float[Array, "..."]:
        return jnp.log(jnp.maximum(dollars, 100))

    income, brackets = jnp.maximum(report.income, 1), report.brackets
    inverse_aversion = jnp.asarray(1 / (1 + aversion), income.dtype)
    scalars = [log(income), log(report.income_spread), report.rebate / income, report.labor / 40]
    scalars += [report.gini, inverse_aversion]
    if sees == "values":
        scalars.append(log(report.equivalent) - log(income))
    if sees == "elasticity":
        scalars.append(jnp.log(jnp.asarray(elasticity, income.dtype)))
    parts = [
        log(report.income_deciles),
        brackets.share,
        log(brackets.base),
        brackets.active / income,
    ]
    return jnp.concatenate([*parts, jnp.stack(scalars)])


@eqx.filter_jit
def _propose(network: AmortisedNetwork, report: Report, aversion, elasticity) -> BracketSchedule:
    return network(report, aversion, elasticity)
