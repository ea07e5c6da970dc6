"""`chalkgrad.document`: the derivation in the format, notation, layout and at the level asked for."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, overload

from chalkgrad import progress
from chalkgrad.derive import choices
from chalkgrad.derive.cells.model import Model
from chalkgrad.derive.cells.tables import read_tables
from chalkgrad.derive.choices import check_choice
from chalkgrad.derive.deriving.derivation import Derivation, derived
from chalkgrad.derive.deriving.extent import Steps
from chalkgrad.derive.documents.content import Wanted, content
from chalkgrad.derive.documents.levels import at_level
from chalkgrad.derive.documents.tree import Document
from chalkgrad.derive.formats.html import print_html
from chalkgrad.derive.formats.latex import print_latex
from chalkgrad.derive.formats.markdown import print_markdown
from chalkgrad.derive.formats.notebook import print_notebook
from chalkgrad.derive.formats.pdf import print_pdf
from chalkgrad.derive.formats.tex import print_tex
from chalkgrad.derive.formats.text import print_text
from chalkgrad.derive.publishing.page import BinaryPage, Page
from chalkgrad.derive.publishing.program import program_section

Text: TypeAlias = "str | bytes"
TextFormat = Literal["latex", "tex", "markdown", "html", "notebook", "text"]
FormatName = TextFormat | Literal["pdf"]
"""What `FORMATS` has a record of."""


@overload
def document(
    model: Model | Derivation,
    T: Steps = None,
    *,
    format: Literal["pdf"],
    notation: choices.Notation = "note",
    layout: choices.Layout = "gradient",
    level: choices.Level = "full",
) -> bytes: ...


@overload
def document(
    model: Model | Derivation,
    T: Steps = None,
    format: TextFormat = "latex",
    notation: choices.Notation = "note",
    layout: choices.Layout = "gradient",
    level: choices.Level = "full",
) -> str: ...


def document(
    model: Model | Derivation,
    T: Steps = None,
    format: FormatName = "latex",
    notation: choices.Notation = "note",
    layout: choices.Layout = "gradient",
    level: choices.Level = "full",
) -> Text:
    """The derivation as a document: text, or the bytes of a PDF. Every displayed equality has been checked.

    In a notebook LaTeX, Markdown, pages and PDFs show what they are.

    T: the steps that are written out, 2 by default (1 for one-to-one, (2, 2) for the encoder–decoder).
    format: "latex" (displays for amsmath, KaTeX and MathJax), "tex", "pdf", "markdown", "html", "notebook"
    or "text". notation: "note", "d2l", "pascanu" or "werbos". layout: "gradient" (a gradient has the shape
    of its parameter) or "jacobian" (numerator layout, where it is turned). level: "full", "brief" (one
    page of results), "exam" (questions) or "key" (their answers).

    Raises ChoiceError for any other choice, WrongStep for an equality that does not hold, MissingProgram
    where a PDF is wanted and no TeX is there.
    """
    derivation = derived(model)
    wanted = Wanted(T, notation, layout)
    return printed(derivation, wanted, format, level)


def printed(derivation: Derivation, wanted: Wanted, format: FormatName, level: choices.Level) -> Text:
    """The document in one format and at one level; ChoiceError as above."""
    check_choice("format", format, FORMATS)
    check_choice("level", level, choices.LEVELS)
    call = loading(derivation.model)
    wanted = replace(wanted, pictures=FORMATS[format].pictures)
    with progress.told(f"deriving {derivation.model.name}"):
        made = at_level(content(derivation, wanted, call), level)
        if format == "html" and level == "full":
            made = replace(made, sections=(*made.sections, *program_section(derivation)))
        text = FORMATS[format].print(made, call)
    return Page(text, format) if isinstance(text, str) else BinaryPage(text, format)


def loading(model: Model) -> str:
    """The Python expression that loads the model: by its name, or by its text where it has none."""
    usual = {"architecture": choices.MANY_TO_MANY, "feed": choices.NO_FEED, "loss": choices.AUTO}
    kinds = read_tables(model.name, model.text.encode()).kinds if model.text else choices.KINDS
    loss = model.loss if model.loss in kinds else choices.AUTO  # as it was chosen, if it may not be named
    own = {"architecture": model.architecture, "feed": model.feed, "loss": loss}
    chosen = {**{key: str(value) for key, value in own.items() if usual[key] != value}, **model.functions}
    told = f"text={_literal(model.text)}" if model.text and not model.origin else None
    arguments = [told or repr(model.origin or model.name), *(f"{k}={v!r}" for k, v in chosen.items())]
    return f"cg.load({', '.join(arguments)})"


def _literal(text: str) -> str:
    """The text in Python, line by line. No two quotes in it meet, and none meets those at its end."""
    shown = (c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text.replace("\\", r"\\"))
    quoted = re.sub(r"'(?='|\Z)", r"\\'", "".join(shown))
    return f"'''\\\n{quoted}'''"


@dataclass(frozen=True)
class Format:
    """print: a document, given the Python that loads its model, as text. ending: of its files, "" for none of
    its own. pictures: whether it can show the plot; the others have its table of numbers."""

    print: Callable[[Document, str], Text]
    ending: str
    pictures: bool = False


FORMATS: dict[FormatName, Format] = {
    "latex": Format(lambda made, call: print_latex(made), ""),
    "tex": Format(lambda made, call: print_tex(made), ".tex"),
    "pdf": Format(lambda made, call: print_pdf(made), ".pdf", pictures=True),
    "markdown": Format(lambda made, call: print_markdown(made), ".md"),
    "html": Format(lambda made, call: print_html(made), ".html", pictures=True),
    "notebook": Format(print_notebook, ".ipynb", pictures=True),
    "text": Format(lambda made, call: print_text(made), ".txt"),
}
