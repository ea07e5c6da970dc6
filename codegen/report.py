"""One table: a gradient at 50 digits, from the NumPy twin and from compiled C, held to each other."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chalkgrad.codegen.calling.network import Network
from chalkgrad.codegen.driver import Subject, build, numpy_twin
from chalkgrad.codegen.program.interface import Array

_CALLS = 200  # timed, after a warm-up; the median is shown


@dataclass(frozen=True)
class Problem:
    """Random parameters and data for a many-to-many network: W ~ N(0, 1/n), x ~ N(0, 1), a⁰ ≠ 0."""

    sizes: Mapping[str, int]
    steps: int
    params: dict[str, Array]
    x: Array
    y: Array
    initial: dict[str, Array]

    @property
    def values(self) -> dict[str, Any]:
        """All arrays by name, initial states as a0."""
        return {**self.params, "x": self.x, "y": self.y} | {f"{s}0": a for s, a in self.initial.items()}


def problem(network: Network, sizes: Mapping[str, int], steps: int, batch: int, seed: int = 0) -> Problem:
    """A problem of the network's shapes."""
    rng = np.random.default_rng(seed)
    face = network.interface
    assert face.yhat is not None
    params = {
        name: rng.normal(size=[sizes[s] for s in shape]) / np.sqrt(sizes[shape[-1]] if shape else 1)
        for name, shape in face.parameters.items()
    }
    y = rng.uniform(size=(steps, batch, *(sizes[s] for s in face.yhat)))
    initial = {s: rng.normal(size=(batch, sizes[n])) for s, n in face.states.items()}
    return Problem(sizes, steps, params, rng.normal(size=(steps, batch, sizes[face.x])), y, initial)


def table(model: Subject, exact: Any, sizes: Mapping[str, int], steps: int = 2, batch: int = 3) -> str:
    """The table. `exact` maps a Problem to (loss, gradients) as arrays of numbers with 50 digits.

    A difference is the norm of the difference over the norm of the exact gradient.
    """
    compiled, twin = build(model, sizes, T=steps), numpy_twin(model)
    given = problem(compiled, sizes, steps, batch)
    loss, gradients = exact(given)
    wrt = [*compiled.interface.parameters, "x", *(f"{s}0" for s in given.initial)]
    data = (given.params, given.x, given.y, given.initial)
    results = [network.loss_and_grad(*data, wrt=wrt) for network in (twin, compiled)]
    lines = [
        f"T = {steps}, {batch} examples, {', '.join(f'{k} = {v}' for k, v in sizes.items())}",
        "",
        f"{'':<8}{'norm at 50 digits':>28}{'NumPy twin, off by':>22}{'compiled C, off by':>22}",
        _row("loss", loss, [abs((r[0] - loss) / loss) for r in results]),
    ]
    for name in wrt:
        reference = gradients[name]
        lines.append(_row(name, _norm(reference), [_distance(r[1][name], reference) for r in results]))
    times = [_median_time(twin, given), _median_time(compiled, given)]
    lines.append(f"{'one call':<8}{'':>28}" + "".join(f"{f'{1e6 * t:.1f} µs':>22}" for t in times))
    return "\n".join(lines)


def _row(name: str, exact: Any, differences: list[Any]) -> str:
    return f"{name:<8}{_digits(exact):>28}" + "".join(f"{float(d):>22.1e}" for d in differences)


def _digits(number: Any) -> str:
    text = str(number)
    return text[:24]


def _norm(array: Any) -> Any:
    total = sum(v * v for v in np.ravel(np.asarray(array, object)))
    return total ** (type(total)(1) / 2)


def _distance(result: Array, reference: Any) -> Any:
    exact = np.asarray(reference, object)
    size = _norm(exact)
    return _norm(result.astype(object) - exact) / size if size else _norm(result)


def _median_time(network: Network, given: Problem) -> float:
    """Seconds of one call on prepared arrays."""
    plan = network.plan(given.params, given.x, given.y, given.initial)
    times = []
    for _ in range(_CALLS):
        start = time.perf_counter()
        plan()
        times.append(time.perf_counter() - start)
    return float(np.median(times[_CALLS // 4 :]))
