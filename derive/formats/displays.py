"""Equations and words as displayed LaTeX: what the fragment, the article, Markdown and notebooks share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chalkgrad.derive.formats.arranging import Placed
from chalkgrad.derive.formats.wrapping import Parts
from chalkgrad.derive.writing.breaking import broken, ems
from chalkgrad.derive.writing.latex import latex, words_latex
from chalkgrad.derive.writing.metrics import text_width, width
from chalkgrad.derive.writing.notation import Notation
from chalkgrad.derive.writing.tree import Node, Op

BREAK = " \\\\\n"
_SIGN = 1.36  # a relation or + with the spaces around it
_INDENTS = ("", r"\quad ", r"\qquad ", r"\qquad \quad ")
_MACRO_AT_END = re.compile(r"\\[A-Za-z]+\Z")


@dataclass(frozen=True)
class Ems:
    """A page of LaTeX, in em. tagged: numbers stand at the end of a line as \\tag sets them."""

    notation: Notation
    page: float
    tagged: bool = False
    space: float = 0.334
    gap: float = 2.0
    indent: float = 1.0

    def node(self, node: Node) -> float:
        return ems(node, self.notation)

    def words(self, parts: Parts) -> float:
        return width(inline(parts, self.notation))

    def broken(self, node: Node, width: float) -> list[Node]:
        return broken(node, self.notation, width)

    def number(self, numbers: tuple[int, ...]) -> float:
        if not numbers:
            return 0.0
        return text_width(tag(numbers)) + 2.5 if self.tagged else text_width(label(numbers)) + 1.0

    def relation(self, sign: str) -> float:
        return _SIGN


def label(numbers: Sequence[int]) -> str:
    """(3), (4)"""
    return ", ".join(f"({number})" for number in numbers)


def tag(numbers: Sequence[int]) -> str:
    """3, 4"""
    return ", ".join(map(str, numbers))


def inline(parts: Parts, notation: Notation) -> str:
    """Words and mathematics as one formula."""
    text = ""
    for part in parts:
        piece = words_latex(part) if isinstance(part, str) else latex(part, notation)
        apart = _MACRO_AT_END.search(text) and piece[:1].isalpha()
        text += f" {piece}" if apart else piece
    return text


def aligned(lines: Iterable[str]) -> str:
    return "\\begin{aligned}\n" + BREAK.join(lines) + "\n\\end{aligned}"


def right_side(row: Placed, notation: Notation) -> str:
    """relation right, indented, with the left side before it where that is flush."""
    left = "" if row.left is None or not row.flush else f"{latex(row.left, notation)} "
    sign = f"{latex(Op(row.relation), notation)} " if row.relation and row.right is not None else ""
    right = "" if row.right is None else latex(row.right, notation)
    return f"{_INDENTS[min(row.depth, 3)]}{left}{sign}{right}".rstrip()


def remark_side(row: Placed, notation: Notation) -> str:
    """What is said about a row: in a column of its own, or behind the right side or in its place."""
    said = inline(row.remark, notation)
    if not said:
        return ""
    if row.apart:
        return rf" && \qquad {said}"
    return rf" \qquad {said}" if row.right is not None else f" {said}"


def aligned_rows(rows: Sequence[Placed], notation: Notation, numbered: bool) -> list[str]:
    """Rows of an aligned: number if there are any, left side, right side, what is said."""
    return [_aligned_row(row, notation, numbered) for row in rows]


def _aligned_row(row: Placed, notation: Notation, numbered: bool) -> str:
    start = ""
    if numbered:
        start = rf"\text{{{label(row.numbers)}}}\quad && " if row.numbers else "&& "
    left = "" if row.left is None or row.flush else f"{latex(row.left, notation)} "
    right = right_side(row, notation)
    return f"{start}{left}& {right}{remark_side(row, notation)}"


def lines_of(rows: Sequence[Placed]) -> list[list[Placed]]:
    """The rows of each line."""
    found: list[list[Placed]] = [[]]
    for row in rows:
        found[-1].append(row)
        if row.last:
            found.append([])
    return [line for line in found if line]
