"""Right equations, by hand, for the built-in cells and two more, in several architectures."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from tests.claims.models import Setting
from tests.claims.reading import read
from tests.claims.trees import Claim
from tests.claims.verdict import judge

VANILLA = """
delta_a[t] = W_ya^T @ (yhat[t] - y[t]) + W_aa^T @ delta_z_a[t+1]
delta_z_a[t] = (1 - a[t]^2) * delta_a[t]
delta_z_a[t] = diag(g'(z_a[t])) @ delta_a[t]
dL/dW_aa = sum_t delta_z_a[t] @ a[t-1]^T
dL/dW_ax = sum_{t=1}^{T} delta_z_a[t] @ x[t]^T
dL/db_a = sum_t delta_z_a[t]
dL/dW_ya = sum_t (yhat[t] - y[t]) @ a[t]^T
dL/db_y = sum_t (yhat[t] - y[t])
dL/dx[t] = W_ax^T @ dL/dz_a[t]
dL/da[0] = W_aa^T @ delta_z_a[1]
dL/da[T] = W_ya^T @ dL/dz_yhat[T]
delta_yhat[t] = (1 - y[t]) / (1 - yhat[t]) - y[t] / yhat[t]
delta_z_yhat[t] = yhat[t] * (1 - yhat[t]) * delta_yhat[t]
da[t]/da[t-1] = diag(1 - a[t]^2) @ W_aa
da[t]/da[k] = prod_{j=k+1}^{t} diag(1 - a[j]^2) @ W_aa
dyhat[t]/dz_yhat[t] = diag(yhat[t] * (1 - yhat[t]))
da[t]/dW_aa = d+a[t]/dW_aa + da[t]/da[t-1] @ da[t-1]/dW_aa
da[t]/dW_aa = sum_{k=1}^{t} da[t]/da[k] @ d+a[k]/dW_aa
dL[t]/dW_aa = sum_{k=1}^{t} dL[t]/da[k] @ d+a[k]/dW_aa
dL/dW_aa = sum_{k=1}^{T} dL/da[k] @ d+a[k]/dW_aa
dL/dW_aa = sum_{k=1}^{T} (d+a[k]/dW_aa)^T @ delta_a[k]
dL/db_a = sum_{k=1}^{T} (d+a[k]/db_a)^T @ dL/da[k]
dL/da[t-1] = dL/da[t] @ da[t]/da[t-1] + dL[t-1]/da[t-1]
dL[t]/da[t-1] = dL[t]/da[t] @ da[t]/da[t-1]
delta_a[t] = sum_{k=t}^{T} (da[k]/da[t])^T @ W_ya^T @ (yhat[k] - y[k])
dL/da[t] = dL[t]/da[t] + W_aa^T @ delta_z_a[t+1]
d+a[t]/dz_a[t] = diag(1 - a[t]^2)
d+z_a[t]/da[t-1] = W_aa
d+a[3]/da[1] = 0
d+L[t]/da[t] = 0
dL[1]/da[2] = 0
da[1]/da[2] = 0
dL/da[T+1] = 0
da[3]/da[1] = da[3]/da[2] @ da[2]/da[1]
a[t] = tanh(W_aa @ a[t-1] + W_ax @ x[t] + b_a)
z_yhat[t+1] = W_ya @ a[t+1] + b_y
L = sum_t L[t]
2 * delta_z_a[t] = delta_a[t] * (2 - 2 * a[t]^2)
"""
SOFTMAX = """
delta_z_yhat[t] = yhat[t] - y[t]
delta_z_yhat[t] = sum(y[t]) * yhat[t] - y[t]
dyhat[t]/dz_yhat[t] = diag(yhat[t]) - yhat[t] @ yhat[t]^T
delta_z_yhat[t] = (diag(yhat[t]) - yhat[t] @ yhat[t]^T) @ delta_yhat[t]
delta_yhat[t] = -y[t] / yhat[t]
dL/dW_ya = sum_t delta_z_yhat[t] @ a[t]^T
delta_a[t] = W_ya^T @ (yhat[t] - y[t]) + W_aa^T @ delta_z_a[t+1]
yhat[t] = softmax(z_yhat[t])
"""
IDENTITY = """
delta_yhat[t] = yhat[t] - y[t]
delta_z_a[t] = g'(z_a[t]) * delta_a[t]
L[t] = (yhat[t] - y[t])^2 / 2
delta_a[t] = W_ya^T @ delta_yhat[t] + W_aa^T @ delta_z_a[t+1]
"""
LSTM = """
delta_c[t] = delta_a[t] * o[t] * (1 - tanh(c[t])^2) + f[t+1] * delta_c[t+1]
delta_z_i[t] = delta_c[t] * k[t] * i[t] * (1 - i[t])
delta_z_f[t] = delta_c[t] * c[t-1] * f[t] * (1 - f[t])
delta_z_o[t] = delta_a[t] * tanh(c[t]) * o[t] * (1 - o[t])
delta_z_k[t] = delta_c[t] * i[t] * (1 - k[t]^2)
delta_a[t] = W_ya^T @ (yhat[t] - y[t]) + W_ia^T @ delta_z_i[t+1] + W_fa^T @ delta_z_f[t+1] \
    + W_oa^T @ delta_z_o[t+1] + W_ka^T @ delta_z_k[t+1]
dL/dW_fa = sum_t delta_z_f[t] @ a[t-1]^T
dL/db_o = sum_t delta_z_o[t]
da[t]/dc[t] = diag(o[t] * (1 - tanh(c[t])^2))
d+c[t]/dc[t-1] = diag(f[t])
d+a[t]/do[t] = diag(tanh(c[t]))
dc[t]/dc[t-1] = diag(f[t]) + dc[t]/da[t-1] @ d+a[t-1]/dc[t-1]
c[t] = f[t] * c[t-1] + i[t] * k[t]
delta_c[t] = f[t+1] * delta_c[t+1] + (da[t]/dc[t])^T @ delta_a[t]
dL/dc[0] = f[1] * dL/dc[1]
"""
GRU = """
delta_k[t] = (1 - z[t]) * delta_a[t]
delta_z_z[t] = delta_a[t] * (a[t-1] - k[t]) * z[t] * (1 - z[t])
delta_z_k[t] = delta_k[t] * (1 - k[t]^2)
delta_r[t] = a[t-1] * (W_ka^T @ delta_z_k[t])
delta_a[t] = W_ya^T @ (yhat[t] - y[t]) + z[t+1] * delta_a[t+1] + W_za^T @ delta_z_z[t+1] \
    + W_ra^T @ delta_z_r[t+1] + r[t+1] * (W_ka^T @ delta_z_k[t+1])
dL/dW_ka = sum_t delta_z_k[t] @ (r[t] * a[t-1])^T
dL/dW_za = sum_t delta_z_z[t] @ a[t-1]^T
d+a[t]/dk[t] = diag(1 - z[t])
d+a[t]/dW_ra = 0
a[t] = (1 - z[t]) * k[t] + z[t] * a[t-1]
"""
RESET_AFTER = """
dL/dW_ka = sum_t r[t] * delta_z_k[t] @ a[t-1]^T
dL/dc_k = sum_t r[t] * delta_z_k[t]
delta_r[t] = delta_z_k[t] * (W_ka @ a[t-1] + c_k)
delta_z_r[t] = delta_r[t] * r[t] * (1 - r[t])
"""
STACKED = """
delta_a[t] = W_da^T @ delta_z_d[t] + W_aa^T @ delta_z_a[t+1]
delta_d[t] = W_ya^T @ (yhat[t] - y[t]) + W_dd^T @ delta_z_d[t+1]
dL/dW_da = sum_t delta_z_d[t] @ a[t]^T
dL/dW_dd = sum_t delta_z_d[t] @ d[t-1]^T
dd[t]/da[t] = diag(1 - d[t]^2) @ W_da
dd[t]/dd[t-1] = diag(1 - d[t]^2) @ W_dd
dd[t]/da[t-1] = dd[t]/da[t] @ da[t]/da[t-1]
"""
FED = """
delta_a[t] = W_ya^T @ delta_z_yhat[t] + W_aa^T @ delta_z_a[t+1]
delta_z_yhat[t] = yhat[t] - y[t] + yhat[t] * (1 - yhat[t]) * (W_ax^T @ delta_z_a[t+1])
delta_yhat[t] = (1 - y[t]) / (1 - yhat[t]) - y[t] / yhat[t] + W_ax^T @ delta_z_a[t+1]
dL/dW_ax = delta_z_a[1] @ x[1]^T + (sum_{t=2}^{T} delta_z_a[t] @ yhat[t-1]^T)
z_a[t] = W_aa @ a[t-1] + W_ax @ x[t] + b_a
"""
ONE = """
delta_a[t] = W_aa^T @ delta_z_a[t+1]
dL/dW_ya = (yhat[T] - y[T]) @ a[T]^T
dL/da[t] = dL/da[t+1] @ da[t+1]/da[t]
dL/dW_aa = sum_{t=1}^{T} delta_z_a[t] @ a[t-1]^T
delta_a[T] = W_ya^T @ (yhat[T] - y[T])
"""
TWO = """
dL/ddec_W_aa = sum_{t=T_x+1}^{T_x+T_y} delta_z_a[t] @ a[t-1]^T
dL/denc_W_aa = sum_{t=1}^{T_x} delta_z_a[t] @ a[t-1]^T
delta_a[T_x] = dec_W_aa^T @ delta_z_a[T_x+1]
delta_z_a[t] = (1 - a[t]^2) * delta_a[t]
delta_z_yhat[t] = yhat[t] - y[t]
"""
COUPLED = """
delta_z_a[t] = (1 - a[t]^2) * delta_a[t]
delta_p[t] = (1 - rate) * delta_m[t] - sum(delta_z_a[t]) / n_m
delta_m[t] = W_am^T @ delta_z_a[t] + rate * delta_m[t+1]
delta_a[t] = W_ya^T @ (yhat[t] - y[t]) + W_aa^T @ delta_z_a[t+1] + W_pa^T @ delta_z_p[t+1]
delta_z_p[t] = delta_p[t] * p[t] * (1 - p[t])
dL/dW_am = sum_t delta_z_a[t] @ m[t]^T
dL/drate = sum_{t=1}^{T} delta_m[t]^T @ (m[t-1] - p[t])
dL/db_p = sum_t delta_z_p[t]
d+m[t]/dp[t] = (1 - rate) * diag(p[t] / p[t])
d+m[t]/dm[t-1] = rate * diag(m[t] / m[t])
d+a[t]/dm[t] = diag(1 - a[t]^2) @ W_am
"""
LOOKING = """
delta_z_k[t] = (1 - k[t]^2) * delta_k[t]
delta_k[t] = f[t] * delta_a[t]
delta_f[t] = (k[t] - a[t-1]) * delta_a[t] + a[t-1] * (W_ka^T @ delta_z_k[t])
delta_z_f[t] = delta_f[t] * f[t] * (1 - f[t])
dL/dp_f = sum_t delta_z_f[t] * a[t-1]
dL/dW_ka = sum_t delta_z_k[t] @ (f[t] * a[t-1])^T
dL/dW_fx = sum_t delta_z_f[t] @ x[t]^T
d+a[t]/da[t-1] = diag(1 - f[t])
d+k[t]/df[t] = diag(1 - k[t]^2) @ W_ka @ diag(a[t-1])
delta_a[t] = W_ya^T @ (yhat[t] - y[t]) + (1 - f[t+1]) * delta_a[t+1] + f[t+1] * (W_ka^T @ delta_z_k[t+1]) \
    + W_fa^T @ delta_z_f[t+1] + p_f * delta_z_f[t+1]
"""
MANY = Setting("vanilla")
LISTS: tuple[tuple[Setting, str], ...] = (
    (MANY, VANILLA),
    (Setting("vanilla", functions=(("h", "softmax"),)), SOFTMAX),
    (Setting("vanilla", functions=(("g", "relu"), ("h", "identity"))), IDENTITY),
    (Setting("lstm"), LSTM),
    (Setting("gru"), GRU),
    (Setting("gru_reset_after"), RESET_AFTER),
    (Setting("vanilla_stacked"), STACKED),
    (Setting("coupled"), COUPLED),
    (Setting("looking"), LOOKING),
    (Setting("vanilla", "one-to-many", "output"), FED),
    (Setting("vanilla", "many-to-one"), ONE),
    (Setting("vanilla", "encoder-decoder"), TWO),
)


@cache
def claims() -> tuple[tuple[Setting, Claim], ...]:
    return tuple(_claims())


def _claims() -> Iterator[tuple[Setting, Claim]]:
    for setting, lines in LISTS:
        for line in filter(None, lines.splitlines()):
            yield setting, read(line, judge(setting).network.names)
