"""One piece of work: loss and all parameter gradients of one batch, from the same arrays for everybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.cells import CELLS, Cell
from chalkgrad import derive
from chalkgrad.codegen.choices import DtypeName

Array = NDArray[Any]

MODELS: dict[str, str] = {
    "vanilla": "vanilla",
    "gru_reset_after": "gru_reset_after",
    "lstm": "lstm",
    "peephole_mgu": str(Path(__file__).with_name("peephole_mgu.toml")),
}
"""model → what `derive.load` takes; the last is a cell that no framework has."""


@dataclass(frozen=True)
class Size:
    T: int
    B: int
    n_x: int
    n_a: int
    n_y: int

    @property
    def sizes(self) -> dict[str, int]:
        """What `codegen.build` takes."""
        return {"n_x": self.n_x, "n_a": self.n_a, "n_y": self.n_y}

    def __str__(self) -> str:
        return f"({self.T}, {self.B}, {self.n_x}, {self.n_a}, {self.n_y})"


SIZES: tuple[Size, ...] = (
    Size(2, 1, 3, 4, 2),
    Size(2, 256, 3, 4, 2),
    Size(16, 32, 8, 16, 4),
    Size(16, 7, 8, 16, 4),
    Size(33, 7, 17, 51, 5),
    Size(32, 1, 64, 128, 32),
    Size(32, 64, 64, 128, 32),
    Size(64, 64, 256, 512, 128),
)


def load(model: str) -> derive.Model:
    """The model with tanh, a sigmoid output and binary cross-entropy."""
    return derive.load(MODELS[model], loss="binary_cross_entropy")


@dataclass(frozen=True)
class Case:
    """params: each of its declared shape; x: (T, B, n_x); y: (T, B, n_y); all initial states are zero."""

    model: str
    size: Size
    dtype: DtypeName
    threads: int
    params: Mapping[str, Array] = field(repr=False)
    x: Array = field(repr=False)
    y: Array = field(repr=False)

    @property
    def cell(self) -> Cell:
        return CELLS[self.model]

    @cached_property
    def packed(self) -> dict[str, Array]:
        """The parameters as a framework would hold them: see `benchmarks.cells`."""
        return self.cell.pack(self.params)

    @property
    def flops(self) -> int:
        """2 × the multiply-adds of all products that the loss and its gradients need.

        G gates, for each example: forward T (G n_a² + G n_a n_x + n_y n_a); the same again for the gradients
        of the matrices; T n_y n_a + (T − 1) G n_a² for the products with transposes, since neither dx nor
        the gradient of an initial state is asked for. Elementary functions and sums are not counted.
        """
        T, B, n_x, n_a, n_y = self.size.T, self.size.B, self.size.n_x, self.size.n_a, self.size.n_y
        gates = len(self.cell.gates)
        forward = T * (gates * n_a * (n_a + n_x) + n_y * n_a)
        transposed = T * n_y * n_a + (T - 1) * gates * n_a * n_a
        return 2 * B * (2 * forward + transposed)

    def __str__(self) -> str:
        return f"{self.model} {self.size} {self.dtype}, {self.threads} thread(s)"


def make_case(model: str, size: Size, dtype: DtypeName, threads: int = 1, seed: int = 0) -> Case:
    """W ~ N(0, 1/n), vectors ~ N(0, 1/4) (the scale near 1), x ~ N(0, 1), y uniform in (0, 1)."""
    random = np.random.default_rng(seed)

    def parameter(name: str, shape: tuple[int, ...]) -> Array:
        spread = 1 / np.sqrt(shape[-1]) if len(shape) == 2 else 0.5
        mean = 1.0 if name.startswith("s_") else 0.0
        return np.ascontiguousarray(random.normal(mean, spread, size=shape), dtype)

    params = {
        p.name: parameter(p.name, tuple(size.sizes[str(n)] for n in p.shape)) for p in load(model).parameters
    }
    x = random.normal(size=(size.T, size.B, size.n_x)).astype(dtype)
    y = random.uniform(size=(size.T, size.B, size.n_y)).astype(dtype)
    return Case(model, size, dtype, threads, params, x, y)
