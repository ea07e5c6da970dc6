"""Changes of the numbers in a formula: without one that divides, without one at all, with another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import sympy

from chalkgrad.derive.checking.reading.scope import Scope
from chalkgrad.derive.checking.reading.tree import (
    Count,
    Factors,
    Num,
    StepNumber,
    Syntax,
    Total,
    places,
    product,
    put,
)
from chalkgrad.derive.terms.trees import walk


def averages(side: Syntax, scope: Scope) -> Iterator[Syntax]:
    """Without a constant that divides, a mean as a sum."""
    for path, factors, number in _constants(side):
        sign = "*" if number == 0 else factors.rest[number - 1][0]
        if sign == "/" or is_share(factors.children[number]):
            yield put(side, path, without(factors, number))
    for path, node in places(side):
        if isinstance(node, Total) and node.mean:
            yield put(side, path, replace(node, mean=False))


def is_share(node: Syntax) -> bool:
    """1/m, 1/T, 0.5: a number that averages."""
    if isinstance(node, Num):
        return bool(0 < node.value < 1)
    return isinstance(node, Factors) and any(sign == "/" for sign, _ in node.rest)


def constants(side: Syntax, scope: Scope) -> Iterator[Syntax]:
    """Without any constant factor."""
    for path, node, number in _constants(side):
        yield put(side, path, without(node, number))


def _constants(side: Syntax) -> Iterator[tuple[tuple[int, ...], Factors, int]]:
    for path, node in places(side):
        if isinstance(node, Factors):
            for number, factor in enumerate(node.children):
                if _is_plain_constant(factor):
                    yield path, node, number


def _is_plain_constant(node: Syntax) -> bool:
    return all(isinstance(n, (Num, Count, StepNumber, Factors)) for n in walk(node))


def without(node: Factors, number: int) -> Syntax:
    """The product without one of its factors; what stood behind a missing first factor divides 1."""
    if number:
        rest = node.rest[: number - 1] + node.rest[number:]
        return Factors(node.first, rest) if rest else node.first
    (sign, first), *others = node.rest
    if sign == "/":
        return Factors(Num(sympy.Integer(1)), node.rest)
    return Factors(first, tuple(others)) if others else first


def scaled(side: Syntax) -> Iterator[Syntax]:
    """A small number times the whole, or a part of it."""
    for number in (2, 3, 4):
        for factor in (Num(sympy.Integer(number)), Num(sympy.Rational(1, number))):
            yield product("*", (factor, side))
