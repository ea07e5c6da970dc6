"""Two kinds of numbers for whole arrays: float64, and reals of any precision. One code runs on both.

An array of float64 is NumPy's own; an array of exact or long numbers is one of objects, entry by entry.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import sympy

from chalkgrad.derive.terms.algebra import arg
from chalkgrad.derive.terms.functions import written_out
from chalkgrad.derive.terms.selecting import selecting
from chalkgrad.derive.values.arrays import OnArrays
from chalkgrad.derive.values.reals import context, number, tape
from chalkgrad.derive.values.tape import Tape

Array: TypeAlias = Any  # a NumPy array, of float64 or of objects
Function: TypeAlias = Callable[..., list[Array]]  # vectors of one length, or of one entry, to such vectors


class Field(ABC):
    """A kind of number. digits: how many an entry of order 1 has."""

    digits: int

    @abstractmethod
    def array(self, entries: Array) -> Array:
        """An array of fractions, of SymPy's numbers or of floats as one of these numbers."""

    @abstractmethod
    def function(self, bodies: tuple[sympy.Expr, ...], count: int) -> Function:
        """SymPy expressions in arg(0), arg(1), … as one function of vectors."""

    @abstractmethod
    def finite(self, array: Array) -> bool:
        """Whether every entry is."""

    def zeros(self, *shape: int) -> Array:
        return self.array(np.zeros(shape))

    def eye(self, size: int) -> Array:
        return self.array(np.eye(size))


class _Floats(Field):
    digits = 16

    def array(self, entries: Array) -> Array:
        return np.asarray(entries, dtype=float)

    def function(self, bodies: tuple[sympy.Expr, ...], count: int) -> Function:
        found = _tape_of_floats(bodies, count)

        def applied(*args: Array) -> list[Array]:
            with np.errstate(all="ignore"):
                return [np.atleast_1d(np.asarray(value, dtype=float)) for value in found(*args)]

        return applied

    def finite(self, array: Array) -> bool:
        return bool(np.isfinite(array).all())


class Digits(Field):
    """Reals of so many decimal digits."""

    def __init__(self, digits: int) -> None:
        self.digits, self._real = digits, context(digits)

    def array(self, entries: Array) -> Array:
        given = np.asarray(entries, dtype=object)
        made = np.empty(given.shape, dtype=object)
        for place in np.ndindex(given.shape):
            made[place] = number(given[place], self._real)
        return made

    def function(self, bodies: tuple[sympy.Expr, ...], count: int) -> Function:
        found, real = _tape_of_reals(bodies, count, self.digits), self._real

        def applied(*args: Array) -> list[Array]:
            length = max((len(a) for a in args), default=1)
            columns = [a if len(a) == length else np.repeat(a, length) for a in args]
            made = np.empty((len(bodies), length), dtype=object)
            for place in range(length):
                values = found(*(column[place] for column in columns))
                made[:, place] = [real.convert(value) for value in values]
            return list(made)

        return applied

    def finite(self, array: Array) -> bool:
        return all(self._real.isfinite(entry) for entry in array.flat)


FLOATS = _Floats()


@cache
def _tape_of_floats(bodies: tuple[sympy.Expr, ...], count: int) -> Tape[Array]:
    return Tape([selecting(body) for body in bodies], _places(count), OnArrays())


@cache
def _tape_of_reals(bodies: tuple[sympy.Expr, ...], count: int, digits: int) -> Tape[Any]:
    return tape([selecting(body) for body in bodies], _places(count), context(digits))


def _places(count: int) -> Sequence[sympy.Symbol]:
    return [arg(i) for i in range(count)]


@cache
def with_slopes(body: sympy.Expr, count: int) -> tuple[sympy.Expr, ...]:
    """The body and its derivatives by each argument, worked out by SymPy."""
    plain = written_out(body)
    return (plain, *(sympy.diff(plain, place) for place in _places(count)))


def exact(entries: Sequence[Fraction], *shape: int) -> Array:
    """Fractions as an array of objects."""
    made = np.empty(len(entries), dtype=object)
    made[:] = entries
    return made.reshape(shape)
