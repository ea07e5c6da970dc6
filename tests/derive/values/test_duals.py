"""Dual numbers against `sympy.diff` of the same expression."""

from __future__ import annotations

from typing import Any

import pytest
import sympy

from chalkgrad.derive.terms.algebra import arg
from chalkgrad.derive.terms.functions import leaky_relu, relu, sigmoid
from chalkgrad.derive.values.duals import Dual, Duals
from chalkgrad.derive.values.reals import context, number

REAL = context(60)
DUALS = Duals(60)
U, V = arg(0), arg(1)
POINT = {U: sympy.Rational(7, 5), V: sympy.Rational(3, 11)}
BODIES = [
    U * V,
    U / V,
    sympy.tanh(U) * sympy.exp(V),
    sigmoid(U - V),
    sympy.sqrt(V) ** 3,
    relu(U) + relu(-V),
    leaky_relu(-U * V),
]


def _inputs() -> list[Dual]:
    return [Dual(number(value, REAL), {i: REAL.one}) for i, value in enumerate(POINT.values())]


def _near(found: Any, expected: sympy.Expr) -> bool:
    return bool(abs(found - number(expected.doit().subs(POINT), REAL)) < REAL.mpf(10) ** -50)


@pytest.mark.parametrize("body", BODIES, ids=str)
def test_a_body(body: sympy.Expr) -> None:
    found = DUALS.compile(body, 2)(*_inputs())
    assert _near(found.value, body)
    for i, place in enumerate((U, V)):
        assert _near(found.tangent.get(i, 0), sympy.diff(body.doit(), place))


def test_sums_and_products() -> None:
    u, v = _inputs()
    total, product = DUALS.add([u, v, u]), DUALS.dot([u, v], [v, v])
    assert _near(total.value, 2 * U + V) and _near(product.value, U * V + V**2)
    assert total.tangent == {0: 2, 1: 1}
    assert _near(product.tangent[0], V) and _near(product.tangent[1], U + 2 * V)


def test_the_branch_not_taken_has_no_part() -> None:
    """An infinite slope there would make 0 · ∞ of the sum."""
    body = sympy.Piecewise((U, U > 0), (V, True))
    far = Dual(number(1, REAL), {1: REAL.inf})
    assert DUALS.compile(body, 2)(_inputs()[0], far).tangent == {0: 1}
