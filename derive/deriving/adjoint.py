"""Pull-back rules, one per node kind: from the cotangent of y = f(x) to that of each x.

`pull(node, cotangent)` yields one `Pull` for every symbol and parameter that the node reads. Nothing
here knows about time, networks or losses; `derive.deriving.derivation` does the walk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sympy

from derive.terms.algebra import (
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
    for index, operand in enumerate(node.args):
        slope = sympy.diff(node.body, arg(index))
        places = {arg(i): arg(i + 1) for i in range(len(node.args))}
        body = arg(0) * slope.xreplace(places)
        part = elementwise(body, (cotangent, *node.args), node.shape)
        if is_zero(part):
            continue
        rule = f"chain rule through {_function_name(node.body)}"
        if node.shape and not operand.shape:
            part, rule = total(part), "sum over the components that the scalar was spread to"
        yield from pull(operand, part, result, rule)


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
