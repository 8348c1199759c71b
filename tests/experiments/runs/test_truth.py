"""What a run says when it goes on or is repeated is true: of limits, answers, files and edits."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from experiments.core import engines
from experiments.runs.directory import digest_of_prompts, new_run_path
from llm_policy.engines.wrappers.sealing import count_path

SMALL = ("--agents", 6, "--tax-years", 2, "--tax-year", 2, "--brackets", "three")
SMALL = (*SMALL, "--planner", "fixed", "--mode", "text")
LIMIT = 7_000


@pytest.fixture(scope="module")
def original(tmp_path_factory, econjax, improviser):
    """Return a run that stopped at a limit of tokens."""
    runs = tmp_path_factory.mktemp("home") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "start_engine", lambda *_: improviser())
        ran = econjax("simulate", *SMALL, "--runs", runs, "--name", "one", "--limit-tokens", LIMIT)
    assert ran.code == 2, ran.err
    assert f"of {LIMIT:,} are spent" in ran.err
    return runs / "one"


@pytest.fixture
def stopped(original, runs):
    return shutil.copytree(original, runs / "one")


@pytest.fixture(scope="module")
def finished(original, tmp_path_factory, econjax, improviser):
    """Return that run, finished under a higher limit."""
    path = shutil.copytree(original, tmp_path_factory.mktemp("finished") / "one")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "start_engine", lambda *_: improviser(1))
        ran = econjax("resume", path, "--limit-tokens", 10**7)
    assert ran.code == 0, ran.err
    return path


def manifest_of(path):
    return json.loads((path / "manifest.json").read_text())


def edit(path, *place, value):
    """Put a value into a manifest."""
    manifest = whole = manifest_of(path)
    for name in place[:-1]:
        manifest = manifest[name]
    manifest[place[-1]] = value
    (path / "manifest.json").write_text(json.dumps(whole))


def test_limits_follow_the_run_and_do_not_stop_its_replay(finished, econjax, play, tmp_path):
    assert manifest_of(finished)["limits"]["limit_tokens"] == 10**7
    assert manifest_of(finished)["resumed"][0]["limits"]["limit_tokens"] == 10**7
    play(None)
    ran = econjax("replay", shutil.copytree(finished, tmp_path / "one"))
    assert ran.code == 0, ran.err
    assert "is identical" in ran.err


def test_a_limit_that_was_raised_stays_raised(stopped, econjax, play, improviser):
    play(improviser(1))
    for limit in (("--limit-tokens", LIMIT + 1_000), ()):
        ran = econjax("resume", stopped, *limit)
        assert ran.code == 2
        assert f"of {LIMIT + 1_000:,} are spent" in ran.err


def test_a_resume_says_what_is_kept_and_whether_prompts_changed(
    stopped, econjax, play, improviser, original
):
    play(improviser(1))
    edit(stopped, "prompts", value="0" * 16)
    ran = econjax("resume", stopped, "--limit-tokens", 10**7)
    assert ran.code == 0, ran.err
    kept = int(count_path(original / "journal.sqlite").read_bytes().split()[0])
    first, second = ran.err.splitlines()[:2]
    assert first == f"Answers kept: {kept}."
    assert "other prompts" in second
    assert f"(digest {digest_of_prompts()}, not {'0' * 16})" in second
    assert "not used" not in ran.err
    assert manifest_of(stopped)["prompts"] == digest_of_prompts()


def test_kept_answers_of_no_use_are_told(stopped, econjax, play, improviser):
    play(improviser(1))
    edit(stopped, "config", "history", value=1)
    ran = econjax("resume", stopped, "--limit-tokens", 10**7)
    assert ran.code == 0, ran.err
    assert "Answers of improviser that were kept and not used: " in ran.err


class Leaky:
    """Gives no option any probability."""

    def choose(self, prompts, options):
        scores = super().choose(prompts, options)
        return replace(scores, leaked=np.ones(len(prompts)))


@pytest.mark.parametrize("mode", ["text", "choice"])
def test_unreadable_answers_are_asked_again_if_one_says_so(econjax, play, improviser, runs, mode):
    leaky = type("Leaky", (Leaky, improviser), {})
    play(improviser(mumbles=1.0) if mode == "text" else leaky())
    path = runs / "one"
    ran = econjax("simulate", *SMALL, "--mode", mode, "--runs", runs, "--name", "one")
    assert ran.code == 2
    assert "could not be read" in ran.err.splitlines()[-1]
    assert "--ask-again asks again for what could not be read" in ran.err.splitlines()[-1]
    healthy = play(improviser(1, mumbles=0.0))
    again = econjax("resume", path)
    assert (again.code, healthy.said, healthy.chosen) == (2, [], 0)
    ran = econjax("resume", path, "--ask-again")
    assert ran.code == 0, ran.err
    asked = 6 * 3 if mode == "text" else 6
    assert f"Asked again, because they could not be read: {asked} answers." in ran.err
    play(None)
    assert "is identical" in econjax("replay", path).err


def flip(path):
    content = path.read_bytes()
    assert b"hours" in content
    path.write_bytes(content.replace(b"hours", b"Hours"))


LOSSES = {
    "deleted": lambda journal: journal.unlink(),
    "deleted with its count": lambda journal: (journal.unlink(), count_path(journal).unlink()),
    "emptied": lambda journal: journal.write_bytes(b""),
    "shortened": lambda journal: journal.write_bytes(journal.read_bytes()[:40_000]),
    "edited": flip,
}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_lost_or_damaged_journal_is_told_and_mended_on_demand(
    stopped, econjax, play, improviser, assert_told, loss
):
    play(improviser(1))
    LOSSES[loss](stopped / "journal.sqlite")
    on = ("--limit-tokens", 10**7)
    told = econjax("resume", stopped, *on)
    assert_told(told, stopped / "journal.sqlite", "put back a copy of it", "--mend")
    ran = econjax("resume", stopped, *on, "--mend")
    assert ran.code == 0, ran.err
    assert "is mended" in ran.err
    play(None)
    assert "is identical" in econjax("replay", stopped).err


@pytest.mark.parametrize("loss", ["deleted", "emptied", "shortened", "edited"])
def test_a_replay_of_a_damaged_journal_is_told_in_one_line(
    finished, econjax, play, tmp_path, assert_told, loss
):
    path = shutil.copytree(finished, tmp_path / "one")
    play(None)
    LOSSES[loss](path / "journal.sqlite")
    assert_told(econjax("replay", path), path / "journal.sqlite")
    assert [file.name for file in tmp_path.iterdir()] == ["one"]


@pytest.mark.parametrize("name", ["welfare.png", "people.csv", ".welfare.png", "metrics.parquet"])
def test_a_run_with_a_link_in_its_directory_is_refused(
    stopped, econjax, play, tmp_path, assert_told, name
):
    play(None)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (stopped / name).unlink(missing_ok=True)
    (stopped / name).symlink_to(victim if name != "metrics.parquet" else tmp_path / "nowhere")
    assert_told(econjax("resume", stopped), stopped / name, "symbolic link", "put the file itself")
    assert victim.read_text() == "precious"


EDITS = {
    ("command",): ["guess", ["simulate"], "resume", None, 7, "compare", ""],
    ("config",): [[], None, 3, {}, "x"],
    ("config", "agents"): ["twenty", -3, 1.5, True, 10**15, 1, [6]],
    ("config", "elasticity"): ["0.25", -1, 1000, None, float("nan"), float("inf"), {}],
    ("config", "year"): [1900, "2024", 2024.5, 10**30],
    ("config", "status"): ["widowed", "a\0b", 3, ["single"]],
    ("config", "model"): [None, 3, "\x1b[31mred", "two\nlines", "\ud800"],
    ("config", "temperature"): [-1, "hot", 10**400],
    ("config", "seed"): [-1, 2**70, "0", 0.5],
    ("config", "mode"): ["speech", None, ["text"]],
    ("config", "scenario"): [3, "utopian"],
    ("config", "score"): [["nash"], "atkinson", [["atkinson"]], ["atkinson", "atkinson"]],
    ("config", "thresholds"): [[0, "x"], [5, 3], 0, [1, 2]],
    ("config", "most_unread"): [20, -0.1, "all"],
    ("config", "tax_years"): [0, -1, None],
    ("config", "history"): [0, -5, "10"],
    ("config", "population"): [3, "a\0b"],
    ("config", "name"): ["../x"],
    ("config", "runs"): ["/etc"],
    ("config", "strange"): [1],
    ("limits",): [3, None, [], {"limit_tokens": 1, "more": 2}],
    ("limits", "limit_tokens"): [0, -1, "many", 1.5],
    ("limits", "prices"): [[1], [1, 2, 3], "free", [-1, 0], None, [None, None]],
    ("engine",): [5, [], "x", None, {"others": 3}, {"others": [{}]}, {"model": {}}],
    ("prompts",): [3, []],
    ("versions",): [3, {"jax": 1}],
    ("resumed",): [3, {}, [1]],
}


@pytest.mark.parametrize(
    ("place", "value"), [(place, value) for place, some in EDITS.items() for value in some], ids=str
)
def test_an_edited_manifest_is_held_to_what_the_command_line_takes(
    stopped, finished, econjax, play, assert_told, place, value
):
    play(None)
    edit(stopped, *place, value=value)
    assert_told(econjax("resume", stopped))
    shutil.copy(finished / "metrics.parquet", stopped)
    assert_told(econjax("replay", stopped))
    assert [file.name for file in stopped.parent.iterdir()] == ["one"]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"3",
        b"\xff\xfe\x00",
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'{"command": "simulate"}',
        b'{"command": "simulate", "config": {}, "limits": {"limit_seconds": 1e999}}',
        b'{"command": ' + b"9" * 5000 + b"}",
        b'{"command": "simulate\n", "config": {}, "limits": {}}',
    ],
    ids=lambda text: repr(text[:30]),
)
def test_a_manifest_that_is_none_is_told_in_one_line(stopped, econjax, play, assert_told, text):
    play(None)
    (stopped / "manifest.json").write_bytes(text)
    assert_told(econjax("resume", stopped), stopped / "manifest.json", "no manifest of a run")


@pytest.mark.parametrize("choice", ["seed", "agents", "mode", "history"])
def test_a_manifest_that_lacks_a_choice_is_told(stopped, econjax, play, assert_told, choice):
    play(None)
    manifest = manifest_of(stopped)
    del manifest["config"][choice]
    (stopped / "manifest.json").write_text(json.dumps(manifest))
    assert_told(econjax("resume", stopped), f"lacks '{choice}'")


NAMES = (
    *("../x", "..", ".", "", "/etc/x", "a/b", "a\\b", ".hidden", "x" * 201, "é" * 101, "a\nb"),
    *("\x1b[31mred", "a\0b", "\u202eevil", "a\tb", "a\rb", "\x7f", "\ud800", "a/../../b", "~/../x"),
)


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_is_no_path(econjax, play, runs, assert_told, finished, tmp_path, name):
    play(None)
    choices = ("--runs", runs, f"--name={name}")
    assert_told(econjax("simulate", *SMALL, *choices), "--name")
    path = shutil.copytree(finished, tmp_path / "one")
    assert_told(econjax("replay", path, f"--name={name}"), "is no name of a run")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["one"]


@pytest.mark.parametrize("name", ["[b]", "=cmd", "a b", "-x", "x" * 200, "<b>", "ä", "$x", "%s"])
def test_any_other_text_is_a_name(tmp_path, name):
    assert new_run_path(tmp_path, name, command="simulate") == tmp_path / name
