"""Real documents for the tests of formats, each built once: models, notations, layouts and levels."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from chalkgrad import derive
from chalkgrad.derive.documents.content import Wanted
from chalkgrad.derive.documents.levels import at_level
from chalkgrad.derive.documents.tree import Document
from tests.derive.once import content

ODD = r"""
name = "odd"
title = "A cell_with $hostile$ #1 \\input{title} & 50% δ – é"
[sizes]
n_in = "inputs <x>"
n_units = "units & more"
[inputs]
x = ["n_in"]
[states]
left_state = ["n_units"]
alpha = ["n_units"]
[parameters]
W_gates = ["n_units", "n_in"]
U_inner_outer = ["n_units", "n_units"]
gamma_z = ["n_units"]
scale = []
[equations]
gate = "leaky_relu(W_gates @ x + U_inner_outer @ left_state[t-1] + gamma_z)"
left_state = "scale * gate * alpha[t-1] / (1 + exp(gamma_z ** 2 + U_inner_outer @ alpha[t-1])) + 1e-7"
alpha = "tanh(left_state + 0.01 * mean(gate)) * sqrt(1 + gamma_z ** 2) + softmax(gate)"
[output]
yhat = "softmax(left_state)"
[loss]
kind = ["cross_entropy", "squared_error"]
"""
KINDS = {
    "vanilla": ("vanilla", {}, Wanted(), "full"),
    "brief": ("vanilla", {"h": "softmax"}, Wanted(pictures=False), "brief"),
    "one page": ("vanilla", {}, Wanted(), "brief"),
    "exam": ("gru", {}, Wanted(3, "werbos", pictures=False), "exam"),
    "key": ("gru", {}, Wanted(3, "werbos", pictures=False), "key"),
    "jacobian": ("lstm", {}, Wanted(2, "d2l", "jacobian", pictures=False), "full"),
    "two networks": (
        "gru",
        {"architecture": "encoder-decoder", "feed": "output"},
        Wanted((2, 2), "pascanu", pictures=False),
        "full",
    ),
    "odd": (ODD, {}, Wanted(2, pictures=False), "full"),
}


@cache
def document(kind: str) -> Document:
    """One of KINDS."""
    model, choices, wanted, level = KINDS[kind]
    with tempfile.TemporaryDirectory() as name:
        if "\n" in model:
            path = Path(name) / "odd.toml"
            path.write_text(model, encoding="utf-8")
            model = str(path)
        derivation = derive.bptt(derive.load(model, **choices))
    return at_level(content(derivation, wanted, "cg.load('vanilla')"), level)
