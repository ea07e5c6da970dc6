"""Numba: loops written by hand, one example after the other, forward and backward; several threads each
take a slice of the batch and add into gradients of their own.

For one example: Z (T, G n_a) holds z = W_x x + b, then the gates; S (T + 1, states, n_a) the states, the
last of which is a; K (T, 3, n_a) what a cell keeps besides; vectors (1 or 2, n_a) the cell's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba import literal_unroll

from benchmarks.case import Case
from benchmarks.cells import EPSILON, Unpacked
from benchmarks.peers import Array, Peer, Run

F = TypeVar("F", bound=Callable[..., Any])


def jit(function: F) -> F:
    """Sums may be reordered, so that they use vectors; nothing else is loosened."""
    return cast(F, numba.njit(fastmath={"reassoc", "contract", "nsz"}, error_model="numpy")(function))


@jit
def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


@jit
def add_product(W: Array, v: Array, out: Array) -> None:
    """out += W v"""
    for i in range(W.shape[0]):
        total = out[i]
        for j in range(W.shape[1]):
            total += W[i, j] * v[j]
        out[i] = total


@jit
def add_transposed(W: Array, d: Array, out: Array) -> None:
    """out += Wᵀ d"""
    for i in range(W.shape[0]):
        for j in range(W.shape[1]):
            out[j] += W[i, j] * d[i]


@jit
def add_outer(d: Array, v: Array, out: Array) -> None:
    """out += d vᵀ"""
    for i in range(d.shape[0]):
        for j in range(v.shape[0]):
            out[i, j] += d[i] * v[j]


@jit
def clear(grads: Any, own: int) -> None:
    for gradient in literal_unroll(grads):
        gradient[own] = 0


@jit
def add_to_first(grads: Any, own: int) -> None:
    for gradient in literal_unroll(grads):
        gradient[0] += gradient[own]


# A pair for each cell. forward: fills z with the gates and `new`. backward: dS in is δ of the new states,
# out δ of the old ones; D is δz; dW_a and dvectors are added to.


@jit
def vanilla(W_a: Array, vectors: Array, z: Array, old: Array, new: Array, kept: Array) -> None:
    add_product(W_a, old[0], z)
    for j in range(z.shape[0]):
        new[0, j] = math.tanh(z[j])


@jit
def vanilla_back(
    W_a: Array, vectors: Array, z: Array, old: Array, new: Array, kept: Array,
    dS: Array, D: Array, dW_a: Array, dvectors: Array,
) -> None:  # fmt: skip
    for j in range(z.shape[0]):
        D[j] = dS[0, j] * (1 - new[0, j] * new[0, j])
        dS[0, j] = 0
    add_transposed(W_a, D, dS[0])
    add_outer(D, old[0], dW_a)


@jit
def gru(W_a: Array, vectors: Array, z: Array, old: Array, new: Array, kept: Array) -> None:
    n = old.shape[1]
    inner = kept[0]
    inner[:] = vectors[0]
    add_product(W_a[: 2 * n], old[0], z[: 2 * n])
    add_product(W_a[2 * n :], old[0], inner)
    for j in range(n):
        r, stay = sigmoid(z[j]), sigmoid(z[n + j])
        k = math.tanh(z[2 * n + j] + r * inner[j])
        z[j], z[n + j], z[2 * n + j] = r, stay, k
        new[0, j] = k + stay * (old[0, j] - k)


@jit
def gru_back(
    W_a: Array, vectors: Array, z: Array, old: Array, new: Array, kept: Array,
    dS: Array, D: Array, dW_a: Array, dvectors: Array,
) -> None:  # fmt: skip
    n = old.shape[1]
    inner = kept[1]
    for j in range(n):
        r, stay, k, da = z[j], z[n + j], z[2 * n + j], dS[0, j]
        d_k = da * (1 - stay) * (1 - k * k)
        D[j] = d_k * kept[0, j] * r * (1 - r)
        D[n + j] = da * (old[0, j] - k) * stay * (1 - stay)
        D[2 * n + j] = d_k
        inner[j] = d_k * r
        dvectors[0, j] += inner[j]
        dS[0, j] = da * stay
    add_transposed(W_a[: 2 * n], D[: 2 * n], dS[0])
    add_transposed(W_a[2 * n :], inner, dS[0])
    add_outer(D[: 2 * n], old[0], dW_a[: 2 * n])
    add_outer(inner, old[0], dW_a[2 * n :])


@jit
def lstm(W_a: Array, vectors: Array, z: Array, old: Array, new: Array, kept: Array) -> None:
    n = old.shape[1]
    add_product(W_a, old[1], z)
    for j in range(n):
        i, f, k, o = sigmoid(z[j]), sigmoid(z[n + j]), math.tanh(z[2 * n + j]), sigmoid(z[3 * n + j])
        z[j], z[n + j], z[2 * n + j], z[3 * n + j] = i, f, k, o
        new[0, j] = f * old[0, j] + i * k
        kept[0, j] = math.tanh(new[0, j])
        new[1, j] = o * kept[0, j]


@jit
def lstm_back(
    W_a: Array, vectors: Array, z: Array, old: Array, new: Array, kept: Array,
    dS: Array, D: Array, dW_a: Array, dvectors: Array,
) -> None:  # fmt: skip
    n = old.shape[1]
    for j in range(n):
        i, f, k, o, g, da = z[j], z[n + j], z[2 * n + j], z[3 * n + j], kept[0, j], dS[1, j]
        dc = dS[0, j] + da * o * (1 - g * g)
        D[j] = dc * k * i * (1 - i)
        D[n + j] = dc * old[0, j] * f * (1 - f)
        D[2 * n + j] = dc * i * (1 - k * k)
        D[3 * n + j] = da * g * o * (1 - o)
        dS[0, j] = dc * f
        dS[1, j] = 0
    add_transposed(W_a, D, dS[1])
    add_outer(D, old[1], dW_a)


@jit
def mgu(W_a: Array, vectors: Array, z: Array, old: Array, new: Array, kept: Array) -> None:
    n = old.shape[1]
    add_product(W_a[:n], old[1], z[:n])
    for j in range(n):
        z[j] = sigmoid(z[j] + vectors[0, j] * old[0, j])
        kept[0, j] = z[j] * old[1, j]
    add_product(W_a[n:], kept[0], z[n:])
    squares = 0.0
    for j in range(n):
        z[n + j] = math.tanh(z[n + j])
        new[0, j] = old[0, j] + z[j] * (z[n + j] - old[0, j])
        squares += new[0, j] * new[0, j]
    scale = 1 / math.sqrt(EPSILON + squares / n)
    for j in range(n):
        kept[1, j] = new[0, j] * scale
        new[1, j] = vectors[1, j] * kept[1, j]
    kept[2, 0] = scale


@jit
def mgu_back(
    W_a: Array, vectors: Array, z: Array, old: Array, new: Array, kept: Array,
    dS: Array, D: Array, dW_a: Array, dvectors: Array,
) -> None:  # fmt: skip
    n = old.shape[1]
    scale = kept[2, 0]
    mean = 0.0
    for j in range(n):
        dvectors[1, j] += dS[1, j] * kept[1, j]
        mean += dS[1, j] * vectors[1, j] * kept[1, j]
    mean /= n
    for j in range(n):
        dS[0, j] += scale * (dS[1, j] * vectors[1, j] - kept[1, j] * mean)
        D[n + j] = dS[0, j] * z[j] * (1 - z[n + j] * z[n + j])
    inner = kept[2]
    inner[:] = 0
    add_transposed(W_a[n:], D[n:], inner)
    add_outer(D[n:], kept[0], dW_a[n:])
    for j in range(n):
        f, k, dc = z[j], z[n + j], dS[0, j]
        d_f = (dc * (k - old[0, j]) + inner[j] * old[1, j]) * f * (1 - f)
        D[j] = d_f
        dvectors[0, j] += d_f * old[0, j]
        dS[0, j] = dc * (1 - f) + d_f * vectors[0, j]
        dS[1, j] = inner[j] * f
    add_transposed(W_a[:n], D[:n], dS[1])
    add_outer(D[:n], old[1], dW_a[:n])


_CELLS: dict[str, tuple[Callable[..., None], Callable[..., None]]] = {
    "vanilla": (vanilla, vanilla_back),
    "gru_reset_after": (gru, gru_back),
    "lstm": (lstm, lstm_back),
    "peephole_mgu": (mgu, mgu_back),
}


@cache
def _compiled(model: str, parallel: bool) -> Callable[..., float]:
    """f(x, y, weights, grads, work) → loss; every gradient and work array has a slice for each thread."""
    forward, backward = _CELLS[model]

    @jit
    def example(x: Array, y: Array, weights: Any, grads: Any, work: Any, b: int, own: int) -> float:
        W_x, b_x, W_a, vectors, W_ya, b_y = weights
        dW_x, db_x, dW_a, dvectors, dW_ya, db_y = grads
        Z, S, K = work[0][own], work[1][own], work[2][own]
        D, dY, dS = work[3][own], work[4][own], work[5][own]
        T, last = x.shape[0], S.shape[1] - 1
        loss = 0.0
        for t in range(T):
            Z[t] = b_x
            add_product(W_x, x[t, b], Z[t])
            forward(W_a, vectors, Z[t], S[t], S[t + 1], K[t])
            dY[t] = b_y
            add_product(W_ya, S[t + 1, last], dY[t])
            for j in range(b_y.shape[0]):
                logit = dY[t, j]
                loss += max(logit, 0) - logit * y[t, b, j] + math.log1p(math.exp(-abs(logit)))
                dY[t, j] = sigmoid(logit) - y[t, b, j]
                db_y[own, j] += dY[t, j]
        dS[:] = 0
        for t in range(T - 1, -1, -1):
            add_outer(dY[t], S[t + 1, last], dW_ya[own])
            add_transposed(W_ya, dY[t], dS[last])
            backward(W_a, vectors, Z[t], S[t], S[t + 1], K[t], dS, D, dW_a[own], dvectors[own])
            add_outer(D, x[t, b], dW_x[own])
            for j in range(D.shape[0]):
                db_x[own, j] += D[j]
        return loss

    def serial(x: Array, y: Array, weights: Any, grads: Any, work: Any) -> float:
        clear(grads, 0)
        loss = 0.0
        for b in range(x.shape[1]):
            loss += example(x, y, weights, grads, work, b, 0)
        return loss

    def sliced(x: Array, y: Array, weights: Any, grads: Any, work: Any) -> float:
        slices, B = grads[0].shape[0], x.shape[1]
        losses = np.zeros(slices)
        for own in numba.prange(slices):
            clear(grads, own)
            for b in range(own * B // slices, (own + 1) * B // slices):
                losses[own] += example(x, y, weights, grads, work, b, own)
        for own in range(1, slices):
            add_to_first(grads, own)
        return float(losses.sum())

    if parallel:
        return cast(Callable[..., float], numba.njit(parallel=True, error_model="numpy")(sliced))
    return jit(serial)


@dataclass(frozen=True)
class NumbaLoops:
    name: str = "numba"
    package: str = "numba"
    title: str = "Numba, loops by hand"

    def prepare(self, case: Case) -> Run | None:
        size, cell, p = case.size, case.cell, case.packed
        slices = min(case.threads, size.B)
        numba.set_num_threads(case.threads)
        n, width = size.n_a, p["b"].shape[0]
        vectors = np.zeros((max(len(cell.vectors), 1), n), case.dtype)
        for row, name in enumerate(cell.vectors):
            vectors[row] = p[name]
        weights = (p["W_x"], p["b"], p["W_a"], vectors, p["W_ya"], p["b_y"])
        grads = tuple(np.zeros((slices, *array.shape), case.dtype) for array in weights)
        states = (size.T + 1, len(cell.states), n)
        shapes = ((size.T, width), states, (size.T, 3, n), (width,), (size.T, size.n_y), states[1:])
        work = tuple(np.zeros((slices, *shape), case.dtype) for shape in shapes)
        compute = _compiled(case.model, slices > 1)

        def packed() -> dict[str, Array]:
            W_x, b, W_a, own, W_ya, b_y = (gradient[0] for gradient in grads)
            named = {"W_x": W_x, "b": b, "W_a": W_a, "W_ya": W_ya, "b_y": b_y}
            return named | {name: own[row] for row, name in enumerate(cell.vectors)}

        def run() -> tuple[float, Mapping[str, Array]]:
            return compute(case.x, case.y, weights, grads, work), Unpacked(cell, packed)

        return run


PEERS: tuple[Peer, ...] = (NumbaLoops(),)
