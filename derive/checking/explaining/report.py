"""What the checker says about a claim: whether it is right, which mistake it has, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from chalkgrad.derive.checking.explaining.mistakes import MISTAKES, OTHER, Diagnosis
from chalkgrad.derive.checking.explaining.written import written
from chalkgrad.derive.checking.judging.formulas import spread
from chalkgrad.derive.checking.judging.judging import Bench, Failure
from chalkgrad.derive.checking.reading.tree import Syntax, letter
from chalkgrad.derive.values.grid import Grid
from chalkgrad.derive.writing.latex import latex
from chalkgrad.derive.writing.tree import EQUALS, Node, row
from chalkgrad.derive.writing.unicode import unicode
from chalkgrad.telling import Told

Pieces: TypeAlias = "Sequence[str | Node]"  # words and mathematics

_DIGITS = 6


@dataclass(frozen=True, repr=False)
class CheckReport(Told):
    """The verdict on one claim. True in a condition exactly if it is right.

    mistake: None if the claim is right, otherwise one of `mistakes.MISTAKES`. explanation: words, with
    mathematics in LaTeX between dollars. claim: the text that was checked. str() is the same for a
    terminal.
    """

    correct: bool
    mistake: str | None
    explanation: str
    claim: str
    _shown: str = field(repr=False)

    def __bool__(self) -> bool:
        return self.correct

    def __str__(self) -> str:
        return self._shown

    def _repr_markdown_(self) -> str:
        verdict = "right" if self.correct else f"wrong: {self.mistake}"
        return f"**{verdict}** {self.explanation}"


def right(claim: str, bench: Bench, notes: Sequence[str]) -> CheckReport:
    """The report on a claim that holds."""
    digits = bench.oracles[0].real.dps
    where = f"{len(bench.oracles)} random points, {digits} digits"
    numbers = ", ".join(f"{name} = {n}" for name, n in _numbers(bench))
    steps = f", and for every {' and '.join(bench.letters)}" if bench.letters else ""
    text = " ".join([f"Both sides agree at {where} ({numbers}){steps}.", *notes])
    return CheckReport(True, None, text, claim, f"right\n  {text}")


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
    return CheckReport(False, mistake, explanation, claim, "\n".join(shown))


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
