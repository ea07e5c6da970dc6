"""The commands together: one table of exit statuses, and one line for every mistake."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chalkgrad import __main__ as program
from chalkgrad import commands, derive
from chalkgrad.__main__ import COMMANDS, IN_A_CHECKOUT, main
from chalkgrad.codegen.building import cache
from chalkgrad.derive.publishing import check_command
from tests.derive.once import judged_once

SIZES = ["--sizes", "n_x=1,n_a=2,n_y=1"]


def status(*arguments: str) -> int:
    try:
        return main(arguments)
    except SystemExit as end:
        assert isinstance(end.code, int)
        return end.code


def test_help_tells_of_every_command_and_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert status() == status("--help") == status("help") == 0
    told = capsys.readouterr().out
    assert all(f"chalkgrad {name} " in told for name in (*COMMANDS, *IN_A_CHECKOUT))
    for name in (*COMMANDS, *IN_A_CHECKOUT):
        assert status(name, "--help") == 0
        own = capsys.readouterr().out
        assert own.startswith(f"usage: chalkgrad {name}") and commands.STATUSES.rstrip() in own, name


def test_what_needs_the_repository_is_not_offered_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(program, "MANIFEST", tmp_path / "manifest.toml")
    assert status("tour") == status("showcase") == 2
    assert status("--help") == 0 and "tour" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--version"], 0),
        (["check", "dL/db_a = sum_t delta_z_a[t]"], 0),
        (["check", "dL/db_a = delta_z_a[T]"], 1),
        (["check", "dL/db_a = sum_t delta_z_q[t]"], 3),
        (["check", "dL/db_a = sum_t delta_z_a[t]", "--model", "nothing"], 2),
        (["check"], 2),
        (["derive", "nothing"], 2),
        (["derive", "--fast"], 2),
        (["derive", "--out", "no/such/folder/x.tex", "--level", "brief"], 2),
        (["docs", "nothing.toml", "--out", "pages"], 2),
        (["c", "vanilla", *SIZES, "--out", "net"], 0),
        (["c", "vanilla", "--out", "net"], 2),
        (["cache", "--fast"], 2),
        (["nothing"], 2),
    ],
)
def test_the_table_of_statuses(
    arguments: list[str],
    expected: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with judged_once():
        assert status(*arguments) == expected
    captured = capsys.readouterr()
    assert (captured.err != "") == (expected > 1)
    if expected == 2:
        assert captured.err.count("\n") == 1 and captured.err.startswith("chalkgrad")


def test_a_fault_of_ours_is_no_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor is an equality of a document that does not hold."""

    def broken(*_: object) -> None:
        raise KeyError("value")

    monkeypatch.setattr(check_command, "check", broken)
    assert status("check", "a = b") == 4
    told = capsys.readouterr().err
    assert "Traceback" in told and "report" in told
    wrong = derive.WrongStep("a = b", "a difference", True)
    assert commands.answered("chalkgrad derive", lambda: (_ for _ in ()).throw(wrong)) == 4


def test_a_pdf_without_tex_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with judged_once():
        assert status("derive", "--level", "brief", "--out", str(tmp_path / "x.pdf")) == 2
    told = capsys.readouterr().err
    assert "apt-get install" in told and told.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", ["--help", "c --help", "cache"])
def test_whoever_reads_may_have_enough(arguments: str) -> None:
    """Also of what stands in a buffer until the end."""
    reads, writes = os.pipe()
    os.close(reads)
    command = [sys.executable, "-m", "chalkgrad", *arguments.split()]
    environment = os.environ | {"PYTHONUNBUFFERED": ""}
    with os.fdopen(writes, "wb") as pipe:
        done = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_key_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """Beside an exam it is written to a second file: tests/derive/documents/test_levels.py."""
    with judged_once():
        assert status("derive", "--level", "key", "--format", "markdown") == 0
    assert "Answer 1." in capsys.readouterr().out


def test_the_cache_is_told_and_cleared(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What lies there and is not ours stays."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("CHALKGRAD_CACHE", str(folder))
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path / "none"))
    assert status("cache") == 0
    assert capsys.readouterr().out == f"{folder}: 0 builds, 0.0 MB\n" and not folder.exists()

    entry = cache.publish("_chalkgrad_" + 32 * "a", lambda made: made.joinpath("x").write_bytes(bytes(10**6)))
    cache.write_note("recipe_" + 32 * "b", entry.name)
    (folder / "letters.txt").write_text("of somebody")
    assert status("cache") == 0
    assert capsys.readouterr().out == f"{folder}: 1 build, 1.0 MB\n"
    assert status("cache", "--clear") == 0
    assert "1 build, 1.0 MB, removed" in capsys.readouterr().out
    assert os.listdir(folder) == ["letters.txt"]
