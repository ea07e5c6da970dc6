"""How expressions, names, numbers and steps are written, as LaTeX."""

from __future__ import annotations

import pytest
import sympy

from chalkgrad.derive.cells.modelfile import load
from chalkgrad.derive.deriving.derivation import bptt
from chalkgrad.derive.publishing.shown import step_node
from chalkgrad.derive.terms.algebra import (
    Expr,
    Map,
    MatVec,
    Outer,
    Parameter,
    Reduce,
    Role,
    Symbol,
    arg,
    elementwise,
)
from chalkgrad.derive.terms.functions import leaky_relu, relu, sigmoid, softplus
from chalkgrad.derive.writing.expressions import expr_node
from chalkgrad.derive.writing.latex import latex, plain
from chalkgrad.derive.writing.scalar import number_node
from chalkgrad.derive.writing.tree import Name, Par, When
from tests.derive.publishing.test_latex import balanced

a, b = Symbol("a", ("n",)), Symbol("b", ("n",), -1)
s = Symbol("s", ())
W = Parameter("W_aa", ("n", "n"))
third = sympy.Rational(1, 3)


def expr_latex(expr: Expr) -> str:
    return latex(expr_node(expr))


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
        (
            elementwise(lambda p: leaky_relu(p) + softplus(p), (a,)),
            r"\operatorname{LeakyReLU}\left( a^{<t>} \right) + \operatorname{softplus}\left( a^{<t>} \right)",
        ),
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
def test_expressions(expr: Expr, text: str) -> None:
    printed = expr_latex(expr)
    assert balanced(printed)
    assert printed == text


def test_index_letters_avoid_names() -> None:
    """A gate called i is summed over another letter, and nested sums have their own."""
    gate = Symbol("i", ("n",))
    assert expr_latex(Reduce("sum", gate)) == r"\sum_{j=1}^{n} \left( i^{<t>} \right)_{j}"
    inner = elementwise(lambda p, q: p - q, (a, Reduce("sum", a)))
    nested = expr_latex(Reduce("sum", inner))
    assert r"\sum_{j=1}^{n}" in nested or r"\sum_{m=1}^{n}" in nested
    assert r"\sum_{i=1}^{n}" in nested


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
    assert latex(Name(name)) == text
    assert latex(Par(name)) == text


def test_prefixes_are_superscripts() -> None:
    assert latex(Par("enc_W_aa")) == r"W^{\mathrm{enc}}_{aa}"
    assert latex(Par("dec_b")) == r"b^{\mathrm{dec}}"
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
    assert latex(number_node(sympy.Rational(value))) == text


def test_steps() -> None:
    T, T_x, t = sympy.Symbol("T"), sympy.Symbol("T_x"), sympy.Symbol("t")
    steps = (3, T, T - 1, T_x + T + 2, t + 1)
    assert [latex(When(step)) for step in steps] == ["3", "T", "T - 1", "T + T_{x} + 2", "t + 1"]
    shown = [latex(Name("a", step)) for step in steps]
    assert shown == [f"a^{{<{text}>}}" for text in ("3", "T", "T-1", "T+T_{x}+2", "t+1")]


def test_equations() -> None:
    derived = bptt(load("vanilla")).towards("loss")
    forward, adjoint = derived.phases[0].forward[1], derived.phases[0].adjoint[1]
    assert latex(step_node(forward)) == r"a^{<t>} = \tanh\left( z_{a}^{<t>} \right)"
    both = r"W_{ya}^{\top} \delta_{z_{\hat{y}}}^{<t>} + W_{aa}^{\top} \delta_{z_{a}}^{<t+1>}"
    assert latex(step_node(adjoint)) == rf"\delta_{{a}}^{{<t>}} = {both}"
    for number, term in enumerate(adjoint.terms):
        assert latex(step_node(term)) == both.split(" + ")[number]
    gradient = derived.parameter_gradients[0]
    assert latex(step_node(gradient.sums[0])) == r"\delta_{z_{a}}^{<t>} (a^{<t-1>})^{\top}"
    with pytest.raises(TypeError, match="nothing to show for str"):
        step_node("a = b")


def test_unknown_nodes_raise() -> None:
    with pytest.raises(TypeError, match="no way to write Integral"):
        expr_node(Map(sympy.Integral(arg(0)), (a,), ("n",)))


def test_plain_text_keeps_nothing_to_interpret() -> None:
    assert plain(r"a_b $x$ \input{f} 5% #1 & ~^") == "a b x input f 5 1 "
