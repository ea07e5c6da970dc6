"""log of the sum of exp over the other components, where components are infinite or NaN."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chalkgrad import derive
from chalkgrad.codegen import build, numpy_twin
from chalkgrad.codegen.building import toolchain
from chalkgrad.codegen.c import library as c_library
from chalkgrad.codegen.program import numpy_operations
from chalkgrad.codegen.program.interface import Array
from chalkgrad.codegen.twin.text import HELPERS
from tests.codegen.calls import arguments, compare, everything, fixed, interface_of, interpreted, lowered

_NONE = -np.inf
ROWS: dict[str, list[float]] = {
    "finite": [0.3, -1.2, 2.0, 0.1],
    "far apart": [-900.0, 3.0, 0.5, -1e5],
    "one is minus infinity": [_NONE, 0.5, 1.5, -0.2],
    "two above minus infinity": [_NONE, 0.5, 1.5, _NONE],
    "one above minus infinity": [_NONE, _NONE, 0.7, _NONE],
    "the first above minus infinity": [-0.4, _NONE, _NONE, _NONE],
    "all are minus infinity": [_NONE] * 4,
    "a single one": [0.3],
    "a single one, minus infinity": [_NONE],
    "NaN": [0.3, np.nan, 1.0],
    "NaN beside minus infinity": [np.nan, _NONE, _NONE],
}
KERNELS = """
void run_others(size_t n, const double *v, double *out);
void run_others(size_t n, const double *v, double *out) { others(whole(1), n, v, out); }
void run_pull(size_t n, const double *c, const double *v, double *out);
void run_pull(size_t n, const double *c, const double *v, double *out)
{ others_pull(whole(1), n, c, v, out); }
"""

Both = tuple[Callable[[Array], Array], Callable[[Array, Array], Array]]


def defined(v: Array) -> Array:
    """ωᵢ = log Σ_{k≠i} exp vₖ, term by term; the log of nothing is −∞."""
    rest = (np.delete(v, i) for i in range(v.size))
    return np.array([np.logaddexp.reduce(r, initial=_NONE) for r in rest])


def pulled(c: Array, v: Array) -> Array:
    """Σ_{i≠j} cᵢ exp(vⱼ − ωᵢ), without the i that have ωᵢ = −∞."""
    omega, n = defined(v), v.size
    terms = [
        [0 if i == j or omega[i] == _NONE else c[i] * np.exp(v[j] - omega[i]) for i in range(n)]
        for j in range(n)
    ]
    return np.array(terms, float).sum(axis=1)


@pytest.fixture(scope="module", params=["interpreter", "twin", "C"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Both:
    match request.param:
        case "interpreter":
            return numpy_operations.others, numpy_operations.others_pull
        case "twin":
            module: dict[str, Any] = {"np": np}
            exec("\n".join(HELPERS.values()), module)
            return module["logsumexp_of_others"], module["others_pull"]
        case _:
            return _compiled(tmp_path_factory.mktemp("others"))


def _compiled(folder: Path) -> Both:
    head = "".join(f"#include <{name}.h>\n" for name in ("math", "stddef", "stdint", "string"))
    (folder / "others.c").write_text(head + c_library.library([KERNELS], "float64") + KERNELS)
    flags = [*toolchain.FLAGS, "-shared", "others.c", "-lm", "-o", "others.so"]
    toolchain.find_compiler().run(flags, folder)
    loaded = ctypes.CDLL(str(folder / "others.so"))

    def run(name: str, *given: Array) -> Array:
        out = np.full_like(given[0], 7)
        loaded[f"run_{name}"](
            ctypes.c_size_t(out.size), *(ctypes.c_void_p(a.ctypes.data) for a in (*given, out))
        )
        return out

    return lambda v: run("others", v), lambda c, v: run("pull", c, v)


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning", "ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("name", ROWS)
def test_others(both: Both, name: str) -> None:
    others, pull = both
    v = np.array(ROWS[name])
    np.testing.assert_allclose(others(v), defined(v), 1e-14, 1e-14)
    c = np.where(np.isneginf(defined(v)), 0, np.linspace(0.4, 1.6, v.size))
    np.testing.assert_allclose(pull(c, v), pulled(c, v), 1e-14, 1e-14)


@pytest.mark.usefixtures("quick_builds")
@pytest.mark.parametrize("T", [None, 3], ids=["loops", "straight"])
def test_logits_of_minus_infinity(T: int | None) -> None:
    """As the interpreter has them, wherever they stand."""
    model = derive.load("vanilla", h="softmax", loss="binary_cross_entropy")
    sizes = {"n_x": 2, "n_a": 3, "n_y": 4}
    face = interface_of(model, sizes)
    networks = [interpreted(face, lowered(model)), numpy_twin(model), build(model, sizes, T=T)]
    a = arguments(fixed(face))
    for row in ([_NONE, 0.5, 1.5, -0.2], [_NONE, _NONE, 0.7, 0.2], [0.1, _NONE, _NONE, _NONE], [_NONE] * 4):
        hurt = replace(a, params={**a.params, "b_y": np.array(row)})
        expected, *received = (everything(network, hurt) for network in networks)
        for results in received:
            compare(expected, results, 1e-12)
        if row.count(_NONE) == 1:
            infinite = [n for n, value in expected.items() if not np.isfinite(value).all()]
            assert infinite == ["loss"]
