"""The oracle beside other judges: the derivation at 50 digits, and PyTorch."""

from __future__ import annotations

import pytest

from tests.agreement.cases import Case, data_of
from tests.agreement.reference import distance, distances, evaluated, reference_of
from tests.agreement.test_agreement import SUITE, params
from tests.agreement.test_new_cells import SUITE as NEW_CELLS
from tests.promises import Promise

TOLERANCE = 1e-12


@pytest.mark.parametrize("case", params(SUITE, SUITE.cases))
def test_the_equations_of_the_derivation_at_50_digits(case: Case, promise: Promise) -> None:
    off = distances(evaluated(case, data_of(case)).results, reference_of(case).results)
    promise.within("the derivation at 50 digits is as the oracle has it", 1e-14, off)


@pytest.mark.parametrize("case", params(SUITE, SUITE.cases) + params(NEW_CELLS, NEW_CELLS.cases))
def test_pytorch_autograd(case: Case, promise: Promise) -> None:
    pytest.importorskip("torch", reason="PyTorch is an extra")
    from tests.agreement.torch_model import gradients

    loss, of_loss, of_outside = gradients(case, data_of(case))
    expected = reference_of(case)
    off = {"loss": distance(loss, expected.loss), **distances(of_loss, expected.gradients)}
    off |= {f"vjp {name}": d for name, d in distances(of_outside, expected.vjp).items()}
    promise.within("PyTorch's autograd is as the oracle has it", TOLERANCE, off)
