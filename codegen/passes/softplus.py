"""softplus(z) and softplus(-z) share what is dear in them. Vector level to vector level."""

from __future__ import annotations

from dataclasses import replace

from codegen.ir import AnyValue, Assign, Call, Elementwise, Program, Scalar, Statement, rebuild
from codegen.passes.scalars import fold
from codegen.walk import map_value, parts, rewrite


def share_tails(program: Program) -> Program:
    """Write softplus(z) and softplus(-z), where both occur, over the one tail(z) = ln(1 + e^-|z|).

    before   y softplus(-z) + (1 - y) softplus(z)
    after    y (relu(-z) + tail(z)) + (1 - y) (relu(z) + tail(z))
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

    def over_tail(scalar: Scalar) -> Scalar:
        scalar = rebuild(scalar, tuple(over_tail(operand) for operand in scalar.operands))
        match scalar:
            case Call(op="softplus", args=(z,)) if fold(Call("neg", (z,))) in arguments:
                positive = z.args[0] if isinstance(z, Call) and z.op == "neg" else z
                return Call("add", (Call("relu", (z,)), Call("tail", (positive,))))
            case _:
                return scalar

    return over_tail(body)
