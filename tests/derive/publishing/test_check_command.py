"""chalkgrad check: verdicts, exit statuses, and what goes where."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from chalkgrad.derive.publishing.check_command import main

RIGHT = "dL/dW_aa = sum_t delta_z_a[t] @ a[t-1]^T"


def run(*arguments: str) -> int:
    return main(arguments)


def test_right_is_zero(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(RIGHT) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("right\n")
    assert captured.err == ""


def test_wrong_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("dL/dW_aa = sum_t delta_z_a[t] @ a[t]^T") == 1
    out = capsys.readouterr().out
    assert out.startswith("wrong: state-index\n")
    assert "∂L/∂W_aa = Σ_{t} δ_z_a⟨t⟩ a⟨t−1⟩ᵀ" in out


def test_unreadable_is_three(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("dL/dW_ab = 1") == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    first, shown, caret = captured.err.splitlines()
    assert first.startswith("chalkgrad check: the formula, column 4: expected ")
    assert shown[caret.index("^") :].startswith("dW_ab")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ((RIGHT, "--T", "5"), 0),
        (("delta_z_yhat = yhat - y", "--h", "softmax"), 0),
        (("delta_z_a = delta_a * (1 - a^2)", "--g", "relu"), 1),
        (("delta_z_a = delta_a * relu'(z_a)", "--function", "g=relu"), 0),
        (("delta_c[t] = delta_a * o * g'(c) + f[t+1] * delta_c[t+1]", "--model", "lstm"), 0),
        (("dL/dW_ya = (yhat[T] - y[T]) @ a[T]^T", "--architecture", "many-to-one"), 0),
        (("dL/denc_b_a = sum_t delta_z_a", "--architecture", "encoder-decoder", "--T", "2,3"), 0),
        (("dL/denc_b_a = sum_t delta_z_a", "--architecture", "encoder-decoder", "--T", "2"), 0),
        (("delta_z_yhat = yhat - y", "--loss", "squared_error"), 1),
        (("-dL/db_y = sum_t (y - yhat)",), 0),
        ((RIGHT, "--T", "0"), 2),
        ((RIGHT, "--T", "x"), 2),
        ((RIGHT, "--T", "2,3"), 2),
        ((RIGHT, "--model", "nothing"), 2),
        ((RIGHT, "--g", "softmax"), 2),
        ((RIGHT, "--architecture", "none-to-none"), 2),
        ((RIGHT, "--loss", "hinge"), 2),
        ((RIGHT, "--feed", "output"), 2),
    ],
)
def test_options(arguments: tuple[str, ...], status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == status
    captured = capsys.readouterr()
    assert (captured.err == "") == (status < 2)
    assert status < 2 or captured.err.startswith("chalkgrad check: ")


def test_the_model_is_named_as_the_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(RIGHT, "--model", "nothing") == 2
    assert "--model: expected one of" in capsys.readouterr().err


def test_from_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(
        "sys.stdin", io.StringIO(r"\delta_{z_{\hat{y}}}^{<t>} = \hat{y}^{<t>} - y^{<t>}" + "\n")
    )
    assert run("-") == 0
    assert capsys.readouterr().out.startswith("right")


def test_no_formula_and_unknown_options_are_two(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ((), (RIGHT, "--wrong"), (RIGHT, "more")):
        with pytest.raises(SystemExit) as caught:
            run(*arguments)
        assert caught.value.code == 2


def test_help_says_how_to_write(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run("--help")
    assert caught.value.code == 0
    assert "sum_{t=1}^{T}" in capsys.readouterr().out


CELL = """
name  = "odd"
title = "A cell with names of its own"
[sizes]
n_in = "inputs"
n_mem = "memory"
n_out = "outputs"
[inputs]
x = ["n_in"]
[states]
memory = ["n_mem"]
d = ["n_mem"]
[parameters]
W_hidden = ["n_mem", "n_mem"]
U_alpha_in = ["n_mem", "n_in"]
alpha = []
m = ["n_mem"]
V = ["n_out", "n_mem"]
[functions]
act = ["tanh", "softplus"]
out = ["softmax", "sigmoid"]
[equations]
gate = "sigmoid(alpha * (W_hidden @ d[t-1]) + m)"
memory = "act(W_hidden.T @ memory[t-1] + U_alpha_in @ x)"
d = "gate * memory / (1 + sum(memory**2)) + exp(-memory) * d[t-1]"
[output]
yhat = "out(V @ (d * gate) + alpha)"
"""


@pytest.mark.parametrize(
    ("formula", "status"),
    [
        ("dL/dm = sum_t delta_z_gate", 0),
        ("dL/dm = delta_z_gate", 1),
        ("dL/dU_alpha_in = sum_t delta_z_memory @ x^T", 0),
        ("delta_z_memory = delta_memory * act'(z_memory)", 0),
        ("delta_z_memory = delta_memory * act'(memory)", 1),
        ("delta_z_gate = delta_gate * gate * (1 - gate)", 0),
        ("dd[t]/dd[t-1] = diag(exp(-memory))", 1),
        ("dL/dalpha = sum_t (sum(delta_z_yhat) + delta_z_gate^T @ (W_hidden @ d[t-1]))", 0),
        (r"\delta_{z_{memory}}^{<t>} = \delta_{memory}^{<t>} \odot (1 - (memory^{<t>})^2)", 0),
        ("out'(z_yhat) = yhat", 3),
        ("dL/dV = sum_t delta_z_yhat @ (d * gate)^T", 0),
    ],
)
def test_a_cell_of_ones_own(
    formula: str, status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "odd.toml"
    path.write_text(CELL)
    assert run(formula, "--model", str(path)) == status, capsys.readouterr()
