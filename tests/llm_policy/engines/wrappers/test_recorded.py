"""What is read of a journal is what was recorded, and reading leaves no trace."""

import numpy as np
import pytest

from llm_policy.engines.base import EngineError, Prompt
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.engines.wrappers.journal import Journal
from llm_policy.engines.wrappers.recorded import recorded_calls
from llm_policy.engines.wrappers.sealing import Damaged

OPTIONS = ("10", "20", "30")
PROMPTS = [Prompt("All read this.", f"Worker {place}") for place in range(4)]


@pytest.fixture
def journal(tmp_path):
    engine = ScriptedEngine(
        lambda prompt: f"said to {prompt.personal[:8]}",
        likelihood=lambda prompt, option: float(option) + len(prompt.personal),
    )
    return Journal(engine, tmp_path / "journal.sqlite", chunk=2)


def snapshot(folder):
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


@pytest.mark.parametrize("closed", [True, False])
def test_calls_are_read_in_order_as_they_were_answered(journal, tmp_path, closed):
    """Also those that a run which is not closed has in its log."""
    said = journal.complete(PROMPTS, {"type": "object"}, samples=2)
    chosen = journal.choose(PROMPTS, OPTIONS)
    journal.mark_unread(PROMPTS[1:2], 1)
    if closed:
        journal.close()
    before = snapshot(tmp_path)
    calls = list(recorded_calls(tmp_path / "journal.sqlite"))
    assert snapshot(tmp_path) == before
    assert [call.prompt for call in calls] == PROMPTS * 2
    assert [call.texts for call in calls[:4]] == [answer.texts for answer in said]
    assert [call.verb for call in calls] == ["complete"] * 4 + ["choose"] * 4
    for row, call in enumerate(calls[4:]):
        assert call.options == OPTIONS
        np.testing.assert_array_equal(call.chances, np.exp(chosen.logprob[row]))
        assert call.leaked == chosen.leaked[row]
    assert [call.unread for call in calls].count(True) == 1
    assert sum(sum(call.tokens) for call in calls) == (
        journal.prompt_tokens + journal.answer_tokens
    )


def test_a_damaged_and_a_missing_journal_are_told(journal, tmp_path):
    journal.complete([Prompt("a", "b" * 40_000)], {"type": "object"})
    journal.close()
    file = tmp_path / "journal.sqlite"
    file.write_bytes(file.read_bytes()[:-20_000])
    with pytest.raises(Damaged, match="is damaged"):
        list(recorded_calls(file))
    with pytest.raises(EngineError, match="There is no journal"):
        list(recorded_calls(tmp_path / "none.sqlite"))
