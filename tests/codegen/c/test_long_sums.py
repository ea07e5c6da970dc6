"""Sums over many steps and examples lose no digits, whatever adds them up.

A few examples are repeated many times: the exact sums are those of the few, times that number.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from chalkgrad import derive
from chalkgrad.codegen import build, emit, numpy_twin
from chalkgrad.codegen.building.build import compile_sources
from chalkgrad.codegen.calling.network import Network
from chalkgrad.codegen.program.interface import Array
from tests import oracle
from tests.agreement.cases import TOLERANCE
from tests.agreement.reference import distances
from tests.chosen import some
from tests.promises import Promise

SIZES = {"n_x": 3, "n_a": 4, "n_y": 2}
FEW = 8
LONG = {"loops": (64, 10_000), "straight": (2, 100_000)}  # T, B
TARGETS = ("native", "portable", "twin")
EVERY = list(itertools.product(TARGETS, LONG, TOLERANCE, ("one", "both")))
FEW_SUMS = (  # float32 where everything is added up; every target, form and type
    ("native", "loops", "float32", "one"),
    ("portable", "straight", "float32", "one"),
    ("twin", "loops", "float32", "one"),
    ("native", "straight", "float64", "both"),
)


@dataclass(frozen=True)
class Call:
    params: Mapping[str, Array]
    x: Array
    y: Array
    dyhat: Array

    def examples(self, chosen: Any) -> Call:
        return Call(self.params, *(np.ascontiguousarray(a[:, chosen]) for a in (self.x, self.y, self.dyhat)))

    def run(self, network: Network) -> dict[str, Array]:
        loss, gradients = network.loss_and_grad(self.params, self.x, self.y)
        pulled = network.vjp(self.params, self.x, self.dyhat)
        found = {f"d {name}": value for name, value in gradients.items()}
        return {"loss": np.asarray(loss), **found, **{f"vjp {n}": v for n, v in pulled.items()}}


def few_examples(T: int, signs: str, dtype: str) -> Call:
    """signs: "one" if everything that is added up is positive, "both" if the inputs are normal."""
    rng = np.random.default_rng(7)
    shapes = numpy_twin(derive.load("vanilla")).interface.parameters
    params = {name: rng.standard_normal([SIZES[s] for s in shape]) / 2 for name, shape in shapes.items()}
    x, y = rng.standard_normal((T, FEW, 3)), rng.uniform(0, 1, (T, FEW, 2))
    if signs == "one":
        params, x, y = {name: abs(value) for name, value in params.items()}, np.ones_like(x), np.zeros_like(y)
    arrays = (a.astype(dtype) for a in (x, y, abs(rng.standard_normal((T, FEW, 2)))))
    return Call({name: value.astype(dtype) for name, value in params.items()}, *arrays)


@functools.cache
def exact(T: int, signs: str, dtype: str) -> dict[str, Array]:
    """What the oracle says of the few examples."""
    few = few_examples(T, signs, dtype)
    found = oracle.load("vanilla").run(SIZES, few.params, few.x, few.y, dyhat=few.dyhat)
    of_loss = {f"d {name}": found.gradients[name] for name in few.params}
    return {
        "loss": np.asarray(found.loss),
        **of_loss,
        **{f"vjp {name}": found.vjp[name] for name in few.params},
    }


@functools.cache
def network(form: str, dtype: str, target: str) -> Network:
    model = derive.load("vanilla")
    if target == "twin":
        return numpy_twin(model)
    return build(model, SIZES, dtype, T=2 if form == "straight" else None, target=target)


@pytest.mark.usefixtures("quick_calls")
@pytest.mark.parametrize("target, form, dtype, signs", some(EVERY, FEW_SUMS.__contains__))
def test_long_sums(target: str, form: str, dtype: str, signs: str, promise: Promise) -> None:
    T, B = LONG[form]
    many = few_examples(T, signs, dtype).examples(np.tile(np.arange(FEW), B // FEW))
    found = many.run(network(form, dtype, target))
    expected = {name: (B // FEW) * value for name, value in exact(T, signs, dtype).items()}
    off = distances(found, expected)
    promise.within(f"{dtype}: sums over up to 640,000 terms", TOLERANCE[dtype], off)


@pytest.mark.usefixtures("quick_calls")
def test_a_sum_is_the_same_for_any_number_of_threads() -> None:
    model = derive.load("vanilla")
    sizes = {
        "n_x": 11,
        "n_a": 12,
        "n_y": 13,
    }  # shorter than a vector of 16, longer than a thread's share of 8
    T, B = 32, 1_000
    rng = np.random.default_rng(3)
    results = []
    for threads in (1, 2, 3):
        net = build(model, sizes, "float32", threads=threads)
        if not results:
            params = {
                n: rng.standard_normal([sizes[s] for s in shape], np.float32) / 4
                for n, shape in net.interface.parameters.items()
            }
            x, y = (
                rng.standard_normal((T, B, 11), np.float32),
                rng.uniform(0, 1, (T, B, 13)).astype(np.float32),
            )
        results.append(net.loss_and_grad(params, x, y))
    for loss, gradients in results[1:]:
        assert loss == results[0][0]
        for name, gradient in gradients.items():
            np.testing.assert_array_equal(gradient, results[0][1][name])


@pytest.mark.usefixtures("quick_builds")
@pytest.mark.parametrize("name", some(["vanilla", "lstm"], "vanilla".__eq__))
def test_the_workspace_grows_no_faster_than_the_work(name: str) -> None:
    """`native` takes twice the need of a step of an example, times steps and examples, for enough."""
    model = derive.load(name)
    numbers = ((1, 1, 1, 1), (3, 40, 2, 30))
    sources = [
        emit(model, dict(zip(model.sizes, n, strict=False)), name=f"net{i}").source
        for i, n in enumerate(numbers)
    ]
    library: Any = compile_sources(sources).lib
    names = [f"net{i}_{f}_work" for i in range(2) for f in ("loss_and_grad", "forward", "vjp")]
    for work in (getattr(library, n) for n in names):
        for T, B in ((1, 2), (1, 8_192), (1, 8_193), (8_193, 1), (91, 91), (64, 1_000)):
            assert work(T, T, B) <= work(1, 1, 1) * 2 * T * 2 * B
