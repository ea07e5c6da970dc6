"""Who computes something else is not timed."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from benchmarks.peers import Array

TOLERANCE = {"float32": 1e-4, "float64": 1e-10}
Result = tuple[float, Mapping[str, Array]]


def kept(result: Result) -> Result:
    """A copy, since a contender may hand out the same arrays again."""
    loss, arrays = result
    return loss, {name: np.array(array, np.float64) for name, array in arrays.items()}


def disagreement(result: Result, reference: Result, dtype: str) -> str | None:
    """None if loss and every array agree, norm of the difference over the norm; else what does not."""
    limit = TOLERANCE[dtype]
    if set(result[1]) != set(reference[1]):
        return f"it has {sorted(result[1])}, ours {sorted(reference[1])}"
    pairs = {"the loss": (np.array(result[0]), np.array(reference[0]))}
    pairs |= {name: (np.asarray(result[1][name], np.float64), reference[1][name]) for name in reference[1]}
    for name, (found, expected) in pairs.items():
        if found.shape != expected.shape:
            return f"{name} has shape {found.shape}, ours {expected.shape}"
        size = float(np.linalg.norm(expected.ravel()))
        off = float(np.linalg.norm((found - expected).ravel())) / (size or 1.0)
        if not math.isfinite(off) or off > limit:
            return f"{name} is off by {off:.1e}, more than {limit:.0e}"
    return None
