"""The document as an article in LaTeX: one file for pdflatex with amsmath, all of it in ASCII.

Equations keep the numbers of the derivation as their tags. Formulas, words and tables are cut so that no
line is wider than the text; a formula that has no place to be cut is set smaller.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

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
from chalkgrad.derive.figures.drawing import Drawing
from chalkgrad.derive.figures.picture import picture
from chalkgrad.derive.formats.arranging import Placed, arranged
from chalkgrad.derive.formats.displays import Ems, inline, lines_of, remark_side, right_side, tag
from chalkgrad.derive.formats.texts import bare, code, folded, letters
from chalkgrad.derive.formats.wrapping import Parts, fitted
from chalkgrad.derive.writing.breaking import broken
from chalkgrad.derive.writing.latex import latex
from chalkgrad.derive.writing.metrics import width
from chalkgrad.derive.writing.notation import Notation
from chalkgrad.derive.writing.tree import Node, Words

PAGE = 45.4  # em: A4 with margins of 2.5 cm, at 10 pt
_MARGIN = 2.5  # em on both sides of a remark
_DISPLAYED = 1.0  # em before a displayed formula
_INLINE = 20.0  # em: a formula among words that is wider may break, as words do
_SLACK = 0.01  # em: rooms are rounded, widths are estimated from above
_APART = 1.5  # em between the columns of a table
_TOGETHER = 8  # rows that no page need end between
_LETTERS = 100  # on a line of a program
_NAMES = {"remark": "Remark.", "quotation": "Quoted.", "question": "", "warning": "Note."}
_DISPLAY = r"\begin{alignat*}"
_START = r"""\documentclass[10pt,a4paper,fleqn]{article}
\usepackage[hmargin=2.5cm,vmargin=1.7cm,footskip=0.9cm]{geometry}
\usepackage{amsmath,amssymb,graphicx}
\IfFileExists{hyperref.sty}{\usepackage[hidelinks]{hyperref}}{}
\providecommand{\texorpdfstring}[2]{#1}
\newcommand{\narrowed}[2]{\resizebox{#1}{!}{$\displaystyle #2$}}
\allowdisplaybreaks
\setlength{\mathindent}{1em}
\setlength{\parindent}{0pt}
\setlength{\jot}{1pt}
\setlength{\parskip}{0.4em plus 0.2em}
\setlength{\emergencystretch}{12em}
\makeatletter
\renewcommand{\section}{\@startsection{section}{1}{0pt}{-1em minus 0.3em}{1pt}{\normalfont\large\bfseries}}
\makeatother
\newcommand{\closer}[1]{\setlength{#1}{0.4em plus 0.2em}}
\AtBeginDocument{\closer{\abovedisplayskip}\closer{\belowdisplayskip}}"""
_COMPACT = r"""\geometry{vmargin=1.3cm}
\renewcommand{\closer}[1]{\setlength{#1}{0pt}}
\AtBeginDocument{\small\let\displaystyle\textstyle\closer{\abovedisplayskip}\closer{\belowdisplayskip}}"""


def print_tex(document: Document) -> str:
    """The whole article in one file, ready for pdflatex; of a plot it has the numbers."""
    return article(document, {})


def article(document: Document, plotted: Mapping[Plot, str]) -> str:
    """The article with the pictures of some plots, told by the names of their files."""
    sheet = _Sheet(document.notation, plotted)
    title = rf"{{\centering\LARGE {letters(document.title)}\\ \large {letters(document.subtitle)}\par}}"
    start = f"{_START}\n{_COMPACT}" if document.compact else _START
    parts = [start, f"\\begin{{document}}\n{title}"]
    for section in document.sections:
        parts += sheet.section(section)
    return _joined([*parts, "\\end{document}"]) + "\n"


@dataclass(frozen=True)
class _Sheet:
    """What is printed on: a notation, files with pictures, and the width of the text in em."""

    notation: Notation
    plotted: Mapping[Plot, str]
    page: float = PAGE

    def section(self, section: Section) -> Iterator[str]:
        yield rf"\section{{\texorpdfstring{{{letters(section.title)}}}{{{bare(section.title)}}}}}"
        for block in section.blocks:
            yield from self.block(block)

    def block(self, block: Block) -> Iterator[str]:
        """Paragraphs of LaTeX. Raises TypeError for a kind that it does not know."""
        match block:
            case Paragraph(parts=parts):
                yield self.prose(parts)
            case Equations():
                if block.lines:
                    yield self.equations(block)
            case Table():
                yield self.table(block)
            case Items(items=items, numbered=numbered):
                kind = "enumerate" if numbered else "itemize"
                inside = replace(self, page=self.page - _MARGIN)
                lines = "\n".join(rf"\item {inside.prose(item.parts)}" for item in items)
                yield f"\\begin{{{kind}}}\n{lines}\n\\end{{{kind}}}"
            case Remark(kind=kind, blocks=blocks):
                yield from self.remark(_NAMES.get(kind, ""), blocks)
            case Figure(drawing=drawing, caption=caption):
                yield self.figure(drawing, caption)
            case Plot(numbers=numbers, caption=caption):
                if block in self.plotted:
                    yield rf"\includegraphics[width=\linewidth]{{{self.plotted[block]}}}"
                yield self.prose(caption.parts)
                if block not in self.plotted:
                    yield self.table(numbers)
            case Listing():
                yield _listing(block)
            case _:
                raise TypeError(f"no LaTeX for {type(block).__name__}")

    # ------------------------------------------------------------------------- words

    def prose(self, parts: Sequence[Inline], width: float | None = None) -> str:
        """Words with mathematics between dollar signs."""
        room = self.page if width is None else width
        return "".join(
            letters(part if isinstance(part, str) else part.text)
            if isinstance(part, str | Words)
            else self._formula(part, room)
            for part in parts
        )

    def _formula(self, node: Node, room: float) -> str:
        pieces = broken(node, self.notation, min(_INLINE, room))
        return " ".join(self._fitted(piece, room) for piece in pieces)

    def _fitted(self, node: Node, room: float) -> str:
        text = latex(node, self.notation)
        return rf"\narrowed{{{room:.2f}em}}{{{text}}}" if width(text) > room + _SLACK else f"${text}$"

    def remark(self, name: str, blocks: Sequence[Block]) -> Iterator[str]:
        inside = replace(self, page=self.page - 2 * _MARGIN)
        texts = [text for block in blocks for text in inside.block(block)]
        if name and blocks and isinstance(blocks[0], Paragraph):
            texts[0] = rf"\textbf{{{name}}} {texts[0]}"
        elif name:
            texts.insert(0, rf"\textbf{{{name}}}")
        yield _joined(["\\begin{quote}", *texts, "\\end{quote}"])

    def figure(self, drawing: Drawing, caption: Paragraph) -> str:
        lines = ["\\begin{center}", picture(drawing, self.notation), "", self.prose(caption.parts)]
        return "\n".join([*lines, "\\end{center}"])

    # ------------------------------------------------------------------------- equations

    def equations(self, equations: Equations) -> str:
        """Rows aligned at their relations; a page may end between two lines, not within one.

        Nor before a line that goes on from the one above, where the rows are few.
        """
        page = Ems(self.notation, self.page - _DISPLAYED, tagged=True)
        rows = arranged(equations.lines, page)
        left = max((page.node(r.left) for r in rows if r.left is not None and not r.flush), default=0.0)
        room = page.page - max(page.number(row.numbers) for row in rows) - left
        text = ""
        for line in lines_of(rows):
            goes_on = line[0].left is None and len(rows) <= _TOGETHER
            text += "" if not text else " \\\\*\n" if goes_on else " \\\\\n"
            text += " \\\\*\n".join(self._row(row, page, room) for row in line)
        return f"{_DISPLAY}{{2}}\n{text}\n\\end{{alignat*}}"

    def _row(self, row: Placed, page: Ems, room: float) -> str:
        start = "" if row.left is None or row.flush else f"{latex(row.left, self.notation)} "
        right, said = right_side(row, self.notation), remark_side(row, self.notation)
        used = page.gap + width(inline(row.remark, self.notation)) if said else 0.0
        if row.right is not None and width(right) + used > room:
            right = rf"\narrowed{{{max(room - used, 1.0):.2f}em}}{{{right}}}"
        number = rf" \tag{{{tag(row.numbers)}}}" if row.numbers else ""
        return f"{start}& {right}{said}{number}"

    # ------------------------------------------------------------------------- tables

    def table(self, table: Table) -> str:
        """Every row a paragraph of its own, of boxes side by side, so that pages may end between two."""
        cells = [[cell.parts for cell in line] for line in (table.head, *table.rows)]
        texts = []
        for group in fitted(cells, Ems(self.notation, self.page), _APART) if table.head else []:
            apart = _APART * (len(group.widths) - 1)
            scale = min(1.0, (self.page - apart) / sum(group.widths))
            widths = [size * scale for size in group.widths]
            head, *rows = [self._cells([line[i] for i in group.places], widths) for line in cells]
            texts.append("\n\n".join([head, rf"\hrule width {sum(widths) + apart:.2f}em", *rows]))
        start = "\\begingroup\\setlength{\\parskip}{2pt}\\raggedright\n"
        return start + "\n\n\\medskip\n\n".join(texts) + "\\par\\endgroup"

    def _cells(self, cells: Sequence[Parts], widths: Sequence[float]) -> str:
        boxes = (
            rf"\parbox[t]{{{size:.2f}em}}{{\raggedright\strut {self.prose(cell, size)}\strut}}"
            for cell, size in zip(cells, widths, strict=True)
        )
        return "%\n\\hspace{1.5em}".join(boxes)


def _joined(parts: Sequence[str]) -> str:
    """Paragraphs; a display belongs to the one before it, else it gets one without a line."""
    text = parts[0]
    for before, part in pairwise(parts):
        alone = before.startswith((_DISPLAY, "\\section", "\\begin"))
        display = f"\n\n\\noindent\n{part}" if alone else f"\n{part}"
        text += display if part.startswith(_DISPLAY) else f"\n\n{part}"
    return text


def _listing(listing: Listing) -> str:
    """Lines of typewriter letters; one that is too long goes on below."""
    lines = [code(part) for line in listing.lines for part in folded(line, _LETTERS)]
    body = " \\\\\n".join(rf"\mbox{{{line}}}" for line in lines)
    title = rf"\textbf{{{letters(listing.title)}}}"
    return f"{title}\n\n\\begingroup\\raggedright\\scriptsize\\ttfamily\n{body}\\par\\endgroup"
