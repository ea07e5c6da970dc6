"""What the two PyTorch peers share: tensors over the packed weights, the output, and one training call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, linear

from benchmarks.case import Case
from benchmarks.cells import Unpacked
from benchmarks.peers import Array, Run

Tensor = Any


def weights(case: Case) -> dict[str, Tensor]:
    """The packed parameters as leaves that want a gradient."""
    return {name: torch.from_numpy(array).requires_grad_() for name, array in case.packed.items()}


def training_call(case: Case, packed: Mapping[str, Tensor], trajectory: Callable[[Tensor], Tensor]) -> Run:
    """Loss and gradients of a network whose states a, (T, B, n_a), are `trajectory(x)`."""
    torch.set_num_threads(case.threads)
    x, y = torch.from_numpy(case.x), torch.from_numpy(case.y)
    leaves = list(packed.values())

    def run() -> tuple[float, Mapping[str, Array]]:
        logits = linear(trajectory(x), packed["W_ya"], packed["b_y"])
        loss = binary_cross_entropy_with_logits(logits, y, reduction="sum")
        grads = torch.autograd.grad(loss, leaves)
        named = dict(zip(packed, grads, strict=True))
        return loss.item(), Unpacked(case.cell, lambda: {name: g.numpy() for name, g in named.items()})

    return run
