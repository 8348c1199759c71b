import dataclasses
import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import Atkinson, BracketSchedule, Economy, Quasilinear, gb2, settle, us_federal
from experiments.benchmarks import core
from experiments.benchmarks.core import (
    BARS,
    CoreBenchmarkConfig,
    TimedRow,
    judge_core,
    measure_core,
)
from experiments.benchmarks.references import NumpySchedule, hand_fused_welfare
from experiments.benchmarks.timing import Ratio, compile_for, ratio, take_turns

EVERY = {
    "tax",
    "marginal rate",
    "settle",
    "settle, welfare only",
    "best response, quasi-linear",
    "best response, isoelastic",
    "best response, GHH",
    "value and gradient of welfare",
    "Saez to convergence",
    "3 schedules x 50 workers",
}
LIMITS = {"power", "copy"}
REFERENCES = {
    "tax": {"numpy broadcast", "numpy searchsorted"},
    "marginal rate": {"numpy broadcast", "numpy searchsorted"},
    "settle, welfare only": {"by hand"},
}


@pytest.fixture(scope="module")
def benchmark():
    return measure_core(CoreBenchmarkConfig(sizes=(200,), batch=(3, 50), repeats=2))


def row_of(bar, median, least):
    return TimedRow(
        bar.operation,
        bar.workers,
        "",
        1.0,
        1.0,
        1.0,
        1,
        1.0,
        None,
        None,
        {bar.reference: Ratio(median, least)},
    )


def test_every_operation_is_measured_against_everything_it_is_compared_with(benchmark):
    assert {row.operation for row in benchmark.rows} == EVERY
    for row in benchmark.rows:
        assert row.workers == (150 if "schedules" in row.operation else 200)
        assert set(row.ratios) == LIMITS | REFERENCES.get(row.operation, set())
        figures = [
            row.compile_seconds,
            row.least_seconds,
            row.workers_per_second,
            row.bytes_per_worker,
            row.bandwidth,
        ]
        figures += [part for each in row.ratios.values() for part in (each.median, each.least)]
        assert all(0 < figure < math.inf for figure in figures)
        assert row.least_seconds <= row.seconds
        assert row.rounds <= 2
        assert bool(row.note) == (row.operation == "Saez to convergence")
    assert benchmark.machine["precision"] == "float32"


def test_a_share_of_bandwidth_is_that_of_a_copy_which_takes_as_long(benchmark):
    for row in benchmark.rows:
        if row.operation == "tax":  # a number in and one out, as of a copy
            copies = row.ratios["copy"].median
            assert row.bandwidth == pytest.approx(1 / copies, rel=0.1)


def test_numpy_can_be_left_out_and_memory_is_known_before(monkeypatch, capsys):
    monkeypatch.setattr(core, "_LARGE", 2_000)
    config = CoreBenchmarkConfig(sizes=(50,), batch=(2, 20), repeats=1, numpy=False)
    told: list[str] = []
    rows = measure_core(config, told.append).rows
    assert {name for row in rows for name in row.ratios} == LIMITS | {"by hand"}
    large = capsys.readouterr().err
    for row in rows:
        what, held = f"{row.operation}: {row.workers:,} workers", row.bytes_per_worker * row.workers
        assert {what, said := f"{what}, {held / 1e6:,.0f} MB"} <= {*told}
        assert (f"{said}." in large) is (held >= 2_000)


def test_bytes_are_those_of_the_arrays_that_go_in_and_come_out(benchmark):
    held = {row.operation: row.bytes_per_worker for row in benchmark.rows}
    assert held["tax"] == pytest.approx(2 * 4, rel=0.1)  # income, tax
    assert held["settle"] == pytest.approx((3 + 1 + 5) * 4, rel=0.2)  # population, labor, outcome


def test_the_command_prints_tables_or_json(econjax, monkeypatch, benchmark):
    asked = []
    monkeypatch.setattr(
        core, "measure_core", lambda config, on_start: asked.append(config) or benchmark
    )
    ran = econjax("benchmark", "core", "--sizes", 200, 300, "--precision", "float64")
    assert ran.code == 0, ran.err
    assert asked == [CoreBenchmarkConfig(sizes=(200, 300), precision="float64")]
    lines = ran.out.splitlines()
    for operation in EVERY:
        assert any(line.strip().startswith(operation) for line in lines)
    assert sum("not run" in line for line in lines) == len(BARS)
    ran = econjax("benchmark", "core", "--json")
    assert json.loads(ran.out) == json.loads(json.dumps(dataclasses.asdict(benchmark)))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (("--sizes", 0), "--sizes takes whole numbers of 1 or more; got 0"),
        (("--sizes",), "--sizes takes whole numbers of 1 or more; got none"),
        (("--batch", 3, -1), "--batch takes whole numbers of 1 or more; got 3 -1"),
        (("--repeats", 0), "--repeats takes whole numbers of 1 or more; got 0"),
        (("--patience", "nan"), "--patience is a number of seconds; got nan"),
    ],
)
def test_what_cannot_be_measured_is_told_in_one_line(econjax, wrong, told):
    ran = econjax("benchmark", "core", *wrong)
    assert ran.code == 2
    assert told in ran.err
    assert ran.out == ""


def test_a_bar_is_met_on_its_own_side_and_open_where_its_size_was_not_run():
    for bar in BARS:
        for value, on_top in (
            (1.01 * bar.bar, True),
            (0.99 * bar.bar, False),
            (bar.bar, bar.at_least),
        ):
            verdicts = {v.operation: v for v in judge_core([row_of(bar, value, value)])}
            assert verdicts.pop(bar.operation).met == (on_top == bar.at_least)
            assert all(verdict.met is None for verdict in verdicts.values())


def test_a_bar_that_only_the_median_or_only_the_least_times_meet_is_not_met():
    for bar in BARS:
        for sides in ((1.01, 0.99), (0.99, 1.01)):
            verdict = next(
                v
                for v in judge_core([row_of(bar, *(side * bar.bar for side in sides))])
                if v.measured
            )
            assert verdict.met is False


def test_the_numpy_forms_and_the_hand_written_one_compute_the_same(x64):
    population, law = gb2(500), BracketSchedule([0, 20_000, 60_000, 150_000], [-0.2, 0.5, 0.1, 0.4])
    income = jnp.append(40 * population.skill, law.thresholds)
    host = NumpySchedule(np.asarray(law.thresholds), np.asarray(law.rates))
    for form in (host.broadcast_tax, host.searchsorted_tax):
        np.testing.assert_allclose(form(np.asarray(income)), law.tax(income), rtol=1e-12, atol=1e-9)
    for form in (host.broadcast_rate, host.searchsorted_rate):
        np.testing.assert_array_equal(form(np.asarray(income)), law.marginal_rate(income))
    law, labor = us_federal(2024), jnp.linspace(1.0, 60.0, 500)
    economy = Economy(population=population, preferences=Quasilinear(0.25))
    for aversion in (1.0, 2.0):
        by_hand = hand_fused_welfare(
            population, labor, law, jnp.asarray(0.25), jnp.asarray(aversion)
        )
        expected = Atkinson(aversion)(population, settle(economy, law, labor))
        assert float(by_hand) == pytest.approx(float(expected), rel=1e-12)


def test_sides_take_turns_after_a_warm_up():
    calls = []
    sides = {name: lambda name=name: calls.append(name) for name in "ab"}
    seconds = take_turns(sides, repeats=3, patience=60.0)
    assert "".join(calls) == "ab" + "ab" * 3
    assert {name: len(times) for name, times in seconds.items()} == {"a": 3, "b": 3}
    assert len(take_turns(sides, repeats=3, patience=0.0)["a"]) == 1


def test_a_ratio_pairs_the_rounds():
    assert ratio([2.0, 30.0, 4.0], [1.0, 10.0, 4.0]) == Ratio(median=2.0, least=2.0)


def test_compiling_is_apart_from_running():
    call = compile_for(lambda x: jnp.sum(2 * x), jnp.ones(100))
    assert call.run() == 200
    assert call.seconds > 0
    assert call.held >= call.moved == 404
    with pytest.raises(TypeError):
        compile_for(lambda x: jax.lax.add(x, jnp.ones(2)), jnp.ones(100))
