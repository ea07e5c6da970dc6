"""The meaning of the statements, one by one, and of rows that have ended."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from chalkgrad.codegen.errors import ProgramError
from chalkgrad.codegen.program.interface import Array, Counts
from chalkgrad.codegen.program.interpret import interpret, others, others_pull
from chalkgrad.codegen.program.ir import (
    Affine,
    AnyValue,
    Arg,
    Assign,
    BatchSum,
    Block,
    Buffer,
    Call,
    Const,
    Elementwise,
    For,
    Kernel,
    Layout,
    Load,
    Local,
    Note,
    Others,
    OthersPull,
    Outer,
    Product,
    Program,
    Reduce,
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

T, B, N, M = 4, 3, 5, 2
COUNTS = Counts(T, T, B)
LAST = np.array([4, 1, 3])
rng = np.random.default_rng(7)
X, C, M_X = rng.standard_normal((T, B, N)), rng.standard_normal((T, B, N)), rng.standard_normal((T, B, M))
W, S = rng.standard_normal((M, N)), np.array(1.5)


def buffers(out: Buffer) -> dict[str, Buffer]:
    time = {"first": Affine(1), "slots": Affine(0, ("T_x",))}
    known = (
        Buffer("x", Role.INPUT, Layout.TIME, ("n",), public="x", **time),
        Buffer("c", Role.INPUT, Layout.TIME, ("n",), public="c", **time),
        Buffer("m", Role.INPUT, Layout.TIME, ("m",), public="m", **time),
        Buffer("W", Role.PARAMETER, Layout.PARAMETER, ("m", "n"), public="W"),
        Buffer("s", Role.PARAMETER, Layout.PARAMETER, (), public="s"),
    )
    return {b.name: b for b in (*known, out)}


def run(
    body: tuple[Statement, ...],
    shape: tuple[str, ...] = ("n",),
    layout: Layout = Layout.TIME,
    lengths: bool = False,
    span: Span = Span.EACH,
    level: str = "vector",
) -> Array:
    """What a block of statements leaves in the result `out`."""
    sizes = {"n": N, "m": M}
    over = {Layout.TIME: (T, B), Layout.BATCH: (B,), Layout.PARAMETER: (), Layout.TOTAL: (1,)}[layout]
    out = np.full((*over, *(sizes[s] for s in shape)), 100.0)
    start, steps = (Affine(), Affine(0, ("T_x",))) if span is Span.EACH else (Affine(0, ("T_x",)), Affine(1))
    block = Block(span, start, steps, "x", body)
    time = (Affine(1), Affine(0, ("T_x",))) if layout is Layout.TIME else (Affine(), Affine())
    buffer = Buffer("out", Role.RESULT, layout, shape, *time, public="yhat")
    arrays = {"x": X, "c": C, "m": M_X, "W": W, "s": S, "yhat": out, "last_x": LAST if lengths else None}
    interpret(Program("forward", buffers(buffer), (block,), level), sizes, COUNTS, arrays)
    return out


def value(value: AnyValue, shape: tuple[str, ...] = ("n",), layout: Layout = Layout.TIME) -> Array:
    return run((Assign(Ref("out"), value),), shape, layout)


x, c, w, s = Ref("x"), Ref("c"), Ref("W"), Ref("s")


@pytest.mark.parametrize(
    "node, shape, expected",
    [
        (x, ("n",), X),
        (Product(w, x), ("m",), X @ W.T),
        (Product(w, Ref("m"), transposed=True), ("n",), M_X @ W),
        (Elementwise(Call("mul", (Arg(0), Arg(1))), (s, x), ("n",)), ("n",), 1.5 * X),
        (Elementwise(Call("sub", (Arg(0), Arg(1))), (x, Reduce("sum", x)), ("n",)), ("n",),
         X - X.sum(axis=-1, keepdims=True)),
        (Elementwise(Arg(0), (s,), ("n",)), ("n",), np.full(X.shape, 1.5)),
        (Reduce("sum", x), (), X.sum(axis=-1)),
        (Reduce("max", x), (), X.max(axis=-1)),
        (Reduce("logsumexp", x), (), np.log(np.exp(X).sum(axis=-1))),
        (Others(x), ("n",), np.stack(
            [np.log(np.exp(np.delete(X, i, axis=-1)).sum(axis=-1)) for i in range(N)], axis=-1)),
    ],
)  # fmt: skip
def test_values(node: AnyValue, shape: tuple[str, ...], expected: Array) -> None:
    assert value(node, shape) == pytest.approx(expected, rel=1e-12)


def test_pull_back_of_the_others() -> None:
    """Against the Jacobian of Others, by complex step."""
    jacobian = np.stack(
        [others(X + 1j * 1e-30 * np.eye(N)[j]).imag / 1e-30 for j in range(N)], axis=-1
    )  # ∂ω_i / ∂v_j
    expected = np.einsum("tbi,tbij->tbj", C, jacobian)
    assert others_pull(C, X) == pytest.approx(expected, rel=1e-12)
    assert value(OthersPull(c, x)) == pytest.approx(expected, rel=1e-12)


def test_others_far_from_zero_and_alone() -> None:
    far = np.array([[1000.0, -1000.0, 999.0]])
    assert others(far) == pytest.approx(np.array([[999.0, 1000 + np.log1p(np.exp(-1.0)), 1000.0]]))
    assert np.isfinite(others_pull(np.ones((1, 3)), far)).all()
    with np.errstate(divide="ignore"):
        assert np.isneginf(others(np.array([[2.0]]))).all()
    assert others_pull(np.array([[3.0]]), np.array([[2.0]])) == 0


def test_sums_over_examples_are_added_to_what_is_there() -> None:
    outer = run((Assign(Ref("out"), Outer(Ref("m"), x), accumulate=True),), ("m", "n"), Layout.PARAMETER)
    assert outer == pytest.approx(100 + np.einsum("tbm,tbn->mn", M_X, X))
    total = run((Assign(Ref("out"), BatchSum(Reduce("sum", x)), accumulate=True),), (), Layout.TOTAL)
    assert total == pytest.approx(100 + X.sum())
    shared = run((Assign(Ref("out"), BatchSum(s), accumulate=True),), (), Layout.TOTAL)
    assert shared == pytest.approx(100 + 1.5 * T * B)


def test_rows_that_have_ended() -> None:
    active = np.arange(1, T + 1)[:, None] <= LAST
    assign = Assign(Ref("out"), x)
    for rows, where in (("active", active), ("idle", ~active), ("all", np.full((T, B), True))):
        out = run((Assign(Ref("out"), x, rows=rows),), lengths=True)
        assert np.array_equal(out, np.where(where[..., None], X, 100.0))
    assert np.array_equal(run((assign,)), X)


def test_the_last_step_of_each_example() -> None:
    out = run((Assign(Ref("out"), x),), layout=Layout.BATCH, lengths=True, span=Span.LAST)
    assert np.array_equal(out, X[LAST - 1, np.arange(B)])
    assert np.array_equal(run((Assign(Ref("out"), x),), layout=Layout.BATCH, span=Span.LAST), X[-1])


def test_the_lag_of_a_step() -> None:
    body = (Assign(Ref("out"), Ref("x")), Assign(Ref("out", 0), Elementwise(Arg(0), (x,), ("n",)), True))
    assert np.array_equal(run(body), 2 * X)
    out = run((Assign(Ref("out"), x), Assign(Ref("out"), Ref("x", -1), rows="idle")), lengths=True)
    assert np.array_equal(out[1, 1], X[0, 1])


# ----------------------------------------------------------------------------- loops


def load(name: str, *components: str | int) -> Load:
    return Load(Ref(name), components)


def test_loops() -> None:
    body = (
        Note("the sum, and the maximum over the components"),
        Rows(
            "active",
            (
                Start("total", Const(Fraction(0))),
                Start("top", load("x", 0)),
                For("i", N, (Update("total", "sum", load("x", "i")), Update("top", "max", load("x", "i")))),
                For("i", N, (Store(Ref("out"), ("i",), Call("add", (Local("total"), Local("top")))),)),
                Store(Ref("out"), (2,), load("x", 2), accumulate=True),
            ),
        ),
    )
    expected = np.repeat((X.sum(axis=-1) + X.max(axis=-1))[..., None], N, axis=-1)
    expected[..., 2] += X[..., 2]
    assert run(body, level="loops") == pytest.approx(expected)


@pytest.mark.parametrize(
    "kernel, shape, expected",
    [
        (Kernel("product", Ref("out"), (Ref("m"), w), Fraction(-2)), ("n",), 100 - 2 * (M_X @ W)),
        (Kernel("others", Ref("out"), (x,)), ("n",), others(X)),
        (Kernel("others_pull", Ref("out"), (c, x)), ("n",), others_pull(C, X)),
    ],
)
def test_kernels_on_rows(kernel: Kernel, shape: tuple[str, ...], expected: Array) -> None:
    assert run((kernel,), shape, level="loops") == pytest.approx(expected)


def test_kernels_on_whole_arrays() -> None:
    for name, shape, expected in (("pack", ("m", "n"), W), ("pack_transposed", ("n", "m"), W.T)):
        packed = run((Kernel(name, Ref("out"), (w,)),), shape, Layout.PARAMETER, level="loops")
        assert np.array_equal(packed, expected)
    active = np.arange(1, T + 1)[:, None] <= LAST
    outer = run(
        (Kernel("outer", Ref("out"), (Ref("m"), x)),), ("m", "n"), Layout.PARAMETER, True, level="loops"
    )
    assert outer == pytest.approx(100 + np.einsum("tb,tbm,tbn->mn", active, M_X, X))


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("op, function", [("relu", lambda z: 0.0 if z <= 0 else z),
                                          ("leaky_relu", lambda z: z / 100 if z <= 0 else z)])  # fmt: skip
def test_special_values_pass_the_ramps(op: str, function: object, special: float) -> None:
    assert callable(function)
    body = Elementwise(Call(op, (Call("add", (Arg(0), Const(Fraction(0)))),)), (s,), ("n",))
    old, S[...] = S.copy(), special
    try:
        assert np.array_equal(value(body), np.full(X.shape, function(special)), equal_nan=True)
    finally:
        S[...] = old


def test_nan_wins_every_maximum() -> None:
    body = (Rows("all", (Start("top", load("s")),
                         For("i", 2, (Update("top", "max", load("x", "i")),)),
                         Store(Ref("out"), (), Local("top")))),)  # fmt: skip
    old, S[...] = S.copy(), np.nan
    try:
        assert np.isnan(run(body, (), level="loops")).all()
    finally:
        S[...] = old


@pytest.mark.parametrize("op, holds", [("le", (1, 1, 0)), ("lt", (1, 0, 0)), ("ge", (0, 1, 1)),
                                       ("gt", (0, 0, 1)), ("eq", (0, 1, 0)), ("ne", (1, 0, 1))])  # fmt: skip
def test_comparisons(op: str, holds: tuple[int, ...]) -> None:
    for left, expected in zip((1, 2, 3), holds, strict=True):
        body = Select(op, Const(Fraction(left)), Const(Fraction(2)), Const(Fraction(1)), Const(Fraction(0)))
        assert np.all(value(Elementwise(body, (s,), ("n",))) == expected)


def test_what_is_not_wanted_is_not_computed() -> None:
    buffer = Buffer("out", Role.RESULT, Layout.TIME, ("n",), Affine(1), Affine(0, ("T_x",)), public="yhat")
    block = Block(Span.EACH, Affine(), Affine(0, ("T_x",)), "x", (Assign(Ref("out"), x),))
    program = Program("forward", buffers(buffer), (Zero("out"), block))
    arrays = {"x": X, "c": C, "m": M_X, "W": W, "s": S, "yhat": None}
    interpret(program, {"n": N, "m": M}, COUNTS, arrays)


def test_what_is_missing_is_named() -> None:
    buffer = Buffer("out", Role.RESULT, Layout.TIME, ("n",), Affine(1), Affine(0, ("T_x",)), public="yhat")
    program = Program("forward", buffers(buffer), ())
    with pytest.raises(ProgramError, match="x: expected an array"):
        interpret(program, {"n": N, "m": M}, COUNTS, {})


def test_what_is_read_before_it_is_written_is_nan() -> None:
    work = Buffer("u", Role.WORK, Layout.BATCH, ("n",))
    buffer = Buffer("out", Role.RESULT, Layout.BATCH, ("n",), public="yhat")
    block = Block(Span.ONCE, Affine(), Affine(1), "x", (Assign(Ref("out"), Ref("u")),))
    out = np.zeros((B, N))
    arrays = {"x": X, "c": C, "m": M_X, "W": W, "s": S, "yhat": out}
    program = Program("forward", {**buffers(buffer), "u": work}, (block,))
    interpret(program, {"n": N, "m": M}, COUNTS, arrays)
    assert np.isnan(out).all()


@pytest.mark.parametrize("node", [Call("erf", (Arg(0),)), Load(Ref("x"), ())])
def test_what_has_no_meaning_is_refused(node: Scalar) -> None:
    with pytest.raises((ProgramError, KeyError)):
        value(Elementwise(node, (x,), ("n",)))
