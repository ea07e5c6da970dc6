"""The document as a LaTeX fragment: displays that amsmath, MathJax and KaTeX in strict mode accept.

`$$ \\begin{aligned} … \\end{aligned} $$` and nothing else: words stand in \\text, tables in {array}. Of a
figure and a plot the caption is left; a program is not in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

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
from chalkgrad.derive.formats.arranging import arranged
from chalkgrad.derive.formats.displays import BREAK, Ems, aligned, aligned_rows, inline, lines_of
from chalkgrad.derive.formats.wrapping import Parts, fitted, wrapped
from chalkgrad.derive.writing.latex import words_latex
from chalkgrad.derive.writing.metrics import height
from chalkgrad.derive.writing.notation import Notation

PAGE = 44.0  # em: the text of an A4 page with margins of 2.5 cm, or a column of a notebook
_TALLEST = 48.0  # em: a display does not break across pages
_BOLD = 1.2  # widths of bold letters to those of others
_CELLS_APART = 1.0  # em
_LABELS = {"remark": "Remark. ", "quotation": "", "question": "", "warning": "Note. "}


def print_latex(document: Document) -> str:
    """The whole document as displays, a blank line between two."""
    title = f"{document.title}. {document.subtitle}" if document.subtitle else document.title
    parts = [_display(_titles(title, document.notation))]
    for section in document.sections:
        parts += section_displays(section, document.notation)
    return "\n\n".join(parts) + "\n"


def section_displays(section: Section, notation: Notation) -> list[str]:
    """A section as displays, each small enough for a page; the first one has the title."""
    parts = [part for block in section.blocks for part in block_parts(block, notation)]
    titles = _titles(section.title, notation)
    return [_display(lines) for lines in _pages(parts, titles)] if parts else []


def block_parts(block: Block, notation: Notation) -> list[str]:
    """A block as formulas, one to be set below the other. Raises TypeError for a kind it does not know."""
    page = _page(notation)
    match block:
        case Paragraph(parts=parts):
            return _words(parts, page)
        case Equations():
            return equation_displays(block, notation)
        case Table():
            return _table(block, page)
        case Items(items=items, numbered=numbered):
            marks = (f"{i}. " if numbered else "- " for i in range(1, len(items) + 1))
            marked = [(mark, *item.parts) for mark, item in zip(marks, items, strict=True)]
            return [part for item in marked for part in _words(item, page)]
        case Remark(kind=kind, blocks=blocks):
            return [part for inner in _labelled(kind, blocks) for part in block_parts(inner, notation)]
        case Figure(caption=caption):
            return _words(("Figure: ", *caption.parts), page)
        case Plot(caption=caption):
            return _words(("Plot: ", *caption.parts), page)
        case Listing():
            return []
        case _:
            raise TypeError(f"no LaTeX for {type(block).__name__}")


def _page(notation: Notation) -> Ems:
    return Ems(notation, PAGE)


def _titles(title: str, notation: Notation) -> list[str]:
    """A title in bold letters, on as many lines as it takes."""
    lines = wrapped((title,), _page(notation), PAGE / _BOLD)
    return ["".join(words_latex(part, "textbf") for part in line if isinstance(part, str)) for line in lines]


def _labelled(kind: str, blocks: Sequence[Block]) -> Iterator[Block]:
    """The blocks of a remark, with what it is in front of the first words."""
    label = _LABELS.get(kind, "")
    for i, block in enumerate(blocks):
        yield Paragraph((label, *block.parts)) if i == 0 and isinstance(block, Paragraph) else block


def _words(parts: Sequence[Inline], page: Ems) -> list[str]:
    return [inline(line, page.notation) for line in wrapped(tuple(parts), page, PAGE)]


def equation_displays(equations: Equations, notation: Notation) -> list[str]:
    """Aligned rows; more than a page holds are aligned page by page."""
    if not equations.lines:
        return []
    rows = arranged(equations.lines, _page(notation))
    numbered = any(row.numbers for row in rows)
    texts = [BREAK.join(aligned_rows(line, notation, numbered)) for line in lines_of(rows)]
    return [aligned(lines) for lines in _pages(texts)]


def _table(table: Table, page: Ems) -> list[str]:
    """Columns whose cells are wrapped to fit the page; a table of many rows or columns is cut."""
    cells = [[cell.parts for cell in line] for line in (table.head, *table.rows)]
    found = []
    for group in fitted(cells, page, _CELLS_APART) if table.head else []:
        chosen = [[line[i] for i in group.places] for line in cells]
        head, *rows = [BREAK.join(_cells(line, group.widths, page)) for line in chosen]
        start = rf"\begin{{array}}{{{'l' * len(group.places)}}}" + f"\n{head} \\\\ \\hline\n"
        found += [start + BREAK.join(lines) + "\n\\end{array}" for lines in _pages(rows)]
    return found


def _cells(cells: Sequence[Parts], widths: Sequence[float], page: Ems) -> list[str]:
    """One row of a table as as many rows as its longest cell has lines."""
    lines = [wrapped(cell, page, width) for cell, width in zip(cells, widths, strict=True)]
    count = max(map(len, lines))
    filled = [[*cell, *[()] * (count - len(cell))] for cell in lines]
    return [" & ".join(inline(cell[i], page.notation) for cell in filled) for i in range(count)]


# ----------------------------------------------------------------------------- displays


def _display(parts: Sequence[str]) -> str:
    """A paragraph of displayed mathematics, its parts below each other and flush left."""
    return "$$\n" + aligned(f"& {part}" for part in parts) + "\n$$"


def _pages(parts: Iterable[str], titles: Sequence[str] = ()) -> Iterator[list[str]]:
    """Parts that go together on a page, the first of them under the titles."""
    page, used = [*titles], sum(map(_height, titles))
    filled = False
    for part in parts:
        size = _height(part)
        if filled and used + size > _TALLEST:
            yield page
            page, used = [], 0.0
        page.append(part)
        used, filled = used + size, True
    if page:
        yield page


def _height(text: str) -> float:
    """Of rows, whether they are aligned by an environment or are still to be."""
    return height(text if "\\begin{aligned}" in text else f"\\begin{{aligned}}{text}\\end{{aligned}}")
