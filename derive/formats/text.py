"""The document as Unicode text for a terminal: nothing is wider than it, and formulas keep to the left."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chalkgrad.derive.documents.tree import (
    Block,
    Document,
    Equations,
    Figure,
    Inline,
    Items,
    Listing,
    Paragraph,
    Plot,
    Remark,
    Section,
    Table,
)
from chalkgrad.derive.figures.drawn_text import drawn_text
from chalkgrad.derive.formats.arranging import Placed, arranged
from chalkgrad.derive.formats.displays import label, lines_of
from chalkgrad.derive.formats.texts import folded
from chalkgrad.derive.formats.wrapping import Parts, fitted, wrapped
from chalkgrad.derive.writing.breaking import broken, characters
from chalkgrad.derive.writing.notation import Notation
from chalkgrad.derive.writing.tree import Node, Op
from chalkgrad.derive.writing.unicode import unicode
from chalkgrad.derive.writing.unicode_scripts import columns

NARROWEST = 60
_INDENT, _GAP = 2, 3
_NAMES = {"remark": "Remark. ", "quotation": "", "question": "", "warning": "Note. "}
_BARS = {"remark": "│ ", "quotation": "┃ ", "question": "? ", "warning": "! "}


def print_text(document: Document, width: int | None = None) -> str:
    """The whole document; width: of the terminal, at least 60, by default that of the one there is."""
    found = shutil.get_terminal_size().columns if width is None else width
    sheet = Sheet(document.notation, max(found, NARROWEST))
    lines = [*sheet.lines(document.title), *sheet.lines(document.subtitle)]
    lines.append("═" * max(map(columns, lines)))
    for section in document.sections:
        lines += ["", *sheet.section(section)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


@dataclass(frozen=True)
class Sheet:
    """A notation and a number of columns; what `derive.formats.arranging` asks of a page."""

    notation: Notation
    page: float
    space: float = 1
    gap: float = _GAP
    indent: float = _INDENT

    # ------------------------------------------------------------------------- widths

    def node(self, node: Node) -> float:
        return characters(node, self.notation)

    def words(self, parts: Parts) -> float:
        return columns(self.shown(parts))

    def broken(self, node: Node, width: float) -> list[Node]:
        return broken(node, self.notation, width, characters, linear=True)

    def number(self, numbers: tuple[int, ...]) -> float:
        return columns(label(numbers)) + 2 if numbers else 0

    def relation(self, sign: str) -> float:
        return columns(sign) + 2 if sign else 0

    # ------------------------------------------------------------------------- words

    def shown(self, parts: Sequence[Inline]) -> str:
        """Words and mathematics on one line."""
        return "".join(part if isinstance(part, str) else unicode(part, self.notation) for part in parts)

    def prose(self, parts: Sequence[Inline], start: str = "") -> list[str]:
        """Wrapped words; `start` before the first line and room for it before the others."""
        room = self.page - columns(start)
        lines = [self.shown(line) for line in wrapped(tuple(parts), self, room)]
        marks = [start, *[" " * columns(start)] * (len(lines) - 1)]
        return [m + part for m, line in zip(marks, lines, strict=True) for part in _cut(line, int(room))]

    def lines(self, text: str) -> list[str]:
        return self.prose((text,)) if text else []

    # ------------------------------------------------------------------------- blocks

    def section(self, section: Section) -> Iterator[str]:
        titles = self.lines(section.title)
        yield from titles
        yield "─" * max(map(columns, titles), default=0)
        for block in section.blocks:
            yield ""
            yield from self.block(block)

    def block(self, block: Block) -> Iterator[str]:
        """Lines of text. Raises TypeError for a kind of block that it does not know."""
        match block:
            case Paragraph(parts=parts):
                yield from self.prose(parts)
            case Equations():
                yield from self.equations(block)
            case Table():
                yield from self.table(block)
            case Items(items=items, numbered=numbered):
                for number, item in enumerate(items, 1):
                    yield from self.prose(item.parts, f"{number}. " if numbered else "• ")
            case Remark(kind=kind, blocks=blocks):
                yield from self.remark(kind, blocks)
            case Figure(drawing=drawing, caption=caption):
                yield from drawn_text(drawing, self.notation, int(self.page)).split("\n")
                yield ""
                yield from self.prose(caption.parts)
            case Plot(numbers=numbers, caption=caption):
                yield from self.prose(caption.parts)
                yield ""
                yield from self.table(numbers)
            case Listing(title=title, lines=lines):
                yield from self.lines(title)
                yield ""
                yield from (part for line in lines for part in folded(line, int(self.page)))
            case _:
                raise TypeError(f"no text for {type(block).__name__}")

    def remark(self, kind: str, blocks: Sequence[Block]) -> Iterator[str]:
        """Everything behind a bar."""
        bar, name = _BARS.get(kind, "│ "), _NAMES.get(kind, "")
        inside = Sheet(self.notation, self.page - columns(bar))
        for i, block in enumerate(blocks):
            if i == 0 and isinstance(block, Paragraph):
                block = Paragraph((name, *block.parts))
            yield from [bar] * (i > 0)
            yield from (bar + line for line in inside.block(block))

    # ------------------------------------------------------------------------- equations

    def equations(self, equations: Equations) -> Iterator[str]:
        """Numbers, left sides to the right, right sides to the left, and what is said beside them."""
        rows = arranged(equations.lines, self)
        number = int(max((self.number(row.numbers) for row in rows), default=0))
        left = max((columns(self._left(row)) for row in rows), default=0)
        right = max((columns(self._right(row)) for row in rows if row.apart), default=0)
        for line in lines_of(rows):
            for row in line:
                start = f"{label(row.numbers):<{number}}{_padded(self._left(row), left, True)}"
                yield from self._row(row, start, right)

    def _row(self, row: Placed, start: str, right: int) -> Iterator[str]:
        shown, said = self._right(row), self.shown(row.remark)
        if said:
            apart = " " * _GAP if row.apart or row.right is not None else ""
            shown = f"{_padded(shown, right if row.apart else 0)}{apart}{said}"
        room = int(self.page) - columns(start)
        for i, part in enumerate(_cut(shown, max(room, 8))):
            yield (start if i == 0 else " " * columns(start)) + part

    def _left(self, row: Placed) -> str:
        return "" if row.left is None or row.flush else f"{unicode(row.left, self.notation)} "

    def _right(self, row: Placed) -> str:
        nodes = (
            row.left if row.flush else None,
            Op(row.relation) if row.relation and row.right is not None else None,
            row.right,
        )
        shown = " ".join(unicode(node, self.notation) for node in nodes if node is not None)
        return " " * _INDENT * row.depth + shown

    # ------------------------------------------------------------------------- tables

    def table(self, table: Table) -> Iterator[str]:
        """Columns with their headings over a line; what does not fit beside the others stands below."""
        cells = [[cell.parts for cell in line] for line in (table.head, *table.rows)]
        for number, group in enumerate(fitted(cells, self, 3) if table.head else []):
            yield from [""] * (number > 0)
            widths = [max(1, int(size)) for size in group.widths]
            for i, line in enumerate(cells):
                yield from self._cells([line[place] for place in group.places], widths)
                if i == 0:
                    yield "─┼─".join("─" * size for size in widths)

    def _cells(self, cells: Sequence[Parts], widths: Sequence[int]) -> Iterator[str]:
        shown = [
            [part for line in wrapped(cell, self, size) for part in _cut(self.shown(line), size)]
            for cell, size in zip(cells, widths, strict=True)
        ]
        for i in range(max(map(len, shown))):
            texts = (cell[i] if i < len(cell) else "" for cell in shown)
            yield " │ ".join(_padded(text, size) for text, size in zip(texts, widths, strict=True))


def _padded(text: str, width: int, left: bool = False) -> str:
    room = " " * (width - columns(text))
    return room + text if left else text + room


def _cut(text: str, width: int) -> list[str]:
    """A line that is still too wide, at the last space that is in reach or else anywhere."""
    lines: list[str] = []
    while columns(text) > width:
        end = next(n for n in range(len(text), 0, -1) if columns(text[:n]) <= width or n == 1)
        space = text.rfind(" ", width // 2, end)
        cut = space if space > 0 else end
        lines.append(text[:cut].rstrip())
        text = text[cut:].lstrip()
    return [*lines, text]
