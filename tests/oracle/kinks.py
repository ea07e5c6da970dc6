"""How far a comparison is from turning out the other way, relative to what is compared.

The size of a value is that of the terms that make it: its expression with all signs equal, down to what the
step reads, so that a distance of 100 eps is one of about a hundred roundings. A function has the size of its
value, or its slope times the size of its argument where that is more.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from flint import arb
from numpy.typing import NDArray

from tests.oracle.balls import ELEMENTARY, power_slope
from tests.oracle.nodes import Node

Sizes = NDArray[np.float64]


def distance(node: Node) -> float:
    """The smallest |z| / size of z over the components; infinite for NaN, and for a zero made of zeros."""
    z, size = _absolute(node.value), size_of(node)
    with np.errstate(all="ignore"):
        relative = np.where(np.isinf(z), np.inf, z / size)
    return float(np.where(np.isnan(relative), np.inf, relative).min())


def size_of(node: Node) -> Sizes:
    if node.size is None:
        with np.errstate(all="ignore"):
            node.size = _size(node)
    return node.size


def _absolute(value: list[arb]) -> Sizes:
    return np.array([abs(float(v)) for v in value])


def _size(node: Node) -> Sizes:
    value = _absolute(node.value)
    if node.op in ("leaf", "zero", "number", "previous"):
        return value
    first, *others = (size_of(a) for a in node.args)
    match node.op:
        case "neg":
            return first
        case "spread":
            return np.broadcast_to(first, value.shape)
        case "add" | "sub":
            return first + others[0]
        case "mul":
            return first * others[0]
        case "div":
            return first * others[0] / _absolute(node.args[1].value) ** 2
        case "sum":
            return np.array([first.sum()])
        case "mean":
            return np.array([first.mean()])
        case "matvec":
            assert isinstance(node.data, tuple)
            matrix, transposed = node.data
            return np.array((matrix.sizes.T if transposed else matrix.sizes) @ first)
        case "softmax":
            return np.array(value * np.maximum(1.0, first + (value * first).sum()))
        case "sigmoid":
            return np.array(value * np.maximum(1.0, (1 - value) * first))
    pairs = zip(node.args[0].value, node.value, strict=True)
    if isinstance(node.data, Fraction):
        slopes = [power_slope(x, node.data) for x, _ in pairs]
    else:
        found = (ELEMENTARY[node.op][1](x, v) for x, v in pairs)
        slopes = [arb(0) if s is None else s for s in found]
    return np.array(np.maximum(value, _absolute(slopes) * first))
