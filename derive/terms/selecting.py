"""A product with a choice selects: where a slope is 0 by convention, 0 goes on whatever arrives.

A pull-back writes δ ∗ 1[z > 0]. As a product of numbers that is NaN where δ is infinite or NaN; what is meant
is δ where z > 0 and 0 elsewhere. Everything that puts numbers into a body reads it through `selecting`.
"""

from __future__ import annotations

import sympy
from sympy import Mul, Piecewise


def selecting(body: sympy.Expr) -> sympy.Expr:
    """The body with every product that has a Piecewise among its factors as a Piecewise of products."""
    return body.replace(_has_choice, _distributed) if body.has(Piecewise) else body


def _has_choice(node: sympy.Basic) -> bool:
    return isinstance(node, Mul) and any(isinstance(factor, Piecewise) for factor in node.args)


def _distributed(product: Mul) -> sympy.Expr:
    choice = next(factor for factor in product.args if isinstance(factor, Piecewise))
    others = Mul(*(factor for factor in product.args if factor is not choice))
    if others.is_number:
        return product
    return Piecewise(*((selecting(value * others), condition) for value, condition in choice.args))
