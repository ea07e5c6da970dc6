"""How a model, a derivation and each of its steps show themselves in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chalkgrad.derive.cells.model import Definition, Model
from chalkgrad.derive.chaining.chain import Chain, ChainTerm
from chalkgrad.derive.choices import Layout
from chalkgrad.derive.claims.formula import Of, OverTime
from chalkgrad.derive.deriving.architecture import T
from chalkgrad.derive.deriving.derivation import (
    LOSS,
    OUTSIDE,
    Adjoint,
    Derivation,
    Forward,
    Gradient,
    Sum,
    Term,
    bptt,
)
from chalkgrad.derive.documents.backward import Backward, outside_section, plus
from chalkgrad.derive.documents.chained import Chained
from chalkgrad.derive.documents.notated import derivatives_section, glossary
from chalkgrad.derive.documents.stated import forward_section, model_section
from chalkgrad.derive.documents.tree import Document, Section
from chalkgrad.derive.errors import ChoiceError
from chalkgrad.derive.formats.html import html_fragment
from chalkgrad.derive.formats.latex import print_latex
from chalkgrad.derive.formats.text import print_text
from chalkgrad.derive.showing import Gradients, Printers, enter
from chalkgrad.derive.terms.algebra import Expr, Role, Symbol
from chalkgrad.derive.writing.expressions import expr_node, symbol_node, t
from chalkgrad.derive.writing.formulas import formula_node
from chalkgrad.derive.writing.latex import latex
from chalkgrad.derive.writing.mathml import mathml
from chalkgrad.derive.writing.notation import NOTE
from chalkgrad.derive.writing.tree import EQUALS, Derivative, Name, Node, Objective, Par, joined, row
from chalkgrad.derive.writing.unicode import unicode

# ----------------------------------------------------------------------------- whole derivations


def shown(what: Any) -> Document:
    """A model, a derivation, its gradients or a chain as a document, nothing checked. Raises TypeError."""
    match what:
        case Model():
            return _document(bptt(what), [model_section(bptt(what))])
        case Derivation():
            return _document(what, derivation_sections(what))
        case Chain():
            return _document(what.derivation, [Chained(what).section()])
        case Gradients(derivation=derivation):
            return _document(derivation, [_gradients(derivation)])
        case _:
            raise TypeError(f"nothing to show for {type(what).__name__}")


def _document(derivation: Derivation, sections: Sequence[Section]) -> Document:
    model = derivation.model
    fed = "" if model.feed == "none" else f", the {model.feed} fed back"
    subtitle = f"{model.architecture.capitalize()}{fed}"
    return Document(model.title, subtitle, tuple(sections), NOTE, glossary(derivation), (0, 0, 0))


def derivation_sections(derivation: Derivation, layout: Layout = "gradient") -> list[Section]:
    """Model, forward equations, the two derivatives, δ with its boundaries, gradients, and what vjp adds."""
    objective = LOSS if derivation.loss is not None else OUTSIDE
    way = Backward(derivation, layout, objective)
    sections = [model_section(derivation), forward_section(derivation)]
    sections.append(derivatives_section(derivation, layout))
    sections += [way.section(), way.gradients()]
    outside = outside_section(derivation, layout) if objective == LOSS else None
    return [*sections, *([outside] if outside is not None else [])]


def gradients_latex(derivation: Derivation, wrt: Sequence[str] | None = None) -> str:
    """The gradients of `wrt`: parameters, "x" and initial states ("a0"); by default all of them.

    Raises ChoiceError for a name that has no gradient.
    """
    for name in wrt if wrt is not None else ():
        if name not in derivation.gradients:
            raise ChoiceError("wrt", f"names among {', '.join(derivation.gradients)}", name)
    return print_latex(_document(derivation, [_gradients(derivation, wrt)]))


def _gradients(derivation: Derivation, wrt: Sequence[str] | None = None) -> Section:
    objective = LOSS if derivation.loss is not None else OUTSIDE
    return Backward(derivation, "gradient", objective).gradients(wrt)


# ----------------------------------------------------------------------------- single steps


def latex_of(what: Any) -> str:
    """$$ … $$: displays of a model, a derivation or a chain, one display of a step."""
    if isinstance(what, Model | Derivation | Chain | Gradients):
        return print_latex(shown(what))
    return f"$${latex(step_node(what), NOTE)}$$"


def text_of(what: Any) -> str:
    """For a terminal: a model, a derivation or a chain as a document, or one equation."""
    if isinstance(what, Model | Derivation | Chain | Gradients):
        return print_text(shown(what))
    return unicode(step_node(what))


def html_of(what: Any) -> str:
    """HTML with MathML, to stand in a page: sections of a model, a derivation or a chain, or one step."""
    if isinstance(what, Model | Derivation | Chain | Gradients):
        return html_fragment(shown(what))
    return mathml(step_node(what), NOTE, display=True)


def step_node(step: Any) -> Node:
    """One step as written mathematics, away from every boundary. Raises TypeError for anything else."""
    match step:
        case Definition(name=name, value=value):
            return row(Name(name, t), EQUALS, expr_node(value))
        case Forward(target=target, value=value):
            return row(symbol_node(target), EQUALS, expr_node(value))
        case Adjoint(target=target, terms=terms):
            left = symbol_node(Symbol(target.name, target.shape, 0, Role.COTANGENT))
            return row(left, EQUALS, joined([expr_node(x.at_t) for x in terms]))
        case Term():
            return expr_node(step.at_t)
        case Sum(expr=expr):
            return expr_node(expr)
        case Expr():
            return expr_node(step)
        case Gradient():
            return _gradient(step)
        case ChainTerm(terms=terms):
            return joined([expr_node(e, 0) for e in terms])
        case _:
            raise TypeError(f"nothing to show for {type(step).__name__}")


def _gradient(gradient: Gradient) -> Node:
    """∂L/∂v = Σ over the steps that use it; of one step where it is by a value."""
    of = gradient.of
    if isinstance(of, Symbol):
        left = Derivative(Objective("L"), symbol_node(of, t if of.name == gradient.name else 0))
        step = t if of.name == gradient.name else 1
        return row(left, EQUALS, joined([expr_node(s.expr, step) for s in gradient.sums]))
    parts = tuple(Of(expr, t) for expr in dict.fromkeys(s.expr for s in gradient.sums))
    whole = OverTime(t, 1, T, plus(parts))
    return row(Derivative(Objective("L"), Par(gradient.name)), EQUALS, formula_node(whole))


enter(Printers(text_of, latex_of, html_of))
