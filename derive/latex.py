"""LaTeX of models, derivations and gradients: it prints what the Derivation holds and nothing else.

The printed text is a sequence of displays, `$$ \\begin{aligned} … \\end{aligned} $$`, each one section.
Equation numbers are the Derivation's own; an equation that differs at the seams between segments, or
at the last step, appears once for every run of steps that share a form (`derive.timeline`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sympy

from derive.algebra import Expr, Map, Parameter, Reduce, Role, Symbol, walk
from derive.derivation import LOSS, OUTSIDE, Adjoint, Derivation, Forward, Gradient, Phase
from derive.errors import ChoiceError
from derive.functions import leaky_relu, relu
from derive.latex_expr import expr_latex, parameter_latex, step_latex, symbol_latex, t
from derive.latex_page import Row, plain, prose, rows_latex, rules_latex, section_latex, steps_latex
from derive.latex_scalar import joined, name_latex, parenthesised
from derive.loss import documented
from derive.model import Definition, Model
from derive.timeline import Stretch, arrivals, stretches

__all__ = ["derivation_latex", "equation_latex", "expr_latex", "gradients_latex", "model_latex"]

_WORDS = {
    "binary_cross_entropy": "binary cross-entropy",
    "cross_entropy": "cross-entropy",
    "squared_error": "squared error",
}


# ----------------------------------------------------------------------------- a model


def model_latex(model: Model) -> str:
    """The model's equations as its file has them, with the functions chosen."""
    rows = [Row(symbol_latex(_target(d)), expr_latex(d.value)) for d in (*model.cell, *model.output)]
    if model.loss is not None and model.y is not None:
        rows.append(Row(r"L^{<t>}", _documented(model)))
    title = plain(f"{model.title}, {model.architecture}")
    shapes = [_shape_latex(symbol_latex(s), s) for s in (model.x, *model.states)]
    shapes += [_shape_latex(parameter_latex(p.name), p) for p in model.parameters]
    lines = [r",\quad ".join(shapes[i : i + 5]) for i in range(0, len(shapes), 5)]
    return section_latex(title, rows_latex(rows), *lines, *_conventions(d.value for d in model.cell))


def _target(definition: Definition) -> Symbol:
    return Symbol(definition.name, definition.value.shape)


def _documented(model: Model) -> str:
    assert model.loss is not None and model.y is not None
    return expr_latex(documented(model.loss, _target(model.output[-1]), model.y))


def _shape_latex(shown: str, of: Symbol | Parameter) -> str:
    sizes = r" \times ".join(name_latex(size) for size in of.shape) or "1"
    return rf"{shown}: {sizes}"


# ----------------------------------------------------------------------------- a derivation


def derivation_latex(derivation: Derivation, wrt: Sequence[str] | None = None) -> str:
    """Forward equations, loss, definitions, adjoint equations with their boundaries, and gradients.

    Where there is a loss, what only serves a cotangent from outside comes after the rest. `wrt` as in
    `gradients_latex`, with its ChoiceError.
    """
    shown = _shown(derivation)
    sections = [_title(shown), *(_forward(shown, phase) for phase in shown.phases if phase.forward)]
    if shown.loss is not None:
        sections.append(_loss(shown))
    sections.append(_definitions(shown))
    runs = stretches(shown)
    for phase, found in reversed(list(zip(shown.phases, runs, strict=True))):
        if found:
            sections.append(_adjoint(shown, phase, found))
    sections += _outside(derivation)
    sections.append(gradients_latex(derivation, wrt))
    return "\n\n".join(sections)


def gradients_latex(derivation: Derivation, wrt: Sequence[str] | None = None) -> str:
    """The gradients of `wrt`: parameters, "x" and initial states ("a0"); by default all of them.

    Raises ChoiceError for a name that has no gradient.
    """
    gradients = derivation.gradients
    for name in wrt if wrt is not None else ():
        if name not in gradients:
            raise ChoiceError("wrt", f"names among {', '.join(gradients)}", name)
    chosen = list(gradients.values()) if wrt is None else [gradients[name] for name in dict.fromkeys(wrt)]
    return section_latex("Gradients", rows_latex(_gradient_row(derivation, g) for g in chosen))


def equation_latex(equation: Forward | Adjoint, step: sympy.Expr | int = t) -> str:
    """`left = right` as it stands at `step`, away from every boundary."""
    match equation:
        case Forward(target=target, value=value):
            return f"{symbol_latex(target, step)} = {expr_latex(value, step)}"
        case Adjoint(target=target, terms=terms):
            return f"{_delta(target, step)} = {joined([expr_latex(x.at_t, step) for x in terms])}"
        case _:
            raise TypeError(f"no LaTeX for {type(equation).__name__}")


def objective_latex(derivation: Derivation) -> str:
    """The name of what is differentiated."""
    return "L" if derivation.loss is None else name_latex(derivation.loss.name)


def partial_latex(of: str, by: str) -> str:
    return rf"\frac{{\partial {of}}}{{\partial {by}}}"


def _shown(derivation: Derivation) -> Derivation:
    return derivation.towards(LOSS if derivation.loss is not None else OUTSIDE)


def _delta(target: Symbol, step: sympy.Expr | int) -> str:
    return symbol_latex(Symbol(target.name, target.shape, 0, Role.COTANGENT), step)


def _names(derivation: Derivation) -> frozenset[str]:
    return frozenset(p.name for p in derivation.schedule.parameters)


def _title(derivation: Derivation) -> str:
    model, plan = derivation.model, derivation.schedule
    given = ",\\ ".join(symbol_latex(s, 0) for s in plan.states)
    span = rf"t = 1, \ldots, {step_latex(plan.length)}"
    lines = [prose(f"One trajectory, `{span}`; initially `{given}`, zero if not given.")]
    if plan.y_steps is not None and plan.y_steps[0] != 0:
        first, count = plan.y_steps
        ends = step_latex(first + 1), step_latex(first + count)
        where = f"t = {ends[0]}" if count == 1 else rf"t = {ends[0]}, \ldots, {ends[1]}"
        lines.append(prose(f"Outputs and targets exist for `{where}`."))
    for small, large in plan.tied:
        sizes = f"{name_latex(small)} = {name_latex(large)}"
        lines.append(prose(f"An output is fed back as an input, so `{sizes}`."))
    lines.append(prose(r"`\ast`, quotients, powers and functions work on each component; a scalar spreads."))
    return section_latex(f"{model.title}, {model.architecture}", *lines)


def _forward(derivation: Derivation, phase: Phase) -> str:
    segment, names = phase.segment, _names(derivation)
    step = _step(segment.first, segment.last)
    rows = [
        Row(
            symbol_latex(f.target, step),
            expr_latex(f.value, step),
            (f.number,),
            rules_latex([f.rule], names),
        )
        for f in phase.forward
    ]
    where = steps_latex(segment.first, segment.last)
    notes = _conventions(f.value for f in phase.forward)
    return section_latex(f"Forward, {segment.label}", where, rows_latex(rows), *notes)


def _step(first: sympy.Expr, last: sympy.Expr) -> sympy.Expr:
    """How the steps first … last are called: by the only one there is, or t."""
    return first if first == last else t


def _conventions(values: Iterable[Expr]) -> list[str]:
    """What has to be said about the functions that occur."""
    values = list(values)
    bodies = [node.body for value in values for node in walk(value) if isinstance(node, Map)]
    kinds = {node.kind for value in values for node in walk(value) if isinstance(node, Reduce)}
    lines = []
    if any(body.has(relu) for body in bodies):
        lines.append(r"\operatorname{ReLU}(z) = \max(0, z), \quad \operatorname{ReLU}'(0) = 0")
    if any(body.has(leaky_relu) for body in bodies):
        lines.append(
            prose(
                r"`\operatorname{LeakyReLU}(z)` is `z` for `z > 0`, else `0.01\,z`; its slope at 0 is `0.01`."
            )
        )
    if "max" in kinds:
        lines.append(prose("A maximum only shifts what the exponential sees, so it carries no derivative."))
    return lines


def _loss(derivation: Derivation) -> str:
    """As documented, and in the stable form that the equations above compute."""
    model, plan, loss = derivation.model, derivation.schedule, derivation.loss
    assert plan.y_steps is not None and plan.y is not None and loss is not None and model.loss is not None
    start, count = plan.y_steps
    step = _step(start + 1, start + count)
    shape = next(f.target.shape for p in derivation.phases for f in p.forward if f.target.name == "yhat")
    formula = documented(model.loss, Symbol("yhat", shape), plan.y)
    stable = {f.number: f for p in derivation.phases for f in p.forward if f.target == loss}
    once = next(iter(stable.values()))
    rows = [Row(symbol_latex(loss, step), expr_latex(formula, step), (), prose("as documented"))]
    if once.value != formula:
        rows.append(Row("", expr_latex(once.value, step), tuple(stable), prose("from the logits, stable")))
    total = _sum_latex(start + 1, start + count, symbol_latex(loss, step))
    rows.append(Row(objective_latex(derivation), total))
    return section_latex(f"Loss, {_WORDS[model.loss]}", rows_latex(rows))


def _definitions(derivation: Derivation) -> str:
    """The two derivatives, and what stands where a step has no successor."""
    loss, last = objective_latex(derivation), step_latex(derivation.schedule.length)
    delta = rf"\delta_{{v}}^{{<t>}} = {partial_latex(loss, 'v^{<t>}')}"
    lines = [
        r"`\frac{\partial^{+} u}{\partial v}`: the immediate partial derivative. "
        r"In the one equation that gives `u`, only `v` moves.",
        r"`\frac{\partial u}{\partial v}`: the total derivative. Everything between `v` and `u` moves along.",
        rf"`{delta}`: total, of the shape of `v`, a sum over the equations that read `v^{{<t>}}`.",
        rf"No step follows the last one: `\delta^{{<t>}} = 0` for `t > {last}`.",
    ]
    if derivation.loss is None:
        brought = r"`\bar{v}^{<t>}` is what the caller brings"
        lines.append(f"{brought}: the immediate derivative of `{loss}` by `v^{{<t>}}`.")
    terms = (x for p in derivation.phases for e in p.adjoint for x in e.terms)
    if any(_indicates(node) for x in terms for node in walk(x.expr)):
        lines.append(r"`\mathbf{1}[z > 0]` is 1 where `z > 0` and 0 elsewhere, at `z = 0` too.")
    return section_latex("Two kinds of derivative", *map(prose, lines))


def _indicates(node: Expr) -> bool:
    return isinstance(node, Map) and any(
        [value for value, _ in p.args] == [0, 1] for p in node.body.atoms(sympy.Piecewise)
    )


def _adjoint(derivation: Derivation, phase: Phase, found: Sequence[Stretch]) -> str:
    segment = phase.segment
    where = steps_latex(segment.first, segment.last, backwards=True)
    rows = [_stretch_row(derivation, phase, stretch) for stretch in found]
    return section_latex(f"Backward, {segment.label}", where, rows_latex(rows))


def _stretch_row(derivation: Derivation, phase: Phase, stretch: Stretch) -> Row:
    step, segment = _step(stretch.first, stretch.last), phase.segment
    terms = [a.term for a in stretch.arrivals]
    right = joined([expr_latex(x.at_t, step) for x in terms]) if terms else "0"
    remarks = []
    if (stretch.first, stretch.last) != (segment.first, segment.last):
        remarks.append(steps_latex(stretch.first, stretch.last, backwards=True))
    if terms:
        remarks.append(rules_latex((x.rule for x in terms), _names(derivation)))
    recurs = any(a.term.lag for a in arrivals(derivation, stretch.target.name))
    if recurs and stretch.last == derivation.schedule.length == stretch.first:
        remarks.append(prose(f"nothing from `t = {step_latex(stretch.last + 1)}`"))
    return Row(_delta(stretch.target, step), right, stretch.numbers, r";\ ".join(remarks))


def _outside(derivation: Derivation) -> list[str]:
    """The equations of a vector–Jacobian product that the loss has no use for."""
    shown = {e.number for p in _shown(derivation).phases for e in p.adjoint}
    rows = []
    for phase in derivation.towards(OUTSIDE).phases:
        step = _step(phase.segment.first, phase.segment.last)
        where = steps_latex(phase.segment.first, phase.segment.last)
        for e in (e for e in phase.adjoint if e.number not in shown and e.terms):
            right = joined([expr_latex(x.at_t, step) for x in e.terms])
            rules = rules_latex((x.rule for x in e.terms), _names(derivation))
            rows.append(Row(_delta(e.target, step), right, (e.number,), rf"{where};\ {rules}"))
    told = r"`\bar{v}^{<t>}` is brought by whoever asks for a vector-Jacobian product, in place of a loss."
    return (
        [section_latex("Backward, for a cotangent from outside", prose(told), rows_latex(rows))]
        if rows
        else []
    )


# ----------------------------------------------------------------------------- gradients


def _gradient_row(derivation: Derivation, gradient: Gradient) -> Row:
    rules = rules_latex((s.rule for s in gradient.sums), _names(derivation))
    loss = objective_latex(derivation)
    match gradient.of:
        case Parameter(name=name):
            left = partial_latex(loss, parameter_latex(name))
            return Row(left, _sums_latex(derivation, gradient), (gradient.number,), rules)
        case Symbol(name=name) as of if name == gradient.name:
            return _input_row(derivation, gradient, of, rules)
        case Symbol() as of:
            left = partial_latex(loss, symbol_latex(of, 0))
            right = joined([expr_latex(s.expr, 1) for s in gradient.sums]) if gradient.sums else "0"
            return Row(left, right, (gradient.number,), rules)
        case _:
            raise TypeError(f"no gradient for {gradient.of}")


def _input_row(derivation: Derivation, gradient: Gradient, of: Symbol, rules: str) -> Row:
    """The gradient of the input at every step that has one."""
    start, count = derivation.schedule.x_steps
    step = _step(start + 1, start + count)
    where = steps_latex(start + 1, start + count)
    main = [s for s in gradient.sums if not derivation.phases[s.phase].segment.readout]
    pieces = [expr_latex(s.expr, step) for s in main]
    late = [s for s in gradient.sums if s not in main]
    right = joined(pieces) if pieces else "0"
    if late:
        last = derivation.phases[late[0].phase].segment.first
        extra = joined([expr_latex(s.expr, last) for s in late])
        where += rf"\text{{; at }} t = {step_latex(last)} \text{{ also }} {extra}"
    left = partial_latex(objective_latex(derivation), symbol_latex(of, step))
    return Row(left, right, (gradient.number,), rf"{where};\ {rules}" if rules else where)


def _sums_latex(derivation: Derivation, gradient: Gradient) -> str:
    """Σ over the steps that use the parameter; runs that touch and add the same thing are one sum."""
    ranges: dict[Expr, list[tuple[sympy.Expr, sympy.Expr]]] = {}
    for item in gradient.sums:
        segment = derivation.phases[item.phase].segment
        runs = ranges.setdefault(item.expr, [])
        if runs and runs[-1][1] + 1 == segment.first:
            runs[-1] = (runs[-1][0], segment.last)
        else:
            runs.append((segment.first, segment.last))
    together: dict[tuple[sympy.Expr, sympy.Expr], list[Expr]] = {}
    for expr, runs in ranges.items():
        for run in runs:
            together.setdefault(run, []).append(expr)
    pieces = [
        _sum_latex(first, last, *(expr_latex(e, _step(first, last)) for e in exprs))
        for (first, last), exprs in together.items()
    ]
    return joined(pieces) if pieces else "0"


def _sum_latex(first: sympy.Expr, last: sympy.Expr, *terms: str) -> str:
    body = joined(terms)
    if first == last:
        return body
    closed = len(terms) == 1 and not body.startswith("-") and " + " not in body and " - " not in body
    inner = body if closed else parenthesised(body)
    return rf"\sum_{{t={step_latex(first)}}}^{{{step_latex(last)}}} {inner}"
