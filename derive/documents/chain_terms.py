"""What all that is said about one chain shares: its letters, its stacked values, its claims."""

from __future__ import annotations

from itertools import islice

import sympy

from chalkgrad.derive.chaining.chain import Chain, ChainTerm
from chalkgrad.derive.choices import Layout
from chalkgrad.derive.claims.equality import Equality
from chalkgrad.derive.claims.formula import Back, Formula, Loss, Partial, Product, Values, Weights
from chalkgrad.derive.deriving.extent import Steps
from chalkgrad.derive.documents.pieces import mathematics
from chalkgrad.derive.documents.stated import objective_name
from chalkgrad.derive.documents.tree import Inline
from chalkgrad.derive.writing.expressions import symbol_node
from chalkgrad.derive.writing.formulas import formula_node
from chalkgrad.derive.writing.tree import EQUALS, Node, Number, row

_LETTERS = "sqvmrd"  # no letter that a notation exchanges another for
_INDICES = "kjnmpqrs"  # of steps


class ChainTerms:
    """The parts of a chain as formulas; layout "jacobian" turns the results."""

    def __init__(self, chain: Chain, layout: Layout = "gradient") -> None:
        self.chain, self.layout = chain, layout
        self.derivation, self.step = chain.derivation, chain.loss_step
        self.objective = objective_name(self.derivation)
        taken = {f.target.name for p in self.derivation.phases for f in p.forward}
        taken |= {p.name for p in self.derivation.schedule.parameters}
        self.letter = next(c for c in (*_LETTERS, "state") if c not in taken)
        free = (c for c in (*_INDICES, "k'", "j'") if c not in taken | {self.letter})
        self.k, self.j = (sympy.Symbol(c, integer=True) for c in islice(free, 2))
        self.loss, self.weights = Loss(self.step), Weights(chain.parameter.name)
        self.total = Partial(self.loss, self.weights)

    def steps(self) -> Steps:
        """The T that the chain is about."""
        times = list(self.chain.unfolded.extent.times.values())
        return None if not times else times[0] if len(times) == 1 else (times[0], times[1])

    def claim(
        self, left: Formula, right: Formula, holds: bool = True, flat: bool = False, initial: str = "symbols"
    ) -> Equality:
        return Equality(left, right, holds=holds, flat=flat, T=self.steps(), initial=initial)

    def node(self, formula: Formula) -> Node:
        return formula_node(formula, self.objective)

    def stack(self, step: int) -> Values:
        """s at a step: all that is handed on."""
        return Values(tuple(s.name for s in self.chain.through), step, self.letter)

    def back(self, start: int, end: int) -> list[Formula]:
        """The factors from s⟨start⟩ back to s⟨end⟩."""
        return [Back(self.stack(start).names, start, end, self.letter)] if start > end else []

    def product(self, term: ChainTerm) -> Product:
        """∂L/∂s⟨t⟩ · ∂s⟨t⟩/∂s⟨t−1⟩ ⋯ ∂⁺s⟨k⟩/∂W"""
        first = Partial(self.loss, self.stack(self.step))
        last = Partial(self.stack(term.k), self.weights, immediate=True)
        return Product((first, *self.back(self.step, term.k), last))

    def zero(self) -> tuple[Inline, ...]:
        states = self.derivation.schedule.states
        return mathematics(row(symbol_node(s, 0), EQUALS, Number("0")) for s in states)
