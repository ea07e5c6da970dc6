"""The chain rule: the note's lines token for token, what is said about them, form and arguments."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sympy

from chalkgrad import derive
from chalkgrad.derive.cells.modelfile import load
from chalkgrad.derive.chaining.chain import Chain, chain
from chalkgrad.derive.deriving.derivation import bptt
from chalkgrad.derive.documents.chained import Chained
from chalkgrad.derive.documents.tree import Equations, Line, Remark
from chalkgrad.derive.errors import ChoiceError
from chalkgrad.derive.publishing.shown import step_node
from chalkgrad.derive.terms.algebra import elementwise, shifted
from chalkgrad.derive.writing.latex import latex
from tests.chosen import some

NOTE = Path(__file__).parents[4] / "shared" / "note.md"
LINES = r"""
\frac{\partial L^{<2>}}{\partial W_{aa}} & = & \frac{\partial L^{<2>}}{\partial \hat{y}^{<2>}} \frac{\partial \hat{y}^{<2>}}{\partial W_{aa}} \\
& = & \frac{\partial L^{<2>}}{\partial \hat{y}^{<2>}} \frac{\partial \hat{y}^{<2>}}{\partial a^{<2>}} \frac{\partial a^{<2>}}{\partial W_{aa}} \\
& = & \frac{\partial L^{<2>}}{\partial \hat{y}^{<2>}} \frac{\partial \hat{y}^{<2>}}{\partial a^{<2>}} \frac{\partial a^{<2>}}{\partial a^{<1>}} \frac{\partial a^{<1>}}{\partial W_{aa}}
"""  # noqa: E501

CASES: list[tuple[str, dict[str, str], Any, int | None, str | None]] = [
    ("vanilla", {}, 2, 2, "W_aa"),
    ("vanilla", {"g": "relu", "h": "softmax", "loss": "binary_cross_entropy"}, 3, 3, "W_aa"),
    ("vanilla", {}, 4, 3, "W_ax"),
    ("vanilla", {}, 3, None, "b_a"),
    ("vanilla", {}, 3, None, "W_ya"),
    ("vanilla", {"architecture": "many-to-one"}, 3, None, None),
    ("vanilla", {"architecture": "one-to-one"}, None, None, "W_ax"),
    ("vanilla", {"architecture": "one-to-many", "feed": "output", "h": "softmax"}, 3, 3, "W_aa"),
    ("vanilla", {"architecture": "one-to-many", "feed": "output"}, 3, 3, "W_ya"),
    ("vanilla", {"architecture": "one-to-many", "feed": "target"}, 3, 2, "W_ax"),
    ("vanilla", {"architecture": "encoder-decoder", "feed": "output"}, (2, 3), 5, "enc_W_aa"),
    ("vanilla", {"architecture": "encoder-decoder", "feed": "output"}, (2, 3), 4, "dec_W_ax"),
    ("gru", {}, 3, None, "W_ra"),
    ("gru", {"architecture": "one-to-many", "feed": "output"}, 3, None, "W_ka"),
    ("gru_reset_after", {"h": "softmax"}, 3, 2, "c_k"),
    ("lstm", {}, 3, None, "W_fa"),
    ("lstm", {"architecture": "encoder-decoder", "feed": "output"}, (2, 2), None, "enc_b_i"),
    ("vanilla_stacked", {"g": "relu"}, 3, None, "W_aa"),
    ("vanilla_stacked", {}, 3, None, "W_da"),
]


def built(case: tuple[str, dict[str, str], Any, int | None, str | None]) -> Chain:
    name, choices, T, loss_step, parameter = case
    return chain(load(name, **choices), T, loss_step, parameter)


def label(case: tuple[str, dict[str, str], Any, int | None, str | None]) -> str:
    name, choices, T, loss_step, parameter = case
    told = "-".join(map(str, [name, *choices.values(), T, loss_step, parameter]))
    return re.sub(r"[^\w-]+", "_", told)


# ----------------------------------------------------------------------------- the note


def squeezed(text: str) -> str:
    return "".join(text.split())


def unwrapped(text: str) -> str:
    """Words that a page has broken into lines as one line."""
    text = text.replace(" \\\\\n& ", r"\text{ }")
    while (joined := re.sub(r"(\\text\{[^{}]*)\}\\text\{", r"\1", text)) != text:
        text = joined
    return text


def left(line: Line) -> str:
    return "" if line.left is None else latex(line.left)


def documented(made: Chain) -> tuple[Line, ...]:
    """The documented lines about the parameter: the last equations of the quotation."""
    section = Chained(made).section()
    remark = next(b for b in section.blocks if isinstance(b, Remark) and b.kind == "quotation")
    equations = remark.blocks[-1]
    assert isinstance(equations, Equations)
    return equations.lines


def worked_out(made: Chain) -> list[str]:
    """The terms in the shape of the parameter, one after the other."""
    return [latex(step_node(term)) for term in made.terms]


def test_the_notes_lines_are_quoted() -> None:
    made = chain(load("vanilla"), T=2, loss_step=2, parameter="W_aa")
    assert made.quoted
    lines = documented(made)
    assert len(lines) == 3 and all(line.quoted for line in lines)
    printed = r" \\ ".join(f"{left(line)} & = & {latex(line.right)}" for line in lines)
    assert squeezed(printed) == squeezed(LINES)
    shown = squeezed(re.sub(r" && \\qquad \\text\{quoted[^}]*\}", "", made.latex()))
    assert squeezed(LINES.replace("& = &", "& =")) in shown
    assert made.latex().count(r"\text{quoted}") == 2
    assert made.latex().count(r"\text{quoted, does not hold}") == 2  # the last, and the loss of two steps


@pytest.mark.skipif(not NOTE.exists(), reason="the note is not beside this checkout")
def test_the_lines_are_the_notes() -> None:
    assert squeezed(LINES) in squeezed(NOTE.read_text(encoding="utf-8"))


def test_defaults_are_the_notes() -> None:
    made = chain(load("vanilla"))
    assert (made.loss_step, made.parameter.name, made.quoted) == (2, "W_aa", True)


@pytest.mark.parametrize("g", ["tanh", "relu"])
@pytest.mark.parametrize("h", ["sigmoid", "softmax"])
def test_the_notes_choices_are_all_the_notes_network(g: str, h: str) -> None:
    assert chain(load("vanilla", g=g, h=h)).quoted


@pytest.mark.parametrize(
    ("name", "choices", "T", "parameter"),
    [
        ("vanilla", {}, 3, "W_aa"),
        ("vanilla", {}, 2, "W_ax"),
        ("vanilla", {"architecture": "many-to-one"}, 2, "W_aa"),
        ("gru", {}, 2, "W_za"),
        ("vanilla_stacked", {}, 2, "W_aa"),
    ],
)
def test_other_networks_are_not_quoted(name: str, choices: dict[str, str], T: int, parameter: str) -> None:
    made = chain(load(name, **choices), T, None, parameter)
    assert not made.quoted and "The founding note writes" not in made.latex()
    assert "In the shape in which the founding note writes it, the chain rule is" in made.latex()
    assert not any(line.quoted for line in documented(made))
    claims = [line.equality for line in documented(made) if line.equality is not None]
    false = [claim for claim in claims if not claim.holds]
    assert made.latex().count(r"\text{does not hold}") == len(false) == len(made.terms) - 1


def test_the_last_line_vanishes_with_the_initial_state() -> None:
    """With a⁰ = 0 the documented last line alone gives 0, and the direct path is the whole gradient."""
    made = chain(load("vanilla"), 2, 2, "W_aa")
    direct, recurrent = made.terms
    assert (direct.k, direct.vanishes, recurrent.k) == (2, False, 1)
    assert recurrent.vanishes and recurrent.immediate_vanishes
    first, second = made.values(initial="zero")
    assert first != sympy.zeros(1, 1) and second == sympy.zeros(1, 1)
    text = unwrapped(made.latex())
    assert r"k = 2\text{: direct path}" in text
    assert r"k = 1\text{: indirect path, through }a^{<1>}" in text
    assert "the last line alone gives 0, and the whole gradient is the path that it leaves out." in text
    assert r"the line is one of the 2 terms, }k = 1\text{, the path through }a^{<1>}\text{." in text
    assert r"It leaves out }k = 2\text{, the direct path:" in text
    end = r"\frac{\partial^{+} a^{<1>}}{\partial W_{aa}}"
    assert rf"the immediate derivative }}{end}\text{{ is zero" in text


def test_another_parameter_does_not_vanish() -> None:
    made = chain(load("vanilla"), 2, 2, "W_ax")
    assert [term.vanishes for term in made.terms] == [False, False]
    assert r"That term does not vanish with }a^{<0>} = 0\text{." in unwrapped(made.latex())


def test_the_cell_state_counts_as_initial() -> None:
    """The forget gate's bias has an immediate effect in proportion to c⁰."""
    made = chain(load("lstm"), 2, 2, "b_f")
    assert [term.vanishes for term in made.terms] == [False, True]
    assert [term.vanishes for term in chain(load("lstm"), 2, 2, "b_i").terms] == [False, False]


def test_the_evaluated_terms_of_the_note() -> None:
    direct, recurrent = worked_out(chain(load("vanilla"), 2, 2, "W_aa"))
    output = r"\left( W_{ya}^{\top} \left( \hat{y}^{<2>} - y^{<2>} \right) \right)"
    inner = rf"{output} \ast \left( 1 - (a^{{<2>}})^{{2}} \right)"
    assert direct == rf"\left[ {inner} \right] (a^{{<1>}})^{{\top}}"
    back = (
        rf"\left( W_{{aa}}^{{\top}} \left( {inner} \right) \right) \ast \left( 1 - (a^{{<1>}})^{{2}} \right)"
    )
    assert recurrent == rf"\left[ {back} \right] (a^{{<0>}})^{{\top}}"


def test_an_output_parameter_ends_at_the_output() -> None:
    made = chain(load("vanilla"), 3, None, "W_ya")
    assert [s.name for s in made.through] == ["yhat"] and len(documented(made)) == 1
    assert [term.k for term in made.terms] == [3]


def test_a_parameter_that_comes_too_late() -> None:
    """The decoder's first step reads no output, so there the loss does not depend on dec_W_ax."""
    model = load("vanilla", architecture="encoder-decoder", feed="output")
    made = chain(model, (2, 2), 3, "dec_W_ax")
    assert made.terms == () and made.values() == []
    assert r"\frac{\partial L^{<3>}}{\partial W^{\mathrm{dec}}_{ax}} & = 0" in made.latex()
    assert r"\text{, so the gradient is zero." in unwrapped(made.latex())


def test_a_flipped_sign_is_in_every_part() -> None:
    """The chain says what the Derivation says: with the recurrent term flipped, all of it changes."""
    derivation = bptt(load("vanilla"))
    (phase,) = derivation.phases
    at = next(i for i, e in enumerate(phase.adjoint) if e.target.name == "a")
    equation = phase.adjoint[at]
    terms = tuple(
        replace(t, expr=elementwise(lambda v: -v, (t.expr,))) if t.lag else t for t in equation.terms
    )
    adjoint = (*phase.adjoint[:at], replace(equation, terms=terms), *phase.adjoint[at + 1 :])
    flipped = replace(derivation, phases=(replace(phase, adjoint=adjoint),))
    right, wrong = chain(derivation), chain(flipped)
    assert r"-\operatorname{diag}" in wrong.latex() and r"-\operatorname{diag}" not in right.latex()
    assert worked_out(right)[1] != worked_out(wrong)[1] and worked_out(right)[0] == worked_out(wrong)[0]
    assert right.values()[1] == -wrong.values()[1] and right.values()[0] == wrong.values()[0]


# ----------------------------------------------------------------------------- form


@pytest.mark.parametrize("number", some(range(len(CASES)), lambda n: n % 2), ids=lambda n: label(CASES[n]))
def test_the_text_is_whole(number: int) -> None:
    from tests.derive.publishing.test_latex import balanced

    made = built(CASES[number])
    text = unwrapped(made.latex())
    assert balanced(made.latex()) and "$0" not in text
    written = "writes the chain rule for this parameter so:" if made.quoted else "the chain rule is:"
    for words in ("One term for every", "Each factor worked out", "Every term worked out", "Together:"):
        assert words in text
    assert written in text
    assert "the last line is the only term" in text or "It leaves out " in text
    assert r"\text{ is immediate: }" in text and r"\text{ is total: }" in text


@pytest.mark.parametrize("index", [0, 7, 10, 15, 17])
def test_golden(index: int, golden: Callable[[str, str], None]) -> None:
    golden(f"chain/{label(CASES[index])}.tex", built(CASES[index]).latex())


def test_long_chains_stay_short() -> None:
    text = chain(load("vanilla"), 12).latex()
    assert r"\cdots" in text and r"\vdots" in text
    assert max(map(len, text.splitlines())) < 1000


def test_repr_latex() -> None:
    made = chain(load("vanilla"))
    assert made._repr_latex_() == made.latex()


def test_absolute_expressions_shift_back() -> None:
    made = chain(load("vanilla"))
    assert shifted(shifted(made.terms[0].terms[0], 3), -3) == made.terms[0].terms[0]


@pytest.mark.parametrize(
    ("argument", "choices", "call"),
    [
        ("T", {}, {"T": 0}),
        ("T", {}, {"T": (2, 3)}),
        ("T", {}, {"T": 2.5}),
        ("T", {}, {"T": True}),
        ("T", {"architecture": "one-to-one"}, {"T": 2}),
        ("T", {"architecture": "encoder-decoder"}, {"T": 3}),
        ("loss_step", {}, {"T": 2, "loss_step": 3}),
        ("loss_step", {}, {"T": 2, "loss_step": 0}),
        ("loss_step", {}, {"loss_step": True}),
        ("loss_step", {}, {"loss_step": "last"}),
        ("loss_step", {"architecture": "many-to-one"}, {"T": 3, "loss_step": 2}),
        ("loss_step", {"architecture": "encoder-decoder"}, {"T": (2, 2), "loss_step": 2}),
        ("parameter", {}, {"parameter": "W_zz"}),
        ("parameter", {}, {"parameter": "a0"}),
        ("parameter", {"architecture": "encoder-decoder"}, {"parameter": "W_aa"}),
    ],
)
def test_wrong_arguments_are_named(argument: str, choices: dict[str, str], call: dict[str, Any]) -> None:
    with pytest.raises(ChoiceError) as caught:
        chain(load("vanilla", **choices), **call)
    assert caught.value.argument == argument


def test_a_model_without_output_has_no_chain(tmp_path: Path) -> None:
    file = tmp_path / "m.toml"
    file.write_text(
        'name = "m"\ntitle = "m"\n[sizes]\nn = "n"\n[inputs]\nx = ["n"]\n[states]\nq = ["n"]\n'
        '[parameters]\nW = ["n", "n"]\n[equations]\nq = "tanh(W @ q[t-1] + x)"\n'
    )
    with pytest.raises(ChoiceError, match="model: expected a model with an output"):
        chain(load(file))


def test_wrong_sizes_and_initial_are_named() -> None:
    made = chain(load("vanilla"))
    with pytest.raises(ChoiceError, match="initial"):
        made.values(initial="ones")
    with pytest.raises(ChoiceError, match="sizes"):
        made.values({"n_z": 2})


def test_a_chain_has_any_length_and_its_text_grows_with_it() -> None:
    short, long = (derive.chain(derive.load("vanilla"), T=T) for T in (12, 96))
    assert [term.k for term in long.terms] == list(range(96, 0, -1))
    assert len(long.latex()) < 9 * len(short.latex())


def test_a_parameter_that_enters_only_before_has_no_direct_path() -> None:
    model = derive.load("vanilla", architecture="encoder-decoder")
    text = unwrapped(derive.chain(model, T=(2, 2), parameter="enc_W_aa").latex())
    assert "direct path" not in text.replace("indirect path", "")
    assert r"It leaves out }k = 2\text{, the terms of the other paths:" in text
