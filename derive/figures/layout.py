"""Where the parts of an unrolled network stand: rows from the losses down to the inputs, a column a step.

Between two columns lies a gap of three zones, from left to right: words beside the arrows of the states,
lines that run up or down, and what reaches out from the column on the right.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from chalkgrad.derive.figures.wiring import CELL, INPUT, LOST, OUTPUT, Wiring

HALF = 0.5  # from the middle to either of two arrows that run side by side
BETWEEN = 3.0  # from one row of boxes to the next
FLAT = 2.0  # the height of a box with one line in it
NARROWEST, BARELY = 3.0, 2.0
DOTS_WIDE = 2.0


@dataclass(frozen=True)
class Band:
    """The rows from `top` to `bottom`."""

    top: float
    bottom: float

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2

    @property
    def height(self) -> float:
        return self.bottom - self.top


@dataclass(frozen=True)
class Rows:
    """Bands of the kinds of places, those of the cell by layer; lanes: state → the middle of its arrows."""

    bands: Mapping[tuple[str, int], Band]
    lanes: Mapping[str, float]
    returning: float  # the y along which an output is led to the next step, below the cells
    height: float


def rows(wiring: Wiring, words_above: Mapping[str, int], brought: bool) -> Rows:
    """words_above: state → lines over its arrows; brought: something arrives from above without an output."""
    kinds = {place.kind for place in wiring.places}
    fed = any((w.source.kind, w.target.kind) == (OUTPUT, CELL) for w in wiring.wires)
    paired = any(w.lag and OUTPUT in (w.source.kind, w.target.kind) for w in wiring.wires)
    bands: dict[tuple[str, int], Band] = {}
    lanes: dict[str, float] = {}
    y = 0.0
    for kind, height in ((LOST, FLAT), (OUTPUT, FLAT + paired)):
        if kind in kinds or (kind == OUTPUT and brought):
            bands[kind, 0] = Band(y, y + height)
            y += height + BETWEEN
    for layer in reversed(range(len(wiring.layers))):
        top = y
        for i, state in enumerate(wiring.layers[layer]):
            y += max(words_above.get(state, 0), 1 if i == 0 else 0)
            lanes[state] = y + HALF
            y += 3
        bands[CELL, layer] = Band(top, y - 1)
        y += BETWEEN - 1
    if INPUT in kinds:
        bands[INPUT, 0] = Band(y, y + FLAT)
        y += FLAT
    below = bands[CELL, 0].bottom + 2
    return Rows(bands, lanes, below, max(y, below + 3) if fed else y if INPUT in kinds else y - BETWEEN)


@dataclass(frozen=True)
class Column:
    """t: the step; 0 for what is there before the first; None for the dots between two steps.

    instance: of the networks the one that it belongs to.
    """

    t: int | None
    instance: str
    x: float = 0.0
    width: float = 0.0

    @property
    def left(self) -> float:
        return self.x - self.width / 2

    @property
    def right(self) -> float:
        return self.x + self.width / 2


@dataclass(frozen=True)
class Need:
    """What a gap has to hold: words, what reaches into it from the left and from the right, lines."""

    words: float = 0.0
    left: float = 0.0
    right: float = 0.0
    lines: int = 0

    @property
    def width(self) -> float:
        """Without lines, words beside a state's arrow stand below or above what reaches in."""
        least = NARROWEST if self.words else BARELY
        if not self.lines:
            return max(least, self.words + 0.6, self.left + self.right + 0.5)
        return max(least, max(self.words + 0.9, self.left + 0.4) + self.lines + self.reach)

    @property
    def reach(self) -> float:
        return self.right + 0.3 if self.right else 0.0


@dataclass(frozen=True)
class Gap:
    """From `left` to `right`; words: the middle of its words; lines: their x; cut: where to part it."""

    left: float
    right: float
    words: float
    lines: tuple[float, ...]
    cut: float


def columns(
    found: Sequence[Column], box: float, start: float, need: Callable[[int], Need]
) -> tuple[tuple[Column, ...], tuple[Gap, ...]]:
    """Columns and the gaps between them. box, start: how wide a step and what is before it are.

    need(i): of the gap behind column i. Gaps between two steps are equally wide: those with lines in
    them, and those without.
    """
    needs = [need(i) for i in range(len(found) - 1)]
    pairs = [bool(a.t and b.t) for a, b in itertools.pairwise(found)]
    steps = [n for n, pair in zip(needs, pairs, strict=True) if pair]
    common = {
        lined: max((n.width for n in steps if bool(n.lines) == lined), default=0.0) for lined in (False, True)
    }
    placed: list[Column] = []
    gaps: list[Gap] = []
    x = 0.0
    for i, column in enumerate(found):
        wide = box if column.t else _halves(start) if column.t == 0 else DOTS_WIDE
        placed.append(Column(column.t, column.instance, x + wide / 2, wide))
        x += wide
        if i < len(needs):
            gap = _halves(common[bool(needs[i].lines)] if pairs[i] else needs[i].width)
            gaps.append(_gap(needs[i], x, x + gap))
            x += gap
    return tuple(placed), tuple(gaps)


def _gap(need: Need, left: float, right: float) -> Gap:
    end = _halves(right - need.reach - need.lines, down=True)
    lines = tuple(end + HALF + i for i in range(need.lines))
    words = (left + (end if lines else right)) / 2
    return Gap(left, right, words, lines, end if need.lines or need.reach else right - 0.25)


def _halves(value: float, down: bool = False) -> float:
    return (math.floor(value * 2 + 1e-9) if down else math.ceil(value * 2 - 1e-9)) / 2


def box_width(inside: float) -> float:
    """A whole number of units around labels of that width."""
    return max(NARROWEST, float(math.ceil(inside + 0.8)))
