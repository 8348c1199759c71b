"""Asking many workers one thing: again where an answer cannot be read, never instead of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from llm_policy.answers.reading import Reading, Tally, as_column
from llm_policy.engines.base import Engine, Prompt, Schema, Unread

Reader = Callable[[str], Reading[float]]
"""Reads a text into a number, or says why it cannot."""


MOST_LEAKED = 0.5
"""The probability on none of the options that a choice may have at most: an even bet."""


@dataclass(frozen=True)
class Asker:
    """An engine, and how often it is asked for an answer that can be read.

    A choice is no answer where the model gives more than `most_leaked` of its probability to
    nothing that was offered. More than `most_unread` of a batch without an answer is an error.
    `tally` counts every answer.
    """

    engine: Engine
    attempts: int = 3
    most_unread: float = 0.2
    most_leaked: float = MOST_LEAKED
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        """Check the limits."""
        shares = self.most_unread, self.most_leaked
        if self.attempts < 1 or not all(0 <= share <= 1 for share in shares):
            raise ValueError(
                "Ask at least once, and leave shares from 0 to 1 unread and leaked at most; got "
                f"{self.attempts} attempts, {self.most_unread} and {self.most_leaked}."
            )

    def write(
        self, prompts: Sequence[Prompt], schema: Schema, read: Reader, *, max_tokens: int
    ) -> tuple[Float[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
        """Return the number written to each prompt, and whose could be read.

        Raises:
            EngineError: too many answers could not be read, or the engine cannot answer.
        """
        values, understood = np.zeros(len(prompts)), np.zeros(len(prompts), bool)
        unreadable = ""
        for _ in range(self.attempts):
            left = np.flatnonzero(~understood)
            if not left.size:
                break
            completions = self.engine.complete(
                [prompts[i] for i in left.tolist()], schema, max_tokens=max_tokens
            )
            texts = [completion.texts[0] for completion in completions]
            readings = [read(text) for text in texts]
            values[left], understood[left] = as_column(readings)
            self.tally.count(understood[left], [why for _, why in readings])
            unreadable = next(
                (
                    f"one was {text!r:.200}: {why}"
                    for text, (value, why) in zip(texts, readings, strict=True)
                    if value is None
                ),
                unreadable,
            )
        self.require(
            understood,
            f"after {self.attempts} attempts",
            unreadable,
            prompts=prompts,
            times=self.attempts,
        )
        return values, understood

    def choose(
        self,
        key: Key[Array, ""],
        prompts: Sequence[Prompt],
        codes: Sequence[str],
        workers: Int[np.ndarray, " n"],
    ) -> tuple[Int[np.ndarray, " n"], Bool[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Return the place of each prompt's drawn code, for whom one is known, and what leaked.

        A draw depends on the key and on the asker's number in `workers`, not on the others.

        Raises:
            EngineError: too few are known, or the engine cannot answer.
        """
        choices = self.engine.choose(prompts, codes)
        places = np.asarray(_draw(key, jnp.asarray(choices.logprob), jnp.asarray(workers)))
        understood = is_answer(choices.leaked, self.most_leaked)
        self.tally.count(understood, why_unchosen(understood, self.most_leaked))
        leaked = np.mean(choices.leaked) if understood.size else 0.0
        self.require(
            understood,
            "as a choice",
            f"{leaked:.0%} of the probability is on none of the options",
            remedy=f"At most {self.most_leaked:.0%} may be: use text mode.",
            prompts=prompts,
        )
        return places, understood, choices.leaked

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
                f"{unread:.0%} of the workers' answers could not be read {when} (at most "
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
