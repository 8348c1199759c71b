"""A language-model planner that chooses a change for each bracket, and learns by policy gradient.

The model's weights stay as they are. What is learned is one number for each bracket and change, added to the
model's log probability of that change whatever the prompt: the planner's policy is the softmax of both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key

from econjax import BracketSchedule
from econjax.planning import Evaluator, Report
from llm_policy.answers import STEPS
from llm_policy.engine import Engine, EngineError, Prompt
from llm_policy.planner import Experience, as_trial
from llm_policy.planner_prompts import PlannerStyle, planner_prompt
from llm_policy.trials import records
from llm_policy.words import bracket_names


class Decision(NamedTuple):
    """One tax year's choices: the model's log probability of each change, and the places of those drawn."""

    logprob: Float[np.ndarray, "brackets changes"]
    places: Int[np.ndarray, " brackets"]


class Deliberation(NamedTuple):
    """What a planner has seen, and what it decided, tax year by tax year."""

    seen: Experience
    decisions: tuple[Decision, ...] = ()


class ChoicePlanner:
    """A language model that says for each bracket, with one token, by how much its rate changes.

    The model reads what an `LLMPlanner` reads, and one bracket's question; the brackets are independent given
    that. Its probabilities of the changes `STEPS` are bent by `bias`, zeros if not given, and JAX draws. The
    start is evaluated first, without a choice. It recommends the schedule with the best mean so far.
    """

    needs_gradient = False

    def __init__(
        self,
        engine: Engine,
        start: BracketSchedule,
        *,
        goal: str,
        bias: Float[Array, "brackets changes"] | None = None,
    ) -> None:
        """Hold the engine; `goal` tells the model what to maximise.

        Raises:
            ValueError: a bias of another shape than brackets x changes.
        """
        shape = len(start.rates), len(STEPS)
        self.engine, self.start, self.goal = engine, start, goal
        self.bias = jnp.zeros(shape) if bias is None else jnp.asarray(bias)
        if self.bias.shape != shape:
            raise ValueError(
                f"The bias has one number per bracket and change, {shape}; got {self.bias.shape}."
            )
        self.queries = 0

    def init(self, key: Key[Array, ""]) -> Deliberation:
        """Return the start, with nothing seen."""
        return Deliberation(Experience(self.start))

    def ask(self, key: Key[Array, ""], state: Deliberation) -> tuple[BracketSchedule, Deliberation]:
        """Propose the start, and then what is drawn.

        Raises:
            EngineError: the model gave the changes no probability, or the engine cannot answer.
        """
        if not state.seen.trials:
            return self.start, state
        [state] = self.decide([key], [state])
        return state.seen.current, state

    def tell(self, state: Deliberation, schedule: BracketSchedule, report: Report) -> Deliberation:
        """Remember the tax year."""
        trials = (*state.seen.trials, as_trial(schedule, report))
        return state._replace(seen=state.seen._replace(current=schedule, trials=trials, report=report))

    def recommend(self, state: Deliberation) -> BracketSchedule:
        """Recommend the schedule with the best mean; before all the start."""
        best = records(state.seen.trials)
        return BracketSchedule(self.start.thresholds, list(best[0].rates)) if best else self.start

    def decide(self, keys: Sequence[Key[Array, ""]], states: Sequence[Deliberation]) -> list[Deliberation]:
        """Return several planners' states after their next choice, all asked in one batch."""
        prompts = [prompt for state in states for prompt in self.prompts(state)]
        choices = self.engine.choose(prompts, _CODES)
        if np.any(choices.leaked >= 1):
            raise EngineError("The model gives no change any probability: use a model that knows letters.")
        self.queries += len(prompts)
        logprob = choices.logprob.reshape(len(states), len(self.start.rates), len(STEPS))
        return [self._decided(key, state, own) for key, state, own in zip(keys, states, logprob, strict=True)]

    def prompts(self, state: Deliberation) -> list[Prompt]:
        """Return the question about each bracket."""
        seen, names = state.seen, bracket_names(np.asarray(self.start.thresholds))
        style = PlannerStyle()
        told = planner_prompt(seen.current, self.goal, seen.trials, style=style, report=seen.report).personal
        rules = _RULES.format(goal=self.goal, brackets="; ".join(names), codes=_MEANINGS)
        return [Prompt(rules, f"{told}\nAnswer for one bracket alone: {name}.") for name in names]

    def _decided(
        self, key: Key[Array, ""], state: Deliberation, logprob: Float[np.ndarray, "brackets changes"]
    ) -> Deliberation:
        places = np.asarray(jax.random.categorical(key, jnp.asarray(logprob) + self.bias))
        rates = np.asarray(state.seen.current.rates, float)
        moved = np.clip(rates + np.array(STEPS)[places] / 100, 0, 1).round(4)
        current = BracketSchedule(self.start.thresholds, np.where(moved == rates, rates, moved).tolist())
        decisions = (*state.decisions, Decision(logprob, places))
        return Deliberation(state.seen._replace(current=current), decisions)


def policy_gradient(
    bias: Float[Array, "brackets changes"],
    logprob: Float[Array, "episodes years brackets changes"],
    places: Int[Array, "episodes years brackets"],
    rewards: Float[Array, "episodes years"],
) -> Float[Array, "brackets changes"]:
    """Return an unbiased estimate of the gradient of the expected sum of rewards in the bias.

    REINFORCE (Williams 1992) with the rewards from each year on as its return, less the mean return of the
    other episodes in that year as baseline, which is independent of the episode's own choices (Kool, van
    Hoof and Welling 2019).

    Raises:
        ValueError: fewer than two episodes.
    """
    count = len(rewards)
    if count < 2:
        raise ValueError(f"The baseline of an episode is the mean of others: give 2 or more; got {count}.")
    returns = jnp.cumsum(rewards[:, ::-1], axis=1)[:, ::-1]
    advantage = count / (count - 1) * (returns - returns.mean(axis=0, keepdims=True))

    def score(bias: Float[Array, "brackets changes"]) -> Float[Array, ""]:
        policy = jax.nn.log_softmax(logprob + bias[None, None], axis=-1)
        chosen = jnp.take_along_axis(policy, places[..., None], axis=-1)[..., 0]
        return jnp.mean(jnp.sum(advantage * chosen.sum(axis=-1), axis=1))

    return jax.grad(score)(bias)


@dataclass(frozen=True)
class Trained:
    """A planner whose bias was learned, and what that took.

    `rewards` is, update by update, the mean equivalent of the years after a choice, in dollars a year;
    `evaluations` and `queries` (questions to the planner's model) count those of training alone.
    """

    planner: ChoicePlanner
    rewards: tuple[float, ...]
    evaluations: int
    queries: int


def train(
    key: Key[Array, ""],
    planner: ChoicePlanner,
    evaluate: Evaluator,
    *,
    updates: int = 20,
    episodes: int = 8,
    years: int = 3,
    rate: float = 0.3,
) -> Trained:
    """Let a planner live `updates` batches of `episodes`, of `years` choices each, and learn from each batch.

    Rewards are equivalents in thousands of dollars; Adam takes the steps, of size `rate`. Episodes of a batch
    ask the model together.

    Raises:
        ValueError: fewer than two episodes.
        EngineError: the engine cannot answer.
    """
    optimiser = optax.adam(rate)
    memory, rewards, queries = optimiser.init(planner.bias), [], 0
    for update in range(updates):
        before = planner.queries
        lived = _live(jax.random.fold_in(key, update), planner, evaluate, episodes, years)
        gains = np.array([[trial.equivalent for trial in state.seen.trials[1:]] for state in lived])
        decisions = [state.decisions for state in lived]
        logprob, places = (
            jnp.asarray(np.array([[getattr(own, name) for own in episode] for episode in decisions]))
            for name in Decision._fields
        )
        slope = _gradient(planner.bias, logprob, places, jnp.asarray(gains / 1000, planner.bias.dtype))
        change, memory = optimiser.update(-slope, memory)
        queries += planner.queries - before
        bias = planner.bias + jnp.asarray(change)
        planner = ChoicePlanner(planner.engine, planner.start, goal=planner.goal, bias=bias)
        rewards.append(float(gains.mean()))
    return Trained(planner, tuple(rewards), updates * (episodes * years + 1), queries)


_CODES = tuple("ABCDE")
_MEANINGS = ", ".join(f"{code} = {step}" for code, step in zip(_CODES, STEPS, strict=True))
_RULES = """You set the income tax of a country. {goal}
Tax revenue beyond public spending is paid back in equal shares. Higher rates make people work less.
The brackets of annual income: {brackets}.
You are asked by how many percentage points one rate changes. Answer with one letter and nothing else:
{codes}."""
_gradient = eqx.filter_jit(policy_gradient)


def _live(
    key: Key[Array, ""], planner: ChoicePlanner, evaluate: Evaluator, episodes: int, years: int
) -> list[Deliberation]:
    """Return the states after some episodes side by side; the start is evaluated once for all."""
    state = planner.init(key)
    begun = planner.tell(state, planner.start, evaluate.value(planner.start))
    states = [begun] * episodes
    for year in range(years):
        keys = list(jax.random.split(jax.random.fold_in(key, year), episodes))
        states = planner.decide(keys, states)
        states = [planner.tell(s, s.seen.current, evaluate.value(s.seen.current)) for s in states]
    return states
