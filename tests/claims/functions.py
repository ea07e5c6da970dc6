"""Functions of NumPy arrays, real or complex; comparisons act on the real part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def softplus(z: Array) -> Array:
    return np.log(1 + np.exp(z))


def relu(z: Array) -> Array:
    return np.where(z.real > 0, z, 0)


def leaky_relu(z: Array) -> Array:
    return np.where(z.real > 0, z, z / 100)


def softmax(z: Array) -> Array:
    """Over the last axis."""
    raised = np.exp(z - z.real.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


ELEMENTWISE: dict[str, Callable[[Array], Array]] = {
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "softplus": softplus,
    "relu": relu,
    "leaky_relu": leaky_relu,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "square": np.square,
    "sin": np.sin,
    "cos": np.cos,
    "identity": lambda z: z,
}


def _tanh(z: Array, n: int) -> Array:
    a = np.tanh(z)
    return (1 - a**2) if n == 1 else -2 * a * (1 - a**2)


def _sigmoid(z: Array, n: int) -> Array:
    s = sigmoid(z)
    return s * (1 - s) if n == 1 else s * (1 - s) * (1 - 2 * s)


_TURNING: dict[str, Callable[[Array, int], Array]] = {
    "tanh": _tanh,
    "sigmoid": _sigmoid,
    "softplus": lambda z, n: sigmoid(z) if n == 1 else _sigmoid(z, 1),
    "relu": lambda z, n: np.where(z > 0, 1.0, 0.0) * (n == 1),
    "leaky_relu": lambda z, n: np.where(z > 0, 1.0, 0.01) * (n == 1),
    "exp": lambda z, n: np.exp(z),
    "log": lambda z, n: 1 / z if n == 1 else -1 / z**2,
    "sqrt": lambda z, n: z**-0.5 / 2 if n == 1 else -(z**-1.5) / 4,
    "square": lambda z, n: 2 * z if n == 1 else 2 + 0 * z,
    "sin": lambda z, n: np.cos(z) if n == 1 else -np.sin(z),
    "cos": lambda z, n: -np.sin(z) if n == 1 else -np.cos(z),
    "identity": lambda z, n: 0 * z + (n == 1),
}
MOST_PRIMES = 2


def derivative(name: str, order: int, z: Array) -> Array:
    """f, f' or f'' of each component."""
    return ELEMENTWISE[name](z) if order == 0 else _TURNING[name](z, order)


LOSSES = ("binary_cross_entropy", "cross_entropy", "squared_error")


def loss(kind: str, yhat: Array, y: Array) -> Array:
    """Of one output, as a function of yhat, summed over the last axis.

    binary_cross_entropy   -y log yhat - (1 - y) log(1 - yhat)
    cross_entropy          -y log yhat
    squared_error          (yhat - y)^2 / 2
    """
    if kind == "squared_error":
        own = (yhat - y) ** 2 / 2
    else:
        own = -y * np.log(yhat)
        if kind == "binary_cross_entropy":
            own = own - (1 - y) * np.log(1 - yhat)
    return np.asarray(own.sum(axis=-1, keepdims=True))
