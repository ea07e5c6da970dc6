"""The losses as functions of yhat, and which one `auto` is."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from flint import arb

from tests.oracle.balls import NAN, ONE, ZERO, Doubt, log
from tests.oracle.errors import OracleError
from tests.oracle.language import KINDS, Expr

FOLDED = {"sigmoid": "binary_cross_entropy", "softmax": "cross_entropy"}
ENTROPIES = tuple(FOLDED.values())


def chosen(kind: str, kinds: tuple[str, ...], outermost: str | None) -> str:
    """The kind of loss. Where the file does not list `auto`, the first that it lists stands for it."""
    if kind == "auto" and "auto" not in kinds:
        kind = kinds[0]
    if kind not in KINDS or kind not in kinds:
        raise OracleError(f"loss: one of {list(kinds)}, not {kind!r}")
    return FOLDED.get(outermost or "", "squared_error") if kind == "auto" else kind


def outermost(expr: Expr, equations: Mapping[str, Expr]) -> str | None:
    """sigmoid or softmax where it stands outermost, through aliases and identity; 1 - sigmoid(u) is one."""
    match expr:
        case Expr(op="sigmoid" | "softmax"):
            return expr.op
        case Expr(op="identity", args=(inner,)):
            return outermost(inner, equations)
        case Expr(op="value", name=str(name)):
            return outermost(equations[name], equations)
        case Expr(op="sub", args=(Expr(op="number", name=Fraction() as one), inner)) if one == 1:
            return "sigmoid" if outermost(inner, equations) == "sigmoid" else None
    return None


def loss(
    kind: str, yhat: list[arb], complement: list[arb], y: list[arb], doubt: Doubt
) -> tuple[arb, list[arb]]:
    """The loss of one output and its derivative by yhat; complement is 1 - yhat.

    binary_cross_entropy   -y log yhat - (1 - y) log(1 - yhat)
    cross_entropy          -y log yhat
    squared_error          (yhat - y)^2 / 2
    """
    if kind == "squared_error":
        gap = [p - t for p, t in zip(yhat, y, strict=True)]
        return sum((d * d for d in gap), ZERO) / 2, gap
    total, slopes = ZERO, list[arb]()
    for p, q, t in zip(yhat, complement, y, strict=True):
        value, slope = weighted_log(t, p, doubt)
        if kind == "binary_cross_entropy":
            other, other_slope = weighted_log(ONE - t, q, doubt)
            value, slope = value + other, slope - other_slope
        total, slopes = total - value, [*slopes, -slope]
    return total, slopes


def weighted_log(weight: arb, x: arb, doubt: Doubt) -> tuple[arb, arb]:
    """weight log x and its derivative by x; a weight of 0 leaves nothing, but for NaN."""
    if x.is_nan():
        return NAN, NAN
    if weight.is_zero():
        return ZERO, ZERO
    return weight * log(x, doubt), weight / x


def stored_weight(kind: str, function: str, y: list[arb]) -> list[arb]:
    """How often yhat itself stands in the derivative of a loss by the argument of yhat's sigmoid or softmax.

    sigmoid: (1 or y) yhat - y;  softmax: (sum y) yhat - y, and for the binary loss n yhat less other terms.
    """
    if function == "sigmoid":
        return [ONE] * len(y) if kind == "binary_cross_entropy" else y
    total = sum(y, ZERO) if kind == "cross_entropy" else arb(len(y))
    return [total] * len(y)
