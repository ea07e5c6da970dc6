"""The value of a tree at a place: letters given steps, one layout for the whole claim."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np

from tests.claims import quantities
from tests.claims.functions import Array, derivative, softmax
from tests.claims.models import Key
from tests.claims.quantities import SCALAR, Doubtful, Quantity, Shape, built
from tests.claims.simulate import LOSS, Simulation
from tests.claims.trees import (
    Call,
    Count,
    Delta,
    Diag,
    Index,
    Loss,
    Mul,
    Node,
    Num,
    Over,
    Power,
    Slope,
    StepNumber,
    Sum,
    Total,
    Turned,
    Value,
    Weight,
    free_letters,
)

Layout = Literal["gradient", "jacobian"]
Place = Mapping[str, int]


@dataclass
class Evaluator:
    """Of one claim's trees; what comes again is kept while the evaluator lives."""

    simulation: Simulation
    layout: Layout
    kept: dict[tuple[int, tuple[int, ...]], Quantity] = field(default_factory=dict)
    letters: dict[int, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        simulation = self.simulation
        self.ends = simulation.network.ends(simulation.extent)
        self.sizes = simulation.point.sizes

    def of(self, node: Node, place: Place) -> Quantity:
        """Raises ShapesDoNotFit and Doubtful."""
        own = self.letters.get(id(node))
        if own is None:
            own = self.letters[id(node)] = tuple(sorted(free_letters(node)))
        key = id(node), tuple(place[letter] for letter in own)
        found = self.kept.get(key)
        if found is None:
            found = self.kept[key] = self.work(node, place)
        return found

    def step(self, index: Index, place: Place) -> int:
        return index.number + sum(
            sign * (self.ends[name] if name in self.ends else place[name]) for name, sign in index.letters
        )

    def work(self, node: Node, place: Place) -> Quantity:
        match node:
            case Num(value=value):
                return quantities.constant(value)
            case Count(name=name):
                return built(SCALAR, np.full(1, float(self.sizes[name])))
            case StepNumber(index=index):
                return built(SCALAR, np.full(1, float(self.step(index, place))))
            case Value(name=name, index=index):
                return self.value(self.simulation.alias((name, self.step(index, place))))
            case Delta(name=name, index=index):
                return self.of_loss(None, (name, self.step(index, place)), "gradient")
            case Weight(name=name):
                return self.weight(name)
            case Loss(index=index):
                return self.loss(None if index is None else self.step(index, place))
            case Slope():
                return self.slope(node, place)
            case Sum(terms=terms):
                signed = [(sign, self.of(term, place)) for sign, term in terms]
                found, *rest = [q if sign > 0 else quantities.negative(q) for sign, q in signed]
                for q in rest:
                    found = quantities.added(found, q)
                return found
            case Mul(op=op, left=left, right=right):
                return quantities.multiplied(op, self.of(left, place), self.of(right, place), self.sizes)
            case Power(inner=inner, exponent=exponent):
                return quantities.raised(self.of(inner, place), exponent)
            case Turned(inner=inner):
                return quantities.turned(self.of(inner, place))
            case Diag(inner=inner):
                return quantities.diagonal(self.of(inner, place))
            case Total(inner=inner):
                return quantities.total(self.of(inner, place))
            case Call():
                return self.call(node, place)
            case Over():
                return self.over(node, place)
        raise TypeError(f"no value of {node!r}")

    # ------------------------------------------------------------------------- names

    def column(self, key: Key) -> Shape:
        shape = self.simulation.shape(key)
        return Shape(shape[0]) if shape else SCALAR

    def value(self, key: Key) -> Quantity:
        shape = self.column(key)
        if not self.simulation.exists(key):
            return Quantity(shape, None)
        data = self.simulation.value(key)
        return built(shape, data[:, 0] if shape.is_scalar else data)

    def weight(self, name: str) -> Quantity:
        sizes = self.simulation.network.parameters[name]
        return built(Shape(*sizes), self.simulation.point.parameters[name])

    def loss(self, t: int | None) -> Quantity:
        if t is not None and not self.simulation.exists((LOSS, t)):
            return Quantity(SCALAR, None)
        return built(SCALAR, self.simulation.loss(t))

    # ------------------------------------------------------------------------- derivatives

    def slope(self, node: Slope, place: Place) -> Quantity:
        by: Key | str
        by = node.by.name if isinstance(node.by, Weight) else (node.by.name, self.step(node.by.index, place))
        if isinstance(node.of, Loss):
            t = None if node.of.index is None else self.step(node.of.index, place)
            return self.of_loss(t, by, self.layout, node.immediate)
        u = self.simulation.alias((node.of.name, self.step(node.of.index, place)))
        return self.of_value(u, by, node.immediate)

    def of_loss(self, t: int | None, by: Key | str, layout: Layout, immediate: bool = False) -> Quantity:
        """∂L/∂v or ∂L⟨t⟩/∂v: the shape of v, a vector's turned in the jacobian layout."""
        simulation = self.simulation
        if isinstance(by, str):
            shape, beyond = Shape(*simulation.network.parameters[by]), False
        else:
            by, beyond = simulation.alias(by), by[1] > simulation.length
            shape = self.column(by)
        if shape.is_vector and layout == "jacobian":
            shape = shape.transposed
        if t is not None and not simulation.exists((LOSS, t)):
            return Quantity(shape, None)
        if beyond:
            return quantities.zeros(shape, self.sizes, structural=True)
        if not isinstance(by, str) and not simulation.exists(by):
            return Quantity(shape, None)
        if immediate:
            if isinstance(by, str) or by[0] != "yhat" or t not in (None, by[1]):
                return quantities.zeros(shape, self.sizes)
            data = simulation.immediate((LOSS, by[1]), by)
        elif isinstance(by, str):
            data = simulation.of_parameter((LOSS, t or 0), by)
        else:
            data = simulation.of_value((LOSS, t or 0), by)
        return built(shape, self.numbers(data[:, 0], shape))

    def of_value(self, u: Key, by: Key | str, immediate: bool) -> Quantity:
        """∂u/∂v: a Jacobian, or the linear map dW ↦ du."""
        simulation = self.simulation
        above = self.column(u)
        if isinstance(by, str):
            below = Shape(*simulation.network.parameters[by])
        else:
            by = simulation.alias(by)
            below = self.column(by)
        shape = _slope_shape(above, below)
        there = isinstance(by, str) or simulation.exists(by)
        if not there or not simulation.exists(u):
            return Quantity(shape, None)
        if immediate and (u[0] == "x" or u[1] == 0):
            return quantities.zeros(shape, self.sizes)
        if immediate:
            data = simulation.immediate(u, by)
        elif isinstance(by, str):
            data = simulation.of_parameter(u, by)
        else:
            data = simulation.of_value(u, by)
        if above.is_scalar:
            data = data[:, 0]
        return built(shape, self.numbers(data, shape))

    def numbers(self, data: Array, shape: Shape) -> Array:
        """Without an axis for the one direction of a scalar."""
        dims = [n for n in (shape.out, shape.rows, shape.columns) if n is not None]
        return data.reshape(data.shape[0], *(self.sizes[n] for n in dims))

    # ------------------------------------------------------------------------- functions, sums

    def call(self, node: Call, place: Place) -> Quantity:
        inner = self.of(node.inner, place)
        name = self.simulation.network.functions.get(node.name, node.name)
        if name == "softmax":
            if node.primes or not (inner.shape.is_vector or inner.missing):
                raise Doubtful("softmax of what is no vector, or its derivative")
            return quantities.called(softmax, inner)
        return quantities.called(partial(derivative, name, node.primes), inner)

    def over(self, node: Over, place: Place) -> Quantity:
        first, last = 1, self.simulation.length
        if node.first is not None and node.last is not None:
            first, last = self.step(node.first, place), self.step(node.last, place)
        if last < first:
            shape = self.of(node.inner, {**place, node.letter: first}).shape
            if node.kind == "prod":
                return quantities.identity(shape, self.sizes)
            return quantities.zeros(shape, self.sizes)
        found: Quantity | None = None
        for n in range(first, last + 1):
            own = self.of(node.inner, {**place, node.letter: n})
            if found is None:
                found = own
            elif node.kind == "sum":
                found = quantities.added(found, own)
            else:
                found = quantities.multiplied("@", own, found, self.sizes)
        assert found is not None
        return found


def _slope_shape(above: Shape, below: Shape) -> Shape:
    """Of ∂u/∂v. That of a number by a vector is told by no page."""
    if above.is_scalar and below.is_vector:
        raise Doubtful("the layout of ∂u/∂v of a number u that is no loss")
    if below.rows is not None and below.columns is not None:
        return Shape(below.rows, below.columns, above.rows)
    if above.is_scalar:
        return SCALAR
    return Shape(above.rows, below.rows)
