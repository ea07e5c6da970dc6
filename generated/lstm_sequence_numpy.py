"""Long short-term memory, in NumPy.

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
    c0 = arrays["c0"]  # (B, n_a)
    a0 = arrays["a0"]  # (B, n_a)
    W_ia = arrays["W_ia"]  # (n_a, n_a)
    W_ix = arrays["W_ix"]  # (n_a, n_x)
    x = arrays["x"]  # (T_x, B, n_x)
    b_i = arrays["b_i"]  # (n_a)
    W_fa = arrays["W_fa"]  # (n_a, n_a)
    W_fx = arrays["W_fx"]  # (n_a, n_x)
    b_f = arrays["b_f"]  # (n_a)
    W_oa = arrays["W_oa"]  # (n_a, n_a)
    W_ox = arrays["W_ox"]  # (n_a, n_x)
    b_o = arrays["b_o"]  # (n_a)
    W_ka = arrays["W_ka"]  # (n_a, n_a)
    W_kx = arrays["W_kx"]  # (n_a, n_x)
    b_k = arrays["b_k"]  # (n_a)
    W_ya = arrays["W_ya"]  # (n_y, n_a)
    b_y = arrays["b_y"]  # (n_y)
    y = arrays["y"]  # (T_x, B, n_y)
    lengths_x = arrays.get("last_x")
    n_a = c0.shape[-1]
    n_x = W_ix.shape[-1]
    n_y = W_ya.shape[-2]
    dtype = arrays["x"].dtype
    c = np.empty((T_x + 1, B, n_a), dtype)
    a = np.empty((T_x + 1, B, n_a), dtype)
    i = np.empty((T_x, B, n_a), dtype)
    f = np.empty((T_x, B, n_a), dtype)
    o = np.empty((T_x, B, n_a), dtype)
    k = np.empty((T_x, B, n_a), dtype)
    u_a = np.empty((T_x, B, n_a), dtype)
    yhat = np.empty((T_x, B, n_y), dtype)
    loss = 0.0
    delta_a = np.zeros((T_x + 1, B, n_a), dtype)
    delta_c = np.zeros((T_x + 1, B, n_a), dtype)
    d_x = np.zeros((T_x, B, n_x), dtype)
    d_W_ia = np.zeros((n_a, n_a))
    d_W_ix = np.zeros((n_a, n_x))
    d_b_i = np.zeros((n_a,))
    d_W_fa = np.zeros((n_a, n_a))
    d_W_fx = np.zeros((n_a, n_x))
    d_b_f = np.zeros((n_a,))
    d_W_oa = np.zeros((n_a, n_a))
    d_W_ox = np.zeros((n_a, n_x))
    d_b_o = np.zeros((n_a,))
    d_W_ka = np.zeros((n_a, n_a))
    d_W_kx = np.zeros((n_a, n_x))
    d_b_k = np.zeros((n_a,))
    d_W_ya = np.zeros((n_y, n_a))
    d_b_y = np.zeros((n_y,))

    # initial states
    c[0] = c0
    a[0] = a0

    # forward: every step
    for t in range(1, T_x + 1):
        r, idle = rows_at(t, lengths_x, B)
        c[t, idle] = c[t - 1, idle]
        a[t, idle] = a[t - 1, idle]
        z_i = a[t - 1, r] @ W_ia.T + x[t - 1, r] @ W_ix.T + b_i  # (1)
        i[t - 1, r] = sigmoid(z_i)  # (2)
        z_f = a[t - 1, r] @ W_fa.T + x[t - 1, r] @ W_fx.T + b_f  # (3)
        f[t - 1, r] = sigmoid(z_f)  # (4)
        z_o = a[t - 1, r] @ W_oa.T + x[t - 1, r] @ W_ox.T + b_o  # (5)
        o[t - 1, r] = sigmoid(z_o)  # (6)
        z_k = a[t - 1, r] @ W_ka.T + x[t - 1, r] @ W_kx.T + b_k  # (7)
        k[t - 1, r] = np.tanh(z_k)  # (8)
        c[t, r] = f[t - 1, r] * c[t - 1, r] + i[t - 1, r] * k[t - 1, r]  # (9)
        u_a[t - 1, r] = np.tanh(c[t, r])  # (10)
        a[t, r] = o[t - 1, r] * u_a[t - 1, r]  # (11)
        z_yhat = a[t, r] @ W_ya.T + b_y  # (12)
        m_yhat = z_yhat.max(axis=-1)  # (13)
        u_yhat = z_yhat - m_yhat[:, None]  # (14)
        l_yhat = logsumexp(u_yhat)  # (15)
        yhat[t - 1, r] = np.exp(u_yhat - l_yhat[:, None])  # (16)
        loss += (weighted(y[t - 1, r], l_yhat[:, None] - u_yhat)).sum(dtype=float)  # (17)

    # backward: every step
    for t in range(T_x, 0, -1):
        r, idle = rows_at(t, lengths_x, B)
        delta_l_yhat = y[t - 1, r].sum(axis=-1)  # (18)
        delta_u_yhat = -y[t - 1, r] + delta_l_yhat[:, None] * yhat[t - 1, r]  # (19)
        delta_z_yhat = delta_u_yhat  # (20)
        delta_a[t, r] += delta_z_yhat @ W_ya  # (21)
        delta_u_a = delta_a[t, r] * o[t - 1, r]  # (22)
        delta_c[t, r] += delta_u_a * (1 - u_a[t - 1, r]**2)  # (23)
        delta_k = delta_c[t, r] * i[t - 1, r]  # (24)
        delta_z_k = delta_k * (1 - k[t - 1, r]**2)  # (25)
        delta_o = delta_a[t, r] * u_a[t - 1, r]  # (26)
        delta_z_o = delta_o * (o[t - 1, r] - o[t - 1, r]**2)  # (27)
        delta_f = delta_c[t, r] * c[t - 1, r]  # (28)
        delta_z_f = delta_f * (f[t - 1, r] - f[t - 1, r]**2)  # (29)
        delta_i = delta_c[t, r] * k[t - 1, r]  # (30)
        delta_z_i = delta_i * (i[t - 1, r] - i[t - 1, r]**2)  # (31)
        d_x[t - 1, r] += delta_z_k @ W_kx + delta_z_o @ W_ox + delta_z_f @ W_fx + delta_z_i @ W_ix  # (32)
        d_W_ia += outer_sum(delta_z_i, a[t - 1, r])  # (33)
        d_W_ix += outer_sum(delta_z_i, x[t - 1, r])  # (34)
        d_b_i += batch_sum(delta_z_i)  # (35)
        d_W_fa += outer_sum(delta_z_f, a[t - 1, r])  # (36)
        d_W_fx += outer_sum(delta_z_f, x[t - 1, r])  # (37)
        d_b_f += batch_sum(delta_z_f)  # (38)
        d_W_oa += outer_sum(delta_z_o, a[t - 1, r])  # (39)
        d_W_ox += outer_sum(delta_z_o, x[t - 1, r])  # (40)
        d_b_o += batch_sum(delta_z_o)  # (41)
        d_W_ka += outer_sum(delta_z_k, a[t - 1, r])  # (42)
        d_W_kx += outer_sum(delta_z_k, x[t - 1, r])  # (43)
        d_b_k += batch_sum(delta_z_k)  # (44)
        d_W_ya += outer_sum(delta_z_yhat, a[t, r])  # (45)
        d_b_y += batch_sum(delta_z_yhat)  # (46)
        delta_a[t - 1, r] += delta_z_k @ W_ka + delta_z_o @ W_oa + delta_z_f @ W_fa + delta_z_i @ W_ia  # (21)
        delta_c[t - 1, r] += delta_c[t, r] * f[t - 1, r]  # (23)
        delta_c[t - 1, idle] += delta_c[t, idle]
        delta_a[t - 1, idle] += delta_a[t, idle]

    # gradients of the initial states
    d_c0 = delta_c[0].copy()
    d_a0 = delta_a[0].copy()

    return {
        "loss": loss,
        "d.x": d_x,
        "d.W_ia": d_W_ia,
        "d.W_ix": d_W_ix,
        "d.b_i": d_b_i,
        "d.W_fa": d_W_fa,
        "d.W_fx": d_W_fx,
        "d.b_f": d_b_f,
        "d.W_oa": d_W_oa,
        "d.W_ox": d_W_ox,
        "d.b_o": d_b_o,
        "d.W_ka": d_W_ka,
        "d.W_kx": d_W_kx,
        "d.b_k": d_b_k,
        "d.W_ya": d_W_ya,
        "d.b_y": d_b_y,
        "d.c0": d_c0,
        "d.a0": d_a0,
    }


def forward(arrays, T_x, T_y, B):
    """The outputs and the states after every step."""
    c0 = arrays["c0"]  # (B, n_a)
    a0 = arrays["a0"]  # (B, n_a)
    W_ia = arrays["W_ia"]  # (n_a, n_a)
    W_ix = arrays["W_ix"]  # (n_a, n_x)
    x = arrays["x"]  # (T_x, B, n_x)
    b_i = arrays["b_i"]  # (n_a)
    W_fa = arrays["W_fa"]  # (n_a, n_a)
    W_fx = arrays["W_fx"]  # (n_a, n_x)
    b_f = arrays["b_f"]  # (n_a)
    W_oa = arrays["W_oa"]  # (n_a, n_a)
    W_ox = arrays["W_ox"]  # (n_a, n_x)
    b_o = arrays["b_o"]  # (n_a)
    W_ka = arrays["W_ka"]  # (n_a, n_a)
    W_kx = arrays["W_kx"]  # (n_a, n_x)
    b_k = arrays["b_k"]  # (n_a)
    W_ya = arrays["W_ya"]  # (n_y, n_a)
    b_y = arrays["b_y"]  # (n_y)
    lengths_x = arrays.get("last_x")
    n_a = c0.shape[-1]
    n_y = W_ya.shape[-2]
    dtype = arrays["x"].dtype
    c = np.empty((T_x + 1, B, n_a), dtype)
    a = np.empty((T_x + 1, B, n_a), dtype)
    yhat = np.zeros((T_x, B, n_y), dtype)

    # initial states
    c[0] = c0
    a[0] = a0

    # forward: every step
    for t in range(1, T_x + 1):
        r, idle = rows_at(t, lengths_x, B)
        c[t, idle] = c[t - 1, idle]
        a[t, idle] = a[t - 1, idle]
        z_i = a[t - 1, r] @ W_ia.T + x[t - 1, r] @ W_ix.T + b_i  # (1)
        i = sigmoid(z_i)  # (2)
        z_f = a[t - 1, r] @ W_fa.T + x[t - 1, r] @ W_fx.T + b_f  # (3)
        f = sigmoid(z_f)  # (4)
        z_o = a[t - 1, r] @ W_oa.T + x[t - 1, r] @ W_ox.T + b_o  # (5)
        o = sigmoid(z_o)  # (6)
        z_k = a[t - 1, r] @ W_ka.T + x[t - 1, r] @ W_kx.T + b_k  # (7)
        k = np.tanh(z_k)  # (8)
        c[t, r] = f * c[t - 1, r] + i * k  # (9)
        u_a = np.tanh(c[t, r])  # (10)
        a[t, r] = o * u_a  # (11)
        z_yhat = a[t, r] @ W_ya.T + b_y  # (12)
        m_yhat = z_yhat.max(axis=-1)  # (13)
        u_yhat = z_yhat - m_yhat[:, None]  # (14)
        l_yhat = logsumexp(u_yhat)  # (15)
        yhat[t - 1, r] = np.exp(u_yhat - l_yhat[:, None])  # (16)

    return {
        "states.c": c,
        "states.a": a,
        "yhat": yhat,
    }


def vjp(arrays, T_x, T_y, B):
    """The gradients of <dyhat, yhat> + <dstates, states>."""
    c0 = arrays["c0"]  # (B, n_a)
    a0 = arrays["a0"]  # (B, n_a)
    W_ia = arrays["W_ia"]  # (n_a, n_a)
    W_ix = arrays["W_ix"]  # (n_a, n_x)
    x = arrays["x"]  # (T_x, B, n_x)
    b_i = arrays["b_i"]  # (n_a)
    W_fa = arrays["W_fa"]  # (n_a, n_a)
    W_fx = arrays["W_fx"]  # (n_a, n_x)
    b_f = arrays["b_f"]  # (n_a)
    W_oa = arrays["W_oa"]  # (n_a, n_a)
    W_ox = arrays["W_ox"]  # (n_a, n_x)
    b_o = arrays["b_o"]  # (n_a)
    W_ka = arrays["W_ka"]  # (n_a, n_a)
    W_kx = arrays["W_kx"]  # (n_a, n_x)
    b_k = arrays["b_k"]  # (n_a)
    W_ya = arrays["W_ya"]  # (n_y, n_a)
    b_y = arrays["b_y"]  # (n_y)
    dyhat = arrays["dyhat"]  # (T_x, B, n_y)
    dstates_a = arrays["dstates.a"]  # (T_x, B, n_a)
    dstates_c = arrays["dstates.c"]  # (T_x, B, n_a)
    lengths_x = arrays.get("last_x")
    n_a = c0.shape[-1]
    n_x = W_ix.shape[-1]
    n_y = W_ya.shape[-2]
    dtype = arrays["x"].dtype
    c = np.empty((T_x + 1, B, n_a), dtype)
    a = np.empty((T_x + 1, B, n_a), dtype)
    i = np.empty((T_x, B, n_a), dtype)
    f = np.empty((T_x, B, n_a), dtype)
    o = np.empty((T_x, B, n_a), dtype)
    k = np.empty((T_x, B, n_a), dtype)
    u_a = np.empty((T_x, B, n_a), dtype)
    yhat = np.empty((T_x, B, n_y), dtype)
    delta_a = np.zeros((T_x + 1, B, n_a), dtype)
    delta_c = np.zeros((T_x + 1, B, n_a), dtype)
    d_x = np.zeros((T_x, B, n_x), dtype)
    d_W_ia = np.zeros((n_a, n_a))
    d_W_ix = np.zeros((n_a, n_x))
    d_b_i = np.zeros((n_a,))
    d_W_fa = np.zeros((n_a, n_a))
    d_W_fx = np.zeros((n_a, n_x))
    d_b_f = np.zeros((n_a,))
    d_W_oa = np.zeros((n_a, n_a))
    d_W_ox = np.zeros((n_a, n_x))
    d_b_o = np.zeros((n_a,))
    d_W_ka = np.zeros((n_a, n_a))
    d_W_kx = np.zeros((n_a, n_x))
    d_b_k = np.zeros((n_a,))
    d_W_ya = np.zeros((n_y, n_a))
    d_b_y = np.zeros((n_y,))

    # initial states
    c[0] = c0
    a[0] = a0

    # forward: every step
    for t in range(1, T_x + 1):
        r, idle = rows_at(t, lengths_x, B)
        c[t, idle] = c[t - 1, idle]
        a[t, idle] = a[t - 1, idle]
        z_i = a[t - 1, r] @ W_ia.T + x[t - 1, r] @ W_ix.T + b_i  # (1)
        i[t - 1, r] = sigmoid(z_i)  # (2)
        z_f = a[t - 1, r] @ W_fa.T + x[t - 1, r] @ W_fx.T + b_f  # (3)
        f[t - 1, r] = sigmoid(z_f)  # (4)
        z_o = a[t - 1, r] @ W_oa.T + x[t - 1, r] @ W_ox.T + b_o  # (5)
        o[t - 1, r] = sigmoid(z_o)  # (6)
        z_k = a[t - 1, r] @ W_ka.T + x[t - 1, r] @ W_kx.T + b_k  # (7)
        k[t - 1, r] = np.tanh(z_k)  # (8)
        c[t, r] = f[t - 1, r] * c[t - 1, r] + i[t - 1, r] * k[t - 1, r]  # (9)
        u_a[t - 1, r] = np.tanh(c[t, r])  # (10)
        a[t, r] = o[t - 1, r] * u_a[t - 1, r]  # (11)
        z_yhat = a[t, r] @ W_ya.T + b_y  # (12)
        m_yhat = z_yhat.max(axis=-1)  # (13)
        u_yhat = z_yhat - m_yhat[:, None]  # (14)
        l_yhat = logsumexp(u_yhat)  # (15)
        yhat[t - 1, r] = np.exp(u_yhat - l_yhat[:, None])  # (16)

    # backward: every step
    for t in range(T_x, 0, -1):
        r, idle = rows_at(t, lengths_x, B)
        delta_yhat = dyhat[t - 1, r]  # (47)
        delta_l_yhat = (-(delta_yhat * yhat[t - 1, r])).sum(axis=-1)  # (18)
        delta_u_yhat = delta_yhat * yhat[t - 1, r] + delta_l_yhat[:, None] * yhat[t - 1, r]  # (19)
        delta_z_yhat = delta_u_yhat  # (20)
        delta_a[t] += dstates_a[t - 1]  # (21)
        delta_a[t, r] += delta_z_yhat @ W_ya  # (21)
        delta_u_a = delta_a[t, r] * o[t - 1, r]  # (22)
        delta_c[t] += dstates_c[t - 1]  # (23)
        delta_c[t, r] += delta_u_a * (1 - u_a[t - 1, r]**2)  # (23)
        delta_k = delta_c[t, r] * i[t - 1, r]  # (24)
        delta_z_k = delta_k * (1 - k[t - 1, r]**2)  # (25)
        delta_o = delta_a[t, r] * u_a[t - 1, r]  # (26)
        delta_z_o = delta_o * (o[t - 1, r] - o[t - 1, r]**2)  # (27)
        delta_f = delta_c[t, r] * c[t - 1, r]  # (28)
        delta_z_f = delta_f * (f[t - 1, r] - f[t - 1, r]**2)  # (29)
        delta_i = delta_c[t, r] * k[t - 1, r]  # (30)
        delta_z_i = delta_i * (i[t - 1, r] - i[t - 1, r]**2)  # (31)
        d_x[t - 1, r] += delta_z_k @ W_kx + delta_z_o @ W_ox + delta_z_f @ W_fx + delta_z_i @ W_ix  # (32)
        d_W_ia += outer_sum(delta_z_i, a[t - 1, r])  # (33)
        d_W_ix += outer_sum(delta_z_i, x[t - 1, r])  # (34)
        d_b_i += batch_sum(delta_z_i)  # (35)
        d_W_fa += outer_sum(delta_z_f, a[t - 1, r])  # (36)
        d_W_fx += outer_sum(delta_z_f, x[t - 1, r])  # (37)
        d_b_f += batch_sum(delta_z_f)  # (38)
        d_W_oa += outer_sum(delta_z_o, a[t - 1, r])  # (39)
        d_W_ox += outer_sum(delta_z_o, x[t - 1, r])  # (40)
        d_b_o += batch_sum(delta_z_o)  # (41)
        d_W_ka += outer_sum(delta_z_k, a[t - 1, r])  # (42)
        d_W_kx += outer_sum(delta_z_k, x[t - 1, r])  # (43)
        d_b_k += batch_sum(delta_z_k)  # (44)
        d_W_ya += outer_sum(delta_z_yhat, a[t, r])  # (45)
        d_b_y += batch_sum(delta_z_yhat)  # (46)
        delta_a[t - 1, r] += delta_z_k @ W_ka + delta_z_o @ W_oa + delta_z_f @ W_fa + delta_z_i @ W_ia  # (21)
        delta_c[t - 1, r] += delta_c[t, r] * f[t - 1, r]  # (23)
        delta_c[t - 1, idle] += delta_c[t, idle]
        delta_a[t - 1, idle] += delta_a[t, idle]

    # gradients of the initial states
    d_c0 = delta_c[0].copy()
    d_a0 = delta_a[0].copy()

    return {
        "d.x": d_x,
        "d.W_ia": d_W_ia,
        "d.W_ix": d_W_ix,
        "d.b_i": d_b_i,
        "d.W_fa": d_W_fa,
        "d.W_fx": d_W_fx,
        "d.b_f": d_b_f,
        "d.W_oa": d_W_oa,
        "d.W_ox": d_W_ox,
        "d.b_o": d_b_o,
        "d.W_ka": d_W_ka,
        "d.W_kx": d_W_kx,
        "d.b_k": d_b_k,
        "d.W_ya": d_W_ya,
        "d.b_y": d_b_y,
        "d.c0": d_c0,
        "d.a0": d_a0,
    }
