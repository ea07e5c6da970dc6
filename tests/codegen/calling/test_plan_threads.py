"""A plan is one thread's: whoever else calls it meanwhile is told so."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from chalkgrad import codegen, derive
from chalkgrad.codegen import ArgumentError, BusyError
from chalkgrad.codegen.calling.network import Plan

SIZES = {"n_x": 40, "n_a": 90, "n_y": 20}


@pytest.mark.usefixtures("quick_calls")
def test_threads_that_share_a_plan_get_numbers_or_an_error() -> None:
    rnn = codegen.build(derive.load("vanilla"), SIZES, threads=1)
    random = np.random.default_rng(0)
    params = {name: random.normal(size=shape) / 9 for name, shape in rnn.shapes.items()}
    x, y = random.normal(size=(20, 40, 40)), random.uniform(size=(20, 40, 20))
    plan = rnn.plan(params, x, y)
    expected = plan()[0]
    start, losses, refused = threading.Barrier(4), [], []

    def call() -> None:
        start.wait(60)
        for _ in range(50):
            try:
                losses.append(plan()[0])
            except BusyError as error:
                refused.append(str(error))

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert losses and set(losses) == {expected}
    assert refused and set(refused) == {"plan: it computes already: make another one for each thread"}
    assert plan()[0] == expected


def test_a_plan_that_calls_itself() -> None:
    found = []

    def run() -> None:
        with pytest.raises(BusyError, match="plan: it computes already"):
            plan()
        found.append("refused")

    plan = Plan(run, np.zeros(1), {}, 1)
    assert plan() == (0.0, {}) and plan() == (0.0, {}) and found == ["refused"] * 2


@pytest.mark.parametrize("error", [ArgumentError("x", "a", "b"), KeyboardInterrupt()])
def test_a_call_that_ends_in_an_error_leaves_the_plan_free(error: BaseException) -> None:
    failing = [True]

    def run() -> None:
        if failing:
            raise error

    plan = Plan(run, np.zeros(1), {}, 1)
    for _ in range(2):
        with pytest.raises(type(error)):
            plan()
    failing.clear()
    assert plan() == (0.0, {})
