"""The blocks of a document as HTML elements."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape

from chalkgrad.derive.documents.tree import (
    Block,
    Document,
    Entry,
    Equations,
    Figure,
    Inline,
    Items,
    Line,
    Listing,
    Paragraph,
    Plot,
    Remark,
    Table,
)
from chalkgrad.derive.figures.svg import svg
from chalkgrad.derive.formats.html_code import code_lines
from chalkgrad.derive.formats.html_svg import embedded
from chalkgrad.derive.writing.mathml import symbol_key
from chalkgrad.derive.writing.mathml_lines import ROOM, maths
from chalkgrad.derive.writing.notation import Notation
from chalkgrad.derive.writing.tree import Node, Number, Op, Row

_KINDS = {  # of remarks: the element, and what stands above it
    "remark": ("aside", "Remark"),
    "quotation": ("blockquote", "Quoted from the founding note"),
    "question": ("aside", "Question"),
    "warning": ("aside", "Warning"),
}
_SIGNED = (Number, Op)
Cells = tuple[Paragraph, ...]
_CELL = 30.0  # em: a table scrolls rather than break a number


@dataclass
class Anchors:
    """Every id of the page is given once: the second place of an equation's number has none.

    prefix: of the names in a fragment, to which nothing leads from outside.
    """

    prefix: str = ""
    used: set[str] = field(default_factory=set)

    def new(self, name: str) -> str:
        """The attribute, or nothing where the name is taken or nothing leads to it."""
        if self.prefix or name in self.used:
            return ""
        self.used.add(name)
        return f' id="{name}"'

    def fresh(self, stem: str) -> str:
        """A name that is not taken."""
        stem = f"{self.prefix}{stem}"
        count = next(i for i in range(len(self.used) + 1) if f"{stem}{i}" not in self.used)
        self.used.add(f"{stem}{count}")
        return f"{stem}{count}"


@dataclass(frozen=True)
class Blocks:
    """A printer of blocks.

    meanings: the key of a symbol, by its row in the table of notation. stated, computed: the numbers that
    equations, and lines of programs, carry.
    """

    notation: Notation
    meanings: Mapping[Cells, str]
    stated: frozenset[int]
    computed: frozenset[int]
    anchors: Anchors

    @classmethod
    def of(cls, document: Document, prefix: str = "") -> Blocks:
        """For a page, or for a fragment whose ids all begin with `prefix` and whose numbers lead nowhere."""
        found = ((row_of(entry), symbol_key(entry.symbol)) for entry in document.glossary)
        stated = {number for line in document.lines() for number in line.numbers}
        listings = (block for block in every_block(document) if isinstance(block, Listing))
        computed = {n for listing in listings for line in listing.numbers for n in line}
        meanings = {cells: key for cells, key in found if key is not None}
        if prefix:
            stated, computed, meanings = set(), set(), {}
        return cls(document.notation, meanings, frozenset(stated), frozenset(computed), Anchors(prefix))

    @cached_property
    def known(self) -> frozenset[str]:
        """The keys of all symbols that have a meaning."""
        return frozenset(self.meanings.values())

    def block(self, block: Block) -> str:
        """One block. Raises TypeError for a kind that it does not know."""
        match block:
            case Paragraph():
                return f"<p>{self.inlines(block.parts)}</p>"
            case Equations():
                return self._equations(block)
            case Table():
                return self._table(block)
            case Items(items=items, numbered=numbered):
                tag = "ol" if numbered else "ul"
                return f"<{tag}>{''.join(f'<li>{self.inlines(i.parts)}</li>' for i in items)}</{tag}>"
            case Remark():
                return self._remark(block)
            case Figure(drawing=drawing, caption=caption):
                return self._figure("drawing", svg(drawing, self.notation), caption)
            case Plot(svg=None, numbers=numbers, caption=caption):
                name = self.anchors.fresh("_caption")
                words = f'<figcaption id="{name}">{self.inlines(caption.parts)}</figcaption>'
                return f'<figure class="plot">{self._table(numbers)}{words}</figure>'
            case Plot(svg=str(picture), caption=caption):
                return self._figure("plot", picture, caption)
            case Listing():
                return self._listing(block)
            case _:
                raise TypeError(f"no HTML for {type(block).__name__}")

    def inlines(self, parts: Iterable[Inline]) -> str:
        """Words with mathematics among them."""
        return "".join(
            escape(part, quote=False) if isinstance(part, str) else self.maths(part) for part in parts
        )

    def maths(self, node: Node, room: float = ROOM) -> str:
        return maths(node, self.notation, room, self.known)

    # ------------------------------------------------------------------------- equations

    def _equations(self, block: Equations) -> str:
        kind = "eqs answer" if block.answer else "eqs"
        return f'<div class="{kind}">{"".join(map(self._line, block.lines))}</div>'

    def _line(self, line: Line) -> str:
        verdict = line.verdict
        if verdict is not None and line.relation == "≠":
            verdict = not verdict
        kind = "".join((" quoted" if line.quoted else "", " false" if verdict is False else ""))
        numbers = f' data-n="{_numbers(line.numbers)}"' if line.numbers else ""
        left = "" if line.left is None else f'<div class="l">{self.maths(line.left)}</div>'
        relation = f'<div class="r">{escape(line.relation)}</div>' if line.relation else ""
        shown, told = self._shown(line, verdict), self._told(line)
        right, reasons = self.maths(line.right), ""
        if told:
            reasons = f'<details class="by" open><summary>{shown}</summary>{told}</details>'
        elif shown:
            right += f' <span class="by">{shown}</span>' if line.shape is not None else f" {shown}"
        return (
            f'<div class="eq{kind}"{numbers}>{self._number(line.numbers)}{left}{relation}'
            f'<div class="x">{right}</div>{reasons}</div>'
        )

    def _number(self, numbers: Sequence[int]) -> str:
        if not numbers:
            return ""
        links = ", ".join(self._counterpart(n, "e", "c", self.computed) for n in numbers)
        return f'<div class="n">({links})</div>'

    def _counterpart(self, number: int, own: str, other: str, there: frozenset[int]) -> str:
        """A number, linked to where else it stands."""
        anchor = self.anchors.new(f"{own}{number}")
        if number in there:
            return f'<a{anchor} href="#{other}{number}">{number}</a>'
        return f"<span{anchor}>{number}</span>" if anchor else str(number)

    def _shown(self, line: Line, verdict: bool | None) -> str:
        """Shape and verdict, which are always seen."""
        shape = "" if line.shape is None else f'<span class="shape">{self.maths(line.shape)}</span>'
        match verdict:
            case True:
                return f"{shape}<b>✓</b>"
            case False:
                return f'{shape}<b class="no">✗ false</b>'
            case _:
                return shape

    def _told(self, line: Line) -> str:
        """Where the line comes from and where it holds, which fold."""
        source = '<span class="from">quoted</span>' if line.quoted else ""
        rule = f'<span class="rule">{self.inlines(line.rule)}</span>' if line.rule else ""
        where = f'<span class="where">{self.inlines(line.where)}</span>' if line.where else ""
        return source + rule + where

    # ------------------------------------------------------------------------- the other blocks

    def _table(self, table: Table) -> str:
        columns = zip(*table.rows, strict=True) if table.rows else ((),) * len(table.head)
        head = "".join(map(self._heading, table.head, columns))
        rows = "".join(map(self._row, table.rows))
        return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'

    def _row(self, row: tuple[Paragraph, ...]) -> str:
        """A row; of the table of notation with the key of its symbol, so that it is also what that says."""
        key = self.meanings.get(row)
        data = "" if key is None else f' data-for="{escape(key)}"'
        return f"<tr{data}>{''.join(self._cells(row))}</tr>"

    def _heading(self, cell: Paragraph, column: Sequence[Paragraph]) -> str:
        kind = ' class="number"' if column and all(map(_numeric, column)) else ""
        return f'<th scope="col"{kind}>{self.inlines(cell.parts)}</th>'

    def _cells(self, row: Sequence[Paragraph]) -> Iterator[str]:
        for i, cell in enumerate(row):
            kind = ' class="number"' if _numeric(cell) else ""
            tag, scope = ("th", ' scope="row"') if i == 0 else ("td", "")
            parts = cell.parts
            inner = self.inlines(parts) if not kind else "".join(map(self._uncut, parts))
            yield f"<{tag}{scope}{kind}>{inner}</{tag}>"

    def _uncut(self, part: Inline) -> str:
        return escape(part) if isinstance(part, str) else self.maths(part, _CELL)

    def _remark(self, remark: Remark) -> str:
        if remark.kind not in _KINDS:
            raise TypeError(f"no HTML for a remark of the kind {remark.kind!r}")
        tag, words = _KINDS[remark.kind]
        inner = "".join(self.block(block) for block in remark.blocks)
        role = ' role="note"' if tag == "aside" else ""
        return f'<{tag} class="{remark.kind}"{role}><p class="kind">{words}</p>{inner}</{tag}>'

    def _figure(self, kind: str, picture: str, caption: Paragraph) -> str:
        name = self.anchors.fresh("_caption")
        shown = embedded(picture, f"{name}-", name)
        words = f'<figcaption id="{name}">{self.inlines(caption.parts)}</figcaption>'
        return f'<figure class="{kind}"><div class="wide">{shown}</div>{words}</figure>'

    def _listing(self, listing: Listing) -> str:
        name = self.anchors.fresh("_listing")
        lines = []
        before: Sequence[int] = ()
        for text, numbers in zip(code_lines(listing), listing.numbers, strict=True):
            links = ", ".join(self._counterpart(n, "c", "e", self.stated) for n in numbers)
            told = f'<b class="n">{links}</b>' if links and numbers != before else ""
            line = f"{text}\n"
            lines.append(f'<span data-n="{_numbers(numbers)}">{told}{line}</span>' if numbers else line)
            before = numbers
        return (
            f'<figure class="listing" aria-labelledby="{name}"><figcaption id="{name}">'
            f"{escape(listing.title)}</figcaption><pre><code>{''.join(lines)}</code></pre></figure>"
        )


def row_of(entry: Entry) -> Cells:
    """How the table of notation has an entry."""
    return Paragraph((entry.symbol,)), Paragraph((entry.shape,)), Paragraph(entry.meaning)


def every_block(document: Document) -> Iterator[Block]:
    """Every block of every section, also those in remarks."""
    for section in document.sections:
        yield from _within(section.blocks)


def _within(blocks: Iterable[Block]) -> Iterator[Block]:
    for block in blocks:
        yield block
        if isinstance(block, Remark):
            yield from _within(block.blocks)


def _numbers(numbers: Sequence[int]) -> str:
    return " ".join(map(str, numbers))


def _numeric(cell: Paragraph) -> bool:
    """Whether a cell is nothing but a number."""

    def number(part: Inline) -> bool:
        match part:
            case str():
                return re.fullmatch(r"\s*[-−+]?[0-9][0-9.,e−+-]*\s*", part) is not None
            case Row(items=items):
                return all(isinstance(item, _SIGNED) for item in items)
            case _:
                return isinstance(part, Number)

    return bool(cell.parts) and all(map(number, cell.parts))
