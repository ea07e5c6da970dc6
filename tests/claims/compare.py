"""The checker beside the evaluator: the same verdicts and conditions, on random edits of right equations."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import chalkgrad
from chalkgrad.derive.cells.model import Model
from tests.claims.edit import edited
from tests.claims.models import Setting
from tests.claims.quantities import Doubtful
from tests.claims.right import claims
from tests.claims.verdict import Verdict, judge

TWICE = 0.25  # of the claims have two edits


@dataclass(frozen=True)
class Compared:
    """due: the evaluator's verdict, None where it has doubts."""

    setting: Setting
    text: str
    due: Verdict | None
    found: Verdict

    @property
    def agrees(self) -> bool:
        return self.due is None or self.due == self.found


@cache
def model(setting: Setting) -> Model:
    return chalkgrad.load(setting.file, **setting.choices)  # type: ignore[arg-type]


def compared(setting: Setting, claim: object) -> Compared:
    report = chalkgrad.check(model(setting), str(claim))
    found = Verdict(report.verdict, frozenset(report.conditions))
    try:
        due = judge(setting).verdict(claim)  # type: ignore[arg-type]
    except Doubtful:
        due = None
    return Compared(setting, str(claim), due, found)


def random_edits(count: int, seed: int) -> Iterator[Compared]:
    """So many edits, each compared."""
    rng, known = random.Random(seed), claims()
    for _ in range(count):
        setting, claim = rng.choice(known)
        network = judge(setting).network
        claim = edited(claim, rng, network)
        if rng.random() < TWICE:
            claim = edited(claim, rng, network)
        yield compared(setting, claim)
