"""What is agreed rather than derived: kinks, weights of 0, held states, padding, and numbers at the edge."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.oracle import OracleError, load
from tests.oracle.cases import random_call

HEAD = """
[sizes]
n_x = "inputs"
n_a = "units"
[inputs]
x = ["n_x"]
[states]
a = ["n_a"]
"""
ALIKE = HEAD.replace('a = ["n_a"]', 'a = ["n_x"]')


def one_step(
    yhat: str, z: list[float], y: list[float] | None = None, loss: str = "auto", *, b: Any = 0.0, **more: Any
) -> Any:
    """The network whose state is x = z and whose output is an expression in a, and in a parameter b."""
    net = load(
        f'{ALIKE}[parameters]\nb = ["n_x"]\n[equations]\na = "x"\n[output]\nyhat = "{yhat}"\n', loss=loss
    )
    target = None if y is None else np.array([[y]])
    return net.run({"n_x": len(z)}, {"b": b + np.zeros(len(z))}, np.array([[z]]), target, **more)


@pytest.mark.parametrize(("function", "below"), [("relu", 0.0), ("leaky_relu", 0.01)])
def test_slopes_at_and_below_a_kink(function: str, below: float) -> None:
    result = one_step(f"{function}(a)", [-2.0, 0.0, 3.0], dyhat=np.ones((1, 1, 3)))
    assert result.vjp["x"].ravel().tolist() == [below, below, 1.0]
    assert result.yhat.ravel().tolist() == [-2 * below, 0.0, 3.0]


def test_a_kink_selects() -> None:
    """sqrt has an infinite slope at 0, where relu leaves nothing of it."""
    result = one_step("sqrt(relu(a))", [-1.0, 4.0], dyhat=np.ones((1, 1, 2)))
    assert result.defined
    assert result.vjp["x"].ravel().tolist() == [0.0, 0.25]
    broken = one_step("relu(a)", [-1.0, 4.0], dyhat=np.array([[[np.nan, 1.0]]]))
    assert broken.vjp["x"].ravel().tolist() == [0.0, 1.0]


def test_nan_passes_forward() -> None:
    result = one_step("relu(a)", [np.nan, 1.0])
    assert not result.defined
    assert np.isnan(result.yhat[0, 0, 0])
    assert result.yhat[0, 0, 1] == 1.0


def test_kink_is_relative_to_the_terms() -> None:
    """1e6 + 1 - 1e6 is 1 from its kink, 5e-7 of what it is made of."""
    assert one_step("relu(a + 1 - 1e6)", [1e6]).kink == pytest.approx(1 / (2e6 + 1))
    assert one_step("tanh(a)", [0.0]).kink == np.inf
    assert one_step("relu(a)", [1.0, -3.0]).kink == 1.0
    assert one_step("relu(a - a)", [1.0]).kink == 0.0
    assert one_step("relu(a)", [0.0]).kink == np.inf  # nothing but zeros: no rounding moves it


def test_weight_zero_counts_nothing() -> None:
    z, b = [1.0, 2.0, 5.0], [0.0, 0.0, -np.inf]
    result = one_step("softmax(a + b)", z, [1.0, 0.0, 0.0], b=b)
    assert result.loss == pytest.approx(1.313261687518223, rel=1e-15)
    assert result.defined
    assert result.gradients["x"].ravel() == pytest.approx([-0.7310585786300049, 0.7310585786300049, 0.0])
    binary = one_step("sigmoid(b + a)", [1.0, 1.0, 0.0], [0.0, 1.0, 0.5], b=[-np.inf, np.inf, 0.0])
    assert binary.loss == pytest.approx(np.log(2))
    assert binary.defined
    assert binary.gradients["x"].ravel().tolist() == [0.0, 0.0, 0.0]
    exact = one_step("relu(a)", [-1.0, 0.5], [0.0, 1.0], "cross_entropy")
    assert exact.loss == pytest.approx(np.log(2))
    assert exact.gradients["x"].ravel().tolist() == [0.0, -2.0]
    assert not one_step("softmax(a + b)", z, [1.0, 0.0, 0.5], b=b).defined


@pytest.mark.parametrize("z", [30.0, 800.0, 1e4, 1e15, 1e300])
def test_saturated_outputs(z: float) -> None:
    """Far out, -log(1 - sigmoid(z)) = z, with slope 1, and so for softmax, though 1 - yhat rounds to 0."""
    hard = one_step("sigmoid(a)", [z], [0.0])
    assert hard.loss == pytest.approx(z, rel=1e-13)
    assert hard.gradients["x"].item() == pytest.approx(1)
    assert one_step("1 - sigmoid(a)", [-z], [0.0]).loss == pytest.approx(z, rel=1e-13)
    soft = one_step("softmax(a)", [z, 0.0], [0.0, 1.0], "binary_cross_entropy")
    assert soft.loss == pytest.approx(2 * z, rel=1e-13)
    assert soft.gradients["x"].ravel() == pytest.approx([2, -2])


@pytest.mark.parametrize("z", [-300.0, -3.0, 0.1, 30.0, 300.0, 4000.0])
@pytest.mark.parametrize(("kind", "y"), [("binary_cross_entropy", 0.25), ("cross_entropy", 0.75)])
def test_complement_is_one_minus(z: float, kind: str, y: float) -> None:
    """A sigmoid written out, whose complement is not known, gives the same bits with more precision."""
    known = one_step("sigmoid(a)", [z], [y], kind)
    written = one_step("1 / (1 + exp(-a))", [z], [y], kind)
    assert known.loss == written.loss
    assert known.gradients["x"] == written.gradients["x"]


def test_zero_by_cancellation_is_zero() -> None:
    """A softmax of one component is 1 whatever it is of, and p - p is 0."""
    result = one_step("softmax(a)", [0.3], [1.0])
    assert result.loss == 0.0
    assert result.gradients["x"].item() == 0.0


@pytest.mark.parametrize(
    "yhat", ["log(a)", "1 / a", "a ** -1", "sqrt(a - 1)", "log(a) * 0", "(a - 1) ** 0.5"]
)
def test_outside_a_domain(yhat: str) -> None:
    assert not one_step(yhat, [0.0]).defined
    assert one_step(yhat, [2.0]).defined


def test_what_cannot_be_decided_is_not_defined() -> None:
    """exp(tanh) / exp(tanh) - 1 is 0, but no ball of any precision is."""
    assert not one_step("log(exp(tanh(a)) / exp(tanh(a)) - 1)", [0.3]).defined


def test_cotangent_of_a_held_state() -> None:
    """One-to-many, lengths [1, 3]: what arrives at step 3 of the first example belongs to its step 1."""
    net = load(
        f'{HEAD}[parameters]\nU = ["n_a", "n_x"]\n[equations]\na = "tanh(U @ x)"\n',
        architecture="one-to-many",
    )
    rng = np.random.default_rng(1)
    x, U, cotangent = rng.normal(size=(1, 2, 2)), rng.normal(size=(2, 2)), rng.normal(size=2)
    dstates = np.zeros((3, 2, 2))
    dstates[2, 0] = cotangent
    result = net.run({"n_x": 2, "n_a": 2}, {"U": U}, x, lengths=[1, 3], dstates={"a": dstates})
    a = np.tanh(U @ x[0, 0])
    delta = (1 - a**2) * cotangent
    assert result.states["a"][:, 0] == pytest.approx(np.array([a, a, a]))
    assert result.states["a"][1:, 1].tolist() == [[0.0, 0.0]] * 2
    assert result.vjp["U"] == pytest.approx(np.outer(delta, x[0, 0]))
    assert result.vjp["x"][0] == pytest.approx(np.array([U.T @ delta, [0.0, 0.0]]))


@pytest.mark.parametrize("architecture", ["many-to-many", "many-to-one", "encoder-decoder", "one-to-many"])
def test_padding_is_never_read(architecture: str) -> None:
    feed = "target" if architecture in ("encoder-decoder", "one-to-many") else "none"
    net = load("lstm", architecture, feed)
    sizes, call = random_call(net, lengths=True)
    plain = net.run(sizes, **call)
    ends = call["lengths"] if architecture == "encoder-decoder" else (call["lengths"],) * 2
    for name, end in zip(("x", "y", "dyhat"), (ends[0], ends[1], ends[1]), strict=True):
        padded = call[name].copy()
        for b, n in enumerate(end):
            padded[n:, b] = np.nan
        call[name] = padded
    result = net.run(sizes, **call)
    assert result.defined
    assert result.loss == plain.loss
    assert result.yhat is not None
    for b, n in enumerate(ends[1]):
        assert not result.yhat[n:, b].any()
    for name, value in plain.gradients.items():
        assert np.array_equal(result.gradients[name], value), name
        assert np.array_equal(result.vjp[name], plain.vjp[name]), name


def test_many_to_one_reads_the_own_last_step() -> None:
    """An output may read the cell's intermediates of that step, and a[t-1]."""
    text = f'{ALIKE}[equations]\nk = "tanh(x)"\na = "k + 0.5 * a[t-1]"\n[output]\nyhat = "a[t-1] + k"\n'
    net = load(text, architecture="many-to-one")
    x = np.array([[[0.3], [0.1]], [[0.2], [0.4]], [[0.7], [9.0]]])
    yhat = net.run({"n_x": 1}, {}, x, lengths=[3, 2]).yhat
    k = np.tanh(x)
    assert yhat is not None
    assert yhat[0, 0] == pytest.approx(k[1, 0] + 0.5 * k[0, 0] + k[2, 0])
    assert yhat[0, 1] == pytest.approx(k[0, 1] + k[1, 1])


def test_what_is_not_given_is_zero() -> None:
    net = load("vanilla")
    sizes, call = random_call(net)
    del call["params"]["b_a"]
    call |= {"initial": {}, "dyhat": None, "dstates": None}
    zeros = {"b_a": np.zeros(sizes["n_a"])}
    result = net.run(sizes, **call)
    full = net.run(sizes, **(call | {"params": call["params"] | zeros}))
    assert result.loss == full.loss
    assert np.array_equal(result.gradients["b_a"], full.gradients["b_a"])
    assert not any(v.any() for v in result.vjp.values())
    assert net.run(sizes, **(call | {"y": None})).gradients == {}


def test_calls_that_do_not_fit() -> None:
    net = load("vanilla", "one-to-many")
    sizes, call = random_call(net)
    for wrong in (
        {"x": call["x"][0]},
        {"params": {"W": 1.0}},
        {"lengths": [0, 1]},
        {"steps": 2},
        {"y": call["y"][..., :1]},
    ):
        with pytest.raises(OracleError):
            net.run(sizes, **(call | wrong))
    with pytest.raises(OracleError, match="steps"):
        net.run(sizes, call["params"], call["x"])
