"""Concrete numbers for T and for the sizes, checked; which steps a segment of a schedule computes at."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy

from chalkgrad.derive import choices
from chalkgrad.derive.deriving.architecture import Segment, T_x, T_y
from chalkgrad.derive.deriving.architecture import T as _T
from chalkgrad.derive.deriving.derivation import Derivation
from chalkgrad.derive.errors import ChoiceError
from chalkgrad.derive.terms.algebra import Shape

Steps = int | tuple[int, int] | None  # T, or (T_x, T_y) for the encoder–decoder; None: the default


@dataclass(frozen=True)
class Extent:
    """Concrete numbers for T (or T_x and T_y) and for every size."""

    times: Mapping[sympy.Symbol, int]
    sizes: Mapping[str, int]

    def steps(self, value: sympy.Expr) -> int:
        return int(value.xreplace({t: sympy.Integer(n) for t, n in self.times.items()}))

    def shape(self, shape: Shape) -> tuple[int, ...]:
        return tuple(self.sizes[size] for size in shape)

    def at(self, segment: Segment) -> range:
        """The steps at which a segment computes; a readout at the step that it reads."""
        return range(self.steps(segment.first), self.steps(segment.last) + 1)

    def order(self, segments: Sequence[Segment]) -> list[tuple[int, int]]:
        """(index of a segment, step), in the order of time; a readout after what it reads."""
        return [(i, t) for i, segment in enumerate(segments) for t in self.at(segment)]

    def active(self, segments: Sequence[Segment], step: int) -> list[int]:
        """The indices of the segments that compute at a step, in the order of time."""
        return [i for i, segment in enumerate(segments) if step in self.at(segment)]

    def span(self, steps: tuple[sympy.Expr, sympy.Expr]) -> range:
        """The steps t of (start, count)."""
        start, count = (self.steps(s) for s in steps)
        return range(start + 1, start + count + 1)


def extent(
    derivation: Derivation, T: Steps, sizes: Mapping[str, int] | None, default: Callable[[str], int]
) -> Extent:
    """T and sizes as given, checked; a size that is not given has the default.

    T None is 1 for one-to-one, (2, 2) for the encoder–decoder, 2 otherwise. Raises ChoiceError.
    """
    return Extent(_times(derivation.model.architecture, T), _sizes(derivation, sizes or {}, default))


def _times(architecture: str, T: Steps) -> Mapping[sympy.Symbol, int]:
    match architecture:
        case choices.ENCODER_DECODER:
            pair = (2, 2) if T is None else T
            if not isinstance(pair, tuple) or len(pair) != 2:
                raise ChoiceError("T", "a pair (T_x, T_y) for the encoder-decoder", T)
            return {T_x: positive("T", pair[0], T), T_y: positive("T", pair[1], T)}
        case choices.ONE_TO_ONE:
            if T is not None and positive("T", T, T) != 1:
                raise ChoiceError("T", "1 for one-to-one", T)
            return {}
        case _:
            return {_T: 2 if T is None else positive("T", T, T)}


def positive(argument: str, value: Any, received: object) -> int:
    """The value as an integer of at least 1. Raises ChoiceError."""
    try:
        number = operator.index(value)
    except TypeError:
        raise ChoiceError(argument, "a positive integer", received) from None
    if isinstance(value, bool) or number < 1:
        raise ChoiceError(argument, "a positive integer", received)
    return number


def _sizes(derivation: Derivation, given: Mapping[str, int], default: Callable[[str], int]) -> dict[str, int]:
    names = derivation.model.sizes
    for name in given:
        if name not in names:
            raise ChoiceError("sizes", f"names among {', '.join(names)}", name)
    found = {name: positive(f"sizes[{name!r}]", given[name], given[name]) for name in names if name in given}
    for one, other in derivation.schedule.tied:
        for here, there in ((one, other), (other, one)):
            if here in found:
                found.setdefault(there, found[here])
        wanted = max(default(one), default(other))
        if found.setdefault(one, wanted) != found.setdefault(other, wanted):
            expected = f"{one} = {other}, because the output is fed back"
            raise ChoiceError("sizes", expected, {one: found[one], other: found[other]})
    return {name: found.get(name, default(name)) for name in names}
