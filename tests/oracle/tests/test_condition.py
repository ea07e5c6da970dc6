"""The condition numbers where they are known."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracle import load
from tests.oracle.cases import random_call

HEAD = """
[sizes]
n = "units"
[inputs]
x = ["n"]
[states]
a = ["n"]
[equations]
"""


def measured(a: str, yhat: str, z: float, **more: object) -> dict[str, float]:
    net = load(f'{HEAD}a = "{a}"\n[output]\nyhat = "{yhat}"\n')
    return net.condition({"n": 1}, {}, np.array([[[z]]]), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("gap", [1e-2, 1e-5])
def test_cancellation(gap: float) -> None:
    """x - 1 near 1: the relative change of x, and of a that is stored, comes out 1 / gap times as large."""
    found = measured("x", "a - 1", 1 + gap)["forward yhat"]
    assert 0.5 / gap < found < 3 / gap


def test_well_conditioned() -> None:
    found = measured("0.5 * x", "2 * a", 0.3, dyhat=np.ones((1, 1, 1)))
    assert all(1 <= value < 6 for value in found.values())
    assert set(found) == {"forward yhat", "forward a", "vjp x", "vjp a0"}


def test_exponential() -> None:
    """exp(100) changes by 100 times the relative change of its argument."""
    found = measured("x", "exp(a)", 100.0)["forward yhat"]
    assert 50 < found < 400


def test_a_slope_from_the_stored_output() -> None:
    """tanh' = 1 - a^2 of a stored a, which is all but 1: 2 a^2 / (1 - a^2), 8 exp(2 z) / 4."""
    found = measured("tanh(x)", "a", 9.0, dyhat=np.ones((1, 1, 1)))
    assert 0.2 < found["vjp x"] / (np.exp(18) / 2) < 2
    assert found["forward yhat"] < 3


def test_a_folded_loss_reads_no_stored_output() -> None:
    """-log(1 - sigmoid(z)) at z = 30 is z; through a stored yhat its rounding would grow by 1e12."""
    found = measured("x", "sigmoid(a)", 30.0, y=np.zeros((1, 1, 1)))
    assert found["loss"] < 4
    assert found["x"] < 4
    tiny = measured("x", "sigmoid(a)", 20.0, y=np.ones((1, 1, 1)))
    assert 0.5 < tiny["x"] / np.exp(20) < 3  # yhat - y


def test_near_a_kink() -> None:
    """Within a nudge of its kink relu is a jump."""
    assert measured("x", "relu(a - 1)", 1 + 1e-13, dyhat=np.ones((1, 1, 1)))["vjp x"] > 1e11


def test_it_is_the_same_every_time() -> None:
    net = load("vanilla", "encoder-decoder", "output")
    sizes, call = random_call(net, lengths=True)
    found = net.condition(sizes, **call)
    assert found == net.condition(sizes, **call)
    gradients = [*net.parameters, "x", "a0"]
    assert set(found) == {"loss", "forward yhat", "forward a", *gradients, *(f"vjp {n}" for n in gradients)}
    assert all(1 <= value < 1e4 for value in found.values())
