"""Random cells, their equations read by Python itself and differentiated by PyTorch.

Python evaluates the very text: -W @ v, 0.5 * W @ v and U @ V @ v work on whole matrices there.
"""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import numpy as np
import pytest

from tests.oracle import load
from tests.oracle.tests.pytorch import NEEDED, torch

pytestmark = NEEDED

HEAD = """
[sizes]
n_x = "inputs"
n_a = "units"
[inputs]
x = ["n_x"]
[states]
a = ["n_a"]
d = ["n_x"]
[parameters]
W = ["n_a", "n_x"]
V = ["n_a", "n_x"]
U = ["n_a", "n_a"]
b = ["n_a"]
c = ["n_x"]
s = []
[equations]
"""
SIZES = {"n_x": 3, "n_a": 4}
PARAMETERS = {"W": (4, 3), "V": (4, 3), "U": (4, 4), "b": (4,), "c": (3,), "s": ()}
OF_TORCH = "tanh sigmoid relu exp log sqrt sin cos square sum mean"


@cache
def functions() -> dict[str, Any]:
    return {name: getattr(torch, name) for name in OF_TORCH.split()} | {
        "leaky_relu": torch.nn.functional.leaky_relu,
        "softplus": lambda v: torch.log1p(torch.exp(v)),
        "identity": lambda v: v,
        "softmax": lambda v: torch.softmax(v, 0),
    }


def of_tensor(function: Any) -> Any:
    """A function that takes the numbers of an equation too."""
    return lambda v: function(torch.as_tensor(v, dtype=torch.float64))


class Grammar:
    """Expressions of a shape, "n_a", "n_x" or "" for a scalar, from what has been written before."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.known = {"n_a": ["a[t-1]", "b"], "n_x": ["d[t-1]", "x", "c"], "": ["s", "2", "0.5", "-1.5"]}

    def matrix(self, shape: str) -> tuple[str, str]:
        """Text of a matrix on the left of @, and the shape of what it multiplies."""
        signed = self.random.choice(["", "-", "0.5 * ", "-2 * ", "s * "])
        if shape == "n_x":
            return f"{signed}{self.random.choice(['W.T', 'V.T', '(W - V).T'])}", "n_a"
        return self.random.choice(
            [
                (f"{signed}W", "n_x"),
                (f"{signed}U @ V", "n_x"),
                (f"{signed}U.T", "n_a"),
                (f"{signed}(W + V / 3)", "n_x"),
            ]
        )

    def expr(self, shape: str, depth: int) -> str:
        if depth == 0:
            return self.random.choice(self.known[shape])
        one = self.expr(shape, depth - 1)
        kinds = ["sum", "product", "quotient", "function", "bounded", "power"]
        match self.random.choice([*kinds, "matrix", "matrix", "softmax"] if shape else [*kinds, "total"]):
            case "sum":
                other = self.expr(self.random.choice([shape, ""]), depth - 1)
                return f"({one} {self.random.choice('+-')} {other})"
            case "product":
                other = self.expr(self.random.choice([shape, ""]), depth - 1)
                return f"({other}) * ({one})"
            case "quotient":
                return f"{one} / (2 + square({self.expr(shape, depth - 1)}))"
            case "power":
                return f"(1 + square({one})) ** {self.random.choice(['-1', '0.5', '(-3 / 2)', '2'])}"
            case "bounded":
                outer, inner = self.random.choice(["exp", "log", "sqrt"]), self.random.choice(["sin", "tanh"])
                return f"{outer}(1.5 + {inner}({one}))"
            case "function":
                names = ["tanh", "sigmoid", "relu", "leaky_relu", "softplus", "sin", "cos", "identity"]
                return f"{self.random.choice(names)}({one})"
            case "softmax":
                return f"softmax(tanh({one}))"
            case "total":
                vector = self.expr(self.random.choice(["n_a", "n_x"]), depth - 1)
                return f"{self.random.choice(['sum', 'mean'])}({vector})"
        matrix, inner = self.matrix(shape)
        return f"({matrix} @ {self.random.choice(self.known[inner])} - {one})"

    def equations(self) -> dict[str, str]:
        found = {}
        for name, shape in (("k", "n_a"), ("q", ""), ("a", "n_a"), ("r", "n_x"), ("d", "n_x")):
            text = self.expr(shape, 3)
            found[name] = f"tanh({text})" if name in ("a", "d") else text
            self.known[shape].append(name)
        return found


@pytest.mark.parametrize("seed", range(30))
def test_random_cell(seed: int) -> None:
    equations = Grammar(seed).equations()
    text = HEAD + "".join(f'{name} = "{value}"\n' for name, value in equations.items())
    net = load(text + '[output]\nyhat = "sigmoid(W @ d - a)"\n')
    rng = np.random.default_rng(seed)
    params = {name: 0.5 * rng.normal(size=shape) for name, shape in PARAMETERS.items()}
    x, dyhat = rng.normal(size=(3, 1, 3)), rng.normal(size=(3, 1, 4))
    initial = {"a": rng.normal(size=(1, 4)), "d": rng.normal(size=(1, 3))}
    result = net.run(SIZES, params, x, initial=initial, dyhat=dyhat)
    if result.kink < 1e-12:
        pytest.skip("at a kink")

    values = params | {"x": x[:, 0], "a0": initial["a"][0], "d0": initial["d"][0]}
    leaf = {n: torch.tensor(v, dtype=torch.float64, requires_grad=True) for n, v in values.items()}
    scope: dict[str, Any] = {n: of_tensor(f) for n, f in functions().items()} | leaf
    scope |= {"a_": leaf["a0"], "d_": leaf["d0"]}
    total = torch.zeros((), dtype=torch.float64)
    for t in range(3):
        scope["x"] = leaf["x"][t]
        for name, value in equations.items():
            code = value.replace("a[t-1]", "a_").replace("d[t-1]", "d_")
            scope[name] = eval(code, {"__builtins__": {}}, scope) + torch.zeros((), dtype=torch.float64)
        total = total + (torch.tensor(dyhat[t, 0]) * torch.sigmoid(leaf["W"] @ scope["d"] - scope["a"])).sum()
        scope["a_"], scope["d_"] = scope["a"], scope["d"]
        assert result.states["a"][t, 0] == pytest.approx(scope["a"].detach().numpy(), rel=1e-9, abs=1e-12)
    found = torch.autograd.grad(total, list(leaf.values()), allow_unused=True)
    for name, value in zip(leaf, found, strict=True):
        ours = result.vjp[name].reshape(values[name].shape)
        theirs = np.zeros(ours.shape) if value is None else value.numpy()
        assert np.linalg.norm(ours - theirs) <= 1e-10 * np.linalg.norm(theirs) + 1e-13, name
