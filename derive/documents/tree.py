"""A document as a tree: sections of paragraphs, equations, figures and tables. Every format prints it.

Mathematics in it are trees of `derive.writing.tree`. An equation keeps what was derived beside what is
written, so that it can be checked: nothing here is printed text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chalkgrad.derive.claims.equality import Equality
from chalkgrad.derive.figures.drawing import Drawing
from chalkgrad.derive.writing.notation import Notation
from chalkgrad.derive.writing.tree import Node

Inline = str | Node  # words, and mathematics among them


@dataclass(frozen=True)
class Paragraph:
    """Words with mathematics among them."""

    parts: tuple[Inline, ...]


@dataclass(frozen=True)
class Line:
    """One line of a chain of equations: (number) left relation right, and beside it why and where.

    left: None where the line goes on from the one above. rule: the rule's name. where: the steps for
    which it holds. shape: of both sides, (n_a, n_x); None where there is none to tell. equality: what is
    claimed, for the machine; None for words in an equation's place. verdict: filled in by the check:
    True, False, or None where nothing is claimed. quoted: the founding note's own line.
    """

    left: Node | None
    right: Node
    relation: str = "="
    numbers: tuple[int, ...] = ()
    rule: tuple[Inline, ...] = ()
    where: tuple[Inline, ...] = ()
    shape: Node | None = None
    equality: Equality | None = None
    verdict: bool | None = None
    quoted: bool = False


@dataclass(frozen=True)
class Equations:
    """Lines aligned at their relations. `answer`: a step that a student is asked to work out."""

    lines: tuple[Line, ...]
    answer: bool = False


@dataclass(frozen=True)
class Table:
    """A heading for each column, and rows of cells."""

    head: tuple[Paragraph, ...]
    rows: tuple[tuple[Paragraph, ...], ...]


@dataclass(frozen=True)
class Items:
    """A list, numbered or not."""

    items: tuple[Paragraph, ...]
    numbered: bool = False


@dataclass(frozen=True)
class Remark:
    """What is said beside the derivation; kind: "remark", "quotation", "question" or "warning".

    asked: what a student is asked in its place where it is an answer.
    """

    kind: str
    blocks: tuple[Block, ...]
    asked: Paragraph | None = None


@dataclass(frozen=True)
class Figure:
    """A drawing of our own (`derive.figures.drawing`), which every format can print, and its caption."""

    drawing: Drawing
    caption: Paragraph


@dataclass(frozen=True)
class Plot:
    """A picture as SVG and as PNG or PDF where a plotting library is there, with the numbers it shows.

    svg: None where it could not be drawn; `numbers` is then printed in its place. words: what to see in it.
    """

    svg: str | None
    pdf: bytes | None
    numbers: Table
    caption: Paragraph


@dataclass(frozen=True)
class Listing:
    """Lines of a program; numbers[i]: the equations that line i computes."""

    title: str
    language: str
    lines: tuple[str, ...]
    numbers: tuple[tuple[int, ...], ...]


Block = Paragraph | Equations | Table | Items | Remark | Figure | Plot | Listing


@dataclass(frozen=True)
class Section:
    """`key` is a short name for links: letters and hyphens."""

    key: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Entry:
    """What a symbol means, for the table of notation and for whoever points at it."""

    symbol: Node
    shape: Node
    meaning: tuple[Inline, ...]


@dataclass(frozen=True)
class Document:
    """The whole. glossary: every symbol that occurs. checked: equalities, points for each, digits.

    compact: results alone, for one page.
    """

    title: str
    subtitle: str
    sections: tuple[Section, ...]
    notation: Notation
    glossary: tuple[Entry, ...]
    checked: tuple[int, int, int]
    compact: bool = False

    def lines(self) -> Iterator[Line]:
        """Every line of every equation, in reading order."""
        for section in self.sections:
            for block in section.blocks:
                yield from _lines(block)


def _lines(block: Block) -> Iterator[Line]:
    match block:
        case Equations(lines=lines):
            yield from lines
        case Remark(blocks=blocks):
            for inner in blocks:
                yield from _lines(inner)
        case _:
            return
