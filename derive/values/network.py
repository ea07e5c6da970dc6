"""A network at one point: every value, and the derivative of any by any other, as arrays.

    total       ∂u/∂v: v moves after it has been computed, everything that is computed from it moves too
    immediate   ∂⁺u/∂v: the one equation of the model file that gives u; the names that the derivation has
                introduced within it are worked out, all others are held

The loss is the documented one, on ŷ. Derivatives are carried forwards, equation by equation, from local ones
that SymPy works out: no adjoint equation of the derivation takes part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import sympy

from chalkgrad.derive.cells.model import YHAT
from chalkgrad.derive.choices import FEED_OUTPUT
from chalkgrad.derive.deriving.derivation import Derivation
from chalkgrad.derive.deriving.extent import Extent
from chalkgrad.derive.deriving.loss import documented
from chalkgrad.derive.terms.algebra import (
    Expr,
    Map,
    MatVec,
    Others,
    OthersPull,
    Outer,
    Parameter,
    Reduce,
    Role,
    Symbol,
    arg,
    size_symbol,
)
from chalkgrad.derive.terms.trees import folded
from chalkgrad.derive.values.fields import Array, Field, with_slopes

At: TypeAlias = "tuple[str, int]"  # a value and its step
Leaf: TypeAlias = "At | str"  # what an equation reads: a value at a step, or a parameter
Slopes: TypeAlias = "dict[Leaf, Array]"  # by what is read; rows belong to the result


@dataclass(frozen=True)
class Point:
    """The numbers that a network reads, as fractions: name → array, or (name, step) → vector."""

    parameters: Mapping[str, Array]
    given: Mapping[At, Array]  # initial states, inputs and targets


class Network:
    """The network of a derivation at a point. T and sizes are those of the extent."""

    def __init__(self, derivation: Derivation, extent: Extent, point: Point, field: Field) -> None:
        self.derivation, self.extent, self.field, self.point = derivation, extent, field, point
        self.last = extent.steps(derivation.schedule.length)
        self._sizes = {size_symbol(name): sympy.Integer(n) for name, n in extent.sizes.items()}
        self.parameters = {name: field.array(array) for name, array in point.parameters.items()}
        self.values: dict[At, Array] = {at: field.array(array) for at, array in point.given.items()}
        self._totals: dict[object, Mapping[At, Array]] = {}
        self._local: dict[At, Slopes] = {}
        for t, name, expr in self._lines:
            self.values[name, t] = self.value(expr, t)

    @cached_property
    def _lines(self) -> list[tuple[int, str, Expr]]:
        """Every equation at every step, in the order in which they are computed."""
        phases = self.derivation.phases
        written = [list(self._forward(number)) for number in range(len(phases))]
        order = self.extent.order([phase.segment for phase in phases])
        return [(t, name, expr) for number, t in order for name, expr in written[number]]

    def _forward(self, number: int) -> Iterator[tuple[str, Expr]]:
        derivation = self.derivation
        for equation in derivation.phases[number].forward:
            if equation.target == derivation.loss:
                yield equation.target.name, self._loss
            else:
                yield equation.target.name, equation.value

    @cached_property
    def _loss(self) -> Expr:
        model, y = self.derivation.model, self.derivation.schedule.y
        assert model.loss is not None and y is not None
        return documented(model.loss, Symbol(YHAT, y.shape), y)

    @property
    def loss_name(self) -> str:
        assert self.derivation.loss is not None
        return self.derivation.loss.name

    def located(self, name: str, t: int) -> At:
        """Where a value is found: an input that is fed back is the output of the step before."""
        x = self.derivation.schedule.x.name
        if name == x and (x, t) not in self.values and t > 1:
            fed = YHAT if self.derivation.model.feed == FEED_OUTPUT else "y"
            if (fed, t - 1) in self.values and self.derivation.model.feed != "none":
                return fed, t - 1
        return name, t

    def has(self, name: str, t: int) -> bool:
        return self.located(name, t) in self.values

    @cached_property
    def loss_steps(self) -> list[int]:
        """The steps with a loss."""
        return sorted(t for name, t in self.values if name == self.loss_name)

    @property
    def lively(self) -> bool:
        """Whether the loss is finite and no state is zero as a whole."""
        names = {s.name for s in self.derivation.schedule.states}
        states = [v for (name, t), v in self.values.items() if name in names and t > 0]
        losses = [self.values[self.loss_name, t] for t in self.loss_steps]
        return all(self.field.finite(v) for v in losses) and all(np.any(v != 0) for v in states)

    # ------------------------------------------------------------------------- totals

    def total(self, of: At, by: At) -> Array:
        """∂of/∂by."""
        return self._row(self._moved(by, {by: self.field.eye(len(self.values[by]))}), of, by)

    def total_by_parameter(self, of: At, name: str, t: int | None = None) -> Array:
        """∂of/∂W, columns in the order of W's rows; of the copy that step t alone uses."""
        return self._row(self._moved((name, t), {}, (name, t)), of, name)

    def total_by_states(self, of: At, names: tuple[str, ...], t: int) -> Array:
        """∂of/∂s⟨t⟩, of several states that move each by itself, after the step."""
        lengths = [len(self.values[name, t]) for name in names]
        whole = self.field.eye(sum(lengths))
        ends = np.cumsum(lengths)
        seeds = {(name, t): whole[e - n : e] for name, n, e in zip(names, lengths, ends, strict=True)}
        found = self._moved(("s", names, t), seeds, held=self._within(names, t)).get(of)
        return self.field.zeros(len(self.values[of]), sum(lengths)) if found is None else found

    def _row(self, moved: Mapping[At, Array], of: At, by: Leaf) -> Array:
        found = moved.get(of)
        return self.field.zeros(len(self.values[of]), self._width(by)) if found is None else found

    def _width(self, by: Leaf) -> int:
        return self.parameters[by].size if isinstance(by, str) else len(self.values[by])

    def _moved(
        self,
        key: object,
        seeds: Mapping[At, Array],
        parameter: tuple[str, int | None] | None = None,
        held: frozenset[At] = frozenset(),
    ) -> Mapping[At, Array]:
        """How everything moves with the seeds, or with a parameter at one step or (None) at all."""
        if key not in self._totals:
            moved = dict(seeds)
            for t, name, _ in self._lines:
                at = name, t
                if at not in seeds and at not in held:
                    parts = [s @ moved[leaf] for leaf, s in self.local(at).items() if leaf in moved]
                    if parameter and parameter[0] in self.local(at) and parameter[1] in (None, t):
                        parts.append(self.local(at)[parameter[0]])
                    if parts:
                        moved[at] = sum(parts[1:], parts[0])
            self._totals[key] = moved
        return self._totals[key]

    def _within(self, names: tuple[str, ...], t: int) -> frozenset[At]:
        """What is computed within step t on the way to the states there."""
        return frozenset(self._below([(name, t) for name in names], lambda name: True))

    def _below(self, tops: Iterable[At], wanted: Callable[[str], bool]) -> set[At]:
        """What equations of the same step give and the tops read, through others of the kind too."""
        found: set[At] = set()
        waiting = [at for at in tops if at in self._expressions]
        while waiting:
            name, t = waiting.pop()
            for leaf in self.local((name, t)):
                if isinstance(leaf, str) or leaf[1] != t or leaf in found or not wanted(leaf[0]):
                    continue
                if leaf in self._expressions:
                    found.add(leaf)
                    waiting.append(leaf)
        return found

    # ------------------------------------------------------------------------- the losses

    def loss(self, step: int | None) -> Array:
        """L, or L⟨step⟩."""
        steps = self.loss_steps if step is None else [step]
        return sum((self.values[self.loss_name, t] for t in steps), self.field.zeros(1))

    def loss_slope(self, step: int | None, slope: Callable[[At], Array]) -> Array:
        """The derivative of L, or of L⟨step⟩, from those of the losses of single steps."""
        steps = self.loss_steps if step is None else [step]
        first, *others = (slope((self.loss_name, t)) for t in steps)
        return sum(others, first)

    # ------------------------------------------------------------------------- immediate ones

    def immediate(self, of: At, by: Leaf) -> Array:
        """∂⁺of/∂by; zero where no equation gives `of`, or it does not read `by`."""
        moved: dict[At, Array] = {}
        if not isinstance(by, str):
            moved[by] = self.field.eye(len(self.values[by]))
        inside = [*self._introduced_for(of), of] if of in self._expressions and of != by else []
        for at in inside:
            if at != by:
                parts = [s @ moved[leaf] for leaf, s in self.local(at).items() if leaf in moved]
                if isinstance(by, str) and by in self.local(at):
                    parts.append(self.local(at)[by])
                if parts:
                    moved[at] = sum(parts[1:], parts[0])
        if of != by and of in moved:
            return moved[of]
        return self.field.zeros(len(self.values[of]), self._width(by))

    def _introduced_for(self, of: At) -> list[At]:
        """What the derivation has introduced within the equation for a value, in the order of computation."""
        return sorted(self._below([of], self.introduced.__contains__), key=self._rank.__getitem__)

    @cached_property
    def introduced(self) -> frozenset[str]:
        """The names that are not the file's."""
        derivation = self.derivation
        written = {e.target.name for p in derivation.phases for e in p.forward}
        own = {d.name for s in derivation.schedule.segments for d in s.definitions}
        return frozenset(written - own - {self.loss_name})

    @cached_property
    def _expressions(self) -> dict[At, Expr]:
        return {(name, t): expr for t, name, expr in self._lines}

    @cached_property
    def _rank(self) -> dict[At, int]:
        return {at: number for number, at in enumerate(self._expressions)}

    # ------------------------------------------------------------------------- one equation

    def local(self, at: At) -> Slopes:
        """The derivatives of the equation for a value by everything that it reads itself."""
        if at not in self._local:
            expr = self._expressions[at]
            self._local[at] = folded(expr, lambda node, inner: self._jet(node, inner, at[1]))[1]
        return self._local[at]

    def value(self, expr: Expr, t: int, cotangent: Callable[[str, int], Array] | None = None) -> Array:
        """The value of an expression that is written at step t, a vector, or the rows of a matrix."""

        def valued(node: Expr, inner: tuple[Array, ...]) -> Array:
            if isinstance(node, Symbol) and node.role is Role.COTANGENT and cotangent is not None:
                return cotangent(node.name, t + node.lag)
            return self._value(node, inner, t)

        return folded(expr, valued)

    def _value(self, node: Expr, inner: tuple[Array, ...], t: int) -> Array:
        match node:
            case Symbol(role=Role.VALUE):
                return self.values[node.name, t + node.lag]
            case Parameter():
                return self.parameters[node.name]
            case MatVec(matrix=matrix, transposed=transposed):
                weight = self.parameters[matrix.name]
                return (weight.T if transposed else weight) @ inner[0]
            case Map():
                (found,) = self.field.function((self._sized(node.body),), len(inner))(*inner)
                return self._spread(found, node)
            case Reduce(kind=kind):
                return self._reduced(kind, inner[0])[0]
            case Others():
                return self._others(inner[0])
            case OthersPull():
                cotangent, vector = inner
                return cotangent @ self._weights(vector)
            case Outer():
                return np.outer(*inner)
            case _:
                raise TypeError(f"{type(node).__name__} has no value")

    def _jet(self, node: Expr, inner: tuple[tuple[Array, Slopes], ...], t: int) -> tuple[Array, Slopes]:
        """A value with its slopes by every leaf below."""
        value = self._value(node, tuple(v for v, _ in inner), t)
        match node:
            case Symbol(name=name, lag=lag):
                return value, {(name, t + lag): self.field.eye(len(value))}
            case Parameter(name=name):
                return value, {name: self.field.eye(len(value))}
            case MatVec(matrix=matrix, transposed=transposed):
                weight, (vector, slopes) = self.parameters[matrix.name], inner[0]
                found = _chained((weight.T if transposed else weight), slopes)
                return value, _joined([found, {matrix.name: self._by_entries(weight, vector, transposed)}])
            case Map(body=body):
                _, *partials = self.field.function(with_slopes(self._sized(body), len(inner)), len(inner))(
                    *(v for v, _ in inner)
                )
                pairs = zip(partials, inner, strict=True)
                return value, _joined([_scaled(self._spread(p, node), s) for p, (_, s) in pairs])
            case Reduce(kind=kind):
                return value, _chained(self._reduced(kind, inner[0][0])[1], inner[0][1])
            case Others():
                return value, _chained(self._weights(inner[0][0]), inner[0][1])
            case _:
                raise TypeError(f"{type(node).__name__} cannot stand in a forward equation")

    def _sized(self, body: sympy.Expr) -> sympy.Expr:
        return body.xreplace(self._sizes) if body.free_symbols else body

    def _spread(self, vector: Array, node: Map) -> Array:
        (length,) = self.extent.shape(node.shape) or (1,)
        return vector if len(vector) == length else np.repeat(vector, length)

    def _by_entries(self, weight: Array, vector: Array, transposed: bool) -> Array:
        """The derivative of W v, or of Wᵀ v, by the entries of W, row by row."""
        rows, columns = weight.shape
        made = self.field.zeros(columns if transposed else rows, rows * columns)
        for i in range(rows):
            for j in range(columns):
                made[j if transposed else i, i * columns + j] = vector[i if transposed else j]
        return made

    def _reduced(self, kind: str, vector: Array) -> tuple[Array, Array]:
        """A sum, a maximum or log Σ exp of a vector, and its slope, a row; a shift has none."""
        total = np.sum(vector, keepdims=True)
        match kind:
            case "sum":
                return total, self.field.array(np.ones((1, len(vector))))
            case "max":
                return np.max(vector, keepdims=True), self.field.zeros(1, len(vector))
            case "logsumexp":
                (weights,) = self.field.function((sympy.exp(arg(0)),), 1)(vector)
                whole = np.sum(weights, keepdims=True)
                (found,) = self.field.function((sympy.log(arg(0)),), 1)(whole)
                return found, (weights / whole).reshape(1, -1)
            case _:
                raise TypeError(f"the reduction {kind!r} has no value")

    def _others(self, vector: Array) -> Array:
        return np.concatenate(
            [self._reduced("logsumexp", np.delete(vector, i))[0] for i in range(len(vector))]
        )

    def _weights(self, vector: Array) -> Array:
        """∂ωᵢ/∂vⱼ = exp(vⱼ − ωᵢ), 0 for i = j."""
        made = self.field.zeros(len(vector), len(vector))
        for i in range(len(vector)):
            row = self._reduced("logsumexp", np.delete(vector, i))[1][0]
            made[i] = np.insert(row, i, self.field.zeros(1)[0])
        return made


def _chained(outer: Array, slopes: Slopes) -> Slopes:
    return {leaf: outer @ slope for leaf, slope in slopes.items()}


def _scaled(partial: Array, slopes: Slopes) -> Slopes:
    return {leaf: partial.reshape(-1, 1) * slope for leaf, slope in slopes.items()}


def _joined(parts: Iterable[Slopes]) -> Slopes:
    whole: Slopes = {}
    for part in parts:
        for leaf, slope in part.items():
            whole[leaf] = whole[leaf] + slope if leaf in whole else slope
    return whole
