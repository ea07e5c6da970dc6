"""One set of arguments for every function of a network, and the interpreter behind its interface."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from chalkgrad import derive
from chalkgrad.codegen.c.source import Source
from chalkgrad.codegen.calling.network import Network
from chalkgrad.codegen.lowering.lower import derived, functions_of, interface, lower
from chalkgrad.codegen.program.interface import Array, Arrays, Counts, Interface
from chalkgrad.codegen.program.interpret import interpret
from chalkgrad.codegen.program.ir import Program

T, T_Y, B = 3, 4, 7  # T_Y: the steps of a decoder


class Interpreted:
    """The backend that interprets programs of any level, one for each function.

    What a program reads though its function is not given it is NaN: dead code must not reach a result.
    """

    def __init__(self, programs: Mapping[str, Program], sizes: Mapping[str, int]) -> None:
        self._programs, self._sizes = programs, sizes

    def run(self, function: str, counts: Counts, arrays: Arrays) -> None:
        interpret(self._programs[function], self._sizes, counts, arrays)

    def prepare(self, function: str, counts: Counts, arrays: Arrays) -> Callable[[], None]:
        return partial(self.run, function, counts, arrays)


def interpreted(face: Interface, programs: Mapping[str, Program]) -> Network:
    assert face.sizes is not None
    return Network(face, Interpreted(programs, face.sizes))


def interface_of(
    model: derive.Model | derive.Derivation, sizes: Mapping[str, int], dtype: str = "float64"
) -> Interface:
    """The interface with its sizes, T free."""
    derivation = derived(model)
    return replace(interface(derivation.model, derivation.schedule), sizes=dict(sizes), dtype=dtype)


def lowered(model: derive.Model | derive.Derivation) -> dict[str, Program]:
    """function → program, as `codegen.lowering.lower` gives it."""
    derivation = derived(model)
    return {f: lower(derivation, f) for f in functions_of(derivation)}


@dataclass(frozen=True)
class Arguments:
    """What the functions of one network are called with."""

    params: Mapping[str, Array]
    x: Array
    y: Array | None
    initial: Mapping[str, Array]
    dyhat: Array | None
    dstates: Mapping[str, Array]
    lengths: Any
    steps: int | None


def arguments(
    face: Interface, seed: int = 0, lengths: bool = False, dtype: Any = np.float64, B: int = B
) -> Arguments:
    """Random arguments: no value is zero, no two counts or sizes are equal, no matrix is symmetric."""
    assert face.sizes is not None
    rng = np.random.default_rng(seed)
    sizes = dict(face.sizes)
    T_x, T_y, length = steps(face)

    def normal(*shape: int) -> Array:
        return np.asarray(rng.standard_normal(shape), dtype)

    params = {
        name: normal(*(sizes[s] for s in shape))
        / np.asarray(np.sqrt(sizes[shape[-1]] if shape else 1), dtype)
        for name, shape in face.parameters.items()
    }
    out = None if face.yhat is None else (T_y, B, *(sizes[s] for s in face.yhat))
    return Arguments(
        params=params,
        x=normal(T_x, B, sizes[face.x]),
        y=None if out is None else np.asarray(rng.uniform(0.1, 0.9, out), dtype),
        initial={s: normal(B, sizes[n]) for s, n in face.states.items()},
        dyhat=None if out is None else normal(*out),
        dstates={s: normal(length, B, sizes[n]) for s, n in face.states.items()},
        lengths=_lengths(face, rng, (T_x, T_y, B)) if lengths else None,
        steps=T_y if face.architecture in ("one-to-many", "encoder-decoder") else None,
    )


def steps(face: Interface) -> tuple[int, int, int]:
    """T_x, T_y and the length of the trajectory."""
    match face.architecture:
        case "one-to-one":
            return 1, 1, 1
        case "one-to-many":
            return 1, T, T
        case "many-to-one":
            return T, 1, T
        case "encoder-decoder":
            return T, T_Y, T + T_Y
        case _:
            return T, T, T


def fixed(face: Interface) -> Interface:
    """The interface with the numbers of steps that `arguments` makes."""
    T_x, T_y, length = steps(face)
    return replace(face, T=(T_x, T_y) if face.architecture == "encoder-decoder" else length)


def _lengths(face: Interface, rng: np.random.Generator, counts: tuple[int, int, int]) -> Any:
    T_x, T_y, B = counts

    def some(most: int) -> Array:
        lengths = rng.permutation(np.array([most, *rng.integers(1, most + 1, B - 1)]))
        return np.asarray(lengths, np.intp)

    match face.architecture:
        case "encoder-decoder":
            return some(T_x), some(T_y)
        case "one-to-many":
            return some(T_y)
        case _:
            return some(T_x)


def everything(network: Network, a: Arguments) -> dict[str, Array]:
    """All that the network's functions compute, by name."""
    face = network.interface
    names = [*face.parameters, "x", *(f"{s}0" for s in face.states)]
    fed: dict[str, Any] = {"y": a.y} if face.feed == "target" else {}
    more: dict[str, Any] = {"initial": a.initial, "lengths": a.lengths}
    yhat, states = network.forward(a.params, a.x, steps=a.steps, **fed, **more)
    vjp = network.vjp(a.params, a.x, a.dyhat, a.dstates, wrt=names, steps=a.steps, **fed, **more)
    results = {f"states.{n}": s for n, s in states.items()} | {f"vjp {n}": g for n, g in vjp.items()}
    if yhat is not None:
        assert a.y is not None
        loss, grads = network.loss_and_grad(a.params, a.x, a.y, wrt=names, **more)
        results |= {"yhat": yhat, "loss": np.asarray(loss)} | {f"d {n}": g for n, g in grads.items()}
    return results


def in_slices(source: Source, size: int) -> Source:
    """The same C but for how many examples make a slice."""
    head = r"(static size_t slice\(size_t steps, size_t B, size_t bytes, size_t work\)\n\{)"
    code, count = re.subn(head, rf"\1\n    if (steps + bytes + work) return least({size}, B);", source.code)
    assert count == 1
    return replace(source, code=code)


def compare(expected: Mapping[str, Array], received: Mapping[str, Array], tolerance: float) -> None:
    """Every tensor norm-wise; infinities and NaN in the same places."""
    assert list(expected) == list(received)
    for name, value in expected.items():
        other = received[name]
        assert value.shape == other.shape, name
        assert np.array_equal(np.isfinite(value), np.isfinite(other)), (name, value, other)
        finite = np.isfinite(value)
        scale = max(1.0, float(np.abs(value[finite]).max(initial=0.0)))
        difference = float(np.abs(value[finite] - other[finite]).max(initial=0.0))
        assert difference <= tolerance * scale, (name, difference, value, other)
