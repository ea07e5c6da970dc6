"""Wide right-hand sides on several lines, without a change to the mathematics.

A line breaks at relations first, then at + and −, then at ∗, then between factors, and then inside the
brackets that are left too wide: they become signs of their own, so that every line is legal alone. A line
after the first starts with its sign. Fractions, roots and cases that are too wide are written in one line,
and the cells of a matrix get several. What has no place to break stays too wide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from chalkgrad.derive.writing.latex import latex
from chalkgrad.derive.writing.metrics import width as latex_width
from chalkgrad.derive.writing.notation import Notation
from chalkgrad.derive.writing.opening import NOTHING, Items, flat, opened
from chalkgrad.derive.writing.signs import Stacked, closes, opens
from chalkgrad.derive.writing.tree import (
    Accent,
    Big,
    Call,
    Fence,
    Frac,
    Ident,
    Matrix,
    Node,
    Objective,
    Op,
    Root,
    Row,
    Sub,
    Words,
    Wrong,
    transform,
)
from chalkgrad.derive.writing.unicode import unicode
from chalkgrad.derive.writing.unicode_scripts import columns

Measure: TypeAlias = Callable[[Node, Notation], float]

_SHORT = 0.25  # of a line
_TALLER = 0.97  # of the room of a matrix is left where its brackets grow
_RELATIONS = frozenset("=≠<>≤≥≈≡∈→⇒")
_TERMS = frozenset("+-−±")
_STARS = frozenset("∗*×·⊙∘/")


def ems(node: Node, notation: Notation) -> float:
    """The width in em as displayed LaTeX at 10 pt, from above (`derive.writing.metrics`)."""
    return latex_width(latex(node, notation))


def characters(node: Node, notation: Notation) -> float:
    """The columns of a terminal that the node takes."""
    return columns(unicode(node, notation))


def broken(
    node: Node, notation: Notation, width: float, measure: Measure = ems, linear: bool = False
) -> list[Node]:
    """The node in pieces no wider than `width` where that is possible, in reading order.

    linear: a matrix is written on one line, and breaks as others do; else its cells get narrower.
    """
    paper = _Paper(notation, width, measure)
    if paper.width_of(node) <= width:
        return [node]
    start = transform(node, _listed) if linear else node
    first, *others = paper.filled([_items(start)])
    pieces = [_node(first), *map(_continued, others)]
    if len(pieces) == 1:
        return pieces
    return [part for piece in pieces for part in broken(piece, notation, width, measure, linear)]


@dataclass(frozen=True)
class _Paper:
    """What is written on."""

    notation: Notation
    width: float
    measure: Measure

    def width_of(self, node: Node) -> float:
        return self.measure(node, self.notation)

    def fits(self, items: Items) -> bool:
        return self.width_of(_continued(items)) <= self.width

    def filled(self, chunks: Sequence[Items], line: Items = ()) -> list[Items]:
        """Chunks side by side, behind `line`, as long as they fit; what does not fit alone broken further."""
        lines: list[Items] = []
        for chunk in chunks:
            if line and self.fits(line + chunk):
                line += chunk
                continue
            start = line if self._leans(line, chunk) else ()
            if line and not start:
                lines.append(line)
            line = start + chunk
            if not self.fits(line) and (finer := self.finer(chunk)):
                *done, line = self.filled(finer, start)
                lines += done
        return [*lines, line] if line else lines

    def _leans(self, line: Items, chunk: Items) -> bool:
        """Whether a short factor is better not left alone on its line: W (… is easier to read than W."""
        if not line or _sign(chunk[0]) in _RELATIONS | _TERMS | _STARS:
            return False
        finer = self.finer(chunk)
        short = self.width_of(_continued(line)) <= _SHORT * self.width
        return short and bool(finer) and self.fits(line + finer[0])

    def finer(self, items: Items) -> list[Items]:
        """The chunk in smaller ones, cut at the loosest place there is; none where there is no place."""
        items = flat(items)
        for starts in (_at_relation, _at_term, _at_star, _at_factor):
            chunks = list(_cut(items, starts))
            if len(chunks) > 1:
                return chunks
        places = [i for i in range(len(items)) if opened(items, i)]
        if not places:
            return self.narrower(items)
        i = max(places, key=lambda i: (not isinstance(items[i], Frac | Root), self.width_of(items[i])))
        inside = opened(items, i)
        if isinstance(items[i], Wrong):
            pieces = [(Wrong(_node(piece)),) for piece in self.finer(inside)]
            if len(pieces) < 2:
                return []
            return [items[:i] + pieces[0], *pieces[1:-1], pieces[-1] + items[i + 1 :]]
        return self.finer(items[:i] + inside + items[i + 1 :])

    def narrower(self, items: Items) -> list[Items]:
        """The widest matrix among them with its cells on several lines; none if that does not help."""
        places = [i for i, item in enumerate(items) if isinstance(item, Matrix)]
        if not places:
            return []
        i = max(places, key=lambda i: self.width_of(items[i]))
        matrix = items[i]
        assert isinstance(matrix, Matrix)
        room = self.width - (self.width_of(_continued(items)) - self.width_of(matrix))
        narrow = self._narrowed(matrix, _TALLER * room)
        changed = (*items[:i], narrow, *items[i + 1 :])
        return [changed] if self.width_of(narrow) < self.width_of(matrix) else []

    def _narrowed(self, matrix: Matrix, room: float) -> Matrix:
        """Columns that are narrower than their share keep their width, the others divide the rest."""
        widths = [max(map(self.width_of, column)) for column in zip(*matrix.rows, strict=True)]
        rest = room - (self.width_of(matrix) - sum(widths))
        wide = set(range(len(widths)))
        while fitting := {i for i in wide if widths[i] <= rest / len(wide)}:
            rest -= sum(widths[i] for i in fitting)
            wide -= fitting
        share = max(rest, 0.0) / max(len(wide), 1)
        return Matrix(
            tuple(
                tuple(self._stacked(cell, share) if i in wide else cell for i, cell in enumerate(cells))
                for cells in matrix.rows
            )
        )

    def _stacked(self, cell: Node, width: float) -> Node:
        if isinstance(cell, Stacked):
            return cell
        pieces = broken(cell, self.notation, width, self.measure)
        return Stacked(tuple(pieces)) if len(pieces) > 1 else cell


def _continued(items: Items) -> Node:
    """A line that goes on: nothing stands before its sign, which is one between two things all the same."""
    signed = _sign(items[0]) in _RELATIONS | _TERMS | _STARS
    return _node((NOTHING, *items)) if signed else _node(items)


def _listed(node: Node) -> Node:
    """A matrix as its rows in one."""
    if not isinstance(node, Matrix):
        return node
    items: list[Node] = []
    for cells in node.rows:
        items += [Op(";")] if items else []
        for i, cell in enumerate(cells):
            items += [Op(","), cell] if i else [cell]
    return Fence(Row(tuple(items)), "[]")


def _items(node: Node) -> Items:
    return node.items if isinstance(node, Row) and not node.thin else (node,)


def _node(items: Items) -> Node:
    """One node; words that were taken apart are together again."""
    found: list[Node] = []
    for item in items:
        last = found[-1] if found else None
        if isinstance(item, Words) and isinstance(last, Words):
            found[-1] = Words(last.text + item.text)
        else:
            found.append(item)
    return found[0] if len(found) == 1 else Row(tuple(found))


# ----------------------------------------------------------------------------- where a line may break


def _cut(items: Items, starts: Callable[[Items, int], bool]) -> Iterator[Items]:
    """Cut before every item at which a chunk starts."""
    cuts = [i for i in range(1, len(items)) if not _bound(items, i) and starts(items, i)]
    for start, end in zip([0, *cuts], [*cuts, len(items)], strict=True):
        yield items[start:end]


def _bound(items: Items, i: int) -> bool:
    """Whether an item belongs to the one before it."""
    before, item = items[i - 1], items[i]
    if opens(before) or closes(item) or _sign(item) in (",", ";", ":", "!"):
        return True
    if before == Ident("d", "upright") or before == Ident("∂"):
        return True
    if isinstance(item, Fence) and isinstance(before, Ident | Sub | Accent | Objective):
        return not item.sized or (isinstance(before, Ident) and before.style == "bold")
    if isinstance(item, Words):
        return not item.text.startswith(" ")
    return _headless(before)


def _headless(node: Node) -> bool:
    """A Σ or the name of a function whose body follows it."""
    return (isinstance(node, Big) and node.body == NOTHING) or (
        isinstance(node, Call) and node.argument == NOTHING
    )


def _sign(node: Node) -> str:
    return node.sign if isinstance(node, Op) else ""


def _at_relation(items: Items, i: int) -> bool:
    return _sign(items[i]) in _RELATIONS or _sign(items[i - 1]) in (",", ";")


def _at_term(items: Items, i: int) -> bool:
    before = items[i - 1]
    return _sign(items[i]) in _TERMS and (not isinstance(before, Op) or closes(before))


def _at_star(items: Items, i: int) -> bool:
    return _sign(items[i]) in _STARS


def _at_factor(items: Items, i: int) -> bool:
    before = items[i - 1]
    return not isinstance(before, Op) or closes(before) or _sign(before) in ("⋯", "…")
