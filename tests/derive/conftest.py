"""What the tests of the parser and of the reader of model files share: a scope, and a file to change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chalkgrad.derive.cells.parse import Scope
from chalkgrad.derive.terms.algebra import Parameter, Symbol
from tests.derive import once

CELL = """
name  = "cell"
title = "A cell"

[sizes]
n_x = "input features"
n_a = "hidden units"
n_y = "outputs"

[inputs]
x = ["n_x"]

[states]
a = ["n_a"]

[parameters]
W_aa = ["n_a", "n_a"]
W_ax = ["n_a", "n_x"]
b_a  = ["n_a"]
s    = []
W_ya = ["n_y", "n_a"]

[functions]
g = ["tanh", "relu"]
h = ["sigmoid", "softmax", "identity"]

[equations]
z = "W_aa @ a[t-1] + W_ax @ x + b_a"
a = "s * g(z)"

[output]
u = "W_ya @ a"
yhat = "h(u)"

[loss]
kind = ["auto", "binary_cross_entropy", "cross_entropy", "squared_error"]
"""


@pytest.fixture
def judged_once() -> Iterator[None]:
    with once.judged_once():
        yield


@pytest.fixture
def scope() -> Scope:
    """x (n_x); the states a, not written yet, and v, both (n_a); r (n_a); s and k scalars."""
    n_x, n_a = "n_x", "n_a"
    matrices = (Parameter("W", (n_a, n_x)), Parameter("U", (n_a, n_a)))
    return Scope(
        file="cell.toml",
        equation="e",
        values={n: Symbol(n, shape) for n, shape in {"x": (n_x,), "v": (n_a,), "r": (n_a,), "s": ()}.items()},
        states={"a": Symbol("a", (n_a,)), "v": Symbol("v", (n_a,))},
        parameters={p.name: p for p in (*matrices, Parameter("b", (n_a,)), Parameter("k", ()))},
        functions={"g": "tanh", "h": "softmax", "same": "identity"},
        written={"v", "a", "e", "q"},
    )


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes CELL with replacements made, each of which has to apply exactly once."""

    def written(*changes: tuple[str, str], base: str = CELL) -> Path:
        for old, new in changes:
            assert base.count(old) == 1, old
            base = base.replace(old, new)
        path = tmp_path / "cell.toml"
        path.write_bytes(base.encode("utf-8", "surrogateescape"))
        return path

    return written
