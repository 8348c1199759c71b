"""One's own economy in one file: every command knows it, prompts speak it, runs carry it whole."""

import dataclasses
import json
import pkgutil
import tomllib
from importlib.resources import files

import numpy as np
import pyarrow.parquet as pq
import pytest

from econjax import added, phased_credit, us_federal
from econjax.laws import save_schedule
from econjax.measures import reform_effects
from experiments.compare.config import CompareConfig
from experiments.core import engines
from experiments.core.commands import COMMANDS
from experiments.core.economy import EconomyConfig
from experiments.core.parsing import parse
from experiments.economies.sections import Document
from experiments.reform.command import incomes_by_schedule
from experiments.reform.config import ReformConfig

FILE = """
[currency]
symbol = "Kr"
name = "crowns"

[incomes]
file = "data/people.csv"

[incomes.columns]
income = "wage"
weight = "people"

[law]
name = "Ruritania 2024"
thresholds = [0, 10_000, 30_000, 80_000, 200_000]
rates = [0.0, 0.15, 0.28, 0.38, 0.45]

[preferences]
elasticity = 0.4

[welfare]
functions = ["atkinson"]
aversion = 2
"""
WITH_ECONOMY = [
    name
    for name, command in COMMANDS.items()
    if issubclass(pkgutil.resolve_name(command.config), EconomyConfig)
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Return a folder with 500 weighted incomes, and the file of an economy of theirs."""
    folder = tmp_path_factory.mktemp("stranger")
    (folder / "data").mkdir()
    draw = np.random.default_rng(0)
    wages = np.round(draw.lognormal(10.5, 0.8, 500))
    people = draw.integers(50, 150, 500)
    rows = (f"{w:.0f},{p},{30 + p % 30}" for w, p in zip(wages, people, strict=True))
    (folder / "data" / "people.csv").write_text("wage,people,age\n" + "\n".join(rows) + "\n")
    (folder / "economy.toml").write_text(FILE)
    return folder


@pytest.fixture(scope="module")
def compared(home, econjax, improviser):
    """Return how a stranger's command ended, where its results are, and the server's engine."""
    engine = improviser()
    engine.choose = None  # it speaks only text
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "start_engine", lambda *_: engine)
        ran = econjax(
            *("compare", "--economy", home / "economy.toml", "--workers", "llm", "--agents", 6),
            *("--server", "http://localhost:1/v1", "--model", "a", "--mode", "text"),
            *("--planners", "federal", "random", "--evaluations", 2, "--repetitions", 2),
            *("--seeds", 3, "--runs", home / "runs", "--name", "one", "--json"),
        )
    assert ran.code == 0, ran.err
    return json.loads(ran.out), home / "runs" / "one", engine


def test_a_strangers_file_and_one_command_give_means_and_intervals(compared):
    found, path, _ = compared
    [(title, rows)] = found["seeds"].items()
    assert title.startswith("Atkinson, aversion 2")
    assert {row["planner"] for row in rows} == {"Ruritania 2024", "random search"}
    metrics = pq.read_table(path / "metrics.parquet").to_pylist()
    for row in rows:
        own = [one for one in metrics if one["planner"] == row["planner"]]
        final = [one["equivalent"] for one in own if one["kind"] == "recommended"]
        assert row["equivalents"] == final
        assert {one["seed"] for one in own} == {0, 1, 2}
        assert row["equivalent"]["value"] == pytest.approx(np.mean(final))
        assert row["equivalent"]["low"] < row["equivalent"]["value"] < row["equivalent"]["high"]
        assert len(own[0]["rates"]) == 5


def test_prompts_speak_the_currency_and_of_no_other(compared):
    said = [f"{prompt.shared}{prompt.personal}" for prompt, _ in compared[2].said]
    assert said
    assert all("Kr" in text and "$" not in text and "dollar" not in text.lower() for text in said)


def test_a_run_carries_the_file_and_its_data_whole(compared, home):
    path = compared[1] / "economy"
    assert (path / "economy.toml").read_text() == FILE
    assert (path / "1-people.csv").read_bytes() == (home / "data" / "people.csv").read_bytes()
    carried = CompareConfig.of_file(path / "economy.toml").economy()
    own = CompareConfig.of_file(home / "economy.toml").economy()
    np.testing.assert_array_equal(carried.population.skill, own.population.skill)


def test_a_run_is_repeated_without_the_original_and_not_if_its_copy_changed(
    compared, home, econjax, assert_told, play, tmp_path
):
    play(None)
    path = compared[1]
    (home / "data").rename(home / "elsewhere")
    try:
        ran = econjax("replay", path, "--name", "again")
        assert "metrics.parquet is identical" in ran.err
        assert (path.with_name("again") / "economy" / "1-people.csv").is_file()
    finally:
        (home / "elsewhere").rename(home / "data")
    copy = path / "economy" / "1-people.csv"
    before = copy.read_bytes()
    copy.write_bytes(before.replace(b"wage", b"wage", 1) + b"1,1,30\n")
    try:
        ran = econjax("replay", path, "--name", "changed")
        assert_told(ran, "the copy of data/people.csv that the run keeps, has changed")
        assert not path.with_name("changed").exists()
    finally:
        copy.write_bytes(before)


def test_data_that_change_between_run_and_resume_are_told_and_not_read(
    compared, home, econjax, monkeypatch
):
    data, path = home / "data" / "people.csv", compared[1]
    before, metrics = data.read_bytes(), (path / "metrics.parquet").read_bytes()
    (path / "metrics.parquet").unlink()  # as if it had been cut short
    data.write_bytes(before + b"9999999,1000,30\n")
    monkeypatch.setattr(engines, "start_engine", lambda *_: compared[2])
    try:
        ran = econjax("resume", path, "--server", "http://localhost:1/v1", "--json")
        assert ran.code == 0, ran.err
        assert f"{data.resolve()} has changed since the run began" in ran.err
        assert (path / "metrics.parquet").read_bytes() == metrics
    finally:
        data.write_bytes(before)


@pytest.mark.parametrize("command", WITH_ECONOMY)
def test_every_command_takes_its_choices_from_the_file_and_flags_override_them(command, home):
    file = ["--economy", str(home / "economy.toml")]
    name, config, _ = parse([command, *file])
    assert name == command
    config.check() if command != "reform" else EconomyConfig._check(config)
    economy, law = config.economy(), config.status_quo()
    assert law.rates.shape == (5,)
    assert float(economy.preferences.elasticity) == pytest.approx(0.4)
    assert (config.aversion, config.law_title) == (2, "Ruritania 2024")
    assert getattr(config, "welfare", "atkinson") in ("atkinson", ("atkinson",))
    _, other, _ = parse([command, *file, "--elasticity", "0.7", "--law", "us_federal"])
    assert float(other.economy().preferences.elasticity) == pytest.approx(0.7)
    assert (other.law_title, other.aversion) == ("US federal", 2)


def test_the_commands_with_an_economy_are_these():
    assert set(WITH_ECONOMY) == {
        *("compare", "simulate", "contest", "scoreboard", "optimum", "transfer", "audit", "reform"),
        *("people", "sense", "sense-tasks"),
    }


def test_a_file_with_nothing_in_it_and_the_template_are_the_usual_economy(tmp_path, econjax):
    path = tmp_path / "economy.toml"
    assert econjax("economy", "init", path).code == 0
    ran = econjax("economy", "init", path)
    assert (ran.code, "exists" in ran.err) == (2, True)
    empty = tmp_path / "empty.toml"
    empty.write_text("")
    for config in (CompareConfig.of_file(path), CompareConfig.of_file(empty)):
        usual = dataclasses.replace(config, economy_file=None, incomes="acs-2023", law="us_federal")
        assert usual == CompareConfig()
        assert config.economy().population.skill.tolist() == (
            CompareConfig().economy().population.skill.tolist()
        )


def test_the_template_names_every_key(tmp_path):
    text = files("experiments.economies").joinpath("template.toml").read_text("utf-8")
    lines = [line.removeprefix("# ") for line in text.splitlines()]
    for section in Document.__struct_fields__:
        assert any(line.startswith((f"[{section}]", f"[{section}.")) for line in lines), section
        kind = type(getattr(Document(), section))
        for key in getattr(kind, "__struct_fields__", ()):
            begins = (f"{key} =", f"[{section}.{key}")
            assert any(line.startswith(begins) for line in lines), (section, key)
    assert tomllib.loads(text)["law"] == {"year": 2024}


PEOPLE = "income,weight\n-500,1\n0,2\n40000,3\n90000,2\n100000,1\n100000,1\n"


def source_of(folder, rules="", *, data=PEOPLE, more=""):
    (folder / "people.csv").write_text(data)
    (folder / "economy.toml").write_text(f'[incomes]\nfile = "people.csv"\n{rules}\n{more}')
    config = CompareConfig.of_file(folder / "economy.toml")
    return config.source


def test_rules_for_losses_and_zeros_say_how_many_people_and_how_much_money(tmp_path):
    clipped = source_of(tmp_path, 'losses = "clip"').records
    assert clipped.income.min() == 0
    assert clipped.people == 10
    assert "1 of 6 records (10.0% of people; -500 in all) with losses count" in clipped.remarks[0]
    dropped = source_of(tmp_path, 'losses = "drop"\nzeros = "drop"').records
    assert dropped.income.min() == 40_000
    assert dropped.people == 7
    assert dropped.weight.sum() == pytest.approx(1)


def test_a_top_code_gives_way_to_a_pareto_tail_of_the_same_people(tmp_path):
    data = "income,weight\n" + "50000,1\n" * 500 + "100000,1\n" * 500
    rules = "top_code = 100_000\npareto_index = 2.5"
    found = source_of(tmp_path, rules, data=data).records
    tail = found.income[500:]
    assert found.people == 1_000
    # E[z | z > top] = top * a / (a - 1); P(z > 2 top | z > top) = 2^-a.
    np.testing.assert_allclose(tail.mean(), 100_000 * 2.5 / 1.5, rtol=0.01)
    np.testing.assert_allclose(np.mean(tail > 200_000), 2**-2.5, atol=0.002)
    np.testing.assert_array_equal(found.income[:500], 50_000)


def test_fewer_workers_are_the_quantile_grid_and_keep_what_is_theirs(tmp_path):
    data = "income,weight,elasticity\n30000,1,0.3\n10000,2,0.1\n20000,1,0.2\n"
    source = source_of(tmp_path, data=data)
    few = source.population(4)
    assert (40 * few.skill).tolist() == [10_000, 10_000, 20_000, 30_000]
    np.testing.assert_allclose(few.elasticity, [0.1, 0.1, 0.2, 0.3], rtol=1e-6)
    assert source.told is None
    whole = source.population()
    np.testing.assert_allclose(whole.weight, [0.25, 0.5, 0.25])


def test_other_preferences_spending_and_an_indexed_law(tmp_path):
    more = """
[preferences]
kind = "isoelastic"
curvature = 1.0
exponent = 3.0
scale = 1e-6
[welfare]
functions = ["utilitarian"]
[calibration]
rebate = 5_000
[spending]
public = 1_000
[law.index]
factor = 1.034
step = 25
"""
    source = source_of(tmp_path, 'losses = "drop"', more=more)
    source.check()
    assert float(source.economy().spending) == 1_000
    law, old = source.schedule(), us_federal(2024)
    rise = np.asarray(law.thresholds - old.thresholds)
    np.testing.assert_allclose(rise, 25 * np.floor(0.034 * np.asarray(old.thresholds) / 25))


def test_a_law_may_be_a_file_and_be_chosen_by_status(tmp_path):
    save_schedule(us_federal(2020), tmp_path / "law.json")
    source = source_of(tmp_path, 'losses = "drop"', more='[law]\nfile = "law.json"')
    assert source.schedule().thresholds.tolist() == us_federal(2020).thresholds.tolist()
    both = "".join(
        f"[law.by_status.{name}]\nthresholds = [0]\nrates = [{rate}]\n"
        for name, rate in (("alone", 0.1), ("pair", 0.3))
    )
    source = source_of(tmp_path, 'losses = "drop"', more=f'[law]\nstatus = "pair"\n{both}')
    np.testing.assert_allclose(source.schedule().rates, [0.3], rtol=1e-6)
    with pytest.raises(ValueError, match="line 1, has no column status: name it"):
        source_of(tmp_path, 'losses = "drop"', more=both).schedule()


def test_a_reform_leaves_a_table_a_figure_and_both_schedules(home, econjax, tmp_path):
    save_schedule(us_federal(2024), tmp_path / "us.json")
    ran = econjax(
        *("reform", "law", tmp_path / "us.json", "--economy", home / "economy.toml"),
        *("--runs", tmp_path / "runs", "--name", "one", "--json"),
    )
    assert ran.code == 0, ran.err
    rows = json.loads(ran.out)["effects"]
    path = tmp_path / "runs" / "one"
    assert pq.read_table(path / "effects.parquet").to_pylist() == rows
    assert {"base.json", "reform.json", "effects.png", "economy"} < {p.name for p in path.iterdir()}
    [whole] = [row for row in rows if row["by"] == "all"]
    for by in ("decile", "age"):
        some = [row for row in rows if row["by"] == by]
        assert len(some) > 1
        for what in ("gain", "mechanical", "behavioural", "gaining"):
            mean = sum(row["share"] * row[what] for row in some)
            assert mean == pytest.approx(whole[what], rel=1e-6, abs=1e-6)


def test_people_bunch_where_a_credit_ends_to_rise_and_leave_a_gap_where_it_falls():
    config = ReformConfig(base="law", reform="law")
    law, economy = config.status_quo(), config.economy()
    credit = phased_credit(phase_in=0.4, most=8_000, until=26_000, phase_out=0.2)
    effects = reform_effects(economy, law, added(law, credit))
    edges, people = incomes_by_schedule(economy, effects)
    kink, falls = (int(np.searchsorted(edges, at, side="right")) - 1 for at in (20_000, 26_000))
    around = np.r_[kink - 9 : kink - 1, kink + 2 : falls - 1]
    assert people["after"][kink - 1 : kink + 1].sum() > 5 * people["after"][around].mean()
    assert people["before"][kink - 1 : kink + 1].sum() < 3 * people["before"][around].mean()
    assert people["after"].sum() == pytest.approx(90, abs=3)


def test_people_are_described_beside_published_figures(home, econjax, tmp_path):
    published = '[published]\nsource = "Office 2024"\nmedian = 35_000\n'
    (home / "described.toml").write_text(FILE + published)
    ran = econjax("economy", "describe", "--economy", home / "described.toml", "--json")
    assert ran.code == 0, ran.err
    figures = {row["name"]: row for row in json.loads(ran.out)["figures"]}
    assert figures["median $"]["published"] == {"Office 2024": 35_000}  # not of the US: crowns
    assert figures["records"]["value"] == 500
    assert figures["workers whose best week under the law is not 40 hours, %"]["value"] == 0
    usual = econjax("economy", "describe")
    assert "Kr" not in usual.out
    assert "42,220" in usual.out  # the median of the CPS 2023 (PINC-01)
