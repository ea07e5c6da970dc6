"""What was made before a fork works in the child, where only the thread that forked lives on."""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from chalkgrad import codegen, derive
from chalkgrad.codegen.building import toolchain
from chalkgrad.codegen.building.build import _LOADING
from chalkgrad.codegen.calling.network import Network, Plan
from tests.quick import flags_at

Array = NDArray[Any]
SIZES = {"n_x": 33, "n_a": 70, "n_y": 19}
T, B = 9, 45

pytestmark = [
    pytest.mark.xdist_group("choices"),  # the threads of one process at a time
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here"),
]


@pytest.fixture(scope="module")
def rnn() -> Network:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(toolchain, "FLAGS", flags_at("-O1"))
        return codegen.build(derive.load("vanilla"), SIZES, threads=2)


def arguments(rnn: Network, seed: int = 0) -> tuple[dict[str, Array], Array, Array]:
    """Enough work for two threads."""
    random = np.random.default_rng(seed)
    params = {name: random.normal(size=shape) / 9 for name, shape in rnn.shapes.items()}
    assert T * B * sum(array.size for array in params.values()) > 1_000_000
    return params, random.normal(size=(T, B, SIZES["n_x"])), random.uniform(size=(T, B, SIZES["n_y"]))


def bits(loss: float, grads: Mapping[str, Array]) -> bytes:
    return b"".join([np.float64(loss).tobytes(), *(grads[name].tobytes() for name in sorted(grads))])


def in_child(work: Callable[[], bytes]) -> bytes:
    """What `work` gives in a child of fork."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            answer = work()
        except BaseException:
            answer = traceback.format_exc().encode()
        with os.fdopen(write, "wb") as pipe:
            pipe.write(answer)
        os._exit(0)
    os.close(write)
    killer = threading.Timer(60, os.kill, (pid, 9))
    killer.start()
    with os.fdopen(read, "rb") as pipe:
        answer = pipe.read()
    killer.cancel()
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, "the child hangs"
    return answer


def test_a_plan_made_before(rnn: Network) -> None:
    given = arguments(rnn)
    plan = rnn.plan(*given)
    expected = bits(*plan())
    assert in_child(lambda: bits(*plan())) == expected
    assert in_child(lambda: in_child(lambda: bits(*plan()))) == expected, "a child's child"
    assert bits(*plan()) == expected


def test_a_call_whose_like_was_seen_before(rnn: Network) -> None:
    given = arguments(rnn)
    expected = bits(*rnn.loss_and_grad(*given))
    assert bits(*rnn.loss_and_grad(*given)) == expected, "now the call is prepared"
    assert in_child(lambda: bits(*rnn.loss_and_grad(*given))) == expected


def test_all_functions(rnn: Network) -> None:
    params, x, _ = arguments(rnn)

    def results() -> bytes:
        yhat, states = rnn.forward(params, x)
        assert yhat is not None
        return bits(0, {"yhat": yhat, **states, **rnn.vjp(params, x, yhat, states)})

    assert in_child(results) == results()


def test_what_the_parent_prepares_later_is_its_own(rnn: Network) -> None:
    plan = rnn.plan(*arguments(rnn))
    in_child(lambda: bits(*plan()))
    assert plan._run.struct.threads == 2  # type: ignore[attr-defined]


def test_a_plan_that_another_thread_was_calling() -> None:
    begun, end = threading.Event(), threading.Event()

    def run() -> None:
        begun.set()
        end.wait(60)

    plan = Plan(run, np.zeros(1), {}, 1)
    other = threading.Thread(target=plan)
    other.start()
    begun.wait(60)

    def work() -> bytes:
        end.set()
        return bits(*plan())

    try:
        assert in_child(work) == bits(0, {})
    finally:
        end.set()
        other.join()


def test_a_library_that_another_thread_was_loading() -> None:
    begun, end = threading.Event(), threading.Event()

    def load() -> None:
        with _LOADING:
            begun.set()
            end.wait(60)

    other = threading.Thread(target=load)
    other.start()
    begun.wait(60)
    threading.Timer(0.2, end.set).start()
    assert in_child(lambda: b"free" if _LOADING.acquire(timeout=10) else b"locked") == b"free"
    other.join()
