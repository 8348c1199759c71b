import dataclasses
import json
import math
import re
from dataclasses import replace
from functools import partial
from unittest import mock

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import Atkinson, Economy, Quasilinear, Rawlsian, calibrate, gb2, us_federal
from econjax.planning import RationalEvaluator
from experiments.compare import contest as compare_module
from experiments.compare.config import CompareConfig
from experiments.compare.contest import OPTIMISER, STATUS_QUO
from experiments.compare.crews import Players
from experiments.compare.run import compare
from experiments.core.config import COMPARED, UNINFORMED
from experiments.core.registry import REGISTRY
from experiments.report.disclosure import SHIPPED
from experiments.report.intervals import mean_of
from llm_policy.engines.embedded.engine import SHIPPED_FOLDER
from llm_policy.engines.provenance import taught_entries
from llm_policy.engines.scripted import ScriptedEngine
from tests.helpers.laboratory import float64

AGENTS, FEWER, EVALUATIONS = 300, 60, 6
WELFARE = {"Atkinson, aversion 1": Atkinson(1.0), "Rawlsian": Rawlsian()}
FIXED = {entry.name for entry in REGISTRY.values() if entry.evaluations == 1}
RANDOM, GRADIENT, MODEL = REGISTRY["random"].name, REGISTRY["gradient"].name, REGISTRY["llm"].name
WITHOUT_MODEL = tuple(name for name in COMPARED if name != "llm")
DRAWS = {REGISTRY[name].name for name in ("random", "cma-es")}


def run(engine=None, *, heard=None, thorough=False, **choices):
    """Compare; where nothing depends on it, the search without a limit is short."""
    config = CompareConfig(
        **{"workers": ("rational",), "agents": AGENTS, "evaluations": EVALUATIONS} | choices
    )
    progress = (lambda *call: None) if heard is None else (lambda *call: heard.append(call))
    search = (
        compare_module.best_found
        if thorough
        else partial(compare_module.best_found, steps=4, most=20)
    )
    with float64(), mock.patch.object(compare_module, "best_found", search):
        return compare(config, engine, progress)


@pytest.fixture(scope="module")
def heard():
    return []


@pytest.fixture(scope="module")
def comparison(heard, improviser):
    return run(improviser(), heard=heard)


@pytest.fixture(scope="module")
def modelled(improviser):
    """Workers who are language models, and every planner."""
    choices = dict(agents=FEWER, evaluations=2, mode="text", welfare=("rawlsian",))
    return run(improviser(), workers=("llm",), **choices)


def by_name(rows):
    return {row.planner: row for row in rows}


def findings(row):
    """Return what a planner found, without what depends on the clock or on others."""
    return dataclasses.replace(row, seconds=0.0, regret=0.0, share=None)


def test_everyone_takes_part_under_every_welfare_function(comparison):
    expected = {REGISTRY[name].name for name in (*COMPARED, *UNINFORMED)} | {OPTIMISER}
    assert set(comparison.tables) == set(WELFARE)
    for rows in comparison.tables.values():
        assert {row.planner for row in rows} == expected
        assert len(rows) == len(expected)


def test_random_search_takes_part_unless_it_is_left_out():
    assert "random" in CompareConfig().planners


def test_every_planner_that_learns_gets_the_same_number_of_evaluations(comparison):
    for rows in comparison.tables.values():
        for row in rows:
            if row.planner != OPTIMISER:
                assert row.values + row.gradients == (1 if row.planner in FIXED else EVALUATIONS), (
                    row.planner
                )
                assert (row.gradients > 0) == (row.planner == GRADIENT)


def test_every_evaluation_is_on_record(comparison):
    seen = {}
    for record in comparison.metrics:
        seen.setdefault((record["welfare"], record["planner"]), []).append(
            (record["kind"], record["step"])
        )
    for welfare, rows in comparison.tables.items():
        for row in rows:
            last = row.values + row.gradients
            evaluated = 0 if row.planner == OPTIMISER else last
            expected = [("evaluated", step) for step in range(evaluated)] + [("recommended", last)]
            assert seen.pop((welfare, row.planner)) == expected
    assert not seen


def test_progress_counts_every_evaluation(comparison, heard):
    for welfare, rows in comparison.tables.items():
        for row in rows:
            steps = [call[2:] for call in heard if call[:2] == (welfare, row.planner)]
            spent = row.values + row.gradients
            expected = [(done, spent) for done in range(1, spent + 1)]
            expected = [(0, None), (spent, spent)] if row.planner == OPTIMISER else expected
            assert steps == expected


def test_regret_is_the_distance_to_the_best(comparison):
    for rows in comparison.tables.values():
        best = max(row.equivalent for row in rows)
        for row in rows:
            assert row.regret == best - row.equivalent >= 0
        assert min(row.regret for row in rows) == 0


def test_share_runs_from_us_federal_to_the_best(comparison):
    for rows in comparison.tables.values():
        rows = by_name(rows)
        best = max(rows.values(), key=lambda row: row.equivalent)
        assert rows[STATUS_QUO].share == 0
        assert best.share == 1
        for row in rows.values():
            assert (row.share > 0) == (row.equivalent > rows[STATUS_QUO].equivalent)
            way = best.equivalent - rows[STATUS_QUO].equivalent
            assert row.share * way == pytest.approx(row.equivalent - rows[STATUS_QUO].equivalent)


def test_nobody_beats_the_search_without_a_limit(comparison):
    for rows in comparison.tables.values():
        assert by_name(rows)[OPTIMISER].regret == 0


def test_figures_are_numbers(comparison, modelled):
    for one in (comparison, modelled):
        for rows in one.tables.values():
            for row in rows:
                json.dumps(dataclasses.asdict(row), allow_nan=False)
        json.dumps(one.metrics, allow_nan=False)


def test_a_row_is_what_a_fresh_evaluation_of_its_rates_says(comparison, x64):
    law = us_federal(2024)
    economy = Economy(population=calibrate(gb2(AGENTS), law), preferences=Quasilinear(0.25))
    for title, rows in comparison.tables.items():
        for row in rows:
            schedule = type(law)(law.thresholds, list(row.rates))
            report = RationalEvaluator(economy, WELFARE[title]).value(schedule)
            for name in ("equivalent", "gini", "labor", "rebate", "floored"):
                assert getattr(row, name) == pytest.approx(
                    float(getattr(report, name)), rel=1e-12
                ), name
            assert row.standard_error == 0


def test_a_recommendation_is_the_best_that_the_planner_saw(comparison):
    """Saez recommends its latest iterate; fixed planners have nothing to choose."""
    for title, rows in comparison.tables.items():
        for name in ("flat", "random", "gradient", "llm"):
            row = by_name(rows)[REGISTRY[name].name]
            seen = [
                record["equivalent"]
                for record in comparison.metrics
                if (record["welfare"], record["planner"]) == (title, row.planner)
                and record["kind"] == "evaluated"
            ]
            assert row.equivalent == pytest.approx(max(seen), rel=1e-9), name
            assert row.last == seen[-1]


@pytest.fixture(scope="module")
def other_seed():
    return run(seed=1, planners=WITHOUT_MODEL)


def test_the_seed_moves_those_who_draw_and_nobody_else(comparison, other_seed):
    for title, rows in other_seed.tables.items():
        before = by_name(comparison.tables[title])
        for row in rows:
            if row.planner in DRAWS:
                assert row.rates != before[row.planner].rates
            elif row.planner != OPTIMISER:  # whose starts are all recommendations
                assert findings(row) == findings(before[row.planner])


def test_whoever_else_takes_part_does_not_matter(comparison):
    few = run(planners=("random", "federal"), welfare=("rawlsian",))
    before = by_name(comparison.tables["Rawlsian"])
    for row in few.tables["Rawlsian"]:
        if row.planner != OPTIMISER:
            assert findings(row) == findings(before[row.planner])


def test_the_status_quo_need_not_take_part_to_be_measured_from():
    with_it, without = (
        by_name(run(planners=planners, welfare=("rawlsian",)).tables["Rawlsian"])[
            REGISTRY["flat"].name
        ].share
        for planners in (("flat", "federal"), ("flat",))
    )
    assert with_it == pytest.approx(without, rel=1e-6)


def test_only_models_are_called_and_understood(comparison):
    for rows in comparison.tables.values():
        for row in rows:
            if row.planner.startswith(MODEL):
                # the first schedule is the law; 7 brackets, each asked with 5 orders of letters
                assert row.calls == 5 * 7 * (EVALUATIONS - 1)
                assert row.understood == 1
            else:
                assert row.calls == 0
                assert row.understood is None


def test_workers_who_are_models_are_asked_in_every_evaluation(modelled):
    asked = FEWER * 2  # workers and steps of a tax year
    for rows in modelled.tables.values():
        assert OPTIMISER not in by_name(rows)
        for row in rows:
            tries = 1 if row.planner in FIXED else 2
            assert row.calls >= asked * (
                tries + 4
            )  # the recommendation is lived afresh, four times
            assert 0.9 < row.understood <= 1
            assert len(row.years) == 4
            assert row.equivalent == pytest.approx(np.mean(row.years), rel=1e-9)
            spread = np.std(row.years, ddof=1) / 2
            assert row.standard_error == pytest.approx(spread, rel=1e-9, abs=1e-9)
            assert row.regret >= 0
        assert by_name(rows)[STATUS_QUO].share in (0, None)


@pytest.mark.parametrize("mode", ["choice", "text"])
def test_the_planner_on_a_surrogate_plans_for_models_and_for_nobody_else(
    improviser, brief_fits, mode
):
    with brief_fits():
        found = run(
            improviser(),
            workers=("rational", "llm"),
            agents=6,
            evaluations=2,
            planners=("federal", "surrogate"),
            welfare=("rawlsian",),
            mode=mode,
        )
    rational, models = (set(by_name(rows)) for rows in found.tables.values())
    assert models - rational == {REGISTRY["surrogate"].name}
    (row,) = (row for rows in found.tables.values() for row in rows if row.planner not in rational)
    assert (row.values, row.gradients) == (2, 0)


def test_noise_is_called_noise(improviser):
    noisy = run(improviser(noise=True), planners=("federal", "llm"), welfare=("rawlsian",))
    [(title, rows)] = noisy.tables.items()
    assert title == "Rawlsian"
    assert {row.planner for row in rows} == {STATUS_QUO, *beside(f"{MODEL} (noise)"), OPTIMISER}
    assert {record["planner"] for record in noisy.metrics} == {row.planner for row in rows}


def test_noisy_workers_are_called_noise(improviser):
    choices = dict(workers=("llm",), agents=6, evaluations=1, tax_year=1, welfare=("rawlsian",))
    noisy = run(improviser(noise=True), planners=("federal", "llm"), **choices)
    [(title, rows)] = noisy.tables.items()
    assert title == "Rawlsian (workers are noise)"
    assert {row.planner for row in rows} == {STATUS_QUO, *beside(f"{MODEL} (noise)")}
    assert {record["welfare"] for record in noisy.metrics} == {title}


def test_workers_of_both_kinds_work_in_tables_of_their_own(improviser):
    choices = dict(planners=("federal", "llm"), evaluations=2, tax_year=1)
    both = run(improviser(), workers=("rational", "llm"), **choices)
    assert list(both.tables) == [
        "Atkinson, aversion 1",
        "Rawlsian",
        "Atkinson, aversion 1 (language-model workers)",
        "Rawlsian (language-model workers)",
    ]
    for title, rows in both.tables.items():
        kind = "language-model" if "model" in title else "rational"
        assert both.sizes[title].startswith(f"{AGENTS} {kind} workers.")
        assert MODEL in by_name(rows)
        assert (OPTIMISER in by_name(rows)) == (kind == "rational")
        best = max(row.equivalent for row in rows)
        assert all(row.regret == best - row.equivalent for row in rows)


def beside(model):
    """Return the rows of a language model and of those who know nothing."""
    names = {REGISTRY[name].name for name in ("ramp", "walk")}
    return {model, f"{model}, without its history", f"{model}, its history shuffled"} | names


@pytest.mark.parametrize(
    ("mode", "workers", "model"),
    [
        ("choice", "workers imitate a formula", f"{MODEL} (imitates a formula)"),
        ("text", "workers not taught to answer so", f"{MODEL} (not taught this)"),
    ],
)
def test_the_model_that_comes_with_the_project_imitates_a_formula_where_it_was_taught(
    improviser, mode, workers, model
):
    engine, taught = improviser(), taught_entries(SHIPPED_FOLDER)
    engine.describe = lambda: replace(improviser.describe(engine), model=SHIPPED, **taught)
    choices = dict(agents=6, evaluations=1, tax_year=1, welfare=("rawlsian",), mode=mode)
    [(title, rows)] = run(
        engine, workers=("llm",), planners=("federal", "llm"), **choices
    ).tables.items()
    assert title == f"Rawlsian ({workers})"
    assert {row.planner for row in rows} == {STATUS_QUO, *beside(model)}


def test_those_who_know_nothing_stand_in_every_table_of_a_model_that_plans_unless_left_out():
    assert CompareConfig().roster == (*COMPARED, *UNINFORMED)
    assert CompareConfig(planners=("federal", "random")).roster == ("federal", "random")
    assert set(CompareConfig(planners=("llm-shuffled",)).roster) == {"llm-shuffled", *UNINFORMED}
    assert CompareConfig(planners=("llm",), uninformed=False).roster == ("llm",)


def test_a_model_that_is_no_noise_is_not_called_so(comparison, modelled):
    for one in (comparison, modelled):
        assert not any("noise" in title for title in one.tables)
        assert not any("noise" in record["planner"] for record in one.metrics)


@pytest.mark.parametrize(
    "choices", [{"planners": ("llm",)}, {"workers": ("llm",), "planners": ("federal",)}]
)
def test_a_model_without_an_engine_is_an_error(choices):
    with pytest.raises(ValueError, match="no engine to ask"):
        run(**choices)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"evaluations": 0}, "--evaluations must be at least 1; got 0"),
        ({"tax_year": 0}, "--tax-year must be at least 1; got 0"),
        ({"agents": 1}, "--agents must be at least 2; got 1"),
        ({"temperature": -0.1}, r"--temperature must not be negative; got -0\.1"),
        ({"workers": ()}, "--workers takes some of rational, llm.* got none"),
        ({"planners": ()}, "--planners takes some of laissez-faire.* got none"),
        ({"welfare": ()}, "--welfare takes some of atkinson.* got none"),
        ({"planners": ("flat", "flat")}, "--planners .*flat"),
        ({"welfare": ("rawlsian", "rawlsian")}, "--welfare .*rawlsian"),
        ({"elasticity": 0.0}, r"--elasticity .*0\.0"),
        ({"elasticity": math.nan}, "--elasticity .*nan"),
        (
            {"planners": ("flat", "surrogate"), "workers": ("rational",)},
            "surrogate .*give --workers llm",
        ),
        ({"planners": ("surrogate",)}, "surrogate .*another planner"),
        ({"repetitions": 0}, "--repetitions must be at least 1; got 0"),
        (
            {"planners": ("surrogate",), "workers": ("llm",), "keep_memory": True},
            "surrogate .*leave out --keep-memory",
        ),
        ({"planner_model": ("a", "a")}, "--planner-model takes each model once; got a a"),
        ({"worker_server": ("ollama",)}, "--worker-server .*got 1 for 0"),
        (
            {"planner_model": ("a", "b", "c"), "planner_server": ("x", "y")},
            "--planner-server .*got 2 for 3",
        ),
        ({"planner_model": ("formula",)}, "The model formula works"),
        ({"worker_model": ("formula",), "mode": "text"}, "The model formula works"),
        (
            {"model": "a", "server": "http://one/v1", "planner_model": ("a",)},
            "The model a is asked in two places",
        ),
    ],
)
def test_a_choice_that_makes_no_comparison_is_refused_by_name_and_value(choices, message):
    with pytest.raises(ValueError, match=message):
        CompareConfig(**choices).check()


def test_what_figures_depend_on_survives_the_manifest():
    config = CompareConfig(
        agents=12, planners=("flat",), welfare=("rawlsian",), seed=3, temperature=0.0
    )
    assert CompareConfig.fromdict(json.loads(json.dumps(config.asdict()))) == config
    llm = CompareConfig.fromdict(CompareConfig(workers=("llm",)).asdict())
    assert (llm.agents, llm.evaluations) == (20, 6)
    both = CompareConfig.fromdict(CompareConfig().asdict())
    assert [both.among(kind).agents for kind in both.workers] == [10_000, 20]


def test_an_address_that_may_hold_a_password_is_not_written_down():
    config = CompareConfig(server="http://me:secret@host/v1")
    assert "secret" not in json.dumps(config.asdict())


@pytest.mark.long
def test_landmarks_of_the_default_economy():
    """Rounded dollars, found independently with SciPy before this code existed."""
    planners = ("laissez-faire", "federal", "flat", "gradient")
    choices = dict(agents=None, evaluations=None, planners=planners, welfare=("atkinson",))
    [rows] = run(thorough=True, **choices).tables.values()
    rows = by_name(rows)
    flat = rows[REGISTRY["flat"].name]
    assert round(rows[REGISTRY["laissez-faire"].name].equivalent) == 27_152
    assert round(rows[STATUS_QUO].equivalent) == 38_415
    assert round(flat.equivalent) == 43_584
    assert np.unique(flat.rates).size == 1
    assert round(100 * flat.rates[0], 1) == 55.3
    assert round(rows[OPTIMISER].equivalent) == 43_602
    assert round(rows[GRADIENT].equivalent) == 43_602


def test_a_figure_that_is_no_number_stops_the_run(monkeypatch):
    class Broken(RationalEvaluator):
        def value(self, schedule):
            return eqx.tree_at(
                lambda report: report.gini, super().value(schedule), jnp.asarray(math.nan)
            )

    monkeypatch.setattr(compare_module, "RationalEvaluator", Broken)
    with pytest.raises(ArithmeticError, match=r"US federal, evaluation 1, at .*'gini': nan"):
        run(planners=("federal",))


def test_public_spending_of_today_leaves_no_rebate_under_todays_law():
    [rows] = run(
        planners=("laissez-faire", "federal"), spending="federal", welfare=("atkinson",)
    ).tables.values()
    rows = by_name(rows)
    assert rows[STATUS_QUO].rebate == pytest.approx(0, abs=1e-6)
    assert rows[REGISTRY["laissez-faire"].name].rebate < -5_000


def tied(rows):
    return {row.planner for row in rows if row.tied}


def test_errors_are_told_apart_from_what_a_planner_does(modelled):
    """What the same people would bring if all chose best, and what their errors cost."""
    law, economy = us_federal(2024), CompareConfig(agents=FEWER).economy()
    [rows] = modelled.tables.values()
    for row in rows:
        schedule = type(law)(law.thresholds, list(row.rates))
        report = RationalEvaluator(economy, Rawlsian()).value(schedule)
        assert row.at_best == pytest.approx(float(report.equivalent), rel=1e-4)
        assert row.errors.mean > 0
        assert row.errors.error > 0
        assert 0.1 < row.errors.costliest <= 1
        assert 0 <= row.errors.bounded <= 1


def test_a_row_is_tied_where_the_paired_interval_holds_no_distance(modelled):
    [rows] = modelled.tables.values()
    best = max(rows, key=lambda row: row.equivalent)
    assert not best.tied
    for row in rows:
        if row is not best:
            assert row.tied == (mean_of(np.array(best.years) - np.array(row.years)).low <= 0)


def test_rational_rows_know_no_errors_and_are_never_tied(comparison):
    for rows in comparison.tables.values():
        assert not tied(rows)
        assert {(row.years, row.at_best, row.errors) for row in rows} == {((), None, None)}
    assert {record["cost_of_errors"] for record in comparison.metrics} == {None}


class Names(ScriptedEngine):
    """Finds any option as likely as another; has a name."""

    def __init__(self, name):
        self.name, self.asked = name, []
        super().__init__(str, likelihood=lambda prompt, option: 1.0)

    def choose(self, prompts, options):
        self.asked += prompts
        return super().choose(prompts, options)

    def describe(self):
        return replace(super().describe(), model=self.name)


FEW = dict(agents=6, evaluations=2, tax_year=1, welfare=("rawlsian",), workers=("llm",))


def test_planner_models_have_rows_and_worker_models_tables_of_their_own():
    planners, workers = (Names("one"), Names("two")), (Names("three"), Names("four"))
    choices = dict(planners=("federal", "llm"), repetitions=2, mode="choice", uninformed=False)
    found = run(Players(planners, workers), **choices, **FEW)
    titles = [f"Rawlsian (language-model workers: {engine.name})" for engine in workers]
    assert list(found.tables) == titles
    for title, engine in zip(titles, workers, strict=True):
        rows = by_name(found.tables[title])
        assert set(rows) == {STATUS_QUO, f"{MODEL}: one", f"{MODEL}: two"}
        assert {row.worker_model for row in rows.values()} == {engine.name}
        assert [row.planner_model for row in rows.values()] == [None, "one", "two"]
        kept = {
            (record["planner"], record["planner_model"], record["worker_model"])
            for record in found.metrics
            if record["welfare"] == title
        }
        assert kept == {(row.planner, row.planner_model, engine.name) for row in rows.values()}
        # Six people, asked in the years of each row: its evaluations and two more.
        assert len(engine.asked) == 6 * (3 + 4 + 4)
    for engine in planners:
        assert len(engine.asked) == 2 * 35  # in each table, of seven rates in five orders


def test_the_formula_works_under_a_planner_who_is_a_model():
    planner = Names("one")
    choices = dict(planners=("federal", "llm"), mode="choice", uninformed=False)
    found = run(Players((planner,), (None,)), **choices, **FEW)
    [(title, rows)] = found.tables.items()
    assert title == "Rawlsian (workers of the formula)"
    assert {row.worker_model for row in rows} == {"formula"}
    assert len(planner.asked) == 35  # seven rates, each in five orders of the letters


def test_memory_that_is_kept_is_kept_under_every_planner_alike():
    engine = Names("one")
    choices = dict(planners=("random", "llm"), keep_memory=True, repetitions=2) | FEW
    found = run(engine, **choices | {"evaluations": 3})
    for planner in {record["planner"] for record in found.metrics}:
        years = [r["tax_year"] for r in found.metrics if r["planner"] == planner]
        assert years == [1, 2, 3, 3]  # the recommendation is lived after the third
    told = [prompt.personal for prompt in engine.asked if "hours a week" in prompt.personal]
    lines = [len(re.findall(r"Step \d+:", text.split("Your best")[0])) for text in told]
    assert max(lines) >= 3
    forgetful = Names("one")
    run(forgetful, **choices | {"keep_memory": False})
    told = [prompt.personal for prompt in forgetful.asked]
    assert max(len(re.findall(r"Step \d+:", text.split("Your best")[0])) for text in told) == 1
