"""The cases on which everything that computes a gradient has to agree, and the numbers that go into them."""

from __future__ import annotations

import itertools
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chalkgrad import derive
from chalkgrad.derive import Derivation, Model
from tests.agreement.cells import CELLS

Array = NDArray[Any]
Lengths = Array | tuple[Array, Array] | None

FACTORS: dict[str, tuple[Any, ...]] = {
    "layout": (
        "one-to-one",
        "one-to-many",
        "one-to-many/output",
        "one-to-many/target",
        "many-to-one",
        "many-to-many",
        "encoder-decoder",
        "encoder-decoder/output",
        "encoder-decoder/target",
    ),
    "model": ("vanilla", "gru", "gru_reset_after", "lstm", "vanilla_stacked"),
    "h": ("sigmoid", "softmax", "identity"),
    "loss": ("binary_cross_entropy", "cross_entropy", "squared_error"),
    "g": ("tanh", "relu"),
    "dtype": ("float64", "float32"),
    "form": ("loop", "lengths", "straight"),
}
TOLERANCE = {"float64": 1e-13, "float32": 1e-5}


@dataclass(frozen=True)
class Setting:
    """Sizes and counts: all different, as the non-degenerate rule wants. T_xy: of an encoder–decoder."""

    n_x: int
    n_a: int
    n_d: int
    n_y: int
    T: int
    T_xy: tuple[int, int]
    B: int


LOOP = Setting(n_x=5, n_a=4, n_d=6, n_y=3, T=7, T_xy=(7, 8), B=2)
STRAIGHT = Setting(n_x=4, n_a=2, n_d=5, n_y=3, T=3, T_xy=(2, 3), B=6)
"""Small enough for the budget of straight-line code, whatever the model."""


@dataclass(frozen=True)
class Case:
    """layout: architecture, or architecture/feed. form: "loop" with T at run time, "lengths" the same with
    a length for each example, "straight" with T fixed and written out."""

    layout: str
    model: str
    h: str
    loss: str
    g: str
    dtype: str = "float64"
    form: str = "loop"
    setting: Setting | None = None

    def __str__(self) -> str:
        return "-".join(str(getattr(self, f.name)) for f in fields(self)[:-1])

    @property
    def architecture(self) -> str:
        return self.layout.partition("/")[0]

    @property
    def feed(self) -> str:
        return self.layout.partition("/")[2] or "none"

    @property
    def numbers(self) -> Setting:
        return self.setting or (STRAIGHT if self.form == "straight" else LOOP)

    @property
    def steps(self) -> int | tuple[int, int]:
        """T, as `evaluate` and `emit` take it."""
        paired = self.architecture == "encoder-decoder"
        return 1 if self.layout == "one-to-one" else self.numbers.T_xy if paired else self.numbers.T

    @property
    def counts(self) -> tuple[int, int]:
        """The steps that have an input and those that have an output."""
        if isinstance(self.steps, tuple):
            return self.steps
        T_x = 1 if self.architecture == "one-to-many" else self.steps
        return T_x, 1 if self.architecture == "many-to-one" else self.steps

    @property
    def length(self) -> int:
        """The steps of the trajectory."""
        return sum(self.steps) if isinstance(self.steps, tuple) else self.steps

    @property
    def in_unit_interval(self) -> bool:
        """ŷ needs to be kept in (0, 1), as only logarithms of it want."""
        return self.h == "identity" and self.loss != "squared_error"


@cache
def model_of(case: Case) -> Model:
    choices = {"architecture": case.architecture, "feed": case.feed, "loss": case.loss}
    functions = {"g": case.g, "h": case.h}
    if case.model not in CELLS:
        return derive.load(case.model, **choices, **functions)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{case.model}.toml"
        path.write_text(CELLS[case.model], encoding="utf-8")
        return derive.load(path, **choices, **functions)


@cache
def derivation_of(case: Case) -> Derivation:
    return derive.bptt(model_of(case))


def sizes_of(case: Case) -> dict[str, int]:
    sizes = {name: getattr(case.numbers, name) for name in model_of(case).sizes}
    tied = case.architecture == "one-to-many" and case.feed != "none"
    return sizes | {"n_x": sizes["n_y"]} if tied else sizes


# ----------------------------------------------------------------------------- numbers


@dataclass(frozen=True)
class Data:
    """What goes into a call, in the dtype of the case."""

    params: Mapping[str, Array]
    x: Array
    y: Array
    initial: Mapping[str, Array]
    lengths: Lengths
    dyhat: Array
    dstates: Mapping[str, Array]

    @property
    def values(self) -> dict[str, Array]:
        """As `derive.evaluate` takes them."""
        return {**self.params, "x": self.x, "y": self.y, **{f"{s}0": a for s, a in self.initial.items()}}


@cache
def data_of(case: Case) -> Data:
    """W ~ N(0, 1/n), everything else of order 1; past its end an example holds NaN."""
    rng = np.random.default_rng(zlib.crc32(str(case).encode()))
    plan, sizes, B = derivation_of(case).schedule, sizes_of(case), case.numbers.B
    T_x, T_y = case.counts
    assert plan.y is not None
    n_x, n_y = sizes[plan.x.shape[0]], sizes[plan.y.shape[0]]
    params = {
        p.name: _parameter(case, p.name, tuple(sizes[s] for s in p.shape), rng) for p in plan.parameters
    }
    x, y, dyhat = (
        rng.normal(size=(T_x, B, n_x)),
        _targets(case, (T_y, B, n_y), rng),
        rng.normal(size=(T_y, B, n_y)),
    )
    lengths = _lengths(case, rng) if case.form == "lengths" else None
    _spoil(case, lengths, x, y, dyhat)
    states = {s.name: sizes[s.shape[0]] for s in plan.states}
    initial = {name: rng.normal(size=(B, n)) for name, n in states.items()}
    dstates = {name: rng.normal(size=(case.length, B, n)) for name, n in states.items()}

    def typed(arrays: Mapping[str, Array]) -> dict[str, Array]:
        return {name: np.asarray(a, case.dtype) for name, a in arrays.items()}

    plain = typed({"x": x, "y": y, "dyhat": dyhat})
    return Data(
        typed(params), plain["x"], plain["y"], typed(initial), lengths, plain["dyhat"], typed(dstates)
    )


def _parameter(case: Case, name: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    scale = 1 / np.sqrt(shape[-1]) if len(shape) == 2 else 0.5
    drawn = np.asarray(rng.normal(scale=scale, size=shape))
    if case.in_unit_interval and name.endswith("W_ya"):
        return (0.04 if case.g == "tanh" else 0.002) * drawn  # what ReLU gives may grow
    if case.in_unit_interval and name.endswith("b_y"):
        return rng.uniform(0.35, 0.65, size=shape)
    return drawn


def _targets(case: Case, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Of any sign for the squared error; else probabilities, 0 and 1 among them."""
    if case.loss == "squared_error":
        return rng.normal(size=shape)
    drawn, kind = rng.uniform(0.1, 0.9, size=shape), rng.integers(0, 4, size=shape)
    return np.where(kind == 0, 0.0, np.where(kind == 1, 1.0, drawn))


def _lengths(case: Case, rng: np.random.Generator) -> Lengths:
    def one(T: int) -> Array:
        drawn = rng.integers(1, T + 1, size=case.numbers.B)
        drawn[0], drawn[1] = T, max(1, T - 2)
        return rng.permutation(drawn)

    T_x, T_y = case.counts
    if case.architecture == "encoder-decoder":
        return one(T_x), one(T_y)
    return one(T_y if case.architecture == "one-to-many" else T_x)


def _spoil(case: Case, lengths: Lengths, x: Array, y: Array, dyhat: Array) -> None:
    """NaN where nothing may be read."""
    if lengths is None:
        return
    of_x, of_y = own_counts(case, lengths)
    for array, own in ((x, of_x), (y, of_y), (dyhat, of_y)):
        for b, count in enumerate(own):
            array[count:, b] = np.nan


def own_counts(case: Case, lengths: Lengths) -> tuple[list[int], list[int]]:
    """The steps with an input and those with an output, of each example."""
    T_x, T_y = case.counts
    B = case.numbers.B
    if lengths is None:
        return [T_x] * B, [T_y] * B
    if isinstance(lengths, tuple):
        return lengths[0].tolist(), lengths[1].tolist()
    own: list[int] = lengths.tolist()
    match case.architecture:
        case "one-to-many":
            return [1] * B, own
        case "many-to-one":
            return own, [1] * B
        case _:
            return own, own


# ----------------------------------------------------------------------------- the choice of cases


def product() -> list[Case]:
    return [Case(**dict(zip(FACTORS, row, strict=True))) for row in itertools.product(*FACTORS.values())]


def diagonal() -> tuple[Case, ...]:
    """As few cases as there are layouts, with every value of every factor among them."""
    return tuple(
        Case(**{name: v[(n + n // len(v)) % len(v)] for name, v in FACTORS.items()})
        for n in range(len(FACTORS["layout"]))
    )


@cache
def pairwise() -> tuple[Case, ...]:
    """Few cases that have every pair of values of any two factors among them.

    Greedy and deterministic: at each turn the row of the full product that has most pairs which no row
    has had before, and of these the first whose values were chosen least.
    """
    rows = np.array(list(itertools.product(*(range(len(v)) for v in FACTORS.values()))))
    pairs = list(itertools.combinations(range(len(FACTORS)), 2))
    width = max(len(v) for v in FACTORS.values())
    keys = np.stack([(n * width + rows[:, i]) * width + rows[:, j] for n, (i, j) in enumerate(pairs)], axis=1)
    missing = np.zeros(keys.max() + 1, bool)
    missing[keys] = True
    columns = np.arange(len(FACTORS))
    used = np.zeros((len(FACTORS), width))
    chosen: list[Sequence[int]] = []
    while missing.any():
        news = missing[keys].sum(axis=1)
        best = int((news - used[columns, rows].sum(axis=1) / rows.size).argmax())
        missing[keys[best]] = False
        used[columns, rows[best]] += 1
        chosen.append(rows[best])
    names, values = list(FACTORS), list(FACTORS.values())
    return tuple(Case(**{n: v[k] for n, v, k in zip(names, values, row, strict=True)}) for row in chosen)
