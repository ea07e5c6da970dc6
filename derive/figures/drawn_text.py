"""Drawings in characters: boxes and arrows of Unicode, for a terminal.

A unit of height is a line, a unit of width as many columns as it takes to keep labels apart. What is wider
than the page is cut where the drawing says it may be, and goes on below.
"""

from __future__ import annotations

import itertools
import math
import textwrap
import unicodedata
from collections.abc import Iterator

from chalkgrad.derive.figures.drawing import BARE, ROUND, Arrow, Box, Drawing, Label, Place
from chalkgrad.derive.writing.notation import Notation
from chalkgrad.derive.writing.unicode import unicode

WIDTH = 78
SCALES = (2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0)  # columns for a unit
_NEAR = 6  # columns by which a cut may move
Cell = tuple[int, int]  # row, column

_UP, _DOWN, _LEFT, _RIGHT = 1, 2, 4, 8  # sides of a character at which a line leaves it
_LINES = {
    _UP | _DOWN: "│", _LEFT | _RIGHT: "─", _DOWN | _RIGHT: "┌", _DOWN | _LEFT: "┐",
    _UP | _RIGHT: "└", _UP | _LEFT: "┘", _UP | _DOWN | _RIGHT: "├", _UP | _DOWN | _LEFT: "┤",
    _LEFT | _RIGHT | _DOWN: "┬", _LEFT | _RIGHT | _UP: "┴", _UP | _DOWN | _LEFT | _RIGHT: "┼",
}  # fmt: skip
_DASHED = {_UP | _DOWN: "┆", _LEFT | _RIGHT: "┄"}
_ROUND = {"┌": "╭", "┐": "╮", "└": "╰", "┘": "╯"}
_HEADS = {(0, 1): "→", (0, -1): "←", (1, 0): "↓", (-1, 0): "↑"}


def drawn_text(drawing: Drawing, notation: Notation, width: int = WIDTH) -> str:
    """The drawing as lines of at most `width` columns; its description where it cannot be cut to fit.

    Raises TypeError for a label that has no Unicode.
    """
    sheets = (_Sheet(drawing, notation, scale) for scale in SCALES)
    sheet = next((sheet for sheet in sheets if sheet.clear), None)
    bands = None if sheet is None else sheet.bands(width)
    if bands is None:
        return "\n".join(textwrap.wrap(drawing.description, width, break_long_words=True))
    return "\n\n".join(bands)


class _Sheet:
    """A drawing on a grid of characters. clear: every label has a place of its own."""

    def __init__(self, drawing: Drawing, notation: Notation, scale: float) -> None:
        self._notation, self._scale = notation, scale
        self._cuts = [self._column(x) for x in drawing.cuts]
        self._sides: dict[Cell, int] = {}
        self._solid: set[Cell] = set()
        self._signs: dict[Cell, str] = {}
        self._worded: set[Cell] = set()
        self._boxed: list[tuple[int, int]] = []
        self.clear = True
        for arrow in drawing.arrows:
            self._arrow(arrow)
        for cell, sides in self._sides.items():
            known = _LINES if cell in self._solid else {**_LINES, **_DASHED}
            self._signs.setdefault(cell, known[sides])
        for box in drawing.boxes:
            self._box(box)
        for label in drawing.labels:
            self._label(label)

    def bands(self, width: int) -> list[str] | None:
        """The lines in pieces of at most `width` columns; None where there is no cut for that."""
        end = max((column for _, column in self._signs), default=0) + 1
        first = min((column for _, column in self._signs), default=0)
        places = [place for cut in self._cuts if (place := self._parting(cut)) is not None]
        found = []
        while end - first > width:
            cut = max((c for c in places if first < c <= first + width), default=None)
            if cut is None:
                return None
            found.append(self._piece(first, cut))
            first = cut
        return [*found, self._piece(first, end)]

    def _parting(self, cut: int) -> int | None:
        """The column nearest to `cut` in front of which no word and no box is parted, None where none is."""
        near = sorted(range(cut - _NEAR, cut + _NEAR + 1), key=lambda column: abs(column - cut))
        for column in near:
            words = any({(r, column - 1), (r, column)} <= self._worded for r in range(self._height))
            if not words and not any(left < column <= right for left, right in self._boxed):
                return column
        return None

    @property
    def _height(self) -> int:
        return max((row for row, _ in self._signs), default=0) + 1

    def _piece(self, first: int, end: int) -> str:
        lines = [
            "".join(self._signs.get((row, column), " ") for column in range(first, end)).rstrip()
            for row in range(self._height)
        ]
        while lines and not lines[0]:
            del lines[0]
        return "\n".join(lines).rstrip("\n")

    # ------------------------------------------------------------------------- on the grid

    def _column(self, x: float) -> int:
        return math.floor(x * self._scale + 0.5)

    def _cell(self, place: Place) -> Cell:
        return math.floor(place[1] + 0.5), self._column(place[0])

    def _arrow(self, arrow: Arrow) -> None:
        """From beside the border where it starts to beside the one where it ends."""
        way = list(_way([self._cell(point) for point in arrow.points]))
        for before, cell, after in zip(way, way[1:-1], way[2:], strict=False):
            sides = _side(cell, before) | _side(cell, after)
            self._sides[cell] = self._sides.get(cell, 0) | sides
            if not arrow.backwards:
                self._solid.add(cell)
        if len(way) > 2:
            (r1, c1), (r2, c2) = way[-2], way[-1]
            self._signs[way[-2]] = _HEADS[r2 - r1, c2 - c1]

    def _box(self, box: Box) -> None:
        (top, left), (bottom, right) = self._cell((box.left, box.top)), self._cell((box.right, box.bottom))
        self._boxed.append((left, right))
        if box.kind != BARE:
            around = [(top, left), (top, right), (bottom, right), (bottom, left), (top, left)]
            for cell in _way(around):
                self._signs[cell] = "│" if cell[1] in (left, right) else "─"
            for cell, corner in zip(around[:-1], "┌┐┘└", strict=True):
                self._signs[cell] = _ROUND[corner] if box.kind == ROUND else corner
        for label in box.labels:
            signs = _clusters(unicode(label.text, self._notation))
            row, start = self._cell((label.x, label.y))[0], (left + right + 1 - len(signs)) // 2
            inside = 0 if box.kind == BARE else 1
            if start < left + inside or start + len(signs) - 1 > right - inside:
                self.clear = False
            self._write(row, start, signs)

    def _label(self, label: Label) -> None:
        signs = _clusters(unicode(label.text, self._notation))
        row, column = self._cell((label.x, label.y))
        match label.anchor:
            case "start":
                start = column + 1 + ((row, column) in self._signs)
            case "end":
                start = column - len(signs) - ((row, column) in self._signs)
            case _:
                start = self._column(label.x - len(signs) / self._scale / 2)
        self._write(row, start, signs)

    def _write(self, row: int, start: int, signs: list[str]) -> None:
        """Words where nothing is yet, and with a space to other words on both sides."""
        cells = [(row, start + i) for i in range(len(signs))]
        beside = {(row, start - 1), (row, start + len(signs))}
        if any(cell in self._signs for cell in cells) or beside & self._worded:
            self.clear = False
        self._signs.update(zip(cells, signs, strict=True))
        self._worded.update(cells)


def _way(points: list[Cell]) -> Iterator[Cell]:
    """Every cell from the first point to the last, along straight parts."""
    yield points[0]
    for (r1, c1), (r2, c2) in itertools.pairwise(points):
        dr, dc = (r2 > r1) - (r2 < r1), (c2 > c1) - (c2 < c1)
        for i in range(1, max(abs(r2 - r1), abs(c2 - c1)) + 1):
            yield r1 + i * dr, c1 + i * dc


def _side(cell: Cell, other: Cell) -> int:
    """The side of `cell` at which `other` lies."""
    if other[0] != cell[0]:
        return _UP if other[0] < cell[0] else _DOWN
    return _LEFT if other[1] < cell[1] else _RIGHT


def _clusters(text: str) -> list[str]:
    """Letters with the marks on them: what takes one column each."""
    found: list[str] = []
    for character in text:
        if found and unicodedata.combining(character):
            found[-1] += character
        else:
            found.append(character)
    return found
