"""The unrolled network as a drawing: a box for each step, inputs below, outputs and losses above.

What is connected with what is told by `derive.figures.wiring`, where it stands by
`derive.figures.layout`. Beside an arrow that leads forwards stand the parameters that multiply what it
carries, where they first occur; beside one that leads backwards stands δ of what it leaves.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from chalkgrad.derive.cells.model import YHAT
from chalkgrad.derive.deriving.derivation import Derivation
from chalkgrad.derive.deriving.extent import Extent, Steps, extent
from chalkgrad.derive.figures.described import described, title
from chalkgrad.derive.figures.drawing import BARE, BOX, END, MIDDLE, ROUND, START, Arrow, Box, Drawing, Label
from chalkgrad.derive.figures.layout import HALF, Band, Column, Gap, Need, Rows, box_width, columns, rows
from chalkgrad.derive.figures.lettering import reach, width
from chalkgrad.derive.figures.wiring import CELL, INITIAL, INPUT, LOST, OUTPUT, Place, Wire, Wiring, wiring
from chalkgrad.derive.terms.algebra import Role
from chalkgrad.derive.writing.tree import Name, Node, Objective, Op, Par, Words, row

BESIDE = 0.35  # between an arrow and its label
LINES, LONGEST = 2, 4.5  # of parameters beside one arrow: how many, and how wide
MOST = (4, 3)  # steps drawn one by one, of one network and of each of two
DOTS = Op("⋯")


def network_drawing(derivation: Derivation, T: Steps = None) -> Drawing:
    """The network over T steps, (T_x, T_y) for an encoder–decoder; of many steps the first and the last.

    T None is 1 for one-to-one, (2, 2) for the encoder–decoder, 2 otherwise. Raises ChoiceError.
    """
    at = extent(derivation, T, None, lambda _: 1)
    return _Figure(derivation, at, wiring(derivation, at)).drawing()


def _shown(derivation: Derivation, at: Extent) -> Iterator[Column]:
    """What is before the first step, then the steps that are drawn, with dots for the others."""
    spans: dict[str, list[int]] = {}
    for segment in (s for s in derivation.schedule.segments if not s.readout):
        spans.setdefault(segment.instance, []).extend(at.at(segment))
    most = MOST[len(spans) > 1]
    yield Column(0, "")
    for instance, span in spans.items():
        for t in span if len(span) <= most else (*span[: most - 1], None, span[-1]):
            yield Column(t, instance)


class _Words:
    """What is said beside the wires and in the boxes."""

    def __init__(self, derivation: Derivation, wires: Wiring, shown: Sequence[int]) -> None:
        self._derivation, self._wires = derivation, wires
        self.into: dict[int, list[Wire]] = {t: [] for t in shown}
        for wire in wires.wires:
            self.into.setdefault(wire.target.t, []).append(wire)
        self.factors = dict(self._factors(shown))

    def _factors(self, shown: Iterable[int]) -> Iterator[tuple[Wire, tuple[Node, ...]]]:
        """Lines of parameters, for the first wire of each kind that has them."""
        known = set()
        for wire in (w for t in shown for w in self.into[t] if w.parameters):
            source = wire.source.kind.replace(INITIAL, CELL)
            way = (source, wire.target.kind, wire.target.layer, wire.lag, wire.parameters)
            if way not in known:
                known.add(way)
                yield wire, parameter_lines(wire.parameters)

    def above(self) -> dict[str, int]:
        """State → how many lines stand above its arrows."""
        found: dict[str, int] = {}
        for wire, lines in self.factors.items():
            if is_lane(wire):
                (name,) = wire.values
                found[name] = max(found.get(name, 0), len(lines))
        return found

    def delta(self, wire: Wire) -> Node | None:
        """δ of what a derivative leaves that goes back along the wire."""
        names: tuple[str, ...] = ()
        if wire.alive and is_lane(wire):
            names = wire.values
        elif wire.alive and (wire.source.kind, wire.target.kind, wire.lag) == (CELL, CELL, 0):
            names = self._wires.layers[wire.target.layer]
        elif wire.alive and (wire.source.kind, wire.target.kind, wire.lag) == (CELL, OUTPUT, 0):
            names = self._wires.crossing.get(wire.target.t, ())
        return listed([Name(n, wire.target.t, Role.COTANGENT) for n in names]) if len(names) <= 2 else None

    def inside(self, place: Place) -> Node:
        """What stands in the box of an input, an output or a loss."""
        match place.kind:
            case "input":
                return Name(*self._wires.fed[place])
            case "output":
                return Name(YHAT, place.t)
            case "loss":
                assert self._derivation.loss is not None
                return Objective(self._derivation.loss.name, place.t)
            case _:
                raise TypeError(f"no single label for a place of kind {place.kind}")


def parameter_lines(names: Sequence[str]) -> tuple[Node, ...]:
    """The parameters in lines that fit beside an arrow; none where they do not."""
    for count in range(1, LINES + 1):
        each = math.ceil(len(names) / count)
        lines = [_enumerated(names[i : i + each]) for i in range(0, len(names), each)]
        if max(map(width, lines)) <= LONGEST:
            return tuple(lines)
    return ()


def _enumerated(names: Sequence[str]) -> Node:
    found = listed([Par(name) for name in names])
    assert found is not None
    return found


def listed(nodes: Sequence[Node]) -> Node | None:
    """a, b; None for nothing."""
    items = [item for node in nodes for item in (Op(","), node)]
    return row(*items[1:]) if items else None


def is_lane(wire: Wire) -> bool:
    """Whether it hands a state on to the next step."""
    return wire.lag == 1 and wire.target.kind == CELL and wire.source.kind in (INITIAL, CELL)


class _Figure:
    def __init__(self, derivation: Derivation, at: Extent, wires: Wiring) -> None:
        self._derivation, self._at, self._wires = derivation, at, wires
        shown = tuple(_shown(derivation, at))
        steps = [c.t for c in shown if c.t]
        self._words = _Words(derivation, wires, steps)
        states = [s.name for s in derivation.schedule.states]
        self._brought = [] if derivation.loss else [Name(s, None, Role.EXTERNAL) for s in states]
        self._rows: Rows = rows(wires, self._words.above(), bool(self._brought))
        flat = [p for p in wires.places if p.kind in (INPUT, OUTPUT, LOST) and p.t in steps]
        inside = [self._words.inside(p) for p in flat] + [Name(s, t) for s in states for t in steps]
        before = max(width(Name(s, 0)) for s in states) + 0.6
        self._columns, self._gaps = columns(
            shown, box_width(max(map(width, inside))), before, lambda i: self._need(shown[i], shown[i + 1])
        )
        self._boxes: list[Box] = []
        self._arrows: list[Arrow] = []
        self._labels: list[Label] = []

    def drawing(self) -> Drawing:
        pairs = zip(self._columns, self._columns[1:], strict=False)
        for gap, (left, right) in zip(self._gaps, pairs, strict=True):
            self._across(gap, left, right)
        for i, column in enumerate(self._columns):
            match column.t:
                case None:
                    self._dots(column, self._columns[i - 1].t, self._columns[i + 1].t)
                case 0:
                    self._start(column)
                case t:
                    self._step(column, t)
        self._captions()
        shown = [c.t for c in self._columns if c.t]
        text = described(self._derivation, self._at, self._wires, shown)
        return _placed(
            Drawing(
                0, 0, tuple(self._boxes), tuple(self._arrows), tuple(self._labels),
                title(self._derivation, self._at), text, tuple(gap.cut for gap in self._gaps[1:]),
            )
        )  # fmt: skip

    # ------------------------------------------------------------------------- columns

    def _start(self, column: Column) -> None:
        for name, y in self._rows.lanes.items():
            if any(p.kind == INITIAL and p.name == name for p in self._wires.places):
                self._box(column, Band(y - 1, y + 1), [Name(name, 0)], BARE)

    def _dots(self, column: Column, before: int | None, after: int | None) -> None:
        for (kind, layer), band in self._rows.bands.items():
            if kind == CELL:
                lanes = [self._rows.lanes[s] for s in self._wires.layers[layer]]
                labels = tuple(Label(column.x, y, DOTS) for y in lanes)
                self._boxes.append(Box(column.x, band.middle, column.width, band.height, labels, BARE))
            elif all(t and Place(kind, t) in self._wires.places for t in (before, after)):
                self._box(column, band, [DOTS], BARE)

    def _step(self, column: Column, t: int) -> None:
        for (kind, layer), band in self._rows.bands.items():
            place = Place(kind, t, layer)
            if kind == CELL:
                lanes = [(self._rows.lanes[s], Name(s, t)) for s in self._wires.layers[layer]]
                labels = tuple(Label(column.x, y, name) for y, name in lanes)
                second = column.instance != self._columns[1].instance
                box = Box(column.x, band.middle, column.width, band.height, labels, BOX, second)
                self._boxes.append(box)
            elif place in self._wires.places:
                self._box(column, band, [self._words.inside(place)], BOX if kind == LOST else ROUND)
        if self._brought:
            self._bring(column, t)
        for wire in self._words.into[t]:
            if not wire.lag and (wire.source.kind, wire.target.kind) != (INPUT, OUTPUT):
                self._upwards(wire, column)

    def _bring(self, column: Column, t: int) -> None:
        """What a caller brings for the states of a network without an output."""
        band, top = self._rows.bands[OUTPUT, 0], self._band(Place(CELL, t, len(self._wires.layers) - 1))
        names = listed([replace(name, step=t) for name in self._brought])
        if names is not None and width(names) < column.width + 1:
            self._box(column, band, [names], BARE)
            self._arrow((column.x, band.bottom), (column.x, top.top), backwards=True)

    def _upwards(self, wire: Wire, column: Column) -> None:
        low, high = self._band(wire.source).top, self._band(wire.target).bottom
        aside = HALF if wire.alive else 0.0
        self._arrow((column.x - aside, low), (column.x - aside, high))
        if wire.alive:
            self._arrow((column.x + aside, high), (column.x + aside, low), backwards=True)
        factors = self._words.factors.get(wire, ())
        for i, line in enumerate(factors):
            y = (low + high) / 2 + i - (len(factors) - 1) / 2
            self._labels.append(Label(column.x - aside - BESIDE, y, line, END))
        delta = self._words.delta(wire)
        if delta is not None:
            self._labels.append(Label(column.x + aside + BESIDE, (low + high) / 2, delta, START, True))

    # ------------------------------------------------------------------------- gaps

    def _wires_across(self, left: Column, right: Column) -> list[Wire]:
        """Those from one step to the next that the gap shows: the last ones before it, else the first."""
        t = right.t if right.t else (left.t or 0) + 1
        return [w for w in self._words.into.get(t, ()) if w.lag]

    def _beside(self, right: Column) -> list[Wire]:
        """Inputs of the column that lead past the cell."""
        wires = self._words.into.get(right.t or 0, ())
        return [w for w in wires if (w.source.kind, w.target.kind) == (INPUT, OUTPUT)]

    def _need(self, left: Column, right: Column) -> Need:
        wires = self._wires_across(left, right)
        lanes = [w for w in wires if is_lane(w)]
        deltas = [self._words.delta(w) for w in lanes] if right.t else []
        factors = [line for w in lanes for line in self._words.factors.get(w, ())]
        upwards = [w for w in self._words.into.get(left.t or 0, ()) if not w.lag]
        out = [d for w in upwards if (d := self._words.delta(w)) is not None]
        into = [
            width(line) + (HALF if w.alive else 0.0)
            for w in self._words.into.get(right.t or 0, ())
            if not w.lag
            for line in self._words.factors.get(w, ())
        ]
        return Need(
            max((width(n) for n in (*factors, *deltas) if n is not None), default=0.0),
            max((width(d) + HALF + BESIDE for d in out), default=0.0),
            max((w + BESIDE for w in into), default=0.0),
            sum(1 + w.alive for w in wires if _bends(w)) + len(self._beside(right)),
        )

    def _across(self, gap: Gap, left: Column, right: Column) -> None:
        lines = iter(gap.lines)
        for wire in self._wires_across(left, right):
            match wire.source.kind, wire.target.kind:
                case (("initial" | "cell"), "cell"):
                    self._lane(wire, gap, right)
                case "output", "cell":
                    self._fed(wire, right, gap, lines)
                case "output", "output":
                    y = self._band(wire.target).middle
                    self._pair(wire, ((gap.left, y - HALF), (gap.right, y - HALF)))
                case _:
                    self._past(wire, gap, lines)
        for wire in self._beside(right):
            x, low, high = next(lines), self._band(wire.source).middle, self._band(wire.target).middle
            self._arrow((gap.right, low), (x, low), (x, high), (gap.right, high))
            for i, line in enumerate(self._words.factors.get(wire, ())):
                self._labels.append(Label(x - BESIDE, self._band(wire.source).top - 1 - i, line, END))

    def _lane(self, wire: Wire, gap: Gap, right: Column) -> None:
        (name,) = wire.values
        y = self._rows.lanes[name]
        self._arrow((gap.left, y - HALF), (gap.right, y - HALF))
        factors = self._words.factors.get(wire, ()) if right.t else ()
        for i, line in enumerate(reversed(factors), start=1):
            self._labels.append(Label(gap.words, y - HALF - i, line))
        if wire.alive:
            self._arrow((gap.right, y + HALF), (gap.left, y + HALF), backwards=True)
        delta = self._words.delta(wire)
        if delta is not None and right.t:
            self._labels.append(Label(gap.words, y + HALF + 1, delta, MIDDLE, True))

    def _fed(self, wire: Wire, right: Column, gap: Gap, lines: Iterator[float]) -> None:
        """An output as the next input: over the gap, down, and up into the cell from below."""
        out, up, y = self._band(wire.source).middle, self._band(wire.target).bottom, self._rows.returning
        back = next(lines) if wire.alive else 0.0
        ahead = next(lines)
        aside = HALF if wire.alive else 0.0
        start, end = (gap.left, out - aside), (right.x - aside, up)
        self._arrow(start, (ahead, out - aside), (ahead, y), (right.x - aside, y), end)
        if wire.alive:
            start, end = (right.x + aside, up), (gap.left, out + aside)
            self._arrow(
                start, (right.x + aside, y + 1), (back, y + 1), (back, out + aside), end, backwards=True
            )
        for i, line in enumerate(self._words.factors.get(wire, ())):
            self._labels.append(Label((ahead + right.x) / 2, y + 1 + wire.alive + i, line))

    def _past(self, wire: Wire, gap: Gap, lines: Iterator[float]) -> None:
        """What an output reads of the step before: off the arrow of the state, and up."""
        (name,) = wire.values
        x, y, high = next(lines), self._rows.lanes[name], self._band(wire.target).middle
        self._arrow((gap.left, y - HALF), (x, y - HALF), (x, high - HALF), (gap.right, high - HALF))
        if wire.alive:
            x = next(lines)
            points = (gap.right, high + HALF), (x, high + HALF), (x, y + HALF), (gap.left, y + HALF)
            self._arrow(*points, backwards=True)

    # ------------------------------------------------------------------------- pieces

    def _band(self, place: Place) -> Band:
        if place.kind == INITIAL:
            y = self._rows.lanes[place.name]
            return Band(y - 1, y + 1)
        return self._rows.bands[place.kind, place.layer]

    def _box(self, column: Column, band: Band, labels: Sequence[Node], kind: str) -> None:
        inside = tuple(Label(column.x, band.middle, node) for node in labels)
        self._boxes.append(Box(column.x, band.middle, column.width, band.height, inside, kind))

    def _arrow(self, *points: tuple[float, float], backwards: bool = False) -> None:
        self._arrows.append(Arrow(points, backwards))

    def _pair(self, wire: Wire, points: tuple[tuple[float, float], tuple[float, float]]) -> None:
        """A level arrow forwards, and below it one backwards."""
        (x1, y), (x2, _) = points
        self._arrow((x1, y), (x2, y))
        if wire.alive:
            self._arrow((x2, y + 2 * HALF), (x1, y + 2 * HALF), backwards=True)

    def _captions(self) -> None:
        """The name of each of two networks, below its steps."""
        names = {s.instance: s.label.partition(",")[0] for s in self._derivation.schedule.segments}
        if len(names) == 1:
            return
        for instance, name in names.items():
            own = [c for c in self._columns if c.instance == instance and c.t != 0]
            x = (own[0].left + own[-1].right) / 2
            self._labels.append(Label(x, self._rows.height + 1, Words(name)))


def _bends(wire: Wire) -> bool:
    """Whether it runs up or down in the gap."""
    return (wire.source.kind, wire.target.kind) == (OUTPUT, CELL) or (
        wire.target.kind == OUTPUT and wire.source.kind != OUTPUT
    )


def _placed(drawing: Drawing) -> Drawing:
    """The drawing moved to where it starts at (0, 0), and how far it reaches."""
    spans = [(b.left, b.right, b.top, b.bottom) for b in drawing.boxes]
    spans += [(x, x, y, y) for a in drawing.arrows for x, y in a.points]
    spans += [(*reach(label), label.y - HALF, label.y + HALF) for label in drawing.labels]
    left, top = math.floor(2 * min(s[0] for s in spans)) / 2, math.floor(2 * min(s[2] for s in spans)) / 2

    def moved(label: Label) -> Label:
        return replace(label, x=label.x - left, y=label.y - top)

    return replace(
        drawing,
        width=math.ceil(2 * max(s[1] for s in spans)) / 2 - left,
        height=math.ceil(2 * max(s[3] for s in spans)) / 2 - top,
        boxes=tuple(
            replace(b, x=b.x - left, y=b.y - top, labels=tuple(map(moved, b.labels))) for b in drawing.boxes
        ),
        arrows=tuple(
            replace(a, points=tuple((x - left, y - top) for x, y in a.points)) for a in drawing.arrows
        ),
        labels=tuple(map(moved, drawing.labels)),
        cuts=tuple(x - left for x in drawing.cuts),
    )
