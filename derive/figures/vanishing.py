"""Vanishing and exploding gradients in numbers: what reaches a loss through each step before it.

For one loss ‖∂L⟨t⟩/∂W via step k‖, the Frobenius norm of the derivative with respect to W at step k alone,
and ‖∂s⟨t⟩/∂s⟨k⟩‖, the largest singular value of the product of the Jacobians from k to t, where s stacks
what a step hands on. Both come from the adjoint equations of the derivation, walked backwards once for all
losses and all scales of the recurrent weights: every number of the walk is an array over them. Pascanu,
Mikolov and Bengio 2013, section 2, is about these two norms.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

import numpy as np

from chalkgrad.derive import choices
from chalkgrad.derive.cells.model import YHAT
from chalkgrad.derive.chaining.chain import chain
from chalkgrad.derive.deriving.derivation import LOSS, OUTSIDE, Derivation, Sum, Term
from chalkgrad.derive.deriving.extent import Extent, Steps, extent
from chalkgrad.derive.figures.wiring import CELL, INITIAL, wiring
from chalkgrad.derive.terms.algebra import Parameter, Symbol
from chalkgrad.derive.values.arrays import Arrays
from chalkgrad.derive.values.points import finite
from chalkgrad.derive.values.walk import Data, Tensor, Walk, named_equations

Array: TypeAlias = Any  # numpy array of floats
SCALES = (0.5, 1.0, 1.6)
SIZE, MOST_STEPS = 5, 16
TRIES = 12


@dataclass(frozen=True)
class Strength:
    """What happens with recurrent weights of one scale.

    contributions[i][k - 1]: ‖∂L⟨t⟩/∂W via step k‖ for the i-th step t with a loss, None where k > t or the
    step k has no W. jacobians[t - 1][k - 1]: ‖∂s⟨t⟩/∂s⟨k⟩‖, 1 for k = t, None for k > t.
    """

    scale: float
    contributions: tuple[tuple[float | None, ...], ...]
    jacobians: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True)
class Vanishing:
    """parameter: W. through: the components of s. scaled: the parameters whose scale differs.

    loss: the name of the loss of one step; losses: the steps t that have one. sizes: those of the network.
    """

    parameter: str
    through: tuple[str, ...]
    scaled: tuple[str, ...]
    loss: str
    losses: tuple[int, ...]
    length: int
    sizes: Mapping[str, int]
    strengths: tuple[Strength, ...]


def vanishing(
    derivation: Derivation,
    T: Steps = None,
    sizes: Mapping[str, int] | None = None,
    scales: Sequence[float] = SCALES,
    parameter: str | None = None,
    seed: int = 0,
) -> Vanishing | None:
    """Both norms in a network with random weights, for each scale of the recurrent ones.

    T: 16 by default, 8 and 8 for the encoder–decoder. sizes: 5 where missing. parameter: by default the one
    that `derive.chain` takes. A recurrent matrix is `scale` times one with orthonormal rows or columns.
    None where there is no loss, a single step, no parameter, or no finite loss at any point tried. Raises
    ChoiceError.
    """
    if derivation.loss is None or not derivation.schedule.parameters:
        return None
    if derivation.model.architecture == choices.ONE_TO_ONE:
        return None
    half = (MOST_STEPS // 2, MOST_STEPS // 2)
    longest: Steps = half if derivation.model.architecture == choices.ENCODER_DECODER else MOST_STEPS
    at = extent(derivation, longest if T is None else T, sizes, lambda _: SIZE)
    of = chain(derivation, parameter=parameter).parameter
    scaled = recurrent(derivation)
    chosen = tuple(scales) if scaled else (1.0,)

    def tried(attempt: int) -> tuple[_Backwards, dict[int, Array], Array] | None:
        rng = random.Random(f"{seed} {attempt}")
        data = drawn(derivation, at, scaled, chosen, rng, modest=attempt % 2 == 1)
        with np.errstate(all="ignore"):
            walk = _Backwards(derivation, at, data)
            contributions, jacobians = walk.contributions(of), walk.jacobians()
        whole = all(np.isfinite(v).all() for v in (*contributions.values(), jacobians))
        return (walk, contributions, jacobians) if whole else None

    found = next(finite(TRIES, tried), None)
    if found is None:
        return None
    walk, contributions, jacobians = found
    strengths = tuple(
        _strength(walk, scale, {k: v[i] for k, v in contributions.items()}, jacobians[i])
        for i, scale in enumerate(chosen)
    )
    through = tuple(s.name for s in walk.carried)
    losses, name = tuple(walk.output_steps), derivation.loss.name
    return Vanishing(of.name, through, scaled, name, losses, walk.length, dict(at.sizes), strengths)


def _strength(
    walk: _Backwards, scale: float, contributions: Mapping[int, Array], jacobians: Array
) -> Strength:
    steps = range(1, walk.length + 1)
    by_loss = tuple(
        tuple(float(contributions[k][i]) if k <= t and k in contributions else None for k in steps)
        for i, t in enumerate(walk.output_steps)
    )
    by_step = tuple(tuple(float(jacobians[t - 1, k - 1]) if k <= t else None for k in steps) for t in steps)
    return Strength(scale, by_loss, by_step)


# ----------------------------------------------------------------------------- a network at random


def recurrent(derivation: Derivation) -> tuple[str, ...]:
    """The parameters that multiply what the step before hands on, as it is or inside an intermediate."""
    at = extent(derivation, None, None, lambda _: 1)
    wires = wiring(derivation, at).wires
    handed = (w for w in wires if w.lag and w.source.kind in (INITIAL, CELL) and w.target.kind == CELL)
    return tuple(dict.fromkeys(name for w in handed for name in w.parameters))


def drawn(
    derivation: Derivation,
    at: Extent,
    scaled: Sequence[str],
    scales: Sequence[float],
    rng: random.Random,
    modest: bool = False,
) -> Data[Array]:
    """Parameters, initial states, inputs and targets; entries of a scaled parameter are (scales, 1).

    modest: all positive and small, so that a logarithm finds something to read.
    """
    plan = derivation.schedule
    factors = np.array(scales, dtype=float).reshape(-1, 1)

    def numbers(shape: tuple[int, ...], size: float) -> list[float]:
        return [rng.uniform(0.1, 0.4) if modest else size * rng.gauss(0, 1) for _ in range(prod(shape))]

    def parameter(name: str, shape: tuple[int, ...]) -> Tensor[Array]:
        if name in scaled:
            unit = _orthonormal(shape, numbers(shape, 1.0), modest)
            return Tensor(shape, tuple(entry * factors for entry in unit))
        size = 1 / shape[1] ** 0.5 if len(shape) == 2 else 0.2
        return Tensor(shape, tuple(numbers(shape, size)))

    def vectors(shape: tuple[int, ...], count: int) -> dict[int, Tensor[Array]]:
        return {k: Tensor(shape, tuple(numbers(shape, 0.5))) for k in range(1, count + 1)}

    parameters = {p.name: parameter(p.name, at.shape(p.shape)) for p in plan.parameters}
    initial = {s.name: Tensor(at.shape(s.shape), tuple(numbers(at.shape(s.shape), 0.5))) for s in plan.states}
    x = vectors(at.shape(plan.x.shape), at.steps(plan.x_steps[1]))
    y: dict[int, Tensor[Array]] = {}
    if plan.y is not None and plan.y_steps is not None:
        shape = at.shape(plan.y.shape)
        for k in range(1, at.steps(plan.y_steps[1]) + 1):
            y[k] = Tensor(shape, tuple(rng.uniform(0.1, 0.9) for _ in range(prod(shape))))
    return Data(parameters, initial, x, y)


def _orthonormal(shape: tuple[int, ...], numbers: Sequence[float], modest: bool) -> list[float]:
    """A matrix with orthonormal rows or columns, whichever are fewer; of anything else the signs."""
    if len(shape) != 2:
        return [1.0 if number > 0 else -1.0 for number in numbers]
    matrix = np.array(numbers).reshape(shape)
    if modest:
        return list((matrix / np.linalg.norm(matrix, 2)).ravel())
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    return list((left @ right).ravel())


# ----------------------------------------------------------------------------- the walk


class _Backwards(Walk[Array]):
    """A network forwards, its adjoint equations backwards for several seeds beside each other.

    Entries are (scales, 1) forwards and (scales, seeds) backwards. What each step hands back is kept apart,
    and so are the steps at which W is used.
    """

    def __init__(self, derivation: Derivation, at: Extent, data: Data[Array]) -> None:
        super().__init__(derivation, named_equations(derivation), at, Arrays(), data)
        plan = derivation.schedule
        written = {f.target.name: f.target for p in derivation.phases for f in p.forward}
        names = [s.name for s in plan.states] + [YHAT] * (YHAT in derivation.carried)
        self.carried = tuple(written[name] for name in names if name in written)
        self.length = at.steps(plan.length)
        self._seeds: Mapping[int, Array] = {}
        self._handed: dict[tuple[str, int], Tensor[Array]] = {}
        self._uses: dict[int, Tensor[Array]] = {}

    def contributions(self, of: Parameter) -> dict[int, Array]:
        """k → ‖∂L⟨t⟩/∂W via step k‖, Frobenius, (scales, losses)."""
        count = len(self.output_steps)
        self._reset({t: np.eye(count)[i : i + 1] for i, t in enumerate(self.output_steps)})
        self.backward(LOSS, wrt=(of.name,))
        return {k: self._spread(_frobenius(tensor.entries), count) for k, tensor in self._uses.items()}

    def jacobians(self) -> Array:
        """‖∂s⟨t⟩/∂s⟨k⟩‖, the largest singular value, (scales, t, k); 1 for t = k, 0 for t < k."""
        rows = [(s, i) for s in self.carried for i in range(prod(self.extent.shape(s.shape)))]
        seeds = np.eye(self.length * len(rows)).reshape(self.length, len(rows), -1)
        outside = {
            (s.name, t): Tensor(
                self.extent.shape(s.shape),
                tuple(seeds[t - 1, j : j + 1] for j, (own, _) in enumerate(rows) if own == s),
            )
            for s in self.carried
            for t in range(1, self.length + 1)
        }
        self._reset({})
        self.backward(OUTSIDE, outside, wrt=())
        found = np.stack([self._stacked(k, rows) for k in range(1, self.length + 1)], axis=2)
        norms = np.full(found.shape[:3], np.nan)
        finite = np.isfinite(found).all(axis=(3, 4))
        norms[finite] = np.linalg.norm(found[finite], ord=2, axis=(1, 2))
        steps = np.arange(self.length)
        norms[:, steps, steps] = 1.0
        return norms

    def _stacked(self, k: int, rows: Sequence[tuple[Symbol, int]]) -> Array:
        """∂s⟨t⟩/∂s⟨k⟩ for all t > k: (scales, t, rows, columns); zero elsewhere."""
        columns = []
        for symbol, i in rows:
            handed = self._handed.get((symbol.name, k))
            column = self._spread(0.0 if handed is None else handed.entries[i], self.length * len(rows))
            columns.append(column.reshape(-1, self.length, len(rows)))
        return np.stack(columns, axis=3)

    def _spread(self, value: Array, seeds: int) -> Array:
        return np.broadcast_to(value, (self._scales, seeds))

    @property
    def _scales(self) -> int:
        entries = (e for tensor in self._data.parameters.values() for e in tensor.entries)
        return max(np.shape(e)[0] if np.ndim(e) else 1 for e in entries)

    def _reset(self, seeds: Mapping[int, Array]) -> None:
        self._seeds, self._handed, self._uses = seeds, {}, {}

    def part(self, part: Term | Sum, t: int) -> Tensor[Array]:
        """What starts at the loss of step t only counts for that one."""
        value = super().part(part, t)
        if part.seed != LOSS:
            return value
        return Tensor(value.shape, tuple(e * self._seeds[t] for e in value.entries))

    def arrive(self, name: str, t: int, lag: int, part: Tensor[Array]) -> None:
        super().arrive(name, t, lag, part)
        if lag:
            self._add(self._handed, (name, t - lag), part)

    def use(self, name: str, t: int, part: Tensor[Array]) -> None:
        self._add(self._uses, t, part)

    def _add(self, to: dict[Any, Tensor[Array]], key: object, value: Tensor[Array]) -> None:
        to[key] = self._sum(to[key], value) if key in to else value


def _frobenius(entries: Iterable[Array]) -> Array:
    return np.sqrt(sum(e * e for e in entries))
