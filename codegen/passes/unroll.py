"""All steps and all components written out, for tiny sizes. Vector level to straight level."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction

from chalkgrad.codegen.errors import ProgramError
from chalkgrad.codegen.passes.scalars import ZERO, fold, substitute
from chalkgrad.codegen.program.interface import Counts
from chalkgrad.codegen.program.ir import (
    Affine,
    AnyValue,
    Arg,
    Assign,
    BatchSum,
    Block,
    Call,
    Const,
    Elementwise,
    Layout,
    Let,
    Load,
    Local,
    Note,
    Others,
    OthersPull,
    Outer,
    Product,
    Program,
    Reduce,
    Ref,
    Role,
    Rows,
    Scalar,
    Select,
    Span,
    Statement,
    Store,
    Zero,
)
from chalkgrad.codegen.program.names import FreshNames
from chalkgrad.codegen.program.walk import parts

BUDGET = 4000
"""The operations that straight-line code may have; loops beyond it.

Measured by `python -m benchmarks --sections straight` with gcc 12: each operation takes 5 ms to compile, 20 s
at the budget; written out, one example is 2.4 to 4 times as fast as in loops, and 256 at least 4 times.
"""


_NO_OTHERS = Call("div", (Const(Fraction(-1)), ZERO))
"""The log of a sum of nothing, and of numbers that are all 0: minus infinity."""


class OverBudget(Exception):
    """The straight form would have more than BUDGET operations."""


@dataclass(frozen=True)
class _Place:
    """One number of a buffer: its step (None without a time axis) and component."""

    buffer: str
    step: int | None
    component: tuple[int, ...]


def unroll(program: Program, counts: Counts, budget: int = BUDGET) -> Program:
    """One statement per number, for one example at a time; everything of our own is a local.

    before   for t: z[t] = W a[t-1];  a[t] = tanh(z[t])
    after    z_1_1 = W[0]*a0[0] + W[1]*a0[1];  …  a_2_2 = tanh(z_2_2)
    needs    the sizes and the numbers of steps; all examples have full length
    raises   OverBudget
    """
    return _Unroll(program, counts, budget).run()


class _Unroll:
    def __init__(self, program: Program, counts: Counts, budget: int) -> None:
        self._program, self._budget = program, budget
        self._counts = {"T_x": counts.T_x, "T_y": counts.T_y}
        self._names = FreshNames(program.buffers)
        self._values: dict[_Place, Scalar] = {}
        self._notes: dict[tuple[str, int | None], str] = {}
        self._out: list[Statement] = []
        self._operations = 0
        self._step = 0

    def run(self) -> Program:
        zeros: list[Statement] = []
        for statement in self._program.body:
            match statement:
                case Zero(buffer=name):
                    zeros.extend(self._zero(name))
                case Block():
                    self._block(statement)
                case _:
                    raise ProgramError(f"unroll: expected a block, received {type(statement).__name__}")
        self._results()
        rows = Rows("all", _without_unused(tuple(self._out)))
        block = Block(Span.ONCE, Affine(), Affine(1), "x", (rows,))
        buffers = {
            n: replace(b, first=Affine(b.first.at(self._counts)), slots=Affine(b.slots.at(self._counts)))
            for n, b in self._program.buffers.items()
            if b.role is not Role.WORK
        }
        return replace(self._program, buffers=buffers, body=(*zeros, block), level="straight")

    def _zero(self, name: str) -> list[Statement]:
        buffer = self._program.buffers[name]
        if buffer.layout in (Layout.PARAMETER, Layout.TOTAL) and buffer.role is Role.RESULT:
            return [Zero(name)]
        steps = range(buffer.slots.at(self._counts)) if buffer.layout is Layout.TIME else (None,)
        if len(steps) > self._budget:
            raise OverBudget
        for step in steps:
            at = None if step is None else step + buffer.first.at(self._counts)
            for component in self._components(buffer.shape):
                self._values[_Place(name, at, component)] = ZERO
        return []

    def _block(self, block: Block) -> None:
        start, steps = block.start.at(self._counts), block.steps.at(self._counts)
        order = range(start + 1, start + steps + 1) if block.span is Span.EACH else range(start, start + 1)
        for step in reversed(order) if block.reverse else order:
            self._step = step
            for statement in block.body:
                if isinstance(statement, Assign) and statement.rows != "idle":
                    self._assign(statement)

    def _results(self) -> None:
        """What each example adds to or leaves in the results."""
        for name, buffer in self._program.buffers.items():
            if buffer.role is not Role.RESULT:
                continue
            accumulate = buffer.layout in (Layout.PARAMETER, Layout.TOTAL)
            places = [p for p in self._values if p.buffer == name]
            for place in sorted(places, key=lambda p: (p.step or 0, p.component)):
                ref = Ref(name, place.step or 0)
                self._out.append(Store(ref, place.component, self._values[place], accumulate))

    # ------------------------------------------------------------------------- statements

    def _assign(self, a: Assign) -> None:
        target = self._program.buffers[a.target.buffer]
        step = self._step + a.target.lag if target.layout is Layout.TIME else None
        values = {c: self._component(a.value, c) for c in self._components(target.shape)}
        for component, value in values.items():
            place = _Place(target.name, step, component)
            old = self._values.get(place, ZERO)
            self._values[place] = fold(Call("add", (old, value))) if self._adds(a, target.layout) else value
        self._notes[target.name, step] = _dated(a.note, self._step)

    def _adds(self, a: Assign, layout: Layout) -> bool:
        return a.accumulate or layout in (Layout.PARAMETER, Layout.TOTAL)

    def _components(self, shape: tuple[str | int, ...]) -> list[tuple[int, ...]]:
        places: list[tuple[int, ...]] = [()]
        for extent in shape:
            if not isinstance(extent, int):
                raise ProgramError(f"unroll: expected numbers for sizes, received {extent!r}")
            if len(places) * extent > self._budget:
                raise OverBudget
            places = [(*p, i) for p in places for i in range(extent)]
        return places

    # ------------------------------------------------------------------------- values

    def _component(self, value: AnyValue, component: tuple[int, ...]) -> Scalar:
        match value:
            case Ref():
                return self._read(value, component)
            case Elementwise(body=body, args=args):
                leaves = [self._component(a, component if self._shape(a) else ()) for a in args]
                return self._counted(substitute(body, lambda s: leaves[s.index] if isinstance(s, Arg) else s))
            case Product(matrix=matrix, vector=vector, transposed=transposed):
                (i,) = component
                pairs = [
                    ((*v, i) if transposed else (i, *v), v) for v in self._components(self._shape(vector))
                ]
                return self._sum([(self._read(matrix, w), self._component(vector, v)) for w, v in pairs])
            case Outer(left=left, right=right):
                i, j = component
                return self._sum([(self._component(left, (i,)), self._component(right, (j,)))])
            case BatchSum(value=inner):
                return self._component(inner, component)
            case Reduce(kind=kind, vector=vector):
                return self._reduce(kind, self._all(vector))
            case Others(vector=vector):
                return self._others(self._all(vector), component[0])
            case OthersPull(cotangent=cotangent, vector=vector):
                return self._others_pull(self._all(cotangent), self._all(vector), component[0])
            case _:
                raise ProgramError(f"unroll: no scalars for {type(value).__name__}")

    def _all(self, vector: AnyValue) -> list[Scalar]:
        return [self._component(vector, c) for c in self._components(self._shape(vector))]

    def _read(self, ref: Ref, component: tuple[int, ...]) -> Scalar:
        """A leaf for the number: a load, a constant, or a local that is defined now if it is not yet."""
        buffer = self._program.buffers[ref.buffer]
        step = self._step + ref.lag if buffer.layout is Layout.TIME else None
        place = _Place(ref.buffer, step, component)
        if buffer.role in (Role.PARAMETER, Role.INPUT):
            return Load(Ref(ref.buffer, step or 0), component)
        value = self._values[place]
        if value.operands:
            value = self._define(place, value)
        return value

    def _define(self, place: _Place, value: Scalar) -> Local:
        step = self._step if place.step is None else place.step
        parts = [place.buffer, str(step), *(str(i + 1) for i in place.component)]
        local = Local(self._names.fresh("_".join(parts)))
        note = self._notes.pop((place.buffer, place.step), "")
        self._out.extend((Note(note), Let(local.name, value)) if note else (Let(local.name, value),))
        self._values[place] = local
        return local

    def _let(self, wanted: str, value: Scalar) -> Scalar:
        if not value.operands:
            return value
        local = Local(self._names.fresh(wanted))
        self._out.append(Let(local.name, value))
        return local

    def _sum(self, pairs: list[tuple[Scalar, Scalar]]) -> Scalar:
        total: Scalar = ZERO
        for left, right in pairs:
            total = fold(Call("add", (total, fold(Call("mul", (left, right))))))
        return self._counted(total, 2 * len(pairs))

    def _counted(self, scalar: Scalar, operations: int | None = None) -> Scalar:
        self._operations += _size(scalar) if operations is None else operations
        if self._operations > self._budget:
            raise OverBudget
        return scalar

    def _reduce(self, kind: str, vector: list[Scalar]) -> Scalar:
        match kind:
            case "sum":
                return self._counted(_added(vector))
            case "max":
                largest, *rest = vector
                for number in rest:
                    larger = Select("ge", largest, number, largest, number)
                    largest = self._let("largest", self._counted(larger))
                return largest
            case "logsumexp":
                return self._counted(Call("log", (_added([Call("exp", (v,)) for v in vector]),)))
            case _:
                raise ProgramError(f"unroll: no scalars for the reduction {kind!r}")

    def _others(self, vector: list[Scalar], i: int) -> Scalar:
        rest = [v for k, v in enumerate(vector) if k != i]
        if not rest:
            return _NO_OTHERS
        largest = self._reduce("max", rest)
        shift = self._let("shift", self._counted(Select("eq", largest, _NO_OTHERS, ZERO, largest)))
        weight = self._reduce("logsumexp", [fold(Call("sub", (v, shift))) for v in rest])
        return self._counted(fold(Call("add", (largest, weight))), 1)

    def _others_pull(self, cotangent: list[Scalar], vector: list[Scalar], j: int) -> Scalar:
        parts = []
        for i, given in enumerate(cotangent):
            if i != j:
                others = self._let("others", self._others(vector, i))
                share = Call("exp", (fold(Call("sub", (vector[j], others))),))
                kept = Select("eq", others, _NO_OTHERS, ZERO, share)
                parts.append(fold(Call("mul", (given, kept))))
        return self._counted(_added(parts))

    def _shape(self, value: AnyValue) -> tuple[str | int, ...]:
        match value:
            case Ref():
                return self._program.buffers[value.buffer].shape
            case Elementwise():
                return value.shape
            case Product():
                return (self._program.buffers[value.matrix.buffer].shape[1 if value.transposed else 0],)
            case Others(vector=vector) | OthersPull(vector=vector):
                return self._shape(vector)
            case _:
                return ()


def _added(values: list[Scalar]) -> Scalar:
    total: Scalar = ZERO
    for value in values:
        total = fold(Call("add", (total, value)))
    return total


def _size(scalar: Scalar) -> int:
    return sum(bool(part.operands) for part in parts(scalar))


def _locals(scalar: Scalar) -> set[str]:
    return {part.name for part in parts(scalar) if isinstance(part, Local)}


def _without_unused(body: tuple[Statement, ...]) -> tuple[Statement, ...]:
    """Locals that nobody reads are gone, and notes that then stand before nothing."""
    used: set[str] = set()
    kept: list[Statement] = []
    for statement in reversed(body):
        match statement:
            case Let(name=name, value=value) if name in used:
                used |= _locals(value)
                kept.append(statement)
            case Store(value=value):
                used |= _locals(value)
                kept.append(statement)
            case Note() if kept and not isinstance(kept[-1], Note):
                kept.append(statement)
            case _:
                pass
    return tuple(reversed(kept))


def _dated(note: str, step: int) -> str:
    """The note with its steps as numbers: a[t-1] at t = 2 reads a[1]."""
    return re.sub(r"\[t([+-]\d+)?\]", lambda m: f"[{step + int(m.group(1) or 0)}]", note)
