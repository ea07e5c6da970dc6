"""Lowering, every pass and the printers take work in proportion to the model: counted in calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from chalkgrad import codegen, derive
from chalkgrad.codegen.lowering.lower import functions_of, lower
from chalkgrad.codegen.passes import pipeline
from chalkgrad.codegen.passes.reuse_buffers import reuse_buffers
from chalkgrad.codegen.program.check import check
from chalkgrad.codegen.program.ir import Program
from tests.chosen import some
from tests.growth import MOST, calls, model

SIZES = {"n_x": 3, "n_a": 4, "n_y": 2}
LENGTHS = {"chained": 24, "shared": 10, "star": 24, "summed": 16}


def stages(derivation: derive.Derivation) -> Iterator[tuple[str, Callable[[], object]]]:
    """What is done on the way to C, one thing after the other, with its name."""
    for function in functions_of(derivation):
        yield f"lower {function}", partial(lower, derivation, function)
        program: Program = lower(derivation, function)
        for step in (*pipeline.vector_passes(), *pipeline.loop_passes(SIZES)):
            yield f"{step.__name__} {function}", partial(step, program)
            program = step(program)
        yield f"check {function}", partial(check, program)
    yield "emit", lambda: codegen.emit(derivation, SIZES)
    yield "twin", lambda: codegen.numpy_twin(derivation)


@pytest.mark.parametrize("cell", some(LENGTHS, ("shared",).__contains__))
def test_the_way_to_c(cell: str, tmp_path: Path) -> None:
    n = LENGTHS[cell]
    small, large = (stages(derive.bptt(model(cell, size, tmp_path))) for size in (n, 2 * n))
    for (name, run), (other, more) in zip(small, large, strict=True):
        assert name == other
        grown = calls(more) / calls(run)
        assert grown < MOST, f"{name}: {grown:.2f} times the calls"


def test_vectors_still_share_their_memory(tmp_path: Path) -> None:
    """Of a chain, every second vector of the way forwards is over before the next but one is made."""
    derivation = derive.bptt(model("chained", 20, tmp_path))
    program = lower(derivation, "loss_and_grad")
    for step in (*pipeline.vector_passes(), *pipeline.loop_passes(SIZES)):
        if step is reuse_buffers:
            break
        program = step(program)
    shared = reuse_buffers(program)
    held = [buffer.held for buffer in shared.buffers.values() if buffer.held]
    assert len(shared.buffers) + sum(map(len, held)) == len(program.buffers) and held
    assert reuse_buffers(shared) == shared
