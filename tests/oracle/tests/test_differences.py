"""Gradients against central differences of the oracle's own forward pass, along random directions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.oracle import load
from tests.oracle.balls import ELEMENTARY, ZERO
from tests.oracle.cases import random_call
from tests.oracle.network import Network, Result
from tests.oracle.nodes import Balls, Node
from tests.oracle.tape import PULL, Tape

ROADS = [
    ("one-to-one", "none"),
    ("many-to-many", "none"),
    ("many-to-one", "none"),
    *((a, feed) for a in ("one-to-many", "encoder-decoder") for feed in ("none", "output", "target")),
]
STEP = 2.0**-14


def moved(call: dict[str, Any], direction: dict[str, np.ndarray], net: Network, by: float) -> dict[str, Any]:
    """The call with parameters, x and initial states moved along a direction."""
    initial = {n: v + by * direction[f"{n}0"] for n, v in call["initial"].items()}
    params = {n: v + by * direction[n] for n, v in call["params"].items()}
    return call | {"params": params, "initial": initial, "x": call["x"] + by * direction["x"]}


def outside(result: Result, call: dict[str, Any]) -> float:
    """<dyhat, yhat> + <dstates, states>; yhat is 0 behind an end, states there are held."""
    total = sum(float((call["dstates"][n] * v).sum()) for n, v in result.states.items())
    if result.yhat is not None:
        total += float((call["dyhat"] * result.yhat).sum())
    return total


def check(net: Network, *, lengths: bool, seed: int = 0) -> None:
    """Differences of fourth order, off by h^4 = 1.4e-17 times a fifth derivative, and rounding / h."""
    sizes, call = random_call(net, lengths=lengths, seed=seed)
    result = net.run(sizes, **call)
    assert result.defined
    assert result.kink > 1e-2
    rng = np.random.default_rng(seed + 100)
    direction = {n: rng.normal(size=g.shape) for n, g in result.vjp.items()}
    along = {by: net.run(sizes, **moved(call, direction, net, by * STEP)) for by in (-2, -1, 1, 2)}

    def slope(value: Any) -> float:
        v = {by: value(r) for by, r in along.items()}
        return float((8 * (v[1] - v[-1]) - (v[2] - v[-2])) / (12 * STEP))

    names = set(direction)
    assert set(result.vjp) == names
    expected = sum(float((result.vjp[n] * direction[n]).sum()) for n in names)
    assert slope(lambda r: outside(r, call)) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    if net.loss is None:
        assert result.loss is None
        assert result.gradients == {}
    else:
        expected = sum(float((result.gradients[n] * direction[n]).sum()) for n in names)
        assert slope(lambda r: r.loss) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize(("architecture", "feed"), ROADS)
@pytest.mark.parametrize("model", ["vanilla", "lstm"])
def test_every_architecture(model: str, architecture: str, feed: str, lengths: bool) -> None:
    check(load(model, architecture, feed), lengths=lengths)


@pytest.mark.parametrize("model", ["gru", "gru_reset_after", "vanilla_stacked"])
@pytest.mark.parametrize(
    ("h", "loss"),
    [
        *((h, loss) for h in ("sigmoid", "softmax") for loss in ("binary_cross_entropy", "cross_entropy")),
        *((h, "squared_error") for h in ("sigmoid", "softmax", "identity")),
    ],
)
def test_every_loss(model: str, h: str, loss: str) -> None:
    check(load(model, loss=loss, h=h), lengths=True)


EVERYTHING = """
[sizes]
n_x = "inputs"
n_a = "units"
n_y = "outputs"
[inputs]
x = ["n_x"]
[states]
a = ["n_a"]
[parameters]
W = ["n_a", "n_x"]
V = ["n_x", "n_a"]
U = ["n_y", "n_a"]
b = ["n_a"]
s = []
[equations]
p = "softmax(V.T @ x) / (1.5 + sin(b)) - mean(b) * cos(s)"
q = "sqrt(1 + square(a[t-1])) ** -1.5 + exp(-tanh(W @ x)) * sigmoid(b)"
a = "log(2 + softplus(p)) * q - leaky_relu(q - 5) / (2 + relu(s + 3)) + sum(p)"
[output]
yhat = "sigmoid(U @ a)"
"""


@pytest.mark.parametrize("architecture", ["many-to-many", "many-to-one"])
def test_every_operation(architecture: str) -> None:
    check(load(EVERYTHING, architecture), lengths=True)


def wrong_pull(tape: Tape, node: Node, cotangent: Balls) -> None:
    """What a rule that forgets to be linear with slope 1 in its cotangent does."""
    for a in node.args:
        a.receive([cotangent[0] * 1.001] * len(a.value))


@pytest.mark.parametrize("op", sorted(PULL))
def test_a_wrong_pull_back_is_noticed(op: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PULL, op, wrong_pull)
    with pytest.raises(AssertionError):
        check(load(EVERYTHING), lengths=True)


@pytest.mark.parametrize("name", sorted(ELEMENTARY))
def test_a_wrong_slope_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    value, slope = ELEMENTARY[name]
    monkeypatch.setitem(ELEMENTARY, name, (value, lambda x, v: 1.001 * (slope(x, v) or ZERO)))
    with pytest.raises(AssertionError):
        check(load(EVERYTHING), lengths=True)
