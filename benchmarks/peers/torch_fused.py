"""PyTorch with its own cells: nn.RNN, nn.GRU and nn.LSTM, a linear layer and BCEWithLogits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.case import Case
from benchmarks.peers import Peer, Run
from benchmarks.peers.torch_ops import training_call, weights

_OPERATORS: dict[str, Any] = {"vanilla": torch.rnn_tanh, "gru_reset_after": torch.gru, "lstm": torch.lstm}
"""The functions that nn.RNN, nn.GRU and nn.LSTM call with their weights."""


@dataclass(frozen=True)
class TorchFused:
    name: str = "torch_fused"
    package: str = "torch"
    title: str = "PyTorch nn.RNN/GRU/LSTM"

    def prepare(self, case: Case) -> Run | None:
        operator = _OPERATORS.get(case.model)
        if operator is None:
            return None
        packed = weights(case)
        start = torch.zeros(1, case.size.B, case.size.n_a, dtype=packed["b"].dtype)
        initial = (start, start) if case.model == "lstm" else start
        no_bias = torch.zeros_like(packed["b"], requires_grad=False)

        def trajectory(x: Any) -> Any:
            inner = no_bias
            if "c_k" in packed:
                inner = torch.cat((no_bias[: -case.size.n_a], packed["c_k"]))
            flat = [packed["W_x"], packed["W_a"], packed["b"], inner]
            # biases, one layer, no dropout, training, one direction, time first
            return operator(x, initial, flat, True, 1, 0.0, True, False, False)[0]

        return training_call(case, packed, trajectory)


PEERS: tuple[Peer, ...] = (TorchFused(),)
