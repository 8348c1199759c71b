"""What is chosen of a check of parity. Light, for the command line."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ParityConfig:
    """Print the welfare of the LLM Economist's economies at 40 hours and 2024 federal rates."""
