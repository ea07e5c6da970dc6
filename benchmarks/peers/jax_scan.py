"""JAX: jit of value_and_grad over lax.scan, the input products formed for all steps ahead of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.case import Case
from benchmarks.cells import Cell, Unpacked
from benchmarks.peers import Array, Peer, Run

Tensor = Any


class JaxOps:
    """`benchmarks.cells.Ops` in JAX."""

    tanh = staticmethod(jnp.tanh)
    sigmoid = staticmethod(jax.nn.sigmoid)

    def product(self, W: Tensor, v: Tensor) -> Tensor:
        return v @ W.T

    def split(self, v: Tensor, parts: int) -> tuple[Tensor, ...]:
        return tuple(jnp.split(v, parts, -1))

    def rows(self, W: Tensor, parts: int) -> tuple[Tensor, ...]:
        return tuple(jnp.split(W, parts, 0))

    def root_mean_square(self, v: Tensor, epsilon: float) -> Tensor:
        return jnp.sqrt(epsilon + jnp.mean(jnp.square(v), -1, keepdims=True))


def _loss(cell: Cell, p: Mapping[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
    ops = JaxOps()
    start = jnp.zeros((x.shape[1], p["W_ya"].shape[1]), x.dtype)

    def step(state: tuple[Tensor, ...], z: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        state = cell.step(ops, p, state, z)
        return state, state[-1]

    _, a = jax.lax.scan(step, (start,) * len(cell.states), x @ p["W_x"].T + p["b"])
    logits = a @ p["W_ya"].T + p["b_y"]
    return jnp.sum(jnp.maximum(logits, 0) - logits * y + jnp.log1p(jnp.exp(-jnp.abs(logits))))


@dataclass(frozen=True)
class JaxScan:
    name: str = "jax_scan"
    package: str = "jax"
    title: str = "JAX, jit of scan"

    def prepare(self, case: Case) -> Run | None:
        jax.config.update("jax_enable_x64", True)
        compute = jax.jit(jax.value_and_grad(partial(_loss, case.cell)))
        packed = {name: jnp.asarray(array) for name, array in case.packed.items()}
        x, y = jnp.asarray(case.x), jnp.asarray(case.y)

        def run() -> tuple[float, Mapping[str, Array]]:
            loss, grads = compute(packed, x, y)
            jax.block_until_ready(grads)
            return float(loss), Unpacked(case.cell, lambda: {n: np.asarray(g) for n, g in grads.items()})

        return run


PEERS: tuple[Peer, ...] = (JaxScan(),)
