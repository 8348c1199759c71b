"""An engine that keeps count of its answers, and of those that could be read."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool

from llm_policy.engines.base import Engine
from llm_policy.engines.requests import Reply, Request
from llm_policy.engines.wrappers.wrapper import Wrapper


@dataclass
class Tally:
    """How many answers were asked for, and how many were read; one asked again counts again.

    `reasons` counts why the others were not. What is counted here counts `within` another as well,
    if there is one.
    """

    asked: int = 0
    read: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    within: "Tally | None" = field(default=None, repr=False, compare=False)

    def count(self, understood: Bool[np.ndarray, " n"], reasons: Iterable[str] = ()) -> None:
        """Count a batch of answers, and the reasons of those not understood."""
        self.asked += len(understood)
        self.read += int(understood.sum())
        why = [reason for reason in reasons if reason]
        self.reasons.update(why)
        if self.within is not None:
            self.within.count(understood, why)

    @classmethod
    def of_all(cls, tallies: Iterable["Tally"]) -> "Tally":
        """Return the sum of tallies."""
        every = cls()
        for one in tallies:
            every.asked += one.asked
            every.read += one.read
            every.reasons.update(one.reasons)
        return every

    @property
    def words(self) -> str:
        """How many answers were understood, and the commonest reasons of the others, if any."""
        reasons = "; ".join(f"{count:,} x {why}" for why, count in self.reasons.most_common(3))
        unread = f" Not understood: {reasons}." * bool(reasons)
        return f"Answers understood: {self.read:,} of {self.asked:,}.{unread}"


class Tallied(Wrapper):
    """The same protocol as `engine`, with the `tally` of its answers.

    Whoever reads answers counts them there: workers, planners and voters who ask one such engine
    are counted together. Engines may share a tally; an engine that has one already counts as well.
    """

    def __init__(self, engine: Engine, tally: Tally | None = None) -> None:
        self._engine = engine
        outer = engine.tally if isinstance(engine, Tallied) else None
        self.tally = Tally(within=outer) if tally is None else tally

    def answer(self, request: Request[Reply]) -> Reply:
        """Return the engine's answers."""
        return request.ask(self._engine)


def tallied(engine: Engine) -> Tallied:
    """Return the engine, with a tally of its own if it has none."""
    return engine if isinstance(engine, Tallied) else Tallied(engine)
