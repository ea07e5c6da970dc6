"""The derived gradients against `sympy.diff` of the fully expanded loss, which is the only oracle.

The expanded loss is the documented one, on equations taken from the model; the gradients come from the
derivation. The stable form of the loss, which the derivation differentiates, is compared with it too.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import TypeVar

import sympy

from chalkgrad.derive.cells.model import Model
from chalkgrad.derive.deriving.derivation import LOSS, Derivation, derived
from chalkgrad.derive.deriving.extent import Extent, Steps, extent, positive
from chalkgrad.derive.errors import ChoiceError, DerivationError
from chalkgrad.derive.terms.algebra import Expr, Map, Others, Reduce, arg
from chalkgrad.derive.terms.functions import written_out
from chalkgrad.derive.terms.trees import walk
from chalkgrad.derive.terms.zero import is_identically_zero, operations
from chalkgrad.derive.values.duals import Dual, Duals
from chalkgrad.derive.values.expand import Exact, documented_loss, symbols
from chalkgrad.derive.values.points import Point, at_point, draw, finite
from chalkgrad.derive.values.reals import Real, Reals, number, tape
from chalkgrad.derive.values.walk import Data, Numbers, Tensor, Walk, model_equations, named_equations
from chalkgrad.telling import Told

N = TypeVar("N")

TOLERANCE = 1e-40  # of a relative difference
GUARD_DIGITS = 20  # carried beyond the digits asked for
EXPAND_BELOW = 4000  # operations of a loss that is written out; their number grows exponentially with T
KINK_DISTANCE = sympy.Rational(1, 1000)  # how far from a change of branch a point has to be
CANDIDATES = 4  # points drawn for each one used: those where the most gradients differ from zero are kept
TRIES = 400  # points drawn until enough of them lie in the domain of the loss


@dataclass(frozen=True)
class Entry:
    """One gradient, or the loss. how: "identical" or "3 points, 50 digits", with "forwards" behind it
    where the loss was not written out; difference: the largest relative one of a component, 0 where the
    two are identical."""

    name: str
    how: str
    difference: float
    ok: bool


@dataclass(frozen=True, repr=False)
class Report(Told):
    """What was compared, and how. True if every entry is right."""

    title: str
    entries: tuple[Entry, ...]

    @property
    def ok(self) -> bool:
        return all(entry.ok for entry in self.entries)

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        rows = [("gradient", "compared", "largest difference", "")]
        rows += [
            (e.name, e.how, "0" if e.difference == 0 else f"{e.difference:.1e}", "" if e.ok else "WRONG")
            for e in self.entries
        ]
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        lines = ["  ".join((*map(str.ljust, row[:3], widths), row[3])).rstrip() for row in rows]
        verdict = "every gradient is right" if self.ok else "a gradient is WRONG"
        return "\n".join((self.title, *lines, verdict))


def prove(
    model: Model | Derivation,
    T: Steps = None,
    sizes: Mapping[str, int] | None = None,
    points: int = 3,
    digits: int = 50,
    seed: int = 0,
) -> Report:
    """Compare every derived gradient with `sympy.diff` of the expanded loss.

    T as in `unroll`. sizes: 1 where missing, 2 for those that a softmax or a mean runs over. A difference
    that simplifies to zero is reported as "identical"; where that is out of reach, the two are compared
    at `points` (at least 3) random rational points with `digits` (at least 50) digits. From EXPAND_BELOW
    operations on the loss is not written out any more: `sympy.diff` is taken of every equation of the
    model, and the chain rule applied from the inputs to the loss. Raises ChoiceError, and DerivationError
    for a model without a loss.
    """
    derivation = derived(model)
    if positive("points", points, points) < 3:
        raise ChoiceError("points", "at least 3", points)
    if positive("digits", digits, digits) < 50:
        raise ChoiceError("digits", "at least 50", digits)
    wide = _reduced_sizes(derivation)
    at = extent(derivation, T, sizes, lambda name: 2 if name in wide else 1)
    comparison = _Comparison(derivation, at, points, digits, seed)
    names = ", ".join(f"{name} = {n}" for name, n in at.sizes.items())
    times = ", ".join(f"{t} = {n}" for t, n in at.times.items()) or "T = 1"
    title = f"{derivation.model.name}, {derivation.model.architecture}: {times}, {names}"
    return Report(title, tuple(comparison.entries()))


def _reduced_sizes(derivation: Derivation) -> set[str]:
    """Sizes that a softmax or a mean runs over: of one component they are constant, and prove nothing."""
    lines = (f for p in derivation.phases for f in p.forward if f.target != derivation.loss)
    nodes = (node for f in lines for node in walk(f.value))
    return {node.vector.shape[0] for node in nodes if isinstance(node, (Reduce, Others))}


# ----------------------------------------------------------------------------- the comparison


class _Comparison:
    """The derivation at concrete T and sizes beside the expanded loss, in the same symbols."""

    def __init__(self, derivation: Derivation, at: Extent, points: int, digits: int, seed: int) -> None:
        self._derivation, self._at, self._count, self._digits = derivation, at, points, digits
        self._data = symbols(derivation, at)
        self._reals = Reals(digits + GUARD_DIGITS)
        self._random = random.Random(seed)
        self._whole = self._size() < EXPAND_BELOW
        self._oracles: dict[str, list[sympy.Expr]] = {}
        self._named = by_name(self._data.parameters, self._data.x, self._data.initial)

    def entries(self) -> Iterator[Entry]:
        yield self._numerical("loss", [sample.loss for sample in self._samples], self._losses())
        for name in self._named:
            if self._whole and self._identical(name):
                yield Entry(name, "identical", 0.0, True)
            else:
                yield self._numerical(name, [s.gradients[name] for s in self._samples], self._oracle(name))

    def _loss_in(self, numbers: Numbers[N], data: Data[N]) -> N:
        """The documented loss, on the equations of the model."""
        walked = Walk(self._derivation, model_equations(self._derivation), self._at, numbers, data)
        return documented_loss(walked, self._derivation)

    def _expanded(self, data: Data[sympy.Expr]) -> sympy.Expr:
        return self._loss_in(Exact(), data)

    @cached_property
    def _loss(self) -> sympy.Expr:
        return self._expanded(self._data)

    def _size(self) -> int:
        """The operations in the expanded loss, counted without expanding it."""
        return self._loss_in(Counts(), at_point(self._data, lambda symbol: 0))

    # ------------------------------------------------------------------------- as expressions

    @cached_property
    def _derived(self) -> Mapping[str, Sequence[sympy.Expr]]:
        walked = Walk(self._derivation, named_equations(self._derivation), self._at, Exact(), self._data)
        pulled = walked.backward(LOSS)
        return by_name(pulled.parameters, pulled.x, pulled.initial)

    def _differentiated(self, name: str) -> list[sympy.Expr]:
        if name not in self._oracles:
            self._oracles[name] = [sympy.diff(self._loss, symbol) for symbol in self._named[name]]
        return self._oracles[name]

    def _identical(self, name: str) -> bool:
        pairs = zip(self._derived[name], self._differentiated(name), strict=True)
        return all(is_identically_zero(derived - oracle) for derived, oracle in pairs)

    # ------------------------------------------------------------------------- as numbers

    @cached_property
    def _samples(self) -> list[_Sample]:
        """The points, and what the recurrence gives there: of all drawn, those with the fewest zeros."""

        def sample(attempt: int) -> _Sample | None:
            return self._sample(draw(self._data, self._random, modest=attempt % 2 == 1))

        found = list(islice(finite(TRIES, sample), CANDIDATES * self._count))
        if len(found) < self._count:
            raise DerivationError(f"{self._derivation.model.name}: found no point where the loss is finite")
        return sorted(found, key=lambda sample: sample.zeros)[: self._count]

    def _sample(self, point: Point) -> _Sample | None:
        derivation, real = self._derivation, self._reals.context
        data = at_point(self._data, lambda symbol: number(point[symbol], real))
        walked = Walk(derivation, named_equations(derivation), self._at, self._reals, data)
        assert derivation.loss is not None
        loss = walked.total(derivation.loss, walked.output_steps)
        if not real.isfinite(loss) or self._near_a_kink(walked):
            return None
        pulled = walked.backward(LOSS)
        gradients = by_name(pulled.parameters, pulled.x, pulled.initial)
        zeros = sum(all(v == 0 for v in entries) for entries in gradients.values())
        return _Sample(point, [loss], gradients, zeros)

    def _near_a_kink(self, walked: Walk[Real]) -> bool:
        distance = number(KINK_DISTANCE, self._reals.context)
        return any(
            abs(v) < distance
            for i, t in walked.order
            for f in self._derivation.phases[i].forward
            for side in _sides(f.value)
            for v in walked.value(side, t).entries
        )

    def _losses(self) -> list[Sequence[Real]]:
        if self._whole:
            return self._on_tape([self._loss])
        return [[loss.value] for loss in self._chained]

    def _oracle(self, name: str) -> list[Sequence[Real]]:
        """The derivatives of the documented loss at each point."""
        if self._whole:
            return self._on_tape(self._differentiated(name))
        zero, places = self._reals.context.zero, [self._places[symbol] for symbol in self._named[name]]
        return [[loss.tangent.get(place, zero) for place in places] for loss in self._chained]

    @cached_property
    def _places(self) -> Mapping[sympy.Symbol, int]:
        symbols = (symbol for entries in self._named.values() for symbol in entries)
        return {symbol: place for place, symbol in enumerate(symbols)}

    @cached_property
    def _chained(self) -> list[Dual]:
        """The loss at each point with its derivatives, the equations differentiated one by one."""
        duals, real = Duals(self._digits + GUARD_DIGITS), self._reals.context

        def loss(point: Point) -> Dual:
            def dual(symbol: sympy.Symbol) -> Dual:
                tangent = {self._places[symbol]: real.one} if symbol in self._places else {}
                return Dual(number(point[symbol], real), tangent)

            return self._loss_in(duals, at_point(self._data, dual))

        return [loss(sample.point) for sample in self._samples]

    def _on_tape(self, exprs: Sequence[sympy.Expr]) -> list[Sequence[Real]]:
        inputs = list(self._samples[0].point)
        run, real = tape(exprs, inputs, self._reals.context), self._reals.context
        return [run(*(number(s.point[symbol], real) for symbol in inputs)) for s in self._samples]

    def _numerical(
        self, name: str, derived: Sequence[Sequence[Real]], oracle: Sequence[Sequence[Real]]
    ) -> Entry:
        differences = [
            self._difference(one, other)
            for left, right in zip(derived, oracle, strict=True)
            for one, other in zip(left, right, strict=True)
        ]
        ok = all(difference <= TOLERANCE for difference in differences)
        largest = next((d for d in differences if d != d), max(differences))
        how = f"{self._count} points, {self._digits} digits{'' if self._whole else ', forwards'}"
        return Entry(name, how, float(largest), ok)

    def _difference(self, one: Real, other: Real) -> Real:
        """Relative to the larger; two values that are zero to all digits agree."""
        real = self._reals.context
        size = max(abs(one), abs(other))
        if size == size and size < real.mpf(10) ** -self._digits:
            return real.mpf(0)
        return abs(one - other) / size


class Counts(Numbers[int]):
    """The number of operations in an expression, for the expression; nothing is simplified."""

    def compile(self, body: sympy.Expr, count: int) -> Callable[..., int]:
        plain = written_out(body)
        own = operations(plain)
        uses = [plain.count(arg(i)) for i in range(count)]
        return lambda *values: own + sum(n * v for n, v in zip(uses, values, strict=True))

    def add(self, terms: Sequence[int]) -> int:
        return sum(terms) + max(0, len(terms) - 1)

    def dot(self, left: Sequence[int], right: Sequence[int]) -> int:
        return sum(left) + sum(right) + 2 * len(left) - 1

    def maximum(self, entries: Sequence[int]) -> int:
        return 0


@dataclass(frozen=True)
class _Sample:
    """A point, the loss and the derived gradients there, and how many of the gradients are zero."""

    point: Point
    loss: Sequence[Real]
    gradients: Mapping[str, Sequence[Real]]
    zeros: int


def by_name(
    parameters: Mapping[str, Tensor[N]], x: Mapping[int, Tensor[N]], initial: Mapping[str, Tensor[N]]
) -> dict[str, list[N]]:
    """Entries under the names of gradients; x at all its steps is one of them."""
    found = {name: list(tensor.entries) for name, tensor in parameters.items()}
    found["x"] = [entry for tensor in x.values() for entry in tensor.entries]
    return found | {f"{name}0": list(tensor.entries) for name, tensor in initial.items()}


def _sides(value: Expr) -> list[Expr]:
    """For each condition u ≤ v that the value branches on, u − v."""
    if not isinstance(value, Map):
        return []
    conditions = written_out(value.body).atoms(sympy.Rel)
    return [
        replace(value, body=c.lhs - c.rhs)
        for c in sorted(conditions, key=sympy.default_sort_key)
        if not isinstance(c, (sympy.Eq, sympy.Ne))
    ]
