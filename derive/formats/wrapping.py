"""Words with mathematics among them, cut into lines; columns of a table, fitted to a page.

Nothing here knows how anything is printed: widths come from a `Medium`, in em or in characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from chalkgrad.derive.documents.tree import Inline
from chalkgrad.derive.writing.tree import Node, Words

Parts: TypeAlias = tuple[Inline, ...]


class Medium(Protocol):
    """What is written on: how wide things are on it."""

    @property
    def page(self) -> float:
        """The width of a line."""

    @property
    def space(self) -> float:
        """The width of a space between words."""

    def node(self, node: Node) -> float:
        """The width of displayed mathematics."""

    def words(self, parts: Parts) -> float:
        """The width of words with mathematics among them, on one line."""

    def broken(self, node: Node, width: float) -> list[Node]:
        """Mathematics in pieces that fit into a width where that is possible."""


def wrapped(parts: Parts, medium: Medium, width: float) -> list[Parts]:
    """The words on lines of at most `width` where that is possible; at least one line, which may be empty."""
    lines: list[Parts] = []
    line: list[Inline] = []
    used = 0.0
    for unit in _units(parts, lambda node: _pieces(node, medium, width)):
        size = medium.words(unit)
        if line and used + medium.space + size > width:
            lines.append(merged(line))
            line, used = [], 0.0
        if line:
            line.append(" ")
            used += medium.space
        line += unit
        used += size
    return [*lines, merged(line)] if line or not lines else lines


def _pieces(node: Node, medium: Medium, width: float) -> list[Node]:
    return medium.broken(node, width) if medium.words((node,)) > width else [node]


def _units(parts: Parts, split: Callable[[Node], list[Node]]) -> Iterator[Parts]:
    """What no line break may come into: words, formulas, and what is written close to them."""
    unit: list[Inline] = []
    for part in parts:
        if isinstance(part, Words):
            part = part.text
        if isinstance(part, str):
            first, *others = re.split(r"\s+", part)
            unit += [first] if first else []
            for word in others:
                if unit:
                    yield tuple(unit)
                unit = [word] if word else []
        else:
            *done, last = split(part)
            for piece in done:
                yield (*unit, piece)
                unit = []
            unit.append(last)
    if unit:
        yield tuple(unit)


def merged(parts: Sequence[Inline]) -> Parts:
    """Strings beside each other as one."""
    found: list[Inline] = []
    for part in parts:
        last = found[-1] if found else None
        if isinstance(part, str) and isinstance(last, str):
            found[-1] = last + part
        else:
            found.append(part)
    return tuple(found)


def unit_width(parts: Parts, medium: Medium) -> float:
    """The width of the widest thing that cannot be wrapped."""
    return max((medium.words(unit) for unit in _units(parts, lambda node: [node])), default=0.0)


def listed(groups: Sequence[Parts], separator: str) -> Parts:
    """Groups of words that are not empty, with a separator between them."""
    found: list[Inline] = []
    for group in groups:
        if group:
            found += [separator, *group] if found else group
    return tuple(found)


# ----------------------------------------------------------------------------- tables


@dataclass(frozen=True)
class Columns:
    """Some columns of a table, by their places, that fit beside each other, and their widths."""

    places: tuple[int, ...]
    widths: tuple[float, ...]


def fitted(cells: Sequence[Sequence[Parts]], medium: Medium, apart: float) -> list[Columns]:
    """The columns of a table in groups that fit a page, each with the first column; `apart`: between two.

    A group is wider than the page where two of its columns cannot be narrow enough.
    """
    sides = list(zip(*cells, strict=True))
    natural = [max(medium.words(cell) for cell in column) for column in sides]
    least = [max(unit_width(cell, medium) for cell in column) for column in sides]
    groups: list[list[int]] = [[]]
    for place in range(len(sides)):
        group = [*groups[-1], place]
        if len(group) > 2 and sum(least[i] for i in group) + apart * (len(group) - 1) > medium.page:
            groups.append([0, place])
        else:
            groups[-1] = group
    return [
        Columns(
            tuple(group),
            _shared(
                [least[i] for i in group],
                [natural[i] for i in group],
                medium.page - apart * (len(group) - 1),
            ),
        )
        for group in groups
    ]


def _shared(least: Sequence[float], natural: Sequence[float], width: float) -> tuple[float, ...]:
    """Every column as wide as it has to be, and up to what it would be in equal parts of the rest."""
    widths = list(least)
    rest = width - sum(widths)
    wanting = {i for i in range(len(widths)) if natural[i] > widths[i]}
    while wanting and rest > 1e-9:
        step = min(rest / len(wanting), *(natural[i] - widths[i] for i in wanting))
        for i in wanting:
            widths[i] += step
        rest -= step * len(wanting)
        wanting = {i for i in wanting if natural[i] - widths[i] > 1e-9}
    return tuple(widths)
