"""A document as one HTML file to explore, which needs no other file and no network.

The page reads from top to bottom without its script; with it, symbols say what they are, sections and
reasons open and close together, and equations and the lines of C that compute them point at each other.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from base64 import b64encode
from collections.abc import Iterator, Mapping
from functools import cache
from html import escape
from importlib.resources import files

from chalkgrad.derive.documents.tree import Document, Table
from chalkgrad.derive.formats.html_blocks import Blocks, every_block, row_of
from chalkgrad.derive.writing.mathml import symbol_key

_CONTROLS = (
    ("open", "Open all"),
    ("close", "Close all"),
    ("reasons", "Reasons"),
    ("beside", "C beside"),
    ("theme", "Dark"),
)


LIMIT = 300_000  # bytes
_FRAGMENT = "".join(
    f".chalkgrad {rule}"
    for rule in (
        ".eqs,.chalkgrad .eq{display:grid;column-gap:.45em;align-items:baseline}",
        ".eqs{grid-template-columns:[n] max-content [l] max-content [r] max-content [x] minmax(0,1fr)}",
        ".eq{grid-column:1/-1;grid-template-columns:subgrid;padding:.3em 0}",
        ".n{grid-column:n}",
        ".l{grid-column:l;text-align:right}",
        ".r{grid-column:r}",
        ".x{grid-column:x}",
        ".eq math{math-style:normal}",
        ".by{grid-column:x;font-size:.85em;opacity:.8}",
        ".by>span{margin-right:.8em}",
        ".by math{math-style:compact}",
        ".wide{overflow-x:auto;max-width:100%}",
    )
)
_PACKED = "This part is packed to keep the file small, and a script has to unpack it."


def print_html(document: Document) -> str:
    """The document as one HTML5 file: MathML, inline SVG, style and script; no address of any kind.

    A page that would be larger than LIMIT carries its largest sections packed, and unpacks them itself.
    Raises TypeError for a block or a node that it does not know.
    """
    blocks = Blocks.of(document)
    inner = {s.key: _unquoted("\n".join(map(blocks.block, s.blocks))) for s in document.sections}
    page = _page(document, blocks, inner)
    for key in sorted(inner, key=lambda key: len(inner[key]), reverse=True):
        if len(page.encode("utf-8")) <= LIMIT:
            break
        page = _page(document, blocks, inner := {**inner, key: packed(inner[key])})
    return page


def html_fragment(document: Document) -> str:
    """The sections of the document as HTML to stand in another page, as a notebook's output; no script.

    Raises TypeError as `print_html`.
    """
    prefix = f"lh-{hashlib.sha256(repr(document.sections).encode('utf-8')).hexdigest()[:8]}"
    blocks, several = Blocks.of(document, prefix), len(document.sections) > 1
    inner = ""
    for section in document.sections:
        inner += f"<h3>{escape(section.title)}</h3>" if several else ""
        inner += "".join(map(blocks.block, section.blocks))
    return f'<div class="chalkgrad"><style>{_FRAGMENT}</style>{inner}</div>'


def packed(markup: str) -> str:
    """Markup as text that the page's script unpacks: zlib, in base64."""
    text = b64encode(zlib.compress(markup.encode("utf-8"), 9)).decode("ascii")
    return f'<div data-packed="{text}"></div><noscript><p>{_PACKED}</p></noscript>'


def _page(document: Document, blocks: Blocks, inner: Mapping[str, str]) -> str:
    body, script = "".join(_body(document, blocks, inner)), _resource("page.js")
    return f"{_head(document)}<body>\n{body}<script>{script}</script>\n</body>\n</html>\n"


def _head(document: Document) -> str:
    policy = "; ".join(
        (
            "default-src 'none'",
            "style-src 'unsafe-inline'",
            f"script-src '{_digest(_resource('page.js'))}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>{escape(document.title)}</title>\n<style>\n{_resource('page.css')}</style>\n</head>\n"
    )


def _body(document: Document, blocks: Blocks, inner: Mapping[str, str]) -> Iterator[str]:
    yield '<a class="skip" href="#_main">Skip to the text</a>\n'
    yield from _bar(document)
    yield '<main id="_main" tabindex="-1">\n<header>\n'
    yield f'<h1>{escape(document.title)}</h1>\n<p class="subtitle">{escape(document.subtitle)}</p>\n'
    yield f'<p class="checked">{_checked(document)}</p>\n</header>\n'
    for section in document.sections:
        key = escape(section.key)
        yield f'<section id="{key}" aria-labelledby="{key}_">\n<details open>\n'
        yield f'<summary><h2 id="{key}_">{escape(section.title)}</h2></summary>\n'
        yield f"{inner[section.key]}\n</details>\n</section>\n"
    yield "</main>\n"
    yield '<aside id="_dock" aria-label="Program" hidden></aside>\n'
    yield '<div id="_tip" role="tooltip" hidden></div>\n'
    yield _unquoted("".join(_glossary(document, blocks)))


def _unquoted(body: str) -> str:
    """Without the quotation marks that HTML does not need: an eighth of what is left is saved.

    In text a "<" is always escaped, so every "<" begins a tag, and no value holds a ">".
    """
    return re.sub(r"<[a-z][^>]*>", lambda tag: re.sub(r'="([\w:.#-]+)"(?!/)', r"=\1", tag[0]), body)


def _bar(document: Document) -> Iterator[str]:
    """The way around: sections, and what works on all of them at once."""
    yield '<div class="bar">\n<nav aria-label="Sections">\n'
    yield '<button type="button" id="_menu" aria-expanded="false" aria-controls="_sections" hidden>'
    yield 'Contents</button>\n<ol id="_sections">\n'
    for section in document.sections:
        yield f'<li><a href="#{escape(section.key)}">{escape(section.title)}</a></li>\n'
    yield '</ol>\n</nav>\n<div class="controls" role="group" aria-label="Page" hidden>\n'
    for key, words in _CONTROLS:
        state = ' aria-pressed="true"' if key in ("reasons", "beside") else ""
        state = ' aria-pressed="false"' if key == "theme" else state
        yield f'<button type="button" id="_{key}"{state}>{words}</button>\n'
    yield "</div>\n"
    yield '<p class="hint" hidden>Point at a symbol, or press <kbd>→</kbd> on a line, '
    yield "for its shape and meaning.</p>\n</div>\n"


def _checked(document: Document) -> str:
    """How much of the document was held to the machine."""
    equalities, points, digits = document.checked
    if not equalities:
        return "No equality on this page was checked by machine."
    every = "1 equality was" if equalities == 1 else f"All {equalities} equalities were"
    where = "1 random point" if points == 1 else f"{points} random points each"
    return f"{every} checked by machine, at {where}, with {digits} digits."


def _glossary(document: Document, blocks: Blocks) -> Iterator[str]:
    """What a symbol says when it is pointed at, by its key, where no table of the page says it."""
    tables = (block for block in every_block(document) if isinstance(block, Table))
    told = {row for table in tables for row in table.rows}
    yield '<template id="_glossary">\n'
    for entry in document.glossary:
        key = symbol_key(entry.symbol)
        if key is not None and row_of(entry) not in told:
            yield f'<div data-for="{escape(key)}"><p><b>{blocks.maths(entry.symbol)}</b> '
            yield f'<span class="shape">{blocks.maths(entry.shape)}</span></p>'
            yield f"<p>{blocks.inlines(entry.meaning)}</p></div>\n"
    yield "</template>\n"


# ----------------------------------------------------------------------------- what comes with the package


@cache
def _resource(name: str) -> str:
    """A file beside this one, without what only its readers need: comments and space."""
    text = files("chalkgrad.derive.formats").joinpath(name).read_text(encoding="utf-8")
    lines = (line.strip() for line in text.splitlines())
    kept = [line for line in lines if line and not line.startswith(("//", "/*"))]
    if name.endswith(".css"):
        return re.sub(r"\s*([{};,])\s*|(:)\s+", r"\1\2", "".join(f"{line} " for line in kept)) + "\n"
    return "".join(f"{line}\n" for line in kept)


def _digest(script: str) -> str:
    """What a browser compares with the one script that it may run."""
    return f"sha256-{b64encode(hashlib.sha256(script.encode('utf-8')).digest()).decode('ascii')}"
