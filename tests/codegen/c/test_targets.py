"""Generated C for other processors: compiled without a warning, and run where an emulator is at hand.

Some compute numbers in a wider format than they have: x87 all, s390x float32 (FLT_EVAL_METHOD 2 and 1).
"""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from chalkgrad import derive
from chalkgrad.codegen import Emitted, emit, numpy_twin
from chalkgrad.codegen.building import arithmetic, toolchain
from tests.chosen import diagonal, some
from tests.codegen.c.c_programs import expecting
from tests.codegen.calls import arguments, fixed
from tests.quick import PLAIN_FUNCTIONS

SPECIAL = """
name = "special"
[sizes]
n_x = "input features"
n_a = "hidden units"
n_y = "outputs"
[inputs]
x = ["n_x"]
[states]
a = ["n_a"]
[parameters]
W = ["n_a", "n_a"]
V = ["n_a", "n_x"]
b = ["n_a"]
s = []
U = ["n_y", "n_a"]
[equations]
z = "0.1 * W @ a[t-1] + V @ x - s * b"
a = "sin(z) / sqrt(1.3 + square(z)) - 0.7 * (2.1 + cos(s * z)) ** -1.5"
[output]
yhat = "softmax(s * U @ a)"
[loss]
kind = "binary_cross_entropy"
"""


@dataclass(frozen=True)
class Target:
    """A compiler with its flags, and the command that runs what it makes."""

    compiler: str
    flags: tuple[str, ...]
    run: tuple[str, ...]


TARGETS = {
    "x87": Target("i686-linux-gnu-gcc", ("-mno-sse", "-static"), ("qemu-i386",)),
    "i686": Target("i686-linux-gnu-gcc", ("-msse2", "-mfpmath=sse", "-static"), ("qemu-i386",)),
    "armhf": Target("arm-linux-gnueabihf-gcc", ("-static",), ("qemu-arm",)),
    "s390x": Target("s390x-linux-gnu-gcc", ("-static",), ("qemu-s390x",)),
}
STRICT = ("-std=c11", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas")
PLANS = {"straight": ("special", 2, "own"), "loops": ("lstm", None, "libm")}
ALL = [(plan, dtype) for plan in PLANS for dtype in ("float64", "float32")]
CASES = {"x87": ALL, "s390x": ALL, "i686": ALL[1::2], "armhf": ALL[::2]}
ON_ALL = [(target, *case) for target, cases in CASES.items() for case in cases]
KEPT = [ON_ALL[n] for n in (0, 7, 9, 11)]  # one on each; both forms, both types
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}


@functools.cache
def emitted(plan: str, dtype: str, folder: Path) -> tuple[Emitted, str]:
    """The source `net`, and a program that knows its results."""
    name, T, math = PLANS[plan]
    if name == "special":
        (folder / "special.toml").write_text(SPECIAL)
    model = derive.load(folder / "special.toml" if name == "special" else name)
    sizes = dict(zip(model.sizes, (1, 2, 2) if T else (3, 5, 2), strict=False))
    found = emit(model, sizes, dtype, T=T, name="net", math=math)
    assert ("_straight" in found.c) == (T is not None)
    a = arguments(fixed(replace(found.interface, dtype="float64")), dtype=dtype)
    if T:
        assert a.y is not None
        a = replace(a, x=a.x[:T], y=a.y[:T])
    return found, expecting(found, numpy_twin(model), a, TOLERANCE[dtype])


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("targets")


def ran(where: Target, flags: Sequence[str], texts: Mapping[str, str], folder: Path) -> tuple[int, str]:
    """The exit status and the output of a program made of these files. Skips where a tool is missing."""
    if shutil.which(where.compiler) is None:
        pytest.skip(f"no {where.compiler} here")
    for name, text in texts.items():
        (folder / name).write_text(text)
    sources = [name for name in texts if name.endswith(".c")]
    command = [where.compiler, *STRICT, *flags, *where.flags, *sources, "-o", "main", "-lm"]
    built = subprocess.run(command, cwd=folder, text=True, capture_output=True)
    assert built.returncode == 0, built.stderr[:3000]
    if where.run and shutil.which(where.run[0]) is None:
        pytest.skip(f"compiled, but no {where.run[0]} here")
    done = subprocess.run([*where.run, "./main"], cwd=folder, text=True, capture_output=True)
    return done.returncode, (done.stdout + done.stderr)[:3000]


@pytest.mark.parametrize("target, plan, dtype", some(ON_ALL, KEPT.__contains__))
def test_target(target: str, plan: str, dtype: str, shared: Path, tmp_path: Path) -> None:
    """Loss and gradients are those of the NumPy twin in float64."""
    source, main = emitted(plan, dtype, shared)
    texts = {"net.h": source.h, "net.c": source.c, "main.c": main}
    assert ran(TARGETS[target], ("-O1", PLAIN_FUNCTIONS), texts, tmp_path) == (0, "good\n")


@pytest.mark.parametrize("target, level", diagonal(TARGETS, ["-O3", "-O0"]))
def test_no_target_is_taken_for_one_that_relaxes_arithmetic(target: str, level: str, tmp_path: Path) -> None:
    flags = (level, "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math")
    assert ran(TARGETS[target], flags, {"trial.c": arithmetic.text()}, tmp_path) == (0, "")


def test_the_program_knows_a_wrong_result(shared: Path, tmp_path: Path) -> None:
    source, main = emitted("loops", "float64", shared)
    wrong = main.replace("p.W_ya = W_ya;", "p.W_ya = W_ia;")
    assert wrong != main
    for name, text in (("net.h", source.h), ("net.c", source.c), ("main.c", wrong)):
        (tmp_path / name).write_text(text)
    flags = ["-O1", PLAIN_FUNCTIONS, "net.c", "main.c", "-o", "main", "-lm"]
    toolchain.find_compiler().run(flags, tmp_path)
    done = subprocess.run(["./main"], cwd=tmp_path, text=True, capture_output=True)
    assert done.returncode == 1 and "loss: " in done.stdout and "d_W_ya: " in done.stdout
