"""A new cell costs one text: three that exist nowhere else, in every architecture, on everything."""

from __future__ import annotations

import pytest

from tests.agreement.backends import Suite, network
from tests.agreement.cases import FACTORS, Case
from tests.agreement.cells import CELLS
from tests.agreement.reference import disagreements
from tests.agreement.test_agreement import runs


def _cases() -> tuple[Case, ...]:
    """Every cell in every layout; the other choices take turns."""

    def turn(name: str, place: int) -> str:
        return str(FACTORS[name][place % len(FACTORS[name])])

    return tuple(
        Case(
            layout,
            cell,
            turn("h", n + m),
            turn("loss", n // 3 + m),
            turn("g", n + m),
            turn("dtype", n // 2 + m),
            turn("form", n + n // 3 + m),
        )
        for m, cell in enumerate(CELLS)
        for n, layout in enumerate(FACTORS["layout"])
    )


SUITE = Suite("cells", _cases())


def test_each_cell_meets_every_layout_and_every_choice() -> None:
    for cell in CELLS:
        cases = [case for case in SUITE.cases if case.model == cell]
        for name, values in FACTORS.items():
            if name != "model":
                assert {getattr(case, name) for case in cases} == set(values), (cell, name)


@pytest.mark.parametrize(("case", "backend"), runs(SUITE, SUITE.cases))
def test_every_result_agrees_with_50_digits(case: Case, backend: str) -> None:
    assert disagreements(case, network(SUITE, case, backend)) == {}
