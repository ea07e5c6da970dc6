"""C programs around emitted sources, for tests of what a compiler or a sanitizer makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from calls import steps

import derive
from codegen import Emitted
from codegen.identifiers import struct_fields
from codegen.interface import Interface


def sizes_of(model: derive.Model, numbers: Sequence[int]) -> dict[str, int]:
    """A number for each size; what is fed back has as many components as x."""
    sizes = dict(zip(model.sizes, numbers, strict=False))
    return sizes if model.feed == "none" else sizes | {"n_x": sizes["n_y"]}


_MAIN = """
#include "net.h"
#include <stdio.h>
#include <stdlib.h>

static void *filled(size_t bytes, int kind)
{{
    void *p = NULL;
    if (posix_memalign(&p, 64, bytes ? bytes : 1)) abort();
    for (size_t i = 0; kind && i < bytes / sizeof({real}); ++i)
        (({real} *)p)[i] = ({real})((rand() % 2001 - 1000) / (kind == 2 ? 4e3 : 1e3) + (kind == 2) * 0.5);
    return p;
}}

/* A branch on every byte: what a function has left out is found by a sanitizer. */
static size_t seen(const void *result, size_t bytes)
{{
    volatile size_t count = 0; /* so that the branch stays one */
    for (size_t i = 0; result && i < bytes; ++i)
        if (((const unsigned char *)result)[i])
            ++count;
    return count;
}}

static int run(int with_lengths, int wanted, int function)
{{
    net_args p = {{0}};
    p.T_x = {T_x}, p.T_y = {T_y}, p.B = {B};
{arrays}
    void (*const functions[])(const net_args *) = {{net_loss_and_grad, net_forward, net_vjp}};
    size_t (*const sizes[])(size_t, size_t, size_t) = {{
        net_loss_and_grad_work, net_forward_work, net_vjp_work}};
    p.work = filled(sizes[function](p.T_x, p.T_y, p.B), 0);
    functions[function](&p);
    free(p.work);
    size_t count = 0;
{checks}
    const int good = (function || *p.loss == *p.loss) && (count || !wanted);
{frees}
    return good;
}}

int main(void)
{{
    int good = 1;
    for (int lengths = 0; lengths < 2; ++lengths)
        for (int wanted = 0; wanted < 2; ++wanted)
            for (int function = 0; function < 3; ++function)
                good &= run(lengths, wanted, function);
    puts(good ? "good" : "bad");
    return 0;
}}
"""


def calling_all(emitted: Emitted, B: int) -> str:
    """A program that calls every function with arrays of the exact size, and looks at all results.

    Results and workspace hold nothing before a call. What it prints is "good".
    """
    face = emitted.interface
    real = "float" if face.dtype == "float32" else "double"
    T_x, T_y, length = steps(face)
    lines, checks, frees = [], [], []
    for key, member in struct_fields(face).items():
        if key in ("last_x", "last_y"):
            most = T_x if key == "last_x" else T_y
            values = ", ".join(str(1 + (2 * b + most - 1) % most) for b in range(B))
            lines.append(f"    const size_t {member}[] = {{{values}}};")
            lines.append(f"    p.{member} = with_lengths ? {member} : NULL;")
            continue
        count = _elements(face, key, {"T_x": T_x, "T_y": T_y, "T": length, "B": B})
        kind = 0 if key.startswith(("d.", "states.")) or key in ("loss", "yhat") else 2 if key == "y" else 1
        unit = "double" if key == "loss" else real
        needed = (
            kind or key in ("loss", "yhat") or key.startswith("states.")
        )  # of the states, forward reads its own
        condition = "" if needed else "!wanted ? NULL : "
        lines.append(f"    p.{member} = {condition}filled({count} * sizeof({unit}), {kind});")
        for function in _writers(key):
            checks.append(
                f"    if (function == {function}) count += seen(p.{member}, {count} * sizeof({unit}));"
            )
        frees.append(f"    free((void *)p.{member});")
    return _MAIN.format(
        real=real,
        T_x=T_x,
        T_y=T_y,
        B=B,
        arrays="\n".join(lines),
        checks="\n".join(checks),
        frees="\n".join(frees),
    )


def _writers(key: str) -> tuple[int, ...]:
    """Which of loss_and_grad, forward and vjp a result is one of."""
    if key.startswith("d."):
        return 0, 2
    return {"loss": (0,), "yhat": (1,)}.get(key, (1,) if key.startswith("states.") else ())


def _elements(face: Interface, key: str, counts: Mapping[str, int]) -> int:
    assert face.sizes is not None
    outputs = [face.sizes[s] for s in face.yhat or ()]
    shapes: dict[str, list[int]] = {
        "x": [counts["T_x"], counts["B"], face.sizes[face.x]],
        "y": [counts["T_y"], counts["B"], *outputs],
        "loss": [1],
        **{name: [face.sizes[s] for s in shape] for name, shape in face.parameters.items()},
    }
    shapes |= {"yhat": shapes["y"], "dyhat": shapes["y"]}
    for state, size in face.states.items():
        row = [counts["B"], face.sizes[size]]
        shapes |= {
            f"{state}0": row,
            f"states.{state}": [counts["T"] + 1, *row],
            f"dstates.{state}": [counts["T"], *row],
        }
    shapes |= {f"d.{name}": shape for name, shape in shapes.items()}
    return int(np.prod(shapes[key]))
