"""What XLA compiled is found again by the next command, and never where it does not belong."""

import os
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest

from experiments.core import compilations
from experiments.core.compilations import VARIABLE, bound, keep_compilations

PROGRAM = """
import jax, jax.monitoring, econjax
assert jax.config.jax_compilation_cache_dir is None  # the library leaves it alone
assert not jax.config.jax_enable_x64
from experiments.core.compilations import keep_compilations

events = []
jax.monitoring.register_event_listener(lambda event, **_: events.append(event.rsplit("/")[-1]))
keep_compilations()
assert jax.jit(lambda x: 2 * x + 1)(3.0) == 7.0
print(events.count("cache_hits"), events.count("cache_misses"))
"""


def run(**environment):
    """Compile in a process of its own: what was found, what was kept, and what was told."""
    kept = {k: v for k, v in os.environ.items() if k not in ("JAX_COMPILATION_CACHE_DIR", VARIABLE)}
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        env=kept | {name: str(value) for name, value in environment.items()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return *map(int, ran.stdout.split()), ran.stderr


def entries(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Return the cache folder of a user whose first command has run."""
    home = tmp_path_factory.mktemp("home")
    found, kept, told = run(XDG_CACHE_HOME=home)
    assert (found, told) == (0, "")
    assert kept >= 1
    return home


def test_the_next_command_finds_all_and_tells_nothing(home):
    before = entries(home)
    found, kept, told = run(XDG_CACHE_HOME=home)
    assert (kept, told) == (0, "")
    assert found >= 1
    assert entries(home) == before
    (folder,) = (home / "econjax" / "xla").iterdir()
    assert folder.stat().st_mode & 0o077 == 0  # nobody else may leave programs there


def test_an_entry_that_cannot_be_read_is_told_in_one_line_and_replaced(home):
    whole = {path: path.stat().st_size for path in entries(home)}
    for path in whole:
        path.write_bytes(path.read_bytes()[:100])
    _, _, told = run(XDG_CACHE_HOME=home)
    assert len(told.splitlines()) == 1
    assert "it is compiled again" in told
    assert run(XDG_CACHE_HOME=home)[1:] == (len(whole), "")
    assert entries(home)
    assert all(path.stat().st_size > 100 for path in entries(home))


@pytest.fixture
def settings(monkeypatch, tmp_path):
    """Return what is set in a JAX that stands in for the real one, with `tmp_path` as home."""
    known = SimpleNamespace(jax_compilation_cache_dir=None, jax_logging_level="NOTSET")
    known.update = lambda name, value: setattr(known, name, value)
    monkeypatch.setattr(compilations, "jax", SimpleNamespace(config=known))
    monkeypatch.setattr(compilations, "atexit", SimpleNamespace(register=lambda *_: None))
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    monkeypatch.delenv(VARIABLE, raising=False)
    with warnings.catch_warnings():
        yield known


def test_a_variable_moves_it(settings, monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "moved"))
    keep_compilations()
    assert Path(settings.jax_compilation_cache_dir).parent == tmp_path / "moved"
    assert not (tmp_path / "user").exists()


def test_a_variable_turns_it_off(settings, monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, "off")
    keep_compilations()
    assert settings.jax_compilation_cache_dir is None
    assert list(tmp_path.iterdir()) == []


def test_the_settings_of_jax_come_first(settings, tmp_path):
    settings.jax_compilation_cache_dir = "/own"
    keep_compilations()
    assert settings.jax_compilation_cache_dir == "/own"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_fails_nothing(settings, monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file" / "cache"))
    keep_compilations()
    assert settings.jax_compilation_cache_dir is None
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert "what is compiled is not kept" in told
    assert VARIABLE in told


def test_what_was_used_longest_ago_goes_first_whoever_kept_it(tmp_path):
    for age, name in enumerate(("new/a", "old/b", "old/c", "new/d")):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(100))
        os.utime(path, (1e9 - age, 1e9 - age))
    bound(tmp_path, 400)
    assert len(entries(tmp_path)) == 4
    bound(tmp_path, 250)
    assert {path.name for path in entries(tmp_path)} == {"a", "b"}
    bound(tmp_path, 0)
    assert entries(tmp_path) == []
    bound(tmp_path / "nowhere", 0)


def test_another_processor_version_or_flag_has_a_folder_of_its_own(monkeypatch):
    names = {compilations._machine()}
    monkeypatch.setattr(compilations, "version", lambda name: "99")
    names.add(compilations._machine())
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=/tmp")
    names.add(compilations._machine())
    for processor in (
        "flags\t: fpu\nmodel\t: 1",
        "flags\t: fpu avx512\nmodel\t: 1",
        "Features\t: sve",
    ):
        info = f"processor\t: 0\n{processor}\n\nprocessor\t: 1\nflags\t: other"
        monkeypatch.setattr(Path, "read_text", lambda *_, info=info: info)
        names.add(compilations._machine())
    assert len(names) == 6
    now = info.replace("processor\t: 0", "cpu MHz\t: 1234")
    monkeypatch.setattr(Path, "read_text", lambda *_: now)
    assert compilations._machine() in names
