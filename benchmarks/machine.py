"""What the numbers depend on: the machine, the versions, and how many threads everybody may use."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.peers import Peer, version_of
from chalkgrad.codegen.building import toolchain


def thread_environment(threads: int) -> dict[str, str]:
    """Variables that fix the thread counts of a process before it starts.

    JAX has no such number: with one thread its vectorised products are told not to split, and the worker
    is bound to one processor besides.
    """
    names = ("OMP", "OPENBLAS", "MKL", "NUMBA", "VECLIB_MAXIMUM", "NUMEXPR")
    variables = {f"{name}_NUM_THREADS": str(threads) for name in names}
    if threads == 1:
        variables["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return variables


def bind(threads: int) -> str:
    """Bind this process to as many processors as it may use threads; what was done, in words."""
    if not hasattr(os, "sched_setaffinity"):
        return "not bound to processors (this system has no sched_setaffinity)"
    free = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, free[-threads:])
    return f"bound to {min(threads, len(free))} of {len(free)} processors"


def describe(peers: Sequence[Peer]) -> dict[str, object]:
    """Ready for JSON."""
    compiler = toolchain.find_compiler()
    return {
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "processor": _processor(),
        "processors": os.cpu_count(),
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "compiler": compiler.identity().splitlines()[0],
        "flags": " ".join(toolchain.flags_for("native")),
        "versions": {peer.package: version_of(peer) for peer in peers},
    }


def _processor() -> str:
    """The model name, with family and model number where a virtual machine hides the name."""
    wanted = {"model name": "", "cpu family": "", "model": ""}
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() in wanted and not wanted[key.strip()]:
                wanted[key.strip()] = value.strip()
    except OSError:
        return platform.processor() or platform.machine()
    name = wanted["model name"] or platform.machine()
    return f"{name} (family {wanted['cpu family']}, model {wanted['model']})"
