"""The fused multiply-add peak of this machine, measured on the spot.

A loop of C over vectors as wide as the processor has, with more accumulators than the latency of a fused
multiply-add times the number of its units, compiled as the generated C is.
"""

from __future__ import annotations

import threading
import time
from functools import cache
from typing import Any

from chalkgrad.codegen.building.build import compile_sources
from chalkgrad.codegen.c.source import Source

_ACCUMULATORS = 14
_SECONDS = 0.01  # of one probe
_CODE = """
#include "fma_peak.h"
#if defined __AVX512F__
enum {{ bytes = 64 }};
#elif defined __AVX__
enum {{ bytes = 32 }};
#else
enum {{ bytes = 16 }};
#endif
{loops}
"""
_LOOP = """
typedef {real} {real}_vector __attribute__((vector_size(bytes)));
{real} fma_peak_{real}(long turns, {real} factor, long *flops)
{{
    const {real}_vector c = factor - ({real}_vector){{0}}, d = 1 - c;
    {real}_vector {zeros};
    for (long turn = 0; turn < turns; ++turn) {{
        {steps}
    }}
    const {real}_vector sum = {sum};
    {real} total = 0;
    for (unsigned i = 0; i < sizeof sum / sizeof total; ++i) total += sum[i];
    *flops = turns * {count} * 2 * (long)(sizeof sum / sizeof total);
    return total;
}}
"""
_DECLARATIONS = "".join(
    f"{real} fma_peak_{real}(long turns, {real} factor, long *flops);\n" for real in ("float", "double")
)


@cache
def _module() -> Any:
    names = [f"a{i}" for i in range(_ACCUMULATORS)]
    loops = "".join(
        _LOOP.format(
            real=real,
            count=_ACCUMULATORS,
            zeros=", ".join(f"{name} = {{{i}}}" for i, name in enumerate(names)),
            steps=" ".join(f"{name} = {name} * c + d;" for name in names),
            sum=" + ".join(names),
        )
        for real in ("float", "double")
    )
    return compile_sources([Source("fma_peak", _DECLARATIONS, _CODE.format(loops=loops), _DECLARATIONS)])


def fma_peak(dtype: str, threads: int, probes: int = 7) -> float:
    """Flops a second of all threads together, the best of a few probes; a call releases Python's lock."""
    module = _module()
    function = module.lib.fma_peak_float if dtype == "float32" else module.lib.fma_peak_double
    turns = 1000
    while _run(module.ffi, function, turns, 1)[1] < _SECONDS:
        turns *= 2
    spans = [_run(module.ffi, function, turns, threads) for _ in range(probes)]
    return max(flops / seconds for flops, seconds in spans)


def _run(ffi: Any, function: Any, turns: int, threads: int) -> tuple[int, float]:
    """Flops of all threads, and the seconds from the first start to the last end."""
    flops = [ffi.new("long *") for _ in range(threads)]
    spans: list[tuple[float, float]] = []
    gate = threading.Barrier(threads)

    def work(own: Any) -> None:
        gate.wait()
        start = time.perf_counter()
        function(turns, 0.999, own)
        spans.append((start, time.perf_counter()))

    workers = [threading.Thread(target=work, args=(own,)) for own in flops[1:]]
    for worker in workers:
        worker.start()
    work(flops[0])
    for worker in workers:
        worker.join()
    starts, ends = zip(*spans, strict=True)
    return sum(own[0] for own in flops), max(ends) - min(starts)
