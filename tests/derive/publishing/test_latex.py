"""What is printed: well formed, complete, in our order, and nothing but what the Derivation holds."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import sympy

from chalkgrad.derive.cells.modelfile import builtin_names, load
from chalkgrad.derive.deriving.derivation import Derivation, bptt
from chalkgrad.derive.deriving.timeline import stretches
from chalkgrad.derive.errors import ChoiceError
from chalkgrad.derive.publishing.shown import gradients_latex, latex_of, shown
from chalkgrad.derive.terms.algebra import elementwise
from chalkgrad.derive.writing.latex import latex
from chalkgrad.derive.writing.tree import Name, Par
from tests.chosen import diagonal, some

CASES = {
    "vanilla": ("vanilla", {}),
    "vanilla_relu_softmax_bce": ("vanilla", {"g": "relu", "h": "softmax", "loss": "binary_cross_entropy"}),
    "vanilla_many_to_one": ("vanilla", {"architecture": "many-to-one", "h": "softmax"}),
    "vanilla_one_to_one": ("vanilla", {"architecture": "one-to-one", "h": "identity"}),
    "vanilla_one_to_many_output": ("vanilla", {"architecture": "one-to-many", "feed": "output"}),
    "vanilla_encoder_decoder_output": ("vanilla", {"architecture": "encoder-decoder", "feed": "output"}),
    "gru": ("gru", {}),
    "gru_reset_after_one_to_many": ("gru_reset_after", {"architecture": "one-to-many"}),
    "lstm": ("lstm", {}),
    "lstm_encoder_decoder_target": ("lstm", {"architecture": "encoder-decoder", "feed": "target"}),
    "vanilla_stacked": ("vanilla_stacked", {}),
}
ARCHITECTURES = [
    ("one-to-one", "none"),
    ("many-to-one", "none"),
    ("many-to-many", "none"),
    ("one-to-many", "none"),
    ("one-to-many", "output"),
    ("one-to-many", "target"),
    ("encoder-decoder", "none"),
    ("encoder-decoder", "output"),
    ("encoder-decoder", "target"),
]
WITHOUT_OUTPUT = """
name = "plain"
title = "A cell_with $hostile$ #1 \\\\input{title} & 50%"
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


@cache
def derivation(case: str) -> Derivation:
    name, choices = CASES[case]
    return bptt(load(name, **choices))


@pytest.mark.parametrize("case", CASES)
def test_golden(case: str, golden: Callable[[str, str], None]) -> None:
    golden(f"latex/{case}.tex", latex_of(derivation(case)))


def balanced(text: str) -> bool:
    """Braces, \\left and \\right, environments and displays all close, in order."""
    pattern = r"\\[{}\\]|[{}]|\\left\b|\\right\b|\\begin\{\w+\}|\\end\{\w+\}|\$\$"
    closing = {"}": "{", r"\right": r"\left"}
    stack: list[str] = []
    for token in re.findall(pattern, text):
        if token in (r"\{", r"\}", r"\\"):
            continue
        if token == "{" or token == r"\left" or token.startswith(r"\begin"):
            stack.append(token)
        elif token == "$$":
            if stack and stack[-1] == "$$":
                stack.pop()
            else:
                stack.append(token)
        else:
            wanted = closing.get(token, token.replace("end", "begin"))
            if not stack or stack.pop() != wanted:
                return False
    return not stack


def test_the_balance_check_can_fail() -> None:
    assert balanced(r"$$ \frac{a}{b} \left( c \right) $$")
    for wrong in (r"\frac{a}{b", r"\left( a", r"$$ a", r"\begin{aligned} a \end{cases}", "a}"):
        assert not balanced(wrong)


@pytest.mark.parametrize("cell, layout", diagonal(builtin_names(), ARCHITECTURES))
def test_everything_is_printed(cell: str, layout: tuple[str, str]) -> None:
    """Every gradient and every equation number of the derivation is there, and all that opens closes."""
    architecture, feed = layout
    derived = bptt(load(cell, architecture=architecture, feed=feed, h="softmax"))
    text = latex_of(derived)
    assert balanced(text)
    assert "$0" not in text and "None" not in text
    for parameter in derived.schedule.parameters:
        assert rf"\frac{{\partial L}}{{\partial {latex(Par(parameter.name))}}}" in text
    for state in derived.schedule.states:
        assert rf"\frac{{\partial L}}{{\partial {latex(Name(state.name))}^{{<0>}}}}" in text
    shown = derived.towards("loss")
    numbers = {e.number for p in shown.phases for e in (*p.forward, *p.adjoint)}
    assert numbers <= {int(n) for n in re.findall(r"\((\d+)\)", text)}


def written(derived: Derivation) -> list[str]:
    """Every line without the page."""
    sides = (side for line in shown(derived).lines() for side in (line.left, line.right))
    return [latex(side) for side in sides if side is not None]


def test_every_line_is_in_the_text() -> None:
    text = latex_of(derivation("vanilla"))
    assert all(side in text for side in written(derivation("vanilla")) if "softplus" not in side)


KEPT = ("vanilla", "vanilla_one_to_many_output", "vanilla_encoder_decoder_output", "gru")


@pytest.mark.parametrize("case", some(CASES, KEPT.__contains__))
def test_a_flipped_sign_shows(case: str) -> None:
    """Each term of each adjoint equation towards the loss, flipped, changes what is written."""
    derived = derivation(case)
    text = written(derived)
    shown = derived.towards("loss")
    live = {(i, e.target, x) for i, p in enumerate(shown.phases) for e in p.adjoint for x in e.terms}
    for i, phase in enumerate(derived.phases):
        for e, equation in enumerate(phase.adjoint):
            for x, term in enumerate(equation.terms):
                if (i, equation.target, term) not in live:
                    continue
                flipped = replace(term, expr=elementwise(lambda v: -v, (term.expr,)))
                terms = (*equation.terms[:x], flipped, *equation.terms[x + 1 :])
                adjoint = (*phase.adjoint[:e], replace(equation, terms=terms), *phase.adjoint[e + 1 :])
                phases = (*derived.phases[:i], replace(phase, adjoint=adjoint), *derived.phases[i + 1 :])
                assert written(replace(derived, phases=phases)) != text


def path(reader: str, after: str, value: str, before: str) -> str:
    """(∂⁺u/∂v)ᵀ at two steps."""
    above, below = (latex(Name(n)) + f"^{{<{step}>}}" for n, step in ((reader, after), (value, before)))
    return rf"\left( \frac{{\partial^{{+}} {above}}}{{\partial {below}}} \right)^{{\top}}"


def test_the_boundary_is_printed() -> None:
    """At t = T the term from t + 1 is missing; before it, it is there, in either line."""
    text = latex_of(derivation("vanilla"))
    last = rf"{path('z_yhat', 'T', 'a', 'T')} \delta_{{z_{{\hat{{y}}}}}}^{{<T>}}"
    assert rf"\delta_{{a}}^{{<T>}} & = {last} && \qquad (n_{{a}})\text{{; base case, }}t = T\text{{;" in text
    assert r"\text{(7)}\quad && & = W_{ya}^{\top} \delta_{z_{\hat{y}}}^{<T>} &&" in text
    above = rf"{path('z_yhat', 't', 'a', 't')} \delta_{{z_{{\hat{{y}}}}}}^{{<t>}}"
    after = rf"{path('z_a', 't+1', 'a', 't')} \delta_{{z_{{a}}}}^{{<t+1>}}"
    recurrence = r"\text{; recurrence, }t = T - 1, \ldots, 1\text{;"
    assert rf"\delta_{{a}}^{{<t>}} & = {above} + {after} && \qquad (n_{{a}}){recurrence}" in text
    before = r"W_{ya}^{\top} \delta_{z_{\hat{y}}}^{<t>} + W_{aa}^{\top} \delta_{z_{a}}^{<t+1>}"
    assert rf"\text{{(7)}}\quad && & = {before} &&" in text
    assert r"\delta_{v}^{<t>} = 0\text{ for }t > T" in text


def test_seams_between_segments() -> None:
    """What the encoder's last state receives comes through the decoder's weights."""
    text = latex_of(derivation("vanilla_encoder_decoder_output"))
    lines = text.splitlines()
    for step, later, network in (("T_{x}", "T_{x}+1", "dec"), ("t", "t+1", "enc")):
        over_it = rf"{path('z_a', later, 'a', step)} \delta_{{z_{{a}}}}^{{<{later}>}}"
        start = rf"\delta_{{a}}^{{<{step}>}} & = {over_it} &&"
        (line,) = [i for i, line in enumerate(lines) if start in line]
        worked = rf"= {{W^{{\mathrm{{{network}}}}}_{{aa}}}}^{{\top}} \delta_{{z_{{a}}}}^{{<{later}>}} &&"
        assert any(worked in line for line in lines[line + 1 : line + 3])
    assert r"\delta_{\hat{y}}^{<T_{x}+T_{y}>} & = 0" in text


@pytest.mark.parametrize(("architecture", "feed"), ARCHITECTURES)
@pytest.mark.parametrize("cell", ["vanilla", "lstm"])
def test_stretches_cover_every_step_once(cell: str, architecture: str, feed: str) -> None:
    """At concrete lengths, the printed equations say for each (v, t) exactly the terms that arrive there."""
    derived = bptt(load(cell, architecture=architecture, feed=feed)).towards("loss")
    for numbers in ({"T": 1, "T_x": 1, "T_y": 1}, {"T": 2, "T_x": 3, "T_y": 2}, {"T": 5, "T_x": 2, "T_y": 4}):
        places = {s: numbers[s.name] for p in derived.phases for s in p.segment.last.free_symbols}

        def at(step: sympy.Expr, places: dict[sympy.Symbol, int] = places) -> int:
            return int(step.subs(places))

        expected: dict[tuple[str, int], list[object]] = {}
        for phase in derived.phases:
            for step in range(at(phase.segment.first), at(phase.segment.last) + 1):
                for equation in phase.adjoint:
                    for term in equation.terms:
                        if step - term.lag > 0:
                            expected.setdefault((equation.target.name, step - term.lag), []).append(term)
        length = at(derived.schedule.length)
        printed: dict[tuple[str, int], list[object]] = {}
        for phase, group in zip(derived.phases, stretches(derived), strict=True):
            if at(phase.segment.last) < at(phase.segment.first):
                continue
            for stretch in group:
                for step in range(at(stretch.first), at(stretch.last) + 1):
                    assert (stretch.target.name, step) not in printed
                    terms = [a.term for a in stretch.arrivals if step + a.term.lag <= length]
                    printed[stretch.target.name, step] = list(terms)
        assert {k: sorted(map(repr, v)) for k, v in printed.items() if v} == {
            k: sorted(map(repr, v)) for k, v in expected.items()
        }


def test_sums_over_phases_merge() -> None:
    """A parameter used alike in two segments has one sum; a use in one of them keeps its range."""
    text = gradients_latex(derivation("vanilla_one_to_many_output"), ["W_aa", "W_ax"])
    entering = r"\frac{\partial L}{\partial z_{a}^{<t>}} \frac{\partial^{+} z_{a}^{<t>}}{\partial W_{aa}}"
    assert rf"\frac{{\partial L}}{{\partial W_{{aa}}}} & = \sum_{{t=1}}^{{T}} {entering} &&" in text
    assert r"& = \sum_{t=1}^{T} \delta_{z_{a}}^{<t>} (a^{<t-1>})^{\top} &&" in text
    later = r"\sum_{t=2}^{T} \delta_{z_{a}}^{<t>} (\hat{y}^{<t-1>})^{\top}"
    assert rf"\delta_{{z_{{a}}}}^{{<1>}} (x^{{<1>}})^{{\top}} + {later}" in text
    assert "b_{a}" not in text


def test_wrt_is_checked() -> None:
    with pytest.raises(ChoiceError, match=r"wrt: expected names among W_aa, .*, x, a0, received 'W_zz'"):
        gradients_latex(derivation("vanilla"), ["W_zz"])


def test_conventions_are_printed() -> None:
    text = latex_of(derivation("vanilla_relu_softmax_bce"))
    assert r"\operatorname{ReLU}'\left( 0 \right) = 0" in text
    assert r"\operatorname{ReLU}\left( z \right) = \max\left( 0, z \right)" in text
    assert r"\mathbf{1}\left[ z_{a}^{<t>} > 0 \right]" in text
    assert r"\frac{\partial^{+} u}{\partial v}\text{ is the immediate partial derivative" in text
    assert r"\frac{\partial u}{\partial v}\text{ is the total derivative" in text
    without = latex_of(derivation("vanilla"))
    assert "ReLU" not in without and r"\mathbf{1}" not in without


def test_a_cell_without_output(tmp_path: Path) -> None:
    """Cotangents come from outside; a hostile title stays text; greek, scalars and decimals are readable."""
    file = tmp_path / "plain.toml"
    file.write_text(WITHOUT_OUTPUT)
    model = load(file)
    text = latex_of(model) + latex_of(bptt(model))
    assert balanced(text)
    assert r"\input" not in text and not re.search(r"(?<!\\)[%#$&_]", text.splitlines()[2][2:])
    assert r"\bar{\mathrm{h}_{\mathrm{top}}}" in text or r"\bar{h_{\mathrm{top}}}" in text
    assert r"\gamma_{z}" in text and r"\mathrm{scale}" in text
    assert "0.01" in text and "10^{-7}" in text
    assert r"\operatorname{LeakyReLU}" in text


def test_repr_latex() -> None:
    derived = derivation("vanilla")
    assert derived._repr_latex_() == derived.latex() == latex_of(derived)
    assert derived.model._repr_latex_() == latex_of(derived.model)


def test_a_derivation_starts_with_its_model() -> None:
    for case in KEPT:
        of_model, whole = latex_of(derivation(case).model), latex_of(derivation(case))
        assert whole.startswith(of_model.rstrip()) and of_model.count("$$") >= 4


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX")
@pytest.mark.parametrize("case", some(CASES, ("vanilla", "lstm_encoder_decoder_target").__contains__))
def test_tex_compiles_it(case: str, tmp_path: Path) -> None:
    body = latex_of(derivation(case))
    (tmp_path / "a.tex").write_text(
        rf"\documentclass{{article}}\usepackage{{amsmath}}\begin{{document}}{body}\end{{document}}"
    )
    subprocess.run(["pdflatex", "-halt-on-error", "a.tex"], cwd=tmp_path, check=True, capture_output=True)
