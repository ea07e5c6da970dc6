"""The derived gradient as numbers of any precision: the reference of every agreement test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chalkgrad.derive import choices
from chalkgrad.derive.cells.model import YHAT, Model
from chalkgrad.derive.deriving.architecture import T as _T
from chalkgrad.derive.deriving.architecture import T_x, T_y
from chalkgrad.derive.deriving.derivation import LOSS, OUTSIDE, Derivation, derived
from chalkgrad.derive.deriving.extent import Extent, Steps, extent
from chalkgrad.derive.errors import ChoiceError, ShapeError
from chalkgrad.derive.terms.algebra import Shape
from chalkgrad.derive.values.lazy import Lazy
from chalkgrad.derive.values.reals import Real, Reals, number
from chalkgrad.derive.values.walk import Data, Pulled, Tensor, Walk, named_equations, up_to_output

Array = NDArray[np.object_]
GUARD_DIGITS = 15  # carried beyond the digits asked for


@dataclass(frozen=True)
class Evaluated:
    """What `evaluate` gives; the entries of all arrays are mpf.

    loss: the sum over components, steps and examples; None without y or without an output.
    gradients: of the loss, or of the cotangents given, worked out on first access: parameter name →
    array of its shape; "x" → as x was given; state name + "0" → (B, n).
    yhat: (T_y, B, n_y), None without an output. states: name → (T, B, n), index 0 is step 1.
    Where x has no batch axis, nothing has.
    """

    loss: Real | None
    gradients: Mapping[str, Array]
    yhat: Array | None
    states: Mapping[str, Array]


def evaluate(
    model: Model | Derivation,
    values: Mapping[str, Any],
    *,
    sizes: Mapping[str, int],
    T: Steps = None,
    digits: int = 50,
    lengths: Any = None,
    dyhat: Any = None,
    dstates: Mapping[str, Any] | None = None,
) -> Evaluated:
    """Run the derivation on numbers, each taken exactly as it is and rounded to `digits` and a guard.

    values: parameter name → array of its shape; "x" (T_x, B, n_x) or, without a batch, (T_x, n_x);
    "y" (T_y, B, n_y), needed for a loss or where it is fed back (many-to-one: (B, n_y) will do); state
    name + "0" → (B, n), zero if missing. dyhat, dstates: cotangents of yhat and of the states, name →
    (T, B, n); where one is given (an empty mapping counts), `gradients` are those of the vector–Jacobian
    product. lengths: (B,) integers, for the encoder–decoder a pair of those or None.

    Differentiates the stable form of the loss; a derivative written in stored values, such as
    1 − a², loses digits where a saturates: ask for more. Raises ChoiceError and ShapeError.
    """
    derivation = derived(model)
    at = extent(derivation, T, sizes, lambda name: 1)
    reader = _Reader(derivation, at, values, digits)
    outside = dyhat is not None or dstates is not None
    cotangents = reader.cotangents(dyhat, dstates or {})
    examples = [
        _Example(derivation, at, own, reader, b, cotangents)
        for b, own in enumerate(_own_extents(derivation, at, lengths, reader.batch))
    ]
    has_loss = derivation.loss is not None and "y" in values
    objective = OUTSIDE if outside else LOSS if has_loss else None
    result = _Collector(derivation, at, reader, examples)
    return Evaluated(
        reader.real.fsum([e.loss() for e in examples]) if has_loss else None,
        Lazy(result.names if objective else (), lambda: result.gradients(str(objective))),
        None if derivation.schedule.y is None else result.yhat(),
        {s.name: result.state(s.name, s.shape) for s in derivation.schedule.states},
    )


# ----------------------------------------------------------------------------- lengths


def _own_extents(derivation: Derivation, at: Extent, lengths: Any, batch: int) -> list[Extent]:
    """T of each example."""
    pair = derivation.model.architecture == choices.ENCODER_DECODER
    if pair and lengths is not None and not (isinstance(lengths, (tuple, list)) and len(lengths) == 2):
        raise ChoiceError("lengths", "a pair for the encoder-decoder", lengths)
    given = zip((T_x, T_y), lengths or (None, None), strict=True) if pair else [(_T, lengths)]
    times: list[dict[Any, int]] = [dict(at.times) for _ in range(batch)]
    for symbol, column in given:
        if column is not None:
            whole = at.times.get(symbol, 1)
            for b, length in enumerate(_checked(column, whole, batch)):
                if symbol in at.times:
                    times[b][symbol] = length
    return [replace(at, times=t) for t in times]


def _checked(lengths: Any, whole: int, batch: int) -> list[int]:
    column = [int(n) for n in np.asarray(lengths).reshape(-1)]
    if len(column) != batch or not all(1 <= n <= whole for n in column):
        raise ChoiceError("lengths", f"{batch} integers in 1..{whole}", lengths)
    return column


def _own_steps(derivation: Derivation, at: Extent, own: Extent) -> list[int]:
    """For each step of the padded trajectory, the step of the example whose state it shows."""
    result: list[int] = []
    done = 0
    real = [s for s in derivation.schedule.segments if not s.readout]
    for _, run in groupby(real, key=lambda s: s.lengths):
        segments = list(run)
        padded = sum(at.steps(s.steps) for s in segments)
        count = sum(own.steps(s.steps) for s in segments)
        result.extend(done + min(k, count) for k in range(1, padded + 1))
        done += count
    return result


# ----------------------------------------------------------------------------- reading arrays


class _Reader:
    """The caller's arrays, checked, with a batch axis, as mpf."""

    def __init__(self, derivation: Derivation, at: Extent, values: Mapping[str, Any], digits: int) -> None:
        self.numbers = Reals(digits + GUARD_DIGITS)
        self.real = self.numbers.context
        self._at, plan = at, derivation.schedule
        self._plan = plan
        x = self._numbers("x", values)
        self.batched = x.ndim != 2
        self.batch = x.shape[1] if x.ndim == 3 else 1
        self.x = self._steps("x", x, len(at.span(plan.x_steps)), plan.x.shape)
        self.y: Array | None = None
        if plan.y is not None and plan.y_steps is not None and "y" in values:
            self.y = self._steps("y", self._numbers("y", values), len(at.span(plan.y_steps)), plan.y.shape)
        self.parameters = {
            p.name: self._tensor(self._checked(p.name, self._numbers(p.name, values), at.shape(p.shape)))
            for p in plan.parameters
        }
        self.initial = {s.name: self._initial(s.name, s.shape, values) for s in plan.states}

    def cotangents(self, dyhat: Any, dstates: Mapping[str, Any]) -> dict[str, Array]:
        """name → (steps, B, …)"""
        plan = self._plan
        found = {}
        if dyhat is not None:
            if plan.y is None or plan.y_steps is None:
                raise ChoiceError("dyhat", "None for a model without an output", dyhat)
            given = self._numbers("dyhat", {"dyhat": dyhat})
            found[YHAT] = self._steps("dyhat", given, len(self._at.span(plan.y_steps)), plan.y.shape)
        shapes = {s.name: s.shape for s in plan.states}
        for name in dstates:
            if name not in shapes:
                raise ChoiceError("dstates", f"states among {', '.join(shapes)}", name)
            length = self._at.steps(plan.length)
            found[name] = self._steps(
                f"dstates[{name!r}]", self._numbers(name, dstates), length, shapes[name]
            )
        return found

    def data(self, own: Extent, b: int) -> Data[Real]:
        def rows(array: Array | None, steps: tuple[Any, Any] | None) -> dict[int, Tensor[Real]]:
            if array is None or steps is None:
                return {}
            return {k: self._tensor(array[k - 1, b]) for k in range(1, len(own.span(steps)) + 1)}

        initial = {name: self._tensor(array[b]) for name, array in self.initial.items()}
        plan = self._plan
        return Data(self.parameters, initial, rows(self.x, plan.x_steps), rows(self.y, plan.y_steps))

    def _numbers(self, name: str, values: Mapping[str, Any]) -> Array:
        if name not in values:
            raise ChoiceError("values", f"an array for {name}", sorted(values))
        given = np.asarray(values[name], dtype=object)
        result = np.empty(given.shape, dtype=object)
        for index in np.ndindex(given.shape):
            result[index] = number(given[index], self.real)
        return result

    def _checked(self, name: str, array: Array, shape: tuple[int, ...]) -> Array:
        if array.shape != shape:
            raise ShapeError(f"{name}: expected shape {shape}, found {array.shape}")
        return array

    def _steps(self, name: str, array: Array, count: int, shape: Shape) -> Array:
        """(count, B, …); the axis of steps may be missing where there is one step."""
        tail = self._at.shape(shape)
        if count == 1 and array.ndim == self.batched + len(tail):
            array = array[None]
        wanted = (count, self.batch, *tail) if self.batched else (count, *tail)
        return self._checked(name, array, wanted).reshape((count, self.batch, *tail))

    def _initial(self, name: str, shape: Shape, values: Mapping[str, Any]) -> Array:
        tail = self._at.shape(shape)
        if f"{name}0" not in values:
            return np.full((self.batch, *tail), self.real.mpf(0), dtype=object)
        wanted = (self.batch, *tail) if self.batched else tail
        given = self._checked(f"{name}0", self._numbers(f"{name}0", values), wanted)
        return given.reshape((self.batch, *tail))

    @staticmethod
    def _tensor(array: Any) -> Tensor[Real]:
        whole = np.asarray(array, dtype=object)
        return Tensor(whole.shape, tuple(whole.reshape(-1)))


# ----------------------------------------------------------------------------- one example, all examples


class _Example:
    """One example, run for its own number of steps, and where its steps stand among the padded ones."""

    def __init__(
        self,
        derivation: Derivation,
        at: Extent,
        own: Extent,
        reader: _Reader,
        b: int,
        cotangents: Mapping[str, Array],
    ) -> None:
        equations = named_equations(derivation)
        equations = equations if reader.y is not None else up_to_output(equations)
        self._derivation = derivation
        self._equations = equations
        self.walk = Walk(derivation, equations, own, reader.numbers, reader.data(own, b))
        self.own_steps = _own_steps(derivation, at, own)
        self._cotangents = {name: array[:, b] for name, array in cotangents.items()}

    def loss(self) -> Real:
        loss = self._derivation.loss
        assert loss is not None
        return self.walk.total(loss, self.walk.output_steps)

    def pulled(self, objective: str, zero: Real) -> Pulled[Real]:
        return self.walk.backward(objective, self._outside(zero))

    def _outside(self, zero: Real) -> dict[tuple[str, int], Tensor[Real]]:
        """Cotangents by the example's own steps: those past its end add to its last state."""
        sums: dict[tuple[str, int], Array] = {}
        for name, array in self._cotangents.items():
            steps: Sequence[int] = self.walk.output_steps if name == YHAT else self.own_steps
            for row, t in zip(array, steps, strict=False):
                sums[name, t] = sums.get((name, t), zero) + row
        return {
            key: Tensor(np.shape(total), tuple(np.asarray(total, dtype=object).reshape(-1)))
            for key, total in sums.items()
        }


class _Collector:
    """Results of all examples as arrays."""

    def __init__(
        self, derivation: Derivation, at: Extent, reader: _Reader, examples: Sequence[_Example]
    ) -> None:
        self._plan, self._at, self._reader, self._examples = derivation.schedule, at, reader, examples
        self.names = (
            *(p.name for p in self._plan.parameters),
            "x",
            *(f"{s.name}0" for s in self._plan.states),
        )

    def yhat(self) -> Array:
        assert self._plan.y is not None and self._plan.y_steps is not None
        steps = self._at.span(self._plan.y_steps)
        result = self._zeros((len(steps), self._reader.batch, *self._at.shape(self._plan.y.shape)))
        for b, example in enumerate(self._examples):
            for k, t in enumerate(example.walk.output_steps):
                result[k, b] = _array(example.walk.values[YHAT, t])
        return self._unbatched(result, 1)

    def state(self, name: str, shape: Shape) -> Array:
        length = self._at.steps(self._plan.length)
        result = self._zeros((length, self._reader.batch, *self._at.shape(shape)))
        for b, example in enumerate(self._examples):
            for k, t in enumerate(example.own_steps):
                result[k, b] = _array(example.walk.values[name, t])
        return self._unbatched(result, 1)

    def gradients(self, objective: str) -> dict[str, Array]:
        pulled = [e.pulled(objective, self._reader.real.mpf(0)) for e in self._examples]
        found = {}
        for p in self._plan.parameters:
            total = self._zeros(self._at.shape(p.shape))
            for one in pulled:
                total = np.asarray(total + _array(one.parameters[p.name]), dtype=object)
            found[p.name] = total
        x = self._zeros(self._reader.x.shape)
        for b, one in enumerate(pulled):
            for k, tensor in one.x.items():
                x[k - 1, b] = _array(tensor)
        found["x"] = self._unbatched(x, 1)
        for s in self._plan.states:
            rows = self._zeros((self._reader.batch, *self._at.shape(s.shape)))
            for b, one in enumerate(pulled):
                rows[b] = _array(one.initial[s.name])
            found[f"{s.name}0"] = self._unbatched(rows, 0)
        return found

    def _zeros(self, shape: tuple[int, ...]) -> Array:
        return np.full(shape, self._reader.real.mpf(0), dtype=object)

    def _unbatched(self, array: Array, axis: int) -> Array:
        return array if self._reader.batched else array.squeeze(axis)


def _array(tensor: Tensor[Real]) -> Any:
    """The tensor as an array; a scalar as its number."""
    if not tensor.shape:
        return tensor.entries[0]
    result = np.empty(len(tensor.entries), dtype=object)
    result[:] = tensor.entries
    return result.reshape(tensor.shape)
