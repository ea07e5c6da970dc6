"""What every value says of itself: a short line as `repr`, whole as `str`, and for notebooks without HTML."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

import chalkgrad as cg
from chalkgrad.telling import fenced

pytestmark = pytest.mark.xdist_group("telling")  # they share what is told of
SIZES = {"n_x": 1, "n_a": 2, "n_y": 1}


@cache
def values() -> dict[str, Any]:
    """One of every kind that a user meets."""
    model = cg.load("gru", h="softmax")
    derivation = cg.bptt(model)
    twin = cg.numpy_twin(model, SIZES)
    params = {name: np.ones(shape) for name, shape in twin.shapes.items()}
    return {
        "model": model,
        "derivation": derivation,
        "gradients": derivation.gradients,
        "gradient": derivation.gradients["W_za"],
        "expression": derivation.gradients["W_za"].sums[0].expr,
        "chain": cg.chain(model),
        "unrolled": cg.unroll(cg.load("vanilla"), T=2, sizes={"n_a": 2}),
        "report": cg.prove(cg.load("vanilla"), T=1),
        "right": cg.check(model, "dL/db_z = sum_t delta_z_z[t]"),
        "wrong": cg.check(model, "dL/db_z = delta_z_z[T]"),
        "emitted": cg.emit(model, SIZES),
        "network": twin,
        "interface": twin.interface,
        "plan": twin.plan(params, np.ones((2, 1)), np.ones((2, 1))),
    }


KINDS = (
    "model", "derivation", "gradients", "gradient", "expression", "chain", "unrolled", "report", "right",
    "wrong", "emitted", "network", "interface", "plan",
)  # fmt: skip
SAID = {
    "gradients": "∂L/∂W_za = Σ_{t=1..T}",
    "gradient": "∂L/∂W_za = Σ_{t=1..T}",
    "unrolled": "∂L/∂x⟨2⟩ = ",
    "report": "every gradient is right",
    "wrong": "bias-not-summed",
    "emitted": "#include",
    "network": "W_za (n_a, n_a)",
    "interface": "W_za (n_a, n_a)",
    "plan": "W_za (2, 2)",
}


def test_nothing_is_left_out() -> None:
    assert tuple(values()) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_repr_is_one_short_line(kind: str) -> None:
    told = repr(values()[kind])
    assert told.startswith(f"<{type(values()[kind]).__name__} ") and told.endswith(">")
    assert len(told) <= 120 and "\n" not in told


@pytest.mark.parametrize("kind", SAID)
def test_str_says_what_it_is(kind: str) -> None:
    assert SAID[kind] in str(values()[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_a_notebook_is_shown_markdown_or_latex(kind: str) -> None:
    """No HTML, which notebooks prefer, and hide where it is not trusted."""
    value = values()[kind]
    ways = [way for way in ("_repr_markdown_", "_repr_latex_", "_repr_html_") if hasattr(value, way)]
    assert ways in (["_repr_markdown_"], ["_repr_latex_"], ["_repr_markdown_", "_repr_latex_"])
    assert getattr(value, ways[0])()


def test_the_unrolled_network_is_mathematics() -> None:
    unrolled = cg.unroll(cg.load("vanilla", h="identity"), T=1)
    assert (
        "a⟨0⟩" in str(unrolled) and "x⟨1⟩" in str(unrolled) and "__" not in str(unrolled) + unrolled.latex()
    )
    assert r"$$\frac{\partial L}{\partial W_{aa}} = " in unrolled.latex()
    assert r"\frac{\partial L}{\partial a^{<0>}}" in unrolled.latex()


def test_a_fence_is_longer_than_those_in_the_text() -> None:
    assert fenced("```\nx\n```", "c") == "````c\n```\nx\n```\n````"
