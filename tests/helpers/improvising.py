"""`econjax` in a process of its own, to be killed: in place of vLLM an engine improvises, slowly.

No two processes improvise alike, so that what a resumed run shares with a killed one it has from
the journal. With `BATCHES` in the environment the engine answers so many and never again: no run
ends by itself.
"""

import math
import os
import random
import time

from experiments import cli
from experiments.core import engines
from tests.helpers.improviser import Improviser


class Slow(Improviser):
    """Takes a few milliseconds for every batch, and forever after the last."""

    left = float(os.environ.get("BATCHES", math.inf))

    def complete(self, prompts, schema, **options):
        time.sleep(0.03 if self.left > 0 else 600)
        self.left -= 1
        return super().complete(prompts, schema, **options)


if __name__ == "__main__":
    engines.start_engine = lambda **_: Slow(random.SystemRandom().getrandbits(64))
    cli.main()
