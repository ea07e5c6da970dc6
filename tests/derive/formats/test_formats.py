"""Every format on a document made by hand and on real ones: complete, fitting, accepted by its readers."""

from __future__ import annotations

import ast
import json
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from chalkgrad.derive.choices import NOTATIONS
from chalkgrad.derive.documents.tree import (
    Block,
    Document,
    Equations,
    Items,
    Listing,
    Paragraph,
    Plot,
    Remark,
    Section,
)
from chalkgrad.derive.errors import DeriveError, MissingProgram
from chalkgrad.derive.formats.latex import print_latex
from chalkgrad.derive.formats.markdown import escaped, print_markdown, words
from chalkgrad.derive.formats.notebook import print_notebook
from chalkgrad.derive.formats.pdf import PROGRAMS, print_pdf
from chalkgrad.derive.formats.tex import print_tex
from chalkgrad.derive.formats.text import NARROWEST, print_text
from chalkgrad.derive.formats.texts import bare, code, folded, letters
from chalkgrad.derive.writing.notation import NOTE
from chalkgrad.derive.writing.tree import Ident, Name, Number, Par, Words, row
from chalkgrad.derive.writing.unicode_scripts import columns
from tests.chosen import some, together
from tests.derive.formats.documents import KINDS, document
from tests.derive.formats.sample import sample, smallest
from tests.derive.formats.typeset import PAGE, displays, katex_errors, needs_tex, tex_complaints, tex_log
from tests.derive.writing.trees import t

WIDTHS = (60, 80, 132)
END = "\n\\end{document}\n"
CALL = "cg.load('vanilla')"


PRINTERS: dict[str, Callable[[Document], str]] = {
    "latex": print_latex,
    "tex": print_tex,
    "markdown": print_markdown,
    "notebook": lambda document: print_notebook(document, CALL),
    "text": lambda document: print_text(document, 80),
}


@cache
def made(kind: str) -> Document:
    """The sample in a notation, or a real document."""
    return sample(kind, "lstm") if kind in NOTATIONS else document(kind)


@cache
def printed(kind: str, form: str) -> str:
    return PRINTERS[form](made(kind))


KEPT = ("note", "werbos", "vanilla", "odd")


@pytest.fixture(params=together("format", [*NOTATIONS, *KINDS], KEPT.__contains__))
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


# ----------------------------------------------------------------------------- what readers say


def test_katex_takes_the_fragment(kind: str) -> None:
    found = displays(printed(kind, "latex"))
    assert len(found) > 3
    assert katex_errors(found) == []


def test_katex_takes_markdown(kind: str) -> None:
    text = re.sub(r"^```.*?^```$", "", printed(kind, "markdown"), flags=re.DOTALL | re.MULTILINE)
    found = displays(text)
    rest = re.sub(r"^\$\$\n.*?\n\$\$$", "", text, flags=re.DOTALL | re.MULTILINE)
    inline = re.findall(r"(?<!\\)\$(.+?)(?<!\\)\$", rest)
    assert rest.count("$") == 2 * len(inline) + rest.count(r"\$")
    assert katex_errors(found + [(formula, False) for formula in inline]) == []


@needs_tex
def test_no_line_of_the_fragment_is_too_wide(kind: str) -> None:
    assert tex_complaints(PAGE + printed(kind, "latex") + END) == []


@needs_tex
def test_no_line_of_the_article_is_too_wide(kind: str) -> None:
    text = printed(kind, "tex")
    assert text.isascii()
    assert tex_complaints(text) == []


@needs_tex
def test_the_check_of_widths_can_fail() -> None:
    wide = r"$$ \text{" + "wide " * 40 + "} $$"
    assert any("Overfull" in line for line in tex_complaints(PAGE + wide + END))


@pytest.mark.parametrize("width", some(WIDTHS, (60).__eq__))
def test_no_line_of_the_text_is_too_wide(kind: str, width: int) -> None:
    lines = print_text(made(kind), width).splitlines()
    assert max(map(columns, lines)) <= width
    assert not any(line.endswith(" ") for line in lines)


def test_the_notebook_is_valid(kind: str) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbformat.validate(nbformat.reads(printed(kind, "notebook"), as_version=4))


# ----------------------------------------------------------------------------- completeness


def blocks(document: Document, kind: type[Block]) -> list[Block]:
    found: list[Block] = []

    def walk(inner: tuple[Block, ...]) -> None:
        for block in inner:
            found.extend([block] if isinstance(block, kind) else [])
            if isinstance(block, Remark):
                walk(block.blocks)

    for section in document.sections:
        walk(section.blocks)
    return found


def test_every_number_of_an_equation_is_printed(kind: str) -> None:
    numbers = sorted(n for line in made(kind).lines() for n in line.numbers)
    texts = {form: printed(kind, form) for form in PRINTERS}
    assert (
        sorted(int(n) for m in re.findall(r"\\tag\{([0-9, ]+)\}", texts["tex"]) for n in m.split(","))
        == numbers
    )
    for name in ("latex", "markdown"):
        labels = re.findall(r"^\\text\{((?:\(\d+\)(?:, )?)+)\}\\quad", texts[name], re.MULTILINE)
        assert sorted(int(n) for m in labels for n in re.findall(r"\d+", m)) == numbers
    assert all(f"({n})" in texts["text"] for n in numbers)


def test_every_section_has_its_title(kind: str) -> None:
    texts = {form: printed(kind, form) for form in PRINTERS}
    for section in made(kind).sections:
        assert f"## {escaped(section.title)}" in texts["markdown"]
        assert rf"\section{{\texorpdfstring{{{letters(section.title)}}}" in texts["tex"]
        assert section.title.split()[0] in texts["text"]
    assert texts["markdown"].startswith(f"# {escaped(made(kind).title)}")


def test_programs_are_printed_as_they_are() -> None:
    (listing,) = blocks(made("note"), Listing)
    assert isinstance(listing, Listing)
    program = "\n".join(listing.lines)
    assert program in printed("note", "markdown")
    assert program in printed("note", "text")
    assert listing.lines[0] not in printed("note", "latex")


@pytest.mark.parametrize("form", PRINTERS)
def test_a_document_of_nothing_prints(form: str) -> None:
    assert PRINTERS[form](smallest()).endswith("\n")


@pytest.mark.parametrize("form", PRINTERS)
def test_printing_twice_gives_the_same(form: str) -> None:
    assert printed("vanilla", form) == PRINTERS[form](made("vanilla"))


@pytest.mark.parametrize("printer", [print_latex, print_tex, print_markdown, print_text])
def test_an_unknown_block_raises(printer: Callable[[Document], str]) -> None:
    broken = replace(smallest(), sections=(Section("x", "x", (object(),)),))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="object"):
        printer(broken)


# ----------------------------------------------------------------------------- LaTeX


def test_the_fragment_is_nothing_but_displays(kind: str) -> None:
    text = printed(kind, "latex")
    assert (
        re.sub(r"\$\$\n\\begin\{aligned\}\n.*?\n\\end\{aligned\}\n\$\$\s*", "", text, flags=re.DOTALL) == ""
    )
    assert text.isascii()


def test_a_line_that_was_broken_is_one_equation() -> None:
    text = print_tex(sample())
    wide = text[: text.index(r"\tag{77}")].rindex(r"\begin{alignat*}")
    block = text[wide : text.index(r"\end{alignat*}", wide)]
    assert block.count(r"\tag") == 2
    assert block.count("\\\\*\n") > 10


def test_words_for_tex() -> None:
    told = letters('50% of δ_a & {x} # \\input $y$ ~ ^ ` <z> "é" ☃ | x²')
    assert told.isascii()
    assert r"\textbackslash{}input" in told
    assert r"$\delta$\_a" in told
    assert r"{}^{2}" in told
    assert bare("δ: $x$ & \\y{z}") == "delta: x y z"
    assert r"\allowbreak" in letters("a" * 60)
    assert code("a\tb%") == r"a\char9{}b\char37{}"
    assert list(folded("x" * 10, 6)) == ["xxxxxx", "    xx", "    xx"]
    assert list(folded("f(aaaa, bbbb)", 9)) == ["f(aaaa,", "    bbbb)"]


# ----------------------------------------------------------------------------- PDF


@needs_tex
@pytest.mark.parametrize("name", together("format", ["vanilla", "odd"], "odd".__eq__))
def test_the_pdf_is_a_pdf(name: str) -> None:
    found = print_pdf(document(name))
    assert found.startswith(b"%PDF-")
    assert found.rstrip().endswith(b"%%EOF")


@needs_tex
def test_the_results_of_the_note_fit_one_page() -> None:
    log = tex_log(print_tex(document("one page")))
    assert re.search(r"Output written on .*\(1 page", log)


@needs_tex
def test_pictures_of_plots_are_in_the_pdf() -> None:
    picture = print_pdf(smallest())
    (plot, *_) = blocks(sample(), Plot)
    assert isinstance(plot, Plot)
    block = replace(plot, pdf=picture)
    with_picture = print_pdf(replace(smallest(), sections=(Section("x", "x", (block,)),)))
    without = print_pdf(replace(smallest(), sections=(Section("x", "x", (plot,)),)))
    assert b"/Form" in with_picture
    assert b"/Form" not in without


def test_without_tex_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(MissingProgram) as raised:
        print_pdf(smallest())
    assert isinstance(raised.value, DeriveError)
    assert "\n" not in str(raised.value)
    assert "install" in str(raised.value)
    assert all(name in str(raised.value) for name in PROGRAMS)


def test_a_tex_that_fails_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "pdflatex"
    program.write_text(f"#!{sys.executable}\nprint('! It broke.')\nraise SystemExit(1)\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeriveError, match="It broke"):
        print_pdf(smallest())


# ----------------------------------------------------------------------------- Markdown


def test_formulas_touch_neither_letters_nor_each_other() -> None:
    assert words(("step", Ident("t"), "s"), NOTE) == "step $t$ s"
    assert words((Ident("t"), Ident("k"), "."), NOTE) == "$t$ $k$."
    assert words((Words("if "), Ident("t")), NOTE) == "if $t$"


def test_markdown_has_no_tags_and_no_bars_in_formulas(kind: str) -> None:
    text = re.sub(r"^```.*?^```$", "", printed(kind, "markdown"), flags=re.DOTALL | re.MULTILINE)
    assert "<" not in text
    for line in text.splitlines():
        if line.startswith("|"):
            assert not any("|" in formula for formula in re.findall(r"(?<!\\)\$(.+?)(?<!\\)\$", line))


def test_words_mean_nothing_to_markdown() -> None:
    assert escaped("a_b *c* <d> [e] `f` $g$ h|i") == r"a\_b \*c\* &lt;d&gt; \[e\] \`f\` \$g\$ h\|i"
    changed = replace(
        smallest(),
        sections=(Section("x", "x", (Paragraph(("1. not a list",)), Paragraph(("# not a title",)))),),
    )
    assert r"1\. not a list" in print_markdown(changed)
    assert r"\# not a title" in print_markdown(changed)


def test_a_fence_is_longer_than_what_it_holds() -> None:
    listing = Listing("x", "text", ("a", "````", "b"), ((), (), ()))
    changed = replace(smallest(), sections=(Section("x", "x", (listing,)),))
    assert "`````text\na\n````\nb\n`````" in print_markdown(changed)


# ----------------------------------------------------------------------------- notebook


def test_code_cells_are_python(kind: str) -> None:
    cells = json.loads(printed(kind, "notebook"))["cells"]
    programs = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    assert programs[0] == f"import chalkgrad as cg\n\nmodel = {CALL}\nmodel"
    for program in programs:
        ast.parse(program)
    assert len({cell["id"] for cell in cells}) == len(cells)


def test_code_cells_run(capsys: pytest.CaptureFixture[str]) -> None:
    cells = json.loads(print_notebook(smallest(), CALL))["cells"]
    here = ModuleType("notebook")
    for cell in cells:
        if cell["cell_type"] == "code":
            exec(compile(cell["source"], "cell", "exec"), here.__dict__)
    assert here.__dict__["report"].ok
    assert "W_aa" in capsys.readouterr().out


def test_pictures_are_in_the_notebook() -> None:
    text = print_notebook(sample(), CALL)
    assert text.count("data:image/svg+xml;base64,") == 2


# ----------------------------------------------------------------------------- terminal


def test_the_width_is_that_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "71")
    assert max(map(columns, print_text(sample()).splitlines())) <= 71
    monkeypatch.setenv("COLUMNS", "20")
    assert print_text(sample()) == print_text(sample(), NARROWEST)


def test_lists_and_remarks_are_marked() -> None:
    items = Items((Paragraph(("one " * 30,)), Paragraph(("two",))), numbered=True)
    remark = Remark("remark", (Paragraph(("said",)), Equations(())))
    changed = replace(smallest(), sections=(Section("x", "x", (items, remark)),))
    lines = print_text(changed, 60).splitlines()
    assert any(line.startswith("1. one") for line in lines)
    assert any(line.startswith("   one") for line in lines)
    assert "2. two" in lines
    assert "│ Remark. said" in lines


def test_aligned_at_the_relation() -> None:
    text = print_text(sample(), 100)
    rows = [line for line in text.splitlines() if re.match(r"\([1-4]\) .* = ", line)]
    assert len(rows) == 4
    assert len({columns(line[: line.index(" = ")]) for line in rows}) == 1


def test_what_no_space_helps_is_cut() -> None:
    long = "x" * 200
    changed = replace(smallest(), sections=(Section("x", "x", (Paragraph((long,)),)),))
    lines = print_text(changed, 60).splitlines()
    assert max(map(len, lines)) == 60
    assert "".join(line for line in lines if set(line) == {"x"} and len(line) > 1).count("x") >= 200


def test_numbers_and_names_survive() -> None:
    parts = (row(Name("a", t), Par("W_aa")), " is ", Number("0.25"))
    changed = replace(smallest(), sections=(Section("x", "x", (Paragraph(parts),)),))
    assert "a⟨t⟩ W_aa is 0.25" in print_text(changed, 60)
