"""What kind of model answers, in the words that stand wherever its answers are printed."""

from collections.abc import Mapping
from typing import Any, NamedTuple

SHIPPED = "econjax-small"
"""The name of the model that comes with the project."""


class Nature(NamedTuple):
    """What tables call a planner and workers who are this model, and what a reader must know."""

    planner: str
    workers: str
    remarks: tuple[str, ...]


def nature(description: Mapping[str, Any]) -> Nature:
    """Return the nature of the model that an engine describes."""
    if description.get("noise"):
        return _NOISE
    return _SHIPPED if description["model"] == SHIPPED else _OTHER


_NOISE = Nature(
    "language model (noise)",
    "workers are noise",
    ("THIS MODEL HAS RANDOM WEIGHTS: ITS ANSWERS ARE NOISE. See --model and --server.",),
)
_SHIPPED = Nature(
    "language model (imitates a formula)",
    "workers imitate a formula",
    (
        f"{SHIPPED} IMITATES A KNOWN FORMULA: IT MAKES NO CLAIM ABOUT PEOPLE. See --model and "
        "--server.",
    ),
)
_OTHER = Nature("language model", "language-model workers", ())
