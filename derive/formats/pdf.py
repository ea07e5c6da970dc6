"""The document as a PDF, by the TeX that is there."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from chalkgrad.derive.documents.tree import Block, Document, Plot, Remark
from chalkgrad.derive.errors import DeriveError, MissingProgram
from chalkgrad.derive.formats.tex import article

PROGRAMS = ("pdflatex", "lualatex", "xelatex", "tectonic")
_RUNS = 2  # the second one knows the pages of the first
_SECONDS = 120
_LAST_LINES = 12


def print_pdf(document: Document) -> bytes:
    """The bytes of the PDF. Raises MissingProgram where no TeX is there, DeriveError where it fails."""
    program = next((name for name in PROGRAMS if shutil.which(name)), None)
    if program is None:
        raise MissingProgram(
            f"a PDF needs one of {', '.join(PROGRAMS)}: install TeX Live (Debian: apt-get install "
            "texlive-latex-recommended) or MiKTeX, or ask for another format"
        )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "document.tex").write_text(article(document, _pictures(document, folder)), encoding="ascii")
        for _ in range(1 if program == "tectonic" else _RUNS):
            _run(program, folder)
        return (folder / "document.pdf").read_bytes()


def _pictures(document: Document, folder: Path) -> dict[Plot, str]:
    """The pictures of the plots that have one, as files, and their names."""
    found: dict[Plot, str] = {}
    for plot in (p for section in document.sections for block in section.blocks for p in _plots(block)):
        if plot.pdf is not None and plot not in found:
            found[plot] = f"plot-{len(found) + 1}.pdf"
            (folder / found[plot]).write_bytes(plot.pdf)
    return found


def _plots(block: Block) -> Iterator[Plot]:
    if isinstance(block, Plot):
        yield block
    elif isinstance(block, Remark):
        for inner in block.blocks:
            yield from _plots(inner)


def _run(program: str, folder: Path) -> None:
    options = ["-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error"]
    command = [program, *([] if program == "tectonic" else options), "document.tex"]
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise DeriveError(f"{program}: expected an end within {_SECONDS} s, found none") from None
    if done.returncode != 0 or not (folder / "document.pdf").exists():
        said = done.stdout.decode("utf-8", "replace").strip().splitlines()[-_LAST_LINES:]
        raise DeriveError(f"{program}: expected a PDF, found an error: {' '.join(' '.join(said).split())}")
