"""The document as a Jupyter notebook, nbformat 4.5: a section a cell, and the program to run between them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

from chalkgrad.derive.documents.tree import Block, Document, Listing, Plot, Section
from chalkgrad.derive.formats.markdown import block_markdown, escaped, words
from chalkgrad.derive.writing.notation import Notation

_LANGUAGE = "python"
_CHECK = """if model.loss is not None:
    report = cg.prove(model)
    print(report)
    assert report.ok"""


def print_notebook(document: Document, call: str) -> str:
    """The notebook as JSON. call: the Python expression that loads the model."""
    cells = list(_cells(document, call))
    notebook = {
        "cells": [{"id": f"cell-{number}", **cell} for number, cell in enumerate(cells, 1)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": _LANGUAGE, "name": "python3"},
            "language_info": {"name": _LANGUAGE},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _cells(document: Document, call: str) -> Iterator[dict[str, object]]:
    head = f"# {escaped(document.title)}"
    yield _markdown(f"{head}\n\n{escaped(document.subtitle)}" if document.subtitle else head)
    yield _code(f"import chalkgrad as cg\n\nmodel = {call}\nmodel")
    for section in document.sections:
        yield from _section(section, document.notation)
    told = "Every gradient, held to SymPy's derivative of the expanded loss."
    yield _markdown(f"## The check, run here\n\n{told}")
    yield _code(_CHECK)


def _section(section: Section, notation: Notation) -> Iterator[dict[str, object]]:
    """Words and displays in one cell, as far as the next program that can be run."""
    parts = [f"## {escaped(section.title)}"]
    for block in section.blocks:
        if isinstance(block, Listing) and block.language == _LANGUAGE:
            yield _markdown("\n\n".join([*parts, f"**{escaped(block.title)}**"]))
            yield _code("\n".join(block.lines))
            parts = []
        else:
            parts += _texts(block, notation)
    if parts:
        yield _markdown("\n\n".join(parts))


def _texts(block: Block, notation: Notation) -> Iterator[str]:
    match block:
        case Plot(svg=str() as svg, caption=caption):
            picture = base64.b64encode(svg.encode()).decode("ascii")
            yield f"![plot](data:image/svg+xml;base64,{picture})"
            yield words(caption.parts, notation)
        case _:
            yield from block_markdown(block, notation)


def _markdown(text: str) -> dict[str, object]:
    return {"cell_type": "markdown", "metadata": {}, "source": text}


def _code(text: str) -> dict[str, object]:
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": text}
