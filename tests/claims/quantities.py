"""What an expression of a claim is at a place: a number, vector, matrix or linear map, with a shape of names.

Sizes are compared by name, so that no size is special: a vector of one component is no number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from tests.claims.functions import Array

Size = str | None
"""None: the one row of a row, the one column of a column."""


@dataclass(frozen=True)
class Shape:
    """A scalar (None, None), a column (n, None), a row (None, n), a matrix (n, m).

    out: of the linear map dW ↦ du, what u has; rows and columns are then those of W. turned: its transpose.
    any: 0, which is the zero of every shape.
    """

    rows: Size = None
    columns: Size = None
    out: Size = None
    turned: bool = False
    any: bool = False

    @property
    def is_scalar(self) -> bool:
        return self.rows is None and self.columns is None and not self.any

    @property
    def is_vector(self) -> bool:
        return (self.rows is None) != (self.columns is None)

    @property
    def is_map(self) -> bool:
        return self.out is not None

    @property
    def transposed(self) -> Shape:
        if self.is_map:
            return replace(self, turned=not self.turned)
        return replace(self, rows=self.columns, columns=self.rows)


SCALAR = Shape()
ANY = Shape(any=True)


class ShapesDoNotFit(Exception):
    """The place is false."""


class Doubtful(Exception):
    """What a claim means, or whether two numbers are equal, is not decided here."""


@dataclass(frozen=True)
class Quantity:
    """data: (P,), (P, n), (P, n, m), a map (P, p, n, m); None where something is missing.

    structural: a derivative of the loss by a value behind the end, or made of those alone.
    tainted: a function of such a zero. scale: the largest magnitude that it was made of. number: if it is
    a constant.
    """

    shape: Shape
    data: Array | None
    structural: bool = False
    scale: float = 0.0
    number: Fraction | None = None
    tainted: bool = False

    @property
    def missing(self) -> bool:
        return self.data is None

    @property
    def plain(self) -> Array:
        assert self.data is not None
        return self.data

    @property
    def matrix(self) -> Array:
        """(P, rows, columns)"""
        data = self.plain
        if self.shape.columns is None:
            data = data[..., None]
        return data[..., None, :] if self.shape.rows is None else data


def built(shape: Shape, data: Array | None, *sources: Quantity, structural: bool = False) -> Quantity:
    """With the scale of what it was made of and its own."""
    own = float(np.abs(data).max()) if data is not None and data.size else 0.0
    return Quantity(shape, data, structural, max([own, *(q.scale for q in sources)]))


def constant(value: Fraction) -> Quantity:
    return Quantity(SCALAR if value else ANY, np.full(1, float(value)), False, abs(float(value)), value)


def zeros(shape: Shape, sizes: Mapping[str, int], *, structural: bool = False) -> Quantity:
    """0 in that shape."""
    dims = [sizes[n] for n in (shape.out, shape.rows, shape.columns) if n is not None]
    return Quantity(shape, np.zeros((1, *dims)), structural)


def identity(shape: Shape, sizes: Mapping[str, int]) -> Quantity:
    """1 among numbers, I among square matrices."""
    if shape.is_scalar:
        return constant(Fraction(1))
    if shape.is_map or shape.rows is None or shape.rows != shape.columns:
        raise ShapesDoNotFit
    return Quantity(shape, np.eye(sizes[shape.rows])[None], scale=1.0)


# ----------------------------------------------------------------------------- of one


def turned(q: Quantity) -> Quantity:
    shape = q.shape.transposed
    data = q.data
    if data is not None and not q.shape.is_map and q.shape.rows and q.shape.columns:
        data = data.swapaxes(-1, -2)
    return replace(q, shape=shape, data=data)


def negative(q: Quantity) -> Quantity:
    number = None if q.number is None else -q.number
    return replace(q, data=None if q.data is None else -q.data, number=number)


def diagonal(q: Quantity) -> Quantity:
    if q.shape.any:
        return q
    if q.shape.is_map or not q.shape.is_vector:
        raise ShapesDoNotFit
    size = q.shape.rows or q.shape.columns
    data = None if q.data is None else q.data[..., None] * np.eye(q.data.shape[-1])
    return replace(q, shape=Shape(size, size), data=data)


def total(q: Quantity) -> Quantity:
    """The sum of all components."""
    if q.shape.is_map:
        raise ShapesDoNotFit
    if q.shape.any or q.shape.is_scalar:
        return q
    data = None if q.data is None else q.data.sum(axis=tuple(range(1, q.data.ndim)))
    return built(SCALAR, data, q, structural=q.structural)


def raised(q: Quantity, exponent: int) -> Quantity:
    """Each component to a power."""
    if q.shape.is_map:
        raise ShapesDoNotFit
    if q.number is not None:
        return constant(q.number**exponent)
    if q.missing:
        return q
    return built(q.shape, finite(lambda: q.plain**exponent), q, structural=q.structural)


def called(function: Callable[[Array], Array], q: Quantity) -> Quantity:
    """A function of each component, or of a vector. Its value at a structural zero is a value."""
    if q.shape.is_map:
        raise ShapesDoNotFit
    if q.missing:
        return q
    data = finite(lambda: function(q.plain))
    if q.shape.any:
        return Quantity(SCALAR, data, False, 1.0) if data.any() else q
    return replace(built(q.shape, data, q), tainted=q.structural)


def finite(work: Callable[[], Array]) -> Array:
    with np.errstate(all="ignore"):
        data = np.asarray(work())
    if not np.isfinite(data).all():
        raise Doubtful("a number that is not finite")
    return data


# ----------------------------------------------------------------------------- of two


def added(left: Quantity, right: Quantity) -> Quantity:
    """A scalar spreads over a vector, not over a matrix; 0 is the zero of any shape."""
    structural = (left.structural or left.shape.any) and (right.structural or right.shape.any)
    if left.number is not None and right.number is not None:
        return constant(left.number + right.number)
    for one, other in ((left, right), (right, left)):
        if one.shape.any and not one.missing:
            return replace(other, number=None, structural=structural)
    one, other = left.shape, right.shape
    spreads = (one.is_scalar and other.is_vector) or (other.is_scalar and one.is_vector)
    if one != other and not spreads:
        raise ShapesDoNotFit
    shape = other if one.is_scalar else one
    if left.missing or right.missing:
        return Quantity(shape, None)
    a, b = (q.plain[:, None] if q.shape.is_scalar and not shape.is_scalar else q.plain for q in (left, right))
    return built(shape, a + b, left, right, structural=structural)


def multiplied(op: str, left: Quantity, right: Quantity, sizes: Mapping[str, int]) -> Quantity:
    """*, @ and /; what a structural zero multiplies need not exist."""
    if left.number is not None and right.number is not None and (op != "/" or right.number):
        return constant(left.number / right.number if op == "/" else left.number * right.number)
    shape = _product_shape(op, left.shape, right.shape)
    if left.structural or (right.structural and op != "/"):
        return zeros(shape, sizes, structural=True)
    if left.missing or right.missing:
        if any(q.tainted and not q.plain.any() for q in (left, right) if not q.missing):
            raise Doubtful("what a function of a zero behind the end multiplies")
        return Quantity(shape, None)
    return built(shape, finite(lambda: _product(op, left, right, shape)), left, right)


def _product_shape(op: str, left: Shape, right: Shape) -> Shape:
    if op == "/":
        return _quotient_shape(left, right)
    if left.any or right.any:
        return ANY
    for one, other in ((left, right), (right, left)):
        if one.is_scalar:
            return other
    if op == "*":
        if left != right or left.is_map:
            raise ShapesDoNotFit
        return left
    return _matrix_product_shape(left, right)


def _quotient_shape(left: Shape, right: Shape) -> Shape:
    if right.is_map or (left.is_map and not right.is_scalar):
        raise ShapesDoNotFit
    if right.any:
        raise Doubtful("a division by zero")
    if right.is_scalar or left.any:
        return left
    if left.is_scalar:
        if not right.is_vector:
            raise Doubtful("a number over a matrix")
        return right
    if left != right:
        raise ShapesDoNotFit
    return left


def _matrix_product_shape(left: Shape, right: Shape) -> Shape:
    """A @ map is a map, row @ map a matrix; transposed, map^T @ A^T and map^T @ column."""
    if left.is_map and right.is_map:
        raise ShapesDoNotFit
    if right.is_map:
        if right.turned or left.columns != right.out:
            raise ShapesDoNotFit
        return Shape(right.rows, right.columns, left.rows)
    if left.is_map:
        if not left.turned or left.out != right.rows:
            raise ShapesDoNotFit
        return Shape(left.rows, left.columns, right.columns, right.columns is not None)
    if left.columns != right.rows:
        raise ShapesDoNotFit
    return Shape(left.rows, right.columns)


def _product(op: str, left: Quantity, right: Quantity, shape: Shape) -> Array:
    if left.shape.any or right.shape.any:
        return np.zeros(1)
    if op == "/" or op == "*" or left.shape.is_scalar or right.shape.is_scalar:
        a, b = left.plain, right.plain
        rank = max(a.ndim, b.ndim)
        a, b = (v.reshape(v.shape + (1,) * (rank - v.ndim)) if v.ndim == 1 else v for v in (a, b))
        return np.asarray(a / b if op == "/" else a * b)
    if right.shape.is_map:
        found = np.einsum("zqp,zpnm->zqnm", left.matrix, right.plain)
        return found if left.shape.rows is not None else found[:, 0]
    if left.shape.is_map:
        found = np.einsum("zpq,zpnm->zqnm", right.matrix, left.plain)
        return found if right.shape.columns is not None else found[:, 0]
    found = left.matrix @ right.matrix
    if shape.columns is None:
        found = found[..., 0]
    return np.asarray(found[:, 0] if shape.rows is None else found)
