"""Lines of a chain of equations on a page: what stands in which row, for every format that has rows.

A line is (number) left relation right, and what is said about it. That stands in a column of its own beside
the right sides where the page is wide enough, else under its line. A right side that is too wide is broken
(`derive.writing.breaking`); a left side that is too wide gets a row of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Protocol

from chalkgrad.derive.documents.tree import Line
from chalkgrad.derive.formats.wrapping import Medium, Parts, listed, unit_width, wrapped
from chalkgrad.derive.writing.tree import Node, negative, unsigned

_REMARK_SHARE = 0.34  # of the page at most, for what is said beside, unless right sides leave more
_RIGHT_SHARE = 0.36  # of the page at least, for right sides
_LEFT_SHARE = 0.3  # of the page at most, for left sides


class Page(Medium, Protocol):
    """A medium on which equations have numbers."""

    @property
    def gap(self) -> float:
        """Between a right side and what is said beside it."""

    @property
    def indent(self) -> float:
        """Of a right side that goes on."""

    def number(self, numbers: tuple[int, ...]) -> float:
        """The width of the numbers of a line with the space that belongs to them."""

    def relation(self, sign: str) -> float:
        """The width of a sign between two sides with its spaces."""


@dataclass(frozen=True)
class Placed:
    """One row: (numbers) left relation right, and what is said beside it, or instead of it.

    depth: how often the right side is indented. flush: the left side stands in the column of the right
    ones. apart: what is said has a column of its own. last: the row is the last one of its line.
    """

    numbers: tuple[int, ...] = ()
    left: Node | None = None
    relation: str = ""
    right: Node | None = None
    remark: Parts = ()
    depth: int = 0
    flush: bool = False
    apart: bool = False
    last: bool = False


def remark(line: Line) -> Parts:
    """What is said about a line: its shape, the steps for which it holds, its rule, whether it is quoted
    and whether it is said to be false."""
    claimed = line.equality is None or line.equality.holds
    false = not claimed or (line.verdict is False and line.relation != "≠")
    marks = ", ".join([*["quoted"] * line.quoted, *["does not hold"] * false])
    shape: Parts = () if line.shape is None else (line.shape,)
    return listed([shape, line.where, line.rule, (marks,) if marks else ()], "; ")


def arranged(lines: Sequence[Line], page: Page) -> list[Placed]:
    """The rows of a block of equations."""
    if not lines:
        return []
    lines = [_signed(line) for line in lines]
    number = max(page.number(line.numbers) for line in lines)
    left = max((page.node(line.left) for line in lines if line.left is not None), default=0.0)
    sign = max(page.relation(line.relation) for line in lines)
    needed = max(number + left + sign + page.node(line.right) + _behind(line, page) for line in lines)
    if left > _LEFT_SHARE * page.page and needed > page.page:
        return [row for line in lines for row in _flush(line, page, page.page - number)]
    room = page.page - number - left - sign
    return _beside(lines, page, room) or [row for line in lines for row in _below(line, page, room)]


def _signed(line: Line) -> Line:
    """+ −a as − a"""
    if line.relation == "+" and negative(line.right):
        return replace(line, relation="-", right=unsigned(line.right))
    return line


def _behind(line: Line, page: Page) -> float:
    said = remark(line)
    return page.gap + page.words(said) if said else 0.0


def _beside(lines: Sequence[Line], page: Page, room: float) -> list[Placed]:
    """With a column for what is said; nothing where it does not fit."""
    remarks = [remark(line) for line in lines]
    natural = max(page.words(said) for said in remarks)
    least = max(unit_width(said, page) for said in remarks)
    widest = max(page.node(line.right) for line in lines)
    left_over = room - page.gap - max(widest, _RIGHT_SHARE * page.page)
    width = max(min(natural, max(_REMARK_SHARE * page.page, left_over)), least)
    rest = room - (width + page.gap if natural else 0.0)
    if natural and rest < _RIGHT_SHARE * page.page:
        return []
    rows: list[Placed] = []
    for line, said in zip(lines, remarks, strict=True):
        pieces = _pieces(line, page, rest)
        if natural and any(page.node(piece) > rest for piece in pieces):
            return []
        found = [
            Placed(right=piece, remark=words or (), depth=int(i > 0 and piece is not None), apart=True)
            for i, (piece, words) in enumerate(zip_longest(pieces, _said(said, page, width)))
        ]
        rows += _started(line, found)
    return rows


def _below(line: Line, page: Page, room: float, under: float | None = None) -> list[Placed]:
    """What is said behind the right side if that leaves room, else under it, where `under` is its width."""
    pieces = _pieces(line, page, room)
    rows = [Placed(right=piece, depth=int(i > 0)) for i, piece in enumerate(pieces)]
    said = remark(line)
    used = page.node(pieces[-1]) + (page.indent if len(pieces) > 1 else 0.0)
    if said and used + _behind(line, page) <= room:
        rows[-1] = replace(rows[-1], remark=said)
    else:
        width = (room if under is None else under) - page.indent
        rows += [Placed(remark=words, depth=1) for words in _said(said, page, width)]
    return _started(line, rows)


def _flush(line: Line, page: Page, room: float) -> Iterator[Placed]:
    """Left and right side in one column."""
    sign = page.relation(line.relation)
    left = 0.0 if line.left is None else page.node(line.left)
    if line.left is not None and left + sign + page.node(line.right) <= room:
        for row in _below(line, page, room - left - sign, room):
            yield replace(row, flush=True)
        return
    if line.left is not None:
        yield Placed(line.numbers, line.left, flush=True)
        line = replace(line, left=None, numbers=())
    for row in _below(line, page, room - sign - page.indent):
        yield replace(row, flush=True, depth=row.depth + 1)


def _pieces(line: Line, page: Page, room: float) -> list[Node]:
    if page.node(line.right) <= room:
        return [line.right]
    return page.broken(line.right, room - page.indent)


def _said(said: Parts, page: Page, width: float) -> list[Parts]:
    return wrapped(said, page, width) if said else []


def _started(line: Line, rows: list[Placed]) -> list[Placed]:
    first, *others = rows
    found = [replace(first, numbers=line.numbers, left=line.left, relation=line.relation), *others]
    return [*found[:-1], replace(found[-1], last=True)]
