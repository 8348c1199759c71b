import itertools
import os
import signal
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

from llm_policy.engine import EngineError, Prompt
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.journal import Journal, _Answer

HOURS = {"type": "object", "properties": {"hours": {"type": "integer"}}}
PROMPTS = [Prompt("You work.", f"Your skill is {skill}.") for skill in range(4)]


class Counting(ScriptedEngine):
    """Never says the same twice, and counts the prompts it was asked."""

    def __init__(self, start=0):
        numbers = itertools.count(start)
        super().__init__(
            lambda prompt: f"{prompt.personal} #{next(numbers)}",
            likelihood=lambda prompt, option: next(numbers) + 1 / 3,
        )
        self.asked = 0

    def complete(self, prompts, schema, **options):
        self.asked += len(prompts)
        return super().complete(prompts, schema, **options)

    def choose(self, prompts, options):
        self.asked += len(prompts)
        return super().choose(prompts, options)

    def describe(self):
        return {"engine": "counting", "temperature": 0.1 + 0.2, "noise": False}


def script(journal):
    """Ask a bit of everything, some of it twice, and return all answers."""
    texts = journal.complete(PROMPTS, HOURS, samples=2)
    texts += journal.complete(PROMPTS[:2], HOURS, samples=2)
    texts += journal.complete([PROMPTS[0], PROMPTS[0]], HOURS, max_tokens=5)
    scores = [journal.choose(PROMPTS, ["A", "B"]), journal.choose(PROMPTS[:1], ["A", "B"])]
    totals = journal.calls, journal.prompt_tokens, journal.answer_tokens, journal.seconds
    return texts, scores, totals, journal.describe()


def assert_same(left, right):
    assert left[0] == right[0]
    assert left[2:] == right[2:]
    for one, two in zip(left[1], right[1], strict=True):
        for name in ("logprob", "leaked", "prompt_tokens"):
            a, b = getattr(one, name), getattr(two, name)
            assert a.dtype == b.dtype
            assert a.shape == b.shape
            assert a.tobytes() == b.tobytes()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.sqlite"


def record(path, engine=None):
    journal = Journal(engine or Counting(), path)
    answers = script(journal)
    journal.close()
    return answers


def test_replay_without_an_engine_is_bit_identical(path):
    recorded = record(path)
    replay = Journal(None, path)
    assert_same(script(replay), recorded)
    replay.close()
    assert recorded[2][:3] == (13, 13 * 6, 14 * 5 + 5)


def test_the_same_question_gets_the_next_answer_and_each_run_starts_from_the_first(path):
    journal = Journal(Counting(), path)
    first, second = (journal.complete(PROMPTS[:1], HOURS)[0].texts[0] for _ in range(2))
    assert (first, second) == ("Your skill is 0. #0", "Your skill is 0. #1")
    journal.close()
    engine = Counting(start=50)
    journal = Journal(engine, path)
    texts = [answer.texts[0] for answer in journal.complete([PROMPTS[0]] * 3, HOURS)]
    assert texts == [first, second, "Your skill is 0. #50"]
    assert engine.asked == 1
    journal.close()


def test_verb_prompt_and_parameters_make_the_question(path):
    engine = Counting()
    journal = Journal(engine, path)
    journal.complete(PROMPTS[:1], HOURS)
    journal.complete(PROMPTS[:1], {"type": "string"})
    journal.complete(PROMPTS[:1], HOURS, max_tokens=9)
    journal.complete([Prompt("You", "work.Your skill is 0.")], HOURS)
    journal.choose(PROMPTS[:1], ["A", "B"])
    journal.choose(PROMPTS[:1], ["B", "A"])
    assert engine.asked == 6
    journal.close()


def test_resuming_asks_only_what_is_missing(path):
    journal = Journal(Counting(), path)
    before = journal.complete(PROMPTS[1:3], HOURS)
    journal.close()
    engine = Counting(start=50)
    journal = Journal(engine, path)
    after = journal.complete(PROMPTS, HOURS)
    assert after[1:3] == before
    assert [answer.texts[0] for answer in after[::3]] == ["Your skill is 0. #50", "Your skill is 3. #51"]
    assert engine.asked == 2
    assert journal.calls == 4
    journal.close()


def test_a_failed_batch_records_nothing_and_may_be_asked_again(path):
    def fail(prompt):
        raise EngineError("no server")

    engine = Counting()
    journal = Journal(engine, path)
    engine._answer, answer = fail, engine._answer
    with pytest.raises(EngineError, match="no server"):
        journal.complete(PROMPTS, HOURS)
    engine._answer = answer
    assert journal.complete(PROMPTS[:1], HOURS)[0].texts == ("Your skill is 0. #0",)
    journal.close()


def test_a_missing_answer_names_the_prompt_and_the_remedy(path):
    record(path)
    replay = Journal(None, path)
    with pytest.raises(
        EngineError, match=r"lacks 1 answers, first to complete 'Something new\.': replay with"
    ):
        replay.complete([PROMPTS[0], Prompt("You work.", "Something new.")], HOURS, samples=2)
    assert replay.complete(PROMPTS[:1], HOURS, samples=2)[0].texts[0] == "Your skill is 0. #0"
    replay.close()


def test_what_is_no_journal_is_refused(path, tmp_path):
    with pytest.raises(EngineError, match="There is no journal"):
        Journal(None, path)
    assert not path.exists()
    path.write_text("a text, and no database at all" * 50)
    database = sqlite3.connect(tmp_path / "other.sqlite")
    database.execute("CREATE TABLE mine (x)")
    database.close()
    for other in (path, tmp_path / "other.sqlite"):
        for engine in (None, Counting()):
            with pytest.raises(EngineError, match="is not a journal"):
                Journal(engine, other)
    with pytest.raises(EngineError, match="its folder must exist"):
        Journal(Counting(), tmp_path / "nowhere" / "journal.sqlite")


def test_another_engine_may_not_go_on_with_a_journal(path):
    record(path)
    with pytest.raises(EngineError, match="engine: 'counting' then, 'scripted' now"):
        Journal(ScriptedEngine(lambda prompt: "A"), path)


def test_a_second_writer_is_told(path):
    journal = Journal(Counting(), path)
    other = sqlite3.connect(path)
    other.execute("BEGIN EXCLUSIVE")
    journal._database.execute("PRAGMA busy_timeout = 1")
    with pytest.raises(EngineError, match=r"Cannot write to the journal .*locked\): one run at a time"):
        journal._record(journal._calls("complete", PROMPTS[:1], "{}"), [_Answer([], 1, 1, 0.0)])
    other.close()
    journal.close()


def test_a_shared_text_is_stored_once(path):
    record(path)
    database = sqlite3.connect(path)
    (count,) = database.execute("SELECT count(*) FROM texts WHERE text = 'You work.'").fetchone()
    assert count == 1
    database.close()


KILLED = """
import os, signal, sys
from llm_policy.engine import Prompt
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.journal import Journal
def answer(prompt):
    if prompt.personal == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"
journal = Journal(ScriptedEngine(answer), sys.argv[1])
journal.complete([Prompt("s", "1"), Prompt("s", "2")], {})
journal._database.execute("INSERT INTO texts VALUES ('half', 'of a batch')")
journal.complete([Prompt("s", "3"), Prompt("s", "die")], {})
"""


def test_a_kill_loses_only_the_batch_it_hit(path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    replay = Journal(None, path)
    assert [answer.texts for answer in replay.complete([Prompt("s", "1"), Prompt("s", "2")], {})] == [
        ("alive",),
        ("alive",),
    ]
    with pytest.raises(EngineError, match="lacks 1 answers"):
        replay.complete([Prompt("s", "3")], {})
    assert replay._database.execute("SELECT count(*) FROM texts WHERE hash = 'half'").fetchone() == (0,)
    replay.close()


def test_minus_infinity_and_an_empty_batch_survive(path):
    for engine in (ScriptedEngine(lambda prompt: "A"), None):
        journal = Journal(engine, path)
        choices = journal.choose(PROMPTS[:1], ["A", "B"])
        assert choices.logprob.tolist() == [[0.0, -np.inf]]
        assert journal.choose([], ["A", "B"]).logprob.shape == (0, 2)
        assert journal.complete([], HOURS) == []
        journal.close()
