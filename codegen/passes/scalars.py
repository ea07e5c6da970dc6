"""What several passes need to know about scalars: substitution, constant folding, linear factors."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from chalkgrad.codegen.program.ir import Arg, Call, Const, Scalar, rebuild
from chalkgrad.codegen.program.walk import folded, parts

ZERO, ONE = Const(Fraction(0)), Const(Fraction(1))


def substitute(body: Scalar, leaf: Callable[[Scalar], Scalar]) -> Scalar:
    """The expression with every leaf replaced, folded on the way up."""
    return folded(body, lambda s, operands: fold(rebuild(s, operands)) if operands else leaf(s))


def fold(scalar: Scalar) -> Scalar:
    """One operation on constants done, and neutral operands dropped.

    0 · x is kept: for x infinite or NaN it is not 0.
    """
    match scalar:
        case Call(op="add", args=(Const(value=a), Const(value=b))):
            return Const(a + b)
        case Call(op="sub", args=(Const(value=a), Const(value=b))):
            return Const(a - b)
        case Call(op="mul", args=(Const(value=a), Const(value=b))):
            return Const(a * b)
        case Call(op="neg", args=(Const(value=a),)):
            return Const(-a)
        case Call(op="neg", args=(Call(op="neg", args=(x,)),)):
            return x
        case Call(op="add", args=(x, y)) if x == ZERO:
            return y
        case Call(op="add" | "sub", args=(x, y)) if y == ZERO:
            return x
        case Call(op="sub", args=(x, y)) if x == ZERO:
            return fold(Call("neg", (y,)))
        case Call(op="mul", args=(x, y)) if x == ONE:
            return y
        case Call(op="mul" | "div", args=(x, y)) if y == ONE:
            return x
        case Call(op="add", args=(x, Call(op="neg", args=(y,)))):
            return Call("sub", (x, y))
        case Call(op="sub", args=(x, Call(op="neg", args=(y,)))):
            return Call("add", (x, y))
        case _:
            return scalar


def linear_factors(body: Scalar) -> dict[int, Fraction | None]:
    """index → k where the body is k · Arg(index) + (terms without it), for each argument that it reads.

    None where it is not of that form.
    """
    found: dict[int, Fraction | None] = {}
    waiting = [(body, Fraction(1))]
    while waiting:
        part, k = waiting.pop()
        match part:
            case Arg(index=index):
                known = found.get(index, Fraction(0))
                found[index] = None if known is None else known + k
            case Call(op="neg", args=(x,)):
                waiting.append((x, -k))
            case Call(op="add" | "sub" as op, args=(x, y)):
                waiting += [(x, k), (y, k if op == "add" else -k)]
            case Call(op="mul", args=(Const(value=c), x)) | Call(op="mul", args=(x, Const(value=c))):
                waiting.append((x, c * k))
            case Call(op="div", args=(x, Const(value=c))) if c:
                waiting.append((x, k / c))
            case _:
                found |= dict.fromkeys(args_read(part))
    return found


def args_read(body: Scalar) -> set[int]:
    """The arguments that a body reads."""
    return {part.index for part in parts(body) if isinstance(part, Arg)}
