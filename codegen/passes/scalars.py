"""What several passes need to know about scalars: substitution, constant folding, linear factors."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from codegen.program.ir import Arg, Call, Const, Scalar, rebuild

ZERO, ONE = Const(Fraction(0)), Const(Fraction(1))


def substitute(body: Scalar, leaf: Callable[[Scalar], Scalar]) -> Scalar:
    """The expression with every leaf replaced, folded on the way up."""
    if not body.operands:
        return leaf(body)
    return fold(rebuild(body, tuple(substitute(o, leaf) for o in body.operands)))


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


def linear_factor(body: Scalar, index: int) -> Fraction | None:
    """k where the body is k · Arg(index) + (terms without it); None where it is not of that form."""
    match body:
        case Arg(index=i):
            return Fraction(i == index)
        case Call(op="neg", args=(x,)):
            k = linear_factor(x, index)
            return None if k is None else -k
        case Call(op="add" | "sub", args=(x, y)):
            k, m = linear_factor(x, index), linear_factor(y, index)
            return None if k is None or m is None else k + m if body.op == "add" else k - m
        case Call(op="mul", args=(Const(value=c), x)) | Call(op="mul", args=(x, Const(value=c))):
            k = linear_factor(x, index)
            return None if k is None else c * k
        case Call(op="div", args=(x, Const(value=c))) if c:
            k = linear_factor(x, index)
            return None if k is None else k / c
        case _:
            return None if reads_arg(body, index) else Fraction(0)


def reads_arg(body: Scalar, index: int) -> bool:
    return body == Arg(index) or any(reads_arg(o, index) for o in body.operands)
