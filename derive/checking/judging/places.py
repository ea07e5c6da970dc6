"""Where claims are tried: networks of several lengths and sizes at random points, kept for later claims.

Of each claim every number is known, and no size is one of them, nor one of the lengths; no two sizes are
equal by chance. A point is general (weights of both signs, no state zero, targets that do not sum to one), or
meets what a condition of `conditions` asks for.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import prod

import numpy as np

from chalkgrad.derive import choices
from chalkgrad.derive.cells.model import YHAT, Model
from chalkgrad.derive.checking.reading.scope import Scope
from chalkgrad.derive.deriving.derivation import Derivation, bptt
from chalkgrad.derive.deriving.extent import Extent, Steps, extent
from chalkgrad.derive.errors import ChoiceError
from chalkgrad.derive.terms.algebra import Shape, parameters
from chalkgrad.derive.values.fields import FLOATS, Array, Digits, exact
from chalkgrad.derive.values.network import Network, Point

LENGTHS = (3, 5, 1, 2, 4)  # of the trajectory, the first two those of every claim
PAIRS = ((2, 3), (3, 2), (2, 2), (1, 2), (2, 1), (3, 3), (1, 3), (3, 1), (1, 1))  # T_x and T_y
MAX_T = 12  # that may be given
_SMALL = 3  # steps of the network in many digits
DIGITS = 40
_TRIES = 60
_LARGE = 8  # 1 - tanh² of it is 5e-7: nine digits of float64 are left
_FIRST_SIZE = 4

SHARES, INSIDE, ZERO = "sum(y) = 1", "0 < yhat < 1", "{}[0] = 0"


@dataclass(frozen=True)
class Place:
    """Where networks are built: T, the sizes, and what the points meet; number: which of several points."""

    T: Steps
    sizes: tuple[tuple[str, int], ...]
    meets: frozenset[str] = frozenset()
    number: int = 0


@lru_cache(maxsize=32)
def scope_of(model: Model | Derivation) -> Scope:
    """The names of a model that has a loss. Raises ChoiceError."""
    derivation = model if isinstance(model, Derivation) else bptt(model)
    if derivation.loss is None:
        raise ChoiceError("model", "a model with an output, which has a loss", derivation.model.name)
    return Scope(derivation)


@lru_cache(maxsize=512)
def network(scope: Scope, place: Place, digits: int = 0) -> Network | None:
    """The network at a place, in float64 or in so many digits; None where no point has a finite loss."""
    field = Digits(digits) if digits else FLOATS
    found = _found(scope, place)
    return None if found is None else Network(scope.derivation, _extent(scope, place), found, field)


@lru_cache(maxsize=512)
def _found(scope: Scope, place: Place) -> Point | None:
    """The first of random points that suits the place; one where a state is zero as a whole if need be."""
    derivation, at = scope.derivation, _extent(scope, place)
    dull = None
    for attempt in range(_TRIES):
        seed = f"{place.number} {attempt} {sorted(place.sizes)} {place.T}"
        point = _drawn(derivation, at, random.Random(seed), attempt, place.meets)
        made = Network(derivation, at, point, FLOATS)
        if not _suits(made, place.meets):
            continue
        if made.lively:
            return point
        if dull is None:
            dull = point
    return dull


def _suits(made: Network, meets: Collection[str]) -> bool:
    """Whether losses are finite, and nothing is so large that functions lose their digits."""
    finite = all(made.field.finite(made.values[made.loss_name, t]) for t in made.loss_steps)
    small = all(np.max(np.abs(v)) < _LARGE for (name, _), v in made.values.items() if name != made.loss_name)
    if not finite or not small or INSIDE not in meets:
        return bool(finite and small)
    outputs = [v for (name, _), v in made.values.items() if name == YHAT]
    return all(bool(np.all((v > 0) & (v < 1))) for v in outputs)


def _extent(scope: Scope, place: Place) -> Extent:
    return extent(scope.derivation, place.T, dict(place.sizes), dict(place.sizes).__getitem__)


def _drawn(
    derivation: Derivation, at: Extent, rng: random.Random, attempt: int, meets: Collection[str]
) -> Point:
    """Numbers for everything. Of three attempts one has numbers of both signs; one beside them an output near
    1/2; one small and positive numbers, for a logarithm to read."""
    plan = derivation.schedule
    kind, scale = attempt % 3, Fraction(1, 2 ** (attempt // 6))
    kind = max(kind, 1) if INSIDE in meets else kind
    readout = _readout(derivation) if kind == 1 else frozenset()

    def numbers(shape: Shape, of: str = "") -> Array:
        lengths = at.shape(shape)
        count = prod(lengths)
        if of in readout:
            entries = [Fraction(rng.randint(29, 68), 97) for _ in range(count)]
            if len(shape) == 2:
                entries = [scale * entry * rng.choice((-1, 1)) / 16 for entry in entries]
        elif kind == 2:
            entries = [scale * Fraction(rng.randint(5, 40), 97) for _ in range(count)]
        else:
            entries = [scale * Fraction(rng.randint(13, 89) * rng.choice((-1, 1)), 97) for _ in range(count)]
        return exact(entries, *(lengths or (1,)))

    def target(shape: Shape) -> Array:
        entries = [Fraction(rng.randint(5, 96), 101) for _ in range(prod(at.shape(shape)))]
        whole = sum(entries) if SHARES in meets else 1
        return exact([entry / whole for entry in entries], len(entries))

    given = {}
    for state in plan.states:
        start = numbers(state.shape)
        given[state.name, 0] = 0 * start if ZERO.format(state.name) in meets else start
    given |= {(plan.x.name, t): numbers(plan.x.shape) for t in at.span(plan.x_steps)}
    if plan.y is not None and plan.y_steps is not None:
        given |= {(plan.y.name, t): target(plan.y.shape) for t in at.span(plan.y_steps)}
    return Point({p.name: numbers(p.shape, p.name) for p in plan.parameters}, given)


def _readout(derivation: Derivation) -> frozenset[str]:
    """The parameters that the output alone reads."""
    model, segments = derivation.model, derivation.schedule.segments
    own = {d.name for d in model.output}
    read = {mine: set[str]() for mine in (False, True)}
    for definition in (d for segment in segments for d in segment.definitions):
        read[definition.name in own] |= {p.name for p in parameters(definition.value)}
    return frozenset(read[True] - read[False])


# ----------------------------------------------------------------------------- lengths and sizes


@dataclass(frozen=True)
class Trials:
    """The places where one claim is tried, for the T that was given and for all others."""

    given: tuple[Place, ...]
    others: tuple[Place, ...]

    @property
    def all(self) -> tuple[Place, ...]:
        return self.given + self.others


@lru_cache(maxsize=256)
def trials(
    scope: Scope, T: Steps, sizes: tuple[tuple[str, int], ...], numbers: frozenset[int], far: int
) -> Trials:
    """Where to try a claim with these numbers, and steps up to `far`. T, sizes: as given, or None and ()."""
    lengths = [*_lengths(scope.derivation, far)]
    shapes = list(_sizes(scope, sizes, numbers, lengths, T))
    given = tuple(Place(T, shape) for shape in shapes[:2]) if T is not None else ()
    others: list[Place] = []
    for number, length in enumerate(n for n in lengths if T is None or n != T):
        chosen = shapes[:2] if number == 0 else [shapes[number % len(shapes)]]
        others.extend(Place(length, shape) for shape in chosen)
    return Trials(given, tuple(others))


def _lengths(derivation: Derivation, far: int) -> list[Steps]:
    """Of the trajectory, the longest beyond every number that the claim names."""
    if derivation.model.architecture == choices.ONE_TO_ONE:
        return [None]
    two = derivation.model.architecture == choices.ENCODER_DECODER
    if two:
        pairs = list(PAIRS)
        return [*pairs, (far + 2, 2), (2, far + 2)] if far > 2 else [*pairs]
    return [*LENGTHS, far + 2] if far > max(LENGTHS) - 2 else [*LENGTHS]


def _sizes(
    scope: Scope,
    given: tuple[tuple[str, int], ...],
    numbers: Collection[int],
    lengths: Sequence[Steps],
    T: Steps,
) -> Iterator[tuple[tuple[str, int], ...]]:
    """Two sets of sizes, all different and none a number of the claim or a length, and one of one output."""
    derivation = scope.derivation
    taken = {*numbers, *_flat(lengths), *_flat([T])}
    free = [n for n in range(_FIRST_SIZE, _FIRST_SIZE + 200) if n not in taken]
    names, fixed = list(derivation.model.sizes), dict(given)
    outputs = () if derivation.schedule.y is None else derivation.schedule.y.shape

    def tied(sizes: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
        found = dict(sizes)
        for one, other in derivation.schedule.tied:
            found[one] = found[other] = fixed.get(one, fixed.get(other, found[other]))
        return tuple({**found, **fixed}.items())

    first = dict(zip(names, free, strict=False))
    second = dict(zip(reversed(names), free[1:], strict=False))
    yield tied(first)
    yield tied(second)
    yield tied({**first, **dict.fromkeys(outputs, 1)})


def _flat(lengths: Sequence[Steps]) -> Iterator[int]:
    for length in lengths:
        if isinstance(length, tuple):
            yield from (*length, sum(length))
        elif length is not None:
            yield length


def steps(derivation: Derivation, T: object) -> Steps:
    """T as networks take it: one number counts for both networks of an encoder-decoder; None where there is
    one step. Raises ChoiceError."""
    if T is None:
        return None
    whole = isinstance(T, int) and not isinstance(T, bool)
    match derivation.model.architecture:
        case choices.ONE_TO_ONE:
            return extent(derivation, T, None, lambda name: 1) and None  # type: ignore[arg-type, return-value]
        case choices.ENCODER_DECODER if whole:
            T = (T, T)
        case _:
            pass
    numbers = T if isinstance(T, tuple) else (T,)
    if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 1 for n in numbers):
        raise ChoiceError("T", "a positive integer, or two for an encoder-decoder", T)
    if sum(n for n in numbers if isinstance(n, int)) > MAX_T:
        raise ChoiceError("T", f"at most {MAX_T} steps", T)
    extent(derivation, T, None, lambda name: 1)  # type: ignore[arg-type]
    return T  # type: ignore[return-value]


def confirming(scope: Scope, T: Steps, meets: frozenset[str], far: int) -> Place:
    """Where what holds in float64 is worked out once more, in many digits: a small network."""
    derivation = scope.derivation
    if T is None:
        match derivation.model.architecture:
            case choices.ONE_TO_ONE:
                pass
            case choices.ENCODER_DECODER:
                T = (2, 1)
            case _:
                T = max(_SMALL, far) if far <= MAX_T else _SMALL
    sizes = {name: number for number, name in enumerate(derivation.model.sizes, start=2)}
    for one, other in derivation.schedule.tied:
        sizes[one] = sizes[other]
    return Place(T, tuple(sizes.items()), meets)
