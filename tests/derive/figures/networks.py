"""Networks of every kind for the tests of figures: built-in cells and some that nobody has drawn before."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from chalkgrad.derive.cells.modelfile import load
from chalkgrad.derive.deriving.derivation import Derivation, bptt
from tests.chosen import some

PAST = """
name = "past"
title = "An output that reads the input and the step before"
[sizes]
n_x = "a"
n_s = "b"
n_y = "c"
[inputs]
x = ["n_x"]
[states]
s = ["n_s"]
gates = ["n_s"]
[parameters]
w_decay = ["n_s"]
U_gates = ["n_s", "n_x"]
W_sx = ["n_s", "n_x"]
c = []
V_outer = ["n_y", "n_s"]
V_past = ["n_y", "n_s"]
V_x = ["n_y", "n_x"]
[equations]
gates = "sigmoid(w_decay * gates[t-1] + U_gates @ x)"
s = "c * s[t-1] + gates * tanh(W_sx @ x)"
[output]
yhat = "softmax(V_outer @ s + V_past @ s[t-1] + V_x @ x)"
"""

SILENT = """
name = "silent"
title = "No output, a long name"
[sizes]
n_x = "a"
n_h = "b"
[inputs]
x = ["n_x"]
[states]
alpha_memory = ["n_h"]
[parameters]
W_recurrent = ["n_h", "n_h"]
U = ["n_h", "n_x"]
[equations]
alpha_memory = "tanh(W_recurrent @ alpha_memory[t-1] + U @ x)"
"""

TOWER = """
name = "tower"
title = "Three layers, the middle one of two states"
[sizes]
n_x = "a"
n_p = "b"
n_q = "c"
n_y = "d"
[inputs]
x = ["n_x"]
[states]
p = ["n_p"]
m = ["n_q"]
q = ["n_q"]
v = ["n_q"]
[parameters]
A_pp = ["n_p", "n_p"]
A_px = ["n_p", "n_x"]
A_qq = ["n_q", "n_q"]
A_qp = ["n_q", "n_p"]
A_vv = ["n_q", "n_q"]
A_vq = ["n_q", "n_q"]
A_yv = ["n_y", "n_q"]
[equations]
p = "tanh(A_pp @ p[t-1] + A_px @ x)"
u = "A_qq @ q[t-1] + A_qp @ p"
m = "0.5 * m[t-1] + tanh(u)"
q = "sigmoid(u) * m"
v = "tanh(A_vv @ v[t-1] + A_vq @ q)"
[output]
yhat = "A_yv @ v"
"""

MANY = """
name = "many"
title = "More matrices than fit beside an arrow"
[sizes]
n_x = "a"
n_h = "b"
n_y = "c"
[inputs]
x = ["n_x"]
[states]
h = ["n_h"]
[parameters]
W_alpha_first = ["n_h", "n_h"]
W_second = ["n_h", "n_h"]
W_third = ["n_h", "n_h"]
W_fourth = ["n_h", "n_h"]
W_fifth = ["n_h", "n_h"]
U = ["n_h", "n_x"]
V_longest_name_of_all_in_the_file = ["n_y", "n_h"]
[equations]
f = "sigmoid(W_alpha_first @ h[t-1])"
g = "sigmoid(W_second @ h[t-1])"
k = "sigmoid(W_third @ (f * h[t-1]))"
h = "tanh(W_fourth @ (g * h[t-1]) + W_fifth @ (k * h[t-1]) + U @ x)"
[output]
yhat = "V_longest_name_of_all_in_the_file @ h"
"""

LINEAR = """
name = "linear"
title = "A recurrence without a function"
[sizes]
n_x = "a"
n_h = "b"
n_y = "c"
[inputs]
x = ["n_x"]
[states]
h = ["n_h"]
[parameters]
W = ["n_h", "n_h"]
U = ["n_h", "n_x"]
V = ["n_y", "n_h"]
[equations]
h = "W @ h[t-1] + U @ x"
[output]
yhat = "V @ h"
"""

ODD = """
name = "{name}"
title = "Two states"
[sizes]
n_x = "a"
n_p = "b"
n_y = "c"
[inputs]
x = ["n_x"]
[states]
p = ["n_p"]
q = ["n_p"]
[parameters]
A = ["n_p", "n_p"]
E = ["n_p", "n_x"]
C = ["n_y", "n_p"]
D = ["n_y", "n_x"]
[equations]
p = "{p}"
q = "{q}"
[output]
yhat = "{yhat}"
"""
STILL = ODD.format(name="still", p="E @ x", q="p", yhat="C @ q")  # nothing is handed on
UPPER = ODD.format(name="upper", p="A @ p[t-1]", q="A @ q[t-1] + E @ x + p", yhat="C @ q")
LADDER = ODD.format(name="ladder", p="A @ p[t-1] + E @ x", q="A @ q[t-1] + p", yhat="C @ q + D @ x")
UNUSED = ODD.format(name="unused", p="A @ p[t-1] + E @ x", q="A @ q[t-1] + p", yhat="C @ p")

OWN = {
    "still": STILL,
    "upper": UPPER,
    "ladder": LADDER,
    "unused": UNUSED,
    "linear": LINEAR,
    "past": PAST,
    "silent": SILENT,
    "tower": TOWER,
    "many": MANY,
}
WAYS = (
    ("one-to-one", "none"),
    ("one-to-many", "none"),
    ("one-to-many", "output"),
    ("one-to-many", "target"),
    ("many-to-one", "none"),
    ("many-to-many", "none"),
    ("encoder-decoder", "none"),
    ("encoder-decoder", "output"),
    ("encoder-decoder", "target"),
)
EACH_WAY = ("vanilla", "gru", "lstm", "vanilla_stacked", "past", "tower")
OTHERS = ("gru_reset_after", "still", "upper", "ladder", "unused", "linear", "many")
ALL = [(cell, *way) for cell in EACH_WAY for way in WAYS]
ALL += [(cell, *way) for cell in OTHERS for way in (WAYS[2], WAYS[5], WAYS[7])]
ALL += [("silent", way, "none") for way in ("one-to-one", "many-to-many")]
KEPT = {(EACH_WAY[n % len(EACH_WAY)], *way) for n, way in enumerate(WAYS)}
KEPT |= {(cell, *WAYS[5]) for cell in (*OTHERS, "silent")}
NETWORKS = some(ALL, KEPT.__contains__)
"""All; `make test` has every way and every cell."""


@cache
def network(cell: str, architecture: str = "many-to-many", feed: str = "none") -> Derivation:
    """A built-in cell, or one of OWN by way of a file."""
    if cell not in OWN:
        return bptt(load(cell, architecture=architecture, feed=feed))
    with TemporaryDirectory() as folder:
        path = Path(folder, f"{cell}.toml")
        path.write_text(OWN[cell], encoding="utf-8")
        return bptt(load(path, architecture=architecture, feed=feed))


def short_and_long(architecture: str) -> tuple[int | tuple[int, int] | None, ...]:
    """T with every step drawn, and T with dots."""
    if architecture == "one-to-one":
        return (None,)
    return ((1, 2), (5, 12)) if architecture == "encoder-decoder" else (2, 12)
