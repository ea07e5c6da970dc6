"""Values of the vector level as NumPy expressions.

Rows at hand are `r`, those that have ended are `idle`; the current step is `t` or a number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

from chalkgrad.codegen.errors import ProgramError
from chalkgrad.codegen.program.ir import (
    AnyValue,
    Arg,
    BatchSum,
    Buffer,
    Elementwise,
    Extent,
    Layout,
    Others,
    OthersPull,
    Outer,
    Product,
    Program,
    Reduce,
    Ref,
    Role,
    Scalar,
    Span,
)
from chalkgrad.codegen.program.operations import OPERATIONS
from chalkgrad.codegen.program.spell import ATOM, PRODUCT, SUM, UNARY, Style, python_literal, spell
from chalkgrad.codegen.program.walk import refs


def style() -> Style:
    """How NumPy writes calls and numbers."""

    def call(name: str, args: tuple[str, ...]) -> str:
        return f"{OPERATIONS[name].in_twin}({', '.join(args)})"

    def power(base: str, atom: bool, exponent: Fraction) -> tuple[str, int]:
        shown = python_literal(exponent) if exponent.denominator == 1 else f"({exponent})"
        return f"{base if atom else f'({base})'}**{shown}", UNARY

    return Style(
        call=call,
        literal=python_literal,
        select=lambda condition, then, otherwise: (f"np.where({condition}, {then}, {otherwise})", ATOM),
        power=power,
    )


class ValuePrinter:
    """The values of one program. `span` and `now` are those of the block at hand."""

    def __init__(self, program: Program, names: Mapping[str, str], sized: Mapping[str, str]) -> None:
        self._program, self._names, self._sized, self._style = program, names, sized, style()
        self.span = Span.ONCE
        self.now = "0"

    def per_example(self, value: AnyValue) -> bool:
        """Whether a value differs from example to example: it reads more than parameters and numbers."""
        return any(self._program.buffers[ref.buffer].layout is not Layout.PARAMETER for ref in refs(value))

    def at(self, ref: Ref, rows: str) -> str:
        buffer = self._program.buffers[ref.buffer]
        name = self._names[ref.buffer]
        match buffer.layout:
            case Layout.TIME:
                slot = self.slot(buffer, ref.lag)
                match rows:
                    case "all":
                        return f"{name}[{slot}]"
                    case "idle":
                        return f"{name}[{slot}, idle]"
                    case _:
                        return f"{name}[{slot}, r]"
            case Layout.BATCH if buffer.role is Role.INPUT and self.span is not Span.ONCE:
                return f"{name}[r]"
            case _:
                return name

    def slot(self, buffer: Buffer, lag: int) -> str:
        """t + lag - first, as Python."""
        constant = lag - buffer.first.constant
        minus = "".join(f" - {c}" for c in buffer.first.counts)
        if self.now != "t":
            base = self.now if self.now != "0" else ""
            total = f"{base}{minus}" + (
                f" {'+' if constant > 0 else '-'} {abs(constant)}" if constant else ""
            )
            return total.strip() or "0"
        return f"t{minus}" + (f" {'+' if constant > 0 else '-'} {abs(constant)}" if constant else "")

    def shape(self, value: AnyValue) -> tuple[str | int, ...]:
        match value:
            case Ref():
                return self._program.buffers[value.buffer].shape
            case Elementwise():
                return value.shape
            case Product():
                return ("n",)
            case Others(vector=vector) | OthersPull(vector=vector):
                return self.shape(vector)
            case _:
                return ()

    def value(self, value: AnyValue, rows: str, least: int) -> tuple[str, int]:
        """Text and precedence, in parentheses where the precedence is below `least`."""
        text, precedence = self._bare(value, rows)
        return (text, precedence) if precedence >= least else (f"({text})", ATOM)

    def _bare(self, value: AnyValue, rows: str) -> tuple[str, int]:
        def inner(node: AnyValue, least: int = 0) -> str:
            return self.value(node, rows, least)[0]

        def whole(node: AnyValue) -> str:
            return self.whole(node, rows, inner(node, ATOM))

        match value:
            case Ref():
                return self.at(value, rows), ATOM
            case Elementwise():
                return self._elementwise(value, rows)
            case Product(matrix=matrix, vector=vector, transposed=transposed):
                weights = self._names[matrix.buffer]
                return f"{whole(vector)} @ {weights}{'' if transposed else '.T'}", PRODUCT
            case Reduce(kind="logsumexp", vector=vector):
                return f"logsumexp({self.whole(vector, rows, inner(vector))})", ATOM
            case Reduce(kind=kind, vector=vector):
                return f"{whole(vector)}.{kind}(axis=-1)", ATOM
            case Others(vector=vector):
                return f"logsumexp_of_others({inner(vector)})", ATOM
            case OthersPull(cotangent=cotangent, vector=vector):
                return f"others_pull({inner(cotangent)}, {inner(vector)})", ATOM
            case Outer(left=left, right=right) if not self.per_example(right):
                return f"np.outer(batch_sum({self.whole(left, rows, inner(left))}), {inner(right)})", ATOM
            case Outer(left=left, right=right) if not self.per_example(left):
                return f"np.outer({inner(left)}, batch_sum({self.whole(right, rows, inner(right))}))", ATOM
            case Outer(left=left, right=right):
                both = (self.whole(v, rows, inner(v)) for v in (left, right))
                return f"outer_sum({', '.join(both)})", ATOM
            case BatchSum(value=Reduce(kind="sum", vector=vector)):
                return f"{whole(vector)}.sum(dtype=float)", ATOM
            case BatchSum(value=summed):
                return f"batch_sum({inner(summed)})", ATOM
            case _:
                raise ProgramError(f"emit_numpy: no text for {type(value).__name__}")

    def whole(self, value: AnyValue, rows: str, text: str) -> str:
        """The text with as many components as the value has, where spread numbers make it up alone."""
        if not isinstance(value, Elementwise) or not self.is_spread(value):
            return text
        size = self._sized[str(value.shape[0])]
        return (
            f"np.repeat({text}, {size}, axis=-1)" if self.per_example(value) else f"np.full({size}, {text})"
        )

    def is_spread(self, value: AnyValue) -> bool:
        """Whether a vector is made of numbers alone, so that NumPy gives it no axis of components."""
        return isinstance(value, Elementwise) and bool(value.shape) and not any(map(self.shape, value.args))

    def _elementwise(self, value: Elementwise, rows: str) -> tuple[str, int]:
        vector = bool(value.shape)

        def leaf(scalar: Scalar) -> str:
            match scalar:
                case Arg(index=index):
                    return self._spread(value.args[index], rows, vector)
                case Extent(size=size):
                    return self._sized[size]
                case _:
                    raise ProgramError(f"emit_numpy: no text for {type(scalar).__name__}")

        text = spell(value.body, self._style, leaf)
        return text, ATOM if re.fullmatch(r"\w+", text) else SUM - 1

    def _spread(self, arg: AnyValue, rows: str, vector: bool) -> str:
        """An argument of elementwise work; one number for each example gets an axis to spread over."""
        text = self.value(arg, rows, PRODUCT if isinstance(arg, Product) else ATOM)[0]
        parameter = isinstance(arg, Ref) and self._program.buffers[arg.buffer].layout is Layout.PARAMETER
        if vector and not parameter and not self.shape(arg):
            return f"{self.value(arg, rows, ATOM)[0]}[:, None]"
        return text
