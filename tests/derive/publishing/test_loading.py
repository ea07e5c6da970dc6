"""The Python that loads a model, in documents and notebooks: it runs, and gives that model."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import example, given, strategies

import chalkgrad as cg
from chalkgrad.codegen.building import toolchain
from chalkgrad.derive.publishing.document import loading
from tests.derive.cells.test_modelfile_mistakes import LOSS
from tests.derive.conftest import CELL
from tests.derive.once import judged_once
from tests.quick import flags_at

ODD = "# '''\"\"\" \\N{DIGIT ONE} \\\r\n" + CELL.replace("A cell", "δ – 'é' ''' \\\" & <b> $ {} %s")
"""Quotes of every kind, backslashes, line breaks, letters."""


def run(program: str) -> Any:
    return eval(program, {"cg": cg})


@pytest.mark.parametrize("choices", [{}, {"h": "softmax", "architecture": "one-to-many", "feed": "output"}])
@pytest.mark.parametrize("origin", ["vanilla", "file", "path", "text", "mapping"])
def test_it_gives_the_model(origin: str, choices: dict[str, Any], write: Callable[..., Path]) -> None:
    match origin:
        case "vanilla":
            model = cg.load("vanilla", **choices)
        case "file" | "path":
            model = cg.load(write() if origin == "path" else str(write()), **choices)
        case "text":
            model = cg.load(text=ODD, **choices)
        case _:
            model = cg.load(tomllib.loads(ODD), **choices)
    again = run(loading(model))
    assert again == model and (again.text, again.origin) == (model.text, model.origin)


@pytest.mark.parametrize("kinds", ["'auto'", "['auto']", "['squared_error', 'auto']", "['squared_error']"])
@pytest.mark.parametrize("asked", ["auto", "squared_error"])
def test_a_loss_that_may_not_be_named(kinds: str, asked: Any) -> None:
    text = CELL.replace(LOSS, f"[loss]\nkind = {kinds}\n")
    if asked in kinds:
        model = cg.load(text=text, loss=asked)
        assert run(loading(model)) == model


def test_any_text_is_a_literal() -> None:
    """Whatever stands in a comment at the end of a file."""
    signs = strategies.characters(exclude_categories=["Cs", "Cc"]) | strategies.sampled_from("'\"\\\t")

    @given(strategies.text(signs))
    @example("'")
    @example("''''")
    @example('"""')
    @example("\\")
    @example("\\'")
    @example("\\\\'''\\")
    def holds(comment: str) -> None:
        model = cg.load(text=f"{CELL}# {comment}")
        program = loading(model)
        ast.parse(program)
        assert run(program).text == model.text
        assert program.splitlines()[1:3] == CELL.splitlines()[:2]

    holds()


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From an empty folder: the model is in the notebook, also where the C is built."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(toolchain, "FLAGS", flags_at("-O0"))
    model = cg.load(text=ODD, h="softmax")
    with judged_once():
        cells = json.loads(cg.document(model, T=1, format="notebook"))["cells"]
    programs = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    here = ModuleType("notebook")
    with contextlib.redirect_stdout(io.StringIO()):
        for program in programs:
            exec(compile(program, "cell", "exec"), here.__dict__)
    assert here.__dict__["model"] == model and here.__dict__["report"].ok
    assert set(here.__dict__["grads"]) == {p.name for p in model.parameters}
    assert len([program for program in programs if "cg.load(text='''" in program]) == 2


@pytest.mark.parametrize("format", ["tex", "markdown", "html", "text"])
def test_documents_show_it_line_by_line(format: Any) -> None:
    with judged_once():
        made = cg.document(cg.load(text=ODD, h="softmax"), T=1, format=format)
    lines = [line for line in made.splitlines() if "n_a" in line or r"n\char95{}a" in line]
    assert [line for line in lines if line.startswith(("n_a = ", r"\mbox{n\char95{}a\ =\ "))]
