"""Equations of a derivation in the words of the grammar: what is true, to be checked as it is and spoilt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import sympy

from chalkgrad.derive.cells.model import YHAT, Model
from chalkgrad.derive.checking.explaining.known import tree
from chalkgrad.derive.checking.judging.places import scope_of
from chalkgrad.derive.checking.reading.scope import Scope
from chalkgrad.derive.checking.reading.tree import (
    Delta,
    Given,
    Index,
    Loss,
    Over,
    Slope,
    Syntax,
    Value,
    Weight,
    added,
    at,
)
from chalkgrad.derive.deriving.derivation import LOSS
from chalkgrad.derive.deriving.timeline import arrivals
from chalkgrad.derive.terms.trees import walk
from tests.derive.checking.spelled import spelled


@dataclass(frozen=True)
class Claim:
    """left = right, both as trees; parts: the terms of the right side with the step that each is read at."""

    scope: Scope
    left: Syntax
    right: Syntax
    lags: tuple[int, ...] = ()
    rules: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return f"{spelled(self.left, self.scope)} = {spelled(self.right, self.scope)}"

    def having(self, right: Syntax) -> str:
        return f"{spelled(self.left, self.scope)} = {spelled(right, self.scope)}"


def is_of_the_stable_loss(scope: Scope, name: str, terms: Iterable[Syntax]) -> bool:
    """Whether an equation speaks of the loss in its stable form: L is a function of ŷ, so that δ of what
    the stable form introduces, and δ_ŷ where ŷ is fed back, mean something else in a claim."""
    own = {d.name for s in scope.derivation.schedule.segments for d in s.definitions}
    known = {*own, "x", *(s.name for s in scope.derivation.schedule.states)}
    fed = YHAT in scope.carried
    deltas = {n.name for term in terms for n in walk(term) if isinstance(n, Delta)} | {name}
    strange = {n for n in deltas if n not in known and not n.startswith("z_") and n.endswith(f"_{YHAT}")}
    return bool(strange) or (fed and YHAT in deltas)


def recurrences(model: Model) -> Iterator[Claim]:
    """delta_v[t] = …, of every value, for a schedule of one segment."""
    scope = scope_of(model)
    t = at("t")
    for phase in scope.derivation.towards(LOSS).phases:
        for equation in phase.adjoint:
            terms = [tree(term.at_t, t) for term in equation.terms]
            if any(isinstance(n, Given) for term in terms for n in walk(term)):
                continue
            if is_of_the_stable_loss(scope, equation.target.name, terms):
                continue
            yield Claim(
                scope,
                Delta(equation.target.name, t),
                added(*terms),
                tuple(term.lag for term in equation.terms),
                tuple(term.rule for term in equation.terms),
            )


def at_steps(model: Model, times: dict[str, int]) -> Iterator[Claim]:
    """delta_v[2] = …, of every value at every step, for any schedule."""
    scope = scope_of(model)
    derivation = scope.derivation.towards(LOSS)
    known = {sympy.Symbol(name, integer=True, positive=True): n for name, n in times.items()}

    def step(value: sympy.Expr) -> int:
        return int(value.xreplace(known))

    last = step(derivation.schedule.length)
    names = dict.fromkeys(e.target.name for p in derivation.phases for e in p.adjoint)
    for name in names:
        for n in range(1, last + 1):
            found = [a for a in arrivals(derivation, name) if step(a.first) <= n <= step(a.last)]
            if not found:
                continue
            terms = [tree(a.term.expr, Index((), n + a.term.lag)) for a in found]
            if any(isinstance(node, Given) for term in terms for node in walk(term)):
                continue
            if is_of_the_stable_loss(scope, name, terms):
                continue
            lags = tuple(a.term.lag for a in found)
            yield Claim(scope, Delta(name, Index((), n)), added(*terms), lags)


def gradients(model: Model) -> Iterator[Claim]:
    """dL/dW = …, of every parameter."""
    scope = scope_of(model)
    derivation = scope.derivation.towards(LOSS)
    for gradient in derivation.parameter_gradients:
        sums = []
        for part in gradient.sums:
            segment = derivation.phases[part.phase].segment
            body = tree(part.expr, at("t"))
            sums.append(Over(body, "t", index_of(segment.first), index_of(segment.last)))
        if any(isinstance(n, Given) for whole in sums for n in walk(whole)):
            continue
        yield Claim(scope, Slope(Loss(), Weight(gradient.name)), added(*sums))


def forward(model: Model) -> Iterator[Claim]:
    """v[t] = …, of every value."""
    scope = scope_of(model)
    for phase in scope.derivation.phases:
        for equation in phase.forward:
            right = tree(equation.value, at("t"))
            if equation.target != scope.derivation.loss and not any(
                isinstance(n, Given) for n in walk(right)
            ):
                yield Claim(scope, Value(equation.target.name, at("t")), right)


def index_of(step: sympy.Expr) -> Index:
    number, rest = sympy.sympify(step, strict=True).as_coeff_Add()
    found = Index((), int(number))
    for name in sorted(str(symbol) for symbol in rest.free_symbols):
        found = found.plus(at(name))
    return found
