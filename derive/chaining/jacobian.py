"""Jacobians as a teacher writes them: products of diag(…), matrices and single rows and columns.

Nothing is differentiated here. A term of an adjoint equation is Jᵀ δ_u, linear in one cotangent; read
the other way round it is the Jacobian J = ∂u/∂v, and `read_back` does that. So what the chain shows is
what the derivation holds. Rows of ∂u/∂v belong to u, columns to v.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import sympy

from chalkgrad.derive.deriving.derivation import Gradient, Phase
from chalkgrad.derive.errors import DerivationError
from chalkgrad.derive.terms.algebra import (
    Expr,
    Map,
    MatVec,
    Outer,
    Parameter,
    Reduce,
    Role,
    Symbol,
    arg,
    constant,
    elementwise,
    symbols,
)


@dataclass(frozen=True)
class Diagonal:
    """diag(expr): how an elementwise function answers; for a scalar, a factor."""

    expr: Expr


@dataclass(frozen=True)
class Weight:
    """W, or Wᵀ."""

    matrix: Parameter
    transposed: bool = False


@dataclass(frozen=True)
class Column:
    """A column vector: how a vector answers to a scalar. As a row: how a scalar answers to a vector."""

    expr: Expr
    row: bool = False


@dataclass(frozen=True)
class Number:
    """A number in front."""

    value: sympy.Expr


@dataclass(frozen=True)
class Move:
    """dW, dWᵀ or db: the parameter's own small change, where an immediate derivative ends."""

    parameter: Parameter
    transposed: bool = False


Factor = Diagonal | Weight | Column | Number | Move
FactorProduct = tuple[Factor, ...]


@dataclass(frozen=True)
class Edge:
    """One way in which `target`, `lag` steps ago, enters the equation of `source`: `term` is Jᵀ δ_source."""

    source: Symbol
    target: str
    lag: int
    term: Expr

    @property
    def factors(self) -> FactorProduct:
        """J. Raises DerivationError where it has no such form (the pull-back of a loss)."""
        return read_back(self.term, self.source)


@dataclass(frozen=True)
class Path:
    """A way from one value back to another: the product of the edges along it."""

    leaf: str
    lag: int
    factors: FactorProduct


def edges(phases: Iterable[Phase]) -> dict[str, tuple[Edge, ...]]:
    """Value → how the values that its equation reads enter it, for the phases that compute at a step."""
    found: dict[str, list[Edge]] = {}
    for phase in phases:
        for equation in phase.adjoint:
            for term in equation.terms:
                if not term.seed:
                    source = _cotangent(term.expr)
                    edge = Edge(source, equation.target.name, term.lag, term.expr)
                    found.setdefault(source.name, []).append(edge)
    return {name: tuple(group) for name, group in found.items()}


def parameter_edges(gradient: Gradient, phases: Collection[int]) -> dict[str, tuple[FactorProduct, ...]]:
    """Value → how the parameter's change enters its equation, for the phases that compute at a step."""
    found: dict[str, list[FactorProduct]] = {}
    assert isinstance(gradient.of, Parameter)
    for item in gradient.sums:
        if item.phase in phases:
            source = _cotangent(item.expr)
            found.setdefault(source.name, []).append(_moved(item.expr, source, gradient.of))
    return {name: tuple(group) for name, group in found.items()}


def paths(graph: Mapping[str, Sequence[Edge]], start: str) -> Iterator[Path]:
    """Every way from `start` back to a value of the step before."""
    for edge in graph.get(start, ()):
        if edge.lag:
            yield Path(edge.target, edge.lag, edge.factors)
        else:
            for rest in paths(graph, edge.target):
                yield replace(rest, factors=edge.factors + rest.factors)


def parameter_paths(
    graph: Mapping[str, Sequence[Edge]], entries: Mapping[str, Sequence[FactorProduct]], start: str
) -> Iterator[FactorProduct]:
    """Every way from `start` back to the parameter within one step."""
    yield from entries.get(start, ())
    for edge in graph.get(start, ()):
        if not edge.lag:
            for rest in parameter_paths(graph, entries, edge.target):
                yield edge.factors + rest


def count_paths(graph: Mapping[str, Sequence[Edge]], start: str) -> int:
    """How many ways lead from `start` back within one step, without walking them all."""
    counts: dict[str, int] = {}

    def count(name: str) -> int:
        if name not in counts:
            counts[name] = sum(1 if e.lag else max(count(e.target), 1) for e in graph.get(name, ()))
        return counts[name]

    return count(start)


def _cotangent(expr: Expr) -> Symbol:
    found = dict.fromkeys(s for s in symbols(expr) if s.role is Role.COTANGENT)
    if len(found) != 1:
        raise DerivationError(f"a term of an adjoint equation: expected one cotangent, found {len(found)}")
    return next(iter(found))


def read_back(expr: Expr, source: Symbol) -> FactorProduct:
    """J of a term that is Jᵀ δ."""
    match expr:
        case Symbol() if expr == source:
            return ()
        case MatVec(matrix=matrix, vector=vector, transposed=transposed):
            return (*read_back(vector, source), Weight(matrix, not transposed))
        case Map():
            return _read_back_map(expr, source)
        case Reduce(kind="sum", vector=vector):
            return _summed(read_back(vector, source), vector)
        case _:
            raise DerivationError(f"a term of an adjoint equation: no Jacobian for {type(expr).__name__}")


def _read_back_map(expr: Map, source: Symbol) -> FactorProduct:
    index = next(i for i, operand in enumerate(expr.args) if source in symbols(operand))
    operand = expr.args[index]
    slope = sympy.diff(expr.body, arg(index))
    sign, size = (-1, -slope) if _is_negative(slope) else (1, slope)
    before = read_back(operand, source) + ((Number(sympy.Integer(-1)),) if sign < 0 else ())
    if size.is_number and operand.shape == expr.shape:
        return before if size == 1 else (*before, Number(size))
    factor = elementwise(size, expr.args, expr.shape)
    if operand.shape == expr.shape:
        return (*before, Diagonal(factor))
    return (*before, Column(factor, row=True))


def _is_negative(slope: sympy.Expr) -> bool:
    return not isinstance(slope, sympy.Add) and slope.could_extract_minus_sign()


def _summed(product: FactorProduct, vector: Expr) -> FactorProduct:
    """J with the columns added up: diag(v) becomes the column v."""
    if product and isinstance(product[-1], Diagonal):
        return (*product[:-1], Column(product[-1].expr))
    return (*product, Column(constant(1, vector.shape)))


def _moved(expr: Expr, source: Symbol, parameter: Parameter) -> FactorProduct:
    """How du follows from dW, where the gradient is u's cotangent times what W multiplies."""
    match expr:
        case Outer(left=left, right=right) if source in symbols(left):
            return (*read_back(left, source), Move(parameter), Column(right))
        case Outer(left=left, right=right):
            return (*read_back(right, source), Move(parameter, transposed=True), Column(left))
        case _:
            return (*read_back(expr, source), Move(parameter))
