"""Check my derivation: is the claimed formula right, and if it is not, what is the mistake?

    check(model, "dL/dW_aa = sum_t delta_z_a[t] @ a[t-1]^T").correct

A claim is read (`grammar`), worked out on both sides at every step of networks of several lengths and
sizes, where no number is special (`verdicts`), and if the sides differ, changed a little until they agree
(`mistakes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
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
from chalkgrad.derive.checking.explaining.report import (
    WRONG,
    CheckReport,
    having,
    nothing,
    right,
    unexplained,
    wrong,
)
from chalkgrad.derive.checking.explaining.written import written
from chalkgrad.derive.checking.judging.claim import Claim, says_nothing
from chalkgrad.derive.checking.judging.claim import check_work as check_all_work
from chalkgrad.derive.checking.judging.judging import (
    Bench,
    Failure,
    free_letters,
    readings,
    subject,
)
from chalkgrad.derive.checking.judging.places import steps as given_steps
from chalkgrad.derive.checking.judging.points import DEFAULT_T, points, points_with_shares, scope_of, steps
from chalkgrad.derive.checking.judging.verdicts import Judge
from chalkgrad.derive.checking.reading.errors import FormulaError
from chalkgrad.derive.checking.reading.grammar import parse
from chalkgrad.derive.checking.reading.scanner import one_line
from chalkgrad.derive.checking.reading.scope import Scope
from chalkgrad.derive.checking.reading.tree import Syntax
from chalkgrad.derive.deriving.derivation import Derivation
from chalkgrad.derive.deriving.extent import Steps, extent
from chalkgrad.derive.errors import ChoiceError
from chalkgrad.derive.writing.latex import latex
from chalkgrad.derive.writing.tree import EQUALS, row


def check(
    model: Model | Derivation, text: str, T: Steps = None, sizes: Mapping[str, int] | None = None
) -> CheckReport:
    """Whether "left = right" holds for the model; of "A = B = C" every "=" is judged.

    A claim is tried at lengths up to 5 and beyond every step that it names, at several sizes. T: a length
    that is tried too, one number or a pair (T_x, T_y) for an encoder-decoder; what holds for it alone is
    right under `T = …`. sizes: size name → number, where they should be so. Raises FormulaError, with a
    caret, for a text that cannot be read, ChoiceError for a T, sizes or a model that do not fit.
    """
    if not isinstance(model, (Model, Derivation)):
        raise ChoiceError("model", "a Model, which load gives", model)
    if not isinstance(text, str):
        raise ChoiceError("text", "a formula, as text", text)
    scope = scope_of(model)
    given = given_steps(scope.derivation, T)
    fixed = extent(scope.derivation, given, sizes, lambda name: 1).sizes  # checked
    sides, line = parse(text, scope), one_line(text)
    claim = Claim(scope, sides, given, tuple((name, fixed[name]) for name in sizes or ()))
    check_all_work(claim, line)
    verdict = judge_of(scope).verdict(claim)
    if says_nothing(sides) or not (verdict.correct or verdict.failure):
        return nothing(line, verdict)
    if verdict.correct:
        return right(line, verdict)
    explained = _judged(scope, line, sides, steps(scope.derivation, DEFAULT_T if T is None else T))
    if explained is None:
        return unexplained(line, scope, sides, verdict)
    return having(explained, verdict, WRONG)


@lru_cache(maxsize=32)
def judge_of(scope: Scope) -> Judge:
    """Who judges claims about a model."""
    return Judge(scope)


def _judged(scope: Scope, claim: str, sides: tuple[Syntax, ...], T: Steps) -> CheckReport | None:
    """What is wrong with a wrong claim: the change that makes it right. None if nothing is found wrong."""
    general, letters = points(scope, T), free_letters(sides)
    softmax = scope.derivation.model.loss == "cross_entropy" and bool(scope.softmaxes)
    usual = points_with_shares(scope, T) if softmax else general
    pairs = list(pairwise(sides))
    failures: list[tuple[int, Failure, Bench]] = []
    for reading in readings(sides, scope, general[0]):
        bench = Bench(scope, usual, reading, letters)
        tried = ((number, bench.failure(*pair)) for number, pair in enumerate(pairs))
        found = next(((number, failure) for number, failure in tried if failure is not None), None)
        if found is None:
            return None
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
                    return wrong(claim, bench, failure, pair, kept, _standing(bench, pair, kept, found))
                if found is not None and nameless is None:
                    nameless = wrong(claim, bench, failure, pair, kept, _standing(bench, pair, kept, found))
        if nameless is not None:
            return nameless
    failure, bench = ranked[0]
    true = Case(bench, pair[fixed], pair[1 - fixed], subject(pair[fixed]), Budget(WORK)).truth()
    return wrong(claim, bench, failure, pair, fixed, _standing(bench, pair, fixed, true))


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


def _standing(
    bench: Bench, pair: tuple[Syntax, Syntax], kept: int, found: Diagnosis | None
) -> Diagnosis | None:
    """The diagnosis; what it calls right is left out if that is not judged right as any claim is."""
    if found is None or found.side is None:
        return found
    sides = [written(side, bench.scope) for side in pair]
    sides[1 - kept] = found.side
    try:
        trees = parse(latex(row(sides[0], EQUALS, sides[1])), bench.scope)
    except FormulaError:
        return replace(found, side=None)
    right = trees[0] != trees[1] and judge_of(bench.scope).verdict(Claim(bench.scope, trees)).correct
    return found if right else replace(found, side=None)
