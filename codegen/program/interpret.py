"""Runs a program of any level on NumPy arrays: the meaning of the IR, and the judge of every pass.

Slow and plain. Any dtype works, complex ones too (for complex-step differentiation): comparisons and
maxima then look at the real part.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chalkgrad.codegen.errors import ProgramError
from chalkgrad.codegen.program.interface import Arrays, Counts
from chalkgrad.codegen.program.ir import AnyValue as Value
from chalkgrad.codegen.program.ir import (
    Arg,
    Assign,
    BatchSum,
    Block,
    Buffer,
    Call,
    Const,
    Elementwise,
    Extent,
    For,
    Kernel,
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
    Start,
    Statement,
    Store,
    Update,
    Zero,
)
from chalkgrad.codegen.program.numpy_operations import (
    Array,
    maximum,
    others,
    others_pull,
    reduce_rows,
)
from chalkgrad.codegen.program.operations import COMPARISONS, OPERATIONS


def interpret(
    program: Program, sizes: Mapping[str, int], counts: Counts, arrays: Arrays, dtype: Any = np.float64
) -> None:
    """Run the program: results among `arrays` (canonical names, as in `interface`) are filled."""
    with np.errstate(all="ignore"):
        _Machine(program, sizes, counts, arrays, dtype).run()


class _Machine:
    def __init__(
        self, program: Program, sizes: Mapping[str, int], counts: Counts, arrays: Arrays, dtype: Any
    ) -> None:
        self._program, self._sizes, self._dtype = program, sizes, dtype
        self._counts = {"T_x": counts.T_x, "T_y": counts.T_y}
        self._batch = counts.B
        self._last = {g: arrays.get(f"last_{g}") for g in "xy"}
        self._store = {name: self._array(buffer, arrays) for name, buffer in program.buffers.items()}
        self._step: Any = 0  # the block's step: a number, or one per example
        self._rows: dict[str, Array] = {"active": np.arange(0)}  # outside blocks there are none
        self._row = 0
        self._locals: dict[str, Any] = {}

    def _array(self, buffer: Buffer, arrays: Arrays) -> Array | None:
        if buffer.public is not None:
            given: Any = arrays.get(buffer.public)
            if given is None and buffer.role is not Role.RESULT:
                raise ProgramError(f"{buffer.public}: expected an array, received None")
            if given is not None and buffer.layout is Layout.BATCH:
                given = given.reshape(self._batch, *given.shape[given.ndim - len(buffer.shape) :])
            return given  # type: ignore[no-any-return]
        shape = tuple(s if isinstance(s, int) else self._sizes[s] for s in buffer.shape)
        match buffer.layout:
            case Layout.TIME:
                shape = (buffer.slots.at(self._counts), self._batch, *shape)
            case Layout.BATCH:
                shape = (self._batch, *shape)
            case _:
                pass
        return np.full(shape, np.nan, self._dtype)  # what is read before it is written shows

    def run(self) -> None:
        for statement in self._program.body:
            self._run(statement)

    # ------------------------------------------------------------------------- statements

    def _run(self, statement: Statement) -> None:
        match statement:
            case Block():
                self._block(statement)
            case Zero(buffer=name):
                array = self._store[name]
                if array is not None:
                    array[...] = 0
            case Assign():
                self._assign(statement)
            case Rows(rows=rows, body=body):
                for row in self._rows[rows]:
                    self._row = int(row)
                    self._all(body)
            case For(index=index, extent=extent, body=body):
                for i in range(extent):
                    self._locals[index] = i
                    self._all(body)
            case Let(name=name, value=value) | Start(name=name, value=value):
                self._locals[name] = self._scalar(value)
            case Update(name=name, op=op, value=value):
                left, right = self._locals[name], self._scalar(value)
                self._locals[name] = left + right if op == "sum" else maximum(left, right)
            case Store():
                self._put(statement)
            case Kernel():
                self._kernel(statement)
            case Note():
                pass
            case _:
                raise ProgramError(f"no meaning for {type(statement).__name__}")

    def _all(self, body: tuple[Statement, ...]) -> None:
        for statement in body:
            self._run(statement)

    def _block(self, block: Block) -> None:
        start, steps = block.start.at(self._counts), block.steps.at(self._counts)
        last = self._end(block, start + steps)
        match block.span:
            case Span.ONCE | Span.LAST:
                self._at(start, None)
                self._step = start if block.span is Span.ONCE or last is None else last
                self._all(block.body)
            case Span.EACH:
                order = range(start + 1, start + steps + 1)
                for t in reversed(order) if block.reverse else order:
                    self._at(t, last)
                    self._all(block.body)
            case Span.ALL:
                for statement in block.body:
                    for t in range(start + 1, start + steps + 1):
                        self._at(t, last)
                        self._run(statement)

    def _at(self, step: int, last: Array | None) -> None:
        """One step of a block, with the examples that have reached their end before it idle."""
        everyone = np.arange(self._batch)
        active = everyone if last is None else np.flatnonzero(last >= step)
        idle = everyone[:0] if last is None else np.flatnonzero(last < step)
        self._step, self._rows = step, {"all": everyone, "active": active, "idle": idle}

    def _end(self, block: Block, end: int) -> Array | None:
        """The step after which each example is idle."""
        lengths: Any = self._last[block.lengths]
        if lengths is None:
            return None
        before = self._counts["T_x"] if block.lengths == "y" and self._is_decoder(block) else 0
        return np.asarray(lengths) + before

    def _is_decoder(self, block: Block) -> bool:
        return "T_x" in block.start.counts

    def _assign(self, statement: Assign) -> None:
        if self._store[statement.target.buffer] is None:
            return
        rows = self._rows[statement.rows]
        value = self._value(statement.value, rows)
        array = self._store[statement.target.buffer]
        assert array is not None
        if isinstance(statement.value, (Outer, BatchSum)):
            where: Any = (0,) if self._layout(statement.target) is Layout.TOTAL else ...
        else:
            where = self._where(statement.target, rows)
        if statement.accumulate:
            array[where] += value
        else:
            array[where] = value

    def _layout(self, ref: Ref) -> Layout:
        return self._program.buffers[ref.buffer].layout

    def _where(self, ref: Ref, rows: Any) -> Any:
        buffer = self._program.buffers[ref.buffer]
        match buffer.layout:
            case Layout.TIME:
                step = self._step[rows] if isinstance(self._step, np.ndarray) else self._step
                return (step + ref.lag - buffer.first.at(self._counts), rows)
            case Layout.BATCH:
                return (rows,)
            case _:
                return ()

    # ------------------------------------------------------------------------- vector values

    def _value(self, value: Value, rows: Array) -> Array:
        match value:
            case Ref():
                array = self._store[value.buffer]
                assert array is not None
                return np.asarray(array[self._where(value, rows)])
            case Elementwise(body=body, args=args, shape=shape):
                operands = [self._spread(self._value(a, rows), a, bool(shape)) for a in args]
                full = (len(rows), *(self._size(s) for s in shape))
                return np.broadcast_to(self._body(body, operands), full)
            case Product(matrix=matrix, vector=vector, transposed=transposed):
                weights = self._value(matrix, rows)
                return self._each(vector, rows) @ (weights if transposed else weights.T)
            case Reduce(kind=kind, vector=vector):
                return reduce_rows(kind, self._each(vector, rows))
            case Others(vector=vector):
                return others(self._each(vector, rows))
            case OthersPull(cotangent=cotangent, vector=vector):
                return others_pull(self._each(cotangent, rows), self._each(vector, rows))
            case Outer(left=left, right=right):
                return self._each(left, rows).T @ self._each(right, rows)
            case BatchSum(value=inner):
                return np.asarray(self._each(inner, rows).sum(axis=0))
            case _:
                raise ProgramError(f"no meaning for {type(value).__name__}")

    def _each(self, value: Value, rows: Array) -> Array:
        """The value for each of the rows; a parameter is the same for all."""
        array = self._value(value, rows)
        shared = isinstance(value, Ref) and self._layout(value) is Layout.PARAMETER
        return np.broadcast_to(array, (len(rows), *array.shape)) if shared else array

    def _size(self, size: str | int) -> int:
        return size if isinstance(size, int) else self._sizes[size]

    def _spread(self, array: Array, value: Value, vector: bool) -> Array:
        """A per-example scalar gets a component axis, so that it spreads over a vector."""
        parameter = isinstance(value, Ref) and self._layout(value) is Layout.PARAMETER
        return array[:, None] if vector and not parameter and array.ndim == 1 else array

    def _body(self, body: Scalar, args: list[Array]) -> Any:
        match body:
            case Arg(index=index):
                return args[index]
            case _:
                return self._operation(body, lambda operand: self._body(operand, args))

    # ------------------------------------------------------------------------- scalars

    def _operation(self, scalar: Scalar, operand: Any) -> Any:
        match scalar:
            case Const(value=value):
                return self._dtype(value.numerator / value.denominator)
            case Extent(size=size):
                return self._dtype(self._sizes[size])
            case Call(op="power", args=(base, Const(value=exponent))):
                k = exponent.numerator if exponent.denominator == 1 else float(exponent)
                return operand(base) ** k
            case Call(op=op, args=args):
                return OPERATIONS[op].value(*(operand(a) for a in args))
            case Select(op=op, left=left, right=right, then=then, otherwise=otherwise):
                condition = COMPARISONS[op].value(np.real(operand(left)), np.real(operand(right)))
                return np.where(condition, operand(then), operand(otherwise))
            case _:
                raise ProgramError(f"no meaning for {type(scalar).__name__}")

    def _scalar(self, scalar: Scalar) -> Any:
        match scalar:
            case Local(name=name):
                return self._locals[name]
            case Load(ref=ref, components=components):
                return self._store[ref.buffer][self._element(ref, components)]  # type: ignore[index]
            case _:
                return self._operation(scalar, self._scalar)

    def _element(self, ref: Ref, components: tuple[str | int, ...]) -> tuple[int, ...]:
        place = tuple(c if isinstance(c, int) else self._locals[c] for c in components)
        return (*self._where(ref, self._row), *place)

    def _put(self, statement: Store) -> None:
        array = self._store[statement.ref.buffer]
        if array is None:
            return
        where: Any = (
            (0,)
            if self._layout(statement.ref) is Layout.TOTAL
            else self._element(statement.ref, statement.components)
        )
        value = self._scalar(statement.value)
        array[where] = array[where] + value if statement.accumulate else value

    # ------------------------------------------------------------------------- kernels

    def _kernel(self, kernel: Kernel) -> None:
        rows = self._rows[kernel.rows]
        out = self._store[kernel.out.buffer]
        if out is None:
            return
        operands = [self._value(ref, rows) for ref in kernel.operands]
        factor = self._dtype(kernel.factor.numerator / kernel.factor.denominator)
        where = self._where(kernel.out, rows)
        match kernel.name:
            case "pack" | "pack_transposed":
                out[...] = operands[0] if kernel.name == "pack" else operands[0].T
            case "product":
                base = operands[2] if len(operands) == 3 else out[where] if kernel.accumulate else 0
                out[where] = base + factor * (operands[0] @ operands[1])
            case "outer":
                out[...] += operands[0].T @ operands[1]
            case "sum_rows":
                out[...] += operands[0].sum(axis=0)
            case "total":
                out[...] += operands[0].sum()
            case "others":
                out[where] = others(operands[0])
            case "others_pull":
                out[where] = others_pull(*operands)
            case _:
                raise ProgramError(f"no meaning for the kernel {kernel.name!r}")
