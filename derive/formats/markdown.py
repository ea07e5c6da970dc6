"""The document as Markdown with $ and $$, as GitHub, Jupyter, KaTeX and MathJax read them.

A reader of Markdown comes before a reader of mathematics: "<" could start a tag there, and a backslash
before punctuation disappears, so formulas spell these out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

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
from chalkgrad.derive.figures.drawn_text import drawn_text
from chalkgrad.derive.formats.latex import equation_displays
from chalkgrad.derive.writing.latex import latex
from chalkgrad.derive.writing.notation import Notation
from chalkgrad.derive.writing.tree import Node, Words

_NAMES = {"remark": "Remark.", "quotation": "Quoted.", "question": "", "warning": "Note."}
_SPELLED = {
    "<": r"\lt ",
    ">": r"\gt ",
    r"\,": r"\thinspace ",
    r"\{": r"\lbrace ",
    r"\}": r"\rbrace ",
    r"\|": r"\Vert ",
    "|": r"\vert ",
}
_TOKENS = re.compile(r"\\[A-Za-z]+|\\.|.", re.DOTALL)


def print_markdown(document: Document) -> str:
    """The whole document."""
    parts = [f"# {escaped(document.title)}", escaped(document.subtitle)]
    for section in document.sections:
        parts += section_markdown(section, document.notation)
    return "\n\n".join(part for part in parts if part) + "\n"


def section_markdown(section: Section, notation: Notation) -> list[str]:
    """The heading and the blocks of a section, each a paragraph."""
    blocks = (text for block in section.blocks for text in block_markdown(block, notation))
    return [f"## {escaped(section.title)}", *blocks]


def block_markdown(block: Block, notation: Notation) -> Iterator[str]:
    """Paragraphs of Markdown. Raises TypeError for a kind of block that it does not know."""
    match block:
        case Paragraph(parts=parts):
            yield _started(words(parts, notation))
        case Equations():
            yield from (f"$$\n{spelled(text)}\n$$" for text in equation_displays(block, notation))
        case Table():
            yield _table(block, notation)
        case Items(items=items, numbered=numbered):
            marks = (f"{i}." if numbered else "-" for i in range(1, len(items) + 1))
            lines = (f"{m} {words(item.parts, notation)}" for m, item in zip(marks, items, strict=True))
            yield "\n".join(lines)
        case Remark(kind=kind, blocks=blocks):
            yield from _remark(_NAMES.get(kind, ""), blocks, notation)
        case Figure(drawing=drawing, caption=caption):
            yield from _figure(drawing, caption, notation)
        case Plot(numbers=numbers, caption=caption):
            yield _started(words(caption.parts, notation))
            yield _table(numbers, notation)
        case Listing(title=title, language=language, lines=lines):
            yield f"**{escaped(title)}**"
            yield fenced(lines, language)
        case _:
            raise TypeError(f"no Markdown for {type(block).__name__}")


# ----------------------------------------------------------------------------- words


def words(parts: Sequence[Inline], notation: Notation) -> str:
    """Words with mathematics between dollar signs, which no letter and no other one may touch."""
    text = ""
    for part in parts:
        if isinstance(part, str | Words):
            piece = escaped(part if isinstance(part, str) else part.text)
            touching = text.endswith("$") and piece[:1].isalnum()
        else:
            piece = formula(part, notation)
            touching = text.endswith("$") or text[-1:].isalnum()
        text += f" {piece}" if touching else piece
    return text


def formula(node: Node, notation: Notation) -> str:
    """Mathematics among words."""
    return f"${spelled(latex(node, notation))}$"


def spelled(text: str) -> str:
    """LaTeX without the characters that Markdown would take for its own."""
    return "".join(_SPELLED.get(token, token) for token in _TOKENS.findall(text))


def escaped(text: str) -> str:
    """Words that mean nothing to Markdown."""
    plain = re.sub(r"([\\`*_\[\]{}|$~])", r"\\\1", " ".join(re.split(r"\s+", text)))
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _started(text: str) -> str:
    """A paragraph whose start could be taken for a list or a heading."""
    text = re.sub(r"^\s*([-+#=])", r"\\\1", text)
    return re.sub(r"^\s*(\d+)([.)])", r"\1\\\2", text)


# ----------------------------------------------------------------------------- blocks


def _table(table: Table, notation: Notation) -> str:
    rows = [[words(cell.parts, notation) for cell in line] for line in (table.head, *table.rows)]
    lines = [f"| {' | '.join(cells)} |" for cells in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(table.head), *lines[1:]]) if table.head else ""


def _remark(name: str, blocks: Sequence[Block], notation: Notation) -> Iterator[str]:
    """Words alone are set apart; displays would lose their lines there."""
    texts = [text for block in blocks for text in block_markdown(block, notation)]
    if name and blocks and isinstance(blocks[0], Paragraph):
        texts[0] = f"**{name}** {texts[0]}"
    elif name:
        texts.insert(0, f"**{name}**")
    if all(isinstance(block, Paragraph) for block in blocks):
        yield "\n>\n".join(f"> {text}" for text in texts)
    else:
        yield from texts


def _figure(drawing: Drawing, caption: Paragraph, notation: Notation) -> Iterator[str]:
    yield fenced(drawn_text(drawing, notation).split("\n"), "text")
    yield _started(words(caption.parts, notation))


def fenced(lines: Sequence[str], language: str) -> str:
    """Lines as they are, in a fence that none of them closes."""
    longest = max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}{language}", *lines, fence])
