"""PyTorch with the cell as a Python loop of tensor operations, which is what a cell of one's own is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import linear

from benchmarks.case import Case
from benchmarks.peers import Peer, Run
from benchmarks.peers.torch_ops import Tensor, training_call, weights


class TorchOps:
    """`benchmarks.cells.Ops` in PyTorch."""

    tanh = staticmethod(torch.tanh)
    sigmoid = staticmethod(torch.sigmoid)

    def product(self, W: Tensor, v: Tensor) -> Tensor:
        return linear(v, W)

    def split(self, v: Tensor, parts: int) -> tuple[Tensor, ...]:
        return tuple(v.chunk(parts, -1))

    def rows(self, W: Tensor, parts: int) -> tuple[Tensor, ...]:
        return tuple(W.chunk(parts, 0))

    def root_mean_square(self, v: Tensor, epsilon: float) -> Tensor:
        return torch.sqrt(epsilon + v.square().mean(-1, keepdim=True))


@dataclass(frozen=True)
class TorchLoop:
    name: str = "torch_loop"
    package: str = "torch"
    title: str = "PyTorch, a loop"

    def prepare(self, case: Case) -> Run | None:
        packed, cell, ops = weights(case), case.cell, TorchOps()
        start = torch.zeros(case.size.B, case.size.n_a, dtype=packed["b"].dtype)

        def trajectory(x: Any) -> Any:
            state: tuple[Tensor, ...] = (start,) * len(cell.states)
            outputs = []
            for z in linear(x, packed["W_x"], packed["b"]).unbind(0):
                state = cell.step(ops, packed, state, z)
                outputs.append(state[-1])
            return torch.stack(outputs)

        return training_call(case, packed, trajectory)


PEERS: tuple[Peer, ...] = (TorchLoop(),)
