"""How often a model writes each answer, and its formula would: votes, candidacies, planners."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from experiments.fidelity.answers import held_out_lives
from experiments.training.examples import MOST_BRACKETS, Example
from experiments.training.government_examples import planner_example, stand_example, vote_example
from experiments.training.lives import Life
from llm_policy.answers.ballots import ballot_answer, read_ballot
from llm_policy.answers.proposals import answer_tokens
from llm_policy.answers.reading import STEPS, changes_answer, read_changes, read_field, schema
from llm_policy.engines.base import Engine, Prompt


@dataclass(frozen=True)
class Frequencies:
    """How often answers are drawn beside the formula's chances.

    `distance` is the mean total variation, 0 to 1, between the shares of `samples` answers to each
    prompt and the formula's chances, over candidacies, votes, or planners' changes of a bracket;
    `floor` is what as many draws from these chances show, one drawing of each; `equal` the distance
    of equal chances. `unread` is the share of answers that could not be read. They are left out.
    """

    question: str
    prompts: int
    samples: int
    distance: float | None
    floor: float
    equal: float
    unread: float


class Texts(NamedTuple):
    """A prompt, the formula's chances of each option at each place, and how answers are read.

    `read` returns the option at each place, or None.
    """

    prompt: Prompt
    probabilities: tuple[tuple[float, ...], ...]
    properties: Mapping[str, Any]
    read: Callable[[str], Sequence[int] | None]


def answer_frequencies(
    engine: Engine, *, groups: int, samples: int, seed: int
) -> tuple[Frequencies, ...]:
    """Return frequencies of votes, candidacies and planners' changes, on brackets of no example.

    Raises:
        EngineError: the engine cannot answer.
    """
    return tuple(
        _compare(engine, name, asked, samples, np.random.default_rng(seed))
        for name, asked in text_questions(groups=groups, seed=seed).items()
    )


def text_questions(*, groups: int, seed: int) -> dict[str, list[Texts]]:
    """Return the questions to `groups` of 8 workers thrice, and to as many groups of planners."""
    rng = np.random.default_rng(seed)
    lived = held_out_lives(rng, groups=groups)
    planners = _kept(lambda: planner_example(rng, held_out=True), '{"changes": ')
    return {
        "vote, plurality": [text for life in lived for text in _votes(rng, life)],
        "candidacy": [text for life in lived for text in _candidacies(rng, life)],
        "planner's changes": [
            text for _, example in zip(lived, planners, strict=False) for text in _changes(example)
        ],
    }


def _votes(rng: np.random.Generator, life: Life) -> list[Texts]:
    example = next(_kept(lambda: vote_example(rng, life), '{"vote": '))
    count = len(example.answers[0][-1].texts) - 1

    def read(text: str) -> list[int] | None:
        ballot = read_ballot(text, "plurality", count)
        return None if ballot is None else [ballot[0] + 1 if ballot else 0]

    return [
        Texts(prompt, (answer[-1].probabilities,), ballot_answer("plurality", count), read)
        for prompt, answer in zip(example.prompts, example.answers, strict=True)
    ]


def _candidacies(rng: np.random.Generator, life: Life) -> list[Texts]:
    example = stand_example(rng, life)
    first_word = {
        "stands": {"type": "boolean"}
    }  # the rates that follow in a run change nothing about it
    places = {True: [0], False: [1]}
    return [
        Texts(
            prompt,
            (answer[1].probabilities,),
            first_word,
            lambda text: places.get(read_field(text, "stands")),
        )
        for prompt, answer in zip(example.prompts, example.answers, strict=True)
    ]


def _changes(example: Example) -> list[Texts]:
    brackets = len(example.answers[0]) - 2

    def read(text: str) -> list[int] | None:
        changes = read_changes(text, brackets)
        return None if changes is None else [STEPS.index(round(100 * change)) for change in changes]

    return [
        Texts(
            prompt, tuple(part.probabilities for part in answer[2:]), changes_answer(brackets), read
        )
        for prompt, answer in zip(example.prompts, example.answers, strict=True)
    ]


def _kept(draw: Callable[[], Example], beginning: str) -> Iterator[Example]:
    """Yield the examples whose answers begin so."""
    while True:
        example = draw()
        if example.answers[0][0].texts == (beginning,):
            yield example


def _compare(
    engine: Engine, name: str, asked: Sequence[Texts], samples: int, rng: np.random.Generator
) -> Frequencies:
    """Ask and compare; every place of every answer counts once."""
    said, floor, equal, unread = [], [], [], 0
    for text, answers in zip(asked, _written(engine, asked, samples), strict=True):
        read = [options for options in map(text.read, answers) if options is not None]
        unread += samples - len(read)
        for place, told in enumerate(np.array(text.probabilities)):
            equal.append(_away(np.full(len(told), 1 / len(told)), told))
            floor.append(_away(rng.multinomial(samples, told) / samples, told))
            if read:
                drawn = np.bincount([options[place] for options in read], minlength=len(told))
                said.append(_away(drawn / len(read), told))
    return Frequencies(
        name,
        len(asked),
        samples,
        distance=float(np.mean(said)) if said else None,
        floor=float(np.mean(floor)),
        equal=float(np.mean(equal)),
        unread=unread / (samples * len(asked)),
    )


def _written(engine: Engine, asked: Sequence[Texts], samples: int) -> list[tuple[str, ...]]:
    """Return the texts written to each prompt; prompts under the same schema go together."""
    alike: dict[str, list[int]] = defaultdict(list)
    for place, text in enumerate(asked):
        alike[json.dumps(text.properties)].append(place)
    written: list[tuple[str, ...]] = [()] * len(asked)
    for places in alike.values():
        first = asked[places[0]]
        completions = engine.complete(
            [asked[place].prompt for place in places],
            schema(first.properties),
            samples=samples,
            max_tokens=answer_tokens(MOST_BRACKETS + 1, think=False),
        )
        for place, completion in zip(places, completions, strict=True):
            written[place] = completion.texts
    return written


def _away(
    shares: Float[np.ndarray, " options"], probabilities: Float[np.ndarray, " options"]
) -> float:
    return float(np.abs(shares - probabilities).sum() / 2)
