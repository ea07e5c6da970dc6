"""Puts numbers for the sizes. Vector level to vector level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from chalkgrad.codegen.program.ir import (
    AnyValue,
    Assign,
    Const,
    Elementwise,
    Extent,
    Program,
    Scalar,
    Statement,
    rebuild,
)
from chalkgrad.codegen.program.walk import folded, map_value, rewrite


def specialise(program: Program, sizes: Mapping[str, int]) -> Program:
    """The program with every size name replaced by its number.

    before   b: (n_a,);  u = s / n_a
    after    b: (4,);    u = s / 4
    """

    def shape(names: tuple[str | int, ...]) -> tuple[str | int, ...]:
        return tuple(sizes[n] if isinstance(n, str) else n for n in names)

    def scalar(part: Scalar, operands: tuple[Scalar, ...]) -> Scalar:
        return Const(Fraction(sizes[part.size])) if isinstance(part, Extent) else rebuild(part, operands)

    def value(node: AnyValue) -> AnyValue:
        match node:
            case Elementwise(body=body, args=args):
                return Elementwise(folded(body, scalar), tuple(value(a) for a in args), shape(node.shape))  # type: ignore[misc]
            case _:
                return map_value(node, value)

    def change(statement: Statement) -> tuple[Statement, ...]:
        match statement:
            case Assign():
                return (replace(statement, value=value(statement.value)),)
            case _:
                return (statement,)

    buffers = {name: replace(b, shape=shape(b.shape)) for name, b in program.buffers.items()}
    return replace(program, buffers=buffers, body=rewrite(program.body, change))
