"""A model without an output: cotangents come from outside; every format and level is there all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalkgrad import derive
from chalkgrad.derive.errors import MissingProgram
from chalkgrad.derive.publishing.document import FORMATS
from tests.chosen import diagonal

CELL = """
name = "plain"
title = "A cell_with $hostile$ #1 {x} & 50%"
[sizes]
n_x = "inputs"
n_h = "units"
[inputs]
x = ["n_x"]
[states]
h_top = ["n_h"]
[parameters]
U = ["n_h", "n_x"]
gamma_z = ["n_h"]
scale = []
[equations]
gate = "leaky_relu(U @ x)"
h_top = "scale * gate * h_top[t-1] / (1 + gamma_z ** 2) + 0.01 * mean(gate) + 1e-7"
"""


pytestmark = [pytest.mark.xdist_group("without output"), pytest.mark.usefixtures("judged_once")]


@pytest.mark.parametrize("format, layout", diagonal(FORMATS, ["gradient", "jacobian"]))
def test_every_format_and_level(format: str, layout: str, tmp_path: Path) -> None:
    file = tmp_path / "plain.toml"
    file.write_text(CELL)
    model = derive.load(file)
    for level in ("full", "brief", "exam", "key"):
        try:
            text = derive.document(model, format=format, layout=layout, level=level)
        except MissingProgram as missing:
            pytest.skip(str(missing))
        assert len(text) > 300


def test_it_is_checked(tmp_path: Path) -> None:
    """δ of the state is that of what is brought from outside."""
    file = tmp_path / "plain.toml"
    file.write_text(CELL)
    text = derive.document(derive.load(file), format="text")
    assert isinstance(text, str)
    assert "cotangent from outside" in text and "Every displayed equality" in text
