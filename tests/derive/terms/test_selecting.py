"""A product with a choice selects, wherever numbers are put into a body."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sympy
from sympy import Piecewise

from chalkgrad import derive
from chalkgrad.derive.terms.algebra import arg
from chalkgrad.derive.terms.functions import leaky_relu, relu
from chalkgrad.derive.terms.selecting import selecting
from chalkgrad.derive.values.arrays import Arrays
from chalkgrad.derive.values.reals import Reals

ROOT = """
name = "root"
[sizes]
n_x = "inputs"
n_a = "units"
[inputs]
x = ["n_x"]
[states]
a = ["n_a"]
[parameters]
U = ["n_a", "n_x"]
[equations]
a = "sqrt(relu(U @ x + a[t-1]))"
[output]
yhat = "a"
"""
DELTA, Z = arg(0), arg(1)


@pytest.mark.parametrize("function, slope", [(relu, 0), (leaky_relu, sympy.Rational(1, 100))])
def test_the_slope_goes_into_the_branches(function: Callable[..., sympy.Expr], slope: sympy.Rational) -> None:
    pulled = selecting(DELTA * sympy.diff(function(Z), Z))
    assert pulled == Piecewise((slope * DELTA, Z <= 0), (DELTA, True))


def test_what_has_no_choice_stays_as_it_is() -> None:
    for body in (DELTA * (1 - Z**2), DELTA / Z, relu(Z), 2 * Piecewise((0, Z <= 0), (1, True)) - DELTA):
        assert selecting(body) == body


def test_two_choices_select_one_after_the_other() -> None:
    step = Piecewise((0, Z <= 0), (1, True))
    found = selecting(DELTA * step * Piecewise((0, arg(2) <= 0), (1, True)))
    for z, w, expected in [(-1, 1, 0), (1, -1, 0), (1, 1, DELTA), (-1, -1, 0)]:
        assert found.subs({Z: z, arg(2): w}) == expected


@pytest.mark.parametrize("infinite", [np.inf, -np.inf, np.nan])
def test_zero_goes_on_whatever_arrives(infinite: float) -> None:
    body = selecting(DELTA * sympy.diff(relu(Z), Z))
    numbers = Reals(20)
    number = numbers.context.mpf
    assert numbers.compile(body, 2)(number(infinite), number(-1)) == 0
    assert Arrays().compile(body, 2)(np.array([infinite]), np.array([0.0])) == 0
    assert not np.isfinite(float(numbers.compile(body, 2)(number(infinite), number(1))))


def test_a_root_of_what_relu_has_cut_off(tmp_path: Path) -> None:
    """√ has an infinite slope at 0, which does not count: ReLU′ is 0 there. Where v > 0 it does."""
    path = tmp_path / "root.toml"
    path.write_text(ROOT)
    model = derive.load(path)
    values = {"U": [[-1.0], [1.0]], "x": [[1.0], [0.5]], "y": [[0.3, 0.2], [0.1, 0.7]], "a0": [-0.5, 0.25]}
    found = derive.evaluate(model, values, sizes={"n_x": 1, "n_a": 2}, T=2)
    gradients = {name: np.asarray(array, float) for name, array in found.gradients.items()}
    a = np.sqrt(1.25)
    b = np.sqrt(0.5 + a)
    of_b = (b - 0.7) / (2 * b)
    of_a = ((a - 0.2) + of_b) / (2 * a)
    np.testing.assert_allclose(gradients["U"], [[0.0], [of_a + 0.5 * of_b]], rtol=1e-14)
    np.testing.assert_allclose(gradients["a0"], [0.0, of_a], rtol=1e-14)


def test_not_a_number_stays_one(tmp_path: Path) -> None:
    path = tmp_path / "root.toml"
    path.write_text(ROOT)
    values = {"U": [[1.0], [1.0]], "x": [[np.nan]], "y": [[0.0, 0.0]], "a0": [0.0, 0.0]}
    found = derive.evaluate(derive.load(path), values, sizes={"n_x": 1, "n_a": 2}, T=1)
    assert found.loss is not None and np.isnan(float(found.loss))
