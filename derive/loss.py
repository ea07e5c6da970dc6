"""The losses: as documented, on ŷ, and in the stable form that is derived and computed, on the logits.

| kind | documented, summed over components |
|---|---|
| binary_cross_entropy | −y log ŷ − (1 − y) log(1 − ŷ)   (founding note, "Backpropagation") |
| cross_entropy | −y log ŷ |
| squared_error | ½ (ŷ − y)² |

With ŷ = σ(z): −log σ(z) = softplus(−z) and −log(1 − σ(z)) = softplus(z).
With ŷ = softmax(z), u = z − max z, ℓ = log Σₖ exp uₖ: −log ŷᵢ = ℓ − uᵢ and −log(1 − ŷᵢ) = ℓ − ωᵢ, where
ωᵢ = log Σ_{k≠i} exp uₖ. The stable form is proved equal to the documented one by `derive.prove`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import sympy
from sympy import Eq, Piecewise, log

from derive.algebra import Expr, Map, Others, Reduce, Symbol, arg, elementwise, total
from derive.functions import sigmoid, softplus
from derive.steps import Namer, Step

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
    values = {step.target: step.value for step in steps}
    yhat = steps[-1].target
    extra: tuple[Step, ...] = ()
    match (kind, _outermost(yhat, values)):
        case ("binary_cross_entropy", ("sigmoid", (z,))):
            value = _summed(lambda z, y: y * softplus(-z) + (1 - y) * softplus(z), z, y)
        case ("cross_entropy", ("sigmoid", (z,))):
            value = _summed(lambda z, y: y * softplus(-z), z, y)
        case ("cross_entropy", ("softmax", (u, normaliser))):
            value = _summed(lambda u, y, n: y * (n - u), u, y, normaliser)
        case ("binary_cross_entropy", ("softmax", (u, normaliser))):
            others = Step(Symbol(namer.fresh(f"w_{yhat.name}"), u.shape), Others(u))
            extra = (others,)
            value = _summed(
                lambda u, y, n, w: n - y * u - Piecewise((0, Eq(y, 1)), ((1 - y) * w, True)),
                u, y, normaliser, others.target,
            )  # fmt: skip
        case _:
            value = documented(kind, yhat, y)
    return (*extra, Step(Symbol(namer.fresh("L"), ()), value))


def _summed(body: Callable[..., sympy.Expr], *args: Expr) -> Expr:
    term = elementwise(body, args)
    return total(term) if term.shape else term


def _outermost(yhat: Symbol, values: Mapping[Symbol, Expr]) -> tuple[str, tuple[Expr, ...]]:
    """("sigmoid", (z,)), ("softmax", (u, ℓ)), or ("", ()) for anything else; aliases are looked through."""
    value = values.get(yhat)
    while isinstance(value, Symbol):
        value = values.get(value)
    if not isinstance(value, Map):
        return "", ()
    if value.body == sigmoid(arg(0)):
        return "sigmoid", value.args
    if len(value.args) == 2 and value.body == sympy.exp(arg(0) - arg(1)):
        u, normaliser = value.args
        if isinstance(normaliser, Symbol) and values.get(normaliser) == Reduce("logsumexp", u):
            return "softmax", (u, normaliser)
    return "", ()
