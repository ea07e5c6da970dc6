"""Random programs: C, the NumPy twin and the interpreter agree with the oracle on what nobody wrote."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalkgrad import derive
from chalkgrad.derive.terms.algebra import elementwise
from tests.chosen import some
from tests.programs import backends, runs
from tests.programs.cases import Case
from tests.programs.pinned import PINNED
from tests.promises import Promise

NUMBER = 20260714
COUNT, FEW, TOGETHER = 500, 100, 25
LEVELS = ("-O0", "-O1", "-O2", "-O3")
OPERATIONS = 200  # of straight-line code: what is longer runs in loops


@pytest.mark.parametrize("batch", some(range(COUNT // TOGETHER), lambda n: n < FEW // TOGETHER))
def test_random_programs(batch: int, promise: Promise) -> None:
    report = runs.Report()
    cases = runs.usable(runs.draw(TOGETHER + TOGETHER // 5, NUMBER + batch), TOGETHER, report)
    assert len(cases) == TOGETHER
    assert len(report.again) <= 0.1 * (len(cases) + len(report.again)), [why for _, why in report.again]
    with backends.budget(OPERATIONS):
        runs.hold(cases, report, "-O1" if batch < FEW // TOGETHER else LEVELS[batch % len(LEVELS)])
    assert report.asked == TOGETHER
    wrong = [f"{case}\n{backend}: {what}" for case, backend, what in report.failures]
    promise.none("random programs that are not as the oracle has them", wrong, report.asked)


def test_a_wrong_sign_is_found() -> None:
    """By everything that computes a gradient."""
    case = Case(PINNED["one minus sigmoid"])
    case.derivation = _turned(case.derivation)
    report = runs.Report()
    with backends.budget(OPERATIONS):
        runs.hold([case], report, "-O0")
    assert [backend for _, backend, _ in report.failures] == ["twin", "vector", "loops", "c"]
    assert all("W by" in what and "forward" not in what for _, _, what in report.failures)


def _turned(derivation: derive.Derivation) -> derive.Derivation:
    """The derivation with the sign of one equation of the adjoint turned round."""
    (phase,) = derivation.phases
    adjoint = tuple(
        replace(e, terms=tuple(replace(t, expr=elementwise(lambda v: -v, (t.expr,))) for t in e.terms))
        if e.target.name == "z_a"
        else e
        for e in phase.adjoint
    )
    return replace(derivation, phases=(replace(phase, adjoint=adjoint),))


def test_shrinking_keeps_what_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """To a program with a cosine and little else, where cosines fail."""
    monkeypatch.setattr(runs, "fails", lambda case, backend: "cos" * ("cos(" in case.program.text))
    target = next(p for p in runs.draw(40, NUMBER) if "cos(" in p.text and len(p.equations) > 2)
    small = runs.shrunk(target, "vector", 40, NUMBER, seconds=2)
    assert "cos(" in small.text and len("".join(small.equations)) < len("".join(target.equations)) / 2
