"""The NumPy twin reads every size off the arrays of its call."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from chalkgrad import derive
from chalkgrad.codegen import ArgumentError, numpy_twin

INPUTS_ONLY = """
name = "inputs_only"
[sizes]
n_x = "input features"
n_a = "hidden units"
n_y = "outputs"
[inputs]
x = ["n_x"]
[states]
a = ["n_a"]
[parameters]
w = ["n_a"]
V = ["n_y", "n_x"]
[equations]
a = "tanh(w * sum(x) + a[t-1])"
[output]
yhat = "V @ x + mean(a)"
"""


def test_a_size_that_no_parameter_has(tmp_path: Path) -> None:
    """The decoder reads no input, so that V does not exist and only y tells n_y."""
    path = tmp_path / "inputs_only.toml"
    path.write_text(INPUTS_ONLY)
    twin = numpy_twin(derive.load(path, architecture="encoder-decoder"))
    params, x, y = {"enc_w": np.array([0.5, -0.2, 0.1])}, np.ones((2, 1, 2)), np.zeros((3, 1, 4))
    a = np.tanh(params["enc_w"] * 2 + np.tanh(params["enc_w"] * 2))
    states = np.stack([np.tanh(a), np.tanh(np.tanh(a)), np.tanh(np.tanh(np.tanh(a)))])

    loss, _ = twin.loss_and_grad(params, x, y)
    assert loss == pytest.approx(0.5 * 4 * np.sum(states.mean(axis=1) ** 2))
    with pytest.raises(ArgumentError, match="n_y, which no array of this call tells"):
        twin.forward(params, x, steps=3)
