"""What is claimed: the sides of an equality with all that they name, and how they may be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from chalkgrad.derive.checking.judging.places import (
    Trials,
    trials,
)
from chalkgrad.derive.checking.judging.readings import GRADIENT, JACOBIAN, Reading
from chalkgrad.derive.checking.reading.errors import FormulaError
from chalkgrad.derive.checking.reading.scope import TIMES, Scope
from chalkgrad.derive.checking.reading.tree import (
    Delta,
    Index,
    Loss,
    Num,
    Over,
    Power,
    Slope,
    Sum,
    Syntax,
    Turned,
    Value,
    Weight,
    indices,
)
from chalkgrad.derive.deriving.extent import Steps
from chalkgrad.derive.terms.trees import walk

FARTHEST = 60  # step that a claim may name
MAX_WORK = 60_000  # names that are looked up for one claim in one network


@dataclass(frozen=True)
class Claim:
    """What is claimed about a network, and where it is tried. T, sizes: as given."""

    scope: Scope
    sides: tuple[Syntax, ...]
    T: Steps = None
    sizes: tuple[tuple[str, int], ...] = ()

    @property
    def letters(self) -> tuple[str, ...]:
        return free_letters(self.sides)

    @property
    def says_the_same(self) -> bool:
        """X = X, or a derivative of a thing by itself that the sides share."""
        return any(left == right for left, right in self.pairs)

    @property
    def pairs(self) -> list[tuple[Syntax, Syntax]]:
        return list(pairwise(self.sides))

    @property
    def farthest(self) -> int:
        """The farthest step, or distance between steps, that is named."""
        nodes = (n for side in self.sides for n in walk(side))
        return max((abs(index.number) for n in nodes for index in indices(n)), default=0)

    @property
    def trials(self) -> Trials:
        return trials(self.scope, self.T, self.sizes, numbers(self.sides), self.farthest)

    @property
    def readings(self) -> list[Reading]:
        over = next((n.by.name for n in self._slopes if isinstance(n.of, Loss) and _is_weight(n.by)), "")
        rows = any(isinstance(n.of, Loss) for n in self._slopes)
        return [Reading(layout, over) for layout in ((GRADIENT, JACOBIAN) if rows else (GRADIENT,))]

    @property
    def _slopes(self) -> list[Slope]:
        return [n for side in self.sides for n in walk(side) if isinstance(n, Slope)]


def _is_weight(node: Syntax) -> bool:
    return isinstance(node, Weight)


def subject(node: Syntax) -> Syntax | None:
    """The one thing that a side is about, a derivative, a δ or a value, signs and transposes aside."""
    while isinstance(node, Turned) or (isinstance(node, Sum) and len(node.terms) == 1):
        node = node.children[0]
    return node if isinstance(node, (Slope, Delta, Value, Loss)) else None


def says_nothing(sides: Sequence[Syntax]) -> bool:
    """Whether no name of the model is in it."""
    named = (Value, Delta, Weight, Loss, Slope)
    return not any(isinstance(n, named) for side in sides for n in walk(side))


def free_letters(sides: Sequence[Syntax]) -> tuple[str, ...]:
    names = frozenset(name for side in sides for name in side.free) - set(TIMES)
    return tuple(sorted(names))


def numbers(sides: Sequence[Syntax]) -> frozenset[int]:
    """Every whole number that a claim names, as a number, an exponent or a step."""
    found: set[int] = set()
    for side in sides:
        for node in walk(side):
            found |= {abs(index.number) for index in indices(node)}
            match node:
                case Num(value=value) | Power(exponent=value):
                    found |= {abs(int(value.p)), int(value.q)}
                case _:
                    pass
    return frozenset(n for n in found if n)


def check_work(claim: Claim, text: str) -> None:
    """Raise FormulaError for a claim that would take long to try."""
    if claim.farthest > FARTHEST:
        raise FormulaError(text, None, f"steps up to {FARTHEST}", str(claim.farthest))
    longest = max((p.T if isinstance(p.T, int) else sum(p.T or (1,)) for p in claim.trials.all), default=1)
    work = sum(_work(side, longest) for side in claim.sides) * longest ** len(claim.letters)
    if work > MAX_WORK:
        raise FormulaError(text, None, f"a formula of at most {MAX_WORK} names in all its steps", str(work))


def _work(node: Syntax, steps: int) -> int:
    inner = 1 + sum(_work(child, steps) for child in node.children)
    if not isinstance(node, Over):
        return inner
    times = steps
    if node.first is not None and node.last is not None:
        times = max(steps, abs(_far(node.last, steps)) + abs(_far(node.first, steps)))
    return inner * times


def _far(index: Index, steps: int) -> int:
    return abs(index.number) + steps * sum(abs(factor) for _, factor in index.letters)
