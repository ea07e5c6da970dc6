"""Drawings as LaTeX `picture` environments, with commands that every LaTeX has.

A picture is as wide as the text at most: its unit of length shrinks with it, and so do its letters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from chalkgrad.derive.figures.drawing import BARE, END, ROUND, START, Arrow, Box, Drawing, Label, Place
from chalkgrad.derive.writing.latex import latex
from chalkgrad.derive.writing.notation import Notation

NATURAL = 11.5  # points for a unit, where there is room
SMALLER, SMALLEST = 9.5, 7.5  # points below which letters are smaller
DASH, SPACE = 0.28, 0.2  # units
ROUNDING = 0.9995  # of the width of the text: TeX rounds lengths
HEAD = 0.45  # units that are drawn in one piece behind the tip of a dashed arrow


def picture(drawing: Drawing, notation: Notation) -> str:
    r"""The drawing as a group with one `picture` in it, for text; at most \textwidth wide.

    Raises TypeError for a label that has no LaTeX.
    """
    wide = max(drawing.width, 1.0)
    share = math.floor(ROUNDING * 1e5 / wide) / 1e5
    lines = [
        r"{\setlength{\unitlength}{" + f"{share:.5f}" + r"\textwidth}%",
        rf"\ifdim\unitlength>{NATURAL}pt\setlength{{\unitlength}}{{{NATURAL}pt}}\fi",
        rf"\ifdim\unitlength<{SMALLEST}pt\tiny\else\ifdim\unitlength<{SMALLER}pt\scriptsize\else"
        r"\footnotesize\fi\fi",
        rf"\begin{{picture}}({_number(drawing.width)},{_number(drawing.height)})",
        r"\thinlines",
        *_commands(drawing, notation),
        r"\end{picture}}",
    ]
    return "\n".join(lines)


def _commands(drawing: Drawing, notation: Notation) -> Iterator[str]:
    height = drawing.height
    for box in drawing.boxes:
        yield from _box(box, height, notation)
    for arrow in drawing.arrows:
        yield from _arrow(arrow, height)
    for label in drawing.labels:
        yield _label(label, height, notation)


def _box(box: Box, height: float, notation: Notation) -> Iterator[str]:
    size = f"({_number(box.width)},{_number(box.height)})"
    if box.kind == ROUND:
        yield _put(box.x, height - box.y, rf"\oval{size}")
    elif box.kind != BARE:
        yield _put(box.left, height - box.bottom, rf"\framebox{size}{{}}")
        if box.second:
            inner = f"({_number(box.width - 0.3)},{_number(box.height - 0.3)})"
            yield _put(box.left + 0.15, height - box.bottom + 0.15, rf"\framebox{inner}{{}}")
    for label in box.labels:
        yield _label(label, height, notation)


def _label(label: Label, height: float, notation: Notation) -> str:
    side = {START: "[l]", END: "[r]"}.get(label.anchor, "")
    text = f"${latex(label.text, notation)}$"
    return _put(label.x, height - label.y, rf"\makebox(0,0){side}{{{text}}}")


def _arrow(arrow: Arrow, height: float) -> Iterator[str]:
    *parts, last = arrow.parts
    for start, end in parts:
        yield from _line(start, end, height, arrow.backwards)
    start, end = last
    length = _length(start, end)
    if arrow.backwards and length > HEAD:
        middle = _towards(start, end, length - HEAD)
        yield from _line(start, middle, height, True)
        start = middle
    yield _put(start[0], height - start[1], _stroke("vector", start, end))


def _line(start: Place, end: Place, height: float, dashed: bool) -> Iterator[str]:
    length = _length(start, end)
    if not dashed:
        yield _put(start[0], height - start[1], _stroke("line", start, end))
        return
    count = max(1, round((length + SPACE) / (DASH + SPACE)))
    period = (length + SPACE) / count
    dash = _stroke("line", start, _towards(start, end, period - SPACE))
    dx, dy = (b - a for a, b in zip(start, _towards(start, end, period), strict=True))
    yield (
        rf"\multiput({_number(start[0])},{_number(height - start[1])})"
        rf"({_number(dx)},{_number(-dy)}){{{count}}}{{{dash}}}"
    )


def _stroke(command: str, start: Place, end: Place) -> str:
    """A horizontal or vertical line or vector; up is positive in a picture."""
    dx, dy = end[0] - start[0], start[1] - end[1]
    way = f"({(dx > 0) - (dx < 0)},{(dy > 0) - (dy < 0)})"
    return rf"\{command}{way}{{{_number(max(abs(dx), abs(dy)))}}}"


def _length(start: Place, end: Place) -> float:
    return abs(end[0] - start[0]) + abs(end[1] - start[1])


def _towards(start: Place, end: Place, distance: float) -> Place:
    share = distance / _length(start, end)
    return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])


def _put(x: float, y: float, what: str) -> str:
    return rf"\put({_number(x)},{_number(y)}){{{what}}}"


def _number(value: float) -> str:
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text
