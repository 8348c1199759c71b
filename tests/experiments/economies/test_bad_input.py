"""What makes no economy is told in one line, with the line of the file, and nothing is done."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

CSV = "income,weight,status\n20000,2,single\n50000,1,single\n0,1,single\n120000,0.5,single\n"
FILE = """[incomes]
file = "people.csv"

[law]
name = "Ruritania"
thresholds = [0, 20000, 60000]
rates = [0.1, 0.2, 0.4]
"""
STATUS = "[law.by_status.single]\nthresholds = [0, 9]\nrates = [0.1, 0.2]\n"
BY_STATUS = f'[incomes]\nfile = "people.csv"\n\n[law]\nname = "Ruritania"\n\n{STATUS}'

# What is changed in the data and in the file (old, new), and what the one line says.
DATA = {
    "no column of income": (("income,", "wage,"), "people.csv, line 1: there is no column income"),
    "a negative weight": (("50000,1", "50000,-1"), "people.csv, line 3: weight is -1"),
    "a dollar sign": (("50000", "$50000"), "line 3: income is '$50000': write the number alone"),
    "a euro sign": (("120000", "120000 €"), "line 5: income is '120000 €': write the number"),
    "thousands separators": (("50000", '"50,000"'), "line 3: income is '50,000': write it without"),
    "a decimal comma": (("50000", '"50.000,50"'), "line 3: income is '50.000,50': write 1234.50"),
    "a bare decimal comma": (("50000,", "50000,50,"), "line 3: 4 entries where the header has 3"),
    "semicolons": ((",", ";"), "line 1: one column 'income;weight;status': say separator = ';'"),
    "an empty cell": (("50000", ""), "people.csv, line 3: income is empty"),
    "a word": (("50000", "fifty"), "people.csv, line 3: income is 'fifty': write a number"),
    "infinity": (("50000", "inf"), "people.csv, line 3: income is inf: write a finite number"),
    "a loss": (("50000", "-500"), "line 3: income is -500, a loss (1 in the file): say losses ="),
    "two columns of one name": (("weight", "income"), "people.csv has several columns income"),
    "a taste of 0": (("status\n", "taste\n"), "people.csv, line 2: taste is 'single'"),
    "a header alone": ((CSV[21:], ""), "people.csv holds no people"),
}
FILES = {
    "no TOML": (("0.4]", "0.4"), "economy.toml, line 7: no TOML"),
    "no quotation marks": (('"people.csv"', "people.csv"), "economy.toml, line 2: no TOML"),
    "an unknown key": (
        ("thresholds", "threshholds"),
        "line 6: there is no key threshholds here: did you mean thresholds?",
    ),
    "an unknown table": (
        ("[law]", "[laws]"),
        "line 4: there is no key laws here: did you mean law",
    ),
    "a rate over 1": (
        ("0.4]", "40]"),
        "line 7: a rate is a share of money from -1 to 1: 35 % is 0.35",
    ),
    "a rate in words": (("0.4]", '"40%"]'), "line 7: law.rates: expected a number, got a text"),
    "thresholds that fall": (
        ("20000, 60000", "60000, 20000"),
        "line 6: Thresholds are dollars a year",
    ),
    "a first threshold above 0": (("[0,", "[5,"), "line 6: Thresholds are dollars a year"),
    "too few rates": (("0.2, 0.4", "0.2"), "line 7: 2 rates for 3 thresholds"),
    "no rates": (
        ("rates = [0.1, 0.2, 0.4]\n", ""),
        "line 6: a law has as many rates as thresholds",
    ),
    "a year beside an own law": (("[law]", "[law]\nyear = 2024"), "line 5: year and deduction are"),
    "two sources": (("file =", 'distribution = "acs-2023"\nfile ='), "line 3: incomes come from a"),
    "a lone top code": (("[law]", "top_code = 9e4\n[law]"), "line 4: a top code comes with"),
    "losses apart": (
        ("[law]", 'losses = "apart"\n[law]'),
        "line 4: incomes.losses: invalid enum value",
    ),
    "an unknown status": (("[law]", 'only = ["joint"]\n[law]'), "nobody's status is joint"),
    "no such file": (("people.csv", "nobody.csv"), "There is no file"),
    "a kind without its parameters": (
        ("[law]", '[preferences]\nkind = "ghh"\n[law]'),
        "line 5: ghh preferences need curvature",
    ),
    "a parameter of another kind": (
        ("[law]", "[preferences]\ncurvature = 2\n[law]"),
        "line 5: quasilinear preferences have no",
    ),
    "an infinite aversion": (
        ("[law]", "[welfare]\naversion = inf\n[law]"),
        "line 5: aversion is 0",
    ),
    "welfare of no meaning": (
        ("[law]", '[preferences]\nkind = "ghh"\ncurvature = 2\n[law]'),
        "needs utility in dollars",
    ),
    "a currency of two words": (
        ("[law]", '[currency]\nname = "new marks"\n[law]'),
        "line 5: a currency",
    ),
    "a law that takes all": (("0.4]", "1.0]"), "Nobody's work is explained"),
}


@pytest.fixture
def told_of(tmp_path, econjax, assert_told):
    def ask(data=CSV, file=FILE, *, words):
        (tmp_path / "people.csv").write_text(data, encoding="utf-8")
        (tmp_path / "economy.toml").write_text(file, encoding="utf-8")
        ran = econjax(
            "compare",
            "--economy",
            tmp_path / "economy.toml",
            "--workers",
            "rational",
            "--planners",
            "federal",
            "--runs",
            tmp_path / "runs",
        )
        assert_told(ran, words)
        assert not (tmp_path / "runs").exists()

    return ask


@pytest.mark.parametrize("name", DATA)
def test_data_that_make_no_people_are_told_with_their_line(name, told_of):
    (old, new), words = DATA[name]
    told_of(CSV.replace(old, new), words=words)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_makes_no_economy_is_told_with_its_line(name, told_of):
    (old, new), words = FILES[name]
    assert old in FILE
    told_of(file=FILE.replace(old, new), words=words)


def test_weights_of_zero_are_nobodys(told_of):
    told_of("income,weight\n10,0\n20,0\n", words="all weights are 0")


def test_a_status_needs_a_schedule(told_of):
    told_of(
        CSV.replace("0,1,single", "0,1,widowed"),
        BY_STATUS,
        words="people.csv, line 3: the status widowed has no schedule in the law, which knows",
    )


def test_the_small_model_is_asked_for_few_rates(tmp_path, econjax, assert_told):
    statuses = "abcd"
    people = "".join(f"{10_000 * (1 + place)},{name}\n" for place, name in enumerate(statuses))
    (tmp_path / "people.csv").write_text(f"income,status\n{people}")
    laws = "".join(
        f"[law.by_status.{name}]\nthresholds = [0, 1e4, 2e4, 3e4]\n"
        f"rates = [0, 0.1, 0.2, 0.3{place}]\n"
        for place, name in enumerate(statuses)
    )
    path = tmp_path / "economy.toml"
    path.write_text(f'[incomes]\nfile = "people.csv"\n[law]\nname = "Four"\n{laws}')
    told = ("compare", "--economy", path, "--runs", tmp_path / "runs")
    assert_told(econjax(*told), "of 16 rates, those of 4 statuses, it gives no answers")
    assert not (tmp_path / "runs").exists()


def test_parquet_is_held_to_the_same(tmp_path, econjax, assert_told):
    path = tmp_path / "people.parquet"
    pq.write_table(pa.table({"income": [1.0, 2.0], "weight": [1.0, None]}), path)
    assert_told(econjax("economy", "describe", "--incomes", path), "people.parquet, row 2: weight")
    path.write_bytes(b"PAR1")
    assert_told(econjax("economy", "describe", "--incomes", path), "is no Parquet file")


def test_other_signs_may_be_stated(tmp_path, econjax):
    (tmp_path / "people.csv").write_text("Lohn;Menschen\n20.000,5;2\n30000,25;1\n".replace(".", ""))
    (tmp_path / "economy.toml").write_text(
        '[incomes]\nfile = "people.csv"\nseparator = ";"\ndecimal = ","\n'
        '[incomes.columns]\nincome = "Lohn"\nweight = "Menschen"\n'
    )
    ran = econjax("economy", "describe", "--economy", tmp_path / "economy.toml", "--json")
    assert ran.code == 0, ran.err
    figures = {row["name"]: row["value"] for row in json.loads(ran.out)["figures"]}
    assert figures["mean $"] == pytest.approx((2 * 20_000.5 + 30_000.25) / 3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("compare", "--economy", "nothing.toml"), "there is no file nothing.toml. To write one"),
        (("compare", "--incomes", "nobody.csv"), "There is no file nobody.csv"),
        (("compare", "--incomes", "acs"), "There are no incomes 'acs': give one of acs-2023"),
        (("compare", "--incomes", "cps"), "pip install 'econjax[cps]'"),
        (("compare", "--law", "nothing.json"), "There is no file nothing.json"),
        (("compare", "--year", "2027"), "the table holds 2013 to 2026"),
        (("compare", "--aversion", "-1"), "--aversion must be 0 or more"),
        (("scoreboard", "--elasticity", "0.4"), "--elasticity is for the economy own"),
        (("reform", "law", "law"), "Before and after are the same"),
        (("reform", "law", "us_federal:soon"), "us_federal:YEAR"),
    ],
)
def test_flags_that_make_no_economy_are_told(
    arguments, words, econjax, assert_told, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    assert_told(econjax(*arguments), words)
