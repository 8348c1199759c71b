"""Asking many people one thing: again where an answer cannot be read, never instead of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from llm_policy.answers.reading import Reading, Value
from llm_policy.engines.base import Prompt, Unread
from llm_policy.engines.requests import ChoiceRequest, TextRequest
from llm_policy.engines.wrappers.tally import Tallied, Tally

MOST_LEAKED = 0.5
"""The probability on none of the options that a choice may have at most: an even bet."""


class Readings(NamedTuple, Generic[Value]):
    """The last reading of the answers to each prompt.

    `failures` counts all answers that could not be read, and `unreadable` shows one of the last.
    """

    readings: list[Reading[Value]]
    failures: int
    unreadable: str


class DrawnOptions(NamedTuple):
    """The place of each prompt's drawn option, for whom one is known, what leaked, all scores."""

    places: Int[np.ndarray, " n"]
    understood: Bool[np.ndarray, " n"]
    leaked: Float[np.ndarray, " n"]
    logprob: Float[np.ndarray, "n options"]


@dataclass(frozen=True)
class Asker:
    """An engine, and how often it is asked for an answer that can be read.

    A choice is no answer where the model gives more than `most_leaked` of its probability to
    nothing that was offered. More than `most_unread` of a batch without an answer is an error.
    Every answer is counted. `who` are those who answer, in the plural.
    """

    engine: Tallied
    attempts: int = 3
    most_unread: float = 0.2
    most_leaked: float = MOST_LEAKED
    who: str = "workers"

    def __post_init__(self) -> None:
        """Check the limits."""
        shares = self.most_unread, self.most_leaked
        if self.attempts < 1 or not all(0 <= share <= 1 for share in shares):
            raise ValueError(
                "Ask at least once, and leave shares from 0 to 1 unread and leaked at most; got "
                f"{self.attempts} attempts, {self.most_unread} and {self.most_leaked}."
            )

    @property
    def tally(self) -> Tally:
        """The count of answers."""
        return self.engine.tally

    def hear(
        self, request: TextRequest, read: Callable[[str], Reading[Value]], attempts: int
    ) -> Readings[Value]:
        """Return what `read` makes of one text to each prompt, asked for until it can be read.

        Each prompt is asked up to so many times.

        Raises:
            EngineError: the engine cannot answer.
        """
        readings: list[Reading[Value]] = [Reading(None)] * len(request.prompts)
        left, failures, unreadable = list(range(len(readings))), 0, ""
        for _ in range(attempts):
            if not left:
                break
            asked = request.about([request.prompts[place] for place in left])
            texts = [completion.texts[0] for completion in asked.ask(self.engine)]
            now = [read(text) for text in texts]
            for place, reading in zip(left, now, strict=True):
                readings[place] = reading
            understood = np.array([value is not None for value, _ in now], bool)
            self.tally.count(understood, [why for _, why in now])
            left = [place for place in left if readings[place].value is None]
            failures += len(left)
            if left:
                row = int(np.argmin(understood))
                unreadable = f"{texts[row]!r:.200}: {now[row].why}"
        return Readings(readings, failures, unreadable)

    def write(
        self, request: TextRequest, read: Callable[[str], Reading[Value]]
    ) -> list[Reading[Value]]:
        """Return what `read` makes of a text to each prompt.

        Raises:
            EngineError: too many answers could not be read, or the engine cannot answer.
        """
        heard = self.hear(request, read, self.attempts)
        self.require(
            np.array([value is not None for value, _ in heard.readings], bool),
            f"after {self.attempts} attempts",
            f"one was {heard.unreadable}",
            prompts=request.prompts,
            times=self.attempts,
        )
        return heard.readings

    def choose(
        self, key: Key[Array, ""], request: ChoiceRequest, workers: Int[np.ndarray, " n"]
    ) -> DrawnOptions:
        """Return one option for each prompt, drawn from the model's probabilities.

        A draw depends on the key and on the asker's number in `workers`, not on the others.

        Raises:
            EngineError: too few are known, or the engine cannot answer.
        """
        choices = request.ask(self.engine)
        places = np.asarray(_draw(key, jnp.asarray(choices.logprob), jnp.asarray(workers)))
        understood = is_answer(choices.leaked, self.most_leaked)
        self.tally.count(understood, why_unchosen(understood, self.most_leaked))
        leaked = np.mean(choices.leaked) if understood.size else 0.0
        self.require(
            understood,
            "as a choice",
            f"{leaked:.0%} of the probability is on none of the options",
            remedy=f"At most {self.most_leaked:.0%} may be: use text mode.",
            prompts=request.prompts,
        )
        return DrawnOptions(places, understood, choices.leaked, choices.logprob)

    def require(
        self,
        understood: Bool[np.ndarray, " n"],
        when: str,
        example: str,
        remedy: str = "Use a model that follows a schema.",
        *,
        prompts: Sequence[Prompt] = (),
        times: int = 1,
    ) -> None:
        """Check that few enough of a batch are left out, whose `prompts` were asked so often.

        Raises:
            Unread: too many are.
        """
        unread = np.mean(~understood) if understood.size else 0.0
        if unread > self.most_unread:
            raise Unread(
                f"{unread:.0%} of the {self.who}' answers could not be read {when} (at most "
                f"{self.most_unread:.0%}); {example}. {remedy}",
                [prompt for prompt, fine in zip(prompts, understood, strict=False) if not fine],
                times,
            )


def is_answer(
    leaked: Float[np.ndarray, " n"], most_leaked: float = MOST_LEAKED
) -> Bool[np.ndarray, " n"]:
    """Return which choices are answers, by what of their probability is on none of the options.

    Where all of it is, the options' probabilities carry no information, whatever the limit.
    """
    return (leaked <= most_leaked) & (leaked < 1)


def why_unchosen(understood: Bool[np.ndarray, " n"], most_leaked: float) -> list[str]:
    """Return the reason of each choice that is no answer."""
    why = f"more than {most_leaked:.0%} of the probability is on none of the options"
    return [why] * int((~understood).sum())


@jax.jit
def _draw(
    key: Key[Array, ""], logprob: Float[Array, "n options"], workers: Int[Array, " n"]
) -> Int[Array, " n"]:
    """Draw one option per row with the worker's own key."""
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, workers)
    return jax.vmap(jax.random.categorical)(keys, logprob)
