"""Which releases the tests run on."""

from importlib.metadata import version

JAXLIB = tuple(int(part) for part in version("jaxlib").split(".")[:3])
"""XLA's release, which knows its own flags and ends the process, in silence, at any other."""
HAS_EMITTERS = JAXLIB < (0, 11, 2)
"""Whether XLA has another way to compile fused operations on a CPU, and a flag to choose."""
