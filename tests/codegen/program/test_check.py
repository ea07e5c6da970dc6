"""Every rule of `codegen.program.check` fails on a planted mistake, and on nothing else."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from chalkgrad.codegen.errors import ProgramError
from chalkgrad.codegen.program.check import check
from chalkgrad.codegen.program.ir import (
    Affine,
    Arg,
    Assign,
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
    Program,
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

ONE = Const(Fraction(1))
N = 3
BUFFERS = {
    b.name: b
    for b in (
        Buffer("x", Role.INPUT, Layout.TIME, (N,), slots=Affine(2), public="x"),
        Buffer("W", Role.PARAMETER, Layout.PARAMETER, (4, N), public="W"),
        Buffer("u", Role.WORK, Layout.BATCH, (N,)),
        Buffer("yhat", Role.RESULT, Layout.TIME, (N,), slots=Affine(2), public="yhat"),
        Buffer("loss", Role.RESULT, Layout.TOTAL, public="loss"),
    )
}


def loops(*body: Statement) -> Program:
    return Program("forward", BUFFERS, (Zero("u"), _each(Rows("active", body))), "loops")


def vector(*body: Statement) -> Program:
    return Program("forward", BUFFERS, (Zero("u"), _each(*body)), "vector")


def _each(*body: Statement) -> Block:
    return Block(Span.EACH, Affine(), Affine(2), "x", body)


def _stored(value: Scalar) -> Statement:
    return For("i", N, (Store(Ref("u"), ("i",), value),))


def test_sound_programs_pass() -> None:
    check(vector(Assign(Ref("u"), Ref("x", -1)), Assign(Ref("yhat"), Ref("u"))))
    check(
        loops(
            Let("s", ONE),
            Start("m", Local("s")),
            For("i", N, (Update("m", "max", Load(Ref("x", -1), ("i",))),)),
            _stored(Call("add", (Local("m"), Load(Ref("W"), (1, "i"))))),
            Store(Ref("loss"), (), Local("m"), accumulate=True),
        )
    )


MISTAKES: dict[str, tuple[Program, str]] = {
    "an unknown level": (replace(vector(), level="tree"), "level"),
    "a size without a number": (
        replace(loops(), buffers={**BUFFERS, "v": Buffer("v", Role.WORK, Layout.BATCH, ("n",))}),
        "numbers for sizes",
    ),
    "loops among vectors": (vector(Let("s", ONE)), "not a statement of the vector level"),
    "vectors among loops": (loops(Assign(Ref("u"), Ref("x"))), "not a statement of the loops level"),
    "a kernel in straight code": (
        replace(loops(Kernel("transpose", Ref("u"), (Ref("W"),))), level="straight"),
        "not a statement of the straight level",
    ),
    "a loop in straight code": (replace(loops(_stored(ONE)), level="straight"), "not a statement"),
    "a second definition": (loops(Let("s", ONE), Let("s", ONE)), "one definition"),
    "a second start": (loops(Let("s", ONE), Start("s", ONE)), "one definition"),
    "a definition in an outer loop, used in another": (
        loops(For("i", N, (Let("s", ONE),)), Store(Ref("loss"), (), Local("s"))),
        "read before it is defined",
    ),
    "an unknown buffer read": (vector(Assign(Ref("u"), Ref("v"))), "declared buffer"),
    "an unknown buffer written": (vector(Assign(Ref("v"), Ref("x"))), "declared buffer"),
    "an unknown buffer zeroed": (vector(Zero("v")), "declared buffer"),
    "an unknown buffer in a kernel": (
        loops(Kernel("product", Ref("u"), (Ref("v"), Ref("W")))),
        "declared buffer",
    ),
    "a lag without time": (vector(Assign(Ref("yhat"), Ref("u", -1))), "needs a time axis"),
    "a lag of the target without time": (vector(Assign(Ref("u", -1), Ref("x"))), "needs a time axis"),
    "an input written": (vector(Assign(Ref("x"), Ref("u"))), "result or work buffer"),
    "an input zeroed": (vector(Zero("x")), "result or work buffer"),
    "a parameter stored to": (loops(Store(Ref("W"), (0, 0), ONE)), "result or work buffer"),
    "a kernel into an input": (loops(Kernel("others", Ref("x"), (Ref("u"),))), "result or work buffer"),
    "unknown rows": (vector(Assign(Ref("u"), Ref("x"), rows="some")), "expected one of"),
    "unknown rows of a loop": (loops(Rows("some", (Store(Ref("loss"), (), ONE),))), "expected one of"),
    "unknown rows of a kernel": (loops(Kernel("others", Ref("u"), (Ref("x"),), rows="some")), "expected one"),
    "an unknown update": (loops(Start("s", ONE), Update("s", "min", ONE)), "expected one of"),
    "an update of nothing": (loops(Update("s", "sum", ONE)), "before it is started"),
    "a block in a block": (
        replace(vector(), body=(_each(_each(Assign(Ref("u"), Ref("x")))),)),
        "no block inside a block",
    ),
    "an unknown kernel": (loops(Kernel("convolve", Ref("u"), (Ref("x"),))), "expected a kernel"),
    "a kernel without an operand": (loops(Kernel("product", Ref("u"), (Ref("x"),))), "expected a kernel"),
    "an argument among loops": (loops(_stored(Arg(0))), "only at the vector level"),
    "a size name among loops": (loops(_stored(Extent("n"))), "only at the vector level"),
    "an unknown local": (loops(_stored(Local("s"))), "read before it is defined"),
    "a local inside an operation": (loops(_stored(Call("tanh", (Local("s"),)))), "read before"),
    "a load among vectors": (
        vector(Assign(Ref("u"), Elementwise(Load(Ref("x"), ("i",)), (), (N,)))),
        "not at the vector level",
    ),
    "an unknown operation": (loops(_stored(Call("erf", (ONE,)))), "expected one of"),
    "an unknown operation among vectors": (
        vector(Assign(Ref("u"), Elementwise(Call("erf", (Arg(0),)), (Ref("x"),), (N,)))),
        "expected one of",
    ),
    "an unknown comparison": (loops(_stored(Select("is", ONE, ONE, ONE, ONE))), "expected one of"),
    "a missing component": (loops(Store(Ref("u"), (), ONE)), "expected 1 components"),
    "a component too many": (loops(_stored(Load(Ref("u"), ("i", "i")))), "expected 1 components"),
    "an index of no loop": (loops(Store(Ref("u"), ("j",), ONE)), "not within"),
    "a component beyond the end": (loops(Store(Ref("u"), (N,), ONE)), "not within"),
    "a component before the start": (loops(_stored(Load(Ref("u"), (-1,)))), "not within"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_is_found(name: str) -> None:
    program, message = MISTAKES[name]
    with pytest.raises(ProgramError, match=message):
        check(program)
