"""Nothing that generated C computes depends on what was in memory before: clang's memory sanitizer."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from chalkgrad import derive
from chalkgrad.codegen import Emitted, emit
from tests.chosen import some
from tests.codegen.c.c_programs import calling_all, sizes_of
from tests.codegen.calls import in_slices
from tests.quick import PLAIN_FUNCTIONS

UNFILLED = (
    ("vanilla", "many-to-many", "none", "softmax", "binary_cross_entropy", "float64", None),
    ("gru", "encoder-decoder", "output", "softmax", "cross_entropy", "float32", None),
    ("lstm", "many-to-one", "none", "sigmoid", "auto", "float32", None),
    ("gru_reset_after", "one-to-many", "target", "sigmoid", "auto", "float64", None),
    ("vanilla", "many-to-many", "none", "softmax", "binary_cross_entropy", "float32", 3),
    ("vanilla", "encoder-decoder", "none", "sigmoid", "auto", "float64", (3, 4)),
)


KEPT = [UNFILLED[n] for n in (0, 4)]  # both types, loops and straight code


@pytest.fixture(scope="module")
def memory_sanitizer(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    if shutil.which("clang") is None:
        pytest.skip("no clang here")
    command = ["clang", "-std=gnu11", "-O0", "-fsanitize=memory", "-fno-sanitize-recover=all"]
    folder = tmp_path_factory.mktemp("memory")
    (folder / "a.c").write_text("int main(void) { return 0; }")
    if subprocess.run([*command, "a.c", "-o", "a"], cwd=folder, capture_output=True).returncode:
        pytest.skip("no memory sanitizer here")
    return command


def _run(emitted: Emitted, size: int, sanitizer: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """The program that calls all functions, in slices of `size`."""
    (folder / "net.h").write_text(emitted.h)
    (folder / "net.c").write_text(in_slices(emitted.source, size).code)
    (folder / "main.c").write_text(calling_all(emitted, B=9))
    command = [*sanitizer, PLAIN_FUNCTIONS, "net.c", "main.c", "-o", "main", "-lm"]
    built = subprocess.run(command, cwd=folder, text=True, capture_output=True)
    assert built.returncode == 0, built.stderr[:2000]
    return subprocess.run(["./main"], cwd=folder, text=True, capture_output=True)


@pytest.mark.parametrize("name, architecture, feed, h, loss, dtype, T", some(UNFILLED, KEPT.__contains__))
def test_no_result_depends_on_what_was_in_memory(
    name: str,
    architecture: str,
    feed: str,
    h: str,
    loss: str,
    dtype: str,
    T: int | tuple[int, int] | None,
    memory_sanitizer: list[str],
    tmp_path: Path,
) -> None:
    """In slices of two, and written out; with and without lengths and optional results."""
    model = derive.load(name, architecture=architecture, feed=feed, h=h, loss=loss)
    sizes = sizes_of(model, (5, 17, 18, 6) if T is None else (2, 3, 2))
    emitted = emit(model, sizes, dtype, T=T, name="net")
    assert T is None or "_straight" in emitted.c
    done = _run(emitted, 2, memory_sanitizer, tmp_path)
    assert done.returncode == 0, done.stderr[:3000]
    assert done.stdout == "good\n"


def test_the_sanitizer_would_find_a_sum_that_does_not_begin_at_zero(
    memory_sanitizer: list[str], tmp_path: Path
) -> None:
    model = derive.load("vanilla")
    emitted = emit(model, sizes_of(model, (5, 17, 18)), name="net")
    code = emitted.c.replace("if (d_b_a) clear(", "if (0) clear(")
    assert code != emitted.c
    planted = replace(emitted, source=replace(emitted.source, code=code))
    done = _run(planted, 9, memory_sanitizer, tmp_path)
    assert done.returncode != 0 and "use-of-uninitialized-value" in done.stderr
