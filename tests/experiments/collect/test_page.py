"""The page on collecting: its three libraries answer alike, where they are installed."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments.collect.columns import KNOWN

PAGE = Path(__file__).parents[3] / "docs" / "collecting.md"
PLANNERS = ("US federal", "random search")


def code_of(library):
    """Return the program under a heading of the page."""
    return re.search(rf"### {library}\n\n```py\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[1]


@pytest.fixture
def collection(tmp_path, monkeypatch):
    """Return a small collection where the programs look for it, and its three answers."""
    rng, rows = np.random.default_rng(0), []
    worth, lead, gain = {}, {}, {}
    for title in ("Atkinson, aversion 1", "Rawlsian"):
        values = rng.uniform(1, 2, (len(PLANNERS), 3))
        for planner, own in zip(PLANNERS, values, strict=True):
            worth["one", title, planner] = own.mean()
            lead["one", title, planner] = (own - values[0]).mean()
            who = {"run": "one", "command": "compare", "title": title, "planner": planner}
            for seed, value in enumerate(own):
                said = {"seed": seed, "measure": "equivalent"}
                rows.append(who | said | {"kind": "recommended", "value": value})
                rows.append(who | said | {"kind": "evaluated", "value": 99.0})
    for point, elasticity in enumerate((0.25, 0.5)):
        best, law = rng.uniform(1, 2, (2, 3))
        gain[elasticity] = (best - law).mean()
        of = {"run": "two", "command": "sweep", "point": point, "elasticity": elasticity}
        for schedule, own in (("optimal", best), ("law", law)):
            for seed, value in enumerate(own):
                said = {"schedule": schedule, "seed": seed, "measure": "equivalent"}
                rows.append(of | said | {"value": value})
    more = {"title": pa.string(), "measure": pa.string(), "value": pa.float64()}
    pq.write_table(
        pa.Table.from_pylist(rows, pa.schema((KNOWN | more).items())), tmp_path / "all.parquet"
    )
    monkeypatch.chdir(tmp_path)
    return worth, lead, gain


@pytest.mark.parametrize("library", ["pandas", "polars", "DuckDB"])
def test_a_program_of_the_page_gives_the_three_answers(collection, library):
    pytest.importorskip(library.lower())
    said = {}
    exec(code_of(library), said)
    for name, expected in zip(("worth", "lead", "gain"), collection, strict=True):
        found = said[name]
        if library == "pandas":
            answer = found.to_dict()
        else:
            lines = found.rows() if library == "polars" else found.fetchall()
            answer = {line[:-1] if len(line) > 2 else line[0]: line[-1] for line in lines}
        assert answer.keys() == expected.keys()
        for key, value in expected.items():
            assert answer[key] == pytest.approx(value)
