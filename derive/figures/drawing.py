"""Drawings of our own: boxes, arrows and words on a plane, printed as SVG, LaTeX or Unicode text.

Coordinates are in units of one line of text, x to the right, y down, from (0, 0). Borders and arrows lie on
halves of a unit. Nothing here knows what a drawing means.
"""

from __future__ import annotations

from dataclasses import dataclass

from chalkgrad.derive.writing.tree import Node

BOX, ROUND, BARE = "box", "round", "bare"
START, MIDDLE, END = "start", "middle", "end"

Place = tuple[float, float]


@dataclass(frozen=True)
class Label:
    """Words or mathematics on one line around y; x is where they start, their middle or their end."""

    x: float
    y: float
    text: Node
    anchor: str = MIDDLE
    backwards: bool = False


@dataclass(frozen=True)
class Box:
    """A shape centred at (x, y) and what stands inside it.

    kind: "box", "round" with round ends, or "bare" without a border. second: told apart from the others,
    as the second of two networks is.
    """

    x: float
    y: float
    width: float
    height: float
    labels: tuple[Label, ...]
    kind: str = BOX
    second: bool = False

    @property
    def left(self) -> float:
        return self.x - self.width / 2

    @property
    def right(self) -> float:
        return self.x + self.width / 2

    @property
    def top(self) -> float:
        return self.y - self.height / 2

    @property
    def bottom(self) -> float:
        return self.y + self.height / 2


@dataclass(frozen=True)
class Arrow:
    """A line through `points` with its head at the last; each part is horizontal or vertical.

    backwards: gradient flow, dashed and in a colour of its own.
    """

    points: tuple[Place, ...]
    backwards: bool = False

    @property
    def parts(self) -> tuple[tuple[Place, Place], ...]:
        """Its straight parts, from … to …"""
        return tuple(zip(self.points, self.points[1:], strict=False))


@dataclass(frozen=True)
class Drawing:
    """description: the drawing in words, for whoever cannot see it; title: the same in a few.

    cuts: the x at which it may be cut into bands that stand below each other.
    """

    width: float
    height: float
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    labels: tuple[Label, ...] = ()
    title: str = ""
    description: str = ""
    cuts: tuple[float, ...] = ()
