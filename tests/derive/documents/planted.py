"""Derivations with one mistake in them: a sign, a term that is missing, a step that is not the right one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from chalkgrad.derive.deriving.derivation import Adjoint, Derivation, Gradient, Sum, Term
from chalkgrad.derive.terms.algebra import Expr, Outer, Role, Symbol, elementwise
from chalkgrad.derive.terms.trees import transform

KINDS = ("sign", "dropped", "step")


@dataclass(frozen=True)
class Planted:
    """kind: one of KINDS; where: the value or parameter whose equation is wrong, and which term of it."""

    kind: str
    where: tuple[str, int, int]
    derivation: Derivation

    def __str__(self) -> str:
        name, phase, term = self.where
        return f"{self.kind} of term {term} of {name}, phase {phase}"


def planted(derivation: Derivation) -> Iterator[Planted]:
    """Every adjoint term and every sum of a gradient, spoilt in every way there is."""
    yield from _adjoints(derivation)
    yield from _sums(derivation)


def negative(expr: Expr) -> Expr:
    """Minus an expression; of a matrix, minus its first factor."""
    if isinstance(expr, Outer):
        return Outer(negative(expr.left), expr.right)
    return elementwise(lambda v: -v, (expr,), expr.shape)


def _adjoints(derivation: Derivation) -> Iterator[Planted]:
    for p, phase in enumerate(derivation.phases):
        for e, equation in enumerate(phase.adjoint):
            for n, term in enumerate(equation.terms):
                for kind, made in _spoilt_term(term):
                    terms = (*equation.terms[:n], *made, *equation.terms[n + 1 :])
                    wrong: Adjoint = replace(equation, terms=terms)
                    adjoint = (*phase.adjoint[:e], wrong, *phase.adjoint[e + 1 :])
                    phases = (
                        *derivation.phases[:p],
                        replace(phase, adjoint=adjoint),
                        *derivation.phases[p + 1 :],
                    )
                    yield Planted(kind, (equation.target.name, p, n), replace(derivation, phases=phases))


def _spoilt_term(term: Term) -> Iterator[tuple[str, tuple[Term, ...]]]:
    yield "sign", (replace(term, expr=negative(term.expr)),)
    yield "dropped", ()
    yield "step", (replace(term, lag=1 - term.lag),)


def _sums(derivation: Derivation) -> Iterator[Planted]:
    gradients = derivation.parameter_gradients
    for g, gradient in enumerate(gradients):
        for n, part in enumerate(gradient.sums):
            for kind, made in _spoilt_sum(part):
                sums = (*gradient.sums[:n], *made, *gradient.sums[n + 1 :])
                wrong: Gradient = replace(gradient, sums=sums)
                changed = (*gradients[:g], wrong, *gradients[g + 1 :])
                where = (gradient.name, part.phase, n)
                yield Planted(kind, where, replace(derivation, parameter_gradients=changed))


def _spoilt_sum(part: Sum) -> Iterator[tuple[str, tuple[Sum, ...]]]:
    yield "sign", (replace(part, expr=negative(part.expr)),)
    yield "dropped", ()
    if (moved := transform(part.expr, _moved)) != part.expr:
        yield "step", (replace(part, expr=moved),)


def _moved(node: Expr) -> Expr:
    """v⟨t⟩ for v⟨t−1⟩ and the other way round; δ stays."""
    if isinstance(node, Symbol) and node.role is Role.VALUE:
        return replace(node, lag=-1 - node.lag)
    return node


def wrong_forward(derivation: Derivation) -> Iterator[Planted]:
    """Every named forward equation with the wrong sign; what the model says stays."""
    for p, phase in enumerate(derivation.phases):
        for n, equation in enumerate(phase.forward):
            wrong = replace(equation, value=negative(equation.value))
            forward = (*phase.forward[:n], wrong, *phase.forward[n + 1 :])
            phases = (*derivation.phases[:p], replace(phase, forward=forward), *derivation.phases[p + 1 :])
            yield Planted("sign", (equation.target.name, p, n), replace(derivation, phases=phases))
