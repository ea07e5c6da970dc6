"""Pull-back rules, one per node kind: from the cotangent of y = f(x) to that of each x.

`pull(node, cotangent)` yields one `Pull` for every symbol and parameter that the node reads. Nothing
here knows about time, networks or losses; `derive.deriving.derivation` does the walk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sympy

from chalkgrad.derive.terms.algebra import (
    Expr,
    Map,
    MatVec,
    Others,
    OthersPull,
    Outer,
    Parameter,
    Reduce,
    Symbol,
    arg,
    arg_index,
    elementwise,
    is_zero,
    total,
)


@dataclass(frozen=True)
class Pull:
    """A contribution to the cotangent of `leaf`, of the leaf's own shape, and the rule that made it."""

    leaf: Symbol | Parameter
    contribution: Expr
    rule: str


def pull(node: Expr, cotangent: Expr, result: Symbol, rule: str = "same value") -> Iterator[Pull]:
    """Pull the cotangent of `node` back to its leaves; `result` is the symbol that has its value."""
    match node:
        case Symbol() | Parameter():
            yield Pull(node, cotangent, rule)
        case MatVec():
            yield from pull_matvec(node, cotangent, result)
        case Map():
            yield from pull_map(node, cotangent, result)
        case Reduce():
            yield from pull_reduce(node, cotangent, result)
        case Others():
            yield from pull(
                node.vector, OthersPull(cotangent, node.vector), result, "log-sum-exp of the others"
            )
        case _:
            raise TypeError(f"no pull-back for {type(node).__name__}")


def pull_matvec(node: MatVec, cotangent: Expr, result: Symbol) -> Iterator[Pull]:
    """y = W v with W: (n, m), v: (m,). A numeric factor of the cotangent is kept in front.

    W̄ += ȳ vᵀ   (n, m);  for y = Wᵀ v it is v ȳᵀ
    v̄ += Wᵀ ȳ   (m,);    for y = Wᵀ v it is W ȳ
    """
    factor, direction = _split_factor(cotangent)
    left, right = (node.vector, cotangent) if node.transposed else (cotangent, node.vector)
    rule = f"product with {node.matrix.name}"
    yield Pull(node.matrix, Outer(left, right), rule)
    back = MatVec(node.matrix, direction, not node.transposed)
    yield from pull(node.vector, elementwise(lambda v: factor * v, (back,)), result, rule)


def pull_map(node: Map, cotangent: Expr, result: Symbol) -> Iterator[Pull]:
    """y = f(x₁, x₂, …), componentwise: x̄ₖ += ∂f/∂xₖ ∗ ȳ; a scalar xₖ that was spread sums it up."""
    slopes = _slopes(node.body, len(node.args))
    for operand, slope in zip(node.args, slopes, strict=True):
        read = sorted(i for symbol in slope.free_symbols if (i := arg_index(symbol)) is not None)
        body = arg(0) * slope.xreplace({arg(i): arg(place) for place, i in enumerate(read, start=1)})
        part = elementwise(body, (cotangent, *(node.args[i] for i in read)), node.shape)
        if is_zero(part):
            continue
        rule = f"chain rule through {_function_name(node.body)}"
        if node.shape and not operand.shape:
            part, rule = total(part), "sum over the components that the scalar was spread to"
        yield from pull(operand, part, result, rule)


def _slopes(body: sympy.Expr, count: int) -> list[sympy.Expr]:
    """∂body/∂arg(i) for i < count; of a sum or a product only what reads arg(i) is differentiated."""
    parts: dict[sympy.Symbol, list[sympy.Expr]] = {}
    for part in body.args if isinstance(body, (sympy.Add, sympy.Mul)) else (body,):
        for symbol in part.free_symbols:
            parts.setdefault(symbol, []).append(part)

    def slope(by: sympy.Symbol) -> sympy.Expr:
        reading = parts.get(by, [])
        match body:
            case sympy.Add():
                return sympy.diff(sympy.Add(*reading), by)
            case sympy.Mul() if len(reading) == 1:
                others = (factor for factor in body.args if factor is not reading[0])
                return sympy.Mul(*others, sympy.diff(reading[0], by))
            case _:
                return sympy.diff(body, by)

    return [slope(arg(i)) for i in range(count)]


def pull_reduce(node: Reduce, cotangent: Expr, result: Symbol) -> Iterator[Pull]:
    """y = Σᵢ vᵢ: v̄ᵢ += ȳ.  y = log Σᵢ exp vᵢ: v̄ᵢ += exp(vᵢ − y) ȳ.  A maximum only shifts: nothing."""
    shape = node.vector.shape
    match node.kind:
        case "sum":
            spread = elementwise(lambda c: c, (cotangent,), shape)
            yield from pull(node.vector, spread, result, "sum over components")
        case "logsumexp":
            body = sympy.exp(arg(1) - arg(2)) * arg(0)
            part = elementwise(body, (cotangent, node.vector, result), shape)
            yield from pull(node.vector, part, result, "log-sum-exp")
        case "max":
            return
        case _:
            raise TypeError(f"no pull-back for the reduction {node.kind!r}")


def _split_factor(cotangent: Expr) -> tuple[sympy.Expr, Expr]:
    """k and v with cotangent = k v, k a number."""
    if isinstance(cotangent, Map) and len(cotangent.args) == 1:
        factor = cotangent.body / arg(0)
        if factor.is_number and cotangent.args[0].shape == cotangent.shape:
            return factor, cotangent.args[0]
    return sympy.Integer(1), cotangent


def _function_name(body: sympy.Expr) -> str:
    match body:
        case sympy.Function() if len(body.args) == 1:
            return str(body.func.__name__)
        case sympy.Add():
            return "the sum"
        case sympy.Mul():
            return "the product"
        case sympy.Pow():
            return "the power"
        case _:
            return "the elementwise map"
