import functools
import re
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import Atkinson, Economy, Quasilinear, calibrate, gb2, us_federal
from econjax.planning import RationalEvaluator
from llm_policy.answers.reading import HOURS
from llm_policy.audit.planner import recall
from llm_policy.audit.variation import expected_variation
from llm_policy.audit.workers import audit_workers
from llm_policy.engines.base import Prompt
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.engines.wrappers.currency import CURRENCIES, Currency, Renamed, rename
from llm_policy.planners.text import LLMPlanner
from llm_policy.prompts.planner import PlannerStyle
from llm_policy.prompts.workers import Situation, Style
from llm_policy.workers.llm import LLMWorkers
from llm_policy.workers.society import Society

N = 12
LAW = us_federal(2024)
CROWNS = Currency("crowns", 0.5)


class Model(ScriptedEngine):
    """Writes `hours(prompt)`, chooses by `likelihood`, and keeps the batches it was asked."""

    def __init__(self, hours=lambda prompt: 40, likelihood=None, *, tokenizer="exact"):
        self.batches, self.tokenizer = [], tokenizer
        super().__init__(lambda prompt: f'{{"hours": {hours(prompt)}}}', likelihood=likelihood)

    def choose(self, prompts, options):
        self.batches.append(prompts)
        return super().choose(prompts, options)

    def count(self, texts):
        return [1 for _ in texts]

    def describe(self):
        return replace(super().describe(), tokenizer=self.tokenizer)


def only(pick):
    """Return the likelihood of a model nearly certain of the option `pick(prompt)`."""
    return lambda prompt, option: 1.0 if option == pick(prompt) else 1e-12


@functools.cache
def economy_of():
    return Economy(population=calibrate(gb2(N), LAW), preferences=Quasilinear(0.25))


@functools.cache
def report_of():
    return RationalEvaluator(economy_of(), Atkinson(1.0)).value(LAW)


def audit_of(engine, *, samples=4, fixed=None, style=None, scenario="bounded", **options):
    people = [f"You are person {i}." for i in range(N)] if scenario == "bounded" else None
    style = style or Style(mode="choice")
    workers = LLMWorkers(engine, economy_of(), people, scenario=scenario, style=style, fixed=fixed)
    state = Society(workers, Atkinson(1.0)).begin(LAW)
    situation = Situation(LAW, 1, {}, state.rebate, "explore")
    return audit_workers(workers, situation, state.memory, samples=samples, **options)


@pytest.mark.parametrize(
    ("text", "renamed"),
    [
        ("$11,600", "5,800 crowns"),
        ("-$5,000 a year", "-2,500 crowns a year"),
        ("$0 to $11,600: 10 %", "0 crowns to 5,800 crowns: 10 %"),
        ("rebate $9,000, tax $7", "rebate 4,500 crowns, tax 4 crowns"),
        ("$2 or -$1", "1 crown or 0 crowns"),
        ("$1,234,567.80.", "617,284 crowns."),
        ("$50k, $1.2 million, 3,000 dollars", "25,000 crowns, 600,000 crowns, 1,500 crowns"),
        ("in dollars. Dollars? A dollar", "in crowns. Crowns? A crown"),
        ("Step 3 (tax year 2024): 40 hours, 12.5 %, p = 5 (a pure number)", None),
    ],
)
def test_money_is_renamed_and_nothing_else(text, renamed):
    assert rename(text, CROWNS) == (renamed or text)


@pytest.mark.parametrize("scenario", ["rational", "bounded"])
def test_no_dollar_is_left_in_what_workers_read_and_no_other_number_moves(scenario):
    engine = Model(likelihood=lambda prompt, option: 1.0)
    audit_of(engine, currencies=[CROWNS], scenario=scenario)
    plain, other = engine.batches[0], engine.batches[-1]
    for before, after in zip(plain, other, strict=True):
        text = "".join(after)
        assert "$" not in text
        assert not re.search("dollar", text, re.IGNORECASE)
        money = r"-?\$\d+(?:,\d{3})*|\d+(?:,\d{3})* crowns?|dollars?|crowns?"
        without = [re.sub(money, "#", "".join(prompt)) for prompt in (before, after)]
        assert without[0] == without[1]


@pytest.mark.parametrize("scenario", ["rational", "bounded"])
def test_relative_prices_stay_in_every_currency(scenario):
    engine = Model(likelihood=lambda prompt, option: 1.0)
    audit_of(engine, scenario=scenario)
    plain = [amount for prompt in engine.batches[0] for amount in amounts(prompt)]
    assert min(filter(None, plain)) < 1000
    for currency, batch in zip(CURRENCIES, engine.batches[-len(CURRENCIES) :], strict=True):
        other = [amount for prompt in batch for amount in amounts(prompt, currency.name)]
        np.testing.assert_allclose(other, currency.scale * np.array(plain), rtol=0.01)


def amounts(prompt, name=""):
    """Return the amounts of money in a prompt, in dollars or in the currency called `name`."""
    pattern = rf"(\d[\d,]*) {name.removesuffix('s')}s?\b" if name else r"\$(\d[\d,]*)"
    return [float(text.replace(",", "")) for text in re.findall(pattern, "".join(prompt))]


def test_renamed_speaks_the_protocol():
    engine = Model(lambda prompt: prompt.personal.count("crowns"), only(lambda prompt: "$5"))
    renamed = Renamed(engine, **CROWNS._asdict())
    assert (
        renamed.complete([Prompt("$4", "$6 and $8")], {}, samples=2)[0].texts
        == ('{"hours": 2}',) * 2
    )
    assert renamed.choose([Prompt("$4", "")], ["$4", "$5"]).logprob.argmax() == 1  # options stay
    assert engine.batches == [[Prompt("2 crowns", "")]]
    assert renamed.describe() == replace(engine.describe(), currency="crowns", currency_scale=0.5)
    assert renamed.count(["$4", "7"]) == [1, 1]


@pytest.mark.parametrize(
    ("name", "scale", "message"),
    [
        ("dollars", 1, "another word"),
        ("$", 1, "another word"),
        ("crowns", 0, "positive"),
        ("crowns", 1e999, "inf"),
    ],
)
def test_currencies_that_are_none(name, scale, message):
    with pytest.raises(ValueError, match=message):
        Renamed(Model(), name=name, scale=scale)


def test_the_noise_floor_is_that_of_draws():
    probabilities = np.array(
        [[0.2, 0.5, 0.3], [0.97, 0.03, 0.0], [1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]]
    )
    draws = np.array([5, 16, 7, 1])
    floor = expected_variation(probabilities, draws)
    key = jax.random.key(0)
    for row, number, found in zip(probabilities, draws.tolist(), floor, strict=True):
        places = jax.random.categorical(key, jnp.log(jnp.asarray(row)), shape=(20_000, 16))[
            :, :number
        ]
        shares = np.stack(
            [np.mean(np.asarray(places) == option, axis=1) for option in range(3)], axis=1
        )
        assert found == pytest.approx((np.abs(shares - row).sum(axis=1) / 2).mean(), abs=4e-3)
    assert np.isnan(expected_variation(probabilities[:1], np.array([0]))).all()


def test_a_model_whose_modes_agree_is_at_the_noise_floor():
    rng = np.random.default_rng(0)
    probabilities = np.arange(1, 12) / 66
    likelihood = dict(zip(map(str, HOURS), probabilities.tolist(), strict=True))
    found = audit_of(
        Model(
            lambda prompt: rng.choice(HOURS, p=probabilities),
            lambda prompt, option: likelihood.get(option, 1.0),
        ),
        samples=64,
    )
    assert found.disagreement == pytest.approx(found.noise_floor, rel=0.15)
    assert found.choice_hours == pytest.approx(probabilities @ np.array(HOURS))
    assert found.text_hours == pytest.approx(found.choice_hours, abs=3)
    assert (found.workers, found.samples, found.unreadable, found.unknown, found.leaked_max) == (
        N,
        64,
        0,
        0,
        0,
    )
    for shift in (found.again, found.reverse, found.phrasing, found.renamed):
        assert (shift.total_variation, shift.hours) == (0, 0)
    assert found.letters.total_variation > 0  # to letters it is indifferent


def test_modes_that_disagree():
    found = audit_of(Model(lambda prompt: 44.9, only(lambda prompt: "60")))
    assert found.disagreement == pytest.approx(1)
    assert found.noise_floor == pytest.approx(0, abs=1e-9)
    assert (found.choice_hours, found.text_hours) == pytest.approx((60, 44.9))


def test_a_text_counts_for_the_nearest_option():
    for hours, nearest in ((44.9, "40"), (45, "40"), (45.1, "50"), (100, "100")):
        found = audit_of(Model(lambda prompt, h=hours: h, only(lambda prompt, n=nearest: n)))
        assert found.disagreement == pytest.approx(0, abs=1e-9)


def test_sensitivity_is_told_apart():
    def first(prompt):
        return re.search(r"weekly hours and nothing else: (\d+)", prompt.shared)

    names = {
        "reverse": (lambda p: "0" if first(p) and first(p)[1] == "0" else "100", 100),
        "phrasing": (lambda p: "40" if "How many hours" in p.personal else "30", -10),
        "renamed": (lambda p: "40" if "$11,600" in p.shared else "60", 20),
    }
    for name, (pick, hours) in names.items():
        found = audit_of(Model(likelihood=only(pick)))
        for other in ("again", "reverse", "phrasing", "renamed"):
            shift = getattr(found, other)
            moved = (1, hours) if other == name else (0, 0)
            assert (shift.total_variation, shift.hours) == pytest.approx(moved, abs=1e-6)


def test_letters_mean_what_each_worker_reads():
    def thirty(prompt):
        meant = re.search(r"([A-K]) = 30 hours a week", prompt.personal)
        return meant[1] if meant else "30"

    found = audit_of(Model(likelihood=only(thirty)))
    assert (found.letters.total_variation, found.letters.hours) == pytest.approx((0, 0), abs=1e-6)
    in_letters = audit_of(Model(likelihood=only(thirty), tokenizer="estimated"))
    assert in_letters.choice_hours == pytest.approx(30)
    assert in_letters.letters is None


def test_distance_from_the_best_response():
    # Calibrated workers work 40 hours at the law, whatever the rebate; ten hours more cost utility.
    found = audit_of(Model(lambda prompt: 50, only(lambda prompt: "40")))
    assert found.choice_distance.hours == pytest.approx(0, abs=1e-3)
    assert found.choice_distance.dollars == pytest.approx(0, abs=0.1)
    assert found.text_distance.hours == pytest.approx(10)
    population = economy_of().population

    def utility(hours):
        income = np.asarray(population.skill) * hours
        cost = np.asarray(population.taste * population.skill) * 40 / 5 * (hours / 40) ** 5
        return income - np.asarray(LAW.tax(jnp.asarray(income))) - cost

    lost = (utility(40.0) - utility(50.0)).mean()
    assert found.text_distance.dollars == pytest.approx(lost, rel=1e-3)


def test_a_spread_choice_is_as_far_as_its_options_on_average():
    found = audit_of(Model(likelihood=lambda prompt, option: 1.0))
    assert found.choice_distance.hours == pytest.approx(
        np.abs(np.array(HOURS) - 40).mean(), abs=1e-3
    )


def test_what_nobody_can_read_has_no_figure():
    dumb = ScriptedEngine(lambda prompt: "well")
    found = audit_of(dumb)
    assert (found.unreadable, found.unknown, found.leaked_mean) == (1, 1, 1)
    for figure in (found.disagreement, found.noise_floor, found.text_hours, found.renamed.hours):
        assert figure is None
    assert found.choice_distance.dollars is None
    assert found.text_distance.hours is None


def test_workers_with_fixed_hours_are_not_audited():
    fixed = np.where(np.arange(N) < 3, np.nan, 40.0)
    engine = Model(likelihood=lambda prompt, option: 1.0)
    assert audit_of(engine, fixed=fixed).workers == 3
    assert {len(batch) for batch in engine.batches} == {3}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"style": Style()}, "choice mode|mode="),
        ({"samples": 0}, "at least 1 sample"),
        ({"currencies": []}, "1 other currency"),
        ({"fixed": np.full(N, 40.0)}, "all workers have fixed hours"),
    ],
)
def test_audits_that_compare_nothing(options, message):
    with pytest.raises(ValueError, match=message):
        audit_of(Model(), **options)


def recall_of(answer, *, samples=8, style=None):
    planner = LLMPlanner(ScriptedEngine(answer), LAW, goal="Be good.", style=style)
    state = planner.tell(planner.init(jax.random.key(0)), LAW, report_of())
    return recall(planner, state, samples=samples)


def test_who_reads_structure_recalls_nothing():
    read = set()

    def structure(prompt):
        read.add("".join(prompt))
        return f'{{"changes": {[10 if prompt.shared.count(";") >= 6 else 0] * 7}}}'

    found = recall_of(structure)
    assert (found.unreadable, found.shift, found.shift_floor, found.same, found.same_floor) == (
        0,
        0,
        0,
        1,
        1,
    )
    assert len(read) == 1 + len(CURRENCIES)
    assert sum("$" in text or "dollar" in text.lower() for text in read) == 1


def test_who_knows_the_thresholds_by_heart_is_found_out():
    def knows(prompt):
        return f'{{"changes": {[20 if "$11,600" in "".join(prompt) else 0] * 7}}}'

    found = recall_of(knows)
    assert (found.shift, found.shift_floor, found.same, found.same_floor) == (
        pytest.approx(20),
        0,
        0,
        1,
    )


def test_noise_is_within_its_floor():
    rng = np.random.default_rng(1)
    found = recall_of(
        lambda prompt: f'{{"changes": {rng.choice([-10, 0, 10], 7).tolist()}}}', samples=200
    )
    assert 0 < found.shift < 2.5 * found.shift_floor
    assert found.shift_floor < 2.5 * found.shift


def test_planners_who_name_rates_are_compared_in_points():
    def rates(prompt):
        return f'{{"rates_percent": {[50 if "$" in prompt.shared else 30] * 7}}}'

    assert recall_of(rates, style=PlannerStyle(answer="rates")).shift == pytest.approx(20)


def test_planners_who_mumble():
    silent = recall_of(lambda prompt: "hm")
    assert (silent.unreadable, silent.shift, silent.same) == (1, None, None)
    only_dollars = recall_of(
        lambda prompt: '{"changes": [0,0,0,0,0,0,0]}' if "$" in prompt.shared else "hm"
    )
    assert only_dollars.unreadable == pytest.approx(3 / 7)
    assert (only_dollars.shift, only_dollars.shift_floor) == (None, 0)


def test_currencies_keep_distinct_amounts_apart():
    amounts = [f"${threshold:,.0f}" for threshold in np.asarray(LAW.thresholds).tolist()]
    for currency in CURRENCIES:
        assert len({rename(amount, currency) for amount in amounts}) == len(amounts)


@pytest.mark.vllm
def test_a_real_model_is_audited(vllm_engine):
    found = audit_of(vllm_engine, samples=2, currencies=[CROWNS])
    assert found.unknown == 0
    assert 0 < found.leaked_mean <= found.leaked_max < 1
    assert found.again.total_variation < 0.05  # the batch changes a bfloat16 score a little
    assert found.phrasing.total_variation > found.again.total_variation
    assert 0 <= found.choice_hours <= 100
