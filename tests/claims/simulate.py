"""Plain simulation of a network, and its derivatives by complex steps: nothing is derived.

Vectors are arrays (P, J, n), scalars (P, J, 1): P random points side by side, J directions that something is
moved in, 1 where nothing has moved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from tests.claims.functions import ELEMENTWISE, Array, loss, softmax
from tests.claims.models import Extent, Key, Network, Step
from tests.oracle.language import Expr

STEP = 1e-30
LOSS = "L"


@dataclass(frozen=True)
class Point:
    """P points: parameters (P, *shape), inputs and targets by step (P, n), initial states (P, n)."""

    sizes: Mapping[str, int]
    parameters: Mapping[str, Array]
    x: Mapping[int, Array]
    y: Mapping[int, Array]
    initial: Mapping[str, Array]


class Simulation:
    """One network over one extent at some points: values, and derivatives as they are asked for.

    of_value, of_parameter, immediate: (P, *shape of u, *shape of v); all of them exact but for rounding.
    """

    def __init__(self, network: Network, extent: Extent, point: Point) -> None:
        self.network, self.extent, self.point = network, extent, point
        self.steps = {step.t: step for step in network.steps(extent)}
        self.length = network.length(extent)
        self.outputs = [t for t, step in self.steps.items() if step.output]
        self.inputs = {step.t for step in self.steps.values() if step.reads and step.reads[0] == "x"}
        self._moved: dict[Key | str, dict[Key, Array]] = {}
        self._immediate: dict[tuple[Key, Key | str], Array] = {}

    # ------------------------------------------------------------------------- what there is

    def alias(self, key: Key) -> Key:
        """Where yhat is fed back, x[t] is another name of yhat[t-1]."""
        name, t = key
        reads = self.steps[t].reads if name == "x" and t in self.steps else None
        return reads if reads is not None and reads[0] == "yhat" else key

    def exists(self, key: Key) -> bool:
        """key: no alias."""
        name, t = key
        if name in self.network.states and t == 0:
            return True
        if name == "x":
            return t in self.inputs
        if name in self.network.output_names or name == LOSS:
            return t in self.outputs
        return 1 <= t <= self.length

    def shape(self, key: Key) -> tuple[str, ...]:
        """Names of sizes."""
        name, t = key
        step = self.steps.get(max(t, 1)) or self.steps[self.length]
        return self.network.shape(name, step.network)

    def value(self, key: Key) -> Array:
        """(P, n), or (P, 1) of a scalar."""
        return self.base[key][:, 0].real

    def loss(self, t: int | None) -> Array:
        """L[t] or L: (P,)"""
        return self.base[LOSS, 0 if t is None else t][:, 0, 0].real

    # ------------------------------------------------------------------------- running

    @cached_property
    def base(self) -> dict[Key, Array]:
        return self.run({}, 1, None, {})

    def run(
        self, kept: Mapping[Key, Array], first: int, moved: Key | None, parameters: Mapping[str, Array]
    ) -> dict[Key, Array]:
        """All values from step `first` on; what is kept stands for earlier ones, and for the moved one."""
        found: dict[Key, Array] = {}
        if first == 1:
            found |= {(s, 0): value[:, None] for s, value in self.point.initial.items()}
            found |= {("x", t): self.point.x[t][:, None] for t in self.inputs}
            found |= {("y", t): self.point.y[t][:, None] for t in self.outputs}
        found |= kept
        for t in range(first, self.length + 1):
            step = self.steps[t]
            scope = Scope(self, step, found, parameters)
            cell = self.network.cell(step.network)
            equations = {**cell.equations, **(cell.output if step.output else {})}
            for name, expr in equations.items():
                self.compute(name, expr, t, scope, found, moved)
            if step.output:
                found[LOSS, t] = loss(self.network.kind, found["yhat", t], found["y", t])
        found[LOSS, 0] = sum((found[LOSS, t] for t in self.outputs), np.zeros((1, 1, 1)))
        return found

    def compute(
        self, name: str, expr: Expr, t: int, scope: Scope, found: dict[Key, Array], moved: Key | None
    ) -> None:
        """One equation: z_v, if v has one, and v, unless it is what has moved."""
        z = f"z_{name}"
        if self.network.pre_activations.get(z) == name:
            if moved != (z, t):
                found[z, t] = scope.of(expr.args[0])
            value = apply(expr.op, found[z, t])
        else:
            value = scope.of(expr)
        if moved != (name, t):
            found[name, t] = value

    def parameter(self, name: str) -> Array:
        """(P, 1, *shape), a scalar (P, 1, 1)."""
        own = self.point.parameters[name]
        return own[:, None, None] if own.ndim == 1 else own[:, None]

    # ------------------------------------------------------------------------- derivatives

    def of_value(self, u: Key, v: Key) -> Array:
        """(P, n_u, n_v): v moved after it has been computed."""
        if v not in self._moved:
            known = {key: value for key, value in self.base.items() if key[1] <= v[1] or key[0] in ("x", "y")}
            self._moved[v] = self.run({**known, v: directions(self.base[v])}, max(v[1], 1), v, {})
        return widened(slopes(self._moved[v][u]), self._moved[v][v].shape[1])

    def of_parameter(self, u: Key, name: str) -> Array:
        """(P, n_u, *shape of the parameter): moved at all steps at once."""
        if name not in self._moved:
            self._moved[name] = self.run({}, 1, None, {name: directions(self.parameter(name))})
        return self._unfolded(slopes(self._moved[name][u]), name)

    def _unfolded(self, jacobian: Array, name: str) -> Array:
        """Of (P, n_u, J) or (P, n_u, 1), where nothing moved."""
        shape = self.point.parameters[name].shape[1:]
        jacobian = widened(jacobian, int(np.prod(shape)))
        return jacobian.reshape(*jacobian.shape[:2], *shape)

    def immediate(self, u: Key, v: Key | str) -> Array:
        """(P, n_u, *shape of v): u's own equation, everything else held. u: no input, no initial state."""
        if (u, v) not in self._immediate:
            self._immediate[u, v] = self._direct(u, v)
        return self._immediate[u, v]

    def _direct(self, u: Key, v: Key | str) -> Array:
        name, t = u
        if name == LOSS:
            assert isinstance(v, tuple)
            held = directions(self.base[v])
            return slopes(loss(self.network.kind, held, self.base["y", v[1]]))
        owner = self.network.pre_activations.get(name, name)
        step = self.steps[t]
        cell = self.network.cell(step.network)
        expr = {**cell.equations, **cell.output}[owner]
        moved, parameters = dict(self.base), dict[str, Array]()
        if isinstance(v, str):
            parameters[v] = directions(self.parameter(v))
        else:
            moved[v] = directions(self.base[v])
        scope = Scope(self, step, moved, parameters)
        if name != owner:
            value = scope.of(expr.args[0])
        elif v == (f"z_{name}", t) and v[0] in self.network.pre_activations:
            value = apply(expr.op, moved[v])
        else:
            value = scope.of(expr)
        if isinstance(v, str):
            return self._unfolded(slopes(value), v)
        return widened(slopes(value), moved[v].shape[1])


@dataclass(frozen=True)
class Scope:
    """Where an equation of one step looks its names up."""

    simulation: Simulation
    step: Step
    found: Mapping[Key, Array]
    parameters: Mapping[str, Array]

    def parameter(self, name: str) -> Array:
        full = self.step.network + name
        return self.parameters[full] if full in self.parameters else self.simulation.parameter(full)

    def of(self, expr: Expr) -> Array:
        name, t = expr.name, self.step.t
        if isinstance(name, Fraction):
            if expr.op == "number":
                return np.full((1, 1, 1), float(name))
            return power(self.of(expr.args[0]), name)
        match expr.op:
            case "input":
                return self.found[self.step.reads] if self.step.reads else np.zeros((1, 1, 1))
            case "parameter":
                return self.parameter(name)
            case "value":
                return self.found[name, t]
            case "previous":
                return self.found[name, t - 1]
            case "matvec":
                return self.product(name, self.of(expr.args[0]), expr)
            case "neg":
                return -self.of(expr.args[0])
            case "add" | "sub" | "mul" | "div":
                left, right = (self.of(arg) for arg in expr.args)
                return combined(expr.op, left, right)
        return apply(expr.op, self.of(expr.args[0]))

    def product(self, name: str, vector: Array, expr: Expr) -> Array:
        matrix = self.parameter(name)
        if expr.transposed:
            matrix = matrix.swapaxes(-1, -2)
        if vector.shape[-1] == 1 and matrix.shape[-1] != 1:  # an input that is not there
            vector = np.broadcast_to(vector, (*vector.shape[:2], matrix.shape[-1]))
        if matrix.shape[1] == 1:
            return vector @ matrix[:, 0].swapaxes(-1, -2)
        return np.asarray((matrix @ vector[..., None])[..., 0])


def power(base: Array, exponent: Fraction) -> Array:
    """A whole power by products: a complex power of a negative number would lose the step."""
    if exponent.denominator != 1:
        return np.asarray(base ** float(exponent))
    found = np.ones_like(base)
    for _ in range(abs(exponent.numerator)):
        found = found * base
    return found if exponent >= 0 else 1 / found


def combined(op: str, left: Array, right: Array) -> Array:
    if op == "add":
        return np.asarray(left + right)
    if op == "sub":
        return np.asarray(left - right)
    return np.asarray(left * right if op == "mul" else left / right)


def apply(name: str, z: Array) -> Array:
    if name == "softmax":
        return softmax(z)
    if name == "sum":
        return np.asarray(z.sum(axis=-1, keepdims=True))
    if name == "mean":
        return np.asarray(z.mean(axis=-1, keepdims=True))
    return ELEMENTWISE[name](z)


def directions(value: Array) -> Array:
    """value (P, 1, *shape) moved by i STEP in each of its components: (P, J, *shape)."""
    shape = value.shape[2:]
    J = int(np.prod(shape))
    return np.asarray(value + 1j * STEP * np.eye(J).reshape(1, J, *shape))


def slopes(moved: Array) -> Array:
    """(P, J, n_u) → (P, n_u, J), or J = 1 with zeros where nothing has moved."""
    return np.asarray(moved.imag / STEP).swapaxes(1, 2)


def widened(jacobian: Array, columns: int) -> Array:
    """All J columns of what has not moved."""
    return jacobian if jacobian.shape[2] == columns else np.zeros((*jacobian.shape[:2], columns))
