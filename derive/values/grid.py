"""Matrices of numbers of any precision: what a formula's value is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chalkgrad.derive.errors import ShapeError
from chalkgrad.derive.values.reals import Real
from chalkgrad.derive.values.walk import Tensor


@dataclass(frozen=True)
class Grid:
    """A matrix of numbers, row by row; a vector is a column, a scalar one entry."""

    rows: int
    columns: int
    entries: tuple[Real, ...]

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows, self.columns

    @property
    def turned(self) -> Grid:
        turned = (self.entries[i * self.columns + j] for j in range(self.columns) for i in range(self.rows))
        return Grid(self.columns, self.rows, tuple(turned))

    def row(self, index: int) -> tuple[Real, ...]:
        return self.entries[index * self.columns : (index + 1) * self.columns]


def stacked(grids: Sequence[Grid]) -> Grid:
    """One below the other. Raises ShapeError."""
    (columns, *others) = {grid.columns for grid in grids}
    if others:
        raise ShapeError(f"rows below each other: expected {columns} columns, found {others[0]}")
    return Grid(sum(g.rows for g in grids), columns, tuple(e for g in grids for e in g.entries))


def beside(grids: Sequence[Grid]) -> Grid:
    """One beside the other. Raises ShapeError."""
    return stacked([grid.turned for grid in grids]).turned


def column(tensor: Tensor[Real]) -> Grid:
    """A tensor as a grid."""
    rows, columns = (*tensor.shape, 1, 1)[:2]
    return Grid(rows, columns, tensor.entries)


def multiplied(left: Grid, right: Grid, real: Real) -> Grid:
    """The matrix product; a 1 by 1 matrix scales. real: the context of the numbers. Raises ShapeError."""
    if left.columns != right.rows:
        if left.shape == (1, 1):
            return Grid(*right.shape, tuple(left.entries[0] * e for e in right.entries))
        if right.shape == (1, 1):
            return Grid(*left.shape, tuple(right.entries[0] * e for e in left.entries))
        raise ShapeError(f"a product: expected {left.columns} rows on the right, found {right.rows}")
    columns = [right.turned.row(j) for j in range(right.columns)]
    rows = [left.row(i) for i in range(left.rows)]
    entries = (real.fdot(zip(r, c, strict=True)) for r in rows for c in columns)
    return Grid(left.rows, right.columns, tuple(entries))


def product_of(*values: Real) -> Real:
    first, *others = values
    for other in others:
        first = first * other
    return first


def componentwise(function: Callable[..., Real], grids: Sequence[Grid]) -> Grid:
    shapes = {grid.shape for grid in grids} - {(1, 1)}
    if len(shapes) > 1:
        one, other = sorted(shapes)[:2]
        raise ShapeError(f"componentwise: expected equal shapes, found {one} and {other}")
    rows, columns = next(iter(shapes), (1, 1))
    count = rows * columns
    spread = [grid.entries if grid.shape == (rows, columns) else grid.entries * count for grid in grids]
    return Grid(rows, columns, tuple(function(*values) for values in zip(*spread, strict=True)))
