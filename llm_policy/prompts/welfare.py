"""Welfare functions, and what a language model is told of each."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from econjax import AmongWorkers, Atkinson, Rawlsian, Utilitarian
from econjax.welfare import AbstractWelfare


@dataclass(frozen=True)
class WelfareSpec:
    """A welfare function, its name for people, and what a language model is told of it.

    `make` makes the function when it is wanted, in the precision of that moment. `words` are for
    who sets the schedule, `definition` says what welfare is to anybody else.
    """

    name: str
    make: Callable[[], AbstractWelfare]
    words: str
    definition: str

    @property
    def welfare(self) -> AbstractWelfare:
        """The welfare function."""
        return self.make()


WELFARE: dict[str, WelfareSpec] = {
    "atkinson": WelfareSpec(
        "Atkinson, aversion 1",
        partial(Atkinson, 1.0),
        "Your aim is the average logarithm of what everyone's life is worth to them in dollars, "
        "after tax, rebate and the effort of work. The result of a schedule is the amount that, "
        "given equally to all, would be as good.",
        "Welfare is the amount in dollars a year that, given equally to all, would be as good for "
        "the average logarithm of what a year is worth to each.",
    ),
    "rawlsian": WelfareSpec(
        "Rawlsian",
        Rawlsian,
        "Your aim is the worst-off person. The result of a schedule is what the life of that "
        "person is worth in dollars, after tax, rebate and the effort of work.",
        "Welfare is what a year is worth to the worst-off person, in dollars.",
    ),
    "utilitarian": WelfareSpec(
        "Utilitarian",
        Utilitarian,
        "Your aim is the average of what everyone's life is worth to them in dollars, after tax, "
        "rebate and the effort of work. The result of a schedule is that average.",
        "Welfare is the average of what a year is worth to everyone, in dollars.",
    ),
}


def welfare_aim(name: str, aversion: float = 1.0) -> WelfareSpec:
    """Return a welfare function of `WELFARE`, Atkinson's with another aversion than 1 if said.

    What a language model is told of an aversion a is what it means: a dollar counts 2^a times as
    much for somebody whose life is worth half as much.

    Raises:
        ValueError: an unknown name, or an aversion that is negative or infinite.
    """
    if name not in WELFARE:
        raise ValueError(f"Welfare is one of {', '.join(WELFARE)}; got {name!r}.")
    if name != "atkinson" or aversion == 1:
        return WELFARE[name]
    counts = f"one more dollar counts {2**aversion:.3g} times as much for whoever has half as much"
    return WelfareSpec(
        f"Atkinson, aversion {aversion:g}",
        partial(Atkinson, aversion),
        "Your aim is what everyone's life is worth to them in dollars, after tax, rebate and the "
        f"effort of work, added up so that {counts}. The result of a schedule is the amount that, "
        "given equally to all, would be as good.",
        "Welfare is the amount in dollars a year that, given equally to all, would be as good as "
        f"what a year is worth to each, where {counts}.",
    )


def among_workers(spec: WelfareSpec) -> WelfareSpec:
    """Return the welfare function of those who can work: the others receive the rebate, no more."""
    only = "Only those count who can work; the others receive the rebate."
    return WelfareSpec(
        f"{spec.name}, among workers",
        lambda: AmongWorkers(spec.make()),
        f"{spec.words} {only}",
        f"{spec.definition} {only}",
    )


def goal_of(welfare: AbstractWelfare | None) -> str:
    """Return what a planner is told to maximise, in the words of `WELFARE`.

    Raises:
        ValueError: there are no words for this welfare function.
    """
    aversion = None if welfare is None else welfare.constant_aversion
    for spec in WELFARE.values():
        own = spec.welfare.constant_aversion
        if own is not None and aversion is not None and float(own) == float(aversion):
            return spec.words
    raise ValueError(
        f"No words tell a language model of {welfare}: give one of "
        f"{', '.join(spec.name for spec in WELFARE.values())}, or goal=, what it is to maximise."
    )
