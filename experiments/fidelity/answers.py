"""How far a model's one-token answers are from its formula's, on questions of no example."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float
from scipy.special import entr, rel_entr

from econjax import BracketSchedule
from experiments.report.intervals import Measured, mean_of
from experiments.training.government_examples import bracket_example
from experiments.training.lives import GROUP, Life, draw_crowd, draw_lives, forty_hours
from experiments.training.paraphrases import rephrased
from llm_policy.answers.reading import HOURS
from llm_policy.engines.base import Engine, EngineError, Prompt
from llm_policy.formula import workers as formula
from llm_policy.memory.workers import latest
from llm_policy.prompts.planner import LETTERS
from llm_policy.prompts.segments import joined
from llm_policy.prompts.workers import labor_questions, satisfaction_questions
from llm_policy.workers.llm import CODED

ASKED_WORDINGS = ("as trained, phrasing 0", "as trained, phrasing 1", "in words of no example")
REMEMBERED = ("no step chosen yet", "1 to 4 steps", "5 steps and more")
YES_OR_NO = ("yes", "no")
OFFERED = tuple(map(str, HOURS))


@dataclass(frozen=True)
class Divergence:
    """How far a model's chances are from its formula's over some questions, in nats.

    `divergence` is the mean Kullback-Leibler divergence of the model's chances of the options from
    the formula's, with Student's interval over groups of workers under one law. To judge it by:
    `entropy`, the mean of that of the formula's chances; `constant`, the divergence of their mean
    over these questions; `untaxed`, that of the formula's chances for a neutral worker of the same
    means who has worked 40 hours and pays no tax, mixed with 1 % of equal chances, since some are 0
    (None for satisfaction). `leaked` is the mean probability that the model gives to no option.
    """

    question: str
    wording: str
    remembered: str
    prompts: int
    divergence: Measured
    entropy: float
    constant: float
    untaxed: float | None
    leaked: float


class Asked(NamedTuple):
    """Questions, how likely the formula finds each option, and a forecast ignorant of taxes."""

    prompts: list[Prompt]
    probabilities: Float[np.ndarray, "prompts options"]
    untaxed: Float[np.ndarray, "prompts options"] | None = None


def answer_divergences(engine: Engine, *, groups: int, seed: int) -> tuple[Divergence, ...]:
    """Return the divergences of hours in every wording, by memory, of satisfaction, of planners.

    Laws, occupations and, where said, words are of no example. There are `groups` of 8 workers for
    each length of memory, and as many who are asked whether they are satisfied; one life is asked
    in all wordings. As many groups of 8 questions are put to planners, each after a history of its
    own.

    Raises:
        EngineError: the engine cannot answer, or gives an option no probability at all.
    """
    rng, rows = np.random.default_rng(seed), []
    lived = held_out_lives(rng, groups=groups)
    for wording in ASKED_WORDINGS:
        rows += _compare(
            engine, hours_asked(lived, wording), OFFERED, ("hours", wording), REMEMBERED
        )
    asked = satisfaction_asked(satisfaction_lives(rng, groups=groups))
    rows += _compare(engine, asked, YES_OR_NO, ("satisfaction", ASKED_WORDINGS[0]), ())
    asked = planner_asked(rng, groups=groups)
    return (*rows, *_compare(engine, asked, LETTERS, ("a planner's change", ASKED_WORDINGS[0]), ()))


@jax.enable_x64(True)
def held_out_lives(rng: np.random.Generator, *, groups: int) -> list[Life]:
    """Return as many `groups` of workers for each of `REMEMBERED`, in this order, of many crowds.

    They are drawn in float64: in float32 the price of effort underflows in the least elastic
    economies.
    """
    found: dict[str, list[Life]] = {kind: [] for kind in REMEMBERED}
    while (fewest := min(map(len, found.values()))) < groups:
        room = min(fewest + _OF_A_CROWD, groups)
        for life in draw_lives(
            rng, draw_crowd(rng, held_out=True), first_step=1 / 3, held_out=True
        ):
            kind = found[
                REMEMBERED[int(np.searchsorted((1, 5), life.memory.seen - 1, side="right"))]
            ]
            if len(kind) < room:
                kind.append(life)
            if min(map(len, found.values())) == room:
                break
    return [life for kind in found.values() for life in kind]


@jax.enable_x64(True)
def satisfaction_lives(rng: np.random.Generator, *, groups: int) -> list[Life]:
    """Return `groups` of workers who have chosen hours and are asked if that satisfies them."""

    def found() -> Iterator[Life]:
        while True:
            crowd = draw_crowd(rng, held_out=True)
            if crowd.workers.asks_satisfaction:
                stream = draw_lives(rng, crowd, first_step=0.0, held_out=True)
                yield from (life for _, life in zip(range(_OF_A_CROWD), stream, strict=False))

    return [life for _, life in zip(range(groups), found(), strict=False)]


def hours_asked(lived: Sequence[Life], wording: str) -> Asked:
    """Return the question for hours in some of `ASKED_WORDINGS`, with the formula's answers."""
    prompts, probabilities, untaxed = [], [], []
    for group, style, situation, memory in lived:
        style = replace(
            style, mode="choice", think=False, phrasing=int(wording == ASKED_WORDINGS[1])
        )
        workers = group.workers
        asked = labor_questions(
            style,
            situation,
            group.lines,
            memory,
            choice_set=workers.choice_set,
            unit=workers.unit,
        )
        if wording == ASKED_WORDINGS[2]:
            asked = rephrased(_NO_CHANCE, asked, held_out=True)
        prompts += joined(asked)
        phase = situation.phase if style.explore else "explore"
        probabilities.append(
            formula.hours_probabilities(
                group.endowment, group.attitudes, situation.schedule, memory, phase
            )
        )
        nobody = formula.neutral(GROUP)
        untaxed.append(
            formula.hours_probabilities(
                group.endowment, nobody, _UNTAXED, forty_hours(GROUP), "explore"
            )
        )
    forecast = 0.99 * np.concatenate(untaxed) + 0.01 / len(HOURS)
    return Asked(prompts, np.concatenate(probabilities), forecast)


def satisfaction_asked(lived: Sequence[Life]) -> Asked:
    """Return the question whether the last step satisfies, as a society asks it.

    Its result is not told.
    """
    prompts, probabilities = [], []
    for group, _, situation, memory in lived:
        steps = memory.last
        untold = steps._replace(
            result=_without_last(steps.result), satisfied=_without_last(steps.satisfied)
        )
        asked = satisfaction_questions(
            situation,
            group.lines,
            replace(memory, last=untold),
            unit=group.workers.unit,
            form=CODED[YES_OR_NO],
        )
        prompts += joined(asked)
        yes = formula.satisfied_probabilities(group.attitudes, latest(memory))
        probabilities.append(np.stack([yes, 1 - yes], axis=1))
    return Asked(prompts, np.concatenate(probabilities))


def planner_asked(rng: np.random.Generator, *, groups: int) -> Asked:
    """Return questions how one rate changes, with the formula's chances of `LETTERS`."""
    told = [bracket_example(rng, held_out=True) for _ in range(groups)]
    probabilities = [part.probabilities for example in told for (part,) in example.answers]
    return Asked(
        [prompt for example in told for prompt in example.prompts], np.array(probabilities)
    )


_OF_A_CROWD = 4
_UNTAXED = BracketSchedule([0.0], [0.0])
_NO_CHANCE = np.random.default_rng(0)  # held-out words are not drawn


def _compare(
    engine: Engine,
    asked: Asked,
    options: Sequence[str],
    names: tuple[str, str],
    kinds: Sequence[str],
) -> list[Divergence]:
    """Return the divergences over all questions, and over each of `kinds`, equal blocks of them."""
    heard = engine.choose(asked.prompts, options)
    away = rel_entr(asked.probabilities, np.exp(heard.logprob)).sum(axis=1)
    if not np.isfinite(away).all():
        raise EngineError(
            "The model gives no probability at all to an option in "
            f"{np.mean(~np.isfinite(away)):.0%} of the prompts, which makes the divergence "
            "infinite: use an engine that scores every option."
        )
    count = len(away)
    blocks = [("all", slice(0, count))]
    size = count // max(len(kinds), 1)
    blocks += [(kind, slice(place * size, (place + 1) * size)) for place, kind in enumerate(kinds)]
    return [
        Divergence(
            *names,
            name,
            prompts=len(away[part]),
            divergence=mean_of(away[part].reshape(-1, GROUP).mean(axis=1)),
            entropy=float(entr(asked.probabilities[part]).sum(axis=1).mean()),
            constant=_mean_divergence(
                asked.probabilities[part], asked.probabilities[part].mean(axis=0)
            ),
            untaxed=None
            if asked.untaxed is None
            else _mean_divergence(asked.probabilities[part], asked.untaxed[part]),
            leaked=float(heard.leaked[part].mean()),
        )
        for name, part in blocks
    ]


def _mean_divergence(probabilities: np.ndarray, forecast: np.ndarray) -> float:
    return float(rel_entr(probabilities, forecast).sum(axis=1).mean())


def _without_last(values: Float[np.ndarray, "kept agents"]) -> Float[np.ndarray, "kept agents"]:
    return np.concatenate([values[:-1], np.full_like(values[-1:], np.nan)])
