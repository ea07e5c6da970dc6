"""What a formula is worth at a place, by one reading of it: from the tree to a `Quantity`.

A reading settles what a text leaves open, the layout of ∂L/∂v and the steps of a sum without bounds; all else
has one meaning. Parts that several trees share are worked out once: repairs change a little of a tree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import TypeAlias

import numpy as np
import sympy

from chalkgrad.derive.checking.judging.quantity import Quantities, Quantity, missing
from chalkgrad.derive.checking.reading.errors import NoValue
from chalkgrad.derive.checking.reading.scope import STATES, Scope
from chalkgrad.derive.checking.reading.tree import (
    Count,
    Delta,
    Diag,
    Factors,
    FunctionCall,
    Given,
    Index,
    Loss,
    Num,
    Over,
    Power,
    Slope,
    StepNumber,
    Sum,
    Syntax,
    Total,
    Turned,
    Value,
    Weight,
)
from chalkgrad.derive.errors import ShapeError
from chalkgrad.derive.terms.algebra import Role, Shape, arg, parameters, symbols
from chalkgrad.derive.terms.functions import ELEMENTWISE
from chalkgrad.derive.values.fields import Array
from chalkgrad.derive.values.network import Network

GRADIENT, JACOBIAN = "gradient", "jacobian"
MAX_STEPS = 1_000  # of one sum
_EXAMPLES = 13  # what a number of examples is taken to be: no size, no T

Steps: TypeAlias = Mapping[str, int]  # letter → step


@dataclass(frozen=True)
class Reading:
    """layout: ∂L/∂v of a vector is a column ("gradient") or a row ("jacobian"). over: the parameter that
    sums without bounds are about, which run over the steps that use it; over all steps if it is empty."""

    layout: str
    over: str = ""


class Meaning:
    """One reading of formulas about one network."""

    def __init__(self, scope: Scope, reading: Reading, network: Network) -> None:
        self.scope, self.reading, self.network = scope, reading, network
        sizes = {**network.extent.sizes, "": 1}
        for one, other in scope.derivation.schedule.tied:
            sizes[one] = sizes[other]
        self._sizes, self._stacked = sizes, STATES if scope.stacked else None
        self.make = Quantities(network.field, self._size)
        self._known: dict[tuple[Syntax, tuple[int, ...]], Quantity] = {}
        self.constants = {str(symbol): n for symbol, n in network.extent.times.items()}
        self.constants["T"] = network.last
        self._every = self._steps_of_sums()

    def _size(self, name: str) -> int:
        if name == STATES and name not in self._sizes:
            return sum(self._size(size) for n in self.scope.states for size in self.scope.values[n] or ("",))
        return self._sizes[name]

    def _steps_of_sums(self) -> tuple[int, ...]:
        every = range(1, self.network.last + 1)
        if not self.reading.over:
            return tuple(every)
        return tuple(t for t in every if t in using(self.reading.over, self.scope, self.network))

    def value(self, node: Syntax, steps: Steps) -> Quantity:
        """What the node is worth where its free letters stand for these steps. Raises ShapeError, NoValue."""
        free = [name for name in node.letters if name in steps]
        key = (node, tuple([steps[name] for name in free]))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._worked_out(node, steps)
        return found

    def _at(self, index: Index, steps: Steps) -> int:
        known = {**self.constants, **steps}
        return index.number + sum(factor * known[name] for name, factor in index.letters)

    def _worked_out(self, node: Syntax, steps: Steps) -> Quantity:
        make = self.make
        match node:
            case Num(value=value):
                return make.number(value)
            case Count(name=name):
                return make.number(self._sizes.get(name, _EXAMPLES))
            case StepNumber(index=index):
                return make.number(self._at(index, steps))
            case Sum(terms=terms):
                return make.plus([(sign, self.value(term, steps)) for sign, term in terms])
            case Factors():
                return self._product(node, steps)
            case Power(inner=inner, exponent=exponent):
                return self._power(self.value(inner, steps), exponent)
            case Turned(inner=inner):
                return make.transposed(self.value(inner, steps))
            case Diag(inner=inner):
                return make.diagonal(self.value(inner, steps))
            case Total(inner=inner, mean=mean):
                return make.total(self.value(inner, steps), mean)
            case FunctionCall():
                return self._called(node, steps)
            case Over():
                return self._over(node, steps)
            case _:
                return self._named(node, steps)

    # ------------------------------------------------------------------------- what is built

    def _product(self, node: Factors, steps: Steps) -> Quantity:
        """From the left; where shapes forbid that, @ before * and /."""
        first = self.value(node.first, steps)
        rest = [(sign, self.value(factor, steps)) for sign, factor in node.rest]
        try:
            return self._folded(first, rest)
        except ShapeError:
            if len({sign for sign, _ in rest}) == 1:
                raise
        groups: list[tuple[str, Quantity, list[tuple[str, Quantity]]]] = [("", first, [])]
        for sign, factor in rest:
            if sign in "@·":
                groups[-1][2].append((sign, factor))
            else:
                groups.append((sign, factor, []))
        (_, start, inner), *others = groups
        folded = [(sign, self._folded(one, more)) for sign, one, more in others]
        return self._folded(self._folded(start, inner), folded)

    def _folded(self, first: Quantity, rest: Sequence[tuple[str, Quantity]]) -> Quantity:
        for sign, factor in rest:
            first = self._combined(first, sign, factor)
        return first

    def _combined(self, left: Quantity, sign: str, right: Quantity) -> Quantity:
        match sign:
            case "@":
                return self.make.at(left, right)
            case "*":
                return self.make.times(left, right)
            case "/":
                return self.make.over(left, right)
            case "·" if left.is_vector and left.shape == right.shape:
                return self.make.times(left, right)
            case "·":
                return self.make.at(left, right)
            case _:
                raise TypeError(f"no product is written {sign!r}")

    def _power(self, of: Quantity, exponent: sympy.Rational) -> Quantity:
        """Of each component."""
        body = sympy.Pow(arg(0), exponent, evaluate=False)
        found = self.make.applied([of], self.network.field.function((body,), 1), "a power")
        return self.make.zeros(found, gone=True) if of.gone and exponent > 0 else found

    def _called(self, node: FunctionCall, steps: Steps) -> Quantity:
        args = [self.value(child, steps) for child in node.children]
        if node.function == "softmax":
            if not args[0].is_vector:
                raise ShapeError("softmax(…): expected a vector")
            return self.make.applied(args, self._softmax, "softmax")
        body = derivative(node.function, node.primes)
        name = node.name or node.function
        return self.make.applied(args, self.network.field.function((body,), len(args)), name)

    def _softmax(self, vector: Array) -> list[Array]:
        (weights,) = self.network.field.function((sympy.exp(arg(0)),), 1)(vector - np.max(vector))
        return [weights / np.sum(weights)]

    def _over(self, node: Over, steps: Steps) -> Quantity:
        """Σ, or the product with the later step on the left. An empty one is 0, or the identity."""
        span = self._span(node, steps)
        found = [self.value(node.inner, {**steps, node.index: t}) for t in span]
        if not found:
            like = self.value(node.inner, {**steps, node.index: 1})
            return self.make.identity(like) if node.product else self.make.zeros(like)
        if not node.product:
            return self.make.plus([(1, part) for part in found])
        whole, *earlier = reversed(found)
        for part in earlier:
            whole = self.make.at(whole, part)
        return whole

    def _span(self, node: Over, steps: Steps) -> Sequence[int]:
        if node.first is None or node.last is None:
            return self._every
        first, last = self._at(node.first, steps), self._at(node.last, steps)
        if last - first > MAX_STEPS:
            raise NoValue(f"a sum over {node.index} of more than {MAX_STEPS} steps")
        return range(first, last + 1)

    # ------------------------------------------------------------------------- what is named

    def _named(self, node: Syntax, steps: Steps) -> Quantity:
        make, net = self.make, self.network
        match node:
            case Weight(name=name):
                return make.made(self.scope.parameters[name], net.parameters[name])
            case Value(name=name, index=index):
                return make.made(self._shape(name, t := self._at(index, steps)), self._value(name, t))
            case Given():
                return self._given(node, self._at(node.index, steps))
            case Loss(index=index):
                return make.made(
                    (), net.loss(step) if self._has_loss(step := self._step(index, steps)) else None
                )
            case Delta(name=name, index=index):
                return self._of_loss_by_value(None, name, self._at(index, steps), False)
            case Slope(of=Loss(index=index), by=Weight(name=name), immediate=immediate):
                copy = self._step(node.by.index, steps)
                return self._of_loss_by_weight(self._step(index, steps), name, copy, immediate)
            case Slope(of=Loss(index=index), by=Value(name=name, index=where), immediate=immediate):
                found = self._of_loss_by_value(
                    self._step(index, steps), name, self._at(where, steps), immediate
                )
                return make.transposed(found) if self.reading.layout == JACOBIAN else found
            case Slope(of=Value(), by=Weight(name=name), immediate=immediate):
                return self._of_value_by_weight(node, steps)
            case Slope(of=Value(), by=Value()):
                return self._of_value_by_value(node, steps)
            case _:
                raise TypeError(f"{type(node).__name__} names nothing")

    def _shape(self, name: str, t: int | None = None) -> Shape:
        """At step t an input that is fed back has the shape of the output."""
        found = name if t is None or name == self._stacked else self.network.located(name, t)[0]
        return self.scope.shape(found)

    def _step(self, index: Index | None, steps: Steps) -> int | None:
        return None if index is None else self._at(index, steps)

    def _has_loss(self, step: int | None) -> bool:
        return step is None or self.network.has(self.network.loss_name, step)

    def _has(self, name: str, t: int) -> bool:
        if name != self._stacked:
            return self.network.has(name, t)
        return all(self.network.has(n, t) for n in self.scope.states)

    def _value(self, name: str, t: int) -> Array | None:
        if not self._has(name, t):
            return None
        if name == self._stacked:
            return np.concatenate([self.network.values[n, t] for n in self.scope.states])
        return self.network.values[self.network.located(name, t)]

    def _of_loss_by_value(self, step: int | None, name: str, t: int, immediate: bool) -> Quantity:
        """A column."""
        like = missing(self._shape(name, t))
        if not self._has_loss(step):
            return like
        if t > self.network.last:
            return self.make.zeros(like, gone=True)
        if not self._has(name, t):
            return like
        slope = self._slope(name, t, immediate)
        return self.make.made(self._shape(name, t), self.network.loss_slope(step, slope))

    def _slope(self, name: str, t: int, immediate: bool):  # type: ignore[no-untyped-def]
        """The derivative of a value, given by where it is, by a value at a step."""
        net = self.network
        if name == self._stacked:
            return lambda of: net.total_by_states(of, self.scope.states, t)
        by = net.located(name, t)
        return (lambda of: net.immediate(of, by)) if immediate else (lambda of: net.total(of, by))

    def _of_loss_by_weight(self, step: int | None, name: str, copy: int | None, immediate: bool) -> Quantity:
        shape, net = self.scope.parameters[name], self.network
        if not self._has_loss(step) or not self._is_step(copy):
            found: Array | None = None
        elif immediate:
            found = net.field.zeros(1, net.parameters[name].size)
        else:
            found = net.loss_slope(step, partial(net.total_by_parameter, name=name, t=copy))
        made = self.make.made(shape, found)
        return self.make.transposed(made) if self.reading.layout == JACOBIAN and made.is_vector else made

    def _is_step(self, copy: int | None) -> bool:
        """Whether there is a copy of a parameter for that step."""
        return copy is None or 1 <= copy <= self.network.last

    def _of_value_by_weight(self, node: Slope, steps: Steps) -> Quantity:
        assert isinstance(node.of, Value) and isinstance(node.by, Weight)
        name, net = node.by.name, self.network
        of, t, copy = node.of.name, self._at(node.of.index, steps), self._step(node.by.index, steps)
        rows, columns = (*self.scope.parameters[name], "", "")[:2]
        (result,) = self._shape(of, t) or ("",)
        if not self._has(of, t) or not self._is_step(copy):
            array = None
        elif of == self._stacked:
            when = t if node.immediate else copy
            parts = [net.total_by_parameter((n, t), name, when) for n in self.scope.states]
            array = np.concatenate(parts)
        elif node.immediate:
            array = net.immediate(net.located(of, t), name)
            array = array if copy in (None, t) else 0 * array
        else:
            array = net.total_by_parameter(net.located(of, t), name, copy)
        if len(self.scope.parameters[name]) == 2:
            return Quantity(result, "", array, (rows, columns))
        return Quantity(result, rows, array)

    def _of_value_by_value(self, node: Slope, steps: Steps) -> Quantity:
        assert isinstance(node.of, Value) and isinstance(node.by, Value)
        of, s = node.of.name, self._at(node.of.index, steps)
        by, t = node.by.name, self._at(node.by.index, steps)
        (rows,), (columns,) = self._shape(of, s) or ("",), self._shape(by, t) or ("",)
        if not self._has(of, s) or not self._has(by, t):
            return Quantity(rows, columns, None)
        net = self.network
        if of != self._stacked:
            return Quantity(rows, columns, self._slope(by, t, node.immediate)(net.located(of, s)))
        if node.immediate and t != s - 1:
            return self.make.zeros(Quantity(rows, columns, None))
        if node.immediate and by != self._stacked:  # the states of the step before are held, but for one
            whole = np.concatenate(
                [net.total_by_states((n, s), self.scope.states, t) for n in self.scope.states]
            )
            return Quantity(rows, columns, self._block(whole, by))
        slope = self._slope(by, t, False)
        return Quantity(rows, columns, np.concatenate([slope((n, s)) for n in self.scope.states]))

    def _block(self, whole: Array, name: str) -> Array:
        """The columns of one of the states; zeros for what is none."""
        start = 0
        for state in self.scope.states:
            (size,) = self._shape(state) or ("",)
            length = self._size(size)
            if state == name:
                return whole[:, start : start + length]
            start += length
        (size,) = self._shape(name) or ("",)
        return self.network.field.zeros(len(whole), self._size(size))

    def _given(self, node: Given, t: int) -> Quantity:
        net, shape = self.network, node.expr.shape
        read = [(s, t + s.lag) for s in symbols(node.expr)]
        if any(s.role is Role.COTANGENT and step > net.last for s, step in read):
            return self.make.zeros(missing(shape), gone=True)
        if not all(net.has(s.name, step) for s, step in read):
            return missing(shape)

        def cotangent(name: str, step: int) -> Array:
            return net.loss_slope(None, self._slope(name, step, False)).reshape(-1)

        return self.make.made(shape, net.value(node.expr, t, cotangent))


def using(name: str, scope: Scope, network: Network) -> frozenset[int]:
    """The steps at which equations use a parameter."""
    found: set[int] = set()
    for phase in scope.derivation.phases:
        if any(p.name == name for f in phase.forward for p in parameters(f.value)):
            found.update(network.extent.at(phase.segment))
    return frozenset(found)


@cache
def derivative(function: str, order: int) -> sympy.Expr:
    """f differentiated `order` times, as a body in arg(0), …"""
    found = ELEMENTWISE[function]
    body = found(*(arg(i) for i in range(found.arity)))
    return sympy.diff(body, arg(0), order) if order else body
