"""The one gate from the derivation: `Derivation → Program` at the vector level.

Adds the batch axis, decides what the forward pass must keep, and turns the adjoint recurrence into
blocks that run backwards. An adjoint term with lag 1 is written at the step t + 1 that it comes
through, so a block at step t adds it to the cotangent of step t − 1. Nothing after this file knows SymPy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import sympy
from sympy.core.relational import Relational

from chalkgrad.codegen.lowering.describe import describe
from chalkgrad.codegen.lowering.places import Places, Timeline
from chalkgrad.codegen.program import ir, operations
from chalkgrad.codegen.program.interface import Interface
from chalkgrad.codegen.program.walk import added
from chalkgrad.derive.cells.model import Model
from chalkgrad.derive.deriving.architecture import Schedule, T, T_x, T_y, schedule
from chalkgrad.derive.deriving.derivation import LOSS, OUTSIDE, Adjoint, Derivation, Phase, Term, derived
from chalkgrad.derive.terms import algebra
from chalkgrad.derive.terms.algebra import Expr, Parameter, Symbol
from chalkgrad.derive.terms.functions import Named, function_of
from chalkgrad.derive.terms.order import factors, signed_terms
from chalkgrad.derive.terms.selecting import selecting
from chalkgrad.derive.terms.trees import transform

__all__ = ["FUNCTIONS", "Derivation", "Model", "derived", "functions_of", "interface", "lower", "scalar"]

FUNCTIONS = ("loss_and_grad", "forward", "vjp")


def interface(model: Model, plan: Schedule | None = None) -> Interface:
    """The shapes and choices that the functions of this network share."""
    plan = schedule(model) if plan is None else plan
    return Interface(
        name=model.name,
        architecture=model.architecture,
        feed=model.feed,
        parameters={p.name: p.shape for p in plan.parameters},
        states={s.name: s.shape[0] for s in plan.states},
        x=plan.x.shape[0],
        yhat=None if plan.y is None else plan.y.shape,
        tied=plan.tied,
    )


def functions_of(derivation: Derivation) -> tuple[str, ...]:
    """The functions that a model has: without an output there is no loss."""
    return FUNCTIONS if derivation.loss is not None else FUNCTIONS[1:]


def lower(derivation: Derivation, function: str) -> ir.Program:
    """One of FUNCTIONS as a program; loss_and_grad needs a model with an output."""
    match function:
        case "forward":
            return _Lowering(derivation, function, backward=False).program()
        case "loss_and_grad":
            return _Lowering(derivation.towards(LOSS), function, backward=True).program()
        case "vjp":
            return _Lowering(derivation.towards(OUTSIDE), function, backward=True).program()
        case _:
            raise ValueError(f"function: expected one of {FUNCTIONS}, received {function!r}")


class _Lowering:
    """Turns the equations of one function into statements."""

    def __init__(self, derivation: Derivation, function: str, backward: bool) -> None:
        self._d, self._plan, self._phases = derivation, derivation.schedule, derivation.phases
        self._function, self._backward = function, backward
        self._states = {s.name for s in self._plan.states}
        taken = {s.name for p in self._phases for e in p.forward for s in algebra.symbols(e.value)}
        taken |= {e.target.name for p in self._phases for e in p.forward}
        taken |= {p.name for p in self._plan.parameters} | {f"{s}0" for s in self._states}
        self._places = Places(self._timeline(), taken, results=function == "forward")
        self._kept = self._values_kept()
        self._pushed = self._cotangents_pushed()

    # ------------------------------------------------------------------------- time

    def _count(self, steps: sympy.Expr) -> ir.Affine:
        name = "T_y" if self._d.model.architecture == "one-to-many" else "T_x"
        counts: list[str] = []
        for symbol, count in ((T, name), (T_x, "T_x"), (T_y, "T_y")):
            counts += [count] * int(steps.coeff(symbol))
        return ir.Affine(int(steps.subs({T: 0, T_x: 0, T_y: 0})), tuple(sorted(counts)))

    def _timeline(self) -> Timeline:
        def span(steps: tuple[sympy.Expr, sympy.Expr]) -> tuple[ir.Affine, ir.Affine]:
            return self._count(steps[0]) + 1, self._count(steps[1])

        own: dict[str, tuple[ir.Affine, ir.Affine]] = {}
        for segment in (p.segment for p in self._phases if not p.segment.readout):
            first, slots = own.get(segment.instance, (self._count(segment.start) + 1, ir.Affine()))
            own[segment.instance] = first, slots + self._count(segment.steps)
        y = None if self._plan.y_steps is None else span(self._plan.y_steps)
        return Timeline(
            frozenset(self._states), self._count(self._plan.length), span(self._plan.x_steps), y, own
        )

    # ------------------------------------------------------------------------- what is kept

    def _instance(self, name: str, phase: Phase) -> str:
        return "" if name in self._d.carried or name in ("x", "y", "yhat") else phase.segment.instance

    def _values_kept(self) -> set[tuple[str, str]]:
        """The values that are read at another step, by a readout, or on the way back."""
        kept = set()
        for index, phase in enumerate(self._phases):
            own = {e.target.name for e in phase.forward}
            reads = [s for e in phase.forward for s in algebra.symbols(e.value) if s.lag or s.name not in own]
            for expr in self._backward_exprs(index) if self._backward else ():
                reads += [s for s in algebra.symbols(expr) if s.role is algebra.Role.VALUE]
            kept |= {(self._instance(s.name, phase), s.name) for s in reads}
        return kept

    def _backward_exprs(self, index: int) -> list[Expr]:
        terms = [t.expr for e in self._phases[index].adjoint for t in e.terms]
        return terms + [s.expr for g in self._d.parameter_gradients for s in g.sums if s.phase == index]

    def _cotangents_pushed(self) -> set[str]:
        """The cotangents that get contributions from another block: they add up in place."""
        pushed = set(self._d.carried) | {"x"}
        for phase in self._phases:
            own = {e.target.name for e in phase.forward}
            pushed |= {e.target.name for e in phase.adjoint if e.target.name not in own}
        return pushed

    # ------------------------------------------------------------------------- values

    def _value(self, symbol: Symbol, phase: Phase) -> ir.Ref:
        name, instance = symbol.name, self._instance(symbol.name, phase)
        here = phase.segment.readout and name in {"y", *(e.target.name for e in phase.forward)}
        always = (
            name in ("x", "y") or name in self._states or (name == "yhat" and self._function == "forward")
        )
        timed = not here and (always or (instance, name) in self._kept)
        return self._places.value(name, instance, symbol.shape, symbol.lag, timed)

    def _cotangent(self, symbol: Symbol, phase: Phase, lag: int = 0) -> ir.Ref:
        name, instance = symbol.name, self._instance(symbol.name, phase)
        return self._places.cotangent(name, instance, symbol.shape, lag, name in self._pushed)

    def _expr(self, expr: Expr, phase: Phase) -> Any:
        """A value of the vector level; the algebra has checked that the parts fit."""
        made: dict[Expr, Any] = {}

        def lowered(node: Expr) -> Any:
            if node not in made:
                made[node] = self._lowered(node, phase, lowered)
            return made[node]

        return lowered(expr)

    def _lowered(self, node: Expr, phase: Phase, inner: Callable[[Expr], Any]) -> Any:
        match node:
            case Symbol(role=algebra.Role.VALUE):
                return self._value(node, phase)
            case Symbol(role=algebra.Role.COTANGENT):
                return self._cotangent(node, phase, node.lag)
            case Symbol(role=algebra.Role.EXTERNAL):
                return self._places.outside(node.name, node.shape, node.lag, not phase.segment.readout)
            case Parameter():
                return self._places.parameter(node.name, node.shape)
            case algebra.MatVec():
                matrix = self._places.parameter(node.matrix.name, node.matrix.shape)
                return ir.Product(matrix, inner(node.vector), node.transposed)
            case algebra.Map():
                args = tuple(map(inner, node.args))
                return ir.Elementwise(scalar(selecting(node.body)), args, node.shape)
            case algebra.Reduce():
                return ir.Reduce(node.kind, inner(node.vector))
            case algebra.Others():
                return ir.Others(inner(node.vector))
            case algebra.OthersPull():
                return ir.OthersPull(inner(node.cotangent), inner(node.vector))
            case algebra.Outer():
                return ir.Outer(inner(node.left), inner(node.right))
            case _:
                raise TypeError(f"no vector form for {type(node).__name__}")

    def _total(self, terms: Sequence[Term], shape: algebra.Shape, phase: Phase) -> ir.AnyValue:
        """The sum of several terms, in their order."""
        exprs = [_weighing(t.expr) if t.seed == LOSS else t.expr for t in terms]
        return added([self._expr(expr, phase) for expr in exprs], shape)

    # ------------------------------------------------------------------------- blocks

    def program(self) -> ir.Program:
        body = [self._copies("initial states", self._start())]
        body += [self._forward_block(p) for p in self._phases]
        if self._backward:
            body += [self._adjoint_block(i) for i in reversed(range(len(self._phases)))]
            body.append(self._copies("gradients of the initial states", self._end()))
            self._cotangent(self._plan.x, self._phases[0])
            for parameter in self._plan.parameters:  # without a path to the objective the gradient is 0
                self._places.gradient(parameter.name, parameter.shape)
        zeros = [ir.Zero(name) for name in self._places.zeroed]
        return ir.Program(self._function, self._places.buffers, (*zeros, *body))

    def _assign(
        self,
        target: ir.Ref,
        value: ir.AnyValue,
        number: int | None,
        accumulate: bool = False,
        rows: str = "active",
    ) -> ir.Assign:
        statement = ir.Assign(target, value, accumulate, rows)
        return replace(statement, note=describe(statement, self._places.buffers, number))

    def _copies(self, title: str, copies: list[ir.Statement]) -> ir.Block:
        return ir.Block(ir.Span.ONCE, ir.Affine(), ir.Affine(1), "x", tuple(copies), title=title)

    def _start(self) -> list[ir.Statement]:
        first = self._phases[0]
        pairs = [(s, self._places.initial(s.name, s.shape, ir.Role.INPUT)) for s in self._plan.states]
        return [self._assign(self._value(s, first), given, None, rows="all") for s, given in pairs]

    def _end(self) -> list[ir.Statement]:
        first = self._phases[0]
        pairs = [(s, self._places.initial(s.name, s.shape, ir.Role.RESULT)) for s in self._plan.states]
        return [self._assign(wanted, self._cotangent(s, first), None, rows="all") for s, wanted in pairs]

    def _block(self, phase: Phase, body: list[ir.Statement], reverse: bool, title: str) -> ir.Block:
        segment = phase.segment
        span = ir.Span.LAST if segment.readout else ir.Span.EACH
        start, steps = self._count(segment.start), self._count(segment.steps)
        title = f"{title}: {segment.label}"
        return ir.Block(span, start, steps, segment.lengths, tuple(body), reverse, title)

    def _forward_block(self, phase: Phase) -> ir.Block:
        body: list[ir.Statement] = []
        for state in () if phase.segment.readout else self._plan.states:
            now = self._value(state, phase)
            body.append(self._assign(now, replace(now, lag=-1), None, rows="idle"))
        for e in phase.forward:
            if e.target != self._d.loss:
                target = self._value(e.target, phase)
                body.append(self._assign(target, self._expr(e.value, phase), e.number))
            elif self._function == "loss_and_grad":
                value = ir.BatchSum(self._expr(_weighing(e.value), phase))
                body.append(self._assign(self._places.loss(), value, e.number, True))
        return self._block(phase, body, False, "forward")

    def _adjoint_block(self, index: int) -> ir.Block:
        phase = self._phases[index]
        body: list[ir.Statement] = []
        later: list[ir.Statement] = []
        for e in phase.adjoint:
            body.extend(self._direct(e, phase))
            if e.through(1):
                value = self._total(e.through(1), e.target.shape, phase)
                later.append(self._assign(self._cotangent(e.target, phase, -1), value, e.number, True))
        for g in self._d.parameter_gradients:
            for s in g.sums:
                if s.phase == index:
                    value = self._expr(s.expr, phase)
                    value = value if isinstance(value, ir.Outer) else ir.BatchSum(value)
                    body.append(self._assign(self._places.gradient(g.name, g.shape), value, g.number, True))
        for state in () if phase.segment.readout else self._plan.states:
            now = self._cotangent(state, phase)
            later.append(self._assign(replace(now, lag=-1), now, None, True, rows="idle"))
        return self._block(phase, body + later, True, "backward")

    def _direct(self, e: Adjoint, phase: Phase) -> list[ir.Statement]:
        """The terms of an adjoint equation that belong to this step.

        A cotangent from outside arrives at a state also after an example has ended.
        """
        target, shape = self._cotangent(e.target, phase), e.target.shape
        here = e.through(0)
        statements: list[ir.Statement] = []
        if e.target.name in self._states:
            if outside := tuple(t for t in here if t.seed == OUTSIDE):
                value = self._total(outside, shape, phase)
                statements.append(self._assign(target, value, e.number, True, rows="all"))
            here = tuple(t for t in here if t.seed != OUTSIDE)
        if here:
            value = self._total(here, shape, phase)
            statements.append(self._assign(target, value, e.number, e.target.name in self._pushed))
        return statements


# ----------------------------------------------------------------------------- scalars


class _Weighted(sympy.Function):
    """w v where w is what a target y weighs v with: 0 · log 0 = 0, so 0 where w is 0."""

    nargs = 2


def _weighing(node: Expr) -> Expr:
    """The loss, or its derivative, with every product of a factor in y alone as a weighted one."""

    def weighed(term: sympy.Expr, targets: set[sympy.Symbol]) -> sympy.Expr:
        number, factors = term.as_coeff_mul()
        weights = [f for f in factors if f.free_symbols and f.free_symbols <= targets]
        others = [f for f in factors if f not in weights]
        if not weights or not others:
            return term
        return number * _Weighted(sympy.Mul(*weights), sympy.Mul(*others), evaluate=False)

    def change(n: Expr) -> Expr:
        if not isinstance(n, algebra.Map):
            return n
        targets = {algebra.arg(i) for i, a in enumerate(n.args) if isinstance(a, Symbol) and a.name == "y"}
        return replace(n, body=sympy.Add(*(weighed(t, targets) for t in sympy.Add.make_args(n.body))))

    return transform(node, change)


def scalar(body: sympy.Expr) -> ir.Scalar:
    """A SymPy body as a scalar expression, in our order of terms."""
    if body.is_number and not body.is_Rational:
        return ir.Const(Fraction(str(sympy.N(body, 40))))
    match body:
        case sympy.Rational():
            return ir.Const(Fraction(int(body.p), int(body.q)))
        case sympy.Symbol():
            index = algebra.arg_index(body)
            return ir.Extent(body.name) if index is None else ir.Arg(index)
        case sympy.Add():
            return _sum(body)
        case sympy.Mul():
            return _product(body)
        case sympy.Pow():
            return _power(body)
        case sympy.Piecewise():
            return _piecewise(body)
        case _Weighted():
            return ir.Call("weighted", tuple(scalar(part) for part in body.args))
        case sympy.Function() if operation := _operation(body):
            return ir.Call(operation, tuple(map(scalar, body.args)))
        case Named():
            return scalar(body.definition(*body.args))
        case _:
            raise TypeError(f"no scalar form for {body.func.__name__}")


def _operation(body: sympy.Function) -> str:
    """The operation that a function is; empty for one that has no row."""
    function = function_of(body)
    return function.name if function is not None and function.name in operations.FUNCTIONS else ""


def _sum(body: sympy.Add) -> ir.Scalar:
    (sign, first), *rest = signed_terms(body)
    result = scalar(first) if sign > 0 else ir.Call("neg", (scalar(first),))
    for sign, term in rest:
        result = ir.Call("add" if sign > 0 else "sub", (result, scalar(term)))
    return result


def _product(body: sympy.Mul) -> ir.Scalar:
    coefficient, above, below = factors(body)
    negative = coefficient.is_negative
    numbers = [] if abs(coefficient) == 1 else [scalar(abs(coefficient))]
    result = _times([*numbers, *map(scalar, above)])
    if below:
        result = ir.Call("div", (result, _times([scalar(b) for b in below])))
    return ir.Call("neg", (result,)) if negative else result


def _times(operands: list[ir.Scalar]) -> ir.Scalar:
    result, *rest = operands or [ir.Const(Fraction(1))]
    for operand in rest:
        result = ir.Call("mul", (result, operand))
    return result


def _power(body: sympy.Pow) -> ir.Scalar:
    base, exponent = body.args
    if not exponent.is_Rational:
        raise TypeError("no scalar form for a power with a variable exponent")
    if exponent.is_negative:
        return ir.Call("div", (ir.Const(Fraction(1)), scalar(base**-exponent)))
    if exponent == sympy.Rational(1, 2):
        return ir.Call("sqrt", (scalar(base),))
    return ir.Call("power", (scalar(base), scalar(exponent)))


def _piecewise(body: sympy.Piecewise) -> ir.Scalar:
    names = {comparison.sign: name for name, comparison in operations.COMPARISONS.items()}
    *branches, (otherwise, _) = body.args
    result = scalar(otherwise)
    for value, condition in reversed(branches):
        if not isinstance(condition, Relational):
            raise TypeError(f"no scalar form for the condition {type(condition).__name__}")
        operands = (scalar(condition.lhs), scalar(condition.rhs))
        result = ir.Select(names[condition.rel_op], *operands, scalar(value), result)
    return result
