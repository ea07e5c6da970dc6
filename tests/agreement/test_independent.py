"""The oracle beside other judges: the derivation at 50 digits, and PyTorch."""

from __future__ import annotations

import pytest

from tests.agreement.cases import Case, data_of
from tests.agreement.reference import distance, evaluated, far, reference_of
from tests.agreement.test_agreement import SUITE, in_group
from tests.agreement.test_new_cells import SUITE as NEW_CELLS

TOLERANCE = 1e-12
CASES = [pytest.param(c, id=str(c), marks=in_group(s, c)) for s in (SUITE, NEW_CELLS) for c in s.cases]


@pytest.mark.parametrize("case", SUITE.cases, ids=str)
def test_the_equations_of_the_derivation_at_50_digits(case: Case) -> None:
    assert far(evaluated(case, data_of(case)).results, reference_of(case).results, 1e-14) == {}


@pytest.mark.parametrize("case", CASES)
def test_pytorch_autograd(case: Case) -> None:
    pytest.importorskip("torch", reason="PyTorch is an extra")
    from tests.agreement.torch_model import gradients

    loss, of_loss, of_outside = gradients(case, data_of(case))
    expected = reference_of(case)
    assert distance(loss, expected.loss) <= TOLERANCE
    assert far(of_loss, expected.gradients, TOLERANCE) == {}
    assert far(of_outside, expected.vjp, TOLERANCE) == {}
