"""Long formulas as several `math` elements, between which a browser may begin a new line.

MathML Core never breaks a line. A formula that needs more room than it may have is cut before its signs
+, − and =, then before ∗ and between factors, and inside parentheses that are too wide themselves; what
is left is as narrow as the mathematics allows, and the page flows at every width of the screen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from chalkgrad.derive.writing.mathml import SEMANTIC, MathML, function_name, is_open
from chalkgrad.derive.writing.mathml_elements import SPACE, operator, scripts
from chalkgrad.derive.writing.notation import Notation
from chalkgrad.derive.writing.tree import (
    Accent,
    Big,
    Call,
    Cases,
    Fence,
    Frac,
    Ident,
    Matrix,
    Node,
    Number,
    Op,
    Root,
    Row,
    Sub,
    Sup,
    Transposed,
    Words,
    Wrong,
    is_sum,
)
from chalkgrad.derive.writing.words import GREEK_CHARACTERS

ROOM = 12.0  # em: what a telephone shows of a line beside its relation, with some to spare
_LOOSE = "+−-=≠≈≤≥<>±≡→⇒"
_CLOSE = "∗*·×⊙∘⋯…"
_SHARE = 0.7  # of the room: what two short runs may take together
_INDEX = 0.72  # the size of an index
_SIGN = 1.3  # em: a sign with the space on both sides


def maths(node: Node, notation: Notation, room: float = ROOM, known: Collection[str] = ()) -> str:
    """The node as `math` elements, one if it fits into `room` (in em). Raises TypeError.

    What is too wide and cannot be cut stands in a `span` of the class "wide", whose variable --em says about
    how wide it is, so that a page can set it smaller or let it scroll.
    """
    cut = Lines(MathML(notation, frozenset(known)), room).runs(node)
    return "<wbr>".join(_element(run, room) for run in cut)


@dataclass(frozen=True)
class Run:
    """Elements that stay together, and about how wide they are, in em."""

    elements: tuple[str, ...]
    width: float

    def __add__(self, other: Run) -> Run:
        return Run(self.elements + other.elements, self.width + other.width)


_GAP = Run((SPACE,), 0.17)


def _element(run: Run, room: float) -> str:
    markup = f"<math>{''.join(run.elements)}</math>"
    if run.width <= room * 1.2:
        return markup
    return f'<span class="wide" style="--em:{run.width:.0f}">{markup}</span>'


@dataclass(frozen=True)
class Lines:
    """Cuts formulas for one printer."""

    printer: MathML
    room: float

    def runs(self, node: Node) -> list[Run]:
        """At least one run; where one ends, a line may."""
        if self.width(node) <= self.room:
            return [self._whole(node)]
        match node:
            case Row():
                return self._row(node)
            case Fence(body=Matrix()) | Call(argument=Matrix()):
                return [self._whole(node)]
            case Sub(base=Fence(body=Matrix())) | Sup(base=Fence(body=Matrix())):
                return [self._whole(node)]
            case Transposed(base=Fence(body=Matrix())):
                return [self._whole(node)]
            case Fence(body=body, marks=marks):
                return self._fenced(body, marks)
            case Sub(base=Fence(body=body, marks=marks), below=below):
                return self._fenced(body, marks, below=self.printer.script(below))
            case Sup(base=Fence(body=body, marks=marks), above=above):
                return self._fenced(body, marks, above=self.printer.above(above))
            case Transposed(base=Fence(body=body, marks=marks)):
                return self._fenced(body, marks, above="<mi>⊤</mi>")
            case Transposed(base=Row() as body):
                return self._fenced(body, "()", above="<mi>⊤</mi>")
            case Call(function="sqrt", primes=0):
                return [self._whole(node)]
            case Call(function=function, argument=argument, bare=bare):
                name = Run((self.printer.name_of(node),), 0.5 * len(function_name(function)))
                if bare and not is_sum(argument):
                    return _led(name + _GAP, self.runs(argument))
                return _led(name, self._fenced(argument, "()"))
            case Big(body=body):
                return _led(Run((self.printer.big_sign(node),), 1.8), self.runs(_summand(body)))
            case _:
                return [self._whole(node)]

    def _whole(self, node: Node) -> Run:
        return Run(tuple(self.printer.items(node)), self.width(node))

    # ------------------------------------------------------------------------- cutting

    def _fenced(
        self, body: Node, marks: str, below: str | None = None, above: str | None = None
    ) -> list[Run]:
        """The marks stay at the first and the last run, both as tall as the whole needs."""
        height = ' minsize="2.4em"' if self.printer.tall(body) else None
        left, right = self.printer.marks(marks, height)
        if below is not None or above is not None:
            right = scripts(right, below, above)
        first, *others = self.runs(body)
        *others, last = [Run((left,), 0.4) + first, *others]
        return [*others, last + Run((right,), 0.8)]

    def _row(self, node: Row) -> list[Run]:
        """Cut before + − =; a term that is still too wide, between its factors."""
        found: list[Run] = []
        for sign, term in _terms(node):
            width = self.width(term)
            close = bool(found) and found[-1].width + width <= self.room * _SHARE
            lead = Run((), 0) if sign is None else Run((operator(sign, between=not close),), _SIGN)
            if close:
                found[-1] += lead + self._whole(term)
            else:
                found += _led(lead, [self._whole(term)] if width <= self.room else self._factors(term))
        return found

    def _factors(self, term: Row) -> list[Run]:
        """Cut before ∗ and between what stands side by side."""
        found: list[Run] = []
        before: Node | None = None
        for signs, factor in _units(term):
            first, *others = self.runs(factor)
            if before is not None and self.printer.apart(before, (*signs, factor)[0], term.thin, False):
                found[-1] += _GAP
            close = bool(found) and found[-1].width + first.width <= self.room * _SHARE
            lead = Run((), 0)
            for sign in signs:
                unary = before is None or is_open(before)
                leads = not unary and not close and not lead.elements
                lead += Run((operator(sign.sign, unary=unary, between=leads),), _SIGN)
                before = sign
            first = lead + first
            if close:
                found[-1] += first
                found += others
            else:
                found += [first, *others]
            before = factor
        return found

    # ------------------------------------------------------------------------- measuring

    def width(self, node: Node) -> float:
        """About how wide it is, in em."""
        match node:
            case _ if isinstance(node, SEMANTIC):
                return self.width(self.printer.written(node))
            case Ident(text=text):
                return 0.56 * len(GREEK_CHARACTERS.get(text, text))
            case Number(text=text, power=power):
                return 0.5 * len(text) + (0 if power is None else 1.5 + 0.36 * len(str(power)))
            case Op(sign=sign):
                return _SIGN if sign in _LOOSE or sign in _CLOSE else 0.6
            case Words(text=text):
                return 0.47 * len(text)
            case Row(items=items, thin=thin):
                return sum(map(self.width, items)) + (0.17 * len(items) if thin else 0)
            case Fence(body=body):
                return self.width(body) + 0.9
            case Frac(above=above, below=below):
                return max(self.width(above), self.width(below)) + 0.2
            case Sup(base=Sub(base=base, below=below), above=above):
                return self.width(base) + _INDEX * max(self.width(below), self.width(above))
            case Sup(base=base, above=script) | Sub(base=base, below=script):
                return self.width(base) + _INDEX * self.width(script)
            case Accent(base=inner) | Wrong(body=inner):
                return self.width(inner) + 0.2
            case Transposed(base=inner):
                return self.width(inner) + 0.6
            case Root(body=body):
                return self.width(body) + 1
            case Call(function=function, argument=argument, bare=bare):
                return 0.5 * len(function_name(function)) + self.width(argument) + (0.3 if bare else 0.9)
            case Big(below=below, above=above, body=body):
                bounds = [_INDEX * self.width(bound) for bound in (below, above) if bound is not None]
                return max([1.5, *bounds]) + 0.3 + self.width(body)
            case Matrix(rows=rows):
                return 1 + self._table(rows)
            case Cases(branches=branches):
                return 3 + self._table([(v, Ident("") if c is None else c) for v, c in branches])
            case _:
                raise TypeError(f"no MathML for {type(node).__name__}")

    def _table(self, rows: Collection[tuple[Node, ...]]) -> float:
        columns = zip(*rows, strict=True)
        return sum(0.8 + max(map(self.width, column)) for column in columns)


def _led(lead: Run, runs: list[Run]) -> list[Run]:
    """The runs with something in front of the first."""
    return [lead + runs[0], *runs[1:]]


def _summand(body: Node) -> Node:
    return Fence(body) if is_sum(body) else body


def _terms(node: Row) -> Iterator[tuple[str | None, Row]]:
    """The terms of a sum or of a chain of relations, each with the sign between it and the one before."""
    sign: str | None = None
    items: list[Node] = []
    for item in node.items:
        between = isinstance(item, Op) and bool(items) and not is_open(items[-1])
        if isinstance(item, Op) and item.sign in _LOOSE and between:
            yield sign, Row(tuple(items), node.thin)
            sign, items = item.sign, []
        else:
            items.append(item)
    yield sign, Row(tuple(items), node.thin)


def _units(term: Row) -> Iterator[tuple[tuple[Op, ...], Node]]:
    """What may not be parted: a factor, and the signs in front of it; signs at the end are their own."""
    signs: tuple[Op, ...] = ()
    for item in term.items:
        if isinstance(item, Op):
            signs = (*signs, item)
        else:
            yield signs, item
            signs = ()
    yield from (((), sign) for sign in signs)
