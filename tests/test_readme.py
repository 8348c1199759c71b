"""The README and the docs are programs: they run as printed and print what their comments say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FIRST_PAGE = ROOT / "README.md"
PAGES = [
    page
    for page in (FIRST_PAGE, *sorted((ROOT / "docs").glob("*.md")))
    if "```python\n" in page.read_text("utf-8")
]
"""Pages with a Python block; those on commands alone have none."""


def python_of(lines):
    """Return the lines of the Python blocks, and empty lines between, so that line numbers stay."""
    code, inside = [], False
    for line in lines:
        fence = line.startswith("```")
        code.append(line if inside and not fence else "")
        inside = line.strip() == "```python" if fence and not inside else inside and not fence
    return code


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_of_a_page_runs_and_prints_what_it_says(page, tmp_path):
    code = python_of(page.read_text("utf-8").splitlines())
    assert any(code), f"no line of {page.name} was read as Python"
    program = tmp_path / "page.py"
    program.write_text("\n".join(code), encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-W", "error", str(program)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    for line in code:
        if line.startswith("print(") and "#" in line:
            for said in re.findall(r"\d{4,}(?:\.\d+)?", line.split("#")[1]):
                assert said in ran.stdout, f"{line}\nprinted\n{ran.stdout}"


def test_the_first_page_says_how_to_begin():
    assert FIRST_PAGE in PAGES
    first_page = "\n".join(FIRST_PAGE.read_text("utf-8").splitlines()[:40])
    assert "make compare" in first_page
    assert "make test" in first_page
