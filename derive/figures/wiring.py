"""The unrolled network as places and wires: what a figure of it has to show.

The values of a step are gathered into places: its input, its cell (one for each layer, where the cell is
a stack of layers), its output, its loss. A wire leads from one place to another; it knows the values that
it carries, the parameters that multiply them on arrival, and whether a derivative comes back along it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sympy

from chalkgrad.derive.cells.model import YHAT
from chalkgrad.derive.deriving.derivation import Derivation, Forward, Phase
from chalkgrad.derive.deriving.extent import Extent
from chalkgrad.derive.terms.algebra import Expr, Map, MatVec, Parameter, Symbol, arg, parameters, symbols
from chalkgrad.derive.terms.trees import walk

INITIAL, INPUT, CELL, OUTPUT, LOST = "initial", "input", "cell", "output", "loss"


@dataclass(frozen=True)
class Place:
    """Where values of step t stand; layer: of the cell, from 0; an initial place has its state's name."""

    kind: str
    t: int
    layer: int = 0
    name: str = ""


@dataclass(frozen=True)
class Wire:
    """From `source` to `target`. values: what it carries. alive: a derivative comes back along it."""

    source: Place
    target: Place
    values: tuple[str, ...]
    parameters: tuple[str, ...]
    alive: bool

    @property
    def lag(self) -> int:
        return self.target.t - self.source.t


@dataclass(frozen=True)
class Wiring:
    """layers: the states of each layer, the lowest first. crossing: in the output, the values that read
    something of the cell; their δ is what comes back from there. fed: (place, name, step) for each input.
    """

    layers: tuple[tuple[str, ...], ...]
    places: frozenset[Place]
    wires: tuple[Wire, ...]
    crossing: Mapping[int, tuple[str, ...]]
    fed: Mapping[Place, tuple[str, int]]

    def between(self, source: Place, target: Place) -> Wire | None:
        found = (w for w in self.wires if w.source == source and w.target == target)
        return next(found, None)


def wiring(derivation: Derivation, at: Extent) -> Wiring:
    """Everything that the forward equations connect over the steps of `at`."""
    return _Wiring(derivation, at).made()


@dataclass(frozen=True)
class _Equation:
    """A forward equation at any step of its phase: where it stands, what it reads."""

    name: str
    kind: str
    reads: tuple[Symbol, ...]


class _Wiring:
    def __init__(self, derivation: Derivation, at: Extent) -> None:
        self._derivation, self._at = derivation, at
        self._states = {s.name for s in derivation.schedule.states}
        self._phases = [self._equations(phase) for phase in derivation.phases]
        self._layers, self._layer_of = self._stack()
        self._factors = [self._factors_of(phase) for phase in derivation.phases]
        self._order = at.order([phase.segment for phase in derivation.phases])

    def _equations(self, phase: Phase) -> list[_Equation]:
        """In order; what serves a definition stands with it, what follows ŷ with the loss."""
        cell = {d.name for d in self._derivation.model.cell}
        due, found = LOST, []
        for forward in reversed(phase.forward):
            name = forward.target.name
            due = OUTPUT if name == YHAT else CELL if name in cell else due
            found.append(_Equation(name, due, tuple(dict.fromkeys(symbols(forward.value)))))
        return found[::-1]

    # ------------------------------------------------------------------------- layers

    def _stack(self) -> tuple[tuple[tuple[str, ...], ...], dict[str, int]]:
        """The states in layers where each layer reads itself and the one below, or all in one."""
        states = [s.name for s in self._derivation.schedule.states]
        reads = self._reads_of_states(states)
        layers = _chained(states, {s: r & set(states) for s, r in reads.items()})
        layer_of = {s: i for i, layer in enumerate(layers) for s in layer}
        for state in states:
            for name in self._served_by(state):
                layer_of[name] = max(layer_of.get(name, 0), layer_of[state])
        return (layers, layer_of) if self._is_stack(layer_of, len(layers)) else ((tuple(states),), {})

    def _reads_of_states(self, states: Sequence[str]) -> dict[str, set[str]]:
        return {
            state: {
                s.name
                for equations in self._phases
                for e in equations
                if e.kind == CELL and e.name in self._served_by(state)
                for s in e.reads
            }
            for state in states
        }

    def _served_by(self, state: str) -> set[str]:
        """The state and the intermediates that its equation needs, short of other states."""
        found = {state}
        for equations in self._phases:
            for equation in reversed(equations):
                if equation.kind == CELL and equation.name in found:
                    found |= {s.name for s in equation.reads if not s.lag and s.name not in self._states}
        return found & {e.name for equations in self._phases for e in equations}

    def _is_stack(self, layer_of: Mapping[str, int], count: int) -> bool:
        """Whether every layer reads itself and, at the same step, the one below, the lowest one inputs.

        The output reads the highest.
        """
        equations = [e for phase in self._phases for e in phase]
        read = [(e, s, layer_of.get(s.name)) for e in equations for s in e.reads]
        within = [(layer_of.get(e.name, 0), s, of) for e, s, of in read if e.kind == CELL]
        inputs = all(own == 0 for own, _, of in within if of is None)
        upwards = all(own - of in ((0,) if s.lag else (0, 1)) for own, s, of in within if of is not None)
        above = all(of in (None, count - 1) for e, _, of in read if e.kind != CELL)
        return count > 1 and inputs and upwards and above

    # ------------------------------------------------------------------------- parameters

    def _factors_of(self, phase: Phase) -> dict[tuple[str, Symbol], tuple[str, ...]]:
        """(kind, symbol) → the parameters that multiply the symbol there, before anything else does."""
        kinds = {e.name: e.kind for e in self._equations(phase)}
        wanted = {(e.kind, s) for e in self._equations(phase) for s in e.reads}
        return {(kind, s): _multiplying(phase.forward, kinds, kind, s, self._states) for kind, s in wanted}

    # ------------------------------------------------------------------------- wires

    def made(self) -> Wiring:
        stands = self._stands()
        alive = self._alive()
        found: dict[tuple[Place, Place, str], tuple[dict[str, None], dict[str, None], bool]] = {}
        fed: dict[Place, tuple[str, int]] = {}
        crossing: dict[int, dict[str, None]] = {}
        for i, t in self._order:
            for e in self._phases[i]:
                here = stands[e.name, t]
                for s in e.reads:
                    source = self._source(stands, s, t)
                    if source is None or source == here:
                        continue
                    if source.kind == INPUT:
                        fed[source] = (s.name, t + s.lag)
                    if here.kind == OUTPUT and source.kind == CELL and (e.name, t) in alive:
                        crossing.setdefault(t, {})[e.name] = None
                    lane = s.name if source.t < here.t and s.name in self._states else ""
                    values, factors, live = found.get((source, here, lane), ({}, {}, False))
                    values[s.name] = None
                    factors |= dict.fromkeys(self._factors[i][e.kind, s])
                    back = (e.name, t) in alive and source.kind != INPUT
                    found[source, here, lane] = (values, factors, live or back)
        wires = tuple(Wire(a, b, tuple(v), tuple(p), live) for (a, b, _), (v, p, live) in found.items())
        places = {*stands.values(), *(w.source for w in wires)}
        return Wiring(self._layers, frozenset(places), wires, {t: tuple(n) for t, n in crossing.items()}, fed)

    def _stands(self) -> dict[tuple[str, int], Place]:
        return {
            (e.name, t): Place(e.kind, t, self._layer_of.get(e.name, 0) if e.kind == CELL else 0)
            for i, t in self._order
            for e in self._phases[i]
        }

    def _source(self, stands: Mapping[tuple[str, int], Place], s: Symbol, t: int) -> Place | None:
        """Where a value comes from. A target at its own step only serves the loss: nowhere."""
        plan = self._derivation.schedule
        if s.name == "y" and not s.lag:
            return None
        if s.name == "y" or s.name == plan.x.name:
            return Place(INPUT, t)
        if (s.name, t + s.lag) in stands:
            return stands[s.name, t + s.lag]
        return Place(INITIAL, t + s.lag, self._layer_of.get(s.name, 0), s.name)

    def _alive(self) -> set[tuple[str, int]]:
        """The values that lead to a loss; without one, to any state: a caller brings its cotangents."""
        loss = self._derivation.loss
        alive: set[tuple[str, int]] = set()
        for i, t in reversed(self._order):
            for e in reversed(self._phases[i]):
                seed = e.name == loss.name if loss is not None else e.name in self._states
                if seed or (e.name, t) in alive:
                    alive.add((e.name, t))
                    alive.update((s.name, t + s.lag) for s in e.reads)
        return alive


# ----------------------------------------------------------------------------- pieces


def _chained(states: Sequence[str], reads: Mapping[str, set[str]]) -> tuple[tuple[str, ...], ...]:
    """States that lead to each other together, what is read before what reads it."""
    reach = {s: {s} for s in states}
    for _ in states:
        reach = {s: set().union(*(reach[r] for r in reads[s]), known) for s, known in reach.items()}
    groups = dict.fromkeys(tuple(u for u in states if u in reach[s] and s in reach[u]) for s in states)
    return tuple(sorted(groups, key=lambda group: len(reach[group[0]])))


def _multiplying(
    forward: Iterable[Forward], kinds: Mapping[str, str], kind: str, symbol: Symbol, states: set[str]
) -> tuple[str, ...]:
    """The parameters that multiply the symbol in the equations of one kind: W in W v, w in w ∗ v.

    Through values that a product has not touched yet, r ∗ v for W (r ∗ v), as far as the next state.
    """
    carried, found = {symbol}, dict[str, None]()
    for equation in forward:
        if kinds[equation.target.name] != kind:
            continue
        for node in walk(equation.value):
            if isinstance(node, MatVec) and node.vector in carried:
                found[node.matrix.name] = None
            elif isinstance(node, Map):
                found |= dict.fromkeys(_scaling(node, carried))
        bare = not any(isinstance(n, MatVec) for n in walk(equation.value))
        scaled = any(p.name in found for p in parameters(equation.value))
        if (
            bare
            and not scaled
            and equation.target.name not in states
            and carried & set(symbols(equation.value))
        ):
            carried.add(equation.target)
    return tuple(found)


def _scaling(node: Map, carried: set[Symbol]) -> list[str]:
    """The vector and scalar parameters that stand in one product with a carried value."""
    given = {arg(i): a.name for i, a in enumerate(node.args) if isinstance(a, Parameter)}
    moving = {arg(i) for i, a in enumerate(node.args) if _carries(a, carried)}
    if not given or not moving:
        return []
    products = [m.free_symbols for m in sympy.expand(node.body).atoms(sympy.Mul)]
    return [name for place, name in given.items() if any(place in m and moving & m for m in products)]


def _carries(node: Expr, carried: set[Symbol]) -> bool:
    return isinstance(node, Symbol) and node in carried
