"""Levels of a document: the whole, one page of results, and an exam with its answer key."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from chalkgrad.derive import choices
from chalkgrad.derive.choices import Level
from chalkgrad.derive.documents.pieces import listed, paragraph
from chalkgrad.derive.documents.tree import (
    Block,
    Document,
    Equations,
    Inline,
    Line,
    Listing,
    Paragraph,
    Plot,
    Remark,
    Section,
)
from chalkgrad.derive.writing.tree import Name, Node, Objective

_RESULTS = ("forward", "backward", "gradients")
_HIDDEN = ("check", "checked")  # from whoever takes an exam: numbers, and what holds


def at_level(document: Document, level: Level) -> Document:
    """The document as `level` shows it: "key" is what "exam" leaves out."""
    match level:
        case "full":
            return document
        case "brief":
            return replace(document, sections=tuple(_brief(document)), compact=True)
        case "exam":
            return replace(
                document, sections=tuple(_exam(document)), subtitle=f"{document.subtitle}: questions"
            )
        case "key":
            return replace(document, sections=tuple(_key(document)), subtitle=f"{document.subtitle}: answers")
        case _:
            raise ValueError(f"level: expected one of {', '.join(choices.LEVELS)}, received {level!r}")


# ----------------------------------------------------------------------------- brief


def _brief(document: Document) -> Iterator[Section]:
    """Results alone, the last line of every chain, without words: the named steps, the loss, δ, gradients."""
    model = _lines_of(document, "model")
    losses = [line for line in model if isinstance(line.left, Objective)]
    for section in document.sections:
        if section.key in _RESULTS:
            found = _lines_of(document, section.key)
            if section.key == "forward":
                found = [*(line for line in found if isinstance(line.left, Name)), *losses]
            yield replace(section, blocks=(Equations(tuple(replace(line, rule=()) for line in found)),))


def _lines_of(document: Document, key: str) -> list[Line]:
    """The results in a section."""
    blocks = (block for section in document.sections if section.key == key for block in section.blocks)
    return [line for block in blocks if isinstance(block, Equations) for line in _results(block)]


def _results(equations: Equations) -> Iterator[Line]:
    """Of lines that go on from each other the last, with the left side and the steps of the first."""
    first: Line | None = None
    for number, line in enumerate(equations.lines):
        first = line if line.left is not None or first is None else first
        following = equations.lines[number + 1 : number + 2]
        if not following or following[0].left is not None:
            yield replace(line, left=first.left, where=first.where or line.where)


# ----------------------------------------------------------------------------- exam and key


def _exam(document: Document) -> Iterator[Section]:
    """Every answer replaced by a question with a number."""
    count, answers = 0, _answers(document)
    for section in document.sections:
        if section.key in _HIDDEN:
            continue
        blocks: list[Block] = []
        for block in section.blocks:
            asked = _asked(block, answers)
            if asked is None:
                if not isinstance(block, (Listing, Plot)):
                    blocks.append(_unjudged(block))
            else:
                count += 1
                blocks.append(Remark("question", (paragraph(f"Question {count}. {{}}", asked.parts),)))
        yield replace(section, blocks=tuple(blocks))


def _unjudged(block: Block) -> Block:
    """Without what the check has found: whether a line holds may be what is asked."""
    match block:
        case Equations(lines=lines):
            return replace(block, lines=tuple(replace(x, equality=None, verdict=None) for x in lines))
        case Remark(blocks=blocks):
            return replace(block, blocks=tuple(map(_unjudged, blocks)))
        case _:
            return block


def _key(document: Document) -> Iterator[Section]:
    """The answers under the numbers of their questions."""
    count, answers = 0, _answers(document)
    for section in document.sections:
        blocks: list[Block] = []
        for block in section.blocks:
            asked = _asked(block, answers)
            if asked is not None:
                count += 1
                blocks += [paragraph(f"Answer {count}. {{}}", asked.parts), block]
        if blocks:
            yield replace(section, blocks=tuple(blocks))


def _answers(document: Document) -> frozenset[Node]:
    """All right sides that are asked for."""
    blocks = (block for section in document.sections for block in section.blocks)
    asked = (block for block in blocks if isinstance(block, Equations) and block.answer)
    return frozenset(line.right for block in asked for line in block.lines)


def _asked(block: Block, answers: Collection[Node]) -> Paragraph | None:
    """What a block is the answer to; a left side that is an answer itself is not told."""
    match block:
        case Remark(asked=asked):
            return asked
        case Equations(answer=True, lines=lines):
            unknowns = list(_unknowns(line for line in lines if line.left not in answers))
            return paragraph("Work out {}.", listed(unknowns) if unknowns else "each of them")
        case _:
            return None


def _unknowns(lines: Iterable[Line]) -> Iterator[tuple[Inline, ...]]:
    for line in lines:
        if line.left is not None:
            yield (line.left, " (", *line.where, ")") if line.where else (line.left,)
