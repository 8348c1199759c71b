"""Links between pages, and within the reference."""

import re
from pathlib import Path

from experiments.tools.docs import MODULES, broken_links, broken_references

ROOT = Path(__file__).parents[3]


def test_no_page_links_to_what_does_not_exist(tmp_path):
    assert [*broken_links(ROOT)] == []
    (tmp_path / "README.md").write_text(
        "# A head: with signs\n[there](#a-head-with-signs) [not](#there) [no](docs/no.md) "
        "[out](https://example.org)\n```\n[code](is.no.link)\n```\n"
    )
    found = [link.partition(": ")[2] for link in broken_links(tmp_path)]
    assert found == ["#there", "docs/no.md"]


def test_the_reference_is_checked_too(tmp_path):
    (tmp_path / "a.html").write_text('<p id="x"></p><a href="#x"></a><a href="b.html#y"></a>')
    (tmp_path / "b.html").write_text('<a href="a.html#x"></a><a href="a.html#z"></a>')
    found = [link.partition(": ")[2] for link in broken_references(tmp_path)]
    assert found == ["b.html#y", "a.html#z"]


def test_the_reference_has_every_surface():
    assert {"econjax", "baselines", "llm_policy"} <= set(MODULES)
    for module in MODULES:
        place = ROOT / module.replace(".", "/")
        assert place.is_dir() or place.with_suffix(".py").is_file()


def test_pages_import_from_surfaces():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").glob("*.py")]
    assert len(pages) > 8
    for page in pages:
        for module in re.findall(r"^\s*(?:from|import) ([\w.]+)", page.read_text("utf-8"), re.M):
            ours = module.split(".")[0] in ("econjax", "baselines", "llm_policy", "experiments")
            assert not ours or module.count(".") < 2, (page, module)
