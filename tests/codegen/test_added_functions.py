"""A function costs a record and, where it is not made of others, a row: then cells that call it work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from chalkgrad import codegen, derive
from chalkgrad.codegen.c import library as c_library
from tests.adding import RECORDS, added
from tests.chosen import some

CELL = """
name = "added"
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
b = ["n_a"]
[functions]
f = ["silu", "atan"]
[equations]
z = "W @ a[t-1] + U @ x"
a = "atan(z) + hypot(z, b) * f(z) - maximum(z - b, 0.2)"
[output]
yhat = "a"
"""
SIZES = {"n_x": 2, "n_a": 3}


@pytest.fixture
def cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in RECORDS:
        added(monkeypatch, name)
    (tmp_path / "added.toml").write_text(CELL)
    yield tmp_path / "added.toml"
    c_library._pieces.cache_clear()


def numbers(batch: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(batch)
    shapes = {"W": (3, 3), "U": (3, 2), "b": (3,)}
    parameters = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    return parameters, rng.normal(size=(2, batch, 2)), rng.normal(size=(2, batch, 3))


@pytest.mark.parametrize("steps", some([None, 2], lambda steps: steps is None))
def test_c_and_twin_give_the_derivative(cell: Path, steps: int | None) -> None:
    derivation = derive.bptt(derive.load(cell, loss="squared_error"))
    twin, network = codegen.numpy_twin(derivation), codegen.build(derivation, sizes=SIZES, T=steps)
    for batch in (1, 21):
        parameters, x, y = numbers(batch)
        (loss, gradients), (due, dues) = (n.loss_and_grad(parameters, x, y) for n in (network, twin))
        np.testing.assert_allclose(loss, due, rtol=1e-13)
        for name, gradient in gradients.items():
            np.testing.assert_allclose(gradient, dues[name], rtol=1e-11, atol=1e-12)
            direction = np.random.default_rng(1).normal(size=gradient.shape)
            ahead, behind = (
                twin.loss_and_grad(parameters | {name: parameters[name] + sign * 1e-6 * direction}, x, y)[0]
                for sign in (1, -1)
            )
            np.testing.assert_allclose((ahead - behind) / 2e-6, (gradient * direction).sum(), rtol=1e-6)


def test_the_derivation_is_proved_and_checked(cell: Path) -> None:
    model = derive.load(cell, loss="squared_error")
    assert "every gradient is right" in str(derive.prove(model))
    product = r"\operatorname{hypot}(z^{<t>}, b) \ast \operatorname{SiLU}(z^{<t>})"
    assert derive.check(
        model, rf"a^{{<t>}} = \arctan(z^{{<t>}}) + {product} - \max(z^{{<t>}} - b, 0.2)"
    ).correct
    assert derive.check(model, "a[t] = arctan(z[t]) + hypot(z[t], b) * f(z[t]) - max(z[t] - b, 0.2)").correct
    assert not derive.check(model, "a[t] = atan(z[t]) + hypot(z[t], b) * f(z[t]) - max(b, 0.2)").correct
    for wrong in ("hypot(z[t])", "hypot'(z[t], b)", "atan(z[t], b)", r"\max z"):
        with pytest.raises(derive.FormulaError):
            derive.check(model, f"a[t] = {wrong}")


def test_documents_say_what_a_function_means(cell: Path) -> None:
    derivation = derive.bptt(derive.load(cell, loss="squared_error"))
    text = " ".join(derive.document(derivation, format="text", level="exam").split())
    assert "SiLU(z) is z σ(z)." in text
    assert "max(u, v) is {v if u ≤ v; u otherwise}." in text


@pytest.mark.parametrize(
    ("call", "column", "expected", "found"),
    [
        ("hypot(z)", 1, "2 arguments of 'hypot'", "1"),
        ("atan(z, b)", 1, "one argument of 'atan'", "2"),
        ("hypot(z, x)", 10, "a vector (n_a) or a scalar", "a vector (n_x)"),
        ("hypot(W, z)", 7, "a vector or a scalar in 'hypot'", "a matrix (n_a, n_a)"),
    ],
)
def test_a_wrong_call_is_pointed_at(cell: Path, call: str, column: int, expected: str, found: str) -> None:
    text = CELL.replace('a = "atan(z) + hypot(z, b) * f(z) - maximum(z - b, 0.2)"', f'a = "{call}"')
    cell.write_text(text)
    with pytest.raises(derive.ModelFileError) as raised:
        derive.load(cell)
    assert (raised.value.column, raised.value.expected, raised.value.found) == (column, expected, found)
