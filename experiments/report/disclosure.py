"""What kind of model answers, in the words that stand wherever its answers are printed.

Light, for the command line.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from llm_policy.engines.base import EngineInfo

SHIPPED = "econjax-small"
"""The name of the model that comes with the project."""

MODEL = "language model"
"""What tables call a planner that is one."""

Askers = Mapping[str, str]
"""Who of a run (workers, planner, voters) is a language model, and in which mode it answers."""

BY_CHOICE: Askers = {"workers": "choice", "planner": "choice"}


class Nature(NamedTuple):
    """What tables call a planner and workers who are this model, and what a reader must know."""

    planner: str
    workers: str
    remarks: tuple[str, ...]


def nature(info: "EngineInfo", asked: Askers = BY_CHOICE) -> Nature:
    """Return the nature of the model that an engine describes, in a run where it is `asked` so.

    A model that was trained here imitates a formula where it was taught to answer so, and there
    alone.
    """
    if info.noise:
        return _NOISE
    if not info.taught:
        return _OTHER
    modes = {**BY_CHOICE, **asked}
    taught = {who: info.was_taught(who, mode) for who, mode in modes.items()}
    name, unlearned = info.model, [who for who in asked if not taught[who]]
    return Nature(
        f"{MODEL} (imitates a formula)" if taught["planner"] else f"{MODEL} (not taught this)",
        "workers imitate a formula" if taught["workers"] else "workers not taught to answer so",
        (
            *[_IMITATES.format(name=name)] * (len(unlearned) < len(asked)),
            *[_NOT_TAUGHT.format(name=name, who=" OR ".join(unlearned).upper())] * bool(unlearned),
        ),
    )


_IMITATES = (
    "{name} IMITATES A KNOWN FORMULA: IT MAKES NO CLAIM ABOUT PEOPLE. See --model and --server."
)
_NOT_TAUGHT = (
    "{name} WAS NOT TAUGHT TO ANSWER SO AS {who}: ITS ANSWERS MEAN NOTHING. See --mode and --model."
)
_NOISE = Nature(
    f"{MODEL} (noise)",
    "workers are noise",
    ("THIS MODEL HAS RANDOM WEIGHTS: ITS ANSWERS ARE NOISE. See --model and --server.",),
)
_OTHER = Nature(MODEL, "language-model workers", ())
