"""Questions about taxes for Inspect: `inspect eval inspect_tasks.py --model ...`."""

import json
from math import exp, inf, log
from pathlib import Path
from typing import Any

from inspect_ai import Task, task  # pyright: ignore[reportMissingImports]
from inspect_ai.dataset import MemoryDataset, Sample  # pyright: ignore[reportMissingImports]
from inspect_ai.model import (  # pyright: ignore[reportMissingImports]
    ChatMessageSystem,
    ChatMessageUser,
    GenerateConfig,
    ModelOutput,
)
from inspect_ai.scorer import (  # pyright: ignore[reportMissingImports]
    SampleScore,
    Score,
    Target,
    metric,
    scorer,
)
from inspect_ai.solver import TaskState, generate  # pyright: ignore[reportMissingImports]
from sense_scoring import (  # pyright: ignore[reportMissingImports]
    OPTION_LETTERS,
    likeliest,
    read_letter,
    score,
)

_ITEMS = Path(__file__).parent / "items.jsonl"


@task
def econjax_sense(mode: str = "text", family: str = "") -> Task:
    """Return the questions of a family, or of all.

    In `mode` text a letter is read from JSON; in choice the likeliest letter is taken from the
    scores of the first token, which the model must give.
    """
    if mode not in ("text", "choice"):
        raise ValueError(f"The mode is text or choice; got {mode!r}.")
    lines = _ITEMS.read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if family in ("", row["family"])]
    if not rows:
        raise ValueError(f"There are no questions of a family {family!r}.")
    asked = {"max_tokens": 32} if mode == "text" else _SCORED
    return Task(
        dataset=MemoryDataset([_sample(row, mode) for row in rows], name="econjax_sense"),
        solver=generate(),
        scorer=lettered(mode),
        config=GenerateConfig(temperature=0.0, **asked),
    )


@metric
def measures():
    """Return the share of each measure, over its cases, with the ends of its 95 % interval."""

    def computed(scores: list[SampleScore]) -> dict[str, float]:
        found: dict[str, float] = {}
        for each in score([one.score.metadata or {} for one in scores]):
            found[each.measure] = each.value
            found[f"{each.measure}_low"], found[f"{each.measure}_high"] = each.low, each.high
        return found

    return computed


@scorer(metrics=[measures()])
def lettered(mode: str):
    """Return what notes which option was chosen: the measures say whether that is right.

    A question's own value is 1 where the answer could be read.
    """

    async def noted(state: TaskState, target: Target) -> Score:
        row = state.metadata["row"]
        scores = None
        if mode == "text":
            chosen = read_letter(state.output.completion, len(row["letters"]))
        else:
            scores = _scores(state.output, row["letters"])
            chosen = likeliest(scores)
        letter = "-" if chosen is None else OPTION_LETTERS[chosen]
        facts = {name: row[name] for name in ("family", "case", "role", "values", "target")}
        told = facts | {"chosen": chosen, "scores": scores}
        return Score(value=int(chosen is not None), answer=letter, metadata=told)

    return noted


_SCORED: dict[str, Any] = {"max_tokens": 1, "logprobs": True, "top_logprobs": 20}


def _sample(row: dict[str, Any], mode: str) -> Sample:
    chat = [
        ChatMessageSystem(content=row["system"][mode]),
        ChatMessageUser(content=row["user"]),
    ]
    return Sample(id=row["id"], input=chat, target="", metadata={"row": row})


def _scores(output: ModelOutput, letters: str) -> list[float]:
    """Return the log probability of each letter as the first token: -inf where it is not listed."""
    scores = output.choices[0].logprobs if output.choices else None
    if scores is None or not scores.content:
        raise ValueError(
            "This model gives no scores of its tokens: ask for texts, with -T mode=text."
        )
    first = scores.content[0]
    listed = first.top_logprobs or [first]
    mass = dict.fromkeys(letters, 0.0)
    for token in listed:
        if token.token in mass:
            mass[token.token] += exp(token.logprob)
    return [log(share) if share > 0 else -inf for share in mass.values()]
