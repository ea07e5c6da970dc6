"""This project: `codegen.build`, then a plan that is called again and again."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.case import Case, load
from benchmarks.peers import Peer, Run
from chalkgrad import codegen

_FIXED_UP_TO = 2
"""With at most so many steps the network is also built with T fixed, which writes it out without loops."""


@dataclass(frozen=True)
class Chalkgrad:
    fixed: bool
    package: str = "chalkgrad"

    @property
    def name(self) -> str:
        return "chalkgrad_fixed" if self.fixed else "chalkgrad"

    @property
    def title(self) -> str:
        return "ours, T fixed" if self.fixed else "ours"

    def prepare(self, case: Case) -> Run | None:
        if self.fixed and case.size.T > _FIXED_UP_TO:
            return None
        steps = case.size.T if self.fixed else None
        rnn = codegen.build(load(case.model), case.size.sizes, case.dtype, steps, threads=case.threads)
        return rnn.plan(case.params, case.x, case.y)


PEERS: tuple[Peer, ...] = (Chalkgrad(False), Chalkgrad(True))
