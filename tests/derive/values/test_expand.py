"""The unrolled network: against equations written by hand and `sympy.diff`."""

from __future__ import annotations

import random
from itertools import product
from typing import Any

import pytest
import sympy

from chalkgrad import derive
from chalkgrad.derive.values.evaluate import evaluate

SIZES = {"n_x": 2, "n_a": 4, "n_y": 3}
LAYOUTS = (
    ("one-to-one", "none"),
    ("many-to-one", "none"),
    ("many-to-many", "none"),
    *product(("one-to-many", "encoder-decoder"), derive.FEEDS),
)


def equal(one: sympy.Expr, other: sympy.Expr) -> bool:
    """By SymPy's own evaluation at three rational points."""
    rng = random.Random(7)
    symbols = sorted(one.free_symbols | other.free_symbols, key=str)
    for _ in range(3):
        point = {s: sympy.Float(sympy.Rational(rng.randint(1, 90), 97), 60) for s in symbols}
        if abs(one.xreplace(point) - other.xreplace(point)) > 1e-50:
            return False
    return True


def scalar_vanilla(a_0: sympy.Expr) -> tuple[sympy.Expr, dict[str, sympy.Symbol]]:
    """T = 2, one unit, as the note writes it."""
    names = "W_aa W_ax b_a W_ya b_y x__1 x__2 y__1 y__2"
    s = {name: sympy.Symbol(name, real=True) for name in names.split()}

    def sigma(z: sympy.Expr) -> sympy.Expr:
        return 1 / (1 + sympy.exp(-z))

    a_1 = sympy.tanh(s["W_aa"] * a_0 + s["W_ax"] * s["x__1"] + s["b_a"])
    a_2 = sympy.tanh(s["W_aa"] * a_1 + s["W_ax"] * s["x__2"] + s["b_a"])
    loss = sympy.S.Zero
    for a, y in ((a_1, s["y__1"]), (a_2, s["y__2"])):
        yhat = sigma(s["W_ya"] * a + s["b_y"])
        loss += -y * sympy.log(yhat) - (1 - y) * sympy.log(1 - yhat)
    return loss, s


@pytest.mark.parametrize("initial", ["symbols", "zero"])
def test_scalar_vanilla_is_the_notes_loss(initial: str) -> None:
    u = derive.unroll(derive.load("vanilla"), T=2, initial=initial)
    a_0 = sympy.Symbol("a__0", real=True) if initial == "symbols" else sympy.S.Zero
    loss, s = scalar_vanilla(a_0)
    assert u.loss == loss
    assert u.initial["a"] == sympy.Matrix([a_0])
    for name in ("W_aa", "W_ax", "b_a", "W_ya", "b_y"):
        assert u.parameters[name] == sympy.Matrix([s[name]])
        assert equal(u.gradients[name][0], loss.diff(s[name]))
    assert equal(u.gradients["x"][1][0], loss.diff(s["x__1"]))


def test_gradients_are_matrices_of_the_parameters_shapes() -> None:
    u = derive.unroll(derive.load("vanilla", h="softmax"), T=3, sizes=SIZES)
    assert u.gradients["W_ax"].shape == u.parameters["W_ax"].shape == (4, 2)
    assert u.gradients["b_y"].shape == (3, 1)
    assert u.gradients["a0"].shape == u.initial["a"].shape == (4, 1)
    assert list(u.gradients["x"]) == list(u.x) == [1, 2, 3] and u.gradients["x"][2].shape == (2, 1)
    assert set(u.gradients) == {*u.parameters, "x", "a0"}
    assert str(u.parameters["W_ax"][1, 0]) == "W_ax_2_1" and str(u.x[1][1]) == "x__1_2"
    with pytest.raises(KeyError):
        u.gradients["W_xx"]


def test_steps_are_counted_where_they_have_an_input_or_an_output() -> None:
    u = derive.unroll(derive.load("vanilla", architecture="many-to-one"), T=3)
    assert list(u.x) == [1, 2, 3] and list(u.y) == list(u.yhat) == [1]
    u = derive.unroll(derive.load("vanilla", architecture="encoder-decoder"), T=(3, 2))
    assert list(u.x) == [1, 2, 3] and list(u.y) == list(u.yhat) == [1, 2]


def test_default_steps() -> None:
    def x_and_y(architecture: str) -> tuple[int, int]:
        u = derive.unroll(derive.load("vanilla", architecture=architecture))
        return len(u.x), len(u.y)

    assert [x_and_y(a) for a in derive.ARCHITECTURES] == [(1, 1), (1, 2), (2, 1), (2, 2), (2, 2)]


@pytest.mark.parametrize(
    ("architecture", "arguments", "found"),
    [
        ("encoder-decoder", {"T": 2}, "T: expected a pair"),
        ("encoder-decoder", {"T": (2, 0)}, "T: expected a positive integer"),
        ("one-to-one", {"T": 2}, "T: expected 1"),
        ("many-to-many", {"T": 0}, "T: expected a positive integer"),
        ("many-to-many", {"T": True}, "T: expected a positive integer"),
        ("many-to-many", {"T": (2, 2)}, "T: expected a positive integer"),
        ("many-to-many", {"T": 2.0}, "T: expected a positive integer"),
        ("many-to-many", {"sizes": {"n_z": 2}}, "sizes: expected names among"),
        ("many-to-many", {"sizes": {"n_a": 0}}, r"sizes\['n_a'\]: expected a positive integer"),
        ("many-to-many", {"initial": "ones"}, "initial: expected symbols or zero"),
    ],
)
def test_wrong_choices(architecture: str, arguments: dict[str, Any], found: str) -> None:
    with pytest.raises(derive.ChoiceError, match=found):
        derive.unroll(derive.load("vanilla", architecture=architecture), **arguments)


def test_sizes_that_feeding_back_ties() -> None:
    model = derive.load("vanilla", architecture="one-to-many", feed="output")
    u = derive.unroll(model, sizes={"n_y": 2})
    assert u.x[1].shape == (2, 1)
    with pytest.raises(derive.ChoiceError, match="n_x = n_y, because the output is fed back"):
        derive.unroll(model, sizes={"n_x": 1, "n_y": 2})


def test_names_do_not_collide(tmp_path: Any) -> None:
    path = tmp_path / "clash.toml"
    path.write_text(
        """
        name = "clash"
        [sizes]
        n_x = "inputs"
        n_a = "units"
        [inputs]
        x = ["n_x"]
        [states]
        a = ["n_a"]
        [parameters]
        W = ["n_a"]
        W_1 = []
        x__1 = []
        x__1_2 = []
        U = ["n_a", "n_x"]
        [equations]
        a = "tanh(W * a[t-1] + W_1 + x__1 * x__1_2 + U @ x)"
        [output]
        yhat = "sigmoid(a)"
        """
    )
    u = derive.unroll(derive.load(path), sizes={"n_x": 2, "n_a": 2})
    entries = [*u.parameters["W"], *u.parameters["U"], *u.x[1], *u.x[2], *u.initial["a"]]
    W_1, x__1, x__1_2 = (u.parameters[name][0] for name in ("W_1", "x__1", "x__1_2"))
    entries += [W_1, x__1, x__1_2]
    assert len({str(s) for s in entries}) == len(entries)
    assert str(W_1) == "W_1" and str(x__1) == "x__1"
    assert u.gradients["W_1"].shape == u.parameters["W_1"].shape == (1, 1)
    assert equal(u.gradients["W_1"][0], u.loss.diff(W_1))


@pytest.mark.parametrize("h", ["sigmoid", "softmax", "identity"])
def test_derived_gradient_is_the_derivative_of_the_loss(h: str) -> None:
    u = derive.unroll(derive.load("vanilla", g="relu", h=h), T=2, sizes={"n_x": 1, "n_a": 1, "n_y": 2})
    for name, parameter in u.parameters.items():
        for derived, symbol in zip(u.gradients[name], parameter, strict=True):
            assert equal(derived, u.loss.diff(symbol))


@pytest.mark.parametrize(("architecture", "feed"), LAYOUTS)
def test_evaluate_is_unroll_in_numbers(architecture: str, feed: str) -> None:
    model = derive.load("vanilla", h="softmax", loss="binary_cross_entropy", architecture=architecture,
                        feed=feed)  # fmt: skip
    d = derive.bptt(model)
    T = (1, 2) if architecture == "encoder-decoder" else None
    u = derive.unroll(d, T, sizes={"n_a": 1, "n_y": 2})
    rng = random.Random(5)

    def drawn(matrix: sympy.Matrix, *, vector: bool = True) -> tuple[Any, dict[sympy.Symbol, sympy.Rational]]:
        point = {s: sympy.Rational(rng.randint(10, 90), 97) for s in matrix}
        rows = [[point[s] for s in matrix.row(i)] for i in range(matrix.rows)]
        return ([row[0] for row in rows] if vector else rows), point

    exact: dict[sympy.Symbol, sympy.Rational] = {}
    values: dict[str, Any] = {"x": [], "y": []}
    for name, matrix in (*u.parameters.items(), ("a0", u.initial["a"])):
        values[name], point = drawn(matrix, vector=not name.rpartition("_")[0].endswith("W"))
        exact |= point
    for name, steps_of in (("x", u.x), ("y", u.y)):
        for matrix in steps_of.values():
            row, point = drawn(matrix)
            values[name].append(row)
            exact |= point
    sizes = {"n_x": u.x[1].rows, "n_a": 1, "n_y": 2}
    v = evaluate(d, values, sizes=sizes, T=T)
    point = {symbol: sympy.Float(value, 60) for symbol, value in exact.items()}
    assert v.yhat is not None
    for t, vector in u.yhat.items():
        for one, other in zip(vector, v.yhat[t - 1], strict=True):
            assert abs(one.xreplace(point) - sympy.Float(other, 60)) < 1e-50
    assert abs(u.loss.xreplace(point) - sympy.Float(v.loss, 60)) < 1e-50
    for name in u.parameters:
        for one, other in zip(u.gradients[name], v.gradients[name].reshape(-1), strict=True):
            assert abs(one.xreplace(point) - sympy.Float(other, 60)) < 1e-50
