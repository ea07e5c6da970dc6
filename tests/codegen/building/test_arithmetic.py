"""A compiler that relaxes IEEE arithmetic is refused before anything that it made is loaded."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from chalkgrad import codegen, derive
from chalkgrad.codegen.building import arithmetic, toolchain
from chalkgrad.codegen.building.build import _identity, _threads, compile_sources
from chalkgrad.codegen.building.process import Process
from chalkgrad.codegen.errors import BuildError
from tests.codegen.building.test_build import doubled, scaled

COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
SUBNORMAL = "subnormal numbers become 0"
FOUND = {  # what each flag breaks, at the least
    "-ffast-math": ("(a + b) - a is taken for b", "NaN is taken for a number", SUBNORMAL),
    "-Ofast": ("sums are formed in another order", "infinity is taken for a number", SUBNORMAL),
    "-funsafe-math-optimizations": (
        "(a + b) - a is taken for b",
        "a / b is taken for a * (1 / b)",
        SUBNORMAL,
    ),
    "-fassociative-math -fno-signed-zeros": (
        "(a + b) - a is taken for b",
        "sums are formed in another order",
    ),
    "-freciprocal-math": ("a / b is taken for a * (1 / b)", "quotients by one divisor become products"),
    "-ffinite-math-only": ("x - x or x * 0 is taken for 0", "NaN is taken for a number"),
    "-fno-signed-zeros": ("0 is taken for -0",),
}
FOUND_BY_GCC = {"-fsingle-precision-constant": ("constants have too few digits",)}
FOUND_BY_CLANG = {
    "-ffp-model=fast": ("(a * b) / b is taken for a",),
    "-fno-honor-nans": ("NaN is taken for a number",),
}
OPTIONS = {
    "gcc": FOUND | FOUND_BY_GCC,
    "clang": FOUND | FOUND_BY_CLANG,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("CHALKGRAD_CACHE", str(tmp_path / "cache"))
    _identity.cache_clear()
    _threads.cache_clear()
    return tmp_path / "cache"


def wrapped(folder: Path, compiler: str, when: str, flags: str) -> str:
    """A script that adds the flags: to everything, when it compiles, or when it links."""
    test = {"always": "true", "compiling": 'case " $* " in *" -c "*) true;; *) false;; esac'}
    test["linking"] = f"! {{ {test['compiling']}; }}"
    script = folder / "wrapper"
    script.write_text(
        f'#!/bin/sh\nif {test[when]}; then exec {compiler} "$@" {flags}; fi\nexec {compiler} "$@"\n'
    )
    script.chmod(0o755)
    return str(script)


def entries(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.is_dir()]


def subnormal() -> bool:
    """Whether this process still has subnormal numbers."""
    return bool(np.float64(5e-324) * 1.0 > 0 and np.float32(1e-45) * np.float32(1) > 0)


# ----------------------------------------------------------------------------- what the trial finds


def made(compiler: str, flags: str, folder: Path) -> tuple[str, ...]:
    """What the trial says when it is compiled and linked with the flags besides our own."""
    (folder / "trial.c").write_text(arithmetic.text())
    command = [compiler, *toolchain.flags_for("native"), *flags.split(), "trial.c", "-lm", "-o", "trial"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    status, output = Process([str(folder / "trial")]).wait()
    assert status == bool(output)
    return tuple(output.splitlines())


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize(
    "flags", ["", "-O0", "-O1", "-Os", "-g", "-frounding-math", "-ffp-contract=off", "-Wall -Wextra -Werror"]
)
def test_honest_flags(tmp_path: Path, compiler: str, flags: str) -> None:
    assert made(compiler, flags, tmp_path) == ()


@pytest.mark.parametrize(
    "compiler, flags", [(compiler, flags) for compiler in COMPILERS for flags in OPTIONS[compiler]]
)
def test_every_flag_is_found(tmp_path: Path, compiler: str, flags: str) -> None:
    assert set(OPTIONS[compiler][flags]) <= set(made(compiler, flags, tmp_path))


# ----------------------------------------------------------------------------- in a build


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("when", ["always", "compiling", "linking"])
def test_a_wrapper_is_refused_before_anything_is_loaded(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiler: str, when: str
) -> None:
    """The source is one that does not ask for macros."""
    monkeypatch.setenv("CC", wrapped(tmp_path, compiler, when, "-ffast-math"))
    with pytest.raises(BuildError, match=r"does not keep to IEEE arithmetic.*CC. Found:") as caught:
        compile_sources([scaled(factor=7.0)])
    found = str(caught.value).partition("Found:\n")[2].splitlines()
    assert (SUBNORMAL in found) is (when != "compiling")  # what linking does, to the whole process
    assert ("(a + b) - a is taken for b" in found) is (when != "linking")
    assert entries(folder) == [] and subnormal()


@pytest.mark.parametrize("flag", ["-ffast-math", "-funsafe-math-optimizations", "-ffinite-math-only"])
def test_generated_c_refuses_what_has_a_macro(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flag: str
) -> None:
    monkeypatch.setenv("CC", wrapped(tmp_path, "gcc", "always", flag))
    with pytest.raises(BuildError, match="the results would be wrong: compile without the flags that relax"):
        codegen.build(derive.load("vanilla"), {"n_x": 2, "n_a": 3, "n_y": 2})
    assert entries(folder) == []


@pytest.mark.parametrize(
    "flags, refused",
    [
        ("-O3 -std=c11 -fno-math-errno -fno-trapping-math", False),
        ("-O3 -ffast-math", True),
        ("-O3 -fno-trapping-math -fassociative-math -fno-signed-zeros", True),
        ("-O3 -freciprocal-math", True),
        ("-O3 -fno-signed-zeros", True),
        ("-O3 -ffinite-math-only", True),
        ("-Ofast", True),
    ],
)
@pytest.mark.parametrize("name", ["vanilla", "lstm"])
def test_the_macros_of_gcc(tmp_path: Path, flags: str, refused: bool, name: str) -> None:
    emitted = codegen.emit(derive.load(name), {"n_x": 2, "n_a": 3, "n_y": 2}, name="net")
    (tmp_path / "net.c").write_text(emitted.c)
    (tmp_path / "net.h").write_text(emitted.h)
    command = ["gcc", *flags.split(), "-Wundef", "-Werror", "-E", "net.c"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) is refused
    assert ("#error" in done.stderr) is refused


@pytest.mark.parametrize("compiler", COMPILERS)
def test_an_honest_compiler_passes_and_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, compiler: str
) -> None:
    monkeypatch.setenv("CC", compiler)
    module = compile_sources([scaled(factor=9.0)])
    assert doubled(module) == pytest.approx(9.0)
    names = {path.name for path in (folder / module.__name__).iterdir()}
    assert not {name for name in names if name.startswith(arithmetic.NAME) or name.endswith(".o")}


@pytest.mark.parametrize("link", ["exit 3", "kill -ILL $$"])
def test_a_compiler_whose_programs_do_not_run(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: str
) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\n{link}\n")
    script = tmp_path / "cross"
    copy = f'case "$*" in *"-o {arithmetic.NAME}") cp "{program}" {arithmetic.NAME};; esac'
    script.write_text(f'#!/bin/sh\ncc "$@" && {copy}\n')
    for path in (program, script):
        path.chmod(0o755)
    monkeypatch.setenv("CC", str(script))
    with pytest.raises(BuildError, match=r"cross makes programs that do not run here \(exit status (3|-4)\)"):
        compile_sources([scaled(factor=11.0)])
    program.write_bytes(b"\x7fELF of another machine")
    with pytest.raises(BuildError, match=r"cross makes programs that do not run here: .*format"):
        compile_sources([scaled(factor=11.0)])
    assert entries(folder) == []


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="only root can mount")
def test_a_folder_where_nothing_may_be_run(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing could be loaded from there either: the build goes to the next folder."""
    folder.mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    mount = ["mount", "-t", "tmpfs", "-o", "noexec,mode=700", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no mounts here")
    try:
        module = compile_sources([scaled(factor=13.0)])
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    assert module.__file__ is not None and Path(module.__file__).is_relative_to(tmp_path / "tmp")
    assert doubled(module) == pytest.approx(13.0)


def test_the_trial_is_quick(tmp_path: Path) -> None:
    compiler, times = toolchain.find_compiler(), []
    for _ in range(5):
        (tmp_path / f"{arithmetic.NAME}.c").write_text(arithmetic.text())
        start = time.perf_counter()
        compiler.run([*toolchain.flags_for("native"), "-c", f"{arithmetic.NAME}.c"], tmp_path)
        compiler.run([f"{arithmetic.NAME}.o", "-lm", "-o", arithmetic.NAME], tmp_path)
        arithmetic.check(compiler.command, tmp_path)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.5  # three processes, about 0.1 s of work
