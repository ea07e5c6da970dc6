"""The estimated width of LaTeX against the boxes that TeX sets."""

from __future__ import annotations

import pytest

from chalkgrad.derive.writing.latex import latex
from chalkgrad.derive.writing.metrics import height, text_width, width
from chalkgrad.derive.writing.tree import Name, Words
from tests.derive.formats.typeset import needs_tex, tex_widths
from tests.derive.writing.trees import formulas, t

MARGIN = 1.125


@needs_tex
def test_estimates_are_never_below_and_hardly_above() -> None:
    texts = sorted({latex(node, notation) for node, notation in formulas()})
    texts += [latex(Words(f"{words} step, one or two; a sum over {words}")) for words in ("WAVE of", "fifty")]
    measured = tex_widths(texts)
    assert len(measured) == len(texts) > 500
    shares = {text: width(text) / real for text, real in zip(texts, measured, strict=True)}
    assert min(shares.values()) >= 0.9999, min(shares, key=lambda text: shares[text])
    assert max(shares.values()) <= MARGIN, max(shares, key=lambda text: shares[text])


def test_what_is_longer_is_wider() -> None:
    assert width("a") < width("a b") < width("a + b")
    assert width(r"\frac{a}{b}") < width(r"\frac{a + b}{b}")
    assert width(r"\left( \frac{a}{b} \right)") > width(r"\left( a \right)")
    assert text_width("WAVE") > text_width("wave") > text_width("ill")
    assert text_width("bold", "bold") > text_width("bold")
    assert width(latex(Name("a", t))) < 2.5


def test_what_is_higher_is_higher() -> None:
    assert height("a") < height(r"\frac{a}{b}") < height(r"\frac{\frac{a}{b}}{c}")
    rows = r"\begin{aligned} a & = b \\ & = c \\ & = d \end{aligned}"
    assert height(rows) > 4


def test_unknown_macros_are_named() -> None:
    with pytest.raises(ValueError, match="undefined"):
        width(r"\undefined")
