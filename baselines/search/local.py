"""Random trials near the best schedule seen, for what a climb or an iteration has left."""

from typing import NamedTuple

import jax
from jaxtyping import Array, Float, Key

PATIENCE = 6
"""Evaluations without a gain after which trials begin."""


class LocalSearch(NamedTuple):
    """A (1+1) evolution strategy with the one-fifth rule (Rechenberg 1973) that waits for its turn.

    A finite population's equivalent has steps, one for each worker who jumps, which no gradient and
    no first-order condition sees. `idle` counts the evaluations since the incumbent last gained
    before it is this strategy's turn; then `reach` is the size of its steps, further off after a
    gain and nearer after a failure.

    Where all that was heard is infinitely bad there is nothing to climb from: it is this strategy's
    turn at once, with wide steps that grow wider (`lost`).
    """

    idle: int
    reach: float
    patience: int

    @classmethod
    def begin(cls, patience: int = PATIENCE, reach: float = 0.001) -> "LocalSearch":
        """Return a strategy that has `patience` for evaluations without a gain."""
        return cls(0, reach, patience)

    @property
    def searches(self) -> bool:
        """Whether it is this strategy's turn."""
        return self.idle >= self.patience

    def step(
        self, key: Key[Array, ""], like: Float[Array, " brackets"]
    ) -> Float[Array, " brackets"]:
        """Return a random step from the best seen, in the unit of log net-of-tax rates."""
        return self.reach * jax.random.normal(key, like.shape, like.dtype)

    def lost(self) -> "LocalSearch":
        """Return the strategy after an evaluation, where nothing heard was better than -inf."""
        return self._replace(idle=self.patience, reach=min(max(2 * self.reach, 0.1), 2.0))

    def heard(self, gains: bool) -> "LocalSearch":
        """Return the strategy after an evaluation, which was a gain or not."""
        if self.searches:
            return self._replace(reach=self.reach * (2.0 if gains else 0.84))
        return self._replace(idle=0 if gains else self.idle + 1)
