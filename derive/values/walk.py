"""The equations of a derivation at concrete T and sizes, over any kind of number.

`Walk` runs them: forward through the phases in the order of time, backward in reverse. It knows what
each node means and nothing about differentiation; what it gives is what the recurrence says.
`derive.values.expand` runs it on SymPy expressions, `derive.evaluate` on numbers of 50 digits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

import sympy

from chalkgrad.derive.cells.model import YHAT
from chalkgrad.derive.deriving.architecture import Segment
from chalkgrad.derive.deriving.derivation import Derivation, Sum, Term
from chalkgrad.derive.deriving.extent import Extent
from chalkgrad.derive.terms.algebra import (
    Expr,
    Map,
    MatVec,
    Others,
    OthersPull,
    Outer,
    Parameter,
    Reduce,
    Role,
    Shape,
    Symbol,
    arg,
    size_symbol,
)
from chalkgrad.derive.terms.selecting import selecting
from chalkgrad.derive.terms.trees import folded

N = TypeVar("N")


@dataclass(frozen=True)
class Tensor(Generic[N]):
    """Entries in row-major order; a scalar has shape () and one entry."""

    shape: tuple[int, ...]
    entries: tuple[N, ...]


class Numbers(ABC, Generic[N]):
    """What a walk needs from a kind of number."""

    @abstractmethod
    def compile(self, body: sympy.Expr, count: int) -> Callable[..., N]:
        """The function of `count` numbers that `body` is in arg(0), arg(1), …"""

    @abstractmethod
    def add(self, terms: Sequence[N]) -> N:
        """Σ terms; 0 for none."""

    @abstractmethod
    def dot(self, left: Sequence[N], right: Sequence[N]) -> N:
        """Σᵢ leftᵢ rightᵢ"""

    @abstractmethod
    def maximum(self, entries: Sequence[N]) -> N:
        """The shift of a log-sum-exp: the result does not depend on it."""


# ----------------------------------------------------------------------------- equations and data

Equations = Sequence[tuple[Segment, Sequence[tuple[str, Expr]]]]


def named_equations(derivation: Derivation) -> Equations:
    """The forward equations of the derivation, the loss among them."""
    return [(p.segment, [(f.target.name, f.value) for f in p.forward]) for p in derivation.phases]


def model_equations(derivation: Derivation) -> Equations:
    """The equations as the model states them, without the loss: no step of the derivation is in them."""
    return [(s, [(d.name, d.value) for d in s.definitions]) for s in derivation.schedule.segments]


def up_to_output(equations: Equations) -> Equations:
    """The same equations without those after yhat, which only serve the loss."""
    return [(segment, list(_through_yhat(lines))) for segment, lines in equations]


def _through_yhat(lines: Iterable[tuple[str, Expr]]) -> Iterator[tuple[str, Expr]]:
    for name, value in lines:
        yield name, value
        if name == YHAT:
            return


@dataclass(frozen=True)
class Data(Generic[N]):
    """What one example brings. x and y: index (from 1) among the steps that have one → vector."""

    parameters: Mapping[str, Tensor[N]]
    initial: Mapping[str, Tensor[N]]
    x: Mapping[int, Tensor[N]]
    y: Mapping[int, Tensor[N]]


@dataclass(frozen=True)
class Pulled(Generic[N]):
    """Gradients of one example: of parameters, of x (index from 1), of initial states (by state)."""

    parameters: Mapping[str, Tensor[N]]
    x: Mapping[int, Tensor[N]]
    initial: Mapping[str, Tensor[N]]


# ----------------------------------------------------------------------------- the walk


class Walk(Generic[N]):
    """One example through the equations. The forward pass runs when it is built."""

    def __init__(
        self, derivation: Derivation, equations: Equations, at: Extent, numbers: Numbers[N], data: Data[N]
    ) -> None:
        self._derivation, self.extent, self._numbers, self._data = derivation, at, numbers, data
        self._sizes = {size_symbol(name): sympy.Integer(n) for name, n in at.sizes.items()}
        self._compiled: dict[tuple[sympy.Expr, int], Callable[..., N]] = {}
        self._cotangents: dict[tuple[str, int], Tensor[N]] = {}
        self._outside: Mapping[tuple[str, int], Tensor[N]] = {}
        self._sums: dict[str, Tensor[N]] = {}
        self.values = self._given()
        self.order = at.order([segment for segment, _ in equations])
        for i, t in self.order:
            for name, value in equations[i][1]:
                self.values[name, t] = self.assigned(name, t, self.value(value, t))

    def assigned(self, name: str, t: int, value: Tensor[N]) -> Tensor[N]:
        """What `name` is taken to be at step t, computed to be `value`."""
        return value

    def parameter(self, name: str, t: int) -> Tensor[N]:
        """What a parameter is taken to be at step t."""
        return self._data.parameters[name]

    def _given(self) -> dict[tuple[str, int], Tensor[N]]:
        plan = self._derivation.schedule
        values = {(name, 0): tensor for name, tensor in self._data.initial.items()}
        for k, t in enumerate(self.extent.span(plan.x_steps), start=1):
            values["x", t] = self._data.x[k]
        for k, t in enumerate(self.output_steps, start=1):
            if k in self._data.y:
                values["y", t] = self._data.y[k]
        return values

    @cached_property
    def output_steps(self) -> range:
        """The steps t that have an output."""
        steps = self._derivation.schedule.y_steps
        return range(0) if steps is None else self.extent.span(steps)

    def total(self, expr: Expr, steps: Iterable[int]) -> N:
        """Σ over steps of a scalar expression, the loss of one step for example."""
        return self._numbers.add([self.value(expr, t).entries[0] for t in steps])

    def backward(
        self,
        objective: str,
        outside: Mapping[tuple[str, int], Tensor[N]] | None = None,
        wrt: Container[str] | None = None,
    ) -> Pulled[N]:
        """The gradients that the recurrence gives, towards "loss" or "outside".

        outside: (name, t) → the cotangent that the caller brings for a state or yhat; zero if missing.
        wrt: the parameters whose gradients are added up, all by default.
        """
        derivation = self._derivation.towards(objective)
        plan = derivation.schedule
        self._cotangents, self._outside = {}, outside or {}
        self._sums = {p.name: self._zeros(p.shape) for p in plan.parameters}
        wanted = [g for g in derivation.parameter_gradients if wrt is None or g.name in wrt]
        for i, t in reversed(self.order):
            for equation, term in derivation.phases[i].backward:
                self.arrive(equation.target.name, t, term.lag, self.part(term, t))
            for gradient in wanted:
                for part in gradient.sums:
                    if part.phase == i:
                        self.use(gradient.name, t, self.part(part, t))
        x = {k: self._cotangent(plan.x, t) for k, t in enumerate(self.extent.span(plan.x_steps), start=1)}
        return Pulled(self._sums, x, {s.name: self._cotangent(s, 0) for s in plan.states})

    def part(self, part: Term | Sum, t: int) -> Tensor[N]:
        """What a term of an adjoint or of a gradient comes to at step t."""
        return self.value(part.expr, t)

    def arrive(self, name: str, t: int, lag: int, part: Tensor[N]) -> None:
        """A part of the cotangent of `name` goes from step t to step t − lag."""
        known = self._cotangents.get((name, t - lag))
        self._cotangents[name, t - lag] = part if known is None else self._sum(known, part)

    def use(self, name: str, t: int, part: Tensor[N]) -> None:
        """A part of the gradient of a parameter, from its use at step t."""
        self._sums[name] = self._sum(self._sums[name], part)

    def _cotangent(self, symbol: Symbol, t: int) -> Tensor[N]:
        """What has arrived; nothing does where a recurrence ends."""
        return self._cotangents.get((symbol.name, t)) or self._zeros(symbol.shape)

    def _zeros(self, shape: Shape) -> Tensor[N]:
        concrete = self.extent.shape(shape)
        return Tensor(concrete, (self._numbers.add(()),) * _count(concrete))

    def _sum(self, left: Tensor[N], right: Tensor[N]) -> Tensor[N]:
        pairs = zip(left.entries, right.entries, strict=True)
        return Tensor(left.shape, tuple(self._numbers.add(pair) for pair in pairs))

    # ------------------------------------------------------------------------- one node

    def value(self, expr: Expr, t: int) -> Tensor[N]:
        """The value of an expression that is written at step t."""
        return folded(expr, lambda node, children: self._node(node, children, t))

    def _node(self, node: Expr, children: tuple[Tensor[N], ...], t: int) -> Tensor[N]:
        match node:
            case Symbol(role=Role.VALUE):
                return self.values[node.name, t + node.lag]
            case Symbol(role=Role.COTANGENT):
                return self._cotangent(node, t + node.lag)
            case Symbol(role=Role.EXTERNAL):
                return self._outside.get((node.name, t + node.lag)) or self._zeros(node.shape)
            case Parameter():
                return self.parameter(node.name, t)
            case MatVec():
                return self._product(node, self.parameter(node.matrix.name, t), *children)
            case Map():
                return self._map(node, children)
            case Reduce():
                return Tensor((), (self._reduce(node.kind, children[0].entries),))
            case Others():
                return Tensor(children[0].shape, self._others(children[0].entries))
            case OthersPull():
                return self._others_pull(*children)
            case Outer():
                return self._outer(*children)
            case _:
                raise TypeError(f"{type(node).__name__} has no value")

    def _function(self, body: sympy.Expr, count: int) -> Callable[..., N]:
        if (body, count) not in self._compiled:
            self._compiled[body, count] = self._numbers.compile(selecting(body.xreplace(self._sizes)), count)
        return self._compiled[body, count]

    def _product(self, node: MatVec, matrix: Tensor[N], vector: Tensor[N]) -> Tensor[N]:
        rows, columns = matrix.shape
        if node.transposed:
            lines = [matrix.entries[j::columns] for j in range(columns)]
        else:
            lines = [matrix.entries[i * columns : (i + 1) * columns] for i in range(rows)]
        return Tensor((len(lines),), tuple(self._numbers.dot(line, vector.entries) for line in lines))

    def _map(self, node: Map, args: Sequence[Tensor[N]]) -> Tensor[N]:
        shape = self.extent.shape(node.shape)
        function = self._function(node.body, len(args))
        count = _count(shape)
        columns = [a.entries if a.shape else a.entries * count for a in args]
        return Tensor(shape, tuple(function(*(c[i] for c in columns)) for i in range(count)))

    def _reduce(self, kind: str, entries: Sequence[N]) -> N:
        match kind:
            case "sum":
                return self._numbers.add(entries)
            case "max":
                return self._numbers.maximum(entries)
            case "logsumexp":
                exp, log = self._function(sympy.exp(arg(0)), 1), self._function(sympy.log(arg(0)), 1)
                return log(self._numbers.add([exp(v) for v in entries]))
            case _:
                raise TypeError(f"the reduction {kind!r} has no value")

    def _others(self, entries: Sequence[N]) -> tuple[N, ...]:
        return tuple(
            self._reduce("logsumexp", [v for k, v in enumerate(entries) if k != i])
            for i in range(len(entries))
        )

    def _others_pull(self, cotangent: Tensor[N], vector: Tensor[N]) -> Tensor[N]:
        part = self._function(arg(0) * sympy.exp(arg(1) - arg(2)), 3)
        v, omega, n = vector.entries, self._others(vector.entries), len(vector.entries)
        pulled = (
            self._numbers.add([part(cotangent.entries[i], v[j], omega[i]) for i in range(n) if i != j])
            for j in range(n)
        )
        return Tensor(vector.shape, tuple(pulled))

    def _outer(self, left: Tensor[N], right: Tensor[N]) -> Tensor[N]:
        entries = tuple(self._numbers.dot((u,), (v,)) for u in left.entries for v in right.entries)
        return Tensor(left.shape + right.shape, entries)


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for n in shape:
        count *= n
    return count
