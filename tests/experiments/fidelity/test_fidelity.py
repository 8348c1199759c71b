import dataclasses
import io
import json
from itertools import pairwise

import numpy as np
import pytest
from rich.console import Console
from scipy.special import entr

from experiments.fidelity import command as fidelity
from experiments.fidelity.answers import (
    ASKED_WORDINGS,
    OFFERED,
    REMEMBERED,
    YES_OR_NO,
    answer_divergences,
    held_out_lives,
    hours_asked,
    planner_asked,
    satisfaction_asked,
    satisfaction_lives,
)
from experiments.fidelity.command import FidelityConfig, run_fidelity
from experiments.fidelity.learning import SETTING, learning
from experiments.fidelity.planner import PlannerFidelity
from experiments.fidelity.responses import (
    CHANGES,
    SETTINGS,
    first_step,
    persona_effects,
    populate,
    responsiveness,
)
from experiments.fidelity.texts import answer_frequencies, text_questions
from experiments.fidelity.workers import WorkerFidelity, WorkerSizes, worker_fidelity, worker_tables
from llm_policy.answers.reading import HOURS, STEPS
from llm_policy.engines.base import EngineError
from llm_policy.engines.embedded import engine as embedded
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.prompts.planner import LETTERS

SEED, GROUPS, AGENTS = 3, 2, 30
SMALL = WorkerSizes(GROUPS, 1, 4, agents=AGENTS, people=AGENTS, society=AGENTS, years=1, steps=2)
LEAST = 1e-300


def saying(*asked, options=HOURS):
    """Return an engine that answers exactly as the formula."""
    known = {
        prompt: dict(zip(map(str, options), row, strict=True))
        for some in asked
        for prompt, row in zip(some.prompts, some.probabilities, strict=True)
    }
    return ScriptedEngine(
        lambda prompt: "", likelihood=lambda prompt, option: known[prompt][option] + LEAST
    )


def by_hours(chance):
    """Return an engine that finds each of the hours as likely as `chance(prompt, hours)`."""
    return ScriptedEngine(
        lambda prompt: "", likelihood=lambda prompt, option: chance(prompt, int(option))
    )


EQUAL = ScriptedEngine(lambda prompt: "", likelihood=lambda prompt, option: 1.0)
FORTY = by_hours(lambda prompt, hours: 1.0 if hours == 40 else 1e-12)


@pytest.fixture(scope="module")
def examples():
    """What `answer_divergences` asks: hours in each wording, satisfaction, changes of a rate."""
    rng = np.random.default_rng(SEED)
    lived = held_out_lives(rng, groups=GROUPS)
    return (
        [hours_asked(lived, wording) for wording in ASKED_WORDINGS],
        satisfaction_asked(satisfaction_lives(rng, groups=GROUPS)),
        planner_asked(rng, groups=GROUPS),
    )


def test_who_answers_as_the_formula_is_no_nat_away(examples):
    hours, satisfied, planned = examples
    knows = {
        OFFERED: saying(*hours),
        YES_OR_NO: saying(satisfied, options=YES_OR_NO),
        LETTERS: saying(planned, options=LETTERS),
    }
    all_of_it = ScriptedEngine(lambda prompt: "")
    all_of_it.choose = lambda prompts, options: knows[options].choose(prompts, options)
    rows = answer_divergences(all_of_it, groups=GROUPS, seed=SEED)
    assert [(row.question, row.wording, row.remembered) for row in rows] == [
        *(("hours", wording, kind) for wording in ASKED_WORDINGS for kind in ("all", *REMEMBERED)),
        ("satisfaction", ASKED_WORDINGS[0], "all"),
        ("a planner's change", ASKED_WORDINGS[0], "all"),
    ]
    assert max(abs(row.divergence.value) for row in rows) < 1e-9
    assert min(row.constant for row in rows) > 0.01


def test_equal_probabilities_are_away_by_what_the_formula_knows(examples):
    rows = answer_divergences(EQUAL, groups=GROUPS, seed=SEED)
    for row in rows:
        options = {"hours": len(HOURS), "satisfaction": 2}.get(row.question, len(LETTERS))
        assert row.divergence.value == pytest.approx(np.log(options) - row.entropy)
        assert row.divergence.low < row.divergence.value < row.divergence.high
        assert row.leaked == pytest.approx(0, abs=1e-12)
    assert rows[0].entropy == pytest.approx(entr(examples[0][0].probabilities).sum(axis=1).mean())
    assert rows[0].prompts == sum(row.prompts for row in rows[1:4])
    assert rows[0].divergence.value == pytest.approx(
        np.mean([row.divergence.value for row in rows[1:4]])
    )


def test_wordings_differ_in_words_alone_and_memories_in_length(examples):
    for one, other in pairwise(examples[0]):
        np.testing.assert_array_equal(one.probabilities, other.probabilities)
        assert not set(one.prompts) & set(other.prompts)
    seen = [
        life.memory.seen - 1 for life in held_out_lives(np.random.default_rng(SEED), groups=GROUPS)
    ]
    assert seen[:GROUPS] == [0] * GROUPS
    assert all(1 <= steps <= 4 for steps in seen[GROUPS : 2 * GROUPS])
    assert all(steps >= 5 for steps in seen[2 * GROUPS :])


def test_satisfaction_is_asked_as_a_society_asks_it(examples):
    asked = [prompt.personal for prompt in examples[1].prompts]
    assert not any("result" in text.splitlines()[-2] or "satisfied," in text for text in asked)


def test_an_option_without_any_chance_is_an_error():
    silent = ScriptedEngine(lambda prompt: "40")
    with pytest.raises(EngineError, match="scores every option"):
        answer_divergences(silent, groups=GROUPS, seed=SEED)


WORDS = {
    "vote, plurality": lambda options: {"vote": options[0]},
    "candidacy": lambda options: {"stands": options[0] == 0},
    "planner's changes": lambda options: {"changes": [STEPS[option] for option in options]},
}


def test_who_writes_as_the_formula_is_as_far_away_as_the_formula_and_who_writes_one_thing_is_not():
    draw, questions = np.random.default_rng(0), text_questions(groups=1, seed=SEED)
    probabilities = {
        text.prompt: (name, text.probabilities)
        for name, texts in questions.items()
        for text in texts
    }

    def drawn(prompt):
        name, places = probabilities[prompt]
        return json.dumps(WORDS[name]([draw.choice(len(told), p=told) for told in places]))

    def likeliest(prompt):
        name, places = probabilities[prompt]
        return json.dumps(WORDS[name]([int(np.argmax(told)) for told in places]))

    for found in answer_frequencies(ScriptedEngine(drawn), groups=1, samples=600, seed=SEED):
        assert found.distance == pytest.approx(found.floor, abs=0.015)
        assert found.floor < 0.15
        assert found.unread == 0
    for found in answer_frequencies(ScriptedEngine(likeliest), groups=1, samples=2, seed=SEED):
        missed = [
            1 - max(told) for text in questions[found.question] for told in text.probabilities
        ]
        assert found.distance == pytest.approx(np.mean(missed))


def test_texts_that_say_nothing_are_counted_and_left_out():
    for found in answer_frequencies(
        ScriptedEngine(lambda prompt: "hm"), groups=1, samples=2, seed=SEED
    ):
        assert (found.distance, found.unread) == (None, 1)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_who_answers_as_the_formula_has_its_elasticity(setting):
    world = populate(EQUAL, setting, agents=AGENTS, seed=SEED)
    laws = [dataclasses.replace(world.law, rates=world.law.rates + by) for by in (-0.05, 0.05)]
    found = responsiveness(
        saying(*(first_step(world, law) for law in laws)), setting, agents=AGENTS, seed=SEED
    )
    assert dataclasses.astuple(found.ratio) == pytest.approx((1, 1, 1))
    assert found.elasticity.value == pytest.approx(found.formula.value)
    assert found.hours == pytest.approx(found.formula_hours)
    assert found.formula.low < found.formula.value < found.formula.high


def test_a_constant_elasticity_is_found_and_workers_who_do_not_react_have_none():
    flat = SETTINGS[2]

    def powers(prompt, hours):
        [kept] = {0.65, 0.75} & {0.65 if "35 %" in prompt.shared else 0.75}
        return {0: 1 - kept**0.7, 100: kept**0.7}.get(hours, 1e-15)

    found = responsiveness(by_hours(powers), flat, agents=AGENTS, seed=SEED)
    assert dataclasses.astuple(found.elasticity) == pytest.approx((0.7, 0.7, 0.7))
    still = responsiveness(FORTY, flat, agents=AGENTS, seed=SEED)
    assert still.elasticity.value == pytest.approx(0, abs=1e-9)
    assert still.hours == pytest.approx(40)


def test_personas_move_who_answers_as_the_formula_as_much_as_the_formula():
    world = populate(EQUAL, SETTINGS[0], agents=AGENTS, seed=SEED)
    asked = [first_step(world, world.law)]
    asked += [first_step(world, world.law, change(world.personas)) for change in CHANGES.values()]
    *moved, ignored = persona_effects(saying(*asked), agents=AGENTS, seed=SEED)
    for effect in moved:
        assert (effect.slope, effect.correlation) == pytest.approx((1, 1))
        assert effect.distance.value == pytest.approx(effect.formula)
        assert effect.formula > 0
    assert (ignored.formula, ignored.slope, ignored.correlation) == (0, None, None)
    assert ignored.distance.value == pytest.approx(0, abs=1e-12)
    assert asked[0].prompts != asked[-1].prompts


def test_who_reads_no_persona_is_not_moved_by_one():
    for effect in persona_effects(FORTY, agents=AGENTS, seed=SEED):
        assert effect.distance.value == 0
        assert effect.slope in (0, None)
        assert effect.correlation is None


def test_memory_is_worth_something_to_the_formula_and_nothing_to_who_ignores_it():
    found = learning(FORTY, agents=AGENTS, years=2, steps=4, seed=SEED)
    assert found.model == pytest.approx(found.forgetful_model)
    assert found.worth.value == pytest.approx(0, abs=1e-9)
    assert len(set(np.round(found.model, 9))) == 1
    assert found.formula_worth.low > 0
    assert found.formula[0] == found.forgetful_formula[0]
    assert found.formula[-2] < found.formula[0]
    assert found.formula[-1] < found.formula[-2]  # told to stop trying


def test_nothing_is_forgone_by_who_works_the_best_hours():
    world = populate(EQUAL, SETTING, agents=AGENTS, seed=SEED)
    population, kept = world.workers.economy.population, 0.5
    hours = np.array(HOURS, float)
    cost = np.asarray(population.taste)[:, None] * 40 / 2 * (hours / 40) ** 2
    best = hours[(kept * hours - cost).argmax(axis=1)]  # utility per dollar of skill, elasticity 1
    place = dict(zip(map(str, world.workers.lines), best, strict=True))

    def wise(prompt, hours):
        [hour] = [hour for constant, hour in place.items() if prompt.personal.startswith(constant)]
        return 1.0 if hours == hour else 1e-15

    found = learning(by_hours(wise), agents=AGENTS, years=1, steps=2, seed=SEED)
    assert found.model == pytest.approx((0, 0), abs=1e-9)
    assert min(found.formula) > 0


@pytest.fixture(scope="module")
def noise():
    return worker_fidelity(EQUAL, sizes=SMALL, seed=SEED)


def test_noise_is_told_to_be_unfaithful(noise: WorkerFidelity):
    assert not noise.close
    assert not noise.elastic
    console = Console(width=250, file=io.StringIO(), record=True)
    for table in worker_tables(noise):
        console.print(table)
    text = console.export_text()
    assert text.count("IT IS NOT") == 2
    assert f"{noise.answers[0].divergence.value:.4f}" in text
    assert (
        json.loads(json.dumps(dataclasses.asdict(noise), allow_nan=False))["model"]["engine"]
        == "scripted"
    )


def test_the_same_seed_finds_the_same(noise):
    assert worker_fidelity(EQUAL, sizes=SMALL, seed=SEED) == noise


def test_the_command_prints_both_parts_and_closes_the_engine(noise, monkeypatch, econjax):
    planner, closed = PlannerFidelity({}, seeds=1, evaluations=40, agents=7, rows=()), []

    class Shut(ScriptedEngine):
        def close(self):
            closed.append(self)

    def measured(engine, *, seeds, progress):
        return dataclasses.replace(planner, seeds=seeds)

    monkeypatch.setattr(fidelity, "worker_fidelity", lambda engine, **options: noise)
    monkeypatch.setattr(fidelity, "planner_fidelity", measured)
    monkeypatch.setattr(embedded, "EmbeddedEngine", lambda folder: Shut(lambda prompt: ""))
    told = json.loads(econjax("fidelity", "--size", 0.5, "--json").out)
    assert told["workers"]["answers"][0]["leaked"] == noise.answers[0].leaked
    assert told["planner"]["seeds"] == 10
    text = econjax("fidelity").out
    assert "IT IS NOT" in text
    assert "Planners over 20 seeds" in text
    assert "nothing here says how people behave" in text
    assert len(closed) == 2


@pytest.mark.parametrize(
    ("options", "message"), [({"size": 0.0}, "--size"), ({"seed": -1}, "--seed")]
)
def test_choices_that_make_no_measurement(options, message):
    with pytest.raises(ValueError, match=message):
        FidelityConfig(**options).check()


def test_a_folder_without_a_model_is_told(tmp_path):
    with pytest.raises(EngineError, match="missing"):
        run_fidelity(FidelityConfig(model=tmp_path), print)
