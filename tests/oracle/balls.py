"""Elementary functions on balls, and the way back to float64.

A function is a pair (value, slope). A slope of None says that a choice was made against the argument: nothing
goes back through it, whatever arrives. `Doubt` collects what a value could not decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from flint import arb, fmpq
from numpy.typing import NDArray

ZERO, ONE, TWO, NAN = arb(0), arb(1), arb(2), arb("nan")
LEAKY = fmpq(1, 100)

ACCURATE_BITS = 110
"""A result is sharp when its radius is below 2^-110 (7.7e-34) of its midpoint ..."""
TINY = arb(2) ** -1080
"""... or when all of its ball rounds to 0 in float64, whose smallest number is 2^-1074."""


@dataclass
class Doubt:
    """What a run could not decide.

    singular     a point outside a function's domain was met, exactly
    undecided    a ball held such a point, or a kink, beside others, or had no bound: more bits may tell
    """

    singular: bool = False
    undecided: bool = False
    undecided_kink: bool = False


Value = Callable[[arb, Doubt], arb]
Slope = Callable[[arb, arb], arb | None]


def nonzero(x: arb, doubt: Doubt) -> bool:
    """Whether x may be divided by; if not, why is noted."""
    if x.is_finite() and x.contains(0):
        if x.is_zero():
            doubt.singular = True
        else:
            doubt.undecided = True
        return False
    return True


def positive(x: arb, doubt: Doubt) -> bool:
    """Whether log is defined at x; if not, why is noted."""
    if x > 0 or x.is_nan():
        return True
    if x <= 0:
        doubt.singular = True
    else:
        doubt.undecided = True
    return False


def exp(x: arb, doubt: Doubt) -> arb:
    """Arb gives no bound for an argument with more digits than the precision has."""
    value = x.exp()
    if x.is_finite() and not value.is_finite():
        doubt.undecided = True
    return value


def log(x: arb, doubt: Doubt) -> arb:
    if not positive(x, doubt):
        return NAN
    return x.log()


def sqrt(x: arb, doubt: Doubt) -> arb:
    if x.is_zero():
        return ZERO
    if not positive(x, doubt):
        return NAN
    return x.sqrt()


def sigmoid(x: arb) -> arb:
    """1 / (1 + exp(-x)), from the exponential that does not grow."""
    if x < 0:
        e = x.exp()
        return e / (ONE + e)
    return ONE / (ONE + (-x).exp())


def softplus(x: arb, doubt: Doubt) -> arb:
    """log(1 + exp(x))."""
    return x + (-x).exp().log1p() if x > 0 else x.exp().log1p()


def is_above_kink(x: arb, doubt: Doubt) -> bool:
    """x > 0. A ball that holds 0 beside others counts as 0, and is noted."""
    if x > 0:
        return True
    if not x <= 0 and not x.is_nan():
        doubt.undecided_kink = True
    return False


def relu(x: arb, doubt: Doubt) -> arb:
    if x.is_nan():
        return x
    return x if is_above_kink(x, doubt) else ZERO


def leaky_relu(x: arb, doubt: Doubt) -> arb:
    return x if is_above_kink(x, doubt) else x * LEAKY


def power(x: arb, exponent: Fraction, doubt: Doubt) -> arb:
    """x to a constant: of any x for an integer, of x > 0 otherwise, and 0 at 0 for an exponent above 0."""
    if exponent < 0 and not nonzero(x, doubt):
        return NAN
    if exponent.denominator == 1:
        return x ** int(exponent)
    if x.is_zero():
        return ZERO
    if not positive(x, doubt):
        return NAN
    return x ** arb(fmpq(exponent.numerator, exponent.denominator))


def power_slope(x: arb, exponent: Fraction) -> arb:
    if exponent == 0:
        return ZERO
    return exact(exponent) * power(x, exponent - 1, Doubt())


def exact(number: Fraction) -> arb:
    return arb(fmpq(number.numerator, number.denominator))


ELEMENTARY: dict[str, tuple[Value, Slope]] = {
    "tanh": (lambda x, _: x.tanh(), lambda x, v: ONE - v * v),
    "softplus": (softplus, lambda x, v: sigmoid(x)),
    "exp": (exp, lambda x, v: v),
    "log": (log, lambda x, v: ONE / x),
    "sqrt": (sqrt, lambda x, v: ONE / (v + v)),
    "square": (lambda x, _: x * x, lambda x, v: x + x),
    "sin": (lambda x, _: x.sin(), lambda x, v: x.cos()),
    "cos": (lambda x, _: x.cos(), lambda x, v: -x.sin()),
    "relu": (relu, lambda x, v: ONE if x > 0 else None),
    "leaky_relu": (leaky_relu, lambda x, v: ONE if x > 0 else arb(LEAKY)),
}
"""Those that work on each component alone. sigmoid and softmax, which keep a complement, are in `tape`."""

KINKED = frozenset({"relu", "leaky_relu"})


class Rounding:
    """Balls to float64. `sharp` turns False where one is too wide, `finite` where it has no bound."""

    def __init__(self) -> None:
        self.sharp = True
        self.finite = True

    def number(self, x: arb) -> float:
        """The float64 nearest to the midpoint."""
        if x.is_finite():
            if x.rel_accuracy_bits() < ACCURATE_BITS and not abs(x) < TINY:
                self.sharp = False
            value = float(x) + 0.0  # there is one zero
        else:
            value = float(x) if x.is_exact() and not x.is_nan() else float("nan")
        if not np.isfinite(value):
            self.finite = False
        return value

    def array(self, balls: Iterable[arb], shape: tuple[int, ...]) -> NDArray[np.float64]:
        return np.array([self.number(x) for x in balls], dtype=np.float64).reshape(shape)
