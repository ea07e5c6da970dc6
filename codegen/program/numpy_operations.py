"""What the reductions of the IR mean on NumPy arrays, complex ones too: the real part decides."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chalkgrad.codegen.errors import ProgramError

Array = NDArray[Any]


def maximum(left: Any, right: Any) -> Any:
    """The larger by real part; NaN wins."""
    return np.where((np.real(left) >= np.real(right)) | np.isnan(left), left, right)


def reduce_rows(kind: str, vector: Array) -> Array:
    match kind:
        case "sum":
            return np.asarray(vector.sum(axis=-1))
        case "max":
            if not np.iscomplexobj(vector):
                return np.asarray(vector.max(axis=-1))
            return np.take_along_axis(vector, vector.real.argmax(axis=-1)[..., None], -1)[..., 0]
        case "logsumexp":
            return np.asarray(np.log(np.exp(vector).sum(axis=-1)))
        case _:
            raise ProgramError(f"no meaning for the reduction {kind!r}")


def others(vector: Array) -> Array:
    """ωᵢ = log Σ_{k≠i} exp vₖ, each row."""
    shift, weight = _others(vector)
    return np.asarray(shift + np.log(weight.sum(axis=-1)))


def others_pull(cotangent: Array, vector: Array) -> Array:
    """v̄ⱼ = Σ_{i≠j} ω̄ᵢ exp(vⱼ − ωᵢ), each row."""
    _, weight = _others(vector)
    total = weight.sum(axis=-1, keepdims=True)
    share = weight / np.where(np.real(total) == 0, 1, total)  # a single component has no others
    return np.asarray(np.einsum("...i,...ij->...j", cotangent, share))


def _others(vector: Array) -> tuple[Array, Array]:
    """For every i the largest of the others, and exp(vₖ − that) with a 0 at k = i: (…, n), (…, n, n)."""
    n = vector.shape[-1]
    rows = np.broadcast_to(vector[..., None, :], (*vector.shape, n))
    rows = np.where(np.eye(n, dtype=bool), -np.inf, rows)
    shift = reduce_rows("max", rows)
    weight = np.exp(rows - np.where(np.isneginf(np.real(shift)), 0, shift)[..., None])
    return shift, np.where(np.eye(n, dtype=bool), 0, weight)
