"""Compiling, caching, loading and calling C, with small sources written by hand."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from chalkgrad import derive
from chalkgrad.codegen import build
from chalkgrad.codegen.building import cache, toolchain
from chalkgrad.codegen.building.build import _identity, compile_cached, compile_sources, publish_module
from chalkgrad.codegen.building.native import CBackend
from chalkgrad.codegen.c.source import Source
from chalkgrad.codegen.calling.network import Network
from chalkgrad.codegen.errors import ArgumentError, BuildError
from chalkgrad.codegen.program.interface import Counts, Interface

_STRUCT = """
typedef struct {{
    size_t T_x, T_y, B, threads;
    const double *x, *y, *s, *a0, *dyhat, *dstates_a;
    double *yhat, *states_a, *d_s, *d_x;
    double *loss;
    const size_t *last_x;
    void *work;
}} {name}_args;
"""

_FUNCTIONS = "".join(
    f"size_t {{name}}_{function}_work(size_t T_x, size_t T_y, size_t B);\n"
    f"void {{name}}_{function}(const {{name}}_args *args);\n"
    for function in ("loss_and_grad", "forward", "vjp")
)

_CODE = """
#include "{name}.h"
#include <stdint.h>

size_t {name}_loss_and_grad_work(size_t T_x, size_t T_y, size_t B) {{ (void)T_y; return T_x * B * 8; }}
size_t {name}_forward_work(size_t T_x, size_t T_y, size_t B) {{ return (T_x + T_y) * B * 8; }}
size_t {name}_vjp_work(size_t T_x, size_t T_y, size_t B) {{ return 0 * T_x * T_y * B; }}

/* yhat[t] = {factor} s x[t] up to the last step of each example, then 0; a keeps its value */
void {name}_forward(const {name}_args *p)
{{
    double *work = p->work;
    for (size_t t = 0; t < p->T_x; t++)
        for (size_t b = 0; b < p->B; b++) {{
            size_t i = t * p->B + b;
            work[i] = {factor} * *p->s * p->x[i];
            p->yhat[i] = p->last_x && t >= p->last_x[b] ? 0.0 : work[i];
        }}
    for (size_t i = 0; i < (p->T_x + 1) * p->B; i++)
        p->states_a[i] = p->a0[i % p->B];
}}

/* loss = sum yhat * y; the first double of the result d_x is the misalignment of the workspace */
void {name}_loss_and_grad(const {name}_args *p)
{{
    double loss = 0.0, d_s = 0.0;
    for (size_t i = 0; i < p->T_x * p->B; i++) {{
        ((double *)p->work)[i] = {factor} * p->x[i] * p->y[i];
        d_s += ((double *)p->work)[i];
        loss += ((double *)p->work)[i] * *p->s;
    }}
    *p->loss = loss;
    if (p->d_s) *p->d_s = d_s;
    if (p->d_x) p->d_x[0] = (double)((uintptr_t)p->work % 64);
}}

void {name}_vjp(const {name}_args *p) {{ if (p->d_s) *p->d_s = 0.0; }}
"""

FIELDS = {
    **{name: name for name in ("x", "y", "s", "a0", "yhat", "loss", "last_x")},
    "states.a": "states_a",
    "d.s": "d_s",
    "d.x": "d_x",
    "dyhat": "dyhat",
    "dstates.a": "dstates_a",
}
LINE = Interface(
    name="line",
    architecture="many-to-many",
    feed="none",
    parameters={"s": ()},
    states={"a": "n"},
    x="n",
    yhat=("n",),
    sizes={"n": 1},
    dtype="float64",
)


def scaled(name: str = "line", factor: float = 2.0) -> Source:
    """The source of yhat = factor s x."""
    cdef = (_STRUCT + _FUNCTIONS).format(name=name)
    header = f"#ifndef {name.upper()}_H\n#define {name.upper()}_H\n#include <stddef.h>\n{cdef}#endif\n"
    return Source(name, header, _CODE.format(name=name, factor=factor), cdef)


def network(module: ModuleType, name: str = "line") -> Network:
    return Network(LINE, CBackend(module, name, FIELDS))


def backend(module: ModuleType, name: str = "line") -> CBackend:
    return CBackend(module, name, FIELDS)


def doubled(module: ModuleType, name: str = "line") -> float:
    yhat, _ = network(module, name).forward({"s": 1.0}, [[1.0]])
    assert yhat is not None
    return float(yhat[0, 0])


def unload(module: ModuleType) -> None:
    """Make the next build look at the files again, as another process would."""
    for name in [name for name in sys.modules if name.split(".")[0] == module.__name__]:
        del sys.modules[name]


_unique = iter(range(10**6))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("CHALKGRAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CC", raising=False)
    _identity.cache_clear()
    return tmp_path / "cache"


@pytest.fixture
def source(folder: Path) -> Source:
    """A source that no other test has built in this process."""
    return scaled(factor=2.0 + 2.0**-40 * next(_unique))


# Building and finding.


def test_builds_silently_and_calls(source: Source, capfd: pytest.CaptureFixture[str]) -> None:
    module = compile_sources([source])
    assert capfd.readouterr() == ("", "")
    assert doubled(module) == pytest.approx(2.0)
    assert compile_sources([source]) is module
    assert compile_sources([source], target="portable") is not module


def test_another_process_finds_the_build(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    module = compile_sources([source])
    unload(module)
    monkeypatch.setattr(toolchain.Compiler, "run", _never)
    again = compile_sources([source])
    assert again is not module and again.__name__ == module.__name__
    assert doubled(again) == doubled(module)


def _never(*arguments: object) -> str:
    raise AssertionError(f"the compiler ran with {arguments}")


def test_many_sources_in_one_extension(folder: Path) -> None:
    module = compile_sources([scaled("one", 1.0), scaled("two", 2.0), scaled("three", 3.0)])
    assert [doubled(module, name) for name in ("one", "two", "three")] == [1.0, 2.0, 3.0]
    (entry,) = [path for path in folder.iterdir() if path.is_dir()]
    assert sorted(path.suffix for path in entry.iterdir()) == ["", *[".c"] * 4, *[".h"] * 3, ".so"]


def test_every_text_counts(folder: Path) -> None:
    first = compile_sources([scaled("line", 2.0)])
    assert compile_sources([scaled("line", 4.0)]) is not first
    assert compile_sources([scaled("line", 2.0), scaled("other", 2.0)]) is not first


def test_the_processor_counts_for_native_only(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    native, portable = compile_sources([source]), compile_sources([source], target="portable")
    monkeypatch.setattr(toolchain, "processor", lambda: "another one")
    assert compile_sources([source]) is not native
    assert compile_sources([source], target="portable") is portable


def test_the_compiler_counts(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = compile_sources([source])
    monkeypatch.setenv("CC", _compiler_script(tmp_path, "version 1"))
    second = compile_sources([source])
    _compiler_script(tmp_path, "version 2, which is longer")
    third = compile_sources([source])
    assert len({first.__name__, second.__name__, third.__name__}) == 3


def _compiler_script(folder: Path, version: str) -> str:
    script = folder / "mycc"
    script.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "{version}" && exit\nexec cc "$@"\n')
    script.chmod(0o755)
    return str(script)


@pytest.mark.parametrize("names", [["a/b"], ["../a"], ["a b"], ["1a"], ["a", "a"], []])
def test_source_names(folder: Path, names: Sequence[str]) -> None:
    with pytest.raises(ValueError, match="source name"):
        compile_sources([scaled(name) for name in names])


def test_unknown_target(source: Source) -> None:
    with pytest.raises(ArgumentError, match=r"target: expected 'native' or 'portable'"):
        compile_sources([source], target="other")


# Recipes.


def test_a_recipe_is_made_once(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def make() -> list[Source]:
        made.append(source)
        return [source]

    module = compile_cached("recipe", make)
    assert compile_cached("recipe", make) == module
    unload(module)
    monkeypatch.setattr(toolchain.Compiler, "run", _never)
    again = compile_cached("recipe", make)
    assert len(made) == 1 and again.__name__ == module.__name__
    assert compile_cached("another recipe", make) == again and len(made) == 2


@pytest.mark.parametrize("damage", ["", "os", "_chalkgrad_" + "0" * 32, "../../x", "\0"])
def test_a_damaged_recipe_is_made_again(source: Source, folder: Path, damage: str) -> None:
    module = compile_cached("recipe", lambda: [source])
    (note,) = folder.glob("recipe_*")
    note.write_text(damage)
    assert compile_cached("recipe", lambda: [source]) == module
    assert note.read_text() == module.__name__


def test_recipe_without_its_entry(source: Source, folder: Path) -> None:
    module = compile_cached("recipe", lambda: [source])
    unload(module)
    cache.discard(folder / module.__name__)
    again = compile_cached("recipe", lambda: [source])
    assert doubled(again) == doubled(module)


def test_a_cached_build_is_fast(source: Source) -> None:
    module = compile_cached("recipe", lambda: [source])
    times = []
    for _ in range(5):
        unload(module)
        _identity.cache_clear()
        toolchain.processor.cache_clear()
        start = time.perf_counter()
        compile_cached("recipe", lambda: [source])
        times.append(time.perf_counter() - start)
    assert min(times) < 0.02


# Races and damage.


@pytest.mark.parametrize("count", [3, pytest.param(8, marks=pytest.mark.full)])
def test_a_race_of_processes(source: Source, folder: Path, count: int) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(count), context.Queue()
    workers = [context.Process(target=_race, args=(source, barrier, results)) for _ in range(count)]
    for worker in workers:
        worker.start()
    answers = [results.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join(timeout=60)
    assert len(set(answers)) == 1 and answers[0][1] == pytest.approx(2.0)
    entries = [path.name for path in folder.iterdir() if path.is_dir()]
    assert entries == [answers[0][0]]


def _race(source: Source, barrier: Any, results: Any) -> None:
    try:
        barrier.wait(timeout=60)
        module = compile_sources([source])
        results.put((module.__name__, doubled(module)))
    except BaseException:
        results.put((traceback.format_exc(), 0.0))


def test_a_race_of_threads(source: Source) -> None:
    with ThreadPoolExecutor(4) as pool:
        modules = set(pool.map(lambda _: compile_sources([source]), range(4)))
    assert len(modules) == 1


@pytest.mark.parametrize("damage", ["truncated", "garbage", "empty", "no library", "no sums", "not a folder"])
def test_a_damaged_entry_is_rebuilt(source: Source, folder: Path, damage: str) -> None:
    module = compile_sources([source])
    unload(module)
    entry = folder / module.__name__
    library = entry / f"{module.__name__}.so"
    match damage:
        case "truncated":
            _rewrite(library, library.read_bytes()[: library.stat().st_size // 2])
        case "garbage":
            _rewrite(library, b"\x7fELF" + bytes(5000))
        case "empty":
            _rewrite(library, b"")
        case "no library":
            library.unlink()
        case "no sums":
            (entry / "SUMS").unlink()
        case _:
            cache.discard(entry)
            entry.write_text("a file")
    again = compile_sources([source])
    assert again is not module and doubled(again) == doubled(module)
    assert [path.name for path in folder.iterdir() if not path.name.startswith(cache.NOTES)] == [entry.name]


def _rewrite(path: Path, data: bytes) -> None:
    """Replace a file, as the old one may be mapped into this process."""
    path.unlink()
    path.write_bytes(data)


def test_an_entry_that_does_not_load_is_rebuilt_once(source: Source, folder: Path) -> None:
    module = compile_sources([source])
    unload(module)
    entry = folder / module.__name__
    _rewrite(entry / f"{module.__name__}.so", b"no library, with the right digest")
    (entry / "SUMS").write_text(cache._sums(entry))
    assert doubled(compile_sources([source])) == doubled(module)


def test_a_build_that_never_loads(folder: Path) -> None:
    good = scaled()
    code = good.code + "extern void nowhere(void);\nvoid (*line_f)(void) = nowhere;\n"
    bad = Source("line", good.header, code, good.cdef)
    with pytest.raises(BuildError, match="does not load"):
        compile_sources([bad])


# What may be missing.


def test_a_compiler_that_writes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CC", "true")
    monkeypatch.setenv("CHALKGRAD_CACHE", str(tmp_path))
    with pytest.raises(BuildError, match=r"'true' wrote no .*\.o"):
        build(derive.load("vanilla"), {"n_x": 2, "n_a": 3, "n_y": 2})


def test_no_compiler(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "/nonexistent")
    with pytest.raises(BuildError, match=r"No C compiler '/nonexistent' found: install gcc .*numpy_twin"):
        compile_sources([source])
    with pytest.raises(BuildError, match=r"No C compiler"):
        compile_cached("recipe", lambda: [source])
    assert publish_module("twin", "answer = 42\n").answer == 42


@pytest.mark.parametrize("command", ['"', "cc -ffast-math", "gcc -O2 -Ofast"])
def test_bad_compiler_command(source: Source, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("CC", command)
    with pytest.raises(BuildError, match="CC"):
        compile_sources([source])


def test_flags_in_cc_are_kept_and_cflags_ignored(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = compile_sources([source])
    monkeypatch.setenv("CFLAGS", "-ffast-math -DNONSENSE(")
    monkeypatch.setenv("LDFLAGS", "-ffast-math")
    assert compile_sources([source]) is plain
    monkeypatch.setenv("CC", "cc -g")
    assert compile_sources([source]) is not plain


def test_a_broken_compiler(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "broken"
    script.write_bytes(b"\x7fELF nonsense")
    script.chmod(0o755)
    monkeypatch.setenv("CC", str(script))
    with pytest.raises(BuildError, match=r"does not run|failed"):
        compile_sources([source])


def test_no_headers(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda kind: str(tmp_path / "include"))
    with pytest.raises(BuildError, match=r"No Python.h in .*python3-dev"):
        compile_sources([source])


def test_a_compiler_error_is_shown(folder: Path) -> None:
    good = scaled()
    bad = Source("line", good.header, good.code + "int x = does_not_exist;\n" * 50, good.cdef)
    with pytest.raises(BuildError) as caught:
        compile_sources([bad])
    message = str(caught.value)
    assert "does_not_exist" in message and "line.c" in message and len(message.splitlines()) < 20
    assert not [path for path in folder.iterdir() if path.is_dir()]


def test_declarations_that_cffi_refuses(folder: Path) -> None:
    good = scaled()
    with pytest.raises(BuildError, match="cffi refuses"):
        compile_sources([Source("line", good.header, good.code, "this is not C;")])


# Where the cache is.


def test_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHALKGRAD_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache.write_note("note", "text") == tmp_path / "home" / ".cache" / "chalkgrad" / "note"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.write_note("note", "text") == tmp_path / "xdg" / "chalkgrad" / "note"
    monkeypatch.setenv("CHALKGRAD_CACHE", str(tmp_path / "mine"))
    assert cache.write_note("note", "text") == tmp_path / "mine" / "note"
    assert (tmp_path / "mine").stat().st_mode & 0o777 == 0o700


@pytest.fixture
def unwritable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache below a file, which not even root can write; and an empty temporary folder, returned."""
    (tmp_path / "file").write_text("")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("CHALKGRAD_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    _identity.cache_clear()
    return tmp_path / "tmp"


def test_a_cache_that_cannot_be_written(unwritable: Path) -> None:
    source = scaled(factor=2.0 + 2.0**-40 * next(_unique))
    module = compile_sources([source])
    private = unwritable / f"chalkgrad-{os.getuid()}"
    assert (private / module.__name__).is_dir() and private.stat().st_mode & 0o777 == 0o700
    unload(module)
    assert doubled(compile_sources([source])) == doubled(module)
    assert publish_module("twin", "answer = 43\n").answer == 43


def test_a_temporary_folder_of_somebody_else(unwritable: Path) -> None:
    private = unwritable / f"chalkgrad-{os.getuid()}"
    private.mkdir()
    private.chmod(0o777)
    with pytest.raises(BuildError, match=r"name one in CHALKGRAD_CACHE.*not a private folder"):
        compile_sources([scaled(factor=2.0 + 2.0**-40 * next(_unique))])
    private.rmdir()
    (unwritable / "elsewhere").mkdir()
    private.symlink_to(unwritable / "elsewhere")
    with pytest.raises(BuildError, match="not a private folder"):
        cache.write_note("note", "text")
    assert cache.read_note("note") is None


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_read_only_cache_is_read(source: Source, folder: Path) -> None:
    module = compile_sources([source])
    unload(module)
    folder.chmod(0o500)
    try:
        assert doubled(compile_sources([source])) == doubled(module)
    finally:
        folder.chmod(0o700)


# Published Python modules.


def test_publish_module(folder: Path) -> None:
    text = "def double(x):\n    return 2 * x\n"
    module = publish_module("my twin!", text)
    assert module.double(4) == 8 and publish_module("my twin!", text) is module
    assert publish_module("my twin!", text + "\n") is not module
    assert module.__name__.startswith("_chalkgrad_my_twin_")
    assert module.__file__ is not None and Path(module.__file__).read_text() == text


def test_a_damaged_module_file_does_not_matter(folder: Path) -> None:
    text = "def fail():\n    raise ValueError('on purpose')\n"
    module = publish_module("twin", text)
    assert module.__file__ is not None
    Path(module.__file__).write_text("raise SystemExit\n")
    unload(module)
    again = publish_module("twin", text)
    assert again.__file__ is not None and Path(again.__file__).read_text() == text
    with pytest.raises(ValueError, match="on purpose") as caught:
        again.fail()
    assert str(caught.traceback[-1].path) == again.__file__


def test_a_module_that_fails_is_not_kept(folder: Path) -> None:
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            publish_module("twin", "1 / 0\n")


# The backend.


def test_network_over_c(source: Source) -> None:
    net = network(compile_sources([scaled("line", 2.0)]))
    x, y = np.arange(6.0).reshape(3, 2, 1), np.ones((3, 2, 1))
    yhat, states = net.forward({"s": 3}, x, initial={"a": [[5], [7]]}, lengths=[3, 1])
    assert yhat is not None and yhat[..., 0].tolist() == [[0, 6], [12, 0], [24, 0]]
    assert states["a"][..., 0].tolist() == [[5, 7]] * 3
    loss, grads = net.loss_and_grad({"s": 3}, x, y, wrt=["s", "x"])
    assert loss == 90.0 and grads["s"] == 30.0
    assert grads["x"][0, 0, 0] == 0.0, "the workspace is aligned"
    assert net.vjp({"s": 3}, x)["s"] == 0.0
    assert net.loss_and_grad({"s": 3}, x, y, wrt=[]) == (90.0, {})


def test_plan_over_c(source: Source) -> None:
    net = network(compile_sources([scaled("line", 2.0)]))
    s, x, y = np.array(3.0), np.arange(6.0).reshape(3, 2, 1), np.ones((3, 2, 1))
    plan = net.plan({"s": s}, x, y)
    assert plan()[0] == 90.0
    s[...] = 1.0
    x[0] = 1.0
    loss, grads = plan()
    assert loss == 32.0 and grads["s"] == 32.0
    del net, s, x, y
    assert plan()[0] == 32.0


def test_results_must_be_writable(source: Source) -> None:
    c = backend(compile_sources([source]))
    loss = np.zeros(1)
    loss.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        c.run("loss_and_grad", Counts(1, 1, 1), {"loss": loss})


@pytest.mark.parametrize("counts", [Counts(2**62, 1, 8), Counts(2**45, 1, 2**10), Counts(2**50, 1, 1)])
def test_workspaces_beyond_memory(source: Source, counts: Counts) -> None:
    c = backend(compile_sources([source]))
    with pytest.raises(MemoryError, match="workspace for T_x = "):
        c.run("forward", counts, {})


def test_calls_from_threads(source: Source) -> None:
    net = network(compile_sources([scaled("line", 2.0)]))
    y = np.ones((200, 50, 1))

    def loss(value: int) -> float:
        return net.loss_and_grad({"s": value}, np.ones((200, 50, 1)), y)[0]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(loss, range(100))) == [20000.0 * value for value in range(100)]


def test_calls_release_the_interpreter(source: Source) -> None:
    net = network(compile_sources([source]))
    x = np.ones((1000, 20000, 1))
    plan = net.plan({"s": np.array(1.0)}, x, x)
    done = threading.Event()

    def run() -> None:
        plan()
        done.set()

    thread = threading.Thread(target=run)
    ticks = 0
    thread.start()
    while not done.is_set():
        ticks += 1
        time.sleep(0)
    thread.join()
    assert ticks > 100


def test_loading_changes_no_rounding(source: Source, folder: Path) -> None:
    compile_sources([source])
    assert np.float64(5e-324) * 1.0 > 0
    unsafe = {"-ffast-math", "-Ofast", "-funsafe-math-optimizations"}
    assert not unsafe & {*toolchain.flags_for("native"), *toolchain.GLUE_FLAGS, *toolchain.LINK_FLAGS}


def test_building_needs_no_setuptools(source: Source) -> None:
    script = (
        "import sys; sys.modules['setuptools'] = sys.modules['distutils'] = None\n"
        "from chalkgrad.codegen.building.build import compile_sources\n"
        "from chalkgrad.codegen.c.source import Source\n"
        f"compile_sources([{source!r}])\n"
    )
    paths = os.pathsep.join(path or "." for path in sys.path)
    subprocess.run([sys.executable, "-c", script], check=True, env={**os.environ, "PYTHONPATH": paths})
