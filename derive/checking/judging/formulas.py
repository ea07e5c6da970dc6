"""Formulas that only claims need: names at a step as a reading has them, products as they are written,
sums that may be empty. They join those of `derive.claims.formula`.

What a claim names may not exist, and what it builds may have no value: `NoStep` and `NoValue` say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import sympy

from chalkgrad.derive.cells.model import YHAT
from chalkgrad.derive.checking.reading.errors import NoStep, NoValue
from chalkgrad.derive.checking.reading.scope import Scope
from chalkgrad.derive.checking.reading.tree import (
    Count,
    Delta,
    Given,
    Index,
    Loss,
    Slope,
    StepNumber,
    Syntax,
    Value,
    Weight,
)
from chalkgrad.derive.claims.formula import At, Formula, Partial, Values
from chalkgrad.derive.deriving.derivation import Derivation
from chalkgrad.derive.errors import ShapeError
from chalkgrad.derive.terms.algebra import Shape, arg
from chalkgrad.derive.terms.functions import ELEMENTWISE
from chalkgrad.derive.values.grid import Grid, column, componentwise, multiplied, product_of
from chalkgrad.derive.values.oracle import Oracle, ParameterAt, ValueAt
from chalkgrad.derive.values.reals import Real

LENGTH = sympy.Symbol("length")  # of the trajectory, among the indices of a place
MAX_STEPS = 1_000  # of one sum
_EXAMPLES = 13  # what a number of examples is taken to be: no size, no T
_BOUND = 10**400  # of a number: beyond it no function is asked for


@dataclass(frozen=True)
class Reading:
    """What a formula leaves open.

    rows: ∂L/∂v is a row, as a Jacobian is, and ∂L/∂W one in the order of W's rows; else both have the shape
    of what is differentiated by. steps: those of a sum without bounds. stable: ∂L/∂ŷ is what the loss
    leaves to ŷ where it is computed from the logits. held: a derivative by a state of an earlier step holds
    the other states of that step, as a block of the Jacobian of all of them does. alone: an immediate
    derivative of a value by a value is that of the one equation, else that within a step.
    """

    rows: bool
    steps: tuple[int, ...]
    stable: bool = False
    held: bool = False
    alone: bool = False


@dataclass(frozen=True)
class Kept(Formula):
    """A formula that is worked out once at each place. letters: the indices that it depends on."""

    of: Formula
    letters: tuple[sympy.Symbol, ...]
    known: dict[tuple[int, ...], Grid] = field(default_factory=dict, compare=False, repr=False)

    def value(self, at: At) -> Grid:
        key = (id(at.oracle), *(at.indices[name] for name in self.letters))
        found = self.known.get(key)
        if found is None:
            found = self.of.value(at)
            bound = at.oracle.real.mpf(_BOUND)
            if not all(abs(entry) < bound for entry in found.entries):
                raise NoValue("the numbers have no bound")
            self.known[key] = found
        return found


# ----------------------------------------------------------------------------- what is named


@dataclass(frozen=True)
class Leaf(Formula):
    """A name at a step. open: letters of its step that no sum runs over."""

    node: Syntax
    scope: Scope
    reading: Reading
    open: frozenset[str]

    def value(self, at: At) -> Grid:
        oracle, real = at.oracle, at.oracle.real
        match self.node:
            case Count(name=name):
                number = oracle.extent.sizes.get(name, _EXAMPLES)
                return Grid(1, 1, (real.mpf(number),))
            case StepNumber(index=index):
                return Grid(1, 1, (real.mpf(index.value(at.indices)),))
            case Weight(name=name):
                return column(oracle.parameter(name))
            case Value(name=name, index=index):
                return column(oracle.entries(name, self._held(at, name, index)))
            case Given(expr=expr, index=index):
                return oracle.value(expr, index.value(at.indices))
            case Loss(index=index):
                step = self._loss_step(at, index)
                return self._zero(at) if step == 0 else Grid(1, 1, (oracle.objective(step).value,))
            case Delta(name=name, index=index):
                found = self._loss_by_value(at, None, name, index)
                return found if found.columns == 1 else found.turned
            case Slope(of=Loss(index=index), by=Weight(name=name), immediate=immediate):
                return self._loss_by_weight(at, self._loss_step(at, index), name, immediate)
            case Slope(of=Loss(index=index), by=Value(name=name, index=where)):
                return self._loss_by_value(at, self._loss_step(at, index), name, where)
            case Slope(of=Value(name=of, index=index), by=Weight(name=name), immediate=immediate):
                s = self._held(at, of, index)
                return oracle.jacobian(of, s, ParameterAt(name, s if immediate else None))
            case Slope(of=Value(name=of, index=index), by=Value(name=by, index=where), immediate=True) if (
                self.reading.alone
            ):
                return oracle.local(of, self._held(at, of, index), ValueAt(by, self._held(at, by, where)))
            case Slope(of=Value(), by=Value()):
                return self._jacobian(at, self.node)
            case _:
                raise TypeError(f"{type(self.node).__name__} names nothing")

    def _zero(self, at: At, shape: Shape = ()) -> Grid:
        rows, columns = (*at.oracle.extent.shape(shape), 1, 1)[:2]
        return Grid(rows, columns, (at.oracle.real.zero,) * (rows * columns))

    def _held(self, at: At, name: str, index: Index) -> int:
        """The step, which has to have the value."""
        t = index.value(at.indices)
        if not at.oracle.has(name, t):
            raise NoStep(name, t, self.open)
        return t

    def _loss_step(self, at: At, index: Index | None) -> int | None:
        """None for the whole loss; 0 for a step that exists but adds nothing to it."""
        if index is None:
            return None
        t = index.value(at.indices)
        if not 1 <= t <= at.indices[LENGTH]:
            raise NoStep(self.scope.objective, t, self.open)
        return t if at.oracle.has(_loss_name(at.oracle.derivation), t) else 0

    def _loss_by_weight(self, at: At, step: int | None, name: str, immediate: bool) -> Grid:
        shape = self.scope.parameters[name]
        if step == 0:
            entries = self._zero(at, shape).entries
        else:
            entries = at.oracle.slope(ParameterAt(name, step if immediate else None), step).entries
        rows, columns = (*at.oracle.extent.shape(shape), 1, 1)[:2]
        return Grid(1, len(entries), entries) if self.reading.rows else Grid(rows, columns, entries)

    def _loss_by_value(self, at: At, step: int | None, name: str, index: Index) -> Grid:
        """Zero behind the end, where nothing follows, and where no equation computes the value."""
        t = index.value(at.indices)
        if t < 0 or (step is not None and 0 < step < t and self.open):
            raise NoStep(name, t, self.open)
        if step == 0 or not at.oracle.has(name, t):
            found = self._zero(at, self.scope.values[name])
            return found.turned if self.reading.rows else found
        documented = name == YHAT and not self.reading.stable
        row = at.oracle.slope(ValueAt(name, t), step, documented=documented)
        return row if self.reading.rows else row.turned

    def _jacobian(self, at: At, node: Slope) -> Grid:
        assert isinstance(node.of, Value) and isinstance(node.by, Value)
        s, t = self._held(at, node.of.name, node.of.index), self._held(at, node.by.name, node.by.index)
        if s < t and self.open:
            raise NoStep(node.by.name, t, self.open)
        carried = self.scope.carried
        if self.reading.held and t < s and node.by.name in carried:
            others = tuple(name for name in carried if at.oracle.has(name, t))
            return Partial(Values((node.of.name,), s), Values(others, t), only=node.by.name).value(at)
        return at.oracle.jacobian(node.of.name, s, ValueAt(node.by.name, t))


def _loss_name(derivation: Derivation) -> str:
    assert derivation.loss is not None
    return derivation.loss.name


# ----------------------------------------------------------------------------- what is built


@dataclass(frozen=True)
class Written(Formula):
    """first op v op v …: from left to right; where shapes forbid that, @ before * and /.

    "·" is the product of matrices, and that of components where shapes forbid the former.
    """

    first: Formula
    rest: tuple[tuple[str, Formula], ...]

    def value(self, at: At) -> Grid:
        first = self.first.value(at)
        rest = [(sign, factor.value(at)) for sign, factor in self.rest]
        try:
            return _folded(first, rest, at)
        except ShapeError:
            if len({sign for sign, _ in rest}) == 1:
                raise
            return _tight_first(first, rest, at)


def _folded(first: Grid, rest: Sequence[tuple[str, Grid]], at: At) -> Grid:
    for sign, factor in rest:
        first = combined(first, sign, factor, at)
    return first


def _tight_first(first: Grid, rest: Sequence[tuple[str, Grid]], at: At) -> Grid:
    groups: list[tuple[str, Grid, list[tuple[str, Grid]]]] = [("", first, [])]
    for sign, factor in rest:
        if sign in "@·":
            groups[-1][2].append((sign, factor))
        else:
            groups.append((sign, factor, []))
    (_, start, inner), *others = groups
    folded = [(sign, _folded(grid, more, at)) for sign, grid, more in others]
    return _folded(_folded(start, inner, at), folded, at)


def combined(left: Grid, sign: str, right: Grid, at: At) -> Grid:
    """left sign right. Raises ShapeError, NoValue."""
    match sign:
        case "@":
            return multiplied(left, right, at.oracle.real)
        case "*":
            return componentwise(product_of, (left, right))
        case "/":
            if any(entry == 0 for entry in right.entries):
                raise NoValue("a division by zero")
            inverse = Grid(right.rows, right.columns, tuple(1 / entry for entry in right.entries))
            return componentwise(product_of, (left, inverse))
        case "·":
            try:
                return multiplied(left, right, at.oracle.real)
            except ShapeError:
                return combined(left, "*", right, at)
        case _:
            raise TypeError(f"no product is written {sign!r}")


@dataclass(frozen=True)
class Raised(Formula):
    """Of a vector each component to a power, of a square matrix the product with itself."""

    of: Formula
    exponent: sympy.Rational

    def value(self, at: At) -> Grid:
        grid, exponent, real = self.of.value(at), self.exponent, at.oracle.real
        if 1 in grid.shape:
            power = int(exponent) if exponent.q == 1 else real.mpf(exponent.p) / exponent.q
            if exponent < 0 and any(entry == 0 for entry in grid.entries):
                raise NoValue("a division by zero")
            if exponent.q != 1 and any(entry < 0 for entry in grid.entries):
                raise NoValue("a root of a negative number")
            return Grid(grid.rows, grid.columns, tuple(real.power(e, power) for e in grid.entries))
        if grid.rows != grid.columns or exponent.q != 1 or exponent < 1:
            raise ShapeError(f"a power: expected a vector or a square matrix, found a matrix {grid.shape}")
        found = grid
        for _ in range(int(exponent) - 1):
            found = multiplied(found, grid, at.oracle.real)
        return found


@dataclass(frozen=True)
class Summed(Formula):
    """Of all components their sum, or their mean."""

    of: Formula
    mean: bool = False

    def value(self, at: At) -> Grid:
        entries = self.of.value(at).entries
        total = at.oracle.real.fsum(entries)
        return Grid(1, 1, (total / len(entries) if self.mean else total,))


@dataclass(frozen=True)
class Softmax(Formula):
    """exp(v) over its sum, of a vector."""

    of: Formula

    def value(self, at: At) -> Grid:
        grid, real = self.of.value(at), at.oracle.real
        if 1 not in grid.shape:
            raise ShapeError(f"softmax(…): expected a vector, found a matrix {grid.shape}")
        top = max(grid.entries)
        weights = [real.exp(entry - top) for entry in grid.entries]
        whole = real.fsum(weights)
        return Grid(grid.rows, grid.columns, tuple(weight / whole for weight in weights))


@dataclass(frozen=True)
class Running(Formula):
    """Σ, or the product with the last step in front, of `body` for an index; without bounds over `steps`.

    No step at all is a sum of 0, a product of 1.
    """

    body: Formula
    index: sympy.Symbol
    first: Index | None
    last: Index | None
    steps: tuple[int, ...]
    product: bool

    def value(self, at: At) -> Grid:
        steps = self._steps(at)
        grids = [self.body.value(At(at.oracle, {**at.indices, self.index: t})) for t in steps]
        if not grids:
            return Grid(1, 1, (at.oracle.real.mpf(int(self.product)),))
        if self.product:
            found, *earlier = reversed(grids)
            for grid in earlier:
                found = multiplied(found, grid, at.oracle.real)
            return found
        shapes = {grid.shape for grid in grids}
        if len(shapes) > 1:
            raise ShapeError(f"a sum over {self.index}: expected one shape, found {sorted(shapes)}")
        rows, columns = grids[0].shape
        sums = (at.oracle.real.fsum(group) for group in zip(*(g.entries for g in grids), strict=True))
        return Grid(rows, columns, tuple(sums))

    def _steps(self, at: At) -> Sequence[int]:
        if self.first is None or self.last is None:
            return self.steps
        first, last = self.first.value(at.indices), self.last.value(at.indices)
        if last - first > MAX_STEPS:
            raise NoValue(f"a sum over {self.index} of more than {MAX_STEPS} steps")
        return range(first, last + 1)


@cache
def derivative(function: str, order: int) -> sympy.Expr:
    """f differentiated `order` times, as a body in arg(0), …"""
    found = ELEMENTWISE[function]
    body = found(*(arg(i) for i in range(found.arity)))
    return sympy.diff(body, arg(0), order) if order else body


# ----------------------------------------------------------------------------- two sides


def equal(left: Grid, right: Grid, oracle: Oracle, flat: bool) -> bool:
    """Whether two sides agree. flat: a vector may lie the other way. Raises ShapeError."""
    if not comparable(left, right, flat):
        raise ShapeError(f"two sides of an equation: expected {left.shape}, found {right.shape}")
    return same_entries(spread(left, right).entries, spread(right, left).entries, oracle)


def comparable(left: Grid, right: Grid, flat: bool) -> bool:
    """Whether the sides have one shape. A number on one side stands for a whole matrix."""
    left, right = spread(left, right), spread(right, left)
    lying = flat and (1 in left.shape or 1 in right.shape) and len(left.entries) == len(right.entries)
    return left.shape == right.shape or lying


def same_entries(one: Sequence[Real], other: Sequence[Real], oracle: Oracle) -> bool:
    """Whether numbers agree in half of their digits, or differ by no more than rounding leaves of a zero."""
    real = oracle.real
    size = max(map(abs, (*one, *other)))
    bound = max(size * real.mpf(10) ** (-real.dps // 2), real.mpf(10) ** (10 - real.dps))
    return all(abs(a - b) <= bound for a, b in zip(one, other, strict=True))


def spread(grid: Grid, other: Grid) -> Grid:
    """A single number in every place of the other shape."""
    if grid.shape != (1, 1) or other.shape == (1, 1):
        return grid
    return Grid(other.rows, other.columns, grid.entries * len(other.entries))
