"""A promise that is not kept fails its test, and the table shows the worst of all that was measured."""

from __future__ import annotations

import contextlib
import math

import pytest

from tests.promises import Promise, Table


def report(notes: list[tuple[str, object]], when: str = "teardown") -> pytest.TestReport:
    return pytest.TestReport("t", ("f", 1, "t"), {}, "passed", None, when, user_properties=notes)  # type: ignore[arg-type]


@pytest.mark.parametrize("measured", [2.0, math.nan, math.inf, {"one": 0.5, "other": math.nan}])
def test_what_is_beyond_its_bound_fails(measured: float | dict[str, float]) -> None:
    Promise([]).within("small", 1, 1.0)
    with pytest.raises(AssertionError, match="small: expected at most 1"):
        Promise([]).within("small", 1, measured)


def test_what_is_wrong_fails() -> None:
    Promise([]).none("wrong", [], 3)
    with pytest.raises(AssertionError, match="wrong: 1 of 3"):
        Promise([]).none("wrong", ["this"], 3)


def test_the_worst_is_shown_and_what_is_counted_is_added_up() -> None:
    table = Table()
    assert {table}  # pytest keeps plugins in sets
    for measured, wrong in ((0.25, []), (3.0, ["this", "that"]), (0.5, ["other"])):
        notes: list[tuple[str, object]] = [("of something else", 0)]
        for tell, value in ((Promise(notes).within, (1, measured)), (Promise(notes).none, (wrong, 10))):
            with contextlib.suppress(AssertionError):
                tell(tell.__name__, *value)  # type: ignore[arg-type]
        table.pytest_runtest_logreport(report(notes, "call"))
        table.pytest_runtest_logreport(report(notes))
    head, *rows = (line.split() for line in table.lines())
    assert head == ["promise", "bound", "measured", "of"]
    assert rows == [["none", "0", "3", "30", "BROKEN"], ["within", "<=", "1", "3", "3", "BROKEN"]]
