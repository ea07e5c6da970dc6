"""softplus(z) and softplus(-z) share what is dear in them. Vector level to vector level."""

from __future__ import annotations

from dataclasses import replace

from chalkgrad.codegen.passes.scalars import ZERO, fold
from chalkgrad.codegen.program.ir import (
    AnyValue,
    Assign,
    Call,
    Elementwise,
    Program,
    Scalar,
    Select,
    Statement,
    rebuild,
)
from chalkgrad.codegen.program.walk import folded, map_value, parts, rewrite


def share_tails(program: Program) -> Program:
    """Write softplus(z) and softplus(-z), where both occur, over the one tail(z) = ln(1 + e^-|z|).

    before   p softplus(-z) + q softplus(z)
    after    p (relu(-z) + tail(z)) + q (relu(z) + tail(z))
             (p + q) tail(z) + w |z| with w = p where z < 0, else q, if p and q are weights
    """

    def value(node: AnyValue) -> AnyValue:
        node = map_value(node, value)
        return replace(node, body=_shared(node.body)) if isinstance(node, Elementwise) else node

    def change(statement: Statement) -> tuple[Statement, ...]:
        match statement:
            case Assign():
                return (replace(statement, value=value(statement.value)),)
            case _:
                return (statement,)

    return replace(program, body=rewrite(program.body, change))


def _shared(body: Scalar) -> Scalar:
    arguments = {part.args[0] for part in parts(body) if isinstance(part, Call) and part.op == "softplus"}

    def over_tail(part: Scalar, operands: tuple[Scalar, ...]) -> Scalar:
        if (either := _of_either_sign(part)) is not None:
            return either
        scalar = rebuild(part, operands)
        match scalar:
            case Call(op="softplus", args=(z,)) if fold(Call("neg", (z,))) in arguments:
                positive = z.args[0] if isinstance(z, Call) and z.op == "neg" else z
                return Call("add", (Call("relu", (z,)), Call("tail", (positive,))))
            case _:
                return scalar

    return folded(body, over_tail) if arguments else body


def _of_either_sign(scalar: Scalar) -> Scalar | None:
    """p softplus(-z) + q softplus(z), both weighted: one of relu(-z) and relu(z) is 0.

    tail(z) is NaN where z is, so that the weight of |z| may select.
    """
    match scalar:
        case Call(
            op="add",
            args=(
                Call(op="weighted", args=(below, Call(op="softplus", args=(Call(op="neg", args=(z,)),)))),
                Call(op="weighted", args=(above, Call(op="softplus", args=(positive,)))),
            ),
        ) if z == positive:
            weight = Select("lt", z, ZERO, below, above)
            size = Select("lt", z, ZERO, Call("neg", (z,)), z)
            counted = Select("eq", weight, ZERO, ZERO, Call("mul", (weight, size)))
            return Call("add", (Call("mul", (Call("add", (below, above)), Call("tail", (z,)))), counted))
        case _:
            return None
