"""Write the tables that personas are drawn from: python -m experiments.tools.persona_tables FOLDER.

FOLDER holds the agencies' figures as CSV files, named as in `main`. Thousands of people are in
columns that end in `_k`, dollars in columns that end in `_usd`; an empty cell is a figure that is
not published.
"""

import csv
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import llm_policy
from experiments.tools.persona_sources import (
    AGES_SOURCE,
    EARNINGS_SOURCE,
    EDUCATION_SOURCE,
    GROUPS_SOURCE,
    HOURS_BY_GROUP_SOURCE,
    HOURS_SOURCE,
    OCCUPATIONS_SOURCE,
    PART_TIME_SOURCE,
    STATES_SOURCE,
)

CsvRow = Mapping[str, str]
TABLES = Path(llm_policy.__file__).parent / "data"

LEVELS = (
    ("Less than a high school diploma", ("No formal educational credential",)),
    ("High school graduates, no college", ("High school diploma or equivalent",)),
    ("Some college, no degree", ("Postsecondary nondegree award", "Some college, no degree")),
    ("Associate degree", ("Associate's degree",)),
    ("Bachelor's degree only", ("Bachelor's degree",)),
    ("Advanced degree", ("Master's degree", "Doctoral or professional degree")),
)
"""Levels of education, ascending: name in CPS table 7, and names of typical entry education."""


def main(folder: Path, tables: Path = TABLES) -> None:
    """Read the agencies' figures in `folder` and write the project's tables into `tables`.

    Raises:
        OSError: a file is missing.
        KeyError: a file lacks a column, or a group its row.
    """
    cps = _read(folder / "occupations_cps_2024.csv")
    wages = _read(folder / "oews_national_may2024.csv")
    entry = _read(folder / "occupation_entry_education_ep_2024.csv")
    codes = {
        row["cps_occupation"]: row["soc_code"]
        for row in _read(folder / "cps_oews_identical_titles.csv")
    }
    hours = _read(folder / "hours_by_occupation_sex_2024.csv")
    groups = _groups(cps, wages, entry, {row["occupation_group"] for row in hours})
    occupations = _occupations(cps, groups, wages, entry, codes)
    _write(tables / "groups.csv", GROUPS_SOURCE, groups)
    _write(tables / "occupations.csv", OCCUPATIONS_SOURCE, occupations)
    _write(tables / "hours_by_group.csv", HOURS_BY_GROUP_SOURCE, _hours_by_group(hours))
    at_work = _read(folder / "hours_at_work_2024.csv")
    _write(tables / "hours.csv", HOURS_SOURCE, _hours(at_work))
    by_age = _read(folder / "employed_by_age_sex_2024.csv")
    _write(tables / "ages.csv", AGES_SOURCE, _by_age(by_age, _FINEST, {"employed": "employed_k"}))
    part_time = _read(folder / "fulltime_parttime_by_age_sex_2024.csv")
    columns = {"full_time": "full_time_k", "part_time": "part_time_k"}
    _write(tables / "part_time.csv", PART_TIME_SOURCE, _by_age(part_time, _PART_TIME_AGES, columns))
    education = _read(folder / "education_labor_earnings_2024.csv")
    earnings = _read(folder / "median_weekly_earnings_by_age_sex_2024.csv")
    _write(tables / "earnings.csv", EARNINGS_SOURCE, _earnings(earnings, education))
    _write(tables / "education.csv", EDUCATION_SOURCE, _education(education))
    states = _read(folder / "state_employment_laus.csv")
    _write(tables / "states.csv", STATES_SOURCE, _states(states))


_OPEN_AGE = 79
"""The tables' open ages, 65 or 75 and over, are cut here."""
_FINEST = (
    *(
        "16 to 17",
        "18 to 19",
        "20 to 24",
        "25 to 29",
        "30 to 34",
        "35 to 39",
        "40 to 44",
        "45 to 49",
    ),
    *("50 to 54", "55 to 59", "60 to 64", "65 to 69", "70 to 74", "75 years and over"),
)
_PART_TIME_AGES = ("16 to 19", "20 to 24", "25 to 54", "55 years and over")
_HOURS_ROWS = (
    *(
        "1 to 4 hours",
        "5 to 14 hours",
        "15 to 29 hours",
        "30 to 34 hours",
        "35 to 39 hours",
        "40 hours",
    ),
    *("41 to 48 hours", "49 to 59 hours", "60 hours and over"),
)
_OPEN_HOURS = 69
_WIDE_HOURS_GROUPS = (
    ("Management, business, and financial operations", ("Management", "Business and")),
    (
        "Professional and related",
        ("Computer", "Architecture", "Life", "Community", "Legal", "Education"),
    ),
    ("Professional and related", ("Arts", "Healthcare practitioners")),
    ("Service", ("Healthcare support", "Protective", "Food", "Building", "Personal")),
    ("Natural resources, construction, and maintenance", ("Farming",)),
)
"""Where table 23 lacks a major group (told by how its name begins): the row that contains it."""


def _groups(
    cps: Sequence[CsvRow], wages: Sequence[CsvRow], entry: Sequence[CsvRow], hours: set[str]
) -> list[dict]:
    by_title = {_oews_group(row["occupation"]): row for row in wages if row["level"] == "major"}
    rows = []
    for row in cps:
        if row["level"] != "major":
            continue
        wage = by_title[_short(row["occupation"]).lower()]
        own = [job for job in entry if job["soc_code"][:2] == wage["soc_code"][:2]]
        jobs: Counter[int] = Counter()
        for job in own:
            jobs[_level(job)] += round(10 * float(job["employment_2024_k"]))
        rows.append(
            {
                "group": _short(row["occupation"]),
                "employed": row["employed_thousands"],
                "women_percent": row["pct_women"],
                "weekly": row["median_weekly_earnings_usd"],
                "weekly_men": row["median_weekly_earnings_men_usd"],
                "weekly_women": row["median_weekly_earnings_women_usd"],
                **_percentiles(wage),
                "entry": max(jobs, key=lambda level: jobs[level]),
                "hours_group": _hours_group(row["occupation"], hours),
                "self_employed_percent": _self_employed(own),
            }
        )
    return rows


def _occupations(
    cps: Sequence[CsvRow],
    groups: Sequence[Mapping],
    wages: Sequence[CsvRow],
    entry: Sequence[CsvRow],
    codes: Mapping[str, str],
) -> list[dict]:
    group_of = {group["group"]: group for group in groups}
    wage_of = {
        row["soc_code"]: row for row in wages if row["level"] == "detailed" and row["a_median"]
    }
    entry_of = {row["soc_code"]: row for row in entry}
    rows = []
    for row in cps:
        if row["level"] != "detailed":
            continue
        group = group_of[_short(row["major_group"])]
        code = codes.get(row["occupation"], "")
        own = {
            "women_percent": row["pct_women"],
            "weekly_men": row["median_weekly_earnings_men_usd"],
            "weekly_women": row["median_weekly_earnings_women_usd"],
            **(_percentiles(wage_of[code]) if code in wage_of else _NO_WAGES),
            "entry": str(_level(entry_of[code])) if code in entry_of else "",
            "self_employed_percent": _self_employed([entry_of[code]] if code in entry_of else []),
        }
        rows.append(
            {
                "occupation": row["occupation"],
                "group": group["group"],
                "employed": row["employed_thousands"],
                **{name: value or _borrow(name, group, row) for name, value in own.items()},
                **{
                    name.removesuffix("_k").replace("emp", "age", 1): row[name]
                    for name in _AGE_COLUMNS
                },
                "borrowed": " ".join(name for name, value in own.items() if not value),
            }
        )
    return rows


_NO_WAGES = {"wage_p10": "", "wage_p50": "", "wage_p90": ""}
_AGE_COLUMNS = (
    *("emp_16_19_k", "emp_20_24_k", "emp_25_34_k", "emp_35_44_k", "emp_45_54_k", "emp_55_64_k"),
    "emp_65plus_k",
)


def _borrow(name: str, group: Mapping, row: CsvRow) -> str:
    """Return the group's figure, on the level of the occupation's own median where published."""
    own = row["median_weekly_earnings_usd"]
    if name.startswith("weekly") and own:
        return f"{float(own) * float(group[name]) / float(group['weekly']):.0f}"
    return str(group[name])


def _percentiles(wage: CsvRow) -> dict[str, str]:
    low, middle = float(wage["a_pct10"]), float(wage["a_median"])
    high = float(wage["a_pct90"] or middle**2 / low)
    return {"wage_p10": f"{low:.0f}", "wage_p50": f"{middle:.0f}", "wage_p90": f"{high:.0f}"}


def _level(job: CsvRow) -> int:
    return next(i for i, (_, names) in enumerate(LEVELS) if job["typical_entry_education"] in names)


def _self_employed(jobs: Sequence[CsvRow]) -> str:
    """Return the per cent of jobs of the self-employed; "" of no jobs."""
    size = [float(job["employment_2024_k"]) for job in jobs]
    own = [float(job["pct_self_employed_2024"] or 0) for job in jobs]
    share = sum(a * b for a, b in zip(size, own, strict=True)) / sum(size) if jobs else None
    return "" if share is None else f"{share:.1f}"


def _oews_group(title: str) -> str:
    """Return the CPS name, in small letters, of a major group of the wage survey."""
    short = _short(title).lower()
    return short.replace("educational instruction and library", "education, training, and library")


def _short(title: str) -> str:
    return title.removesuffix(" occupations").removesuffix(" Occupations")


def _hours_group(title: str, rows: set[str]) -> str:
    if title in rows:
        return _short(title)
    return next(wide for wide, starts in _WIDE_HOURS_GROUPS if title.startswith(starts))


def _hours_by_group(hours: Sequence[CsvRow]) -> list[dict]:
    return [
        {
            "group": _short(row["occupation_group"]),
            "sex": row["sex"].lower(),
            "at_work": row["at_work_k"],
            "part_time": int(row["worked_1_34h_economic_k"])
            + int(row["worked_1_34h_noneconomic_usually_pt_k"]),
            "full_time_hours": row["avg_hours_usually_full_time"],
        }
        for row in hours
        if row["sex"] != "Total"
    ]


def _hours(at_work: Sequence[CsvRow]) -> list[dict]:
    people = {
        row["hours_of_work"]: row["at_work_all_k"] for row in at_work if row["kind"] == "count"
    }
    spans = [_span(name, _OPEN_HOURS) for name in _HOURS_ROWS]
    return [span | {"people": people[name]} for name, span in zip(_HOURS_ROWS, spans, strict=True)]


def _by_age(rows: Sequence[CsvRow], bands: Iterable[str], columns: Mapping[str, str]) -> list[dict]:
    """Return the columns of the rows of both sexes whose age is one of the bands."""
    found = {(row["sex"], row["age_band"].removesuffix(" years")): row for row in rows}
    return [
        {"sex": sex.lower(), **_span(band, _OPEN_AGE)}
        | {new: found[sex, band][old] for new, old in columns.items()}
        for sex in ("Men", "Women")
        for band in bands
    ]


def _earnings(rows: Sequence[CsvRow], education: Sequence[CsvRow]) -> list[dict]:
    """Return medians by sex and age; that of both sexes from 25 is in the table by education."""
    adults = next(row for row in education if row["education"].startswith("Total, 25"))
    rows = [*rows, {**adults, "status": "full_time", "age_band": "25 years and over"}]
    return [
        {"status": row["status"], "sex": _sex(row["sex"]), **_span(row["age_band"], _OPEN_AGE)}
        | {"weekly": row["median_weekly_earnings_usd"]}
        for row in rows
    ]


def _education(rows: Sequence[CsvRow]) -> list[dict]:
    found = {(row["sex"], row["education"]): row for row in rows}
    return [
        {"sex": _sex(sex), "level": level, "education": name}
        | {
            "employed": found[sex, name]["employed_k"],
            "weekly": found[sex, name]["median_weekly_earnings_usd"],
        }
        for sex in ("Total", "Men", "Women")
        for level, (name, _) in enumerate(LEVELS)
    ]


def _states(rows: Sequence[CsvRow]) -> list[dict]:
    return [
        {"state": row["state"], "employed": row["employed"]}
        for row in rows
        if row["year"] == "2024"
    ]


def _sex(name: str) -> str:
    return "both" if name == "Total" else name.lower()


def _span(name: str, end: int) -> dict[str, int]:
    """Return the first and last number that a label such as "16 to 19 years" names."""
    numbers = [int(word) for word in name.split() if word.isdigit()]
    return {"first": numbers[0], "last": end if "over" in name else numbers[-1]}


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _write(path: Path, source: Iterable[str], rows: Sequence[Mapping]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"# {line}\n" for line in source)
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(
            "Give the folder of the agencies' figures: python -m experiments.tools.persona_tables "
            "FOLDER"
        )
    main(Path(sys.argv[1]))
