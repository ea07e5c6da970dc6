"""A network: a file, an architecture, a feed, a loss; and running it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from flint import ctx
from numpy.typing import ArrayLike, NDArray

from tests.oracle import language, layout, losses
from tests.oracle.balls import Doubt, Rounding
from tests.oracle.condition import condition
from tests.oracle.errors import OracleError
from tests.oracle.forward import Call, Forward
from tests.oracle.language import Cell, ModelFile, Shape

Array = NDArray[np.float64]
Lengths = ArrayLike | tuple[ArrayLike | None, ArrayLike | None] | None

PRECISIONS = (320, 768, 1536, 6144, 20480)
"""Bits, tried in turn until every result is sharp."""


@dataclass(frozen=True)
class Result:
    """See `tests.oracle`."""

    loss: float | None
    yhat: Array | None
    states: dict[str, Array]
    gradients: dict[str, Array]
    vjp: dict[str, Array]
    kink: float
    defined: bool


def load(
    text_or_path: str | Path,
    architecture: str = "many-to-many",
    feed: str = "none",
    loss: str = "auto",
    **functions: str,
) -> Network:
    """A model file's text (with a newline), a built-in name, or a path."""
    layout.check_choice(architecture, feed)
    file = language.read(language.text_of(text_or_path), functions)
    return Network(file, architecture, feed, loss)


class Network:
    """sizes, parameters, states, x, yhat, loss: names and shapes; `run` and `condition`."""

    def __init__(self, file: ModelFile, architecture: str, feed: str, kind: str) -> None:
        self.architecture, self.feed = architecture, feed
        cell = language.cell_of(file, {})
        self.sizes = dict(file.sizes)
        self.states = dict(file.states)
        self.x = file.x
        self.yhat: Shape | None = cell.output["yhat"].shape if cell.output else None
        self.loss: str | None = None
        if self.yhat is not None:
            equations = {**cell.equations, **cell.output}
            self.loss = losses.chosen(kind, file.kinds, losses.outermost(equations["yhat"], equations))
        elif kind != "auto":
            raise OracleError(f"the file has no output, loss is {kind!r}")
        if feed != "none" and (self.yhat is None or len(self.yhat) != 1):
            raise OracleError(f"feed {feed!r} needs an output that is a vector, not {self.yhat}")
        self.parameters: dict[str, Shape] = dict(file.parameters)
        self.cells: dict[str, Cell] = {"": cell}
        if architecture == "encoder-decoder":
            fed = {self.x: self.yhat[0]} if feed != "none" and self.yhat else {}
            self.cells = {"enc_": cell, "dec_": language.cell_of(file, fed)}
            self.parameters = {f"enc_{p}": s for p, s in file.parameters.items() if p not in cell.output_only}
            for name, shape in file.parameters.items():
                self.parameters[f"dec_{name}"] = tuple(fed.get(size, size) for size in shape)

    def run(
        self,
        sizes: Mapping[str, int],
        params: Mapping[str, ArrayLike],
        x: ArrayLike,
        y: ArrayLike | None = None,
        *,
        initial: Mapping[str, ArrayLike] | None = None,
        lengths: Lengths = None,
        dyhat: ArrayLike | None = None,
        dstates: Mapping[str, ArrayLike] | None = None,
        steps: int | None = None,
        seed: int | None = None,
    ) -> Result:
        """Everything, at the lowest precision of PRECISIONS that makes it sharp.

        x (T_x, B, n_x), y and dyhat (T_y, B, *n), initial (B, n), dstates (T, B, n); a seed nudges them.
        Raises OracleError for a call that does not fit, and for results that no precision makes sharp.
        """
        call = self.checked(sizes, params, x, y, initial, lengths, dyhat, dstates, steps)
        before = ctx.prec
        try:
            for bits in PRECISIONS:
                ctx.prec = bits
                result, rounding, doubt = self.attempt(call, seed)
                if doubt.singular or (rounding.sharp and not (doubt.undecided or doubt.undecided_kink)):
                    return result
        finally:
            ctx.prec = before
        if not rounding.sharp and not doubt.undecided:
            raise OracleError(f"results are not sharp at {PRECISIONS[-1]} bits")
        return result

    def condition(
        self,
        sizes: Mapping[str, int],
        params: Mapping[str, ArrayLike],
        x: ArrayLike,
        y: ArrayLike | None = None,
        **same: Any,
    ) -> dict[str, float]:
        """How much larger the relative change of a result is than that of the numbers behind it; as `run`."""
        return condition(lambda seed: self.run(sizes, params, x, y, seed=seed, **same))

    def attempt(self, call: Call, seed: int | None) -> tuple[Result, Rounding, Doubt]:
        """One run at the present precision."""
        forward = Forward(self.cells, self.loss, call, seed)
        rounding = Rounding()
        batch = call.x.shape[1]
        shapes = {name: value.shape for name, value in call.parameters.items()}
        shapes |= {"x": call.x.shape} | {f"{name}0": value.shape for name, value in call.initial.items()}
        states = {
            name: rounding.array(
                (v for t in range(call.T) for b in range(batch) for v in forward.states[b][t][name].value),
                (call.T, *value.shape),
            )
            for name, value in call.initial.items()
        }
        yhat = None
        if call.yhat_shape is not None:
            yhat = np.zeros(call.yhat_shape)
            for b, outputs in enumerate(forward.yhat):
                for index, node in outputs.items():
                    yhat[index, b] = rounding.array(node.value, yhat.shape[2:])
        loss, gradients = None, {}
        if self.loss is not None and call.y is not None:
            loss = rounding.number(forward.seed_loss())
            gradients = {n: rounding.array(g, shapes[n]) for n, g in forward.gradients().items()}
            forward.tape.forget()
        vjp = {n: np.zeros(shape) for n, shape in shapes.items()}
        if call.dyhat is not None or call.dstates:
            forward.seed_cotangents()
            vjp = {n: rounding.array(g, shapes[n]) for n, g in forward.gradients().items()}
        doubt = forward.tape.doubt
        kink = 0.0 if doubt.undecided_kink else forward.tape.kink
        defined = rounding.finite and not doubt.singular and not doubt.undecided
        return Result(loss, yhat, states, gradients, vjp, kink, defined), rounding, doubt

    def checked(
        self,
        sizes: Mapping[str, int],
        params: Mapping[str, ArrayLike],
        x: ArrayLike,
        y: ArrayLike | None,
        initial: Mapping[str, ArrayLike] | None,
        lengths: Lengths,
        dyhat: ArrayLike | None,
        dstates: Mapping[str, ArrayLike] | None,
        steps: int | None,
    ) -> Call:
        """The call with every shape looked at; what is missing of params and initial is 0."""
        sizes = self.all_sizes(sizes)
        initial, dstates = initial or {}, dstates or {}
        for what, given, known in (
            ("params", params, self.parameters),
            ("initial", initial, self.states),
            ("dstates", dstates, self.states),
        ):
            if unknown := set(given) - set(known):
                raise OracleError(f"{what}: {sorted(unknown)} is not among {list(known)}")
        found = np.asarray(x, np.float64)
        if found.ndim != 3 or found.shape[2] != sizes[self.x]:
            raise OracleError(f"x: (T_x, B, {sizes[self.x]}), not {found.shape}")
        T_x, batch = found.shape[:2]
        if T_x != 1 and self.architecture in ("one-to-one", "one-to-many"):
            raise OracleError(f"x: one step for {self.architecture}, not {T_x}")
        T_y = self.output_steps(T_x, y, dyhat, dstates, steps)
        T = T_x + T_y if self.architecture == "encoder-decoder" else max(T_x, T_y)
        outputs = None
        if self.yhat is not None:
            outputs = (T_y, batch, *(sizes[n] for n in self.yhat))
        elif y is not None or dyhat is not None:
            raise OracleError("y, dyhat: the file has no output")
        if self.feed == "target" and y is None:
            raise OracleError("y: feed 'target' reads it")
        return Call(
            parameters={
                name: _shaped(name, params.get(name), tuple(sizes[n] for n in shape))
                for name, shape in self.parameters.items()
            },
            x=found,
            y=None if y is None or outputs is None else _shaped("y", y, outputs),
            initial={
                name: _shaped(f"initial {name}", initial.get(name), (batch, sizes[n]))
                for name, n in self.states.items()
            },
            dyhat=None if dyhat is None or outputs is None else _shaped("dyhat", dyhat, outputs),
            dstates={
                name: _shaped(f"dstates {name}", value, (T, batch, sizes[self.states[name]]))
                for name, value in dstates.items()
            },
            steps=self.live_steps(lengths, batch, T_x, T_y),
            T=T,
            n_zero=sizes[self.x if self.feed == "none" or not self.yhat else self.yhat[0]],
            yhat_shape=outputs,
        )

    def all_sizes(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """With what a feed makes equal: n_x and n_y for one-to-many, and for a decoder's states of n_x."""
        found = dict(sizes)
        if self.feed != "none" and self.yhat:
            pair = (self.x, self.yhat[0])
            if self.architecture == "one-to-many" or self.x in self.states.values():
                for one, other in (pair, pair[::-1]):
                    found.setdefault(one, found.get(other, 0))
                if found[pair[0]] != found[pair[1]]:
                    raise OracleError(f"feed {self.feed!r} needs {pair[0]} = {pair[1]}, not {found}")
        needed = {n for shape in (*self.parameters.values(), self.yhat or ()) for n in shape}
        if missing := (needed | {self.x, *self.states.values()}) - set(found):
            raise OracleError(f"sizes: {sorted(missing)} missing")
        return found

    def output_steps(
        self,
        T_x: int,
        y: ArrayLike | None,
        dyhat: ArrayLike | None,
        dstates: Mapping[str, ArrayLike],
        steps: int | None,
    ) -> int:
        """T_y: given by T_x, or else by y, dyhat, dstates or steps, which have to agree."""
        if self.architecture in ("one-to-one", "many-to-many"):
            return T_x
        if self.architecture == "many-to-one":
            return 1
        before = T_x if self.architecture == "encoder-decoder" else 0
        told = {len(np.asarray(a)) for a in (y, dyhat) if a is not None}
        told |= {len(np.asarray(a)) - before for a in dstates.values()}
        told |= {steps} if steps is not None else set()
        if len(told) != 1 or min(told) < 1:
            raise OracleError(f"steps: y, dyhat, dstates and steps tell one T_y, not {sorted(told)}")
        return told.pop()

    def live_steps(
        self, lengths: Lengths, batch: int, T_x: int, T_y: int
    ) -> tuple[tuple[layout.Step, ...], ...]:
        """For each example the steps within its lengths."""
        pair: Sequence[Any] = (lengths, None)
        match self.architecture:
            case "encoder-decoder" if lengths is None:
                pair = (None, None)
            case "encoder-decoder":
                if not isinstance(lengths, tuple | list) or len(lengths) != 2:
                    raise OracleError("lengths: a pair for the encoder and the decoder")
                pair = lengths
            case "one-to-many":
                pair = (None, lengths)
        n_in, n_out = (_lengths(given, batch, T) for given, T in zip(pair, (T_x, T_y), strict=True))
        return tuple(
            tuple(layout.steps(self.architecture, self.feed, i, o, T_x))
            for i, o in zip(n_in, n_out, strict=True)
        )


def _lengths(given: ArrayLike | None, batch: int, T: int) -> list[int]:
    found = np.full(batch, T) if given is None else np.asarray(given)
    if found.shape != (batch,) or not ((found >= 1) & (found <= T)).all():
        raise OracleError(f"lengths: ({batch},) integers in 1..{T}, not {given!r}")
    return [int(n) for n in found]


def _shaped(name: str, value: ArrayLike | None, shape: tuple[int, ...]) -> Array:
    found = np.zeros(shape) if value is None else np.asarray(value, np.float64)
    if found.shape != shape:
        raise OracleError(f"{name}: {shape}, not {found.shape}")
    return found
