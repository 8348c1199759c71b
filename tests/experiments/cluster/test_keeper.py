"""What a run writes elsewhere is kept as it is written, and many runs have one budget."""

import contextlib
import sqlite3
import tempfile
from functools import partial
from pathlib import Path

import pytest

from experiments.cluster.address import cluster_address
from experiments.cluster.files import files_in, unpack
from experiments.cluster.keeper import Keeper
from experiments.cluster.posting import RunAccount
from experiments.report.console import Mistake
from experiments.runs.directory import MANIFEST, METRICS
from experiments.runs.spending import spent_by
from llm_policy.engines.base import Prompt
from llm_policy.engines.wrappers.budget import BudgetError
from llm_policy.engines.wrappers.journal import Journal
from tests.helpers.steadfast import Steadfast

SCHEMA = {"type": "object", "properties": {"hours": {"type": "integer", "minimum": 0}}}
SCHEMA["properties"]["hours"]["maximum"] = 100
FREE = {"limit_tokens": None, "limit_dollars": None, "limit_seconds": None}


class Laboratory:
    """A keeper, and runs whose processes may be lost."""

    def __init__(self, folder, runs=("one", "two"), **limits):
        self.folder = folder / "kept"
        self.folder.mkdir(exist_ok=True)
        self.keeper = Keeper(self.folder, runs, FREE | limits, (1.0, 2.0))
        self._elsewhere = folder

    def journal(self, run, engine):
        """Begin a run in a process elsewhere, or go on with it, and return its journal."""
        path = Path(tempfile.mkdtemp(dir=self._elsewhere)) / run
        path.mkdir()
        found = self.ask("found", run)
        unpack(found or {MANIFEST: b"{}"}, path)
        limited = any(most is not None for most in self.keeper._limits.values())
        self.account = RunAccount(self.ask, run, path, limited=limited)
        [posted] = self.account.engines([engine])
        self.path = path
        return Journal(posted, path / "journal.sqlite")

    def ask(self, method, *arguments):
        return getattr(self.keeper, method)(*arguments)


@pytest.fixture
def laboratory(tmp_path):
    return partial(Laboratory, tmp_path)


def prompts(*names):
    return [Prompt("shared", f"I am {name}.") for name in names]


def rows(path):
    """Return all rows of a journal, by table."""
    with contextlib.closing(sqlite3.connect(path)) as journal:
        tables = ("engine", "texts", "counts", "calls", "unread")
        return {name: journal.execute(f"SELECT * FROM {name}").fetchall() for name in tables}


def test_what_a_journal_is_given_is_kept_row_by_row(laboratory):
    here = laboratory()
    journal = here.journal("one", Steadfast())
    kept = here.folder / "one" / "journal.sqlite"
    for some in (prompts("a", "b"), prompts("a"), []):
        journal.complete(some, SCHEMA)
        assert rows(kept) == rows(here.path / "journal.sqlite")
    journal.choose(prompts("a"), ["0", "40"])
    journal.count(["some text"])
    journal.mark_unread(prompts("a"), 1)
    assert rows(kept) == rows(here.path / "journal.sqlite")
    assert len(rows(kept)["calls"]) == 4
    here.account.end("")
    assert spent_by(here.folder / "one").prompts == 4


def test_a_run_whose_process_is_lost_goes_on_with_all_its_answers(laboratory):
    here, first, second = laboratory(), Steadfast(), Steadfast()
    said = here.journal("one", first).complete(prompts("a", "b"), SCHEMA)
    journal = here.journal("one", second)  # nobody closed the first
    assert journal.complete(prompts("a", "b", "c"), SCHEMA)[:2] == said
    assert (first.answered, second.answered) == (2, 1)
    (here.path / METRICS).write_bytes(b"metrics")
    here.account.end("a table\n")
    kept = files_in(here.folder / "one")
    assert kept[METRICS] == b"metrics"
    assert set(kept) == {MANIFEST, METRICS, "journal.sqlite"}
    assert (here.folder / "one.txt").read_text() == "a table\n"
    with contextlib.closing(Journal(None, here.folder / "one" / "journal.sqlite")) as replay:
        assert len(replay.complete(prompts("a", "b", "c"), SCHEMA)) == 3


def test_a_run_that_asks_nothing_more_ends_as_complete_as_any(laboratory):
    killed = laboratory()
    killed.journal("one", Steadfast()).complete(prompts("a"), SCHEMA)
    killed.keeper.leave("one")
    here, engine = laboratory(), Steadfast()
    here.journal("one", engine).complete(prompts("a"), SCHEMA)
    assert engine.answered == 0
    (here.path / METRICS).write_bytes(b"metrics")
    here.account.end("")
    assert set(files_in(here.folder / "one")) == {MANIFEST, METRICS, "journal.sqlite"}


def test_nobody_else_writes_into_a_run_that_goes_on(laboratory):
    here = laboratory()
    here.journal("one", Steadfast()).complete(prompts("a"), SCHEMA)
    with pytest.raises(Mistake, match="Another process"):
        laboratory().journal("one", Steadfast())
    here.keeper.leave("one")
    laboratory().journal("one", Steadfast())


def test_a_run_that_leaves_nothing_takes_away_only_what_it_began(laboratory):
    here = laboratory()
    here.journal("one", Steadfast()).count(["some text"])
    here.ask("end", "one", None, "")
    assert not (here.folder / "one").exists()
    here.journal("one", Steadfast()).complete(prompts("a"), SCHEMA)
    here.journal("one", Steadfast())
    here.ask("end", "one", None, "")
    assert len(rows(here.folder / "one" / "journal.sqlite")["calls"]) == 1


def test_links_out_of_a_run_are_refused(laboratory, tmp_path):
    here = laboratory()
    here.journal("one", Steadfast()).complete(prompts("a"), SCHEMA)
    here.keeper.leave("one")
    (here.folder / "one" / "metrics.parquet").symlink_to(tmp_path / "elsewhere.parquet")
    with pytest.raises(ValueError, match="symbolic link"):
        here.ask("found", "one")


def test_runs_share_one_budget_and_what_was_lost_still_counts(laboratory):
    free = laboratory()
    free.journal("one", Steadfast()).complete(prompts("a"), SCHEMA, max_tokens=10)
    free.account.end("")
    each = spent_by(free.folder / "one").tokens
    most = 3 * each + 10
    here = laboratory(runs=("one", "two", "three"), limit_tokens=most)
    for run in ("two", "three"):
        here.journal(run, Steadfast()).complete(prompts(run), SCHEMA, max_tokens=10)
    with pytest.raises(BudgetError, match=r"of .* are spent"):
        here.journal("two", Steadfast()).complete(prompts("two", "more"), SCHEMA, max_tokens=99)
    assert sum(spent_by(here.folder / run).tokens for run in ("one", "two", "three")) <= most
    assert here.keeper.reached() == ""
    assert laboratory(limit_tokens=each).keeper.reached() == "limit tokens"


def test_a_batch_waits_while_others_may_need_what_is_left(laboratory):
    keeper = laboratory(limit_tokens=100).keeper
    assert keeper.grant("one", 1, 50, 40) == ""
    assert keeper.grant("two", 1, 50, 40) is None
    keeper.settle("one")
    assert keeper.grant("two", 1, 50, 40) == ""
    assert "110" in (keeper.grant("one", 1, 60, 50) or "")
    assert keeper.grant("one", 1, 50, 40) is None
    keeper.leave("two")
    assert keeper.grant("one", 1, 50, 40) == ""


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("ray://head:10001", "on a machine of the cluster"),
        ("local:0", "1 worker or more"),
        ("locals", "local:N"),
        ("head", "HOST:PORT"),
    ],
)
def test_an_address_that_is_none_is_told(said, words, econjax, assert_told, tmp_path):
    (tmp_path / "sweep.toml").write_text("[incomes]\nagents = 50\n")
    assert_told(econjax("sweep", tmp_path / "sweep.toml", "--ray", said), words)
    assert_told(econjax("study", "votes", "--ray", said), words)


def test_addresses_say_what_ray_is_told():
    assert cluster_address("local") == ("local", None)
    assert cluster_address("local:3") == ("local", 3)
    assert cluster_address("auto") == ("auto", None)
    assert cluster_address("10.0.0.1:6379") == ("10.0.0.1:6379", None)
