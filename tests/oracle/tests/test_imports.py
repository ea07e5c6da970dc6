"""The oracle is nobody's relative: nothing of derive or codegen is imported, here or below."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[1]
KEPT_OUT = {"derive", "codegen", "generated", "sympy", "mpmath"}


def imported(source: str) -> set[str]:
    """The top-level packages that a text imports; a relative import counts as one of its own."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." * node.level + (node.module or "").split(".")[0])
    return found


def test_nothing_of_the_project_is_imported() -> None:
    files = sorted(FOLDER.glob("*.py"))
    assert len(files) > 8
    for path in files:
        source = path.read_text(encoding="utf-8")
        assert not imported(source) & KEPT_OUT, path.name
        for line in source.splitlines():
            assert "import_module" not in line or path.name == "test_imports.py", path.name


def test_the_reader_of_imports_can_fail() -> None:
    assert imported("def f():\n    from derive.cells.parse import x\n") == {"derive"}
    assert imported("import codegen.build as b, os") == {"codegen", "os"}


def test_nothing_of_the_project_is_loaded() -> None:
    """A whole run, in a process of its own."""
    program = (
        "import sys, numpy as np\n"
        "from tests.oracle import load\n"
        "net = load('vanilla')\n"
        "net.run({'n_x': 1, 'n_a': 1, 'n_y': 1}, {}, np.ones((2, 1, 1)), np.ones((2, 1, 1)))\n"
        f"print(sorted(set(sys.modules) & {KEPT_OUT}))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=FOLDER.parents[1], capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"
