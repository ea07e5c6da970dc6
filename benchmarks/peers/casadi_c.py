"""CasADi: the scalar graph of one example, unrolled, with its reverse-mode gradient, generated as C.

The examples of a batch go through it one after the other, on one thread. It is compiled with the flags of
this project's own C, -O3 -march=native among them, and kept in the same cache.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import casadi
import numpy as np

from benchmarks.case import Case
from benchmarks.cells import Unpacked
from benchmarks.peers import Array, Peer, Run
from chalkgrad.codegen.building.build import compile_sources
from chalkgrad.codegen.c.source import Source

_LARGEST = 50_000
"""Operations for one example, products alone; gcc needs minutes beyond."""

Tensor = Any


class CasadiOps:
    """`benchmarks.cells.Ops` on columns (n, 1) of scalars."""

    tanh = staticmethod(casadi.tanh)

    def product(self, W: Tensor, v: Tensor) -> Tensor:
        return W @ v

    def sigmoid(self, v: Tensor) -> Tensor:
        return 1 / (1 + casadi.exp(-v))

    def split(self, v: Tensor, parts: int) -> tuple[Tensor, ...]:
        return tuple(casadi.vertsplit(v, v.shape[0] // parts))

    rows = split

    def root_mean_square(self, v: Tensor, epsilon: float) -> Tensor:
        return casadi.sqrt(epsilon + casadi.sumsqr(v) / v.shape[0])


def _graph(case: Case) -> Any:
    """Function (weights, x, y) → (loss, gradient) for one example, all as columns in C order."""
    T, n_x, n_a, n_y = case.size.T, case.size.n_x, case.size.n_a, case.size.n_y
    ops, cell = CasadiOps(), case.cell
    theta = casadi.SX.sym("theta", sum(array.size for array in case.packed.values()))
    x, y = casadi.SX.sym("x", T * n_x), casadi.SX.sym("y", T * n_y)
    packed, start = {}, 0
    for name, array in case.packed.items():
        flat = theta[start : start + array.size]
        packed[name] = casadi.reshape(flat, *array.shape[::-1]).T if array.ndim == 2 else flat
        start += array.size
    state: tuple[Tensor, ...] = tuple(casadi.SX(n_a, 1) for _ in cell.states)
    loss = casadi.SX(0)
    for t in range(T):
        z = packed["W_x"] @ x[t * n_x : (t + 1) * n_x] + packed["b"]
        state = cell.step(ops, packed, state, z)
        logits = packed["W_ya"] @ state[-1] + packed["b_y"]
        loss += casadi.sum1(casadi.log1p(casadi.exp(logits)) - logits * y[t * n_y : (t + 1) * n_y])
    results = casadi.cse([loss, casadi.gradient(loss, theta)])
    return casadi.Function("graph", [theta, x, y], [casadi.densify(result) for result in results])


_DRIVER = """
{export}void casadi_batch(size_t B, const {real} *theta, const {real} *x, const {real} *y,
                  {real} *loss, {real} *gradient, {real} *one, {real} *w)
{{
    *loss = 0;
    for (size_t i = 0; i < {weights}; ++i) gradient[i] = 0;
    for (size_t b = 0; b < B; ++b) {{
        {real} value;
        const {real} *arguments[{arguments}] = {{theta, x + b * {x}, y + b * {y}}};
        {real} *results[{results}] = {{&value, one}};
        long long int iw[{integers}];
        graph(arguments, results, iw, w, 0);
        *loss += value;
        for (size_t i = 0; i < {weights}; ++i) gradient[i] += one[i];
    }}
}}
"""


def _source(case: Case) -> tuple[Source, int]:
    """The C of the graph and of the loop over the batch; and how many numbers of workspace it needs."""
    graph = _graph(case)
    real = "float" if case.dtype == "float32" else "double"
    with tempfile.TemporaryDirectory() as folder:
        generator = casadi.CodeGenerator("graph.c", {"casadi_real": real, "mex": False})
        generator.add(graph)
        text = Path(generator.generate(f"{folder}/")).read_text(encoding="utf-8")
    size = case.size
    filled = {
        "real": real,
        "weights": graph.size1_in(0),
        "x": size.T * size.n_x,
        "y": size.T * size.n_y,
        "arguments": graph.sz_arg(),
        "results": graph.sz_res(),
        "integers": graph.sz_iw() + 1,
    }
    driver = _DRIVER.format(export="", **filled)
    declaration = driver.partition("{")[0].strip() + ";\n"
    # tgmath: tanhf and the like where the numbers are float
    code = f"#include <stddef.h>\n#include <tgmath.h>\n{text}\n{driver}"
    header = f"#include <stddef.h>\n{declaration}"
    return Source("casadi_batch", header, code, declaration), graph.sz_w()


@dataclass(frozen=True)
class CasadiC:
    name: str = "casadi"
    package: str = "casadi"
    title: str = "CasADi, generated C"

    def prepare(self, case: Case) -> Run | None:
        if case.flops // case.size.B > _LARGEST:
            return None
        source, room = _source(case)
        module = compile_sources([source])
        packed = case.packed
        theta = np.concatenate([array.ravel() for array in packed.values()])
        x, y = (np.ascontiguousarray(array.swapaxes(0, 1)) for array in (case.x, case.y))  # (B, T, n)
        gradient, one = np.empty((2, theta.size), case.dtype)
        loss, work = np.empty(1, case.dtype), np.empty(room + 1, case.dtype)
        bounds = np.cumsum([array.size for array in packed.values()])[:-1]

        def views() -> dict[str, Array]:
            parts = zip(packed.items(), np.split(gradient, bounds), strict=True)
            return {name: part.reshape(array.shape) for (name, array), part in parts}

        kind = "float *" if case.dtype == "float32" else "double *"
        pointers = [module.ffi.from_buffer(kind, a) for a in (theta, x, y, loss, gradient, one, work)]
        call, B = module.lib.casadi_batch, case.size.B

        def run() -> tuple[float, Mapping[str, Array]]:
            call(B, *pointers)
            return loss.item(), Unpacked(case.cell, views)

        return run


PEERS: tuple[Peer, ...] = (CasadiC(),)
