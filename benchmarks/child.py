"""A fresh process for what a process can tell only once: `python -m benchmarks.child MODEL SIZE DTYPE T`.

SIZE is T,B,n_x,n_a,n_y; the last argument is the fixed number of steps, 0 for none. Prints one line of JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def ask(model: str, numbers: tuple[int, ...], dtype: Any, steps: int = 0, cache: str | None = None) -> Any:
    """What a fresh process says; with the given cache folder, or this process's."""
    environment = dict(os.environ) | ({"CHALKGRAD_CACHE": cache} if cache else {})
    arguments = [model, ",".join(map(str, numbers)), dtype, str(steps)]
    command = [sys.executable, "-m", "benchmarks.child", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def _memory(field: str) -> int | None:
    """Bytes of this process: VmRSS, what is resident; VmHWM, the most that was. None where unknown.

    getrusage would not do: what it gives outlives exec, and so is that of the parent.
    """
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    return None


def _forget_peak() -> None:
    """Let VmHWM start anew: proc(5), clear_refs."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _answer(model: str, numbers: tuple[int, ...], dtype: Any, steps: int) -> dict[str, object]:
    start = time.perf_counter()
    from benchmarks.case import Size, load, make_case
    from benchmarks.inside import workspace_bytes
    from chalkgrad import codegen

    imported = time.perf_counter()
    size = Size(*numbers)
    rnn = codegen.build(load(model), size.sizes, dtype, steps or None)
    built = time.perf_counter()
    case = make_case(model, size, dtype)
    _forget_peak()
    before = _memory("VmRSS")
    plan = rnn.plan(case.params, case.x, case.y)
    _, grads = plan()
    after = _memory("VmHWM")
    return {
        "import": imported - start,
        "build": built - imported,
        "workspace": workspace_bytes(rnn, size.T, size.B),
        "rise": None if before is None or after is None else after - before,
        "gradients": sum(array.nbytes for array in grads.values()),
    }


if __name__ == "__main__":
    _model, _numbers, _dtype, _steps = sys.argv[1:]
    print(json.dumps(_answer(_model, tuple(map(int, _numbers.split(","))), _dtype, int(_steps))))
