"""NumPy as an expert writes it, by hand: packed weights, W_x X for all steps as one product ahead of the
time loop, every gradient of a matrix as one product after it, and no array allocated in a call.

A cell fills Z, which holds z = W_x x + b, with its gates, and on the way back D with δz.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.case import Case
from benchmarks.cells import EPSILON, Unpacked
from benchmarks.peers import Array, Peer, Run


def _sigmoid(z: Array) -> None:
    """In place; σ(z) = (1 + tanh(z/2))/2, which cannot overflow."""
    z *= 0.5
    np.tanh(z, out=z)
    z += 1
    z *= 0.5


class Vanilla:
    """Everything for one size, allocated once. S: states (T + 1, B, n_a); Z, D: (T, B, G n_a)."""

    def __init__(self, case: Case) -> None:
        self.p, T, B, n = case.packed, case.size.T, case.size.B, case.size.n_a
        self.n, self.width = n, len(case.cell.gates) * n
        self.A, self.C = np.zeros((2, T + 1, B, n), case.dtype)  # C: the other state, where there is one
        self.Z, self.D = np.empty((2, T, B, self.width), case.dtype)
        self.u = np.empty((B, self.width), case.dtype)  # W_a a[t-1], and δ of it
        self.v, self.w = np.empty((2, B, n), case.dtype)
        self.da, self.dc = np.empty((2, B, n), case.dtype)
        self.grads = {name: np.empty_like(array) for name, array in self.p.items()}

    def part(self, z: Array, gate: int) -> Array:
        return z[..., gate * self.n : (gate + 1) * self.n]

    def forward(self, t: int) -> None:
        """A[t], Z[t] → A[t + 1], Z[t]."""
        z = self.Z[t]
        np.matmul(self.A[t], self.p["W_a"].T, out=self.u)
        z += self.u
        np.tanh(z, out=self.A[t + 1])

    def backward(self, t: int) -> None:
        """da: δa[t + 1] → δa[t]; D[t]."""
        d, a = self.D[t], self.A[t + 1]
        np.multiply(a, a, out=d)
        np.subtract(1, d, out=d)
        d *= self.da
        np.matmul(d, self.p["W_a"], out=self.da)

    def finish(self) -> None:
        """The gradients of W_a and of the cell's own vectors, over all T·B rows."""
        np.matmul(_rows(self.D).T, _rows(self.A[:-1]), out=self.grads["W_a"])


class GruResetAfter(Vanilla):
    """Gates r, z, k; U keeps W_ka a[t-1] + c_k."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self.U = np.empty_like(self.A[:-1])
        self.R = np.empty_like(self.D)  # δ of W_a a[t-1]: as D, but what k gets passes the reset

    def forward(self, t: int) -> None:
        z, u, n = self.Z[t], self.u, self.n
        np.matmul(self.A[t], self.p["W_a"].T, out=u)
        z[:, : 2 * n] += u[:, : 2 * n]
        _sigmoid(z[:, : 2 * n])
        np.add(u[:, 2 * n :], self.p["c_k"], out=self.U[t])
        r, stay, k = (self.part(z, gate) for gate in range(3))
        np.multiply(r, self.U[t], out=self.v)
        k += self.v
        np.tanh(k, out=k)
        np.subtract(self.A[t], k, out=self.v)
        self.v *= stay
        np.add(self.v, k, out=self.A[t + 1])

    def backward(self, t: int) -> None:
        d, da, v, n = self.D[t], self.da, self.v, self.n
        r, stay, k = (self.part(self.Z[t], gate) for gate in range(3))
        d_r, d_stay, d_k = (self.part(d, gate) for gate in range(3))
        np.subtract(1, stay, out=v)
        np.multiply(stay, v, out=d_stay)
        d_stay *= da
        v *= da
        np.multiply(k, k, out=d_k)
        np.subtract(1, d_k, out=d_k)
        d_k *= v
        np.subtract(self.A[t], k, out=v)
        d_stay *= v
        np.subtract(1, r, out=d_r)
        d_r *= r
        d_r *= d_k
        d_r *= self.U[t]
        inner = self.R[t]
        inner[:, : 2 * n] = d[:, : 2 * n]
        np.multiply(d_k, r, out=inner[:, 2 * n :])
        da *= stay
        np.matmul(inner, self.p["W_a"], out=v)
        da += v

    def finish(self) -> None:
        inner = _rows(self.R)
        np.matmul(inner.T, _rows(self.A[:-1]), out=self.grads["W_a"])
        inner[:, 2 * self.n :].sum(0, out=self.grads["c_k"])


class Lstm(Vanilla):
    """Gates i, f, k, o; G keeps tanh c."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self.G = np.empty_like(self.A[:-1])

    def forward(self, t: int) -> None:
        z, n = self.Z[t], self.n
        np.matmul(self.A[t], self.p["W_a"].T, out=self.u)
        z += self.u
        i, f, k, o = (self.part(z, gate) for gate in range(4))
        _sigmoid(z[:, : 2 * n])
        np.tanh(k, out=k)
        _sigmoid(o)
        c = self.C[t + 1]
        np.multiply(f, self.C[t], out=c)
        np.multiply(i, k, out=self.v)
        c += self.v
        np.tanh(c, out=self.G[t])
        np.multiply(o, self.G[t], out=self.A[t + 1])

    def backward(self, t: int) -> None:
        d, da, dc, v, g = self.D[t], self.da, self.dc, self.v, self.G[t]
        i, f, k, o = (self.part(self.Z[t], gate) for gate in range(4))
        d_i, d_f, d_k, d_o = (self.part(d, gate) for gate in range(4))
        np.subtract(1, o, out=d_o)
        d_o *= o
        d_o *= g
        d_o *= da
        np.multiply(g, g, out=v)
        np.subtract(1, v, out=v)
        v *= o
        v *= da
        dc += v
        for gate, d_gate, partner in ((i, d_i, k), (f, d_f, self.C[t])):
            np.subtract(1, gate, out=d_gate)
            d_gate *= gate
            d_gate *= partner
            d_gate *= dc
        np.multiply(k, k, out=d_k)
        np.subtract(1, d_k, out=d_k)
        d_k *= i
        d_k *= dc
        dc *= f
        np.matmul(d, self.p["W_a"], out=da)


class PeepholeMgu(Vanilla):
    """Gates f, k; F keeps f a[t-1] and Q keeps 1/√(ε + mean c²)."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self.F, self.N, self.E = (np.empty_like(self.A[:-1]) for _ in range(3))  # E: δa, for ∂/∂s_a
        self.Q = np.empty((*self.A[:-1].shape[:2], 1), case.dtype)
        self.W_f, self.W_k = np.split(self.p["W_a"], 2)

    def forward(self, t: int) -> None:
        f, k = (self.part(self.Z[t], gate) for gate in range(2))
        v, c, old, q = self.v, self.C[t + 1], self.C[t], self.Q[t]
        np.matmul(self.A[t], self.W_f.T, out=v)
        f += v
        np.multiply(self.p["p_f"], old, out=v)
        f += v
        _sigmoid(f)
        np.multiply(f, self.A[t], out=self.F[t])
        np.matmul(self.F[t], self.W_k.T, out=v)
        k += v
        np.tanh(k, out=k)
        np.subtract(k, old, out=c)
        c *= f
        c += old
        np.multiply(c, c, out=v)
        np.mean(v, -1, out=q, keepdims=True)
        q += EPSILON
        np.sqrt(q, out=q)
        np.reciprocal(q, out=q)
        np.multiply(c, q, out=self.N[t])
        np.multiply(self.p["s_a"], self.N[t], out=self.A[t + 1])

    def backward(self, t: int) -> None:
        f, k = (self.part(self.Z[t], gate) for gate in range(2))
        d_f, d_k = (self.part(self.D[t], gate) for gate in range(2))
        da, dc, v, w, q, normed = self.da, self.dc, self.v, self.w, self.Q[t], self.N[t]
        self.E[t] = da
        np.multiply(da, self.p["s_a"], out=v)  # δ of c q, then δc = q (v − N mean(v N))
        np.multiply(v, normed, out=w)
        np.multiply(normed, w.mean(-1, keepdims=True), out=w)
        v -= w
        v *= q
        dc += v
        np.multiply(k, k, out=d_k)
        np.subtract(1, d_k, out=d_k)
        d_k *= f
        d_k *= dc
        np.subtract(k, self.C[t], out=d_f)
        d_f *= dc
        np.matmul(d_k, self.W_k, out=v)  # δ of f a[t-1]
        np.multiply(v, self.A[t], out=w)
        d_f += w
        v *= f
        np.subtract(1, f, out=w)
        dc *= w
        w *= f
        d_f *= w
        np.matmul(d_f, self.W_f, out=da)
        da += v
        np.multiply(d_f, self.p["p_f"], out=v)
        dc += v

    def finish(self) -> None:
        d_f, d_k = (self.part(_rows(self.D), gate) for gate in range(2))
        dW_f, dW_k = np.split(self.grads["W_a"], 2)
        np.matmul(d_f.T, _rows(self.A[:-1]), out=dW_f)
        np.matmul(d_k.T, _rows(self.F), out=dW_k)
        np.einsum("rn,rn->n", d_f, _rows(self.C[:-1]), out=self.grads["p_f"])
        np.einsum("rn,rn->n", _rows(self.E), _rows(self.N), out=self.grads["s_a"])


_CELLS: dict[str, type[Vanilla]] = {
    "vanilla": Vanilla,
    "gru_reset_after": GruResetAfter,
    "lstm": Lstm,
    "peephole_mgu": PeepholeMgu,
}


def _rows(array: Array) -> Array:
    """(T, B, n) → (T·B, n)"""
    return array.reshape(-1, array.shape[-1])


@dataclass(frozen=True)
class NumpyExpert:
    name: str = "numpy"
    package: str = "numpy"
    title: str = "NumPy, by an expert"

    def prepare(self, case: Case) -> Run | None:
        work = _CELLS[case.model](case)
        p, grads, size = work.p, work.grads, case.size
        X, y = _rows(case.x), _rows(case.y)
        logits, delta, room = (np.empty_like(y) for _ in range(3))
        dA = np.empty_like(work.A[:-1])

        def run() -> tuple[float, Mapping[str, Array]]:
            np.matmul(X, p["W_x"].T, out=_rows(work.Z))
            work.Z.__iadd__(p["b"])
            for t in range(size.T):
                work.forward(t)
            states = _rows(work.A[1:])
            np.matmul(states, p["W_ya"].T, out=logits)
            logits.__iadd__(p["b_y"])
            loss = _loss_and_seed(logits, y, delta, room)

            np.matmul(delta, p["W_ya"], out=_rows(dA))
            work.da.fill(0)
            work.dc.fill(0)
            for t in reversed(range(size.T)):
                work.da += dA[t]
                work.backward(t)
            D = _rows(work.D)
            work.finish()
            np.matmul(D.T, X, out=grads["W_x"])
            D.sum(0, out=grads["b"])
            np.matmul(delta.T, states, out=grads["W_ya"])
            delta.sum(0, out=grads["b_y"])
            return loss, Unpacked(case.cell, lambda: grads)

        return run


def _loss_and_seed(logits: Array, y: Array, delta: Array, room: Array) -> float:
    """Σ max(l, 0) − l y + log1p(e^−|l|), and delta = σ(l) − y, both from e = e^−|l|."""
    np.abs(logits, out=room)
    np.negative(room, out=room)
    np.exp(room, out=room)
    np.add(room, 1, out=delta)
    np.reciprocal(delta, out=delta)  # σ(|l|)
    np.log1p(room, out=room)
    total: Any = room.sum() - np.vdot(logits, y)
    np.maximum(logits, 0, out=room)
    total += room.sum()
    np.subtract(1, delta, out=delta, where=logits < 0)
    np.subtract(delta, y, out=delta)
    return float(total)


PEERS: tuple[Peer, ...] = (NumpyExpert(),)
