"""The fixed parts of a NumPy twin: its heading, its docstrings, and the helpers that it calls."""

from __future__ import annotations

import re


def in_docstring(text: str) -> str:
    """One line of free text as it can stand between triple quotes."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def helpers(text: str) -> list[str]:
    """The helpers that the text calls, and those that they call."""
    used: dict[str, str] = {}
    while more := [
        n for n in HELPERS if n not in used and re.search(rf"\b{n}\(", text + "".join(used.values()))
    ]:
        used |= {name: HELPERS[name] for name in more}
    return [HELPERS[name] for name in HELPERS if name in used]


HEADER = '''"""{title}, in NumPy.

Written by Longhand from the derivation; the numbers in parentheses are those of its equations.
Arrays have the batch in front of the components: x[t] is (B, n_x). Slot 0 of a state is its initial
value. A vector times a matrix from the right, v @ W.T, is W v for every example at once.
"""

import numpy as np'''

HELPERS = {
    "rows_at": '''def rows_at(t, last, B):
    """The examples that run at step t, and those that have ended before it."""
    if last is None:
        return slice(None), slice(0)
    return np.flatnonzero(last >= t), np.flatnonzero(last < t)''',
    "sigmoid": """def sigmoid(z):
    with np.errstate(over="ignore"):  # exp(-z) may be inf, and 1 / inf is the right 0
        return 1 / (1 + np.exp(-z))""",
    "softplus": '''def softplus(z):
    """log(1 + exp(z)), exact for large |z|."""
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))''',
    "relu": """def relu(z):
    return np.where(z <= 0, 0, z)""",
    "leaky_relu": """def leaky_relu(z):
    return np.where(z <= 0, z / 100, z)""",
    "weighted": '''def weighted(w, v):
    """w * v, but 0 * inf = 0: what counts nothing adds nothing."""
    with np.errstate(invalid="ignore"):
        return np.where((w == 0) & ~np.isnan(v), 0, w * v)''',
    "logsumexp": '''def logsumexp(u):
    """log of the sum of exp(u) over the components; the largest u is 0."""
    return np.log(np.exp(u).sum(axis=-1))''',
    "logsumexp_of_others": '''def logsumexp_of_others(u):
    """For every component the log of the sum of exp over the other ones."""
    below, above = others(u)
    with np.errstate(divide="ignore"):  # a single component has no others: -inf
        return below + np.log(above.sum(axis=-1))''',
    "others_pull": '''def others_pull(c, u):
    """Pull-back of logsumexp_of_others: c[i] goes to every other j, with weight exp(u[j] - w[i])."""
    _, weight = others(u)
    total = np.maximum(weight.sum(axis=-1, keepdims=True), 1)  # it is at least 1, where there are others
    return (c[..., :, None] * weight / total).sum(axis=-2)''',
    "others": '''def others(u):
    """For every i the largest of the other components, and exp(u[k] - that) for all k but i."""
    n = u.shape[-1]
    rows = np.where(np.eye(n, dtype=bool), -np.inf, u[..., None, :])
    largest = rows.max(axis=-1) if n > 1 else np.zeros_like(u)
    return (largest if n > 1 else largest - np.inf), np.exp(rows - largest[..., None])''',
}

DOCS = {
    "loss_and_grad": "The loss, summed over steps and examples, and its gradients.",
    "forward": "The outputs and the states after every step.",
    "vjp": "The gradients of <dyhat, yhat> + <dstates, states>.",
}
