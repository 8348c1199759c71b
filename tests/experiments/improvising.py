"""`econjax` in a process of its own, to be killed: in place of vLLM an engine improvises, slowly.

No two processes improvise alike, so that what a resumed run shares with a killed one it has from the journal.
"""

import random
import time

from conftest import Improviser

from experiments import cli, jobs


class Slow(Improviser):
    """Takes a few milliseconds for every batch."""

    def complete(self, prompts, schema, **options):
        time.sleep(0.03)
        return super().complete(prompts, schema, **options)


if __name__ == "__main__":
    jobs.start_engine = lambda **_: Slow(random.SystemRandom().getrandbits(64))
    cli.main()
