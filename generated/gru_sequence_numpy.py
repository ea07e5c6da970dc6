"""Gated recurrent unit, in NumPy.

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


def softplus(z):
    """log(1 + exp(z)), exact for large |z|."""
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def weighted(w, v):
    """w * v, but 0 * inf = 0: what counts nothing adds nothing."""
    with np.errstate(invalid="ignore"):
        return np.where((w == 0) & ~np.isnan(v), 0, w * v)


def loss_and_grad(arrays, T_x, T_y, B):
    """The loss, summed over steps and examples, and its gradients."""
    a0 = arrays["a0"]  # (B, n_a)
    W_za = arrays["W_za"]  # (n_a, n_a)
    W_zx = arrays["W_zx"]  # (n_a, n_x)
    x = arrays["x"]  # (T_x, B, n_x)
    b_z = arrays["b_z"]  # (n_a)
    W_ra = arrays["W_ra"]  # (n_a, n_a)
    W_rx = arrays["W_rx"]  # (n_a, n_x)
    b_r = arrays["b_r"]  # (n_a)
    W_ka = arrays["W_ka"]  # (n_a, n_a)
    W_kx = arrays["W_kx"]  # (n_a, n_x)
    b_k = arrays["b_k"]  # (n_a)
    W_ya = arrays["W_ya"]  # (n_y, n_a)
    b_y = arrays["b_y"]  # (n_y)
    y = arrays["y"]  # (T_x, B, n_y)
    lengths_x = arrays.get("last_x")
    n_a = a0.shape[-1]
    n_x = W_zx.shape[-1]
    n_y = W_ya.shape[-2]
    dtype = arrays["x"].dtype
    a = np.empty((T_x + 1, B, n_a), dtype)
    z = np.empty((T_x, B, n_a), dtype)
    r_ = np.empty((T_x, B, n_a), dtype)
    u_k = np.empty((T_x, B, n_a), dtype)
    k = np.empty((T_x, B, n_a), dtype)
    yhat = np.empty((T_x, B, n_y), dtype)
    loss = 0.0
    delta_a = np.zeros((T_x + 1, B, n_a), dtype)
    d_x = np.zeros((T_x, B, n_x), dtype)
    d_W_za = np.zeros((n_a, n_a))
    d_W_zx = np.zeros((n_a, n_x))
    d_b_z = np.zeros((n_a,))
    d_W_ra = np.zeros((n_a, n_a))
    d_W_rx = np.zeros((n_a, n_x))
    d_b_r = np.zeros((n_a,))
    d_W_ka = np.zeros((n_a, n_a))
    d_W_kx = np.zeros((n_a, n_x))
    d_b_k = np.zeros((n_a,))
    d_W_ya = np.zeros((n_y, n_a))
    d_b_y = np.zeros((n_y,))

    # initial states
    a[0] = a0

    # forward: every step
    for t in range(1, T_x + 1):
        r, idle = rows_at(t, lengths_x, B)
        a[t, idle] = a[t - 1, idle]
        z_z = a[t - 1, r] @ W_za.T + x[t - 1, r] @ W_zx.T + b_z  # (1)
        z[t - 1, r] = sigmoid(z_z)  # (2)
        z_r = a[t - 1, r] @ W_ra.T + x[t - 1, r] @ W_rx.T + b_r  # (3)
        r_[t - 1, r] = sigmoid(z_r)  # (4)
        u_k[t - 1, r] = r_[t - 1, r] * a[t - 1, r]  # (5)
        z_k = u_k[t - 1, r] @ W_ka.T + x[t - 1, r] @ W_kx.T + b_k  # (6)
        k[t - 1, r] = np.tanh(z_k)  # (7)
        a[t, r] = k[t - 1, r] * (1 - z[t - 1, r]) + z[t - 1, r] * a[t - 1, r]  # (8)
        z_yhat = a[t, r] @ W_ya.T + b_y  # (9)
        yhat[t - 1, r] = sigmoid(z_yhat)  # (10)
        loss += (weighted(y[t - 1, r], softplus(-z_yhat)) + weighted(1 - y[t - 1, r], softplus(z_yhat))).sum(dtype=float)  # (11)

    # backward: every step
    for t in range(T_x, 0, -1):
        r, idle = rows_at(t, lengths_x, B)
        delta_z_yhat = yhat[t - 1, r] - y[t - 1, r]  # (12)
        delta_a[t, r] += delta_z_yhat @ W_ya  # (13)
        delta_k = delta_a[t, r] * (1 - z[t - 1, r])  # (14)
        delta_z_k = delta_k * (1 - k[t - 1, r]**2)  # (15)
        delta_u_k = delta_z_k @ W_ka  # (16)
        delta_r = delta_u_k * a[t - 1, r]  # (17)
        delta_z_r = delta_r * (r_[t - 1, r] - r_[t - 1, r]**2)  # (18)
        delta_z = delta_a[t, r] * (a[t - 1, r] - k[t - 1, r])  # (19)
        delta_z_z = delta_z * (z[t - 1, r] - z[t - 1, r]**2)  # (20)
        d_x[t - 1, r] += delta_z_k @ W_kx + delta_z_r @ W_rx + delta_z_z @ W_zx  # (21)
        d_W_za += outer_sum(delta_z_z, a[t - 1, r])  # (22)
        d_W_zx += outer_sum(delta_z_z, x[t - 1, r])  # (23)
        d_b_z += batch_sum(delta_z_z)  # (24)
        d_W_ra += outer_sum(delta_z_r, a[t - 1, r])  # (25)
        d_W_rx += outer_sum(delta_z_r, x[t - 1, r])  # (26)
        d_b_r += batch_sum(delta_z_r)  # (27)
        d_W_ka += outer_sum(delta_z_k, u_k[t - 1, r])  # (28)
        d_W_kx += outer_sum(delta_z_k, x[t - 1, r])  # (29)
        d_b_k += batch_sum(delta_z_k)  # (30)
        d_W_ya += outer_sum(delta_z_yhat, a[t, r])  # (31)
        d_b_y += batch_sum(delta_z_yhat)  # (32)
        delta_a[t - 1, r] += delta_a[t, r] * z[t - 1, r] + delta_u_k * r_[t - 1, r] + delta_z_r @ W_ra + delta_z_z @ W_za  # (13)
        delta_a[t - 1, idle] += delta_a[t, idle]

    # gradients of the initial states
    d_a0 = delta_a[0].copy()

    return {
        "loss": loss,
        "d.x": d_x,
        "d.W_za": d_W_za,
        "d.W_zx": d_W_zx,
        "d.b_z": d_b_z,
        "d.W_ra": d_W_ra,
        "d.W_rx": d_W_rx,
        "d.b_r": d_b_r,
        "d.W_ka": d_W_ka,
        "d.W_kx": d_W_kx,
        "d.b_k": d_b_k,
        "d.W_ya": d_W_ya,
        "d.b_y": d_b_y,
        "d.a0": d_a0,
    }


def forward(arrays, T_x, T_y, B):
    """The outputs and the states after every step."""
    a0 = arrays["a0"]  # (B, n_a)
    W_za = arrays["W_za"]  # (n_a, n_a)
    W_zx = arrays["W_zx"]  # (n_a, n_x)
    x = arrays["x"]  # (T_x, B, n_x)
    b_z = arrays["b_z"]  # (n_a)
    W_ra = arrays["W_ra"]  # (n_a, n_a)
    W_rx = arrays["W_rx"]  # (n_a, n_x)
    b_r = arrays["b_r"]  # (n_a)
    W_ka = arrays["W_ka"]  # (n_a, n_a)
    W_kx = arrays["W_kx"]  # (n_a, n_x)
    b_k = arrays["b_k"]  # (n_a)
    W_ya = arrays["W_ya"]  # (n_y, n_a)
    b_y = arrays["b_y"]  # (n_y)
    lengths_x = arrays.get("last_x")
    n_a = a0.shape[-1]
    n_y = W_ya.shape[-2]
    dtype = arrays["x"].dtype
    a = np.empty((T_x + 1, B, n_a), dtype)
    yhat = np.zeros((T_x, B, n_y), dtype)

    # initial states
    a[0] = a0

    # forward: every step
    for t in range(1, T_x + 1):
        r, idle = rows_at(t, lengths_x, B)
        a[t, idle] = a[t - 1, idle]
        z_z = a[t - 1, r] @ W_za.T + x[t - 1, r] @ W_zx.T + b_z  # (1)
        z = sigmoid(z_z)  # (2)
        z_r = a[t - 1, r] @ W_ra.T + x[t - 1, r] @ W_rx.T + b_r  # (3)
        r_ = sigmoid(z_r)  # (4)
        u_k = r_ * a[t - 1, r]  # (5)
        z_k = u_k @ W_ka.T + x[t - 1, r] @ W_kx.T + b_k  # (6)
        k = np.tanh(z_k)  # (7)
        a[t, r] = k * (1 - z) + z * a[t - 1, r]  # (8)
        z_yhat = a[t, r] @ W_ya.T + b_y  # (9)
        yhat[t - 1, r] = sigmoid(z_yhat)  # (10)

    return {
        "states.a": a,
        "yhat": yhat,
    }


def vjp(arrays, T_x, T_y, B):
    """The gradients of <dyhat, yhat> + <dstates, states>."""
    a0 = arrays["a0"]  # (B, n_a)
    W_za = arrays["W_za"]  # (n_a, n_a)
    W_zx = arrays["W_zx"]  # (n_a, n_x)
    x = arrays["x"]  # (T_x, B, n_x)
    b_z = arrays["b_z"]  # (n_a)
    W_ra = arrays["W_ra"]  # (n_a, n_a)
    W_rx = arrays["W_rx"]  # (n_a, n_x)
    b_r = arrays["b_r"]  # (n_a)
    W_ka = arrays["W_ka"]  # (n_a, n_a)
    W_kx = arrays["W_kx"]  # (n_a, n_x)
    b_k = arrays["b_k"]  # (n_a)
    W_ya = arrays["W_ya"]  # (n_y, n_a)
    b_y = arrays["b_y"]  # (n_y)
    dyhat = arrays["dyhat"]  # (T_x, B, n_y)
    dstates_a = arrays["dstates.a"]  # (T_x, B, n_a)
    lengths_x = arrays.get("last_x")
    n_a = a0.shape[-1]
    n_x = W_zx.shape[-1]
    n_y = W_ya.shape[-2]
    dtype = arrays["x"].dtype
    a = np.empty((T_x + 1, B, n_a), dtype)
    z = np.empty((T_x, B, n_a), dtype)
    r_ = np.empty((T_x, B, n_a), dtype)
    u_k = np.empty((T_x, B, n_a), dtype)
    k = np.empty((T_x, B, n_a), dtype)
    yhat = np.empty((T_x, B, n_y), dtype)
    delta_a = np.zeros((T_x + 1, B, n_a), dtype)
    d_x = np.zeros((T_x, B, n_x), dtype)
    d_W_za = np.zeros((n_a, n_a))
    d_W_zx = np.zeros((n_a, n_x))
    d_b_z = np.zeros((n_a,))
    d_W_ra = np.zeros((n_a, n_a))
    d_W_rx = np.zeros((n_a, n_x))
    d_b_r = np.zeros((n_a,))
    d_W_ka = np.zeros((n_a, n_a))
    d_W_kx = np.zeros((n_a, n_x))
    d_b_k = np.zeros((n_a,))
    d_W_ya = np.zeros((n_y, n_a))
    d_b_y = np.zeros((n_y,))

    # initial states
    a[0] = a0

    # forward: every step
    for t in range(1, T_x + 1):
        r, idle = rows_at(t, lengths_x, B)
        a[t, idle] = a[t - 1, idle]
        z_z = a[t - 1, r] @ W_za.T + x[t - 1, r] @ W_zx.T + b_z  # (1)
        z[t - 1, r] = sigmoid(z_z)  # (2)
        z_r = a[t - 1, r] @ W_ra.T + x[t - 1, r] @ W_rx.T + b_r  # (3)
        r_[t - 1, r] = sigmoid(z_r)  # (4)
        u_k[t - 1, r] = r_[t - 1, r] * a[t - 1, r]  # (5)
        z_k = u_k[t - 1, r] @ W_ka.T + x[t - 1, r] @ W_kx.T + b_k  # (6)
        k[t - 1, r] = np.tanh(z_k)  # (7)
        a[t, r] = k[t - 1, r] * (1 - z[t - 1, r]) + z[t - 1, r] * a[t - 1, r]  # (8)
        z_yhat = a[t, r] @ W_ya.T + b_y  # (9)
        yhat[t - 1, r] = sigmoid(z_yhat)  # (10)

    # backward: every step
    for t in range(T_x, 0, -1):
        r, idle = rows_at(t, lengths_x, B)
        delta_yhat = dyhat[t - 1, r]  # (33)
        delta_z_yhat = delta_yhat * (yhat[t - 1, r] - yhat[t - 1, r]**2)  # (12)
        delta_a[t] += dstates_a[t - 1]  # (13)
        delta_a[t, r] += delta_z_yhat @ W_ya  # (13)
        delta_k = delta_a[t, r] * (1 - z[t - 1, r])  # (14)
        delta_z_k = delta_k * (1 - k[t - 1, r]**2)  # (15)
        delta_u_k = delta_z_k @ W_ka  # (16)
        delta_r = delta_u_k * a[t - 1, r]  # (17)
        delta_z_r = delta_r * (r_[t - 1, r] - r_[t - 1, r]**2)  # (18)
        delta_z = delta_a[t, r] * (a[t - 1, r] - k[t - 1, r])  # (19)
        delta_z_z = delta_z * (z[t - 1, r] - z[t - 1, r]**2)  # (20)
        d_x[t - 1, r] += delta_z_k @ W_kx + delta_z_r @ W_rx + delta_z_z @ W_zx  # (21)
        d_W_za += outer_sum(delta_z_z, a[t - 1, r])  # (22)
        d_W_zx += outer_sum(delta_z_z, x[t - 1, r])  # (23)
        d_b_z += batch_sum(delta_z_z)  # (24)
        d_W_ra += outer_sum(delta_z_r, a[t - 1, r])  # (25)
        d_W_rx += outer_sum(delta_z_r, x[t - 1, r])  # (26)
        d_b_r += batch_sum(delta_z_r)  # (27)
        d_W_ka += outer_sum(delta_z_k, u_k[t - 1, r])  # (28)
        d_W_kx += outer_sum(delta_z_k, x[t - 1, r])  # (29)
        d_b_k += batch_sum(delta_z_k)  # (30)
        d_W_ya += outer_sum(delta_z_yhat, a[t, r])  # (31)
        d_b_y += batch_sum(delta_z_yhat)  # (32)
        delta_a[t - 1, r] += delta_a[t, r] * z[t - 1, r] + delta_u_k * r_[t - 1, r] + delta_z_r @ W_ra + delta_z_z @ W_za  # (13)
        delta_a[t - 1, idle] += delta_a[t, idle]

    # gradients of the initial states
    d_a0 = delta_a[0].copy()

    return {
        "d.x": d_x,
        "d.W_za": d_W_za,
        "d.W_zx": d_W_zx,
        "d.b_z": d_b_z,
        "d.W_ra": d_W_ra,
        "d.W_rx": d_W_rx,
        "d.b_r": d_b_r,
        "d.W_ka": d_W_ka,
        "d.W_kx": d_W_kx,
        "d.b_k": d_b_k,
        "d.W_ya": d_W_ya,
        "d.b_y": d_b_y,
        "d.a0": d_a0,
    }
