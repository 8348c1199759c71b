import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_policy.engines.base import Choices, Completion, EngineError, Interrupted, Prompt
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.engines.wrappers.budget import Budget, BudgetError, Usage, estimate
from llm_policy.engines.wrappers.dedupe import Dedupe
from llm_policy.engines.wrappers.journal import Journal

HOURS = {"type": "object"}
PROMPTS = [
    Prompt("You work a lot.", f"Your skill is {skill}.") for skill in range(5)
]  # 8 words each
usages = st.builds(Usage, *[st.integers(0, 9)] * 4, *[st.integers(0, 9).map(float)] * 2)


class Clock:
    """Seconds pass only within the engine: one per prompt."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


class Counting(ScriptedEngine):
    """Answers in two words, keeps how many prompts and texts it met, and breaks when it is told."""

    def __init__(self, clock=None):
        super().__init__(lambda prompt: "40 hours", likelihood=lambda prompt, option: 1.0)
        self.clock = clock or Clock()
        self.asked = self.counted = 0
        self.broken = False

    def complete(self, prompts, schema, *, samples=1, max_tokens=64):
        self.asked += len(prompts)
        self.clock.seconds += len(prompts)
        answers = super().complete(prompts, schema, samples=samples)
        answers = [Completion(a.texts, a.prompt_tokens, a.answer_tokens, 3) for a in answers]
        if self.broken:
            raise Interrupted("the line is cut", [0, 2], [answers[0], answers[2]])
        return answers

    def choose(self, prompts, options):
        self.asked += len(prompts)
        scores = super().choose(prompts, options)
        return Choices(
            scores.logprob, scores.leaked, scores.prompt_tokens, np.full(len(prompts), 3)
        )

    def count(self, texts):
        self.counted += len(texts)
        return super().count(texts)


def test_what_was_spent_is_what_the_engine_says():
    engine = Counting()
    budget = Budget(engine, prices=(1000.0, 50_000.0), clock=engine.clock)
    answers = budget.complete(PROMPTS, HOURS, samples=2)
    assert answers == Counting().complete(PROMPTS, HOURS, samples=2)
    assert budget.spent == Usage(5, 40, 15, 20, (40 * 1000 + 20 * 50_000) / 1e6, 5.0)
    scores = budget.choose(PROMPTS[:2], ["A", "B"])
    assert scores.logprob.shape == (2, 2)
    assert budget.spent == Usage(7, 56, 21, 22, 0.056 + 1.1, 5.0)


def test_without_a_limit_nothing_is_counted_and_nothing_refused():
    engine = Counting()
    budget = Budget(engine)
    for _ in range(100):
        budget.complete(PROMPTS, HOURS)
    assert engine.counted == 0
    assert budget.spent.prompts == 500


@pytest.mark.parametrize(
    ("limits", "passed"),
    [
        ({"tokens": 5 * (8 + 2 * 4)}, "take about 80 tokens, and 60 of 80 are spent"),
        (
            {"dollars": 2.0, "prices": (10_000.0, 40_000.0)},
            "take about 2 dollars, and 1.2 of 2 are spent",
        ),
        ({"seconds": 9.0}, "take about 5 seconds, and 5 of 9 are spent"),
    ],
)
def test_a_batch_that_would_pass_a_limit_is_refused_whole(limits, passed):
    """A batch needs 5 prompts of 8 words, and 4 tokens for each of 2 answers: 2 are written."""
    engine = Counting()
    budget = Budget(engine, clock=engine.clock, **limits)
    budget.complete(PROMPTS, HOURS, samples=2, max_tokens=4)  # as much as the limit is not too much
    before = budget.spent
    with pytest.raises(BudgetError) as caught:
        budget.complete(PROMPTS, HOURS, samples=2, max_tokens=4)
    assert isinstance(caught.value, EngineError)
    message = str(caught.value)
    assert message.startswith("The next 5 prompts would ")
    assert passed in message
    assert str(before) in message
    assert message.endswith("resume the run with a higher limit.")
    assert (engine.asked, budget.spent) == (5, before)


def test_choices_are_limited_too():
    engine = Counting()
    budget = Budget(engine, tokens=45)
    budget.choose(PROMPTS, ["A", "B"])
    with pytest.raises(BudgetError, match="take about 9 tokens, and 45 of 45 are spent"):
        budget.choose(PROMPTS[:1], ["A", "B"])
    assert engine.asked == 5


def test_texts_are_counted_near_the_limit_only_and_the_shared_text_once():
    """A batch has 5 * 31 bytes and may write 500 tokens; it spends 50."""
    engine = Counting()
    budget = Budget(engine, tokens=1000)
    for spent, counted in ((0, 0), (300, 0), (350, 6)):
        while budget.spent.prompt_tokens + budget.spent.answer_tokens <= spent:
            budget.complete(PROMPTS, HOURS, max_tokens=100)
        assert engine.counted == counted


def test_an_interrupted_batch_is_paid_as_far_as_it_was_answered():
    engine = Counting()
    budget = Budget(engine)
    engine.broken = True
    with pytest.raises(Interrupted, match="the line is cut"):
        budget.complete(PROMPTS, HOURS)
    assert (budget.spent.prompts, budget.spent.prompt_tokens, budget.spent.answer_tokens) == (
        2,
        16,
        4,
    )


def steps(engine):
    """Ask batch after batch until the budget stops it; return how many there were."""
    for step in itertools.count():
        prompts = [
            Prompt("You work.", f"Your skill is {i % 3}, and this is year {step}.")
            for i in range(6)
        ]
        try:
            engine.complete(prompts, HOURS, max_tokens=5)
            engine.choose(prompts, ["A", "B"])
        except BudgetError as error:
            return step, str(error)


@pytest.mark.parametrize("limit", [{"tokens": 500}, {"dollars": 1.0, "prices": (900.0, 5000.0)}])
def test_a_resumed_run_meets_the_limit_where_an_uninterrupted_one_does(tmp_path, limit):
    def run(engine):
        journal = Journal(engine, tmp_path / "journal.sqlite", chunk=2)
        budget = Budget(journal, clock=lambda: journal.seconds, **limit)
        try:
            return steps(Dedupe(budget)), budget.spent
        finally:
            journal.close()

    broken = Counting()
    broken.complete = broken_after(3, broken.complete)
    with pytest.raises(Interrupted):
        run(broken)
    resumed = run(Counting())
    assert resumed == run(None) == run(Counting())
    assert resumed[0][0] > 3


def broken_after(batches, complete):
    """Return `complete`, which is cut off in the middle of a later batch."""
    times = itertools.count()

    def call(prompts, schema, **options):
        answers = complete(prompts, schema, **options)
        if next(times) < 2 * batches:
            return answers
        raise Interrupted("the line is cut", [1], answers[1:2])

    return call


def test_the_estimate_of_a_run_is_its_truth_where_answers_have_the_length_foreseen():
    engine = Counting()
    prices = (2.5, 10.0)
    guess = estimate(
        engine, PROMPTS, batches=3, answer_tokens=2, prices=prices, seconds_per_prompt=1.0
    )
    assert engine.asked == 0
    budget = Budget(engine, prices=prices, clock=engine.clock)
    for _ in range(3):
        budget.complete(PROMPTS, HOURS)
    truth = budget.spent
    assert guess.dollars == pytest.approx(truth.dollars, rel=1e-12)
    for name in ("prompts", "prompt_tokens", "answer_tokens", "seconds"):
        assert getattr(guess, name) == getattr(truth, name)


def test_usage_in_one_line():
    guess = estimate(Counting(), PROMPTS, batches=1000, answer_tokens=2, prices=(2.5, 10.0))
    assert math.isnan(guess.seconds)
    assert (
        str(guess)
        == "5,000 prompts, 40,000 tokens read (0 cached), 10,000 written, $0.20, time unknown"
    )
    assert (
        str(Usage(1, 2, 1, 3, 4.567, 8.94))
        == "1 prompts, 2 tokens read (1 cached), 3 written, $4.57, 8.9 s"
    )


@given(usages, usages, usages)
def test_usages_add_up_in_any_order(a, b, c):
    assert (a + b) + c == c + (b + a)
    assert a + Usage() == a
    assert (a + b).cached_tokens == a.cached_tokens + b.cached_tokens


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tokens": 0}, "A limit of 0 tokens makes no sense: give a positive number"),
        ({"seconds": math.inf}, "A limit of inf seconds makes no sense"),
        ({"dollars": -1.0}, "A limit of -1.0 dollars makes no sense"),
        ({"dollars": 5.0}, "A limit of 5.0 dollars needs prices"),
        ({"prices": (-1.0, 2.0)}, r"Prices are dollars per million tokens.* not \(-1.0, 2.0\)"),
        ({"prices": (math.nan, 2.0)}, "Prices are dollars per million tokens"),
    ],
)
def test_limits_and_prices_that_make_no_sense(options, message):
    with pytest.raises(ValueError, match=message):
        Budget(Counting(), **options)
