"""Commands with real models: the one that comes with the project, random weights in real vLLM."""

import pyarrow.parquet as pq
import pytest

FEW = (
    "--agents",
    4,
    "--planners",
    "federal",
    "llm",
    "--evaluations",
    2,
    "--tax-year",
    1,
    "--welfare",
    "rawlsian",
)


@pytest.mark.long
@pytest.mark.usefixtures("brief_search")
def test_a_comparison_without_a_choice_of_model_is_that_of_the_model_that_comes_along(
    econjax, play, runs
):
    ran = econjax("compare", *FEW, "--runs", runs, "--name", "one")
    assert ran.code == 0, ran.err
    assert "Model: econjax-small" in ran.out
    assert "IMITATES A KNOWN FORMULA: IT MAKES NO CLAIM ABOUT PEOPLE" in ran.out
    rows = pq.read_table(runs / "one" / "metrics.parquet").to_pylist()
    planner, title = "language model (imitates a formula)", "Rawlsian (workers imitate a formula)"
    assert {row["welfare"] for row in rows if row["planner"] == planner} == {"Rawlsian", title}
    assert {row["understood"] for row in rows} == {1.0}
    play(None)
    again = econjax("replay", runs / "one")
    assert (again.code, "is identical" in again.err) == (0, True), again.err


@pytest.mark.long
def test_it_lives_through_tax_years_and_says_the_same_to_the_same_seed(econjax, runs):
    choices = ("--agents", 3, "--tax-years", 2, "--tax-year", 1, "--mode", "choice", "--runs", runs)
    for name in ("one", "two"):
        ran = econjax("simulate", *choices, "--name", name)
        assert ran.code == 0, ran.err
        assert "MAKES NO CLAIM ABOUT PEOPLE" in ran.out
    one, two = (runs / name / "metrics.parquet" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
