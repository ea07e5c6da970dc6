"""What the checker says about a claim: whether it is right, which mistake it has, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from chalkgrad.derive.checking.explaining.mistakes import MISTAKES, OTHER, Diagnosis
from chalkgrad.derive.checking.explaining.written import written
from chalkgrad.derive.checking.judging.formulas import spread
from chalkgrad.derive.checking.judging.judging import Bench, Failure
from chalkgrad.derive.checking.judging.places import DIGITS, SHARES
from chalkgrad.derive.checking.judging.readings import GRADIENT, JACOBIAN
from chalkgrad.derive.checking.judging.verdicts import Verdict
from chalkgrad.derive.checking.reading.scope import Scope
from chalkgrad.derive.checking.reading.tree import Syntax, letter
from chalkgrad.derive.deriving.extent import Steps
from chalkgrad.derive.values.grid import Grid
from chalkgrad.derive.writing.latex import latex
from chalkgrad.derive.writing.tree import EQUALS, Node, row
from chalkgrad.derive.writing.unicode import unicode
from chalkgrad.telling import Told

Pieces: TypeAlias = "Sequence[str | Node]"  # words and mathematics

_DIGITS = 6
RIGHT, WRONG, NOTHING = "right", "wrong", "nothing claimed"


@dataclass(frozen=True, repr=False)
class CheckReport(Told):
    """The verdict on one claim. True in a condition exactly if it is right.

    mistake: None if the claim is right, otherwise the first of `mistakes`, names in `mistakes.MISTAKES`.
    explanation: words, with mathematics in LaTeX between dollars. claim: the text that was checked.
    verdict: "right", "wrong" or "nothing claimed". conditions: under which a right claim is right, as
    "t < T". reading: the layout that it was read in, "gradient" or "jacobian". places: how many of networks
    and steps it was judged at. str() is the same for a terminal.
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


def unexplained(claim: str, scope: Scope, sides: Sequence[Syntax], verdict: Verdict) -> CheckReport:
    """The report on a wrong claim that no change explains: where it fails, and by how much."""
    failure = verdict.failure
    assert failure is not None
    left, right = (written(side, scope) for side in sides[failure.number : failure.number + 2])
    sizes = dict(failure.place.sizes)
    places = [f"{name} = {n}" for name, n in (*sizes.items(), *failure.steps)]
    where = f"At random numbers with {', '.join(filter(None, [_length(failure.place.T), *places]))}"
    if failure.reason:
        last = f"The shapes do not fit: {failure.reason}."
    else:
        assert failure.left is not None and failure.right is not None
        one, other = failure.left.array, failure.right.array
        assert one is not None and other is not None
        number = int(abs(one - other).argmax())
        last = (
            f"{where}, one side has {float(one.flat[number]):.6g}, the other {float(other.flat[number]):.6g}."
        )
    text = f"{MISTAKES[OTHER]} {last}"
    shown = f"wrong: {OTHER}\n  claimed  {unicode(row(left, EQUALS, right))}\n  {text}"
    return having(CheckReport(False, OTHER, text, claim, shown, mistakes=(OTHER,)), verdict, WRONG)


def having(report: CheckReport, verdict: Verdict, told: str) -> CheckReport:
    """The report with how the claim was judged."""
    return replace(
        report,
        verdict=told,
        conditions=verdict.conditions,
        reading=verdict.reading.layout,
        places=verdict.compared,
    )


def wrong(
    claim: str,
    bench: Bench,
    failure: Failure,
    sides: tuple[Syntax, Syntax],
    fixed: int,
    found: Diagnosis | None,
) -> CheckReport:
    """The report on a claim that fails. sides: left and right of the "=" that does not hold.

    fixed: the side, 0 or 1, that is taken as it is; the other one is what should change.
    """
    scope, mistake = bench.scope, found.mistake if found else OTHER
    paragraphs: list[Pieces] = [[_words(found)]]
    if found is not None and found.missing is not None:
        paragraphs.append(["Missing: ", found.missing, "."])
    if found is not None and found.instead is not None:
        paragraphs.append(["It has ", found.instead[0], ", where ", found.instead[1], " belongs."])
    if found is not None and found.side is not None:
        line = (
            [written(sides[0], scope), found.side] if fixed == 0 else [found.side, written(sides[1], scope)]
        )
        paragraphs.append(["Right is ", row(line[0], EQUALS, line[1]), "."])
    paragraphs.append([_counterexample(bench, failure, sides, fixed)])
    line_of_claim = row(written(sides[0], scope), EQUALS, written(sides[1], scope))
    explanation = " ".join(_joined(p, _in_latex) for p in paragraphs)
    shown = [f"wrong: {mistake}", f"  claimed  {unicode(line_of_claim)}"]
    shown += [f"  {_joined(p, unicode)}" for p in paragraphs]
    named = (mistake, found.second) if found is not None and found.second else (mistake,)
    return CheckReport(False, mistake, explanation, claim, "\n".join(shown), mistakes=named)


def _words(found: Diagnosis | None) -> str:
    if found is None:
        return f"{MISTAKES[OTHER]} No one slip that is known here explains it."
    if found.second:
        return f"Two slips. {MISTAKES[found.mistake]} {MISTAKES[found.second]}"
    return MISTAKES[found.mistake]


def _joined(pieces: Pieces, write: Callable[[Node], str]) -> str:
    return "".join(piece if isinstance(piece, str) else write(piece) for piece in pieces)


def _in_latex(node: Node) -> str:
    return f"${latex(node)}$"


# ----------------------------------------------------------------------------- numbers


def _numbers(bench: Bench) -> list[tuple[str, int]]:
    extent = bench.oracles[0].extent
    times = [(str(symbol), n) for symbol, n in extent.times.items()]
    return [*extent.sizes.items(), *times]


def _counterexample(bench: Bench, failure: Failure, sides: tuple[Syntax, Syntax], fixed: int) -> str:
    """An entry at which the sides differ, or why there is none."""
    places = [f"{name} = {n}" for name, n in _numbers(bench)]
    places += [f"{name} = {failure.at.indices[letter(name)]}" for name in bench.letters]
    where = f"At random numbers with {', '.join(places)}"
    if failure.left is None or failure.right is None:
        return f"{where}: {failure.reason}."
    if failure.reason:
        return f"{where} the shapes differ: {failure.reason}."
    left, right = spread(failure.left, failure.right), spread(failure.right, failure.left)
    gaps = [abs(a - b) for a, b in zip(left.entries, right.entries, strict=True)]
    number = max(range(len(gaps)), key=gaps.__getitem__)
    true, claimed = (left, right) if fixed == 0 else (right, left)
    real = failure.at.oracle.real
    values = (real.nstr(grid.entries[number], _DIGITS) for grid in (claimed, true))
    return "{}, {} is claimed to be {}, and is {}.".format(where, _entry(true, number), *values)


def _entry(grid: Grid, number: int) -> str:
    if grid.shape == (1, 1):
        return "it"
    if 1 in grid.shape:
        return f"entry {number + 1}"
    return f"entry ({number // grid.columns + 1}, {number % grid.columns + 1})"
