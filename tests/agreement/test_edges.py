"""Where numbers run out: huge logits, the kink of ReLU, NaN and ∞."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import sympy

from chalkgrad import codegen, derive
from chalkgrad.codegen import Network
from tests.agreement.backends import Suite, compiled, network
from tests.agreement.cases import TOLERANCE, Case, Data, Setting, data_of, model_of
from tests.agreement.reference import distances, loss_and_gradients, outputs, told
from tests.agreement.test_agreement import params, runs
from tests.promises import Promise

SETTING = Setting(n_x=5, n_a=4, n_d=6, n_y=3, T=4, T_xy=(3, 4), B=2)
BACKENDS = ("twin", "vector", "loops", "c")
LOSSES = [
    ("sigmoid", "binary_cross_entropy"),
    ("sigmoid", "cross_entropy"),
    ("softmax", "cross_entropy"),
    ("softmax", "binary_cross_entropy"),
]
LOGITS = tuple(
    Case("many-to-many", "vanilla", h, loss, "tanh", dtype, "loop", SETTING)
    for h, loss in LOSSES
    for dtype in TOLERANCE
)
KINKS = tuple(
    Case("many-to-many", "vanilla", "identity", "squared_error", "relu", dtype, form, setting)
    for dtype in TOLERANCE
    for form, setting in [("loop", SETTING), ("straight", replace(SETTING, n_a=2, T=3))]
)
SPREAD = tuple(
    Case("many-to-many", model, h, loss, g, "float64", "loop", SETTING)
    for model, g, (h, loss) in [
        ("vanilla", "relu", LOSSES[0]),
        ("vanilla", "tanh", LOSSES[3]),
        ("gru", "tanh", LOSSES[2]),
        ("lstm", "relu", ("softmax", "squared_error")),
    ]
)
SUITE = Suite("edges", (*LOGITS, *KINKS, *SPREAD), "quick", group_size=20)


def _with(data: Data, **params: object) -> Data:
    """The data with other parameters, each spread over its shape."""
    changed = {
        name: np.array(np.broadcast_to(np.asarray(value, data.x.dtype), data.params[name].shape))
        for name, value in params.items()
    }
    return replace(data, params={**data.params, **changed})


# ----------------------------------------------------------------------------- huge logits


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("scale", [40.0, 1e3, 1e4])
@pytest.mark.parametrize("case", params(SUITE, LOGITS))
def test_huge_logits_lose_nothing(case: Case, scale: float, backend: str, promise: Promise) -> None:
    data = _with(data_of(case), b_y=[scale, -scale, 0.3 * scale])
    expected = told(case, data)
    found = loss_and_gradients(network(SUITE, case, backend), data, expected.names)
    assert np.isfinite(expected.loss) and np.linalg.norm(expected.gradients["W_aa"]) > 1e-3
    off = distances(found, {"loss": expected.loss, **expected.gradients})
    promise.within(f"{case.dtype}: logits up to 10,000 lose nothing", TOLERANCE[case.dtype], off)


# ----------------------------------------------------------------------------- infinite logits

_CUT = np.log1p(np.exp(1.0))  # −log softmax([1, 2, −∞])₀
_SURE = np.log1p(np.exp(-0.5))  # −log σ(0.5)
INFINITE = {  # logits, targets, the loss and its gradient by the logits
    ("softmax", "cross_entropy"): ([1, 2, -np.inf], [1, 0, 0], _CUT, np.array([-1, 1, 0]) / (1 + np.exp(-1))),
    ("softmax", "binary_cross_entropy"): (
        [1, 2, -np.inf], [1, 0, 0], 2 * _CUT, np.array([-2, 2, 0]) / (1 + np.exp(-1))
    ),
    ("sigmoid", "cross_entropy"): ([np.inf, -np.inf, 0.5], [1, 0, 1], _SURE, [0, 0, -1 / (1 + np.exp(0.5))]),
    ("sigmoid", "binary_cross_entropy"): (
        [np.inf, -np.inf, 0.5], [1, 0, 1], _SURE, [0, 0, -1 / (1 + np.exp(0.5))]
    ),
}  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", params(SUITE, LOGITS))
def test_what_counts_nothing_adds_nothing(case: Case, backend: str) -> None:
    """0 · log 0 = 0: a class whose logit is −∞ can have no weight, and then it is out of the sum."""
    logits, targets, loss, slope = INFINITE[case.h, case.loss]
    data = _with(data_of(case), W_ya=0, b_y=logits)
    data = replace(data, y=np.ascontiguousarray(np.broadcast_to(targets, data.y.shape), data.y.dtype))
    found = loss_and_gradients(network(SUITE, case, backend), data, ("b_y", "W_aa"))
    steps = data.y.shape[0] * data.y.shape[1]
    assert found["loss"] == pytest.approx(steps * loss, rel=TOLERANCE[case.dtype])
    np.testing.assert_allclose(
        found["b_y"], steps * np.asarray(slope), atol=1e-5 if "32" in case.dtype else 1e-13
    )
    assert not found["W_aa"].any()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", params(SUITE, LOGITS))
def test_nothing_hides_what_is_not_a_number(case: Case, backend: str) -> None:
    data = _with(data_of(case), b_y=[np.nan, 1, 2])
    data = replace(data, y=np.zeros_like(data.y))
    loss = loss_and_gradients(network(SUITE, case, backend), data, ())["loss"]
    assert np.isnan(loss)


# ----------------------------------------------------------------------------- the kink of ReLU


def test_the_slope_of_relu_at_0_is_0_in_sympy() -> None:
    """z = 0 at every step, as all of W and b are 0; ŷ − y is not, nor is W_ya."""
    unrolled = derive.unroll(model_of(KINKS[0]), T=2, sizes={"n_x": 1, "n_a": 2, "n_y": 2})
    zero = {s: 0 for name in ("W_aa", "W_ax", "b_a") for s in unrolled.parameters[name]}
    other = sorted((unrolled.loss.free_symbols - zero.keys()), key=str)
    point = zero | {s: sympy.Rational(n + 2, 7) for n, s in enumerate(other)}
    for name in ("W_aa", "W_ax", "b_a", "a0"):
        assert all(entry == 0 for entry in unrolled.gradients[name].subs(point)), name
    assert any(entry != 0 for entry in unrolled.gradients["b_y"].subs(point))


@pytest.mark.parametrize(("case", "backend"), runs(SUITE, KINKS))
def test_the_slope_of_relu_at_0_is_0(case: Case, backend: str) -> None:
    data = _with(data_of(case), W_aa=0, W_ax=0, b_a=0)
    expected = told(case, data)
    found = loss_and_gradients(network(SUITE, case, backend), data, expected.names)
    for name in ("W_aa", "W_ax", "b_a", "x", "a0"):
        assert not found[name].any() and not expected.gradients[name].any(), name
    assert np.linalg.norm(found["b_y"]) > 0.1


# ----------------------------------------------------------------------------- NaN and ∞


@cache
def _planted(case: Case, where: str, value: float) -> Data:
    """One entry of one array is the value. A cell without W_aa has it in its first recurrent matrix."""
    data = data_of(case)
    where = where if where in data.values else next(iter(data.params))
    arrays = {name: array.copy() for name, array in data.values.items()}
    arrays[where].flat[arrays[where].size // 2] = value
    return replace(
        data,
        params={name: arrays[name] for name in data.params},
        x=arrays["x"],
        y=arrays["y"],
        initial={s: arrays[f"{s}0"] for s in data.initial},
    )


def _all_results(case: Case, net: Network, data: Data) -> dict[str, Any]:
    names = (*data.params, "x", *(f"{s}0" for s in data.initial))
    return {**loss_and_gradients(net, data, names), **outputs(case, net, data)}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["x", "y", "a0", "b_y", "W_ya", "W_aa"])
@pytest.mark.parametrize("case", params(SUITE, SPREAD))
def test_nan_and_infinity_spread_alike_in_the_twin_and_in_c(case: Case, where: str, value: float) -> None:
    data = _planted(case, where, value)
    in_twin = _all_results(case, network(SUITE, case, "twin"), data)
    in_c = _all_results(case, network(SUITE, case, "c"), data)
    assert np.isnan(in_twin["loss"]) or np.isinf(value)
    for name, result in in_twin.items():
        np.testing.assert_allclose(in_c[name], result, rtol=1e-9, atol=1e-12, equal_nan=True, err_msg=name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("target", [0.0, 1.0])
def test_a_confident_and_right_output_has_a_small_loss_to_all_digits(dtype: str, target: float) -> None:
    """−log σ(z) for large z: no difference of large numbers is formed."""
    z = 15.0 if dtype == "float32" else 36.0
    sizes = {"n_x": 1, "n_a": 1, "n_y": 1}
    weights = {"W_ya": [[0.0]], "b_y": [z if target else -z], "W_aa": [[0.0]], "W_ax": [[0.0]], "b_a": [0.0]}
    params = {name: np.array(value, dtype) for name, value in weights.items()}
    x, y = np.zeros((1, 1), dtype), np.full((1, 1), target, dtype)
    model = derive.load("vanilla")
    (in_c,) = compiled((codegen.emit(model, sizes, dtype, name="confident") for _ in range(1)), "quick")
    for net in (codegen.numpy_twin(model), in_c):
        loss, _ = net.loss_and_grad(params, x, y)
        assert loss == pytest.approx(np.log1p(np.exp(-z)), rel=1e-5 if dtype == "float32" else 1e-12)
