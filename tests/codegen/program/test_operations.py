"""Every function that equations may call has every form that programs need, and all of them agree."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy

from chalkgrad.codegen.building import toolchain
from chalkgrad.codegen.c import elementary
from chalkgrad.codegen.c import library as c_library
from chalkgrad.codegen.c.lanes import Lanes
from chalkgrad.codegen.c.places import style as c_style
from chalkgrad.codegen.errors import ProgramError
from chalkgrad.codegen.lowering.lower import scalar
from chalkgrad.codegen.program.check import check
from chalkgrad.codegen.program.interface import Array, Counts
from chalkgrad.codegen.program.interpret import interpret
from chalkgrad.codegen.program.ir import (
    Affine,
    Arg,
    Assign,
    Block,
    Buffer,
    Call,
    Elementwise,
    Layout,
    Program,
    Ref,
    Role,
    Scalar,
    Span,
)
from chalkgrad.codegen.program.operations import COMPARISONS, FUNCTIONS, OPERATIONS
from chalkgrad.codegen.program.spell import spell
from chalkgrad.codegen.program.walk import parts
from chalkgrad.codegen.twin.text import helpers
from chalkgrad.codegen.twin.values import style as numpy_style
from chalkgrad.derive.terms.algebra import arg
from chalkgrad.derive.terms.functions import ELEMENTWISE, Function
from chalkgrad.derive.values.reals import context, tape
from tests.adding import RECORDS, ROWS, added
from tests.quick import PLAIN_FUNCTIONS

REAL = context(30)
POINTS = np.array([0.3, 1.7, 2.5, -0.4, 0.9, -1.3, 3.1, 0.6] * 8)
OTHER = np.array([0.4, -1.2, 2.2, 0.7, 1.1, -0.6, 1.9, -0.8] * 8)
DTYPES = {"float32": np.float32, "float64": np.float64}
HEAD = "#include <math.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <string.h>\n"
LOOPS = """
void {name}_number_{dtype}(size_t n, const {real} *u, const {real} *v, {real} *y);
void {name}_number_{dtype}(size_t n, const {real} *u, const {real} *v, {real} *y)
{{
    (void)v;
    for (size_t i = 0; i < n; ++i)
        y[i] = {number};
}}
void {name}_vector_{dtype}(size_t n, const {real} *u, const {real} *v, {real} *y);
void {name}_vector_{dtype}(size_t n, const {real} *u, const {real} *v, {real} *y)
{{
    (void)v;
    for (size_t i = 0; i + LANES <= n; i += LANES)
        *(vec *)(y + i) = {vector};
}}
"""


@pytest.fixture(scope="module")
def every() -> Iterator[dict[str, Function]]:
    """The functions of the language, and those that an author might add."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in RECORDS:
            added(monkeypatch, name)
        yield dict(ELEMENTWISE)
    c_library._pieces.cache_clear()


def body(function: Function) -> sympy.Expr:
    return function(*(arg(i) for i in range(function.arity)))


def given(function: Function, dtype: Any = np.float64) -> list[Array]:
    """An array for each argument, where the function has a value."""
    exact = due(function, [POINTS.astype(dtype), OTHER.astype(dtype)])
    u, v = (np.where(np.isnan(exact), 0.8, values).astype(dtype) for values in (POINTS, OTHER))
    return [u, v]


def due(function: Function, arrays: list[Array], expr: sympy.Expr | None = None) -> Array:
    """The exact values."""
    run = tape([body(function) if expr is None else expr], [arg(0), arg(1)], REAL)
    return np.array([float(run(*map(REAL.mpf, pair))[0]) for pair in np.array(arrays, float).T])


# ----------------------------------------------------------------------------- the interpreter


def interpreted(function: Function, arrays: list[Array], dtype: Any) -> Array:
    axis = {"first": Affine(1), "slots": Affine(0, ("T_x",))}
    buffers = {
        name: Buffer(name, role, Layout.TIME, ("n",), public=name, **axis)
        for name, role in (("u", Role.INPUT), ("v", Role.INPUT), ("y", Role.RESULT))
    }
    value = Elementwise(scalar(body(function)), (Ref("u"), Ref("v")), ("n",))
    steps = Block(Span.EACH, Affine(), Affine(0, ("T_x",)), "x", (Assign(Ref("y"), value),))
    program = Program("forward", buffers, (steps,))
    check(program)
    shaped = {name: array[None, None].astype(dtype) for name, array in zip("uv", arrays, strict=True)}
    result = np.empty((1, 1, len(POINTS)), dtype)
    interpret(program, {"n": len(POINTS)}, Counts(1, 1, 1), {**shaped, "y": result}, dtype)
    return result[0, 0]


def the_interpreter(function: Function) -> bool:
    arrays = given(function)
    return np.allclose(interpreted(function, arrays, np.float64), due(function, arrays), rtol=1e-14)


def a_complex_step(function: Function) -> bool:
    """The imaginary part of a step off the real axis is the slope that SymPy derives."""
    arrays, good = given(function), True
    for place in range(function.arity):
        moved = [a + 1e-40j * (i == place) for i, a in enumerate(arrays)]
        slopes = due(function, arrays, sympy.diff(body(function), arg(place)))
        good &= np.allclose(interpreted(function, moved, np.complex128).imag * 1e40, slopes, rtol=1e-13)
    return good


# ----------------------------------------------------------------------------- text


def twin(function: Function) -> bool:
    """A test may run what a twin says."""
    arrays = given(function)
    text = spell(scalar(body(function)), numpy_style(), lambda leaf: "uv"[leaf.index])
    known: dict[str, Any] = {"np": np, **dict(zip("uv", arrays, strict=True))}
    exec("\n".join(helpers(text)), known)
    return np.allclose(eval(text, known), due(function, arrays), rtol=1e-13)


def c_text(name: str, function: Function, dtype: str) -> str:
    value = scalar(body(function))
    real = "float" if dtype == "float32" else "double"

    def number(inner: Scalar) -> str:
        return spell(inner, c_style(dtype), lambda leaf: f"{'uv'[leaf.index]}[i]")

    lanes = Lanes(
        dtype,
        varies=lambda leaf: isinstance(leaf, Arg),
        vector=lambda leaf: f"(*(const vec *)({'uv'[leaf.index]} + i))",
        number=number,
    )
    return LOOPS.format(name=name, dtype=dtype, real=real, number=number(value), vector=lanes.spell(value))


@pytest.fixture(scope="module", params=["own", "libm"])
def compiled(
    request: pytest.FixtureRequest, every: dict[str, Function], tmp_path_factory: Any
) -> ctypes.CDLL:
    """All functions in C, of numbers and of vectors, without a warning."""
    folder: Path = tmp_path_factory.mktemp("functions")
    for dtype in DTYPES:
        text = "".join(c_text(name, function, dtype) for name, function in every.items())
        library = c_library.library([text], dtype, request.param)
        (folder / f"{dtype}.c").write_text(f"{HEAD}{library}{text}")
    flags = [*toolchain.FLAGS, "-O0", PLAIN_FUNCTIONS, "-Wall", "-Wextra", "-Werror", "-shared"]
    files = [str(folder / f"{dtype}.c") for dtype in DTYPES]
    toolchain.find_compiler().run([*flags, *files, "-lm", "-o", str(folder / "all.so")])
    return ctypes.CDLL(str(folder / "all.so"))


@pytest.mark.parametrize("kind", ["number", "vector"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*ELEMENTWISE, *RECORDS])
def test_c(compiled: ctypes.CDLL, every: dict[str, Function], name: str, dtype: str, kind: str) -> None:
    arrays = given(every[name], DTYPES[dtype])
    found = np.empty_like(arrays[0])
    pointers = (ctypes.c_void_p(a.ctypes.data) for a in (*arrays, found))
    compiled[f"{name}_{kind}_{dtype}"](ctypes.c_size_t(found.size), *pointers)
    expected = due(every[name], arrays)
    tolerance = 4 * np.finfo(DTYPES[dtype]).eps
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


FORMS: dict[str, Callable[[Function], bool]] = {
    "the interpreter": the_interpreter,
    "a complex step": a_complex_step,
    "the twin": twin,
}


def lacking(function: Function) -> Iterator[str]:
    for name, holds in FORMS.items():
        try:
            good = holds(function)
        except (TypeError, ArithmeticError, AttributeError, ProgramError):
            good = False
        if not good:
            yield name


@pytest.mark.parametrize("name", [*ELEMENTWISE, *RECORDS])
def test_a_function_has_every_form(every: dict[str, Function], name: str) -> None:
    assert not list(lacking(every[name])), name


def test_a_function_without_a_row_is_missed(
    every: dict[str, Function], monkeypatch: pytest.MonkeyPatch
) -> None:
    function = Function("sinh", sympy.sinh, "sinh", np.sinh)
    monkeypatch.setitem(ELEMENTWISE, "sinh", function)
    assert list(lacking(function)) == list(FORMS)
    with pytest.raises(TypeError, match="no scalar form for sinh"):
        scalar(body(function))


# ----------------------------------------------------------------------------- the table


def test_each_row_belongs_to_a_function_and_each_function_has_c() -> None:
    assert set(FUNCTIONS) <= set(ELEMENTWISE)
    for name in FUNCTIONS:
        assert OPERATIONS[name].c or name in elementary.FUNCTIONS, name
        assert OPERATIONS[name].arity == ELEMENTWISE[name].arity
    assert set(elementary.FUNCTIONS) - {"log1p"} <= set(OPERATIONS)


def test_rows_are_told_by_name() -> None:
    assert all(name == row.name for name, row in (*OPERATIONS.items(), *COMPARISONS.items()))
    assert all(f"def {row.name}(" in row.helper for row in OPERATIONS.values() if row.helper)


def test_a_function_of_others_is_written_out(every: dict[str, Function]) -> None:
    """silu and maximum have no row: the lowering puts their definitions."""
    assert not {"silu", "maximum"} & set(ROWS)
    assert scalar(body(every["silu"])) == Call("mul", (Arg(0), Call("sigmoid", (Arg(0),))))
    assert not [p for p in parts(scalar(body(every["maximum"]))) if isinstance(p, Call)]
    assert scalar(body(every["hypot"])) == Call("hypot", (Arg(0), Arg(1)))
