"""What preferences are: the utility of one worker over consumption and labor."""

import abc
from typing import TYPE_CHECKING

import equinox as eqx
from jaxtyping import Array, Float

from econjax.population import Population

if TYPE_CHECKING:
    from typing import ClassVar as AbstractClassVar
else:
    from equinox import AbstractClassVar

Agents = Float[Array, " agents"]
Choice = tuple[Agents, Agents]
"""Consumption and labor."""


class AbstractPreferences(eqx.Module):
    """How a worker trades consumption (dollars a year) against labor (hours a week).

    `income_effects` says whether hours depend on the rebate, `utility_in_dollars` whether utility
    is money.
    """

    income_effects: AbstractClassVar[bool]
    utility_in_dollars: AbstractClassVar[bool]

    @abc.abstractmethod
    def utility(self, consumption: Agents, labor: Agents, workers: Population) -> Agents:
        """Return each worker's utility, in utils; -inf where consumption is too low to have one."""

    @abc.abstractmethod
    def advantage(
        self, consumption: Agents, labor: Agents, over: Choice, workers: Population
    ) -> Agents:
        """Return how much better a choice is than `over` (consumption, labor), in dollars.

        That is the difference of utilities over the marginal utility of consumption at `over`; it
        keeps its digits where utilities are close.
        """

    @abc.abstractmethod
    def linear_labor(
        self,
        log_net_rate: Float[Array, "..."],
        virtual_income: Float[Array, "..."],
        workers: Population,
    ) -> Agents:
        """Return the best hours on the budget c = virtual income + net rate * income.

        The rate is given by its log, -inf where nothing is kept.
        """

    @abc.abstractmethod
    def log_linear_labor(
        self,
        scale: Float[Array, ""],
        progressivity: Float[Array, ""],
        virtual_income: Float[Array, "..."],
        workers: Population,
    ) -> Agents:
        """Return the best hours on c = virtual income + scale * income^(1 - progressivity)."""

    @abc.abstractmethod
    def log_type(self, workers: Population) -> Agents:
        """Return the log skill with which a worker of taste 1 would choose the same incomes."""

    @abc.abstractmethod
    def revealed_taste(
        self, net_rate: Agents, consumption: Agents, labor: Agents, workers: Population
    ) -> Agents:
        """Return the taste at which these hours are the best ones."""

    @abc.abstractmethod
    def elasticity_of(self, workers: Population) -> Float[Array, "..."] | None:
        """Return the elasticity of income in the net-of-tax rate: each worker's, or everybody's.

        None with income effects: it then depends on the budget.
        """
