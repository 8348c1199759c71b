"""Engines in processes of their own: as good as new for every run, told of as they answer."""

import pickle

import numpy as np
import pytest

from experiments.cluster import engines
from experiments.cluster.connection import LostProcess
from experiments.cluster.engines import EngineHost, EngineLease, EnginePool, HostedEngine
from experiments.core.choices import EngineOptions, EngineOrder
from llm_policy.engines.base import EngineError, Interrupted, Prompt, Unread
from llm_policy.engines.wrappers.journal import Journal
from tests.helpers.steadfast import Steadfast

SCHEMA = {"type": "integer", "minimum": 0, "maximum": 100}
OPTIONS = EngineOptions("small", None, 0.7, 2048)
PROMPTS = [Prompt("shared", f"I am {name}.") for name in "abc"]


class Kept(Steadfast):
    """Goes on for the next run, tells of answers one by one, and breaks when it is told to."""

    hear = None
    error: Exception | None = None

    def __init__(self):
        super().__init__()
        self.seeds = []

    def renew(self, seed):
        self.seeds.append(seed)

    def complete(self, prompts, schema, **options):
        said = super().complete(prompts, schema, **options)
        for place, one in enumerate(said):
            if self.hear is not None:
                self.hear([place], [one])
        if self.error is not None:
            raise self.error
        return said


@pytest.fixture
def started(monkeypatch):
    """Return what was started in place of models, and let processes be objects."""
    made = []

    def start(options):
        made.append((options, Kept()))
        return made[-1][1]

    monkeypatch.setattr(engines, "start_engine", start)
    monkeypatch.setattr(engines, "prepare_process", lambda: None)
    for name in ("call", "stream"):
        monkeypatch.setattr(engines, name, lambda host, method, *a: getattr(host, method)(*a))
    return made


def test_a_host_starts_one_engine_and_renews_it_for_each_run(started):
    host = EngineHost(OPTIONS)
    for attempt, seed in (("first", 3), ("second", 3), ("third", 4)):
        hosted = HostedEngine(host, EngineLease(attempt, seed))
        assert hosted.complete(PROMPTS, SCHEMA) == Steadfast().complete(PROMPTS, SCHEMA)
        there, here = hosted.choose(PROMPTS, ["0", "9"]), Steadfast().choose(PROMPTS, ["0", "9"])
        assert np.array_equal(there.logprob, here.logprob)
        assert hosted.count(["some text"]) == Steadfast().count(["some text"])
        assert hosted.describe() == Steadfast().describe()
        hosted.close()
    [(options, engine)] = started
    assert options.seed == 3
    assert engine.seeds == [3, 4]


def test_a_journal_hears_of_each_answer_of_a_hosted_engine(started, tmp_path):
    hosted = HostedEngine(EngineHost(OPTIONS), EngineLease("one", 0))
    hosted.describe()
    started[0][1].error = EngineError("broken")
    journal = Journal(hosted, tmp_path / "journal.sqlite")
    with pytest.raises(Interrupted, match="broken"):
        journal.complete(PROMPTS, SCHEMA)
    assert journal.kept == 3


ERRORS = [
    EngineError("no room"),
    Interrupted("cut", [1], Steadfast().complete(PROMPTS[1:2], SCHEMA)),
    Unread("rubbish", PROMPTS, 2),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_comes_from_another_process_as_it_was_raised(started, error):
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
    hosted = HostedEngine(EngineHost(OPTIONS), EngineLease("one", 0))
    hosted.describe()
    started[0][1].error = error
    with pytest.raises(type(error), match=str(error)):
        hosted.complete(PROMPTS, SCHEMA)


def test_what_is_asked_of_a_lost_process_is_asked_again(started, monkeypatch):
    host, left = EngineHost(OPTIONS), [2]

    def stream(process, method, *arguments):
        left[0] -= 1
        if left[0] >= 0:
            raise LostProcess("A process of the cluster is lost.")
        return getattr(process, method)(*arguments)

    waited = []
    monkeypatch.setattr(engines, "stream", stream)
    monkeypatch.setattr(engines, "await_again", waited.append)
    hosted = HostedEngine(host, EngineLease("one", 0))
    assert len(hosted.complete(PROMPTS, SCHEMA)) == 3
    assert waited == [host, host]
    left[0] = 100
    with pytest.raises(EngineError, match="is lost"):
        hosted.complete(PROMPTS, SCHEMA)


class Machines:
    """A cluster whose processes are numbers."""

    def __init__(self, slots, gpus=0):
        self.slots, self.gpus = slots, gpus
        self.began: list[tuple[str, float]] = []
        self.ended: list[object] = []
        self.lost: list[object] = []

    def process(self, kind, options, *, gpus):
        self.began.append((options.model, gpus))
        return f"{options.model} {len(self.began)}"

    def end(self, process):
        self.ended.append(process)

    def has_lost(self, process):
        return process in self.lost


def order(model, seed=0, server=None, **options):
    return EngineOrder(
        OPTIONS._replace(model=model, seed=seed, server=server, **options), None, None
    )


def test_runs_of_one_model_share_engines_and_servers_need_none():
    machines = Machines(slots=2)
    pool = EnginePool(machines)
    first, second = pool.lease([order("a", 1)]), pool.lease([order("a", 2)])
    assert (first, second) == (["a 1"], ["a 2"])
    assert pool.lease([order("a", 3)]) is None
    assert pool.lease([order("a", server="http://here/v1")]) == [None]
    pool.give_back(first)
    assert pool.lease([order("a", 3)]) == ["a 1"]
    assert len(machines.began) == 2


def test_an_idle_engine_makes_room_for_one_of_another_model():
    machines = Machines(slots=2)
    pool = EnginePool(machines)
    for model in ("a", "b"):
        pool.give_back(pool.lease([order(model)]))
    assert pool.lease([order("b"), order("c")]) == ["b 2", "c 3"]
    assert machines.ended == ["a 1"]


def test_an_engine_that_is_lost_for_good_answers_no_other_run():
    machines = Machines(slots=2)
    pool = EnginePool(machines)
    pool.give_back(pool.lease([order("a"), order("a")]))
    machines.lost = ["a 2"]
    assert pool.lease([order("a"), order("a")]) == ["a 1", "a 3"]


def test_there_are_no_more_engines_than_gpus_hold():
    machines = Machines(slots=16, gpus=4)
    pool = EnginePool(machines)
    large = order("a", tensor_parallel=2)
    assert pool.lease([large]) == ["a 1"]
    assert pool.lease([large]) == ["a 2"]
    assert pool.lease([large]) is None
    assert machines.began == [("a", 2), ("a", 2)]
