"""The command line: what it writes, what it says, and that every mistake is one line."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_showcase import environment

from chalkgrad.codegen.__main__ import main

SIZES = "n_x=3,n_a=4,n_y=2"


def export(folder: Path, *more: str) -> int:
    return main(["vanilla", "--sizes", SIZES, "--out", str(folder), *more])


def test_a_folder_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(tmp_path / "a" / "b") == 0
    written = sorted(p.name for p in (tmp_path / "a" / "b").iterdir())
    assert written == ["vanilla.c", "vanilla.h", "vanilla.py", "vanilla_numpy.py"]
    said = capsys.readouterr().out
    assert all(name in said for name in written)


def test_options_reach_the_code(tmp_path: Path) -> None:
    more = ["--dtype", "float32", "--T", "2", "--name", "net", "--g", "relu", "--function", "h=softmax"]
    assert export(tmp_path, *more, "--loss", "binary_cross_entropy") == 0
    code = (tmp_path / "net.c").read_text(encoding="utf-8")
    assert "float32 (float)" in code and "net_vjp_straight" in code and "T_x = 2" in code
    assert "relu_1(" in code and "exp_1(" in code and "tanh_1(" not in code
    assert "T=2," in (tmp_path / "net.py").read_text(encoding="utf-8")


def test_an_encoder_decoder_of_a_model_file(tmp_path: Path) -> None:
    path = tmp_path / "my cell.toml"
    source = Path(__file__).parents[2] / "derive" / "cells" / "models" / "gru.toml"
    path.write_text(source.read_text(encoding="utf-8").replace('"gru"', '"mine"'), encoding="utf-8")
    arguments = [str(path), "--sizes", "n_x=2,n_a=3,n_y=2", "--out", str(tmp_path / "out"), "--T", "2,3"]
    assert main([*arguments, "--architecture", "encoder-decoder", "--feed", "output"]) == 0
    assert "enc_W_za" in (tmp_path / "out" / "mine.h").read_text(encoding="utf-8")


MISTAKES: dict[str, tuple[list[str], str]] = {
    "no model": ([], "MODEL"),
    "unknown model": (["vanila", "--sizes", SIZES, "--out", "{out}"], "vanila"),
    "missing file": (["no/such.toml", "--sizes", SIZES, "--out", "{out}"], "no/such.toml"),
    "no sizes": (["vanilla", "--out", "{out}"], "--sizes"),
    "no out": (["vanilla", "--sizes", SIZES], "--out"),
    "a size too few": (["vanilla", "--sizes", "n_x=3", "--out", "{out}"], "n_a"),
    "a size too many": (["vanilla", "--sizes", SIZES + ",n_b=3", "--out", "{out}"], "n_b"),
    "a size of nothing": (["vanilla", "--sizes", "n_x=0,n_a=1,n_y=1", "--out", "{out}"], "n_x"),
    "a size that is no number": (["vanilla", "--sizes", "n_x=many", "--out", "{out}"], "--sizes"),
    "sizes that are none": (["vanilla", "--sizes", "big", "--out", "{out}"], "--sizes"),
    "an unknown dtype": (["vanilla", "--sizes", SIZES, "--out", "{out}", "--dtype", "float16"], "float16"),
    "an unknown architecture": (
        ["vanilla", "--sizes", SIZES, "--out", "{out}", "--architecture", "x"],
        "'x'",
    ),
    "an unknown feed": (["vanilla", "--sizes", SIZES, "--out", "{out}", "--feed", "x"], "'x'"),
    "an unknown loss": (["vanilla", "--sizes", SIZES, "--out", "{out}", "--loss", "x"], "'x'"),
    "an unknown choice": (["vanilla", "--sizes", SIZES, "--out", "{out}", "--g", "sinh"], "sinh"),
    "an unknown function": (["vanilla", "--sizes", SIZES, "--out", "{out}", "--function", "q=tanh"], "q"),
    "half a function": (["vanilla", "--sizes", SIZES, "--out", "{out}", "--function", "q"], "NAME=VALUE"),
    "no steps": (["vanilla", "--sizes", SIZES, "--out", "{out}", "--T", "0"], "T"),
    "steps that are none": (["vanilla", "--sizes", SIZES, "--out", "{out}", "--T", "two"], "--T"),
    "three numbers of steps": (["vanilla", "--sizes", SIZES, "--out", "{out}", "--T", "1,2,3"], "T_x,T_y"),
    "a bad name": (["vanilla", "--sizes", SIZES, "--out", "{out}", "--name", "a b"], "name"),
    "a module's name": (["vanilla", "--sizes", SIZES, "--out", "{out}", "--name", "chalkgrad"], "name"),
    "a size twice": (["vanilla", "--sizes", SIZES + ",n_x=5", "--out", "{out}"], "--sizes"),
    "a choice that is no function": (
        ["vanilla", "--sizes", SIZES, "--out", "{out}", "--function", "loss=x"],
        "--function",
    ),
    "an unknown option": (["vanilla", "--sizes", SIZES, "--out", "{out}", "--fast"], "--fast"),
    "an option of showcase": (["showcase", "--fast"], "--fast"),
    "no manifest": (["showcase", "--folder", "{out}"], "manifest.toml"),
    "a folder that is a file": (["vanilla", "--sizes", SIZES, "--out", "{file}"], "file"),
    "an option of tour": (["tour", "--fast"], "--fast"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, named = MISTAKES[name]
    (tmp_path / "file").write_text("")
    given = [a.format(out=tmp_path / "out", file=tmp_path / "file") for a in arguments]
    try:
        status: object = main(given)
    except SystemExit as end:
        status = end.code
    output = capsys.readouterr()
    assert status == 2
    assert not output.out
    lines = output.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("chalkgrad ")
    assert named in lines[0]
    assert not (tmp_path / "out").exists()


def test_help_mentions_every_option() -> None:
    command = [sys.executable, "-m", "codegen", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=environment())
    source = (Path(__file__).parents[2] / "codegen" / "__main__.py").read_text(encoding="utf-8")
    export_part = source[source.index("def _export") : source.index("def _showcase")]
    options = set(re.findall(r'"(--[A-Za-z]+)"', export_part))
    assert len(options) >= 11
    for option in options:
        assert re.search(rf"^  {option} .*", done.stdout, re.MULTILINE), option
    for word in ("exit status", "encoder-decoder", "binary_cross_entropy", "target", "lstm"):
        assert word in done.stdout
