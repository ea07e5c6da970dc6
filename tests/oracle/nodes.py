"""What a tape holds: vectors of balls, and matrices that only ever multiply them."""

from __future__ import annotations

from functools import cached_property
from itertools import accumulate

import numpy as np
from flint import arb, arb_mat
from numpy.typing import NDArray

from tests.oracle.balls import ZERO

Balls = list[arb]


class Node:
    """op: its name; data: what its pull-back needs beside the arguments; size: see `kinks`."""

    __slots__ = ("args", "column_", "data", "grad", "op", "size", "value")

    def __init__(self, op: str, args: tuple[Node, ...], value: Balls, data: object = None) -> None:
        self.op, self.args, self.value, self.data = op, args, value, data
        self.grad: Balls | None = None
        self.column_: arb_mat | None = None
        self.size: NDArray[np.float64] | None = None

    def column(self) -> arb_mat:
        """Its value, (n, 1)."""
        if self.column_ is None:
            self.column_ = arb_mat(len(self.value), 1, self.value)
        return self.column_

    def receive(self, cotangent: Balls) -> None:
        if self.grad is not None:
            cotangent = [a + b for a, b in zip(self.grad, cotangent, strict=True)]
        self.grad = cotangent


class Matrix:
    """A matrix parameter (n, m), and the pairs of vectors whose outer products are its cotangent."""

    def __init__(self, rows: int, columns: int, value: Balls) -> None:
        self.shape = rows, columns
        self.matrix = arb_mat(rows, columns, value)
        self.transpose = self.matrix.transpose()
        self.pairs: list[tuple[Balls, Balls]] = []

    @cached_property
    def sizes(self) -> NDArray[np.float64]:
        """The absolute values (n, m), rounded."""
        return np.array([abs(float(v)) for v in self.matrix.entries()]).reshape(self.shape)

    def gradient(self) -> Balls | None:
        """sum of left right^T over the pairs, as one product (n, k) (k, m)."""
        if not self.pairs:
            return None
        k, (n, m) = len(self.pairs), self.shape
        left = arb_mat(k, n, [a for pair in self.pairs for a in pair[0]])
        right = arb_mat(k, m, [b for pair in self.pairs for b in pair[1]])
        return list((left.transpose() * right).entries())


def sums_of_others(terms: Balls) -> Balls:
    """For each term the sum of all others, nothing being subtracted."""
    before = list(accumulate(terms[:-1], initial=ZERO))
    after = list(accumulate(terms[:0:-1], initial=ZERO))[::-1]
    return [a + b for a, b in zip(before, after, strict=True)]


def is_one(node: Node) -> bool:
    """The number 1, spread or not."""
    return node.data == 1 if node.op == "number" else node.op == "spread" and is_one(node.args[0])
