"""Further changes of a formula: the terms of a softmax, and slips that have no name of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import sympy

from chalkgrad.derive.checking.explaining.constants import without
from chalkgrad.derive.checking.reading.scope import Scope
from chalkgrad.derive.checking.reading.tree import (
    Delta,
    Diag,
    Factors,
    FunctionCall,
    Num,
    Power,
    Slope,
    Sum,
    Syntax,
    Total,
    Turned,
    Value,
    added,
    negative,
    parts,
    product,
    put,
)
from chalkgrad.derive.terms.functions import ELEMENTWISE
from chalkgrad.derive.terms.trees import walk

_ONE, _TWO = Num(sympy.Integer(1)), sympy.Integer(2)


# ----------------------------------------------------------------------------- softmax


def cross_terms(side: Syntax, scope: Scope) -> Iterator[Syntax]:
    """diag(v) − v vᵀ where a softmax v was taken component by component."""
    outputs = [n for n in walk(side) if isinstance(n, Value) and n.name in scope.softmaxes]
    arguments = {z: v for v, z in scope.softmaxes.items()}
    calls = [
        n.inner for n in walk(side) if isinstance(n, FunctionCall) and n.primes and isinstance(n.inner, Value)
    ]
    outputs += [Value(arguments[z.name], z.index) for z in calls if z.name in arguments]
    for v in dict.fromkeys(outputs):
        argument = Value(scope.softmaxes[v.name], v.index)
        jacobian = Sum(((1, Diag(v)), (-1, Factors(v, (("@", Turned(v)),)))))
        if _is_slope(side, v, argument):
            yield jacobian
        for path, node in parts(side):
            match node:
                case Diag(inner=inner) if _is_slope(inner, v, argument):
                    yield put(side, path, jacobian)
                case Factors(rest=rest) if all(sign == "*" for sign, _ in rest):
                    for new in _spread(node, v, argument):
                        yield put(side, path, new)
                case _:
                    pass


def _is_slope(node: Syntax, v: Value, argument: Value) -> bool:
    """v (1 − v) in any form, v alone, or the derivative of some function at the logits."""
    if isinstance(node, Factors):
        return all(_is_share(factor, v, argument) for factor in node.children)
    return _is_share(node, v, argument)


def _is_share(node: Syntax, v: Value, argument: Value) -> bool:
    rest = Sum(((1, _ONE), (-1, v)))
    square = (Power(v, _TWO), product("*", (v, v)))
    whole = [Sum(((1, v), (-1, other))) for other in square]
    call = isinstance(node, FunctionCall) and node.primes > 0 and node.inner == argument
    return call or node in (v, rest, *square, *whole)


def _spread(node: Factors, v: Value, argument: Value) -> Iterator[Syntax]:
    """r ∗ v ∗ (1 − v) as v ∗ (r − Σ v r), with r all that is left; r ∗ (1 − v) as r − v Σ r."""
    shares = [factor for factor in node.children if _is_share(factor, v, argument)]
    others = [factor for factor in node.children if not _is_share(factor, v, argument)]
    if not shares or not others:
        return
    r = product("*", others)
    if v in shares or len(shares) == 1:
        weighed = Total(product("*", (v, r)))
        yield product("*", (v, Sum(((1, r), (-1, weighed)))))
    if v not in shares:
        yield added(r, negative(product("*", (v, Total(r)))))


# ----------------------------------------------------------------------------- slips without a name


def terms(side: Syntax, scope: Scope) -> Iterator[Syntax]:
    """Without one of the terms."""
    for path, node in parts(side):
        if isinstance(node, Sum) and len(node.terms) > 1:
            for number in range(len(node.terms)):
                kept = node.terms[:number] + node.terms[number + 1 :]
                alone = len(kept) == 1 and kept[0][0] > 0
                yield put(side, path, kept[0][1] if alone else Sum(kept))


def factors(side: Syntax, scope: Scope) -> Iterator[Syntax]:
    """Without one of the factors, or with two of them in the other order."""
    for path, node in parts(side):
        if isinstance(node, Factors):
            for number in range(len(node.rest) + 1):
                yield put(side, path, without(node, number))
            for number, (sign, _) in enumerate(node.rest):
                if sign != "/":
                    one, other = node.children[number : number + 2]
                    yield put(side, path, put(put(node, (number,), other), (number + 1,), one))


def products(side: Syntax, scope: Scope) -> Iterator[Syntax]:
    """@ for * and the reverse, at one sign or at all."""
    for path, node in parts(side):
        if isinstance(node, Factors):
            for number, (sign, factor) in enumerate(node.rest):
                if sign in "*@":
                    other = "@" if sign == "*" else "*"
                    rest = (*node.rest[:number], (other, factor), *node.rest[number + 1 :])
                    yield put(side, path, Factors(node.first, rest))
            everywhere = tuple(("@" if sign == "*" else sign, factor) for sign, factor in node.rest)
            yield put(side, path, Factors(node.first, everywhere))


def unwrapped(side: Syntax, scope: Scope) -> Iterator[Syntax]:
    """Without a function around a part."""
    for path, node in parts(side):
        if isinstance(node, FunctionCall):
            yield put(side, path, node.inner)


def functions(side: Syntax, scope: Scope) -> Iterator[Syntax]:
    """Another function or none, a prime more or less, another power, a diagonal for a vector."""
    yield from unwrapped(side, scope)
    for path, node in parts(side):
        match node:
            case FunctionCall(primes=primes, others=()):
                for by in (1, -1):
                    if primes + by >= 0 and node.function in ELEMENTWISE:
                        yield put(side, path, replace(node, primes=primes + by))
                for name in dict.fromkeys([*scope.derivation.model.functions.values(), "tanh", "sigmoid"]):
                    if name in ELEMENTWISE and name != node.function:
                        yield put(side, path, replace(node, function=name, name=name))
            case Power(inner=inner):
                yield put(side, path, inner)
                yield put(side, path, Power(inner, node.exponent + 1))
            case Value():
                yield put(side, path, Power(node, _TWO))
                yield put(side, path, Diag(node))
            case Diag(inner=inner):
                yield put(side, path, inner)
            case _:
                pass
    for path, node in parts(side):
        if isinstance(node, Factors):
            for number, factor in enumerate(node.children):
                if not isinstance(factor, (Diag, Turned)):
                    yield put(side, (*path, number), Diag(factor))


def further_factors(side: Syntax, scope: Scope) -> Iterator[Syntax]:
    """With one more factor: a value, what it lacks to 1, or the derivative of an activation."""
    named = [n.index for n in walk(side) if isinstance(n, (Value, Delta))]
    read = dict.fromkeys([*named, *(index.moved(-1) for index in named)])
    more: list[Syntax] = []
    for index in read:
        for name in scope.values:
            v = Value(name, index)
            more += [v, Sum(((1, _ONE), (-1, v))), Sum(((1, _ONE), (-1, Power(v, _TWO))))]
    for path, node in parts(side):
        if isinstance(node, (Delta, Factors, Slope, Sum, Value)):
            for factor in more:
                yield put(side, path, product("*", (node, factor)))
