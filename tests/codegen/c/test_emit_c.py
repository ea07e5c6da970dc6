"""Generated C: no warning, no allocation, no state, nothing beyond an array, no change of rounding."""

from __future__ import annotations

import ast
import ctypes
import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chalkgrad import derive
from chalkgrad.codegen import Emitted, build, emit, numpy_twin
from chalkgrad.codegen.building import toolchain
from chalkgrad.codegen.building.build import compile_sources
from chalkgrad.codegen.building.native import CBackend
from chalkgrad.codegen.c.identifiers import struct_fields
from chalkgrad.codegen.calling.network import Network
from tests.chosen import some
from tests.codegen.c.c_programs import calling_all, sizes_of
from tests.codegen.calls import arguments, compare, everything, fixed, in_slices
from tests.quick import PLAIN_FUNCTIONS

WARNINGS = ("all", "extra", "pedantic", "conversion", "shadow", "double-promotion", "vla", "error")
STRICT = ["-std=c11", *(f"-W{warning}" for warning in WARNINGS)]
PLANS = (
    ("one-to-one", "none"),
    ("one-to-many", "none"),
    ("one-to-many", "output"),
    ("one-to-many", "target"),
    ("many-to-one", "none"),
    ("many-to-many", "none"),
    ("encoder-decoder", "none"),
    ("encoder-decoder", "output"),
    ("encoder-decoder", "target"),
)
PLAIN = ["-O0", PLAIN_FUNCTIONS]
"""What compiles fastest."""
DTYPES = ("float64", "float32")
MODELS = derive.builtin_names()


def fixed_steps(architecture: str) -> int | tuple[int, int] | None:
    return {"one-to-one": 1, "encoder-decoder": (2, 3)}.get(architecture, 2)


def compiled(emitted: Sequence[Emitted], flags: Sequence[str], folder: Path) -> list[Path]:
    """The objects of the sources. Fails on any warning."""
    for e in emitted:
        (folder / f"{e.source.name}.h").write_text(e.h)
        (folder / f"{e.source.name}.c").write_text(e.c)
    command = [*toolchain.find_compiler().command, *STRICT, *flags, "-c"]
    done = subprocess.run(
        [*command, *(f"{e.source.name}.c" for e in emitted)], cwd=folder, text=True, capture_output=True
    )
    assert done.returncode == 0, done.stderr[:3000]
    assert not done.stderr, done.stderr[:3000]
    return [folder / f"{e.source.name}.o" for e in emitted]


ENDS = {(MODELS[0], DTYPES[0]), (MODELS[-1], DTYPES[-1])}
FEW = {(name, PLANS[2 * n], DTYPES[n % 2]) for n, name in enumerate(MODELS)}


@pytest.mark.parametrize("name, plan, dtype", some(product(MODELS, PLANS, DTYPES), FEW.__contains__))
def test_no_warning(name: str, plan: tuple[str, str], dtype: str, tmp_path: Path) -> None:
    """With T fixed a file has the loops and, where it is short enough, the straight form."""
    architecture, feed = plan
    model = derive.load(name, architecture=architecture, feed=feed)
    sizes = sizes_of(model, (3, 4, 2, 5))
    compiled([emit(model, sizes, dtype, fixed_steps(architecture), name="net")], PLAIN, tmp_path)


CHOICES: tuple[dict[str, str], ...] = (
    {"g": "relu", "h": "softmax", "loss": "binary_cross_entropy"},
    {"g": "tanh", "h": "softmax", "loss": "cross_entropy"},
    {"g": "tanh", "h": "identity", "loss": "squared_error"},
    {"g": "relu", "h": "sigmoid", "loss": "cross_entropy"},
)
CHOSEN = list(
    zip(
        MODELS,
        ("many-to-one", "many-to-many", "encoder-decoder", "many-to-many"),
        CHOICES,
        DTYPES * 2,
        strict=False,
    )
)
TILES = ((16, 32, 8, 64), (18, 20, 17, 21))  # whole, ragged
TARGETS = (
    ["-O3", "-march=native"],
    ["-O3"],
    ["-O2", "-ffp-contract=off", "-fno-tree-vectorize", PLAIN_FUNCTIONS],
    ["-Os", PLAIN_FUNCTIONS],
)
OTHER_FLAGS = [(1, TARGETS[3])]
TILED = [(TARGETS[1], TILES[1], "float32")]
CLANG = [(CHOICES[0], "float64"), (CHOICES[2], "float32")]


@pytest.mark.parametrize("number, flags", some(product(range(4), TARGETS), OTHER_FLAGS.__contains__))
def test_no_warning_with_other_flags(number: int, flags: list[str], tmp_path: Path) -> None:
    name, architecture, choice, dtype = CHOSEN[number]
    model = derive.load(name, architecture=architecture, **choice)
    compiled([emit(model, sizes_of(model, (7, 19, 5, 11)), dtype, name="net")], flags, tmp_path)


@pytest.mark.parametrize("flags, sizes, dtype", some(product(TARGETS, TILES, DTYPES), TILED.__contains__))
def test_no_warning_where_sizes_fill_the_tiles_of_a_kernel(
    flags: list[str], sizes: tuple[int, int, int, int], dtype: str, tmp_path: Path
) -> None:
    """gcc takes a tail loop that it knows to be empty for an endless one, if its start is not plain."""
    model = derive.load("vanilla")
    compiled([emit(model, sizes_of(model, sizes), dtype, name="net")], flags, tmp_path)


def test_no_warning_without_vector_types(tmp_path: Path) -> None:
    """What a compiler that does not define __GNUC__ is given."""
    emitted = emit(derive.load("lstm"), sizes_of(derive.load("lstm"), (7, 19, 5)), name="net")
    code = emitted.c.replace("defined(__GNUC__)", "0")
    assert code != emitted.c
    compiled([replace(emitted, source=replace(emitted.source, code=code))], ["-O2"], tmp_path)


@pytest.mark.parametrize("choice, dtype", some(product(CHOICES, DTYPES), CLANG.__contains__))
def test_no_warning_from_clang(
    choice: dict[str, str], dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("clang") is None:
        pytest.skip("no clang here")
    monkeypatch.setenv("CC", "clang")
    plain, gated = derive.load("vanilla", **choice), derive.load("gru", **choice)
    emitted = [
        emit(plain, sizes_of(plain, (3, 4, 2)), dtype, T=2, name="straight"),
        emit(gated, sizes_of(gated, (7, 19, 5)), dtype, name="loops"),
    ]
    compiled(emitted, ["-O0", "-march=native", PLAIN_FUNCTIONS], tmp_path)


# ----------------------------------------------------------------------------- what is in the object

LIBRARY = {"memset", "memcpy", "memmove", "_GLOBAL_OFFSET_TABLE_"}
MATHEMATICS = {"exp", "log", "log1p", "tanh", "sin", "cos", "sqrt", "pow", "fabs", "sincos"}


@pytest.mark.parametrize("name, dtype", some(product(MODELS, DTYPES), ENDS.__contains__))
def test_no_allocation_and_no_state(name: str, dtype: str, tmp_path: Path) -> None:
    if shutil.which("nm") is None:
        pytest.skip("no nm here")
    model = derive.load(name, h="softmax", loss="binary_cross_entropy")
    emitted = emit(model, sizes_of(model, (3, 9, 4, 5)), dtype, name="net")
    (path,) = compiled([emitted], ["-O1", PLAIN_FUNCTIONS], tmp_path)
    listing = subprocess.run(["nm", str(path)], capture_output=True, text=True, check=True).stdout
    symbols = [line.split()[-2:] for line in listing.splitlines()]
    undefined = {symbol for kind, symbol in symbols if kind == "U"}
    wanted = {m + ("f" if dtype == "float32" else "") for m in MATHEMATICS}
    assert undefined <= wanted | LIBRARY
    assert not [symbol for kind, symbol in symbols if kind in "bBdDcCgGsS"], "a variable outside functions"
    functions = {f"net_{f}{w}" for f in ("loss_and_grad", "forward", "vjp") for w in ("", "_work")}
    assert {symbol for kind, symbol in symbols if kind == "T"} == functions


def test_size_of_loops_does_not_depend_on_the_number_of_steps() -> None:
    model = derive.load("gru")
    sizes = sizes_of(model, (3, 16, 4))
    free = emit(model, sizes).c
    assert emit(model, sizes, T=1_000).c == emit(model, sizes, T=1_000_000).c == free
    assert "_straight" not in free


def test_straight_form_only_where_it_is_short() -> None:
    model = derive.load("vanilla")
    assert "_straight" in emit(model, sizes_of(model, (3, 4, 2)), T=2).c
    assert "_straight" not in emit(model, sizes_of(model, (3, 4, 2)), T=200).c
    assert "_straight" not in emit(model, sizes_of(model, (30, 40, 20)), T=2).c


def test_every_block_carries_the_number_of_its_equation() -> None:
    derivation = derive.bptt(derive.load("lstm"))
    code = emit(derivation, sizes_of(derivation.model, (3, 4, 2))).c
    numbers = {int(n) for n in re.findall(r"/\* \((\d+)\)  ", code)}
    towards_loss = derivation.towards("loss")
    due = {e.number for p in towards_loss.phases for e in (*p.forward, *p.adjoint)}
    due |= {g.number for g in derivation.parameter_gradients}
    assert due <= numbers


@pytest.mark.parametrize(
    "title", ['*/ #error "no" /*', '""" + boom + """', "back\\", 'end "', "Δ ∂ {x} %s {{y}}"]
)
def test_titles_stay_in_comments(title: str, tmp_path: Path) -> None:
    model = replace(derive.load("vanilla"), title=title)
    compiled([emit(model, sizes_of(model, (3, 4, 2)), name="net")], PLAIN, tmp_path)
    docstring = ast.get_docstring(ast.parse(numpy_twin(model).source))
    assert docstring is not None and docstring.startswith(title)


# ----------------------------------------------------------------------------- sanitizers


@pytest.fixture(scope="module")
def sanitizers(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    folder = tmp_path_factory.mktemp("sanitizers")
    (folder / "a.c").write_text("int main(void) { return 0; }")
    command = [*toolchain.find_compiler().command, *flags, "a.c", "-o", "a"]
    if subprocess.run(command, cwd=folder, capture_output=True).returncode:
        pytest.skip("no sanitizers here")
    return flags


SANITIZED = (
    ("vanilla", "many-to-many", "none", "softmax", "binary_cross_entropy", "float64"),
    ("gru", "encoder-decoder", "output", "softmax", "cross_entropy", "float32"),
    ("lstm", "many-to-one", "none", "sigmoid", "auto", "float64"),
    ("gru_reset_after", "one-to-many", "target", "sigmoid", "auto", "float32"),
)
FEW_SANITIZED = [(SANITIZED[0], 9), (SANITIZED[1], 4)]


@pytest.mark.parametrize("case, size", some(product(SANITIZED, (9, 4)), FEW_SANITIZED.__contains__))
def test_sanitizers(case: tuple[str, ...], size: int, sanitizers: list[str], tmp_path: Path) -> None:
    """Arrays and workspace of exactly the size they need, with and without lengths and optional results."""
    name, architecture, feed, h, loss, dtype = case
    model = derive.load(name, architecture=architecture, feed=feed, h=h, loss=loss)
    emitted = emit(model, sizes_of(model, (5, 37, 18, 6)), dtype, name="net")  # beyond whole vectors
    (tmp_path / "net.h").write_text(emitted.h)
    (tmp_path / "net.c").write_text(in_slices(emitted.source, size).code)
    (tmp_path / "main.c").write_text(calling_all(emitted, B=9))
    flags = ["-std=gnu11", *PLAIN, "-g", "-march=native", *sanitizers]
    command = [*toolchain.find_compiler().command, *flags, "net.c", "main.c", "-o", "main", "-lm"]
    built = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True)
    assert built.returncode == 0, built.stderr[:2000]
    done = subprocess.run(["./main"], cwd=tmp_path, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr[:3000]
    assert done.stdout == "good\n"


def test_the_sanitizers_would_find_a_small_workspace(sanitizers: list[str], tmp_path: Path) -> None:
    model = derive.load("vanilla")
    emitted = emit(model, sizes_of(model, (5, 37, 18)), name="net")
    short = re.sub(r"(net_loss_and_grad_work[^{]*\{[^}]*return )", r"\g<1>-(size_t)512 + ", emitted.c)
    assert short != emitted.c
    (tmp_path / "net.h").write_text(emitted.h)
    (tmp_path / "net.c").write_text(short)
    (tmp_path / "main.c").write_text(calling_all(emitted, B=9))
    command = [
        *toolchain.find_compiler().command,
        *PLAIN,
        *sanitizers,
        "net.c",
        "main.c",
        "-o",
        "main",
        "-lm",
    ]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    done = subprocess.run(["./main"], cwd=tmp_path, text=True, capture_output=True)
    assert done.returncode != 0 and "heap-buffer-overflow" in done.stderr


# ----------------------------------------------------------------------------- in the process


@pytest.mark.full  # test_choices has what is left of it
@pytest.mark.skipif(platform.machine() != "x86_64", reason="reads MXCSR")
def test_the_rounding_of_the_process_stays() -> None:
    """Control bits of MXCSR (flush to zero, denormals are zero, rounding), after import and after calls."""

    def control() -> int:
        environment = (ctypes.c_uint32 * 16)()
        assert ctypes.CDLL(None).fegetenv(environment) == 0
        return environment[7] & ~0x3F  # without the six exception flags

    before = control()
    model = derive.load("vanilla", g="relu")
    network = build(model, sizes_of(model, (3, 4, 2)))
    after_import = control()
    everything(network, arguments(network.interface))
    assert before == after_import == control()
    assert not before & 0x8040, "flushing was on already"


@pytest.mark.usefixtures("quick_builds")
def test_threads_get_identical_results() -> None:
    model = derive.load("gru", h="softmax")
    network = build(model, sizes_of(model, (3, 16, 5)))
    given = [arguments(network.interface, seed, lengths=True) for seed in range(8)]
    expected = [everything(network, a) for a in given]

    def call(index: int) -> list[Any]:
        return [everything(network, given[index]) for _ in range(30)]

    with ThreadPoolExecutor(8) as pool:
        for index, results in enumerate(pool.map(call, range(8))):
            for result in results:
                assert list(result) == list(expected[index])
                assert all(np.array_equal(result[n], expected[index][n]) for n in result)


@pytest.mark.usefixtures("quick_builds")
@pytest.mark.parametrize("T", [None, 3])
def test_special_values_follow_the_equations(T: int | None) -> None:
    """NaN and infinities come out of C where they come out of the twin."""
    model = derive.load("vanilla", g="relu", h="softmax")
    emitted = emit(model, sizes_of(model, (2, 4, 5)), T=T, name="net")
    network = Network(
        emitted.interface,
        CBackend(compile_sources([emitted.source]), "net", struct_fields(emitted.interface)),
    )
    twin = numpy_twin(model)
    a = arguments(fixed(emitted.interface))
    for special in (np.nan, np.inf, -np.inf):
        x = a.x.copy()
        x[1, 2, 0] = special
        hurt = replace(a, x=x)
        compare(everything(twin, hurt), everything(network, hurt), 1e-12)
