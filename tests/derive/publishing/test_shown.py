"""What models, derivations and their steps show of themselves: in a notebook, as LaTeX, in a terminal."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
import sympy

from chalkgrad import derive
from chalkgrad.derive.showing import Shown
from chalkgrad.derive.terms.algebra import Symbol, elementwise


def steps() -> dict[str, Shown]:
    """One of every kind."""
    derivation = derive.bptt(derive.load("gru", h="softmax"))
    phase = derivation.phases[0]
    chain = derive.chain(derivation)
    return {
        "model": derivation.model,
        "definition": derivation.model.cell[0],
        "derivation": derivation,
        "forward": phase.forward[0],
        "adjoint": phase.adjoint[2],
        "term": phase.adjoint[2].terms[0],
        "gradient": derivation.gradients["W_za"],
        "gradients": derivation.gradients,
        "gradient of the input": derivation.gradients["x"],
        "gradient of a state": derivation.gradients["a0"],
        "sum": derivation.gradients["W_za"].sums[0],
        "chain": chain,
        "chain term": chain.terms[0],
        "expression": derivation.gradients["W_za"].sums[0].expr,
    }


@pytest.mark.parametrize("kind", steps())
def test_everything_shows_itself(kind: str) -> None:
    shown = steps()[kind]
    latex, html = shown._repr_latex_(), shown.html()
    assert latex == shown.latex()
    assert latex.startswith("$$") and latex.rstrip().endswith("$$")
    maths = re.findall(r"<math\b.*?</math>", html, re.DOTALL)
    assert maths and all(len(ElementTree.fromstring(m)) > 0 for m in maths)
    assert "http" not in html


def test_what_is_shown_is_what_is_derived() -> None:
    """A gradient has its sum, a term its δ, a forward equation its right side."""
    shown = steps()
    assert shown["gradient"]._repr_latex_() == (
        r"$$\frac{\partial L}{\partial W_{za}} = \sum_{t=1}^{T} \delta_{z_{z}}^{<t>} (a^{<t-1>})^{\top}$$"
    )
    assert r"\sigma\left(" in shown["definition"]._repr_latex_()
    assert shown["term"]._repr_latex_() == "$$-y^{<t>}$$"
    assert r"= \delta_{a}^{<1>} \ast z^{<1>} +" in shown["gradient of a state"]._repr_latex_()


@pytest.mark.parametrize("kind", steps())
def test_a_terminal_shows_it(kind: str) -> None:
    """`print` the mathematics, a prompt one line that says what it is."""
    shown = steps()[kind]
    assert any(sign in str(shown) for sign in ("⟨t⟩", "⟨1⟩", "⟨2⟩")) and "$" not in str(shown)
    assert "\n" not in repr(shown) and repr(shown).startswith(f"<{type(shown).__name__} ")
    assert len(repr(shown)) <= 150


def test_an_equation_is_printed_as_it_is_written() -> None:
    shown = steps()
    assert str(shown["gradient"]) == "∂L/∂W_za = Σ_{t=1..T} δ_z_z⟨t⟩ a⟨t−1⟩ᵀ"
    assert repr(shown["expression"]) == "<Outer δ_z_z⟨t⟩ a⟨t−1⟩ᵀ>"
    many = tuple(Symbol(f"v{n}", ("n_a",)) for n in range(30))
    long = elementwise(lambda *values: sympy.Add(*values), many)
    assert repr(long).startswith("<Map v0⟨t⟩ + ") and repr(long).endswith("…>") and len(repr(long)) < 80
    assert str(long).endswith(" + v29⟨t⟩")
