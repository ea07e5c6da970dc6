"""Text of scalars: every literal reads back, and every tree keeps its meaning, in Python and in C."""

from __future__ import annotations

import ast
import ctypes
import math
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalkgrad.codegen.building import toolchain
from chalkgrad.codegen.c.places import style as c_style
from chalkgrad.codegen.errors import ProgramError
from chalkgrad.codegen.program.ir import Call, Const, Local, Scalar, Select
from chalkgrad.codegen.program.spell import TEXT, c_literal, python_literal, spell
from chalkgrad.codegen.twin.values import style as numpy_style

NAMES = {"x": Fraction(3, 7), "y": Fraction(-5, 4), "z": Fraction(11, 2)}
_CALLS = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "neg": lambda a: -a,
}
_HOLDS = {
    "le": lambda a, b: a <= b,
    "lt": lambda a, b: a < b,
    "ge": lambda a, b: a >= b,
    "gt": lambda a, b: a > b,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
}

_leaves = st.one_of(
    st.sampled_from(sorted(NAMES)).map(Local),
    st.sampled_from([-3, -1, 0, 2, Fraction(1, 2), Fraction(-3, 4)]).map(lambda n: Const(Fraction(n))),
)


def _grown(inner: st.SearchStrategy[Scalar]) -> st.SearchStrategy[Scalar]:
    two = st.tuples(inner, inner)
    four = st.tuples(inner, inner, inner, inner)
    return st.one_of(
        st.tuples(st.sampled_from(["add", "sub", "mul", "div"]), two).map(lambda t: Call(*t)),
        inner.map(lambda a: Call("neg", (a,))),
        st.tuples(inner, st.integers(1, 3)).map(lambda t: Call("power", (t[0], Const(Fraction(t[1]))))),
        st.tuples(st.sampled_from(sorted(_HOLDS)), four).map(lambda t: Select(t[0], *t[1])),
    )


trees = st.recursive(_leaves, _grown, max_leaves=8)


def exact(scalar: Scalar) -> Fraction:
    """The value of a tree in rational arithmetic. Raises ZeroDivisionError."""
    match scalar:
        case Const(value=value):
            return value
        case Local(name=name):
            return NAMES[name]
        case Call(op="power", args=(base, Const(value=k))):
            return exact(base) ** int(k)
        case Call(op="div", args=(a, b)):
            return exact(a) / exact(b)
        case Call(op=op, args=args):
            return Fraction(_CALLS[op](*map(exact, args)))
        case Select():
            holds = _HOLDS[scalar.op](exact(scalar.left), exact(scalar.right))
            then, otherwise = exact(scalar.then), exact(scalar.otherwise)
            return then if holds else otherwise
        case _:
            raise TypeError(type(scalar).__name__)


def leaf(scalar: Scalar) -> str:
    assert isinstance(scalar, Local)
    return scalar.name


_BINARY = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul"}
_COMPARED = {ast.LtE: "le", ast.Lt: "lt", ast.GtE: "ge", ast.Gt: "gt", ast.Eq: "eq", ast.NotEq: "ne"}


def _of_fractions(node: ast.expr) -> Fraction:
    """The value of a Python expression in rational arithmetic, as Python's own parser understands it."""
    match node:
        case ast.Constant(value=value):
            return Fraction(value)
        case ast.Name(id=name):
            return NAMES[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_of_fractions(operand)
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int(k))):
            return _of_fractions(left) ** k
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _of_fractions(left) / _of_fractions(right)
        case ast.BinOp(left=left, op=op, right=right):
            return Fraction(_CALLS[_BINARY[type(op)]](_of_fractions(left), _of_fractions(right)))
        case ast.Call(args=[ast.Compare(left=left, ops=[op], comparators=[right]), then, otherwise]):
            holds = _HOLDS[_COMPARED[type(op)]](_of_fractions(left), _of_fractions(right))
            branches = _of_fractions(then), _of_fractions(otherwise)
            return branches[0] if holds else branches[1]
        case _:
            raise TypeError(ast.dump(node))


@given(trees)
def test_python_text_means_the_tree(tree: Scalar) -> None:
    try:
        expected = exact(tree)
    except ZeroDivisionError:
        return
    text = spell(tree, numpy_style(), leaf)
    assert _of_fractions(ast.parse(text, mode="eval").body) == expected


def test_c_text_means_the_trees(tmp_path: Path) -> None:
    """Many trees as C functions of one file."""
    cases: list[tuple[Scalar, float]] = []

    @settings(max_examples=200)
    @given(trees)
    def collect(tree: Scalar) -> None:
        try:
            cases.append((tree, float(exact(tree))))
        except (ZeroDivisionError, OverflowError):
            return

    collect()
    assert len(cases) > 100
    style = c_style("float64")
    lines = [
        f"double f{i}(double x, double y, double z) {{ (void)x, (void)y, (void)z; return {text}; }}"
        for i, text in enumerate(spell(tree, style, leaf) for tree, _ in cases)
    ]
    source, library = tmp_path / "trees.c", tmp_path / "trees.so"
    source.write_text("#include <math.h>\n" + "\n".join(lines))
    command = [*toolchain.find_compiler().command, "-std=c11", "-O0", "-ffp-contract=off", "-fPIC", "-shared"]
    subprocess.run([*command, str(source), "-o", str(library), "-lm"], check=True)
    loaded = ctypes.CDLL(str(library))
    for i, (tree, expected) in enumerate(cases):
        function = getattr(loaded, f"f{i}")
        function.restype, function.argtypes = ctypes.c_double, [ctypes.c_double] * 3
        received = function(*map(float, NAMES.values()))
        if _is_near_a_jump(tree):
            continue
        assert received == pytest.approx(expected, rel=1e-9, abs=1e-9), lines[i]


def _is_near_a_jump(scalar: Scalar) -> bool:
    """Whether rounding could turn a comparison round: both sides equal, or nearly."""
    if isinstance(scalar, Select) and abs(exact(scalar.left) - exact(scalar.right)) < Fraction(1, 10**9):
        return True
    return any(_is_near_a_jump(o) for o in scalar.operands)


@given(st.floats(min_value=0, allow_nan=False, allow_infinity=False))
def test_literals_read_back(number: float) -> None:
    value = Fraction(number)
    assert float(c_literal(value, "float64")) == number
    assert float(python_literal(value)) == number
    single = c_literal(value, "float32")
    with np.errstate(over="ignore"):
        nearest = np.float32(number)
    assert single == "INFINITY" if np.isinf(nearest) else np.float32(float(single[:-1])) == nearest
    assert single == "INFINITY" or single.endswith("f")
    assert any(c in c_literal(value, "float64") for c in ".e"), "an integer literal in C"


@pytest.mark.parametrize(
    "value, double, single, python",
    [
        (Fraction(0), "0.0", "0.0f", "0"),
        (Fraction(1, 2), "0.5", "0.5f", "0.5"),
        (Fraction(1, 3), "0.3333333333333333", "0.3333333333333333f", "0.3333333333333333"),
        (Fraction(10) ** 15, "1000000000000000.0", "1000000000000000.0f", "1000000000000000.0"),
        (Fraction(10) ** 39, "1e+39", "INFINITY", "1e+39"),
        (Fraction(10) ** 400, "INFINITY", "INFINITY", "np.inf"),
        (Fraction(1, 10**400), "0.0", "0.0f", "0.0"),
    ],
)
def test_literals(value: Fraction, double: str, single: str, python: str) -> None:
    assert c_literal(value, "float64") == double
    assert c_literal(value, "float32") == single
    assert python_literal(value) == python
    assert math.isinf(float(python.removeprefix("np."))) == ("inf" in python)


X, Y, Z = Local("x"), Local("y"), Local("z")


@pytest.mark.parametrize(
    "tree, text",
    [
        (Call("sub", (X, Call("sub", (Y, Z)))), "x - (y - z)"),
        (Call("sub", (Call("sub", (X, Y)), Z)), "x - y - z"),
        (Call("div", (X, Call("mul", (Y, Z)))), "x / (y * z)"),
        (Call("mul", (Call("add", (X, Y)), Z)), "(x + y) * z"),
        (Call("neg", (Call("neg", (X,)),)), "-(-x)"),
        (Call("neg", (Call("add", (X, Y)),)), "-(x + y)"),
        (Call("sub", (X, Const(Fraction(-2)))), "x - -2"),
        (Call("power", (Call("neg", (X,)), Const(Fraction(2)))), "(-x)^2"),
        (Call("neg", (Call("power", (X, Const(Fraction(2)))),)), "-x^2"),
        (Call("power", (X, Const(Fraction(1, 2)))), "x^(1/2)"),
        (Call("tanh", (Call("add", (X, Y)),)), "tanh(x + y)"),
        (Call("mul", (Select("le", X, Y, X, Y), Z)), "(x if x <= y else y) * z"),
        (Select("gt", Select("le", X, Y, X, Y), Z, X, Y), "x if (x if x <= y else y) > z else y"),
    ],
)
def test_plain_text(tree: Scalar, text: str) -> None:
    assert spell(tree, TEXT, leaf) == text


def test_no_minus_meets_a_minus_in_c() -> None:
    """--x would be a decrement."""
    negative = Call("sub", (X, Call("neg", (Const(Fraction(-2)),))))
    for tree in (negative, Call("neg", (Const(Fraction(-2)),)), Call("neg", (Call("neg", (X,)),))):
        assert "--" not in spell(tree, c_style("float64"), leaf)


def test_what_is_no_scalar_is_refused() -> None:
    with pytest.raises(ProgramError, match="expected a scalar"):
        spell("x", TEXT, leaf)  # type: ignore[arg-type]
