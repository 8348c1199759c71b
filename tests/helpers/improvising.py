"""`econjax` in a process of its own, to be killed: in place of vLLM an engine improvises, slowly.

No two processes improvise alike, so that what a resumed run shares with a killed one it has from
the journal. With `BATCHES` in the environment the engine answers so many and never again: no run
ends by itself.
"""

import math
import os
import random
import signal
import time

from experiments import cli
from llm_policy.engines.base import Choices
from tests.helpers.improviser import Improviser


class Slow(Improviser):
    """Takes a few milliseconds for every batch, and forever after the last; tells each answer."""

    left = float(os.environ.get("BATCHES", math.inf))
    hear = None

    def complete(self, prompts, schema, **options):
        self._wait()
        answers = super().complete(prompts, schema, **options)
        for place, answer in enumerate(answers):
            self._tell([place], [answer])
        return answers

    def choose(self, prompts, options):
        self._wait()
        scores = super().choose(prompts, options)
        for place in range(len(prompts)):
            row = (column[place : place + 1] for column in vars(scores).values())
            self._tell([place], Choices(*row))
        return scores

    def _wait(self):
        time.sleep(0.02 if self.left > 0 else 600)
        self.left -= 1

    def _tell(self, places, answers):
        if self.hear is not None:
            self.hear(places, answers)
            time.sleep(0.001)


def main() -> None:
    """Run the command line with an improviser where vLLM would start."""
    from experiments.core import engines

    engines.start_engine = lambda *_: Slow(random.SystemRandom().getrandbits(64))
    cli.main()


if __name__ == "__main__":
    # Whoever runs tests in the background may leave it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main()
