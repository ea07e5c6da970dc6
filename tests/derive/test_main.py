"""The command line: what it prints, and what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chalkgrad.derive.__main__ import main
from chalkgrad.derive.cells.modelfile import builtin_names, load
from chalkgrad.derive.chaining.chain import chain
from chalkgrad.derive.deriving.derivation import bptt
from chalkgrad.derive.publishing.document import document
from chalkgrad.derive.publishing.shown import latex_of
from tests.chosen import some

ROOT = Path(__file__).parents[2]
CELL = """
name = "own"
title = "A cell of one's own"
[sizes]
n_x = "inputs"
n_q = "units"
[inputs]
x = ["n_x"]
[states]
q = ["n_q"]
[parameters]
U = ["n_q", "n_q"]
V = ["n_q", "n_x"]
[functions]
act = ["tanh", "relu", "sin"]
[equations]
q = "act(U @ q[t-1] + V @ x)"
[output]
yhat = "sigmoid(q)"
"""


pytestmark = [pytest.mark.xdist_group("main"), pytest.mark.usefixtures("judged_once")]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(arguments)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_the_default_is_the_notes_network(capsys: pytest.CaptureFixture[str]) -> None:
    status, text, errors = run(capsys)
    model = load("vanilla")
    assert (status, errors) == (0, "")
    assert text == f"{document(model, T=2)}\n"
    for what in (bptt(model), chain(model, 2, 2, "W_aa")):
        _, *displays = latex_of(what).split("\n\n")
        assert all(display.strip() in text for display in displays)


@pytest.mark.parametrize("name", some(builtin_names(), "gru".__eq__))
def test_every_cell_has_its_gradients(capsys: pytest.CaptureFixture[str], name: str) -> None:
    status, text, _ = run(capsys, name, "--T", "1")
    assert status == 0
    assert text.count(r"\frac{\partial L}{\partial") >= len(load(name).parameters) + 2
    assert r"\frac{\partial L^{<1>}}{\partial" in text


def test_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--g", "relu", "--h", "softmax", "--loss", "squared_error", "--T", "4", "--loss-step", "3"]
    status, text, _ = run(capsys, *arguments, "--wrt", "W_ax, x,a0")
    assert status == 0
    assert r"\operatorname{ReLU}" in text and "The loss is squared error, added up over outputs" in text
    assert r"\frac{\partial L}{\partial a^{<0>}}" in text and r"\frac{\partial L}{\partial x^{<t>}}" in text
    assert r"\frac{\partial L}{\partial b_{a}}" not in text
    assert r"\frac{\partial L^{<3>}}{\partial W_{ax}} & = \frac" in text
    assert r"\textbf{The chain rule through time, written out: T = 4}" in text


ARCHITECTURES = {
    "many-to-one": r"\text{Output, }t = T\text{:}",
    "one-to-one": r"L^{<1>}",
    "one-to-many --feed output": r"\hat{y}^{<t-1>}",
    "encoder-decoder --T 2,3": r"\frac{\partial L^{<5>}}{\partial",
    "encoder-decoder --T 3": r"\frac{\partial L^{<6>}}{\partial",
    "encoder-decoder": r"W^{\mathrm{enc}}_{aa}",
}


FEW = ("one-to-many --feed output", "encoder-decoder --T 2,3")


@pytest.mark.parametrize("chosen", some(ARCHITECTURES, FEW.__contains__))
def test_architectures(capsys: pytest.CaptureFixture[str], chosen: str) -> None:
    status, text, _ = run(capsys, "--architecture", *chosen.split())
    assert status == 0 and ARCHITECTURES[chosen] in text


def test_a_model_file_with_its_own_function(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(CELL)
    status, text, _ = run(capsys, str(file), "--function", "act=sin")
    assert status == 0
    assert r"\sin\left(" in text and r"\cos\left(" in text and r"\partial U}" in text


def test_prove(capsys: pytest.CaptureFixture[str]) -> None:
    status, text, _ = run(capsys, "--prove", "--architecture", "one-to-one")
    assert status == 0
    assert "% " in text and "W_aa" in text.rpartition("$$")[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["vanila"], "MODEL: expected one of gru"),
        (["missing.toml"], "missing.toml"),
        (["--g", "softmax"], "g: expected one of tanh, relu"),
        (["--h", "tanh"], "h: expected one of"),
        (["--function", "q=tanh"], "q: expected"),
        (["--function", "tanh"], "--function: expected NAME=F"),
        (["--function", "loss=tanh"], "--function: expected the name of a function"),
        (["--g", "tanh", "--function", "g=relu"], "one choice for g"),
        (["--T", "two"], "T: expected"),
        (["--T", "0"], "T: expected a positive integer"),
        (["--T", "2,3"], "T: expected a positive integer"),
        (["--architecture", "encoder-decoder", "--T", "1,2,3"], "T: expected a pair"),
        (["--loss-step", "3"], "loss_step: expected a step with an output: 1 … 2"),
        (["--wrt", "W_zz"], "wrt: expected names among W_aa"),
        (["--wrt", ""], "wrt: expected names among W_aa"),
        (["--architecture", "many-to-few"], "architecture: expected"),
        (["--feed", "output"], "feed: expected"),
        (["--loss", "hinge"], "loss: expected"),
    ],
)
def test_mistakes_are_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    status, text, errors = run(capsys, *arguments)
    assert (status, text) == (2, "")
    assert message in errors and errors.count("\n") == 1 and "Traceback" not in errors


def test_help_lists_the_cells_and_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    text = capsys.readouterr().out
    assert left.value.code == 0
    for word in (*builtin_names(), "--wrt", "--prove", "--function", "encoder-decoder", "examples:"):
        assert word in text


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "derive", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment | {"PYTHONIOENCODING": "utf-8"},
        check=False,
    )


def test_the_text_does_not_depend_on_the_hash_seed() -> None:
    texts = set()
    for seed in ("0", "1"):
        os.environ["PYTHONHASHSEED"] = seed
        try:
            texts.add(command("--architecture", "one-to-one").stdout)
        finally:
            del os.environ["PYTHONHASHSEED"]
    assert len(texts) == 1 and "gradient" in texts.pop()
