"""The model as it is stated: its equations and loss, and the named forward steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from chalkgrad.derive.cells.model import YHAT
from chalkgrad.derive.claims.equality import Equality
from chalkgrad.derive.claims.formula import Formula, Lost, Modelled, Of, OverTime
from chalkgrad.derive.deriving.derivation import Derivation, Forward, Phase
from chalkgrad.derive.deriving.loss import documented
from chalkgrad.derive.documents.pieces import (
    called,
    mathematics,
    over,
    pairing,
    paragraph,
    rule,
    shape_node,
    steps,
)
from chalkgrad.derive.documents.tree import Block, Equations, Inline, Line, Section
from chalkgrad.derive.terms.algebra import Expr, Map, Reduce, Role, StepLike, Symbol, arg
from chalkgrad.derive.terms.functions import ELEMENTWISE, Function, leaky_relu, relu
from chalkgrad.derive.terms.trees import walk
from chalkgrad.derive.writing.expressions import expr_node, symbol_node, t
from chalkgrad.derive.writing.formulas import formula_node
from chalkgrad.derive.writing.scalar import body_piece
from chalkgrad.derive.writing.tree import (
    EQUALS,
    Call,
    Ident,
    Name,
    Node,
    Number,
    Objective,
    Op,
    Piece,
    Size,
    Sub,
    listed,
    row,
)

LOSSES = {
    "binary_cross_entropy": "binary cross-entropy",
    "cross_entropy": "cross-entropy",
    "squared_error": "squared error",
}


def objective_name(derivation: Derivation) -> str:
    """The name of what is differentiated."""
    return "L" if derivation.loss is None else derivation.loss.name


def parameter_names(derivation: Derivation) -> frozenset[str]:
    return frozenset(p.name for p in derivation.schedule.parameters)


def output(derivation: Derivation) -> Symbol:
    """ŷ as the derivation has it."""
    return next(f.target for p in derivation.phases for f in p.forward if f.target.name == YHAT)


def output_steps(derivation: Derivation) -> tuple[StepLike, StepLike]:
    """The first and the last step that has an output."""
    assert derivation.schedule.y_steps is not None
    start, count = derivation.schedule.y_steps
    return start + 1, start + count


# ----------------------------------------------------------------------------- the model


def model_section(derivation: Derivation) -> Section:
    """The equations as the file has them, with the functions chosen, laid out in time."""
    model, plan = derivation.model, derivation.schedule
    blocks = _setting(derivation)
    for phase in derivation.phases:
        segment = phase.segment
        if not segment.definitions:
            continue
        first, last = segment.first, segment.last
        if len(derivation.phases) > 1:
            blocks.append(paragraph(f"{segment.label.capitalize()}, {{}}:", steps(first, last)))
        lines = []
        for d in segment.definitions:
            step = called(first, last)
            claim = Equality(Of(Symbol(d.name, d.value.shape), step), Of(d.value, step), over(first, last))
            where = (steps(first, last),) if len(derivation.phases) == 1 else ()
            lines.append(
                Line(
                    Name(d.name, step),
                    expr_node(d.value, step),
                    where=where,
                    shape=shape_node(d.value.shape),
                    equality=claim,
                )
            )
        blocks.append(Equations(tuple(lines)))
    blocks += conventions(d.value for s in plan.segments for d in s.definitions)
    if derivation.loss is not None:
        blocks.append(paragraph(f"The loss is {LOSSES[str(model.loss)]}, added up over outputs and steps:"))
        blocks.append(Equations(tuple(_loss_lines(derivation))))
    else:
        told = (
            "There is no loss. Whoever asks for a vector–Jacobian product brings a cotangent {} for each "
            "state, and {} stands for {}, added up over states and steps."
        )
        brought, name = Name("v", t, Role.EXTERNAL), Objective(objective_name(derivation))
        blocks.append(paragraph(told, brought, name, pairing()))
    return Section("model", "The model", tuple(blocks))


def _setting(derivation: Derivation) -> list[Block]:
    plan = derivation.schedule
    initial = mathematics(symbol_node(s, 0) for s in plan.states)
    told: list[Block] = [
        paragraph(
            "The network runs over the steps {} and starts from {}, zero unless it is given.",
            steps(1, plan.length),
            initial,
        )
    ]
    if plan.y_steps is not None and plan.y_steps[0] != 0:
        told.append(paragraph("Outputs and targets exist for {}.", steps(*output_steps(derivation))))
    for small, large in plan.tied:
        equal = row(Size(small), EQUALS, Size(large))
        told.append(paragraph("An output is fed back as an input, so {}.", equal))
    told.append(
        paragraph(
            "The sign {}, quotients, powers and functions work on each component; a scalar spreads over a "
            "vector. Equations speak of one example; a batch adds up their gradients.",
            Op("∗"),
        )
    )
    return told


def documented_loss(derivation: Derivation, step: StepLike = t) -> Of:
    """The loss of one step, as documented, on ŷ."""
    kind, y = derivation.model.loss, derivation.schedule.y
    assert kind is not None and y is not None
    return Of(documented(kind, output(derivation), y), step)


def _loss_lines(derivation: Derivation) -> Iterator[Line]:
    name, scalar = objective_name(derivation), shape_node(())
    first, last = output_steps(derivation)
    step = called(first, last)
    one = documented_loss(derivation, step)
    where: tuple[Inline, ...] = (steps(first, last),)
    yield Line(
        Objective(name, step),
        formula_node(one),
        where=where,
        shape=scalar,
        equality=Equality(Lost(step), one, over(first, last)),
    )
    every: Formula = Lost(step) if first == last else OverTime(t, first, last, Lost(t))
    whole = Equality(Lost(), every)
    yield Line(Objective(name), formula_node(every, name), shape=scalar, equality=whole)


def conventions(values: Iterable[Expr]) -> list[Block]:
    """What has to be said about the functions that occur."""
    values = list(values)
    nodes = [node for value in values for node in walk(value)]
    bodies = [node.body for node in nodes if isinstance(node, Map)]
    z, found = Ident("z"), []
    if any(body.has(relu) for body in bodies):
        slope = row(Call("ReLU", Number("0"), primes=1), EQUALS, Number("0"))
        maximum = row(Call("ReLU", z), EQUALS, Call("max", row(Number("0"), Op(","), z)))
        found.append(
            paragraph("{} has a kink at 0; its derivative there is taken to be 0: {}.", maximum, slope)
        )
    if any(body.has(leaky_relu) for body in bodies):
        function, small = Call("LeakyReLU", z), row(Number("0.01"), z, thin=True)
        found.append(
            paragraph(
                "{} is {} for {}, else {}; its slope at 0 is 0.01.",
                function,
                z,
                row(z, Op(">"), Number("0")),
                small,
            )
        )
    for told in (f for f in ELEMENTWISE.values() if f.told):
        if any(body.has(told.meaning) for body in bodies):
            found.append(paragraph("{} is {}.", *_definition(told)))
    if any(isinstance(node, Reduce) and node.kind == "max" for node in nodes):
        found.append(
            paragraph("A maximum only shifts what the exponential sees, so it carries no derivative.")
        )
    return [*found]


def _definition(function: Function) -> tuple[Node, Node]:
    """f(z), or f(u, v), and what it means."""
    letters = [Ident(letter) for letter in ("z" if function.arity == 1 else "uvw")[: function.arity]]
    assert function.definition is not None
    meaning = function.definition(*(arg(i) for i in range(function.arity)))
    body = body_piece(meaning, [Piece(letter) for letter in letters])
    return Call(function.written, listed(letters)), body.node


# ----------------------------------------------------------------------------- forward


def forward_section(derivation: Derivation) -> Section:
    """Every value that gets a name, in the order of computation, with its number."""
    told = paragraph(
        "Every intermediate value gets a name and every equation a number: {} is what the "
        "function that gives {} is applied to. The generated C carries the same numbers.",
        Sub(Ident("z"), Ident("v")),
        Ident("v"),
    )
    blocks: list[Block] = [told]
    for phase in derivation.phases:
        if phase.forward:
            first, last = phase.segment.first, phase.segment.last
            blocks.append(paragraph(f"{phase.segment.label.capitalize()}, {{}}:", steps(first, last)))
            blocks.append(Equations(tuple(_forward_lines(derivation, phase))))
    if derivation.loss is not None:
        blocks += _stable(derivation)
    return Section("forward", "Forward, step by step", tuple(blocks))


def _forward_lines(derivation: Derivation, phase: Phase) -> Iterator[Line]:
    names, first, last = parameter_names(derivation), phase.segment.first, phase.segment.last
    step = called(first, last)
    modelled = {d.name for d in phase.segment.definitions}
    for f in phase.forward:
        left: Formula = Modelled(f.target.name, step) if f.target.name in modelled else Of(f.target, step)
        yield Line(
            _target(derivation, f, step),
            expr_node(f.value, step),
            numbers=(f.number,),
            rule=rule(f.rule, names),
            shape=shape_node(f.target.shape),
            equality=Equality(left, Of(f.value, step), over(first, last)),
        )


def _target(derivation: Derivation, equation: Forward, step: StepLike) -> Node:
    if equation.target == derivation.loss:
        return Objective(equation.target.name, step)
    return Name(equation.target.name, step)


def _stable(derivation: Derivation) -> list[Block]:
    """The documented loss and the stable form that is computed, once for steps that have the same."""
    found = [(p.segment, f) for p in derivation.phases for f in p.forward if f.target == derivation.loss]
    lines = []
    for value, group in groupby(found, key=lambda pair: pair[1].value):
        alike = list(group)
        everywhere = len(alike) == len(found)
        first, last = output_steps(derivation) if everywhere else (alike[0][0].first, alike[-1][0].last)
        step = called(first, last)
        formula, stable = documented_loss(derivation, step), Of(value, step)
        if value != formula.expr:
            line = Line(
                formula_node(formula),
                formula_node(stable),
                numbers=tuple(f.number for _, f in alike),
                rule=("stable form",),
                where=() if everywhere else (steps(first, last),),
                shape=shape_node(()),
                equality=Equality(formula, stable, over(first, last)),
            )
            lines.append(line)
    told = paragraph(
        "The loss is computed from what the outer function is applied to, not from its result: in exact "
        "arithmetic the two are equal, on a computer only this one is right where the output saturates.",
    )
    return [told, Equations(tuple(lines))] if lines else []
