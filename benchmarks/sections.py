"""What is measured besides the cases: builds, calls from Python, memory, growth, what each choice is worth.

Every section is a list of rows for JSON, which `report.py` prints. Times are in seconds, memory in bytes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.case import Case, Size, load, make_case
from benchmarks.cells import CELLS
from benchmarks.child import ask
from benchmarks.inside import seconds_of_c, straight_operations, workspace_bytes
from benchmarks.timing import alone, interleaved
from benchmarks.verdicts import verdicts
from chalkgrad import codegen
from chalkgrad.codegen.choices import DtypeName

Row = dict[str, Any]
Models = Sequence[str]

TINY, SMALL = Size(2, 1, 3, 4, 2), Size(16, 32, 8, 16, 4)
MEDIUM, LARGE = Size(32, 64, 64, 128, 32), Size(64, 64, 256, 512, 128)

ABLATIONS: list[tuple[str, dict[str, Any]]] = [
    ("as it is", {}),
    *((f"without {name}", {"passes": [n for n in codegen.PASSES if n != name]}) for name in codegen.PASSES),
    ("elementary functions of the C library", {"math": "libm"}),
    ("portable: without -march=native", {"target": "portable"}),
]
"""(label, further arguments of `codegen.build`). The first is what the others are compared with."""


def builds(models: Models, dtype: DtypeName, threads: int, rounds: int) -> list[Row]:
    """From model to callable in a fresh process: nothing cached, then everything."""
    rows = []
    for model in models:
        for size, steps in ((TINY, TINY.T), (SMALL, 0)):
            numbers = _numbers(size)
            with tempfile.TemporaryDirectory() as cache:
                cold, cached = (ask(model, numbers, dtype, steps, cache) for _ in range(2))
            times = {"import": cached["import"], "cold": cold["build"], "cached": cached["build"]}
            rows.append({"model": model, "size": str(size), "T": steps or "free", **times})
    return rows


def calls(models: Models, dtype: DtypeName, threads: int, rounds: int) -> list[Row]:
    """What a call from Python adds to the C, at the tiny size with T fixed."""
    rows = []
    for model in models:
        case = make_case(model, TINY, dtype, threads)
        rnn, plan = _build(case, TINY.T)

        def checked(rnn: Any = rnn, case: Case = case) -> object:
            return rnn.loss_and_grad(case.params, case.x, case.y)

        found = interleaved({"plan": plan, "loss_and_grad": checked}, rounds)
        in_c = [seconds_of_c(rnn, plan, 20_000) for _ in range(rounds)]
        known = [seconds for seconds in in_c if seconds is not None]
        row = {name: timing.median for name, timing in found.items()}
        rows.append({"model": model, "c": float(np.median(known)) if known else None, **row})
    return rows


def memory(models: Models, dtype: DtypeName, threads: int, rounds: int) -> list[Row]:
    """The workspace next to `kept_bytes`, and by how much a call raises the peak of a fresh process."""
    rows = []
    for model in models:
        for size in (SMALL, MEDIUM, LARGE):
            answer = ask(model, _numbers(size), dtype)
            kept = kept_bytes(model, size, dtype)
            rows.append({"model": model, "size": str(size), "kept": kept, **answer})
    return rows


def kept_bytes(model: str, size: Size, dtype: DtypeName) -> int:
    """What back-propagation has to keep: every state at T + 1 steps, every gate and the output at T.

    B ((T + 1) S n_a + T (G n_a + n_y)) numbers, with S states and G gates.
    """
    states, gates = len(CELLS[model].states), len(CELLS[model].gates)
    numbers = (size.T + 1) * states * size.n_a + size.T * (gates * size.n_a + size.n_y)
    return size.B * numbers * np.dtype(dtype).itemsize


_BASE = Size(32, 32, 64, 64, 32)
_GROWTH: Mapping[str, tuple[tuple[int, ...], Callable[[int], Size]]] = {
    "T": ((16, 32, 64, 128, 256), lambda v: Size(v, _BASE.B, _BASE.n_x, _BASE.n_a, _BASE.n_y)),
    "B": ((16, 32, 64, 128, 256), lambda v: Size(_BASE.T, v, _BASE.n_x, _BASE.n_a, _BASE.n_y)),
    "n": ((64, 128, 256, 512), lambda v: Size(_BASE.T, _BASE.B, v, v, v // 2)),
}


def growth(models: Models, dtype: DtypeName, threads: int, rounds: int) -> list[Row]:
    """Slopes of log time over log T, log B and log n, least squares; n: n_x = n_a = n, n_y = n/2."""
    rows = []
    for model in models:
        for name, (values, size_of) in _GROWTH.items():
            cases = [make_case(model, size_of(value), dtype, threads) for value in values]
            built = [_build(case) for case in cases]
            times = [alone(plan, min(rounds, 5)).median for _, plan in built]
            pairs = zip(built, cases, strict=True)
            space = [workspace_bytes(rnn, c.size.T, c.size.B) for (rnn, _), c in pairs]
            row: Row = {"model": model, "over": name, "values": list(values), "times": times}
            row["time_slope"] = _slope(values, times)
            row["space_slope"] = _slope(values, [s for s in space if s])
            rows.append(row | {"of": str(_BASE)})
    return rows


def _slope(values: Sequence[float], results: Sequence[float]) -> float | None:
    if len(values) != len(results):
        return None
    return float(np.polyfit(np.log(values), np.log(results), 1)[0])


def ablation(models: Models, dtype: DtypeName, threads: int, rounds: int) -> list[Row]:
    """The builds of ABLATIONS next to each other."""
    rows = []
    for model in models:
        for size in (SMALL, MEDIUM):
            case = make_case(model, size, dtype, threads)
            plans = {label: _build(case, **arguments)[1] for label, arguments in ABLATIONS}
            found = interleaved(plans, rounds)
            times = {label: timing.median for label, timing in found.items()}
            rows.append({"model": model, "size": str(size), "times": times})
    return rows


def straight(models: Models, dtype: DtypeName, threads: int, rounds: int) -> list[Row]:
    """Code without loops beside loops, for one example and for many, as T grows up to the budget."""
    rows = []
    for model in models:
        for steps in (1, 2, 4, 8, 16, 32):
            sizes = [Size(steps, B, TINY.n_x, TINY.n_a, TINY.n_y) for B in (1, 256)]
            operations = straight_operations(model, sizes[0])
            if operations is None:
                break
            times = []
            for size in sizes:
                case = make_case(model, size, dtype, threads)
                plans = {"loops": _build(case)[1], "straight": _build(case, steps)[1]}
                times.append({name: timing.median for name, timing in interleaved(plans, rounds).items()})
            with tempfile.TemporaryDirectory() as cache:
                cold = [ask(model, _numbers(sizes[0]), dtype, T, cache)["build"] for T in (steps, 0)]
            row = {"model": model, "T": steps, "operations": operations, "one": times[0], "many": times[1]}
            rows.append(row | {"cold": cold[0], "cold_loops": cold[1]})
    return rows


SECTIONS: dict[str, Callable[[Models, DtypeName, int, int], list[Row]]] = {
    "builds": builds,
    "calls": calls,
    "memory": memory,
    "growth": growth,
    "ablation": ablation,
    "straight": straight,
    "verdicts": lambda models, dtype, threads, rounds: verdicts(),
}


def _build(case: Case, T: int | None = None, **arguments: Any) -> tuple[Any, Any]:
    """The network and a plan of the case."""
    arguments = {"threads": case.threads} | arguments
    rnn = codegen.build(load(case.model), case.size.sizes, case.dtype, T, **arguments)
    return rnn, rnn.plan(case.params, case.x, case.y)


def _numbers(size: Size) -> tuple[int, ...]:
    return (size.T, size.B, size.n_x, size.n_a, size.n_y)
