"""Whether a claim holds, by one reading: at which places, and under which conditions of a closed list.

A place is a network (`places`) with a step for every free letter, from 1 to the last one. There a claim is
true, false, or undefined where a side does not exist. It is right if it is nowhere false and somewhere true;
it is right under conditions if they are what keeps it from being false, or from being undefined at one end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, product

import numpy as np

from chalkgrad.derive import choices
from chalkgrad.derive.checking.judging.claim import Claim, subject
from chalkgrad.derive.checking.judging.conditions import Outcome, Status, conditions_on, settled
from chalkgrad.derive.checking.judging.places import (
    DIGITS,
    INSIDE,
    SHARES,
    ZERO,
    Place,
    confirming,
    network,
)
from chalkgrad.derive.checking.judging.quantity import Quantity
from chalkgrad.derive.checking.judging.readings import Meaning, Reading
from chalkgrad.derive.checking.reading.errors import NoValue
from chalkgrad.derive.checking.reading.scope import Scope
from chalkgrad.derive.checking.reading.tree import (
    Loss,
    Syntax,
)
from chalkgrad.derive.errors import ShapeError

_CLOSE, _NOISE = 1e-7, 1e-12  # float64: what differs by less is worked out in many digits
_MOST = 3  # conditions on points at once


@dataclass(frozen=True)
class Verdict:
    """correct: whether the claim is right, under `conditions`. compared: at how many places it was true or
    false. failure: where it is false first; None if it is right, or nothing was compared."""

    correct: bool
    reading: Reading
    conditions: tuple[str, ...] = ()
    outcomes: tuple[Outcome, ...] = field(default=(), repr=False)
    failure: Outcome | None = None

    @property
    def failures(self) -> list[Outcome]:
        """Where it is false: first, and with the letters' steps in either order, if there are two."""
        false = [o for o in self.outcomes if o.status is Status.FALSE]
        orders = {tuple(np.argsort([t for _, t in o.steps])): o for o in reversed(false)}
        found = [self.failure, *orders.values()] if self.failure is not None else []
        return [o for n, o in enumerate(found) if o is not None and o not in found[:n]]

    @property
    def compared(self) -> int:
        return sum(o.status is not Status.UNDEFINED for o in self.outcomes)


# ----------------------------------------------------------------------------- one place


class Judge:
    """Judges claims about one model; what networks have been asked for stays worked out."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self._meanings: dict[tuple[Reading, Place, int], Meaning | None] = {}

    def meaning(self, reading: Reading, place: Place, digits: int = 0) -> Meaning | None:
        key = (reading, place, digits)
        if key not in self._meanings:
            found = network(self.scope, place, digits)
            self._meanings[key] = None if found is None else Meaning(self.scope, reading, found)
        return self._meanings[key]

    def outcome(
        self,
        claim: Claim,
        reading: Reading,
        place: Place,
        steps: tuple[tuple[str, int], ...],
        digits: int = 0,
    ) -> Outcome:
        meaning = self.meaning(reading, place, digits)
        assert meaning is not None
        status, known = Status.TRUE, dict(steps)
        for number, (left, right) in enumerate(claim.pairs):
            found = self._compared(meaning, left, right, known)
            if found[0] is Status.FALSE:
                return Outcome(found[0], place, meaning.network.last, steps, number, *found[1:])
            if found[0] is Status.UNDEFINED:
                status = found[0]
        return Outcome(status, place, meaning.network.last, steps)

    def _compared(
        self, meaning: Meaning, left: Syntax, right: Syntax, steps: dict[str, int]
    ) -> tuple[Status, Quantity | None, Quantity | None, str]:
        one: Quantity | None = None
        other: Quantity | None = None
        try:
            one, other = meaning.value(left, steps), meaning.value(right, steps)
            one, other = _added_up(meaning, one, right), _added_up(meaning, other, left)
            one, other = meaning.make.compared(one, other)
        except (ShapeError, NoValue) as error:
            return Status.FALSE, one, other, str(error)
        if one.array is None or other.array is None:
            return Status.UNDEFINED, one, other, ""
        return (Status.TRUE if _equal(meaning, one, other) else Status.FALSE), one, other, ""

    def holds_where(self, claim: Claim, reading: Reading, failures: Sequence[Outcome]) -> bool:
        """Whether a claim is true at one of the places where another is false; targets are shares of classes
        where they can be."""
        more = {SHARES} if self._has_classes else set()
        for failure in failures:
            place = replace(failure.place, meets=failure.place.meets | more)
            if self.outcome(claim, reading, place, failure.steps).status is Status.TRUE:
                return True
        return False

    @property
    def _has_classes(self) -> bool:
        return self.scope.derivation.model.loss == "cross_entropy" and bool(self.scope.softmaxes)

    def exists(self, node: Syntax, reading: Reading, outcome: Outcome) -> bool:
        """Whether a side exists where something else was judged."""
        meaning = self.meaning(reading, outcome.place)
        assert meaning is not None
        try:
            return meaning.value(node, dict(outcome.steps)).exists
        except (ShapeError, NoValue):
            return False

    def outcomes(self, claim: Claim, reading: Reading, place: Place, digits: int = 0) -> Iterator[Outcome]:
        """Those in the middle first, where nothing is special."""
        meaning = self.meaning(reading, place, digits)
        if meaning is None:
            return
        last = meaning.network.last
        middle = sorted(range(1, last + 1), key=lambda t: abs(2 * t - last - 1))
        letters = claim.letters
        places = product(middle, repeat=len(letters))
        for steps in sorted(places, key=lambda found: len(set(found)) < len(found)):
            yield self.outcome(claim, reading, place, tuple(zip(letters, steps, strict=True)), digits)

    # ------------------------------------------------------------------------- all places

    def verdict(self, claim: Claim, readings: Sequence[Reading] | None = None) -> Verdict:
        """By the reading in which it is right, under the fewest conditions; by the first if it is in none."""
        found = [self._read(claim, reading) for reading in readings or claim.readings]
        right = sorted((v for v in found if v.correct), key=lambda v: len(v.conditions))
        if right:
            return right[0]
        idle = [v for v in found if v.failure is None]
        fitting = [v for v in found if v.failure is not None and not v.failure.reason]
        return (idle or fitting or found)[0]

    def _read(self, claim: Claim, reading: Reading) -> Verdict:
        general = self._tried(claim, reading, frozenset())
        if (conditions := settled(general, claim.letters, claim.T)) is not None:
            return self._confirmed(claim, reading, conditions, frozenset(), general)
        failure = _first_false(general)
        if failure is None or failure.reason:
            return Verdict(False, reading, (), general, failure)
        for meets in self._meeting(claim, reading):
            tried = self._tried(claim, reading, meets)
            if (conditions := settled(tried, claim.letters, None)) is not None:
                return self._confirmed(claim, reading, (*sorted(meets), *conditions), meets, tried)
        return Verdict(False, reading, (), general, failure)

    def _meeting(self, claim: Claim, reading: Reading) -> Iterator[frozenset[str]]:
        """What points may meet, the fewest conditions first; nothing if all of them together do not help."""
        states = [ZERO.format(state.name) for state in self.scope.derivation.schedule.states]
        every = [SHARES, *states, INSIDE]
        if settled(self._tried(claim, reading, frozenset(every)), claim.letters, None) is None:
            return
        for count in range(1, min(_MOST, len(every)) + 1):
            yield from (frozenset(chosen) for chosen in combinations(every, count))
        if len(every) > _MOST:
            yield frozenset(every)

    def _tried(self, claim: Claim, reading: Reading, meets: frozenset[str]) -> tuple[Outcome, ...]:
        """At all places; no more than is needed once the claim is false where no condition on steps helps."""
        found: list[Outcome] = []
        known = conditions_on(claim.letters)
        for place in claim.trials.all:
            for outcome in self.outcomes(claim, reading, replace(place, meets=meets)):
                found.append(outcome)
                lost = outcome.status is Status.FALSE and not any(c.excludes(outcome) for c in known)
                if lost and (outcome.reason or self._is_for_every_T(claim, place)):
                    return tuple(found)
        return tuple(found)

    def _is_for_every_T(self, claim: Claim, place: Place) -> bool:
        """Whether no condition on T excludes a place."""
        if self._is_pair:
            return isinstance(place.T, tuple) and place.T[0] == place.T[1] and claim.T in (None, place.T)
        return claim.T is None or place.T == claim.T

    @property
    def _is_pair(self) -> bool:
        return self.scope.derivation.model.architecture == choices.ENCODER_DECODER

    def _confirmed(
        self,
        claim: Claim,
        reading: Reading,
        conditions: tuple[str, ...],
        meets: frozenset[str],
        outcomes: tuple[Outcome, ...],
    ) -> Verdict:
        """The claim once more in many digits, at the places that the conditions leave."""
        known = [c for c in conditions_on(claim.letters) if c.text in conditions]
        T = (2, 2) if "T_x = T_y" in conditions else claim.T
        place = confirming(self.scope, T, meets, claim.farthest)
        for outcome in self.outcomes(claim, reading, place, DIGITS):
            if outcome.status is Status.FALSE and not any(c.excludes(outcome) for c in known):
                return Verdict(False, reading, (), (*outcomes, outcome), outcome)
        return Verdict(True, reading, conditions, outcomes)


def _added_up(meaning: Meaning, value: Quantity, other: Syntax) -> Quantity:
    """What a loss is said to be, component by component, is meant as the sum of the components."""
    if isinstance(subject(other), Loss) and value.is_vector:
        return meaning.make.total(value, False)
    return value


def _equal(meaning: Meaning, one: Quantity, other: Quantity) -> bool:
    left, right = one.array, other.array
    assert left is not None and right is not None
    size = max(np.max(np.abs(left)), np.max(np.abs(right)))
    gap = np.max(np.abs(left - right))
    digits = meaning.network.field.digits
    if digits < DIGITS:
        return bool(gap <= _CLOSE * size or gap <= _NOISE)
    ten = meaning.network.field.array([10])[0]
    return bool(gap <= size * ten ** (-digits // 2) or gap <= ten ** (10 - digits))


def _first_false(outcomes: Iterable[Outcome]) -> Outcome | None:
    return next((o for o in outcomes if o.status is Status.FALSE), None)
