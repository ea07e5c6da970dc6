"""Deriving takes work in proportion to the model: counted in calls, from a length to twice that length."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalkgrad import derive
from chalkgrad.derive.deriving.derivation import LOSS, OUTSIDE, bptt
from chalkgrad.derive.deriving.steps import Namer
from chalkgrad.derive.deriving.timeline import stretches
from tests.growth import CELLS, MOST, calls, growth, model, of

LENGTHS = {"chained": 30, "shared": 20, "star": 30, "summed": 20, "nested": 4}


@pytest.mark.parametrize("cell", CELLS)
def test_deriving(cell: str, tmp_path: Path) -> None:
    assert growth(of(cell, tmp_path, bptt), LENGTHS[cell]) < MOST


@pytest.mark.parametrize("cell", CELLS)
def test_what_is_asked_of_a_derivation(cell: str, tmp_path: Path) -> None:
    """Towards one objective, laid along time, and the gradients of everything."""

    def asked(made: derive.Model) -> object:
        derivation = known[made]
        return [derivation.towards(LOSS), derivation.towards(OUTSIDE).gradients, stretches(derivation)]

    made = {n: model(cell, n, tmp_path) for n in (LENGTHS[cell], 2 * LENGTHS[cell])}
    known = {one: bptt(one) for one in made.values()}
    assert growth(lambda n: lambda: asked(made[n]), LENGTHS[cell]) < MOST


def test_softmax_ten_deep(tmp_path: Path) -> None:
    """Once it took more than a hundred seconds, and each level doubled that."""
    deep = model("nested", 10, tmp_path)
    assert len(bptt(deep).phases[0].forward) < 60
    assert calls(lambda: bptt(deep)) < 200_000


def test_a_name_that_is_wanted_often_is_found_at_once() -> None:
    namer = Namer(["u", "u3"])
    assert [namer.fresh("u") for _ in range(4)] == ["u2", "u4", "u5", "u6"]
    assert namer.fresh("u5") == "u52" and namer.fresh("u") == "u7"
