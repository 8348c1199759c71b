"""What the command line knows before it imports anything, held against what there is."""

import inspect
import pkgutil
import signal
import subprocess
import sys
from typing import get_args

import pytest

from baselines.learned.training import TrainingOptions
from baselines.learned.two_level import TwoLevel
from experiments.benchmarks.config import LearningBenchmarkConfig
from experiments.core.choices import RunChoices
from experiments.core.commands import COMMANDS, GROUPS
from experiments.core.config import WelfareName
from experiments.core.parsing import parse
from experiments.core.registry import REGISTRY
from experiments.scoreboard.config import ECONOMY_NAMES, RATIONAL, ScoreboardConfig
from experiments.scoreboard.economies import ECONOMIES
from llm_policy.prompts.welfare import WELFARE

EVERY = {(name,): command for name, command in COMMANDS.items()} | {
    (group, name): command
    for group, (_, commands) in GROUPS.items()
    for name, command in commands.items()
}
LIGHT = """
import contextlib, io, sys
from experiments.cli import main
for line in sys.stdin.read().splitlines():
    sys.argv = ["econjax", *line.split()]
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            main()
        except SystemExit as end:
            code = end.code
    heavy = {"jax", "numpy", "scipy", "econjax", "llm_policy", "pyarrow", "matplotlib"}
    heavy &= set(sys.modules)
    assert not heavy, (line, heavy)
    print(code, len(out.getvalue()) > 80)
"""


def asked(arguments, capsys):
    """Return the exit code and what was printed where arguments make no command."""
    with pytest.raises(SystemExit) as end:
        parse(arguments)
    printed = capsys.readouterr()
    return end.value.code, printed.out, printed.err


@pytest.mark.parametrize("name", EVERY, ids=" ".join)
def test_a_command_is_what_its_line_says(name):
    command = EVERY[name]
    config = pkgutil.resolve_name(command.config)
    assert inspect.getdoc(config).splitlines()[0] == command.summary
    assert callable(command.load_run())
    assert not command.tables or callable(command.load_tables())
    assert issubclass(config, RunChoices) == command.leaves_run <= bool(command.tables)


def test_help_and_typing_errors_import_nothing_that_computes():
    helps = [
        "--help",
        *(f"{group} --help" for group in GROUPS),
        *(f"{' '.join(name)} --help" for name in EVERY),
    ]
    errors = [
        "",
        "nonsense",
        "comprae",
        "benchmark",
        "benchmark cor",
        "compare --nonsense",
        "resume",
    ]
    errors += ["benchmark core --sizes many", "simulate --planner nobody"]
    lines = "\n".join([*helps, *errors]) + "\n"
    ran = subprocess.run(
        [sys.executable, "-c", LIGHT], input=lines, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    codes = [line.split()[0] for line in ran.stdout.splitlines()]
    assert codes == ["0"] * len(helps) + ["2"] * len(errors)


def test_whoever_reads_the_help_may_leave():
    line = f"{sys.executable} -m experiments.cli compare --help"
    ran = subprocess.run(
        ["bash", "-c", f"{line} | true; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (128 + signal.SIGPIPE, "")


def test_the_help_has_a_line_for_every_command_and_none_of_python(capsys):
    groups = [([group, "--help"], commands) for group, (_, commands) in GROUPS.items()]
    for arguments, commands in ((["--help"], COMMANDS), *groups):
        code, out, _ = asked(arguments, capsys)
        words = " ".join(out.replace("│", " ").split())
        assert code == 0
        assert "Union" not in words
        for name, command in commands.items():
            assert f"• {name} {command.summary}" in words


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["comprae"], "econjax compare?"),
        (["benchmark", "engine"], "econjax benchmark engines?"),
        (["economy", "int"], "econjax economy init?"),
    ],
)
def test_a_misspelt_command_is_told_which_is_near(given, meant, capsys):
    code, out, err = asked(given, capsys)
    assert (code, out) == (2, "")
    assert err == f"econjax: there is no command {given[-1]}. Did you mean {meant}\n"


def test_a_command_that_is_like_none_is_told_all_there_are(capsys):
    code, _, err = asked(["xyz"], capsys)
    assert code == 2
    assert all(name in err for name in COMMANDS)


def test_a_path_may_be_called_as_a_command_is():
    name, choices, _ = parse(["resume", "compare"])
    assert name == "resume"
    assert str(choices.run) == "compare"
    name, choices, _ = parse(["compare", "--workers", "llm"])
    assert name == "compare"
    assert choices.workers == ("llm",)


def test_completions_know_the_options_of_every_command(capsys):
    _, out, _ = asked(["--tyro-print-completion", "bash"], capsys)
    for option in ("--evaluations", "--tax-years", "--most-unread", "--patience", "--turns"):
        assert option in out


def test_names_and_numbers_that_the_choices_repeat_are_those_of_what_they_choose():
    assert tuple(ECONOMIES) == ECONOMY_NAMES
    assert tuple(WELFARE) == get_args(WelfareName)
    assert tuple(name for name, entry in REGISTRY.items() if not entry.needs_models) == RATIONAL
    for name, entry in REGISTRY.items():
        if not entry.needs_models:
            assert ScoreboardConfig(planners=(name,)).asks_a_model == entry.is_model
    learning = LearningBenchmarkConfig()
    assert learning.two_level == TwoLevel()
    assert learning.steps == TrainingOptions().steps


def test_a_misspelt_value_of_a_list_is_told_what_may_be_meant(capsys):
    for arguments, flag, meant in (
        (["compare", "--planners", "flat", "sazez", "--seed", "1"], "--planners", "saez"),
        (["compare", "--welfare", "rawlsain"], "--welfare", "rawlsian"),
        (["simulate", "--planner=gradeint"], "--planner", "gradient"),
        (["scoreboard", "--vary", "tolld"], "--vary", "told"),
    ):
        code, out, err = asked(arguments, capsys)
        assert (code, out) == (2, "")
        assert err.startswith(f"econjax: {flag} knows no ")
        assert err.endswith(f"Did you mean {meant}?\n")
    code, _, err = asked(["compare", "--planners", "qqqq"], capsys)
    assert code == 2
    assert "saez" in err
