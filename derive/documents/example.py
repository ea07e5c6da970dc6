"""A small example with numbers: one seeded point, carried through every line, and the gradient check."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import sympy

from chalkgrad.derive.choices import Layout
from chalkgrad.derive.claims.equality import Equality
from chalkgrad.derive.claims.formula import At, Figures, Formula, Gradient, Lost, Of
from chalkgrad.derive.deriving.derivation import LOSS, Derivation
from chalkgrad.derive.deriving.extent import Extent, Steps, extent
from chalkgrad.derive.documents.backward import delta
from chalkgrad.derive.documents.pieces import paragraph
from chalkgrad.derive.documents.stated import objective_name
from chalkgrad.derive.documents.tree import Block, Equations, Line, Listing, Paragraph, Section, Table
from chalkgrad.derive.errors import DerivationError
from chalkgrad.derive.terms.algebra import Expr, Parameter, Symbol
from chalkgrad.derive.values.expand import symbols as data_symbols
from chalkgrad.derive.values.oracle import Oracle, ParameterAt
from chalkgrad.derive.values.points import at_point, finite
from chalkgrad.derive.values.reals import Real, Reals, number
from chalkgrad.derive.values.walk import Data, Tensor, Walk, named_equations
from chalkgrad.derive.writing.expressions import expr_node
from chalkgrad.derive.writing.formulas import formula_node
from chalkgrad.derive.writing.tree import (
    Derivative,
    Fence,
    Matrix,
    Name,
    Node,
    Number,
    Objective,
    Op,
    Par,
    Sub,
    Transposed,
    row,
)

PRINTED = 6  # digits
DIGITS = 40  # carried
SIZE = 2  # of everything
_TRIES = 100  # seeds
_EXPONENTS = (2, 4, 6)  # of the differences in the gradient check
_ROUNDING = 1e-30  # what is left of 40 digits in a difference of two losses that is divided by 10⁻⁶


@dataclass(frozen=True)
class Example:
    """Numbers for everything that the network reads, all with one decimal, and the network at them."""

    derivation: Derivation
    extent: Extent
    data: Data[sympy.Expr]
    oracle: Oracle


def example(derivation: Derivation, steps: Steps) -> Example:
    """The first seeded example whose loss is finite. Raises DerivationError."""
    at = extent(derivation, steps, None, lambda _: SIZE)
    names = data_symbols(derivation, at)

    def tried(seed: int) -> Example | None:
        data = _drawn(derivation, names, random.Random(seed))
        oracle = Oracle(derivation, data, at, DIGITS, LOSS)
        whole = all(oracle.real.isfinite(v) for v in _everything(oracle))
        return Example(derivation, at, data, oracle) if whole else None

    for found in finite(_TRIES, tried):
        return found
    raise DerivationError(f"{derivation.model.name}: found no example where everything is finite")


def _everything(oracle: Oracle) -> Iterator[Real]:
    yield oracle.objective().value
    for parameter in oracle.derivation.schedule.parameters:
        yield from oracle.slope(ParameterAt(parameter.name)).entries


def _drawn(derivation: Derivation, names: Data[sympy.Expr], rng: random.Random) -> Data[sympy.Expr]:
    """One decimal each, none zero; a target is one component of 1, or any numbers for a squared error."""

    def some(tensor: Tensor[sympy.Expr]) -> Tensor[sympy.Expr]:
        drawn = (sympy.Rational(rng.choice([-1, 1]) * rng.randint(1, 9), 10) for _ in tensor.entries)
        return Tensor(tensor.shape, tuple(drawn))

    def target(tensor: Tensor[sympy.Expr]) -> Tensor[sympy.Expr]:
        if derivation.model.loss == "squared_error":
            return some(tensor)
        chosen = rng.randrange(len(tensor.entries))
        return Tensor(tensor.shape, tuple(sympy.Integer(i == chosen) for i in range(len(tensor.entries))))

    return Data(
        {k: some(v) for k, v in names.parameters.items()},
        {k: some(v) for k, v in names.initial.items()},
        {k: some(v) for k, v in names.x.items()},
        {k: target(v) for k, v in names.y.items()},
    )


# ----------------------------------------------------------------------------- the section


def example_section(
    given: Example, call: str, wrt: Collection[str] | None = None, layout: Layout = "gradient"
) -> Section:
    """Every value, every δ and the gradients of the example. call: how the model is loaded."""
    derivation = given.derivation
    digits = paragraph(
        f"A network whose sizes are all {SIZE}, with the numbers below, carried through every line. What "
        f"follows is computed with {DIGITS} digits and printed with {PRINTED}; the compiled C, in float64, "
        "gives the same in all of them.",
    )
    blocks: list[Block] = [digits, Equations(tuple(_given(given)))]
    blocks += [paragraph("Forward:"), Equations(tuple(_forward(given)), answer=True)]
    blocks += [paragraph("Backward, from the last step to the first:")]
    blocks += [Equations(tuple(_backward(given, layout)), answer=True)]
    if gradients := tuple(_gradients(given, wrt, layout)):
        blocks += [paragraph("The gradients:"), Equations(gradients, answer=True)]
    blocks.append(_program(given, call))
    return Section("numbers", f"Worked numbers: {derivation.model.title}", tuple(blocks))


def _given(given: Example) -> Iterator[Line]:
    plan = given.derivation.schedule
    for name, tensor in given.data.parameters.items():
        yield Line(Par(name), _exact(tensor))
    for name, tensor in given.data.initial.items():
        yield Line(Name(name, 0), _exact(tensor))
    for t, k in _counted(given, plan.x_steps):
        yield Line(Name(plan.x.name, t), _exact(given.data.x[k]))
    if plan.y is not None and plan.y_steps is not None:
        for t, k in _counted(given, plan.y_steps):
            yield Line(Name(plan.y.name, t), _exact(given.data.y[k]))


def _counted(given: Example, steps: tuple[Any, Any]) -> Iterable[tuple[int, int]]:
    """The steps of the trajectory that have one, and which of them each is."""
    return ((t, k) for k, t in enumerate(given.extent.span(steps), start=1))


def _forward(given: Example) -> Iterator[Line]:
    derivation, objective = given.derivation, objective_name(given.derivation)
    for t, index in _steps(given):
        for f in derivation.phases[index].forward:
            value = Of(Symbol(f.target.name, f.target.shape), t)
            left: Node = Name(f.target.name, t)
            left = Objective(objective, t) if f.target == derivation.loss else left
            yield _line(given, left, value, (f.number,), expr_node(f.value, t))
    if derivation.loss is not None:
        yield _line(given, Objective(objective), Lost())


def _steps(given: Example) -> list[tuple[int, int]]:
    """Every step with the phase that computes there, in the order of time."""
    segments = [phase.segment for phase in given.derivation.phases]
    return [(t, index) for index, t in given.extent.order(segments)]


def _backward(given: Example, layout: Layout) -> Iterator[Line]:
    derivation = given.derivation.towards(LOSS)
    seen: set[tuple[str, int]] = set()
    for t, index in reversed(_steps(given)):
        for equation in derivation.phases[index].adjoint:
            if (equation.target.name, t) not in seen and given.oracle.has(equation.target.name, t):
                seen.add((equation.target.name, t))
                value = delta(equation.target, t, layout)
                yield _line(given, formula_node(value), value, (equation.number,))


def _gradients(given: Example, wrt: Collection[str] | None, layout: Layout) -> Iterator[Line]:
    derivation, objective = given.derivation, objective_name(given.derivation)
    for gradient in derivation.parameter_gradients:
        if wrt is None or gradient.name in wrt:
            value = Gradient(gradient.name, layout == "jacobian" and bool(gradient.shape))
            yield _line(given, formula_node(value, objective), value, (gradient.number,))
    for state in derivation.schedule.states:
        gradient = derivation.gradients[f"{state.name}0"]
        if wrt is None or gradient.name in wrt:
            left = Derivative(Objective(objective), Name(state.name, 0))
            yield _line(given, left, delta(state, 0, layout), (gradient.number,))


def _line(
    given: Example, left: Node, value: Formula, numbers: tuple[int, ...] = (), worked: Node | None = None
) -> Line:
    """left = the expression ≈ its numbers."""
    grid = value.value(At(given.oracle))
    rows = tuple(tuple(printed(given.oracle.real, entry) for entry in grid.row(i)) for i in range(grid.rows))
    claim = Equality(value, Figures(tuple(tuple(f for f, _ in line) for line in rows)), digits=PRINTED)
    shown = _laid_out([[node for _, node in line] for line in rows])
    if worked is None:
        return Line(left, shown, "≈", numbers, equality=claim)
    return Line(left, row(worked, Op("≈"), shown), "=", numbers, equality=claim)


def printed(real: Any, value: Real) -> tuple[Fraction, Node]:
    """A number with as many digits as are printed: what it then is, and how it is written."""
    text = real.nstr(value, PRINTED, strip_zeros=False, min_fixed=-5, max_fixed=PRINTED)
    digits, _, power = text.partition("e")
    if digits.endswith(".0"):
        digits = digits[:-2]
    size = Fraction(digits) * Fraction(10) ** int(power or 0)
    node = Number(digits, int(power) if power else None)
    return size, node


def _exact(tensor: Tensor[sympy.Expr]) -> Node:
    """Numbers of one decimal."""
    nodes: list[Node] = []
    for entry in tensor.entries:
        nodes.append(Number(f"{float(entry):.1f}".removesuffix(".0")))
    columns = tensor.shape[1] if len(tensor.shape) == 2 else 1
    return _laid_out([nodes[i : i + columns] for i in range(0, len(nodes), columns)])


def _laid_out(rows: list[list[Node]]) -> Node:
    """A scalar as it is, a row, a column as a row that is turned, else a matrix."""
    if len(rows) == len(rows[0]) == 1:
        return rows[0][0]
    if len(rows) == 1:
        return _in_a_row(rows[0])
    if all(len(line) == 1 for line in rows):
        return Transposed(_in_a_row([entry for (entry,) in rows]))
    return Matrix(tuple(tuple(line) for line in rows))


def _in_a_row(entries: list[Node]) -> Node:
    items: list[Node] = []
    for entry in entries:
        items += [Op(","), entry] if items else [entry]
    return Fence(row(*items), sized=False)


# ----------------------------------------------------------------------------- the program


def _program(given: Example, call: str) -> Listing:
    """The same numbers from the compiled C."""
    sizes = ", ".join(f'"{name}": {n}' for name, n in given.extent.sizes.items())
    plan = given.derivation.schedule
    built = f"rnn = cg.build({call}, sizes={{{sizes}}})"
    lines = ["import chalkgrad as cg", "", *built.split("\n"), "params = {"]
    lines += [f'    "{name}": {_nested(tensor)},' for name, tensor in given.data.parameters.items()]
    lines += ["}", f"x = [{', '.join(_nested(v) for v in given.data.x.values())}]"]
    arguments = "params, x, "
    if plan.y is not None:
        lines.append(f"y = [{', '.join(_nested(v) for v in given.data.y.values())}]")
        arguments += "y, "
    initial = ", ".join(f'"{name}": {_nested(v)}' for name, v in given.data.initial.items())
    lines.append(f"loss, grads = rnn.loss_and_grad({arguments}initial={{{initial}}})")
    return Listing("The same numbers from the compiled C", "python", tuple(lines), ((),) * len(lines))


def _nested(tensor: Tensor[sympy.Expr]) -> str:
    """Numbers as nested lists."""
    entries = [f"{float(e):.1f}" for e in tensor.entries]
    if not tensor.shape:
        return entries[0]
    if len(tensor.shape) == 1:
        return f"[{', '.join(entries)}]"
    width = tensor.shape[1]
    rows = (", ".join(entries[i : i + width]) for i in range(0, len(entries), width))
    return f"[{', '.join(f'[{row}]' for row in rows)}]"


# ----------------------------------------------------------------------------- the gradient check


def gradient_check(given: Example, wrt: Collection[str] | None = None, layout: Layout = "gradient") -> Table:
    """∂L/∂θ of one component of each parameter, or each of `wrt`, against differences of three sizes."""
    head = [paragraph("component"), paragraph("derivative")]
    head += [paragraph("error for ε = {}", Number("", -e)) for e in _EXPONENTS]
    plan, real = given.derivation.schedule, given.oracle.real
    rows = []
    for parameter in (p for p in plan.parameters if wrt is None or p.name in wrt):
        slope = given.oracle.slope(ParameterAt(parameter.name)).entries
        place = max(range(len(slope)), key=lambda i: abs(slope[i]))
        cells: list[Paragraph] = [paragraph("{}", _component(given, parameter, place, layout))]
        cells.append(paragraph("{}", printed(real, slope[place])[1]))
        for exponent in _EXPONENTS:
            error = abs(_central(given, parameter.name, place, exponent) - slope[place])
            cells.append(paragraph("{}", _rough(real, error if error > _ROUNDING else real.zero)))
        rows.append(tuple(cells))
    return Table(tuple(head), tuple(rows))


def _component(given: Example, parameter: Parameter, place: int, layout: Layout) -> Node:
    """(∂L/∂W) with the indices of a component, from 1."""
    slope = formula_node(Gradient(parameter.name), objective_name(given.derivation))
    if not parameter.shape:
        return slope
    width = given.extent.shape(parameter.shape)[-1]
    index = [place] if len(parameter.shape) == 1 else list(divmod(place, width))
    index = index[::-1] if layout == "jacobian" else index
    items: list[Node] = []
    for i in index:
        items += [Op(","), Number(str(i + 1))] if items else [Number(str(i + 1))]
    return Sub(Fence(slope), row(*items))


def _rough(real: Any, value: Real) -> Node:
    """Two digits."""
    if value == 0:
        return Number("0")
    digits, _, power = real.nstr(value, 2, min_fixed=1, max_fixed=0).partition("e")
    return Number(digits, int(power) if power and int(power) else None)


def _central(given: Example, name: str, place: int, exponent: int) -> Real:
    """(L(θ + ε) − L(θ − ε)) / 2ε with ε = 10 to −exponent."""
    step = sympy.Rational(1, 10**exponent)
    losses = [_loss(given, name, place, sign * step) for sign in (1, -1)]
    return (losses[0] - losses[1]) / (2 * number(step, given.oracle.real))


def _loss(given: Example, name: str, place: int, moved: sympy.Rational) -> Real:
    tensor, real = given.data.parameters[name], given.oracle.real
    entries = tuple(e + moved if i == place else e for i, e in enumerate(tensor.entries))
    parameters = {**given.data.parameters, name: replace(tensor, entries=entries)}
    data = replace(given.data, parameters=parameters)
    loss: Expr | None = given.derivation.loss
    assert loss is not None
    walk = Walk(
        given.derivation,
        named_equations(given.derivation),
        given.extent,
        Reals(DIGITS),
        at_point(data, lambda value: number(value, real)),
    )
    return walk.total(loss, walk.output_steps)
