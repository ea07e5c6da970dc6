"""Against PyTorch's autograd, the networks written by hand: a vanilla cell, and an LSTM with lengths."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.oracle import load
from tests.oracle.cases import random_call
from tests.oracle.tests.pytorch import NEEDED, torch

pytestmark = NEEDED


def leaves(call: dict[str, Any]) -> dict[str, Any]:
    values = dict(call["params"]) | {"x": call["x"]} | {f"{n}0": v for n, v in call["initial"].items()}
    return {n: torch.tensor(v, dtype=torch.float64, requires_grad=True) for n, v in values.items()}


def agree(gradients: dict[str, np.ndarray], objective: Any, leaf: dict[str, Any]) -> None:
    found = torch.autograd.grad(objective, list(leaf.values()), retain_graph=True)
    assert set(gradients) == set(leaf)
    for name, value in zip(leaf, found, strict=True):
        gap = np.linalg.norm(gradients[name] - value.numpy()) / np.linalg.norm(value.numpy())
        assert gap < 1e-13, name


@pytest.mark.parametrize("h", ["sigmoid", "softmax"])
@pytest.mark.parametrize("g", ["tanh", "relu"])
def test_vanilla(g: str, h: str) -> None:
    net = load("vanilla", g=g, h=h)
    sizes, call = random_call(net, lengths=False, seed=3)
    result = net.run(sizes, **call)
    p = leaves(call)
    a, loss, outside = p["a0"], torch.zeros(()), torch.zeros(())
    for t in range(len(call["x"])):
        a = getattr(torch, g)(a @ p["W_aa"].T + p["x"][t] @ p["W_ax"].T + p["b_a"])
        z = a @ p["W_ya"].T + p["b_y"]
        y = torch.tensor(call["y"][t])
        if h == "sigmoid":
            yhat = torch.sigmoid(z)
            loss = loss + torch.nn.functional.binary_cross_entropy_with_logits(z, y, reduction="sum")
        else:
            yhat = torch.softmax(z, 1)
            loss = loss - (y * torch.log_softmax(z, 1)).sum()
        outside = outside + (torch.tensor(call["dyhat"][t]) * yhat).sum()
        outside = outside + (torch.tensor(call["dstates"]["a"][t]) * a).sum()
    assert result.loss == pytest.approx(loss.item(), rel=1e-14)
    agree(result.gradients, loss, p)
    agree(result.vjp, outside, p)


def test_lstm_with_lengths() -> None:
    net = load("lstm", loss="squared_error", h="identity")
    sizes, call = random_call(net, lengths=True, seed=4)
    result = net.run(sizes, **call)
    p = leaves(call)
    a, c, loss, outside = p["a0"], p["c0"], torch.zeros(()), torch.zeros(())
    for t in range(len(call["x"])):

        def gate(v: str, a: Any = a, t: int = t) -> Any:
            return a @ p[f"W_{v}a"].T + p["x"][t] @ p[f"W_{v}x"].T + p[f"b_{v}"]

        live = torch.tensor([[t < n] for n in call["lengths"]])
        new = torch.sigmoid(gate("f")) * c + torch.sigmoid(gate("i")) * torch.tanh(gate("k"))
        a = torch.where(live, torch.sigmoid(gate("o")) * torch.tanh(new), a)
        c = torch.where(live, new, c)
        yhat = torch.where(live, a @ p["W_ya"].T + p["b_y"], 0.0)
        gap = torch.where(live, yhat - torch.tensor(call["y"][t]), 0.0)
        loss = loss + (gap * gap).sum() / 2
        outside = outside + (torch.tensor(call["dyhat"][t]) * yhat).sum()
        for name, state in (("a", a), ("c", c)):
            outside = outside + (torch.tensor(call["dstates"][name][t]) * state).sum()
            assert result.states[name][t] == pytest.approx(state.detach().numpy(), rel=1e-13)
    assert result.loss == pytest.approx(loss.item(), rel=1e-14)
    agree(result.gradients, loss, p)
    agree(result.vjp, outside, p)
