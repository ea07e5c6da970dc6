"""Our order of terms: SymPy sorts sums and products by its own rules, a reader expects the equation's.

Terms follow the arguments as the equation has them, positive ones first; a number leads a difference
(1 − a²) and ends a sum (x + 1). Every printer and the code generator share this order.
"""

from __future__ import annotations

import sympy

from chalkgrad.derive.terms.algebra import arg_index

_LAST = 1_000_000


def signed_terms(body: sympy.Expr) -> list[tuple[int, sympy.Expr]]:
    """The terms of a sum as (±1, term without its sign), in our order."""
    split = [_signed(term) for term in sympy.Add.make_args(body)]
    leads = any(sign < 0 for sign, _ in split)
    return sorted(split, key=lambda st: (st[0] < 0, _place(st[1], leads)))


def factors(body: sympy.Expr) -> tuple[sympy.Rational, list[sympy.Expr], list[sympy.Expr]]:
    """A product as (rational coefficient, numerator, denominator), both lists in our order."""
    coefficient = sympy.Integer(1)
    above: list[sympy.Expr] = []
    below: list[sympy.Expr] = []
    for factor in sympy.Mul.make_args(body):
        if factor.is_Rational:
            coefficient *= factor
        elif isinstance(factor, sympy.Pow) and factor.exp.is_Rational and factor.exp.is_negative:
            below.append(1 / factor)
        else:
            above.append(factor)
    return coefficient, sorted(above, key=_factor_place), sorted(below, key=_factor_place)


def _signed(term: sympy.Expr) -> tuple[int, sympy.Expr]:
    coefficient = sympy.Mul(*[f for f in sympy.Mul.make_args(term) if f.is_Rational])
    return (-1, -term) if coefficient.is_negative else (1, term)


def _indices(body: sympy.Expr) -> list[int]:
    found = (arg_index(s) for s in body.free_symbols)
    return sorted(i for i in found if i is not None)


def _place(term: sympy.Expr, number_leads: bool) -> tuple[object, ...]:
    indices = _indices(term)
    if not indices:
        return (-1 if number_leads else _LAST, [], sympy.default_sort_key(term))
    return (indices[0], indices, sympy.default_sort_key(term))


def _factor_place(factor: sympy.Expr) -> tuple[object, ...]:
    return (isinstance(factor, sympy.Add), _place(factor, number_leads=True))
