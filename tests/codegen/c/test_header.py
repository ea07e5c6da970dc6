"""The header: read by C++17 too, and linked from there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import chalkgrad as cg
from chalkgrad.codegen import folder

CPP = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
CELL = """
name = "cell"
[sizes]
n_x = "inputs"
new = "units"
[inputs]
x = ["n_x"]
[states]
this = ["new"]
[parameters]
const_cast = ["new", "new"]
operator = ["new", "n_x"]
[equations]
this = "tanh(const_cast @ this[t-1] + operator @ x)"
[output]
yhat = "sigmoid(this)"
"""
MAIN = """
#include "net.h"
#include <cstdio>
int main() { return std::printf("%d\\n", net_loss_and_grad_work(2, 2, 1) > 0) < 0; }
"""


@pytest.mark.skipif(CPP is None, reason="no C++ compiler here")
def test_the_header_is_cpp(tmp_path: Path) -> None:
    (tmp_path / "cell.toml").write_text(CELL)
    model = cg.load(tmp_path / "cell.toml")
    folder.write(folder.files(cg.emit(model, {"n_x": 2, "new": 3}, name="net"), model.title, ""), tmp_path)
    (tmp_path / "main.cpp").write_text(MAIN)
    strict = ["-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    for command in (
        ["cc", "-std=c11", "-O0", "-c", "net.c"],
        [CPP, *strict, "main.cpp", "net.o", "-lm", "-o", "program"],
    ):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    done = subprocess.run([tmp_path / "program"], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
