"""Real numbers of any precision: SymPy expressions on mpmath, without printing or executing code."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from typing import Any

import mpmath
import sympy

from derive.terms.algebra import arg
from derive.terms.functions import Named
from derive.values.walk import Numbers

Real = Any  # an mpf of the context that owns it; mpmath has no types


@cache
def context(digits: int) -> Any:
    """An mpmath context of its own for each precision: nobody else's precision is touched."""
    made = mpmath.MPContext()
    made.dps = digits
    return made


class Tape:
    """Expressions as one list of operations on numbers, each shared subexpression once.

    Calling it with a number for each of `symbols` runs the list and gives a number for each expression.
    NaN and ∞ follow IEEE: a logarithm or a root of a negative number is NaN, 1/0 is ∞. log(1 + u) keeps
    its accuracy where u is small. Raises TypeError for a function that it does not know.
    """

    def __init__(self, exprs: Sequence[sympy.Expr], symbols: Sequence[sympy.Symbol], real: Any) -> None:
        self._real = real
        self._count = len(symbols)
        self._place: dict[sympy.Basic, int] = {symbol: i for i, symbol in enumerate(symbols)}
        self._operations: list[tuple[Callable[..., Any], tuple[int, ...]]] = []
        self._results = [self._visit(expr) for expr in exprs]

    def __call__(self, *values: Real) -> list[Real]:
        known: list[Any] = list(values)
        for function, places in self._operations:
            known.append(function(*[known[p] for p in places]))
        return [known[p] for p in self._results]

    def _visit(self, node: sympy.Basic) -> int:
        if isinstance(node, Named):
            return self._visit(node.definition(*node.args))
        if node not in self._place:
            function, operands = self._operation(node)
            places = tuple(self._visit(operand) for operand in operands)
            self._place[node] = self._count + len(self._operations)
            self._operations.append((function, places))
        return self._place[node]

    def _operation(self, node: sympy.Basic) -> tuple[Callable[..., Any], tuple[sympy.Basic, ...]]:
        real = self._real
        match node:
            case sympy.Number() | sympy.NumberSymbol() | sympy.logic.boolalg.BooleanAtom():
                value = number(node, real)
                return (lambda: value), ()
            case sympy.Add():
                return (lambda *v: real.fsum(v)), node.args
            case sympy.Mul():
                return (lambda *v: _product(v)), node.args
            case sympy.Pow():
                return (lambda base, power: _power(real, base, power)), node.args
            case sympy.log(args=(sympy.Add(args=(sympy.S.One, *rest)),)):
                return (lambda v: _logarithm(real.log1p, real, v, -1)), (sympy.Add(*rest),)
            case sympy.log():
                return (lambda v: _logarithm(real.log, real, v, 0)), node.args
            case sympy.exp() | sympy.tanh() | sympy.sin() | sympy.cos():
                return getattr(real, type(node).__name__), node.args
            case sympy.Piecewise():
                parts = [part for branch in node.args for part in branch.args]
                return (lambda *v: _choose(v, real)), tuple(parts)
            case sympy.core.relational.Relational():
                return _COMPARE[type(node)], node.args
            case sympy.And():
                return (lambda *v: all(v)), node.args
            case sympy.Or():
                return (lambda *v: any(v)), node.args
            case sympy.ITE():
                return (lambda condition, yes, no: yes if condition else no), node.args
            case sympy.Not():
                return operator.not_, node.args
            case _:
                raise TypeError(f"{node}: no numerical value is defined for {type(node).__name__}")


_COMPARE: dict[type, Callable[[Any, Any], bool]] = {
    sympy.Le: operator.le,
    sympy.Lt: operator.lt,
    sympy.Ge: operator.ge,
    sympy.Gt: operator.gt,
    sympy.Eq: operator.eq,
    sympy.Ne: operator.ne,
}


def number(value: Any, real: Any) -> Any:
    """A number, or a truth value, as the context's own. Rationals are rounded once."""
    match value:
        case sympy.logic.boolalg.BooleanAtom():
            return bool(value)
        case sympy.Rational():
            return real.mpf(value.p) / value.q
        case Fraction():
            return real.mpf(value.numerator) / value.denominator
        case sympy.Basic():
            digits = real.dps + 5
            return real.convert(sympy.N(value, digits)._to_mpmath(real.prec))
        case _:
            return real.mpf(value)


def _product(factors: Sequence[Real]) -> Real:
    result = factors[0]
    for factor in factors[1:]:
        result = result * factor
    return result


def _power(real: Any, base: Real, power: Real) -> Real:
    if base == 0 and power < 0:
        return real.inf
    if base < 0 and not real.isint(power):
        return real.nan
    return real.power(base, int(power)) if real.isint(power) else real.power(base, power)


def _logarithm(function: Callable[[Real], Real], real: Any, value: Real, pole: int) -> Real:
    if value == pole:
        return -real.inf
    return function(value) if value > pole else real.nan


def _choose(parts: Sequence[Any], real: Any) -> Any:
    for value, condition in zip(parts[::2], parts[1::2], strict=True):
        if condition:
            return value
    return real.nan


class Reals(Numbers[Real]):
    """Numbers of `digits` decimal digits."""

    def __init__(self, digits: int) -> None:
        self.context = context(digits)

    def compile(self, body: sympy.Expr, count: int) -> Callable[..., Real]:
        tape = _tape(body, count, self.context)
        return lambda *values: tape(*values)[0]

    def add(self, terms: Sequence[Real]) -> Real:
        return self.context.fsum(terms)

    def dot(self, left: Sequence[Real], right: Sequence[Real]) -> Real:
        return self.context.fdot(zip(left, right, strict=True))

    def maximum(self, entries: Sequence[Real]) -> Real:
        """NaN passes."""
        return next((v for v in entries if v != v), max(entries))


@cache
def _tape(body: sympy.Expr, count: int, real: Any) -> Tape:
    return Tape([body], [arg(i) for i in range(count)], real)
