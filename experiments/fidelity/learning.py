"""The small model's workers as they learn from the steps they remember, beside their formula's."""

from collections.abc import Callable
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from econjax import Atkinson, BracketSchedule, Economy
from econjax.economy import utility_of
from econjax.planning import Report
from econjax.population import REFERENCE_HOURS
from experiments.fidelity.responses import Setting, World, populate
from experiments.report.intervals import Measured, mean_of
from llm_policy.answers.choice_sets import probabilities
from llm_policy.answers.reading import HOURS
from llm_policy.engines.base import Engine
from llm_policy.formula import workers as formula
from llm_policy.memory.workers import Memory
from llm_policy.prompts.workers import Situation
from llm_policy.workers.llm import Answers
from llm_policy.workers.society import Society, Step

SETTING = Setting("flat 50 %, 1.0", 1.0, rate=0.5)
"""A law that workers are not calibrated to, and an elasticity that makes their mistakes dear."""

Decide = Callable[[Situation, Memory], Float[np.ndarray, "agents options"]]


@dataclass(frozen=True)
class Learning:
    """What workers forgo along the steps of a few tax years, the last of each without trying.

    A worker forgoes, in expectation over its chances of hours, utility against its best hours
    offered at the step's rebate, as a share of its income at 40 hours; the figures are means over
    workers, step by step. The `forgetful` ones read the 40 hours that all begin with and no step
    that they chose. All get the same draws. `worth` is what memory saves the model's workers over
    all steps, paired, with Student's interval.
    """

    setting: str
    workers: int
    years: int
    model: tuple[float, ...]
    formula: tuple[float, ...]
    forgetful_model: tuple[float, ...]
    forgetful_formula: tuple[float, ...]
    worth: Measured
    formula_worth: Measured


def learning(engine: Engine, *, agents: int, years: int, steps: int, seed: int) -> Learning:
    """Let four societies live `years` of `steps`: model's and formula's, with and without memory.

    Raises:
        EngineError: the engine cannot answer.
    """
    world = populate(engine, SETTING, agents=agents, seed=seed)
    workers, attitudes = world.workers, formula.of_personas(world.personas)

    def model(situation: Situation, memory: Memory) -> Float[np.ndarray, "agents options"]:
        return probabilities(
            engine, workers.prompts(situation, memory), workers.choice_set, workers.asked
        )[0]

    def taught(situation: Situation, memory: Memory) -> Float[np.ndarray, "agents options"]:
        return formula.hours_probabilities(
            world.endowment, attitudes, situation.schedule, memory, situation.phase
        )

    begun = world.state.memory
    deciders: list[Decide] = [
        model,
        taught,
        lambda situation, memory: model(situation, begun),
        lambda situation, memory: taught(situation, begun),
    ]
    lost = [_live(world, decide, years, steps, seed) for decide in deciders]
    curves = [tuple(losses.mean(axis=1).tolist()) for losses in lost]
    saved = [(without - own).mean(axis=0) for own, without in zip(lost[:2], lost[2:], strict=True)]
    return Learning(
        SETTING.name,
        agents,
        years,
        *curves,
        worth=mean_of(saved[0]),
        formula_worth=mean_of(saved[1]),
    )


class _Chances:
    """Hours drawn from the chances that `decide` says, step by step; all chances are kept."""

    def __init__(self, economy: Economy, decide: Decide) -> None:
        self._decide, self._dtype = decide, economy.population.skill.dtype
        self.kept: list[Float[np.ndarray, "agents options"]] = []

    def labor(self, key: Key[Array, ""], situation: Situation, memory: Memory) -> Answers:
        """Draw hours from the chances decided."""
        self.kept.append(self._decide(situation, memory))
        places = jax.random.categorical(key, jnp.log(self.kept[-1]))
        labor = jnp.asarray(HOURS, self._dtype)[places]
        return Answers(labor, jnp.ones(labor.shape, bool), np.zeros(labor.shape))


def _live(
    world: World, decide: Decide, years: int, steps: int, seed: int
) -> Float[np.ndarray, "steps agents"]:
    """Return what each worker forgoes at each step, as a share of its income at 40 hours."""
    economy, law = world.workers.economy, world.law
    chances, forgone = _Chances(economy, decide), []
    society = Society(world.workers, Atkinson(1.0), labor=chances.labor)

    def on_step(number: int, step: Step, report: Report) -> None:
        offered = np.asarray(_offered_utility(economy, law, step.outcome.rebate), float)
        expected = (chances.kept[-1] * offered).sum(axis=1)
        forgone.append((offered.max(axis=1) - expected) / (REFERENCE_HOURS * world.endowment.skill))

    state = society.begin(law)
    for _ in range(years):
        _, state = society.tax_year(jax.random.key(seed), state, law, steps=steps, on_step=on_step)
    return np.array(forgone)


@eqx.filter_jit
def _offered_utility(
    economy: Economy, law: BracketSchedule, rebate: Float[Array, ""]
) -> Float[Array, "agents options"]:
    """Return what each of `HOURS` is worth to each worker, in dollars a year."""

    def worth(hours: Float[Array, ""]) -> Float[Array, " agents"]:
        labor = jnp.full_like(economy.population.skill, hours)
        income = economy.population.skill * labor
        return utility_of(economy, income - law.tax(income) + rebate, labor)

    return jax.vmap(worth, out_axes=1)(jnp.asarray(HOURS, economy.population.skill.dtype))
