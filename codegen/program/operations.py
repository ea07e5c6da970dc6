"""The operations of scalars, a row each: what one means on NumPy's arrays, and how C and NumPy say it.

A function that the derivation names, and that SymPy, NumPy and the C library know, is one row here. What is
defined by others in `derive.terms.functions` needs none: without a row the lowering writes it out.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Operation:
    """One operation of the IR.

    value   what it means on NumPy's arrays, complex ones too, where the real part decides
    sign    the operator that C and NumPy write for it
    numpy   what a NumPy twin calls, where that is not `value` itself
    helper  the definition that a twin brings along, under the name of the operation
    c       the function of the C library, called number by number unless c/templates/elementary.c.j2 has one
            of our own under the name of the operation
    dear    whether it gets a name wherever it occurs: several side by side cost little more than one
    """

    name: str
    value: Callable[..., Any]
    sign: str = ""
    numpy: str = ""
    helper: str = ""
    c: str = ""
    arity: int = 1
    dear: bool = False

    @property
    def in_twin(self) -> str:
        """What a twin calls."""
        return self.name if self.helper else self.numpy or f"np.{self.value.__name__}"


@dataclass(frozen=True)
class Comparison:
    """Of the real parts; with NaN false, but for ne."""

    name: str
    value: Callable[..., Any]
    sign: str


def _softplus(z: Any) -> Any:
    """log(1 + eᶻ) = max(z, 0) + log1p(e^−|z|)."""
    positive = np.real(z) > 0
    return np.where(positive, z, np.where(np.isnan(z), z, 0)) + np.log1p(np.exp(np.where(positive, -z, z)))


_ARITHMETIC = (
    Operation("add", operator.add, "+", arity=2),
    Operation("sub", operator.sub, "-", arity=2),
    Operation("mul", operator.mul, "*", arity=2),
    Operation("div", operator.truediv, "/", arity=2),
    Operation("neg", operator.neg, "-"),
)
_FUNCTIONS = (
    Operation("tanh", np.tanh, c="tanh", dear=True),
    Operation(
        "sigmoid",
        lambda z: 1 / (1 + np.exp(-z)),
        helper="""def sigmoid(z):
    with np.errstate(over="ignore"):  # exp(-z) may be inf, and 1 / inf is the right 0
        return 1 / (1 + np.exp(-z))""",
        dear=True,
    ),
    Operation(
        "softplus",
        _softplus,
        helper='''def softplus(z):
    """log(1 + exp(z)), exact for large |z|."""
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))''',
        dear=True,
    ),
    Operation(
        "relu",
        lambda z: np.where(np.real(z) <= 0, 0, z),
        helper="""def relu(z):
    return np.where(z <= 0, 0, z)""",
    ),
    Operation(
        "leaky_relu",
        lambda z: np.where(np.real(z) <= 0, z / 100, z),
        helper="""def leaky_relu(z):
    return np.where(z <= 0, z / 100, z)""",
    ),
    Operation("exp", np.exp, c="exp", dear=True),
    Operation("log", np.log, c="log", dear=True),
    Operation("sqrt", np.sqrt, c="sqrt"),
    Operation("sin", np.sin, c="sin"),
    Operation("cos", np.cos, c="cos"),
)
_OF_PASSES = (
    Operation("power", operator.pow, arity=2),  # written by the style of each language
    Operation("tail", lambda z: np.log1p(np.exp(np.where(np.real(z) > 0, -z, z))), dear=True),
    Operation(
        "weighted",
        lambda w, v: np.where(np.real(w) == 0, np.where(np.isnan(v), v, 0), w * v),
        helper='''def weighted(w, v):
    """w * v, but 0 * inf = 0: what counts nothing adds nothing."""
    with np.errstate(invalid="ignore"):
        return np.where((w == 0) & ~np.isnan(v), 0, w * v)''',
        arity=2,
    ),
)
OPERATIONS = {row.name: row for row in (*_ARITHMETIC, *_FUNCTIONS, *_OF_PASSES)}
FUNCTIONS = tuple(row.name for row in _FUNCTIONS)
"""Those that the derivation names."""

COMPARISONS = {
    row.name: row
    for row in (
        Comparison("le", np.less_equal, "<="),
        Comparison("lt", np.less, "<"),
        Comparison("ge", np.greater_equal, ">="),
        Comparison("gt", np.greater, ">"),
        Comparison("eq", np.equal, "=="),
        Comparison("ne", np.not_equal, "!="),
    )
}
