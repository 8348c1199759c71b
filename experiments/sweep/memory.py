"""How much memory a sweep takes: a model to choose a batch by, and the peak that it will have."""

import resource
import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax

NUMBERS_PER_WORKER = 12
"""Numbers of 8 bytes for each worker of an economy while it is solved, beside one a bracket.

Measured by what XLA lays out; `tests/experiments/sweep` holds it to that.
"""


class Peak(NamedTuple):
    """Bytes of the whole process at their most: what was there, and what the program adds."""

    process: int
    program: int

    @property
    def total(self) -> int:
        """All bytes."""
        return self.process + self.program


def bytes_of_lane(agents: int, brackets: int) -> int:
    """Return about how many bytes solving one economy takes."""
    return 8 * agents * (NUMBERS_PER_WORKER + brackets)


def batch_within(most: float, agents: int, brackets: int) -> int:
    """Return how many economies to solve side by side within so many bytes.

    One on a CPU, where lanes bring nothing and the slowest keeps the others waiting.
    """
    if jax.default_backend() == "cpu":
        return 1
    return max(1, min(1024, int(most / bytes_of_lane(agents, brackets))))


def expected_peak(program: jax.stages.Compiled) -> Peak:
    """Return the peak of the process while a program runs and its next arguments are drawn.

    The program's own bytes are those that XLA lays out, those of the process what it holds now; if
    it held more before, while the program was compiled, that is the peak.
    """
    analysis = program.memory_analysis()
    if analysis is None:
        return Peak(peak_so_far(), 0)
    ahead = 2 * analysis.argument_size_in_bytes  # the next ones, and what they are stacked of
    added = analysis.argument_size_in_bytes + ahead + analysis.output_size_in_bytes
    added += analysis.temp_size_in_bytes
    now = _bytes_now()
    return Peak(max(now, peak_so_far() - added), added)


def peak_so_far() -> int:
    """Return the most bytes that the process has held in memory."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _bytes_now() -> int:
    """Return the bytes that the process holds now, or its peak where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except OSError:
        return peak_so_far()
    return pages * resource.getpagesize()


def megabytes(count: int) -> Any:
    """Return bytes as a text in megabytes."""
    return f"{count / 1e6:,.0f} MB"
