"""A program with its numbers, what the oracle says of it, and how far from that something is."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chalkgrad import derive
from chalkgrad.codegen import Network
from chalkgrad.codegen.program.interface import Interface
from tests import oracle
from tests.programs.program import Lengths, Program

Array = NDArray[Any]
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
KINK = 100  # units in the last place within which a side of a kink is chance


@dataclass(frozen=True)
class Data:
    """What goes into a call, always with an axis for the examples, in the dtype of the setting."""

    params: Mapping[str, Array]
    x: Array
    y: Array | None
    initial: Mapping[str, Array]
    lengths: Any
    dyhat: Array | None
    dstates: Mapping[str, Array]
    steps: int | None


class Case:
    """One program, and all that is worked out from it when it is first wanted."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.setting = program.setting

    def __repr__(self) -> str:
        p = self.program
        return f"{p.text}# {p.architecture}, feed {p.feed}, loss {p.loss}, {p.functions}\n# {p.setting}\n"

    @cached_property
    def choices(self) -> dict[str, Any]:
        p = self.program
        return {"architecture": p.architecture, "feed": p.feed, "loss": p.loss, **p.functions}

    @cached_property
    def model(self) -> derive.Model:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "program.toml"
            path.write_text(self.program.text, encoding="ascii")
            return derive.load(path, **self.choices)

    @cached_property
    def derivation(self) -> derive.Derivation:
        return derive.bptt(self.model)

    @cached_property
    def oracle(self) -> oracle.Network:
        return oracle.load(self.program.text, **self.choices)

    @property
    def counts(self) -> tuple[int, int, int]:
        """T_x, T_y and the length of the trajectory."""
        T = self.setting.T
        if isinstance(T, tuple):
            return *T, sum(T)
        a = self.program.architecture
        return 1 if a == "one-to-many" else T, 1 if a == "many-to-one" else T, T

    @cached_property
    def data(self) -> Data:
        """Matrices ~ N(0, 1/n), everything else of order 1; past its end an example holds NaN."""
        T_x, T_y, length = self.counts
        net, sizes, B, own = self.oracle, self.setting.sizes, self.setting.B, self.setting

        def normal(name: str, *shape: int, scale: float = 1.0) -> Array:
            return np.asarray(scale * self._rng(name).standard_normal(shape), own.dtype)

        params = {
            name: normal(name, *(sizes[s] for s in shape), scale=sizes[shape[-1]] ** -0.5 if shape else 1.0)
            for name, shape in net.parameters.items()
        }
        x = normal("x", T_x, B, sizes[net.x])
        out = None if net.yhat is None else (T_y, B, *(sizes[s] for s in net.yhat))
        y = None if out is None else np.asarray(self._targets(out), own.dtype)
        dyhat = None if out is None else normal("dyhat", *out)
        lengths = self._lengths
        for array, ends in zip((x, y, dyhat), (self._ends[0], *[self._ends[1]] * 2), strict=True):
            for b, end in enumerate(ends if array is not None else ()):
                array[end:, b] = np.nan
        dstates = {s: normal(f"d{s}", length, B, sizes[n]) for s, n in net.states.items()}
        initial = {s: normal(f"{s}0", B, sizes[n]) for s, n in net.states.items()}
        if own.cotangents == "some":
            dstates = self._some(dstates)
            dyhat = None if dstates and own.seed % 3 == 0 else dyhat
        steps = T_y if self.program.architecture in ("one-to-many", "encoder-decoder") else None
        kept = {"all": initial, "some": self._some(initial), "none": {}}[own.initial]
        return Data(params, x, y, kept, lengths, dyhat, dstates, steps)

    def _rng(self, name: str) -> np.random.Generator:
        """One for each array, so that a shorter program keeps the numbers of what it still has."""
        return np.random.default_rng([self.setting.seed, zlib.crc32(name.encode())])

    def _some(self, arrays: dict[str, Array]) -> dict[str, Array]:
        return {name: a for n, (name, a) in enumerate(arrays.items()) if (n + self.setting.seed) % 2}

    def _targets(self, shape: tuple[int, ...]) -> Array:
        """Of any sign for the squared error; else probabilities, 0 and 1 among them."""
        rng = self._rng("y")
        if self.oracle.loss == "squared_error":
            return rng.standard_normal(shape)
        drawn, kind = rng.uniform(0.1, 0.9, shape), rng.integers(0, 5, shape)
        return np.where(kind == 0, 0.0, np.where(kind == 1, 1.0, drawn))

    @cached_property
    def _lengths(self) -> Any:
        T_x, T_y, _ = self.counts
        made = [
            self._length(k, T, name)
            for k, T, name in zip(self.setting.lengths, (T_x, T_y), "xy", strict=True)
        ]
        match self.program.architecture:
            case "encoder-decoder":
                return None if made[0] is None and made[1] is None else tuple(made)
            case "one-to-many":
                return made[1]
            case _:
                return made[0]

    @property
    def _full(self) -> Any:
        T_x, T_y, _ = self.counts
        both = tuple(np.full(self.setting.B, T) for T in (T_x, T_y))
        paired = self.program.architecture == "encoder-decoder"
        return both if paired else both[self.program.architecture == "one-to-many"]

    def _length(self, kind: Lengths, T: int, name: str) -> Array | None:
        B = self.setting.B
        if isinstance(kind, tuple):
            return np.array(kind)
        drawn = {"none": None, "full": np.full(B, T), "ones": np.ones(B, int)}
        return drawn[kind] if kind in drawn else self._rng(f"lengths {name}").integers(1, T + 1, B)

    @cached_property
    def _ends(self) -> tuple[list[int], list[int]]:
        """The steps with an input and those with an output, of each example."""
        T_x, T_y, _ = self.counts
        B, given = self.setting.B, self._lengths
        match self.program.architecture:
            case "encoder-decoder":
                pair = given or (None, None)
            case "one-to-many":
                pair = (None, given)
            case "many-to-one":
                pair = (given, None)
            case _:
                pair = (given, given)
        x, y = ([T] * B if g is None else [int(n) for n in g] for g, T in zip(pair, (T_x, T_y), strict=True))
        return x, y

    # -- what is right

    @cached_property
    def _call(self) -> dict[str, Any]:
        d = self.data
        return {
            "sizes": self.setting.sizes,
            "params": d.params,
            "x": d.x,
            "y": d.y,
            "initial": d.initial,
            "lengths": d.lengths,
            "dyhat": np.zeros_like(d.y) if d.dyhat is None and d.y is not None else d.dyhat,
            "dstates": {name: d.dstates.get(name, nothing) for name, nothing in self._nothing.items()},
            "steps": d.steps,
        }

    @property
    def _nothing(self) -> dict[str, Array]:
        """What a cotangent that is left out counts as: 0, and 0 times an infinite slope is no number."""
        shape = (self.counts[2], self.setting.B)
        return {s: np.zeros((*shape, self.setting.sizes[n])) for s, n in self.oracle.states.items()}

    @cached_property
    def right(self) -> oracle.Result:
        return self.oracle.run(**self._call)

    @property
    def trouble(self) -> str:
        """Why nothing can be asked of this program, or "". At a kink itself a slope is what is said of it."""
        if not self.right.defined:
            return "not defined"
        largest = max((float(np.abs(v).max(initial=0.0)) for v in self.expected.values()), default=0.0)
        if largest > 1e30:
            return "too large"
        near = 0 < self.right.kink < KINK * float(np.finfo(self.setting.dtype).eps)
        return "near a kink" if near else ""

    @cached_property
    def expected(self) -> dict[str, Array]:
        """All results, by function and name."""
        r = self.right
        found = {} if r.loss is None else {"loss": np.asarray(r.loss), **r.gradients}
        found |= {} if r.yhat is None else {"forward yhat": r.yhat}
        found |= {f"forward {name}": value for name, value in r.states.items()}
        return found | {f"vjp {name}": value for name, value in r.vjp.items()}

    @cached_property
    def condition(self) -> Mapping[str, float]:
        return self.oracle.condition(**self._call)

    # -- what is asked

    def wanted(self, face: Interface) -> list[str]:
        names = [*face.parameters, "x", *(f"{s}0" for s in face.states)]
        return names if self.setting.wrt == "all" else names[self.setting.seed % 2 :: 2]

    def results(self, net: Network, full: bool = False) -> dict[str, Array]:
        """All that the network gives, with an axis for the examples. full: lengths are given, all full."""
        d, face, off = self.data, net.interface, not self.setting.batched
        lengths = self._full if full else d.lengths

        def cut(array: Array | None, axis: int = 1) -> Any:
            return None if array is None else array.squeeze(axis) if off else array

        def put(name: str, array: Any) -> Array:
            axis = {"x": 1, "yhat": 1} | {f"{s}0": 0 for s in face.states} | dict.fromkeys(face.states, 1)
            array = np.asarray(array)
            return np.expand_dims(array, axis[name]) if off and name in axis else array

        params = {name: d.params[name] for name in face.parameters}
        ends: Any = lengths
        if off and lengths is not None:
            ends = (
                tuple(None if n is None else int(n[0]) for n in lengths)
                if isinstance(lengths, tuple)
                else int(lengths[0])
            )
        more: dict[str, Any] = {"initial": {s: cut(a, 0) for s, a in d.initial.items()}, "lengths": ends}
        fed: dict[str, Any] = {"steps": d.steps} | ({"y": cut(d.y)} if face.feed == "target" else {})
        x, names, found = cut(d.x), self.wanted(face), {}
        if face.yhat is not None:
            loss, grads = net.loss_and_grad(params, x, cut(d.y), wrt=names, **more)
            found |= {"loss": np.asarray(loss)} | {n: put(n, g) for n, g in grads.items()}
            mean, grads = net.loss_and_grad(params, x, cut(d.y), reduction="mean", **more)
            B = self.setting.B
            found |= {"mean loss": np.asarray(mean * B)} | {
                f"mean {n}": put(n, g) * B for n, g in grads.items()
            }
        yhat, states = net.forward(params, x, **more, **fed)
        found |= {} if yhat is None else {"forward yhat": put("yhat", yhat)}
        found |= {f"forward {s}": put(s, a) for s, a in states.items()}
        pulled = net.vjp(
            params, x, cut(d.dyhat), {s: cut(a) for s, a in d.dstates.items()}, wrt=names, **more, **fed
        )
        return found | {f"vjp {n}": put(n, g) for n, g in pulled.items()}

    def wrong(self, found: Mapping[str, Array]) -> dict[str, float]:
        """What is not as the oracle has it, and how far off it is; conditions are measured only then."""
        bound = TOLERANCE[self.setting.dtype]
        off = {}
        for name, value in found.items():
            own = name.removeprefix("mean ")
            d = distance(value, self.expected[own])
            if not d <= bound and not d <= bound * self.condition[own]:
                off[name] = d
        return off

    def missing(self, face: Interface) -> dict[str, float]:
        """Parameters that the network lacks, though something depends on them."""
        lacking = set(self.oracle.parameters) - set(face.parameters)
        named = {n: v for n, v in self.expected.items() if n.removeprefix("vjp ") in lacking}
        return {f"no {n}": float(np.abs(v).max()) for n, v in named.items() if v.any()}


def distance(found: Array, expected: Array) -> float:
    """‖found − expected‖ / ‖expected‖, absolute where 0 is expected; ∞ if a shape or a NaN is in the way."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    if found.shape != expected.shape or not np.isfinite(found).all():
        return np.inf
    scale = max(float(np.abs(a).max(initial=0.0)) for a in (expected, found)) or 1.0
    error, size = np.linalg.norm(found / scale - expected / scale), np.linalg.norm(expected / scale)
    return float(error / size) if size else float(error * scale)
