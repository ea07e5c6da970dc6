"""The elementary functions on trial: `python -m benchmarks.elementary`.

Accuracy in units in the last place, float32 over all 2^32 numbers against the C library in double precision,
float64 over stratified points against libquadmath's 113 bits, which are held to mpmath on a sample first.
Along the way: whether scalar and vector text give the same bits, and how often a function that should never
fall falls from one float32 to the next. Then nanoseconds per element, beside the C library.
"""

from __future__ import annotations

import argparse
import ctypes
import math
import multiprocessing
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import mpmath
import numpy as np
import numpy.typing as npt

from chalkgrad.codegen.building.toolchain import find_compiler, flags_for
from chalkgrad.codegen.c import library as c_library

Array = npt.NDArray[np.floating]

FUNCTIONS = ("exp", "tanh", "sigmoid", "log", "log1p", "softplus", "tail")
RISING = ("exp", "tanh", "sigmoid")
SPAN = 1 << 24  # numbers of one task
BOUNDS = {"float32": 1.5, "float64": 2.0}

_DTYPES = {"float32": np.dtype(np.float32), "float64": np.dtype(np.float64)}

# (name of the exact type, its functions' ending, digits of the type on trial, its least exponent)
_EXACT = {"float32": ("double", "", 24, -149), "float64": ("__float128", "q", 53, -1074)}

_HEAD = """
#include <math.h>
#include <quadmath.h>
#include <stdint.h>
#include <stddef.h>
#include <string.h>
typedef {real} real;
typedef {wide} wide;
typedef {word} word;
enum {{ PIECE = 1024 }};

static inline wide exact_exp(wide z) {{ return exp{q}(z); }}
static inline wide exact_tanh(wide z) {{ return tanh{q}(z); }}
static inline wide exact_log(wide z) {{ return log{q}(z); }}
static inline wide exact_log1p(wide z) {{ return log1p{q}(z); }}
static inline wide exact_sigmoid(wide z)
{{
    const wide e = exp{q}(-fabs{q}(z));
    return (z < 0 ? e : 1) / (1 + e);
}}
static inline wide exact_softplus(wide z) {{ return (z < 0 ? 0 : z) + log1p{q}(exp{q}(-fabs{q}(z))); }}
static inline wide exact_tail(wide z) {{ return log1p{q}(exp{q}(-fabs{q}(z))); }}
static inline real plain_tail(real z) {{ return log1p{f}(exp{f}(-fabs{f}(z))); }}
static inline real plain_sigmoid(real z) {{ return 1 / (1 + exp{f}(-z)); }}
static inline real plain_softplus(real z) {{ return (z > 0 ? z : 0) + log1p{f}(exp{f}(-fabs{f}(z))); }}

/* |y - exact| in units of the last place of the exact value; what overflows counts as the next power of 2 */
static inline double off(real y, wide exact)
{{
    if (isnan(y) || exact != exact)
        return isnan(y) && exact != exact ? 0 : INFINITY;
    const real largest = sizeof(real) == 4 ? (real)0x1.fffffep127 : (real)0x1.fffffffffffffp1023;
    const wide beyond = scalbn{q}(1, sizeof(real) == 4 ? 128 : 1024);
    if (exact >= beyond)
        return y > largest ? 0 : INFINITY;
    if (exact <= -beyond)
        return y < -largest ? 0 : INFINITY;
    int exponent;
    (void)frexp{q}(exact, &exponent);
    exponent = exponent - {digits} < {least} ? {least} : exponent - {digits};
    const wide got = y > largest ? beyond : y < -largest ? -beyond : (wide)y;
    return (double)scalbn{q}(fabs{q}(got - exact), -exponent);
}}

void often(size_t times, void (*run)(size_t, const real *, real *), size_t n, const real *x, real *y)
{{
    while (times--)
        run(n, x, y);
}}

typedef struct {{ double worst; real where; uint64_t different, falls; }} findings;
"""

_EACH = """
void scalar_{n}(size_t n, const real *x, real *y) {{ for (size_t i = 0; i < n; ++i) y[i] = {n}_1(x[i]); }}
void libm_{n}(size_t n, const real *x, real *y) {{ for (size_t i = 0; i < n; ++i) y[i] = {libm}(x[i]); }}
void vector_{n}(size_t n, const real *x, real *y)
{{
    for (size_t i = 0; i + LANES <= n; i += LANES)
        *(vec *)(y + i) = {n}_v(*(const vec *)(x + i));
}}
void judge_{n}(size_t n, const real *x, const real *y, findings *found)
{{
    for (size_t i = 0; i < n; ++i) {{
        const double error = off(y[i], exact_{n}((wide)x[i]));
        if (error > found->worst) {{
            found->worst = error;
            found->where = x[i];
        }}
    }}
}}
void exact_{n}_as_two(size_t n, const real *x, double *upper, double *lower)
{{
    for (size_t i = 0; i < n; ++i) {{
        const wide value = exact_{n}((wide)x[i]);
        upper[i] = (double)value;
        lower[i] = (double)(value - (wide)upper[i]);
    }}
}}
/* the numbers whose bits are first, first + 1, ...; n a multiple of PIECE */
void sweep_{n}(word first, uint64_t n, findings *found)
{{
    static real x[PIECE], y[PIECE], z[PIECE];
    real last = NAN;
    for (uint64_t done = 0; done < n; done += PIECE) {{
        for (word i = 0; i < PIECE; ++i) {{
            const word bits = first + (word)done + i;
            memcpy(x + i, &bits, sizeof bits);
        }}
        vector_{n}(PIECE, x, y);
        scalar_{n}(PIECE, x, z);
        judge_{n}(PIECE, x, y, found);
        for (size_t i = 0; i < PIECE; ++i) {{
            found->different += memcmp(y + i, z + i, sizeof(real)) && !(isnan(y[i]) && isnan(z[i]));
            found->falls += x[i] > 0 ? y[i] < last : y[i] > last;
            last = y[i];
        }}
    }}
}}
"""


@dataclass(frozen=True)
class Findings:
    """The largest error in units of the last place and where; differing bits; falls to the next number."""

    worst: float
    where: float
    different: int
    falls: int


def source(dtype: str) -> str:
    """The functions in both kinds, with the exact ones and the loops over them."""
    wide, ending, digits, least = _EXACT[dtype]
    short = "f" if dtype == "float32" else ""
    real, word = ("float", "uint32_t") if dtype == "float32" else ("double", "uint64_t")
    head = _HEAD.format(real=real, wide=wide, word=word, q=ending, f=short, digits=digits, least=least)
    parts = [head, c_library.library([f"{n}_1() {n}_v() LANES" for n in FUNCTIONS], dtype)]
    for name in FUNCTIONS:
        own = name in ("sigmoid", "softplus", "tail")
        parts.append(_EACH.format(n=name, libm=f"plain_{name}" if own else f"{name}{short}"))
    return "\n".join(parts)


def compiled(dtype: str, folder: Path, target: str = "native") -> ctypes.CDLL:
    """The source as a library. gcc only: __float128 and libquadmath."""
    code, library = folder / f"{dtype}.c", folder / f"{dtype}.so"
    code.write_text(source(dtype), encoding="utf-8")
    find_compiler().run([*flags_for(target), "-shared", code, "-lquadmath", "-lm", "-o", library])
    return ctypes.CDLL(str(library))


def points(count: int) -> Iterator[Array]:
    """float64 numbers in pieces: all exponents alike, where functions move, and near their joints."""
    random = np.random.default_rng(11)
    joints = np.array([0.0, 0.625, 19.0, 0.5, 1.0, 36.7, 708.3, 709.78, 744.4, 745.13, -0.25, -1.0])
    joints = np.concatenate([joints, -joints, np.arange(-64, 64) * math.log(2) / 2])
    size = 1 << 16
    for start in range(0, count, size):
        match start // size % 4:
            case 0:
                bits = random.integers(0, 1 << 64, size, dtype=np.uint64, endpoint=False)
                piece = bits.view(np.float64)
            case 1:
                piece = random.uniform(-1.0, 1.0, size) * 10.0 ** random.uniform(-9, 3, size)
            case 2:
                piece = random.uniform(-40.0, 40.0, size)
            case _:
                near = random.choice(joints, size)
                piece = near + random.standard_normal(size) * 2.0 ** random.uniform(-50, -2, size)
        piece[np.isnan(piece)] = math.nan
        yield piece


def _found(library: ctypes.CDLL, dtype: str) -> tuple[type[ctypes.Structure], ctypes.Structure]:
    real = ctypes.c_float if dtype == "float32" else ctypes.c_double
    fields = [("worst", ctypes.c_double), ("where", real)]
    counts = [("different", ctypes.c_uint64), ("falls", ctypes.c_uint64)]
    kind = type("Found", (ctypes.Structure,), {"_fields_": [*fields, *counts]})
    return kind, kind(0.0, 0.0, 0, 0)


def _findings(found: ctypes.Structure) -> Findings:
    return Findings(
        *(getattr(found, name) for name in ("worst", "where", "different", "falls")),
    )


def sweep(task: tuple[Path, str, int, int]) -> Findings:
    """A span of all float32 numbers, in a process of its own."""
    path, name, first, count = task
    library = ctypes.CDLL(str(path))
    found = _found(library, "float32")[1]
    library[f"sweep_{name}"](ctypes.c_uint32(first), ctypes.c_uint64(count), ctypes.byref(found))
    return _findings(found)


def judge(task: tuple[Path, str, int]) -> Findings:
    """Stratified float64 points, in a process of its own."""
    path, name, count = task
    library = ctypes.CDLL(str(path))
    found = _found(library, "float64")[1]
    different = 0
    for x in points(count):
        vector, scalar = np.empty_like(x), np.empty_like(x)
        for kind, out in (("vector", vector), ("scalar", scalar)):
            _call(library[f"{kind}_{name}"], x, out)
        different += int(np.sum((vector != scalar) & ~np.isnan(vector)))
        library[f"judge_{name}"](_size(x), _at(x), _at(vector), ctypes.byref(found))
    return merged([_findings(found), Findings(0.0, 0.0, different, 0)])


def merged(parts: Sequence[Findings]) -> Findings:
    """The findings of all parts together."""
    worst = max(parts, key=lambda part: part.worst)
    return Findings(worst.worst, worst.where, sum(p.different for p in parts), sum(p.falls for p in parts))


def check_exact(library: ctypes.CDLL, name: str, sample: int = 200) -> float:
    """The largest relative difference of the 113-bit reference, as two doubles, from mpmath; about 2^-105."""
    x = np.random.default_rng(3).uniform(-0.9 if name == "log1p" else -30.0, 30.0, sample)
    x = np.abs(x) if name == "log" else x
    upper, lower = np.empty_like(x), np.empty_like(x)
    library[f"exact_{name}_as_two"](_size(x), _at(x), _at(upper), _at(lower))
    with mpmath.workprec(200):
        reference = {
            "sigmoid": lambda z: 1 / (1 + mpmath.exp(-z)),
            "softplus": lambda z: mpmath.log1p(mpmath.exp(z)),
            "tail": lambda z: mpmath.log1p(mpmath.exp(-abs(z))),
        }.get(name) or getattr(mpmath, name)
        return max(
            float(abs((mpmath.mpf(u) + mpmath.mpf(v)) / reference(mpmath.mpf(z)) - 1))
            for z, u, v in zip(x.tolist(), upper.tolist(), lower.tolist(), strict=True)
        )


def nanoseconds(library: ctypes.CDLL, name: str, dtype: str, kind: str) -> float:
    """Time of one element of a loop over 4096, the best of many."""
    random = np.random.default_rng(5)
    x = random.uniform(0.01 if name in ("log", "log1p") else -6.0, 6.0, 4096).astype(np.dtype(dtype))
    y = np.empty_like(x)
    run, best, times = library[f"{kind}_{name}"], math.inf, 20
    for _ in range(100):
        start = time.perf_counter_ns()
        library.often(ctypes.c_size_t(times), run, _size(x), _at(x), _at(y))
        best = min(best, (time.perf_counter_ns() - start) / times / x.size)
    return best


def _call(function: ctypes._NamedFuncPointer, x: Array, y: Array) -> None:
    function(_size(x), _at(x), _at(y))


def _size(x: Array) -> ctypes.c_size_t:
    return ctypes.c_size_t(x.size)


def _at(x: Array) -> ctypes.c_void_p:
    return ctypes.c_void_p(x.ctypes.data)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 if a bound is passed, bits differ or a rising function falls."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.elementary", description=__doc__)
    parser.add_argument(
        "functions", nargs="*", default=FUNCTIONS, metavar="function", help=", ".join(FUNCTIONS)
    )
    parser.add_argument("--dtype", choices=tuple(_EXACT), action="append", help="default: both")
    parser.add_argument("--target", choices=("native", "portable"), default="native")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--points", type=int, default=10_000_000, help="float64 points of each function")
    parser.add_argument("--stride", type=int, default=1, help="float32: only every so many-th span")
    given = parser.parse_args(arguments)
    failed = False
    with tempfile.TemporaryDirectory() as folder, multiprocessing.Pool(given.processes) as pool:
        print(
            "dtype    function   largest error  at                        "
            "bits differ  falls  ns: ours  scalar  libm"
        )
        for dtype in given.dtype or tuple(_EXACT):
            library = compiled(dtype, Path(folder), given.target)
            path = Path(folder) / f"{dtype}.so"
            for name in given.functions:
                if dtype == "float64" and not check_exact(library, name) < 2.0**-98:
                    raise ArithmeticError(f"libquadmath and mpmath disagree on {name}")
                if dtype == "float32":
                    spans = [(path, name, first, SPAN) for first in range(0, 1 << 32, SPAN * given.stride)]
                    found = merged(pool.map(sweep, spans, chunksize=1))
                else:
                    found = merged(pool.map(judge, [(path, name, given.points)]))
                falls = found.falls if dtype == "float32" and name in RISING else 0
                failed |= found.worst > BOUNDS[dtype] or found.different > 0 or falls > 0
                times = [nanoseconds(library, name, dtype, kind) for kind in ("vector", "scalar", "libm")]
                print(
                    f"{dtype:8} {name:10} {found.worst:9.4f} ULP  {found.where!r:24}  {found.different:11}  "
                    f"{falls:5}  {times[0]:8.3f}  {times[1]:6.3f}  {times[2]:5.2f}",
                    flush=True,
                )
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
