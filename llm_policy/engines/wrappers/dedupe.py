"""An engine that asks another each distinct prompt once."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from llm_policy.engines.base import Choices, Completion, Engine, Interrupted, Prompt, Schema


class Dedupe:
    """The same protocol as `engine`: asks it each distinct prompt of a batch once.

    Equal prompts get the same scores from `choose`, and texts of their own from `complete`: one
    prompt is asked for the samples of all its equals, and they are dealt out in order, never
    averaged. The first of the equals carries the whole cost and the others none, so that costs sum
    to what was spent.

    `asked` and `distinct` count the prompts that came in and those that went on. It belongs outside
    a budget and a journal, `Dedupe(Budget(Journal(engine)))`, so that they meet distinct prompts
    only.
    """

    def __init__(self, engine: Engine) -> None:
        self.asked = self.distinct = 0
        self._engine = engine

    def complete(
        self, prompts: Sequence[Prompt], schema: Schema, *, samples: int = 1, max_tokens: int = 64
    ) -> list[Completion]:
        """Return `samples` texts for every prompt; those that occur equally often are one batch.

        Raises:
            EngineError: the engine's own; an `Interrupted` also holds the answers of the batches
            before.
        """
        alike: dict[int, list[list[int]]] = {}
        for places in self._equals(prompts):
            alike.setdefault(len(places), []).append(places)
        answers: dict[int, Completion] = {}
        for count, group in alike.items():
            batch = [prompts[places[0]] for places in group]
            try:
                said = self._engine.complete(
                    batch, schema, samples=count * samples, max_tokens=max_tokens
                )
            except Interrupted as error:
                some = cast(Sequence[Completion], error.answers)
                answers |= _deal(some, [group[row] for row in error.done], samples)
                done = sorted(answers)
                raise Interrupted(str(error), done, [answers[place] for place in done]) from error
            answers |= _deal(said, group, samples)
        return [answers[place] for place in range(len(prompts))]

    def choose(self, prompts: Sequence[Prompt], options: Sequence[str]) -> Choices:
        """Return the scores of every prompt; equal prompts have equal rows.

        Raises:
            ValueError: the options cannot be told apart.
            EngineError: the engine's own; an `Interrupted` names the places of all the equals.
        """
        group = self._equals(prompts)
        try:
            scores = self._engine.choose([prompts[places[0]] for places in group], options)
        except Interrupted as error:
            answered = [group[row] for row in error.done]
            done = sorted(place for places in answered for place in places)
            some = _expand(cast(Choices, error.answers), answered)
            raise Interrupted(str(error), done, some) from error
        return _expand(scores, group)

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text; each distinct text is counted once."""
        distinct = list(dict.fromkeys(texts))
        tokens = dict(zip(distinct, self._engine.count(distinct), strict=True))
        return [tokens[text] for text in texts]

    def describe(self) -> dict[str, str | int | float | bool]:
        """Return the engine's description."""
        return self._engine.describe()

    def close(self) -> None:
        """Close the engine. No call may follow."""
        self._engine.close()

    def _equals(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        """Return the places of each distinct prompt, and count the prompts."""
        places: dict[Prompt, list[int]] = {}
        for place, prompt in enumerate(prompts):
            places.setdefault(prompt, []).append(place)
        self.asked += len(prompts)
        self.distinct += len(places)
        return list(places.values())


def _deal(
    said: Sequence[Completion], group: list[list[int]], samples: int
) -> dict[int, Completion]:
    """Return by its place the answer to each of the equal prompts: `samples` texts in order."""
    answers = {}
    for whole, (first, *others) in zip(said, group, strict=True):
        answers[first] = replace(whole, texts=whole.texts[:samples]) if others else whole
        for nth, place in enumerate(others, start=1):
            answers[place] = Completion(whole.texts[nth * samples : (nth + 1) * samples], 0, 0)
    return answers


def _expand(scores: Choices, group: list[list[int]]) -> Choices:
    """Return a row for every one of the equal prompts, in the order of their places."""
    pairs = sorted((place, row) for row, places in enumerate(group) for place in places)
    rows = np.array([row for _, row in pairs], int)
    first = np.zeros(len(rows), bool)
    first[np.unique(rows, return_index=True)[1]] = True
    return Choices(
        logprob=scores.logprob[rows],
        leaked=scores.leaked[rows],
        prompt_tokens=np.where(first, scores.prompt_tokens[rows], 0),
        cached_tokens=np.where(first, scores.cached_tokens[rows], 0),
    )
