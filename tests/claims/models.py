"""A model file under its choices, as the evaluator sees it: names, shapes, and what each step reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.claims.reading import Names
from tests.oracle import language
from tests.oracle.language import Cell, Expr, Shape

OWN = Path(__file__).parent / "models"
APPLIED = language.FUNCTIONS - {"sum", "mean", "identity"}
"""The functions whose argument has a name, z_v."""

Extent = tuple[int, int]
"""(T, T), or (T_x, T_y) of an encoder-decoder."""
Key = tuple[str, int]
"""A value and its step."""


@dataclass(frozen=True)
class Step:
    """network: the prefix of its parameters. reads: ("x", t), ("yhat", t-1), ("y", t-1), or None."""

    t: int
    network: str
    reads: Key | None
    output: bool


@dataclass(frozen=True)
class Setting:
    """What `load` of the checker is asked for, and what the evaluator reads."""

    model: str
    architecture: str = "many-to-many"
    feed: str = "none"
    loss: str = "auto"
    functions: tuple[tuple[str, str], ...] = ()

    @property
    def file(self) -> str:
        """A built-in name, or the path of a file of these tests."""
        own = OWN / f"{self.model}.toml"
        return str(own) if own.exists() else self.model

    @property
    def choices(self) -> dict[str, str]:
        """Keywords of `load`."""
        named = {"architecture": self.architecture, "feed": self.feed, "loss": self.loss}
        return named | dict(self.functions)


class Network:
    """The cell of every network of a setting, and the shapes of all names."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        file = language.read(language.text_of(setting.file), dict(setting.functions))
        self.file, self.functions = file, file.functions
        self.two = setting.architecture == "encoder-decoder"
        cell = language.cell_of(file, {})
        self.fed: dict[str, str] = {}
        if setting.feed != "none":
            self.fed = {file.x: cell.output["yhat"].shape[0]}
        if self.two:
            self.cells = {"enc_": cell, "dec_": language.cell_of(file, self.fed)}
        else:
            cell = language.cell_of(file, self.fed)
            self.cells = {"": cell}
        self.parameters: dict[str, Shape] = {}
        for name, shape in file.parameters.items():
            renamed = tuple(self.fed.get(size, size) for size in shape)
            if self.two:
                if name not in cell.output_only:
                    self.parameters[f"enc_{name}"] = shape
                self.parameters[f"dec_{name}"] = renamed
            else:
                self.parameters[name] = renamed
        self.states = dict(file.states)
        self.kind = self.chosen_loss(cell)

    def chosen_loss(self, cell: Cell) -> str:
        """`auto` looks at the outermost function of yhat."""
        if self.setting.loss != "auto":
            return self.setting.loss
        folded = {"sigmoid": "binary_cross_entropy", "softmax": "cross_entropy"}
        return folded.get(cell.output["yhat"].op, "squared_error")

    def cell(self, network: str) -> Cell:
        return self.cells[network]

    @property
    def last_cell(self) -> Cell:
        """The one with the output."""
        return self.cells["dec_" if self.two else ""]

    @cached_property
    def computed(self) -> dict[str, Expr]:
        """Every value of the file with its equation; pre-activations not among them."""
        return {**self.last_cell.equations, **self.last_cell.output}

    @cached_property
    def pre_activations(self) -> dict[str, str]:
        """z_v → v; a name of the file wins."""
        found = {f"z_{name}": name for name, expr in self.computed.items() if expr.op in APPLIED}
        taken = {*self.computed, *self.file.parameters, *self.file.sizes}
        return {z: name for z, name in found.items() if z not in taken}

    @cached_property
    def order(self) -> tuple[str, ...]:
        """All that a step computes, in order."""
        turned = {v: z for z, v in self.pre_activations.items()}
        return tuple(n for name in self.computed for n in (turned.get(name), name) if n is not None)

    @cached_property
    def output_names(self) -> frozenset[str]:
        """What exists only at steps with an output."""
        own = set(self.last_cell.output)
        return frozenset({*own, "y", *(z for z, v in self.pre_activations.items() if v in own)})

    @cached_property
    def moved(self) -> tuple[str, ...]:
        """What a derivative is of, or by."""
        return (*self.order, "x")

    @property
    def sizes(self) -> tuple[str, ...]:
        names = self.file.sizes if self.two else {self.fed.get(n, n): 0 for n in self.file.sizes}
        return tuple(names)

    def shape(self, name: str, network: str) -> Shape:
        """Of a value; that of x may differ between encoder and decoder."""
        if name == "x":
            fed = self.fed if network != "enc_" else {}
            return (fed.get(self.file.x, self.file.x),)
        if name == "y":
            return self.computed["yhat"].shape
        expr = self.computed[self.pre_activations.get(name, name)]
        return expr.args[0].shape if name in self.pre_activations else expr.shape

    @cached_property
    def names(self) -> Names:
        called = {*self.functions, *APPLIED, "identity"}
        return Names((*self.moved, "y"), tuple(self.parameters), tuple(self.sizes), called)

    # ------------------------------------------------------------------------- steps

    def steps(self, extent: Extent) -> list[Step]:
        T_x, T_y = extent
        match self.setting.architecture:
            case "many-to-one":
                return [Step(t, "", ("x", t), t == T_x) for t in range(1, T_x + 1)]
            case "one-to-many":
                return [Step(t, "", ("x", 1) if t == 1 else self.back(t), True) for t in range(1, T_x + 1)]
            case "encoder-decoder":
                encoder = [Step(t, "enc_", ("x", t), False) for t in range(1, T_x + 1)]
                decoder = range(T_x + 1, T_x + T_y + 1)
                return encoder + [
                    Step(t, "dec_", self.back(t) if t > T_x + 1 else None, True) for t in decoder
                ]
        return [Step(t, "", ("x", t), True) for t in range(1, T_x + 1)]

    def back(self, t: int) -> Key | None:
        """What a step without an input reads."""
        return {"output": ("yhat", t - 1), "target": ("y", t - 1)}.get(self.setting.feed)

    def extents(self, upto: int = 5) -> list[Extent]:
        """All that are tried."""
        if self.two:
            return [(a, b) for a in range(1, 4) for b in range(1, 4)]
        if self.setting.architecture == "one-to-one":
            return [(1, 1)]
        return [(T, T) for T in range(1, upto + 1)]

    def ends(self, extent: Extent) -> Mapping[str, int]:
        """The letters that are told. T of one sequence; T_x and T_y of two."""
        return {"T_x": extent[0], "T_y": extent[1]} if self.two else {"T": extent[0]}

    def length(self, extent: Extent) -> int:
        return sum(extent) if self.two else extent[0]
