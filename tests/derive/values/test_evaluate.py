"""Gradients in numbers, against differences at high precision."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy

from chalkgrad import derive
from chalkgrad.derive.values.evaluate import Evaluated, evaluate
from chalkgrad.derive.values.reals import context, tape

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

    def run(self, names: tuple[str, ...] = (), step: Any = 0, **more: Any) -> Evaluated:
        """Evaluated with the named values moved along their directions, at 80 digits."""
        with mpmath.workdps(100):
            exact = np.vectorize(mpmath.mpf, otypes=[object])
            moved = {n: exact(self.values[n]) + step * exact(self.directions[n]) for n in names}
            return evaluate(self.d, {**self.values, **moved}, sizes=self.sizes, T=self.T, digits=80, **more)

    def objective(self, v: Evaluated) -> Any:
        """What the cotangents pull back: their product with the outputs and the states."""
        assert v.yhat is not None
        whole = np.sum(v.yhat * self.dyhat)
        return whole + sum(np.sum(v.states[name] * self.dstates[name]) for name in self.dstates)


def slope(function: Callable[[Any], Any]) -> Any:
    """The central difference; its error is of the order of 1e-40."""
    with mpmath.workdps(100):
        step = mpmath.mpf("1e-20")
        return (function(step) - function(-step)) / (2 * step)


def agree(one: Any, other: Any, tolerance: float = 1e-32) -> bool:
    with mpmath.workdps(100):
        return bool(abs(one - other) <= tolerance * max(abs(one), abs(other)))


def projected(case: Case, v: Evaluated, names: tuple[str, ...]) -> Any:
    return sum(np.sum(v.gradients[name] * case.directions[name]) for name in names)


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
        ({"W_aa": np.ones((4, 3))}, derive.ShapeError, r"W_aa: expected shape \(2, 2\)"),
        ({"x": np.ones((2, 2))}, derive.ShapeError, "x: expected shape"),
        ({"y": np.ones((3, 4))}, derive.ShapeError, "y: expected shape"),
        ({"a0": np.ones((1, 3))}, derive.ShapeError, "a0: expected shape"),
    ],
)
def test_values_that_do_not_fit(change: dict[str, Any], error: type[Exception], found: str) -> None:
    case = Case(derive.bptt(derive.load("vanilla")))
    case.values |= change
    with pytest.raises(error, match=found):
        evaluate(case.d, case.values, sizes=case.sizes, T=3)


def test_a_missing_value_and_lengths_out_of_range() -> None:
    case = Case(derive.bptt(derive.load("vanilla")), batch=2)
    with pytest.raises(derive.ChoiceError, match=r"lengths: expected 2 integers in 1\.\.3"):
        case.run(lengths=[3, 4])
    del case.values["b_y"]
    with pytest.raises(derive.ChoiceError, match="values: expected an array for b_y"):
        case.run()


# ----------------------------------------------------------------------------- single expressions


def test_tape_follows_ieee() -> None:
    z = sympy.Symbol("z")
    real = context(60)

    def at(expr: sympy.Expr, value: Any) -> Any:
        return tape([expr], [z], real)(real.mpf(value))[0]

    assert at(sympy.log(z), 0) == -real.inf and real.isnan(at(sympy.log(z), -1))
    assert at(1 / z, 0) == real.inf and real.isnan(at(sympy.sqrt(z), -1))
    assert at(sympy.log(1 + sympy.exp(z)), -300) == real.exp(-300) - real.exp(-600) / 2
    assert at(sympy.Piecewise((0, z <= 0), (z, True)), -2) == 0
    assert real.isnan(at(sympy.Piecewise((0, z <= 0), (z, True)), "nan"))
    with pytest.raises(TypeError, match="gamma"):
        at(sympy.gamma(z), 1)


def test_nobody_elses_precision_changes() -> None:
    before = mpmath.mp.dps
    Case(derive.bptt(derive.load("vanilla"))).run()
    assert mpmath.mp.dps == before
