"""NumPy arrays as numbers of a walk: one walk for many points, or for many seeds, beside each other."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
import sympy

from chalkgrad.derive.terms.algebra import arg
from chalkgrad.derive.terms.functions import Function
from chalkgrad.derive.values.tape import Arithmetic, Tape
from chalkgrad.derive.values.walk import Numbers

Array: TypeAlias = Any  # numpy array of floats, or one float that stands for all places


class Arrays(Numbers[Array]):
    """float64, entry by entry; shapes of operands broadcast. NaN and ∞ follow IEEE."""

    def compile(self, body: sympy.Expr, count: int) -> Callable[..., Array]:
        tape = Tape([body], [arg(i) for i in range(count)], OnArrays())
        return lambda *values: tape(*values)[0]

    def add(self, terms: Sequence[Array]) -> Array:
        return reduce(operator.add, terms, 0.0)

    def dot(self, left: Sequence[Array], right: Sequence[Array]) -> Array:
        return reduce(operator.add, map(operator.mul, left, right), 0.0)

    def maximum(self, entries: Sequence[Array]) -> Array:
        return reduce(np.maximum, entries)


class OnArrays(Arithmetic[Array]):
    """Operations of NumPy, without an error where they leave the numbers."""

    def number(self, value: sympy.Expr) -> Array:
        return np.float64(float(value))

    def sum(self, terms: Sequence[Array]) -> Array:
        return reduce(operator.add, terms)

    def power(self, base: Array, exponent: Array) -> Array:
        return np.float64(1) * base**exponent

    def function(self, function: Function) -> Callable[..., Array] | None:
        return function.array

    def choose(self, pairs: Sequence[tuple[Array, Any]]) -> Array:
        found: Array = np.nan
        for value, condition in reversed(pairs):
            found = np.where(condition, value, found)
        return found
