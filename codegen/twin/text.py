"""The fixed parts of a NumPy twin: its heading, its docstrings, and the helpers that it calls."""

from __future__ import annotations

import re

from chalkgrad.codegen.program.operations import OPERATIONS


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

Written by Chalkgrad from the derivation; the numbers in parentheses are those of its equations.
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
    "batch_sum": '''def batch_sum(v):
    """The sum of v over the batch, in float64."""
    return sum(part.sum(axis=0) for part in blocks(v))''',
    "outer_sum": '''def outer_sum(u, v):
    """The sum of u v^T over the batch, in float64."""
    return sum(p.T @ q for p, q in zip(blocks(u), blocks(v)))''',
    "blocks": '''def blocks(v):
    """The examples in parts: sums of sums lose fewer digits than one long sum."""
    return [v[b : b + 1024].astype(float) for b in range(0, len(v), 1024)]''',
    **{row.name: row.helper for row in OPERATIONS.values() if row.helper},
    "logsumexp": '''def logsumexp(u):
    """log of the sum of exp(u) over the components; the largest u is 0."""
    return np.log(np.exp(u).sum(axis=-1))''',
    "logsumexp_of_others": '''def logsumexp_of_others(u):
    """For every component the log of the sum of exp over the other ones."""
    below, above = others(u)
    with np.errstate(divide="ignore"):  # of no others, or of none above -inf, it is -inf
        return below + np.log(above.sum(axis=-1))''',
    "others_pull": '''def others_pull(c, u):
    """Pull-back of logsumexp_of_others: c[i] goes to every other j, with weight exp(u[j] - w[i])."""
    _, weight = others(u)
    total = np.maximum(weight.sum(axis=-1, keepdims=True), 1)  # it is at least 1, or all weights are 0
    return (c[..., :, None] * weight / total).sum(axis=-2)''',
    "others": '''def others(u):
    """For every i the largest of the other components, and exp(u[k] - that) for all k but i."""
    rows = np.where(np.eye(u.shape[-1], dtype=bool), -np.inf, u[..., None, :])
    largest = rows.max(axis=-1)
    return largest, np.exp(rows - np.where(np.isneginf(largest), 0, largest)[..., None])''',
}

DOCS = {
    "loss_and_grad": "The loss, summed over steps and examples, and its gradients.",
    "forward": "The outputs and the states after every step.",
    "vjp": "The gradients of <dyhat, yhat> + <dstates, states>.",
}
