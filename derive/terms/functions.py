"""The functions that equations may call, one record each: all that is known about a function stands there.

tanh, exp, log, sin, cos and powers are SymPy's own. The rest become named SymPy functions, so that a
derivation can print σ(z) for 1/(1 + e⁻ᶻ); their derivatives are worked out by SymPy from the Lambda
and, where that is possible, written in the function's own value: σ′(z) = σ(z) − σ(z)².
softmax, sum and mean are not elementwise: `derive.cells.parse` builds them from exp, sum and max.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import sympy
from sympy import Lambda, Piecewise, cos, exp, log, sin, sqrt, tanh

_z = sympy.Symbol("z")


class Named(sympy.Function):
    """A function kept by name. `definition` is what it means; nothing else is known about it."""

    definition: Lambda
    nargs = 1

    @classmethod
    def eval(cls, *args: sympy.Expr) -> sympy.Expr | None:
        """The exact value at 0; elsewhere the function stays as it is."""
        return cls.definition(*args) if all(z.is_zero for z in args) else None

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return derivative(type(self), argindex)(*self.args)  # type: ignore[arg-type]

    def _eval_evalf(self, prec: int) -> Any:
        return self.definition(*self.args)._eval_evalf(prec)

    def doit(self, **hints: Any) -> sympy.Expr:
        """The function written out."""
        deep = hints.get("deep", True)
        return self.definition(*(z.doit(**hints) if deep else z for z in self.args))


class sigmoid(Named):
    """σ(z) = 1/(1 + e⁻ᶻ)"""

    definition = Lambda(_z, 1 / (1 + exp(-_z)))

    @classmethod
    def eval(cls, *args: sympy.Expr) -> sympy.Expr | None:
        """σ(−z) is written 1 − σ(z), the value that a forward pass has."""
        (z,) = args
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


# ----------------------------------------------------------------------------- the records


@dataclass(frozen=True)
class Function:
    """An elementwise function, from its name in an equation to how it is written and read.

    meaning: SymPy's own function, one of those above, or a Lambda for which nothing but its value stands.
    real, array: on numbers, as the method of an mpmath context that has this name, and on NumPy's arrays;
    a function without them is evaluated by what it means. sign: what documents call it, its name if empty.
    latex: its command, \\operatorname{…} or a letter if empty. read: what else a claim may call it, words
    and commands of LaTeX. told: whether a document that uses it says what it means.
    """

    name: str
    meaning: Callable[..., sympy.Expr]
    real: str = ""
    array: Callable[..., Any] | None = None
    sign: str = ""
    latex: str = ""
    read: tuple[str, ...] = ()
    arity: int = 1
    told: bool = False

    def __call__(self, *args: sympy.Expr) -> sympy.Expr:
        return self.meaning(*args)

    @property
    def written(self) -> str:
        return self.sign or self.name

    @property
    def definition(self) -> Lambda | None:
        """What a function of ours is written out as."""
        return getattr(self.meaning, "definition", None)

    @property
    def by_cases(self) -> bool:
        """Whether its definition is told by cases."""
        return self.definition is not None and self.definition.expr.has(Piecewise)

    @property
    def spellings(self) -> tuple[str, ...]:
        """What a claim may call it; with a backslash, commands of LaTeX."""
        return tuple(filter(None, (self.name, self.written, self.latex, *self.read)))


ELEMENTWISE = {
    function.name: function
    for function in (
        Function("tanh", tanh, "tanh", np.tanh, latex=r"\tanh"),
        Function("sigmoid", sigmoid, sign="σ"),
        Function("relu", relu, sign="ReLU"),
        Function("leaky_relu", leaky_relu, sign="LeakyReLU"),
        Function("softplus", softplus),
        Function("exp", exp, "exp", np.exp, latex=r"\exp"),
        Function("log", log, "log", np.log, latex=r"\log", read=("ln", r"\ln")),
        Function("sqrt", sqrt, read=(r"\sqrt",)),
        Function("square", Lambda(_z, _z**2)),
        Function("sin", sin, "sin", np.sin, latex=r"\sin"),
        Function("cos", cos, "cos", np.cos, latex=r"\cos"),
        Function("identity", Lambda(_z, _z)),
    )
}
LOG1P = Function("log1p", Lambda(_z, log(1 + _z)), "log1p", np.log1p)
"""What log(1 + z) is evaluated as; equations do not call it."""
NAMES = (*ELEMENTWISE, "softmax", "sum", "mean")

_KEPT = {f.meaning: f for f in ELEMENTWISE.values() if isinstance(f.meaning, type)}
_SIGNS = {f.name: f.written for f in ELEMENTWISE.values()}


def function_of(node: sympy.Basic) -> Function | None:
    """The function that is applied there, if it is kept as a function of SymPy."""
    return _KEPT.get(type(node))


def sign_of(name: str) -> str:
    """What documents call a function: σ for sigmoid; any other name as it is."""
    return _SIGNS.get(name, name)


def written_out(body: sympy.Expr) -> sympy.Expr:
    """The body with every function that has a definition replaced by it."""
    return body.replace(lambda e: isinstance(e, Named), lambda e: written_out(e.definition(*e.args)))


# ----------------------------------------------------------------------------- derivatives

_w, _s = sympy.symbols("w s", positive=True)


@cache
def derivative(function: type[Named], place: int = 1) -> Lambda:
    """∂f by its argument at `place`, from 1 on, as a Lambda: SymPy differentiates the definition of f.

    If f′ equals a function known by name, it is that one: softplus′ = σ. Otherwise, if e^z can be solved
    for from s = f(z), f′ is written in f(z): σ′ = σ − σ². Otherwise it stands as SymPy gives it.
    """
    variables = function.definition.variables
    body = sympy.diff(function.definition.expr, variables[place - 1])
    if body.has(Piecewise):
        return Lambda(variables, sympy.piecewise_fold(body))
    if len(variables) > 1:
        return Lambda(variables, body)
    (z,) = variables
    for other in _others(function):
        if sympy.cancel(_in_w(body - other.definition(z), z)) == 0:
            return Lambda(z, other(z))
    # s = f(z) is linear in w = e^z: s · denominator − numerator = slope · w + rest = 0
    numerator, denominator = sympy.fraction(sympy.cancel(_in_w(function.definition.expr, z)))
    line = sympy.expand(_s * denominator - numerator)
    slope, rest = line.coeff(_w, 1), line.coeff(_w, 0)
    if not line.has(z) and sympy.expand(line - slope * _w - rest) == 0:
        in_value = sympy.cancel(_in_w(body, z).subs(_w, -rest / slope))
        return Lambda(z, sympy.expand(in_value).subs(_s, function(z)))
    return Lambda(z, body)


def _others(function: type[Named]) -> list[type[Named]]:
    """The other functions that a derivative may be; none told by cases."""
    smooth = [k for k, f in _KEPT.items() if f.arity == 1 and not f.by_cases and issubclass(k, Named)]
    return [other for other in smooth if other is not function]


def _in_w(body: sympy.Expr, z: sympy.Symbol) -> sympy.Expr:
    """The expression with e^z written w, rational where it was one in e^z."""
    return body.subs(exp(-z), 1 / _w).subs(exp(z), _w)
