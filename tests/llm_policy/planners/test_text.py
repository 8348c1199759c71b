import json
import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from econjax import Atkinson, BracketSchedule, Economy, Quasilinear, calibrate, gb2, us_federal
from econjax.bounds import RateBounds
from econjax.planning import RationalEvaluator, Report, plan
from econjax.welfare.statistics import BracketStatistics
from llm_policy.answers.reading import STEPS, changes_answer, rates_answer, schema
from llm_policy.engines.base import EngineError
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.planners.text import LLMPlanner
from llm_policy.prompts.planner import PlannerStyle
from llm_policy.prompts.welfare import WELFARE

KEY = jax.random.key(0)
THRESHOLDS = [0, 20_000, 80_000]
GOAL = "Your aim is the average."
_NUMBERS = {name: jnp.zeros(9 if "deciles" in name else ()) for name in Report.__dataclass_fields__}
REPORT = Report(**_NUMBERS | {"brackets": BracketStatistics(*[jnp.zeros(3)] * 4), "gradient": None})
RATES = PlannerStyle(answer="rates")


class Script(ScriptedEngine):
    """Gives the `answers` in order, the last one for ever, and keeps what it was asked."""

    def __init__(self, *answers):
        self.prompts, self.requests = [], []
        super().__init__(lambda prompt: answers[min(len(self.prompts), len(answers)) - 1])

    def complete(self, prompts, schema, **options):
        self.prompts += prompts
        self.requests.append((schema, options))
        return super().complete(prompts, schema, **options)


def answer(*changes):
    return f'{{"changes": [{", ".join(map(str, changes))}]}}'


def planner(*answers, rates=(0.1, 0.2, 0.3), **options):
    engine, options = Script(*answers), {"goal": GOAL, "bounds": RateBounds(0.0, 1.0)} | options
    model = LLMPlanner(engine, BracketSchedule(THRESHOLDS, list(rates)), **options)
    return model, engine, model.asker.tally


def report(equivalent, standard_error=0.0):
    blank = jax.tree.map(jnp.zeros_like, REPORT)
    at = jnp.asarray(float(equivalent)), jnp.asarray(standard_error)
    return eqx.tree_at(lambda r: (r.equivalent, r.standard_error), blank, at)


def run(planner, results):
    """Let the planner propose and hear `results`, one each; return schedules and last state."""
    state, schedules = planner.init(KEY), []
    for result in results:
        schedule, state = planner.ask(KEY, state)
        schedules.append(schedule)
        state = planner.tell(state, schedule, report(result))
    return schedules, state


def rates(*percent):
    return json.dumps({"rates_percent": percent})


def rates_of(schedules):
    return [np.asarray(schedule.rates, float).round(6).tolist() for schedule in schedules]


def said_rates(text):
    """Return the rates of a prompt's best and latest trials, each with its result."""
    best, latest = text.replace("$", "").split("The latest tax years")
    return [
        [
            (
                tuple(round(float(rate) / 100, 6) for rate in shown.split(" %, ")),
                float(result.replace(",", "")),
            )
            for shown, result in re.findall(
                r"- rates ([-\d., %]+) %: result (-?[\d,.]+) a year", half
            )
        ]
        for half in (best, latest)
    ]


def test_the_first_proposal_is_the_start_and_asks_no_model():
    model, engine, tally = planner(answer(10, 10, 10))
    schedules, _ = run(model, [1.0])
    np.testing.assert_array_equal(schedules[0].rates, model.start.rates)
    np.testing.assert_array_equal(schedules[0].thresholds, THRESHOLDS)
    assert not engine.prompts
    assert tally.asked == 0


def test_changes_add_up_on_the_schedule_in_force_not_on_the_best():
    model, *_ = planner(answer(10, -10, 20), answer(10, 0, -20), answer(0, 10, 10))
    schedules, _ = run(model, [5.0, 1.0, 2.0, 0.0])
    assert rates_of(schedules) == [
        [0.1, 0.2, 0.3],
        [0.2, 0.1, 0.5],
        [0.3, 0.1, 0.3],
        [0.3, 0.2, 0.4],
    ]


@given(
    st.lists(st.integers(0, 100), min_size=3, max_size=3),
    st.lists(st.lists(st.sampled_from(STEPS), min_size=3, max_size=3), min_size=1, max_size=4),
)
def test_rates_move_by_the_changes_and_stay_between_0_and_1(start, moves):
    model, *_ = planner(*(answer(*move) for move in moves), rates=[rate / 100 for rate in start])
    schedules, _ = run(model, [1.0] * (len(moves) + 1))
    expected = np.array(start)
    for schedule, move in zip(schedules[1:], moves, strict=True):
        expected = np.clip(expected + move, 0, 100)
        np.testing.assert_allclose(schedule.rates, expected / 100, atol=1e-6)
        assert np.all((schedule.rates >= 0) & (schedule.rates <= 1))


@pytest.mark.parametrize("rates", [(0.1, 0.2, 0.3), (1 / 3, 2 / 3, 0.123456)])
@pytest.mark.parametrize("attempts", [1, 3])
def test_a_planner_that_cannot_be_read_leaves_the_schedule_and_is_counted(rates, attempts):
    model, engine, tally = planner("raise them all", rates=rates, attempts=attempts)
    schedules, _ = run(model, [1.0, 1.0])
    np.testing.assert_array_equal(schedules[1].rates, model.start.rates)
    assert (tally.asked, tally.read) == (attempts, 0)
    assert len(engine.prompts) == attempts
    assert len(set(engine.prompts)) == 1


def test_a_change_of_nothing_leaves_the_schedule():
    model, *_ = planner(answer(0, 0, 0), rates=(1 / 3, 2 / 3, 0.123456))
    schedules, _ = run(model, [1.0, 1.0])
    np.testing.assert_array_equal(schedules[1].rates, model.start.rates)


@pytest.mark.parametrize(
    "unreadable", ["", answer(10, 10), answer(10, 10, 10, 10), answer(15, 0, 0), '{"changes']
)
def test_whoever_cannot_be_read_is_asked_again(unreadable):
    model, engine, tally = planner(unreadable, unreadable, answer(10, 0, 0))
    schedules, _ = run(model, [1.0, 1.0])
    assert rates_of(schedules)[1] == [0.2, 0.2, 0.3]
    assert (tally.asked, tally.read) == (3, 1)
    assert engine.requests[0][0] == schema(changes_answer(3))


def test_after_silence_the_planner_is_asked_anew():
    model, _, tally = planner("", "", "", answer(10, 0, 0))
    schedules, _ = run(model, [1.0, 1.0, 1.0])
    assert rates_of(schedules) == [[0.1, 0.2, 0.3], [0.1, 0.2, 0.3], [0.2, 0.2, 0.3]]
    assert (tally.asked, tally.read) == (4, 1)


@pytest.mark.parametrize(
    "results", [[3.0, 2.0, 1.0], [1.0, 3.0, 2.0], [1.0, 2.0, 3.0], [-1.0, -3.0, -2.0]]
)
def test_it_recommends_the_best_it_has_seen(results):
    model, *_ = planner(answer(10, 0, 0))
    schedules, state = run(model, results)
    best = schedules[int(np.argmax(results))]
    np.testing.assert_array_equal(model.recommend(state).rates, best.rates)


def test_the_model_reads_what_was_told_and_no_more():
    model, engine, _ = planner(answer(10, 0, 0), style=PlannerStyle(shown=2))
    results = [100.0, 400.0, 200.0, 300.0, 50.0]
    schedules, _ = run(model, results)
    trials = [
        (tuple(rates), result) for rates, result in zip(rates_of(schedules), results, strict=True)
    ]
    assert len(engine.prompts) == 4
    for step, prompt in enumerate(engine.prompts, start=1):
        best, latest = said_rates(prompt.personal)
        told = trials[:step]
        assert latest == told[-2:]
        assert best == sorted(told, key=lambda trial: -trial[1])[:2]
        assert GOAL in prompt.shared


def test_a_schedule_that_was_tried_twice_is_one_among_the_best():
    model, engine, _ = planner(answer(10, 0, 0), answer(-10, 0, 0))
    run(model, [1.0, 4.0, 9.0, 0.0])
    best, latest = said_rates(engine.prompts[2].personal)
    assert best == [((0.1, 0.2, 0.3), 5.0), ((0.2, 0.2, 0.3), 4.0)]
    assert "result $5 a year (standard error $4), mean of 2 tax years" in engine.prompts[2].personal
    assert [result for _, result in latest] == [1.0, 4.0, 9.0]


def test_it_recommends_the_best_mean_not_the_luckiest_year():
    model, *_ = planner(answer(10, 0, 0), answer(-10, 0, 0), answer(10, 0, 0))
    schedules, state = run(model, [9.0, 6.0, 1.0])
    np.testing.assert_array_equal(model.recommend(state).rates, schedules[1].rates)


def test_before_anything_it_recommends_the_start():
    model, *_ = planner(answer(10, 0, 0))
    np.testing.assert_array_equal(model.recommend(model.init(KEY)).rates, model.start.rates)


@given(st.lists(st.integers(0, 100_000), min_size=3, max_size=3))
def test_rates_are_per_cent_and_never_guessed(mills):
    model, engine, _ = planner(rates(*(mill / 1000 for mill in mills)), style=RATES)
    schedules, _ = run(model, [1.0, 1.0])
    np.testing.assert_allclose(schedules[1].rates, np.array(mills) / 1e5, atol=1e-6)
    assert engine.requests[0][0] == schema(rates_answer(3))


@pytest.mark.parametrize(
    "unreadable", [rates(10, 20, 101), rates(-1, 0, 0), rates(10, 20), answer(0, 0, 0)]
)
def test_rates_beyond_0_and_100_per_cent_are_not_read(unreadable):
    model, *_, tally = planner(unreadable, rates(0.5, 12, 100), style=RATES)
    schedules, _ = run(model, [1.0, 1.0])
    assert rates_of(schedules)[1] == [0.005, 0.12, 1.0]
    assert (tally.asked, tally.read) == (2, 1)


def test_the_start_stays_for_the_warm_up():
    model, engine, _ = planner(answer(10, 0, 0), warmup=3)
    schedules, _ = run(model, [1.0] * 5)
    assert [r[0] for r in rates_of(schedules)] == [0.1, 0.1, 0.1, 0.2, 0.3]
    assert len(engine.prompts) == 2
    assert "mean of 3 tax years" in engine.prompts[0].personal


def test_a_thought_comes_before_the_answer():
    model, engine, _ = planner(
        '{"thought": "raise {them}", "changes": [10, 0, 0]}', style=PlannerStyle(think=True)
    )
    schedules, _ = run(model, [1.0, 1.0])
    assert rates_of(schedules)[1] == [0.2, 0.2, 0.3]
    [(wanted, options)] = engine.requests
    assert list(wanted["properties"]) == ["thought", "changes"]
    assert options["max_tokens"] > 400


def asks(*percent):
    return json.dumps({"what_if": percent, "changes": None})


def proposes(*changes):
    return json.dumps({"what_if": None, "changes": changes})


def test_questions_are_answered_counted_and_limited():
    asked = []

    def what_if(schedule):
        asked.append(np.asarray(schedule.rates, float).round(6).tolist())
        return report(1000.0 * len(asked))

    replies = (
        asks(10, 20, 30),
        asks(40, 50, 60),
        proposes(10, 0, 0),
        asks(5, 5, 5),
        proposes(0, 10, 0),
    )
    model, engine, tally = planner(*replies, what_if=what_if, queries=2)
    schedules, state = run(model, [1.0, 2.0, 3.0])
    assert asked == [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.05, 0.05, 0.05]]
    assert rates_of(schedules)[1:] == [[0.2, 0.2, 0.3], [0.2, 0.3, 0.3]]
    assert state.queries == 3
    assert (tally.asked, tally.read) == (5, 5)
    assert [trial.equivalent for trial in state.trials] == [
        1.0,
        2.0,
        3.0,
    ]  # questions are no tax years
    texts = [prompt.personal for prompt in engine.prompts]
    assert [re.findall(r"questions left this tax year: (\d)", text) for text in texts] == [
        *(["2"], ["1"], [], ["2"], ["1"])
    ]
    assert "- rates 40 %, 50 %, 60 %: $2,000 a year" in texts[2]
    assert "$2,000" not in texts[3]
    offers = ["what_if" in wanted["properties"] for wanted, _ in engine.requests]
    assert offers == [True, True, False, True, True]


@pytest.mark.parametrize(
    "nonsense", [asks(10, 20), '{"what_if": "all of it", "changes": [10, 0, 0]}', asks()]
)
def test_a_question_that_cannot_be_read_is_no_answer(nonsense):
    model, _, tally = planner(
        nonsense, proposes(0, 0, 10), what_if=lambda schedule: 1 / 0, queries=1
    )
    schedules, state = run(model, [1.0, 1.0])
    assert rates_of(schedules)[1] == [0.1, 0.2, 0.4]
    assert (tally.asked, tally.read, state.queries) == (2, 1, 0)


def test_who_only_ever_asks_gets_no_further():
    model, _, tally = planner(asks(10, 20, 30), what_if=lambda schedule: report(1.0), queries=4)
    schedules, state = run(model, [1.0, 1.0])
    np.testing.assert_array_equal(schedules[1].rates, model.start.rates)
    assert (state.queries, state.unread, tally.asked, tally.read) == (4, 1, 7, 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"warmup": -1}, "warm-up is a number of tax years, 0 or more; got -1"),
        ({"queries": 2}, "need both what_if and queries above 0; got None and 2"),
        ({"what_if": report}, "need both what_if and queries above 0; got .* and 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        planner("", **options)


def climber():
    """Return an engine that moves one rate of the best schedule that it reads by 10 points."""
    count = iter(range(10**6))

    def say(prompt):
        best = np.array(said_rates(prompt.personal)[0][0][0])
        [current] = re.findall(
            r"Current rates, from the lowest bracket: (.*) %\.\n", prompt.personal
        )
        current = np.array([float(rate) for rate in current.split(" %, ")]) / 100
        step = next(count)
        move = np.zeros_like(best)
        move[step // 2 % len(best)] = (0.1, -0.1)[step % 2]
        changes = 100 * (np.clip(best + move, 0, 1) - current)
        return answer(*changes.round().astype(int))

    return ScriptedEngine(say)


def test_a_model_that_reads_its_prompt_climbs():
    law = us_federal(2024)
    start = BracketSchedule(law.thresholds, jnp.zeros(7))
    economy = Economy(population=calibrate(gb2(100), law), preferences=Quasilinear(0.25))
    evaluate, model = (
        RationalEvaluator(economy, Atkinson(1.0)),
        LLMPlanner(climber(), start, goal=GOAL),
    )
    found, tally = plan(KEY, model, evaluate, steps=60), model.asker.tally
    results = [float(report.equivalent) for report in found.reports]
    assert tally.read == tally.asked == 59
    assert evaluate.counts == {"value": 60, "gradient": 0, "what_if": 0}
    assert float(evaluate.value(found.recommended).equivalent) == max(results)
    flat = evaluate.value(BracketSchedule(law.thresholds, jnp.full(7, 0.3)))
    assert max(results) > float(flat.equivalent) > results[0]


def test_a_planner_that_can_hardly_ever_be_read_ends_the_run():
    model, engine, _ = planner("no", attempts=1)
    with pytest.raises(
        EngineError, match=r"could not be read in 3 of 4 tax years; the last was 'no'"
    ):
        run(model, [1.0] * 10)
    assert len(engine.prompts) == 3
    # Two silences in ten trials are as many as may be.
    model, *_ = planner("no", "no", *[answer(0, 0, 0)] * 20, attempts=1)
    run(model, [1.0] * 12)


def test_a_planner_writes_its_own_goal():
    start = BracketSchedule(THRESHOLDS, [0.1, 0.2, 0.3])
    for spec in WELFARE.values():
        own = LLMPlanner(Script(), start, spec.welfare)
        assert spec.words in own.prompt(own.init(KEY)).shared
    with pytest.raises(ValueError, match=r"No words tell a language model of Atkinson.*goal="):
        LLMPlanner(Script(), start, Atkinson(3.0))
    assert LLMPlanner(Script(), start, Atkinson(3.0), goal="Be good.").goal == "Be good."
    with pytest.raises(ValueError, match="No words tell a language model of None"):
        LLMPlanner(Script(), start)
