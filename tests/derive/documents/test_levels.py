"""Levels: one page of results; an exam that keeps its answers to itself, and the key that has them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from chalkgrad.derive.__main__ import main
from chalkgrad.derive.cells.modelfile import load
from chalkgrad.derive.deriving.derivation import bptt
from chalkgrad.derive.documents.content import Wanted
from chalkgrad.derive.documents.levels import at_level
from chalkgrad.derive.documents.tree import Block, Document, Equations, Line, Listing, Paragraph, Plot, Remark
from chalkgrad.derive.errors import ChoiceError
from chalkgrad.derive.publishing.document import FORMATS, document, loading
from chalkgrad.derive.writing.latex import latex
from chalkgrad.derive.writing.mathml import mathml
from chalkgrad.derive.writing.notation import Notation
from chalkgrad.derive.writing.tree import Ident, Name, Node, Number, Objective, Par, Row, walk
from chalkgrad.derive.writing.unicode import unicode
from tests.chosen import some
from tests.derive.once import content

MODELS: list[tuple[str, dict[str, str]]] = [
    ("vanilla", {}),
    ("vanilla", {"architecture": "encoder-decoder", "feed": "output"}),
    ("gru", {"g": "relu", "h": "softmax"}),
    ("lstm", {}),
]
pytestmark = [pytest.mark.xdist_group("levels"), pytest.mark.usefixtures("judged_once")]
TEXTS = ("latex", "tex", "markdown", "html", "notebook", "text")


@cache
def full(index: int) -> Document:
    name, choices = MODELS[index]
    derivation = bptt(load(name, **choices))
    return content(derivation, Wanted(pictures=False), loading(derivation.model))


def every_model(function: Callable[..., None]) -> Any:
    """The first two in `make test`."""
    ids = ["-".join((name, *choices.values())) for name, choices in MODELS]
    return pytest.mark.parametrize("index", some(range(len(MODELS)), (0, 1).__contains__), ids=ids)(function)


# ----------------------------------------------------------------------------- brief


@pytest.mark.skipif(not (shutil.which("pdflatex") and shutil.which("pdfinfo")), reason="no TeX, no pdfinfo")
@pytest.mark.parametrize("cell", some(["vanilla", "gru", "lstm"], "gru".__eq__))
def test_brief_is_one_page(cell: str, tmp_path: Path) -> None:
    text = document(load(cell), format="tex", level="brief")
    assert isinstance(text, str)
    assert pages(text, tmp_path) == (1, "A4")


def pages(text: str, folder: Path) -> tuple[int, str]:
    """How many pages TeX makes of it, and of which size."""
    (folder / "a.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-halt-on-error", "-interaction=batchmode", "a.tex"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    told = subprocess.run(["pdfinfo", "a.pdf"], cwd=folder, check=True, capture_output=True, text=True).stdout
    found = {key: value.strip() for key, _, value in (line.partition(":") for line in told.splitlines())}
    return int(found["Pages"]), re.findall(r"\((.*)\)", found["Page size"])[0]


@every_model
def test_brief_has_every_result_and_no_words(index: int) -> None:
    """Every named step, the loss, every δ of the loss and every gradient, each with its number; no word."""
    whole = full(index)
    derivation = bptt(load(MODELS[index][0], **MODELS[index][1]))
    brief = at_level(whole, "brief")
    assert all(isinstance(block, Equations) for section in brief.sections for block in section.blocks)
    assert not [line for line in brief.lines() if line.rule or line.quoted or line.relation != "="]
    shown = [number for line in brief.lines() for number in line.numbers]
    towards = derivation.towards("loss")
    expected = {f.number for p in derivation.phases for f in p.forward if f.target != derivation.loss}
    expected |= {e.number for p in towards.phases for e in p.adjoint}
    expected |= {g.number for g in derivation.gradients.values()}
    assert set(shown) == expected
    lefts = [line.left for line in brief.lines()]
    assert None not in lefts and lefts.count(Objective("L")) == 1
    full_lines = {(line.right, line.numbers) for line in whole.lines()}
    assert {(line.right, line.numbers) for line in brief.lines()} <= full_lines


# ----------------------------------------------------------------------------- exam and key


def blocks(made: Document) -> Iterator[Block]:
    for section in made.sections:
        yield from section.blocks


def answered(made: Document) -> list[Line]:
    """The lines that a student is asked to work out."""
    found = [block for block in blocks(made) if isinstance(block, Equations) and block.answer]
    assert len(found) > 10
    return [line for block in found for line in block.lines]


def telling(node: Node) -> bool:
    """Whether it says something: not only 0, I or one letter."""
    leaves = [n for n in walk(node) if isinstance(n, Name | Par | Number | Ident)]
    return isinstance(node, Row) and len(leaves) > 1


@every_model
def test_an_exam_has_none_of_its_answers(index: int) -> None:
    exam = at_level(full(index), "exam")
    written = set(nodes(exam.sections))
    found = {line.right for line in answered(full(index)) if telling(line.right)}
    assert len(found) > 20
    assert not found & written
    assert not [block for block in blocks(exam) if isinstance(block, Listing | Plot)]
    assert not [line for line in exam.lines() if line.verdict is not None or line.equality is not None]
    kept = [block for block in blocks(exam) if isinstance(block, Equations)]
    assert kept and not any(block.answer for block in kept)


def nodes(value: object) -> Iterator[Node]:
    """Everything written in a document, as trees; claims about it are not written."""
    if isinstance(value, Node):
        yield from walk(value)
    elif isinstance(value, tuple):
        for item in value:
            yield from nodes(item)
    elif is_dataclass(value) and not isinstance(value, Notation):
        for field in fields(value):
            if field.name != "equality":
                yield from nodes(getattr(value, field.name))


@every_model
@pytest.mark.parametrize("format", TEXTS)
def test_no_answer_is_in_the_text_of_an_exam(index: int, format: str) -> None:
    """And it is in that of its key, unless it had to be broken there."""
    whole = full(index)
    exam, key = (bare(printed(at_level(whole, level), format), format) for level in ("exam", "key"))
    answers = {written(line.right, whole.notation, format) for line in answered(whole) if telling(line.right)}
    answers = {answer for answer in answers if len(answer) > 5}
    assert not {answer for answer in answers if answer in exam}
    assert len({answer for answer in answers if answer in key}) > len(answers) / 3


def printed(made: Document, format: str) -> str:
    """The text; of a notebook that of its cells."""
    text = FORMATS[format].print(made, "")
    assert isinstance(text, str)
    if format == "notebook":
        return "".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
    return text


def bare(text: str, format: str) -> str:
    """A text without what lies between signs: spaces, the ends of lines, tags."""
    if format == "html":
        text = re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", "", text, flags=re.DOTALL)
    return re.sub(r"\s+", "", text.replace(r"\lt ", "<").replace(r"\gt ", ">"))


def written(node: Node, notation: Notation, format: str) -> str:
    match format:
        case "html":
            return bare(mathml(node, notation), format)
        case "text":
            return bare(unicode(node, notation), format)
        case _:
            return bare(latex(node, notation), format)


@every_model
def test_the_key_answers_every_question_under_its_number(index: int) -> None:
    whole = full(index)
    exam, key = (at_level(whole, level) for level in ("exam", "key"))
    asked_for = [b for b in blocks(exam) if isinstance(b, Remark) and b.kind == "question"]
    questions, found = [block.blocks[0] for block in asked_for], list(blocks(key))
    labels, answers = found[::2], found[1::2]
    assert len(questions) == len(labels) == len(answers) > 15
    for number, (question, label, answer) in enumerate(zip(questions, labels, answers, strict=True), start=1):
        assert isinstance(question, Paragraph) and isinstance(label, Paragraph)
        (asks, *asked), (answers_to, *named) = question.parts, label.parts
        assert str(asks).startswith(f"Question {number}. ")
        assert str(answers_to) == str(asks).replace("Question", "Answer") and asked == named
        assert not isinstance(answer, Paragraph)
    due = [b for b in blocks(whole) if (isinstance(b, Equations) and b.answer) or getattr(b, "asked", None)]
    assert list(map(id, answers)) == list(map(id, due))
    assert exam.subtitle.endswith(": questions") and key.subtitle.endswith(": answers")


def test_what_is_quoted_is_asked_about_and_not_judged() -> None:
    exam = FORMATS["text"].print(at_level(full(0), "exam"), "")
    key = FORMATS["text"].print(at_level(full(0), "key"), "")
    assert isinstance(exam, str) and isinstance(key, str)
    assert "Which of these lines are equal to the gradient?" in exam and "quoted" in exam
    assert "does not hold" not in exam and "It leaves out" not in exam and "It leaves out" in key


@pytest.mark.parametrize("ending", some(["tex", "md", "html", "ipynb", "txt"], "md".__eq__))
def test_the_command_writes_two_files(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{ending}"
    assert main(["--level", "exam", "--out", str(path)]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"x-key.{ending}", f"x.{ending}"]
    exam, key = (p.read_text(encoding="utf-8") for p in (path, tmp_path / f"x-key.{ending}"))
    questions, answers = re.findall(r"Question (\d+)\.", exam), re.findall(r"Answer (\d+)\.", key)
    assert set(questions) == set(answers) == {str(n) for n in range(1, len(set(questions)) + 1)}
    assert "Answer 1." not in exam and "Question 1." not in key


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX")
def test_tex_compiles_both(tmp_path: Path) -> None:
    assert main(["--level", "exam", "--out", str(tmp_path / "x.tex")]) == 0
    for name in ("x.tex", "x-key.tex"):
        command = ["pdflatex", "-halt-on-error", "-interaction=batchmode", name]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)


def test_an_exam_on_the_terminal_is_the_exam_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--level", "exam", "--format", "text"]) == 0
    text = capsys.readouterr().out
    assert "Question 1." in text and "Answer" not in text


def test_a_level_there_is_not_is_named() -> None:
    with pytest.raises(ChoiceError, match="level: expected one of full, brief, exam, key, received 'short'"):
        document(load("vanilla"), level="short")
