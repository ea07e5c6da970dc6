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

from derive.algebra import Map, MatVec, Outer, Parameter, Reduce, Role, Symbol, arg, elementwise
from derive.derivation import Derivation, bptt
from derive.errors import ChoiceError
from derive.functions import leaky_relu, relu, sigmoid, softplus
from derive.latex import derivation_latex, equation_latex, expr_latex, gradients_latex, model_latex
from derive.latex_expr import parameter_latex, step_latex
from derive.latex_page import plain
from derive.latex_scalar import name_latex, number_latex
from derive.modelfile import load
from derive.timeline import stretches

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
    derived = derivation(case)
    golden(f"latex/{case}.tex", f"{model_latex(derived.model)}\n\n{derivation_latex(derived)}\n")


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


@pytest.mark.parametrize("cell", ["vanilla", "gru", "gru_reset_after", "lstm", "vanilla_stacked"])
@pytest.mark.parametrize(("architecture", "feed"), ARCHITECTURES)
def test_everything_is_printed(cell: str, architecture: str, feed: str) -> None:
    """Every gradient and every equation number of the derivation is there, and all that opens closes."""
    derived = bptt(load(cell, architecture=architecture, feed=feed, h="softmax"))
    text = derivation_latex(derived)
    assert balanced(text)
    assert "$0" not in text and "None" not in text
    for parameter in derived.schedule.parameters:
        assert rf"\frac{{\partial L}}{{\partial {parameter_latex(parameter.name)}}}" in text
    for state in derived.schedule.states:
        assert rf"\frac{{\partial L}}{{\partial {name_latex(state.name)}^{{<0>}}}}" in text
    shown = derived.towards("loss")
    numbers = {e.number for p in shown.phases for e in (*p.forward, *p.adjoint)}
    assert numbers <= {int(n) for n in re.findall(r"\((\d+)\)", text)}


@pytest.mark.parametrize("case", [case for case in CASES if "lstm_" not in case])
def test_a_flipped_sign_shows(case: str) -> None:
    """Each term of each adjoint equation towards the loss, flipped, changes the text."""
    derived = derivation(case)
    text = derivation_latex(derived)
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
                assert derivation_latex(replace(derived, phases=phases)) != text


def test_the_boundary_is_printed() -> None:
    """At t = T the term from t + 1 is missing; before it, it is there."""
    text = derivation_latex(derivation("vanilla"))
    assert r"\delta_{a}^{<T>} & = W_{ya}^{\top} \delta_{z_{\hat{y}}}^{<T>} &&" in text
    before = r"W_{ya}^{\top} \delta_{z_{\hat{y}}}^{<t>} + W_{aa}^{\top} \delta_{z_{a}}^{<t+1>}"
    assert rf"\delta_{{a}}^{{<t>}} & = {before} &&" in text
    assert r"\text{nothing from }t = T+1" in text


def test_seams_between_segments() -> None:
    """What the encoder's last state receives comes through the decoder's weights."""
    text = derivation_latex(derivation("vanilla_encoder_decoder_output"))
    assert r"\delta_{a}^{<T_{x}>} & = {W^{\mathrm{dec}}_{aa}}^{\top} \delta_{z_{a}}^{<T_{x}+1>} &&" in text
    assert r"\delta_{a}^{<t>} & = {W^{\mathrm{enc}}_{aa}}^{\top} \delta_{z_{a}}^{<t+1>} &&" in text
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
    assert (
        r"\frac{\partial L}{\partial W_{aa}} & = \sum_{t=1}^{T} \delta_{z_{a}}^{<t>} (a^{<t-1>})^{\top}"
        in text
    )
    later = r"\sum_{t=2}^{T} \delta_{z_{a}}^{<t>} (\hat{y}^{<t-1>})^{\top}"
    assert rf"\delta_{{z_{{a}}}}^{{<1>}} (x^{{<1>}})^{{\top}} + {later}" in text
    assert "b_{a}" not in text


def test_wrt_is_checked() -> None:
    with pytest.raises(ChoiceError, match=r"wrt: expected names among W_aa, .*, x, a0, received 'W_zz'"):
        gradients_latex(derivation("vanilla"), ["W_zz"])


def test_conventions_are_printed() -> None:
    text = derivation_latex(derivation("vanilla_relu_softmax_bce"))
    assert r"\operatorname{ReLU}'(0) = 0" in text
    assert r"\mathbf{1}\left[ z_{a}^{<t>} > 0 \right]" in text
    assert r"\partial^{+}" in text and r"\text{ is the total" not in text


def test_a_cell_without_output(tmp_path: Path) -> None:
    """Cotangents come from outside; a hostile title stays text; greek, scalars and decimals are readable."""
    file = tmp_path / "plain.toml"
    file.write_text(WITHOUT_OUTPUT)
    model = load(file)
    text = model_latex(model) + derivation_latex(bptt(model))
    assert balanced(text)
    assert r"\input" not in text and "%" not in text and "#" not in text
    assert r"\bar{\mathrm{h}_{\mathrm{top}}}" in text or r"\bar{h_{\mathrm{top}}}" in text
    assert r"\gamma_{z}" in text and r"\mathrm{scale}" in text
    assert "0.01" in text and "10^{-7}" in text
    assert r"\operatorname{LeakyReLU}" in text


# ----------------------------------------------------------------------------- pieces


a, b = Symbol("a", ("n",)), Symbol("b", ("n",), -1)
s = Symbol("s", ())
W = Parameter("W_aa", ("n", "n"))
third = sympy.Rational(1, 3)


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        (elementwise(lambda p: 1 - p**2, (a,)), "1 - (a^{<t>})^{2}"),
        (elementwise(lambda p, q: q - p, (a, b)), "b^{<t-1>} - a^{<t>}"),
        (elementwise(lambda p: p + 1, (a,)), "a^{<t>} + 1"),
        (elementwise(lambda p, q: -p - q, (a, b)), "-a^{<t>} - b^{<t-1>}"),
        (elementwise(lambda p, q: p * q, (a, b)), r"a^{<t>} \ast b^{<t-1>}"),
        (elementwise(lambda p, q: p * q, (s, b)), r"s^{<t>} \, b^{<t-1>}"),
        (elementwise(lambda p, q: p * (1 - q), (a, b)), r"a^{<t>} \ast \left( 1 - b^{<t-1>} \right)"),
        (elementwise(lambda p, q: p / q, (a, b)), r"\frac{a^{<t>}}{b^{<t-1>}}"),
        (elementwise(lambda p: 1 / (1 + p), (a,)), r"\frac{1}{a^{<t>} + 1}"),
        (elementwise(lambda p: 1 / (2 * p), (a,)), r"\frac{1}{2\,a^{<t>}}"),
        (elementwise(lambda p: third * p, (a,)), r"\frac{1}{3}\,a^{<t>}"),
        (elementwise(lambda p: p / 100, (a,)), r"0.01\,a^{<t>}"),
        (elementwise(lambda p: sympy.sqrt(p), (a,)), r"\sqrt{a^{<t>}}"),
        (elementwise(lambda p: 1 / sympy.sqrt(p), (a,)), r"\frac{1}{\sqrt{a^{<t>}}}"),
        (elementwise(relu, (a,)), r"\operatorname{ReLU}\left( a^{<t>} \right)"),
        (elementwise(lambda p: leaky_relu(p) + softplus(p), (a,)), None),
        (elementwise(lambda p: sympy.diff(relu(p), p), (a,)), r"\mathbf{1}\left[ a^{<t>} > 0 \right]"),
        (elementwise(lambda p: 2 * sigmoid(p), (a,)), r"2\,\sigma\left( a^{<t>} \right)"),
        (MatVec(W, b), "W_{aa} b^{<t-1>}"),
        (MatVec(W, b, transposed=True), r"W_{aa}^{\top} b^{<t-1>}"),
        (elementwise(lambda p: -p, (MatVec(W, b),)), "-W_{aa} b^{<t-1>}"),
        (elementwise(lambda p: p / 2, (MatVec(W, b),)), r"\frac{1}{2}\,W_{aa} b^{<t-1>}"),
        (elementwise(lambda p, q: p * q, (a, MatVec(W, b))), r"a^{<t>} \ast \left( W_{aa} b^{<t-1>} \right)"),
        (MatVec(W, elementwise(lambda p, q: p * q, (a, b))), r"W_{aa} \left( a^{<t>} \ast b^{<t-1>} \right)"),
        (Outer(a, b), r"a^{<t>} (b^{<t-1>})^{\top}"),
        (Outer(elementwise(lambda p: -p, (a,)), b), r"\left[ -a^{<t>} \right] (b^{<t-1>})^{\top}"),
        (Reduce("sum", a), r"\sum_{i=1}^{n} \left( a^{<t>} \right)_{i}"),
        (Symbol("yhat", ("n",), 1, Role.COTANGENT), r"\delta_{\hat{y}}^{<t+1>}"),
        (Symbol("i", ("n",)), "i^{<t>}"),
    ],
)  # fmt: skip
def test_expressions(expr: Map, text: str | None) -> None:
    printed = expr_latex(expr)
    assert balanced(printed)
    assert text is None or printed == text


def test_index_letters_avoid_names() -> None:
    """A gate called i is summed over another letter, and nested sums have their own."""
    gate = Symbol("i", ("n",))
    assert expr_latex(Reduce("sum", gate)) == r"\sum_{j=1}^{n} \left( i^{<t>} \right)_{j}"
    inner = elementwise(lambda p, q: p - q, (a, Reduce("sum", a)))
    assert r"\sum_{j=1}^{n}" in expr_latex(Reduce("sum", inner))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("W_aa", "W_{aa}"),
        ("z_yhat", r"z_{\hat{y}}"),
        ("yhat", r"\hat{y}"),
        ("alpha", r"\alpha"),
        ("W_gamma", r"W_{\gamma}"),
        ("gate_x", r"\mathrm{gate}_{x}"),
        ("W_a_b", r"W_{a\_b}"),
        ("z_h_top", r"z_{h\_\mathrm{top}}"),
        ("_a", r"\mathrm{\_a}"),
        ("a_", r"\mathrm{a\_}"),
        ("b2", r"\mathrm{b2}"),
        ("u_yhat2", r"u_{\hat{y}2}"),
    ],
)
def test_identifiers(name: str, text: str) -> None:
    assert name_latex(name) == text


def test_prefixes_are_superscripts() -> None:
    assert parameter_latex("enc_W_aa") == r"W^{\mathrm{enc}}_{aa}"
    assert parameter_latex("dec_b") == r"b^{\mathrm{dec}}"
    transposed = MatVec(Parameter("enc_W_aa", ("n", "n")), a, transposed=True)
    assert expr_latex(transposed) == r"{W^{\mathrm{enc}}_{aa}}^{\top} a^{<t>}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1/100", "0.01"),
        ("1/2", r"\frac{1}{2}"),
        ("5/2", "2.5"),
        ("1/3", r"\frac{1}{3}"),
        ("1/1000", "0.001"),
        ("1/100000", "10^{-5}"),
        ("1/4000000", r"2.5 \cdot 10^{-7}"),
        ("1000000", "1000000"),
        ("30000000", r"3 \cdot 10^{7}"),
        ("0", "0"),
    ],
)
def test_numbers(value: str, text: str) -> None:
    assert number_latex(sympy.Rational(value)) == text


def test_steps() -> None:
    T, T_x, t = sympy.Symbol("T"), sympy.Symbol("T_x"), sympy.Symbol("t")
    assert [step_latex(s) for s in (3, T, T - 1, T_x + T + 2, t + 1)] == ["3", "T", "T-1", "T+T_{x}+2", "t+1"]


def test_equations() -> None:
    derived = derivation("vanilla").towards("loss")
    forward, adjoint = derived.phases[0].forward[1], derived.phases[0].adjoint[1]
    assert equation_latex(forward) == r"a^{<t>} = \tanh\left( z_{a}^{<t>} \right)"
    assert equation_latex(adjoint, 2).startswith(
        r"\delta_{a}^{<2>} = W_{ya}^{\top} \delta_{z_{\hat{y}}}^{<2>} + "
    )
    with pytest.raises(TypeError):
        equation_latex("a = b")  # type: ignore[arg-type]


def test_unknown_nodes_raise() -> None:
    with pytest.raises(TypeError, match="no LaTeX for"):
        expr_latex(Map(sympy.Integral(arg(0)), (a,), ("n",)))


def test_plain_text_keeps_nothing_to_interpret() -> None:
    assert plain(r"a_b $x$ \input{f} 5% #1 & ~^") == "a b x input f 5 1 "


def test_repr_latex() -> None:
    derived = derivation("vanilla")
    assert derived._repr_latex_() == derived.latex() == derivation_latex(derived)
    assert derived.model._repr_latex_() == model_latex(derived.model)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX")
@pytest.mark.parametrize("case", CASES)
def test_tex_compiles_it(case: str, tmp_path: Path) -> None:
    body = derivation_latex(derivation(case))
    (tmp_path / "a.tex").write_text(
        rf"\documentclass{{article}}\usepackage{{amsmath}}\begin{{document}}{body}\end{{document}}"
    )
    subprocess.run(["pdflatex", "-halt-on-error", "a.tex"], cwd=tmp_path, check=True, capture_output=True)
