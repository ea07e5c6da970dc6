"""What is written and what it means: the two kinds of derivative, and the table of notation."""

from __future__ import annotations

from collections.abc import Iterator

from chalkgrad.derive.cells.model import YHAT
from chalkgrad.derive.choices import Layout
from chalkgrad.derive.deriving.derivation import Derivation, Forward
from chalkgrad.derive.documents.pieces import (
    gradient_shape,
    listed,
    mathematics,
    pairing,
    paragraph,
    shape_node,
)
from chalkgrad.derive.documents.stated import objective_name
from chalkgrad.derive.documents.tree import Block, Entry, Inline, Paragraph, Remark, Section, Table
from chalkgrad.derive.terms.algebra import MatVec, Parameter, Reduce, Role, symbols
from chalkgrad.derive.terms.trees import walk
from chalkgrad.derive.writing.expressions import expr_node, symbol_node, t
from chalkgrad.derive.writing.tree import (
    EQUALS,
    Derivative,
    Ident,
    Name,
    Node,
    Objective,
    Par,
    Size,
    When,
    Words,
    row,
)


def derivatives_section(derivation: Derivation, layout: Layout = "gradient") -> Section:
    """Immediate and total derivatives, defined, and how a layout has them."""
    loss, u, v = Objective(objective_name(derivation)), Ident("u"), Name("v", t)
    immediate, total = Derivative(u, Ident("v"), True), Derivative(u, Ident("v"))
    delta = row(Name("v", t, Role.COTANGENT), EQUALS, Derivative(loss, v))
    blocks: list[Block] = [
        paragraph(
            "{} is the immediate partial derivative: in the equation that gives {}, only {} moves, "
            "and everything else that it reads stays.",
            immediate,
            u,
            Ident("v"),
        ),
        paragraph(
            "{} is the total derivative: {} moves, and everything between it and {} moves along. By "
            "the chain rule it is a sum over all the ways from {} to {}, each a product of immediate "
            "derivatives.",
            total,
            Ident("v"),
            u,
            Ident("v"),
            u,
        ),
        _laid_out(delta, v, layout),
    ]
    if derivation.loss is not None:
        told = "In {} the loss is that of all steps, unless something else is said."
        blocks.append(Remark("remark", (paragraph(told, Name("v", None, Role.COTANGENT)),)))
    return Section("derivatives", "Two kinds of derivative", tuple(blocks))


def _laid_out(delta: Node, v: Node, layout: Layout) -> Paragraph:
    """Which shape a derivative has."""
    if layout == "jacobian":
        return paragraph(
            "{} is a total derivative. The layout is that of the numerator: rows of a derivative belong to "
            "what is differentiated, columns to what it is differentiated by, so that a product is read from "
            "left to right. {} is a row, and a gradient by a matrix has the transposed shape of the matrix.",
            delta,
            Name("v", t, Role.COTANGENT),
        )
    return paragraph(
        "{} is a total derivative, of the shape of {}. A product of Jacobians is read from left "
        "to right, rows belonging to what is differentiated, columns to what it is "
        "differentiated by; gradients have the shape of what they are by.",
        delta,
        v,
    )


# ----------------------------------------------------------------------------- notation


def glossary(derivation: Derivation, layout: Layout = "gradient") -> tuple[Entry, ...]:
    """Every symbol with its shape and what it means."""
    return tuple(_entries(derivation, layout))


def _entries(derivation: Derivation, layout: Layout) -> Iterator[Entry]:
    plan, model = derivation.schedule, derivation.model
    name = objective_name(derivation)
    yield Entry(When(t), Words("number"), ("a step, counted from 1",))
    for length in sorted(plan.length.free_symbols, key=str):
        yield Entry(When(length), Words("number"), ("the number of steps",))
    for size, meaning in model.sizes.items():
        yield Entry(Size(size), Words("number"), (meaning,))
    yield Entry(Name(plan.x.name, t), shape_node(plan.x.shape), ("the input at step ", When(t)))
    for state in plan.states:
        yield Entry(symbol_node(state), shape_node(state.shape), ("a state after step ", When(t)))
        yield Entry(symbol_node(state, 0), shape_node(state.shape), ("the initial state, given or zero",))
    if plan.y is not None:
        yield Entry(Name(plan.y.name, t), shape_node(plan.y.shape), ("the target at step ", When(t)))
    seen = {s.name for s in plan.states}
    for phase in derivation.phases:
        for f in phase.forward:
            if f.target.name not in seen and f.target != derivation.loss:
                seen.add(f.target.name)
                yield Entry(symbol_node(f.target), shape_node(f.target.shape), _meaning(f))
    uses = _uses(derivation)
    for parameter in plan.parameters:
        yield Entry(Par(parameter.name), shape_node(parameter.shape), uses.get(parameter, ()))
    if derivation.loss is not None:
        yield Entry(Objective(name, t), shape_node(()), ("the loss of step ", When(t)))
        yield Entry(Objective(name), shape_node(()), ("the loss, added up over all steps",))
    else:
        yield Entry(Objective(name), shape_node(()), ("what is differentiated: ", pairing()))
    state = plan.states[0]
    delta = Name(state.name, t, Role.COTANGENT)
    whole = Derivative(Objective(name), Name(state.name, t))
    laid = "as a row" if layout == "jacobian" else "in the shape of what it is by"
    yield Entry(delta, gradient_shape(state.shape, layout), (whole, f", the total derivative, {laid}"))


def _meaning(equation: Forward) -> tuple[Inline, ...]:
    name = equation.target.name
    if name == YHAT:
        return ("the output at step ", When(t))
    head, _, tail = name.partition("_")
    if head == "z" and tail:
        return ("what the function that gives ", Name(tail, t), " is applied to")
    match equation.value:
        case Reduce(kind=kind, vector=vector):
            words = {"sum": "the sum of ", "max": "the largest component of ", "logsumexp": "log Σ exp of "}
            return (words[kind], expr_node(vector))
        case value:
            read = dict.fromkeys(s.name for s in symbols(value))
            return ("follows from ", *mathematics(Name(n, t) for n in read))


def _uses(derivation: Derivation) -> dict[Parameter, tuple[Inline, ...]]:
    """What each parameter does, read off the equations."""
    found: dict[Parameter, dict[tuple[Node, Node | None], None]] = {}
    for phase in derivation.phases:
        for f in phase.forward:
            for node in walk(f.value):
                match node:
                    case MatVec(matrix=matrix, vector=vector):
                        found.setdefault(matrix, {})[symbol_node(f.target), expr_node(vector)] = None
                    case Parameter():
                        found.setdefault(node, {})[symbol_node(f.target), None] = None
                    case _:
                        pass
    return {parameter: listed(map(_use, uses)) for parameter, uses in found.items()}


def _use(use: tuple[Node, Node | None]) -> tuple[Inline, ...]:
    target, vector = use
    return ("stands in ", target) if vector is None else ("multiplies ", vector, " in ", target)


def notation_section(entries: tuple[Entry, ...], notation: str) -> Section:
    """The table of notation."""
    head = (paragraph("symbol"), paragraph("shape"), paragraph("meaning"))
    rows = tuple((paragraph("{}", e.symbol), paragraph("{}", e.shape), Paragraph(e.meaning)) for e in entries)
    return Section("notation", "Notation and shapes", (Table(head, rows), *_remarks(notation)))


def _remarks(notation: str) -> list[Block]:
    remarks: dict[str, str] = {
        "note": "This is the notation of the founding note; the step stands above in angle brackets.",
        "d2l": "Steps stand below, the state is h and the output o, as in Dive into Deep Learning, where the "
        "letters are free.",
        "pascanu": "The notation follows Pascanu, Mikolov and Bengio (2013), where the letters are free: the "
        "state is x, the input u, the loss ℰ, and ∂⁺ is the immediate derivative.",
        "werbos": "The notation follows Werbos (1990): ∂⁺ is the ordered derivative, which is the total one; "
        "a plain ∂ is immediate; F stands for the ordered derivative of the loss.",
    }
    return [paragraph("{}", remarks[notation])]
