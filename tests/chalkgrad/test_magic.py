"""The magic of notebooks: a stand-in for the shell, and the real one where it is installed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import chalkgrad as cg
from tests.derive.conftest import CELL


class Shell:
    """As much of IPython's shell as an extension needs."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {}
        self.magics: dict[tuple[str, str], Callable[[str, str], object]] = {}

    def register_magic_function(self, function: Any, magic_kind: str, magic_name: str) -> None:
        self.magics[magic_kind, magic_name] = function

    def push(self, names: dict[str, Any]) -> None:
        self.names |= names

    def run(self, line: str, body: str) -> object:
        return self.magics["cell", "cell"](line, body)


@pytest.fixture
def shell() -> Shell:
    made = Shell()
    cg.load_ipython_extension(made)
    assert list(made.magics) == [("cell", "cell")]
    return made


@pytest.mark.parametrize(
    ("line", "name", "choices"),
    [
        ("", "cell", {}),
        ("mine", "mine", {}),
        ("  mine  g=relu ", "mine", {"g": "relu"}),
        (
            "mine architecture=one-to-many feed=output loss=squared_error h=softmax",
            "mine",
            {"architecture": "one-to-many", "feed": "output", "loss": "squared_error", "h": "softmax"},
        ),
        ("architecture=many-to-one", "cell", {"architecture": "many-to-one"}),
    ],
)
def test_a_cell_is_loaded_and_shown(
    shell: Shell, line: str, name: str, choices: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    shown = shell.run(line, CELL)
    assert shell.names == {name: shown} and shown == cg.load(text=CELL, **choices)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("line", "change", "told"),
    [
        ("", ("s * g(z)", "s * g(zz)"), "text: equation 'a', column 7: expected a declared name"),
        ("", ("[output]", "[outputs]"), "text: expected one of name"),
        ("", ("[output]", "[output"), "text: expected TOML"),
        ("", ('"cell"', '"lambda"'), "name: expected a name that a variable may have, received 'lambda'"),
        ("for", ("", ""), "name: expected a name that a variable may have, received 'for'"),
        ("a.b", ("", ""), "name: expected a name that a variable may have, received 'a.b'"),
        ("mine yours", ("", ""), "choices: expected CHOICE=VALUE, each once, after at most one name"),
        ("g=relu mine", ("", ""), "choices: expected CHOICE=VALUE"),
        ("mine g=", ("", ""), "choices: expected CHOICE=VALUE"),
        ("mine =relu", ("", ""), "choices: expected CHOICE=VALUE"),
        ("mine g=relu g=relu", ("", ""), "choices: expected CHOICE=VALUE, each once"),
        ("text=x", ("", ""), "choices: expected CHOICE=VALUE"),
        ("name_or_path=gru", ("", ""), "choices: expected CHOICE=VALUE"),
        ("mine g=sinh", ("", ""), "g: expected one of tanh, relu, received 'sinh'"),
        ("mine f=tanh", ("", ""), "f: expected a function that text declares (g, h)"),
        ("mine architecture=x", ("", ""), "architecture: expected one of"),
    ],
)
def test_a_mistake_is_one_line(
    shell: Shell, line: str, change: tuple[str, str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shell.run(line, CELL.replace(*change)) is None
    captured = capsys.readouterr()
    assert (captured.out, shell.names) == ("", {})
    assert captured.err.startswith(f"%%cell: {told}") and len(captured.err.splitlines()) == 1


def test_nothing_imports_the_shell() -> None:
    program = "import sys, chalkgrad; sys.exit('IPython' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_in_the_shell_itself(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interactive = pytest.importorskip("IPython.core.interactiveshell")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    shell = interactive.InteractiveShell()
    shell.run_line_magic("load_ext", "chalkgrad")
    done = shell.run_cell(f"%%cell mine architecture=many-to-one g=relu\n{CELL}")
    assert done.success and done.result == cg.load(text=CELL, architecture="many-to-one", g="relu")
    assert shell.user_ns["mine"] is done.result
    shown, _ = shell.display_formatter.format(done.result)
    assert "<math" in shown["text/html"] and shown["text/latex"].startswith("$$")
    capsys.readouterr()
    done = shell.run_cell(f"%%cell other\n{CELL.replace('g(z)', 'g(zz)')}")
    told = capsys.readouterr()
    assert done.success and done.result is None and "other" not in shell.user_ns
    assert "Traceback" not in told.out + told.err
    assert [line for line in told.err.splitlines() if line.startswith("%%cell: text: equation 'a', column 7")]
