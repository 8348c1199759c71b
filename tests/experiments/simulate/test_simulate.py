"""`econjax simulate`, end to end: every scenario keeps books and words, and can be replayed."""

import dataclasses
import json
import math
import shutil
import sqlite3
from collections import Counter
from dataclasses import replace
from typing import NamedTuple, get_args

import jax.numpy as jnp
import numpy as np
import pyarrow.parquet as pq
import pytest

from econjax import BracketSchedule, best_response
from econjax.economy import utility_of
from experiments.core import engines
from experiments.core.config import WelfareName
from experiments.report.disclosure import nature
from experiments.runs.directory import read_manifest
from experiments.simulate.config import SimulateConfig
from experiments.simulate.run import prepare
from llm_policy.engines.base import EngineInfo
from llm_policy.engines.provenance import SHIPPED_FOLDER, taught_entries
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.engines.wrappers.sealing import sealed

AGENTS, STEPS_A_YEAR = 8, 3
SMALL = ("--agents", AGENTS, "--tax-year", STEPS_A_YEAR)
CASES = {
    "rational": "--scenario rational --think --brackets three --tax-years 4 --warmup 2 --start "
    "0.35",
    "rational, chosen": "--scenario rational --mode choice --brackets flat --answer rates "
    "--tax-years 3",
    "bounded": "--altruistic 0.25 --adversarial 0.25 --satisfaction-counts --most-unread 0.6 "
    "--tax-years 3 --brackets three --answer rates --think",
    "asks what if": "--mode text --queries 2 --people traits --brackets three --warmup 0 "
    "--tax-years 2 --planner-history none",
    "one model": "--one-model --mode choice --people roles --planner saez --tax-years 2",
    "gradient": "--mode text --people written --planner gradient --tax-years 2 --brackets three "
    "--spending federal",
    "law": "--planner fixed --mode text --tax-years 2 --welfare rawlsian --no-nudges --no-averages "
    "--no-explore --history 2 --best 0",
    "democratic": "--scenario democratic --mode text --brackets three --tax-years 3 --candidates 3",
    "terms": "--scenario democratic --brackets three --mode choice --no-platforms --rule borda "
    "--term 2 --term-limit 1 --leader society --tax-years 3",
}
MUMBLES = {"bounded": 0.4}


class Run(NamedTuple):
    """A finished run: its choices, its place, what it printed, and the engine that improvised."""

    name: str
    config: SimulateConfig
    path: object
    result: dict
    engine: object

    def table(self, name):
        return pq.read_table(self.path / f"{name}.parquet").to_pylist()

    def steps(self):
        """Return each step's metrics with its workers as arrays."""
        workers = self.table("workers")
        for row in self.table("metrics"):
            some = [worker for worker in workers if worker["step"] == row["step"]]
            assert [worker["worker"] for worker in some] == list(range(AGENTS))
            yield row, {name: np.array([worker[name] for worker in some]) for name in some[0]}

    def calls(self):
        """Return the shared text, the own text and the answer of every call, in order."""
        with sqlite3.connect(self.path / "journal.sqlite") as journal:
            return journal.execute(
                "SELECT text, personal, answer, verb FROM calls JOIN texts ON texts.id = shared "
                "ORDER BY calls.rowid"
            ).fetchall()


@pytest.fixture(scope="module", params=CASES)
def run(request, tmp_path_factory, econjax, improviser):
    path = tmp_path_factory.mktemp("home") / "runs" / "one"
    engine = improviser(mumbles=MUMBLES.get(request.param, 0.02))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "start_engine", lambda *_: engine)
        choices = (
            *SMALL,
            *CASES[request.param].split(),
            "--runs",
            path.parent,
            "--name",
            path.name,
        )
        ran = econjax("simulate", *choices, "--score", *get_args(WelfareName), "--json")
    assert ran.code == 0, ran.err
    assert "The workers' answers" in ran.err
    config = SimulateConfig.fromdict(read_manifest(path)["config"])
    return Run(request.param, config, path, json.loads(ran.out), engine)


def test_the_run_directory_holds_every_prompt_and_answer(run):
    files = {path.name for path in run.path.iterdir()}
    people = set() if run.config.scenario == "rational" else {"people.csv"}
    tables = {f"{name}.parquet" for name in ("metrics", "workers", "timings")}
    assert files == tables | people | {
        "manifest.json",
        "journal.sqlite",
        "government.json",
        "validity.json",
        "welfare.png",
    }
    calls = run.calls()
    assert sum(verb == "choose" for *_, verb in calls) == run.engine.chosen
    kept = Counter(
        (shared, own, text)
        for shared, own, answer, verb in calls
        if verb == "complete"
        for text in json.loads(answer)
    )
    assert kept == Counter((*prompt, text) for prompt, text in run.engine.said)
    asked = 1 if run.config.one_model else AGENTS
    hours = (
        sum("hours" in text for *_, text, verb in calls if verb == "complete") + run.engine.chosen
    )
    assert hours >= asked * run.config.steps - sum(not known for known in column(run, "understood"))


def column(run, name):
    return [row[name] for row in run.table("workers")]


def test_there_is_a_row_per_step_and_a_schedule_per_tax_year(run):
    metrics, config = run.table("metrics"), run.config
    assert [row["step"] for row in metrics] == list(range(1, config.steps + 1))
    assert [row["tax_year"] for row in metrics] == [
        year for year in range(1, config.tax_years + 1) for _ in range(STEPS_A_YEAR)
    ]
    years = run.result["tax_years"]
    for row in metrics:
        assert row["rates"] == years[row["tax_year"] - 1]["rates"]
    for year in years:
        rows = [row for row in metrics if row["tax_year"] == year["tax_year"]]
        for name in ("labor", "distance", "lost", "gini", "rebate", "understood", *config.scores):
            assert year[name] == pytest.approx(np.mean([row[name] for row in rows])), name
        assert 0 <= year["standard_error"] < math.inf


def test_metrics_say_how_far_workers_are_from_their_own_best(run, x64):
    economy = run.config.economy()
    for row, workers in run.steps():
        schedule = BracketSchedule(run.config.schedule().thresholds, row["rates"])
        best = best_response(economy, schedule, row["rebate"])
        income = economy.population.skill * best
        consumption = income - schedule.tax(income) + row["rebate"]
        most = utility_of(economy, jnp.maximum(consumption, economy.consumption_floor), best)
        entered = workers["understood"]
        if run.config.satisfaction_counts:
            entered = entered & np.not_equal(workers["satisfied"], None)
        off = np.abs(workers["labor"] - best)[entered].mean()
        assert row["distance"] == pytest.approx(off, abs=1e-6)
        lost = np.maximum(most - workers["utility"], 0)[entered].mean()
        assert row["lost"] == pytest.approx(lost, abs=1e-2)


def test_the_budget_balances_and_metrics_are_means_of_the_workers(run):
    spending = None if run.config.spending == "federal" else 0.0
    for row, workers in run.steps():
        known = workers["understood"]
        mean = {
            name: workers[name][known].mean() for name in ("labor", "income", "tax", "consumption")
        }
        spent = mean["income"] - mean["consumption"]
        spending = spent if spending is None else spending
        assert spent == pytest.approx(spending, abs=0.01)
        assert row["rebate"] == pytest.approx(mean["tax"] - spending, abs=0.01)
        entered = (
            known & np.not_equal(workers["satisfied"], None)
            if run.config.satisfaction_counts
            else known
        )
        models = [AGENTS // 2] if run.config.one_model else range(AGENTS)
        assert row["understood"] == pytest.approx(entered[models].mean())
        if not run.config.satisfaction_counts:
            assert row["labor"] == pytest.approx(mean["labor"])
            assert row["income"] == pytest.approx(mean["income"])
        answers = [answer for answer in workers["satisfied"].tolist() if answer is not None]
        assert row["satisfied"] == (pytest.approx(np.mean(answers)) if answers else None)
    assert (spending > 1000) == (run.config.spending == "federal")


def test_taxes_are_those_of_the_rates_in_force(run):
    low = np.asarray(run.config.schedule().thresholds, float)
    high = np.append(low[1:], np.inf)
    for row, workers in run.steps():
        taxed = np.clip(workers["income"][:, None] - low, 0, high - low)
        np.testing.assert_allclose(workers["tax"], taxed @ row["rates"], rtol=1e-5, atol=0.01)


def test_scores_are_welfare_of_the_workers_utilities(run):
    """Utilitarian: mean; Rawlsian: least; Atkinson, aversion 1: geometric mean, from 1 dollar."""
    for row, workers in run.steps():
        known, utility = workers["understood"], workers["utility"]
        if run.config.satisfaction_counts:
            known = known & np.array([answer is not None for answer in workers["satisfied"]])
            content = workers["satisfied"] != False  # noqa: E712
            utility = utility - np.where(content, 0, 0.5 * np.abs(utility))
        utility = utility[known]
        expected = {
            "utilitarian": utility.mean(),
            "rawlsian": utility.min(),
            "atkinson": math.exp(np.log(np.maximum(utility, 1)).mean()),
        }
        assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-6)
        assert all(math.isfinite(value) for value in row.values() if isinstance(value, float))


def test_a_planner_is_asked_once_a_tax_year_and_does_what_it_says(run):
    rates = [year["rates"] for year in run.result["tax_years"]]
    start = pytest.approx(np.asarray(run.config.schedule().rates, float).tolist())
    asked = [
        (own, json.loads(answer)[0])
        for shared, own, answer, _ in run.calls()
        if shared.startswith("You set")
    ]
    if run.config.scenario == "democratic":
        return
    if run.config.planner != "llm":
        assert not asked
        assert rates[0] == start
        assert (rates[1] == start) == (run.config.planner == "fixed")
        return
    warmup, years = run.config.warmup, run.config.tax_years
    for early in rates[:warmup]:
        assert early == start
    if not run.config.queries:
        assert len({own for own, _ in asked}) == years - warmup
    answers = [proposed(answer) for _, answer in asked]
    expected, current = [], np.array(start.expected)
    for answer in answers:
        if isinstance(answer, dict) and answer.get("what_if") is None:
            if answer.get("changes"):
                current = np.clip(current + np.array(answer["changes"]) / 100, 0, 1)
                expected.append(current)
            elif answer.get("rates_percent"):
                expected.append(np.array(answer["rates_percent"]) / 100)
    np.testing.assert_allclose(rates[warmup:], expected, atol=1e-4)
    questions = [answer for answer in answers if isinstance(answer, dict) and answer.get("what_if")]
    assert run.result["government"]["queries"] == len(questions) <= run.config.queries * years


def proposed(text):
    try:
        return json.loads(text)
    except ValueError:
        return None


def test_leaders_come_from_elections(run):
    if run.config.scenario != "democratic":
        assert all(year["leader"] is None for year in run.result["tax_years"])
        return
    elections = {
        election["tax_year"]: election for election in run.result["government"]["elections"]
    }
    years = run.result["tax_years"]
    assert list(elections) == list(range(1, len(years) + 1, run.config.term))
    for year in years:
        election = elections[year["tax_year"] - (year["tax_year"] - 1) % run.config.term]
        assert year["leader"] == election["winner"]
        assert {
            row["leader"] for row in run.table("metrics") if row["tax_year"] == year["tax_year"]
        } == {year["leader"]}
        assert len(election["candidates"]) <= (run.config.candidates or AGENTS)
        assert len(election["ballots"]) == AGENTS
        if election["platforms"] and year["tax_year"] in elections:
            promise = election["platforms"][election["candidates"].index(year["leader"])]
            np.testing.assert_allclose(year["rates"], promise, atol=1e-9)
    winners = [election["winner"] for election in elections.values()]
    if run.config.term_limit:
        assert max(Counter(winners).values()) <= run.config.term_limit


def test_workers_are_who_they_are_said_to_be(run):
    config, calls = run.config, run.calls()
    workers = [
        own for shared, own, *_ in calls if "How many hours" in own or "next working week" in own
    ]
    harm = sum("Your aim is to harm" in own for own in set(workers)) > 0
    assert harm == (config.adversarial > 0)
    judged = any("Are you satisfied" in own for _, own, *_ in calls)
    assert judged == (config.scenario != "rational")
    if config.one_model:
        hours = np.array(column(run, "labor")).reshape(-1, AGENTS)
        fixed = np.delete(hours, AGENTS // 2, axis=1)
        assert np.all(fixed == fixed[0])
        assert np.all((fixed >= 40) & (fixed <= 60))
        assert run.engine.chosen == 2 * config.steps  # hours, and whether it is satisfied
    if config.mode == "choice":
        chosen = column(run, "labor")[AGENTS // 2 :: AGENTS]
        assert set(np.mod(chosen, 10)) == {0}
    elif config.think:
        assert any("thought" in text for _, text in run.engine.said)


def test_a_replay_asks_nobody_and_gives_the_same_bytes(run, econjax, play):
    play(None)
    ran = econjax("replay", run.path, "--name", "again")
    assert ran.code == 0, ran.err
    assert "is identical" in ran.err
    other = run.path.parent / "again"
    for name in ("metrics.parquet", "workers.parquet", "government.json"):
        assert (other / name).read_bytes() == (run.path / name).read_bytes()
    assert "language-model workers" in ran.out
    assert "read %" in ran.out
    assert f"Run directory: {other}" in ran.out


@pytest.mark.parametrize("run", ["rational", "bounded", "democratic"], indirect=True)
def test_a_run_is_scored_anew_without_a_model(run, econjax, play):
    play(None)
    ran = econjax("replay", run.path, "--name", "anew", "--score", "rawlsian")
    assert ran.code == 0, ran.err
    assert "Scored anew, under rawlsian" in ran.err
    anew = pq.read_table(run.path.parent / "anew" / "metrics.parquet").to_pylist()
    before = run.table("metrics")
    assert {row.pop("run") for row in anew}.isdisjoint(row["run"] for row in before)
    dropped = {"atkinson", "utilitarian", "run"}
    assert anew == [
        {name: value for name, value in row.items() if name not in dropped} for row in before
    ]


def test_whoever_scores_changes_nothing_else(econjax, play, improviser, runs):
    """A run under one score and one under another, scored anew by the first, are the same bytes."""
    for name in ("rawlsian", "utilitarian"):
        play(improviser())
        choices = (*SMALL, "--tax-years", 2, "--brackets", "three", "--score", name)
        assert econjax("simulate", *choices, "--runs", runs, "--name", name).code == 0
    assert (
        econjax("replay", runs / "utilitarian", "--score", "rawlsian", "--name", "anew").code == 0
    )
    first, anew = (runs / name / "metrics.parquet" for name in ("rawlsian", "anew"))
    assert anew.read_bytes() == first.read_bytes()


def test_a_population_is_used_again_and_kept_with_the_run(econjax, play, improviser, runs):
    choices = (*SMALL, "--tax-years", 1, "--planner", "fixed", "--runs", runs)
    play(improviser())
    assert econjax("simulate", *choices, "--name", "first").code == 0
    people = runs / "first" / "people.csv"
    assert (
        econjax("simulate", *choices, "--name", "second", "--seed", 5, "--population", people).code
        == 0
    )
    kept = runs / "second" / "people.csv"
    assert kept.read_bytes() == people.read_bytes()
    people.unlink()
    ran = econjax("replay", runs / "second")
    assert (ran.code, "is identical" in ran.err) == (0, True), ran.err


def reseal(database):
    """Give all calls the checksums of what they are now, as whoever forges them well would."""
    for number, *row in database.execute("SELECT rowid, * FROM calls").fetchall():
        whole = [sealed(*row[:-1])[-1], number]
        database.execute("UPDATE calls SET checksum = ? WHERE rowid = ?", whole)


@pytest.mark.parametrize("run", ["law"], indirect=True)
@pytest.mark.parametrize(
    "forgery",
    [
        "DELETE FROM calls WHERE rowid = (SELECT max(rowid) FROM calls)",
        """UPDATE calls SET answer = '["{\\"hours\\": 99}"]' WHERE answer LIKE '%hours%'""",
        """UPDATE calls SET answer = '["nothing"]' WHERE answer LIKE '%hours%'""",
    ],
    ids=["missing", "other hours", "unreadable"],
)
def test_a_journal_that_does_not_fit_is_found_out_and_leaves_no_run(
    run, econjax, play, tmp_path, forgery
):
    play(None)
    path = shutil.copytree(run.path, tmp_path / "one")
    with sqlite3.connect(path / "journal.sqlite") as database:
        database.execute(forgery)
        reseal(database)
    ran = econjax("replay", path)
    assert (ran.code, ran.out) == (2, "")
    assert f"The journal {path / 'journal.sqlite'} lacks" in ran.err.splitlines()[-1]
    assert not path.with_name("one-replay").exists()


@pytest.mark.parametrize("run", ["rational"], indirect=True)
def test_a_last_answer_that_was_forged_gives_other_bytes(run, econjax, play, tmp_path):
    """Nobody was asked after it, so that nothing is missing: the metrics tell."""
    play(None)
    path = shutil.copytree(run.path, tmp_path / "one")
    with sqlite3.connect(path / "journal.sqlite") as database:
        forged = json.dumps([json.dumps({"thought": "", "hours": 99})])
        last = "rowid = (SELECT max(rowid) FROM calls)"
        database.execute(f"UPDATE calls SET answer = ? WHERE {last}", [forged])
        reseal(database)
    ran = econjax("replay", path)
    assert ran.code == 2
    assert f"metrics.parquet is NOT identical to that of {path}" in ran.err.splitlines()[-1]


def test_what_figures_depend_on_survives_the_manifest():
    config = SimulateConfig(
        agents=12, scenario="democratic", score=("rawlsian",), candidates=None, term=3
    )
    kept = SimulateConfig.fromdict(json.loads(json.dumps(config.asdict())))
    assert kept == config
    assert SimulateConfig().size == 20
    assert dataclasses.replace(config, tax_years=2, tax_year=5).steps == 10


class Taught(ScriptedEngine):
    """Always says 40, and has learned to as workers in choice mode if it was `taught`."""

    def __init__(self, *, taught):
        self.taught, self.asked = taught, 0
        super().__init__(
            lambda prompt: '{"hours": 40}',
            likelihood=lambda prompt, option: 1.0 if option == "40" else 1e-12,
        )

    def complete(self, prompts, schema, **options):
        self.asked += len(prompts)
        return super().complete(prompts, schema, **options)

    def describe(self):
        taught = "workers in choice mode" if self.taught else ""
        return replace(super().describe(), taught=taught)


@pytest.mark.parametrize("taught", [True, False])
def test_workers_answer_as_their_model_was_taught_or_as_a_probe_finds_right(taught):
    def mode(**choices):
        engine = Taught(taught=taught)
        setup = prepare(SimulateConfig(agents=8, planner="fixed", **choices), engine)
        return setup.config.mode, engine.asked

    assert mode() == ("choice", 0 if taught else 6)  # the probe asks six people for texts too
    assert mode(mode="text") == ("text", 0)
    assert mode(think=True) == ("text", 0)  # nobody thinks before a choice


def test_who_was_not_taught_to_answer_so_is_named_and_the_others_imitate():
    learned = taught_entries(SHIPPED_FOLDER)
    engine = EngineInfo(engine="embedded", model="econjax-small", **learned)
    [imitates] = nature(engine).remarks
    assert imitates.startswith("econjax-small IMITATES A KNOWN FORMULA")
    config = SimulateConfig(scenario="democratic", mode="choice")
    assert nature(engine, config.asked).remarks[0] == imitates  # its hours
    assert "NOT TAUGHT TO ANSWER SO AS PLANNER OR VOTERS" in nature(engine, config.asked).remarks[1]
    [unlearned] = nature(engine, {"workers": "text"}).remarks
    assert "NOT TAUGHT TO ANSWER SO AS WORKERS:" in unlearned
    assert nature(EngineInfo(engine="embedded", model="other")).remarks == ()


def test_workers_and_planners_reread_what_was_chosen(run):
    texts = ["\n".join((shared, own)) for shared, own, *_ in run.calls()]
    assert any("On average you chose" in text for text in texts) == run.config.averages
    if run.config.planner == "llm" and run.config.scenario != "democratic":
        reread = any("The latest tax years, latest last:" in text for text in texts)
        assert reread == (run.config.planner_history == "kept")
