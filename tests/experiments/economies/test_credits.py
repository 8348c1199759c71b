"""Credits in an economy file: whose they are, what they amount to, what workers read of them."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from econjax import BracketSchedule
from econjax.economy import income_and_tax
from econjax.laws import save_schedule
from experiments.core.economy import EconomyConfig
from llm_policy.prompts.means import Means, worker_lines

FILE = """
[incomes]
file = "people.csv"

[incomes.columns]
other_income = "pension"

[law]
thresholds = [0, 20_000]
rates = [0.1, 0.3]

[credits.small]
phase_in = 0.34
most = 4_000
until = 22_000
phase_out = 0.16
children = 1

[credits.large]
phase_in = 0.40
most = 7_000
until = 17_500
phase_out = 0.20
children = 2
or_more = true

[credits.basic]
most = 900
until = 12_000
phase_out = 0.05
status = ["joint"]

[credits.everybodys]
most = 100
"""


def written(folder, text=FILE, columns="income,status,children,pension"):
    """Return an economy file beside 300 people."""
    draw = np.random.default_rng(0)
    people = {
        "income": np.round(draw.lognormal(10.0, 0.8, 300)),
        "status": draw.choice(["single", "joint"], 300),
        "children": draw.integers(0, 5, 300),
        "pension": draw.choice([0, 6000], 300),
    }
    names = columns.split(",")
    lines = zip(*(people[name].tolist() for name in names), strict=True)
    rows = "\n".join(",".join(map(str, line)) for line in lines)
    (folder / "people.csv").write_text(f"{columns}\n{rows}\n")
    (folder / "economy.toml").write_text(text)
    return folder / "economy.toml", people


def amount(income, *, phase_in, most, until, phase_out):
    """Return a credit by its definition."""
    begun = most if phase_in is None else np.minimum(phase_in * income, most)
    return np.maximum(begun - phase_out * np.maximum(income - until, 0), 0)


def test_everybody_has_the_credits_of_the_own_status_and_children(x64, tmp_path):
    path, people = written(tmp_path)
    workers = EconomyConfig.of_file(path).source.population()
    taxed, tax = income_and_tax(workers, BracketSchedule([0.0], [0.0]), jnp.full(300, 40.0))
    wage = np.asarray(taxed)
    np.testing.assert_allclose(wage, people["income"] + people["pension"])
    small = amount(wage, phase_in=0.34, most=4000, until=22_000, phase_out=0.16)
    large = amount(wage, phase_in=0.40, most=7000, until=17_500, phase_out=0.20)
    basic = amount(wage, phase_in=None, most=900, until=12_000, phase_out=0.05)
    wanted = 100 + (people["children"] == 1) * small + (people["children"] >= 2) * large
    wanted = wanted + (people["status"] == "joint") * basic
    np.testing.assert_allclose(-tax, wanted, atol=1e-8)


def test_whoever_is_taxed_as_another_has_the_credits_of_that(x64, tmp_path):
    path, people = written(tmp_path)
    source = EconomyConfig.of_file(path, status="joint").source
    assert source.credits.shares["basic"] == pytest.approx(1)
    assert source.credits.shares["small"] == pytest.approx(np.mean(people["children"] == 1))


def test_fewer_workers_keep_their_own_credits(x64, tmp_path):
    path, people = written(tmp_path)
    source = EconomyConfig.of_file(path, agents=60).source
    few, kinds = source.population(), source.credits.kind
    places = source.records.places(60)
    np.testing.assert_array_equal(few.credits.kind, kinds[places])
    np.testing.assert_allclose(few.skill * 40, people["income"][places])


def test_a_credit_of_all_is_known_of_a_distribution(x64, tmp_path):
    path = tmp_path / "economy.toml"
    path.write_text("[credits.all]\nphase_in = 0.1\nmost = 500\n")
    workers = EconomyConfig.of_file(path, agents=50).source.economy().population
    _, tax = income_and_tax(workers, BracketSchedule([0.0], [0.0]), jnp.full(50, 40.0))
    np.testing.assert_allclose(-tax, np.minimum(4 * workers.skill, 500), rtol=1e-12)


def test_workers_read_their_credit(tmp_path):
    path, people = written(tmp_path)
    workers = EconomyConfig.of_file(path).source.population()
    means = Means(np.zeros(300), np.asarray(workers.credit), [""] * 300, workers.credits)
    lines = list(map(str, worker_lines(None, [""] * 300, np.ones(300), [""] * 300, None, means)))
    one = int(np.argmax((people["children"] == 1) & (people["status"] == "single")))
    said = "a credit that depends on your income: $100 at $0, $4,100 at $11,765, $4,100 at $22,000"
    assert f"{said}, $100 at $47,000 and above" in lines[one]
    none = int(np.argmax((people["children"] == 0) & (people["status"] == "single")))
    assert "lower by a credit of $100 a year." in lines[none]
    assert "depends" not in lines[none]


WRONG = {
    "a share over 1": (("0.34", "34"), "line 13: phase_in is a share of money above 0"),
    "no amount": (("most = 4_000", "most = 0"), "line 14: most is the money a year"),
    "no rate": (("phase_out = 0.16\n", ""), "until on, at the rate phase_out: give both"),
    "a fall before the top": (
        ("until = 22_000", "until = 5_000"),
        "line 15: until is the income at which the credit begins to fall, no less than 11,765",
    ),
    "no number of children": (("children = 2\n", ""), "line 24: or_more is of children"),
    "an unknown key": (("phase_in = 0.34", "phasein = 0.34"), "line 13: there is no key phasein"),
    "no amount at all": (("most = 900\n", ""), "line 27: credits.basic lacks most"),
    "together more than all": (
        ("most = 100", "most = 700\nphase_in = 0.7"),
        "change together by more than each unit earned",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_makes_no_credit_is_told_with_its_line(tmp_path, econjax, case):
    change, message = WRONG[case]
    assert change[0] in FILE
    path, _ = written(tmp_path, FILE.replace(*change))
    ran = econjax("economy", "describe", "--economy", path)
    assert ran.code != 0
    assert message in " ".join(ran.err.split())


def test_a_credit_by_what_the_data_do_not_say_is_refused(tmp_path, econjax):
    path, _ = written(tmp_path, columns="income,status,pension")
    ran = econjax("economy", "describe", "--economy", path)
    assert ran.code != 0
    assert "line 17: the credit small goes by children" in " ".join(ran.err.split())


def test_a_reform_of_rates_leaves_credits_and_tells_who_has_them(x64, tmp_path, econjax):
    path, _ = written(tmp_path)
    law = EconomyConfig.of_file(path).status_quo()
    save_schedule(BracketSchedule(law.thresholds, law.rates + 0.1), tmp_path / "more.json")
    ran = econjax(
        *("reform", "law", tmp_path / "more.json", "--economy", path, "--runs", tmp_path / "runs"),
        "--json",
    )
    assert ran.code == 0, ran.err
    rows = json.loads(ran.out)["effects"]
    [whole] = [row for row in rows if row["by"] == "all"]
    # Every unit of income is taxed by a tenth more, whatever credits are.
    assert whole["mechanical"] == pytest.approx(0.1 * whole["income"], rel=1e-9)
    families = [row for row in rows if row["by"] == "children"]
    assert [row["group"] for row in families] == ["0", "1", "2", "3", "4"]
