"""Every displayed equality of a document, held to the oracle before the document is given out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

from chalkgrad.derive.claims.equality import Equality
from chalkgrad.derive.deriving.architecture import T, T_x, T_y
from chalkgrad.derive.deriving.derivation import OUTSIDE, Derivation
from chalkgrad.derive.deriving.extent import Steps
from chalkgrad.derive.documents.tree import Block, Document, Equations, Line, Remark, Section
from chalkgrad.derive.errors import DerivationError, DeriveError, ShapeError
from chalkgrad.derive.values.oracle import Oracle, oracles
from chalkgrad.derive.values.reals import Real
from chalkgrad.errors import FAULT

POINTS = 3
DIGITS = 40
CARRIED = (DIGITS + 20, 10 * DIGITS)
"""Digits; the more where a difference is too large for a right line and too small for a wrong one."""
TOLERANCE = 1e-30  # of a relative difference where two sides are equal
APART = 1e-6  # and the least one where a quoted line is said to be false
SHORTEST = 3  # steps at which equations in t are tried: a first, a last and one between


class WrongStep(DeriveError):
    """A displayed equality that does not hold, or a quoted false one that does."""

    status: ClassVar[int] = FAULT

    def __init__(self, line: str, found: str, holds: bool) -> None:
        self.line, self.found, self.holds = line, found, holds
        expected = "two equal sides" if holds else "two different sides, as the line is quoted as false"
        super().__init__(f"{line}: expected {expected}, found {found}")


@dataclass(frozen=True)
class Judge:
    """The points at which the equalities about one derivation are tried; example: that of worked numbers."""

    derivation: Derivation
    example: Oracle | None = None

    def check(self, equality: Equality, told: Callable[[], str]) -> bool:
        """Raises WrongStep unless the equality holds at every point, or a false one fails at some."""
        near = TOLERANCE if equality.digits is None else 0.51 * 10.0 ** (1 - equality.digits)
        for digits in CARRIED:
            found = self._largest(equality, digits, told)
            if not near <= found < APART:  # what only rounding has made vanishes with more digits
                break
        if not (found < near if equality.holds else found > APART):
            raise WrongStep(told(), f"a relative difference of {float(found):.3g}", equality.holds)
        return equality.holds

    def _largest(self, equality: Equality, digits: int, told: Callable[[], str]) -> Real:
        """The largest difference at any point. Raises WrongStep where there is none."""
        tried = self._oracles(equality, digits)
        if not all(equality.places(oracle) for oracle in tried):
            raise WrongStep(told(), "no step at which it is said", equality.holds)
        try:
            return max(equality.difference(oracle) for oracle in tried)
        except KeyError as error:
            raise WrongStep(told(), f"no value of {error}", equality.holds) from None
        except (DerivationError, ShapeError) as error:
            raise WrongStep(told(), str(error), equality.holds) from None

    @cached_property
    def _known(self) -> dict[tuple[Steps, str, str, int], list[Oracle]]:
        return {}

    def _oracles(self, equality: Equality, digits: int) -> list[Oracle]:
        if equality.digits is not None and self.example is not None:
            return [self.example]
        steps = general_steps(self.derivation) if equality.T is None else equality.T
        towards = equality.towards if self.derivation.loss is not None else OUTSIDE
        key = (steps, towards, equality.initial, digits)
        if key not in self._known:
            self._known[key] = oracles(
                self.derivation, steps, points=POINTS, digits=digits, towards=key[1], initial=key[2]
            )
        return self._known[key]


def general_steps(derivation: Derivation) -> Steps:
    """A T for which every stretch of every equation has a step."""
    symbols = derivation.schedule.length.free_symbols
    if T in symbols:
        return SHORTEST
    return (SHORTEST - 1, SHORTEST) if symbols & {T_x, T_y} else None


def verified(section: Section, judge: Judge, told: Callable[[Line], str]) -> Section:
    """The section with the verdict of every line.

    told: a line as an error message shows it. Raises WrongStep for the first line that is not as it says.
    """

    def line(one: Line) -> Line:
        if one.equality is None:
            return one
        return replace(one, verdict=judge.check(one.equality, lambda: told(one)))

    return replace(section, blocks=tuple(_block(b, line) for b in section.blocks))


def counted(document: Document) -> Document:
    """The document with the number of equalities checked, worked numbers apart."""
    claims = [one.equality for one in document.lines() if one.equality is not None]
    count = sum(claim.digits is None for claim in claims)
    return replace(document, checked=(count, POINTS, DIGITS))


def _block(block: Block, change: Callable[[Line], Line]) -> Block:
    match block:
        case Equations(lines=lines):
            return replace(block, lines=tuple(change(one) for one in lines))
        case Remark(blocks=blocks):
            return replace(block, blocks=tuple(_block(b, change) for b in blocks))
        case _:
            return block
