"""The paths that make up a derivative, as numbers: what a formula lacks is one of them, or several.

    δ_v⟨t⟩, ∂L/∂v⟨t⟩     the terms of the adjoint equation for v: within the step, and through the next
    ∂L/∂W, ∂L⟨t⟩/∂W      W's uses: at the step of the loss, and at the steps before it
    ∂v⟨t⟩/∂W             W's uses at step t and before
    ∂u⟨t⟩/∂v⟨k⟩          what u's equation reads, and how that depends on v

A formula lacks a path if the difference to the truth is that path at every place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import sympy

from chalkgrad.derive.cells.model import YHAT
from chalkgrad.derive.checking.explaining.known import tree
from chalkgrad.derive.checking.explaining.written import written
from chalkgrad.derive.checking.judging.formulas import LENGTH, same_entries
from chalkgrad.derive.checking.judging.judging import Bench, using
from chalkgrad.derive.checking.reading.errors import NoValue
from chalkgrad.derive.checking.reading.tree import Delta, Index, Loss, Slope, Syntax, Value, Weight, added
from chalkgrad.derive.claims.formula import At
from chalkgrad.derive.deriving.architecture import Segment
from chalkgrad.derive.deriving.derivation import LOSS, Derivation
from chalkgrad.derive.deriving.timeline import arrivals
from chalkgrad.derive.errors import DerivationError
from chalkgrad.derive.terms.algebra import Expr, Role, Symbol, shifted, symbols
from chalkgrad.derive.terms.trees import transform
from chalkgrad.derive.values.grid import Grid, multiplied
from chalkgrad.derive.values.oracle import ParameterAt, ValueAt
from chalkgrad.derive.values.reals import Real
from chalkgrad.derive.writing.expressions import expr_node
from chalkgrad.derive.writing.tree import Derivative, Name, Node, Objective, Par, Transposed, joined, row

DIRECT, RECURRENT, CROSS = "direct-path", "recurrent-path", "softmax-cross-terms"
Entries = tuple[Real, ...]
_MAX_TERMS = 6  # of which every choice is tried


@dataclass(frozen=True)
class Part:
    """One path: the entries that it adds at a place, row by row, and how it is written, if it can be."""

    mistake: str
    entries: Callable[[At], Entries]
    node: Node | None = None


@dataclass(frozen=True)
class Paths:
    """The paths of one derivative."""

    bench: Bench
    subject: Syntax

    @cached_property
    def _derivation(self) -> Derivation:
        return self.bench.scope.derivation.towards(LOSS)

    def missing(self, lacking: Callable[[At], Grid | None]) -> Part | None:
        """The path, or the paths of one kind, that are what is lacking at every place that counts.

        lacking: truth − claim at a place; None where the place does not count.
        """
        for part in self._choices():
            if self._is(part, lacking):
                return part
        return None

    def _is(self, part: Part, lacking: Callable[[At], Grid | None]) -> bool:
        count = 0
        for at in self.bench.places:
            gap = lacking(at)
            if gap is None:
                continue
            count += 1
            try:
                entries = part.entries(at)
            except (DerivationError, NoValue, KeyError):
                return False
            if len(entries) != len(gap.entries) or not same_entries(entries, gap.entries, at.oracle):
                return False
        return count > 0

    def _choices(self) -> Iterator[Part]:
        match self.subject:
            case Delta(name=name, index=index):
                yield from self._by_value(None, name, index)
            case Slope(of=Loss(index=step), by=Value(name=name, index=index)):
                yield from self._by_value(step, name, index)
            case Slope(of=Loss(index=None), by=Weight(name=name)):
                yield from self._whole_by_weight(name)
            case Slope(of=Loss(index=Index()) | Value() as of, by=Weight(name=name), immediate=False):
                yield from self._by_uses(of, name)
            case Slope(of=Value() as of, by=Value() as by):
                yield from self._through_reads(of, by)
            case _:
                return

    # ------------------------------------------------------------------------- by a value

    def _by_value(self, step: Index | None, name: str, index: Index) -> Iterator[Part]:
        terms = self._terms(step, name, index)
        yield from _subsets(terms)
        yield from self._softmax(step, name, index)
        if step is None:
            yield from self._by_loss(name, index)

    def _terms(self, step: Index | None, name: str, index: Index) -> list[Part]:
        """The terms of the adjoint equation, alike ones of several segments as one."""
        found: dict[tuple[int, Expr], list[tuple[Callable[[At], int], Callable[[At], int], str]]] = {}
        rules: dict[tuple[int, Expr], str] = {}
        for a in arrivals(self._derivation, name):
            key = (a.term.lag, a.term.expr)
            rules[key] = a.term.rule
            bounds = (_bound(a.first), _bound(a.last), a.term.seed)
            found.setdefault(key, []).append(bounds)

        def entries(key: tuple[int, Expr], at: At) -> Entries:
            lag, expr = key
            t = index.value(at.indices)
            s = None if step is None else step.value(at.indices)
            for first, last, seed in found[key]:
                if first(at) <= t <= last(at) and (not seed or s is None or s == t):
                    return tuple(at.oracle.value(expr, t + lag, s).entries)
            return (at.oracle.real.zero,) * len(at.oracle.entries(name, t).entries)

        made = []
        for key in found:
            lag, expr = key
            kind = RECURRENT if lag or self._is_late(expr) else DIRECT
            kind = CROSS if rules[key].startswith("log-sum-exp") else kind
            node = self._laid(expr_node(shifted(expr, lag), index.sympy)) if step is None else None
            made.append(Part(kind, lambda at, key=key: entries(key, at), node))  # type: ignore[misc]
        return made

    def _is_late(self, expr: Expr) -> bool:
        """Whether a term of the same step reads only δ that the next step alone makes."""
        read = {s.name for s in symbols(expr) if s.role is Role.COTANGENT}
        lags = [
            term.lag
            for p in self._derivation.phases
            for e in p.adjoint
            if e.target.name in read
            for term in e.terms
        ]
        return bool(lags) and all(lags)

    def _laid(self, node: Node) -> Node:
        """A column as the side has it: a row where derivatives of the loss are rows."""
        return Transposed(node) if self.bench.reading.rows and isinstance(self.subject, Slope) else node

    def _softmax(self, step: Index | None, name: str, index: Index) -> Iterator[Part]:
        """What is lacking if ∂ŷ/∂z was taken to be diag(ŷ ∗ (1 − ŷ)), or diag(ŷ)."""
        scope = self.bench.scope
        for output, argument in scope.softmaxes.items():
            if name != argument:
                continue
            for power in (1, 2):

                def entries(at: At, output: str = output, power: int = power) -> Entries:
                    t = index.value(at.indices)
                    s = None if step is None else step.value(at.indices)
                    truth = at.oracle.slope(ValueAt(name, t), s).entries
                    above = at.oracle.slope(ValueAt(output, t), s, documented=True).entries
                    v = at.oracle.entries(output, t).entries
                    shares = (p * (1 - p) if power == 2 else p for p in v)
                    return tuple(d - p * u for d, p, u in zip(truth, shares, above, strict=True))

                yield Part(CROSS, entries)

    def _by_loss(self, name: str, index: Index) -> Iterator[Part]:
        """The loss of the same step, and that of all others."""
        derivation, documented = self._derivation, name == YHAT and not self.bench.reading.stable
        assert derivation.loss is not None
        loss = derivation.loss.name

        def whole(at: At) -> Entries:
            return at.oracle.slope(ValueAt(name, index.value(at.indices)), documented=documented).entries

        def own(at: At) -> Entries:
            t = index.value(at.indices)
            if not at.oracle.has(loss, t):
                return tuple(0 * e for e in whole(at))
            return at.oracle.slope(ValueAt(name, t), t, documented=documented).entries

        def rest(at: At) -> Entries:
            return tuple(a - b for a, b in zip(whole(at), own(at), strict=True))

        above = Objective(self.bench.scope.objective, index.sympy)
        yield Part(DIRECT, own, Derivative(above, Name(name, index.sympy)))
        yield Part(RECURRENT, rest)

    # ------------------------------------------------------------------------- by a parameter

    def _whole_by_weight(self, name: str) -> Iterator[Part]:
        """∂L/∂W: the paths within one step, and those through later steps; or one of several uses."""
        derivation = self._derivation
        assert derivation.loss is not None
        loss = derivation.loss.name

        def direct(at: At) -> Entries:
            steps = [t for t in range(1, at.indices[LENGTH] + 1) if at.oracle.has(loss, t)]
            rows = [at.oracle.slope(ParameterAt(name, t), t).entries for t in steps]
            return tuple(at.oracle.real.fsum(group) for group in zip(*rows, strict=True))

        def recurrent(at: At) -> Entries:
            whole = at.oracle.slope(ParameterAt(name)).entries
            return tuple(a - b for a, b in zip(whole, direct(at), strict=True))

        yield Part(RECURRENT, recurrent)
        yield Part(DIRECT, direct)
        gradient = next(g for g in derivation.parameter_gradients if g.name == name)
        uses = []
        for number in {s.phase for s in gradient.sums}:
            segment = derivation.phases[number].segment
            for part in (s for s in gradient.sums if s.phase == number):

                def used(at: At, expr: Expr = part.expr, segment: Segment = segment) -> Entries:
                    grids = [at.oracle.value(expr, t).entries for t in at.oracle.extent.at(segment)]
                    return tuple(at.oracle.real.fsum(group) for group in zip(*grids, strict=True))

                uses.append(Part(DIRECT, used))
        if len(uses) > 1:
            yield from _subsets(uses)

    def _by_uses(self, of: Loss | Value, name: str) -> Iterator[Part]:
        """∂of/∂W: the use at the step of `of` is direct, those before it are recurrent."""
        assert of.index is not None
        step = of.index

        def use(at: At, back: int) -> Entries:
            """What the parameter does at `back` steps before."""
            s = step.value(at.indices)
            if s - back < 1:
                return tuple(at.oracle.real.zero for _ in at.oracle.parameter(name).entries) * self._rows(
                    at, of
                )
            if isinstance(of, Loss):
                return at.oracle.slope(ParameterAt(name, s - back), s).entries
            return at.oracle.jacobian(of.name, s, ParameterAt(name, s - back)).entries

        def uses(at: At, start: int, stop: int | None) -> Entries:
            """The sum over the uses from `start` steps before on, up to `stop` steps before."""
            most = step.value(at.indices) if stop is None else stop
            found = [use(at, back) for back in range(start, most)] or [use(at, at.indices[LENGTH] + 1)]
            return tuple(at.oracle.real.fsum(group) for group in zip(*found, strict=True))

        longest = self.bench.places[0].indices[LENGTH]
        yield Part(DIRECT, lambda at: use(at, 0), self._use_node(of, name, step))
        yield Part(RECURRENT, lambda at: uses(at, 1, None), self._uses_node(of, name, step))
        for back in range(1, longest):
            node = self._use_node(of, name, step.moved(-back))
            yield Part(RECURRENT, lambda at, back=back: use(at, back), node)  # type: ignore[misc]
            yield Part(RECURRENT, lambda at, back=back: uses(at, 1, back), None)  # type: ignore[misc]
            yield Part(RECURRENT, lambda at, back=back: uses(at, back, None), None)  # type: ignore[misc]

    def _rows(self, at: At, of: Loss | Value) -> int:
        if isinstance(of, Loss):
            return 1
        return len(at.oracle.entries(of.name, of.index.value(at.indices)).entries)

    def _use_node(self, of: Loss | Value, name: str, step: Index) -> Node | None:
        """∂of/∂v⟨k⟩ ∂⁺v⟨k⟩/∂W with a value v through which W acts at step k."""
        if isinstance(of, Loss) and not self.bench.reading.rows:
            return self._outer_node(of, name, step)
        through = self._bottleneck(of, name, step)
        if through is None:
            return None
        above = self._node(of)
        v = Name(through, step.sympy)
        last = Derivative(v, Par(name), True)
        if above == v:
            return last
        return row(Derivative(above, v), last)

    def _outer_node(self, of: Loss, name: str, step: Index) -> Node:
        """The use at one step with the shape of the parameter, as the sum over time has it."""

        def of_step(node: Syntax) -> Syntax:
            return Slope(of, Value(node.name, node.index)) if isinstance(node, Delta) else node

        gradient = next(g for g in self._derivation.parameter_gradients if g.name == name)
        terms = dict.fromkeys(transform(tree(s.expr, step), of_step) for s in gradient.sums)
        return written(added(*terms), self.bench.scope)

    def _uses_node(self, of: Loss | Value, name: str, step: Index) -> Node | None:
        if step.letters:
            return None
        nodes = [self._use_node(of, name, Index((), k)) for k in range(step.number - 1, 0, -1)]
        kept = [node for node in nodes if node is not None]
        return joined(kept) if kept and len(kept) == len(nodes) else None

    def _node(self, of: Loss | Value) -> Node:
        if isinstance(of, Loss):
            return Objective(self.bench.scope.objective, of.index.sympy if of.index else None)
        return Name(of.name, of.index.sympy)

    def _bottleneck(self, of: Loss | Value, name: str, step: Index) -> str | None:
        """A value of the step through which all of W's use there goes: a state rather than another."""
        assert of.index is not None
        at = self.bench.places[0]
        s, k = of.index.value(at.indices), step.value(at.indices)
        if not 1 <= k <= s or k not in using(name, self.bench.scope, at.oracle):
            return None
        states = [state.name for state in self._derivation.schedule.states]
        own = [of.name] if isinstance(of, Value) and k == s else []
        others = [n for n in self.bench.scope.values if n not in states]
        for value in (*own, *states, *others):
            if at.oracle.has(value, k) and self._is_bottleneck(of, value, name, s, k, at):
                return value
        return None

    def _is_bottleneck(self, of: Loss | Value, value: str, name: str, s: int, k: int, at: At) -> bool:
        oracle = at.oracle
        try:
            if isinstance(of, Loss):
                whole = oracle.slope(ParameterAt(name, k), s)
                first = oracle.slope(ValueAt(value, k), s, documented=value == YHAT)
            else:
                whole = oracle.jacobian(of.name, s, ParameterAt(name, k))
                first = oracle.jacobian(of.name, s, ValueAt(value, k))
            through = multiplied(first, oracle.jacobian(value, k, ParameterAt(name, k)), oracle.real)
        except (DerivationError, KeyError):
            return False
        return same_entries(whole.entries, through.entries, oracle)

    # ------------------------------------------------------------------------- values by values

    def _through_reads(self, of: Value, by: Value) -> Iterator[Part]:
        """∂u/∂v: direct where u's equation reads v itself, through every other value that it reads."""
        equations = [e for p in self._derivation.phases for e in p.forward if e.target.name == of.name]
        reads = dict.fromkeys(
            s for e in equations for s in symbols(e.value) if s.role is Role.VALUE and s.name != "y"
        )
        made = [self._read(of, by, symbol) for symbol in reads]
        if len(made) > 1:
            yield from _subsets(made)

    def _read(self, of: Value, by: Value, symbol: Symbol) -> Part:
        same = symbol.name == by.name and of.index.moved(symbol.lag) == by.index

        def entries(at: At) -> Entries:
            s, k = of.index.value(at.indices), by.index.value(at.indices)
            local = at.oracle.local(of.name, s, ValueAt(symbol.name, s + symbol.lag))
            onward = at.oracle.jacobian(symbol.name, s + symbol.lag, ValueAt(by.name, k))
            return multiplied(local, onward, at.oracle.real).entries

        return Part(DIRECT if same else RECURRENT, entries)


def _bound(step: sympy.Expr) -> Callable[[At], int]:
    return lambda at: at.step(step)


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
    nodes = [part.node for part in parts if part.node is not None]

    def entries(at: At) -> Entries:
        found = [part.entries(at) for part in parts]
        return tuple(at.oracle.real.fsum(group) for group in zip(*found, strict=True))

    return Part(parts[0].mistake, entries, joined(nodes) if len(nodes) == len(parts) else None)
