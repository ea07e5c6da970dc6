"""Which terms make a cotangent at which steps: a derivation's adjoint equations laid along time.

A term is written at the step of its consumer. What v receives at step t therefore comes from the
segment that contains t, from the one that contains t + 1, and from a readout at t: at the seams
between segments, and at the end, the equation for delta_v differs. `stretches` finds those runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import sympy

from chalkgrad.derive.deriving.derivation import Adjoint, Derivation, Phase, Term
from chalkgrad.derive.terms.algebra import Role, Symbol, symbols

_FAR = sympy.Integer(10**6)


@dataclass(frozen=True)
class Arrival:
    """A term of adjoint equation `number`, for the steps first ≤ t ≤ last of its target."""

    number: int
    term: Term
    first: sympy.Expr
    last: sympy.Expr


@dataclass(frozen=True)
class Stretch:
    """delta_target[t] = Σ terms for first ≤ t ≤ last; without terms it is zero."""

    target: Symbol
    first: sympy.Expr
    last: sympy.Expr
    arrivals: tuple[Arrival, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(a.number for a in self.arrivals))


@cache
def precedes(left: sympy.Expr, right: sympy.Expr) -> bool:
    """left < right, for steps in T, T_x, T_y that are long enough for every segment to have steps."""
    difference = right - left
    return bool(difference.xreplace(dict.fromkeys(difference.free_symbols, _FAR)) > 0)


def earliest(steps: Iterable[sympy.Expr]) -> sympy.Expr:
    found, *others = steps
    for step in others:
        found = step if precedes(step, found) else found
    return found


def latest(steps: Iterable[sympy.Expr]) -> sympy.Expr:
    found, *others = steps
    for step in others:
        found = step if precedes(found, step) else found
    return found


def arrivals(derivation: Derivation, name: str) -> tuple[Arrival, ...]:
    """Every term of delta_name with the steps at which it holds."""
    return tuple(_arrivals(derivation).get(name, ()))


def _arrivals(derivation: Derivation) -> Mapping[str, Sequence[Arrival]]:
    """Those of all names."""
    found: dict[str, list[Arrival]] = {}
    for phase in derivation.phases:
        for e in phase.adjoint:
            for term in e.terms:
                first, last = phase.segment.first - term.lag, phase.segment.last - term.lag
                found.setdefault(e.target.name, []).append(Arrival(e.number, term, first, last))
    return found


def stretches(derivation: Derivation) -> tuple[tuple[Stretch, ...], ...]:
    """For every phase the cotangents of its steps, each later stretch before the earlier ones.

    A readout owns only the values that it defines: what it reads belongs to the segment before it.
    """
    return _Laid(derivation).stretches()


class _Laid:
    """A derivation laid along time."""

    def __init__(self, derivation: Derivation) -> None:
        self._phases, self._arrivals = derivation.phases, _arrivals(derivation)
        self._read = {s.name for p in self._phases for e in p.adjoint for s in _cotangents(e)}
        readouts = [p for p in self._phases if p.segment.readout]
        known = {f.target for p in readouts for f in p.forward}
        shared = dict.fromkeys(e.target for p in readouts for e in p.adjoint)
        self._shared = [target for target in shared if target not in known]

    def stretches(self) -> tuple[tuple[Stretch, ...], ...]:
        return tuple(
            tuple(s for target in self._targets(phase) for s in self._split(phase, target))
            for phase in self._phases
        )

    def _targets(self, phase: Phase) -> list[Symbol]:
        """In the order of computation; what only receives from the next step comes first."""
        own = dict.fromkeys(e.target for e in phase.adjoint)
        if phase.segment.readout:
            defined = {f.target for f in phase.forward}
            return [target for target in own if target in defined]
        read = [f.target for f in phase.forward if f.target.name in self._read]
        received = [target for target in (*read, *self._shared) if target not in own]
        return list(dict.fromkeys([*received, *own]))

    def _split(self, phase: Phase, target: Symbol) -> list[Stretch]:
        first, last = phase.segment.first, phase.segment.last
        if phase.segment.readout:
            own = [e for e in phase.adjoint if e.target == target]
            made = tuple(Arrival(e.number, term, first, last) for e in own for term in e.terms)
            return [Stretch(target, first, last, made)]
        found = tuple(a for a in self._arrivals.get(target.name, ()) if not _misses(a, first, last))
        starts = [first, *(a.first for a in found), *(a.last + 1 for a in found)]
        cuts = _ordered(s for s in starts if not precedes(s, first) and not precedes(last, s))
        ends = [*(cut - 1 for cut in cuts[1:]), last]
        return [
            Stretch(target, a, b, tuple(x for x in found if not _misses(x, a, b)))
            for a, b in reversed(list(zip(cuts, ends, strict=True)))
        ]


def _cotangents(equation: Adjoint) -> list[Symbol]:
    return [s for x in equation.terms for s in symbols(x.expr) if s.role is Role.COTANGENT]


def _misses(arrival: Arrival, first: sympy.Expr, last: sympy.Expr) -> bool:
    return precedes(arrival.last, first) or precedes(last, arrival.first)


def _ordered(steps: Iterable[sympy.Expr]) -> Sequence[sympy.Expr]:
    """Without repetition, in the order of time."""
    rest, result = list(dict.fromkeys(steps)), []
    while rest:
        result.append(earliest(rest))
        rest.remove(result[-1])
    return result
