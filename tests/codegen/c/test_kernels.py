"""The kernels by themselves beside NumPy, at sizes that fill tiles, panels and vectors and at others."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from chalkgrad.codegen.building import toolchain
from chalkgrad.codegen.c import library as c_library

Array = NDArray[Any]

SIZES = [(1, 1), (3, 4), (4, 3), (8, 16), (16, 8), (16, 16), (17, 51), (51, 17), (5, 130), (130, 5), (96, 70)]
ROWS = (1, 2, 5, 8, 13, 64, 200, 401)
# plain: as for a compiler without vectors; gcc 12, if it makes vectors of that, reads beyond the last row
SWITCHES = {"native": ["-march=native"], "portable": [], "plain": ["-DPLAIN", "-fno-tree-vectorize"]}
TOLERANCE = {"float32": 1e-5, "float64": 1e-13}

HEAD = """
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef PLAIN
#undef __GNUC__
#endif
"""

COMMON = """
static rows chosen(size_t count, const size_t *list)
{
    return list ? (rows){list, 0, count, 1} : whole(count);
}
size_t panels(size_t k, size_t n);
size_t panels(size_t k, size_t n) { return k * vectors(n) * LANES; }
void run_sum_rows(size_t count, const size_t *list, size_t n, const REAL *V, REAL *g, REAL *carry,
                  size_t team);
void run_sum_rows(size_t count, const size_t *list, size_t n, const REAL *V, REAL *g, REAL *carry,
                  size_t team)
{
    for (size_t me = 0; me < team; ++me)
        sum_rows(chosen(count, list), n, V, g, carry, me, team);
}
double run_total(size_t count, const size_t *list, size_t n, const REAL *V);
double run_total(size_t count, const size_t *list, size_t n, const REAL *V)
{
    return total(chosen(count, list), n, V);
}
"""

EACH = """
void run_product_K_N(size_t count, const size_t *list, int transposed, const REAL *X, const REAL *M, REAL *P,
                     REAL factor, const REAL *base, size_t step, REAL *Y, size_t turn, size_t team);
void run_product_K_N(size_t count, const size_t *list, int transposed, const REAL *X, const REAL *M, REAL *P,
                     REAL factor, const REAL *base, size_t step, REAL *Y, size_t turn, size_t team)
{
    for (size_t me = 0; me < team; ++me)
        if (transposed)
            pack_transposed(K, N, M, P, me, team);
        else
            pack(K, N, M, P, me, team);
    product_K_N(chosen(count, list), X, P, factor, base, step, Y, turn);
}
void run_outer_K_N(size_t count, const size_t *list, const REAL *A, const REAL *X, REAL *G, REAL *carry,
                   size_t team);
void run_outer_K_N(size_t count, const size_t *list, const REAL *A, const REAL *X, REAL *G, REAL *carry,
                   size_t team)
{
    for (size_t me = 0; me < team; ++me)
        outer_K_N(chosen(count, list), A, X, G, carry, me, team);
}
"""


class Kernels:
    """One compiled library, for one type."""

    def __init__(self, folder: Path, dtype: str, switches: list[str]) -> None:
        self.dtype = dtype
        real = "float" if dtype == "float32" else "double"
        each = "".join(EACH.replace("K", str(k)).replace("N", str(n)) for k, n in SIZES)
        text = HEAD + c_library.library([COMMON, each], dtype) + COMMON + each
        (folder / "kernels.c").write_text(text.replace("REAL", real))
        flags = [
            *toolchain.FLAGS,
            "-Wall",
            "-Wextra",
            "-Wno-unused-function",
            "-Werror",
            *switches,
            "-shared",
        ]
        toolchain.find_compiler().run([*flags, folder / "kernels.c", "-lm", "-o", folder / "kernels.so"])
        self.loaded = ctypes.CDLL(str(folder / "kernels.so"))

    def panels(self, k: int, n: int) -> Array:
        self.loaded.panels.restype = ctypes.c_size_t
        return np.full(self.loaded.panels(ctypes.c_size_t(k), ctypes.c_size_t(n)), np.nan, self.dtype)

    def __call__(self, name: str, *arguments: Any) -> Any:
        real = ctypes.c_float if self.dtype == "float32" else ctypes.c_double
        function = self.loaded[f"run_{name}"]
        function.restype = ctypes.c_double if name == "total" else None
        return function(*(_argument(a, real) for a in arguments))

    def near(self, found: Array, expected: Array) -> bool:
        error = np.linalg.norm(found - expected)
        return bool(error <= TOLERANCE[self.dtype] * (np.linalg.norm(expected) + 1e-30))


def _argument(value: Any, real: Any) -> Any:
    match value:
        case np.ndarray():
            return ctypes.c_void_p(value.ctypes.data)
        case float():
            return real(value)
        case int():
            return ctypes.c_size_t(value)
        case _:
            return None


KEPT = ("float32-native", "float64-plain")


def builds() -> Iterator[pytest.param]:
    """All tests of a build are in one process; the builds that are not kept are for `make verify`."""
    for dtype in TOLERANCE:
        for switches in SWITCHES:
            name = f"{dtype}-{switches}"
            marks = [pytest.mark.xdist_group(f"kernels-{name}")]
            marks += [] if name in KEPT else [pytest.mark.full]
            yield pytest.param((dtype, switches), id=name, marks=marks)


@pytest.fixture(scope="module", params=builds())
def kernels(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernels]:
    dtype, switches = request.param
    yield Kernels(tmp_path_factory.mktemp("kernels"), dtype, SWITCHES[switches])


def guarded(values: Array) -> Array:
    """The same numbers, right before a page that cannot be read: to read behind them ends the process."""
    room = -(-values.nbytes // mmap.PAGESIZE) * mmap.PAGESIZE
    memory = mmap.mmap(-1, room + mmap.PAGESIZE)
    start = np.frombuffer(memory, np.uint8).ctypes.data
    if ctypes.CDLL(None).mprotect(ctypes.c_void_p(start + room), ctypes.c_size_t(mmap.PAGESIZE), 0):
        pytest.skip("no memory protection here")
    copy = np.frombuffer(memory, values.dtype, values.size, room - values.nbytes).reshape(values.shape)
    copy[...] = values
    return copy


def some_rows(count: int, random: np.random.Generator) -> list[Array | None]:
    """All rows, and a list of some of them, not in order."""
    return [None, random.permutation(count)[: count // 2 + 1].astype(np.uintp)]


def size_of(rows: Array | None, count: int) -> int:
    return count if rows is None else rows.size


def of(values: Array, rows: Array | None) -> Array:
    return values.astype(np.float64) if rows is None else values[rows].astype(np.float64)


def product(kernels: Kernels, k: int, n: int, count: int) -> None:
    """All rows and some, with and without a base, the matrix as it is and transposed, one thread and two."""
    random = np.random.default_rng(k * 1000 + n + count)
    X = guarded(random.standard_normal((count, k)).astype(kernels.dtype))
    M = random.standard_normal((k, n)).astype(kernels.dtype)
    bases = [None, random.standard_normal(n), random.standard_normal((count, n))]
    for rows in some_rows(count, random):
        size = size_of(rows, count)
        for base in bases:
            given = None if base is None else base.astype(kernels.dtype)
            step = n if base is not None and base.ndim == 2 else 0
            results = []
            for transposed, turn, team in ((0, 0, 1), (1, 1, 2)):
                matrix = np.ascontiguousarray(M.T) if transposed else M
                Y = guarded(np.full((count, n), 7, kernels.dtype))
                P = kernels.panels(k, n)
                common = (X, matrix, P, -1.0, given, step, Y, turn, team)
                kernels(f"product_{k}_{n}", size, rows, transposed, *common)
                start = 0.0 if given is None else of(given, rows) if step else given
                assert kernels.near(of(Y, rows), start - of(X, rows) @ M)
                others = np.setdiff1d(np.arange(count), np.arange(count) if rows is None else rows)
                assert (Y[others] == 7).all()
                results.append(Y)
            np.testing.assert_array_equal(*results)
    alone = guarded(np.zeros((1, n), kernels.dtype))
    kernels(f"product_{k}_{n}", 1, None, 0, X[-1:], M, kernels.panels(k, n), -1.0, None, 0, alone, 0, 1)
    together = guarded(np.zeros((count, n), kernels.dtype))
    kernels(f"product_{k}_{n}", count, None, 0, X, M, kernels.panels(k, n), -1.0, None, 0, together, 0, 1)
    np.testing.assert_array_equal(alone[0], together[-1])


@pytest.mark.parametrize(("k", "n"), SIZES)
def test_product(kernels: Kernels, k: int, n: int) -> None:
    for count in ROWS:
        product(kernels, k, n, count)


def outer(kernels: Kernels, n: int, m: int, count: int) -> None:
    """All rows and some, with a carry and without, the same bits from one thread, two and three."""
    random = np.random.default_rng(n * 1000 + m + count)
    A = guarded(random.standard_normal((count, n)).astype(kernels.dtype))
    X = guarded(random.standard_normal((count, m)).astype(kernels.dtype))
    for rows in some_rows(count, random):
        results = []
        for team in (1, 2, 3):
            G = guarded(np.ones((n, m), kernels.dtype))
            carry = guarded(np.zeros_like(G)) if count % 2 else None
            kernels(f"outer_{n}_{m}", size_of(rows, count), rows, A, X, G, carry, team)
            assert kernels.near(G, 1 + of(A, rows).T @ of(X, rows))
            results.append(G)
        np.testing.assert_array_equal(results[0], results[1])
        np.testing.assert_array_equal(results[0], results[2])


@pytest.mark.parametrize(("n", "m"), SIZES)
def test_outer(kernels: Kernels, n: int, m: int) -> None:
    for count in ROWS:
        outer(kernels, n, m, count)


def sums(kernels: Kernels, n: int, count: int) -> None:
    """As `outer`, over the rows of one matrix, and the total of all of it."""
    random = np.random.default_rng(n * 1000 + count)
    V = guarded(random.standard_normal((count, n)).astype(kernels.dtype))
    for rows in some_rows(count, random):
        size = size_of(rows, count)
        results = []
        for team in (1, 2, 3):
            g = guarded(np.ones(n, kernels.dtype))
            carry = guarded(np.zeros_like(g)) if count % 2 else None
            kernels("sum_rows", size, rows, n, V, g, carry, team)
            assert kernels.near(g, 1 + of(V, rows).sum(axis=0))
            results.append(g)
        np.testing.assert_array_equal(results[0], results[1])
        np.testing.assert_array_equal(results[0], results[2])
        assert abs(kernels("total", size, rows, n, V) - of(V, rows).sum()) <= 1e-12 * np.abs(V).sum()


@pytest.mark.parametrize("n", sorted({12, *(n for size in SIZES for n in size)}))
def test_sums(kernels: Kernels, n: int) -> None:
    for count in ROWS:
        sums(kernels, n, count)


@pytest.mark.parametrize(("n", "m"), [(3, 4), (17, 51), (96, 70)])
def test_sums_of_many_rows(kernels: Kernels, n: int, m: int) -> None:
    """Numbers of one sign, whose rounding adds up: what one call rounds, the carry gives to the next."""
    count, calls, exact = 9_000, 40, np.longdouble
    random = np.random.default_rng(n)
    A = random.uniform(0.1, 0.2, n).astype(kernels.dtype) * np.ones((count, 1), kernels.dtype)
    X = random.uniform(0.1, 0.2, m).astype(kernels.dtype) * np.ones((count, 1), kernels.dtype)
    G, carry = np.zeros((2, n, m), kernels.dtype)
    g, g_carry = np.zeros((2, n), kernels.dtype)
    for rows in [None, *[np.arange(count, dtype=np.uintp)[::-1].copy()] * (calls - 1)]:
        kernels(f"outer_{n}_{m}", count, rows, A, X, G, carry, 1)
        kernels("sum_rows", count, rows, n, A, g, g_carry, 1)
    expected = calls * count * np.outer(A[0].astype(exact), X[0].astype(exact))
    assert kernels.near(G, expected)
    assert kernels.near(g, calls * count * A[0].astype(exact))
    whole = float(count * A[0].astype(exact).sum())
    assert abs(kernels("total", count, None, n, A) - whole) <= 1e-14 * whole


def test_infinite_sums_leave_no_carry(kernels: Kernels) -> None:
    """What is added to an infinite number later does not make it NaN."""
    V = np.ones((600, 3), kernels.dtype)
    V[0] = np.inf, -np.inf, np.nan
    g, carry = np.zeros((2, 3), kernels.dtype)
    for _ in range(2):
        kernels("sum_rows", 600, None, 3, V, g, carry, 1)
    np.testing.assert_array_equal(g, V[0])
    G, carries = np.zeros((2, 3, 4), kernels.dtype)
    for _ in range(2):
        kernels("outer_3_4", 600, None, V, np.ones((600, 4), kernels.dtype), G, carries, 1)
    np.testing.assert_array_equal(G, np.repeat(V[:1].T, 4, axis=1))
