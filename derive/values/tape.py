"""SymPy expressions as a list of operations on numbers of any kind, without printing or executing code."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, Generic, TypeAlias, TypeVar

import sympy

from chalkgrad.derive.terms.functions import LOG1P, Function, Named, function_of

N = TypeVar("N")
_Operation: TypeAlias = tuple[Callable[..., Any], tuple[sympy.Basic, ...]]


class Arithmetic(ABC, Generic[N]):
    """What a tape needs from a kind of number. + − * and comparisons are those of the numbers themselves."""

    @abstractmethod
    def number(self, value: sympy.Expr) -> N:
        """A number of SymPy's."""

    @abstractmethod
    def sum(self, terms: Sequence[N]) -> N:
        """Σ terms, one or more."""

    @abstractmethod
    def power(self, base: N, exponent: N) -> N:
        """base ** exponent as IEEE has it: NaN for the root of a negative number, ∞ for 1/0."""

    @abstractmethod
    def function(self, function: Function) -> Callable[..., N] | None:
        """The function on these numbers; None if it is evaluated by what it means."""

    @abstractmethod
    def choose(self, pairs: Sequence[tuple[N, Any]]) -> N:
        """The first value whose condition holds; NaN without any."""


class Tape(Generic[N]):
    """Expressions as one list of operations on numbers, each shared subexpression once.

    Calling it with a number for each of `symbols` runs the list and gives a number for each expression.
    NaN and ∞ follow IEEE. log(1 + u) keeps its accuracy where u is small. Raises TypeError for a function
    that it does not know.
    """

    def __init__(
        self, exprs: Sequence[sympy.Expr], symbols: Sequence[sympy.Symbol], numbers: Arithmetic[N]
    ) -> None:
        self._numbers = numbers
        self._count = len(symbols)
        self._place: dict[sympy.Basic, int] = {symbol: i for i, symbol in enumerate(symbols)}
        self._operations: list[tuple[Callable[..., Any], tuple[int, ...]]] = []
        self._results = [self._visit(expr) for expr in exprs]

    def __call__(self, *values: N) -> list[N]:
        known: list[Any] = list(values)
        for function, places in self._operations:
            known.append(function(*[known[p] for p in places]))
        return [known[p] for p in self._results]

    def _visit(self, node: sympy.Basic) -> int:
        if isinstance(node, Named) and self._applied(node) is None:
            return self._visit(node.definition(*node.args))
        if node not in self._place:
            function, operands = self._operation(node)
            places = tuple(self._visit(operand) for operand in operands)
            self._place[node] = self._count + len(self._operations)
            self._operations.append((function, places))
        return self._place[node]

    def _applied(self, node: sympy.Basic) -> _Operation | None:
        """A function that these numbers have, and what it is applied to."""
        function: Function | None
        match node:
            case sympy.log(args=(sympy.Add(args=(sympy.S.One, *rest)),)):
                function, operands = LOG1P, (sympy.Add(*rest),)
            case _:
                function, operands = function_of(node), node.args
        found = None if function is None else self._numbers.function(function)
        return None if found is None else (found, operands)

    def _operation(self, node: sympy.Basic) -> _Operation:
        numbers = self._numbers
        match node:
            case sympy.logic.boolalg.BooleanAtom():
                truth = bool(node)
                return (lambda: truth), ()
            case sympy.Number() | sympy.NumberSymbol():
                value = numbers.number(node)
                return (lambda: value), ()
            case sympy.Add():
                return (lambda *v: numbers.sum(v)), node.args
            case sympy.Mul():
                return (lambda *v: reduce(operator.mul, v)), node.args
            case sympy.Pow():
                return numbers.power, node.args
            case sympy.Piecewise():
                parts = tuple(part for branch in node.args for part in branch.args)
                return (lambda *v: numbers.choose(list(zip(v[::2], v[1::2], strict=True)))), parts
            case sympy.ITE():
                return (lambda condition, yes, no: numbers.choose([(yes, condition), (no, True)])), node.args
            case sympy.core.relational.Relational():
                return _COMPARE[type(node)], node.args
            case sympy.And():
                return (lambda *v: reduce(operator.and_, v)), node.args
            case sympy.Or():
                return (lambda *v: reduce(operator.or_, v)), node.args
            case sympy.Not():
                return (lambda v: v ^ True), node.args
            case _ if (applied := self._applied(node)) is not None:
                return applied
            case _:
                raise TypeError(f"{node}: no numerical value is defined for {type(node).__name__}")


_COMPARE: dict[type, Callable[[Any, Any], Any]] = {
    sympy.Le: operator.le,
    sympy.Lt: operator.lt,
    sympy.Ge: operator.ge,
    sympy.Gt: operator.gt,
    sympy.Eq: operator.eq,
    sympy.Ne: operator.ne,
}
