"""Answers are recorded as they come: whatever ends a batch, those that came are kept."""

import itertools

import pytest

from llm_policy.engines.base import Choices, EngineError, Interrupted, Prompt
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.engines.wrappers.journal import Journal
from llm_policy.engines.wrappers.lockstep import in_step
from llm_policy.engines.wrappers.parallel import Parallel

PROMPTS = [Prompt("You work.", f"Your skill is {skill}.") for skill in range(12)]
ENDS = {
    "interrupt": KeyboardInterrupt(),
    "failure": EngineError("the line is cut"),
    "failure that hands over": Interrupted("the line is cut", [], []),
    "mistake": ValueError("no such option"),
}
WHAT = {"complete": {}, "choose": ["A", "B"]}


class Telling(ScriptedEngine):
    """Tells so many answers of a batch, the last ones first, and then ends it, if by anything."""

    def __init__(self, *, told=None, end=None):
        super().__init__(lambda prompt: prompt.personal, likelihood=lambda p, o: len(p.personal))
        self.hear = None
        self.told, self.end = told, end
        self.asked = []

    def complete(self, prompts, schema, **options):
        self.asked += prompts
        return self._tell(super().complete(prompts, schema, **options), lambda said, at: [said[at]])

    def choose(self, prompts, options):
        self.asked += prompts

        def row(scores, at):
            return Choices(*(column[at : at + 1] for column in vars(scores).values()))

        return self._tell(super().choose(prompts, options), row)

    def _tell(self, said, row):
        places = range(len(said if isinstance(said, list) else said.leaked))
        for at in [*reversed(places)][: self.told]:
            assert self.hear is not None
            self.hear([at], row(said, at))
        if self.end is not None:
            raise self.end
        return said


def ask(engine, verb, prompts):
    return getattr(engine, verb)(prompts, WHAT[verb])


@pytest.mark.parametrize("verb", ["complete", "choose"])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(("told", "chunk"), [(0, 99), (1, 99), (6, 99), (12, 99), (2, 5)])
def test_what_has_come_is_kept_and_the_rest_asked_again(tmp_path, verb, end, told, chunk):
    path = tmp_path / "journal.sqlite"
    journal = Journal(Telling(told=told, end=ENDS[end]), path, chunk=chunk)
    with pytest.raises(type(ENDS[end]) if told == 0 or "fail" not in end else EngineError):
        ask(journal, verb, PROMPTS)
    assert journal.kept == told
    journal.close()
    healthy = Telling()
    journal = Journal(healthy, path)
    whole = ask(journal, verb, PROMPTS)
    assert len(healthy.asked) == len(PROMPTS) - told
    assert (journal.kept, journal.asked, journal.unused) == (12, 12 - told, 0)
    journal.close()
    alone = ask(Telling(told=0), verb, PROMPTS)
    if verb == "complete":
        assert whole == alone
    else:
        assert whole.logprob.tolist() == alone.logprob.tolist()


def test_seconds_of_answers_that_come_apart_sum_to_the_time_of_the_batch(tmp_path):
    journal = Journal(Telling(), tmp_path / "journal.sqlite")
    ask(journal, "complete", PROMPTS)
    once = journal.seconds
    journal.close()
    journal = Journal(None, tmp_path / "journal.sqlite")
    ask(journal, "complete", PROMPTS)
    assert journal.seconds == pytest.approx(once)
    assert once > 0
    journal.close()


@pytest.mark.parametrize("verb", ["complete", "choose"])
@pytest.mark.parametrize("kind", [Telling, lambda: ScriptedEngine(lambda prompt: "A")])
def test_engines_in_parallel_tell_by_the_places_of_the_whole_batch(verb, kind):
    several = Parallel([kind() for _ in range(3)])
    heard = {}

    def hear(places, answers):
        for row, place in enumerate(places):
            assert place not in heard
            heard[place] = answers[row] if verb == "complete" else answers.logprob[row].tolist()

    several.hear = hear
    whole = ask(several, verb, PROMPTS)
    assert sorted(heard) == list(range(12))
    for place, answer in heard.items():
        assert answer == (whole[place] if verb == "complete" else whole.logprob[place].tolist())


def test_an_interrupted_parallel_batch_is_kept_as_far_as_it_came(tmp_path):
    engines = [Telling(told=1, end=EngineError("the line is cut")) for _ in range(2)]
    journal = Journal(Parallel(engines), tmp_path / "journal.sqlite")
    with pytest.raises(EngineError, match="the line is cut"):
        ask(journal, "complete", [*PROMPTS, *PROMPTS])
    assert journal.kept == sum(bool(engine.asked) for engine in engines) > 0
    journal.close()


@pytest.mark.parametrize("runs", [1, 2, 5])
def test_an_interrupt_ends_all_runs_in_step(runs):
    counter = itertools.count()

    def answer(prompt):
        if next(counter) == 2 * runs:
            raise KeyboardInterrupt
        return "40"

    def run(engine):
        while True:
            engine.complete(PROMPTS[:1], {})

    with pytest.raises(KeyboardInterrupt):
        in_step(ScriptedEngine(answer), [run] * runs)
