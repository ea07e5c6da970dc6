"""Which mistake a wrong formula has: the smallest change that makes it right tells its name.

The order in which changes are tried is the order below. It matters where one formula is two changes away
from being right by two names: a sum over time that is missing is named before a path that is, a wrong step
before a wrong vector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import sympy

from chalkgrad.derive.checking.explaining import edits, rewrites
from chalkgrad.derive.checking.explaining.known import tree
from chalkgrad.derive.checking.explaining.paths import DIRECT, RECURRENT, Paths
from chalkgrad.derive.checking.explaining.written import written
from chalkgrad.derive.checking.judging.formulas import LENGTH, spread
from chalkgrad.derive.checking.judging.judging import Bench
from chalkgrad.derive.checking.reading.scope import TIMES, Scope
from chalkgrad.derive.checking.reading.tree import (
    Delta,
    Factors,
    Loss,
    Num,
    Over,
    Slope,
    Sum,
    Syntax,
    Turned,
    Value,
    Weight,
    added,
    at,
    differing,
    negative,
    places,
    product,
)
from chalkgrad.derive.claims.formula import At
from chalkgrad.derive.deriving.derivation import LOSS
from chalkgrad.derive.terms.algebra import Expr, shifted
from chalkgrad.derive.values.grid import Grid
from chalkgrad.derive.writing.tree import Node, joined

OTHER = "other"
MISTAKES = {  # the names, and what is said of each
    "direct-path": "A path is missing: the direct one, within the step itself.",
    "recurrent-path": "A path is missing: the one through other steps.",
    "state-index": "A step is off: something is read at the wrong time.",
    "transpose": "A transpose is missing, or one too many, or the factors stand in the wrong order.",
    "swapped-weights": "Another parameter belongs here.",
    "swapped-vectors": "A wrong vector, or two vectors in each other's place.",
    "activation-argument": "The value of a function and its argument are mixed up: a derivative is taken at "
    "the argument, and where it is written with the value, it takes the value.",
    "softmax-cross-terms": "Softmax is not componentwise: each component of its value v depends on every "
    "component of its argument, with the Jacobian diag(v) - v v^T.",
    "bias-not-summed": "The parameter is added at every step: its gradient is a sum over the steps.",
    "last-step-only": "Every step has a part: the sum over the steps is missing.",
    "total-for-immediate": "A total derivative stands where the immediate one belongs: what the parameter "
    "did at earlier steps has terms of its own.",
    "sign": "A sign is wrong.",
    "mean": "The loss is a sum: nothing divides it by a number of terms.",
    OTHER: "The two sides are not equal.",
}
Edits = Callable[[Syntax, Scope], Iterator[Syntax]]

FIRST: tuple[tuple[str, Edits], ...] = (("softmax-cross-terms", rewrites.cross_terms),)
SIMPLE: tuple[tuple[str, Edits], ...] = (
    ("sign", edits.signs),
    ("total-for-immediate", edits.immediates),
    ("transpose", edits.transposes),
    ("state-index", edits.shifts),
    ("activation-argument", edits.arguments),
    ("mean", edits.averages),
    ("swapped-weights", edits.weights),
    ("swapped-vectors", edits.outer_vectors),
    ("transpose", edits.turned),
    ("swapped-vectors", edits.vectors),
    ("recurrent-path", edits.objectives),
)
NAMELESS: tuple[tuple[str, Edits], ...] = (
    (OTHER, edits.constants),
    (OTHER, edits.totals),
    (OTHER, edits.bounds),
    (OTHER, rewrites.terms),
    (OTHER, rewrites.products),
    (OTHER, rewrites.factors),
    (OTHER, rewrites.functions),
)
IN_PAIRS: tuple[tuple[str, Edits], ...] = (
    ("sign", edits.signs),
    ("transpose", edits.transposes),
    ("mean", edits.averages),
    ("state-index", edits.shifts),
    ("activation-argument", edits.arguments),
    ("swapped-weights", edits.weights),
)
WORK, WORK_OF_PAIRS = 200_000, 60_000  # parts of formulas that are worked out for one claim


@dataclass(frozen=True)
class Diagnosis:
    """The name of a mistake; where that is known, the side as it should be, what it lacks, and the part of it
    that is wrong with what belongs there. second: the other one of two mistakes.
    """

    mistake: str
    side: Node | None = None
    missing: Node | None = None
    second: str = ""
    instead: tuple[Node, Node] | None = None


@dataclass
class Budget:
    """What may still be spent on looking for changes, in parts of formulas that are worked out."""

    left: int


@dataclass(frozen=True)
class Case:
    """A claim that fails: `side` is not equal to `target`. subject: the derivative that `target` is."""

    bench: Bench
    target: Syntax
    side: Syntax
    subject: Syntax | None
    budget: Budget

    def diagnosis(self) -> Diagnosis | None:
        """The first change that makes the claim right."""
        return (
            self._sums()
            or self._changed(FIRST)
            or self._paths()
            or self._changed(SIMPLE)
            or self._added()
            or self._scaled()
            or self._changed(NAMELESS)
        )

    @property
    def scope(self) -> Scope:
        return self.bench.scope

    def _right(self, side: Syntax) -> bool:
        """Whether the claim holds with another side, and not only where little of it exists."""
        self.budget.left -= side.size
        if self.budget.left < 0:
            return False
        known = side.free <= {*self.bench.letters, *TIMES}
        if not known or not self.bench.holds(self.target, side):
            return False
        return 2 * self.bench.count(self.target, side) >= self.bench.count(self.target, self.target)

    def _found(
        self, mistake: str, side: Syntax, missing: Syntax | None = None, second: str = ""
    ) -> Diagnosis:
        lacking = None if missing is None else written(missing, self.scope)
        old, new = differing(self.side, side)
        part = missing is None and old not in (self.side, side) and not isinstance(old, Over)
        instead = (written(old, self.scope), written(new, self.scope)) if part else None
        return Diagnosis(mistake, written(side, self.scope), lacking, second, instead)

    # ------------------------------------------------------------------------- sums and paths

    def _sums(self) -> Diagnosis | None:
        for name, side in self._summed(self.side):
            if self._right(side):
                return self._found(name, side)
        return None

    def _summed(self, side: Syntax) -> Iterator[tuple[str, Syntax]]:
        """The sum over time of a side that has the gradient's part of one step."""
        match self.subject:
            case Slope(of=Loss(index=None), by=Weight(name=name)):
                bias = len(self.scope.parameters[name]) < 2
                for whole in edits.summed(side, self.bench.places[0].indices[LENGTH]):
                    yield ("bias-not-summed" if bias else "last-step-only"), whole
            case Loss(index=None):
                for whole in edits.summed(side, self.bench.places[0].indices[LENGTH]):
                    yield "last-step-only", whole
            case _:
                return

    def _paths(self) -> Diagnosis | None:
        if self.subject is None:
            return None
        found = Paths(self.bench, self.subject).missing(self._lacking)
        if found is None:
            return None
        if found.node is not None:
            whole = joined([written(self.side, self.scope), found.node])
            return Diagnosis(found.mistake, whole, found.node)
        within, true = self._added(), self.truth()
        if within is not None and within.mistake == found.mistake:
            return within
        return Diagnosis(found.mistake, None if true is None else true.side)

    def _lacking(self, at: At) -> Grid | None:
        """target − side, turned back to what `subject` alone would be; None where there is no such thing."""
        one, other = self.bench.value(self.target, at), self.bench.value(self.side, at)
        if not isinstance(one, Grid) or not isinstance(other, Grid):
            return None if one is None or other is None else _NOTHING
        other = spread(other, one)
        same = one.shape == other.shape
        if not same and (len(one.entries) != len(other.entries) or not {1} & {*one.shape, *other.shape}):
            return _NOTHING
        gap = Grid(
            one.rows, one.columns, tuple(a - b for a, b in zip(one.entries, other.entries, strict=True))
        )
        node = self.target
        while node != self.subject:
            if isinstance(node, Turned):
                gap = gap.turned
            elif isinstance(node, Sum) and node.terms[0][0] < 0:
                gap = Grid(gap.rows, gap.columns, tuple(-e for e in gap.entries))
            node = node.children[0]
        return gap

    # ------------------------------------------------------------------------- changes

    def _changed(self, changes: tuple[tuple[str, Edits], ...]) -> Diagnosis | None:
        for name, change in changes:
            for side in self._once(change(self.side, self.scope)):
                if self._right(side):
                    return self._found(name, side)
        return None

    def _once(self, sides: Iterator[Syntax]) -> Iterator[Syntax]:
        """Each other formula once; none that differentiates a thing by itself, which says nothing."""
        seen, idle = {self.side}, _idle(self.side)
        for side in sides:
            if self.budget.left < 0:
                return
            if side not in seen and side != self.target and _idle(side) <= idle:
                seen.add(side)
                yield side

    def _added(self) -> Diagnosis | None:
        """A term of an adjoint equation that is missing within the formula."""
        for node, put_back in edits.runs(self.side):
            if self.budget.left < 0:
                return None
            indices = dict.fromkeys(
                index
                for leaf in edits.leaves(node)
                for index in (leaf.index, leaf.index.moved(-1))  # type: ignore[attr-defined]
            )
            for mistake, lag, expr in self._terms:
                for index in indices:
                    term = tree(shifted(expr, lag), index)
                    side = put_back(added(node, term))
                    if self._right(side):
                        return self._found(mistake, side, term)
        return None

    @cached_property
    def _terms(self) -> tuple[tuple[str, int, Expr], ...]:
        """Every term of every adjoint equation that has more than one."""
        equations = [e for p in self.scope.derivation.towards(LOSS).phases for e in p.adjoint]
        several = {e.target.name for e in equations if len(e.terms) > 1 or any(t.lag for t in e.terms)}
        found = [
            (RECURRENT if term.lag else DIRECT, term.lag, term.expr)
            for e in equations
            if e.target.name in several
            for term in e.terms
        ]
        return tuple(dict.fromkeys(found))

    def truth(self) -> Diagnosis | None:
        """What the derivation says, where the grammar has words for it."""
        for side in self._equations():
            for laid in (side, Turned(side)):
                if self._right(laid):
                    return self._found(OTHER, laid)
        return None

    def _equations(self) -> Iterator[Syntax]:
        derivation = self.scope.derivation.towards(LOSS)
        match self.subject:
            case Delta(name=name, index=index) | Slope(of=Loss(index=None), by=Value(name=name, index=index)):
                equations = [e for p in derivation.phases for e in p.adjoint if e.target.name == name]
                terms = dict.fromkeys(tree(term.at_t, index) for e in equations for term in e.terms)
                yield added(*terms)
            case Slope(of=Loss(index=None), by=Weight(name=name)):
                gradient = next(g for g in derivation.parameter_gradients if g.name == name)
                yield added(*dict.fromkeys(Over(tree(s.expr, at("t")), "t") for s in gradient.sums))
            case _:
                return

    def _scaled(self) -> Diagnosis | None:
        """target = c · side with one number c at all places."""
        ratio = None
        for place, one, other in self.bench.compared(self.target, self.side):
            if isinstance(one, str) or isinstance(other, str) or len(one.entries) != len(other.entries):
                return None
            size, number = max((abs(e), i) for i, e in enumerate(other.entries))
            if size == 0:
                continue
            ratio = one.entries[number] / other.entries[number] if ratio is None else ratio
            scaled = Grid(other.rows, other.columns, tuple(ratio * e for e in other.entries))
            gap = max(abs(a - b) for a, b in zip(one.entries, scaled.entries, strict=True))
            real = place.oracle.real
            if gap > size * real.mpf(10) ** (-real.dps // 2):
                return None
        if ratio is None:
            return None
        found = sympy.nsimplify(sympy.Float(str(ratio), 30), rational=True, tolerance=sympy.Float("1e-20"))
        if found.q > 100 or abs(found.p) > 100 or found == 0:
            return None
        factor = Num(abs(found))
        side = product("*", (factor, self.side))
        averaged = found in {self.bench.places[0].indices[LENGTH], *self._sizes()}
        return self._found("mean" if averaged else OTHER, negative(side) if found < 0 else side)

    def _sizes(self) -> set[int]:
        extent = self.bench.oracles[0].extent
        return {*extent.sizes.values(), *extent.times.values()}

    # ------------------------------------------------------------------------- two at once

    def pair(self) -> Diagnosis | None:
        """Two changes that make the claim right together, among the simplest of each kind."""
        for first, second, side in self._pairs():
            if self.budget.left < 0:
                break
            if self._right(side):
                names = sorted({first, second}, key=list(MISTAKES).index)
                return self._found(names[0], side, second=names[1] if len(names) > 1 else "")
        return None

    def _pairs(self) -> Iterator[tuple[str, str, Syntax]]:
        for name, side in self._summed(self.side):
            for other, change in IN_PAIRS:
                yield from ((name, other, twice) for twice in change(side, self.scope))
        for number, (first, before) in enumerate(IN_PAIRS):
            for second, after in IN_PAIRS[number:]:
                for side in before(self.side, self.scope):
                    yield from ((first, second, twice) for twice in after(side, self.scope))


def _idle(node: Syntax) -> int:
    return sum(isinstance(n, Slope) and n.of == n.by for _, n in places(node))


_NOTHING = Grid(0, 0, ())


def grouped(node: Syntax, tight: bool) -> Syntax:
    """Products of several signs as products of one: from left to right, or @ first."""
    children = tuple(grouped(child, tight) for child in node.children)
    same = all(new is old for new, old in zip(children, node.children, strict=True))
    node = node if same else node.rebuild(children)
    if not isinstance(node, Factors) or len({sign for sign, _ in node.rest}) < 2:
        return node
    if not tight:
        return _from_left(node.first, node.rest)
    groups: list[tuple[str, Syntax, tuple[tuple[str, Syntax], ...]]] = [("", node.first, ())]
    for sign, factor in node.rest:
        before, start, inner = groups[-1]
        if sign in "@·":
            groups[-1] = (before, start, (*inner, (sign, factor)))
        else:
            groups.append((sign, factor, ()))
    (_, start, inner), *others = groups
    rest = tuple((sign, _from_left(one, more)) for sign, one, more in others)
    return _from_left(_from_left(start, inner), rest)


def _from_left(first: Syntax, rest: tuple[tuple[str, Syntax], ...]) -> Syntax:
    for sign, factor in rest:
        if isinstance(first, Factors) and all(s == sign for s, _ in first.rest):
            first = Factors(first.first, (*first.rest, (sign, factor)))
        else:
            first = Factors(first, ((sign, factor),))
    return first
