"""The oracle beside other judges: the derivation at 50 digits, complex steps, and PyTorch."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from codegen.arguments import Call, Signature
from codegen.interface import Counts
from codegen.interpret import interpret
from codegen.ir import Program
from tests.agreement.backends import interface_of, programs_of
from tests.agreement.cases import Array, Case, data_of, sizes_of
from tests.agreement.reference import distance, evaluated, far, reference_of
from tests.agreement.test_agreement import SUITE, in_group
from tests.agreement.test_new_cells import SUITE as NEW_CELLS

STEP = 1e-30
TOLERANCE = 1e-12
CASES = [pytest.param(c, id=str(c), marks=in_group(s, c)) for s in (SUITE, NEW_CELLS) for c in s.cases]


def _canonical(case: Case) -> tuple[Counts, dict[str, Array | None]]:
    """The arrays of a call as a backend gets them, with complex numbers."""
    data = data_of(case)
    call = Call(data.params, data.x, data.y, initial=data.initial, lengths=data.lengths, with_y=True)
    inputs = Signature(interface_of(case)).check(call)
    numbers = {
        name: a.astype(np.complex128) if a is not None and a.dtype.kind == "f" else a
        for name, a in inputs.arrays.items()
    }
    return inputs.counts, numbers


def _slope(case: Case, program: Program, name: str, direction: Array) -> float:
    """dL/dε of a tensor moved by ε times the direction: the imaginary part of the loss at ε = i·1e-30."""
    counts, arrays = _canonical(case)
    tensor = arrays[name]
    assert tensor is not None
    tensor += 1j * STEP * direction
    arrays["loss"] = loss = np.zeros(1, np.complex128)
    interpret(program, sizes_of(case), counts, arrays, np.complex128)
    return float(loss[0].imag / STEP)


@pytest.mark.parametrize("case", CASES)
def test_complex_steps_through_the_forward_pass(case: Case) -> None:
    """Along one random direction for each tensor."""
    expected = reference_of(case)
    (program,) = (p for p in programs_of(case) if p.function == "loss_and_grad")
    rng = np.random.default_rng(zlib.crc32(str(case).encode()))
    for name, gradient in expected.gradients.items():
        direction = rng.normal(size=gradient.shape)
        error = abs(_slope(case, program, name, direction) - float((gradient * direction).sum()))
        assert error <= TOLERANCE * np.linalg.norm(gradient) * np.linalg.norm(direction), name


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
