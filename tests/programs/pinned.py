"""Programs that once went wrong, or could: what was found and shrunk, and what was thought of before.

Run like the random ones; see `tests.programs.fuzz`, which prints what it finds in this form.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.programs.grammar import file_text
from tests.programs.program import Program, Setting

SIZES = {"n_x": 3, "n_p": 4, "n_q": 5, "n_y": 2}
SHAPES: dict[str, tuple[str, ...]] = {
    "W": ("n_p", "n_p"), "U": ("n_p", "n_x"), "V": ("n_y", "n_p"), "b": ("n_y",), "c": ("n_p",), "s": (),
}  # fmt: skip


def cell(
    equations: Mapping[str, str] | str,
    output: Mapping[str, str] | str = "V @ a + b",
    states: Mapping[str, str] | None = None,
    parameters: Mapping[str, tuple[str, ...]] = SHAPES,
    **choices: Any,
) -> Program:
    """One with the state a (n_p), or others; a text is the equation of a, or of yhat, "" no output."""
    rows = {"a": equations} if isinstance(equations, str) else equations
    out = {"yhat": output} if isinstance(output, str) and output else output or {}
    setting = Setting({**SIZES, **choices.pop("sizes", {})}, **choices.pop("setting", {}))
    text = file_text(states or {"a": "n_p"}, parameters, {}, rows, out)
    return Program(text, setting, **choices)


ONE_TO_MANY: dict[str, Any] = {"architecture": "one-to-many"}
DECODER: dict[str, Any] = {"architecture": "encoder-decoder", "setting": {"T": (2, 3), "B": 2}}
ENDED = {"T": 3, "B": 2, "lengths": ("none", (1, 3))}
"""The first example has one step: the cotangents of its states at steps 2 and 3 go to that one."""

PINNED: dict[str, Program] = {
    "zero": cell("0 * a[t-1]"),
    "zero, without an output": cell("0 * a[t-1]", ""),
    "zero, T fixed": cell("0 * a[t-1]", setting={"fixed": True}),
    "relu of nothing": cell("relu(a[t-1] - a[t-1])"),
    "one to many, a later state is zero": cell("tanh(U @ x)", **ONE_TO_MANY),
    "one to many, a later state is zero, with lengths": cell(
        "tanh(U @ x)", sizes={"n_x": 2}, setting=ENDED, **ONE_TO_MANY
    ),
    "the same, T fixed": cell("tanh(U @ x)", setting={**ENDED, "fixed": True}, **ONE_TO_MANY),
    "the same, in slices": cell(
        "tanh(U @ x)", setting={"T": 3, "B": 9, "lengths": ("none", "drawn"), "sliced": True}, **ONE_TO_MANY
    ),
    "a decoder whose state is zero": cell("tanh(U @ x)", **DECODER),
    "a decoder whose state is zero, with lengths": cell(
        "tanh(U @ x)", **DECODER | {"setting": {"T": (2, 3), "B": 2, "lengths": ((1, 2), (3, 1))}}
    ),
    "a decoder whose state is zero at first, fed": cell(
        "sin((U @ x) * (U @ x))",
        feed="output",
        **DECODER | {"setting": {"T": (1, 4), "B": 9, "sliced": True}},
    ),
    "a decoder that is fed targets": cell("tanh(U @ x)", feed="target", **DECODER),
    "one minus sigmoid": cell("tanh(W @ a[t-1] + U @ x)", "1 - sigmoid(V @ a)"),
    "one minus sigmoid, squared error": cell("tanh(W @ a[t-1])", "1 - sigmoid(V @ a)", loss="squared_error"),
    "sigmoid of minus": cell("tanh(W @ a[t-1] + U @ x)", "sigmoid(-(V @ a))", loss="cross_entropy"),
    "sigmoid of nothing": cell("tanh(W @ a[t-1] + U @ x)", "sigmoid(b - b)"),
    "softmax and binary cross-entropy": cell(
        "tanh(W @ a[t-1] + U @ x)", "softmax(V @ a)", loss="binary_cross_entropy"
    ),
    "root of relu": cell("sqrt(relu(W @ a[t-1] + U @ x))", setting={"T": 3}),
    "a scalar output of nothing": cell("tanh(W @ a[t-1] + U @ x)", "sum((b - b) + sum(x))"),
    "a scalar output": cell("tanh(W @ a[t-1])", "mean(a * a)", setting={"batched": False, "B": 1}),
    "an intermediate that vanishes, read by the output alone": cell(
        {"v": "(c - s) - (c - s)", "a": "sigmoid(W @ a[t-1])"},
        "0.25 + 0.5 * sigmoid(mean(v) * (V @ v))",
        architecture="many-to-one",
        loss="cross_entropy",
    ),
    "no array tells n_p": cell("sigmoid(softplus(-a[t-1]))", "b * mean(x)", parameters={"b": ("n_y",)}),
    "no array tells n_p, no initial states": cell(
        "sigmoid(softplus(-a[t-1]))", "b", parameters={"b": ("n_y",)}, setting={"initial": "none"}
    ),
    "unwritten at the end of an example": cell(
        {"a": "0 * a[t-1]", "e": "tanh(W @ a + e[t-1])"},
        states={"a": "n_p", "e": "n_p"},
        setting={"T": 3, "B": 3, "lengths": ((1, 3, 2), "none"), "sliced": True},
    ),
    "fed, no state enters": cell(
        "tanh(W @ a[t-1])", "sigmoid(b)", sizes={"n_x": 2}, feed="output", **ONE_TO_MANY
    ),
    "fed, only x enters": cell("a[t-1]", "tanh(b + mean(x))", sizes={"n_x": 2}, feed="output", **ONE_TO_MANY),
    "an alias of a zero": cell({"v": "0 * x", "w": "v", "a": "tanh(U @ w + a[t-1])"}),
    "nothing but numbers": cell("tanh(2 ** 3 - 8 + 0 * a[t-1])", "sigmoid(0.5 - 2 ** -1 + 0 * b)"),
}
