import itertools
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from llm_policy.engines.base import Choices, EngineError, EngineInfo, Interrupted, Prompt
from llm_policy.engines.openai import OpenAIEngine
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.engines.wrappers.journal import Journal

HOURS = {"type": "object", "properties": {"hours": {"type": "integer"}}}
PROMPTS = [Prompt("You work.", f"Your skill is {skill}.") for skill in range(4)]


class Counting(ScriptedEngine):
    """Never says the same twice, and counts the prompts it was asked and the texts it counted.

    While `broken` it answers every other prompt of a batch and fails.
    """

    def __init__(self, start=0):
        numbers = itertools.count(start)
        super().__init__(
            lambda prompt: f"{prompt.personal} #{next(numbers)}",
            likelihood=lambda prompt, option: next(numbers) + 1 / 3,
        )
        self.asked = self.counted = 0
        self.broken = False

    def complete(self, prompts, schema, **options):
        self.asked += len(prompts)
        answers = super().complete(prompts, schema, **options)
        answers = [replace(answer, cached_tokens=2) for answer in answers]
        if self.broken:
            raise Interrupted("the line is cut", range(0, len(prompts), 2), answers[::2])
        return answers

    def choose(self, prompts, options):
        self.asked += len(prompts)
        scores = super().choose(prompts, options)
        scores = replace(scores, cached_tokens=scores.prompt_tokens - 1)
        if self.broken:
            some = Choices(*(column[::2] for column in vars(scores).values()))
            raise Interrupted("the line is cut", range(0, len(prompts), 2), some)
        return scores

    def count(self, texts):
        self.counted += len(texts)
        return super().count(texts)

    def describe(self):
        return EngineInfo(engine="counting", model="none", temperature=0.1 + 0.2)


def script(journal):
    """Ask a bit of everything, some of it twice, and return all answers."""
    texts = journal.complete(PROMPTS, HOURS, samples=2)
    texts += journal.complete(PROMPTS[:2], HOURS, samples=2)
    texts += journal.complete([PROMPTS[0], PROMPTS[0]], HOURS, max_tokens=5)
    scores = [journal.choose(PROMPTS, ["A", "B"]), journal.choose(PROMPTS[:1], ["A", "B"])]
    tokens = journal.count(["You work.", "You", "You work."])
    totals = (
        journal.calls,
        journal.prompt_tokens,
        journal.cached_tokens,
        journal.answer_tokens,
        journal.seconds,
    )
    return texts, scores, totals, tokens, journal.describe()


def assert_same(left, right):
    assert left[0] == right[0]
    assert left[2:] == right[2:]
    for one, two in zip(left[1], right[1], strict=True):
        for name in ("logprob", "leaked", "prompt_tokens", "cached_tokens"):
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
    assert recorded[2][:4] == (13, 13 * 6, 8 * 2 + 5 * 5, 14 * 5 + 5)
    assert recorded[3] == [2, 1, 2]


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
    questions = (
        lambda journal: journal.complete(PROMPTS[:1], HOURS),
        lambda journal: journal.complete(PROMPTS[:1], {"type": "string"}),
        lambda journal: journal.complete(PROMPTS[:1], HOURS, max_tokens=9),
        lambda journal: journal.complete([Prompt("You", " work.Your skill is 0.")], HOURS),
        lambda journal: journal.complete([Prompt('You work."]Your', " skill is 0.")], HOURS),
        lambda journal: journal.complete([Prompt("You work.", '"]Your skill is 0.')], HOURS),
        lambda journal: journal.choose(PROMPTS[:1], ["A", "B"]),
        lambda journal: journal.choose(PROMPTS[:1], ["B", "A"]),
    )
    engine = Counting()
    for asked, question in enumerate([*questions, *questions]):  # each as the first of a run
        journal = Journal(engine, path)
        question(journal)
        journal.close()
        assert engine.asked == min(asked + 1, len(questions))


def test_resuming_asks_only_what_is_missing(path):
    journal = Journal(Counting(), path)
    before = journal.complete(PROMPTS[1:3], HOURS)
    journal.close()
    engine = Counting(start=50)
    journal = Journal(engine, path)
    after = journal.complete(PROMPTS, HOURS)
    assert after[1:3] == before
    assert [answer.texts[0] for answer in after[::3]] == [
        "Your skill is 0. #50",
        "Your skill is 3. #51",
    ]
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


@pytest.mark.parametrize("chunk", [1, 3, 100])
@pytest.mark.parametrize("verb", ["complete", "choose"])
def test_what_an_interrupted_engine_answered_is_kept_and_asked_no_more(path, verb, chunk):
    prompts = [Prompt("You work.", f"Your skill is {skill}.") for skill in range(8)]
    what = HOURS if verb == "complete" else ["A", "B"]
    journal = Journal(Counting(), path)
    before = getattr(journal, verb)(prompts[5:6], what)
    journal.close()
    engine = Counting(start=100)
    engine.broken = True
    journal = Journal(engine, path, chunk=chunk)
    with pytest.raises(Interrupted, match="the line is cut") as caught:
        getattr(journal, verb)(prompts, what)
    answered = {1: [0], 3: [0, 2], 100: [0, 2, 4, 7]}[
        chunk
    ]  # of each chunk without prompt 5, every other
    assert caught.value.done == sorted([*answered, 5])
    assert journal.calls == len(caught.value.done)
    journal.close()

    engine = Counting(start=1000)
    journal = Journal(engine, path, chunk=chunk)
    whole = getattr(journal, verb)(prompts, what)
    assert engine.asked == len(prompts) - len(caught.value.done)
    some = caught.value.answers
    if verb == "complete":
        assert [whole[place] for place in caught.value.done] == some
        assert whole[5] == before[0]
    else:
        assert whole.logprob[caught.value.done].tobytes() == some.logprob.tobytes()
        assert whole.logprob[5].tobytes() == before.logprob.tobytes()
        assert whole.prompt_tokens[caught.value.done].tolist() == some.prompt_tokens.tolist()
    journal.close()


def test_an_interrupted_batch_counts_as_not_asked(path):
    engine = Counting()
    journal = Journal(engine, path)
    engine.broken = True
    with pytest.raises(Interrupted) as caught:
        journal.complete(PROMPTS, HOURS)
    engine.broken = False
    again = journal.complete(PROMPTS, HOURS)
    assert again[::2] == caught.value.answers
    assert engine.asked == 4 + 2
    assert journal.complete(PROMPTS, HOURS)[0] != again[0]
    journal.close()


def test_a_failure_after_some_chunks_says_what_was_answered(path):
    def answer(prompt):
        if prompt.personal == PROMPTS[3].personal:
            raise EngineError("no server")
        return "40"

    journal = Journal(ScriptedEngine(answer), path, chunk=2)
    with pytest.raises(Interrupted, match="no server") as caught:
        journal.complete(PROMPTS, HOURS)
    assert caught.value.done == [0, 1]
    assert [completion.texts for completion in caught.value.answers] == [("40",)] * 2
    with pytest.raises(EngineError, match="no server") as caught:
        journal.complete(PROMPTS[3:], HOURS)
    assert not isinstance(caught.value, Interrupted)
    journal.close()


def test_options_that_the_engine_refuses_are_not_recorded(path):
    journal = Journal(Counting(), path)
    with pytest.raises(ValueError, match="the same"):
        journal.choose(PROMPTS, ["A", "A"])
    assert journal.calls == 0
    assert journal.kept == 0
    journal.close()


def test_chunks_change_no_answer(path, tmp_path):
    """Nor does a batch that is larger than the number of keys that one query looks up."""
    prompts = [Prompt("You work.", f"Your skill is {skill}.") for skill in range(2345)]
    recorded = []
    for chunk, file in ((100, path), (5000, tmp_path / "whole.sqlite")):
        journal = Journal(Counting(), file, chunk=chunk)
        recorded.append(journal.complete(prompts, HOURS))
        journal.close()
    replay = Journal(None, path)
    assert replay.complete(prompts, HOURS) == recorded[0] == recorded[1]
    replay.close()
    with pytest.raises(ValueError, match="chunk cannot be 0"):
        Journal(None, path, chunk=0)


def test_a_text_is_counted_once_and_never_without_an_engine(path):
    engine = Counting()
    journal = Journal(engine, path)
    assert journal.count(["a b", "a", "a b"]) == [2, 1, 2]
    assert journal.count(["a", "a b c"]) == [1, 3]
    assert journal.count([]) == []
    assert engine.counted == 3
    assert journal.calls == 0
    journal.close()
    replay = Journal(None, path)
    assert replay.count(["a b c", "a"]) == [3, 1]
    with pytest.raises(EngineError, match="lacks 1 answers, first to count 'new'"):
        replay.count(["a", "new"])
    replay.close()


def test_a_missing_answer_names_the_prompt_and_the_remedy(path):
    record(path)
    replay = Journal(None, path)
    with pytest.raises(
        EngineError, match=r"lacks 1 answers, first to complete 'Something new\.': replay with"
    ):
        replay.complete([PROMPTS[0], Prompt("You work.", "Something new.")], HOURS, samples=2)
    assert replay.calls == 0
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


def test_a_journal_of_another_format_is_refused(path):
    record(path)
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 0")  # what the first format had
    database.close()
    for engine in (None, Counting()):
        with pytest.raises(
            EngineError, match=r"another version's format \(0, not 3\): give another path"
        ):
            Journal(engine, path)


def test_a_second_writer_is_told(path):
    first, second = Journal(Counting(), path), Journal(Counting(), path)
    first.complete(PROMPTS, HOURS)
    with pytest.raises(
        EngineError, match=r"Cannot write to the journal .*UNIQUE.*\): one run at a time"
    ):
        second.complete(PROMPTS[3:], HOURS)
    first.close()
    second.close()


def test_a_shared_text_is_stored_once(path):
    record(path)
    database = sqlite3.connect(path)
    (count,) = database.execute("SELECT count(*) FROM texts WHERE text = 'You work.'").fetchone()
    assert count == 1
    database.close()


RUN = """
import os, sys, time
from llm_policy.engines.base import Prompt
from llm_policy.engines.openai import OpenAIEngine
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.engines.wrappers.journal import Journal
class Slow(ScriptedEngine):
    def complete(self, prompts, schema, **options):
        print(prompts[0].personal, flush=True)
        time.sleep(0.002)
        return super().complete(prompts, schema, **options)
slow = Slow(lambda prompt: f"{os.getpid()} says {prompt.personal}")
journal = Journal(slow, sys.argv[1], chunk=20)
journal.complete([Prompt("shared " * 100, str(place)) for place in range(2000)], {})
journal.close()
"""


def test_kills_at_random_moments_lose_no_chunk_that_was_written(path):
    """The engine names the first prompt of every chunk: whatever comes before has been written."""
    chance = random.Random(1)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    kept, finished = {}, False
    while not finished:
        command = [sys.executable, "-c", RUN, str(path)]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as run:
            chunks = list(itertools.islice(run.stdout, chance.randrange(10, 50)))
            time.sleep(chance.random() * 0.004)
            run.send_signal(signal.SIGKILL)
            chunks += run.stdout
        written = int(chunks[-1]) if chunks else 2000
        finished = run.returncode == 0
        database = sqlite3.connect(path)
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = database.execute(
            "SELECT CAST(personal AS INTEGER), answer FROM calls ORDER BY 1"
        ).fetchall()
        database.close()
        assert [place for place, _ in rows] == list(range(len(rows)))
        assert len(rows) % 20 == 0 or finished
        assert len(rows) >= written
        assert kept.items() <= dict(rows).items()
        kept = dict(rows)
    assert len({answer.split()[0] for answer in kept.values()}) > 2, "several runs had a part in it"


def test_minus_infinity_and_an_empty_batch_survive(path):
    for engine in (ScriptedEngine(lambda prompt: "A"), None):
        journal = Journal(engine, path)
        choices = journal.choose(PROMPTS[:1], ["A", "B"])
        assert choices.logprob.tolist() == [[0.0, -np.inf]]
        assert journal.choose([], ["A", "B"]).logprob.shape == (0, 2)
        assert journal.complete([], HOURS) == []
        journal.close()


def test_any_text_survives(path):
    said = ['{"hours": 40}', "", "四十時間 \U0001f600 \x00", "half \ud800 a character", '"]']
    prompts = [Prompt("共有", f"四十 \x00 {place}") for place in range(len(said))]
    for engine in (ScriptedEngine(lambda prompt: said[int(prompt.personal[-1])]), None):
        journal = Journal(engine, path)
        assert [completion.texts[0] for completion in journal.complete(prompts, HOURS)] == said
        journal.close()


def test_a_key_never_reaches_the_file(tmp_path):
    """The server repeats the key in every failure, and the journal keeps what came before one."""
    key = "sk-nobody-may-see-this"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.answer(200, {"data": [{"id": "small"}]})

        def do_POST(self):
            asked = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Authorization"] == f"Bearer {key}"
            reply = {"choices": [{"message": {"content": "40"}}]}
            reply["usage"] = {"prompt_tokens": 7, "completion_tokens": 1}
            if b"skill is 3" in asked:
                self.answer(400, {"error": {"message": f"your key is {key}"}})
            else:
                self.answer(200, reply)

        def answer(self, status, content):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        url = f"http://127.0.0.1:{server.server_port}/v1"
        journal = Journal(
            OpenAIEngine(url, "small", api_key=key), tmp_path / "journal.sqlite", chunk=2
        )
        with pytest.raises(EngineError) as caught:
            journal.complete(PROMPTS, HOURS)
        written = [file.read_bytes() for file in tmp_path.iterdir()]
        journal.close()
        server.shutdown()
    written += [file.read_bytes() for file in tmp_path.iterdir()]
    assert any(b"Your skill is 0." in content for content in written)
    assert not any(key.encode() in content for content in written)
    assert key not in str(caught.value)
