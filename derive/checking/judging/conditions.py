"""What came out at all places, and the conditions of a closed list that explain it.

    t < T    t > 1    k <= t    T_x = T_y    T = 3, the T that was given

The first two are for claims that fail, or are undefined, at that end only. Single steps are no condition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import combinations, permutations

from chalkgrad.derive.checking.judging.places import (
    Place,
)
from chalkgrad.derive.checking.judging.quantity import Quantity
from chalkgrad.derive.deriving.extent import Steps

_FEW = 2  # conditions on steps at once
_SHORT = 3  # steps from which on the two ends are told apart


class Status(Enum):
    TRUE = "true"
    FALSE = "false"
    UNDEFINED = "undefined"


@dataclass(frozen=True)
class Outcome:
    """What came out at one place. steps: of the free letters. number: of the "=" that is false, from 0."""

    status: Status
    place: Place
    last: int
    steps: tuple[tuple[str, int], ...]
    number: int = 0
    left: Quantity | None = None
    right: Quantity | None = None
    reason: str = ""


@dataclass(frozen=True)
class Condition:
    """A condition on the steps of a place. text: as it is told."""

    text: str
    later: str  # the letter that stands at an end, or that is at most `bound`
    bound: str  # "T", "1", or another letter

    def excludes(self, outcome: Outcome) -> bool:
        steps = dict(outcome.steps)
        match self.bound:
            case "T":
                return steps[self.later] == outcome.last
            case "1":
                return steps[self.later] == 1
            case _:
                return steps[self.later] > steps[self.bound]

    @property
    def is_end(self) -> bool:
        return self.bound in ("T", "1")


def settled(outcomes: Sequence[Outcome], letters: Sequence[str], T: Steps) -> tuple[str, ...] | None:
    """The fewest conditions on steps and T under which nothing is false, and something true, or None."""
    found = _on_steps(outcomes, letters)
    if found is not None:
        return found
    same = [o for o in outcomes if isinstance(o.place.T, tuple) and o.place.T[0] == o.place.T[1]]
    if (
        len(same) < len(outcomes)
        and (found := _on_steps(same, letters)) is not None
        and _is_borne_out(same, True)
    ):
        return (*found, "T_x = T_y")
    if T is not None:
        given = [o for o in outcomes if o.place.T == T]
        if (found := _on_steps(given, letters)) is not None and _several(given, found, letters):
            return (*found, f"T = {T}")
    return None


def _several(outcomes: Sequence[Outcome], conditions: Sequence[str], letters: Sequence[str]) -> bool:
    """Whether it is true at more than one step of every letter: a single step is no condition."""
    known = [c for c in conditions_on(letters) if c.text in conditions]
    true = [o for o in outcomes if o.status is Status.TRUE and not any(c.excludes(o) for c in known)]
    steps = [dict(o.steps) for o in true]
    return all(len({found[name] for found in steps}) > 1 for name in letters)


def _on_steps(outcomes: Sequence[Outcome], letters: Sequence[str]) -> tuple[str, ...] | None:
    known = conditions_on(letters)
    false = [o for o in outcomes if o.status is Status.FALSE]
    for count in range(min(_FEW, len(known)) + 1):
        for chosen in combinations(known, count):
            if any((c.bound, c.later) == (d.later, d.bound) for c, d in combinations(chosen, 2)):
                continue  # equal steps are no condition
            if not all(any(c.excludes(o) for c in chosen) for o in false):
                continue
            kept = [o for o in outcomes if not any(c.excludes(o) for c in chosen)]
            if _is_borne_out(kept, bool(chosen)):
                ends = _undefined_ends(outcomes, chosen, known)
                return tuple(c.text for c in known if c in chosen or c in ends)
    return None


def _is_borne_out(kept: Sequence[Outcome], conditional: bool) -> bool:
    """Whether it is true somewhere; under a condition at two lengths, since what holds for one is no rule."""
    lengths = {o.place.T for o in kept if o.status is Status.TRUE}
    several = len({o.place.T for o in kept}) > 1
    return len(lengths) > (conditional and several)


def _undefined_ends(
    outcomes: Sequence[Outcome], chosen: Sequence[Condition], known: Sequence[Condition]
) -> list[Condition]:
    """The ends at which nothing is true, if all that is undefined lies there."""
    told = [o for o in outcomes if o.last >= _SHORT]
    undefined = [o for o in told if o.status is Status.UNDEFINED]
    ends = [
        c
        for c in known
        if c.is_end
        and any(c.excludes(o) for o in undefined)
        and not any(c.excludes(o) for o in told if o.status is Status.TRUE)
    ]
    everywhere = all(any(c.excludes(o) for c in (*ends, *chosen)) for o in undefined)
    return ends if everywhere else []


def conditions_on(letters: Sequence[str]) -> list[Condition]:
    found = [Condition(f"{name} < T", name, "T") for name in letters]
    found += [Condition(f"{name} > 1", name, "1") for name in letters]
    found += [Condition(f"{k} <= {t}", k, t) for k, t in permutations(letters, 2)]
    return found
