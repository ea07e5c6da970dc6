"""From what a caller passes to checked arrays in the canonical layout of `codegen.program.interface`.

Nothing is computed here and nothing is broadcast: an array fits or it is refused, with an error that
names it. `codegen.calling.convert` reads single values; this file knows which arrays a call has and how their
extents hang together.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike

from chalkgrad.codegen.calling.convert import (
    Given,
    canonical,
    common_dtype,
    describe,
    read,
    read_lengths,
    whole_number,
)
from chalkgrad.codegen.calling.extents import Extents, Slot
from chalkgrad.codegen.errors import ArgumentError, ArgumentTypeError
from chalkgrad.codegen.program.interface import Array, Counts, Interface, parameter_key

Lengths = ArrayLike | tuple[ArrayLike | None, ArrayLike | None]


@dataclass(frozen=True)
class Rows:
    """How many rows x, y and a trajectory of states have: the fixed "1", or the name of a count."""

    x: str
    y: str
    states: str


ROWS: Mapping[str, Rows] = {
    "one-to-one": Rows("1", "1", "1"),
    "one-to-many": Rows("1", "T", "T"),
    "many-to-one": Rows("T", "1", "T"),
    "many-to-many": Rows("T", "T", "T"),
    "encoder-decoder": Rows("T_x", "T_y", "T_x + T_y"),
}


@dataclass(frozen=True)
class Inputs:
    """A checked call: the canonical input arrays of one dtype, and what was learned from them.

    `steps` is the length of the trajectory of states; `sizes` has every size of the interface.
    """

    counts: Counts
    steps: int
    batched: bool
    dtype: np.dtype[Any]
    sizes: Mapping[str, int]
    arrays: Mapping[str, Array | None]


@dataclass(frozen=True)
class CheckedCall:
    """The arguments of one call, as the caller gave them; see `codegen.calling.network` for the shapes."""

    params: Mapping[str, ArrayLike]
    x: ArrayLike
    y: ArrayLike | None = None
    dyhat: ArrayLike | None = None
    dstates: Mapping[str, ArrayLike] | None = None
    initial: Mapping[str, ArrayLike] | None = None
    lengths: Lengths | None = None
    steps: SupportsIndex | None = None
    with_y: bool = False  # y is read, hence required
    copy: bool = True  # False: refuse every array that cannot be used in place


class Signature:
    """The arguments that a network with this interface takes."""

    def __init__(self, interface: Interface) -> None:
        self.interface = interface
        self._rows = ROWS[interface.architecture]
        self._slots = {batched: _Slots(interface, batched) for batched in (False, True)}
        self._names = (*interface.parameters, "x", *(f"{state}0" for state in interface.states))

    def check(self, call: CheckedCall) -> Inputs:
        """The call's arrays, checked, cast and laid out.

        Raises ArgumentError for a value, shape or name that does not fit, ArgumentTypeError for a type
        or dtype that does not.
        """
        face = self.interface
        x = read("x", call.x)
        batched = _has_batch(face, x)
        extents = _known_extents(face)
        given = self._fit(call, x, extents, self._slots[batched])
        steps = _settle_steps(extents, self._rows, given)
        counts = _counts(face, self._rows, extents)
        sizes = _settle_sizes(face, extents)
        dtype = np.dtype(face.dtype) if face.dtype else common_dtype(value for _, value in given)

        arrays: dict[str, Array | None] = {}
        for slot, value in given:
            array = canonical(slot.argument, value, dtype, copy=call.copy)
            if slot.counts != slot.layout_counts:
                array = array.reshape(slot.layout(extents, counts.B))
            arrays[slot.key] = array
        for state, size in face.states.items():
            if f"{state}0" not in arrays:
                arrays[f"{state}0"] = np.zeros((counts.B, sizes[size]), dtype)
        arrays.update(_last_steps(face, counts, call.lengths, batched))
        return Inputs(counts, steps, batched, dtype, sizes, arrays)

    def check_wrt(self, wrt: str | Iterable[str] | None) -> tuple[str, ...]:
        """The names to differentiate by, in the caller's order, each once; None: all parameters."""
        if wrt is None:
            return tuple(self.interface.parameters)
        if isinstance(wrt, str):
            wrt = (wrt,)
        if isinstance(wrt, bytes) or not isinstance(wrt, Iterable):
            raise ArgumentTypeError("wrt", "a sequence of names", describe(wrt))
        names = tuple(wrt)
        for name in names:
            if not isinstance(name, str):
                raise ArgumentTypeError("wrt", "a sequence of names", f"one with {describe(name)} in it")
            if name not in self._names:
                raise ArgumentError("wrt", f"names out of {', '.join(self._names)}", repr(name))
        return tuple(dict.fromkeys(names))

    def _fit(self, call: CheckedCall, x: Given, extents: Extents, slots: _Slots) -> list[tuple[Slot, Given]]:
        """Read all arrays and hold their shapes against each other."""
        given: list[tuple[Slot, Given]] = []

        def take(slot: Slot, value: Given) -> None:
            extents.fit(slot, value.array.shape)
            given.append((slot, value))

        for slot, value in _named("params", slots.params, call.params):
            take(slot, read(slot.argument, value))
        take(slots.x, x)
        if call.with_y:
            y = read("y", call.y)
            take(self._one_output(slots.y, y), y)
        if call.dyhat is not None:
            dyhat = read("dyhat", call.dyhat)
            take(self._one_output(slots.dyhat, dyhat), dyhat)
        _fit_steps(extents, self._rows, call.steps)
        if call.dstates is not None:
            for slot, value in _named("dstates", slots.dstates, call.dstates):
                take(slot, read(slot.argument, value))
        if call.initial is not None:
            for slot, value in _named("initial", slots.initial, call.initial):
                take(slot, read(slot.argument, value))
        return given

    def _one_output(self, slot: Slot, value: Given) -> Slot:
        """Many-to-one has one output per example, whose axis of length 1 may be left out."""
        axes = len(slot.counts) + len(slot.sizes)
        if self.interface.architecture != "many-to-one" or value.array.ndim != axes - 1:
            return slot
        return replace(slot, counts=slot.counts[1:])


class _Slots:
    """The arrays that a call with, or without, a batch may have, and the axes that each must show."""

    def __init__(self, interface: Interface, batched: bool) -> None:
        rows = ROWS[interface.architecture]
        examples = ("B",) if batched else ()

        def sequence(key: str, argument: str, count: str, sizes: tuple[str, ...]) -> Slot:
            return Slot(key, argument, (count, *examples), (count, "B"), sizes)

        outputs = interface.yhat or ()
        self.params = {
            name: Slot(parameter_key(name), f"params[{name!r}]", (), (), sizes)
            for name, sizes in interface.parameters.items()
        }
        self.x = sequence("x", "x", rows.x, (interface.x,))
        self.y = sequence("y", "y", rows.y, outputs)
        self.dyhat = sequence("dyhat", "dyhat", rows.y, outputs)
        self.dstates = {
            state: sequence(f"dstates.{state}", f"dstates[{state!r}]", rows.states, (size,))
            for state, size in interface.states.items()
        }
        self.initial = {
            state: Slot(f"{state}0", f"initial[{state!r}]", examples, ("B",), (size,))
            for state, size in interface.states.items()
        }


def _has_batch(interface: Interface, x: Given) -> bool:
    match x.array.ndim:
        case 3:
            return True
        case 2:
            return False
        case _:
            rows = ROWS[interface.architecture].x
            expected = f"shape ({rows}, B, {interface.x}), or ({rows}, {interface.x}) without a batch"
            raise ArgumentError("x", expected, f"shape {x.array.shape}")


def _known_extents(interface: Interface) -> Extents:
    rows = ROWS[interface.architecture]
    counts = {"1": 1}
    match interface.T:
        case (T_x, T_y):
            counts |= {rows.x: T_x, rows.y: T_y, rows.states: T_x + T_y}
        case int(T):
            counts[rows.states] = T
        case None:
            pass
    return Extents(counts, dict(interface.sizes or {}), interface.tied)


def _named(
    group: str, slots: Mapping[str, Slot], values: Mapping[str, ArrayLike]
) -> Iterator[tuple[Slot, ArrayLike]]:
    """Pair the values of a mapping with their slots, in the order of the slots."""
    if not isinstance(values, Mapping):
        raise ArgumentTypeError(group, "a mapping from names to arrays", describe(values))
    for name in values:
        if name not in slots:
            known = ", ".join(slots) or "no name at all"
            raise ArgumentError(f"{group}[{name!r}]", known, "an unknown name")
    for name, slot in slots.items():
        if name in values:
            yield slot, values[name]
        elif group == "params":
            raise ArgumentError(slot.argument, f"an array of shape ({', '.join(slot.sizes)})", "nothing")


def _fit_steps(extents: Extents, rows: Rows, steps: SupportsIndex | None) -> None:
    if steps is not None:
        extents.fit_count("steps", rows.y, whole_number("steps", steps))
    if rows.states not in extents.counts and {rows.x, rows.y} <= extents.counts.keys():
        extents.fit_count("steps", rows.states, extents.counts[rows.x] + extents.counts[rows.y])


def _settle_steps(extents: Extents, rows: Rows, given: list[tuple[Slot, Given]]) -> int:
    """The length of the trajectory, once every array was seen; derives T_y where only the sum is known."""
    counts = extents.counts
    if rows.states not in counts:
        raise ArgumentError("steps", f"the number of steps {rows.y}, which no array here tells", "None")
    if rows.y not in counts:
        T_x, total = counts[rows.x], counts[rows.states]
        if total <= T_x:
            argument = next(slot.argument for slot, _ in given if slot.counts[:1] == (rows.states,))
            raise ArgumentError(argument, f"more than T_x = {T_x} steps", f"{total} steps")
        counts[rows.y] = total - T_x
    steps = counts[rows.states]
    if steps >= sys.maxsize:
        raise ArgumentError("steps", f"fewer than {sys.maxsize} steps in all", str(steps))
    return steps


def _counts(interface: Interface, rows: Rows, extents: Extents) -> Counts:
    counts = extents.counts
    outputs = 0 if interface.yhat is None and rows.y in ("1", rows.x) else counts[rows.y]
    return Counts(counts[rows.x], outputs, counts.get("B", 1))


def _settle_sizes(interface: Interface, extents: Extents) -> Mapping[str, int]:
    extents.complete()
    for state, size in interface.states.items():
        if size not in extents.sizes:
            expected = f"an array, since nothing else tells {size} (or sizes for numpy_twin)"
            raise ArgumentError(f"initial[{state!r}]", expected, "nothing")
    for size in interface.yhat or ():
        if size not in extents.sizes:
            expected = f"{size}, which no array of this call tells (build and numpy_twin can be told)"
            raise ArgumentError("sizes", expected, "nothing")
    return extents.sizes


def _last_steps(
    interface: Interface, counts: Counts, lengths: Lengths | None, batched: bool
) -> dict[str, Array | None]:
    last: dict[str, Array | None] = {"last_x": None, "last_y": None}
    match interface.architecture:
        case "encoder-decoder":
            if lengths is None:
                return last
            if not isinstance(lengths, tuple | list) or len(lengths) != 2:
                raise ArgumentTypeError("lengths", "a pair (lengths of x, lengths of y)", describe(lengths))
            limits = {"last_x": ("lengths[0]", counts.T_x), "last_y": ("lengths[1]", counts.T_y)}
            for (key, (argument, limit)), value in zip(limits.items(), lengths, strict=True):
                if value is not None:
                    last[key] = read_lengths(argument, value, limit, counts.B, batched)
        case "one-to-many":
            if lengths is not None:
                last["last_y"] = read_lengths("lengths", lengths, counts.T_y, counts.B, batched)
        case _:
            if lengths is not None:
                last["last_x"] = read_lengths("lengths", lengths, counts.T_x, counts.B, batched)
    return last
