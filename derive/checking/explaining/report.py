"""What the checker says about a claim: whether it is right, which mistake it has, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from chalkgrad.derive.checking.explaining.mistakes import MISTAKES, OTHER, Diagnosis
from chalkgrad.derive.checking.explaining.written import written
from chalkgrad.derive.checking.judging.claim import Claim
from chalkgrad.derive.checking.judging.conditions import Outcome
from chalkgrad.derive.checking.judging.places import DIGITS, SHARES
from chalkgrad.derive.checking.judging.quantity import Quantity
from chalkgrad.derive.checking.judging.readings import GRADIENT, JACOBIAN
from chalkgrad.derive.checking.judging.verdicts import Verdict
from chalkgrad.derive.checking.reading.tree import Syntax
from chalkgrad.derive.deriving.extent import Steps
from chalkgrad.derive.writing.latex import latex
from chalkgrad.derive.writing.tree import EQUALS, Node, row
from chalkgrad.derive.writing.unicode import unicode
from chalkgrad.telling import Told

Pieces: TypeAlias = "Sequence[str | Node]"  # words and mathematics

_DIGITS = 6
RIGHT, WRONG, NOTHING, REFUSED = "right", "wrong", "nothing claimed", "refused"


@dataclass(frozen=True, repr=False)
class CheckReport(Told):
    """The verdict on one claim. True in a condition exactly if it is right.

    mistake: None if the claim is right, otherwise the first of `mistakes`, names in `mistakes.MISTAKES`.
    explanation: words, with mathematics in LaTeX between dollars. claim: the text that was checked. verdict:
    "right", "wrong", "nothing claimed" or "refused". conditions: under which a right claim is right, as
    "t < T". reading: the layout that it was read in, "gradient" or "jacobian". places: at how many steps of
    networks it was judged. str() is the same for a terminal.
    """

    correct: bool
    mistake: str | None
    explanation: str
    claim: str
    _shown: str = field(repr=False)
    verdict: str = WRONG
    conditions: tuple[str, ...] = ()
    reading: str = GRADIENT
    places: int = 0
    mistakes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.correct

    def __str__(self) -> str:
        return self._shown

    def _repr_markdown_(self) -> str:
        verdict = f"{self.verdict}: {self.mistake}" if self.mistake else self.verdict
        return f"**{verdict}** {self.explanation}"


def right(claim: str, verdict: Verdict) -> CheckReport:
    """The report on a claim that holds."""
    where = f"at all {verdict.compared} places where both exist"
    lengths = ", ".join(dict.fromkeys(_length(o.place.T) for o in verdict.outcomes))
    text = f"Both sides agree {where}{f' ({lengths})' if lengths else ''}, once more in {DIGITS} digits."
    if verdict.reading.layout == JACOBIAN:
        text += " It is read with the derivative of the loss by a vector as a row."
    if verdict.conditions:
        text += f" It is right under a condition: {', '.join(verdict.conditions)}."
    if SHARES in verdict.conditions:
        text += (
            " That is so for targets that sum to 1, as those of a softmax do; for other targets it is not."
        )
    return having(CheckReport(True, None, text, claim, f"right\n  {text}"), verdict, RIGHT)


def _length(T: Steps) -> str:
    if isinstance(T, tuple):
        return f"T_x = {T[0]} and T_y = {T[1]}"
    return "" if T is None else f"T = {T}"


def nothing(claim: str, verdict: Verdict) -> CheckReport:
    """The report on a claim in which nothing is compared, or that names nothing of the model."""
    text = "Nothing is claimed: there is no step at which all of it exists, or it names nothing of the model."
    return having(CheckReport(False, None, text, claim, f"{NOTHING}\n  {text}"), verdict, NOTHING)


def having(report: CheckReport, verdict: Verdict, told: str) -> CheckReport:
    """The report with how the claim was judged."""
    return replace(
        report,
        verdict=told,
        conditions=verdict.conditions,
        reading=verdict.reading.layout,
        places=verdict.compared,
    )


def refusal(line: str, claim: Claim, found: Syntax | str) -> CheckReport:
    """The report on what is no answer to the question. found: the name that it may not use, or words."""
    if isinstance(found, str):
        pieces: Pieces = [f"This is no answer: {found}."]
    else:
        pieces = ["This is no answer: it may not use ", written(found, claim.scope), "."]
    shown = f"{REFUSED}\n  {_joined(pieces, unicode)}"
    return CheckReport(False, None, _joined(pieces, _in_latex), line, shown, verdict=REFUSED)


def wrong(line: str, claim: Claim, verdict: Verdict, fixed: int, found: Diagnosis) -> CheckReport:
    """The report on a claim that fails.

    fixed: the side, 0 or 1, of the "=" that does not hold that is taken as it is; the other should change.
    """
    failure, scope = verdict.failure, claim.scope
    assert failure is not None
    sides = claim.pairs[failure.number]
    paragraphs: list[Pieces] = [[_words(found)]]
    if found.missing is not None:
        paragraphs.append(["Missing: ", written(found.missing, scope), "."])
    if found.instead is not None:
        old, new = (written(part, scope) for part in found.instead)
        paragraphs.append(["It has ", old, ", where ", new, " belongs."])
    if found.side is not None:
        target = written(found.target or sides[fixed], scope)
        pair = (target, written(found.side, scope)) if fixed == 0 else (written(found.side, scope), target)
        paragraphs.append(["Right is ", row(pair[0], EQUALS, pair[1]), "."])
    paragraphs.append([_counterexample(failure, fixed)])
    claimed = row(written(sides[0], scope), EQUALS, written(sides[1], scope))
    explanation = " ".join(_joined(p, _in_latex) for p in paragraphs)
    shown = [f"wrong: {found.mistake}", f"  claimed  {unicode(claimed)}"]
    shown += [f"  {_joined(p, unicode)}" for p in paragraphs]
    named = (found.mistake, found.second) if found.second else (found.mistake,)
    report = CheckReport(False, found.mistake, explanation, line, "\n".join(shown), mistakes=named)
    return having(report, verdict, WRONG)


def _words(found: Diagnosis) -> str:
    if found.second:
        return f"Two slips. {MISTAKES[found.mistake]} {MISTAKES[found.second]}"
    if found.mistake == OTHER and found.side is None:
        return f"{MISTAKES[OTHER]} No one slip that is known here explains it."
    return MISTAKES[found.mistake]


def _joined(pieces: Pieces, write: Callable[[Node], str]) -> str:
    return "".join(piece if isinstance(piece, str) else write(piece) for piece in pieces)


def _in_latex(node: Node) -> str:
    return f"${latex(node)}$"


# ----------------------------------------------------------------------------- numbers


def _counterexample(failure: Outcome, fixed: int) -> str:
    """An entry at which the sides differ, or why there is none."""
    numbers = [f"{name} = {n}" for name, n in (*failure.place.sizes, *failure.steps)]
    where = f"At random numbers with {', '.join(filter(None, [*numbers, _length(failure.place.T)]))}"
    if failure.reason:
        return f"The shapes differ: {failure.reason}."
    assert failure.left is not None and failure.right is not None
    true, claimed = (failure.left, failure.right) if fixed == 0 else (failure.right, failure.left)
    assert true.array is not None and claimed.array is not None
    gaps = abs(true.array - claimed.array)
    number = max(range(gaps.size), key=gaps.flat.__getitem__)
    values = (f"{float(side.array.flat[number]):.{_DIGITS}g}" for side in (claimed, true))  # type: ignore[union-attr]
    return "{}, {} is claimed to be {}, and is {}.".format(where, _entry(true, number), *values)


def _entry(quantity: Quantity, number: int) -> str:
    assert quantity.array is not None
    rows, columns = quantity.array.shape
    if (rows, columns) == (1, 1):
        return "it"
    if 1 in (rows, columns):
        return f"entry {number + 1}"
    return f"entry ({number // columns + 1}, {number % columns + 1})"
