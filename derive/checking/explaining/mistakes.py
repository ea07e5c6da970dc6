"""Which mistake a wrong formula has: the smallest change that makes it right tells its name.

The order in which changes are tried is the order below. It matters where one formula is two changes away
from being right by two names: a sum over time that is missing is named before a path that is, a wrong step
before a wrong vector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from chalkgrad.derive.checking.explaining import constants, edits, rewrites
from chalkgrad.derive.checking.explaining.known import in_own_names, tree
from chalkgrad.derive.checking.explaining.paths import DIRECT, RECURRENT, Paths
from chalkgrad.derive.checking.judging.claim import Claim
from chalkgrad.derive.checking.judging.conditions import Outcome, Status
from chalkgrad.derive.checking.judging.places import SHARES
from chalkgrad.derive.checking.judging.readings import Reading
from chalkgrad.derive.checking.judging.verdicts import Judge
from chalkgrad.derive.checking.reading.scope import EXAMPLES, Scope
from chalkgrad.derive.checking.reading.tree import (
    Count,
    Delta,
    Factors,
    Loss,
    Over,
    Slope,
    StepNumber,
    Sum,
    Syntax,
    Turned,
    Value,
    Weight,
    added,
    at,
    differing,
    places,
    product,
)
from chalkgrad.derive.deriving.derivation import LOSS
from chalkgrad.derive.terms.algebra import Expr, shifted

OTHER, SHAPE = "other", "shape"
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
    "total-for-immediate": "A total derivative stands where the immediate one belongs. Many books write ∂ "
    "and mean ∂⁺: what comes through other values, or did so at earlier steps, has terms of its own.",
    "sign": "A sign is wrong.",
    "mean": "The loss is a sum: nothing divides it by a number of terms.",
    "step-loss-for-total": "The loss of one step stands where the whole loss belongs.",
    "missing-factor": "A factor is missing.",
    "extra-factor": "There is a factor too many.",
    "wrong-range": "A sum or a product runs over other steps.",
    "wrong-function": "Another function, or another power, belongs here.",
    SHAPE: "The shapes do not fit.",
    OTHER: "The two sides are not equal.",
}
Edits = Callable[[Syntax, Scope], Iterator[Syntax]]

FIRST: tuple[tuple[str, Edits], ...] = (("softmax-cross-terms", rewrites.cross_terms),)
SIMPLE: tuple[tuple[str, Edits], ...] = (
    ("sign", edits.signs),
    ("total-for-immediate", edits.immediates),
    ("step-loss-for-total", edits.objectives),
    ("transpose", edits.transposes),
    ("state-index", edits.shifts),
    ("activation-argument", edits.arguments),
    ("mean", constants.averages),
    ("swapped-weights", edits.weights),
    ("transpose", edits.reversed_products),
    ("swapped-vectors", edits.outer_vectors),
    ("transpose", edits.turned),
    ("extra-factor", constants.constants),
    ("swapped-vectors", edits.vectors),
)
NAMELESS: tuple[tuple[str, Edits], ...] = (
    ("state-index", edits.bounds_of_products),
    ("wrong-range", edits.bounds_of_sums),
    ("wrong-function", rewrites.functions),
    (OTHER, edits.totals),
    (OTHER, rewrites.terms),
    (OTHER, rewrites.products),
    ("extra-factor", rewrites.factors),
    ("missing-factor", rewrites.further_factors),
)
MEANT: tuple[tuple[str, Edits], ...] = (("total-for-immediate", edits.immediates_of_values),)
OF_THE_TARGET: tuple[tuple[str, Edits], ...] = (
    ("step-loss-for-total", edits.objectives),
    ("state-index", edits.shifts),
    ("extra-factor", constants.constants),
    ("wrong-function", rewrites.unwrapped),
)
IN_PAIRS: tuple[tuple[str, Edits], ...] = (
    ("sign", edits.signs),
    ("transpose", edits.transposes),
    ("mean", constants.averages),
    ("state-index", edits.shifts),
    ("activation-argument", edits.arguments),
    ("swapped-weights", edits.weights),
)
WORK, WORK_OF_PAIRS = 100_000, 30_000  # parts of formulas that are worked out for one claim
_OF_THE_SAME = ("transpose", "sign", "mean")  # what a claim X = Xᵀ, −X or X/m has
_HELPED = 2  # a repair exists at no less than one of so many places where the other side does


@dataclass(frozen=True)
class Diagnosis:
    """The name of a mistake; where that is known, the side as it should be, what it lacks, and the part of it
    that is wrong with what belongs there. second: the other one of two mistakes. target: the other side, if
    the change is there.
    """

    mistake: str
    side: Syntax | None = None
    missing: Syntax | None = None
    second: str = ""
    instead: tuple[Syntax, Syntax] | None = None
    target: Syntax | None = None


@dataclass
class Budget:
    """What may still be spent on looking for changes, in parts of formulas that are worked out."""

    left: int


@dataclass(frozen=True)
class Case:
    """A claim that fails at a place: `side` is not equal to `target`, which is about `subject`."""

    judge: Judge
    claim: Claim
    reading: Reading
    failures: list[Outcome]
    target: Syntax
    side: Syntax
    subject: Syntax | None
    budget: Budget

    def diagnosis(self) -> Diagnosis | None:
        """The first change that makes the claim right."""
        return (
            self._sums()
            or self._changed(FIRST)
            or self._of_the_target(MEANT)
            or self._paths()
            or self._changed(SIMPLE)
            or self._of_the_target(OF_THE_TARGET)
            or self._added()
            or self._scaled()
            or self._changed(NAMELESS)
        )

    @property
    def scope(self) -> Scope:
        return self.claim.scope

    def _right(self, side: Syntax, target: Syntax | None = None) -> bool:
        """Whether the claim holds with another side, and not only where little of it exists."""
        self.budget.left -= side.size
        if self.budget.left < 0:
            return False
        repaired = Claim(self.scope, (target or self.target, side), self.claim.T, self.claim.sizes)
        if not set(repaired.letters) <= set(self.claim.letters) or repaired.says_the_same:
            return False
        if not self.judge.holds_where(repaired, self.reading, self.failures):
            return False
        verdict = self.judge.verdict(repaired, [self.reading])
        if not verdict.correct or not self._are_usual(verdict.conditions):
            return False
        where = verdict.outcomes
        if f"T = {self.claim.T}" in verdict.conditions:
            where = tuple(o for o in where if o.place.T == self.claim.T)
        whole = [o for o in where if self.judge.exists(repaired.sides[0], self.reading, o)]
        return _HELPED * sum(o.status is Status.TRUE for o in whole) >= len(whole)

    def _are_usual(self, conditions: tuple[str, ...]) -> bool:
        """Whether whoever writes a formula takes them for granted: on steps, classes, the given T."""
        return all(" = " not in c or c in (SHARES, f"T = {self.claim.T}") for c in conditions)

    def _found(
        self, mistake: str, side: Syntax, missing: Syntax | None = None, second: str = ""
    ) -> Diagnosis:
        old, new = differing(self.side, side)
        part = missing is None and old not in (self.side, side) and not isinstance(old, Over)
        instead = (old, self._own(new)) if part else None
        return Diagnosis(mistake, self._own(side), missing and self._own(missing), second, instead)

    def _own(self, node: Syntax) -> Syntax:
        """In names that the file has, or that the claim uses itself."""
        return in_own_names(node, self.scope, (self.target, self.side))

    # ------------------------------------------------------------------------- sums and paths

    def _sums(self) -> Diagnosis | None:
        for name, side in self._summed(self.side):
            if self._right(side):
                return self._found(name, side)
        return None

    def _summed(self, side: Syntax) -> Iterator[tuple[str, Syntax]]:
        """The sum over time of a side that has the gradient's part of one step."""
        last = self.failures[0].last
        match self.subject:
            case Slope(of=Loss(index=None), by=Weight(name=name)):
                bias = len(self.scope.parameters[name]) < 2
                for whole in edits.summed(side, last):
                    yield ("bias-not-summed" if bias else "last-step-only"), whole
            case Loss(index=None):
                for whole in edits.summed(side, last):
                    yield "last-step-only", whole
            case _:
                return

    def _paths(self) -> Diagnosis | None:
        if self.subject is None:
            return None
        for part in Paths(self.scope, self.reading.layout, self.subject).parts():
            term = self._as_in_target(part.term)
            if self._right(added(self.side, term)):
                if part.told:
                    return self._found(part.mistake, added(self.side, term), term)
                within, true = self._added(), self.truth()
                if within is not None and within.mistake == part.mistake:
                    return within
                return Diagnosis(part.mistake, None if true is None else true.side)
        return None

    def _as_in_target(self, term: Syntax) -> Syntax:
        """What is added to the subject, as it is added to the side: turned, or with the other sign."""
        node = self.target
        while node != self.subject:
            if isinstance(node, Turned):
                term = Turned(term)
            elif isinstance(node, Sum) and node.terms[0][0] < 0:
                term = Sum(((-1, term),))
            node = node.children[0]
        return term

    # ------------------------------------------------------------------------- changes

    def _changed(self, changes: tuple[tuple[str, Edits], ...]) -> Diagnosis | None:
        for name, change in changes:
            for side in self._once(change(self.side, self.scope)):
                if side == self.target:
                    if name in _OF_THE_SAME:
                        return Diagnosis(name)
                elif self._right(side):
                    return self._found(name, side)
        return None

    def _once(self, sides: Iterator[Syntax]) -> Iterator[Syntax]:
        """Each other formula once; none that differentiates a thing by itself, which says nothing."""
        seen, idle = {self.side}, _idle(self.side)
        for side in sides:
            if self.budget.left < 0:
                return
            if side not in seen and _idle(side) <= idle:
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

    def _of_the_target(self, changes: tuple[tuple[str, Edits], ...]) -> Diagnosis | None:
        """A change of the other side: of the loss, of a step, of a number or a function there."""
        for name, change in changes if edits.leaves(self.side) else ():
            for target in change(self.target, self.scope):
                if target != self.side and self._right(self.side, target):
                    return Diagnosis(name, self._own(self.side), target=target)
        return None

    def _scaled(self) -> Diagnosis | None:
        """A number is missing, or a count of terms that was divided by."""
        counts = [StepNumber(at("T")), *(Count(name) for name in self.scope.counts if name not in EXAMPLES)]
        for count in counts:
            if self._right(side := product("*", (count, self.side))):
                return self._found("mean", side)
        for side in constants.scaled(self.side):
            if self._right(side):
                return self._found("missing-factor", side)
        return None

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
