"""Terms of adjoint equations in either layout, and Jacobians as products of diag(…), matrices and columns.

Gradient layout: δ is a column, as the derivation has it. Numerator layout: δ is a row, and a term is
δ_u · ∂⁺u/∂v, read back from the same term. Nothing is computed twice: a layout only writes.
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy

from chalkgrad.derive.chaining.jacobian import Column, Factor, Move, Number, Weight, read_back
from chalkgrad.derive.chaining.jacobian import Diagonal as Diag
from chalkgrad.derive.choices import Layout
from chalkgrad.derive.claims.formula import Change, Constant, Diagonal, Formula, Laid, Of, Product, Turned
from chalkgrad.derive.deriving.derivation import Sum, Term
from chalkgrad.derive.terms.algebra import (
    Expr,
    Map,
    OthersPull,
    Outer,
    Role,
    Shape,
    StepLike,
    Symbol,
    elementwise,
    symbols,
)
from chalkgrad.derive.terms.trees import walk

ONE = sympy.Integer(1)


def source(expr: Expr) -> Symbol | None:
    """The cotangent that a term is linear in; None for one that starts at the loss or outside."""
    found = [s for s in symbols(expr) if s.role is Role.COTANGENT]
    return found[0] if found else None


def term_formula(term: Term, step: StepLike, layout: Layout) -> Formula:
    """A term of an adjoint equation as it stands at `step`."""
    return _laid(term.at_t, step, layout)


def sum_formula(part: Sum, step: StepLike, layout: Layout) -> Formula:
    """What a parameter's gradient gets at `step`; in numerator layout of the transposed shape."""
    return _laid(part.expr, step, layout)


def _laid(expr: Expr, step: StepLike, layout: Layout) -> Formula:
    if layout == "gradient":
        return Of(expr, step)
    start = source(expr)
    match expr:
        case _ if start is None:
            return Turned(Of(expr, step)) if expr.shape else Of(expr, step)
        case Outer(left=left, right=right) if start in symbols(left):
            return Product((Of(right, step), row_formula(left, start, step)))
        case Outer(left=left, right=right):
            return Product((Turned(row_formula(right, start, step)), Turned(Of(left, step))))
        case _ if any(isinstance(node, OthersPull) for node in walk(expr)):
            return Laid(Of(expr, step))  # written in components, which have no layout
        case _:
            return row_formula(expr, start, step)


def row_formula(expr: Expr, start: Symbol, step: StepLike) -> Formula:
    """δ_u J, where the expression is Jᵀ δ_u."""
    factors = tuple(factor_formula(f, step) for f in read_back(expr, start))
    delta = Laid(Of(start, step)) if start.shape else Of(start, step)
    return Product((delta, *factors)) if factors else delta


def jacobian_formula(product: Sequence[Factor], step: StepLike, shape: Shape) -> Formula:
    """The factors as one matrix; `shape` of the unit matrix where only scalars stand."""
    factors = tuple(factor_formula(f, step) for f in product)
    if shape and all(_is_scalar(f) for f in product):
        factors = (*factors, Constant(ONE, (*shape, *shape), unit=True))
    return factors[0] if len(factors) == 1 else Product(factors or (Constant(ONE),))


def factor_formula(factor: Factor, step: StepLike) -> Formula:
    """One factor as it stands at `step`."""
    match factor:
        case Number(value=value):
            return Constant(value)
        case Diag(expr=expr):
            return Of(_unspread(expr), step) if _spreads(expr) else Diagonal(Of(expr, step))
        case Weight(matrix=matrix, transposed=transposed):
            return Turned(Of(matrix, step)) if transposed else Of(matrix, step)
        case Column(expr=expr, row=row):
            inner = _ones(expr, step) if expr.shape and _spreads(expr) else Of(expr, step)
            return Turned(inner) if row and expr.shape else inner
        case Move(parameter=parameter, transposed=transposed):
            change = Change(parameter.name)
            return Turned(change) if transposed else change
        case _:
            raise TypeError(f"no formula for {type(factor).__name__}")


def _is_scalar(factor: Factor) -> bool:
    return isinstance(factor, Number) or (isinstance(factor, Diag) and _spreads(factor.expr))


def _spreads(expr: Expr) -> bool:
    """Whether the same number stands in every component."""
    return not expr.shape or (isinstance(expr, Map) and not any(a.shape for a in expr.args))


def _unspread(expr: Expr) -> Expr:
    """The number that stands in every component."""
    return elementwise(expr.body, expr.args, ()) if isinstance(expr, Map) and expr.shape else expr


def _ones(expr: Expr, step: StepLike) -> Formula:
    """The same number in every component, as that number times a column of ones."""
    ones, number = Constant(ONE, expr.shape), _unspread(expr)
    if isinstance(number, Map) and number.body == 1:
        return ones
    return Product((Of(number, step), ones))
