"""What a part of a claim is worth at one place: a number, a vector, a matrix or a linear map, or nothing.

Shapes are told by names of sizes, never by numbers: what does not fit does not fit at any sizes, and a vector
of one component is no scalar. Three things may stand in an array's place:

    an array        the part exists
    None            it does not exist: a value at a step that there is not, 1/0
    gone            it is zero because it is the derivative of a loss by what is behind the end; whatever such
                    a zero multiplies need not exist
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chalkgrad.derive.errors import ShapeError
from chalkgrad.derive.terms.algebra import Shape
from chalkgrad.derive.values.fields import Array, Field

Cells = tuple[str, str]


@dataclass(frozen=True)
class Quantity:
    """rows, columns: names of sizes, "" for 1. The array has two axes.

    cells: of a linear map dW ↦ du the shape of W; rows belong to u, columns of the array to the entries of W,
    row by row. turned: the map transposed; the array stays as it is.
    """

    rows: str
    columns: str
    array: Array | None
    cells: Cells | None = None
    turned: bool = False
    gone: bool = False

    @property
    def exists(self) -> bool:
        return self.array is not None

    @property
    def is_scalar(self) -> bool:
        return self.cells is None and not self.rows and not self.columns

    @property
    def is_vector(self) -> bool:
        return self.cells is None and bool(self.rows) != bool(self.columns)

    @property
    def is_zero(self) -> bool:
        return self.array is not None and not np.any(self.array != 0)

    @property
    def shape(self) -> tuple[object, ...]:
        return (self.rows, self.columns, self.cells, self.turned)

    def having(self, array: Array | None, gone: bool = False) -> Quantity:
        return replace(self, array=array, gone=gone)


def missing(shape: Shape) -> Quantity:
    """Nothing, where something of that shape would be."""
    rows, columns = (*shape, "", "")[:2]
    return Quantity(rows, columns, None)


def told(quantity: Quantity) -> str:
    """The shape in words."""
    rows, columns = quantity.rows or "1", quantity.columns or "1"
    if quantity.cells is not None:
        what = f"a linear map from {quantity.cells[0]} by {quantity.cells[1]} matrices to vectors of {rows}"
        return f"{what}, transposed" if quantity.turned else what
    if quantity.is_scalar:
        return "a number"
    if not quantity.columns:
        return f"a column of {rows}"
    return f"a row of {columns}" if not quantity.rows else f"a matrix of {rows} by {columns}"


class Quantities:
    """What can be done with quantities, on one kind of numbers. sizes: of the names of shapes."""

    def __init__(self, field: Field, sizes: Callable[[str], int]) -> None:
        self.field, self._size = field, sizes

    # ------------------------------------------------------------------------- made

    def made(self, shape: Shape, array: Array | None, gone: bool = False) -> Quantity:
        """A vector as a column, a number as one entry."""
        rows, columns = (*shape, "", "")[:2]
        if array is None:
            return Quantity(rows, columns, None)
        return Quantity(rows, columns, array.reshape(self._size(rows), self._size(columns)), gone=gone)

    def number(self, value: Any) -> Quantity:
        return Quantity("", "", self.field.array([[value]]))

    def zeros(self, like: Quantity, gone: bool = False) -> Quantity:
        rows = self._size(like.rows)
        columns = self._size(like.columns) if like.cells is None else self._area(like.cells)
        return like.having(self.field.zeros(rows, columns), gone)

    def identity(self, like: Quantity) -> Quantity:
        """The empty product of quantities like this. Raises ShapeError for what cannot be multiplied so."""
        if like.cells is not None or like.rows != like.columns:
            raise ShapeError(f"a product over steps: expected a square matrix, found {told(like)}")
        return like.having(self.field.eye(self._size(like.rows)))

    def _area(self, cells: Cells) -> int:
        return self._size(cells[0]) * self._size(cells[1])

    def matrix(self, like: Quantity) -> Quantity:
        """The derivative of a number by a matrix as a matrix; everything else as it is."""
        if like.cells is None or like.rows:
            return like
        return self._in_cells(like, like.array, like.gone)

    def _in_cells(self, of: Quantity, array: Array | None, gone: bool) -> Quantity:
        assert of.cells is not None
        rows, columns = of.cells
        shaped = None if array is None else array.reshape(self._size(rows), self._size(columns))
        return Quantity(rows, columns, shaped, gone=gone)

    # ------------------------------------------------------------------------- products

    def times(self, left: Quantity, right: Quantity) -> Quantity:
        """By component; a number scales, and 0 makes a 0 of any shape. Raises ShapeError, for a vector and a
        matrix too."""
        left, right = self.matrix(left), self.matrix(right)
        if (zero := _zero_of(left, right)) is not None:
            return zero
        if left.is_scalar or right.is_scalar:
            like = right if left.is_scalar else left
        elif left.shape == right.shape and left.cells is None:
            like = left
        else:
            raise ShapeError(f"a product by component: expected equal shapes, found {_both(left, right)}")
        return self._product(like, left, right, np.multiply)

    def over(self, left: Quantity, right: Quantity) -> Quantity:
        """A quotient by component. Raises ShapeError."""
        inverse = right
        if right.array is not None:
            if right.gone or np.any(right.array == 0):
                inverse = right.having(None)
            else:
                inverse = right.having(1 / right.array)
        return self.times(left, inverse)

    def at(self, left: Quantity, right: Quantity) -> Quantity:
        """The product of matrices; a number scales, and 0 makes a 0 of any shape. Raises ShapeError."""
        if (zero := _zero_of(left, right)) is not None:
            return zero
        if right.cells is not None and not right.turned and left.cells is None and left.columns == right.rows:
            gone = left.gone or right.gone
            array = _multiplied(left, right)
            if gone and array is None:
                array = self.field.zeros(self._size(left.rows), self._area(right.cells))
            if left.rows:
                return Quantity(left.rows, "", array, right.cells, gone=gone)
            return self._in_cells(right, array, gone)
        if left.cells is not None and left.turned and left.rows == right.rows and right.cells is None:
            found = self.at(self.transposed(right), self.transposed(left))
            return found if found.cells is None else self.transposed(found)
        left, right = self.matrix(left), self.matrix(right)
        if left.cells is not None or right.cells is not None:
            if left.is_scalar or right.is_scalar:
                return self.times(left, right)
            raise ShapeError(f"a product: expected shapes that fit, found {_both(left, right)}")
        if left.columns == right.rows:
            like = Quantity(left.rows, right.columns, None)
            return self._product(like, left, right, np.matmul)
        if left.is_scalar or right.is_scalar:
            return self.times(left, right)
        raise ShapeError(f"a product: expected shapes that fit, found {_both(left, right)}")

    def _product(
        self, like: Quantity, left: Quantity, right: Quantity, multiply: Callable[[Array, Array], Array]
    ) -> Quantity:
        if left.gone or right.gone:
            return self.zeros(like, gone=True)
        if left.array is None or right.array is None:
            return like.having(None)
        return self._checked(like.having(multiply(left.array, right.array)))

    def _checked(self, made: Quantity) -> Quantity:
        """What has no finite value does not exist."""
        if made.array is not None and not self.field.finite(made.array):
            return made.having(None)
        return made

    # ------------------------------------------------------------------------- sums

    def plus(self, terms: Sequence[tuple[int, Quantity]]) -> Quantity:
        """Σ sign · term. A number spreads over a vector, 0 over anything. Raises ShapeError."""
        signed = [(sign, self.matrix(term)) for sign, term in terms]
        like = next((t for _, t in signed if not t.is_scalar), signed[0][1])
        for _, term in signed:
            fits = term.shape == like.shape or (term.is_scalar and (like.is_vector or not term.exists))
            if not fits and not (term.is_scalar and term.is_zero):
                raise ShapeError(f"a sum: expected equal shapes, found {_both(like, term)}")
        if any(term.array is None for _, term in signed):
            return like.having(None)
        whole: Array = self.zeros(like).array
        for sign, term in signed:
            part: Array = term.array
            whole = whole + part if sign > 0 else whole - part
        return self._checked(like.having(whole, all(term.gone for _, term in signed)))

    def total(self, of: Quantity, mean: bool) -> Quantity:
        """The sum of all entries, or their mean. Raises ShapeError for a linear map."""
        of = self.matrix(of)
        _no_map(of, "sum(…)")
        number = Quantity("", "", None)
        if of.array is None:
            return number
        whole = np.sum(of.array)
        return number.having(self.field.array([[whole / of.array.size if mean else whole]]), of.gone)

    # ------------------------------------------------------------------------- the rest

    def transposed(self, of: Quantity) -> Quantity:
        if of.cells is not None and of.rows:
            return replace(of, turned=not of.turned)
        of = self.matrix(of)
        return Quantity(of.columns, of.rows, None if of.array is None else of.array.T, gone=of.gone)

    def diagonal(self, of: Quantity) -> Quantity:
        """diag(v), of a column or a row; of a number the number. Raises ShapeError."""
        if of.is_scalar:
            return of
        if not of.is_vector:
            raise ShapeError(f"diag(…): expected a vector, found {told(of)}")
        size = of.rows or of.columns
        made = Quantity(size, size, None, gone=of.gone)
        if of.array is None:
            return made
        whole = self.field.zeros(self._size(size), self._size(size))
        for i, entry in enumerate(of.array.flat):
            whole[i, i] = entry
        return made.having(whole, of.gone)

    def applied(
        self, args: Sequence[Quantity], function: Callable[..., Sequence[Array]], name: str
    ) -> Quantity:
        """A function of components. Raises ShapeError."""
        args = [self.matrix(arg) for arg in args]
        like = next((a for a in args if not a.is_scalar), args[0])
        for arg in args:
            _no_map(arg, f"{name}(…)")
            if arg.shape != like.shape and not arg.is_scalar:
                raise ShapeError(f"{name}(…): expected equal shapes, found {_both(like, arg)}")
        if any(arg.array is None for arg in args):
            return like.having(None)
        (found, *_) = function(*(arg.array.reshape(-1) for arg in args))  # type: ignore[union-attr]
        shape = next(a.array for a in args if a.shape == like.shape).shape  # type: ignore[union-attr]
        if found.size != shape[0] * shape[1]:
            found = np.repeat(found, shape[0] * shape[1])
        return self._checked(like.having(found.reshape(shape)))

    def compared(self, left: Quantity, right: Quantity) -> tuple[Quantity, Quantity]:
        """Both sides of an equality with one shape. Raises ShapeError."""
        left, right = self.matrix(left), self.matrix(right)
        if left.shape == right.shape:
            return left, right
        for one, other in ((left, right), (right, left)):
            unknown = not one.exists
            if one.is_scalar and (other.is_vector or one.is_zero or unknown):
                zeros = self.zeros(other).array
                spread = other.having(None if one.array is None else zeros + one.array, one.gone)
                return (spread, other) if one is left else (other, spread)
        raise ShapeError(f"the two sides: expected equal shapes, found {_both(left, right)}")


def _zero_of(left: Quantity, right: Quantity) -> Quantity | None:
    """What a product with the number 0 is: 0 of any shape, if the other factor exists."""
    for zero, other in ((left, right), (right, left)):
        if zero.is_scalar and zero.is_zero and not zero.gone and not other.gone:
            return zero if other.exists else zero.having(None)
    return None


def _multiplied(left: Quantity, right: Quantity) -> Array | None:
    return None if left.array is None or right.array is None else left.array @ right.array


def _both(left: Quantity, right: Quantity) -> str:
    return f"{told(left)} and {told(right)}"


def _no_map(quantity: Quantity, where: str) -> None:
    if quantity.cells is not None:
        raise ShapeError(f"{where}: expected a number, a vector or a matrix, found {told(quantity)}")
