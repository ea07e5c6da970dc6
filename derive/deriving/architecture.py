"""The five architectures as schedules: which steps have an input, which an output, what is fed back.

A schedule is a list of segments in the order of time. A segment is a run of steps that all compute the
same definitions; states pass from each step to the next, across segments too. The step t of a segment
lies in 1 … T of the one trajectory that all segments share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import sympy

from chalkgrad.derive import choices
from chalkgrad.derive.cells.model import YHAT, Definition, Model
from chalkgrad.derive.errors import DerivationError
from chalkgrad.derive.terms.algebra import (
    Expr,
    Map,
    MatVec,
    Parameter,
    Shape,
    Symbol,
    constant,
    elementwise,
    is_zero,
    parameters,
    size_symbol,
)
from chalkgrad.derive.terms.trees import folded
from chalkgrad.derive.terms.zero import without_zeros

T = sympy.Symbol("T", integer=True, positive=True)
T_x = sympy.Symbol("T_x", integer=True, positive=True)
T_y = sympy.Symbol("T_y", integer=True, positive=True)


@dataclass(frozen=True)
class Segment:
    """`steps` steps from t = start + 1 on, each computing `definitions` in order.

    instance: which of the networks ("" where there is one, "enc" and "dec" else). lengths: whose
    lengths end it early, "x" or "y". A readout is no step of its own: it computes its definitions once,
    from the values at the last step of the segment before it.
    """

    label: str
    instance: str
    start: sympy.Expr
    steps: sympy.Expr
    lengths: str
    definitions: tuple[Definition, ...]
    readout: bool = False

    @property
    def first(self) -> sympy.Expr:
        """t of its first step (of a readout: the step that it reads)."""
        return self.start if self.readout else self.start + 1

    @property
    def last(self) -> sympy.Expr:
        return self.start if self.readout else self.start + self.steps


@dataclass(frozen=True)
class Schedule:
    """A model laid out in time.

    parameters: those that are used, prefixed `enc_` or `dec_` where there are two networks.
    length: the steps of the trajectory. x_steps and y_steps: (start, count) of the steps that have an
    input from outside, and of those that have an output; y_steps is None without an output.
    tied: pairs of size names that must be equal because an output is fed back as an input.
    """

    segments: tuple[Segment, ...]
    parameters: tuple[Parameter, ...]
    states: tuple[Symbol, ...]
    x: Symbol
    y: Symbol | None
    length: sympy.Expr
    x_steps: tuple[sympy.Expr, sympy.Expr]
    y_steps: tuple[sympy.Expr, sympy.Expr] | None
    tied: tuple[tuple[str, str], ...] = ()


def schedule(model: Model) -> Schedule:
    """The model's architecture laid out in time. Raises DerivationError where it makes no sense."""
    match model.architecture:
        case choices.ONE_TO_ONE:
            one = sympy.Integer(1)
            return _uniform(model, one)
        case choices.MANY_TO_MANY:
            return _uniform(model, T)
        case choices.MANY_TO_ONE:
            return _many_to_one(model)
        case choices.ONE_TO_MANY:
            return _one_to_many(model)
        case choices.ENCODER_DECODER:
            return _encoder_decoder(model)
        case _:
            raise DerivationError(f"architecture: expected one of the five, found {model.architecture!r}")


def _uniform(model: Model, length: sympy.Expr) -> Schedule:
    definitions = _instantiate(model.cell + model.output, _Instance(model, model.x))
    segment = Segment("every step", "", sympy.S.Zero, length, "x", definitions)
    outputs = (sympy.S.Zero, length) if model.output else None
    return _used(model, (segment,), length, (sympy.S.Zero, length), outputs)


def _many_to_one(model: Model) -> Schedule:
    both = _instantiate(model.cell + model.output, _Instance(model, model.x))
    of_output = {d.name for d in model.output}
    cell, output = (tuple(d for d in both if (d.name in of_output) is mine) for mine in (False, True))
    segments = (
        Segment("every step", "", sympy.S.Zero, T, "x", cell),
        Segment("output", "", T, sympy.S.One, "x", output, readout=True),
    )
    return _used(model, segments, T, (sympy.S.Zero, T), (T - 1, sympy.S.One))


def _one_to_many(model: Model) -> Schedule:
    fed = _fed(model)
    sizes, tied = ({}, ()) if fed is None else _tie(model)
    both = model.cell + model.output
    zero, one = sympy.S.Zero, sympy.S.One
    segments = (
        Segment("first step", "", zero, one, "y", _instantiate(both, _Instance(model, model.x, sizes=sizes))),
        Segment("later steps", "", one, T - 1, "y", _instantiate(both, _Instance(model, fed, sizes=sizes))),
    )
    return _used(model, segments, T, (zero, one), (zero, T), sizes, tied)


def _encoder_decoder(model: Model) -> Schedule:
    fed = _fed(model)
    sizes, tied = ({}, ()) if fed is None else _tie(model)
    shared = {old: new for old, new in sizes.items() if any(old in s.shape for s in model.states)}
    tied = tied if shared else ()
    encoder = _instantiate(model.cell, _Instance(model, model.x, shared, "enc"))
    both = model.cell + model.output
    first = _instantiate(both, _Instance(model, None, sizes, "dec"))
    later = _instantiate(both, _Instance(model, fed, sizes, "dec"))
    segments = [Segment("encoder", "enc", sympy.S.Zero, T_x, "x", encoder)]
    if fed is None:
        segments.append(Segment("decoder", "dec", T_x, T_y, "y", later))
    else:
        segments.append(Segment("decoder, first step", "dec", T_x, sympy.S.One, "y", first))
        segments.append(Segment("decoder, later steps", "dec", T_x + 1, T_y - 1, "y", later))
    return _used(model, tuple(segments), T_x + T_y, (sympy.S.Zero, T_x), (T_x, T_y), shared, tied)


def _fed(model: Model) -> Symbol | None:
    """What a step without an input reads instead: a value of the step before, or nothing (zero)."""
    if not model.output:
        raise DerivationError(f"architecture: {model.architecture} needs a model with an output")
    shape = model.output[-1].value.shape
    match model.feed:
        case "none":
            return None
        case "output":
            return Symbol(YHAT, shape, -1)
        case "target":
            return Symbol("y", shape, -1)
        case _:
            raise DerivationError(f"feed: expected none, output or target, found {model.feed!r}")


def _tie(model: Model) -> tuple[dict[str, str], tuple[tuple[str, str], ...]]:
    """The input's size takes the output's name where the output is fed back."""
    shape = model.output[-1].value.shape
    if not shape:
        raise DerivationError("feed: expected an output that is a vector, found a scalar")
    (n_x,), (n_y,) = model.x.shape, shape
    return ({}, ()) if n_x == n_y else ({n_x: n_y}, ((n_x, n_y),))


@dataclass(frozen=True)
class _Instance:
    """One use of a model's definitions: what x is (None: zero), sizes renamed, parameters prefixed."""

    model: Model
    x: Symbol | None
    sizes: Mapping[str, str] | None = None
    prefix: str = ""

    @property
    def lasting(self) -> set[str]:
        """The names that have a value at every step, whatever their equation has become."""
        return {YHAT, *(state.name for state in self.model.states)}

    def shape(self, shape: Shape) -> Shape:
        return tuple((self.sizes or {}).get(size, size) for size in shape)

    def parameter(self, parameter: Parameter) -> Parameter:
        name = f"{self.prefix}_{parameter.name}" if self.prefix else parameter.name
        return Parameter(name, self.shape(parameter.shape))

    def body(self, body: sympy.Expr) -> sympy.Expr:
        return body.xreplace({size_symbol(a): size_symbol(b) for a, b in (self.sizes or {}).items()})


def _instantiate(definitions: tuple[Definition, ...], instance: _Instance) -> tuple[Definition, ...]:
    """The definitions for one instance; what a zero input makes vanish is simplified away.

    A state or an output that vanishes stays, as a zero: it has a value at every step, which the next step,
    another segment or the caller may read.
    """
    zero: dict[str, Expr] = {}
    result = []
    for definition in definitions:
        value = _substitute(definition.value, instance, zero)
        if is_zero(value):
            zero[definition.name] = value
        if not is_zero(value) or definition.name in instance.lasting:
            result.append(replace(definition, value=value))
    return tuple(result)


def _substitute(value: Expr, instance: _Instance, zero: Mapping[str, Expr]) -> Expr:
    return folded(value, lambda node, children: _substituted(node, children, instance, zero))


def _substituted(
    node: Expr, children: tuple[Expr, ...], instance: _Instance, zero: Mapping[str, Expr]
) -> Expr:
    """The node over children that are done."""
    match node:
        case Symbol(name="x"):
            fed = instance.x
            shape = instance.shape(node.shape)
            return constant(0, shape) if fed is None else replace(fed, shape=shape)
        case Symbol(name=name, lag=0) if name in zero:
            return zero[name]
        case Symbol():
            return replace(node, shape=instance.shape(node.shape))
        case Parameter():
            return instance.parameter(node)
        case MatVec():
            (vector,) = children
            return without_zeros(MatVec(instance.parameter(node.matrix), vector, node.transposed))
        case Map():
            return elementwise(instance.body(node.body), children, instance.shape(node.shape))
        case _:
            return without_zeros(node.rebuild(children))


def _used(
    model: Model,
    segments: tuple[Segment, ...],
    length: sympy.Expr,
    x_steps: tuple[sympy.Expr, sympy.Expr],
    y_steps: tuple[sympy.Expr, sympy.Expr] | None,
    sizes: Mapping[str, str] | None = None,
    tied: tuple[tuple[str, str], ...] = (),
) -> Schedule:
    """The schedule with the parameters that some segment reads, in the model's order."""
    used = {p for s in segments for d in s.definitions for p in parameters(d.value)}
    instances = dict.fromkeys(s.instance for s in segments)
    names = [f"{i}_{p.name}" if i else p.name for i in instances for p in model.parameters]
    place = {name: number for number, name in reversed(list(enumerate(names)))}
    view = _Instance(model, model.x, sizes)
    return Schedule(
        segments,
        tuple(sorted(used, key=lambda p: place[p.name])),
        tuple(replace(s, shape=view.shape(s.shape)) for s in model.states),
        replace(model.x, shape=view.shape(model.x.shape)),
        None if model.y is None else replace(model.y, shape=view.shape(model.y.shape)),
        length,
        x_steps,
        y_steps,
        tied,
    )
