"""Where claims are tried: the network at three random points, kept for the claims to come."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import lru_cache
from itertools import islice

import sympy

from chalkgrad.derive import choices
from chalkgrad.derive.cells.model import Model
from chalkgrad.derive.checking.reading.scope import Scope
from chalkgrad.derive.deriving.derivation import LOSS, Derivation, bptt
from chalkgrad.derive.deriving.extent import Extent, Steps
from chalkgrad.derive.errors import ChoiceError, DerivationError
from chalkgrad.derive.values.expand import symbols
from chalkgrad.derive.values.oracle import Oracle, oracles
from chalkgrad.derive.values.points import at_point, draw, finite

POINTS, DIGITS = 3, 40
MAX_TRIES = 50
DEFAULT_T = 3
MAX_T = 12  # steps of the trajectory: every value moves along a direction of its own


@lru_cache(maxsize=32)
def scope_of(model: Model | Derivation) -> Scope:
    """The names of a model that has a loss. Raises ChoiceError."""
    derivation = model if isinstance(model, Derivation) else bptt(model)
    if derivation.loss is None:
        raise ChoiceError("model", "a model with an output, which has a loss", derivation.model.name)
    return Scope(derivation)


@lru_cache(maxsize=8)
def points(scope: Scope, T: Steps) -> tuple[Oracle, ...]:
    """The network at random points, all sizes and no initial state zero. Raises ChoiceError."""
    return tuple(oracles(scope.derivation, T, points=POINTS, digits=DIGITS))


@lru_cache(maxsize=8)
def points_with_shares(scope: Scope, T: Steps) -> tuple[Oracle, ...]:
    """The network at random points where each target sums to 1, as the shares of classes do."""
    derivation = scope.derivation
    at, rng = points(scope, T)[0].extent, random.Random(1)
    names = symbols(derivation, at)

    def tried(attempt: int) -> Oracle | None:
        data = at_point(names, draw(names, rng, modest=False).__getitem__)
        targets = {k: replace(y, entries=_shares(y.entries)) for k, y in data.y.items()}
        oracle = Oracle(derivation, replace(data, y=targets), at, DIGITS, LOSS)
        return oracle if oracle.real.isfinite(oracle.objective().value) else None

    found = tuple(islice(finite(MAX_TRIES, tried), POINTS))
    if len(found) == POINTS:
        return found
    raise DerivationError(f"{derivation.model.name}: found no point where the loss is finite")


def _shares(entries: tuple[sympy.Expr, ...]) -> tuple[sympy.Expr, ...]:
    whole = sympy.Add(*entries)
    return tuple(entry / whole for entry in entries)


def steps(derivation: Derivation, T: object) -> Steps:
    """T as the oracle takes it: one number counts for both networks of an encoder-decoder, and the default
    is 1 where there is one step. Raises ChoiceError."""
    whole = isinstance(T, int) and not isinstance(T, bool)
    match derivation.model.architecture:
        case choices.ONE_TO_ONE if T == DEFAULT_T:
            T = 1
        case choices.ENCODER_DECODER if whole:
            T = (T, T)
        case _:
            pass
    numbers = T if isinstance(T, tuple) else (T,)
    if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 1 for n in numbers):
        raise ChoiceError("T", "a positive integer, or two for an encoder-decoder", T)
    if sum(n for n in numbers if isinstance(n, int)) > MAX_T:
        raise ChoiceError("T", f"at most {MAX_T} steps", T)
    return T  # type: ignore[return-value]


def length(derivation: Derivation, extent: Extent) -> int:
    return extent.steps(derivation.schedule.length)
