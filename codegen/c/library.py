"""The helpers that a C file needs, and no others: kernels, vectors and elementary functions.

A template holds pieces, each headed by a line "@ type function() …" with what it defines. A piece is printed
if a function of the file, or another piece that is printed, uses one of these.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from chalkgrad.codegen.c import elementary
from chalkgrad.codegen.c.templating import environment
from chalkgrad.codegen.program.operations import OPERATIONS
from chalkgrad.codegen.program.spell import c_literal


@dataclass(frozen=True)
class _Piece:
    names: frozenset[str]
    text: str


BASIC = ("slices", "rows", "vectors")
KERNELS = ("products", "sums", "kernels")
"""The templates with what stands before the elementary functions, and after them."""

SLICES = {"threshold": 5_000_000, "cache": 1 << 19, "depth": 256, "tile": 8, "most": 64}
"""How a batch is cut into slices.

threshold: the multiply-adds that are worth a thread. cache: bytes within which the arrays of a slice should
stay. depth: the rows, examples times steps, that sums over them should have. tile: the examples that a kernel
takes at a time. most: threads that may work at the same time.
"""

SUMS = {"block": 256, "blocks": 32}
"""How many rows one number may hold the sum of, and how many such blocks are added up without a carry.

Of n equal numbers added one after the other the sum may be n / 4 units of rounding off: 8e-6 in float32.
"""


def library(bodies: Iterable[str], dtype: str, math: str = "own") -> str:
    """The definitions that the bodies need, each behind what it needs itself.

    math: "own" for elementary functions of ours, "libm" for those of the C library.
    They stand behind <math.h>, <stddef.h>, <stdint.h>, <string.h> and, with OpenMP, <omp.h>.
    """
    basic, kernels, libm = (_pieces(names, dtype) for names in (BASIC, KERNELS, ("libm",)))
    needed = _words(*bodies)
    kernels = [*kernels, *_for_sizes(kernels, needed)]
    needed = _closure(needed, [*basic, *kernels])
    if math == "libm":
        own = _chosen(libm, needed)
    else:
        own = [
            elementary.render([f for f in elementary.FUNCTIONS if f"{f}{suffix}()" in needed], dtype, kind)
            for kind, suffix in elementary.SUFFIX.items()
        ]
    needed = _closure(needed | _words(*own), basic)
    parts = [*_chosen(basic, needed), *filter(None, own), *_chosen(kernels, needed)]
    return "\n".join(f"{part.strip()}\n" for part in parts)


@functools.cache
def names() -> frozenset[str]:
    """What every definition that there may be is called."""
    pieces = _pieces((*BASIC, *KERNELS), "float64")
    return elementary.names().union(*({name.removesuffix("()") for name in piece.names} for piece in pieces))


@functools.cache
def _pieces(templates: tuple[str, ...], dtype: str) -> list[_Piece]:
    layout, rows = elementary.FORMATS[dtype], {name: row for name, row in OPERATIONS.items() if row.c}
    context = {
        "real": layout.real,
        "word": layout.word,
        "bytes": 4 if layout.real == "float" else 8,
        "ending": "f" if layout.real == "float" else "",
        "number": lambda value: c_literal(Fraction(value), dtype),
        **SLICES,
        **SUMS,
        "elementary": elementary.FUNCTIONS,
        "own": [rows[name] for name in elementary.FUNCTIONS if name in rows],
        "lanewise": [row for name, row in rows.items() if name not in elementary.FUNCTIONS],
    }
    text = "\n".join(
        environment("chalkgrad.codegen.c").get_template(f"{name}.c.j2").render(context) for name in templates
    )
    found = re.split(r"^@ (.*)\n", text, flags=re.MULTILINE)[1:]
    return [_Piece(frozenset(n.split()), body) for n, body in zip(found[::2], found[1::2], strict=True)]


def _for_sizes(pieces: list[_Piece], needed: frozenset[str]) -> list[_Piece]:
    """The pieces whose names end in _K_N, with the numbers of a needed name in place of K and N."""
    found = []
    for name in sorted(needed):
        if sizes := re.fullmatch(r"(\w+)_(\d+)_(\d+)\(\)", name):
            kernel, k, n = sizes.groups()
            for piece in pieces:
                if f"{kernel}_K_N()" in piece.names:
                    text = piece.text.replace("_K_N", f"_{k}_{n}")
                    found.append(_Piece(frozenset({name}), re.sub(r"\bN\b", n, re.sub(r"\bK\b", k, text))))
    return found


def _closure(needed: frozenset[str], pieces: list[_Piece]) -> frozenset[str]:
    """The words, and all those of the pieces that they call for."""
    while True:
        more = needed | _words(*_chosen(pieces, needed))
        if more == needed:
            return needed
        needed = more


def _chosen(pieces: list[_Piece], needed: frozenset[str]) -> list[str]:
    return [piece.text for piece in pieces if piece.names & needed]


def _words(*texts: str) -> frozenset[str]:
    """The identifiers in C, with brackets where they are called; comments left out."""
    code = (re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL) for text in texts)
    found = (match for text in code for match in re.finditer(r"(\w+)(\(?)", text))
    return frozenset(f"{name}()" if call else name for name, call in (match.groups() for match in found))
