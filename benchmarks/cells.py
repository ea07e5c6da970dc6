"""The cells as tensor operations on packed weights, for the peers that differentiate by themselves.

A framework's user keeps the weights of all gates in one matrix, so that one product serves them all:

    W_x (G n_a, n_x)   b (G n_a)   W_a (G n_a, n_a)   W_ya (n_y, n_a)   b_y (n_y)

and any further vector (n_a) under its own name. The gates are in PyTorch's order, so that W_x and W_a are
its weight_ih and weight_hh. One `step` for each cell serves PyTorch, JAX and CasADi alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Tensor = Any  # of the framework at hand
State = tuple[Tensor, ...]

EPSILON = 0.01  # under the root of the normaliser, as in peephole_mgu.toml


class Ops(Protocol):
    """What a framework calls things. A vector may have a batch in front: (B, n)."""

    def tanh(self, v: Tensor) -> Tensor: ...
    def sigmoid(self, v: Tensor) -> Tensor: ...
    def product(self, W: Tensor, v: Tensor) -> Tensor:
        """W v, example by example: W (m, n), v (…, n) → (…, m)."""

    def split(self, v: Tensor, parts: int) -> tuple[Tensor, ...]:
        """Equal parts of the last axis."""

    def rows(self, W: Tensor, parts: int) -> tuple[Tensor, ...]:
        """Equal parts of the first axis."""

    def root_mean_square(self, v: Tensor, epsilon: float) -> Tensor:
        """√(ε + mean v²) over the last axis, which is kept: (…, 1)."""


Step = Callable[[Ops, Mapping[str, Tensor], State, Tensor], State]


@dataclass(frozen=True)
class Cell:
    """step(ops, packed, states at t−1, z) → states at t, with z = W_x x + b: (…, G n_a).

    `states` ends with a, which the output reads. `vectors` are the parameters kept under their own name.
    """

    gates: tuple[str, ...]
    states: tuple[str, ...]
    vectors: tuple[str, ...]
    step: Step

    def pack(self, params: Mapping[str, Array]) -> dict[str, Array]:
        """From W_aa, W_ax, b_a, … to W_x, b, W_a, …"""

        def stacked(pattern: str) -> Array:
            return np.concatenate([params[pattern.format(gate)] for gate in self.gates])

        packed = {"W_x": stacked("W_{}x"), "b": stacked("b_{}"), "W_a": stacked("W_{}a")}
        return packed | {name: params[name].copy() for name in (*self.vectors, "W_ya", "b_y")}

    def unpack(self, packed: Mapping[str, Array]) -> dict[str, Array]:
        """The way back, as views."""
        names = (("W_x", "W_{}x"), ("b", "b_{}"), ("W_a", "W_{}a"))
        params = {name: packed[name] for name in (*self.vectors, "W_ya", "b_y")}
        for name, pattern in names:
            parts = np.split(packed[name], len(self.gates))
            params |= {pattern.format(gate): part for gate, part in zip(self.gates, parts, strict=True)}
        return params


class Unpacked(Mapping[str, Array]):
    """Gradients in the caller's names, unpacked when read, so that nobody is timed for the renaming."""

    def __init__(self, cell: Cell, packed: Callable[[], Mapping[str, Array]]) -> None:
        self._cell, self._packed = cell, packed
        self._params: dict[str, Array] | None = None

    def _read(self) -> dict[str, Array]:
        if self._params is None:
            self._params = self._cell.unpack(self._packed())
        return self._params

    def __getitem__(self, name: str) -> Array:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())


def _vanilla(ops: Ops, p: Mapping[str, Tensor], state: State, z: Tensor) -> State:
    (a,) = state
    return (ops.tanh(z + ops.product(p["W_a"], a)),)


def _gru_reset_after(ops: Ops, p: Mapping[str, Tensor], state: State, z: Tensor) -> State:
    (a,) = state
    z_r, z_z, z_k = ops.split(z, 3)
    u_r, u_z, u_k = ops.split(ops.product(p["W_a"], a), 3)
    r, stay = ops.sigmoid(z_r + u_r), ops.sigmoid(z_z + u_z)
    k = ops.tanh(z_k + r * (u_k + p["c_k"]))
    return (k + stay * (a - k),)


def _lstm(ops: Ops, p: Mapping[str, Tensor], state: State, z: Tensor) -> State:
    c, a = state
    z_i, z_f, z_k, z_o = ops.split(z + ops.product(p["W_a"], a), 4)
    c = ops.sigmoid(z_f) * c + ops.sigmoid(z_i) * ops.tanh(z_k)
    return (c, ops.sigmoid(z_o) * ops.tanh(c))


def _peephole_mgu(ops: Ops, p: Mapping[str, Tensor], state: State, z: Tensor) -> State:
    c, a = state
    z_f, z_k = ops.split(z, 2)
    W_f, W_k = ops.rows(p["W_a"], 2)
    f = ops.sigmoid(z_f + ops.product(W_f, a) + p["p_f"] * c)
    k = ops.tanh(z_k + ops.product(W_k, f * a))
    c = c + f * (k - c)
    return (c, p["s_a"] * c / ops.root_mean_square(c, EPSILON))


CELLS: dict[str, Cell] = {
    "vanilla": Cell(("a",), ("a",), (), _vanilla),
    "gru_reset_after": Cell(("r", "z", "k"), ("a",), ("c_k",), _gru_reset_after),
    "lstm": Cell(("i", "f", "k", "o"), ("c", "a"), (), _lstm),
    "peephole_mgu": Cell(("f", "k"), ("c", "a"), ("p_f", "s_a"), _peephole_mgu),
}
