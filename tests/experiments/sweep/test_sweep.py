"""Sweeps: the best of each economy, the same draws for all, the same bytes after a stop."""

import json
import shutil

import jax
import numpy as np
import pyarrow.parquet as pq
import pytest

from baselines import GradientPlanner
from econjax import Atkinson, converged_saez, equilibrium, nan_where_illegal, us_federal
from econjax.planning import RationalEvaluator
from econjax.planning import plan as plan_with
from experiments.report.intervals import mean_of
from experiments.sweep import design, memory, plan, program, progress, run
from experiments.sweep.design import checked_points, points_of
from experiments.sweep.plan import groups_of
from tests.helpers.laboratory import float64

GRID = """
[incomes]
agents = 200

[sweep]
seeds = 3
beside = ["us_federal:2020"]

[vary]
"preferences.elasticity" = [0.25, 0.5]
"welfare.aversion" = [0.5, 2.0]
"""


@pytest.fixture
def file(tmp_path):
    """Return what writes a sweep file."""

    def write(text: str):
        path = tmp_path / "sweep.toml"
        path.write_text(text, "utf-8")
        (tmp_path / "people.csv").write_text("income,status\n20000,single\n60000,joint\n", "utf-8")
        return path

    return write


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(plan, "_WORKERS_OF_A_CHUNK", 800)


@pytest.fixture(scope="module")
def swept(econjax, tmp_path_factory):
    """Return a finished sweep: its directory, what it printed, and its rows."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "sweep.toml").write_text(GRID, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "_WORKERS_OF_A_CHUNK", 800)
        ran = econjax("sweep", folder / "sweep.toml", "--runs", folder, "--name", "all", "--json")
    assert ran.code == 0, ran.err
    return folder / "all", ran, pq.read_table(folder / "all" / "metrics.parquet").to_pylist()


def test_each_optimum_is_that_of_the_formula_to_a_cent(swept):
    _, _, rows = swept
    assert len(rows) == 3 * 4 * 3
    best = [row for row in rows if row["schedule"] == "optimal"]
    assert all(row["converged"] and row["gap"] <= 1e-3 for row in best)
    with float64():
        law = us_federal(2024, "single")
        for row in best[::5]:
            source = points_of(swept[0].parent / "sweep.toml")[row["point"]].source
            economy = source.economy(200, jax.random.key(row["seed"]))
            welfare = Atkinson(row["welfare.aversion"])
            schedule = converged_saez(economy, law, welfare).schedule
            for name, tried in (("optimal", schedule), ("law", law)):
                [own] = (r for r in rows if r["schedule"] == name and _cell(r) == _cell(row))
                outcome = equilibrium(economy, tried).outcome
                worth = float(welfare.equivalent(economy.population, outcome))
                assert own["equivalent"] == pytest.approx(worth, abs=0.01)
                assert own["rebate"] == pytest.approx(float(outcome.rebate), abs=0.01)


def test_no_schedule_beside_the_best_is_better(swept):
    worth = {(_cell(row), row["schedule"]): row["equivalent"] for row in swept[2]}
    for (cell, name), found in worth.items():
        assert worth[cell, "optimal"] >= found - 0.01, name


def test_the_table_pairs_seeds(swept):
    _, ran, rows = swept
    found = json.loads(ran.out)["rows"]
    assert [(row["point"], row["schedule"]) for row in found] == [
        (point, name) for point in range(4) for name in ("law", "us_federal:2020")
    ]
    for row in found:
        values = {
            name: np.array(
                [
                    own["equivalent"]
                    for own in rows
                    if own["point"] == row["point"] and own["schedule"] == name
                ]
            )
            for name in ("optimal", row["schedule"])
        }
        assert row["gain"] == vars(mean_of(values["optimal"] - values[row["schedule"]]))


def test_rows_say_what_they_are_of(swept):
    for row in swept[2]:
        assert row["command"] == "sweep"
        assert len(row["economy"]) == len(row["run"]) == 12
        assert row["aversion"] == row["welfare.aversion"]
        assert row["preferences.elasticity"] in (0.25, 0.5)
        assert row["planner"] == ("saez" if row["schedule"] == "optimal" else None)
        assert (row["rate_1"] == 0.10) == (row["schedule"] != "optimal")


def test_what_was_stopped_goes_on_to_the_same_bytes(
    swept, econjax, runs, monkeypatch, small_chunks
):
    folder, _, _ = swept
    write, written = run.write_table, []

    def stop_at_the_second(path, rows):
        if len(written) == 1:
            raise KeyboardInterrupt
        write(path, rows)
        written.append(path)

    monkeypatch.setattr(run, "write_table", stop_at_the_second)
    ran = econjax("sweep", folder.parent / "sweep.toml", "--runs", runs, "--name", "cut")
    assert ran.code == 130
    assert f"econjax resume {runs / 'cut'}" in ran.err
    assert not (runs / "cut" / "metrics.parquet").exists()
    monkeypatch.setattr(
        run, "write_table", lambda path, rows: (written.append(path), write(path, rows))
    )
    written.clear()
    assert econjax("resume", runs / "cut").code == 0
    assert [path.name for path in written] == ["00001.parquet", "00002.parquet"]
    assert (runs / "cut" / "timings.parquet").is_file()
    again, whole = (d / "metrics.parquet" for d in (runs / "cut", folder))
    assert again.read_bytes() == whole.read_bytes()
    assert not (runs / "cut" / "parts").exists()


def test_one_program_for_all_values_and_another_for_another_shape(file):
    text = GRID.replace("[vary]", '[vary]\n"spending.public" = [0, 5_000]')
    with float64():
        points = points_of(file(text))
        [group] = groups_of(points, file(text), memory=1e9)
        assert len(group.points) == 8
        text = text.replace("[vary]", '[vary]\n"incomes.agents" = [100, 200]')
        sizes = [group.agents for group in groups_of(points_of(file(text)), file(text), memory=1e9)]
    assert sizes == [100, 200]


def test_all_points_meet_the_same_draws(file):
    text = '[incomes]\nagents = 50\n[vary]\n"incomes.distribution" = ["acs-2023", "ssa-2022"]'
    with float64():
        [group] = groups_of(points_of(file(text)), file(text), memory=1e9)
        here, there = (plan.draw_workers(plan.Cell(point, 4)).skill for point in group.points)
    assert np.array_equal(np.argsort(here), np.argsort(there))
    assert not np.allclose(here, there)


@pytest.mark.parametrize("kind", ["random", "halton"])
def test_a_drawn_design_keeps_its_ranges_and_its_seed(file, kind):
    text = f"""
[sweep]
design = "{kind}"
points = 64
[vary]
"preferences.elasticity" = {{low = 0.1, high = 1.0, scale = "log"}}
"spending.public" = {{low = 0, high = 8_000}}
"welfare.functions" = ["atkinson", "rawlsian"]
"""
    points = points_of(file(text))
    elasticity, spending, aims = zip(*(point.values.values() for point in points), strict=True)
    assert len(points) == 64
    assert set(aims) == {"atkinson", "rawlsian"}
    assert 0.1 <= min(elasticity) < 0.13
    assert 0.75 < max(elasticity) <= 1.0
    assert abs(np.mean(np.log10(elasticity)) + 0.5) < 0.1
    assert abs(np.mean(spending) - 4_000) < 800
    other = points_of(file(text.replace("points", "seed = 1\npoints")))
    assert points != other
    assert {point.welfare_name for point in points} == set(aims)


def test_a_grid_has_every_pair_in_order(file):
    points = points_of(file(GRID))
    assert [tuple(point.values.values()) for point in points] == [
        (e, a) for e in (0.25, 0.5) for a in (0.5, 2.0)
    ]
    assert [point.source.elasticity for point in points] == [0.25, 0.25, 0.5, 0.5]
    assert len({design.economy_digest(point.base) for point in points}) == 1


MISTAKES = {
    "an unknown key": ('[vary]\n"preferences.elasticty" = [1.0]', "line 2", "elasticty"),
    "a value of another kind": ('[vary]\n"preferences.elasticity" = ["much"]', "line 2", "much"),
    "an illegal value": ('[vary]\n"welfare.aversion" = [-1.0]', "aversion is 0 or more"),
    "a range in a grid": ('[vary]\n"welfare.aversion" = {low = 0, high = 1}', "halton"),
    "no points": ('[sweep]\ndesign = "halton"\n[vary]\n"welfare.aversion" = [1.0]', "points"),
    "nothing to draw": ('[sweep]\ndesign = "random"\npoints = 3', "name something"),
    "a range upside down": (
        '[sweep]\ndesign = "random"\npoints = 3\n[vary]\n"welfare.aversion" = {low = 2, high = 1}',
        "line 5",
        "low is below high",
    ),
    "a misspelt key": ("[sweep]\nseed_count = 3", "line 2", "seed_count"),
    "no such schedule": ('[sweep]\nbeside = ["us_federal:never"]', "us_federal:YEAR"),
    "several schedules": ('[incomes]\nfile = "people.csv"', "one schedule for all", "status ="),
    "negative seeds": ("[sweep]\nseeds = -1", "line 2", "seeds are 0 or more"),
    "income effects": (
        '[preferences]\nkind = "isoelastic"\ncurvature = 1.5\nexponent = 3.0\nscale = 1e-5\n'
        '[welfare]\nfunctions = ["utilitarian"]\n[calibration]\nrebate = 5000.0',
        'planner = "gradient"',
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_are_told_before_any_work(file, econjax, runs, assert_told, case):
    text, *told = MISTAKES[case]
    assert_told(econjax("sweep", file(text), "--runs", runs), *told)
    assert not runs.exists() or not list(runs.iterdir())


def test_a_file_that_is_not_there_is_told(econjax, runs, tmp_path, assert_told):
    assert_told(econjax("sweep", tmp_path / "none.toml", "--runs", runs), "there is no file")


def test_a_gradient_planner_climbs_as_one_that_asks_and_tells(file, econjax, runs):
    text = '[incomes]\nagents = 200\n[sweep]\nplanner = "gradient"\nseeds = 1\nmost_steps = 6'
    ran = econjax("sweep", file(text), "--runs", runs, "--name", "climb", "--json")
    assert ran.code == 0, ran.err
    [row] = json.loads(ran.out)["rows"]
    with float64():
        economy = points_of(file(text))[0].source.economy(200, jax.random.key(0))
        planner = GradientPlanner(us_federal(2024, "single"))
        evaluate = RationalEvaluator(economy, Atkinson(1.0))
        asked = plan_with(jax.random.key(0), planner, evaluate, steps=6)
        best = max(float(report.equivalent) for report in asked.reports)
    assert row["optimal"]["value"] == pytest.approx(best, abs=0.01)
    assert row["gain"]["value"] > 100
    assert row["gain"]["low"] is None


@pytest.mark.parametrize("planner", ["saez", "gradient"])
def test_the_program_can_be_kept_for_the_next_sweep(file, planner):
    """It holds no callback to Python."""
    text = GRID.replace("[sweep]", f'[sweep]\nplanner = "{planner}"')
    with float64(), nan_where_illegal():
        [group] = groups_of(points_of(file(text)), file(text), memory=1e9)
        lowered = jax.jit(program.solve_all(group.search, 1)).lower(*group.arguments(0))
    assert "callback" not in lowered.as_text()


def test_an_economy_for_which_the_formula_implies_no_rates_is_told(file, econjax, runs):
    text = GRID + '"spending.public" = [0, 1_000_000]'
    ran = econjax("sweep", file(text), "--runs", runs)
    assert ran.code == 2
    _, told = ran.err.splitlines()
    assert told.endswith("all being below a floor: lower spending or the floor.")


def test_a_sweep_takes_no_limits_of_models(swept, econjax, runs, assert_told, small_chunks):
    folder, _, _ = swept
    assert_told(econjax("resume", folder), "is finished")
    shutil.copytree(folder, runs / "open")
    (runs / "open" / "metrics.parquet").unlink()
    assert_told(econjax("resume", runs / "open", "--limit-tokens", 5), "--limit-tokens")


def test_the_model_of_memory_is_what_the_compiler_lays_out(file):
    text = GRID.replace("200", "1_000").replace('beside = ["us_federal:2020"]', "")
    with float64():
        [group] = groups_of(points_of(file(text)), file(text), memory=1e9)
        lanes = program.solve_all(group.search, 4)
        laid_out = jax.jit(lanes).lower(*group.arguments(0)).compile().memory_analysis()
    assert laid_out is not None
    model = 4 * memory.bytes_of_lane(1_000, 7)
    assert model == pytest.approx(laid_out.temp_size_in_bytes, rel=0.25)


def test_time_left_is_that_of_what_this_process_solves():
    assert progress.how_far(30, 120, 10.0, before=20) == (
        "30 of 120 economies solved in 10 s, about 90 s left."
    )
    assert "left" not in progress.how_far(120, 120, 10.0)


def test_every_point_of_a_file_makes_an_economy(file):
    with float64():
        assert len(checked_points(file(GRID))) == 4


def _cell(row):
    return row["point"], row["seed"]
