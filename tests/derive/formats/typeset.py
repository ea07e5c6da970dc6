"""What other programs say about printed mathematics: KaTeX in strict mode, and TeX's log."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

CACHE = Path.home() / ".cache" / "chalkgrad-tests"
PAGE = r"""\documentclass[10pt]{article}
\usepackage[a4paper,margin=2.5cm]{geometry}
\usepackage{amsmath,amssymb}
\begin{document}\noindent
"""
NODE = r"""
const katex = require("katex");
const found = [];
for (const [text, displayMode] of JSON.parse(require("fs").readFileSync(0, "utf8"))) {
  try { katex.renderToString(text, {displayMode, strict: "error", throwOnError: true}); }
  catch (error) { found.push([String(error.message), text]); }
}
console.log(JSON.stringify(found));
"""

needs_tex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex")


@cache
def _katex() -> str | None:
    """Why KaTeX is not there; None if it is."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "no node or npm"
    if not (CACHE / "node_modules" / "katex").exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(CACHE), "katex"]
        try:
            done = subprocess.run(command, capture_output=True, timeout=120, check=False)
        except subprocess.TimeoutExpired:
            return "npm cannot fetch katex in time"
        if done.returncode != 0:
            return "npm cannot fetch katex"
    return None


def katex_errors(formulas: Sequence[tuple[str, bool]]) -> list[tuple[str, str]]:
    """(message, formula) for those that KaTeX refuses or warns of; each formula with: is it displayed?"""
    if (reason := _katex()) is not None:
        pytest.skip(reason)
    done = subprocess.run(
        ["node", "-e", NODE],
        input=json.dumps(list(formulas)),
        capture_output=True,
        text=True,
        cwd=CACHE,
        timeout=300,
        check=True,
    )
    return [(message, text) for message, text in json.loads(done.stdout)]


def displays(text: str) -> list[tuple[str, bool]]:
    """What stands between lines of $$."""
    return [(found, True) for found in re.findall(r"^\$\$\n(.*?)\n\$\$$", text, re.DOTALL | re.MULTILINE)]


def tex_complaints(source: str) -> list[str]:
    """Errors, boxes that are too wide and missing characters, as pdflatex tells them."""
    return [line for line in tex_log(source).splitlines() if re.match(r"!|Overfull|Missing character", line)]


def tex_log(source: str) -> str:
    """The log of pdflatex, which has to make a PDF."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "page.tex").write_text(source, encoding="utf-8")
        done = subprocess.run(
            ["pdflatex", "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "page.tex"],
            cwd=folder,
            capture_output=True,
            timeout=120,
            check=False,
        )
        log = (folder / "page.log").read_text(encoding="utf-8", errors="replace")
        assert done.returncode == 0, log[-2000:]
        return log


def tex_widths(formulas: Sequence[str]) -> list[float]:
    """The widths in em at 10 pt of displayed formulas, as TeX sets them."""
    lines = [PAGE, r"\newlength{\wide}"]
    lines += [
        rf"\settowidth{{\wide}}{{$\displaystyle {text}$}}\typeout{{WIDTH \the\wide}}" for text in formulas
    ]
    log = tex_log("\n".join([*lines, r"x\end{document}"]))
    return [float(found) / 10 for found in re.findall(r"^WIDTH ([0-9.]+)pt", log, re.MULTILINE)]
