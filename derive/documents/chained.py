"""The chain rule through concrete steps as a document: what the note documents, every term, every factor.

Every line is a formula, so that it can be held to the numbers: the quoted lines too, the false ones among
them have to differ and to equal the one term that they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import sympy

from chalkgrad.derive.chaining.chain import Chain, ChainTerm
from chalkgrad.derive.choices import Layout
from chalkgrad.derive.claims.formula import (
    Constant,
    Formula,
    Gradient,
    Of,
    Turned,
    Values,
)
from chalkgrad.derive.documents.backward import plus
from chalkgrad.derive.documents.chain_factors import Factors
from chalkgrad.derive.documents.chain_terms import ChainTerms
from chalkgrad.derive.documents.pieces import mathematics, paragraph
from chalkgrad.derive.documents.quoted import documented_blocks
from chalkgrad.derive.documents.tree import Block, Equations, Inline, Line, Section
from chalkgrad.derive.terms.algebra import Role, Symbol
from chalkgrad.derive.writing.expressions import symbol_node, t
from chalkgrad.derive.writing.formulas import moving_node
from chalkgrad.derive.writing.tree import (
    EQUALS,
    Derivative,
    Fence,
    Ident,
    Name,
    Node,
    Number,
    Objective,
    Par,
    Transposed,
    When,
    row,
)


class Chained(ChainTerms):
    """The sections about one chain."""

    def __init__(self, chain: Chain, layout: Layout = "gradient") -> None:
        super().__init__(chain, layout)
        self.factors = Factors(
            chain, self.letter, (self.j, self.k), lambda left, right: self.claim(left, right)
        )

    # ------------------------------------------------------------------------- sections

    def section(self) -> Section:
        """The documented lines, the sum over the steps, the factors, and the result."""
        title = "The chain rule through time, written out"
        if self.steps() is not None:
            title = f"{title}: {self._span()}"
        blocks: list[Block] = [*documented_blocks(self), *self._definitions(), *self._sum()]
        if self.chain.terms:
            blocks += [*self.factors.blocks(), *self._result()]
        return Section("chain", title, tuple(blocks))

    def _span(self) -> str:
        return ", ".join(f"{symbol} = {n}" for symbol, n in self.chain.unfolded.extent.times.items())

    def _definitions(self) -> list[Block]:
        here, by = (
            moving_node(Values(self.stack(0).names, self.k, self.letter)),
            Par(self.chain.parameter.name),
        )
        immediate, total = Derivative(here, by, True), Derivative(here, by)
        moved, before = Par(self.chain.parameter.name, moved=True), row(When(self.k - 1))
        blocks: list[Block] = []
        if len(self.chain.through) > 1:
            stacked, all_of_it = Name(self.letter, t), mathematics(symbol_node(s) for s in self.chain.through)
            words = "{} stacks what a step hands on: {}. By {} means: by each of these, the others held."
            blocks.append(paragraph(words, stacked, all_of_it, stacked))
        told = paragraph(
            "{} is immediate: {} moves at step {} alone, and what step {} hands on stays. {} is total: {} "
            "moves at every step, and so does what step {} hands on. A small change {} at step {} alone "
            f"changes {{}} by {{}}. Rows of {{}} belong to {{}}, columns to {{}}; a gradient has "
            f"{self._shape}.",
            *(immediate, by, When(self.k), before, total, by, before, moved, When(self.k), here),
            *(row(immediate, moved), Derivative(Ident("u"), Ident("v")), Ident("u"), Ident("v")),
        )
        return [*blocks, told]

    def _sum(self) -> list[Block]:
        left = self.node(self.total)
        told = paragraph("One term for every step at which the parameter enters:")
        if not self.chain.terms:
            zero = Constant(sympy.Integer(0), self.chain.parameter.shape)
            line = Line(left, Number("0"), equality=self.claim(self.total, zero, flat=True))
            return [told, Equations((line,), answer=True)]
        products = [self.product(term) for term in self.chain.terms]
        lines = [
            Line(
                None if number else left,
                self.node(product),
                relation="+" if number else "=",
                rule=self._label(term),
            )
            for number, (term, product) in enumerate(zip(self.chain.terms, products, strict=True))
        ]
        lines[-1] = replace(lines[-1], equality=self.claim(self.total, plus(products)))
        return [told, Equations(tuple(lines), answer=True)]

    def _label(self, term: ChainTerm) -> tuple[Inline, ...]:
        k = row(When(self.k), EQUALS, When(term.k))
        if term.k == self.step:
            return (k, ": direct path")
        return (k, ": indirect path, through ", moving_node(self.stack(term.k)))

    # ------------------------------------------------------------------------- the result

    def _result(self) -> list[Block]:
        """Every term worked out, and their sum with and without initial states."""
        blocks: list[Block] = [paragraph(f"Every term worked out, in {self._shape}:")]
        terms = self.chain.terms
        blocks.append(Equations(tuple(self._worked(term) for term in terms), answer=True))
        if self.chain.where:
            delta = Name("v", t, Role.COTANGENT)
            loss: Node = Derivative(Objective(self.objective, self.step), Name("v", delta.step))
            laid = ""
            if self.layout == "jacobian":
                laid, loss = " and as a column", Transposed(Fence(loss))
            told = f"where, for the loss of this one step{laid}, {{}}:"
            blocks.append(paragraph(told, row(delta, EQUALS, loss)))
            blocks.append(Equations(tuple(self._where()), answer=True))
        left = Gradient(self.chain.parameter.name, self._turned, self.step)
        blocks += [paragraph("Together:"), self._together(left, terms, "symbols")]
        if any(term.vanishes for term in terms):
            kept = tuple(term for term in terms if not term.vanishes)
            blocks += [paragraph("With {}:", self.zero()), self._together(left, kept, "zero")]
        return blocks

    @property
    def _shape(self) -> str:
        return "the transposed shape of its parameter" if self._turned else "the shape of its parameter"

    @property
    def _turned(self) -> bool:
        return self.layout == "jacobian" and bool(self.chain.parameter.shape)

    def _value(self, term: ChainTerm) -> Formula:
        """The term as an expression of the parameter's shape."""
        whole = plus([Of(e, 0, self.step) for e in term.terms])
        return Turned(whole) if self._turned else whole

    def _worked(self, term: ChainTerm) -> Line:
        value, product = self._value(term), self.product(term)
        shaped = Turned(value) if self._turned else value
        return Line(
            self.node(product),
            self.node(value),
            rule=self._label(term),
            equality=self.claim(product, shaped, flat=True),
        )

    def _together(self, left: Formula, terms: Sequence[ChainTerm], initial: str) -> Equations:
        if not terms:
            zero = Constant(sympy.Integer(0), self.chain.parameter.shape)
            right: Formula = Turned(zero) if self._turned else zero
            line = Line(self.node(left), Number("0"), equality=self.claim(left, right, initial=initial))
            return Equations((line,), answer=True)
        values = [self._value(term) for term in terms]
        lines = [
            Line(
                None if number else self.node(left),
                self.node(value),
                relation="+" if number else "=",
                rule=(row(When(self.k), EQUALS, When(term.k)),),
            )
            for number, (term, value) in enumerate(zip(terms, values, strict=True))
        ]
        lines[-1] = replace(lines[-1], equality=self.claim(left, plus(values), initial=initial))
        return Equations(tuple(lines), answer=True)

    def _where(self) -> Iterator[Line]:
        shapes = {e.target.name: e.target.shape for p in self.derivation.phases for e in p.adjoint}
        for (name, step), terms in self.chain.where.items():
            left = Of(Symbol(name, shapes[name], step, Role.COTANGENT), 0, self.step)
            right = plus([Of(e, 0, self.step) for e in terms])
            yield Line(self.node(left), self.node(right), equality=self.claim(left, right))
