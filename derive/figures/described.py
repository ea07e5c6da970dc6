"""An unrolled network in words, for whoever cannot see its drawing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chalkgrad.derive.deriving.derivation import Derivation
from chalkgrad.derive.deriving.extent import Extent
from chalkgrad.derive.figures.wiring import CELL, INITIAL, INPUT, LOST, OUTPUT, Wire, Wiring


def title(derivation: Derivation, at: Extent) -> str:
    """What the drawing is, in a few words."""
    steps = at.steps(derivation.schedule.length)
    return f"{derivation.model.title}, {derivation.model.architecture}, unrolled over {_steps(steps)}"


def described(derivation: Derivation, at: Extent, wires: Wiring, shown: Sequence[int]) -> str:
    """The drawing: its boxes from left to right and from bottom to top, its arrows, the way back."""
    return " ".join(_sentences(derivation, at, wires, shown))


def _sentences(derivation: Derivation, at: Extent, wires: Wiring, shown: Sequence[int]) -> Iterable[str]:
    length = at.steps(derivation.schedule.length)
    states = _enumerated([s.name for s in derivation.schedule.states])
    yield f"The network unrolled over {_steps(length)}: a row of boxes, one for each step, with {states}."
    if len(shown) < length:
        yield f"Steps {_enumerated(shown)} are drawn, with dots for the others."
    if len(wires.layers) > 1:
        layers = ", then ".join(_enumerated(layer) for layer in wires.layers)
        yield f"Each step is a stack of layers, from below: {layers}."
    networks = {s.instance: s for s in derivation.schedule.segments}
    if len(networks) > 1:
        later = min(at.steps(s.first) for s in derivation.schedule.segments if s.instance == [*networks][-1])
        yield f"Steps 1 to {later - 1} are the encoder, steps {later} to {length} the decoder."
    yield from _forwards(wires, length)
    yield from _backwards(derivation, wires)


def _forwards(wires: Wiring, length: int) -> Iterable[str]:
    for kind, text in (
        (INPUT, "From below an input enters"),
        (OUTPUT, "Above the box stands the output"),
        (LOST, "Above the output stands the loss"),
    ):
        steps = sorted(p.t for p in wires.places if p.kind == kind)
        if steps:
            yield f"{text} at {_span(steps, length)}."
    lanes = _first(w for w in wires.wires if w.lag and w.source.kind in (CELL, INITIAL))
    if lanes:
        yield f"From step to step arrows hand on {_enumerated(lanes)}, from initial values on the left."
    fed = [w for w in wires.wires if w.source.kind == OUTPUT and w.lag]
    if fed:
        yield "The output of a step is led to the next step as its input."
    if any((w.source.kind, w.target.kind) == (INPUT, OUTPUT) for w in wires.wires):
        yield "The input also leads to the output, past the box."


def _backwards(derivation: Derivation, wires: Wiring) -> Iterable[str]:
    if not any(w.alive for w in wires.wires):
        return
    if derivation.loss is None:
        yield "Backwards, dashed: from each step to the step before, and into each what a caller brings."
        return
    back = (
        " and to the output that it was fed"
        if any(w.source.kind == OUTPUT and w.lag for w in wires.wires)
        else ""
    )
    yield "Backwards, dashed: from each loss down through the output, and from each step to the step"
    yield f"before{back}, as far as something leads to a loss; δ stands beside what it leaves."


def _first(wires: Iterable[Wire]) -> list[str]:
    return list(dict.fromkeys(name for w in wires for name in w.values))


def _steps(count: int) -> str:
    return "one step" if count == 1 else f"{count} steps"


def _span(steps: Sequence[int], length: int) -> str:
    if len(steps) == length:
        return "every step"
    first, last = steps[0], steps[-1]
    if len(steps) == 1:
        return f"step {first}"
    return f"steps {first} to {last}" if len(steps) == last - first + 1 else f"steps {_enumerated(steps)}"


def _enumerated(items: Sequence[object]) -> str:
    """a, b and c"""
    *first, last = map(str, items)
    return f"{', '.join(first)} and {last}" if first else last
