"""Random cells: model files that are valid by construction, with parts that no built-in cell has.

`cell_file` asks a `Choices` for every decision, so hypothesis can shrink what a seed can repeat.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import derive

V = TypeVar("V")

_SIZES = ("n_x", "n_p", "n_q", "n_y")
_PLANS = (
    ("many-to-many", "none"),
    ("one-to-one", "none"),
    ("many-to-one", "none"),
    ("one-to-many", "none"),
    ("one-to-many", "output"),
    ("one-to-many", "target"),
    ("encoder-decoder", "none"),
    ("encoder-decoder", "output"),
    ("encoder-decoder", "target"),
)
_MAPS = ("tanh", "sigmoid", "relu", "leaky_relu", "softplus", "sin", "cos", "identity", "g")
_BOUNDED = ("tanh({})", "sigmoid({})", "sin({})", "softmax({})", "cos({})", "relu(tanh({}))")
_SAFE = (
    "log(1 + square({}))",
    "sqrt(2 + square({}))",
    "exp(-square({}))",
    "exp(tanh({}))",
    "1 / (1.5 + sin({}))",
    "tanh({}) ** 3",
    "(1.25 + cos({})) ** -2",
    "(1 + square({})) ** 0.5",
    "-(-{})",
    "({}) / 4",
)
_LOSSES = ("squared_error", "binary_cross_entropy", "cross_entropy")


class Choices(Protocol):
    def pick(self, options: Sequence[V]) -> V: ...


class Seeded:
    """The same choices for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def pick(self, options: Sequence[V]) -> V:
        return self._random.choice(options)


class Drawn:
    """Choices that hypothesis makes, and makes simpler: it prefers what stands first."""

    def __init__(self, data: Any) -> None:
        self._data = data

    def pick(self, options: Sequence[V]) -> V:
        from hypothesis import strategies

        index = self._data.draw(strategies.integers(0, len(options) - 1))
        return options[index]


@dataclass(frozen=True)
class Cell:
    """A model file and the choices to load it with."""

    text: str
    architecture: str
    feed: str

    def model(self, folder: Path) -> derive.Model:
        path = folder / "cell.toml"
        path.write_text(self.text, encoding="ascii")
        return derive.load(path, architecture=self.architecture, feed=self.feed)

    def sizes(self) -> dict[str, int]:
        """Small numbers; what is fed back has as many components as x."""
        return {"n_x": 2, "n_p": 4, "n_q": 5, "n_y": 6 if self.feed == "none" else 2}


@dataclass
class _Writer:
    """Writes expressions over what is known so far. A shape is a size name, or "" for a scalar."""

    choices: Choices
    known: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def parameter(self, shape: tuple[str, ...]) -> str:
        """A parameter of that shape: one in use already, or a new one."""
        used = [name for name, own in self.parameters.items() if own == shape]
        if used and self.choices.pick((False, False, True)):
            return self.choices.pick(used)
        name = f"{'sbW'[len(shape)]}_{len(self.parameters)}"
        self.parameters[name] = shape
        return name

    def leaf(self, shape: str) -> str:
        known = [name for name, own in self.known.items() if own == shape]
        if known and self.choices.pick((True, True, True, False)):
            return self.choices.pick(known)
        return self.parameter((shape,) if shape else ())

    def any_vector(self, depth: int) -> tuple[str, str]:
        """An expression and its size, which something known has."""
        size = self.choices.pick(sorted({s for s in self.known.values() if s}))
        return self.vector(size, depth), size

    def product(self, size: str, depth: int) -> str:
        vector, inner = self.any_vector(depth)
        matrix = self.choices.pick(("plain", "transposed", "chain", "scaled", "negative"))
        match matrix:
            case "plain":
                return f"{self.parameter((size, inner))} @ ({vector})"
            case "transposed":
                return f"{self.parameter((inner, size))}.T @ ({vector})"
            case "chain":
                middle = self.choices.pick(_SIZES)
                first, second = self.parameter((size, middle)), self.parameter((inner, middle))
                return f"{first} @ {second}.T @ ({vector})"
            case "scaled":
                return f"0.5 * {self.parameter((size, inner))} @ ({vector})"
            case _:
                return f"-{self.parameter((size, inner))} @ ({vector})"

    def scalar(self, depth: int) -> str:
        if depth <= 0:
            return self.leaf("")
        vector, size = self.any_vector(depth - 1)
        options: list[Callable[[], str]] = [
            lambda: self.leaf(""),
            lambda: f"mean({vector})",
            lambda: f"0.3 * sum({vector})",
            lambda: f"sum(({vector}) * ({self.leaf(size)}))",
            lambda: f"mean(square(({vector}) - mean({vector})))",
            lambda: self.choices.pick(_SAFE).format(f"({self.scalar(depth - 1)})"),
            lambda: f"{self.choices.pick(_MAPS)}({self.scalar(depth - 1)})",
            lambda: f"({self.scalar(depth - 1)}) * ({self.scalar(depth - 1)})",
            lambda: f"({self.scalar(depth - 1)}) - ({self.scalar(depth - 1)})",
        ]
        return self.choices.pick(options)()

    def vector(self, size: str, depth: int) -> str:
        if depth <= 0:
            return self.leaf(size)

        def inner() -> str:
            return self.vector(size, depth - 1)

        options: list[Callable[[], str]] = [
            lambda: self.leaf(size),
            lambda: self.product(size, depth - 1),
            lambda: f"{self.product(size, depth - 1)} + {inner()}",
            lambda: f"{self.product(size, depth - 1)} - {self.product(size, depth - 1)}",
            lambda: f"({inner()}) + ({inner()})",
            lambda: f"({inner()}) - ({self.scalar(depth - 1)})",
            lambda: f"({inner()}) * ({inner()})",
            lambda: f"({self.scalar(depth - 1)}) * ({inner()})",
            lambda: f"({inner()}) / (2 + square({self.scalar(depth - 1)}))",
            lambda: f"{self.choices.pick(_MAPS)}({inner()})",
            lambda: self.choices.pick(_SAFE).format(f"({inner()})"),
            lambda: f"softmax({inner()})",
            lambda: f"(1 - sigmoid({inner()})) * ({inner()})",
        ]
        return self.choices.pick(options)()

    def bounded(self, size: str, depth: int) -> str:
        return self.choices.pick(_BOUNDED).format(self.vector(size, depth))


def cell_file(choices: Choices) -> Cell:
    """A model file with random states, intermediates, output and loss, and an architecture for it."""
    architecture, feed = choices.pick(_PLANS)
    writer = _Writer(choices)
    states = {f"a_{i}": choices.pick(("n_p", "n_q")) for i in range(choices.pick((1, 1, 2, 3)))}
    equations = _equations(writer, states)
    loss = choices.pick(_LOSSES)
    with_output = feed != "none" or choices.pick((True, True, True, True, False))
    output = _output(writer, loss, feed) if with_output else {}
    if not with_output and architecture not in ("one-to-one", "many-to-many"):
        architecture = "many-to-many"
    tables = [
        'name = "cell"',
        _table("sizes", {name: f'"{name}"' for name in _SIZES}),
        _table("inputs", {"x": '["n_x"]'}),
        _table("states", {name: f'["{size}"]' for name, size in states.items()}),
        _table("parameters", {n: _list(shape) for n, shape in writer.parameters.items()}),
        _table("functions", {"g": f'["{choices.pick(("tanh", "relu", "softplus", "square"))}"]'}),
        _table("equations", {n: f'"{text}"' for n, text in equations.items()}),
    ]
    if output:
        tables += [_table("output", {n: f'"{text}"' for n, text in output.items()})]
        tables += [_table("loss", {"kind": f'["{loss}"]'})]
    return Cell("\n".join(tables), architecture, feed)


def _equations(writer: _Writer, states: dict[str, str]) -> dict[str, str]:
    choices = writer.choices
    writer.known |= {"x": "n_x"} | {f"{name}[t-1]": size for name, size in states.items()}
    equations: dict[str, str] = {}
    for number, (state, size) in enumerate(states.items()):
        for place in range(choices.pick((0, 1, 2))):
            name, own = f"v_{number}{place}", choices.pick(("n_p", "n_q", "n_y", ""))
            equations[name] = writer.vector(own, 2) if own else writer.scalar(2)
            writer.known[name] = own
        equations[state] = _transition(writer, state, size)
        writer.known[state] = size
    return equations


def _transition(writer: _Writer, state: str, size: str) -> str:
    match writer.choices.pick(("plain", "plain", "gated", "leaky", "normalised", "kept")):
        case "plain":
            return writer.bounded(size, 3)
        case "gated":
            gate = f"sigmoid({writer.vector(size, 1)})"
            return f"{gate} * {state}[t-1] + (1 - {gate}) * {writer.bounded(size, 2)}"
        case "leaky":
            return f"0.75 * {state}[t-1] + 0.25 * {writer.bounded(size, 2)}"
        case "normalised":
            inner = writer.vector(size, 2)
            return f"({inner}) / sqrt(1 + mean(square({inner})))"
        case _:
            return f"{state}[t-1]"


def _output(writer: _Writer, loss: str, feed: str) -> dict[str, str]:
    choices = writer.choices
    output: dict[str, str] = {}
    size = "n_y" if feed != "none" else choices.pick(("n_y", "n_y", "n_q", ""))
    if choices.pick((False, True)):
        output["w_0"] = writer.vector("n_y", 2)
        writer.known["w_0"] = "n_y"
    inner = writer.vector(size, 2) if size else writer.scalar(2)
    shapes: tuple[str, ...]
    if loss == "squared_error":
        shapes = ("{}", "g({})", "sigmoid({})")
    else:  # yhat is a probability
        shapes = ("sigmoid({})", "0.5 + 0.25 * sin({})", "1 / (1.5 + square({}))")
    output["yhat"] = choices.pick((*shapes, "softmax({})") if size else shapes).format(inner)
    return output


def _table(name: str, entries: dict[str, str]) -> str:
    return "\n".join([f"[{name}]", *(f"{key} = {value}" for key, value in entries.items())])


def _list(shape: tuple[str, ...]) -> str:
    return f"[{', '.join(f'{size!r}' for size in shape)}]"
