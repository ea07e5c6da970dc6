"""The forward pass against loops in NumPy, written for each architecture, one example after another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.oracle import OracleError, load
from tests.oracle.cases import random_call
from tests.oracle.network import Result


def cell(p: dict[str, Any], prefix: str, a: Any, x: Any) -> Any:
    return np.tanh(p[f"{prefix}W_aa"] @ a + p[f"{prefix}W_ax"] @ x + p[f"{prefix}b_a"])


def output(p: dict[str, Any], prefix: str, a: Any) -> Any:
    return 1 / (1 + np.exp(-p[f"{prefix}W_ya"] @ a - p[f"{prefix}b_y"]))


def entropy(yhat: Any, y: Any) -> float:
    return float(-(y * np.log(yhat) + (1 - y) * np.log(1 - yhat)).sum())


def agree(result: Result, b: int, states: list[Any], yhat: dict[int, Any]) -> None:
    """States at all steps; yhat at its own, 0 elsewhere."""
    assert result.states["a"][:, b] == pytest.approx(np.array(states), rel=1e-13)
    assert result.yhat is not None
    for t, row in enumerate(result.yhat[:, b]):
        assert row == pytest.approx(yhat.get(t, np.zeros(len(row))), rel=1e-13)


@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("architecture", ["one-to-one", "many-to-many", "many-to-one"])
def test_from_inputs(architecture: str, lengths: bool) -> None:
    sizes, call = random_call(load("vanilla", architecture), lengths=lengths)
    result = load("vanilla", architecture).run(sizes, **call)
    p, loss = call["params"], 0.0
    for b in range(2):
        n = call["lengths"][b] if lengths else len(call["x"])
        a, states = call["initial"]["a"][b], []
        for t in range(n):
            a = cell(p, "", a, call["x"][t, b])
            states.append(a)
        states += [a] * (len(call["x"]) - n)
        if architecture == "many-to-one":
            yhat = {0: output(p, "", a)}
        else:
            yhat = {t: output(p, "", states[t]) for t in range(n)}
        agree(result, b, states, yhat)
        loss += sum(entropy(v, call["y"][t, b]) for t, v in yhat.items())
    assert result.loss == pytest.approx(loss, rel=1e-13)


@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("feed", ["none", "output", "target"])
def test_one_to_many(feed: str, lengths: bool) -> None:
    net = load("vanilla", "one-to-many", feed)
    sizes, call = random_call(net, lengths=lengths)
    result = net.run(sizes, **call)
    p, T, loss = call["params"], len(call["y"]), 0.0
    for b in range(2):
        a, x, states, yhat = call["initial"]["a"][b], call["x"][0, b], [], {}
        for t in range(call["lengths"][b] if lengths else T):
            a = cell(p, "", a, x)
            states.append(a)
            yhat[t] = output(p, "", a)
            loss += entropy(yhat[t], call["y"][t, b])
            x = {"none": np.zeros(sizes["n_x"]), "output": yhat[t], "target": call["y"][t, b]}[feed]
        agree(result, b, states + [a] * (T - len(states)), yhat)
    assert result.loss == pytest.approx(loss, rel=1e-13)


@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("feed", ["none", "output", "target"])
def test_encoder_decoder(feed: str, lengths: bool) -> None:
    net = load("vanilla", "encoder-decoder", feed)
    sizes, call = random_call(net, lengths=lengths)
    result = net.run(sizes, **call)
    p, T_x, T_y, loss = call["params"], len(call["x"]), len(call["y"]), 0.0
    ends = call["lengths"] if lengths else ([T_x, T_x], [T_y, T_y])
    for b in range(2):
        a, states, yhat = call["initial"]["a"][b], [], {}
        for t in range(ends[0][b]):
            a = cell(p, "enc_", a, call["x"][t, b])
            states.append(a)
        states += [a] * (T_x - len(states))
        x = np.zeros(sizes["n_x" if feed == "none" else "n_y"])
        for t in range(ends[1][b]):
            a = cell(p, "dec_", a, x)
            states.append(a)
            yhat[t] = output(p, "dec_", a)
            loss += entropy(yhat[t], call["y"][t, b])
            x = {"none": x, "output": yhat[t], "target": call["y"][t, b]}[feed]
        agree(result, b, states + [a] * (T_x + T_y - len(states)), yhat)
    assert result.loss == pytest.approx(loss, rel=1e-13)


def test_one_length_of_a_pair() -> None:
    net = load("vanilla", "encoder-decoder", "output")
    sizes, call = random_call(net, lengths=True)
    both = net.run(sizes, **call)
    T_x, T_y = len(call["x"]), len(call["y"])
    ones = {"lengths": (None, call["lengths"][1])}
    same = net.run(sizes, **(call | {"lengths": ([T_x, T_x], call["lengths"][1])}))
    assert net.run(sizes, **(call | ones)).loss == same.loss != both.loss
    assert (
        net.run(sizes, **(call | {"lengths": (None, None)})).loss
        == net.run(sizes, **(call | {"lengths": ([T_x, T_x], [T_y, T_y])})).loss
    )
    with pytest.raises(OracleError, match="pair"):
        net.run(sizes, **(call | {"lengths": [1, 1, 1]}))


def test_gru_by_hand() -> None:
    """Reset before the product, and after it; two layers, the second of which reads the first at t."""
    for model in ("gru", "gru_reset_after", "vanilla_stacked"):
        net = load(model, h="softmax")
        sizes, call = random_call(net, lengths=False, seed=5)
        result = net.run(sizes, **call)
        p, loss = call["params"], 0.0
        for b in range(2):
            a, d = (call["initial"].get(s, call["initial"]["a"])[b] for s in ("a", "d"))
            for t, x in enumerate(call["x"][:, b]):
                if model == "vanilla_stacked":
                    a = cell(p, "", a, x)
                    d = np.tanh(p["W_dd"] @ d + p["W_da"] @ a + p["b_d"])
                else:
                    z, r = (
                        1 / (1 + np.exp(-p[f"W_{v}a"] @ a - p[f"W_{v}x"] @ x - p[f"b_{v}"]))
                        for v in ("z", "r")
                    )
                    inner = p["W_ka"] @ (r * a) if model == "gru" else r * (p["W_ka"] @ a + p["c_k"])
                    a = (1 - z) * np.tanh(inner + p["W_kx"] @ x + p["b_k"]) + z * a
                    d = a
                e = np.exp(p["W_ya"] @ d + p["b_y"])
                loss -= float((call["y"][t, b] * np.log(e / e.sum())).sum())
            assert result.states["a"][-1, b] == pytest.approx(a, rel=1e-13)
        assert result.loss == pytest.approx(loss, rel=1e-13)


def test_an_output_of_no_axis_and_none_at_all() -> None:
    text = (
        '[sizes]\nn = "units"\n[inputs]\nx = ["n"]\n[states]\na = ["n"]\n'
        '[parameters]\nidle = ["n", "n"]\nw = ["n"]\n[equations]\na = "x - a[t-1]"\n'
    )
    x, w = np.arange(12.0).reshape(3, 2, 2), np.array([0.5, -2.0])
    net = load(text + '[output]\nyhat = "sum(w * a)"\n')
    result = net.run({"n": 2}, {"w": w}, x, np.ones((3, 2)), dyhat=np.ones((3, 2)))
    a = np.array([x[0], x[1] - x[0], x[2] - x[1] + x[0]])
    assert (net.yhat, net.loss) == ((), "squared_error")
    assert result.yhat is not None
    assert np.array_equal(result.yhat, a @ w)
    assert result.loss == ((a @ w - 1) ** 2).sum() / 2
    assert np.array_equal(result.vjp["w"], a.sum((0, 1)))
    assert not result.gradients["idle"].any()
    bare = load(text)
    only = bare.run({"n": 2}, {"w": w}, x, dstates={"a": np.ones((3, 2, 2))})
    assert (only.loss, only.yhat, only.gradients, bare.loss) == (None, None, {}, None)
    assert only.vjp["x"][:, 0, 0].tolist() == [1.0, 0.0, 1.0]
    both = load(text, "encoder-decoder")
    assert {"enc_idle", "dec_idle", "enc_w", "dec_w"} == set(both.parameters)


def test_sizes_that_a_feed_makes_equal() -> None:
    net = load("vanilla", "one-to-many", "output")
    sizes, call = random_call(net, lengths=True)
    result = net.run(sizes, **call)
    for name in ("n_x", "n_y"):
        one = {n: size for n, size in sizes.items() if n != name}
        assert net.run(one, **call).loss == result.loss
    with pytest.raises(OracleError, match="n_x = n_y"):
        net.run(sizes | {"n_y": 7}, **call)
    text = (
        '[sizes]\nn = "inputs"\nm = "outputs"\n[inputs]\nx = ["n"]\n[states]\na = ["n"]\n'
        '[parameters]\nU = ["m", "n"]\n[equations]\na = "x - a[t-1]"\n[output]\nyhat = "U @ a"\n'
    )
    residual = load(text, "encoder-decoder", "output")
    assert residual.parameters == {"dec_U": ("m", "m")}
    x = np.ones((2, 1, 2))
    assert residual.run({"n": 2, "m": 2}, {"dec_U": np.eye(2)}, x, steps=2).yhat is not None
    with pytest.raises(OracleError, match="n = m"):
        residual.run({"n": 2, "m": 3}, {}, x, steps=2)
