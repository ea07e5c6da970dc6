"""What the project promises, and what was measured of it: the table at the end of `make verify`.

A test that measures says so through the fixture `promise`, which also holds it to the bound:

    promise.within("float64 agrees with the oracle", 1e-13, distance)
    promise.none("right claims that are judged wrong", wrong, len(claims))

Of all measurements of one promise, in whatever process, the worst is shown; what is counted is added up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

_KEY = "promise"


@dataclass(frozen=True)
class Promise:
    """Told by one test. notes: what pytest takes to the process that prints."""

    notes: list[tuple[str, object]]

    def within(self, name: str, bound: float, measured: float | Mapping[str, float]) -> None:
        """The number, or each of the numbers, is at most the bound. NaN is not."""
        found = measured if isinstance(measured, Mapping) else {name: measured}
        worst = max((float(value) for value in found.values()), key=_badness, default=0.0)
        self.notes.append((_KEY, [name, float(bound), worst, len(found)]))
        beyond = {what: value for what, value in found.items() if not value <= bound}
        assert beyond == {}, f"{name}: expected at most {bound:g}"

    def none(self, name: str, wrong: Collection[Any], of: int) -> None:
        """Of so many there is none that is wrong."""
        self.notes.append((_KEY, [name, 0, len(wrong), of]))
        assert not wrong, f"{name}: {len(wrong)} of {of}:\n" + "\n".join(map(str, list(wrong)[:20]))


@pytest.fixture
def promise(request: pytest.FixtureRequest) -> Promise:
    return Promise(request.node.user_properties)


def _badness(value: float) -> float:
    return value if value == value else float("inf")


# ----------------------------------------------------------------------------- the table


@dataclass
class Row:
    """bound: an int where things are counted, a float where they are measured."""

    bound: float
    measured: float = 0
    of: int = 0

    def add(self, measured: float, of: int) -> None:
        counted = isinstance(self.bound, int)
        self.measured = self.measured + measured if counted else max(self.measured, measured, key=_badness)
        self.of += of

    def cells(self) -> tuple[str, str, str, str]:
        counted = isinstance(self.bound, int)
        bound, measured = (f"{v:,}" if counted else f"{v:.3g}" for v in (self.bound, self.measured))
        kept = "" if self.measured <= self.bound else "BROKEN"
        return bound if counted else f"<= {bound}", measured, f"{self.of:,}", kept


@dataclass(eq=False)  # pytest keeps plugins in sets
class Table:
    """Gathers what the tests were told, from every process; prints it at the end."""

    rows: dict[str, Row] = field(default_factory=dict)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The last report of a test has all that it was told."""
        told = [value for key, value in report.user_properties if key == _KEY]
        for name, bound, measured, of in told if report.when == "teardown" else ():
            self.rows.setdefault(name, Row(bound)).add(measured, of)

    def lines(self) -> Iterator[str]:
        table = [("promise", "bound", "measured", "of", "")]
        table += [(name, *row.cells()) for name, row in sorted(self.rows.items())]
        wide, *widths = (max(map(len, column)) for column in zip(*table, strict=True))
        for name, *cells in table:
            numbers = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
            yield "  ".join((name.ljust(wide), *numbers)).rstrip()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.rows:
            terminalreporter.section("promises")
            terminalreporter.write_line("\n".join(self.lines()))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--promises", action="store_true", help="end with what was promised and what was found")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--promises") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Table(), "promises")
