"""The unrolled network as a figure: its boxes and arrows are those of the model's equations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from networks import NETWORKS, network, short_and_long

from chalkgrad.derive.deriving.derivation import Derivation
from chalkgrad.derive.deriving.extent import Steps, extent
from chalkgrad.derive.errors import ChoiceError
from chalkgrad.derive.figures.drawing import BARE, Arrow, Box, Drawing, Label
from chalkgrad.derive.figures.lettering import runs
from chalkgrad.derive.figures.network import network_drawing
from chalkgrad.derive.figures.wiring import Place, wiring
from chalkgrad.derive.terms.algebra import Role, symbols
from chalkgrad.derive.writing.notation import NOTE
from chalkgrad.derive.writing.tree import Name, Node, Objective, Op, Par, Words, walk

LAYERS = {"vanilla_stacked": [["a"], ["d"]], "tower": [["p"], ["m", "q"], ["v"]],
          "still": [["p"], ["q"]], "ladder": [["p"], ["q"]]}  # fmt: skip
Edge = tuple[str, str]


def spelled(node: Node) -> str:
    return "".join(run.text for run in runs(node, NOTE))


# ----------------------------------------------------------------------------- what the equations say


@dataclass(frozen=True)
class Graph:
    """Edges between places as the definitions of the schedule have them, and those a derivative takes."""

    forwards: Counter[Edge]
    backwards: Counter[Edge]


def expected(cell: str, derivation: Derivation, T: Steps) -> Graph:
    """Built from the model's definitions alone: nothing of the named steps of the derivation."""
    plan, at = derivation.schedule, extent(derivation, T, None, lambda _: 1)
    states = [s.name for s in plan.states]
    layers = LAYERS.get(cell, [states])
    reads: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for segment in plan.segments:
        for t in range(at.steps(segment.first), at.steps(segment.last) + 1):
            for d in segment.definitions:
                found = dict.fromkeys((s.name, t + s.lag) for s in symbols(d.value))
                reads.setdefault((d.name, t), []).extend(found)
    steps = {t for name, t in reads if name in states}
    outputs = {t for name, t in reads if name == "yhat"}
    order = [d.name for d in derivation.model.cell]

    def owner(name: str) -> list[str]:
        following = [n for n in order[order.index(name) :] if n in states]
        return next(layer for layer in layers if following[0] in layer)

    def place(name: str, t: int) -> str:
        if name in ("x", "y"):
            return f"{name}⟨{t}⟩"
        if name in order or name in states:
            return " ".join(spelled(Name(s, t)) for s in ([name] if t == 0 else owner(name)))
        return f"ŷ⟨{t}⟩"

    forwards: Counter[Edge] = Counter()
    backwards: Counter[Edge] = Counter()
    goal = {("yhat", t) for t in outputs} or {(s, t) for s in states for t in steps}
    useful = set(goal)
    while True:
        more = {key for name, t in useful for key in reads.get((name, t), ())}
        if more <= useful:
            break
        useful |= more
    seen: set[object] = set()
    for (name, t), keys in reads.items():
        here = place(name, t)
        for read, when in keys:
            there = place(read, when)
            lane = read if when < t and read in states else ""
            if there == here or (there, here, lane) in seen:
                continue
            seen.add((there, here, lane))
            forwards[there, here] += 1
            if (name, t) in useful and read not in ("x", "y"):
                backwards[here, there] += 1
    for t in outputs:
        forwards[f"ŷ⟨{t}⟩", f"L⟨{t}⟩"] += 1
        backwards[f"L⟨{t}⟩", f"ŷ⟨{t}⟩"] += 1
    if not outputs:
        for t in steps:
            backwards[", ".join(spelled(Name(s, t, Role.EXTERNAL)) for s in states), place(states[0], t)] += 1
    return Graph(forwards, backwards)


def drawn(drawing: Drawing) -> Graph:
    """The same, read off the drawing: which box each end of an arrow touches."""
    forwards: Counter[Edge] = Counter()
    backwards: Counter[Edge] = Counter()
    for arrow in drawing.arrows:
        edge = name(touched(arrow.points[0], drawing)), name(touched(arrow.points[-1], drawing))
        (backwards if arrow.backwards else forwards)[edge] += 1
    return Graph(forwards, backwards)


def touched(point: tuple[float, float], drawing: Drawing) -> Box:
    x, y = point
    (box,) = (
        b
        for b in drawing.boxes
        if (b.left <= x <= b.right and y in (b.top, b.bottom))
        or (b.top <= y <= b.bottom and x in (b.left, b.right))
    )
    return box


def name(box: Box) -> str:
    return " ".join(spelled(label.text) for label in box.labels)


def lengths(architecture: str) -> list[Steps]:
    if architecture == "one-to-one":
        return [None]
    return [(1, 1), (2, 3)] if architecture == "encoder-decoder" else [1, 2, 4]


@pytest.mark.parametrize("cell, architecture, feed", NETWORKS)
def test_arrows_are_those_of_the_equations(cell: str, architecture: str, feed: str) -> None:
    derivation = network(cell, architecture, feed)
    for T in lengths(architecture):
        found, due = drawn(network_drawing(derivation, T)), expected(cell, derivation, T)
        greek = {"alpha_memory": "αmemory"}
        due = Graph(
            *(Counter({renamed(e, greek): n for e, n in c.items()}) for c in (due.forwards, due.backwards))
        )
        assert found.forwards == due.forwards
        assert found.backwards == due.backwards


def renamed(edge: Edge, letters: dict[str, str]) -> Edge:
    one, other = edge
    for old, new in letters.items():
        one, other = one.replace(old, new), other.replace(old, new)
    return one, other


def test_state_arrows_are_counted() -> None:
    """For the note's network over T steps: T state arrows, T inputs, T outputs, T losses."""
    for T in range(1, 5):
        drawing = network_drawing(network("vanilla"), T)
        ahead = [a for a in drawing.arrows if not a.backwards]
        assert len(ahead) == 4 * T and len(drawing.arrows) - len(ahead) == 3 * T
    drawing = network_drawing(network("lstm"), 3)
    level = [a for a in drawing.arrows if not a.backwards and a.points[0][1] == a.points[-1][1]]
    assert len(level) == 2 * 3


# ----------------------------------------------------------------------------- many steps


def labelled(drawing: Drawing) -> Iterator[tuple[Box, Label]]:
    return ((box, label) for box in drawing.boxes for label in box.labels)


@pytest.mark.parametrize("cell, architecture, feed", NETWORKS)
def test_of_many_steps_the_first_and_the_last(cell: str, architecture: str, feed: str) -> None:
    T = short_and_long(architecture)[-1]
    derivation = network(cell, architecture, feed)
    drawing = network_drawing(derivation, T)
    steps = [n.step for _, label in labelled(drawing) for n in walk(label.text) if isinstance(n, Name)]
    if architecture == "one-to-one":
        assert max(int(t) for t in steps if t is not None) == 1
        return
    last = extent(derivation, T, None, lambda _: 1).steps(derivation.schedule.length)
    assert {1, 2, last} <= set(steps) and last - 1 not in set(steps) - {last - 1 if feed == "target" else 0}
    dots = [box for box, label in labelled(drawing) if label.text == Op("⋯")]
    assert dots and all(box.kind == BARE for box in dots)
    assert len(drawing.cuts) == len({b.x for b in drawing.boxes if b.kind != BARE or b in dots}) - 1
    drawn(drawing)


def test_size_does_not_depend_on_the_number_of_steps() -> None:
    small, large = (network_drawing(network("gru"), T) for T in (20, 500))
    assert len(small.boxes) == len(large.boxes) and len(small.arrows) == len(large.arrows)


# ----------------------------------------------------------------------------- words beside arrows


def beside(drawing: Drawing) -> dict[str, list[Label]]:
    found: dict[str, list[Label]] = {}
    for label in drawing.labels:
        for node in walk(label.text):
            if isinstance(node, Par):
                found.setdefault(node.name, []).append(label)
    return found


def nearest(label: Label, drawing: Drawing) -> Arrow:
    """The arrow whose straight parts come closest to where a label is."""

    def distance(arrow: Arrow) -> float:
        return min(
            max(min(x1, x2) - label.x, label.x - max(x1, x2), 0)
            + max(min(y1, y2) - label.y, label.y - max(y1, y2), 0)
            for (x1, y1), (x2, y2) in arrow.parts
        )

    return min((a for a in drawing.arrows if not a.backwards), key=distance)


@pytest.mark.parametrize(
    "cell, due",
    [
        ("vanilla", {"W_ax": ("x⟨1⟩", "a⟨1⟩"), "W_aa": ("a⟨0⟩", "a⟨1⟩"), "W_ya": ("a⟨1⟩", "ŷ⟨1⟩")}),
        ("gru", {**dict.fromkeys(("W_zx", "W_rx", "W_kx"), ("x⟨1⟩", "a⟨1⟩")),
                 **dict.fromkeys(("W_za", "W_ra", "W_ka"), ("a⟨0⟩", "a⟨1⟩")), "W_ya": ("a⟨1⟩", "ŷ⟨1⟩")}),
        ("lstm", {**dict.fromkeys(("W_ix", "W_fx", "W_ox", "W_kx"), ("x⟨1⟩", "c⟨1⟩ a⟨1⟩")),
                  **dict.fromkeys(("W_ia", "W_fa", "W_oa", "W_ka"), ("a⟨0⟩", "c⟨1⟩ a⟨1⟩")),
                  "W_ya": ("c⟨1⟩ a⟨1⟩", "ŷ⟨1⟩")}),
        ("vanilla_stacked", {"W_ax": ("x⟨1⟩", "a⟨1⟩"), "W_aa": ("a⟨0⟩", "a⟨1⟩"), "W_da": ("a⟨1⟩", "d⟨1⟩"),
                             "W_dd": ("d⟨0⟩", "d⟨1⟩"), "W_ya": ("d⟨1⟩", "ŷ⟨1⟩")}),
        ("past", {"w_decay": ("gates⟨0⟩", "s⟨1⟩ gates⟨1⟩"), "c": ("s⟨0⟩", "s⟨1⟩ gates⟨1⟩"),
                  **dict.fromkeys(("U_gates", "W_sx"), ("x⟨1⟩", "s⟨1⟩ gates⟨1⟩")),
                  "V_outer": ("s⟨1⟩ gates⟨1⟩", "ŷ⟨1⟩"), "V_x": ("x⟨1⟩", "ŷ⟨1⟩")}),
        ("many", {"U": ("x⟨1⟩", "h⟨1⟩")}),
    ],
)  # fmt: skip
def test_parameters_stand_where_they_multiply(cell: str, due: dict[str, Edge]) -> None:
    """Once each, beside the first arrow whose value they are applied to; lists that are too long, not."""
    drawing = network_drawing(network(cell), 3)
    found = beside(drawing)
    assert set(found) == set(due)
    for parameter, edge in due.items():
        (label,) = found[parameter]
        arrow = nearest(label, drawing)
        ends = name(touched(arrow.points[0], drawing)), name(touched(arrow.points[-1], drawing))
        assert ends == edge, parameter


def test_each_of_two_networks_has_its_own_parameters() -> None:
    drawing = network_drawing(network("vanilla", "encoder-decoder", "output"), (2, 3))
    found = beside(drawing)
    assert set(found) == {"enc_W_aa", "enc_W_ax", "dec_W_aa", "dec_W_ax", "dec_W_ya"}
    assert all(len(labels) == 1 for labels in found.values())
    seconds = {name(box) for box in drawing.boxes if box.second}
    assert seconds == {"a⟨3⟩", "a⟨4⟩", "a⟨5⟩"}
    captions = [label.text.text for label in drawing.labels if isinstance(label.text, Words)]
    assert captions == ["encoder", "decoder"]


def test_delta_stands_beside_what_it_leaves() -> None:
    drawing = network_drawing(network("lstm"), 2)
    deltas = Counter(
        (n.name, n.step)
        for label in drawing.labels
        if label.backwards
        for n in walk(label.text)
        if isinstance(n, Name) and n.role is Role.COTANGENT
    )
    assert deltas == {(v, t): 1 for v in ("a", "c", "z_yhat") for t in (1, 2)}


def test_what_leads_to_no_loss_has_no_way_back() -> None:
    """Many to one: the loss is at the end, and δ goes all the way; losses of one step have one path."""
    drawing = network_drawing(network("vanilla", "many-to-one"), 3)
    assert sum(isinstance(label.text, Objective) for _, label in labelled(drawing)) == 1
    assert sum(arrow.backwards for arrow in drawing.arrows) == 3 + 2


def test_layers_are_found() -> None:
    for cell, due in LAYERS.items():
        derivation = network(cell)
        found = wiring(derivation, extent(derivation, 2, None, lambda _: 1))
        assert [list(layer) for layer in found.layers] == due
        assert Place("cell", 2, len(due) - 1) in found.places
    for cell, states in {"past": ("s", "gates"), "upper": ("p", "q"), "unused": ("p", "q")}.items():
        derivation = network(cell)
        assert wiring(derivation, extent(derivation, 2, None, lambda _: 1)).layers == (states,)


# ----------------------------------------------------------------------------- in words


def test_the_description_tells_what_is_drawn() -> None:
    text = network_drawing(network("vanilla", "many-to-one"), 6).description
    for words in ("6 steps", "Steps 1, 2, 3 and 6 are drawn", "input enters at every step",
                  "output at step 6", "the loss at step 6", "hand on a", "Backwards"):  # fmt: skip
        assert words in text
    text = network_drawing(network("tower", "encoder-decoder", "output"), (2, 2)).description
    for words in ("p, then m and q, then v", "Steps 1 to 2 are the encoder", "output of a step is led"):
        assert words in text
    silent = network_drawing(network("silent"), 2)
    assert "loss" not in silent.description and "caller" in silent.description
    assert silent.title == "No output, a long name, many-to-many, unrolled over 2 steps"


def test_a_wrong_number_of_steps_is_named() -> None:
    with pytest.raises(ChoiceError, match="T: expected"):
        network_drawing(network("vanilla"), 0)
    with pytest.raises(ChoiceError, match="T: expected"):
        network_drawing(network("vanilla", "encoder-decoder"), 3)
