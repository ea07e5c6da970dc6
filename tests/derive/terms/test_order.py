"""The order of terms and factors: that of the arguments, whatever SymPy's is."""

from __future__ import annotations

import random

import pytest
import sympy

from chalkgrad.derive.terms.algebra import arg, size_symbol
from chalkgrad.derive.terms.functions import sigmoid
from chalkgrad.derive.terms.order import factors, signed_terms

p, q, r = arg(0), arg(1), arg(2)
half, n = sympy.Rational(1, 2), size_symbol("n")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (p, [(1, p)]),
        (-p, [(-1, p)]),
        (q + p, [(1, p), (1, q)]),
        (q - p, [(1, q), (-1, p)]),
        (-q - p, [(-1, p), (-1, q)]),
        (1 - p**2, [(1, sympy.S.One), (-1, p**2)]),
        (p + 1, [(1, p), (1, sympy.S.One)]),
        (p - 1, [(1, p), (-1, sympy.S.One)]),
        (1 + p - q, [(1, sympy.S.One), (1, p), (-1, q)]),
        (q * r + p * r, [(1, p * r), (1, q * r)]),
        (p * r + p * q, [(1, p * q), (1, p * r)]),
        (r - half * q, [(1, r), (-1, half * q)]),
        (p + n, [(1, p), (1, n)]),
        (sigmoid(q) - sigmoid(p) ** 2, [(1, sigmoid(q)), (-1, sigmoid(p) ** 2)]),
    ],
)
def test_terms(body: sympy.Expr, expected: list[tuple[int, sympy.Expr]]) -> None:
    assert signed_terms(body) == expected


@pytest.mark.parametrize(
    ("body", "coefficient", "above", "below"),
    [
        (p, 1, [p], []),
        (r * p * q, 1, [p, q, r], []),
        (-2 * q * p, -2, [p, q], []),
        (p / 3, sympy.Rational(1, 3), [p], []),
        (q * (1 - p), 1, [q, 1 - p], []),
        ((1 + q) * (1 - p), 1, [1 - p, 1 + q], []),
        (q / p, 1, [q], [p]),
        (1 / (q * p**2), 1, [], [p**2, q]),
        (3 / (2 * sympy.sqrt(p)), sympy.Rational(3, 2), [], [sympy.sqrt(p)]),
        (sympy.exp(-p) * q, 1, [sympy.exp(-p), q], []),
        (p / n, 1, [p], [n]),
        (n * p, 1, [n, p], []),
        (sympy.Integer(5), 5, [], []),
    ],
)
def test_factors(
    body: sympy.Expr, coefficient: sympy.Expr, above: list[sympy.Expr], below: list[sympy.Expr]
) -> None:
    assert factors(body) == (coefficient, above, below)


def test_the_tenth_argument_comes_after_the_second() -> None:
    """By number, not by the text of a placeholder."""
    order = [arg(i) for i in (0, 2, 9, 10, 11)]
    assert [term for _, term in signed_terms(sympy.Add(*order[::-1]))] == order
    assert factors(sympy.Mul(*order[::-1]))[1] == order


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_lost(seed: int) -> None:
    """The terms add up to the sum, the factors multiply to the product; positive terms are first."""
    rng = random.Random(seed)
    atoms = [arg(i) for i in range(4)] + [sigmoid(arg(1)), 1 - arg(2), n, half, sympy.Integer(-3)]

    def product() -> sympy.Expr:
        chosen = rng.sample(atoms, rng.randint(1, 4))
        return sympy.Mul(*(a ** rng.choice((1, 1, 2, -1, half, -half)) for a in chosen if a != -3), chosen[0])

    body = sympy.Add(*(rng.choice((1, -1)) * product() for _ in range(rng.randint(1, 5))))
    terms = signed_terms(body)
    assert sympy.Add(*(sign * term for sign, term in terms)) == body
    assert [sign for sign, _ in terms] == sorted((sign for sign, _ in terms), reverse=True)
    for _, term in terms:
        coefficient, above, below = factors(term)
        assert sympy.Mul(coefficient, *above, *(1 / b for b in below)) == term
        assert coefficient.is_Rational and not any(f.is_Rational for f in (*above, *below))
