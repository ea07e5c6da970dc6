"""The one place that looks behind the public names of `codegen`: the workspace, and the C call itself."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.case import Size, load
from chalkgrad.codegen.building.build import compile_sources
from chalkgrad.codegen.c.source import Source
from chalkgrad.codegen.lowering.lower import lower
from chalkgrad.codegen.passes import pipeline
from chalkgrad.codegen.program.interface import Counts
from chalkgrad.codegen.program.ir import statements
from chalkgrad.codegen.program.walk import scalars
from chalkgrad.derive import bptt

Network = Any  # codegen.build's result; its backend is not part of its type

_REPEAT = "void chalkgrad_repeat(void (*call)(const void *), const void *argument, long times)"
_SOURCE = Source(
    "chalkgrad_repeat",
    f"{_REPEAT};\n",
    f'#include "chalkgrad_repeat.h"\n{_REPEAT}\n{{\n    while (times-- > 0) call(argument);\n}}\n',
    f"{_REPEAT};\n",
)


def straight_operations(model: str, size: Size) -> int | None:
    """The operations of loss_and_grad written out for one example; None where that is beyond the budget."""
    programs = [pipeline.run(lower(bptt(load(model)), "loss_and_grad"), pipeline.vector_passes())]
    counts = Counts(size.T, size.T, 1)
    written = pipeline.straighten(programs, size.sizes, counts).get("loss_and_grad")
    if written is None:
        return None
    return sum(bool(part.operands) for s in statements(written.body) for part in scalars(s))


def workspace_bytes(rnn: Network, T: int, B: int) -> int | None:
    """What one call of loss_and_grad needs besides its arrays; None if it cannot be asked."""
    try:
        backend = rnn._backend
        return int(getattr(backend._lib, f"{backend._prefix}_loss_and_grad_work")(T, T, B))
    except AttributeError:
        return None


def seconds_of_c(rnn: Network, plan: Any, times: int) -> float | None:
    """One call of the compiled function, called so often by a loop in C; None if it cannot be reached."""
    try:
        backend = rnn._backend
        function = backend._ffi.addressof(backend._lib, f"{backend._prefix}_loss_and_grad")
        arguments, ffi = plan._run.struct, backend._ffi
    except AttributeError:
        return None
    module = compile_sources([_SOURCE])
    address = module.ffi.cast("void (*)(const void *)", int(ffi.cast("uintptr_t", function)))
    struct = module.ffi.cast("void *", int(ffi.cast("uintptr_t", arguments)))
    start = time.perf_counter()
    module.lib.chalkgrad_repeat(address, struct, times)
    return (time.perf_counter() - start) / times
