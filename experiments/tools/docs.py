"""Write the API reference, and check all links: python -m experiments.tools.docs FOLDER.

`make docs` runs it. The pages of `docs/` and the reference may link to each other's places only if
these exist.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

MODULES = (
    "econjax",
    "econjax.bounds",
    "econjax.dynamics",
    "econjax.welfare.inequality",
    "econjax.laws",
    "econjax.measures",
    "econjax.optimal",
    "econjax.planning",
    "econjax.populations",
    "econjax.welfare.statistics",
    "baselines",
    "llm_policy",
)
"""What users import from."""
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md", "experiments/*.md")


def main(folder: Path) -> None:
    """Write the reference into a folder; end with an error that names broken links, if any."""
    import pdoc
    from pdoc import render

    render.configure(docformat="google", show_source=False, footer_text="econjax")
    pdoc.pdoc(*MODULES, output_directory=folder)
    broken = [*broken_links(Path()), *broken_references(folder)]
    if broken:
        sys.exit("Broken links:\n" + "\n".join(broken))
    print(f"{folder / 'index.html'}: {len(MODULES)} modules; no broken link.")


def broken_links(root: Path) -> Iterator[str]:
    """Yield the relative links of the project's pages that lead nowhere."""
    for page in (page for pattern in PAGES for page in sorted(root.glob(pattern))):
        text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if "://" in target or target.startswith("mailto:"):
                continue
            path, _, place = target.partition("#")
            file = page.parent / path if path else page
            if not file.exists() or (place and place not in _headings(file)):
                yield f"{page}: {target}"


def broken_references(folder: Path) -> Iterator[str]:
    """Yield the links within the reference that lead nowhere."""
    pages = {page: page.read_text("utf-8") for page in sorted(folder.rglob("*.html"))}
    places = {page: set(re.findall(r'id="([^"]+)"', text)) for page, text in pages.items()}
    for page, text in pages.items():
        for target in sorted(set(re.findall(r'href="([^"]+)"', text))):
            path, _, place = target.partition("#")
            if "://" in target or path.startswith(("data:", "mailto:", "${")):
                continue
            other = (page.parent / path).resolve() if path else page.resolve()
            known = {p.resolve(): ids for p, ids in places.items()}
            if other not in known or (place and place not in known[other]):
                yield f"{page}: {target}"


def _headings(file: Path) -> set[str]:
    """Return the places of a page that its headings make."""
    heads = re.findall(r"^#+ (.+)$", file.read_text("utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Give the folder to write into: python -m experiments.tools.docs FOLDER")
    main(Path(sys.argv[1]))
