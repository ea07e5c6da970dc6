"""Drawings as SVG, for a page or as a file of their own.

Colours follow the text around: borders, arrows and words take `currentColor`, gradient flow takes the
variable --backwards where a page sets one. What is backwards is dashed, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from chalkgrad.derive.figures.drawing import BARE, ROUND, Arrow, Box, Drawing, Label
from chalkgrad.derive.figures.lettering import EM, SIZES, Run, runs, width
from chalkgrad.derive.writing.notation import Notation

UNIT = 20  # user units for a unit of the drawing
ROUNDED = {ROUND: 1.0}  # how far corners are rounded, at most
CORNER = 0.2
LEAST = 0.62  # of the natural size: smaller letters are hard to read, a page may scroll
TIP = 0.45  # the length of an arrow's head
BACKWARDS = "#d0491c"  # against white and against black a contrast of 4.5
_FACES = "'STIX Two Text', 'Latin Modern Roman', 'Times New Roman', Times, serif"
_DARK = "@media (prefers-color-scheme: dark){svg{color:#e8e8e8}}"
_MARGIN = 0.25


def svg(drawing: Drawing, notation: Notation, prefix: str = "", standalone: bool = False) -> str:
    """The drawing as one `svg` element, as wide as its place up to its natural size.

    prefix: of every id in it. standalone: with the name of the vocabulary and with colours for dark and
    light, as a file needs them. Raises TypeError for a label that no drawing can hold.
    """
    return "".join(_elements(drawing, notation, prefix, standalone))


def _elements(drawing: Drawing, notation: Notation, prefix: str, standalone: bool) -> Iterator[str]:
    names = " ".join(f"{prefix}{name}" for name in ("title", "desc"))
    size = [_px(n) for n in (-_MARGIN, -_MARGIN, drawing.width + 2 * _MARGIN, drawing.height + 2 * _MARGIN)]
    yield '<svg xmlns="http://www.w3.org/2000/svg" ' if standalone else "<svg "
    yield f'viewBox="{" ".join(size)}" role="img" aria-labelledby="{names}" class="network" '
    least = f"{float(size[2]) * LEAST:.0f}"
    yield f'style="width:100%;min-width:{least}px;max-width:{size[2]}px;height:auto" font-family="{_FACES}" '
    yield f'font-size="{_px(EM)}" fill="none" stroke="currentColor" stroke-width="1.3">'
    yield f'<title id="{prefix}title">{escape(drawing.title, quote=False)}</title>'
    yield f'<desc id="{prefix}desc">{escape(drawing.description, quote=False)}</desc>'
    if standalone:
        yield f"<style>{_DARK}</style>"
    yield f"<defs>{_tip(f'{prefix}ahead', False)}{_tip(f'{prefix}back', True)}</defs>"
    for arrow in drawing.arrows:
        yield _arrow(arrow, prefix)
    for box in drawing.boxes:
        yield from _box(box, notation)
    yield '<g class="labels" fill="currentColor" stroke="none">'
    for label in drawing.labels:
        yield _text(label, notation)
    yield "</g></svg>"


def _px(units: float) -> str:
    return f"{units * UNIT:.1f}".removesuffix(".0")


def _tip(name: str, backwards: bool) -> str:
    size = TIP * UNIT
    colour = _coloured("fill") if backwards else 'fill="currentColor"'
    return (
        f'<marker id="{name}" viewBox="0 0 10 8" refX="9.5" refY="4" markerWidth="{size:g}" '
        f'markerHeight="{size * 0.8:g}" markerUnits="userSpaceOnUse" orient="auto">'
        f'<path d="M0 0L10 4L0 8L2.5 4Z" stroke="none" {colour}/></marker>'
    )


def _coloured(what: str) -> str:
    return f'style="{what}:var(--backwards,{BACKWARDS})"'


def _arrow(arrow: Arrow, prefix: str) -> str:
    path = "M" + "L".join(f"{_px(x)} {_px(y)}" for x, y in arrow.points)
    if not arrow.backwards:
        return f'<path class="ahead" d="{path}" marker-end="url(#{prefix}ahead)"/>'
    dashes = f'stroke-dasharray="5 3.5" {_coloured("stroke")}'
    return f'<path class="back" d="{path}" {dashes} marker-end="url(#{prefix}back)"/>'


def _box(box: Box, notation: Notation) -> Iterator[str]:
    if box.kind != BARE:
        corner = min(ROUNDED.get(box.kind, CORNER), box.width / 2, box.height / 2)
        place = f'x="{_px(box.left)}" y="{_px(box.top)}" width="{_px(box.width)}" height="{_px(box.height)}"'
        tone = "0.14" if box.second else "0.06"
        kind = f"{box.kind} second" if box.second else box.kind
        yield f'<rect class="{kind}" {place} rx="{_px(corner)}" fill="currentColor" fill-opacity="{tone}"/>'
    yield '<g fill="currentColor" stroke="none">'
    for label in box.labels:
        yield _text(label, notation, box.width - 0.3)
    yield "</g>"


def _text(label: Label, notation: Notation, room: float | None = None) -> str:
    """One line of text; smaller where it would not fit into `room`."""
    wide = width(label.text, notation)
    size = EM if room is None or wide <= room else EM * room / wide
    colour = f" {_coloured('fill')}" if label.backwards else ""
    small = "" if size == EM else f' font-size="{_px(size)}"'
    y = label.y + 0.3 * size
    inner = "".join(_spans(runs(label.text, notation), size))
    return f'<text x="{_px(label.x)}" y="{_px(y)}" text-anchor="{label.anchor}"{small}{colour}>{inner}</text>'


def _spans(found: tuple[Run, ...], size: float) -> Iterator[str]:
    rise = 0.0
    for run in found:
        attributes = ""
        if run.level:
            attributes += f' font-size="{_px(size * SIZES[run.level])}"'
        if run.rise != rise:
            attributes += f' dy="{_px(size * (rise - run.rise))}"'
        if run.back:
            attributes += f' dx="{_px(-size * run.back)}"'
        if not run.upright:
            attributes += ' font-style="italic"'
        rise = run.rise
        yield f"<tspan{attributes}>{escape(run.text, quote=False)}</tspan>"
