"""`python -m benchmarks`: one process for each thread count, then the tables, the JSON file and the plot."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.case import MODELS, SIZES
from benchmarks.machine import thread_environment
from benchmarks.report import markdown
from benchmarks.sections import SECTIONS
from benchmarks.worker import Request
from chalkgrad.codegen.choices import DtypeName

_QUICK = tuple(SIZES[i] for i in (0, 2, 6))
_DTYPES: tuple[DtypeName, ...] = ("float32", "float64")
_PEERS = "numpy torch_fused torch_loop jax_scan numba casadi onnx_forward"
Numbers = tuple[int, int, int, int, int]


def _size(text: str) -> Numbers:
    try:
        T, B, n_x, n_a, n_y = (int(number) for number in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"a size is T,B,n_x,n_a,n_y, not {text!r}") from None
    return T, B, n_x, n_a, n_y


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--models", nargs="+", choices=MODELS, default=list(MODELS))
    add("--sizes", nargs="+", type=_size, metavar="T,B,n_x,n_a,n_y")
    add("--dtypes", nargs="+", choices=_DTYPES)
    add("--threads", nargs="+", type=int)
    add("--peers", nargs="*", help=f"names out of {_PEERS}")
    add("--quick", action="store_true", help="three sizes, float32, one thread, fewer rounds, no sections")
    add("--repetitions", type=int, help="rounds for each case (7)")
    add("--out", type=Path, default=Path(__file__).parent / "results")
    add("--sections", nargs="*", choices=tuple(SECTIONS), help="what is measured besides (all)")
    add("--no-forward", action="store_true", help="skip the comparison of forward")
    return parser.parse_args(arguments)


def _worker(request: Request) -> dict[str, Any]:
    """What a process with that many threads finds; the counts of its libraries are fixed at its start."""
    with tempfile.TemporaryDirectory() as folder:
        asked, answer = Path(folder, "request.json"), Path(folder, "answer.json")
        asked.write_text(json.dumps(dataclasses.asdict(request)), encoding="utf-8")
        environment = {**os.environ, **thread_environment(request.threads)}
        command = [sys.executable, "-m", "benchmarks.worker", str(asked), str(answer)]
        subprocess.run(command, env=environment, check=True)
        found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
        return found


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    quick = options.quick
    sizes = options.sizes or [dataclasses.astuple(size) for size in (_QUICK if quick else SIZES)]
    sections = options.sections if options.sections is not None else ([] if quick else list(SECTIONS))
    threads = options.threads or ([1] if quick else [1, 2])
    results: dict[str, Any] = {"workers": []}
    for index, count in enumerate(threads):
        request = Request(
            tuple(options.models),
            tuple(sizes),
            tuple(options.dtypes or (_DTYPES[:1] if quick else _DTYPES)),
            count,
            None if options.peers is None else tuple(options.peers),
            options.repetitions or (5 if quick else 7),
            not options.no_forward,
            tuple(sections) if index == 0 else (),
        )
        results["workers"].append({"threads": count, **_worker(request)})

    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "benchmark.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    text = markdown(results)
    (options.out / "benchmark.md").write_text(text, encoding="utf-8")
    print(text)
    try:
        from benchmarks.plot import draw
    except ImportError as error:
        print(f"no plot: {error}")
    else:
        draw(results, options.out / "benchmark.png")
    print(f"written to {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
