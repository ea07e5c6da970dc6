"""Choices that change how fast a call is and nothing else: threads, passes, whose elementary functions."""

from __future__ import annotations

import ctypes
import functools
import multiprocessing
import os
import platform
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from chalkgrad import codegen, derive
from chalkgrad.codegen import ArgumentError, ArgumentTypeError
from chalkgrad.codegen.building import toolchain
from chalkgrad.codegen.calling.network import Network
from tests.agreement.backends import compiled
from tests.chosen import diagonal, some

Array = NDArray[Any]
SIZES = {"n_x": 33, "n_a": 70, "n_y": 19}
T, B = 9, 45
SMALL = {"n_x": 3, "n_a": 4, "n_y": 2}
LEFT_OUT = ("nothing", *codegen.PASSES, "all")
SHARED = [(name, dtype) for name in ("vanilla", "lstm") for dtype in ("float32", "float64")]

pytestmark = pytest.mark.xdist_group("choices")  # the threads of one process at a time


def arguments(rnn: Network, dtype: str, seed: int = 0) -> tuple[dict[str, Array], Array, Array]:
    random = np.random.default_rng(seed)
    params = {n: (random.normal(size=s) / np.sqrt(s[-1])).astype(dtype) for n, s in rnn.shapes.items()}
    x = random.normal(size=(T, B, SIZES["n_x"])).astype(dtype)
    return params, x, random.uniform(size=(T, B, SIZES["n_y"])).astype(dtype)


def bits(loss: float, grads: Mapping[str, Array]) -> list[bytes]:
    return [np.float64(loss).tobytes(), *(grads[name].tobytes() for name in sorted(grads))]


def has_threads(folder: Path) -> bool:
    return toolchain.has_threads(toolchain.find_compiler(), folder)


@pytest.mark.parametrize("name, dtype", some(SHARED, SHARED[:1].__contains__))
def test_results_are_the_same_bits_for_any_number_of_threads(name: str, dtype: str) -> None:
    model, found = derive.load(name), []
    lengths = np.random.default_rng(3).integers(1, T + 1, size=B)
    for threads in (1, 2, 3, 5, 8, None):
        rnn = codegen.build(model, SIZES, dtype, threads=threads)
        params, x, y = arguments(rnn, dtype)
        assert T * B * sum(np.prod(s) for s in rnn.shapes.values()) > 1_000_000  # enough to be shared
        whole = rnn.loss_and_grad(params, x, y, wrt=(*params, "x", "a0"))
        ragged = rnn.loss_and_grad(params, x, y, lengths=lengths, wrt=(*params, "x"))
        yhat, states = rnn.forward(params, x, lengths=lengths)
        assert yhat is not None
        found.append([*bits(*whole), *bits(*ragged), yhat.tobytes(), *(a.tobytes() for a in states.values())])
    assert all(one == found[0] for one in found)


@pytest.mark.usefixtures("quick_calls")
def test_several_threads_are_used(tmp_path: Path) -> None:
    if not has_threads(tmp_path):
        pytest.skip("this compiler has no OpenMP")
    rnn = codegen.build(derive.load("lstm"), SIZES, threads=3)
    params, x, y = arguments(rnn, "float64")
    rnn.loss_and_grad(params, x, y)
    assert len(os.listdir("/proc/self/task")) >= 3 if os.path.isdir("/proc/self/task") else True


def test_python_threads_may_call_at_once() -> None:
    rnn = codegen.build(derive.load("vanilla"), SIZES, "float32", threads=2)
    cases = [arguments(rnn, "float32", seed) for seed in range(8)]
    expected = [bits(*rnn.loss_and_grad(*case)) for case in cases]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda case: [bits(*rnn.loss_and_grad(*case)) for _ in range(5)], cases))
    assert all(one == wanted for wanted, many in zip(expected, found, strict=True) for one in many)


def _in_child(send: Any) -> None:
    rnn = codegen.build(derive.load("vanilla"), SIZES, "float32", threads=2)
    send.send(bits(*rnn.loss_and_grad(*arguments(rnn, "float32"))))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_a_forked_child_does_not_wait_for_threads_that_it_has_not() -> None:
    rnn = codegen.build(derive.load("vanilla"), SIZES, "float32", threads=2)
    expected = bits(*rnn.loss_and_grad(*arguments(rnn, "float32")))
    fork = multiprocessing.get_context("fork")
    receive, send = fork.Pipe()
    child = fork.Process(target=_in_child, args=(send,))
    child.start()
    assert receive.poll(60), "the child hangs"
    assert receive.recv() == expected
    child.join()


@functools.cache
def _without() -> dict[str, Network]:
    """A network with a pass left out, for each of them; all in one extension."""
    kept = {out: [name for name in codegen.PASSES if out not in (name, "all")] for out in LEFT_OUT}
    emitting = (
        codegen.emit(derive.load("vanilla"), SMALL, T=2, passes=passes, name=f"without_{out}")
        for out, passes in kept.items()
    )
    return dict(zip(LEFT_OUT, compiled(emitting, "quick"), strict=True))


@pytest.mark.parametrize("left_out", LEFT_OUT[1:])
def test_no_pass_changes_a_result(left_out: str) -> None:
    random = np.random.default_rng(1)
    x, y = random.normal(size=(2, 6, 3)), random.uniform(size=(2, 6, 2))
    results = []
    for rnn in (_without()["nothing"], _without()[left_out]):
        params = {n: np.random.default_rng(2).normal(size=s) / 2 for n, s in rnn.shapes.items()}
        results.append(rnn.loss_and_grad(params, x, y, wrt=(*params, "x", "a0")))
    (loss, grads), (other, others) = results
    assert other == pytest.approx(loss, rel=1e-14)
    for name, grad in grads.items():
        assert np.linalg.norm(others[name] - grad) <= 1e-13 * np.linalg.norm(grad), name


def test_the_switches_change_the_code() -> None:
    models = [derive.load(name) for name in ("vanilla", "gru")]
    both = list(zip(models, (2, None), strict=True))  # straight code, loops
    whole = [codegen.emit(model, SMALL, T=T).c for model, T in both]
    for name in codegen.PASSES:
        others = [n for n in codegen.PASSES if n != name]
        assert [codegen.emit(model, SMALL, T=T, passes=others).c for model, T in both] != whole, name
    assert "tanhf(" not in codegen.emit(models[0], SMALL, "float32").c
    assert "tanhf(" in codegen.emit(models[0], SMALL, "float32", math="libm").c


@pytest.mark.parametrize("dtype, steps", diagonal(["float32", "float64"], [None, 2]))
@pytest.mark.usefixtures("quick_builds")
def test_the_c_library_gives_the_same(dtype: str, steps: int | None) -> None:
    model = derive.load("vanilla")
    random = np.random.default_rng(1)
    x, y = random.normal(size=(2, 21, 3)).astype(dtype), random.uniform(size=(2, 21, 2)).astype(dtype)
    results = []
    for math in ("own", "libm"):
        rnn = codegen.build(model, SMALL, dtype, steps, math=math)
        params = {n: np.random.default_rng(2).normal(size=s).astype(dtype) for n, s in rnn.shapes.items()}
        results.append(rnn.loss_and_grad(params, x, y))
    (loss, grads), (other, others) = results
    eps = float(np.finfo(dtype).eps)
    assert other == pytest.approx(loss, rel=8 * eps)
    for name, grad in grads.items():
        assert np.linalg.norm(others[name] - grad) <= 32 * eps * np.linalg.norm(grad), name


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"passes": ["to_loops"]}, ArgumentError),
        ({"passes": "distribute"}, ArgumentTypeError),
        ({"passes": 3}, ArgumentTypeError),
        ({"math": "fast"}, ArgumentError),
        ({"math": None}, ArgumentError),
    ],
)
def test_wrong_choices_are_named(arguments: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(arguments))):
        codegen.build(derive.load("vanilla"), SMALL, **arguments)


@pytest.mark.parametrize("batch", some([1, 2, 7, 15, 16, 17, 33], (1, 7, 17).__contains__))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.usefixtures("quick_builds")
def test_straight_code_takes_any_number_of_examples(batch: int, dtype: str) -> None:
    """One example in numbers, more in lanes, the last of them in part: against the loops."""
    model = derive.load("vanilla", h="softmax")
    random = np.random.default_rng(batch)
    x, y = random.normal(size=(2, batch, 3)).astype(dtype), random.uniform(size=(2, batch, 2)).astype(dtype)
    straight, loops = (codegen.build(model, SMALL, dtype, steps) for steps in (2, None))
    params = {n: random.normal(size=s).astype(dtype) for n, s in straight.shapes.items()}
    initial = {"a": random.normal(size=(batch, 4)).astype(dtype)}
    tolerance = 64 * float(np.finfo(dtype).eps)
    wrt = (*params, "x", "a0")
    (loss, grads), (other, others) = (
        rnn.loss_and_grad(params, x, y, initial=initial, wrt=wrt) for rnn in (straight, loops)
    )
    assert other == pytest.approx(loss, rel=tolerance)
    for name, grad in grads.items():
        assert np.linalg.norm(others[name] - grad) <= tolerance * np.linalg.norm(grad), name
    for one, two in zip(
        straight.forward(params, x, initial=initial)[1].values(),
        loops.forward(params, x, initial=initial)[1].values(),
        strict=True,
    ):
        assert np.allclose(one, two, rtol=tolerance, atol=tolerance)


def _control_bits() -> int:
    """The rounding of the process, as far as it is kept in MXCSR: without the bits that only record."""
    library = ctypes.CDLL(None)
    environment = (ctypes.c_uint32 * 8)()
    library.fegetenv(environment)
    return int(environment[7]) & ~0x3F


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64") or os.name != "posix", reason="MXCSR is x86's"
)
def test_rounding_is_left_alone() -> None:
    before = _control_bits()
    for threads in (1, 2):
        rnn = codegen.build(derive.load("vanilla"), SIZES, "float32", threads=threads)
        assert _control_bits() == before
        rnn.loss_and_grad(*arguments(rnn, "float32"))
        assert _control_bits() == before
    assert np.float32(1e-40) * np.float32(0.5) != 0


@pytest.mark.usefixtures("quick_builds")
class TestCallsLikeOneBefore:
    """The second call of a kind skips the checks, and gives the same."""

    def network(self) -> Network:
        return codegen.build(derive.load("vanilla"), SMALL, "float32")

    def call(self, rnn: Network, seed: int) -> tuple[dict[str, Array], Array, Array]:
        random = np.random.default_rng(seed)
        params = {n: random.normal(size=s).astype(np.float32) for n, s in rnn.shapes.items()}
        x, y = random.normal(size=(5, 6, 3)), random.uniform(size=(5, 6, 2))
        return params, x.astype(np.float32), y.astype(np.float32)

    def test_same_results(self) -> None:
        for wrt in (None, "x", ("W_aa", "x", "a0"), ["W_aa"]):
            expected = [
                bits(*self.network().loss_and_grad(*self.call(self.network(), s), wrt=wrt)) for s in range(4)
            ]
            rnn = self.network()
            assert [bits(*rnn.loss_and_grad(*self.call(rnn, s), wrt=wrt)) for s in range(4)] == expected

    def test_without_a_batch(self) -> None:
        rnn = self.network()
        params, x, y = self.call(rnn, 0)
        first, second = (
            rnn.loss_and_grad(params, x[:, 0].copy(), y[:, 0].copy(), wrt=("x", "a0")) for _ in range(2)
        )
        assert bits(*first) == bits(*second)
        assert second[1]["x"].shape == (5, 3) and second[1]["a0"].shape == (4,)

    def test_results_are_new_each_time(self) -> None:
        rnn = self.network()
        results = [rnn.loss_and_grad(*self.call(rnn, seed))[1] for seed in (0, 1, 0)]
        assert bits(0.0, results[0]) == bits(0.0, results[2]) != bits(0.0, results[1])

    def test_what_differs_is_checked_again(self) -> None:
        rnn = self.network()
        params, x, y = self.call(rnn, 0)
        expected = bits(*rnn.loss_and_grad(params, x, y))
        assert bits(*rnn.loss_and_grad(params, x[::-1].copy()[::-1], y)) == expected
        assert bits(*rnn.loss_and_grad(dict(reversed(params.items())), x, y)) == expected
        read_only = x.copy()
        read_only.flags.writeable = False
        assert bits(*rnn.loss_and_grad(params, read_only, y.tolist())) == expected
        with pytest.raises(ArgumentTypeError, match="float32"):
            rnn.loss_and_grad(params, x.astype(np.float64), y)
        with pytest.raises(ArgumentError, match="W_aa"):
            rnn.loss_and_grad(params | {"W_aa": np.zeros((4, 5), np.float32)}, x, y)
        with pytest.raises(ArgumentError, match="W_bb"):
            rnn.loss_and_grad(params | {"W_bb": params["W_aa"]}, x, y)
        with pytest.raises(ArgumentError, match="W_aa"):
            rnn.loss_and_grad({n: a for n, a in params.items() if n != "W_aa"}, x, y)
