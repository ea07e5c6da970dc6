"""The paths that make up a derivative, as terms: what a formula lacks is one of them, or several of a kind.

    δ_v⟨t⟩, ∂L/∂v⟨t⟩     the terms of the adjoint equation for v: within the step, and through the next
    ∂L/∂W, ∂L⟨t⟩/∂W      W's uses: at the step of the loss, and at the steps before it
    ∂v⟨t⟩/∂W             W's uses at step t and before
    ∂u⟨t⟩/∂v⟨k⟩          what u's equation reads, and how that depends on v

A formula lacks a path if it is right with the path added.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import sympy

from chalkgrad.derive.checking.explaining.known import tree
from chalkgrad.derive.checking.judging.readings import GRADIENT, JACOBIAN
from chalkgrad.derive.checking.reading.scope import Scope
from chalkgrad.derive.checking.reading.tree import (
    Delta,
    Factors,
    Index,
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
    negative,
    product,
)
from chalkgrad.derive.deriving.derivation import LOSS, Derivation
from chalkgrad.derive.deriving.timeline import arrivals
from chalkgrad.derive.terms.algebra import Expr, Role, symbols
from chalkgrad.derive.terms.trees import transform

DIRECT, RECURRENT, CROSS = "direct-path", "recurrent-path", "softmax-cross-terms"
_MAX_TERMS = 6  # of which every choice is tried


@dataclass(frozen=True)
class Part:
    """A path: the term that it adds. told: whether the term says more than that something is missing."""

    mistake: str
    term: Syntax
    told: bool = True


@dataclass(frozen=True)
class Paths:
    """The paths of one derivative, as the claim's layout has them."""

    scope: Scope
    layout: str
    subject: Syntax

    @property
    def _derivation(self) -> Derivation:
        return self.scope.derivation.towards(LOSS)

    def parts(self) -> Iterator[Part]:
        """Each path, and paths of one kind together, those with words first."""
        match self.subject:
            case Delta(name=name, index=index):
                yield from self._by_value(None, name, index, row=False)
            case Slope(of=Loss(index=step), by=Value(name=name, index=index), immediate=False):
                yield from self._by_value(step, name, index, row=self.layout == JACOBIAN)
            case Slope(of=Loss(index=None), by=Weight(name=name), immediate=False):
                yield from self._whole_by_weight(name)
            case Slope(of=Loss(index=Index()) | Value() as of, by=Weight(name=name), immediate=False):
                yield from self._by_uses(of, name)
            case Slope(of=Value() as of, by=Value() as by, immediate=False):
                yield from self._through_reads(of, by)
            case _:
                return

    # ------------------------------------------------------------------------- by a value

    def _by_value(self, step: Index | None, name: str, index: Index, row: bool) -> Iterator[Part]:
        def laid(part: Part) -> Part:
            term = part.term if step is None else transform(part.term, self._of_step(step))
            return Part(part.mistake, Turned(term) if row else term, part.told)

        for part in (*_subsets(self._terms(name, index)), *self._softmax(name, index)):
            yield laid(part)
        if step is None:
            own = Slope(Loss(index), Value(name, index))
            column = Turned(own) if self.layout == JACOBIAN else own
            yield laid(Part(DIRECT, column))
            later = Over(transform(column, _at_letter("k")), "k", index.moved(1), at("T"))
            yield laid(Part(RECURRENT, later, told=False))

    def _of_step(self, step: Index):  # type: ignore[no-untyped-def]
        """δ_v as the derivative of the loss of one step."""

        def changed(node: Syntax) -> Syntax:
            if not isinstance(node, Delta):
                return node
            slope = Slope(Loss(step), Value(node.name, node.index))
            return Turned(slope) if self.layout == JACOBIAN else slope

        return changed

    def _terms(self, name: str, index: Index) -> list[Part]:
        """The terms of the adjoint equation, alike ones of several segments as one."""
        found: dict[tuple[int, Expr], str] = {}
        for arrival in arrivals(self._derivation, name):
            found.setdefault((arrival.term.lag, arrival.term.expr), arrival.term.rule)
        made = []
        for (lag, expr), rule in found.items():
            kind = RECURRENT if lag or self._is_late(expr) else DIRECT
            kind = CROSS if rule.startswith("log-sum-exp") else kind
            made.append(Part(kind, tree(expr, index.moved(lag))))
        return made

    def _is_late(self, expr: Expr) -> bool:
        """Whether a term of the same step reads only δ that the next step alone makes."""
        read = {s.name for s in symbols(expr) if s.role is Role.COTANGENT}
        phases = self._derivation.phases
        lags = [t.lag for p in phases for e in p.adjoint if e.target.name in read for t in e.terms]
        return bool(lags) and all(lags)

    def _softmax(self, name: str, index: Index) -> Iterator[Part]:
        """What is lacking if ∂ŷ/∂z was taken to be diag(ŷ ∗ (1 − ŷ)), or diag(ŷ)."""
        for output, argument in self.scope.softmaxes.items():
            if name == argument:
                v = Value(output, index)
                shares: Syntax = v
                for _ in range(2):
                    wrong = product("*", (shares, Delta(output, index)))
                    yield Part(CROSS, added(Delta(name, index), negative(wrong)), told=False)
                    shares = product("*", (v, Sum(((1, Num(sympy.Integer(1))), (-1, v)))))

    # ------------------------------------------------------------------------- by a parameter

    def _whole_by_weight(self, name: str) -> Iterator[Part]:
        """∂L/∂W: the paths within one step, and those through later steps; or one of several uses."""
        gradient = next(g for g in self._derivation.parameter_gradients if g.name == name)
        uses = [Part(DIRECT, Over(tree(s.expr, at("t")), "t")) for s in gradient.sums]
        if len(uses) > 1:
            yield from _subsets(uses)
        direct = Over(Slope(Loss(at("t")), Weight(name, at("t"))), "t", *self._outputs)
        whole = Slope(Loss(), Weight(name))
        yield Part(RECURRENT, added(whole, negative(direct)), told=False)
        yield Part(DIRECT, direct, told=False)

    @property
    def _outputs(self) -> tuple[Index, Index]:
        steps = self._derivation.schedule.y_steps
        assert steps is not None
        start, count = steps
        return _index(start + 1), _index(start + count)

    def _by_uses(self, of: Loss | Value, name: str) -> Iterator[Part]:
        """∂of/∂W: the use at the step of `of` is direct, those before it are recurrent."""
        assert of.index is not None
        step = of.index
        for term in self._use(of, name, step):
            yield Part(DIRECT, term)
        back = step.number if not step.letters else 5
        for k in range(1, back):
            for term in self._use(of, name, step.moved(-k)):
                yield Part(RECURRENT, term)
        copies = Slope(of, Weight(name, at("j")))
        yield Part(DIRECT, Slope(of, Weight(name, step)), told=False)
        first = Index((), 1)
        yield Part(RECURRENT, Over(copies, "j", first, step.moved(-1)), told=False)
        for k in range(1, back):
            yield Part(RECURRENT, Slope(of, Weight(name, step.moved(-k))), told=False)
            yield Part(RECURRENT, Over(copies, "j", first, step.moved(-k)), told=False)
            yield Part(RECURRENT, Over(copies, "j", step.moved(-k), step.moved(-1)), told=False)

    def _use(self, of: Loss | Value, name: str, step: Index) -> Iterator[Syntax]:
        """∂of/∂v⟨k⟩ ∂⁺v⟨k⟩/∂W with any value v of the step, the states first."""
        own = [of.name] if isinstance(of, Value) and of.index == step else []
        others = [n for n in self.scope.values if n not in self.scope.states and n not in ("x", "y")]
        for value in dict.fromkeys([*own, *self.scope.states, *others]):
            v = Value(value, step)
            last = Slope(v, Weight(name), True)
            if of == v:
                yield last
                continue
            above: Syntax = Slope(of, v)
            if isinstance(of, Loss) and self.layout == GRADIENT:
                above = Turned(above)
            yield Factors(above, (("@", last),))

    # ------------------------------------------------------------------------- values by values

    def _through_reads(self, of: Value, by: Value) -> Iterator[Part]:
        """∂u/∂v: direct where u's equation reads v itself, through every other value that it reads."""
        equations = [e for p in self._derivation.phases for e in p.forward if e.target.name == of.name]
        reads = dict.fromkeys(
            s for e in equations for s in symbols(e.value) if s.role is Role.VALUE and s.name != "y"
        )
        made = []
        for symbol in reads:
            read = Value(symbol.name, of.index.moved(symbol.lag))
            local = Slope(of, read, True)
            same = read == by
            made.append(
                Part(DIRECT if same else RECURRENT, local if same else product("@", (local, Slope(read, by))))
            )
        if len(made) > 1:
            yield from _subsets(made)


def _at_letter(letter: str):  # type: ignore[no-untyped-def]
    """The loss of the step that a letter tells."""
    return lambda node: Loss(at(letter)) if isinstance(node, Loss) else node


def _index(step: sympy.Expr) -> Index:
    number, rest = sympy.sympify(step, strict=True).as_coeff_Add()
    found = Index((), int(number))
    for symbol in sorted(rest.free_symbols, key=str):
        found = found.plus(at(str(symbol)))
    return found


def _subsets(parts: Sequence[Part]) -> Iterator[Part]:
    """All of one kind, then one, then every other choice of one kind."""
    kinds = list(dict.fromkeys(part.mistake for part in parts))
    groups = [[p for p in parts if p.mistake == kind] for kind in kinds]
    for group in groups:
        yield _together(group)
    for group in groups:
        if len(group) > 1:
            yield from group
    for group in groups:
        for count in range(2, len(group)) if len(group) <= _MAX_TERMS else ():
            for chosen in combinations(group, count):
                yield _together(chosen)


def _together(parts: Sequence[Part]) -> Part:
    return Part(parts[0].mistake, added(*(part.term for part in parts)), all(p.told for p in parts))
