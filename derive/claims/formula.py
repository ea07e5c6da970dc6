"""Formulas about a network: values, derivatives of anything by anything, and what is built from them.

A formula is what an equation claims. `value` works it out at one point, on an `Oracle`, as a matrix;
`derive.writing.formulas` writes it. A vector is a column, a scalar a 1 by 1 matrix; rows of ∂u/∂v belong to
u, columns to v. Steps are numbers or expressions in index symbols (t, k, T), whose values `At` holds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import product

import sympy

from chalkgrad.derive.cells.model import YHAT
from chalkgrad.derive.errors import ShapeError
from chalkgrad.derive.terms.algebra import Expr, StepLike, arg, exact
from chalkgrad.derive.values.grid import Grid, beside, column, componentwise, multiplied, product_of, stacked
from chalkgrad.derive.values.oracle import By, Oracle, ParameterAt, ValueAt
from chalkgrad.derive.values.reals import tape


@dataclass(frozen=True)
class At:
    """A point, and what the index symbols stand for there."""

    oracle: Oracle
    indices: Mapping[sympy.Symbol, int] = field(default_factory=dict)

    def step(self, step: StepLike) -> int:
        known = {**self.oracle.extent.times, **self.indices}
        return int(exact(step).xreplace({k: sympy.Integer(v) for k, v in known.items()}))

    def existing(self, names: tuple[str, ...], t: int) -> tuple[str, ...]:
        """Those of several stacked values that there are at step t: an encoder has no output."""
        return tuple(name for name in names if self.oracle.has(name, t))

    def having(self, index: sympy.Symbol, value: int) -> At:
        return At(self.oracle, {**self.indices, index: value})


class Formula(ABC):
    """Base of all formulas. Immutable."""

    @abstractmethod
    def value(self, at: At) -> Grid:
        """The matrix at one point. Raises ShapeError, DerivationError."""


# ----------------------------------------------------------------------------- what is known


@dataclass(frozen=True)
class Of(Formula):
    """An expression of `derive.terms.algebra`, written at `step`; δ in it is the total derivative of the
    objective, or of the loss of step `loss_step`."""

    expr: Expr
    step: StepLike
    loss_step: StepLike | None = None

    def value(self, at: At) -> Grid:
        alone = None if self.loss_step is None else at.step(self.loss_step)
        return at.oracle.value(self.expr, at.step(self.step), alone)


@dataclass(frozen=True)
class Modelled(Formula):
    """A value by the equations of the model as its file has them."""

    name: str
    step: StepLike

    def value(self, at: At) -> Grid:
        return at.oracle.modelled(self.name, at.step(self.step))


@dataclass(frozen=True)
class Lost(Formula):
    """The objective itself, of all steps or of one."""

    step: StepLike | None = None

    def value(self, at: At) -> Grid:
        dual = at.oracle.objective(None if self.step is None else at.step(self.step))
        return Grid(1, 1, (dual.value,))


@dataclass(frozen=True)
class Loss:
    """The objective as what is differentiated: of all steps, or of one."""

    step: StepLike | None = None


@dataclass(frozen=True)
class Values:
    """Values at a step, stacked where there are several and then called `letter`."""

    names: tuple[str, ...]
    step: StepLike
    letter: str = "s"


@dataclass(frozen=True)
class Weights:
    """A parameter as that by which is differentiated."""

    name: str


@dataclass(frozen=True)
class Partial(Formula):
    """∂of/∂by. immediate: by a parameter, at the step of `of` alone, what the step before hands on fixed.

    Of a loss by a parameter: a row, in the order of the parameter's rows. By values that are stacked:
    those beside the one that moves stay; `only` is the columns of one of them.
    """

    of: Loss | Values
    by: Values | Weights
    immediate: bool = False
    only: str = ""

    def value(self, at: At) -> Grid:
        match self.by:
            case Weights(name=name):
                when = None
                if self.immediate and self.of.step is not None:
                    when = at.step(self.of.step)
                return self._of(at, ParameterAt(name, when))
            case Values(names=names, step=step):
                held = self._held(at, at.existing(names, at.step(step)), at.step(step))
                return (
                    held[self.only] if self.only else beside([held[name] for name in names if name in held])
                )

    def _held(self, at: At, names: tuple[str, ...], t: int) -> dict[str, Grid]:
        """By each of several values of one step, in the order of computation, the others held.

        What goes through a later one of them is taken off: held = total − Σ held_later ∂later/∂it.
        """
        held: dict[str, Grid] = {}
        for name in reversed(names):
            grids = [self._of(at, ValueAt(name, t))]
            for later, grid in held.items():
                through = multiplied(grid, at.oracle.jacobian(later, t, ValueAt(name, t)), at.oracle.real)
                grids.append(Grid(through.rows, through.columns, tuple(-e for e in through.entries)))
            held[name] = componentwise(lambda *v: at.oracle.real.fsum(v), grids)
        return held

    def _of(self, at: At, by: By) -> Grid:
        match self.of:
            case Loss(step=step):
                when = None if step is None else at.step(step)
                return at.oracle.slope(by, when, documented=isinstance(by, ValueAt) and by.name == YHAT)
            case Values(names=names, step=step):
                s = at.step(step)
                rows = at.existing(names, s)
                return stacked([at.oracle.jacobian(name, s, by) for name in rows])


@dataclass(frozen=True)
class Back(Formula):
    """∂s⟨start⟩/∂s⟨start−1⟩ ⋯ ∂s⟨end+1⟩/∂s⟨end⟩, for start > end; names and letter as in `Values`."""

    names: tuple[str, ...]
    start: int
    end: int
    letter: str = "s"

    def factors(self, count: int) -> tuple[Formula, ...]:
        """The first `count` of them."""
        stops = range(self.start, max(self.end, self.start - count), -1)
        return tuple(Partial(self._at(j), self._at(j - 1)) for j in stops)

    @property
    def last(self) -> Formula:
        return Partial(self._at(self.end + 1), self._at(self.end))

    def _at(self, step: int) -> Values:
        return Values(self.names, step, self.letter)

    def value(self, at: At) -> Grid:
        return Product(self.factors(self.start - self.end)).value(at)


@dataclass(frozen=True)
class Local(Formula):
    """∂⁺of/∂by in the one equation that gives `of`: nothing but `by` moves. Without a step `by` is a
    parameter, in the order of its rows."""

    of: str
    of_step: StepLike
    by: str
    by_step: StepLike | None

    def value(self, at: At) -> Grid:
        by = ParameterAt(self.by) if self.by_step is None else ValueAt(self.by, at.step(self.by_step))
        return at.oracle.local(self.of, at.step(self.of_step), by)


@dataclass(frozen=True)
class Gradient(Formula):
    """∂L/∂W with the shape of W; `turned`: with the transposed shape, as numerator layout has it.

    step: the loss of that step alone.
    """

    name: str
    turned: bool = False
    step: StepLike | None = None

    def value(self, at: At) -> Grid:
        when = None if self.step is None else at.step(self.step)
        rows, columns = (*at.oracle.parameter(self.name).shape, 1, 1)[:2]
        grid = Grid(rows, columns, at.oracle.slope(ParameterAt(self.name), when).entries)
        return grid.turned if self.turned else grid


@dataclass(frozen=True)
class Laid(Formula):
    """A column that a layout writes as a row, without saying so each time: δ in numerator layout."""

    of: Formula

    def value(self, at: At) -> Grid:
        return self.of.value(at).turned


@dataclass(frozen=True)
class Change(Formula):
    """dW, any small change of a parameter; as one column in the order of its rows if `flat`."""

    name: str
    flat: bool = False

    def value(self, at: At) -> Grid:
        tensor = at.oracle.change(self.name)
        return Grid(len(tensor.entries), 1, tensor.entries) if self.flat else column(tensor)


@dataclass(frozen=True)
class Constant(Formula):
    """A number, in every place of a matrix whose shape is told by sizes, "" for 1; with `unit`, on its
    diagonal."""

    number: sympy.Expr
    shape: tuple[str, ...] = ()
    unit: bool = False

    def value(self, at: At) -> Grid:
        sizes = {**at.oracle.extent.sizes, "": 1}
        rows, columns = (*(sizes[name] for name in self.shape), 1, 1)[:2]
        number = at.oracle.real.mpf(self.number.p) / self.number.q
        zero = at.oracle.real.zero
        places = product(range(rows), range(columns))
        return Grid(rows, columns, tuple(number if i == j or not self.unit else zero for i, j in places))


@dataclass(frozen=True)
class Figures(Formula):
    """Numbers as they are printed, row by row."""

    rows: tuple[tuple[Fraction, ...], ...]

    def value(self, at: At) -> Grid:
        real = at.oracle.real
        entries = tuple(real.mpf(v.numerator) / v.denominator for line in self.rows for v in line)
        return Grid(len(self.rows), len(self.rows[0]), entries)


# ----------------------------------------------------------------------------- what is built


@dataclass(frozen=True)
class Plus(Formula):
    """A sum; a scalar term spreads over the others."""

    terms: tuple[Formula, ...]

    def value(self, at: At) -> Grid:
        return componentwise(lambda *v: at.oracle.real.fsum(v), [term.value(at) for term in self.terms])


@dataclass(frozen=True)
class Times(Formula):
    """Componentwise product; a scalar spreads."""

    factors: tuple[Formula, ...]

    def value(self, at: At) -> Grid:
        return componentwise(product_of, [f.value(at) for f in self.factors])


@dataclass(frozen=True)
class Product(Formula):
    """Matrix product of the factors from left to right; scalars among them only scale."""

    factors: tuple[Formula, ...]

    def value(self, at: At) -> Grid:
        first, *others = (f.value(at) for f in self.factors)
        for other in others:
            first = multiplied(first, other, at.oracle.real)
        return first


@dataclass(frozen=True)
class Turned(Formula):
    """The transpose."""

    of: Formula

    def value(self, at: At) -> Grid:
        return self.of.value(at).turned


@dataclass(frozen=True)
class Diagonal(Formula):
    """diag(v); of a scalar the scalar itself."""

    of: Formula

    def value(self, at: At) -> Grid:
        grid = self.of.value(at)
        if grid.columns != 1:
            raise ShapeError(f"diag(…): expected a vector, found a matrix {grid.shape}")
        n, zero = grid.rows, at.oracle.real.zero
        entries = (grid.entries[i] if i == j else zero for i in range(n) for j in range(n))
        return Grid(n, n, tuple(entries))


@dataclass(frozen=True)
class Applied(Formula):
    """A SymPy expression in arg(0), arg(1), … of the components of the arguments."""

    body: sympy.Expr
    args: tuple[Formula, ...]

    def value(self, at: At) -> Grid:
        body = tape([self.body], [arg(i) for i in range(len(self.args))], at.oracle.real)
        return componentwise(lambda *v: body(*v)[0], [a.value(at) for a in self.args])


@dataclass(frozen=True)
class Blocks(Formula):
    """A matrix of blocks."""

    rows: tuple[tuple[Formula, ...], ...]

    def value(self, at: At) -> Grid:
        return stacked([beside([block.value(at) for block in row]) for row in self.rows])


@dataclass(frozen=True)
class OverTime(Formula):
    """Σ of `body` for index = first … last."""

    index: sympy.Symbol
    first: StepLike
    last: StepLike
    body: Formula

    def value(self, at: At) -> Grid:
        steps = range(at.step(self.first), at.step(self.last) + 1)
        grids = [self.body.value(at.having(self.index, t)) for t in steps]
        if not grids:
            raise ShapeError(f"a sum over {self.index}: expected at least one step, found none")
        return componentwise(lambda *v: at.oracle.real.fsum(v), grids)
