"""Which of many combinations `make test` takes; the others wait for `make verify`: the marker `full`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

Param = Any
"""What `pytest.param` gives."""


def some(cases: Iterable[Any], kept: Callable[[Any], bool]) -> list[Param]:
    """All cases; `make test` has those that are kept. A tuple is several arguments, anything else is one."""
    found = [(case if type(case) is tuple else (case,), kept(case)) for case in cases]
    return [pytest.param(*values, marks=[] if own else [pytest.mark.full]) for values, own in found]


def together(name: str, cases: Iterable[str], kept: Callable[[str], bool] = lambda _: True) -> list[Param]:
    """As `some`; all tests of a case are in one process, as they share what is costly."""
    return [
        pytest.param(
            case,
            marks=[pytest.mark.xdist_group(f"{name}-{case}"), *([] if kept(case) else [pytest.mark.full])],
            id=case,
        )
        for case in cases
    ]


def diagonal(*factors: Iterable[Any]) -> list[Param]:
    """The product of the factors; `make test` has as few of it as have every value of every factor."""
    values = [list(factor) for factor in factors]
    places = {tuple(n % len(own) for own in values) for n in range(max(map(len, values)))}
    numbered: Sequence[Any] = list(itertools.product(*map(enumerate, values)))
    return [
        pytest.param(
            *(value for _, value in row),
            marks=[] if tuple(n for n, _ in row) in places else [pytest.mark.full],
        )
        for row in numbered
    ]
