"""The shipped tables hold what agencies published, and the joint distribution has their margins."""

import importlib.resources

import numpy as np
import pytest

from llm_policy.personas.joint import cells
from llm_policy.personas.tables import (
    FULL_TIME,
    USUAL_HOURS,
    age_shares,
    column,
    hours_shares,
    names,
    of_sex,
    read_table,
    state_shares,
)

TABLES = (
    "ages",
    "earnings",
    "education",
    "groups",
    "hours",
    "hours_by_group",
    "occupations",
    "part_time",
)


@pytest.mark.parametrize("name", [*TABLES, "states"])
def test_every_table_names_its_source(name):
    text = importlib.resources.files("llm_policy").joinpath(f"data/{name}.csv").read_text("utf-8")
    assert text.startswith("# ")
    assert "BLS" in text.split("\n")[0] + text.split("\n")[1] + text.split("\n")[2]
    assert read_table(name)


def test_the_groups_are_everyone_employed():
    groups = read_table("groups")
    employed = column(groups, "employed")
    assert len(groups) == 22
    assert employed.sum() == 161_346  # CPS 2024, table 11, thousands
    assert round(employed @ column(groups, "women_percent") / employed.sum(), 1) == 47.1


def test_the_occupations_are_everyone_employed():
    rows = read_table("occupations")
    own = [row for row in rows if "women_percent" not in row["borrowed"]]
    assert len(rows) == len({row["occupation"] for row in rows}) == 565
    assert len(own) == 353  # published for so many detailed occupations, 96.9 % of employment
    assert column(own, "employed").sum() / 161_346 == pytest.approx(0.969, abs=5e-4)
    assert (
        column(rows, "employed").sum() == 161_350
    )  # the detailed titles' own sum, rounding and all
    for group in read_table("groups"):
        inside = column([row for row in rows if row["group"] == group["group"]], "employed").sum()
        assert inside == pytest.approx(float(group["employed"]), abs=15)


@pytest.mark.parametrize(
    ("occupation", "employed", "women", "men_weekly", "women_weekly"),
    [
        ("Registered nurses", 3571, 86.8, 1761, 1476),
        ("Software developers", 2077, 20.3, 2495, 2238),
        ("Lawyers", 1146, 42.0, 2857, 2296),
        ("Cashiers", 2569, 68.9, 684, 616),
    ],
)
def test_occupations_are_as_published(occupation, employed, women, men_weekly, women_weekly):
    """CPS 2024, tables 11 (thousands, per cent) and 39 (dollars)."""
    (row,) = (row for row in read_table("occupations") if row["occupation"] == occupation)
    assert [float(row[name]) for name in ("employed", "women_percent")] == [employed, women]
    assert [float(row[name]) for name in ("weekly_men", "weekly_women")] == [
        men_weekly,
        women_weekly,
    ]
    assert row["borrowed"] == ""


def test_what_is_not_published_is_the_groups():
    groups = {row["group"]: row for row in read_table("groups")}
    (legislators,) = (
        row for row in read_table("occupations") if row["occupation"] == "Legislators"
    )
    assert legislators["borrowed"] == "women_percent weekly_men weekly_women"
    for row in read_table("occupations"):
        group = groups[row["group"]]
        for figure in row["borrowed"].split():
            if not figure.startswith("weekly"):
                assert row[figure] == group[figure]
        if "weekly_men weekly_women" in row["borrowed"]:  # the ratio of the sexes is the group's
            ours, theirs = (float(r["weekly_women"]) / float(r["weekly_men"]) for r in (row, group))
            assert ours == pytest.approx(theirs, rel=2e-3)


def test_the_other_tables_add_up():
    assert column(read_table("hours"), "people").sum() == 155_495  # CPS 2024, table 19
    assert column(of_sex("education", "both"), "employed").sum() == 141_512  # table 7, 25 and over
    assert column(read_table("ages"), "employed").sum() == pytest.approx(161_346, abs=2)  # table 3
    part, full = (
        column(read_table("part_time"), name).sum() for name in ("part_time", "full_time")
    )
    assert part + full == pytest.approx(161_346, abs=2)  # table 8
    assert len(read_table("states")) == 51
    assert column(read_table("states"), "employed").sum() == pytest.approx(
        162.9e6, abs=0.05e6
    )  # LAUS 2024


def test_shares_are_shares():
    for shares in (age_shares(), hours_shares(), state_shares()[None]):
        assert shares.min() >= 0
        np.testing.assert_allclose(shares.sum(axis=1), 1)


def test_full_timers_of_an_occupation_work_as_much_more_as_published():
    """CPS 2024, table 23: men in management, business, finance 44.2 h, women in services 40.2 h."""
    rows = {(name, sex): 2 * i + sex for i, name in enumerate(names().occupation) for sex in (0, 1)}
    means = [
        hours_shares()[rows[who]] @ USUAL_HOURS for who in (("Chief executives", 0), ("Cooks", 1))
    ]
    assert means[0] - means[1] == pytest.approx(44.2 - 40.2)
    assert (
        hours_shares()[0, USUAL_HOURS < FULL_TIME].sum()
        == hours_shares()[-1, USUAL_HOURS >= FULL_TIME].sum()
        == 0
    )


def test_the_joint_distribution_has_the_published_margins():
    share, rows = cells().share, read_table("occupations")
    assert share.min() >= 0
    assert share.sum() == pytest.approx(1)
    employed, women = column(rows, "employed"), column(rows, "women_percent") / 100
    np.testing.assert_allclose(share.sum((1, 2, 3, 4)), employed / employed.sum(), rtol=1e-6)
    np.testing.assert_allclose(
        share[:, 1].sum((1, 2, 3)) / share.sum((1, 2, 3, 4)), women, rtol=1e-6
    )
    adults = share[:, :, 2:].sum((0, 2, 4))
    education = np.stack([column(of_sex("education", sex), "employed") for sex in ("men", "women")])
    np.testing.assert_allclose(adults / adults.sum(), education / education.sum(), atol=1e-3)
    part = share[..., 1].sum((0, 2, 3)) / share.sum((0, 2, 3, 4))
    np.testing.assert_allclose(part, [10_457 / 85_312, 17_527 / 76_032], atol=1e-3)  # table 8


def test_who_needs_a_degree_for_the_job_mostly_has_it():
    share = cells().share
    for title, level in (("Lawyers", 5), ("Registered nurses", 4)):
        education = share[names().occupation.tolist().index(title)].sum((0, 1, 3))
        assert education[level:].sum() / education.sum() > 0.8


def test_earnings_rise_with_education_and_with_full_time():
    share, earned = cells().share, cells().log_hourly
    by_level = (share * earned).sum((0, 1, 2, 4)) / share.sum((0, 1, 2, 4))
    by_time = (share * earned).sum((0, 1, 2, 3)) / share.sum((0, 1, 2, 3))
    assert np.all(np.diff(by_level) > 0)
    assert by_time[0] > by_time[1]
