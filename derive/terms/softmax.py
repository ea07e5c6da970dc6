"""softmax written out as exp, a sum and a maximum, and recognised again: it is not elementwise."""

from __future__ import annotations

import sympy

from derive.terms.algebra import Expr, Map, Reduce, arg, elementwise

_VALUE, _SHIFTED = sympy.exp(arg(0) - arg(1)), arg(0) - arg(1)


def softmax(z: Expr) -> Expr:
    """exp(u − log Σ exp u) with u = z − max z, (n,) to (n,): the shift keeps exp from overflowing."""
    u = elementwise(_SHIFTED, (z, Reduce("max", z)))
    return elementwise(_VALUE, (u, Reduce("logsumexp", u)))


def softmax_argument(node: Expr) -> Expr | None:
    """z where the node is `softmax(z)`, else None."""
    if not isinstance(node, Map) or node.body != _VALUE or len(node.args) != 2:
        return None
    u, normaliser = node.args
    if normaliser != Reduce("logsumexp", u) or not isinstance(u, Map):
        return None
    if u.body != _SHIFTED or len(u.args) != 2 or u.args[1] != Reduce("max", u.args[0]):
        return None
    return u.args[0]
