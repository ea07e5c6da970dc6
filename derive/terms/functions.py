"""The functions that equations may call, each defined once, as a SymPy Lambda.

tanh, exp, log, sin, cos and powers are SymPy's own. The rest become named SymPy functions, so that a
derivation can print σ(z) for 1/(1 + e⁻ᶻ); their derivatives are worked out by SymPy from the Lambda
and, where that is possible, written in the function's own value: σ′(z) = σ(z) − σ(z)².
softmax, sum and mean are not elementwise: `derive.cells.parse` builds them from exp, sum and max.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import sympy
from sympy import Lambda, Piecewise, cos, exp, log, sin, sqrt, tanh

_z = sympy.Symbol("z")


class Named(sympy.Function):
    """A function kept by name. `definition` is what it means; nothing else is known about it."""

    definition: Lambda
    nargs = 1

    @classmethod
    def eval(cls, z: sympy.Expr) -> sympy.Expr | None:
        """The exact value at 0; elsewhere the function stays as it is."""
        return cls.definition(z) if z.is_zero else None

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return derivative(type(self))(self.args[0])  # type: ignore[arg-type]

    def _eval_evalf(self, prec: int) -> Any:
        return self.definition(self.args[0])._eval_evalf(prec)

    def doit(self, **hints: Any) -> sympy.Expr:
        """The function written out."""
        argument = self.args[0].doit(**hints) if hints.get("deep", True) else self.args[0]
        return self.definition(argument)


class sigmoid(Named):
    """σ(z) = 1/(1 + e⁻ᶻ)"""

    definition = Lambda(_z, 1 / (1 + exp(-_z)))

    @classmethod
    def eval(cls, z: sympy.Expr) -> sympy.Expr | None:
        """σ(−z) is written 1 − σ(z), the value that a forward pass has."""
        if not z.is_Number and z.could_extract_minus_sign():
            return 1 - cls(-z)
        return super().eval(z)


class softplus(Named):
    """log(1 + eᶻ)"""

    definition = Lambda(_z, log(1 + exp(_z)))


class relu(Named):
    """max(0, z); the derivative at 0 is 0, and NaN passes."""

    definition = Lambda(_z, Piecewise((0, _z <= 0), (_z, True)))


class leaky_relu(Named):
    """z for z > 0, z/100 otherwise, which is also its slope at 0."""

    definition = Lambda(_z, Piecewise((_z / 100, _z <= 0), (_z, True)))


ELEMENTWISE: dict[str, Callable[[sympy.Expr], sympy.Expr]] = {
    "tanh": tanh,
    "sigmoid": sigmoid,
    "relu": relu,
    "leaky_relu": leaky_relu,
    "softplus": softplus,
    "exp": exp,
    "log": log,
    "sqrt": sqrt,
    "square": Lambda(_z, _z**2),
    "sin": sin,
    "cos": cos,
    "identity": Lambda(_z, _z),
}
NAMES = (*ELEMENTWISE, "softmax", "sum", "mean")

_w, _s = sympy.symbols("w s", positive=True)
_NAMED: tuple[type[Named], ...] = (sigmoid, softplus, relu, leaky_relu)


@cache
def derivative(function: type[Named]) -> Lambda:
    """f′ as a Lambda, differentiated by SymPy from the definition of f.

    If f′ equals a function known by name, it is that one: softplus′ = σ. Otherwise, if e^z can be solved
    for from s = f(z), f′ is written in f(z): σ′ = σ − σ². Otherwise it stands as SymPy gives it.
    """
    body = sympy.diff(function.definition(_z), _z)
    if body.has(Piecewise):
        return Lambda(_z, sympy.piecewise_fold(body))
    for other in _NAMED:
        if other is not function and sympy.cancel(_in_w(body - other.definition(_z))) == 0:
            return Lambda(_z, other(_z))
    # s = f(z) is linear in w = e^z: s · denominator − numerator = slope · w + rest = 0
    numerator, denominator = sympy.fraction(sympy.cancel(_in_w(function.definition(_z))))
    line = sympy.expand(_s * denominator - numerator)
    slope, rest = line.coeff(_w, 1), line.coeff(_w, 0)
    if not line.has(_z) and sympy.expand(line - slope * _w - rest) == 0:
        in_value = sympy.cancel(_in_w(body).subs(_w, -rest / slope))
        return Lambda(_z, sympy.expand(in_value).subs(_s, function(_z)))
    return Lambda(_z, body)


def _in_w(body: sympy.Expr) -> sympy.Expr:
    """The expression with e^z written w, rational where it was one in e^z."""
    return body.subs(exp(-_z), 1 / _w).subs(exp(_z), _w)
