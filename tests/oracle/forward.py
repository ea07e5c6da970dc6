"""One forward pass of a batch on a tape, and what is pulled back through it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from flint import arb
from numpy.typing import NDArray

from tests.oracle.balls import ZERO
from tests.oracle.language import Cell, Expr
from tests.oracle.layout import Step
from tests.oracle.losses import ENTROPIES, loss, stored_weight
from tests.oracle.nodes import Balls, Matrix, Node, is_one
from tests.oracle.tape import Tape

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Call:
    """A checked call. x (T_x, B, n_x), y and dyhat (T_y, B, *n), initial (B, n), dstates (T, B, n).

    steps     of each example, the live ones
    n_zero    components of an input that is not there
    yhat_shape    (T_y, B, *n)
    """

    parameters: Mapping[str, Array]
    x: Array
    y: Array | None
    initial: Mapping[str, Array]
    dyhat: Array | None
    dstates: Mapping[str, Array]
    steps: tuple[tuple[Step, ...], ...]
    T: int
    n_zero: int
    yhat_shape: tuple[int, ...] | None


def exact(array: Array) -> Balls:
    return [arb(v) for v in array.ravel().tolist()]


@dataclass
class Forward:
    """Nodes by example: states[b][t][name], yhat[b][index], x[b][index], initial[b][name]."""

    cells: Mapping[str, Cell]
    kind: str | None
    call: Call
    seed: int | None
    tape: Tape = field(init=False)

    def __post_init__(self) -> None:
        self.tape = Tape(self.seed)
        self.vectors: dict[str, Node] = {}
        self.matrices: dict[str, Matrix] = {}
        for name, value in self.call.parameters.items():
            if value.ndim == 2:
                self.matrices[name] = self.tape.matrix(value.shape[0], value.shape[1], exact(value))
            else:
                self.vectors[name] = self.tape.leaf(exact(value))
        batch = self.call.x.shape[1]
        self.x: list[dict[int, Node]] = [{} for _ in range(batch)]
        self.y: list[dict[int, Node]] = [{} for _ in range(batch)]
        self.initial: list[dict[str, Node]] = []
        self.states: list[dict[int, dict[str, Node]]] = [{} for _ in range(batch)]
        self.yhat: list[dict[int, Node]] = [{} for _ in range(batch)]
        for b in range(batch):
            self.example(b)

    def example(self, b: int) -> None:
        """All live steps, and the last states again for the steps behind the end."""
        current = {name: self.tape.leaf(exact(a[b])) for name, a in self.call.initial.items()}
        self.initial.append(current)
        live = {step.t: step for step in self.call.steps[b]}
        for t in range(self.call.T):
            if t in live:
                current = self.step(b, live[t], current)
            self.states[b][t] = current

    def step(self, b: int, step: Step, states: Mapping[str, Node]) -> dict[str, Node]:
        cell = self.cells[step.network]
        before = {name: self.tape.previous(node) for name, node in states.items()}
        values: dict[str, Node] = {}
        scope = _Scope(self, step.network, self.source(b, step), before, values)
        for name, expr in cell.equations.items():
            values[name] = scope.node(expr)
        if step.output is not None and cell.output:
            for name, expr in cell.output.items():
                values[name] = scope.node(expr)
            self.yhat[b][step.output] = values["yhat"]
        return {name: values[name] for name in states}

    def source(self, b: int, step: Step) -> Node:
        what, index = step.reads
        match what:
            case "x":
                if index not in self.x[b]:
                    self.x[b][index] = self.tape.leaf(exact(self.call.x[index, b]))
                return self.x[b][index]
            case "yhat":
                return self.tape.previous(self.yhat[b][index])
            case "y":
                return self.target(b, index)
        return self.tape.zero(self.call.n_zero)

    def target(self, b: int, index: int) -> Node:
        """y. 0 and 1 are never nudged: what a weight y or 1 - y of 0 leaves out may be infinite."""
        if index not in self.y[b]:
            assert self.call.y is not None
            value = exact(self.call.y[index, b])
            node = self.tape.leaf(value)
            node.value = [v if v == 0 or v == 1 else n for v, n in zip(value, node.value, strict=True)]
            self.y[b][index] = node
        return self.y[b][index]

    def seed_loss(self) -> arb:
        """The loss of all outputs; each yhat receives its derivative."""
        assert self.kind is not None
        total = ZERO
        for b, outputs in enumerate(self.yhat):
            for index, yhat in outputs.items():
                y = self.target(b, index).value
                read = self.clean(yhat) if self.seed is not None and self.kind in ENTROPIES else yhat
                value, slope = loss(self.kind, read.value, self.tape.complement(read), y, self.tape.doubt)
                total = total + value
                read.receive(slope)
                if read is not yhat:
                    self.seed_rounding(yhat, y)
        return total

    def clean(self, yhat: Node) -> Node:
        """yhat as a loss on the argument of its sigmoid or softmax reads it: its own nudge is not there."""
        folded = folded_in(yhat)
        if folded is None:
            return yhat
        kept, self.tape.random = self.tape.random, None
        node = self.tape.function(folded.op, folded.args[0])
        while yhat is not folded:
            node = self.tape.binary("sub", yhat.args[0], node)
            yhat = yhat.args[1]
        self.tape.random = kept
        return node

    def seed_rounding(self, yhat: Node, y: Balls) -> None:
        """What the stored yhat's own nudge does to the folded derivative, as to yhat in yhat - y."""
        folded = folded_in(yhat)
        assert folded is not None and self.kind is not None
        weights = stored_weight(self.kind, folded.op, y)
        terms = [p * w for p, w in zip(yhat.value, weights, strict=True)]
        nudged = self.tape.nudged(terms)
        folded.args[0].receive([a - b for a, b in zip(nudged, terms, strict=True)])

    def seed_cotangents(self) -> None:
        """dyhat at live outputs; dstates at all steps, held ones included."""
        for b in range(len(self.states)):
            if self.call.dyhat is not None:
                for index, yhat in self.yhat[b].items():
                    yhat.receive(self.tape.nudged(exact(self.call.dyhat[index, b])))
            for name, cotangent in self.call.dstates.items():
                for t in range(self.call.T):
                    self.states[b][t][name].receive(self.tape.nudged(exact(cotangent[t, b])))

    def gradients(self) -> dict[str, Balls]:
        """Cotangents of all parameters, x (T_x, B, n_x) and initial states (B, n), flat."""
        self.tape.pull()
        found: dict[str, Balls] = {}
        for name, value in self.call.parameters.items():
            grad = self.matrices[name].gradient() if name in self.matrices else self.vectors[name].grad
            found[name] = [ZERO] * value.size if grad is None else grad
        T_x, batch, n = self.call.x.shape
        found["x"] = []
        for t in range(T_x):
            for b in range(batch):
                node = self.x[b].get(t)
                found["x"] += [ZERO] * n if node is None or node.grad is None else node.grad
        for name, value in self.call.initial.items():
            grads = (nodes[name].grad for nodes in self.initial)
            found[f"{name}0"] = [v for g in grads for v in ([ZERO] * value.shape[1] if g is None else g)]
        return found


def folded_in(yhat: Node) -> Node | None:
    """The sigmoid or softmax that a stable loss looks through to, in yhat or in 1 - yhat."""
    if yhat.op in ("sigmoid", "softmax"):
        return yhat
    if yhat.op == "sub" and is_one(yhat.args[0]):
        inner = folded_in(yhat.args[1])
        return inner if inner is not None and inner.op == "sigmoid" else None
    return None


@dataclass
class _Scope:
    """Where an equation of one step looks its names up."""

    forward: Forward
    prefix: str
    x: Node
    before: Mapping[str, Node]
    values: Mapping[str, Node]

    def node(self, expr: Expr) -> Node:
        tape, name = self.forward.tape, expr.name
        if isinstance(name, Fraction):
            return tape.number(name) if expr.op == "number" else tape.power(self.node(expr.args[0]), name)
        match expr.op:
            case "input":
                return self.x
            case "parameter":
                return self.forward.vectors[self.prefix + name]
            case "value":
                return self.values[name]
            case "previous":
                return self.before[name]
            case "neg":
                return tape.neg(self.node(expr.args[0]))
            case "matvec":
                matrix = self.forward.matrices[self.prefix + name]
                return tape.matvec(matrix, self.node(expr.args[0]), transposed=expr.transposed)
            case "add" | "sub" | "mul" | "div":
                left, right = (self.node(e) for e in expr.args)
                if expr.shape and not expr.args[0].shape:
                    left = tape.spread(left, len(right.value))
                elif expr.shape and not expr.args[1].shape:
                    right = tape.spread(right, len(left.value))
                return tape.binary(expr.op, left, right)
        return tape.function(expr.op, self.node(expr.args[0]))
