"""Slices of the batch as C: what a thread has of its own while it takes some examples through all steps.

A function cuts the batch into slices of `size` examples, whatever the number of threads, small enough for
their arrays to stay in a cache. In each round every thread of a team takes one slice; what is summed over
examples is then added up slice by slice. Inside a slice `B` counts its examples and `first` is its first one
in the batch. Its arrays lie together, `bytes` of them, and those of all slices of a round one after another,
so that a thread finds those of another `away` from its own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chalkgrad.codegen.c.library import SUMS
from chalkgrad.codegen.c.places import CNames, count, elements, optional
from chalkgrad.codegen.program.ir import Buffer, Layout, Program, Role


@dataclass(frozen=True)
class Here:
    """What stands for the number of a slice's examples and for their lengths, in C.

    share: of a sum over all slices: which thread of how many this is; empty elsewhere.
    """

    examples: str = "B"
    ends: str = "lengths"
    share: str = ""

    def lengths(self, axis: str) -> str:
        """A pointer to the lengths along one axis, "x" or "y"; NULL if all examples are of full length."""
        return f"{axis}{self.ends}"


@dataclass(frozen=True)
class Bindings:
    """Lines that give the buffers of a function their names, and the bytes they take.

    shared: parameters and what is made of them. own: what belongs to a slice. back: what brings results from
    a slice to the caller. shared_bytes, own_bytes: expressions in T_x, T_y and B, the latter also in `size`.
    row_bytes: of a slice, for one example at one step.
    """

    shared: str
    own: str
    back: str
    shared_bytes: str
    own_bytes: str
    row_bytes: int


def carry_of(buffer: Buffer, names: CNames) -> str:
    """The name of what rounding took from a sum over examples; NULL where that does no harm."""
    return names.pointer(buffer.name, "carry")


def bindings(program: Program, names: CNames, real: str, body: str, whole: bool = False) -> Bindings:
    """For the buffers, carries, lists and lengths that the body names.

    whole: there are sums that do not come last, and so a block of a sum may be no more than one row.
    """
    words = _words(body)
    used = [_Pointer(b, names, real) for b in program.buffers.values() if names[b.name] in words]
    slices = [p for p in used if p.of_slice]
    shared = [p for p in used if not p.of_slice]
    carries = [p for p in shared if p.carry in words]
    most = SUMS["blocks"] * (1 if whole else SUMS["block"])
    own, own_bytes = [], [p.bytes() for p in slices if p.has_room]
    for axis in "xy":
        name, given = Here().lengths(axis), f"p->last_{axis}"
        if name in words:
            own.append(f"const size_t *const {name} = {given} ? {given} + first : NULL;")
    if "list" in words:
        own_bytes.insert(0, "(T_x + T_y) * size * sizeof(size_t)")
        own.append(f"size_t *const list = take(&work, {own_bytes[0]});")
    return Bindings(
        _lines(
            [
                *_counts(("T_x", "T_y")),
                "unsigned char *work = p->work;",
                *(p.whole() for p in shared),
                *(p.whole_carry(most) for p in carries),
            ]
        ),
        _lines([*own, *(p.own() for p in slices)], 2),
        _lines([p.back() for p in slices if p.is_copied and p.role is Role.RESULT], 2),
        _padded([*(p.bytes() for p in shared if p.has_room), *(p.carry_bytes("B", most) for p in carries)]),
        _padded(own_bytes),
        sum(p.row_bytes for p in slices),
    )


def fields(program: Program, names: CNames, real: str, body: str) -> str:
    """Lines that give the buffers their names where all of them are the caller's."""
    words = _words(body)
    used = [_Pointer(b, names, real).whole() for b in program.buffers.values() if names[b.name] in words]
    return _lines([*_counts(c for c in ("T_x", "T_y", "B") if c in words), *used])


def elsewhere(
    buffers: Iterable[Buffer], names: CNames, aliases: Mapping[str, str], real: str, axes: Iterable[str]
) -> list[str]:
    """Lines at the head of a loop over the slices of a round: the k-th one's examples, lengths and arrays.

    aliases: buffer → what it is to be called. axes: those whose lengths matter.
    """
    return [
        "const size_t start = least(round + k * size, p->B), count = least(size, p->B - start);",
        "const ptrdiff_t ahead = (ptrdiff_t)start - (ptrdiff_t)first;",
        "const ptrdiff_t away = ((ptrdiff_t)k - (ptrdiff_t)me) * (ptrdiff_t)bytes;",
        *(f"const size_t *const {axis}ends = {axis}lengths ? {axis}lengths + ahead : NULL;" for axis in axes),
        *(_Pointer(buffer, names, real).elsewhere(aliases[buffer.name]) for buffer in buffers),
    ]


class _Pointer:
    """How one buffer gets its name."""

    def __init__(self, buffer: Buffer, names: CNames, real: str) -> None:
        self.role = buffer.role
        self.of_slice = buffer.layout in (Layout.TIME, Layout.BATCH)
        self.is_copied = self.role is not Role.WORK and buffer.layout is Layout.TIME
        self.has_room = self.role is Role.WORK or self.is_copied
        self._buffer = buffer
        self._name = names[buffer.name]
        self.carry = carry_of(buffer, names)
        self._kind = "double" if buffer.layout is Layout.TOTAL else real
        self._const = "" if self.role in (Role.WORK, Role.RESULT) else "const "
        self._field = f"p->{names.fields[buffer.public]}" if buffer.public else ""
        width = math.prod(int(extent) for extent in buffer.shape) if self.of_slice else 0
        self._times = f" * {width}" if width != 1 else ""
        self.row_bytes = width * (4 if real == "float" else 8) if buffer.layout is Layout.TIME else 0

    def bytes(self) -> str:
        """Of room in the workspace; a copy needs none if there is but one slice."""
        room = f"{elements(self._buffer, 'size')} * sizeof({self._kind})"
        return f"size < B ? {room} : 0" if self.is_copied else room

    def whole(self) -> str:
        return self._bind(self._field or self._room(), self._held())

    def carry_bytes(self, examples: str, most: int) -> str:
        """Of the carry of a sum: none for no more than so many rows."""
        return f"carried(T_x, T_y, {examples}, {most}, {elements(self._buffer)} * sizeof({self._kind}))"

    def whole_carry(self, most: int) -> str:
        room = f"take_any(&work, {self.carry_bytes('p->B', most)})"
        return f"{self._kind} *restrict const {self.carry} = {room};"

    def own(self) -> str:
        """Of a slice: room of its own, or the caller's array, or a copy of its rows."""
        if self.is_copied:
            function = "rows_of" if self.role is Role.INPUT else "room_for"
            return self._bind(f"{function}(&work, {self._field}, {self._extents()}, size)")
        if self.has_room:
            return self._bind(self._room(), self._held())
        place = f"{self._field} + first{self._times}"
        return self._bind(f"{self._field} ? {place} : NULL" if optional(self._buffer) else place)

    def back(self) -> str:
        return f"bring_back({self._name}, {self._field}, {self._extents()});"

    def elsewhere(self, alias: str) -> str:
        away = "away" if self.has_room else f"ahead * (ptrdiff_t)sizeof({self._kind}){self._times}"
        return f"{self._const}{self._kind} *const {alias} = moved({self._name}, {away});"

    def _bind(self, value: str, comment: str = "") -> str:
        return f"{self._const}{self._kind} *restrict const {self._name} = {value};{comment}"

    def _room(self) -> str:
        return f"take(&work, {self.bytes()})"

    def _held(self) -> str:
        held = self._buffer.held
        return f" /* {', '.join(held)}, then {self._buffer.name} */" if held else ""

    def _extents(self) -> str:
        return f"{count(self._buffer.slots)}, p->B, first, B, sizeof({self._kind}){self._times}"


def _counts(counts: Iterable[str]) -> list[str]:
    return [f"const size_t {c} = p->{c};" for c in counts]


def _lines(lines: Iterable[str], depth: int = 1) -> str:
    return "\n".join(f"{'    ' * depth}{line}" for line in lines)


def _words(body: str) -> frozenset[str]:
    """The words in C; what stands in comments is no use of them."""
    return frozenset(re.findall(r"\w+", re.sub(r"/\*.*?\*/", "", body)))


def _padded(sizes: Iterable[str]) -> str:
    return "\n        + ".join(f"padded({s})" for s in sizes) or "0"
