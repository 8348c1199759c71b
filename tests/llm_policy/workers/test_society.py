import re
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import (
    Atkinson,
    BracketSchedule,
    Economy,
    Isoelastic,
    Population,
    Quasilinear,
    Rawlsian,
    Utilitarian,
)
from econjax.planning import summarise
from llm_policy.engines.base import EngineError
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.memory.workers import latest
from llm_policy.prompts.objectives import OBJECTIVES
from llm_policy.prompts.workers import Style
from llm_policy.workers.context import check_context, longest_question
from llm_policy.workers.llm import LLMWorkers
from llm_policy.workers.reports import mean_report
from llm_policy.workers.society import Society
from tests.helpers.laboratory import settled

N = 10
KEY = jax.random.key(0)
PEOPLE = [f"You are person {i}." for i in range(N)]
FIELDS = ("equivalent", "rebate", "income", "labor", "gini", "utility", "utility_spread")

pytestmark = pytest.mark.usefixtures("x64")


@pytest.fixture
def law():
    return BracketSchedule([0.0, 11_600.0, 100_000.0], [0.1, 0.25, 0.4])


@pytest.fixture
def flat(law):
    return BracketSchedule(law.thresholds, [0.3] * 3)


class Told(ScriptedEngine):
    """Works `hours(worker, step)`, is satisfied if `feels(worker, step)` is "yes", keeps prompts.

    Steps count from 1.
    """

    def __init__(self, hours=lambda i, step: 30 + i, feels=lambda i, step: "yes"):
        self.asked, self.judged, self.room = [], [], 0
        self._hours, self._feels = hours, feels
        super().__init__(str)

    def complete(self, prompts, schema, **options):
        judging = "satisfied" in schema["properties"]
        self.room = self.room if judging else options["max_tokens"]
        (self.judged if judging else self.asked).append(prompts)
        step, said = len(self.asked), self._feels if judging else self._hours

        def answer(prompt):
            value = said(int(re.search(r"You are person (\d+)", prompt.personal)[1]), step)
            return f'{{"satisfied": "{value}"}}' if judging else f'{{"hours": {value}}}'

        return ScriptedEngine(answer).complete(prompts, schema, **options)


def economy_of(preferences=None, skill=None):
    preferences = Quasilinear(0.25) if preferences is None else preferences
    skill = np.geomspace(200.0, 3_000.0, N) if skill is None else np.full(N, skill)
    population = Population(skill, taste=np.linspace(0.6, 0.9, N))
    return Economy(population=population, preferences=preferences)


def society_of(
    engine,
    *,
    welfare=None,
    preferences=None,
    skill=None,
    asks=False,
    counts=False,
    subsistence=None,
    **options,
):
    options = {"attempts": 1, "asks_satisfaction": asks} | options
    if "aims" in options:
        options["welfare"] = "Welfare is the average of what a year is worth to all."
    workers = LLMWorkers(engine, economy_of(preferences, skill), PEOPLE, **options)
    return Society(
        workers,
        Utilitarian() if welfare is None else welfare,
        satisfaction_counts=counts,
        subsistence=subsistence,
    )


def live(society, *schedules, steps=2, **options):
    """Live tax years one after another; return the last report, the state and every step."""
    state, lived, report = society.begin(schedules[0]), [], None
    for schedule in schedules:
        report, state = society.tax_year(
            KEY, state, schedule, steps=steps, on_step=lambda *seen: lived.append(seen), **options
        )
    return report, state, lived


def test_hours_said_by_whoever_else_make_the_same_years_as_a_model_that_says_them(law, flat):
    model, silent = Told(), Told()
    own, theirs = society_of(model), society_of(silent)
    instead = Society(theirs.workers, theirs.welfare, subsistence=None, labor=own.workers.labor)
    reports = [live(society, law, flat)[0] for society in (own, instead)]
    for field in FIELDS:
        np.testing.assert_array_equal(*(getattr(report, field) for report in reports))
    assert not silent.asked


def test_all_begin_with_a_step_of_40_hours_under_the_law(law):
    society = society_of(Told())
    state = society.begin(law)
    outcome = settled(society.workers.economy, law, jnp.full(N, 40.0))
    first = latest(state.memory)
    np.testing.assert_array_equal(first.labor, 40)
    np.testing.assert_allclose(first.tax, outcome.tax)
    np.testing.assert_allclose(first.result, outcome.utility)
    assert state.rebate == pytest.approx(float(outcome.rebate))
    assert (state.step, state.tax_year) == (0, 0)


def test_a_step_is_what_settles_the_hours_said(law):
    society = society_of(Told())
    report, state, [(_, step, _)] = live(society, law, steps=1)
    outcome = settled(society.workers.economy, law, jnp.arange(N) + 30.0)
    for name in ("labor", "income", "tax", "consumption", "utility", "rebate"):
        np.testing.assert_allclose(
            getattr(step.outcome, name), getattr(outcome, name), err_msg=name
        )
    expected = eqx.filter_jit(summarise)(society.workers.economy, law, outcome, Utilitarian())
    for name in FIELDS:
        np.testing.assert_allclose(
            getattr(report, name), getattr(expected, name), rtol=1e-12, err_msg=name
        )
    remembered = latest(state.memory)
    for name, values in (
        ("labor", outcome.labor),
        ("income", outcome.income),
        ("result", outcome.utility),
    ):
        np.testing.assert_allclose(getattr(remembered, name), values, err_msg=name)
    np.testing.assert_allclose(remembered.rebate, outcome.rebate)


def test_the_report_of_a_year_is_the_mean_of_its_steps_and_its_error(law):
    report, _, lived = live(society_of(Told(lambda i, step: 50 - 5 * step + i)), law, steps=3)
    for name in FIELDS:
        values = [float(getattr(seen, name)) for _, _, seen in lived]
        assert float(getattr(report, name)) == pytest.approx(np.mean(values), rel=1e-12), name
    society, moved = society_of(Told()), np.zeros(N)
    for i in range(N):
        for _, step, seen in lived:
            hours = np.array(step.outcome.labor)
            hours[i] = np.delete(hours, i).mean()  # without its own luck
            without = settled(society.workers.economy, law, jnp.asarray(hours)).utility.mean()
            moved[i] += (float(seen.equivalent) - float(without)) / 3
    assert float(report.standard_error) == pytest.approx(np.sqrt((moved**2).sum()), rel=1e-9)


def test_the_mean_of_independent_years_has_the_error_of_their_spread(law):
    society = society_of(Told(lambda i, step: 50 - 5 * step + i))
    years = [society.tax_year(KEY, society.begin(law), law, steps=1)[0] for _ in range(4)]
    results = [float(year.equivalent) for year in years]
    mean = mean_report(years)
    assert float(mean.equivalent) == pytest.approx(np.mean(results), rel=1e-12)
    assert float(mean.standard_error) == pytest.approx(np.std(results, ddof=1) / 2, rel=1e-9)
    assert mean_report(years[:1]).standard_error == years[0].standard_error


def test_each_step_is_asked_with_the_memory_of_the_one_before_and_judged_with_its_own_rebate(law):
    engine = Told(lambda i, step: 60 - 10 * step)
    society = society_of(engine, asks=True)
    live(society, law, steps=2)
    economy = society.workers.economy
    for before, now, asked, judged in zip(
        (40, 50), (50, 40), engine.asked, engine.judged, strict=True
    ):
        rebates = [
            f"${round(float(settled(economy, law, jnp.full(N, float(hours))).rebate)):,}"
            for hours in (before, now)
        ]
        latest_line = re.findall(r"Step \d: (\d+) hours.*rebate (\$[\d,]+),", asked[0].personal)[-1]
        assert latest_line == (str(before), rebates[0])
        assert f"The last one was {rebates[1]} a year." in judged[0].shared
        assert "The last one was" not in asked[0].shared


def test_steps_and_tax_years_are_numbered_through_the_run(law, flat):
    engine = Told()
    _, state, lived = live(society_of(engine), law, flat, steps=2)
    assert [number for number, *_ in lived] == [1, 2, 3, 4]
    assert (state.step, state.tax_year) == (4, 2)
    assert [int(re.search(r"tax year (\d)", asked[0].shared)[1]) for asked in engine.asked] == [
        1,
        1,
        2,
        2,
    ]
    assert state.memory.last.tax_year[-4:, 0].tolist() == [1, 1, 2, 2]


def test_past_laws_are_named_with_their_rates_and_the_oldest_forgotten(law):
    engine = Told()
    laws = [eqx.tree_at(lambda s: s.rates, law, jnp.full(3, n / 100)) for n in range(1, 13)]
    live(society_of(engine), *laws, steps=1)
    named = re.findall(r"In tax year (\d+) the rates were (.*)\.", engine.asked[-1][0].shared)
    assert named == [(f"{n}", f"{n} %, {n} %, {n} %") for n in range(2, 12)]
    assert "above $100,000: 12 %" in engine.asked[-1][0].shared


def test_trying_ends_with_the_tax_year_and_where_the_run_says(law):
    engine = Told()
    live(society_of(engine), law, law, steps=3, exploit=lambda number: number > 4)
    late = ["No more trying" in asked[0].personal for asked in engine.asked]
    assert late == [False, False, True, False, True, True]


def test_the_shared_text_is_one_in_a_tax_year(law, flat):
    engine = Told(lambda i, step: 40 + step)
    live(society_of(engine), law, flat, steps=3)
    texts = [{prompt.shared for prompt in asked} for asked in engine.asked]
    assert texts[0] == texts[1] == texts[2] != texts[3]
    assert texts[3] == texts[4] == texts[5]
    assert all(len(text) == 1 for text in texts)


def test_who_was_not_understood_remembers_no_such_step_and_moves_nobody(law):
    """Worker 3 mumbles in the second step: the others are settled as if it had never been there."""
    society = society_of(Told(lambda i, step: "forty" if (i, step) == (3, 2) else 35 + i))
    report, state, lived = live(society, law, steps=2)
    _, step, seen = lived[1]
    weight = step.economy.population.weight
    assert weight[3] == 0
    budget = weight @ (step.outcome.income - step.outcome.consumption)
    assert abs(float(budget)) < 1e-9 * float(seen.income)
    assert float(seen.understood) == pytest.approx(0.9)
    assert float(report.understood) == pytest.approx(0.95)
    assert latest(state.memory).step.tolist() == [1 if i == 3 else 2 for i in range(N)]


def test_understood_is_a_share_of_those_asked(law):
    fixed = np.where(np.arange(N) < 6, 40.0, np.nan)
    society = society_of(
        Told(lambda i, step: "forty" if i == 9 else 35), fixed=fixed, most_unread=0.5
    )
    report, *_ = live(society, law, steps=1)
    assert float(report.understood) == pytest.approx(3 / 4)


def test_too_many_who_are_not_understood_stop_the_run(law):
    with pytest.raises(EngineError, match="30%"):
        live(society_of(Told(lambda i, step: "forty" if i < 3 else 35)), law)


def test_one_model_lives_among_fixed_workers(law):
    engine = Told()
    fixed = np.where(np.arange(N) == 4, np.nan, 45.0)
    _, state, lived = live(society_of(engine, fixed=fixed, asks=True), law, steps=2)
    assert [len(asked) for asked in engine.asked + engine.judged] == [1] * 4
    np.testing.assert_array_equal(lived[1][1].outcome.labor, np.where(np.isnan(fixed), 34, 45))
    assert np.isnan(latest(state.memory).satisfied).tolist() == [i != 4 for i in range(N)]


def by_aim(aims, own, welfare):
    return np.select(
        [aims == OBJECTIVES.index("altruistic"), aims == OBJECTIVES.index("adversarial")],
        [welfare, -welfare],
        own,
    )


def test_every_worker_remembers_what_it_aims_at_from_the_first_step_on(law):
    """Else its own utility would stay an adversary's best result for ever."""
    aims = np.arange(N) % 3
    society = society_of(Told(), aims=aims)
    first = settled(society.workers.economy, law, jnp.full(N, 40.0))
    welfare = float(Utilitarian().equivalent(society.workers.economy.population, first))
    expected = by_aim(aims, np.asarray(first.utility), welfare)
    np.testing.assert_allclose(latest(society.begin(law).memory).result, expected, rtol=1e-12)
    _, state, lived = live(society, law, steps=2)
    _, step, seen = lived[1]
    expected = by_aim(aims, np.asarray(step.outcome.utility), float(seen.equivalent))
    np.testing.assert_allclose(latest(state.memory).result, expected, rtol=1e-12)


def test_where_satisfaction_is_asked_nobody_knows_its_own_result_before_it_was(law):
    aims = np.arange(N) % 3
    state = society_of(Told(), asks=True, aims=aims).begin(law)
    assert np.isnan(latest(state.memory).result).tolist() == (aims == 0).tolist()


def test_discontent_halves_the_result_that_is_remembered(law):
    society = society_of(Told(feels=lambda i, step: "no" if i < 5 else "yes"), asks=True)
    _, state, lived = live(society, law, steps=1)
    utility = np.asarray(lived[0][1].outcome.utility)
    expected = np.where(np.arange(N) < 5, utility / 2, utility)
    np.testing.assert_allclose(latest(state.memory).result, expected, rtol=1e-12)
    assert latest(state.memory).satisfied.tolist() == [float(i >= 5) for i in range(N)]


def test_discontent_is_worse_where_utility_is_negative(law):
    society = society_of(Told(lambda i, step: 100, lambda i, step: "no"), asks=True)
    _, state, lived = live(society, law, steps=1)
    utility = np.asarray(lived[0][1].outcome.utility)
    assert (utility < 0).any()
    np.testing.assert_allclose(
        latest(state.memory).result, utility - np.abs(utility) / 2, rtol=1e-12
    )


def test_satisfaction_is_asked_about_the_step_that_has_just_passed(law):
    engine = Told(lambda i, step: 30 + step)
    live(society_of(engine, asks=True), law, steps=2)
    for number, asked in enumerate(engine.judged, start=1):
        told = re.findall(r"Step (\d): (\d+) hours", asked[0].personal)
        assert told == [(str(number), str(30 + number))]


@pytest.mark.parametrize("codes", [("yes", "no"), ("A", "B")])
def test_in_choice_mode_satisfaction_is_chosen_and_no_schema_is_asked(law, codes):
    """Where nobody knows the model's tokens, letters stand for yes and no."""

    class Chooser(Told):
        def __init__(self):
            super().__init__()
            self.offered = []

        def choose(self, prompts, options):
            self.offered.append((len(prompts), tuple(options)))
            pick = "20" if "20" in options else options[1]
            return ScriptedEngine(lambda prompt: pick).choose(prompts, options)

        def count(self, texts):
            return [1 for _ in texts]

        def describe(self):
            tokenizer = "estimated" if codes == ("A", "B") else "exact"
            return replace(super().describe(), tokenizer=tokenizer)

    engine = Chooser()
    fixed = np.where(np.arange(N) < 6, 40.0, np.nan)
    society = society_of(engine, asks=True, style=Style(mode="choice"), fixed=fixed)
    *_, [(_, step, _)] = live(society, law, steps=1)
    assert (engine.asked, engine.judged) == ([], [])
    assert engine.offered[1] == (4, codes)
    np.testing.assert_array_equal(step.satisfied, [np.nan] * 6 + [0.0] * 4)


def test_one_workers_silence_changes_no_question_to_another(law, flat):
    """Worker 0 was last understood in the tax year before."""
    judged = []
    for silent in (False, True):
        engine = Told(lambda i, step, dumb=silent: "hm" if dumb and (i, step) == (0, 3) else 40 + i)
        live(
            society_of(engine, asks=True, fixed=[np.nan] * 2 + [40.0] * 8, most_unread=0.5),
            law,
            flat,
        )
        judged.append([re.sub(r"\$[\d,]+", "$", prompt.personal) for prompt in engine.judged[2]])
    assert judged[0][1:] == judged[1]


def test_who_was_not_understood_is_not_asked_how_it_liked_a_step_it_was_not_in(law):
    engine = Told(lambda i, step: "forty" if i == 3 else 35)
    live(society_of(engine, asks=True), law, steps=1)
    assert not any("You are person 3." in prompt.personal for prompt in engine.judged[0])


def test_a_satisfaction_that_cannot_be_read_leaves_the_result_unknown(law):
    society = society_of(Told(feels=lambda i, step: "well" if i == 7 else "no"), asks=True)
    _, state, lived = live(society, law, steps=1)
    assert np.isnan(latest(state.memory).result).tolist() == [i == 7 for i in range(N)]
    assert lived[0][1].answers.understood.all()


def test_satisfaction_enters_welfare_only_if_it_counts(law):
    def feels(i, step):
        return "no" if i < 5 else "yes"

    told, counted = (
        live(society_of(Told(feels=feels), asks=True, counts=c), law, steps=1)
        for c in (False, True)
    )
    utility = np.asarray(told[2][0][1].outcome.utility)
    assert float(told[0].equivalent) == pytest.approx(utility.mean(), rel=1e-12)
    halved = np.where(np.arange(N) < 5, utility / 2, utility)
    assert float(counted[0].equivalent) == pytest.approx(halved.mean(), rel=1e-12)
    assert float(counted[0].income) == pytest.approx(float(told[0].income), rel=1e-12)


def test_welfare_in_which_satisfaction_counts_is_of_those_whose_answer_is_known(law):
    society = society_of(
        Told(feels=lambda i, step: "hm" if i == 7 else "yes"), asks=True, counts=True
    )
    report, _, lived = live(society, law, steps=1)
    utility = np.delete(np.asarray(lived[0][1].outcome.utility), 7)
    assert float(report.equivalent) == pytest.approx(utility.mean(), rel=1e-12)


def test_understood_counts_the_answers_that_welfare_rests_on(law):
    def feels(i, step):
        return "hm" if i == 7 else "yes"

    for counts, share in ((False, 1.0), (True, 3 / 4)):
        fixed = np.where(np.arange(N) < 6, 40.0, np.nan)
        options = {"asks": True, "counts": counts, "fixed": fixed, "most_unread": 0.5}
        report, *_ = live(society_of(Told(feels=feels), **options), law, steps=1)
        assert float(report.understood) == pytest.approx(share)


def test_hours_and_satisfaction_together_must_be_known_of_enough(law):
    """A tenth mumbles its hours and a ninth of the others its satisfaction: a fifth is left out."""
    engine = Told(lambda i, step: "hm" if i == 0 else 40, lambda i, step: "hm" if i == 9 else "yes")
    live(society_of(engine, asks=True, most_unread=0.12), law, steps=1)
    with pytest.raises(EngineError, match=r"20% .* on hours and satisfaction together"):
        live(society_of(engine, asks=True, counts=True, most_unread=0.12), law, steps=1)


def test_welfare_of_nobody_is_no_number_but_an_error(law):
    """One half mumbles its hours and the other half its satisfaction."""
    engine = Told(lambda i, step: "hm" if i < 5 else 40, lambda i, step: "hm" if i >= 5 else "yes")
    with pytest.raises(EngineError):
        live(society_of(engine, asks=True, counts=True, most_unread=0.5), law, steps=1)


def test_a_step_can_be_reported_under_another_welfare_without_asking_again(law):
    engine = Told(lambda i, step: 70)
    society = society_of(engine)
    *_, [(_, step, _)] = live(society, law, steps=1)
    worst = society.report(step, law, Rawlsian())
    assert float(worst.equivalent) == pytest.approx(float(step.outcome.utility.min()))
    assert len(engine.asked) == 1


def test_words_are_never_about_what_is_not_a_number(law):
    """From the first step on, with mumbling, in both units, whatever is asked."""
    preferences = Isoelastic(1.5, exponent=3.0, scale=1e-6, unit=30_000.0)
    for wants in (None, preferences):
        engine = Told(
            lambda i, step: "hm" if (i + step) % 9 == 0 else 30 + i,
            lambda i, step: "hm" if (i + step) % 8 == 0 else "no",
        )
        live(
            society_of(engine, preferences=wants, asks=True, aims=np.arange(N) % 3),
            law,
            law,
            steps=3,
        )
        for prompt in (prompt for asked in engine.asked + engine.judged for prompt in asked):
            for text in prompt:
                assert not re.search(r"\bnan\b|\binf\b|\?(?!\Z)", text), text


def test_nothing_left_to_consume_is_said_in_words(law):
    """Who works 0 hours where no tax is paid back has a utility of -inf."""
    untaxed = eqx.tree_at(lambda s: s.rates, law, jnp.zeros(3))
    preferences = Isoelastic(1.5, exponent=3.0, scale=1e-6, unit=30_000.0)
    engine = Told(lambda i, step: 0 if i == 0 else 40)
    report, *_ = live(society_of(engine, preferences=preferences), untaxed, steps=4)
    assert report.equivalent == -jnp.inf
    assert np.isnan(report.standard_error)
    assert not re.search(r"\bnan\b|\binf\b|On average", engine.asked[-1][0].personal)
    assert "On average" in engine.asked[-1][1].personal


@pytest.mark.parametrize(
    "style", [Style(history=3, best=2), Style(history=9, best=0), Style(mode="choice", history=5)]
)
@pytest.mark.parametrize(
    "preferences", [None, Isoelastic(1.5, exponent=3.0, scale=1e-6, unit=30_000.0)]
)
def test_no_prompt_of_a_run_is_longer_than_was_checked(law, style, preferences):
    """Late in rich people's run, in short and long tax years; in characters, 64 for a template."""

    class Long(Told):
        def count(self, texts):
            return [1 if len(text) < 4 else len(text) for text in texts]

        def choose(self, prompts, options):
            (self.asked if "40" in options else self.judged).append(prompts)
            likelihood = {"20": 1e9, "30": 1e9}.get
            return ScriptedEngine(str, likelihood=lambda p, o: likelihood(o, 1.0)).choose(
                prompts, options
            )

    for per_year in (1, 12):
        engine = Long(lambda i, step: 40.25 + step + i, lambda i, step: "no")
        society = society_of(
            engine, asks=True, style=style, preferences=preferences, skill=30_000.0
        )
        state = society.begin(law)
        checked = check_context(engine, [longest_question(society.workers, law)])
        laws = {
            year: eqx.tree_at(lambda s: s.rates, law, law.rates + 1 / 9_999)
            for year in range(990, 1_001)
        }
        state = replace(state, step=10_000, tax_year=1_000, laws=laws)
        for _ in range(24 // per_year):
            _, state = society.tax_year(KEY, state, laws[1_000], steps=per_year)
        longest = max(sum(map(len, prompt)) for asked in engine.asked for prompt in asked)
        assert longest + society.workers.answer_tokens + 64 <= checked


def test_voters_read_the_law_and_what_they_remember_but_no_question(law):
    society = society_of(Told())
    _, state, _ = live(society, law, steps=2)
    shared, own = society.voters(state)
    assert "$0 to $11,600: 10 %" in shared
    assert f"The last one was ${round(state.rebate):,} a year." in shared
    for i, text in enumerate(own):
        assert text.startswith(f"You are person {i}.")
        assert f"Step 2: {30 + i} hours" in text
        assert "?" not in text


def test_the_same_key_lives_the_same_run(law, flat):
    class Dice(Told):
        def choose(self, prompts, options):
            return ScriptedEngine(str, likelihood=lambda prompt, option: 1.0).choose(
                prompts, options
            )

    style = Style(mode="choice")
    one, other = (live(society_of(Dice(), style=style), law, flat) for _ in range(2))
    assert eqx.tree_equal(one[0], other[0])
    labor = [np.asarray(step.outcome.labor) for _, step, _ in one[2]]
    assert all((labor[i] != labor[j]).any() for i in range(4) for j in range(i))


def test_no_step_after_the_first_compiles_again(law, flat, compilations):
    society = society_of(Told(), asks=True, counts=True)
    _, state, _ = live(society, law, steps=2)
    with compilations() as compiled:
        society.tax_year(KEY, state, flat, steps=2)
    assert not compiled


def test_satisfaction_cannot_count_unasked():
    with pytest.raises(ValueError, match="only if workers are asked"):
        society_of(Told(), counts=True)


def test_welfare_in_dollars_needs_utility_in_dollars():
    preferences = Isoelastic(1.5, exponent=3.0, scale=1e-6, unit=30_000.0)
    with pytest.raises(ValueError, match="dollars"):
        society_of(Told(), preferences=preferences, welfare=Atkinson(1.0))


@pytest.mark.parametrize("steps", [0, -1])
def test_a_tax_year_has_steps(law, steps):
    with pytest.raises(ValueError, match=f"at least 1 step; got {steps}"):
        live(society_of(Told()), law, steps=steps)
