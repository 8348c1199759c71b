"""An engine whose answers are a function of the prompt: for tests, and examples without a model."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from llm_policy.engines._scores import check_distinct, choices
from llm_policy.engines.base import Choices, Completion, EngineInfo, Prompt, Schema


class ScriptedEngine:
    """Answers with `answer(prompt)`, called once per sample, in order. A word counts as a token.

    `choose` normalises `likelihood(prompt, option)`, positive scores on any scale, and nothing
    leaks. Without a `likelihood` all probability is on the option that `answer(prompt)` names, and
    an answer that is no option leaks it all.
    """

    def __init__(
        self,
        answer: Callable[[Prompt], str],
        *,
        likelihood: Callable[[Prompt, str], float] | None = None,
    ) -> None:
        self._answer = answer
        self._likelihood = likelihood

    def complete(
        self,
        prompts: Sequence[Prompt],
        schema: Schema | None,
        *,
        samples: int = 1,
        max_tokens: int = 64,
    ) -> list[Completion]:
        """Return the scripted texts whole: neither `schema` nor `max_tokens` is enforced."""
        answers = [tuple(self._answer(prompt) for _ in range(samples)) for prompt in prompts]
        return [
            Completion(texts, prompt_tokens=_words(*prompt), answer_tokens=_words(*texts))
            for prompt, texts in zip(prompts, answers, strict=True)
        ]

    def choose(self, prompts: Sequence[Prompt], options: Sequence[str]) -> Choices:
        """Return the scripted probabilities.

        Raises:
            ValueError: there is no option, an option appears twice, or a likelihood is not
            positive.
        """
        check_distinct(options, options)
        shape = len(prompts), len(options)
        tokens, cached = [_words(*prompt) for prompt in prompts], [0] * len(prompts)
        if self._likelihood is None:
            answers = [self._answer(prompt) for prompt in prompts]
            named = np.array(
                [[option == answer for option in options] for answer in answers], dtype=bool
            )
            return choices(np.where(named.reshape(shape), 0.0, -np.inf), tokens, cached)
        scores = np.array(
            [[self._likelihood(prompt, option) for option in options] for prompt in prompts]
        )
        if not np.all((scores > 0) & np.isfinite(scores)):
            raise ValueError(f"Likelihoods must be positive and finite, not {scores.min()}.")
        scores = scores.astype(np.float64).reshape(shape)
        found = choices(np.log(scores / scores.sum(axis=1, keepdims=True)), tokens, cached)
        return replace(found, leaked=np.zeros(len(prompts)))

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the number of words of each text."""
        return [_words(text) for text in texts]

    def describe(self) -> EngineInfo:
        """Say that no model answers, and which function does."""
        name = getattr(self._answer, "__qualname__", type(self._answer).__name__)
        return EngineInfo(engine="scripted", model=name, weights="none")

    def close(self) -> None:
        """Do nothing: a script holds nothing."""


def _words(*texts: str) -> int:
    """Return the number of words in all `texts`."""
    return sum(len(text.split()) for text in texts)
