"""Vanilla recurrent network, in NumPy.

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
    W_aa = arrays["W_aa"]  # (n_a, n_a)
    W_ax = arrays["W_ax"]  # (n_a, n_x)
    x = arrays["x"]  # (T_x, B, n_x)
    b_a = arrays["b_a"]  # (n_a)
    W_ya = arrays["W_ya"]  # (n_y, n_a)
    b_y = arrays["b_y"]  # (n_y)
    y = arrays["y"]  # (T_x, B, n_y)
    lengths_x = arrays.get("last_x")
    n_a = a0.shape[-1]
    n_x = W_ax.shape[-1]
    n_y = W_ya.shape[-2]
    dtype = arrays["x"].dtype
    a = np.empty((T_x + 1, B, n_a), dtype)
    yhat = np.empty((T_x, B, n_y), dtype)
    loss = 0.0
    delta_a = np.zeros((T_x + 1, B, n_a), dtype)
    d_x = np.zeros((T_x, B, n_x), dtype)
    d_W_aa = np.zeros((n_a, n_a))
    d_W_ax = np.zeros((n_a, n_x))
    d_b_a = np.zeros((n_a,))
    d_W_ya = np.zeros((n_y, n_a))
    d_b_y = np.zeros((n_y,))

    # initial states
    a[0] = a0

    # forward: every step
    for t in range(1, T_x + 1):
        r, idle = rows_at(t, lengths_x, B)
        a[t, idle] = a[t - 1, idle]
        z_a = a[t - 1, r] @ W_aa.T + x[t - 1, r] @ W_ax.T + b_a  # (1)
        a[t, r] = np.tanh(z_a)  # (2)
        z_yhat = a[t, r] @ W_ya.T + b_y  # (3)
        yhat[t - 1, r] = sigmoid(z_yhat)  # (4)
        loss += (weighted(y[t - 1, r], softplus(-z_yhat)) + weighted(1 - y[t - 1, r], softplus(z_yhat))).sum(dtype=float)  # (5)

    # backward: every step
    for t in range(T_x, 0, -1):
        r, idle = rows_at(t, lengths_x, B)
        delta_z_yhat = yhat[t - 1, r] - y[t - 1, r]  # (6)
        delta_a[t, r] += delta_z_yhat @ W_ya  # (7)
        delta_z_a = delta_a[t, r] * (1 - a[t, r]**2)  # (8)
        d_x[t - 1, r] += delta_z_a @ W_ax  # (9)
        d_W_aa += outer_sum(delta_z_a, a[t - 1, r])  # (10)
        d_W_ax += outer_sum(delta_z_a, x[t - 1, r])  # (11)
        d_b_a += batch_sum(delta_z_a)  # (12)
        d_W_ya += outer_sum(delta_z_yhat, a[t, r])  # (13)
        d_b_y += batch_sum(delta_z_yhat)  # (14)
        delta_a[t - 1, r] += delta_z_a @ W_aa  # (7)
        delta_a[t - 1, idle] += delta_a[t, idle]

    # gradients of the initial states
    d_a0 = delta_a[0].copy()

    return {
        "loss": loss,
        "d.x": d_x,
        "d.W_aa": d_W_aa,
        "d.W_ax": d_W_ax,
        "d.b_a": d_b_a,
        "d.W_ya": d_W_ya,
        "d.b_y": d_b_y,
        "d.a0": d_a0,
    }


def forward(arrays, T_x, T_y, B):
    """The outputs and the states after every step."""
    a0 = arrays["a0"]  # (B, n_a)
    W_aa = arrays["W_aa"]  # (n_a, n_a)
    W_ax = arrays["W_ax"]  # (n_a, n_x)
    x = arrays["x"]  # (T_x, B, n_x)
    b_a = arrays["b_a"]  # (n_a)
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
        z_a = a[t - 1, r] @ W_aa.T + x[t - 1, r] @ W_ax.T + b_a  # (1)
        a[t, r] = np.tanh(z_a)  # (2)
        z_yhat = a[t, r] @ W_ya.T + b_y  # (3)
        yhat[t - 1, r] = sigmoid(z_yhat)  # (4)

    return {
        "states.a": a,
        "yhat": yhat,
    }


def vjp(arrays, T_x, T_y, B):
    """The gradients of <dyhat, yhat> + <dstates, states>."""
    a0 = arrays["a0"]  # (B, n_a)
    W_aa = arrays["W_aa"]  # (n_a, n_a)
    W_ax = arrays["W_ax"]  # (n_a, n_x)
    x = arrays["x"]  # (T_x, B, n_x)
    b_a = arrays["b_a"]  # (n_a)
    W_ya = arrays["W_ya"]  # (n_y, n_a)
    b_y = arrays["b_y"]  # (n_y)
    dyhat = arrays["dyhat"]  # (T_x, B, n_y)
    dstates_a = arrays["dstates.a"]  # (T_x, B, n_a)
    lengths_x = arrays.get("last_x")
    n_a = a0.shape[-1]
    n_x = W_ax.shape[-1]
    n_y = W_ya.shape[-2]
    dtype = arrays["x"].dtype
    a = np.empty((T_x + 1, B, n_a), dtype)
    yhat = np.empty((T_x, B, n_y), dtype)
    delta_a = np.zeros((T_x + 1, B, n_a), dtype)
    d_x = np.zeros((T_x, B, n_x), dtype)
    d_W_aa = np.zeros((n_a, n_a))
    d_W_ax = np.zeros((n_a, n_x))
    d_b_a = np.zeros((n_a,))
    d_W_ya = np.zeros((n_y, n_a))
    d_b_y = np.zeros((n_y,))

    # initial states
    a[0] = a0

    # forward: every step
    for t in range(1, T_x + 1):
        r, idle = rows_at(t, lengths_x, B)
        a[t, idle] = a[t - 1, idle]
        z_a = a[t - 1, r] @ W_aa.T + x[t - 1, r] @ W_ax.T + b_a  # (1)
        a[t, r] = np.tanh(z_a)  # (2)
        z_yhat = a[t, r] @ W_ya.T + b_y  # (3)
        yhat[t - 1, r] = sigmoid(z_yhat)  # (4)

    # backward: every step
    for t in range(T_x, 0, -1):
        r, idle = rows_at(t, lengths_x, B)
        delta_yhat = dyhat[t - 1, r]  # (15)
        delta_z_yhat = delta_yhat * (yhat[t - 1, r] - yhat[t - 1, r]**2)  # (6)
        delta_a[t] += dstates_a[t - 1]  # (7)
        delta_a[t, r] += delta_z_yhat @ W_ya  # (7)
        delta_z_a = delta_a[t, r] * (1 - a[t, r]**2)  # (8)
        d_x[t - 1, r] += delta_z_a @ W_ax  # (9)
        d_W_aa += outer_sum(delta_z_a, a[t - 1, r])  # (10)
        d_W_ax += outer_sum(delta_z_a, x[t - 1, r])  # (11)
        d_b_a += batch_sum(delta_z_a)  # (12)
        d_W_ya += outer_sum(delta_z_yhat, a[t, r])  # (13)
        d_b_y += batch_sum(delta_z_yhat)  # (14)
        delta_a[t - 1, r] += delta_z_a @ W_aa  # (7)
        delta_a[t - 1, idle] += delta_a[t, idle]

    # gradients of the initial states
    d_a0 = delta_a[0].copy()

    return {
        "d.x": d_x,
        "d.W_aa": d_W_aa,
        "d.W_ax": d_W_ax,
        "d.b_a": d_b_a,
        "d.W_ya": d_W_ya,
        "d.b_y": d_b_y,
        "d.a0": d_a0,
    }
