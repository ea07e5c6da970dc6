"""Dual numbers: values with their derivatives along many directions, carried forwards.

Every local derivative is `sympy.diff` of an equation's body. The chain rule is applied from the inputs to
the loss, so that nothing of the recurrence that runs backwards is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy

from chalkgrad.derive.terms.algebra import arg
from chalkgrad.derive.terms.functions import written_out
from chalkgrad.derive.values.reals import Real, Reals, tape
from chalkgrad.derive.values.walk import Numbers


@dataclass(frozen=True)
class Dual:
    """A value and its derivative along each direction, zero along those that are missing."""

    value: Real
    tangent: Mapping[int, Real]


class Duals(Numbers[Dual]):
    """Dual numbers of `digits` decimal digits."""

    def __init__(self, digits: int) -> None:
        self._reals = Reals(digits)

    def compile(self, body: sympy.Expr, count: int) -> Callable[..., Dual]:
        plain, places = written_out(body), [arg(i) for i in range(count)]
        slopes = (sympy.diff(plain, place) for place in places)
        both = tape([plain, *slopes], places, self._reals.context)

        def function(*args: Dual) -> Dual:
            value, *partials = both(*(a.value for a in args))
            return Dual(value, self._combined(zip(partials, args, strict=True)))

        return function

    def add(self, terms: Sequence[Dual]) -> Dual:
        value = self._reals.add([term.value for term in terms])
        return Dual(value, self._combined((1, term) for term in terms))

    def dot(self, left: Sequence[Dual], right: Sequence[Dual]) -> Dual:
        value = self._reals.dot([u.value for u in left], [v.value for v in right])
        products = (pair for u, v in zip(left, right, strict=True) for pair in ((v.value, u), (u.value, v)))
        return Dual(value, self._combined(products))

    def maximum(self, entries: Sequence[Dual]) -> Dual:
        """No tangent: the result does not depend on the shift."""
        return Dual(self._reals.maximum([entry.value for entry in entries]), {})

    def _combined(self, terms: Iterable[tuple[Any, Dual]]) -> Mapping[int, Real]:
        """Σ factor · tangent; a factor of 0 takes no part, whatever stands on the branch not taken."""
        total: dict[int, Real] = {}
        for factor, dual in terms:
            if factor != 0:
                for direction, slope in dual.tangent.items():
                    known = total.get(direction)
                    total[direction] = factor * slope if known is None else known + factor * slope
        return total
