"""Random programs: C, the NumPy twin and the interpreter agree with the oracle on what nobody wrote."""

from __future__ import annotations

from functools import cache

import pytest

from tests.programs import backends, runs

NUMBER = 20260714
COUNT, TOGETHER = 100, 20
OPERATIONS = 400  # of straight-line code: what is longer runs in loops


@cache
def _drawn() -> tuple[list[runs.Case], runs.Report]:
    report = runs.Report()
    return runs.usable(runs.draw(COUNT + COUNT // 5, NUMBER), COUNT, report), report


@pytest.mark.parametrize(
    "batch",
    [pytest.param(n, marks=pytest.mark.xdist_group(f"programs-{n}")) for n in range(COUNT // TOGETHER)],
)
def test_random_programs(batch: int) -> None:
    cases = _drawn()[0][batch * TOGETHER : (batch + 1) * TOGETHER]
    assert len(cases) == TOGETHER
    report = runs.Report()
    with backends.budget(OPERATIONS):
        runs.hold(cases, report)
    assert report.asked == TOGETHER
    assert not report.failures, "\n".join(
        f"{case}\n{backend}: {what}" for case, backend, what in report.failures
    )


def test_few_programs_are_drawn_again() -> None:
    cases, report = _drawn()
    assert len(report.again) <= 0.1 * (len(cases) + len(report.again)), [why for _, why in report.again]
