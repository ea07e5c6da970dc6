"""Check my derivation: is the claimed formula right, and if it is not, what is the mistake?

    check(model, "dL/dW_aa = sum_t delta_z_a[t] @ a[t-1]^T").correct

A claim is read (`grammar`), worked out on both sides at random points where no size, no initial state and no
target is special (`judging`), and if the sides differ, changed a little until they agree (`mistakes`).
"""

from __future__ import annotations

from itertools import pairwise

from chalkgrad.derive.cells.model import Model
from chalkgrad.derive.checking.explaining.mistakes import (
    OTHER,
    WORK,
    WORK_OF_PAIRS,
    Budget,
    Case,
    Diagnosis,
    grouped,
)
from chalkgrad.derive.checking.explaining.report import CheckReport, right, wrong
from chalkgrad.derive.checking.judging.judging import (
    Bench,
    Failure,
    check_work,
    free_letters,
    is_general,
    readings,
    subject,
)
from chalkgrad.derive.checking.judging.points import DEFAULT_T, points, points_with_shares, scope_of, steps
from chalkgrad.derive.checking.reading.grammar import parse
from chalkgrad.derive.checking.reading.scanner import one_line
from chalkgrad.derive.checking.reading.scope import Scope
from chalkgrad.derive.checking.reading.tree import Syntax
from chalkgrad.derive.deriving.derivation import Derivation
from chalkgrad.derive.deriving.extent import Steps
from chalkgrad.derive.errors import ChoiceError

_SHARES = "This is for targets that sum to 1, as those of a softmax do; for other targets it is not."

_LONGER: dict[Steps, Steps] = {2: 4, (1, 1): (2, 3)}  # where a claim for every T is tried once more
_HELD = "The derivative by a state holds the other states of its step."


def check(model: Model | Derivation, text: str, T: Steps = DEFAULT_T) -> CheckReport:
    """Whether "left = right" holds for the model over T steps; of "A = B = C" every "=" is judged.

    T: one number, or a pair (T_x, T_y) for an encoder-decoder. Raises FormulaError, with a caret, for a text
    that cannot be read, ChoiceError for a T or a model that does not fit.
    """
    if not isinstance(model, (Model, Derivation)):
        raise ChoiceError("model", "a Model, which load gives", model)
    if not isinstance(text, str):
        raise ChoiceError("text", "a formula, as text", text)
    scope = scope_of(model)
    claim, sides = one_line(text), parse(text, scope)
    given = steps(scope.derivation, T)
    report = _judged(scope, claim, sides, given)
    longer = _LONGER.get(given)
    if report.correct and longer is not None and is_general(sides):
        return report if (again := _judged(scope, claim, sides, longer)).correct else again
    return report


def _judged(scope: Scope, claim: str, sides: tuple[Syntax, ...], T: Steps) -> CheckReport:
    """Of the readings the first in which all of the claim holds; or the first "=" that does not."""
    general, letters = points(scope, T), free_letters(sides)
    check_work(sides, letters, general[0], scope, claim)
    softmax = scope.derivation.model.loss == "cross_entropy" and bool(scope.softmaxes)
    usual = points_with_shares(scope, T) if softmax else general
    pairs = list(pairwise(sides))
    failures: list[tuple[int, Failure, Bench]] = []
    for reading in readings(sides, scope, general[0]):
        bench = Bench(scope, usual, reading, letters)
        tried = ((number, bench.failure(*pair)) for number, pair in enumerate(pairs))
        found = next(((number, failure) for number, failure in tried if failure is not None), None)
        if found is None:
            always = all(Bench(scope, general, reading, letters).holds(*pair) for pair in pairs)
            notes = [*([] if always else [_SHARES]), *([_HELD] if reading.held else [])]
            return right(claim, bench, notes)
        failures.append((*found, bench))
    last = max(number for number, _, _ in failures)
    return _explained(claim, sides, [(f, bench) for number, f, bench in failures if number == last], last)


def _explained(
    claim: str, sides: tuple[Syntax, ...], failures: list[tuple[Failure, Bench]], number: int
) -> CheckReport:
    """The first reading in which a change makes the claim right, those first in which the shapes fit."""
    pair = sides[number], sides[number + 1]
    ranked = sorted(failures, key=lambda fb: not fb[1].fit(*pair))
    fixed = 1 if subject(pair[0]) is None and subject(pair[1]) is not None else 0
    either = subject(pair[0]) is None and fixed == 0
    for twice, budget in ((False, Budget(WORK)), (True, Budget(WORK_OF_PAIRS))):
        nameless = None
        for failure, bench in ranked:
            for kept in (0, 1) if either else (fixed,):
                found = _diagnosis(bench, sides, number, kept, twice, budget)
                if found is not None and found.mistake != OTHER:
                    return wrong(claim, bench, failure, pair, kept, found)
                if found is not None and nameless is None:
                    nameless = wrong(claim, bench, failure, pair, kept, found)
        if nameless is not None:
            return nameless
    failure, bench = ranked[0]
    true = Case(bench, pair[fixed], pair[1 - fixed], subject(pair[fixed]), Budget(WORK)).truth()
    return wrong(claim, bench, failure, pair, fixed, true)


def _diagnosis(
    bench: Bench, sides: tuple[Syntax, ...], number: int, kept: int, twice: bool, budget: Budget
) -> Diagnosis | None:
    target, side = sides[number + kept], sides[number + 1 - kept]
    about = subject(target)
    if about is None and kept == 0:
        earlier = [s for s in sides[:number] if subject(s) is not None]
        target = earlier[0] if earlier else target
        about = subject(target)
    variants = dict.fromkeys(grouped(side, tight) for tight in (False, True))
    nameless = None
    for variant in variants:
        case = Case(bench, target, variant, about, budget)
        found = case.pair() if twice else case.diagnosis()
        if found is not None and found.mistake != OTHER:
            return found
        nameless = nameless or found
    return nameless
