"""The unrolled network: against equations written by hand, `sympy.diff`, and high-precision differences."""

from __future__ import annotations

import random
from itertools import product
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy

import derive
from derive.evaluate import Values, evaluate

SIZES = {"n_x": 2, "n_a": 4, "n_y": 3}
LAYOUTS = (
    ("one-to-one", "none"),
    ("many-to-one", "none"),
    ("many-to-many", "none"),
    *product(("one-to-many", "encoder-decoder"), derive.FEEDS),
)
MODELS = ("vanilla", "gru", "gru_reset_after", "lstm", "vanilla_stacked")
CHOICES = (("tanh", "sigmoid"), ("tanh", "softmax"), ("tanh", "identity"), ("relu", "softmax"))


def steps(architecture: str) -> Any:
    return {"one-to-one": 1, "encoder-decoder": (2, 3)}.get(architecture, 3)


def sizes_of(d: derive.Derivation) -> dict[str, int]:
    """All sizes different, but for those that must be equal."""
    tied = {a: 3 for pair in d.schedule.tied for a in pair}
    different = {name: 2 + i for i, name in enumerate(sorted(d.model.sizes))}
    return different | {"n_y": 3} | tied


def counts(d: derive.Derivation) -> dict[str, int]:
    match d.model.architecture:
        case "one-to-one":
            return {"x": 1, "y": 1, "states": 1}
        case "many-to-one":
            return {"x": 3, "y": 1, "states": 3}
        case "many-to-many":
            return {"x": 3, "y": 3, "states": 3}
        case "one-to-many":
            return {"x": 1, "y": 3, "states": 3}
        case "encoder-decoder":
            return {"x": 2, "y": 3, "states": 5}
        case other:
            raise ValueError(other)


class Case:
    """A derivation with random values: a⁰ ≠ 0, T = 3, all sizes different, y in (0, 1)."""

    def __init__(self, d: derive.Derivation, seed: int = 0, batch: int | None = None) -> None:
        rng = np.random.default_rng(seed)
        self.d, self.sizes, self.T = d, sizes_of(d), steps(d.model.architecture)
        self.counts = counts(d)
        plan = d.schedule
        assert plan.y is not None
        rows = () if batch is None else (batch,)

        def normal(shape: tuple[str, ...], lead: tuple[int, ...] = ()) -> np.ndarray:
            return rng.normal(size=lead + tuple(self.sizes[n] for n in shape)) * 0.7

        self.values: dict[str, Any] = {p.name: normal(p.shape) for p in plan.parameters}
        self.values["x"] = normal(plan.x.shape, (self.counts["x"], *rows))
        self.values |= {f"{s.name}0": normal(s.shape, rows) for s in plan.states}
        self.moving = tuple(self.values)
        self.values["y"] = rng.uniform(0.1, 0.9, size=(self.counts["y"], *rows, self.sizes["n_y"]))
        self.dyhat = normal(plan.y.shape, (self.counts["y"], *rows))
        self.dstates = {s.name: normal(s.shape, (self.counts["states"], *rows)) for s in plan.states}
        self.directions = {name: rng.normal(size=self.values[name].shape) for name in self.moving}

    def run(self, names: tuple[str, ...] = (), step: Any = 0, **more: Any) -> Values:
        """Evaluated with the named values moved along their directions, at 80 digits."""
        with mpmath.workdps(100):
            exact = np.vectorize(mpmath.mpf, otypes=[object])
            moved = {n: exact(self.values[n]) + step * exact(self.directions[n]) for n in names}
            return evaluate(
                self.d, {**self.values, **moved}, sizes=self.sizes, T=self.T, digits=80, **more
            )

    def objective(self, v: Values) -> Any:
        """What the cotangents pull back: their product with the outputs and the states."""
        assert v.yhat is not None
        whole = np.sum(v.yhat * self.dyhat)
        return whole + sum(np.sum(v.states[name] * self.dstates[name]) for name in self.dstates)


def slope(function: Any, step: Any = mpmath.mpf("1e-20")) -> Any:
    """The central difference; its error is of the order of 1e-40."""
    with mpmath.workdps(100):
        return (function(step) - function(-step)) / (2 * step)


def agree(one: Any, other: Any, tolerance: float = 1e-32) -> bool:
    with mpmath.workdps(100):
        return bool(abs(one - other) <= tolerance * max(abs(one), abs(other)))


def projected(case: Case, v: Values, names: tuple[str, ...]) -> Any:
    return sum(np.sum(v.gradients[name] * case.directions[name]) for name in names)


# ----------------------------------------------------------------------------- plain SymPy


def equal(one: sympy.Expr, other: sympy.Expr) -> bool:
    """By SymPy's own evaluation at three rational points."""
    rng = random.Random(7)
    difference = one - other
    for _ in range(3):
        point = {s: sympy.Rational(rng.randint(1, 90), 97) for s in sorted(difference.free_symbols, key=str)}
        if abs(difference.xreplace(point).evalf(30)) > 1e-25:
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
    entries += [u.parameters[name] for name in ("W_1", "x__1", "x__1_2")]
    assert len({str(s) for s in entries}) == len(entries)
    assert str(u.parameters["W_1"]) == "W_1" and str(u.parameters["x__1"]) == "x__1"
    assert equal(u.gradients["W_1"], u.loss.diff(u.parameters["W_1"]))


@pytest.mark.parametrize("h", ["sigmoid", "softmax", "identity"])
def test_derived_gradient_is_the_derivative_of_the_loss(h: str) -> None:
    u = derive.unroll(derive.load("vanilla", g="relu", h=h), T=2, sizes={"n_x": 1, "n_a": 1, "n_y": 2})
    for name, parameter in u.parameters.items():
        for derived, symbol in zip(u.gradients[name], parameter, strict=True):
            assert equal(derived, u.loss.diff(symbol))


# ----------------------------------------------------------------------------- numbers


@pytest.mark.parametrize(("architecture", "feed"), LAYOUTS)
def test_evaluate_is_unroll_in_numbers(architecture: str, feed: str) -> None:
    model = derive.load("vanilla", h="softmax", loss="binary_cross_entropy", architecture=architecture,
                        feed=feed)  # fmt: skip
    d = derive.bptt(model)
    u = derive.unroll(d, sizes={"n_a": 1, "n_y": 2})
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
    v = evaluate(d, values, sizes=sizes)
    assert v.yhat is not None
    for t, vector in u.yhat.items():
        for one, other in zip(vector, v.yhat[t - 1], strict=True):
            assert abs(one.xreplace(exact).evalf(40) - sympy.Float(other, 40)) < 1e-37
    assert abs(u.loss.xreplace(exact).evalf(40) - sympy.Float(v.loss, 40)) < 1e-36
    slope = u.gradients["b_y" if "b_y" in u.parameters else "dec_b_y"][1].xreplace(exact).evalf(40)
    found = v.gradients["b_y" if "b_y" in u.parameters else "dec_b_y"][1]
    assert abs(slope - sympy.Float(found, 40)) < 1e-36


@pytest.mark.parametrize(("architecture", "feed"), LAYOUTS)
@pytest.mark.parametrize("name", MODELS)
def test_gradients_against_differences(name: str, architecture: str, feed: str) -> None:
    place = MODELS.index(name) + LAYOUTS.index((architecture, feed))
    g, h = CHOICES[place % len(CHOICES)]
    loss = "squared_error" if h == "identity" else derive.LOSSES[place % 3]
    functions = {"g": g} if "g" in derive.load(name).functions else {}
    model = derive.load(name, h=h, loss=loss, architecture=architecture, feed=feed, **functions)
    case = Case(derive.bptt(model), seed=place)
    expected = slope(lambda step: case.run(case.moving, step).loss)
    assert expected != 0
    assert agree(projected(case, case.run(), case.moving), expected)


def test_each_gradient_against_differences() -> None:
    model = derive.load("lstm", h="softmax", loss="binary_cross_entropy", architecture="encoder-decoder",
                        feed="output")  # fmt: skip
    case = Case(derive.bptt(model))
    found = case.run()
    for name in case.moving:
        expected = slope(lambda step, name=name: case.run((name,), step).loss)
        assert expected != 0 and agree(projected(case, found, (name,)), expected), name


LENGTHS = {
    "many-to-many": [3, 1, 2],
    "many-to-one": [1, 3, 2],
    "one-to-many": [2, 1, 3],
    "encoder-decoder": ([1, 2, 2], [3, 1, 2]),
}


@pytest.mark.parametrize(("architecture", "feed"), [p for p in LAYOUTS if p[0] != "one-to-one"])
def test_vector_jacobian_product_and_lengths(architecture: str, feed: str) -> None:
    d = derive.bptt(derive.load("gru", h="softmax", architecture=architecture, feed=feed))
    case = Case(d, batch=3)
    more = {"lengths": LENGTHS[architecture]}
    expected = slope(lambda step: case.objective(case.run(case.moving, step, **more)))
    v = case.run(dyhat=case.dyhat, dstates=case.dstates, **more)
    assert agree(projected(case, v, case.moving), expected)
    expected = slope(lambda step: case.run(case.moving, step, **more).loss)
    assert agree(projected(case, case.run(**more), case.moving), expected)


def test_past_its_end_an_example_holds_its_state_and_gives_nothing() -> None:
    case = Case(derive.bptt(derive.load("vanilla", h="softmax")), batch=2)
    case.values["x"][1:, 1] = np.nan
    case.values["y"][1:, 1] = np.nan
    v = case.run(lengths=[3, 1])
    assert v.yhat is not None
    assert np.all(v.states["a"][2, 1] == v.states["a"][0, 1])
    assert np.all(v.yhat[1:, 1] == 0) and np.all(v.yhat[0, 1] != 0)
    assert np.all(v.gradients["x"][1:, 1] == 0) and np.all(v.gradients["x"][0, 1] != 0)
    assert all(mpmath.isfinite(g) for name in case.moving for g in v.gradients[name].reshape(-1))


def test_many_to_one_reads_the_last_step_of_each_example() -> None:
    d = derive.bptt(derive.load("vanilla", architecture="many-to-one"))
    case = Case(d, batch=2)
    v = case.run(lengths=[3, 2])
    alone = {n: case.values[n] for n in case.values if n not in ("x", "y", "a0")}
    alone |= {"x": case.values["x"][:2, 1:], "y": case.values["y"][0, 1:], "a0": case.values["a0"][1:]}
    short = evaluate(d, alone, sizes=case.sizes, T=2, digits=80)
    assert v.yhat is not None and short.yhat is not None
    assert np.all(v.yhat[0, 1] == short.yhat[0, 0])
    assert np.all(v.gradients["a0"][1] == short.gradients["a0"][0])


def test_a_model_without_an_output(tmp_path: Any) -> None:
    path = tmp_path / "cell.toml"
    path.write_text(
        """
        name = "cell"
        [sizes]
        n_x = "inputs"
        n_a = "units"
        [inputs]
        x = ["n_x"]
        [states]
        a = ["n_a"]
        [parameters]
        W = ["n_a", "n_a"]
        U = ["n_a", "n_x"]
        [equations]
        a = "tanh(W @ a[t-1] + U @ x)"
        """
    )
    d = derive.bptt(derive.load(path))
    values = {"W": [[0.5, -1], [1, 2]], "U": [[1], [-0.5]], "x": [[1], [2]], "a0": [0.25, -0.5]}
    v = evaluate(d, values, sizes={"n_x": 1, "n_a": 2}, T=2, dstates={"a": [[1, 0], [0, 1]]})
    assert v.loss is None and v.yhat is None and v.states["a"].shape == (2, 2)
    assert v.gradients["W"].shape == (2, 2) and np.all(v.gradients["W"] != 0)
    with pytest.raises(derive.DerivationError, match="no output"):
        derive.unroll(d)


@pytest.mark.parametrize(
    ("change", "error", "found"),
    [
        ({"W_aa": np.ones((4, 3))}, derive.ShapeError, r"W_aa: expected shape \(3, 3\)"),
        ({"x": np.ones((2, 2))}, derive.ShapeError, "x: expected shape"),
        ({"y": np.ones((3, 4))}, derive.ShapeError, "y: expected shape"),
        ({"a0": np.ones((1, 3))}, derive.ShapeError, "a0: expected shape"),
    ],
)
def test_values_that_do_not_fit(change: dict[str, Any], error: type[Exception], found: str) -> None:
    case = Case(derive.bptt(derive.load("vanilla")))
    assert case.sizes["n_a"] == 2
    case.sizes["n_a"] = 3
    rng = np.random.default_rng(0)
    case.values |= {"W_aa": rng.normal(size=(3, 3)), "a0": np.ones(3), **change}
    with pytest.raises(error, match=found):
        evaluate(case.d, case.values, sizes=case.sizes, T=3)


def test_a_missing_value_and_lengths_out_of_range() -> None:
    case = Case(derive.bptt(derive.load("vanilla")), batch=2)
    with pytest.raises(derive.ChoiceError, match=r"lengths: expected 2 integers in 1\.\.3"):
        case.run(lengths=[3, 4])
    del case.values["b_y"]
    with pytest.raises(derive.ChoiceError, match="values: expected an array for b_y"):
        case.run()
