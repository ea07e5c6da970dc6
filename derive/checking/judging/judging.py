"""Whether a claim holds: two sides worked out at every place where both exist.

A place is a point with a value for every free index. Where a side names a step that does not exist, as
a[t+1] does at t = T, the place does not count; a step that a sum runs into, or a plain number, has to exist.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from chalkgrad.derive.cells.model import YHAT
from chalkgrad.derive.checking.judging.formulas import LENGTH, Reading, comparable, equal
from chalkgrad.derive.checking.judging.meaning import Meaning
from chalkgrad.derive.checking.judging.points import length
from chalkgrad.derive.checking.reading.errors import NoStep, NoValue
from chalkgrad.derive.checking.reading.scope import TIMES, Scope
from chalkgrad.derive.checking.reading.tree import (
    Delta,
    Loss,
    Over,
    Slope,
    Sum,
    Syntax,
    Turned,
    Value,
    Weight,
    letter,
    places,
)
from chalkgrad.derive.claims.formula import At
from chalkgrad.derive.errors import DerivationError, ShapeError
from chalkgrad.derive.terms.algebra import parameters
from chalkgrad.derive.terms.trees import walk
from chalkgrad.derive.values.grid import Grid
from chalkgrad.derive.values.oracle import Oracle


@dataclass(frozen=True)
class Failure:
    """Where two sides differ, and by what: an entry, or a reason why a side has no value there."""

    at: At
    left: Grid | None
    right: Grid | None
    reason: str = ""


@dataclass(frozen=True)
class Bench:
    """Two sides of one reading are worked out here. letters: the free indices of the whole text."""

    scope: Scope
    oracles: Sequence[Oracle]
    reading: Reading
    letters: tuple[str, ...]

    @cached_property
    def meaning(self) -> Meaning:
        return Meaning(self.scope, self.reading)

    @cached_property
    def places(self) -> tuple[At, ...]:
        """At the first point first; of the indices those in the middle first, where nothing is special."""
        found = []
        for oracle in self.oracles:
            last = length(self.scope.derivation, oracle.extent)
            known = {**oracle.extent.times, letter("T"): last, LENGTH: last}
            middle = sorted(range(1, last + 1), key=lambda t: abs(2 * t - last - 1))
            for steps in product(middle, repeat=len(self.letters)):
                own = {letter(name): t for name, t in zip(self.letters, steps, strict=True)}
                found.append(At(oracle, {**known, **own}))
        return tuple(found)

    def value(self, node: Syntax, at: At) -> Grid | str | None:
        """The matrix; None where the place does not count; otherwise the reason why there is none."""
        try:
            return self.meaning.formula(node).value(at)
        except NoStep as missing:
            return None if missing.letters else str(missing)
        except (ShapeError, NoValue, DerivationError) as error:
            return str(error)

    def compared(self, left: Syntax, right: Syntax) -> Iterator[tuple[At, Grid | str, Grid | str]]:
        """Both sides at every place that counts."""
        for at in self.places:
            one = self.value(left, at)
            other = None if one is None else self.value(right, at)
            if one is not None and other is not None:
                yield at, _added_up(one, right), _added_up(other, left)

    def failure(self, left: Syntax, right: Syntax) -> Failure | None:
        """Where the claim fails first. None if it holds at every place that counts, and some do."""
        flat, count = is_flat(left, right), 0
        for at, one, other in self.compared(left, right):
            count += 1
            if isinstance(one, str) or isinstance(other, str):
                reason = one if isinstance(one, str) else other
                return Failure(at, _grid(one), _grid(other), str(reason))
            try:
                if not equal(one, other, at.oracle, flat):
                    return Failure(at, one, other)
            except ShapeError:
                return Failure(at, one, other, f"{_shape(one)} and {_shape(other)}")
        return (
            None
            if count
            else Failure(self.places[0], None, None, "there is no step at which all of it exists")
        )

    def holds(self, left: Syntax, right: Syntax) -> bool:
        return self.failure(left, right) is None

    def count(self, left: Syntax, right: Syntax) -> int:
        """How many places count."""
        return sum(1 for _ in self.compared(left, right))

    def fit(self, left: Syntax, right: Syntax) -> bool:
        """Whether the two sides have values of one shape where they are first worked out."""
        for _, one, other in self.compared(left, right):
            if isinstance(one, str) or isinstance(other, str):
                return False
            return comparable(one, other, is_flat(left, right))
        return False


def _added_up(value: Grid | str, other: Syntax) -> Grid | str:
    """What a loss is said to be, component by component, is meant as the sum of the components."""
    if isinstance(value, str) or not isinstance(subject(other), Loss) or 1 not in value.shape:
        return value
    whole = value.entries[0]
    for entry in value.entries[1:]:
        whole = whole + entry
    return Grid(1, 1, (whole,))


def _grid(value: Grid | str) -> Grid | None:
    return value if isinstance(value, Grid) else None


def _shape(grid: Grid) -> str:
    if grid.shape == (1, 1):
        return "a number"
    if grid.columns == 1:
        return f"a column of {grid.rows}"
    return f"a row of {grid.columns}" if grid.rows == 1 else f"a {grid.rows} by {grid.columns} matrix"


# ----------------------------------------------------------------------------- what is claimed about what


def subject(node: Syntax) -> Syntax | None:
    """The one thing that a side is about, a derivative, a δ or a value, signs and transposes aside."""
    while isinstance(node, Turned) or (isinstance(node, Sum) and len(node.terms) == 1):
        node = node.children[0]
    return node if isinstance(node, (Slope, Delta, Value, Loss)) else None


def is_flat(left: Syntax, right: Syntax) -> bool:
    """Whether a side has the shape of a parameter or a value, and the other is its derivatives in a row.

    That is so where a gradient by itself meets derivatives, and where a side is a chain from the loss down
    to a parameter.
    """
    if any(_is_chain(side) for side in (left, right)):
        return True
    for one, other in ((left, right), (right, left)):
        about = subject(one)
        gradient = isinstance(about, Delta) or (isinstance(about, Slope) and isinstance(about.of, Loss))
        if gradient and any(isinstance(n, Slope) for n in walk(other)):
            return True
    return False


def _is_chain(side: Syntax) -> bool:
    """A product from a derivative of the loss down to one by a parameter."""
    slopes = [n for _, n in places(side) if isinstance(n, Slope)]
    from_loss = any(isinstance(n.of, Loss) for n in slopes)
    return len(slopes) > 1 and from_loss and any(isinstance(n.by, Weight) for n in slopes)


def free_letters(sides: Sequence[Syntax]) -> tuple[str, ...]:
    names = frozenset(name for side in sides for name in side.free) - set(TIMES)
    return tuple(sorted(names))


def readings(sides: Sequence[Syntax], scope: Scope, oracle: Oracle) -> list[Reading]:
    """The ways in which the claim can be read, the usual one first."""
    nodes = [n for side in sides for n in walk(side)]
    by_loss = [n for n in nodes if isinstance(n, Slope) and isinstance(n.of, Loss)]
    rows = [False, True] if by_loss else [False]
    spans = _spans(by_loss, scope, oracle)
    if not any(isinstance(n, Over) for n in nodes):
        spans = spans[:1]
    output = any(isinstance(n, Delta) and n.name == YHAT for n in nodes)
    output = output or any(isinstance(n.by, Value) and n.by.name == YHAT for n in by_loss)
    fed = YHAT in scope.carried and output
    stable = [False, True] if fed else [False]
    crossing = any(isinstance(n, Slope) and _crosses(n, scope) for n in nodes)
    held = [False, True] if crossing and len(scope.carried) > 1 else [False]
    single = any(isinstance(n, Slope) and n.immediate and isinstance(n.by, Value) for n in nodes)
    alone = [False, True] if single else [False]
    return [
        Reading(r, span, s, h, a) for a in alone for h in held for s in stable for span in spans for r in rows
    ]


def _crosses(node: Slope, scope: Scope) -> bool:
    """A value by a state of another step."""
    by, of = node.by, node.of
    return (
        isinstance(by, Value) and isinstance(of, Value) and by.name in scope.carried and by.index != of.index
    )


def _spans(by_loss: Sequence[Slope], scope: Scope, oracle: Oracle) -> list[tuple[int, ...]]:
    """The steps of a sum without bounds: those that use the parameter, or all."""
    every = tuple(range(1, length(scope.derivation, oracle.extent) + 1))
    found = []
    for name in dict.fromkeys(n.by.name for n in by_loss if isinstance(n.by, Weight)):
        found.append(tuple(t for t in every if t in using(name, scope, oracle)))
    return list(dict.fromkeys([*found, every]))


def using(name: str, scope: Scope, oracle: Oracle) -> frozenset[int]:
    """The steps at which equations use a parameter."""
    found: set[int] = set()
    for phase in scope.derivation.phases:
        if any(p.name == name for f in phase.forward for p in parameters(f.value)):
            found.update(oracle.extent.at(phase.segment))
    return frozenset(found)
