"""ONNX Runtime: forward only, with the RNN, GRU and LSTM operators. A cell of one's own has none,
and they compute in float32 alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.case import Case
from benchmarks.peers import Array, Peer, Run

_OPERATORS = {
    "vanilla": ("RNN", ("a",), {}),
    "gru_reset_after": ("GRU", ("z", "r", "k"), {"linear_before_reset": 1}),
    "lstm": ("LSTM", ("i", "o", "f", "k"), {}),
}
_OPSET, _IR = 17, 8


def _model(case: Case) -> Any:
    """x (T, B, n_x) → yhat (T, B, n_y): https://onnx.ai/onnx/operators/onnx__GRU.html for the layouts."""
    operator, gates, attributes = _OPERATORS[case.model]
    p, n_a = case.params, case.size.n_a
    inner = [p["c_k"] if g == "k" and "c_k" in p else np.zeros(n_a, case.dtype) for g in gates]
    constants = {
        "W": np.concatenate([p[f"W_{g}x"] for g in gates])[None],
        "R": np.concatenate([p[f"W_{g}a"] for g in gates])[None],
        "b": np.concatenate([*(p[f"b_{g}"] for g in gates), *inner])[None],
        "V": np.ascontiguousarray(p["W_ya"].T),
        "b_y": p["b_y"],
        "one_direction": np.array([1]),
    }
    nodes = [
        helper.make_node(operator, ["x", "W", "R", "b"], ["Y"], hidden_size=n_a, **attributes),
        helper.make_node("Squeeze", ["Y", "one_direction"], ["a"]),
        helper.make_node("MatMul", ["a", "V"], ["product"]),
        helper.make_node("Add", ["product", "b_y"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["yhat"]),
    ]
    kind = TensorProto.FLOAT
    T, B = case.size.T, case.size.B
    graph = helper.make_graph(
        nodes,
        case.model,
        [helper.make_tensor_value_info("x", kind, [T, B, case.size.n_x])],
        [helper.make_tensor_value_info("yhat", kind, [T, B, case.size.n_y])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)


@dataclass(frozen=True)
class OnnxForward:
    name: str = "onnx_forward"
    package: str = "onnxruntime"
    title: str = "ONNX Runtime"

    def prepare(self, case: Case) -> Run | None:
        if case.model not in _OPERATORS or case.dtype == "float64":  # they have no kernels for double
            return None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = case.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        text = _model(case).SerializeToString()
        session = onnxruntime.InferenceSession(text, options, providers=["CPUExecutionProvider"])
        feed = {"x": case.x}

        def run() -> tuple[float, Mapping[str, Array]]:
            (yhat,) = session.run(None, feed)
            return 0.0, {"yhat": yhat}

        return run


PEERS: tuple[Peer, ...] = (OnnxForward(),)
