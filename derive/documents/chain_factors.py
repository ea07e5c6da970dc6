"""The factors of the chain rule worked out, as Jacobians read back from the adjoint equations."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sympy

from chalkgrad.derive.cells.model import YHAT
from chalkgrad.derive.chaining.chain import Chain
from chalkgrad.derive.chaining.jacobian import (
    Edge,
    FactorProduct,
    count_paths,
    edges,
    parameter_edges,
    parameter_paths,
    paths,
)
from chalkgrad.derive.chaining.unfold import Inlining, summed
from chalkgrad.derive.claims.equality import Equality
from chalkgrad.derive.claims.formula import (
    Blocks,
    Change,
    Constant,
    Formula,
    Loss,
    Of,
    Partial,
    Plus,
    Product,
    Turned,
    Values,
    Weights,
)
from chalkgrad.derive.deriving.adjoint import pull
from chalkgrad.derive.deriving.derivation import Phase
from chalkgrad.derive.deriving.loss import documented
from chalkgrad.derive.documents.factors import jacobian_formula
from chalkgrad.derive.documents.pieces import paragraph, steps, zero
from chalkgrad.derive.documents.stated import objective_name, output
from chalkgrad.derive.documents.tree import Block, Equations, Inline, Line
from chalkgrad.derive.terms.algebra import StepLike, Symbol, constant
from chalkgrad.derive.writing.formulas import formula_node
from chalkgrad.derive.writing.tree import (
    Call,
    Fence,
    Ident,
    Name,
    Node,
    Op,
    Sub,
    negative,
    row,
)

MOST_PATHS = 12  # more ways than this through one step are told line by line
_ZERO = sympy.Integer(0)

Claim = Callable[[Formula, Formula], Equality]
Phases = tuple[tuple[int, Phase], ...]


@dataclass(frozen=True)
class Factors:
    """The factors of one chain; letter: that of what a step hands on, where it is several values.

    indices: what a step is called within the chain, and that at which the parameter enters.
    """

    chain: Chain
    letter: str
    indices: tuple[sympy.Symbol, sympy.Symbol]
    claim: Claim

    @property
    def objective(self) -> str:
        return objective_name(self.chain.derivation)

    def stack(self, step: StepLike) -> Values:
        return Values(tuple(s.name for s in self.chain.through), step, self.letter)

    def node(self, formula: Formula) -> Node:
        return formula_node(formula, self.objective)

    def line(self, left: Formula, right: Formula, remark: tuple[Inline, ...] = (), *over: Any) -> Line:
        """left = right, for one step or for the index, the first and the last of `over`."""
        claim = self.claim(left, right)
        claim = replace(claim, over=(over,)) if over else claim
        return Line(self.node(left), self.node(right), where=remark, equality=claim)

    def blocks(self) -> list[Block]:
        """The factors in groups: of the loss, of one step, of the parameter within one step."""
        told = paragraph(
            "Each factor worked out. {} has {} on its diagonal, {} is the unit matrix, {} a column of ones.",
            Call("diag", Ident("v")),
            Ident("v"),
            Ident("I"),
            Ident("1", "bold"),
        )
        groups = [list(self._loss())]
        if self.chain.terms:
            first = self.chain.terms[-1].k
            for steps, phases in self._runs(range(first + 1, self.chain.loss_step + 1)):
                groups.append(list(_Within(self, phases, steps, self.indices[0]).steps()))
            for steps, phases in self._runs(sorted(term.k for term in self.chain.terms)):
                groups.append(list(_Within(self, phases, steps, self.indices[1]).parameters()))
        return [told, *(Equations(tuple(g), answer=True) for g in groups if g)]

    def _full(self, step: int) -> Phases:
        """The phases that compute at `step`, with the adjoint equation of ŷ that the loss can do without."""
        derivation = self.chain.derivation
        return tuple((index, derivation.phases[index]) for index, _ in self.chain.unfolded.active(step))

    def _runs(self, steps: Iterable[int]) -> list[tuple[tuple[int, ...], Phases]]:
        """Steps behind each other that the same phases compute, from the same values of the step before."""
        groups: list[tuple[list[int], tuple[object, ...]]] = []
        for step in steps:
            phases = (*(index for index, _ in self._full(step)), *sorted(self.handed(step - 1)))
            if groups and groups[-1][1] == phases and groups[-1][0][-1] + 1 == step:
                groups[-1][0].append(step)
            else:
                groups.append(([step], phases))
        return [(tuple(group), self._full(group[0])) for group, _ in groups]

    def handed(self, step: int) -> set[str]:
        """Those components of s that there are at a step."""
        if step == 0:
            return {s.name for s in self.chain.derivation.schedule.states}
        return {f.target.name for _, phase in self._full(step) for f in phase.forward}

    # ------------------------------------------------------------------------- of the loss

    def _loss(self) -> Iterator[Line]:
        """∂L/∂ŷ from the documented formula, then ∂ŷ/∂s where ŷ is no component of s, and ∂L/∂s."""
        derivation, step, through = self.chain.derivation, self.chain.loss_step, self.chain.through
        kind, y = derivation.model.loss, derivation.schedule.y
        assert derivation.loss is not None and y is not None and kind is not None
        yhat, loss = output(derivation), Loss(step)
        above = Values((YHAT,), step)
        pulled = pull(documented(kind, yhat, y), constant(1), derivation.loss)
        slope = Of(summed(tuple(p.contribution for p in pulled if p.leaf == yhat)), step)
        yield self.line(Partial(loss, above), Turned(slope) if yhat.shape else slope)
        if yhat in through:
            if len(through) > 1:
                blocks = tuple(
                    Partial(loss, above) if s == yhat else Constant(_ZERO, ("", *s.shape)) for s in through
                )
                yield self.line(Partial(loss, self.stack(step)), Blocks((blocks,)))
            return
        names = {s.name for s in through}
        graph = edges(phase for _, phase in self._full(step))
        inside = {n: [e for e in group if not e.lag] for n, group in graph.items() if n not in names}
        ways = tuple(
            self.added([jacobian_formula(w, step, s.shape) for w in _ways_to(inside, YHAT, s.name)], yhat, s)
            for s in through
        )
        yield self.line(Partial(above, self.stack(step)), ways[0] if len(ways) == 1 else Blocks((ways,)))
        slopes = tuple(self._slopes(names))
        yield self.line(Partial(loss, self.stack(step)), slopes[0] if len(slopes) == 1 else Blocks((slopes,)))

    def _slopes(self, names: Collection[str]) -> Iterator[Formula]:
        """∂L/∂s for s without ŷ, one component after the other, through the output alone."""
        found = self.chain.unfolded.cotangents(stop=names)
        for component in self.chain.through:
            terms = found.get((component.name, self.chain.loss_step), ())
            inner = tuple(map(Inlining(found, ()).of, terms))
            if not inner:
                yield Constant(_ZERO, ("", *component.shape))
            else:
                slope = Of(summed(inner), 0, self.chain.loss_step)
                yield Turned(slope) if component.shape else slope

    def added(self, terms: Sequence[Formula], row_of: Symbol, column_of: Symbol) -> Formula:
        """The sum, positive terms first; a block of zeros where there is none."""
        if not terms:
            shape = ((row_of.shape or ("",))[0], (column_of.shape or ("",))[0])
            return Constant(_ZERO, shape)
        ordered = sorted(terms, key=lambda term: negative(self.node(term)))
        return ordered[0] if len(ordered) == 1 else Plus(tuple(ordered))


@dataclass(frozen=True)
class _Within:
    """A run of steps that one set of phases computes, called by `name` where there are several."""

    factors: Factors
    phases: Phases
    at_steps: tuple[int, ...]
    name: sympy.Symbol

    @property
    def at(self) -> Any:
        return self.at_steps[0] if len(self.at_steps) == 1 else self.name

    @property
    def over(self) -> tuple[Any, ...]:
        return () if len(self.at_steps) == 1 else (self.name, self.at_steps[0], self.at_steps[-1])

    @property
    def remark(self) -> tuple[Inline, ...]:
        return (
            () if len(self.at_steps) == 1 else (steps(self.at_steps[0], self.at_steps[-1], index=self.name),)
        )

    @property
    def graph(self) -> dict[str, tuple[Edge, ...]]:
        return edges(phase for _, phase in self.phases)

    @property
    def through(self) -> tuple[Symbol, ...]:
        return self.factors.chain.through

    @property
    def symbols(self) -> list[Symbol]:
        """What the step computes, in order."""
        return [f.target for _, phase in self.phases for f in phase.forward]

    def line(self, left: Formula, right: Formula) -> Line:
        return self.factors.line(left, right, self.remark, *self.over)

    def added(self, terms: Sequence[Formula], row_of: Symbol, column_of: Symbol) -> Formula:
        return self.factors.added(terms, row_of, column_of)

    @property
    def too_many(self) -> bool:
        counts = (count_paths(self.graph, s.name) for s in self.through)
        return sum(counts) > MOST_PATHS * len(self.through)

    def steps(self) -> Iterator[Line]:
        """∂s⟨j⟩/∂s⟨j−1⟩; of several components every block, named by its row and column."""
        if self.too_many:
            yield from self._step_lines()
            return
        before = self.factors.stack(self.at - 1)
        for u in self.through:
            ways = list(paths(self.graph, u.name))
            for v in self.through:
                if u not in self.symbols or v.name not in self.factors.handed(self.at_steps[0] - 1):
                    continue
                terms = [jacobian_formula(p.factors, self.at, u.shape) for p in ways if p.leaf == v.name]
                block = Partial(Values((u.name,), self.at), before, only=v.name)
                line = self.line(block, self.added(terms, u, v))
                yield line if len(self.through) == 1 else replace(line, left=self._block(u, v))

    def _block(self, u: Symbol, v: Symbol) -> Node:
        """[∂s/∂s] with the names of the row and the column."""
        whole = Partial(self.factors.stack(self.at), self.factors.stack(self.at - 1))
        return Sub(Fence(self.factors.node(whole), "[]"), row(Name(u.name), Op(","), Name(v.name)))

    def _step_lines(self) -> Iterator[Line]:
        """The same, one value of the step after the other."""
        before, names = self.factors.stack(self.at - 1), [s.name for s in self.through]
        for value in self._needed():
            terms: list[Formula] = []
            for edge in self.graph.get(value.name, ()):
                if edge.lag == 0 and edge.target not in {s.name for s in self.symbols}:
                    continue
                head = jacobian_formula(edge.factors, self.at, value.shape if len(names) == 1 else ())
                tail = Partial(Values((edge.target,), self.at - edge.lag), before)
                alone = edge.lag and len(names) == 1
                terms.append(head if alone else _product(head, tail, edge.factors))
            left = Partial(Values((value.name,), self.at), before)
            if terms:
                yield self.line(left, self.added(terms, value, self.through[0]))
            else:
                yield replace(self.line(left, self._no_way(value)), right=zero())

    def _no_way(self, value: Symbol) -> Formula:
        """A row of zeros for each component of the step before that there is."""
        handed = self.factors.handed(self.at_steps[0] - 1)
        columns = (s for s in self.through if s.name in handed)
        return Blocks((tuple(self.added((), value, s) for s in columns),))

    def _needed(self) -> list[Symbol]:
        """The values of the step from which s follows, in the order of computation."""
        wanted = [s.name for s in self.through]
        for name in wanted:
            wanted.extend(e.target for e in self.graph.get(name, ()) if not e.lag and e.target not in wanted)
        return [s for s in self.symbols if s.name in wanted]

    # ------------------------------------------------------------------------- of the parameter

    def parameters(self) -> Iterator[Line]:
        """∂⁺s⟨k⟩/∂W applied to a small change dW, a line for every component."""
        chain = self.factors.chain
        entries = parameter_edges(chain.gradient, [index for index, _ in self.phases])
        if self.too_many:
            yield from self._parameter_lines(entries)
            return
        for component in (s for s in self.through if s in self.symbols):
            ways = parameter_paths(self.graph, entries, component.name)
            terms = [jacobian_formula(way, self.at, ()) for way in ways]
            yield self.line(self._moved(component), self._column(terms, component))

    def _moved(self, value: Symbol) -> Formula:
        """∂⁺v⟨k⟩/∂W dW"""
        name = self.factors.chain.parameter.name
        slope = Partial(Values((value.name,), self.at), Weights(name), immediate=True)
        return Product((slope, Change(name, flat=True)))

    def _column(self, terms: Sequence[Formula], value: Symbol) -> Formula:
        return self.added(terms, value, Symbol("", ()))

    def _parameter_lines(self, entries: Mapping[str, Sequence[FactorProduct]]) -> Iterator[Line]:
        """The same, one value of the step after the other."""
        known = {s.name: s for s in self.symbols}
        for value in self._needed():
            terms = [jacobian_formula(way, self.at, ()) for way in entries.get(value.name, ())]
            for edge in self.graph.get(value.name, ()):
                if not edge.lag and edge.target in known:
                    head = jacobian_formula(edge.factors, self.at, ())
                    terms.append(_product(head, self._moved(known[edge.target]), edge.factors))
            yield self.line(self._moved(value), self._column(terms, value))


def _product(head: Formula, tail: Formula, factors: FactorProduct) -> Formula:
    """head · tail, the factors of both side by side."""
    if not factors:
        return tail
    first = head.factors if isinstance(head, Product) else (head,)
    rest = tail.factors if isinstance(tail, Product) else (tail,)
    return Product((*first, *rest))


def _ways_to(graph: Mapping[str, Sequence[Edge]], start: str, end: str) -> Iterable[FactorProduct]:
    for edge in graph.get(start, ()):
        if edge.target == end:
            yield edge.factors
        else:
            for rest in _ways_to(graph, edge.target, end):
                yield edge.factors + rest
