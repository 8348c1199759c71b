"""A page as one HTML file: styles, figures and all texts within, and no address that is fetched."""

import base64
import functools
import hashlib
import importlib.resources
import re
from typing import Any

import jinja2
from markupsafe import Markup

from experiments.pages import document
from experiments.pages.document import INK, Chart, Curve, Page, placed
from experiments.pages.drawing import DASHES, TONES, inline_svg


def render(page: Page) -> str:
    """Return a page as HTML. Equal pages give equal texts.

    Every text is escaped by the template, and the page's policy lets no other script run than its
    own, and nothing be fetched.
    """
    script = _file("page.js")
    return _template().render(
        page=page,
        sections=placed(page),
        style=Markup(_palette() + _file("page.css")),
        script=Markup(script),
        policy=_policy(script),
    )


def _policy(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "drawn": _drawn,
        "key": _key,
        "kind": _kind,
        "looks": _looks,
        "visible": _visible,
    }
    return environment.from_string(_file("page.html"))


def _file(name: str) -> str:
    return importlib.resources.files("experiments.pages").joinpath(name).read_text("utf-8")


def _drawn(chart: Chart, name: str) -> Markup:
    return Markup(inline_svg(chart, name))


def _kind(block: document.Block) -> str:
    return type(block).__name__


def _looks(cell: str) -> Markup:
    """Return the attribute of a cell that stays in one line, on the right if it is a number."""
    if re.fullmatch(_NUMBER, cell) and len(cell) < _SHORT:
        return Markup(' class="number"')
    return Markup(' class="short"' if len(cell) < _SHORT else "")


_NUMBER = r"[-−]?[^\w\s]?[\d,.]+ ?%?( ±[\d,.]+| \([-\d,.]+ to [-\d,.]+\)| to [-\d,.]+)?"
_SHORT = 60
"""Letters of a cell that stays in one line."""


def _visible(text: str) -> str:
    """Return a text as it can stand in HTML: control characters and half letters as escapes."""
    return "".join(
        letter
        if letter in "\n\t" or ((letter.isprintable() or letter.isspace()) and letter >= " ")
        else letter.encode("unicode_escape").decode()
        for letter in text
    )


def _key(curve: Curve) -> Markup:
    """Return the sign of a curve for a legend."""
    color = "currentColor" if curve.look.tone == INK else f"var(--tone-{curve.look.tone})"
    shapes: dict[str, Any] = {
        "bars": f'<rect x="8" y="1" width="12" height="8" fill="{color}"/>',
        "dots": f'<circle cx="14" cy="5" r="3.5" fill="{color}"/>',
    }
    line = (
        f'<line x1="0" y1="5" x2="28" y2="5" stroke="{color}" stroke-width="2.2" '
        f'stroke-dasharray="{DASHES[curve.look.dash] or "none"}"/>'
    )
    shape = shapes.get(curve.kind, line)
    return Markup(
        f'<svg class="key" viewBox="0 0 28 10" aria-hidden="true" focusable="false">{shape}</svg>'
    )


def _palette() -> str:
    """Return the colours of curves, on light ground and on dark."""
    light, dark = (
        "".join(f"--tone-{place}:{pair[end]};" for place, pair in enumerate(TONES))
        for end in (0, 1)
    )
    return f":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
