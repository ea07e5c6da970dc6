"""A model run in PyTorch from its equations as the file has them: no derivation, no program, no schedule.

One example at a time, for its own number of steps, so that nothing needs a mask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
import sympy
import torch

from chalkgrad.derive.cells.model import Definition, Model
from chalkgrad.derive.terms.algebra import Expr, Map, MatVec, Parameter, Reduce, Symbol, arg_index
from chalkgrad.derive.terms.functions import Named
from tests.agreement.cases import Array, Case, Data, model_of, own_counts, sizes_of

Tensor = torch.Tensor
Values = Mapping[str, Tensor]

FUNCTIONS = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "leaky_relu": lambda z: torch.nn.functional.leaky_relu(z, 0.01),
    "softplus": lambda z: torch.logaddexp(z, torch.zeros_like(z)),
    "exp": torch.exp,
    "log": torch.log,
    "sin": torch.sin,
    "cos": torch.cos,
}


@dataclass(frozen=True)
class Cell:
    """The definitions of one network; its parameters are those whose names have the prefix."""

    model: Model
    sizes: Mapping[str, int]
    parameters: Values
    prefix: str = ""

    def step(self, x: Tensor, before: Values, definitions: Sequence[Definition]) -> dict[str, Tensor]:
        """All values at t. x may have a size of its own, where it is an output fed back."""
        now = {"x": x}
        sized = _Evaluator(self, self.sizes | {self.model.x.shape[0]: x.numel()}, before, now)
        for definition in definitions:
            now[definition.name] = sized(definition.value)
        return now

    def read(self, values: Values) -> Tensor:
        """ŷ, from the values at t."""
        now = dict(values)
        sized = _Evaluator(self, self.sizes, {}, now)
        for definition in self.model.output:
            now[definition.name] = sized(definition.value)
        return now["yhat"]


@dataclass(frozen=True)
class _Evaluator:
    cell: Cell
    sizes: Mapping[str, int]
    before: Values
    now: Values

    def __call__(self, node: Expr) -> Tensor:
        match node:
            case Symbol(name=name, lag=lag):
                return self.now[name] if lag == 0 else self.before[name]
            case Parameter():
                return self._parameter(node)
            case MatVec(matrix=matrix, vector=vector, transposed=transposed):
                weights = self._parameter(matrix)
                return (weights.T if transposed else weights) @ self(vector)
            case Map(body=body, args=args, shape=shape):
                value = self._body(body, [self(a) for a in args])
                return value.expand([self.sizes[s] for s in shape])
            case Reduce(kind="sum", vector=vector):
                return self(vector).sum()
            case Reduce(kind="max", vector=vector):
                return self(vector).max().detach()
            case Reduce(kind="logsumexp", vector=vector):
                return torch.logsumexp(self(vector), 0)
            case _:
                raise TypeError(type(node).__name__)

    def _parameter(self, parameter: Parameter) -> Tensor:
        """Zero where it does not exist since all that it multiplies is zero."""
        zero = torch.zeros([self.sizes[s] for s in parameter.shape], dtype=torch.float64)
        return self.cell.parameters.get(self.cell.prefix + parameter.name, zero)

    def _body(self, body: sympy.Basic, args: Sequence[Tensor]) -> Tensor:
        operands = [self._body(a, args) for a in body.args]
        match body:
            case sympy.Symbol():
                index = arg_index(body)
                return _number(self.sizes[body.name]) if index is None else args[index]
            case sympy.Number():
                return _number(body)
            case sympy.Add():
                return reduce(torch.add, operands)
            case sympy.Mul():
                return reduce(torch.mul, operands)
            case sympy.Pow():
                return torch.pow(operands[0], float(body.exp))
            case Named() | sympy.Function():
                return FUNCTIONS[type(body).__name__](*operands)
            case _:
                raise TypeError(type(body).__name__)


def _number(value: Any) -> Tensor:
    return torch.tensor(float(value), dtype=torch.float64)


# ----------------------------------------------------------------------------- one example


@dataclass
class Trace:
    """What one example gives: ŷ by output step, and the values at each step."""

    outputs: list[Tensor] = field(default_factory=list)
    encoder: list[Values] = field(default_factory=list)
    steps: list[Values] = field(default_factory=list)


def run(
    case: Case, parameters: Values, x: Sequence[Tensor], y: Sequence[Tensor], first: Values, T: int
) -> Trace:
    """x: the steps that are read. T: the steps with an output (many-to-one: all steps)."""
    model, sizes = model_of(case), sizes_of(case)
    zero = torch.zeros(sizes["n_x"], dtype=torch.float64)
    match case.architecture:
        case "encoder-decoder":
            encoder = Cell(model, sizes, parameters, "enc_")
            trace = Trace(encoder=[])
            before = first
            for row in x:
                before = encoder.step(row, before, model.cell)
                trace.encoder.append(before)
            decoder = Cell(model, sizes, parameters, "dec_")
            n_fed = sizes["n_x"] if case.feed == "none" else sizes["n_y"]
            start = torch.zeros(n_fed, dtype=torch.float64)
            return _generate(case, decoder, start, y, before, T, trace)
        case "one-to-many":
            return _generate(case, Cell(model, sizes, parameters), x[0], y, first, T, Trace())
        case _:
            trace = Trace()
            cell, before = Cell(model, sizes, parameters), first
            for t in range(T):
                before = cell.step(x[t] if t < len(x) else zero, before, model.cell)
                trace.steps.append(before)
                if case.architecture != "many-to-one" or t == T - 1:
                    trace.outputs.append(cell.read(before))
            return trace


def _generate(
    case: Case, cell: Cell, x: Tensor, y: Sequence[Tensor], before: Values, T: int, trace: Trace
) -> Trace:
    """T steps with an output each; the first reads x, the later ones what is fed."""
    for t in range(T):
        before = cell.step(x, before, cell.model.cell)
        trace.steps.append(before)
        trace.outputs.append(cell.read(before))
        match case.feed:
            case "output":
                x = trace.outputs[-1]
            case "target":
                x = y[t]
            case _:
                x = torch.zeros_like(x)
    return trace


def loss_of(kind: str, yhat: Tensor, y: Tensor) -> Tensor:
    """As the documentation writes it."""
    match kind:
        case "binary_cross_entropy":
            return -(y * torch.log(yhat) + (1 - y) * torch.log(1 - yhat)).sum()
        case "cross_entropy":
            return -(y * torch.log(yhat)).sum()
        case "squared_error":
            return ((yhat - y) ** 2).sum() / 2
        case _:
            raise ValueError(kind)


# ----------------------------------------------------------------------------- a whole call


def gradients(case: Case, data: Data) -> tuple[float, dict[str, Array], dict[str, Array]]:
    """The loss, its gradients, and the gradients of Σ dyhat ∗ yhat + Σ dstates ∗ states."""
    leaves = {
        name: torch.tensor(np.asarray(a, np.float64), requires_grad=True) for name, a in data.params.items()
    }
    leaves["x"] = torch.tensor(np.asarray(data.x, np.float64), requires_grad=True)
    leaves |= {
        f"{s}0": torch.tensor(np.asarray(a, np.float64), requires_grad=True) for s, a in data.initial.items()
    }
    y, dyhat = (torch.tensor(np.asarray(a, np.float64)) for a in (data.y, data.dyhat))
    dstates = {s: torch.tensor(np.asarray(a, np.float64)) for s, a in data.dstates.items()}
    kind = model_of(case).loss
    assert kind is not None
    loss, outside = _number(0), _number(0)
    of_x, of_y = own_counts(case, data.lengths)
    for b in range(case.numbers.B):
        first = {s: leaves[f"{s}0"][b] for s in data.initial}
        steps = of_x[b] if case.architecture == "many-to-one" else of_y[b]
        trace = run(case, leaves, leaves["x"][: of_x[b], b], y[:, b], first, steps)
        for t, yhat in enumerate(trace.outputs):
            loss = loss + loss_of(kind, yhat, y[t, b])
            outside = outside + (dyhat[t, b] * yhat).sum()
        shown = _held(trace.encoder, case.counts[0]) + _held(trace.steps, case.length - case.counts[0])
        shown = shown if trace.encoder else _held(trace.steps, case.length)
        for t, values in enumerate(shown):
            outside = outside + sum((dstates[s][t, b] * values[s]).sum() for s in dstates)
    return loss.item(), _grad(loss, leaves), _grad(outside, leaves)


def _held(values: Sequence[Values], length: int) -> list[Values]:
    """Past its end a state holds its last value."""
    return [values[min(t, len(values) - 1)] for t in range(length)] if values else []


def _grad(of: Tensor, leaves: Values) -> dict[str, Array]:
    found = torch.autograd.grad(of, list(leaves.values()), retain_graph=True, allow_unused=True)
    zeros = (
        torch.zeros_like(leaf) if g is None else g for g, leaf in zip(found, leaves.values(), strict=True)
    )
    return {name: g.numpy() for name, g in zip(leaves, zeros, strict=True)}
