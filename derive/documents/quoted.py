"""What the founding note documents about a chain, quoted, and which of it is true.

The quoted lines are formulas like all others: a false one has to differ, and to equal the one term that
it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import sympy

from chalkgrad.derive.cells.model import YHAT
from chalkgrad.derive.chaining.chain import ChainTerm
from chalkgrad.derive.claims.formula import Constant, Formula, Lost, Partial, Plus, Product, Values
from chalkgrad.derive.documents.chain_terms import ChainTerms
from chalkgrad.derive.documents.pieces import paragraph
from chalkgrad.derive.documents.stated import documented_loss
from chalkgrad.derive.documents.tree import Block, Equations, Inline, Line, Remark
from chalkgrad.derive.writing.formulas import moving_node
from chalkgrad.derive.writing.tree import (
    EQUALS,
    PLUS,
    Fence,
    Name,
    Node,
    Number,
    Objective,
    Op,
    Par,
    When,
    row,
)

WRITTEN_OUT = 4  # as many steps back are written one by one


def documented_blocks(of: ChainTerms) -> list[Block]:
    """The quotation, and what has to be said about it."""
    return _Quotation(of).blocks()


class _Quotation:
    def __init__(self, of: ChainTerms) -> None:
        self.of, self.chain, self.objective, self.step = of, of.chain, of.objective, of.step

    def blocks(self) -> list[Block]:
        lines = tuple(self._quoted_lines())
        told = "The founding note writes the chain rule for this parameter so"
        if not self.chain.quoted:
            told = "In the shape in which the founding note writes it, the chain rule is"
        quotation = Remark("quotation", (*self._quoted_loss(), paragraph(f"{told}:"), Equations(lines)))
        by = Par(self.chain.parameter.name)
        asked = paragraph(
            "Which of these lines are equal to the gradient? What does the last one leave out, and "
            "what is left of it if {}? (Where does {} enter?)",
            self.of.zero(),
            by,
        )
        return [quotation, Remark("remark", self._comment(), asked)]

    def _quoted_loss(self) -> tuple[Block, ...]:
        """The note's expansion of the loss for two steps, with its slip in the second term."""
        if not self.chain.quoted:
            return ()
        whole, slipped = Objective(self.objective), Plus((documented_loss(self.of.derivation, 1),) * 2)
        claim = self.of.claim(Lost(), slipped, holds=False)
        false = Line(whole, self._two_losses(1), quoted=True, equality=claim)
        right = Line(whole, self._two_losses(2), equality=self.of.claim(Lost(), Plus((Lost(1), Lost(2)))))
        slip = paragraph("A slip in the note: its second term has the index of the first. It should read")
        return (
            paragraph("The founding note writes the loss of two steps so:"),
            Equations((false,)),
            Remark("remark", (slip, Equations((right,)))),
        )

    def _two_losses(self, second: int) -> Node:
        """L⟨1⟩(ŷ⟨1⟩, y⟨1⟩) + L⟨2⟩ of the arguments of step `second`."""
        one, two = (_arguments(Name(YHAT, step), Name("y", step)) for step in (1, second))
        return row(Objective(self.objective, 1), one, PLUS, Objective(self.objective, 2), two)

    def _quoted_lines(self) -> Iterator[Line]:
        """∂L/∂ŷ ∂ŷ/∂W, then through a⟨t⟩, then a⟨t−1⟩, …; each is false that passes a step of its own."""
        output = Values((YHAT,), self.step)
        left, through = self.of.node(self.of.total), [s.name for s in self.chain.through]
        first = Product((Partial(self.of.loss, output), Partial(output, self.of.weights)))
        yield self._quoted(left, first, True)
        last = min((term.k for term in self.chain.terms), default=0)
        if last == 0 or through == [YHAT]:
            return
        for k in range(self.step, last - 1, -1):
            if k not in (self.step, last) and self.step - last >= WRITTEN_OUT:
                if k == self.step - 1:
                    yield Line(None, Op("⋮"), relation="", quoted=self.chain.quoted)
                continue
            yield self._quoted(None, self._through(k), all(term.k <= k for term in self.chain.terms))

    def _through(self, k: int) -> Product:
        """∂L/∂ŷ ∂ŷ/∂s⟨t⟩ ∂s⟨t⟩/∂s⟨t−1⟩ ⋯ ∂s⟨k⟩/∂W; from ∂L/∂s on where ŷ is a component of s."""
        output, stack = Values((YHAT,), self.step), self.of.stack(self.step)
        start: list[Formula] = [Partial(self.of.loss, stack)]
        if YHAT not in stack.names:
            start = [Partial(self.of.loss, output), Partial(output, stack)]
        return Product((*start, *self.of.back(self.step, k), Partial(self.of.stack(k), self.of.weights)))

    def _quoted(self, left: Node | None, right: Product, holds: bool) -> Line:
        claim = self.of.claim(self.of.total, right, holds)
        return Line(left, self.of.node(right), quoted=self.chain.quoted, equality=claim)

    def _comment(self) -> tuple[Block, ...]:
        """Which path the last documented line is, what it drops, and what zero initial states make of it."""
        terms, by = self.chain.terms, Par(self.chain.parameter.name)
        if not terms:
            loss = Objective(self.objective, self.step)
            return (paragraph("{} does not enter before {}, so the gradient is zero.", by, loss),)
        last, others = terms[-1], terms[:-1]
        if not others:
            only = paragraph(
                "Its last derivative taken as immediate, the last line is the only term, {}: nothing is "
                "left out.",
                row(When(self.of.k), EQUALS, When(last.k)),
            )
            zero = paragraph("With {} it is zero.", self.of.zero())
            return (only, zero) if last.vanishes else (only,)
        dropped = _numbers(term.k for term in reversed(others))
        direct = others[0].k == self.step
        which = "the direct path" if len(others) == 1 and direct else "the terms of the other paths"
        if len(others) > 1 and direct:
            which = "the direct path among them"
        blocks: list[Block] = [
            paragraph(
                "Read with total derivatives, a line is right only while no step has been passed at "
                f"which {{}} enters directly. The last line passes such a step and is not equal to the "
                f"gradient: its last derivative stands for step {{}} alone, so the line is one of the "
                f"{len(terms)} terms, {{}}, the path through {{}}. It leaves out {{}}, {which}:",
                by,
                When(last.k),
                row(When(self.of.k), EQUALS, When(last.k)),
                moving_node(self.of.stack(last.k)),
                row(When(self.of.k), EQUALS, dropped),
            ),
            Equations((self._last_line(last),)),
        ]
        if last.vanishes:
            blocks += self._vanished(last, others)
        else:
            blocks.append(paragraph("That term does not vanish with {}.", self.of.zero()))
        return tuple(blocks)

    def _last_line(self, last: ChainTerm) -> Line:
        """The last documented line is the term of its step."""
        line, term = self._through(last.k), self.of.product(last)
        return Line(self.of.node(line), self.of.node(term), equality=self.of.claim(line, term))

    def _vanished(self, last: ChainTerm, others: Sequence[ChainTerm]) -> list[Block]:
        end = Partial(self.of.stack(last.k), self.of.weights, immediate=True)
        what: tuple[Inline, ...] = ("that term is zero",)
        if last.immediate_vanishes:
            what = ("the immediate derivative ", self.of.node(end), " is zero")
        left = "path that it leaves out" if len(others) == 1 else "sum of the paths that it leaves out"
        term = self.of.product(last)
        zero = Constant(sympy.Integer(0), self.chain.parameter.shape)
        claim = self.of.claim(term, zero, flat=True, initial="zero")
        return [
            paragraph(
                f"With {{}}, as the note has it, {{}}: the last line alone gives 0, and the whole "
                f"gradient is the {left}.",
                self.of.zero(),
                what,
            ),
            Equations((Line(self.of.node(term), Number("0"), where=self.of.zero(), equality=claim),)),
        ]


def _numbers(steps: Iterable[int]) -> Node:
    items: list[Node] = []
    for step in steps:
        items += [Op(","), When(step)] if items else [When(step)]
    return row(*items)


def _arguments(yhat: Node, y: Node) -> Node:
    return Fence(row(yhat, Op(","), y), sized=False)
