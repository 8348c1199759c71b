"""What a run has spent so far, as its journals say, whoever is or was writing them."""

import contextlib
from pathlib import Path

from llm_policy.engines.wrappers.budget import Usage
from llm_policy.engines.wrappers.store import Store


def spent_by(run: Path, prices: tuple[float, float] = (0.0, 0.0)) -> Usage:
    """Return what all answers in a run's directory took; `prices` are as in a `Budget`.

    A directory without a journal, as of a run that asks no model, took nothing.

    Raises:
        EngineError: a journal is damaged.
    """
    return sum((_usage(file, prices) for file in sorted(run.glob("journal*.sqlite"))), Usage())


def _usage(file: Path, prices: tuple[float, float]) -> Usage:
    with contextlib.closing(Store(file, None)) as store:
        spent, prompts = store.spent(), len(store)
    read, written = int(spent.prompt_tokens), int(spent.answer_tokens)
    dollars = (prices[0] * read + prices[1] * written) / 1e6
    return Usage(prompts, read, int(spent.cached_tokens), written, dollars, spent.seconds)
