import re
from collections import Counter
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
from llm_policy.answers.reading import HOURS
from llm_policy.engines.base import Choices, EngineError
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.engines.wrappers.dedupe import Dedupe
from llm_policy.memory.workers import Records, remember
from llm_policy.prompts.workers import Situation, Style
from llm_policy.workers.context import check_context, longest_question
from llm_policy.workers.llm import Answers, LLMWorkers, present, settle_answers

N = 10
LAW = BracketSchedule([0.0, 11_600.0, 100_000.0], [0.1, 0.25, 0.4])
NOW = Situation(LAW, 1, {}, 5_000.0, "explore")
KEY = jax.random.key(0)
WELFARE = "Welfare is the average of what a year is worth to all."
PEOPLE = [f"You are person {i}." for i in range(N)]
CHOICE = Style(mode="choice")
every_welfare = pytest.mark.parametrize(
    "welfare", [Atkinson(1.0), Rawlsian()], ids=["log", "rawls"]
)


def people():
    return Population(np.geomspace(200.0, 3_000.0, N), taste=np.linspace(0.6, 0.9, N))


def economy_of(population=None):
    population = people() if population is None else population
    return Economy(population=population, preferences=Quasilinear(0.25))


def person(prompt):
    return int(re.search(r"You are person (\d+)", prompt.personal)[1])


class Asked(ScriptedEngine):
    """Answers `say(worker, time)`, with `time` from 1, and keeps who was asked in each batch."""

    def __init__(self, say):
        self.batches, self.requests = [], []
        super().__init__(lambda prompt: say(person(prompt), len(self.batches)))

    def complete(self, prompts, schema, **options):
        self.batches.append([person(prompt) for prompt in prompts])
        self.requests.append((schema, options))
        return super().complete(prompts, schema, **options)


class Scores(ScriptedEngine):
    """Finds options as likely as `chance` says; hours are `letters` if nobody knows its tokens."""

    def __init__(self, chance, *, leaked=0.0, letters=False):
        super().__init__(str)
        self.chance, self.leaked, self.letters, self.prompts = (
            np.asarray(chance, float),
            leaked,
            letters,
            [],
        )

    def choose(self, prompts, options):
        self.prompts.append(list(prompts))
        logprob = np.log(np.broadcast_to(self.chance, (len(prompts), len(options))))
        tokens = np.ones(len(prompts), int)
        return Choices(logprob, np.broadcast_to(self.leaked, len(prompts)), tokens, 0 * tokens)

    def count(self, texts):
        return [1 for _ in texts]

    def describe(self):
        return replace(super().describe(), tokenizer="estimated" if self.letters else "exact")


def hours_of(i):
    return 20 + 3 * i


def clear(i, time=1):
    return f'{{"hours": {hours_of(i)}}}'


def silent(*dumb, until=99):
    """Return a script in which workers `dumb` mumble until asked for the `until`-th time."""
    return lambda i, time: "about forty" if i in dumb and time < until else clear(i)


def ask(say, **options):
    engine = Asked(say)
    workers = LLMWorkers(engine, economy_of(), PEOPLE, **options)
    return workers.labor(KEY, NOW, workers.begin()), engine, workers.asker.tally


def choose(engine, key=KEY, *, style=CHOICE, agents=N, **options):
    economy = Economy(population=Population(np.full(agents, 900.0)), preferences=Quasilinear(0.25))
    workers = LLMWorkers(engine, economy, scenario="rational", style=style, **options)
    return workers.labor(key, NOW, workers.begin())


settle_said = eqx.filter_jit(settle_answers)


@eqx.filter_jit
def report(economy, answers, welfare):
    economy, outcome = settle_answers(economy, LAW, answers)
    return summarise(economy, LAW, outcome, welfare)


def test_hours_land_in_the_row_of_the_worker_who_gave_them():
    answers, engine, tally = ask(clear)
    assert answers.labor.tolist() == [hours_of(i) for i in range(N)]
    assert answers.understood.all()
    assert not answers.leaked.any()
    assert engine.batches == [list(range(N))]
    assert (tally.asked, tally.read) == (N, N)


@pytest.mark.parametrize("hours", [0, 37.5, 100, 12.345])
def test_any_hours_from_0_to_100_may_be_written(hours):
    answers, *_ = ask(lambda i, time: f'{{"hours": {hours}}}')
    np.testing.assert_allclose(answers.labor, hours, rtol=1e-6)


@pytest.mark.parametrize("text", ['{"hours": 101}', '{"hours": -1}', '{"hours": null}', "40"])
def test_other_answers_are_not_understood_and_never_replaced(text):
    answers, *_ = ask(lambda i, time: text if i == 3 else clear(i))
    assert answers.understood.tolist() == [i != 3 for i in range(N)]
    assert answers.labor[3] == 0


def test_a_thought_comes_before_the_hours_and_has_more_room():
    _, plain, _ = ask(clear)
    answers, thinking, _ = ask(
        lambda i, time: f'{{"thought": "so be it", "hours": {hours_of(i)}}}',
        style=Style(think=True),
    )
    (schema, options), (longer, more) = plain.requests[0], thinking.requests[0]
    assert list(schema["properties"]) == schema["required"] == ["hours"]
    assert list(longer["properties"]) == longer["required"] == ["thought", "hours"]
    assert more["max_tokens"] > options["max_tokens"]
    assert answers.labor.tolist() == [hours_of(i) for i in range(N)]


def test_whoever_is_not_understood_is_asked_again_alone():
    answers, engine, tally = ask(silent(7, 2, until=2))
    assert engine.batches == [list(range(N)), [2, 7]]
    assert answers.labor.tolist() == [hours_of(i) for i in range(N)]
    assert answers.understood.all()
    assert (tally.asked, tally.read) == (N + 2, N)


@pytest.mark.parametrize("mode", ["text", "choice"])
def test_limits_are_those_of_the_asker(mode):
    """How answers are asked again, and how many may be left out, is said in test_asking."""
    if mode == "text":
        _, engine, _ = ask(silent(4), attempts=2)
        assert engine.batches == [list(range(N)), [4]]
        with pytest.raises(EngineError, match=r"30% .* after 2 attempts \(at most 25%\)"):
            ask(silent(1, 2, 3), attempts=2, most_unread=0.25)
    else:
        with pytest.raises(EngineError, match=r"30% .* as a choice \(at most 25%\)"):
            choose(Scores(np.full(11, 1 / 11), leaked=np.arange(N) < 3), most_unread=0.25)


@pytest.mark.parametrize("letters", [False, True])
def test_a_draw_depends_on_the_key_and_the_workers_place_and_on_no_other_worker(letters):
    chance = np.full(11, 1 / 11)
    whole = choose(Scores(chance, letters=letters)).labor
    for others in (np.arange(N) != 4, np.arange(N) % 3 > 0):
        fixed = np.where(others, 33.0, np.nan)
        part = choose(Scores(chance, letters=letters), fixed=fixed).labor
        np.testing.assert_array_equal(part, np.where(others, 33.0, whole))
    np.testing.assert_array_equal(choose(Scores(chance, letters=letters)).labor, whole)
    assert (choose(Scores(chance, letters=letters), jax.random.key(1)).labor != whole).any()


@pytest.mark.parametrize("reverse", [False, True])
def test_whoever_picks_the_letter_of_40_hours_works_40_hours(reverse):
    class Reader(Scores):
        def choose(self, prompts, options):
            letters = [
                re.search(r"([A-Z]) = 40 hours a week", prompt.personal)[1] for prompt in prompts
            ]
            self.chance = np.array(
                [[float(option == letter) for option in options] for letter in letters]
            )
            with np.errstate(divide="ignore"):
                return super().choose(prompts, options)

    answers = choose(Reader(1, letters=True), style=replace(CHOICE, reverse=reverse), agents=44)
    np.testing.assert_array_equal(answers.labor, 40)
    assert answers.understood.all()


def test_a_model_that_always_says_the_same_letter_works_all_hours_equally_often():
    always = np.arange(11) == 3
    with np.errstate(divide="ignore"):
        labor = choose(Scores(always, letters=True), agents=44).labor.tolist()
    assert Counter(labor) == dict.fromkeys(HOURS, 4)


def test_whose_options_are_not_known_is_not_understood():
    leaked = np.where(np.arange(N) == 6, 1.0, 0.999)
    answers = choose(Scores(np.full(11, 1 / 11), leaked=leaked), most_leaked=1.0)
    assert answers.understood.tolist() == [i != 6 for i in range(N)]
    assert answers.labor[6] == 0
    np.testing.assert_array_equal(answers.leaked, leaked)
    with pytest.raises(EngineError, match=r"100% of the probability is on none of the options"):
        choose(Scores(np.full(11, 1 / 11), leaked=leaked))


@pytest.mark.parametrize("letters", [False, True])
def test_who_leaks_more_than_the_limit_is_not_understood(letters):
    leaked = np.where(np.arange(N) == 6, 0.51, 0.5)
    engine = Scores(np.full(11, 1 / 11), leaked=leaked, letters=letters)
    answers = choose(engine)
    assert answers.understood.tolist() == [i != 6 for i in range(N)]
    assert answers.labor[6] == 0
    assert choose(engine, most_leaked=0.51).understood.all()


def test_hours_have_letters_where_nobody_knows_the_tokens():
    for letters in (False, True):
        engine = Scores(np.full(11, 1 / 11), letters=letters)
        choose(engine)
        for prompt in engine.prompts[0]:
            assert bool(re.search(r"[A-K] = 40 hours a week", prompt.personal)) == letters
            assert ("one letter from A to K" in prompt.shared) == letters


def test_a_model_without_single_tokens_cannot_choose():
    class Syllables(Scores):
        def count(self, texts):
            return [2 for _ in texts]

    with pytest.raises(ValueError, match="neither for numbers nor for letters: use text mode"):
        choose(Syllables(1, letters=True))
    assert choose(Syllables(np.full(11, 1 / 11))).understood.all()


def test_workers_alike_are_asked_once_where_options_are_numbers():
    engine = Scores(np.full(11, 1 / 11))
    labor = choose(Dedupe(engine), agents=44).labor
    assert [len(batch) for batch in engine.prompts] == [1]
    np.testing.assert_array_equal(labor, choose(Scores(np.full(11, 1 / 11)), agents=44).labor)
    assert len(set(labor.tolist())) > 5


@pytest.mark.parametrize("mode", ["text", "choice"])
def test_fixed_workers_work_their_hours_and_are_never_asked(mode):
    fixed = np.full(N, 45.0)
    fixed[2] = np.nan
    if mode == "text":
        answers, engine, _ = ask(clear, fixed=fixed)
        assert engine.batches == [[2]]
        assert answers.labor.tolist() == [hours_of(2) if i == 2 else 45 for i in range(N)]
    else:
        engine = Scores(np.full(11, 1 / 11))
        answers = choose(engine, fixed=fixed)
        assert [len(batch) for batch in engine.prompts] == [1]
        assert np.delete(np.asarray(answers.labor), 2).tolist() == [45] * (N - 1)
    assert answers.understood.all()


def test_a_population_of_fixed_workers_asks_nobody():
    answers, engine, tally = ask(clear, fixed=np.full(N, 40.0))
    assert answers.labor.tolist() == [40] * N
    assert (engine.batches, tally.asked) == ([], 0)
    assert choose(Scores(np.full(11, 1 / 11)), fixed=np.full(N, 40.0)).labor.tolist() == [40] * N


def test_the_share_left_out_is_of_those_asked():
    fixed = np.where(np.arange(N) < 5, 40.0, np.nan)
    with pytest.raises(EngineError, match="40% of the workers' answers"):
        ask(silent(5, 6), fixed=fixed)


@pytest.mark.parametrize("mode", ["text", "choice"])
def test_a_step_needs_someone_a_fixed_worker_if_nobody_else(mode):
    def labor(fixed):
        if mode == "text":
            return ask(silent(*range(N)), fixed=fixed, most_unread=1.0)[0]
        return choose(Scores(np.full(11, 1 / 11), leaked=1.0), fixed=fixed, most_unread=1.0)

    with pytest.raises(EngineError, match="Nobody is left in this step"):
        labor(np.full(N, np.nan))
    answers = labor(np.where(np.arange(N) == 3, 45.0, np.nan))
    assert answers.understood.tolist() == [i == 3 for i in range(N)]
    assert answers.labor.tolist() == [45.0 * (i == 3) for i in range(N)]


@pytest.mark.parametrize("scenario", ["rational", "bounded"])
def test_a_result_is_defined_once_and_welfare_for_those_who_aim_at_it(scenario):
    aims, persons = np.arange(N) % 3, PEOPLE if scenario == "bounded" else None
    workers = LLMWorkers(
        Asked(clear),
        economy_of(),
        persons,
        scenario=scenario,
        aims=aims,
        welfare=WELFARE,
        asks_satisfaction=True,
    )
    for aim, text in zip(aims, map(str, workers.lines), strict=True):
        assert text.count("result of a step") == 1
        assert (WELFARE in text) == (aim > 0)
        assert ("to harm" in text) == (aim == 2)
        assert ("half of it is lost" in text) == (aim == 0)


@pytest.mark.parametrize("mode", ["text", "choice"])
@pytest.mark.parametrize("longest", [37.5, 200.0])
def test_the_longest_week_limits_schema_form_menu_and_reader(mode, longest):
    economy = Economy(population=people(), preferences=Quasilinear(0.25), max_labor=longest)
    most = min(longest, 100)
    offered = [hours for hours in HOURS if hours <= most]
    if mode == "text":
        engine = Asked(lambda i, time: f'{{"hours": {most + (i == 3) * 0.5}}}')
        workers = LLMWorkers(engine, economy, PEOPLE, attempts=1)
        answers = workers.labor(KEY, NOW, workers.begin())
        assert engine.requests[0][0]["properties"]["hours"]["maximum"] == most
        assert answers.understood.tolist() == [i != 3 for i in range(N)]
        assert f"from 0 to {most:g}." in workers.prompts(NOW, workers.begin())[0].shared
        return
    for letters in (False, True):
        count = len(offered)
        workers = LLMWorkers(
            Scores(np.full(count, 1 / count), letters=letters), economy, PEOPLE, style=CHOICE
        )
        assert list(workers.choice_set.values) == offered
        assert set(workers.labor(KEY, NOW, workers.begin()).labor.tolist()) <= set(offered)


def test_only_those_understood_are_asked_whether_they_are_satisfied():
    class Judge(Asked):
        def complete(self, prompts, schema, **options):
            assert list(schema["properties"]) == ["satisfied"]
            return super().complete(prompts, schema, **options)

    engine = Judge(
        lambda i, time: "well" if i == 8 else f'{{"satisfied": "{"yes" if i % 2 else "no"}"}}'
    )
    fixed = np.where(np.arange(N) < 2, 40.0, np.nan)
    workers = LLMWorkers(
        engine, economy_of(), PEOPLE, fixed=fixed, attempts=2, asks_satisfaction=True
    )
    memory = remember(workers.begin(), Records(*[np.ones(N)] * 8))
    found = workers.satisfied(KEY, NOW, memory, np.arange(N) != 5)
    assert engine.batches == [[2, 3, 4, 6, 7, 8, 9], [8]]
    np.testing.assert_array_equal(found, [np.nan, np.nan, 0, 1, 0, np.nan, 0, 1, np.nan, 1])


def test_rational_workers_read_a_formula_and_bounded_ones_a_person_and_prices():
    rational = LLMWorkers(Asked(clear), economy_of(), scenario="rational")
    bounded = LLMWorkers(Asked(clear), economy_of(), PEOPLE)
    for formal, alive, text in zip(rational.lines, bounded.lines, PEOPLE, strict=True):
        assert "(weekly hours / 40" in str(formal)
        assert "(weekly hours / 40" not in str(alive)
        assert str(alive).startswith(text)
        assert "more weekly hour is to you like losing" in alive.means


def test_an_own_result_is_in_dollars_only_where_utility_is():
    preferences = Isoelastic(1.5, exponent=3.0, scale=1e-6, unit=30_000.0)
    for wants, dollars in ((Quasilinear(0.25), True), (preferences, False)):
        for lines in LLMWorkers(
            Asked(clear), Economy(population=people(), preferences=wants), PEOPLE
        ).lines:
            assert ("result of a step is the money you keep minus" in str(lines)) == dollars
            assert ("in utils" in str(lines)) != dollars


def test_prompts_of_many_workers_take_no_computation_of_jax(compilations):
    """An operation on an array of so many workers would compile here for the first time."""
    economy = Economy(population=Population(np.full(2_000, 900.0)), preferences=Quasilinear(0.25))
    workers = LLMWorkers(Asked(clear), economy, ["You are person 1."] * 2_000)
    now = Records(*[np.ones(2_000)] * 8)
    with compilations() as compiled:
        assert len(workers.prompts(NOW, remember(workers.begin(), now))) == 2_000
    assert not compiled


def test_a_context_that_is_too_short_is_an_error_with_both_lengths():
    class Short(Asked):
        context = 0

        def describe(self):
            return replace(super().describe(), context=self.context)

    engine = Short(clear)
    workers = LLMWorkers(engine, economy_of(), PEOPLE)
    longest = [longest_question(workers, LAW)]
    length = check_context(engine, longest)
    for engine.context in (0, length):
        assert check_context(engine, longest) == length
    engine.context = length - 1
    with pytest.raises(
        ValueError,
        match=rf"A worker's longest .* {length:,} tokens, .* holds {length - 1:,}: raise",
    ):
        check_context(engine, longest)


@pytest.mark.parametrize(
    ("style", "longer"),
    [
        (Style(history=20), True),
        (Style(best=6), True),
        (Style(think=True), True),
        (Style(history=2), False),
        (Style(nudges=False), False),
        (Style(averages=False), False),
        (CHOICE, False),
    ],
)
def test_the_length_checked_grows_with_what_is_read_and_written(style, longer):
    def length(style):
        workers = LLMWorkers(Asked(clear), economy_of(), PEOPLE, style=style)
        return check_context(workers.engine, [longest_question(workers, LAW)])

    plain, other = length(Style()), length(style)
    assert other != plain
    assert (other > plain) == longer


@pytest.mark.parametrize(
    ("personas", "options", "message"),
    [
        (None, {}, "Bounded workers have personas: give their texts"),
        (PEOPLE, {"scenario": "rational"}, "Rational workers have no personas: leave them out"),
        (PEOPLE[:3], {}, f"There are {N} workers and 3 personas: give one each"),
        (PEOPLE, {"scenario": "rationed"}, r"rationed"),
        (
            PEOPLE,
            {"aims": np.zeros(3, int)},
            rf"aims has one entry per worker, {N} in all; got shape \(3,\)",
        ),
        (PEOPLE, {"fixed": np.zeros((N, 1))}, "fixed has one entry per worker"),
        (PEOPLE, {"aims": np.full(N, 3), "welfare": WELFARE}, r"Aims are places .* got \{3\}"),
        (PEOPLE, {"aims": np.full(N, -1), "welfare": WELFARE}, r"Aims are places .* got \{-1\}"),
        (PEOPLE, {"fixed": np.full(N, 140.0)}, r"Fixed hours are 0 to 100 a week.*140"),
        (PEOPLE, {"fixed": np.full(N, -1.0)}, r"Fixed hours are 0 to 100 a week.*-1"),
        (PEOPLE, {"aims": np.arange(N) % 2}, "have to be told what it is: give `welfare` in words"),
        (PEOPLE, {"attempts": 0}, "got 0 attempts"),
    ],
)
def test_what_does_not_fit_is_an_error_that_says_so(personas, options, message):
    with pytest.raises(ValueError, match=message):
        LLMWorkers(Asked(clear), economy_of(), personas, **options)


def test_lists_are_as_good_as_arrays():
    answers, engine, _ = ask(clear, aims=[0] * N, fixed=[40.0] * (N - 1) + [float("nan")])
    assert engine.batches == [[N - 1]]
    assert answers.labor[0] == 40


def test_the_weight_of_the_left_out_is_spread_in_proportion():
    weight = np.arange(1, N + 1) / np.arange(1, N + 1).sum()
    population = Population(np.arange(1.0, N + 1), weight=weight)
    understood = np.arange(N) != 4
    spread = np.asarray(present(population, jnp.asarray(understood)).weight)
    assert spread[4] == 0
    assert spread.sum() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(
        spread[understood], weight[understood] / weight[understood].sum(), rtol=1e-6
    )


def test_if_all_are_understood_the_population_is_the_same(x64):
    population = people()
    whole = present(population, jnp.ones(N, bool))
    np.testing.assert_allclose(whole.weight, population.weight, rtol=1e-15)


def test_the_budget_balances_among_those_present(x64):
    answers, *_ = ask(silent(0, 9))
    economy, outcome = settle_said(economy_of(), LAW, answers)
    weight = economy.population.weight
    assert abs(float(weight @ (outcome.income - outcome.consumption))) < 1e-9 * float(
        weight @ outcome.income
    )
    assert float(outcome.rebate) == pytest.approx(float(outcome.tax[1:9].mean()), rel=1e-12)


@every_welfare
def test_the_left_out_are_as_if_they_had_never_been_there(x64, welfare):
    economy, out = economy_of(), [0, 5]
    answers, *_ = ask(silent(*out))
    stay = np.delete(np.arange(N), out)
    population = economy.population
    alone = economy_of(Population(population.skill[stay], taste=population.taste[stay]))
    expected = report(
        alone, Answers(answers.labor[stay], answers.understood[stay], np.zeros(8)), welfare
    )
    found = report(economy, answers, welfare)
    for name in (
        "equivalent",
        "rebate",
        "income",
        "labor",
        "gini",
        "floored",
        "utility",
        "income_deciles",
    ):
        one, other = getattr(found, name), getattr(expected, name)
        np.testing.assert_allclose(one, other, rtol=1e-9, err_msg=name)
    for name in ("share", "base", "weighted_base", "active"):
        one, other = getattr(found.brackets, name), getattr(expected.brackets, name)
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9, err_msg=name)


@every_welfare
def test_nothing_about_a_left_out_worker_matters(x64, welfare):
    answers, *_ = ask(silent(3))
    economy = economy_of()
    before = report(economy, answers, welfare)
    other = eqx.tree_at(
        lambda e: (e.population.skill, e.population.taste),
        economy,
        (economy.population.skill.at[3].multiply(1e4), economy.population.taste.at[3].set(0.01)),
    )
    assert eqx.tree_equal(before, report(other, answers, welfare))
    assert not eqx.tree_equal(
        before, report(other, answers._replace(understood=jnp.ones(N, bool)), welfare)
    )


def test_the_worst_off_is_someone_present(x64):
    """Effort of 100 hours makes worker 9 the worst off, but only while it is there."""
    labor = jnp.full(N, 40.0).at[9].set(100.0)
    for there in (True, False):
        answers = Answers(labor, jnp.ones(N, bool).at[9].set(there), np.zeros(N))
        economy, outcome = settle_said(economy_of(), LAW, answers)
        others = outcome.utility[:9].min()
        assert Rawlsian()(economy.population, outcome) == (outcome.utility[9] if there else others)
        assert outcome.utility[9] < others


def test_a_left_out_worker_with_nothing_to_consume_spoils_no_welfare(x64):
    """Its hours count as 0, so that at a zero rate its utility is -inf."""
    untaxed = eqx.tree_at(lambda s: s.rates, LAW, jnp.zeros(3))
    preferences = Isoelastic(1.5, exponent=3.0, scale=1e-6, unit=30_000.0)
    answers, *_ = ask(silent(3))
    economy = Economy(population=people(), preferences=preferences)
    economy, outcome = settle_said(economy, untaxed, answers)
    assert outcome.utility[3] == -jnp.inf
    assert np.isfinite(Utilitarian()(economy.population, outcome))
    assert np.isfinite(Rawlsian()(economy.population, outcome))
