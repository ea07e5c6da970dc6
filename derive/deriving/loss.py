"""The losses: as documented, on ŷ, and in the stable form that is derived and computed, on the logits.

| kind | documented, summed over components |
|---|---|
| binary_cross_entropy | −y log ŷ − (1 − y) log(1 − ŷ)   (founding note, "Backpropagation") |
| cross_entropy | −y log ŷ |
| squared_error | ½ (ŷ − y)² |

With p = σ(z): −log p = softplus(−z) and −log(1 − p) = softplus(z).
With p = softmax(z), u = z − max z, ℓ = log Σₖ exp uₖ: −log pᵢ = ℓ − uᵢ and −log(1 − pᵢ) = ℓ − ωᵢ, where
ωᵢ = log Σ_{k≠i} exp uₖ. Where ŷ = 1 − p the two change places. The stable form is proved equal to the
documented one by `derive.prove`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import sympy
from sympy import Eq, Piecewise, log

from chalkgrad.derive.deriving.steps import Namer, Step
from chalkgrad.derive.terms.algebra import Expr, Map, Others, Symbol, arg, constant, elementwise, total
from chalkgrad.derive.terms.functions import sigmoid, softplus
from chalkgrad.derive.terms.softmax import softmax_parts

_HALF = sympy.Rational(1, 2)


def documented(kind: str, yhat: Expr, y: Expr) -> Expr:
    """The loss of one step as the documentation writes it, a scalar."""
    match kind:
        case "binary_cross_entropy":
            return _summed(lambda p, y: -y * log(p) - (1 - y) * log(1 - p), yhat, y)
        case "cross_entropy":
            return _summed(lambda p, y: -y * log(p), yhat, y)
        case "squared_error":
            return _summed(lambda p, y: _HALF * (p - y) ** 2, yhat, y)
        case _:
            raise ValueError(f"kind: expected a loss, received {kind!r}")


def loss_steps(kind: str, steps: tuple[Step, ...], y: Symbol, namer: Namer) -> tuple[Step, ...]:
    """The loss of one step in its stable form: the last step returned, a scalar."""
    yhat = steps[-1].target
    head = _head(yhat, {step.target: step.value for step in steps})
    flipped = head.complement
    extra: tuple[Step, ...] = ()
    match (kind, head.function, head.args):
        case ("binary_cross_entropy", "sigmoid", (z,)):

            def of_sigmoid(z: sympy.Expr, y: sympy.Expr) -> sympy.Expr:
                above, below = (1 - y, y) if flipped else (y, 1 - y)
                return above * softplus(-z) + below * softplus(z)

            value = _summed(of_sigmoid, z, y)
        case ("cross_entropy", "sigmoid", (z,)):
            value = _summed(lambda z, y: y * softplus(z if flipped else -z), z, y)
        case ("cross_entropy", "softmax", (u, normaliser)) if not flipped:
            value = _summed(lambda u, y, n: y * (n - u), u, y, normaliser)
        case ("cross_entropy" | "binary_cross_entropy", "softmax", (u, normaliser)):
            others = Step(Symbol(namer.fresh(f"w_{yhat.name}"), u.shape), Others(u))
            extra = (others,)

            def of_softmax(u: sympy.Expr, y: sympy.Expr, n: sympy.Expr, w: sympy.Expr) -> sympy.Expr:
                if kind == "cross_entropy":
                    return y * (n - w)
                one, other, nothing = (1 - y, y, Eq(y, 0)) if flipped else (y, 1 - y, Eq(y, 1))
                return n - one * u - Piecewise((0, nothing), (other * w, True))

            value = _summed(of_softmax, u, y, normaliser, others.target)
        case _:
            value = documented(kind, yhat, y)
    return (*extra, Step(Symbol(namer.fresh("L"), ()), value))


def _summed(body: Callable[..., sympy.Expr], *args: Expr) -> Expr:
    term = elementwise(body, args)
    return total(term) if term.shape else term


@dataclass(frozen=True)
class _Head:
    """ŷ is p, or 1 − p: p = σ(z), with args (z,), or softmax, with args (u, ℓ); function "" for the rest."""

    function: str = ""
    args: tuple[Expr, ...] = ()
    complement: bool = False


def _head(yhat: Symbol, values: Mapping[Symbol, Expr]) -> _Head:
    """Other names for the same value are looked through. A sigmoid of a number has become one."""
    if parts := softmax_parts(yhat, values):
        return _Head("softmax", parts)
    value = values.get(yhat)
    while isinstance(value, Symbol):
        value = values.get(value)
    match value:
        case Map(body=body, args=(Symbol() as p,)) if body == 1 - arg(0):
            inner = _head(p, values)
            return replace(inner, complement=not inner.complement)
        case Map(body=body, args=args) if body == sigmoid(arg(0)):
            return _Head("sigmoid", args)
        case Map(body=sigmoid(args=(number,)), args=(), shape=shape):
            return _Head("sigmoid", (constant(number, shape),))
        case Map(body=body, args=(), shape=shape) if isinstance(1 - body, sigmoid):
            return _Head("sigmoid", (constant((1 - body).args[0], shape),), complement=True)
        case _:
            return _Head()
