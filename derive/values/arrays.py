"""NumPy arrays as numbers of a walk: one walk for many points, or for many seeds, beside each other.

Nothing is printed or executed as text: a SymPy expression becomes a list of operations on arrays.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
import sympy

from derive.terms.algebra import arg
from derive.values.walk import Numbers, written_out

Array: TypeAlias = Any  # numpy array of floats, or one float that stands for all places
_Operation: TypeAlias = tuple[Callable[..., Array], tuple[int, ...]]

_COMPARE: dict[type, Callable[[Array, Array], Array]] = {
    sympy.Le: operator.le,
    sympy.Lt: operator.lt,
    sympy.Ge: operator.ge,
    sympy.Gt: operator.gt,
    sympy.Eq: operator.eq,
    sympy.Ne: operator.ne,
}


class Arrays(Numbers[Array]):
    """float64, entry by entry; shapes of operands broadcast. NaN and ∞ follow IEEE."""

    def compile(self, body: sympy.Expr, count: int) -> Callable[..., Array]:
        return _Tape(written_out(body), count)

    def add(self, terms: Sequence[Array]) -> Array:
        return reduce(operator.add, terms, 0.0)

    def dot(self, left: Sequence[Array], right: Sequence[Array]) -> Array:
        return reduce(operator.add, map(operator.mul, left, right), 0.0)

    def maximum(self, entries: Sequence[Array]) -> Array:
        return reduce(np.maximum, entries)


class _Tape:
    """An expression as operations in order, each shared subexpression once."""

    def __init__(self, body: sympy.Expr, count: int) -> None:
        self._place: dict[sympy.Basic, int] = {arg(i): i for i in range(count)}
        self._count = count
        self._operations: list[_Operation] = []
        self._result = self._visit(body)

    def __call__(self, *values: Array) -> Array:
        known = list(values)
        for function, places in self._operations:
            known.append(function(*(known[p] for p in places)))
        return known[self._result]

    def _visit(self, node: sympy.Basic) -> int:
        if node not in self._place:
            function, operands = _operation(node)
            places = tuple(map(self._visit, operands))
            self._place[node] = self._count + len(self._operations)
            self._operations.append((function, places))
        return self._place[node]


def _operation(node: sympy.Basic) -> tuple[Callable[..., Array], tuple[sympy.Basic, ...]]:
    match node:
        case sympy.logic.boolalg.BooleanAtom():
            return _constant(bool(node)), ()
        case sympy.Number() | sympy.NumberSymbol():
            return _constant(float(node)), ()
        case sympy.Add():
            return (lambda *v: reduce(operator.add, v)), node.args
        case sympy.Mul():
            return (lambda *v: reduce(operator.mul, v)), node.args
        case sympy.Pow():
            return (lambda base, power: np.float64(1) * base**power), node.args
        case sympy.log(args=(sympy.Add(args=(sympy.S.One, *rest)),)):
            return np.log1p, (sympy.Add(*rest),)
        case sympy.exp() | sympy.log() | sympy.tanh() | sympy.sin() | sympy.cos():
            return getattr(np, type(node).__name__), node.args
        case sympy.Piecewise():
            return _choose, tuple(part for branch in node.args for part in branch.args)
        case sympy.core.relational.Relational():
            return _COMPARE[type(node)], node.args
        case sympy.And():
            return (lambda *v: reduce(np.logical_and, v)), node.args
        case sympy.Or():
            return (lambda *v: reduce(np.logical_or, v)), node.args
        case sympy.ITE():
            return np.where, node.args
        case sympy.Not():
            return np.logical_not, node.args
        case _:
            raise TypeError(f"{node}: no array is defined for {type(node).__name__}")


def _constant(value: float) -> Callable[[], Array]:
    return lambda: np.float64(value) if not isinstance(value, bool) else value


def _choose(*parts: Array) -> Array:
    """value, condition, value, condition, …: the first whose condition holds; NaN without any."""
    found: Array = np.nan
    for value, condition in reversed(list(zip(parts[::2], parts[1::2], strict=True))):
        found = np.where(condition, value, found)
    return found
