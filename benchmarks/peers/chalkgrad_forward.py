"""This project's `forward`, for the comparison with runtimes that only infer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.case import Case, load
from benchmarks.peers import Array, Peer, Run
from chalkgrad import codegen


@dataclass(frozen=True)
class ChalkgradForward:
    name: str = "chalkgrad_forward"
    package: str = "chalkgrad"
    title: str = "ours, forward"

    def prepare(self, case: Case) -> Run | None:
        rnn = codegen.build(load(case.model), case.size.sizes, case.dtype, threads=case.threads)

        def run() -> tuple[float, Mapping[str, Array]]:
            yhat, _ = rnn.forward(case.params, case.x)
            assert yhat is not None
            return 0.0, {"yhat": yhat}

        return run


PEERS: tuple[Peer, ...] = (ChalkgradForward(),)
