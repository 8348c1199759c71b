"""AI Economist ("Foundation"): taxes, a tax period and a step of its one-step economy."""

import numpy as np
from ai_economist import foundation  # pyright: ignore[reportMissingImports]
from serving import Prepared  # pyright: ignore[reportMissingImports]

_HOURS = 40


def _environment(people: int):
    """Return the one-step economy, in which the law stands and workers choose their hours."""
    environment = foundation.make_env_instance(
        "one-step-economy",
        components=[
            ("SimpleLabor", {"mask_first_step": False}),
            (
                "PeriodicBracketTax",
                {
                    "period": 1,
                    "bracket_spacing": "us-federal",
                    "tax_model": "us-federal-single-filer-2018-scaled",
                    "usd_scaling": 1.0,
                },
            ),
        ],
        n_agents=people,
        world_size=[1 + int(people**0.5), 1 + int(people**0.5)],
        episode_length=1_000_000,
        multi_action_mode_agents=False,
        multi_action_mode_planner=True,
        flatten_observations=True,
        flatten_masks=True,
    )
    environment.reset()
    return environment, environment.get_component("PeriodicBracketTax")


def _taxes(incomes: np.ndarray) -> Prepared:
    _, tax = _environment(2)
    return Prepared(
        lambda: [tax.taxes_due(income) for income in incomes],
        tax.bracket_cutoffs,
        tax.curr_marginal_rates,
    )


def _period(incomes: np.ndarray) -> Prepared:
    environment, tax = _environment(incomes.size)
    agents = environment.world.agents

    def run():
        # Of what it has, the part beyond `last_coin` is the period's income.
        for agent, income in zip(agents, incomes, strict=True):
            agent.state["inventory"]["Coin"] = income
        tax.last_coin = [0.0] * incomes.size
        tax.enact_taxes()
        last = tax.taxes[-1]
        tax.taxes.clear()
        return [last[str(agent.idx)]["tax_paid"] for agent in agents]

    return Prepared(run, tax.bracket_cutoffs, tax.curr_marginal_rates)


def _step(incomes: np.ndarray) -> Prepared:
    environment, tax = _environment(incomes.size)
    for agent, income in zip(environment.world.agents, incomes, strict=True):
        agent.state["skill"] = income / _HOURS
    actions = {str(agent.idx): _HOURS for agent in environment.world.agents}

    def run() -> None:
        environment.step(actions)

    return Prepared(run, tax.bracket_cutoffs, tax.curr_marginal_rates)


_OPERATIONS = {"taxes": _taxes, "period": _period, "step": _step}
