"""Points at which networks are tried: rational numbers for everything that they read."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import sympy

from chalkgrad.derive.values.walk import Data, Tensor

K = TypeVar("K")
N = TypeVar("N")

Point = Mapping[sympy.Symbol, sympy.Rational]


def finite(tries: int, make: Callable[[int], N | None]) -> Iterator[N]:
    """What `make` gives at one attempt after another: nothing where it is None or divides by zero.

    Whoever needs a point where something is finite takes as many of these as are wanted.
    """
    for attempt in range(tries):
        try:
            made = make(attempt)
        except ZeroDivisionError:
            continue
        if made is not None:
            yield made


def at_point(data: Data[sympy.Symbol], value: Callable[[sympy.Symbol], N]) -> Data[N]:
    def valued(tensors: Mapping[K, Tensor[sympy.Symbol]]) -> dict[K, Tensor[N]]:
        return {key: Tensor(t.shape, tuple(map(value, t.entries))) for key, t in tensors.items()}

    return Data(valued(data.parameters), valued(data.initial), valued(data.x), valued(data.y))


def draw(data: Data[sympy.Symbol], rng: random.Random, modest: bool) -> Point:
    """Rationals, none of them zero: y in (0, 1), the rest of both signs; modest: small and positive, so
    that a logarithm finds something to read."""
    point = {}
    for tensors in (data.parameters, data.initial, data.x):
        for tensor in tensors.values():
            for symbol in tensor.entries:
                size = rng.randint(5, 30) if modest else rng.randint(13, 110) * rng.choice((-1, 1))
                point[symbol] = sympy.Rational(size, 97)
    targets = (symbol for tensor in data.y.values() for symbol in tensor.entries)
    return point | {symbol: sympy.Rational(rng.randint(5, 96), 101) for symbol in targets}
