"""C programs around emitted sources, for tests of what a compiler or a sanitizer makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from chalkgrad import derive
from chalkgrad.codegen import Emitted
from chalkgrad.codegen.c.identifiers import struct_fields
from chalkgrad.codegen.calling.network import Network
from chalkgrad.codegen.program.interface import Array, Interface
from tests.codegen.calls import Arguments, steps


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


_EXPECTING = """
#include "net.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Whether all numbers are as expected, up to so much of the largest one. */
static int near(const char *name, size_t n, const REAL *found, const double *expected)
{
    double largest = 1, worst = 0;
    for (size_t i = 0; i < n; ++i) {
        const double difference = fabs((double)found[i] - expected[i]);
        largest = fmax(largest, fabs(expected[i]));
        worst = difference <= worst ? worst : difference;
    }
    if (worst <= TOLERANCE * largest)
        return 1;
    printf("%s: %g\\n", name, worst / largest);
    return 0;
}

int main(void)
{
    int good = 1;
    double loss;
    net_args p = {0};
    p.T_x = COUNT_X, p.T_y = COUNT_Y, p.B = COUNT_B, p.loss = &loss;
ARRAYS
    p.work = malloc(net_loss_and_grad_work(p.T_x, p.T_y, p.B) + 64);
    if (!p.work)
        return 2;
    p.work = (void *)(((size_t)p.work + 63) / 64 * 64);
    net_loss_and_grad(&p);
    if (!(fabs(loss - LOSS) <= TOLERANCE * fmax(1, fabs(LOSS))))
        good = 0, printf("loss: %.17g\\n", loss);
CHECKS
    if (good)
        puts("good");
    return !good;
}
"""


def expecting(emitted: Emitted, judge: Network, a: Arguments, tolerance: float) -> str:
    """A program that holds the loss and all gradients to the judge's, which computes in float64.

    It prints "good", or the results that are wrong, and then fails.
    """
    assert a.y is not None
    face = emitted.interface
    given: dict[str, Array] = {"x": a.x, "y": a.y, **a.params, **{f"{s}0": v for s, v in a.initial.items()}}
    wide = {name: array.astype(np.float64) for name, array in given.items()}
    initial = {s: wide[f"{s}0"] for s in face.states}
    names = [*face.parameters, "x", *(f"{s}0" for s in face.states)]
    params = {name: wide[name] for name in face.parameters}
    loss, gradients = judge.loss_and_grad(params, wide["x"], wide["y"], initial, wrt=names)
    real = "float" if face.dtype == "float32" else "double"
    lines, checks = [], []
    for key, member in struct_fields(face).items():
        if key in given:
            lines.append(f"    static const {real} {member}[] = {_numbers(wide[key])};")
            lines.append(f"    p.{member} = {member};")
        if key.startswith("d.") and key[2:] in gradients:
            expected = gradients[key[2:]]
            lines.append(f"    static const double {member}_due[] = {_numbers(expected)};")
            lines.append(f"    static {real} {member}[{expected.size}];")
            lines.append(f"    p.{member} = {member};")
            checks.append(f'    good &= near("{member}", {expected.size}, {member}, {member}_due);')
    text = _EXPECTING.replace("ARRAYS", "\n".join(lines)).replace("CHECKS", "\n".join(checks))
    counts = {"COUNT_X": a.x.shape[0], "COUNT_Y": a.y.shape[0], "COUNT_B": a.x.shape[1]}
    words = {**counts, "REAL": real, "TOLERANCE": tolerance, "LOSS": float(loss).hex()}
    for word, value in words.items():
        text = text.replace(word, str(value))
    return text


def _numbers(array: Array) -> str:
    return "{" + ", ".join(float(v).hex() for v in array.ravel()) + "}"
