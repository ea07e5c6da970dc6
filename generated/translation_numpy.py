"""Gated recurrent unit, reset after the product, in NumPy.

Written by Chalkgrad from the derivation; the numbers in parentheses are those of its equations.
Arrays have the batch in front of the components: x[t] is (B, n_x). Slot 0 of a state is its initial
value. A vector times a matrix from the right, v @ W.T, is W v for every example at once.
"""

import numpy as np


def rows_at(t, last, B):
    """The examples that run at step t, and those that have ended before it."""
    if last is None:
        return slice(None), slice(0)
    return np.flatnonzero(last >= t), np.flatnonzero(last < t)


def batch_sum(v):
    """The sum of v over the batch, in float64."""
    return sum(part.sum(axis=0) for part in blocks(v))


def outer_sum(u, v):
    """The sum of u v^T over the batch, in float64."""
    return sum(p.T @ q for p, q in zip(blocks(u), blocks(v)))


def blocks(v):
    """The examples in parts: sums of sums lose fewer digits than one long sum."""
    return [v[b : b + 1024].astype(float) for b in range(0, len(v), 1024)]


def sigmoid(z):
    with np.errstate(over="ignore"):  # exp(-z) may be inf, and 1 / inf is the right 0
        return 1 / (1 + np.exp(-z))


def weighted(w, v):
    """w * v, but 0 * inf = 0: what counts nothing adds nothing."""
    with np.errstate(invalid="ignore"):
        return np.where((w == 0) & ~np.isnan(v), 0, w * v)


def logsumexp(u):
    """log of the sum of exp(u) over the components; the largest u is 0."""
    return np.log(np.exp(u).sum(axis=-1))


def loss_and_grad(arrays, T_x, T_y, B):
    """The loss, summed over steps and examples, and its gradients."""
    a0 = arrays["a0"]  # (B, n_a)
    enc_W_za = arrays["enc_W_za"]  # (n_a, n_a)
    enc_W_zx = arrays["enc_W_zx"]  # (n_a, n_x)
    x = arrays["x"]  # (T_x, B, n_x)
    enc_b_z = arrays["enc_b_z"]  # (n_a)
    enc_W_ra = arrays["enc_W_ra"]  # (n_a, n_a)
    enc_W_rx = arrays["enc_W_rx"]  # (n_a, n_x)
    enc_b_r = arrays["enc_b_r"]  # (n_a)
    enc_W_ka = arrays["enc_W_ka"]  # (n_a, n_a)
    enc_c_k = arrays["enc_c_k"]  # (n_a)
    enc_W_kx = arrays["enc_W_kx"]  # (n_a, n_x)
    enc_b_k = arrays["enc_b_k"]  # (n_a)
    dec_W_za = arrays["dec_W_za"]  # (n_a, n_a)
    dec_b_z = arrays["dec_b_z"]  # (n_a)
    dec_W_ra = arrays["dec_W_ra"]  # (n_a, n_a)
    dec_b_r = arrays["dec_b_r"]  # (n_a)
    dec_W_ka = arrays["dec_W_ka"]  # (n_a, n_a)
    dec_c_k = arrays["dec_c_k"]  # (n_a)
    dec_b_k = arrays["dec_b_k"]  # (n_a)
    dec_W_ya = arrays["dec_W_ya"]  # (n_y, n_a)
    dec_b_y = arrays["dec_b_y"]  # (n_y)
    y = arrays["y"]  # (T_y, B, n_y)
    dec_W_zx = arrays["dec_W_zx"]  # (n_a, n_y)
    dec_W_rx = arrays["dec_W_rx"]  # (n_a, n_y)
    dec_W_kx = arrays["dec_W_kx"]  # (n_a, n_y)
    lengths_x = arrays.get("last_x")
    lengths_y = arrays.get("last_y")
    n_a = a0.shape[-1]
    n_x = enc_W_zx.shape[-1]
    n_y = dec_W_ya.shape[-2]
    dtype = arrays["x"].dtype
    a = np.empty((T_x + T_y + 1, B, n_a), dtype)
    enc_z = np.empty((T_x, B, n_a), dtype)
    enc_r = np.empty((T_x, B, n_a), dtype)
    enc_u_k = np.empty((T_x, B, n_a), dtype)
    enc_k = np.empty((T_x, B, n_a), dtype)
    dec_z = np.empty((T_y, B, n_a), dtype)
    dec_r = np.empty((T_y, B, n_a), dtype)
    dec_u_k = np.empty((T_y, B, n_a), dtype)
    dec_k = np.empty((T_y, B, n_a), dtype)
    yhat = np.empty((T_y, B, n_y), dtype)
    loss = 0.0
    delta_yhat = np.zeros((T_y, B, n_y), dtype)
    delta_a = np.zeros((T_x + T_y + 1, B, n_a), dtype)
    d_dec_W_za = np.zeros((n_a, n_a))
    d_dec_W_zx = np.zeros((n_a, n_y))
    d_dec_b_z = np.zeros((n_a,))
    d_dec_W_ra = np.zeros((n_a, n_a))
    d_dec_W_rx = np.zeros((n_a, n_y))
    d_dec_b_r = np.zeros((n_a,))
    d_dec_W_ka = np.zeros((n_a, n_a))
    d_dec_W_kx = np.zeros((n_a, n_y))
    d_dec_b_k = np.zeros((n_a,))
    d_dec_c_k = np.zeros((n_a,))
    d_dec_W_ya = np.zeros((n_y, n_a))
    d_dec_b_y = np.zeros((n_y,))
    d_x = np.zeros((T_x, B, n_x), dtype)
    d_enc_W_za = np.zeros((n_a, n_a))
    d_enc_W_zx = np.zeros((n_a, n_x))
    d_enc_b_z = np.zeros((n_a,))
    d_enc_W_ra = np.zeros((n_a, n_a))
    d_enc_W_rx = np.zeros((n_a, n_x))
    d_enc_b_r = np.zeros((n_a,))
    d_enc_W_ka = np.zeros((n_a, n_a))
    d_enc_W_kx = np.zeros((n_a, n_x))
    d_enc_b_k = np.zeros((n_a,))
    d_enc_c_k = np.zeros((n_a,))

    # initial states
    a[0] = a0

    # forward: encoder
    for t in range(1, T_x + 1):
        r, idle = rows_at(t, lengths_x, B)
        a[t, idle] = a[t - 1, idle]
        enc_z_z = a[t - 1, r] @ enc_W_za.T + x[t - 1, r] @ enc_W_zx.T + enc_b_z  # (1)
        enc_z[t - 1, r] = sigmoid(enc_z_z)  # (2)
        enc_z_r = a[t - 1, r] @ enc_W_ra.T + x[t - 1, r] @ enc_W_rx.T + enc_b_r  # (3)
        enc_r[t - 1, r] = sigmoid(enc_z_r)  # (4)
        enc_u_k[t - 1, r] = a[t - 1, r] @ enc_W_ka.T + enc_c_k  # (5)
        enc_z_k = x[t - 1, r] @ enc_W_kx.T + enc_b_k + enc_r[t - 1, r] * enc_u_k[t - 1, r]  # (6)
        enc_k[t - 1, r] = np.tanh(enc_z_k)  # (7)
        a[t, r] = enc_k[t - 1, r] * (1 - enc_z[t - 1, r]) + enc_z[t - 1, r] * a[t - 1, r]  # (8)

    # forward: decoder, first step
    for t in range(T_x + 1, T_x + 2):
        r, idle = rows_at(t, None if lengths_y is None else lengths_y + T_x, B)
        a[t, idle] = a[t - 1, idle]
        dec_z_z = a[t - 1, r] @ dec_W_za.T + dec_b_z  # (9)
        dec_z[t - T_x - 1, r] = sigmoid(dec_z_z)  # (10)
        dec_z_r = a[t - 1, r] @ dec_W_ra.T + dec_b_r  # (11)
        dec_r[t - T_x - 1, r] = sigmoid(dec_z_r)  # (12)
        dec_u_k[t - T_x - 1, r] = a[t - 1, r] @ dec_W_ka.T + dec_c_k  # (13)
        dec_z_k = dec_b_k + dec_r[t - T_x - 1, r] * dec_u_k[t - T_x - 1, r]  # (14)
        dec_k[t - T_x - 1, r] = np.tanh(dec_z_k)  # (15)
        a[t, r] = dec_k[t - T_x - 1, r] * (1 - dec_z[t - T_x - 1, r]) + dec_z[t - T_x - 1, r] * a[t - 1, r]  # (16)
        dec_z_yhat = a[t, r] @ dec_W_ya.T + dec_b_y  # (17)
        dec_m_yhat = dec_z_yhat.max(axis=-1)  # (18)
        dec_u_yhat = dec_z_yhat - dec_m_yhat[:, None]  # (19)
        dec_l_yhat = logsumexp(dec_u_yhat)  # (20)
        yhat[t - T_x - 1, r] = np.exp(dec_u_yhat - dec_l_yhat[:, None])  # (21)
        loss += (weighted(y[t - T_x - 1, r], dec_l_yhat[:, None] - dec_u_yhat)).sum(dtype=float)  # (22)

    # forward: decoder, later steps
    for t in range(T_x + 2, T_x + T_y + 1):
        r, idle = rows_at(t, None if lengths_y is None else lengths_y + T_x, B)
        a[t, idle] = a[t - 1, idle]
        dec_z_z = a[t - 1, r] @ dec_W_za.T + yhat[t - T_x - 2, r] @ dec_W_zx.T + dec_b_z  # (23)
        dec_z[t - T_x - 1, r] = sigmoid(dec_z_z)  # (24)
        dec_z_r = a[t - 1, r] @ dec_W_ra.T + yhat[t - T_x - 2, r] @ dec_W_rx.T + dec_b_r  # (25)
        dec_r[t - T_x - 1, r] = sigmoid(dec_z_r)  # (26)
        dec_u_k[t - T_x - 1, r] = a[t - 1, r] @ dec_W_ka.T + dec_c_k  # (27)
        dec_z_k = yhat[t - T_x - 2, r] @ dec_W_kx.T + dec_b_k + dec_r[t - T_x - 1, r] * dec_u_k[t - T_x - 1, r]  # (28)
        dec_k[t - T_x - 1, r] = np.tanh(dec_z_k)  # (29)
        a[t, r] = dec_k[t - T_x - 1, r] * (1 - dec_z[t - T_x - 1, r]) + dec_z[t - T_x - 1, r] * a[t - 1, r]  # (30)
        dec_z_yhat = a[t, r] @ dec_W_ya.T + dec_b_y  # (31)
        dec_m_yhat = dec_z_yhat.max(axis=-1)  # (32)
        dec_u_yhat = dec_z_yhat - dec_m_yhat[:, None]  # (33)
        dec_l_yhat = logsumexp(dec_u_yhat)  # (34)
        yhat[t - T_x - 1, r] = np.exp(dec_u_yhat - dec_l_yhat[:, None])  # (35)
        loss += (weighted(y[t - T_x - 1, r], dec_l_yhat[:, None] - dec_u_yhat)).sum(dtype=float)  # (36)

    # backward: decoder, later steps
    for t in range(T_x + T_y, T_x + 1, -1):
        r, idle = rows_at(t, None if lengths_y is None else lengths_y + T_x, B)
        delta_dec_l_yhat = y[t - T_x - 1, r].sum(axis=-1) + (-(delta_yhat[t - T_x - 1, r] * yhat[t - T_x - 1, r])).sum(axis=-1)  # (58)
        delta_dec_u_yhat = -y[t - T_x - 1, r] + delta_yhat[t - T_x - 1, r] * yhat[t - T_x - 1, r] + delta_dec_l_yhat[:, None] * yhat[t - T_x - 1, r]  # (59)
        delta_dec_z_yhat = delta_dec_u_yhat  # (60)
        delta_a[t, r] += delta_dec_z_yhat @ dec_W_ya  # (61)
        delta_dec_k = delta_a[t, r] * (1 - dec_z[t - T_x - 1, r])  # (62)
        delta_dec_z_k = delta_dec_k * (1 - dec_k[t - T_x - 1, r]**2)  # (63)
        delta_dec_u_k = delta_dec_z_k * dec_r[t - T_x - 1, r]  # (64)
        delta_dec_r = delta_dec_z_k * dec_u_k[t - T_x - 1, r]  # (65)
        delta_dec_z_r = delta_dec_r * (dec_r[t - T_x - 1, r] - dec_r[t - T_x - 1, r]**2)  # (66)
        delta_dec_z = delta_a[t, r] * (a[t - 1, r] - dec_k[t - T_x - 1, r])  # (67)
        delta_dec_z_z = delta_dec_z * (dec_z[t - T_x - 1, r] - dec_z[t - T_x - 1, r]**2)  # (68)
        d_dec_W_za += outer_sum(delta_dec_z_z, a[t - 1, r])  # (79)
        d_dec_W_zx += outer_sum(delta_dec_z_z, yhat[t - T_x - 2, r])  # (80)
        d_dec_b_z += batch_sum(delta_dec_z_z)  # (81)
        d_dec_W_ra += outer_sum(delta_dec_z_r, a[t - 1, r])  # (82)
        d_dec_W_rx += outer_sum(delta_dec_z_r, yhat[t - T_x - 2, r])  # (83)
        d_dec_b_r += batch_sum(delta_dec_z_r)  # (84)
        d_dec_W_ka += outer_sum(delta_dec_u_k, a[t - 1, r])  # (85)
        d_dec_W_kx += outer_sum(delta_dec_z_k, yhat[t - T_x - 2, r])  # (86)
        d_dec_b_k += batch_sum(delta_dec_z_k)  # (87)
        d_dec_c_k += batch_sum(delta_dec_u_k)  # (88)
        d_dec_W_ya += outer_sum(delta_dec_z_yhat, a[t, r])  # (89)
        d_dec_b_y += batch_sum(delta_dec_z_yhat)  # (90)
        delta_yhat[t - T_x - 2, r] += delta_dec_z_k @ dec_W_kx + delta_dec_z_r @ dec_W_rx + delta_dec_z_z @ dec_W_zx  # (57)
        delta_a[t - 1, r] += delta_a[t, r] * dec_z[t - T_x - 1, r] + delta_dec_u_k @ dec_W_ka + delta_dec_z_r @ dec_W_ra + delta_dec_z_z @ dec_W_za  # (61)
        delta_a[t - 1, idle] += delta_a[t, idle]

    # backward: decoder, first step
    for t in range(T_x + 1, T_x, -1):
        r, idle = rows_at(t, None if lengths_y is None else lengths_y + T_x, B)
        delta_dec_l_yhat = y[t - T_x - 1, r].sum(axis=-1) + (-(delta_yhat[t - T_x - 1, r] * yhat[t - T_x - 1, r])).sum(axis=-1)  # (46)
        delta_dec_u_yhat = -y[t - T_x - 1, r] + delta_yhat[t - T_x - 1, r] * yhat[t - T_x - 1, r] + delta_dec_l_yhat[:, None] * yhat[t - T_x - 1, r]  # (47)
        delta_dec_z_yhat = delta_dec_u_yhat  # (48)
        delta_a[t, r] += delta_dec_z_yhat @ dec_W_ya  # (49)
        delta_dec_k = delta_a[t, r] * (1 - dec_z[t - T_x - 1, r])  # (50)
        delta_dec_z_k = delta_dec_k * (1 - dec_k[t - T_x - 1, r]**2)  # (51)
        delta_dec_u_k = delta_dec_z_k * dec_r[t - T_x - 1, r]  # (52)
        delta_dec_r = delta_dec_z_k * dec_u_k[t - T_x - 1, r]  # (53)
        delta_dec_z_r = delta_dec_r * (dec_r[t - T_x - 1, r] - dec_r[t - T_x - 1, r]**2)  # (54)
        delta_dec_z = delta_a[t, r] * (a[t - 1, r] - dec_k[t - T_x - 1, r])  # (55)
        delta_dec_z_z = delta_dec_z * (dec_z[t - T_x - 1, r] - dec_z[t - T_x - 1, r]**2)  # (56)
        d_dec_W_za += outer_sum(delta_dec_z_z, a[t - 1, r])  # (79)
        d_dec_b_z += batch_sum(delta_dec_z_z)  # (81)
        d_dec_W_ra += outer_sum(delta_dec_z_r, a[t - 1, r])  # (82)
        d_dec_b_r += batch_sum(delta_dec_z_r)  # (84)
        d_dec_W_ka += outer_sum(delta_dec_u_k, a[t - 1, r])  # (85)
        d_dec_b_k += batch_sum(delta_dec_z_k)  # (87)
        d_dec_c_k += batch_sum(delta_dec_u_k)  # (88)
        d_dec_W_ya += outer_sum(delta_dec_z_yhat, a[t, r])  # (89)
        d_dec_b_y += batch_sum(delta_dec_z_yhat)  # (90)
        delta_a[t - 1, r] += delta_a[t, r] * dec_z[t - T_x - 1, r] + delta_dec_u_k @ dec_W_ka + delta_dec_z_r @ dec_W_ra + delta_dec_z_z @ dec_W_za  # (49)
        delta_a[t - 1, idle] += delta_a[t, idle]

    # backward: encoder
    for t in range(T_x, 0, -1):
        r, idle = rows_at(t, lengths_x, B)
        delta_enc_k = delta_a[t, r] * (1 - enc_z[t - 1, r])  # (38)
        delta_enc_z_k = delta_enc_k * (1 - enc_k[t - 1, r]**2)  # (39)
        delta_enc_u_k = delta_enc_z_k * enc_r[t - 1, r]  # (40)
        delta_enc_r = delta_enc_z_k * enc_u_k[t - 1, r]  # (41)
        delta_enc_z_r = delta_enc_r * (enc_r[t - 1, r] - enc_r[t - 1, r]**2)  # (42)
        delta_enc_z = delta_a[t, r] * (a[t - 1, r] - enc_k[t - 1, r])  # (43)
        delta_enc_z_z = delta_enc_z * (enc_z[t - 1, r] - enc_z[t - 1, r]**2)  # (44)
        d_x[t - 1, r] += delta_enc_z_k @ enc_W_kx + delta_enc_z_r @ enc_W_rx + delta_enc_z_z @ enc_W_zx  # (45)
        d_enc_W_za += outer_sum(delta_enc_z_z, a[t - 1, r])  # (69)
        d_enc_W_zx += outer_sum(delta_enc_z_z, x[t - 1, r])  # (70)
        d_enc_b_z += batch_sum(delta_enc_z_z)  # (71)
        d_enc_W_ra += outer_sum(delta_enc_z_r, a[t - 1, r])  # (72)
        d_enc_W_rx += outer_sum(delta_enc_z_r, x[t - 1, r])  # (73)
        d_enc_b_r += batch_sum(delta_enc_z_r)  # (74)
        d_enc_W_ka += outer_sum(delta_enc_u_k, a[t - 1, r])  # (75)
        d_enc_W_kx += outer_sum(delta_enc_z_k, x[t - 1, r])  # (76)
        d_enc_b_k += batch_sum(delta_enc_z_k)  # (77)
        d_enc_c_k += batch_sum(delta_enc_u_k)  # (78)
        delta_a[t - 1, r] += delta_a[t, r] * enc_z[t - 1, r] + delta_enc_u_k @ enc_W_ka + delta_enc_z_r @ enc_W_ra + delta_enc_z_z @ enc_W_za  # (37)
        delta_a[t - 1, idle] += delta_a[t, idle]

    # gradients of the initial states
    d_a0 = delta_a[0].copy()

    return {
        "loss": loss,
        "d.dec_W_za": d_dec_W_za,
        "d.dec_W_zx": d_dec_W_zx,
        "d.dec_b_z": d_dec_b_z,
        "d.dec_W_ra": d_dec_W_ra,
        "d.dec_W_rx": d_dec_W_rx,
        "d.dec_b_r": d_dec_b_r,
        "d.dec_W_ka": d_dec_W_ka,
        "d.dec_W_kx": d_dec_W_kx,
        "d.dec_b_k": d_dec_b_k,
        "d.dec_c_k": d_dec_c_k,
        "d.dec_W_ya": d_dec_W_ya,
        "d.dec_b_y": d_dec_b_y,
        "d.x": d_x,
        "d.enc_W_za": d_enc_W_za,
        "d.enc_W_zx": d_enc_W_zx,
        "d.enc_b_z": d_enc_b_z,
        "d.enc_W_ra": d_enc_W_ra,
        "d.enc_W_rx": d_enc_W_rx,
        "d.enc_b_r": d_enc_b_r,
        "d.enc_W_ka": d_enc_W_ka,
        "d.enc_W_kx": d_enc_W_kx,
        "d.enc_b_k": d_enc_b_k,
        "d.enc_c_k": d_enc_c_k,
        "d.a0": d_a0,
    }


def forward(arrays, T_x, T_y, B):
    """The outputs and the states after every step."""
    a0 = arrays["a0"]  # (B, n_a)
    enc_W_za = arrays["enc_W_za"]  # (n_a, n_a)
    enc_W_zx = arrays["enc_W_zx"]  # (n_a, n_x)
    x = arrays["x"]  # (T_x, B, n_x)
    enc_b_z = arrays["enc_b_z"]  # (n_a)
    enc_W_ra = arrays["enc_W_ra"]  # (n_a, n_a)
    enc_W_rx = arrays["enc_W_rx"]  # (n_a, n_x)
    enc_b_r = arrays["enc_b_r"]  # (n_a)
    enc_W_ka = arrays["enc_W_ka"]  # (n_a, n_a)
    enc_c_k = arrays["enc_c_k"]  # (n_a)
    enc_W_kx = arrays["enc_W_kx"]  # (n_a, n_x)
    enc_b_k = arrays["enc_b_k"]  # (n_a)
    dec_W_za = arrays["dec_W_za"]  # (n_a, n_a)
    dec_b_z = arrays["dec_b_z"]  # (n_a)
    dec_W_ra = arrays["dec_W_ra"]  # (n_a, n_a)
    dec_b_r = arrays["dec_b_r"]  # (n_a)
    dec_W_ka = arrays["dec_W_ka"]  # (n_a, n_a)
    dec_c_k = arrays["dec_c_k"]  # (n_a)
    dec_b_k = arrays["dec_b_k"]  # (n_a)
    dec_W_ya = arrays["dec_W_ya"]  # (n_y, n_a)
    dec_b_y = arrays["dec_b_y"]  # (n_y)
    dec_W_zx = arrays["dec_W_zx"]  # (n_a, n_y)
    dec_W_rx = arrays["dec_W_rx"]  # (n_a, n_y)
    dec_W_kx = arrays["dec_W_kx"]  # (n_a, n_y)
    lengths_x = arrays.get("last_x")
    lengths_y = arrays.get("last_y")
    n_a = a0.shape[-1]
    n_y = dec_W_ya.shape[-2]
    dtype = arrays["x"].dtype
    a = np.empty((T_x + T_y + 1, B, n_a), dtype)
    yhat = np.zeros((T_y, B, n_y), dtype)

    # initial states
    a[0] = a0

    # forward: encoder
    for t in range(1, T_x + 1):
        r, idle = rows_at(t, lengths_x, B)
        a[t, idle] = a[t - 1, idle]
        enc_z_z = a[t - 1, r] @ enc_W_za.T + x[t - 1, r] @ enc_W_zx.T + enc_b_z  # (1)
        enc_z = sigmoid(enc_z_z)  # (2)
        enc_z_r = a[t - 1, r] @ enc_W_ra.T + x[t - 1, r] @ enc_W_rx.T + enc_b_r  # (3)
        enc_r = sigmoid(enc_z_r)  # (4)
        enc_u_k = a[t - 1, r] @ enc_W_ka.T + enc_c_k  # (5)
        enc_z_k = x[t - 1, r] @ enc_W_kx.T + enc_b_k + enc_r * enc_u_k  # (6)
        enc_k = np.tanh(enc_z_k)  # (7)
        a[t, r] = enc_k * (1 - enc_z) + enc_z * a[t - 1, r]  # (8)

    # forward: decoder, first step
    for t in range(T_x + 1, T_x + 2):
        r, idle = rows_at(t, None if lengths_y is None else lengths_y + T_x, B)
        a[t, idle] = a[t - 1, idle]
        dec_z_z = a[t - 1, r] @ dec_W_za.T + dec_b_z  # (9)
        dec_z = sigmoid(dec_z_z)  # (10)
        dec_z_r = a[t - 1, r] @ dec_W_ra.T + dec_b_r  # (11)
        dec_r = sigmoid(dec_z_r)  # (12)
        dec_u_k = a[t - 1, r] @ dec_W_ka.T + dec_c_k  # (13)
        dec_z_k = dec_b_k + dec_r * dec_u_k  # (14)
        dec_k = np.tanh(dec_z_k)  # (15)
        a[t, r] = dec_k * (1 - dec_z) + dec_z * a[t - 1, r]  # (16)
        dec_z_yhat = a[t, r] @ dec_W_ya.T + dec_b_y  # (17)
        dec_m_yhat = dec_z_yhat.max(axis=-1)  # (18)
        dec_u_yhat = dec_z_yhat - dec_m_yhat[:, None]  # (19)
        dec_l_yhat = logsumexp(dec_u_yhat)  # (20)
        yhat[t - T_x - 1, r] = np.exp(dec_u_yhat - dec_l_yhat[:, None])  # (21)

    # forward: decoder, later steps
    for t in range(T_x + 2, T_x + T_y + 1):
        r, idle = rows_at(t, None if lengths_y is None else lengths_y + T_x, B)
        a[t, idle] = a[t - 1, idle]
        dec_z_z = a[t - 1, r] @ dec_W_za.T + yhat[t - T_x - 2, r] @ dec_W_zx.T + dec_b_z  # (23)
        dec_z = sigmoid(dec_z_z)  # (24)
        dec_z_r = a[t - 1, r] @ dec_W_ra.T + yhat[t - T_x - 2, r] @ dec_W_rx.T + dec_b_r  # (25)
        dec_r = sigmoid(dec_z_r)  # (26)
        dec_u_k = a[t - 1, r] @ dec_W_ka.T + dec_c_k  # (27)
        dec_z_k = yhat[t - T_x - 2, r] @ dec_W_kx.T + dec_b_k + dec_r * dec_u_k  # (28)
        dec_k = np.tanh(dec_z_k)  # (29)
        a[t, r] = dec_k * (1 - dec_z) + dec_z * a[t - 1, r]  # (30)
        dec_z_yhat = a[t, r] @ dec_W_ya.T + dec_b_y  # (31)
        dec_m_yhat = dec_z_yhat.max(axis=-1)  # (32)
        dec_u_yhat = dec_z_yhat - dec_m_yhat[:, None]  # (33)
        dec_l_yhat = logsumexp(dec_u_yhat)  # (34)
        yhat[t - T_x - 1, r] = np.exp(dec_u_yhat - dec_l_yhat[:, None])  # (35)

    return {
        "states.a": a,
        "yhat": yhat,
    }


def vjp(arrays, T_x, T_y, B):
    """The gradients of <dyhat, yhat> + <dstates, states>."""
    a0 = arrays["a0"]  # (B, n_a)
    enc_W_za = arrays["enc_W_za"]  # (n_a, n_a)
    enc_W_zx = arrays["enc_W_zx"]  # (n_a, n_x)
    x = arrays["x"]  # (T_x, B, n_x)
    enc_b_z = arrays["enc_b_z"]  # (n_a)
    enc_W_ra = arrays["enc_W_ra"]  # (n_a, n_a)
    enc_W_rx = arrays["enc_W_rx"]  # (n_a, n_x)
    enc_b_r = arrays["enc_b_r"]  # (n_a)
    enc_W_ka = arrays["enc_W_ka"]  # (n_a, n_a)
    enc_c_k = arrays["enc_c_k"]  # (n_a)
    enc_W_kx = arrays["enc_W_kx"]  # (n_a, n_x)
    enc_b_k = arrays["enc_b_k"]  # (n_a)
    dec_W_za = arrays["dec_W_za"]  # (n_a, n_a)
    dec_b_z = arrays["dec_b_z"]  # (n_a)
    dec_W_ra = arrays["dec_W_ra"]  # (n_a, n_a)
    dec_b_r = arrays["dec_b_r"]  # (n_a)
    dec_W_ka = arrays["dec_W_ka"]  # (n_a, n_a)
    dec_c_k = arrays["dec_c_k"]  # (n_a)
    dec_b_k = arrays["dec_b_k"]  # (n_a)
    dec_W_ya = arrays["dec_W_ya"]  # (n_y, n_a)
    dec_b_y = arrays["dec_b_y"]  # (n_y)
    dec_W_zx = arrays["dec_W_zx"]  # (n_a, n_y)
    dec_W_rx = arrays["dec_W_rx"]  # (n_a, n_y)
    dec_W_kx = arrays["dec_W_kx"]  # (n_a, n_y)
    dyhat = arrays["dyhat"]  # (T_y, B, n_y)
    dstates_a = arrays["dstates.a"]  # (T_x + T_y, B, n_a)
    lengths_x = arrays.get("last_x")
    lengths_y = arrays.get("last_y")
    n_a = a0.shape[-1]
    n_x = enc_W_zx.shape[-1]
    n_y = dec_W_ya.shape[-2]
    dtype = arrays["x"].dtype
    a = np.empty((T_x + T_y + 1, B, n_a), dtype)
    enc_z = np.empty((T_x, B, n_a), dtype)
    enc_r = np.empty((T_x, B, n_a), dtype)
    enc_u_k = np.empty((T_x, B, n_a), dtype)
    enc_k = np.empty((T_x, B, n_a), dtype)
    dec_z = np.empty((T_y, B, n_a), dtype)
    dec_r = np.empty((T_y, B, n_a), dtype)
    dec_u_k = np.empty((T_y, B, n_a), dtype)
    dec_k = np.empty((T_y, B, n_a), dtype)
    yhat = np.empty((T_y, B, n_y), dtype)
    delta_yhat = np.zeros((T_y, B, n_y), dtype)
    delta_a = np.zeros((T_x + T_y + 1, B, n_a), dtype)
    d_dec_W_za = np.zeros((n_a, n_a))
    d_dec_W_zx = np.zeros((n_a, n_y))
    d_dec_b_z = np.zeros((n_a,))
    d_dec_W_ra = np.zeros((n_a, n_a))
    d_dec_W_rx = np.zeros((n_a, n_y))
    d_dec_b_r = np.zeros((n_a,))
    d_dec_W_ka = np.zeros((n_a, n_a))
    d_dec_W_kx = np.zeros((n_a, n_y))
    d_dec_b_k = np.zeros((n_a,))
    d_dec_c_k = np.zeros((n_a,))
    d_dec_W_ya = np.zeros((n_y, n_a))
    d_dec_b_y = np.zeros((n_y,))
    d_x = np.zeros((T_x, B, n_x), dtype)
    d_enc_W_za = np.zeros((n_a, n_a))
    d_enc_W_zx = np.zeros((n_a, n_x))
    d_enc_b_z = np.zeros((n_a,))
    d_enc_W_ra = np.zeros((n_a, n_a))
    d_enc_W_rx = np.zeros((n_a, n_x))
    d_enc_b_r = np.zeros((n_a,))
    d_enc_W_ka = np.zeros((n_a, n_a))
    d_enc_W_kx = np.zeros((n_a, n_x))
    d_enc_b_k = np.zeros((n_a,))
    d_enc_c_k = np.zeros((n_a,))

    # initial states
    a[0] = a0

    # forward: encoder
    for t in range(1, T_x + 1):
        r, idle = rows_at(t, lengths_x, B)
        a[t, idle] = a[t - 1, idle]
        enc_z_z = a[t - 1, r] @ enc_W_za.T + x[t - 1, r] @ enc_W_zx.T + enc_b_z  # (1)
        enc_z[t - 1, r] = sigmoid(enc_z_z)  # (2)
        enc_z_r = a[t - 1, r] @ enc_W_ra.T + x[t - 1, r] @ enc_W_rx.T + enc_b_r  # (3)
        enc_r[t - 1, r] = sigmoid(enc_z_r)  # (4)
        enc_u_k[t - 1, r] = a[t - 1, r] @ enc_W_ka.T + enc_c_k  # (5)
        enc_z_k = x[t - 1, r] @ enc_W_kx.T + enc_b_k + enc_r[t - 1, r] * enc_u_k[t - 1, r]  # (6)
        enc_k[t - 1, r] = np.tanh(enc_z_k)  # (7)
        a[t, r] = enc_k[t - 1, r] * (1 - enc_z[t - 1, r]) + enc_z[t - 1, r] * a[t - 1, r]  # (8)

    # forward: decoder, first step
    for t in range(T_x + 1, T_x + 2):
        r, idle = rows_at(t, None if lengths_y is None else lengths_y + T_x, B)
        a[t, idle] = a[t - 1, idle]
        dec_z_z = a[t - 1, r] @ dec_W_za.T + dec_b_z  # (9)
        dec_z[t - T_x - 1, r] = sigmoid(dec_z_z)  # (10)
        dec_z_r = a[t - 1, r] @ dec_W_ra.T + dec_b_r  # (11)
        dec_r[t - T_x - 1, r] = sigmoid(dec_z_r)  # (12)
        dec_u_k[t - T_x - 1, r] = a[t - 1, r] @ dec_W_ka.T + dec_c_k  # (13)
        dec_z_k = dec_b_k + dec_r[t - T_x - 1, r] * dec_u_k[t - T_x - 1, r]  # (14)
        dec_k[t - T_x - 1, r] = np.tanh(dec_z_k)  # (15)
        a[t, r] = dec_k[t - T_x - 1, r] * (1 - dec_z[t - T_x - 1, r]) + dec_z[t - T_x - 1, r] * a[t - 1, r]  # (16)
        dec_z_yhat = a[t, r] @ dec_W_ya.T + dec_b_y  # (17)
        dec_m_yhat = dec_z_yhat.max(axis=-1)  # (18)
        dec_u_yhat = dec_z_yhat - dec_m_yhat[:, None]  # (19)
        dec_l_yhat = logsumexp(dec_u_yhat)  # (20)
        yhat[t - T_x - 1, r] = np.exp(dec_u_yhat - dec_l_yhat[:, None])  # (21)

    # forward: decoder, later steps
    for t in range(T_x + 2, T_x + T_y + 1):
        r, idle = rows_at(t, None if lengths_y is None else lengths_y + T_x, B)
        a[t, idle] = a[t - 1, idle]
        dec_z_z = a[t - 1, r] @ dec_W_za.T + yhat[t - T_x - 2, r] @ dec_W_zx.T + dec_b_z  # (23)
        dec_z[t - T_x - 1, r] = sigmoid(dec_z_z)  # (24)
        dec_z_r = a[t - 1, r] @ dec_W_ra.T + yhat[t - T_x - 2, r] @ dec_W_rx.T + dec_b_r  # (25)
        dec_r[t - T_x - 1, r] = sigmoid(dec_z_r)  # (26)
        dec_u_k[t - T_x - 1, r] = a[t - 1, r] @ dec_W_ka.T + dec_c_k  # (27)
        dec_z_k = yhat[t - T_x - 2, r] @ dec_W_kx.T + dec_b_k + dec_r[t - T_x - 1, r] * dec_u_k[t - T_x - 1, r]  # (28)
        dec_k[t - T_x - 1, r] = np.tanh(dec_z_k)  # (29)
        a[t, r] = dec_k[t - T_x - 1, r] * (1 - dec_z[t - T_x - 1, r]) + dec_z[t - T_x - 1, r] * a[t - 1, r]  # (30)
        dec_z_yhat = a[t, r] @ dec_W_ya.T + dec_b_y  # (31)
        dec_m_yhat = dec_z_yhat.max(axis=-1)  # (32)
        dec_u_yhat = dec_z_yhat - dec_m_yhat[:, None]  # (33)
        dec_l_yhat = logsumexp(dec_u_yhat)  # (34)
        yhat[t - T_x - 1, r] = np.exp(dec_u_yhat - dec_l_yhat[:, None])  # (35)

    # backward: decoder, later steps
    for t in range(T_x + T_y, T_x + 1, -1):
        r, idle = rows_at(t, None if lengths_y is None else lengths_y + T_x, B)
        delta_yhat[t - T_x - 1, r] += dyhat[t - T_x - 1, r]  # (57)
        delta_dec_l_yhat = (-(delta_yhat[t - T_x - 1, r] * yhat[t - T_x - 1, r])).sum(axis=-1)  # (58)
        delta_dec_u_yhat = delta_yhat[t - T_x - 1, r] * yhat[t - T_x - 1, r] + delta_dec_l_yhat[:, None] * yhat[t - T_x - 1, r]  # (59)
        delta_dec_z_yhat = delta_dec_u_yhat  # (60)
        delta_a[t] += dstates_a[t - 1]  # (61)
        delta_a[t, r] += delta_dec_z_yhat @ dec_W_ya  # (61)
        delta_dec_k = delta_a[t, r] * (1 - dec_z[t - T_x - 1, r])  # (62)
        delta_dec_z_k = delta_dec_k * (1 - dec_k[t - T_x - 1, r]**2)  # (63)
        delta_dec_u_k = delta_dec_z_k * dec_r[t - T_x - 1, r]  # (64)
        delta_dec_r = delta_dec_z_k * dec_u_k[t - T_x - 1, r]  # (65)
        delta_dec_z_r = delta_dec_r * (dec_r[t - T_x - 1, r] - dec_r[t - T_x - 1, r]**2)  # (66)
        delta_dec_z = delta_a[t, r] * (a[t - 1, r] - dec_k[t - T_x - 1, r])  # (67)
        delta_dec_z_z = delta_dec_z * (dec_z[t - T_x - 1, r] - dec_z[t - T_x - 1, r]**2)  # (68)
        d_dec_W_za += outer_sum(delta_dec_z_z, a[t - 1, r])  # (79)
        d_dec_W_zx += outer_sum(delta_dec_z_z, yhat[t - T_x - 2, r])  # (80)
        d_dec_b_z += batch_sum(delta_dec_z_z)  # (81)
        d_dec_W_ra += outer_sum(delta_dec_z_r, a[t - 1, r])  # (82)
        d_dec_W_rx += outer_sum(delta_dec_z_r, yhat[t - T_x - 2, r])  # (83)
        d_dec_b_r += batch_sum(delta_dec_z_r)  # (84)
        d_dec_W_ka += outer_sum(delta_dec_u_k, a[t - 1, r])  # (85)
        d_dec_W_kx += outer_sum(delta_dec_z_k, yhat[t - T_x - 2, r])  # (86)
        d_dec_b_k += batch_sum(delta_dec_z_k)  # (87)
        d_dec_c_k += batch_sum(delta_dec_u_k)  # (88)
        d_dec_W_ya += outer_sum(delta_dec_z_yhat, a[t, r])  # (89)
        d_dec_b_y += batch_sum(delta_dec_z_yhat)  # (90)
        delta_yhat[t - T_x - 2, r] += delta_dec_z_k @ dec_W_kx + delta_dec_z_r @ dec_W_rx + delta_dec_z_z @ dec_W_zx  # (57)
        delta_a[t - 1, r] += delta_a[t, r] * dec_z[t - T_x - 1, r] + delta_dec_u_k @ dec_W_ka + delta_dec_z_r @ dec_W_ra + delta_dec_z_z @ dec_W_za  # (61)
        delta_a[t - 1, idle] += delta_a[t, idle]

    # backward: decoder, first step
    for t in range(T_x + 1, T_x, -1):
        r, idle = rows_at(t, None if lengths_y is None else lengths_y + T_x, B)
        delta_yhat[t - T_x - 1, r] += dyhat[t - T_x - 1, r]  # (91)
        delta_dec_l_yhat = (-(delta_yhat[t - T_x - 1, r] * yhat[t - T_x - 1, r])).sum(axis=-1)  # (46)
        delta_dec_u_yhat = delta_yhat[t - T_x - 1, r] * yhat[t - T_x - 1, r] + delta_dec_l_yhat[:, None] * yhat[t - T_x - 1, r]  # (47)
        delta_dec_z_yhat = delta_dec_u_yhat  # (48)
        delta_a[t] += dstates_a[t - 1]  # (49)
        delta_a[t, r] += delta_dec_z_yhat @ dec_W_ya  # (49)
        delta_dec_k = delta_a[t, r] * (1 - dec_z[t - T_x - 1, r])  # (50)
        delta_dec_z_k = delta_dec_k * (1 - dec_k[t - T_x - 1, r]**2)  # (51)
        delta_dec_u_k = delta_dec_z_k * dec_r[t - T_x - 1, r]  # (52)
        delta_dec_r = delta_dec_z_k * dec_u_k[t - T_x - 1, r]  # (53)
        delta_dec_z_r = delta_dec_r * (dec_r[t - T_x - 1, r] - dec_r[t - T_x - 1, r]**2)  # (54)
        delta_dec_z = delta_a[t, r] * (a[t - 1, r] - dec_k[t - T_x - 1, r])  # (55)
        delta_dec_z_z = delta_dec_z * (dec_z[t - T_x - 1, r] - dec_z[t - T_x - 1, r]**2)  # (56)
        d_dec_W_za += outer_sum(delta_dec_z_z, a[t - 1, r])  # (79)
        d_dec_b_z += batch_sum(delta_dec_z_z)  # (81)
        d_dec_W_ra += outer_sum(delta_dec_z_r, a[t - 1, r])  # (82)
        d_dec_b_r += batch_sum(delta_dec_z_r)  # (84)
        d_dec_W_ka += outer_sum(delta_dec_u_k, a[t - 1, r])  # (85)
        d_dec_b_k += batch_sum(delta_dec_z_k)  # (87)
        d_dec_c_k += batch_sum(delta_dec_u_k)  # (88)
        d_dec_W_ya += outer_sum(delta_dec_z_yhat, a[t, r])  # (89)
        d_dec_b_y += batch_sum(delta_dec_z_yhat)  # (90)
        delta_a[t - 1, r] += delta_a[t, r] * dec_z[t - T_x - 1, r] + delta_dec_u_k @ dec_W_ka + delta_dec_z_r @ dec_W_ra + delta_dec_z_z @ dec_W_za  # (49)
        delta_a[t - 1, idle] += delta_a[t, idle]

    # backward: encoder
    for t in range(T_x, 0, -1):
        r, idle = rows_at(t, lengths_x, B)
        delta_a[t] += dstates_a[t - 1]  # (37)
        delta_enc_k = delta_a[t, r] * (1 - enc_z[t - 1, r])  # (38)
        delta_enc_z_k = delta_enc_k * (1 - enc_k[t - 1, r]**2)  # (39)
        delta_enc_u_k = delta_enc_z_k * enc_r[t - 1, r]  # (40)
        delta_enc_r = delta_enc_z_k * enc_u_k[t - 1, r]  # (41)
        delta_enc_z_r = delta_enc_r * (enc_r[t - 1, r] - enc_r[t - 1, r]**2)  # (42)
        delta_enc_z = delta_a[t, r] * (a[t - 1, r] - enc_k[t - 1, r])  # (43)
        delta_enc_z_z = delta_enc_z * (enc_z[t - 1, r] - enc_z[t - 1, r]**2)  # (44)
        d_x[t - 1, r] += delta_enc_z_k @ enc_W_kx + delta_enc_z_r @ enc_W_rx + delta_enc_z_z @ enc_W_zx  # (45)
        d_enc_W_za += outer_sum(delta_enc_z_z, a[t - 1, r])  # (69)
        d_enc_W_zx += outer_sum(delta_enc_z_z, x[t - 1, r])  # (70)
        d_enc_b_z += batch_sum(delta_enc_z_z)  # (71)
        d_enc_W_ra += outer_sum(delta_enc_z_r, a[t - 1, r])  # (72)
        d_enc_W_rx += outer_sum(delta_enc_z_r, x[t - 1, r])  # (73)
        d_enc_b_r += batch_sum(delta_enc_z_r)  # (74)
        d_enc_W_ka += outer_sum(delta_enc_u_k, a[t - 1, r])  # (75)
        d_enc_W_kx += outer_sum(delta_enc_z_k, x[t - 1, r])  # (76)
        d_enc_b_k += batch_sum(delta_enc_z_k)  # (77)
        d_enc_c_k += batch_sum(delta_enc_u_k)  # (78)
        delta_a[t - 1, r] += delta_a[t, r] * enc_z[t - 1, r] + delta_enc_u_k @ enc_W_ka + delta_enc_z_r @ enc_W_ra + delta_enc_z_z @ enc_W_za  # (37)
        delta_a[t - 1, idle] += delta_a[t, idle]

    # gradients of the initial states
    d_a0 = delta_a[0].copy()

    return {
        "d.dec_W_za": d_dec_W_za,
        "d.dec_W_zx": d_dec_W_zx,
        "d.dec_b_z": d_dec_b_z,
        "d.dec_W_ra": d_dec_W_ra,
        "d.dec_W_rx": d_dec_W_rx,
        "d.dec_b_r": d_dec_b_r,
        "d.dec_W_ka": d_dec_W_ka,
        "d.dec_W_kx": d_dec_W_kx,
        "d.dec_b_k": d_dec_b_k,
        "d.dec_c_k": d_dec_c_k,
        "d.dec_W_ya": d_dec_W_ya,
        "d.dec_b_y": d_dec_b_y,
        "d.x": d_x,
        "d.enc_W_za": d_enc_W_za,
        "d.enc_W_zx": d_enc_W_zx,
        "d.enc_b_z": d_enc_b_z,
        "d.enc_W_ra": d_enc_W_ra,
        "d.enc_W_rx": d_enc_W_rx,
        "d.enc_b_r": d_enc_b_r,
        "d.enc_W_ka": d_enc_W_ka,
        "d.enc_W_kx": d_enc_W_kx,
        "d.enc_b_k": d_enc_b_k,
        "d.enc_c_k": d_enc_c_k,
        "d.a0": d_a0,
    }
