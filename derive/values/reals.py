"""Real numbers of any precision, on mpmath."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from typing import Any

import mpmath
import sympy

from chalkgrad.derive.terms.algebra import arg
from chalkgrad.derive.terms.functions import Function
from chalkgrad.derive.values.tape import Arithmetic, Tape
from chalkgrad.derive.values.walk import Numbers

Real = Any  # an mpf of the context that owns it; mpmath has no types


@cache
def context(digits: int) -> Any:
    """An mpmath context of its own for each precision: nobody else's precision is touched."""
    made = mpmath.MPContext()
    made.dps = digits
    return made


class _OnReals(Arithmetic[Real]):
    """Operations of one mpmath context, on reals: what would be complex is NaN."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def number(self, value: sympy.Expr) -> Real:
        return number(value, self._real)

    def sum(self, terms: Sequence[Real]) -> Real:
        return self._real.fsum(terms)

    def power(self, base: Real, exponent: Real) -> Real:
        real = self._real
        if base == 0 and exponent < 0:
            return real.inf
        if base < 0 and not real.isint(exponent):
            return real.nan
        return real.power(base, int(exponent)) if real.isint(exponent) else real.power(base, exponent)

    def function(self, function: Function) -> Callable[..., Real] | None:
        if not function.real:
            return None
        method, real = getattr(self._real, function.real), self._real

        def value(*args: Real) -> Real:
            found = method(*args)
            return found if isinstance(found, real.mpf) else real.nan

        return value

    def choose(self, pairs: Sequence[tuple[Real, Any]]) -> Real:
        return next((value for value, condition in pairs if condition), self._real.nan)


def tape(exprs: Sequence[sympy.Expr], symbols: Sequence[sympy.Symbol], real: Any) -> Tape[Real]:
    """The expressions as functions of `symbols`, on the numbers of an mpmath context."""
    return Tape(exprs, symbols, _OnReals(real))


def number(value: Any, real: Any) -> Real:
    """A number as the context's own. Rationals are rounded once."""
    match value:
        case sympy.Rational():
            return real.mpf(value.p) / value.q
        case Fraction():
            return real.mpf(value.numerator) / value.denominator
        case sympy.Basic():
            digits = real.dps + 5
            return real.convert(sympy.N(value, digits)._to_mpmath(real.prec))
        case _:
            return real.mpf(value)


class Reals(Numbers[Real]):
    """Numbers of `digits` decimal digits."""

    def __init__(self, digits: int) -> None:
        self.context = context(digits)

    def compile(self, body: sympy.Expr, count: int) -> Callable[..., Real]:
        found = _compiled(body, count, self.context)
        return lambda *values: found(*values)[0]

    def add(self, terms: Sequence[Real]) -> Real:
        return self.context.fsum(terms)

    def dot(self, left: Sequence[Real], right: Sequence[Real]) -> Real:
        return self.context.fdot(zip(left, right, strict=True))

    def maximum(self, entries: Sequence[Real]) -> Real:
        """NaN passes."""
        return next((v for v in entries if v != v), max(entries))


@cache
def _compiled(body: sympy.Expr, count: int, real: Any) -> Tape[Real]:
    return tape([body], [arg(i) for i in range(count)], real)
