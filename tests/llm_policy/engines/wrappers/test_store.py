"""Nothing that happens to a journal's files changes an answer unnoticed."""

import random
import shutil
import sqlite3

import pytest

from llm_policy.engines.base import EngineError, Prompt
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.engines.wrappers.journal import Journal
from llm_policy.engines.wrappers.sealing import Damaged, count_path
from llm_policy.engines.wrappers.store import mend

PROMPTS = [Prompt(f"You {verb}.", f"Your skill is {n}.") for n in range(9) for verb in ("a", "b")]
FLIPS = 150


class Engine(ScriptedEngine):
    """Knows what it was asked."""

    def __init__(self):
        super().__init__(lambda prompt: prompt.personal, likelihood=lambda p, o: len(p.personal))
        self.asked = 0

    def complete(self, prompts, schema, **options):
        self.asked += len(prompts)
        return super().complete(prompts, schema, **options)


def ask(journal):
    """Return all that a journal answers, exactly."""
    scores = journal.choose(PROMPTS, ["A", "B"])
    return (
        journal.complete(PROMPTS, {"type": "string"}),
        scores.logprob.tobytes(),
        scores.leaked.tobytes(),
        journal.count(["You work.", "You"]),
        journal.describe(),
        journal.prompt_tokens,
        journal.seconds,
    )


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Return a journal that was closed, one whose process was killed, and their answers."""
    folder = tmp_path_factory.mktemp("recorded")
    journal = Journal(Engine(), folder / "journal.sqlite")
    said = ask(journal)
    killed = tmp_path_factory.mktemp("killed")
    for file in folder.iterdir():
        shutil.copy(file, killed)
    journal.close()
    assert (killed / "journal.sqlite-wal").stat().st_size > 0
    return folder, killed, said


@pytest.fixture
def closed(recorded, tmp_path):
    shutil.copytree(recorded[0], tmp_path, dirs_exist_ok=True)
    return tmp_path / "journal.sqlite"


@pytest.fixture
def killed(recorded, tmp_path):
    shutil.copytree(recorded[1], tmp_path, dirs_exist_ok=True)
    return tmp_path / "journal.sqlite"


def replayed(path):
    """Return what a replay hears, or the error that it meets, which is one line."""
    try:
        journal = Journal(None, path)
    except EngineError as error:
        return error
    try:
        return ask(journal)
    except EngineError as error:
        return error
    finally:
        journal.close()


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place // 8] ^= 1 << place % 8
    path.write_bytes(content)


def assert_told(error, path):
    assert isinstance(error, EngineError)
    assert "\n" not in str(error)
    assert str(path) in str(error)


@pytest.mark.parametrize("suffix", ["", "-wal", "-count"])
def test_a_flipped_bit_changes_no_answer_unnoticed(recorded, tmp_path, suffix):
    """Bits that nothing is read from may be flipped: the answers are then all there."""
    folder, killed, said = recorded
    source = folder if not suffix else killed
    size = (source / f"journal.sqlite{suffix}").stat().st_size
    draw, noticed = random.Random(3), 0
    for number in range(FLIPS if not suffix else FLIPS // 3):
        place = shutil.copytree(source, tmp_path / f"{number}")
        path = place / "journal.sqlite"
        flip(place / f"journal.sqlite{suffix}", draw.randrange(8 * size))
        found = replayed(path)
        if found != said:
            assert_told(found, path)
            noticed += 1
        shutil.rmtree(place)
    assert noticed > 0


@pytest.mark.parametrize("text", ["Your skill is 3.", "You a.", "scripted", '"string"'])
def test_a_letter_that_changed_is_told_with_its_row(closed, text):
    content = closed.read_bytes()
    assert text.encode() in content
    closed.write_bytes(content.replace(text.encode(), text.encode().swapcase()))
    for engine in (None, Engine()):
        with pytest.raises(Damaged, match=r"row \d+ of \w+ does not match .* put back a copy"):
            Journal(engine, closed)


def without_rows(path):
    with sqlite3.connect(path) as database:
        database.execute("DELETE FROM calls WHERE rowid > 10")
    database.close()


def without_log(path):
    path.with_name("journal.sqlite-wal").unlink()


def older(path):
    """What was there before the last answers came."""
    path.unlink()
    count = count_path(path).read_bytes()
    journal = Journal(Engine(), path.with_name("old.sqlite"))
    journal.complete(PROMPTS[:3], {"type": "string"})
    journal.close()
    path.with_name("old.sqlite").rename(path)
    count_path(path).write_bytes(count)


def half_a_log(path):
    log = path.with_name("journal.sqlite-wal")
    log.write_bytes(log.read_bytes()[: log.stat().st_size // 2])


LOSSES = {
    "deleted": lambda path: path.unlink(),
    "emptied": lambda path: path.write_bytes(b""),
    "cut in half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "cut by a page": lambda path: path.write_bytes(path.read_bytes()[:-16384]),
    "overwritten": lambda path: path.write_bytes(b"something else entirely" * 999),
    "rows deleted": without_rows,
    "its log deleted": without_log,
    "its log cut": half_a_log,
    "an older copy": older,
    "its count lost its end": lambda path: count_path(path).write_bytes(b"00000000000000000036"),
    "its count emptied": lambda path: count_path(path).write_bytes(b""),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_what_was_lost_is_told_and_asked_again_only_if_it_is_mended(recorded, killed, loss):
    if "log" not in loss:
        Journal(Engine(), killed).close()  # which puts the log into the file
    LOSSES[loss](killed)
    for engine in (None, Engine()):
        with pytest.raises(Damaged, match=r"journal\.sqlite .*put back a copy of it, or mend it"):
            Journal(engine, killed)
    kept = mend(killed, Engine().describe)
    engine = Engine()
    journal = Journal(engine, killed)
    assert journal.kept == kept <= 36
    assert ask(journal)[:3] == recorded[2][:3]
    assert journal.asked == 36 - kept
    journal.close()
    assert replayed(killed)[:3] == recorded[2][:3]


def test_a_journal_whose_process_was_killed_needs_no_mending(recorded, killed):
    assert replayed(killed) == recorded[2]


def test_a_finished_journal_keeps_no_count(closed, recorded):
    journal = Journal(Engine(), closed)
    ask(journal)
    journal.finish()
    journal.close()
    assert [file.name for file in closed.parent.iterdir()] == ["journal.sqlite"]
    assert replayed(closed) == recorded[2]


def test_unread_answers_are_asked_again_and_others_not(closed):
    journal = Journal(Engine(), closed)
    journal.mark_unread(PROMPTS[:2], times=1)
    journal.close()
    engine = Engine()
    journal = Journal(engine, closed)
    assert (journal.drop_unread(), journal.drop_unread()) == (2, 0)
    ask(journal)
    assert (journal.kept, journal.asked) == (36, 2)
    journal.close()
    assert not isinstance(replayed(closed), EngineError)


def test_nothing_is_written_through_a_link(closed, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("journal.sqlite", "journal.sqlite-count"):
        (elsewhere / name).write_bytes((tmp_path / name).read_bytes())
        (tmp_path / name).unlink()
        (tmp_path / name).symlink_to(elsewhere / name)
        with pytest.raises(EngineError, match="is a symbolic link: put the file itself there"):
            Journal(Engine(), closed)
        (tmp_path / name).unlink()
        shutil.copy(elsewhere / name, tmp_path / name)
