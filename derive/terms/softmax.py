"""softmax written out as exp, a sum and a maximum, and recognised again: it is not elementwise."""

from __future__ import annotations

from collections.abc import Mapping

import sympy

from chalkgrad.derive.terms.algebra import Expr, Map, Reduce, Symbol, arg, elementwise

_VALUE, _SHIFTED = sympy.exp(arg(0) - arg(1)), arg(0) - arg(1)
_Named = Mapping[Symbol, Expr]


def softmax(z: Expr) -> Expr:
    """exp(u − log Σ exp u) with u = z − max z, (n,) to (n,): the shift keeps exp from overflowing."""
    u = elementwise(_SHIFTED, (z, Reduce("max", z)))
    return elementwise(_VALUE, (u, Reduce("logsumexp", u)))


def softmax_parts(node: Expr, named: _Named | None = None) -> tuple[Expr, Expr] | None:
    """u and log Σ exp u where the node is their softmax, else None.

    named: what symbols stand for, where parts of it have names.
    """
    match _meant(node, named):
        case Map(body=body, args=(u, normaliser)) if body == _VALUE:
            return (u, normaliser) if _meant(normaliser, named) == Reduce("logsumexp", u) else None
        case _:
            return None


def softmax_argument(node: Expr, named: _Named | None = None) -> Expr | None:
    """z where the node is `softmax(z)`, else None."""
    parts = softmax_parts(node, named)
    match parts and _meant(parts[0], named):
        case Map(body=body, args=(z, shift)) if body == _SHIFTED:
            return z if _meant(shift, named) == Reduce("max", z) else None
        case _:
            return None


def _meant(node: Expr, named: _Named | None) -> Expr:
    while isinstance(node, Symbol) and named is not None and node in named:
        node = named[node]
    return node
