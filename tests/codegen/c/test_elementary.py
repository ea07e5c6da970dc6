"""Elementary functions in C: accurate, of the right shape, the same for a number and a vector."""

from __future__ import annotations

import ctypes
import math
import platform
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import mpmath
import numpy as np
import numpy.typing as npt
import pytest

from chalkgrad.codegen.building import toolchain
from chalkgrad.codegen.c import library as c_library
from chalkgrad.codegen.c import minimax
from chalkgrad.codegen.c.elementary import FUNCTIONS, SUFFIX, coefficients, render
from tests.chosen import some
from tests.promises import Promise

Array = npt.NDArray[np.floating]

DTYPES = {"float32": np.float32, "float64": np.float64}
BOUNDS = {"float32": 1.5, "float64": 2.0}
CURVED = ("exp", "tanh", "sigmoid", "log", "log1p", "softplus", "tail")
WARNINGS = ("all", "extra", "pedantic", "conversion", "shadow", "double-promotion", "vla", "error")
X86 = platform.machine() in ("x86_64", "AMD64")
PROCESSORS = ("", "-mavx2", "-mavx2 -mfma", "-mavx512f", "-march=native") if X86 else ("", "-march=native")
WARNED = (("", "float32"), ("-DPLAIN", "float32"), ("-march=native", "float64"))  # by `make test`
SWITCHES = ("-march=native", "")
SMALLEST = {"float32": -149, "float64": -1074}
DIGITS = {"float32": 24, "float64": 53}
INF, NAN = math.inf, math.nan

HEAD = """
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef PLAIN
#undef __GNUC__
#endif
"""

LOOPS = """
void NAME_scalar_TYPE(size_t n, const REAL *x, REAL *y);
void NAME_four_TYPE(size_t n, const REAL *x, REAL *y);
void NAME_vector_TYPE(size_t n, const REAL *x, REAL *y);
void NAME_scalar_TYPE(size_t n, const REAL *x, REAL *y)
{
    for (size_t i = 0; i < n; ++i)
        y[i] = NAME_1(x[i]);
}
void NAME_four_TYPE(size_t n, const REAL *x, REAL *y)
{
    memcpy(y, x, n * sizeof *x);
    for (size_t i = 0; i + 4 <= n; i += 4)
        NAME_4(y + i);
}
void NAME_vector_TYPE(size_t n, const REAL *x, REAL *y)
{
    for (size_t i = 0; i + LANES <= n; i += LANES)
        *(vec *)(y + i) = NAME_v(*(const vec *)(x + i));
}
"""

STATE = "unsigned state(void);\nunsigned state(void) { return __builtin_ia32_stmxcsr(); }\n" if X86 else ""


def source(dtype: str, functions: tuple[str, ...] = FUNCTIONS) -> str:
    """The functions of all kinds, and a loop over each."""
    loops = "".join(LOOPS.replace("NAME", name) for name in functions)
    text = HEAD + c_library.library([f"{n}_1() {n}_4() {n}_v() LANES" for n in functions], dtype) + loops
    return text.replace("REAL", "float" if dtype == "float32" else "double").replace("TYPE", dtype)


def library(folder: Path, switches: str) -> ctypes.CDLL:
    """Both types compiled with the flags of every build, warnings as errors, and loaded."""
    files = []
    for dtype in DTYPES:
        files.append(folder / f"{dtype}.c")
        files[-1].write_text(source(dtype) + (STATE if dtype == "float32" else ""))
    flags = [*toolchain.FLAGS, *(f"-W{warning}" for warning in WARNINGS), *switches.split(), "-shared"]
    toolchain.find_compiler().run([*flags, *files, "-lm", "-o", folder / "all.so"])
    return ctypes.CDLL(str(folder / "all.so"))


class Trial:
    """One compiled library, called on arrays."""

    def __init__(self, loaded: ctypes.CDLL) -> None:
        self.loaded = loaded

    def __call__(self, name: str, x: Array, kind: str = "vector") -> Array:
        padded = np.concatenate([x, np.ones(-x.size % 64, x.dtype)])
        y = np.empty_like(padded)
        run = self.loaded[f"{name}_{kind}_{x.dtype.name}"]
        run(ctypes.c_size_t(padded.size), *(ctypes.c_void_p(a.ctypes.data) for a in (padded, y)))
        return y[: x.size]


BUILDS = [
    pytest.param(switches, id=name, marks=pytest.mark.xdist_group(f"elementary-{name}"))
    for name, switches in zip(("native", "portable"), SWITCHES, strict=True)
]


@pytest.fixture(scope="module", params=BUILDS)
def trial(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    wide = " -DVEC_BYTES=64" if request.param else ""
    yield Trial(library(tmp_path_factory.mktemp("elementary"), request.param + wide))


def points(name: str, dtype: str, count: int = 100_000) -> Array:
    """All exponents alike, where the functions move, and near the joints of the formulas."""
    random, kind = np.random.default_rng(7), DTYPES[dtype]
    word = np.uint32 if dtype == "float32" else np.uint64
    size = count // 4
    anything = random.integers(0, np.iinfo(word).max, size, dtype=word, endpoint=True).view(kind)
    moving = random.uniform(-1, 1, size) * 10.0 ** random.uniform(-9, math.log10(900), size)
    middle = random.uniform(-20, 20, size)
    joints = np.concatenate([np.arange(-300, 300) * math.log(2) / 4, [0.625, 0.75, 1.5, 0.5, -0.25, 1.0986]])
    near = random.choice(joints, size) * (
        1 + random.standard_normal(size) * 2.0 ** random.uniform(-30, -5, size)
    )
    x = np.concatenate([anything, *(part.astype(kind) for part in (moving, middle, near))])
    x = x[np.isfinite(x)]
    return np.abs(x) if name == "log" else x[x > -1] if name == "log1p" else x


def exact(name: str, x: Array) -> npt.NDArray[np.longdouble]:
    """In the widest type at hand."""
    z = x.astype(np.longdouble)
    with np.errstate(all="ignore"):
        e = np.exp(-np.abs(z))
        match name:
            case "sigmoid":
                return np.where(z < 0, e, 1) / (1 + e)
            case "softplus":
                return np.maximum(z, 0) + np.log1p(e)
            case "tail":
                return np.asarray(np.log1p(e))
            case _:
                return np.asarray(getattr(np, name)(z))


def ulps(y: Array, value: npt.NDArray[np.longdouble]) -> Array:
    """|y - value| in units of the last place of the value; what overflows counts as the next power of 2."""
    dtype = y.dtype.name
    top = np.longdouble(2) ** (3 - SMALLEST[dtype] - DIGITS[dtype])
    exponent = np.maximum(np.frexp(value)[1] - DIGITS[dtype], SMALLEST[dtype])
    wide, signed = np.clip(y.astype(np.longdouble), -top, top), np.copysign(INF, value)
    error = np.ldexp(np.abs(wide - np.clip(value, -top, top)), -np.where(np.isfinite(value), exponent, 0))
    return np.where(np.abs(value) >= top, np.where(y == signed, 0, INF), error).astype(float)


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 60, reason="no wider type to compare with")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CURVED)
def test_errors_stay_within_the_bounds(trial: Trial, name: str, dtype: str, promise: Promise) -> None:
    x = points(name, dtype)
    errors = ulps(trial(name, x), exact(name, x))
    worst = int(np.argmax(errors))
    promise.within(
        f"{dtype}: elementary functions of C, in ULP", BOUNDS[dtype], {repr(x[worst]): errors[worst]}
    )


@pytest.mark.parametrize("name", CURVED)
def test_the_reference_agrees_with_mpmath(name: str) -> None:
    x = points(name, "float64", 400)
    x = x[np.abs(x) < 700]
    with mpmath.workprec(160):
        formula = {
            "sigmoid": lambda z: 1 / (1 + mpmath.exp(-z)),
            "softplus": lambda z: mpmath.log1p(mpmath.exp(z)),
            "tail": lambda z: mpmath.log1p(mpmath.exp(-abs(z))),
        }.get(name, getattr(mpmath, name, None))
        for z, value in zip(x.tolist(), exact(name, x), strict=True):
            upper = float(value)
            true, lower = formula(mpmath.mpf(z)), float(value - np.longdouble(upper))
            assert (
                abs(mpmath.mpf(upper) + mpmath.mpf(lower) - true) <= abs(true) * mpmath.mpf(2) ** -58 + 5e-324
            )


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_measure_sees_an_error_of_two_units(dtype: str) -> None:
    x = points("exp", dtype, 400)
    x = x[np.abs(x) < 80]
    value = exact("exp", x)
    y = value.astype(x.dtype)
    for _ in range(2):
        y = np.nextafter(y, x.dtype.type(INF))
    assert ulps(y, value).min() > 1.4


SPECIAL: dict[str, tuple[tuple[float, float], ...]] = {
    "exp": ((0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0), (1e30, INF), (-1e30, 0.0), (NAN, NAN)),
    "tanh": ((0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0), (1e30, 1.0), (-1e30, -1.0), (NAN, NAN)),
    "sigmoid": ((0.0, 0.5), (-0.0, 0.5), (INF, 1.0), (-INF, 0.0), (1e30, 1.0), (-1e30, 0.0), (NAN, NAN)),
    "log": (
        (0.0, -INF),
        (-0.0, -INF),
        (1.0, 0.0),
        (INF, INF),
        (-INF, NAN),
        (-1.0, NAN),
        (-1e-30, NAN),
        (NAN, NAN),
    ),
    "log1p": (
        (0.0, 0.0),
        (-0.0, -0.0),
        (-1.0, -INF),
        (INF, INF),
        (-INF, NAN),
        (-1.5, NAN),
        (-1e30, NAN),
        (NAN, NAN),
    ),
    "softplus": ((INF, INF), (-INF, 0.0), (1e30, 1e30), (-1e30, 0.0), (NAN, NAN)),
    "tail": ((INF, 0.0), (-INF, 0.0), (1e30, 0.0), (-1e30, 0.0), (NAN, NAN)),
    "relu": ((0.0, 0.0), (-0.0, 0.0), (2.5, 2.5), (-2.5, 0.0), (INF, INF), (-INF, 0.0), (NAN, NAN)),
    "leaky_relu": ((0.0, 0.0), (2.5, 2.5), (-100.0, -1.0), (INF, INF), (-INF, -INF), (NAN, NAN)),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_values(trial: Trial, name: str, dtype: str) -> None:
    x, wanted = np.array(SPECIAL[name], DTYPES[dtype]).T.copy()
    for kind in SUFFIX:
        y = trial(name, x, kind)
        np.testing.assert_array_equal(y, wanted)
        signs = ~np.isnan(wanted)
        np.testing.assert_array_equal(np.signbit(y[signs]), np.signbit(wanted[signs]))


@pytest.mark.parametrize(
    ("dtype", "overflows", "vanishes"),
    [("float32", 88.72283, -103.97208), ("float64", 709.782712893384, -745.1332191019411)],
)
def test_exp_overflows_and_underflows_where_it_should(
    trial: Trial, dtype: str, overflows: float, vanishes: float
) -> None:
    kind = DTYPES[dtype]
    for edge, outside in ((kind(overflows), kind(INF)), (kind(vanishes), kind(-INF))):
        x = np.array([edge, np.nextafter(edge, outside)], kind)
        y = trial("exp", x)
        assert y[1] == (INF if outside > 0 else 0)
        assert 0 < y[0] < INF
        assert outside > 0 or y[0] == np.finfo(kind).smallest_subnormal
    small = trial("exp", np.linspace(-87.4 if dtype == "float32" else -708.4, vanishes, 500, dtype=kind))
    assert (np.diff(small) <= 0).all() and np.unique(small).size > 100


@pytest.mark.parametrize("dtype", DTYPES)
def test_tanh_is_odd_and_all_keep_their_range(trial: Trial, dtype: str) -> None:
    x = points("tanh", dtype)
    y = trial("tanh", x)
    np.testing.assert_array_equal(y, -trial("tanh", -x))
    assert np.abs(y).max() <= 1
    s = trial("sigmoid", x)
    assert s.min() >= 0 and s.max() <= 1
    assert trial("exp", x).min() >= 0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["exp", "tanh", "sigmoid"])
def test_rising_along_runs_of_neighbours(trial: Trial, name: str, dtype: str) -> None:
    kind, random = DTYPES[dtype], np.random.default_rng(5)
    word = np.int32 if dtype == "float32" else np.int64
    joints = [0.625, 0.75, 1.0986123, *((np.arange(60) + 0.5) * math.log(2) / (2 if name == "tanh" else 1))]
    starts = np.concatenate([joints, random.uniform(0, 20, 60), 10.0 ** random.uniform(-8, 1, 60)]).astype(
        kind
    )
    runs = (starts.view(word)[:, None] + np.arange(-256, 256, dtype=word)).view(kind)
    for x in (runs, -runs[:, ::-1]):
        y = trial(name, np.ascontiguousarray(x).ravel()).reshape(x.shape)
        assert (np.diff(y, axis=1) >= 0).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_all_kinds_give_the_same_bits(trial: Trial, name: str, dtype: str) -> None:
    x = points("exp", dtype)
    scalar, *others = (trial(name, x, kind) for kind in SUFFIX)
    for other in others:
        np.testing.assert_array_equal(scalar, other)
        np.testing.assert_array_equal(np.signbit(scalar[scalar == 0]), np.signbit(other[scalar == 0]))


@pytest.mark.skipif(not X86, reason="MXCSR is a register of x86")
def test_rounding_mode_and_flags_that_steer_it_stay(trial: Trial) -> None:
    control = 0xFFC0  # flush to zero, rounding, masks, denormals are zero
    before = trial.loaded.state() & control
    for dtype in DTYPES:
        for name in FUNCTIONS:
            trial(name, points(name, dtype, 1000))
    assert trial.loaded.state() & control == before == 0x1F80


@pytest.mark.parametrize(
    "switches, dtype",
    some(product([*PROCESSORS, "-DPLAIN"], DTYPES), WARNED.__contains__),
    ids=lambda s: s or "baseline",
)
def test_no_warning_on_any_processor(dtype: str, switches: str, tmp_path: Path) -> None:
    file = tmp_path / "elementary.c"
    file.write_text(source(dtype))
    flags = [
        *toolchain.FLAGS,
        *(f"-W{w}" for w in WARNINGS),
        *switches.split(),
        "-c",
        "-o",
        tmp_path / "out.o",
    ]
    for width in (16, 64):
        toolchain.find_compiler().run([*flags, f"-DVEC_BYTES={width}", file])


def test_only_what_is_called_is_emitted() -> None:
    assert render([], "float32", "scalar") == ""
    text = render(["tanh"], "float64", "scalar")
    assert "tanh_1(" in text and "expm1_of_rest_1(" in text and "log" not in text
    assert text == render(["tanh", "tanh"], "float64", "scalar")
    assert max(map(len, render(FUNCTIONS, "float64", "vector").splitlines())) <= 120


@pytest.mark.parametrize(
    "given", [(["sin"], "float32", "scalar"), (["exp"], "half", "scalar"), (["exp"], "float32", "x")]
)
def test_an_unknown_request_is_named(given: tuple[list[str], str, str]) -> None:
    with pytest.raises(ValueError, match="expected one of"):
        render(*given)


@pytest.mark.parametrize("name", ["exp", "log", "tail", "tanh"])
def test_coefficients_come_out_again(name: str) -> None:
    found, error = minimax.coefficients(minimax.problems("float32")[name], minimax.BITS["float32"])
    assert tuple(map(float, found)) == coefficients("float32").polynomial[name]
    assert error < 2.0**-27
    for key, value in minimax.constants("float64").items():
        assert float(value) == coefficients("float64").constant[key]
