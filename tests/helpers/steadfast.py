"""An engine that answers any schema, each prompt always alike, and may be interrupted."""

import random
import zlib

from tests.helpers.improviser import Improviser


class Steadfast(Improviser):
    """Answers a prompt as it always does, so that an answer depends on nothing before it.

    It is interrupted after so many batches, and counts the prompts that it answered.
    """

    def __init__(self, batches: int = 10**9) -> None:
        super().__init__(mumbles=0.0)
        self.batches, self.answered = batches, 0

    def complete(self, prompts, schema, *, samples=1, max_tokens=64):
        self._count(prompts)
        return super().complete(prompts, schema, samples=samples, max_tokens=max_tokens)

    def choose(self, prompts, options):
        self._count(prompts)
        self._likelihood = lambda prompt, option: _draw(*prompt, option).uniform(0.1, 1)
        return super().choose(prompts, options)

    def _count(self, prompts):
        self.batches -= 1
        if self.batches < 0:
            raise KeyboardInterrupt
        self.answered += len(prompts)

    def _improvise(self, prompt):
        self._draw = _draw(*prompt)
        return super()._improvise(prompt)


def _draw(*texts: str) -> random.Random:
    return random.Random(zlib.crc32("\n".join(texts).encode()))
