"""The backend that calls compiled C: one struct of pointers and counts for each call.

For a source named p the C side declares `p_args`, the functions `p_loss_and_grad`, `p_forward` and
`p_vjp`, each of which takes a `const p_args *`, and for each the bytes of workspace it needs as a
function of T_x, T_y and B, `p_loss_and_grad_work` and so on. A workspace is aligned to 64 bytes.
"""

from __future__ import annotations

import functools
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from chalkgrad.codegen.building import fork
from chalkgrad.codegen.program.interface import Array, Arrays, Counts, Repeat

_ALIGNMENT = 64
_KEPT = 1 << 20  # bytes of workspace that may be kept for the next call
_COPIED = 1 << 11  # bytes up to which a copy is faster than the address
_SLOTS = 8  # so many calls of one kind may find their places ready, at the same time


class CBackend:
    """Implements `codegen.program.interface.Backend` over an extension made by `codegen.build`.

    `fields` maps canonical array names ("W_aa", "d.W_aa", "states.a", …) to the members of `p_args`. The
    counts have the members T_x, T_y and B, the workspace is `work`; the C side must need no more of it
    for a call than what it needs for one step of one example, times T_x + T_y, times 2 B.
    """

    def __init__(
        self, module: ModuleType, prefix: str, fields: Mapping[str, str], threads: int | None = None
    ) -> None:
        """threads: at most so many for one call, None for as many as there are processors to use."""
        self._ffi: Any = module.ffi
        self._lib: Any = module.lib
        self._prefix = prefix
        self._threads = threads or 0
        struct = self._ffi.typeof(f"{prefix}_args")
        members = {name: member.type for name, member in struct.fields}
        self._pointer = self._ffi.typeof(f"{prefix}_args *")
        self._members = {
            name: _Member(member, self._ffi.typeof(f"{members[member].item.cname}[]"), _is_result(name))
            for name, member in fields.items()
        }

    def run(self, function: str, counts: Counts, arrays: Arrays) -> None:
        """Fill the results among the arrays. Raises MemoryError if there is no room for the workspace."""
        self.prepare(function, counts, arrays)()

    def prepare(self, function: str, counts: Counts, arrays: Arrays) -> PreparedCall:
        """The call with its struct filled and its workspace allocated, for one thread at a time."""
        new, from_buffer = self._ffi.new, self._ffi.from_buffer
        args = new(self._pointer)
        args.T_x, args.T_y, args.B = counts.T_x, counts.T_y, counts.B
        args.threads = 1 if fork.in_child() else self._threads
        work = self._workspace(function, counts)
        owners = [work]
        for name, array in arrays.items():
            if array is not None:
                member = self._members[name]
                data = from_buffer(member.array, array, member.writable)
                setattr(args, member.name, data)
                owners.append(data)
        args.work = work
        call = PreparedCall(getattr(self._lib, f"{self._prefix}_{function}"), args)
        call.owners = tuple(owners)
        fork.remember(call)
        return call

    def repeat(self, function: str, counts: Counts, fixed: Arrays, inputs: Arrays, results: Arrays) -> Repeat:
        """Calls with other arrays in the places of `inputs` and `results`, from any thread."""
        return _Repeat(lambda: _Slot(self, function, counts, fixed, inputs, results))

    def _workspace(self, function: str, counts: Counts) -> Any:
        needed = getattr(self._lib, f"{self._prefix}_{function}_work")
        room = f"a workspace for T_x = {counts.T_x}, T_y = {counts.T_y}, B = {counts.B}"
        steps = max(counts.T_x + counts.T_y, 1)
        if int(needed(1, 1, 1)) * steps * 2 * counts.B > sys.maxsize or steps > sys.maxsize:
            raise MemoryError(f"{room} does not fit into the address space")
        try:
            memory = np.empty(int(needed(counts.T_x, counts.T_y, counts.B)) + _ALIGNMENT, np.uint8)
        except (ValueError, MemoryError) as error:
            raise MemoryError(f"no memory for {room}") from error
        address = int(self._ffi.cast("uintptr_t", self._ffi.from_buffer(memory)))
        return self._ffi.from_buffer(memory[-address % _ALIGNMENT :])


class PreparedCall(functools.partial[None]):
    """A C function with its argument, `struct`: a call goes straight to it. `owners` keeps arrays alive."""

    owners: tuple[Any, ...] = ()

    @property
    def struct(self) -> Any:
        return self.args[0]

    def after_fork(self) -> None:
        """One thread from now on: those that OpenMP remembers are not there."""
        self.struct.threads = 1


class _Repeat:
    """Implements `codegen.program.interface.Repeat`: as many slots as there are calls at the same time."""

    def __init__(self, slot: Callable[[], _Slot]) -> None:
        self._slot = slot
        self._free: deque[_Slot] = deque(maxlen=_SLOTS)

    def __call__(self, inputs: Sequence[Array]) -> tuple[float, list[Array]] | None:
        try:
            slot = self._free.pop()
        except IndexError:
            slot = self._slot()
        answer = slot(inputs)
        if slot.small:
            self._free.append(slot)
        return answer


class _Slot:
    """A prepared call with a place of its own for every small array, which is copied in or out.

    A copy costs less than to ask for the address of an array; a larger array is used where it lies.
    """

    def __init__(
        self, backend: CBackend, function: str, counts: Counts, fixed: Arrays, inputs: Arrays, results: Arrays
    ) -> None:
        given = {name: array for name, array in {**inputs, **results}.items() if array is not None}
        own = {name: np.empty(a.shape, a.dtype) for name, a in given.items() if a.nbytes <= _COPIED}
        self._loss = np.zeros(1)
        self._run = backend.prepare(function, counts, {**fixed, **own, "loss": self._loss})
        self.small = len(self._run.owners[0]) <= _KEPT
        self._from_buffer = backend._ffi.from_buffer
        self._copied = [(place, own[name]) for place, name in enumerate(inputs) if name in own]
        self._used = [(place, backend._members[name]) for place, name in enumerate(inputs) if name not in own]
        self._rooms = [own[name] for name in results if name in own]
        self._made = [
            (place, backend._members[name], given[name].shape, given[name].dtype)
            for place, name in enumerate(results)
            if name not in own
        ]

    def __call__(self, inputs: Sequence[Array]) -> tuple[float, list[Array]] | None:
        for place, room in self._copied:
            room[...] = inputs[place]
        args = self._run.struct
        for place, member in self._used:
            array = inputs[place]
            if not array.flags.carray:
                return None
            setattr(args, member.name, self._from_buffer(member.array, array))
        made = []
        for place, member, shape, dtype in self._made:
            array = np.empty(shape, dtype)
            setattr(args, member.name, self._from_buffer(member.array, array))
            made.append((place, array))
        self._run()
        results = [*map(np.ndarray.copy, self._rooms)]
        for place, array in made:  # from the first to the last
            results.insert(place, array)
        return self._loss.item(), results


@dataclass(frozen=True)
class _Member:
    name: str
    array: Any  # the cffi type of the array it points into
    writable: bool


def _is_result(name: str) -> bool:
    return name in ("loss", "yhat") or name.startswith(("d.", "states."))
