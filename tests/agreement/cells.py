"""Cells that exist nowhere else: each is this text and nothing more."""

from __future__ import annotations

_COMMON = """
[sizes]
n_x = "input features"
n_a = "hidden units"
n_d = "hidden units of the second state"
n_y = "outputs"

[inputs]
x = ["n_x"]

[functions]
g = ["tanh", "relu"]
h = ["sigmoid", "softmax", "identity"]
"""

PEEPHOLE = (
    'name = "minimal_peephole"\ntitle = "Minimal gated unit that looks at its own state"\n'
    + _COMMON.replace('n_d = "hidden units of the second state"\n', "")
    + """
[states]
a = ["n_a"]

[parameters]
W_fa = ["n_a", "n_a"]
W_fx = ["n_a", "n_x"]
p_f  = ["n_a"]
b_f  = ["n_a"]
W_ka = ["n_a", "n_a"]
W_kx = ["n_a", "n_x"]
rate = []
W_ya = ["n_y", "n_a"]
b_y  = ["n_y"]

[equations]
f = "sigmoid(W_fa @ a[t-1] + W_fx @ x + p_f * a[t-1] + b_f)"
k = "leaky_relu(-W_ka @ (f * a[t-1]) + W_kx @ x) + g(p_f * f)"
a = "a[t-1] + sigmoid(rate) * f * (k - a[t-1])"

[output]
yhat = "h(W_ya @ a + b_y)"
"""
)

NORMALISED = (
    'name = "normalised"\ntitle = "A cell whose pre-activations have mean 0 and variance 1"\n'
    + _COMMON.replace('n_d = "hidden units of the second state"\n', "")
    + """
[states]
a = ["n_a"]

[parameters]
W_aa = ["n_a", "n_a"]
W_ax = ["n_a", "n_x"]
gain = ["n_a"]
b_a  = ["n_a"]
W_ya = ["n_y", "n_a"]
b_y  = ["n_y"]

[equations]
u = "W_aa @ a[t-1] + W_ax @ x + b_a"
v = "u - mean(u)"
a = "g((1 + gain) * v / sqrt(mean(square(v)) + 0.01) + b_a)"

[output]
q = "W_ya @ a"
yhat = "h(q + b_y)"
"""
)

ATTENTIVE = (
    'name = "attentive"\ntitle = "Two states; the first is weighed by a softmax over its components"\n'
    + _COMMON
    + """
[states]
a = ["n_a"]
d = ["n_d"]

[parameters]
W_wa = ["n_a", "n_a"]
W_wx = ["n_a", "n_x"]
W_da = ["n_d", "n_a"]
keep = []
b_d  = ["n_d"]
W_ya = ["n_y", "n_a"]
b_y  = ["n_y"]

[equations]
w = "softmax(W_wa @ a[t-1] + W_wx @ x)"
d = "softplus(W_da @ (w * a[t-1]) + 0.5 * d[t-1] + b_d) - (keep * d[t-1])**3 / (1 + d[t-1]**2)"
a = "g(W_da.T @ d + cos(keep) * a[t-1]) + sin(w) * exp(-square(keep)) * sum(w * a[t-1])"

[output]
yhat = "h(W_ya @ a + b_y)"
"""
)

FLEETING = (
    'name = "fleeting"\ntitle = "States that remember nothing: one reads the input alone, one is always 0"\n'
    + _COMMON
    + """
[states]
a = ["n_a"]
d = ["n_d"]

[parameters]
W_ax = ["n_a", "n_x"]
W_ad = ["n_a", "n_d"]
W_ya = ["n_y", "n_a"]
W_yd = ["n_y", "n_d"]
b_y  = ["n_y"]

[equations]
d = "d[t-1] - d[t-1]"
a = "g(W_ax @ x + W_ad @ d)"

[output]
yhat = "h(W_ya @ a + W_yd @ d + b_y)"
"""
)

CELLS = {
    "minimal_peephole": PEEPHOLE,
    "normalised": NORMALISED,
    "attentive": ATTENTIVE,
    "fleeting": FLEETING,
}
