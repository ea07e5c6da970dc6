"""`derive.document`: the derivation of a model in the format, notation, layout and at the level asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from derive.cells.model import Model
from derive.deriving.derivation import Derivation, derived
from derive.documents.content import Wanted, content
from derive.documents.levels import LEVELS, at_level
from derive.documents.tree import Document
from derive.errors import ChoiceError
from derive.formats.latex import print_latex
from derive.publishing.program import program_section
from derive.values.walk import Steps

Text: TypeAlias = "str | bytes"


def document(
    model: Model | Derivation,
    T: Steps = None,
    format: str = "latex",
    notation: str = "note",
    layout: str = "gradient",
    level: str = "full",
) -> Text:
    """The derivation as a document: text, or the bytes of a PDF. Every displayed equality has been checked.

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


def printed(derivation: Derivation, wanted: Wanted, format: str, level: str) -> Text:
    """The document in one format and at one level; ChoiceError as above."""
    if format not in FORMATS:
        raise ChoiceError("format", f"one of {', '.join(FORMATS)}", format)
    if level not in LEVELS:
        raise ChoiceError("level", f"one of {', '.join(LEVELS)}", level)
    call = loading(derivation.model)
    wanted = replace(wanted, pictures=format in _WITH_PLOTS)
    made = at_level(content(derivation, wanted, call), level)
    if format == "html" and level == "full":
        made = replace(made, sections=(*made.sections, *program_section(derivation)))
    return FORMATS[format](made, call)


def loading(model: Model) -> str:
    """The Python expression that loads the model, by its name."""
    chosen = {"architecture": model.architecture, "feed": model.feed, "loss": model.loss or "auto"}
    usual = {"architecture": "many-to-many", "feed": "none", "loss": "auto"}
    chosen = {key: value for key, value in chosen.items() if usual[key] != value} | dict(model.functions)
    arguments = [repr(model.origin or model.name), *(f"{k}={v!r}" for k, v in chosen.items())]
    return f"derive.load({', '.join(arguments)})"


def _tex(made: Document, call: str) -> Text:
    from derive.formats.tex import print_tex

    return print_tex(made)


def _pdf(made: Document, call: str) -> Text:
    from derive.formats.pdf import print_pdf

    return print_pdf(made)


def _markdown(made: Document, call: str) -> Text:
    from derive.formats.markdown import print_markdown

    return print_markdown(made)


def _html(made: Document, call: str) -> Text:
    from derive.formats.html import print_html

    return print_html(made)


def _notebook(made: Document, call: str) -> Text:
    from derive.formats.notebook import print_notebook

    return print_notebook(made, call)


def _text(made: Document, call: str) -> Text:
    from derive.formats.text import print_text

    return print_text(made)


_WITH_PLOTS = ("pdf", "html", "notebook")
FORMATS: dict[str, Callable[[Document, str], Text]] = {
    "latex": lambda made, call: print_latex(made),
    "tex": _tex,
    "pdf": _pdf,
    "markdown": _markdown,
    "html": _html,
    "notebook": _notebook,
    "text": _text,
}
