"""Rewrites derivatives with values that the forward pass already has: 1 − tanh²(z) becomes 1 − a²."""

from __future__ import annotations

from collections.abc import Iterable

import sympy

from derive.deriving.steps import Step, is_arithmetic
from derive.terms.algebra import Expr, Map, arg, elementwise


def reuse(node: Expr, steps: Iterable[Step]) -> Expr:
    """The same elementwise expression, reading the values of `steps` instead of computing them again.

    A step v = f(args) is used where f(args) stands in the body, also inside a power or a quotient.
    Sums and products of values are left alone: naming them would hide the rule and save nothing. What is
    shorter with its products multiplied out is written so: y ∗ (ŷ − 1) + (1 − y) ∗ ŷ becomes ŷ − y.
    """
    if not isinstance(node, Map):
        return node
    for step in steps:
        value = step.value
        if not isinstance(value, Map) or not set(value.args) <= set(node.args) or not _worth(value.body):
            continue
        if value.shape not in ((), node.shape):  # numbers spread over components, where the node has none
            continue
        places = {arg(i): arg(node.args.index(a)) for i, a in enumerate(value.args)}
        known, fresh = value.body.xreplace(places), arg(len(node.args))
        body = _reading(node.body, known, fresh)
        if body.has(fresh):
            changed = elementwise(body, (*node.args, step.target), node.shape)
            if not isinstance(changed, Map):
                return changed
            node = changed
    expanded = sympy.expand_mul(node.body)
    if sympy.count_ops(expanded) < sympy.count_ops(node.body):
        return elementwise(expanded, node.args, node.shape)
    return node


def _reading(body: sympy.Expr, known: sympy.Expr, fresh: sympy.Symbol) -> sympy.Expr:
    """The body with `fresh` where `known` stands, also in powers of it; no root or quotient is undone."""
    if not isinstance(known, sympy.Pow):
        return body.subs(known, fresh)

    def is_power(node: sympy.Basic) -> bool:
        if not isinstance(node, sympy.Pow) or node.base != known.base:
            return False
        times = node.exp / known.exp
        return bool(times.is_Integer and (times > 0 if known.exp.is_Integer else not node.exp.is_Integer))

    return body.replace(is_power, lambda node: fresh ** (node.exp / known.exp))


def _worth(body: sympy.Expr) -> bool:
    quotient = any(isinstance(n, sympy.Pow) and n.exp.is_negative for n in sympy.preorder_traversal(body))
    return bool(body.free_symbols) and (quotient or not is_arithmetic(body))
