"""Derivatives of anything by anything, as numbers: the judge of every displayed equality.

One walk forwards through the equations, over dual numbers, with a direction for every component of every
value at every step, and of every parameter at every step. What moves along (v, t) is ∂/∂v⟨t⟩, total; what
moves along (W, t) is W moving at step t alone: summed over t it is total, at one step immediate. Local
derivatives are `sympy.diff` of an equation's body; no adjoint equation of the derivation is used.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from math import prod
from typing import TypeAlias

import sympy

from chalkgrad.derive.cells.model import YHAT
from chalkgrad.derive.deriving.derivation import LOSS, Derivation
from chalkgrad.derive.deriving.extent import Extent, extent
from chalkgrad.derive.deriving.loss import documented
from chalkgrad.derive.errors import DerivationError
from chalkgrad.derive.terms.algebra import Expr, Role, Symbol
from chalkgrad.derive.values.duals import Dual, Duals
from chalkgrad.derive.values.expand import symbols as data_symbols
from chalkgrad.derive.values.grid import Grid, column
from chalkgrad.derive.values.points import Point, at_point, draw, finite
from chalkgrad.derive.values.reals import Real, Reals, number
from chalkgrad.derive.values.walk import Data, Tensor, Walk, model_equations, named_equations


@dataclass(frozen=True)
class ValueAt:
    """A value at step t, as what a derivative is by."""

    name: str
    t: int


@dataclass(frozen=True)
class ParameterAt:
    """A parameter as what a derivative is by: at step t alone, or (None) at every step."""

    name: str
    t: int | None = None


By: TypeAlias = ValueAt | ParameterAt

_DRAWN = 8  # points drawn for each one used, until enough of them are lively
Key = tuple[str, str, int]  # ("value" | "parameter" | "outside", name, step)


class _Injected(Walk[Dual]):
    """A walk in which everything moves along directions of its own."""

    def __init__(
        self, derivation: Derivation, at: Extent, numbers: Duals, data: Data[Real], one: Real
    ) -> None:
        self.directions: dict[Key, range] = {}
        self._one, self._count = one, 0
        self._made: dict[Key, Tensor[Dual]] = {}
        plain = Data(
            _constants(data.parameters),
            {name: self._moving(("value", name, 0), tensor) for name, tensor in data.initial.items()},
            _constants(data.x),
            _constants(data.y),
        )
        super().__init__(derivation, named_equations(derivation), at, numbers, plain)

    def assigned(self, name: str, t: int, value: Tensor[Dual]) -> Tensor[Dual]:
        return self._moving(("value", name, t), value)

    def parameter(self, name: str, t: int) -> Tensor[Dual]:
        key = ("parameter", name, t)
        if key not in self._made:
            self._made[key] = self._moving(key, super().parameter(name, t))
        return self._made[key]

    def _given(self) -> dict[tuple[str, int], Tensor[Dual]]:
        x = self._derivation.schedule.x.name
        return {
            (name, t): self._moving(("value", name, t), tensor) if name == x else tensor
            for (name, t), tensor in super()._given().items()
        }

    def _moving(self, key: Key, tensor: Tensor) -> Tensor[Dual]:  # type: ignore[type-arg]
        start = self._count
        self._count += len(tensor.entries)
        self.directions[key] = range(start, self._count)
        entries = [e if isinstance(e, Dual) else Dual(e, {}) for e in tensor.entries]
        moved = (Dual(e.value, {**e.tangent, start + i: self._one}) for i, e in enumerate(entries))
        return Tensor(tensor.shape, tuple(moved))


def _constants(tensors: Mapping) -> dict:  # type: ignore[type-arg]
    return {key: Tensor(t.shape, tuple(Dual(e, {}) for e in t.entries)) for key, t in tensors.items()}


class Oracle:
    """The network at one point: its values, and derivatives of any of them by any other.

    data: the numbers, rational. towards: what δ is the derivative of, the loss or, "outside", Σ v̄·v over
    what a caller may bring.
    """

    def __init__(self, derivation: Derivation, data: Data[sympy.Expr], at: Extent, digits: int, towards: str):
        self.derivation, self.extent, self.towards = derivation, at, towards
        self.real = Reals(digits).context
        self._data = at_point(data, lambda value: number(value, self.real))
        self._walk = _Injected(derivation, at, Duals(digits), self._data, self.real.one)

    # ------------------------------------------------------------------------- values

    def value(self, expr: Expr, t: int, loss_step: int | None = None) -> Grid:
        """An expression written at step t; δ in it are total derivatives of the objective, or of the
        loss of one step."""
        if loss_step not in self._plain:
            self._plain[loss_step] = _Plain(self, loss_step)
        return column(self._plain[loss_step].value(expr, t))

    @cached_property
    def _plain(self) -> dict[int | None, _Plain]:
        return {}

    def entries(self, name: str, t: int) -> Tensor[Real]:
        """The value `name` at step t. Raises DerivationError where there is none."""
        if (name, t) not in self._walk.values:
            raise DerivationError(f"{name}: expected a step that has it, found {t}")
        tensor = self._walk.values[name, t]
        return Tensor(tensor.shape, tuple(e.value for e in tensor.entries))

    def has(self, name: str, t: int) -> bool:
        return (name, t) in self._walk.values

    @property
    def lively(self) -> bool:
        """Whether every state has a component that is not zero, at every step."""
        names = [s.name for s in self.derivation.schedule.states]
        values = self._walk.values
        return all(any(e.value for e in values[n, t].entries) for n, t in values if n in names and t > 0)

    def parameter(self, name: str) -> Tensor[Real]:
        return self._data.parameters[name]

    def modelled(self, name: str, t: int) -> Grid:
        """The value as the equations of the model give it, without any of the derivation."""
        return column(self._model.values[name, t])

    @cached_property
    def _model(self) -> Walk[Real]:
        numbers = Reals(self.real.dps)
        return Walk(self.derivation, model_equations(self.derivation), self.extent, numbers, self._data)

    def change(self, name: str) -> Tensor[Real]:
        """dW: a small change of a parameter, any numbers, the same at every call."""
        shape = self.parameter(name).shape
        rng = random.Random(name)
        return Tensor(shape, tuple(self.real.mpf(rng.randint(1, 99)) / 97 for _ in range(prod(shape))))

    def outside(self, name: str, t: int) -> Tensor[Real]:
        """v̄: what a caller may bring for a state or the output, any numbers, the same at every call."""
        rng = random.Random(f"{name} {t}")
        shape = self.entries(name, t).shape
        return Tensor(shape, tuple(self.real.mpf(rng.randint(-99, 99)) / 97 for _ in range(prod(shape))))

    # ------------------------------------------------------------------------- derivatives

    def objective(self, step: int | None = None, by_output: bool = False) -> Dual:
        """The objective, of all steps or of one, with its tangents.

        By the output the documented loss is differentiated: the stable one does not read it.
        """
        key = (step, by_output and self.towards == LOSS)
        if key not in self._objectives:
            self._objectives[key] = self._objective(*key)
        return self._objectives[key]

    def _objective(self, step: int | None, by_output: bool) -> Dual:
        plan, numbers = self.derivation.schedule, Duals(self.real.dps)
        if self.towards != LOSS:
            return numbers.add([self._brought(name, t) for name, t in self._brought_keys])
        loss, kind = self.derivation.loss, self.derivation.model.loss
        assert loss is not None and kind is not None and plan.y is not None
        steps = [step] if step is not None else list(self._walk.output_steps)
        if not by_output:
            return numbers.add([self._walk.values[loss.name, t].entries[0] for t in steps])
        formula = documented(kind, Symbol(YHAT, plan.y.shape), plan.y)
        return self._walk.total(formula, steps)

    @cached_property
    def _brought_keys(self) -> list[tuple[str, int]]:
        names = {s.name for s in self.derivation.schedule.states} | {YHAT}
        return [(name, t) for name, t in self._walk.values if name in names and t > 0]

    def _brought(self, name: str, t: int) -> Dual:
        bars = [Dual(e, {}) for e in self.outside(name, t).entries]
        return Duals(self.real.dps).dot(bars, self._walk.values[name, t].entries)

    @cached_property
    def _objectives(self) -> dict[tuple[int | None, bool], Dual]:
        return {}

    def slope(self, by: By, step: int | None = None, documented: bool = False) -> Grid:
        """∂L/∂by as a row, of the whole loss or of that of one step.

        documented: of the loss as it is documented, on the output, rather than in its stable form.
        """
        return self._rows([self.objective(step, documented)], self._columns(by))

    def jacobian(self, of: str, s: int, by: By) -> Grid:
        """∂of⟨s⟩/∂by: rows belong to `of`, columns to `by`."""
        return self._rows(self._walk.values[of, s].entries, self._columns(by))

    def local(self, of: str, s: int, by: By) -> Grid:
        """The immediate derivative within the one equation that gives `of` at step s: only `by` moves.

        A parameter moves at step s. Raises DerivationError where no equation gives it.
        """
        values = [value for name, value in self._equations(s) if name == of]
        if not values:
            raise DerivationError(f"{of}: expected a step with an equation for it, found {s}")
        key = ("value", by.name, by.t) if isinstance(by, ValueAt) else ("parameter", by.name, s)
        if key not in self._walk.directions:
            raise DerivationError(f"{by.name}: expected a step that has it and lets it move, found {key[2]}")
        own = self._walk.directions[key]
        return self._rows(_Held(self, key).value(values[0], s).entries, [[i] for i in own])

    def _equations(self, s: int) -> list[tuple[str, Expr]]:
        """What is computed at step s, last first where a readout follows a step."""
        phases = self.derivation.phases
        active = self.extent.active([phase.segment for phase in phases], s)
        return [(f.target.name, f.value) for i in reversed(active) for f in phases[i].forward]

    def _columns(self, by: By) -> list[list[int]]:
        """For every component the directions to add up."""
        kind = "value" if isinstance(by, ValueAt) else "parameter"
        found = [
            directions
            for key, directions in self._walk.directions.items()
            if key[:2] == (kind, by.name) and (by.t is None or key[2] == by.t)
        ]
        if not found and isinstance(by, ParameterAt):
            return [[] for _ in self.parameter(by.name).entries]
        if not found:
            raise DerivationError(f"{by.name}: expected a step that has it, found {by.t}")
        return [list(group) for group in zip(*found, strict=True)]

    def _rows(self, duals: Sequence[Dual], columns: Sequence[Sequence[int]]) -> Grid:
        zero = self.real.zero
        entries = tuple(
            self.real.fsum([dual.tangent.get(d, zero) for d in group]) for dual in duals for group in columns
        )
        return Grid(len(duals), len(columns), entries)


class _Held(Walk[Dual]):
    """Expressions on the values of an oracle, all of them held but one."""

    def __init__(self, oracle: Oracle, moving: Key) -> None:
        self._moved, self._one = moving, oracle.real.one
        self._own = oracle._walk.directions[moving]
        constant = Data(_constants(oracle._data.parameters), {}, {}, {})
        super().__init__(oracle.derivation, (), oracle.extent, Duals(oracle.real.dps), constant)
        self.values = {
            (name, t): self._held(("value", name, t), tensor)
            for (name, t), tensor in oracle._walk.values.items()
        }

    def _given(self) -> dict[tuple[str, int], Tensor[Dual]]:
        return {}

    def parameter(self, name: str, t: int) -> Tensor[Dual]:
        return self._held(("parameter", name, t), super().parameter(name, t))

    def _held(self, key: Key, tensor: Tensor[Dual]) -> Tensor[Dual]:
        moves = key == self._moved
        entries = (
            Dual(e.value, {self._own[i]: self._one} if moves else {}) for i, e in enumerate(tensor.entries)
        )
        return Tensor(tensor.shape, tuple(entries))


class _Plain(Walk[Real]):
    """Expressions on the values of an oracle, δ among them."""

    def __init__(self, oracle: Oracle, loss_step: int | None) -> None:
        self._oracle, self._loss_step = oracle, loss_step
        numbers = Reals(oracle.real.dps)
        super().__init__(oracle.derivation, (), oracle.extent, numbers, oracle._data)
        self.values |= {
            key: Tensor(t.shape, tuple(e.value for e in t.entries)) for key, t in oracle._walk.values.items()
        }
        self._known: dict[tuple[str, int], Tensor[Real]] = {}

    def _node(self, node: Expr, children: tuple[Tensor[Real], ...], t: int) -> Tensor[Real]:
        if isinstance(node, Symbol) and node.role is Role.EXTERNAL:
            return self._oracle.outside(node.name, t + node.lag)
        return super()._node(node, children, t)

    def _cotangent(self, symbol: Symbol, t: int) -> Tensor[Real]:
        """δ: zero where no equation computes the value, behind the end."""
        if not self._oracle.has(symbol.name, t):
            return self._zeros(symbol.shape)
        key = (symbol.name, t)
        if key not in self._known:
            shape = self._oracle.entries(*key).shape
            self._known[key] = Tensor(shape, self._oracle.slope(ValueAt(*key), self._loss_step).entries)
        return self._known[key]


def oracles(
    derivation: Derivation,
    T: int | tuple[int, int] | None,
    sizes: Mapping[str, int] | None = None,
    points: int = 3,
    digits: int = 40,
    towards: str = LOSS,
    seed: int = 0,
    initial: str = "symbols",
) -> list[Oracle]:
    """The network at `points` random rational points where its loss is finite. sizes: all different
    unless they are given. initial: "zero" for initial states of zero, else they are drawn too.

    Points at which no state is zero as a whole come first: there a path through it would be dead.
    """
    at = extent(derivation, T, sizes, distinct_sizes(derivation).__getitem__)
    rng = random.Random(seed)
    found: list[Oracle] = []
    dull: list[Oracle] = []
    names = data_symbols(derivation, at, initial)

    def tried(attempt: int) -> Oracle | None:
        point = draw(names, rng, modest=attempt % 2 == 1)
        oracle = Oracle(derivation, _located(names, point), at, digits, towards)
        return oracle if oracle.real.isfinite(oracle.objective(by_output=True).value) else None

    for oracle in islice(finite(50 * points, tried), _DRAWN * points):
        (found if oracle.lively else dull).append(oracle)
        if len(found) == points:
            break
    if len(found) + len(dull) >= points:
        return [*found, *dull][:points]
    count = len(found) + len(dull)
    expected = f"expected {points} points where the loss is finite, found {count}"
    raise DerivationError(f"{derivation.model.name}: {expected}")


def _located(names: Data[sympy.Expr], point: Point) -> Data[sympy.Expr]:
    """The numbers of a point in the place of their symbols."""
    return at_point(names, lambda entry: point[entry] if entry.free_symbols else entry)


def distinct_sizes(derivation: Derivation) -> dict[str, int]:
    """2, 3, 4, … for the sizes, so that no two are equal by chance; sizes that are tied are."""
    sizes = {name: number for number, name in enumerate(derivation.model.sizes, start=2)}
    for one, other in derivation.schedule.tied:
        sizes[one] = sizes[other]
    return sizes
