"""Statements of the vector level as one line of plain text: what comments and dumps show."""

from __future__ import annotations

from collections.abc import Mapping

from chalkgrad.codegen.program.ir import AnyValue as Value
from chalkgrad.codegen.program.ir import (
    Arg,
    Assign,
    BatchSum,
    Buffer,
    Elementwise,
    Extent,
    Layout,
    Others,
    OthersPull,
    Outer,
    Product,
    Reduce,
    Ref,
    Scalar,
)
from chalkgrad.codegen.program.spell import TEXT, spell


def describe(statement: Assign, buffers: Mapping[str, Buffer], number: int | None) -> str:
    """`(7)  delta_z_a[t] = delta_a[t] * (1 - a[t]^2)    (B, n_a)`"""
    target = buffers[statement.target.buffer]
    sign = "+=" if statement.accumulate else "="
    place = f"({number})  " if number else ""
    axes = target.shape if target.layout in (Layout.PARAMETER, Layout.TOTAL) else ("B", *target.shape)
    shape = f"    ({', '.join(map(str, axes))})" if axes else ""
    return f"{place}{_ref(statement.target, buffers)} {sign} {_value(statement.value, buffers)}{shape}"


def _ref(ref: Ref, buffers: Mapping[str, Buffer]) -> str:
    if buffers[ref.buffer].layout is not Layout.TIME:
        return ref.buffer
    return f"{ref.buffer}[t]" if not ref.lag else f"{ref.buffer}[t{ref.lag:+d}]"


def _value(value: Value, buffers: Mapping[str, Buffer]) -> str:
    match value:
        case Ref():
            return _ref(value, buffers)
        case Elementwise(body=body, args=args):

            def leaf(scalar: Scalar) -> str:
                match scalar:
                    case Arg(index=index):
                        inner = _value(args[index], buffers)
                        return f"({inner})" if isinstance(args[index], Elementwise) else inner
                    case Extent(size=size):
                        return size
                    case _:
                        return "?"

            return spell(body, TEXT, leaf)
        case Product(matrix=matrix, vector=vector, transposed=transposed):
            operand = _value(vector, buffers)
            operand = f"({operand})" if isinstance(vector, Elementwise) else operand
            return f"{matrix.buffer}{'^T' if transposed else ''} {operand}"
        case Reduce(kind=kind, vector=vector):
            return f"{kind}({_value(vector, buffers)})"
        case Others(vector=vector):
            return f"logsumexp_of_others({_value(vector, buffers)})"
        case OthersPull(cotangent=cotangent, vector=vector):
            return f"others_pull({_value(cotangent, buffers)}, {_value(vector, buffers)})"
        case Outer(left=left, right=right):
            sides = [_value(side, buffers) for side in (left, right)]
            sides = [f"({s})" if " " in s else s for s in sides]
            return f"sum over examples: {sides[0]} {sides[1]}^T"
        case BatchSum(value=inner):
            return f"sum over examples: {_value(inner, buffers)}"
        case _:
            raise TypeError(f"not a value: {type(value).__name__}")
