"""A new cell costs one text: three that exist nowhere else, in every architecture, on everything."""

from __future__ import annotations

import pytest

from tests.agreement.backends import Suite, network
from tests.agreement.cases import FACTORS, Case, Setting
from tests.agreement.cells import CELLS
from tests.agreement.reference import apart, promised
from tests.agreement.test_agreement import runs
from tests.promises import Promise

SMALL = Setting(n_x=1, n_a=3, n_d=4, n_y=2, T=3, T_xy=(2, 3), B=5)
"""Within the budget of straight-line code; two units would leave a normalised cell nothing but signs."""


def _cases() -> tuple[Case, ...]:
    """Every cell in every layout; the other choices take turns. First those that `make test` has."""

    def turn(name: str, place: int) -> str:
        return str(FACTORS[name][place % len(FACTORS[name])])

    every = {
        (n, m): Case(
            layout,
            cell,
            turn("h", n + m),
            turn("loss", n // 3 + m),
            turn("g", n + m),
            turn("dtype", n // 2 + m),
            form := turn("form", n + n // 3 + m),
            SMALL if form == "straight" else None,
        )
        for m, cell in enumerate(CELLS)
        for n, layout in enumerate(FACTORS["layout"])
    }
    return tuple(every[place] for place in sorted(every, key=lambda p: p[0] % len(CELLS) != p[1]))


SUITE = Suite("cells", _cases(), "quick", group_size=5, few=5)


def test_each_cell_meets_every_layout_and_every_choice() -> None:
    for cell in CELLS:
        cases = [case for case in SUITE.cases if case.model == cell]
        for name, values in FACTORS.items():
            if name != "model":
                assert {getattr(case, name) for case in cases} == set(values), (cell, name)


@pytest.mark.parametrize(("case", "backend"), runs(SUITE, SUITE.cases))
def test_every_result_agrees_with_the_oracle(case: Case, backend: str, promise: Promise) -> None:
    promise.within(*promised(case, backend), apart(case, network(SUITE, case, backend)))
