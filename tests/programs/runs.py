"""Programs drawn by hypothesis, many at a time, and held to the oracle."""

from __future__ import annotations

import contextlib
import io
import re
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import FlakyFailure

from chalkgrad.codegen import Network
from tests.programs import backends
from tests.programs.cases import Case
from tests.programs.grammar import program
from tests.programs.program import Drawn, Program

FULL = "c, full lengths"
COST = ("program", "twin", "vector", "loops", "straight", "c", FULL)
"""All that may fail, cheapest first."""
TRIVIAL = 16  # characters of an equation that may come again


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Any program."""
    return program(Drawn(draw))


@dataclass
class Report:
    """What came of a batch.

    failures: case, backend, what differs. again: case, why nothing was asked of it.
    """

    asked: int = 0
    failures: list[tuple[Case, str, str]] = field(default_factory=list)
    again: list[tuple[Case, str]] = field(default_factory=list)


def draw(count: int, number: int) -> list[Program]:
    """At most so many programs, the same for the same number; no equation worth it stands in two of them.

    Hypothesis likes to draw much of an example once more.
    """
    found: list[Program] = []
    seen: set[str] = set()

    def collect(drawn: Program) -> bool:
        own = {line for line in drawn.equations if len(line) > TRIVIAL}
        if own and not own & seen:
            found.append(drawn)
        seen.update(own)
        return len(found) < count

    _each(collect, count, number)
    return found


def shrunk(target: Program, backend: str, count: int, number: int, seconds: float) -> Program:
    """The simplest program found in that time on which the same backend fails in the same way.

    `target` is one of draw(count, number). Hypothesis draws the same programs again until it meets the
    target, and shrinks that.
    """
    due = _kind(fails(Case(target), backend))
    best: list[Program] = []
    end = time.monotonic() + seconds

    def passes(drawn: Program) -> bool:
        if not best and drawn != target:
            return True
        if not due or time.monotonic() > end:
            return bool(best) and drawn != best[-1]
        case = Case(drawn)
        try:
            same = not case.trouble and _kind(fails(case, backend)) == due
        except Exception:  # the oracle has no answer
            return True
        if same:
            best.append(drawn)
        return not same

    _each(passes, count, number, (Phase.generate, Phase.shrink))
    return best[-1] if best else target


def _each(
    passes: Callable[[Program], bool], count: int, number: int, phases: Sequence[Phase] = (Phase.generate,)
) -> None:
    """Draw programs until one does not pass."""

    @seed(number)
    @settings(
        max_examples=10 * count,
        database=None,
        deadline=None,
        phases=phases,
        suppress_health_check=list(HealthCheck),
    )
    @given(programs())
    def run(drawn: Program) -> None:
        assert passes(drawn)

    with contextlib.suppress(AssertionError, FlakyFailure), contextlib.redirect_stdout(io.StringIO()):
        run()


def _kind(failure: str) -> str:
    """What a failure is called: the exception and its place, or that numbers differ."""
    return (
        re.sub(r".*?(\w+): .*(\(.*\))$", r"\1 \2", failure)
        if failure.endswith(")")
        else failure and "numbers"
    )


def usable(drawn: Iterable[Program], count: int, report: Report) -> list[Case]:
    """The first `count` of which something can be asked; the others are noted as drawn again."""
    kept: list[Case] = []
    for one in drawn:
        case = Case(one)
        if reason := case.trouble:
            report.again.append((case, reason))
        else:
            kept.append(case)
        if len(kept) == count:
            break
    return kept


def hold(cases: Sequence[Case], report: Report, level: str = "-O1", apart: bool = False) -> None:
    """Every backend of every program, C of all at once."""
    report.asked += len(cases)
    cases = [case for case in cases if _has_programs(case, report)]
    for case, net in zip(cases, _compiled(cases, report, level, apart), strict=True):
        _judge(case, "twin", partial(backends.twin, case), report)
        for name, interpreted in backends.interpreted(case).items():
            _judge(case, name, partial(_itself, interpreted), report)
        if net is not None:
            _judge(case, "c", partial(_itself, net), report)
            if case.setting.fixed and case.data.lengths is None:
                _judge(case, FULL, partial(_itself, net), report)


def fails(case: Case, backend: str) -> str:
    """What differs, alone: "" if nothing does."""
    report = Report()
    match backend:
        case "program":
            _has_programs(case, report)
        case "twin":
            _judge(case, backend, partial(backends.twin, case), report)
        case "c" | "c, full lengths":
            _judge(case, backend, lambda: backends.compiled([case], "-O0")[0], report)
        case _:
            _judge(case, backend, lambda: backends.interpreted(case)[backend], report)
    return report.failures[0][2] if report.failures else ""


def _has_programs(case: Case, report: Report) -> bool:
    try:
        backends.levels_of(case)
    except Exception:
        report.failures.append((case, "program", _last(traceback.format_exc())))
        return False
    return True


def _itself(net: Network) -> Network:
    return net


def _compiled(cases: Sequence[Case], report: Report, level: str, apart: bool) -> Iterator[Network | None]:
    """The networks; if their C is refused as a whole, one by one."""
    try:
        yield from backends.compiled(cases, level, apart)
        return
    except Exception:
        if len(cases) == 1:
            report.failures.append((cases[0], "c", _last(traceback.format_exc())))
            yield None
            return
    for case in cases:
        yield from _compiled([case], report, level, apart)


def _judge(case: Case, backend: str, make: Callable[[], Network], report: Report) -> None:
    try:
        net = make()
        with backends.poisoned():
            found = case.results(net, full=backend == FULL)
        wrong = case.wrong(found) | case.missing(net.interface)
    except Exception:
        report.failures.append((case, backend, _last(traceback.format_exc())))
        return
    if wrong:
        report.failures.append((case, backend, ", ".join(f"{n} by {d:.1e}" for n, d in wrong.items())))


def _last(text: str) -> str:
    """Where an exception comes from, and what it says."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    places = [line for line in lines if line.startswith("File ")]
    return f"{lines[-1][:300]} ({places[-1].split('/')[-1]})"
