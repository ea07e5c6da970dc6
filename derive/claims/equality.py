"""What an equation claims: two formulas that are equal, and how far apart they are at a point."""

from __future__ import annotations

from dataclasses import dataclass

import sympy

from chalkgrad.derive.claims.formula import At, Formula
from chalkgrad.derive.deriving.derivation import LOSS
from chalkgrad.derive.deriving.extent import Steps
from chalkgrad.derive.errors import ShapeError
from chalkgrad.derive.terms.algebra import StepLike
from chalkgrad.derive.values.grid import Grid
from chalkgrad.derive.values.oracle import Oracle
from chalkgrad.derive.values.reals import Real

_LOST = 6  # digits that rounding may take, of numbers of order 1


@dataclass(frozen=True)
class Equality:
    """left = right, for every value of the index symbols in `over`: (index, first, last).

    holds: False where the claim is quoted as a false one, and has to differ. flat: a gradient with the
    shape of its parameter against a row in the same order. T: the steps that it is about, if they are
    told. towards: what δ is the derivative of. initial: "zero" for a claim about initial states of zero.
    digits: of a worked example, whose numbers are rounded to as many.
    """

    left: Formula
    right: Formula
    over: tuple[tuple[sympy.Symbol, StepLike, StepLike], ...] = ()
    holds: bool = True
    flat: bool = False
    T: Steps = None
    towards: str = LOSS
    initial: str = "symbols"
    digits: int | None = None

    def difference(self, oracle: Oracle) -> Real:
        """The largest relative difference of a component, over all index values, at one point."""
        worst = oracle.real.zero
        for at in self.places(oracle):
            left, right = self.left.value(at), self.right.value(at)
            if self.digits is None:
                worst = max(worst, difference(left, right, oracle, self.flat))
            else:  # rounded numbers: each has its digits
                pairs = zip(left.entries, right.entries, strict=True)
                singles = ((Grid(1, 1, (a,)), Grid(1, 1, (b,))) for a, b in pairs)
                worst = max(worst, *(difference(a, b, oracle) for a, b in singles))
        return worst

    def places(self, oracle: Oracle) -> list[At]:
        """Every value of the index symbols."""
        found = [At(oracle)]
        for index, first, last in self.over:
            found = [at.having(index, t) for at in found for t in range(at.step(first), at.step(last) + 1)]
        return found


def difference(left: Grid, right: Grid, oracle: Oracle, flat: bool = False) -> Real:
    """The largest difference, relative to the largest component of either; two sides that are zero but
    for the last digits agree. Raises ShapeError."""
    if left.shape != right.shape and not (flat and len(left.entries) == len(right.entries)):
        raise ShapeError(f"two sides of an equation: expected {left.shape}, found {right.shape}")
    size = max(map(abs, (*left.entries, *right.entries)))
    if size < oracle.real.mpf(10) ** (_LOST - oracle.real.dps):
        return oracle.real.zero
    return max(abs(a - b) for a, b in zip(left.entries, right.entries, strict=True)) / size
