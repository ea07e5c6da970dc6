"""A derivation at a concrete number of steps: its adjoint equations followed back from the loss of one step.

Expressions here are *absolute*: the lag of a symbol is its step of the trajectory, 1 … length, and 0 is
before the first. `shifted(expr, step)` makes an absolute expression of one written at `step`.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sympy

from chalkgrad.derive.deriving.derivation import LOSS, Adjoint, Derivation, Gradient, Phase, Term
from chalkgrad.derive.deriving.extent import Extent
from chalkgrad.derive.terms.algebra import (
    Expr,
    Role,
    Symbol,
    constant,
    elementwise,
    is_zero,
    shifted,
    symbols,
)
from chalkgrad.derive.terms.trees import transform
from chalkgrad.derive.terms.zero import without_zeros

Key = tuple[str, int]


@dataclass(frozen=True)
class Unfolded:
    """The derivation over a number of steps, looked at from the loss of step `loss_step` alone."""

    derivation: Derivation
    extent: Extent
    loss_step: int

    def active(self, step: int) -> tuple[tuple[int, Phase], ...]:
        """The phases that compute at `step`, a readout after the segment that it reads, with their index."""
        phases = self.derivation.phases
        return tuple((i, phases[i]) for i in self.extent.active([p.segment for p in phases], step))

    def cotangents(self, stop: Collection[str] = ()) -> dict[Key, tuple[Expr, ...]]:
        """(v, step) → the terms of ∂L⟨loss_step⟩/∂v⟨step⟩, absolute, in the order in which they are made.

        Nothing is followed beyond the values named in `stop`.
        """
        found: dict[Key, list[Expr]] = {}
        for step in range(self.loss_step, 0, -1):
            for equation, term in self._arriving(step):
                expr = shifted(term.expr, step)
                read = cotangent_keys(expr)
                followed = bool(read) and all(k in found and k[0] not in stop for k in read)
                if followed if not term.seed else term.seed == LOSS and step == self.loss_step:
                    found.setdefault((equation.target.name, step - term.lag), []).append(expr)
        return {key: tuple(terms) for key, terms in found.items()}

    def _arriving(self, step: int) -> Iterator[tuple[Adjoint, Term]]:
        """The terms written at `step`, each after those that make the cotangent that it reads."""
        for _, phase in reversed(self.active(step)):
            yield from phase.backward

    def uses(self, gradient: Gradient, known: Collection[Key]) -> dict[int, tuple[Expr, ...]]:
        """step → what the gradient gets there, absolute; only steps that the loss depends on."""
        found: dict[int, tuple[Expr, ...]] = {}
        for step in range(self.loss_step, 0, -1):
            here = [index for index, _ in self.active(step)]
            exprs = (shifted(s.expr, step) for s in gradient.sums if s.phase in here)
            alive = tuple(e for e in exprs if all(k in known for k in cotangent_keys(e)))
            if alive:
                found[step] = alive
        return found

    def vanishing(
        self, known: Mapping[Key, tuple[Expr, ...]], beyond: Collection[Key] = ()
    ) -> Container[Key]:
        """The cotangents in `known` that are zero when the initial states are.

        Those in `beyond` are taken for anything but zero.
        """
        return _Vanishing(known, self.zeros, dict.fromkeys(beyond, False))

    @cached_property
    def zeros(self) -> frozenset[Key]:
        """The values that are zero when the initial states are, (v, 0) among them."""
        zero = {(state.name, 0) for state in self.derivation.schedule.states}
        for step in range(1, self.loss_step + 1):
            for _, phase in self.active(step):
                for equation in phase.forward:
                    if is_zero(without(shifted(equation.value, step), zero)):
                        zero.add((equation.target.name, step))
        return frozenset(zero)


@dataclass(frozen=True)
class _Vanishing(Container[Key]):
    """Cotangents that vanish, found when asked for."""

    known: Mapping[Key, tuple[Expr, ...]]
    values: Collection[Key]
    found: dict[Key, bool]

    def __contains__(self, key: object) -> bool:
        waiting = [key]
        while waiting:
            here: Any = waiting[-1]
            terms = self.known[here]
            unknown = [k for e in terms for k in cotangent_keys(e) if k not in self.found]
            if here in self.found or not unknown:
                waiting.pop()
                zero = [k for e in terms for k in cotangent_keys(e) if self.found.get(k)]
                self.found.setdefault(here, all(is_zero(without(e, self.values, zero)) for e in terms))
            else:
                waiting.extend(unknown)
        return self.found[key]  # type: ignore[index]


def cotangent_keys(expr: Expr) -> list[Key]:
    return [(s.name, s.lag) for s in symbols(expr) if s.role is Role.COTANGENT]


def without(expr: Expr, values: Container[Key], cotangents: Container[Key] = ()) -> Expr:
    """The absolute expression with the values and cotangents given set to zero, and simplified for it."""
    zero = {Role.VALUE: values, Role.COTANGENT: cotangents}

    def change(node: Expr) -> Expr:
        match node:
            case Symbol() if (node.name, node.lag) in zero.get(node.role, ()):
                return constant(0, node.shape)
            case _:
                return without_zeros(node)

    return transform(expr, change)


def summed(terms: tuple[Expr, ...]) -> Expr:
    """The sum of expressions of one shape."""
    if len(terms) == 1:
        return terms[0]
    return elementwise(lambda *parts: sympy.Add(*parts), terms)


class Inlining:
    """Absolute expressions with every cotangent but those in `keep` replaced by what it is."""

    def __init__(self, known: Mapping[Key, tuple[Expr, ...]], keep: Collection[Key]) -> None:
        self._known, self._keep = known, keep
        self._made: dict[Key, Expr] = {}

    def of(self, expr: Expr) -> Expr:
        return transform(expr, self._changed)

    def _changed(self, node: Expr) -> Expr:
        if not isinstance(node, Symbol) or node.role is not Role.COTANGENT:
            return node
        key = (node.name, node.lag)
        if key in self._keep:
            return node
        if key not in self._made:
            self._made[key] = self.of(summed(self._known[key]))
        return self._made[key]
