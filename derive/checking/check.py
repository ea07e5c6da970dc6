"""Check my derivation: is the claimed formula right, and if it is not, what is the mistake?

    check(model, "dL/dW_aa = sum_t delta_z_a[t] @ a[t-1]^T").correct

A claim is read (`grammar`), worked out on both sides at every step of networks of several lengths and
sizes, where no number is special (`verdicts`), and if the sides differ, changed a little until they agree
(`mistakes`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache

from chalkgrad.derive import choices
from chalkgrad.derive.cells.model import Model
from chalkgrad.derive.checking.explaining.mistakes import (
    OTHER,
    SHAPE,
    WORK,
    WORK_OF_PAIRS,
    Budget,
    Case,
    Diagnosis,
    grouped,
)
from chalkgrad.derive.checking.explaining.report import CheckReport, nothing, refusal, right, wrong
from chalkgrad.derive.checking.judging.answers import refused
from chalkgrad.derive.checking.judging.claim import Claim, check_work, says_nothing, subject
from chalkgrad.derive.checking.judging.places import scope_of, steps
from chalkgrad.derive.checking.judging.verdicts import Judge, Verdict
from chalkgrad.derive.checking.reading.grammar import parse, parse_name
from chalkgrad.derive.checking.reading.scanner import one_line
from chalkgrad.derive.checking.reading.scope import Scope
from chalkgrad.derive.choices import check_choice
from chalkgrad.derive.deriving.derivation import Derivation
from chalkgrad.derive.deriving.extent import Steps, extent
from chalkgrad.derive.errors import ChoiceError


def check(
    model: Model | Derivation,
    text: str,
    T: Steps = None,
    sizes: Mapping[str, int] | None = None,
    target: str | None = None,
    allow: Collection[choices.Allowed] | None = None,
) -> CheckReport:
    """Whether "left = right" holds for the model; of "A = B = C" every "=" is judged.

    A claim is tried at lengths up to 5 and beyond every step that it names, at several sizes. T: a length
    that is tried too, one number or a pair (T_x, T_y) for an encoder-decoder; what holds for it alone is
    right under `T = …`. sizes: size name → number, where they should be so.

    target: what the claim should be the answer for, as "dL/dW_aa"; allow: what it may use beside parameters
    and numbers, of `choices.ALLOWED`. A claim about something else, or with a name that restates the target
    or is not allowed, is "refused". Raises FormulaError, with a caret, for a text that cannot be read,
    ChoiceError for a T, sizes, names or a model that do not fit.
    """
    if not isinstance(model, (Model, Derivation)):
        raise ChoiceError("model", "a Model, which load gives", model)
    if not isinstance(text, str):
        raise ChoiceError("text", "a formula, as text", text)
    scope = scope_of(model)
    given = steps(scope.derivation, T)
    fixed = extent(scope.derivation, given, sizes, lambda name: 1).sizes  # checked
    sides, line = parse(text, scope), one_line(text)
    claim = Claim(scope, sides, given, tuple((name, fixed[name]) for name in sizes or ()))
    check_work(claim, line)
    if target is not None or allow is not None:
        asked = subject(sides[0]) or sides[0] if target is None else parse_name(target, scope)
        kinds = None if allow is None else [check_choice("allow", kind, choices.ALLOWED) for kind in allow]
        found = refused(sides, asked, kinds)
        if found is not None:
            return refusal(line, claim, found)
    judge = judge_of(scope)
    verdict = judge.verdict(claim)
    if says_nothing(sides) or not (verdict.correct or verdict.failure):
        return nothing(line, verdict)
    if verdict.correct:
        return right(line, verdict)
    return _explained(line, judge, claim, verdict)


@lru_cache(maxsize=32)
def judge_of(scope: Scope) -> Judge:
    """Who judges claims about a model."""
    return Judge(scope)


def _explained(line: str, judge: Judge, claim: Claim, verdict: Verdict) -> CheckReport:
    """By the first change that makes the claim right, one with a name if there is one."""
    assert verdict.failure is not None
    number = verdict.failure.number
    pair = claim.pairs[number]
    fixed = 1 if subject(pair[0]) is None and subject(pair[1]) is not None else 0
    either = subject(pair[0]) is None and fixed == 0
    for twice, budget in ((False, Budget(WORK)), (True, Budget(WORK_OF_PAIRS))):
        nameless = None
        for kept in (0, 1) if either else (fixed,):
            found = _diagnosis(judge, claim, verdict, kept, twice, budget)
            if found is not None and found.mistake != OTHER:
                return wrong(line, claim, verdict, kept, found)
            if found is not None and nameless is None:
                nameless = wrong(line, claim, verdict, kept, found)
        if nameless is not None:
            return nameless
    case = Case(
        judge,
        claim,
        verdict.reading,
        verdict.failures,
        pair[fixed],
        pair[1 - fixed],
        subject(pair[fixed]),
        Budget(WORK),
    )
    true = case.truth() or Diagnosis(OTHER)
    if verdict.failure.reason:
        true = Diagnosis(SHAPE, true.side)
    return wrong(line, claim, verdict, fixed, true)


def _diagnosis(
    judge: Judge, claim: Claim, verdict: Verdict, kept: int, twice: bool, budget: Budget
) -> Diagnosis | None:
    assert verdict.failure is not None
    number = verdict.failure.number
    target, side = claim.sides[number + kept], claim.sides[number + 1 - kept]
    about = subject(target)
    if about is None and kept == 0:
        earlier = [s for s in claim.sides[:number] if subject(s) is not None]
        target = earlier[0] if earlier else target
        about = subject(target)
    nameless = None
    for variant in dict.fromkeys(grouped(side, tight) for tight in (False, True)):
        case = Case(judge, claim, verdict.reading, verdict.failures, target, variant, about, budget)
        found = case.pair() if twice else case.diagnosis()
        if found is not None and found.mistake != OTHER:
            return found
        nameless = nameless or found
    return nameless
