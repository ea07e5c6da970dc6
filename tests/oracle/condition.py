"""Condition numbers, measured by nudging every number of a run by 2^-40 of itself, up or down at random."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tests.oracle.network import Result

NUDGES = 6
SIZE = 2.0**-40


def condition(run: Callable[[int | None], Result]) -> dict[str, float]:
    """For each result ‖nudged − exact‖ / (2^-40 ‖exact‖), the largest of NUDGES, and 1 at least."""
    exact = _tensors(run(None))
    found = dict.fromkeys(exact, 1.0)
    for seed in range(NUDGES):
        nudged = _tensors(run(seed))
        for name, value in exact.items():
            found[name] = max(found[name], _change(value, nudged[name]) / SIZE)
    return found


def _change(exact: NDArray[np.float64], nudged: NDArray[np.float64]) -> float:
    """‖nudged − exact‖ / ‖exact‖; infinite where that cannot be said."""
    if not (np.isfinite(exact).all() and np.isfinite(nudged).all()):
        return float("inf")
    scale = float(np.abs(exact).max(initial=0.0))
    if scale == 0.0:
        return float("inf") if nudged.any() else 0.0
    return float(np.linalg.norm((nudged - exact) / scale) / np.linalg.norm(exact / scale))


def _tensors(result: Result) -> Mapping[str, NDArray[np.float64]]:
    found = dict(result.gradients)
    if result.loss is not None:
        found["loss"] = np.array(result.loss)
    if result.yhat is not None:
        found["forward yhat"] = result.yhat
    found |= {f"forward {name}": value for name, value in result.states.items()}
    return found | {f"vjp {name}": value for name, value in result.vjp.items()}
