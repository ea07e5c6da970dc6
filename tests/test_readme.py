"""What the README shows runs, from an empty folder, in the order in which it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chalkgrad.__main__ import COMMANDS, IN_A_CHECKOUT, main
from chalkgrad.codegen.building import toolchain
from chalkgrad.commands import STATUSES
from tests.chosen import some
from tests.derive.once import judged_once
from tests.quick import flags_at

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder; the cell of the README alone lies in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHALKGRAD_CACHE", str(tmp_path / "cache"))  # a command clears it
    monkeypatch.setattr(toolchain, "FLAGS", flags_at("-O0"))
    (cell,) = blocks("toml")
    (tmp_path / "leaky.toml").write_text(cell, encoding="utf-8")
    return tmp_path


@pytest.mark.usefixtures("empty")
def test_every_block_of_python_runs() -> None:
    names: dict[str, Any] = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)
    assert names["grads"]["W_aa"].shape == (4, 4) and np.isfinite(names["loss"])
    assert names["page"].startswith("<!DOCTYPE html>") and names["rnn"].shapes["rate"] == (4,)


def commands() -> list[str]:
    """The calls of `chalkgrad` in blocks of the shell."""
    lines = [line.removeprefix("$ ") for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line.startswith("chalkgrad ")]


def test_there_are_commands() -> None:
    assert len(commands()) >= 7


def test_every_command_and_exit_status_has_its_row() -> None:
    for name in (*COMMANDS, *IN_A_CHECKOUT):
        assert re.search(rf"^\|.*`{name}`.*\| ", README, re.MULTILINE), name
    statuses = re.findall(r"^  (\d)  (.+)$", STATUSES, re.MULTILINE)
    assert len(statuses) == 5
    for status, words in statuses:
        assert f"\n| {status} | {words} |\n" in README


@pytest.mark.parametrize("line", some(commands(), lambda line: ".pdf" not in line))
def test_a_command_does_what_is_said(line: str, empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, *arguments = shlex.split(line, comments=True)
    if "lstm.pdf" in arguments:
        pytest.importorskip("matplotlib")
    with judged_once():
        status = main(arguments)
    captured = capsys.readouterr()
    if "install" in captured.err:
        pytest.skip(captured.err)
    (shown,) = [block for block in blocks("sh") if line in block]
    told = shown.partition(f"$ {line}\n")[2]
    assert status == (1 if "wrong: " in told else 0), captured.err
    if told:
        assert captured.out.strip() == told.strip()
    if "--out" in arguments:
        assert (empty / arguments[arguments.index("--out") + 1]).exists()
