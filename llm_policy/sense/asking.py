"""Asking a model the questions: by its own probabilities of letters, or in texts."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from llm_policy.answers.elicitation import is_answer, why_unchosen
from llm_policy.answers.reading import schema
from llm_policy.engines.requests import ChoiceRequest, TextRequest
from llm_policy.engines.wrappers.tally import Tallied
from llm_policy.prompts.workers import Mode
from llm_policy.sense.items import SenseItem
from llm_policy.sense.scoring import likeliest, read_letter

MOST_WRITTEN = 32
"""Tokens of a text: a letter in JSON takes eight."""


class SenseAnswer(NamedTuple):
    """The place of the option that was chosen, None if the answer could not be read.

    `probabilities` are those that the model gave to the letters, None of a text: what they lack to
    1 was on something else.
    """

    chosen: int | None
    probabilities: tuple[float, ...] | None = None


def ask_items(
    engine: Tallied, items: Sequence[SenseItem], mode: Mode, *, held: bool = True
) -> list[SenseAnswer]:
    """Return one answer to each question, in order: the likeliest letter, or the one written.

    Probabilities are compared among the options, however much of them is on none. Texts are `held`
    to a schema, or the model writes what it likes.

    Raises:
        EngineError: the engine cannot answer.
    """
    answers: dict[int, SenseAnswer] = {}
    for letters in dict.fromkeys(item.letters for item in items):
        places = [place for place, item in enumerate(items) if item.letters == letters]
        asked = [items[place] for place in places]
        if mode == "choice":
            some = _chosen(engine, asked, letters)
        else:
            some = _written(engine, asked, letters, held=held)
        answers |= dict(zip(places, some, strict=True))
    return [answers[place] for place in range(len(items))]


def _chosen(engine: Tallied, items: Sequence[SenseItem], letters: str) -> list[SenseAnswer]:
    request = ChoiceRequest([item.prompt("choice") for item in items], list(letters))
    scores = request.ask(engine)
    known = is_answer(scores.leaked, 1.0)
    engine.tally.count(known, why_unchosen(known, 1.0))
    given = np.exp(scores.logprob) * (1 - scores.leaked)[:, None]
    rows = zip(scores.logprob.tolist(), known.tolist(), given.tolist(), strict=True)
    return [
        SenseAnswer(likeliest(row) if is_known else None, tuple(p)) for row, is_known, p in rows
    ]


def _written(
    engine: Tallied, items: Sequence[SenseItem], letters: str, *, held: bool
) -> list[SenseAnswer]:
    form = schema({"answer": {"type": "string", "enum": list(letters)}}) if held else None
    request = TextRequest([item.prompt("text") for item in items], form, max_tokens=MOST_WRITTEN)
    texts = [completion.texts[0] for completion in request.ask(engine)]
    chosen = [read_letter(text, len(letters)) for text in texts]
    understood = np.array([place is not None for place in chosen], bool)
    engine.tally.count(understood, [_UNREAD] * int((~understood).sum()))
    return [SenseAnswer(place) for place in chosen]


_UNREAD = "no JSON object answers with one of the letters"
