"""Documents of cells that nobody has seen: odd names, scalars, two states, no output, a state apart."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from chalkgrad.derive.cells.modelfile import load
from chalkgrad.derive.deriving.derivation import Derivation, bptt
from chalkgrad.derive.documents.tree import Equations
from chalkgrad.derive.publishing.shown import latex_of
from chalkgrad.derive.writing.tree import Derivative, Name, Number, Objective, Par
from tests.agreement.cells import CELLS
from tests.chosen import some
from tests.derive.documents.test_equalities import LAYOUTS, given_numbers, made, other_than_claimed, uncovered

ODD = """
name = "odd"
title = "Odd names"
[sizes]
n_in = "inputs"
n_mem = "memory"
n_out = "outputs"
[inputs]
x = ["n_in"]
[states]
memor = ["n_mem"]
phi = ["n_mem"]
[parameters]
W_memor = ["n_mem", "n_mem"]
W_forget = ["n_mem", "n_in"]
theta = []
tau_2 = ["n_mem"]
W_out_memor = ["n_out", "n_mem"]
[equations]
forget = "sigmoid(theta * (W_forget @ x) + tau_2)"
memor = "forget * memor[t-1] + softplus(W_memor @ phi[t-1])"
phi = "tanh(memor) / (1 + theta ** 2)"
[output]
yhat = "softmax(W_out_memor @ phi)"
"""
APART = """
name = "apart"
title = "Two states that do not meet"
[sizes]
n_x = "inputs"
n_a = "units"
[inputs]
x = ["n_x"]
[states]
a = ["n_a"]
q = ["n_a"]
[parameters]
W = ["n_a", "n_x"]
V = ["n_a", "n_a"]
[equations]
a = "tanh(W @ x + a[t-1])"
q = "tanh(V @ q[t-1])"
[output]
yhat = "sigmoid(a)"
"""
CANCELLING = """
name = "cancelling"
title = "Two sides that nearly cancel"
[sizes]
n_x = "inputs"
n_p = "units"
n_y = "outputs"
[inputs]
x = ["n_x"]
[states]
p = ["n_p"]
q = ["n_p"]
[parameters]
U = ["n_p", "n_x"]
V = ["n_p", "n_p"]
s = []
R = ["n_y", "n_p"]
[equations]
p = "softplus(U @ x + V.T @ q[t-1]) - mean(q[t-1])"
q = "s * p + (1 - s) * leaky_relu(V @ p[t-1])"
[output]
yhat = "1 - softmax(R @ (p * q))"
"""
PLAIN = """
name = "plain"
title = "Without an output"
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
FILES = {**CELLS, "odd": ODD, "apart": APART, "plain": PLAIN, "cancelling": CANCELLING}


def derived(name: str, folder: Path, **choices: str) -> Derivation:
    file = folder / f"{name}.toml"
    file.write_text(FILES[name], encoding="utf-8")
    return bptt(load(file, **choices))


KEPT = [(name, LAYOUTS[n % 2]) for n, name in enumerate(FILES) if name != "attentive"]


@pytest.mark.parametrize("name, layout", some(product(FILES, LAYOUTS), KEPT.__contains__))
def test_everything_displayed_is_checked(name: str, layout: str, tmp_path: Path) -> None:
    document = made(derived(name, tmp_path), layout)
    exact = [x for x in document.lines() if x.equality is not None and x.equality.digits is None]
    assert document.checked == (len(exact), 3, 40) and len(exact) > 15
    assert uncovered(document) == ([] if name == "plain" else given_numbers(document))
    assert not [line for section in document.sections for line in other_than_claimed(section)]


WITH_OUTPUT = [name for name in FILES if name != "plain"]
OTHERS = ("one-to-one", "one-to-many", "many-to-one", "encoder-decoder")
VANISHING = ("fleeting", "one-to-many")  # its loss has another stable form at the first step


@pytest.mark.parametrize("name, choices", some(product(WITH_OUTPUT, OTHERS), VANISHING.__eq__))
def test_in_every_architecture(name: str, choices: str, tmp_path: Path) -> None:
    document = made(derived(name, tmp_path, architecture=choices))
    assert uncovered(document) == given_numbers(document)


def test_what_the_loss_does_not_see_a_cotangent_does(tmp_path: Path) -> None:
    """The loss has no use for q and V; for whoever brings a cotangent of q they are not zero."""
    document = made(derived("apart", tmp_path))
    sections = {section.key: section for section in document.sections}
    results = {
        key: {
            (line.left, line.right == Number("0"))
            for block in sections[key].blocks
            if isinstance(block, Equations)
            for line in block.lines
        }
        for key in ("gradients", "outside")
    }
    by_V, by_q = (Derivative(Objective("L"), by) for by in (Par("V"), Name("q", 0)))
    assert {(by_V, True), (by_q, True)} <= results["gradients"]
    assert (by_V, False) in results["outside"] and (by_q, False) in results["outside"]


def test_without_a_loss_it_says_what_is_differentiated(tmp_path: Path) -> None:
    text = latex_of(derived("plain", tmp_path))
    assert "There is no loss." in text and r"\bar{v}^{<t>}" in text
    assert "to the loss" not in text and "the loss is that of all steps" not in text
    assert r"\bar{h_{\mathrm{top}}}^{<T>}" in text
