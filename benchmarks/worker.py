"""One process for one thread count: `python -m benchmarks.worker REQUEST RESULT`, both JSON files."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.case import Size
from benchmarks.measure import Measured, measure_all
from benchmarks.peers import FILES, FORWARD_FILES, OURS, find
from benchmarks.sections import SECTIONS
from benchmarks.timing import Timing
from chalkgrad import progress
from chalkgrad.codegen.choices import DtypeName


@dataclass(frozen=True)
class Request:
    """What a worker measures. peers: names, None for all; ours always take part."""

    models: tuple[str, ...]
    sizes: tuple[tuple[int, int, int, int, int], ...]
    dtypes: tuple[DtypeName, ...]
    threads: int
    peers: tuple[str, ...] | None
    rounds: int
    forward: bool
    sections: tuple[str, ...]


def read_request(data: Mapping[str, Any]) -> Request:
    """From JSON, which has lists where a request has tuples."""
    return Request(**{name: _tuples(value) for name, value in data.items()})


def read_measured(data: Mapping[str, Any]) -> Measured:
    """From what a worker wrote."""
    timings = {name: Timing(**timing) for name, timing in data["timings"].items()}
    return Measured(**{**data, "size": _tuples(data["size"]), "timings": timings})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list | tuple) else value


def work(request: Request) -> dict[str, Any]:
    """Everything that was asked for, ready for JSON."""
    bound = machine.bind(request.threads)
    print(f"-- {request.threads} thread(s), {bound}, load {os.getloadavg()[0]:.2f}", flush=True)
    wanted = None if request.peers is None else (*OURS, "chalkgrad_forward", *request.peers)
    peers, skipped = find(FILES, wanted)
    forward, skipped_forward = find(FORWARD_FILES, wanted) if request.forward else ([], [])
    print(*skipped, *skipped_forward, sep="\n", end="\n" if skipped or skipped_forward else "", flush=True)

    cases = [
        (model, Size(*size), dtype, request.threads)
        for dtype in request.dtypes
        for size in request.sizes
        for model in request.models
    ]
    single = [case for case in cases if case[2] == "float32"]  # all that ONNX Runtime's operators compute in
    results: dict[str, Any] = {
        "machine": machine.describe([*peers, *forward]),
        "bound": bound,
        "titles": {peer.name: peer.title for peer in (*peers, *forward)},
        "skipped": [*skipped, *skipped_forward],
        "cases": _plain(measure_all(cases, peers, request.rounds)),
        "forward": _plain(measure_all(single, forward, request.rounds)) if len(forward) > 1 else [],
        "sections": {},
    }
    for name in request.sections:
        print(f"{name} …", flush=True)
        with progress.told(f"bench: {name}"):
            rows = SECTIONS[name](request.models, request.dtypes[0], request.threads, request.rounds)
        results["sections"][name] = rows
    return results


def _plain(measured: Sequence[Measured]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(case) for case in measured]


if __name__ == "__main__":
    _asked, _answer = map(Path, sys.argv[1:])
    _request = read_request(json.loads(_asked.read_text(encoding="utf-8")))
    _answer.write_text(json.dumps(work(_request)), encoding="utf-8")
