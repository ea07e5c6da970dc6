"""What once went wrong, and what could."""

from __future__ import annotations

from functools import cache

import pytest

from tests.programs import backends, runs
from tests.programs.cases import Case
from tests.programs.pinned import PINNED

pytestmark = pytest.mark.xdist_group("pinned")


@cache
def _failures() -> dict[str, list[str]]:
    """All are compiled together."""
    report = runs.Report()
    cases = {name: Case(program) for name, program in PINNED.items()}
    with backends.budget(400):
        runs.hold(list(cases.values()), report, "-O0")
    assert report.asked == len(cases)
    return {
        name: [f"{backend}: {what}" for one, backend, what in report.failures if one is case]
        for name, case in cases.items()
    }


@pytest.mark.parametrize("name", PINNED)
def test_pinned(name: str) -> None:
    assert not Case(PINNED[name]).trouble
    assert not _failures()[name], PINNED[name]
