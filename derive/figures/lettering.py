"""Labels of a drawing as runs of letters, and how wide they are, told by counting letters.

A run knows its size and how far it is raised. Widths are those of a common serif face, in em; no font is
read. An index and an exponent of the same letter stand above each other.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace

from chalkgrad.derive.figures.drawing import END, MIDDLE, START, Label
from chalkgrad.derive.writing.notation import NOTE, Notation
from chalkgrad.derive.writing.tree import (
    Accent,
    Derivative,
    Fence,
    Ident,
    Name,
    Node,
    Number,
    Objective,
    Op,
    Par,
    Row,
    Size,
    Sub,
    Sup,
    Transposed,
    When,
    Words,
)
from chalkgrad.derive.writing.words import GREEK_CHARACTERS

EM = 0.8  # of a unit: the size of letters in a drawing
SIZES = (1.0, 0.72, 0.58)  # of letters, of scripts, of scripts of scripts
RAISED, LOWERED = 0.42, 0.22  # em of what carries the script
_NARROW, _WIDE = frozenset("ijlftrI.,:;'|()[]⟨⟩ "), frozenset("mwMW—⋯…")
_MARKS = {"^": "\u0302", "‾": "\u0304", "~": "\u0303"}
_SIGNS = {"-": "−"}
_LOOSE = frozenset("=+-<>≤≥≠∗→←")  # signs with space on both sides, unless they stand in a script


@dataclass(frozen=True)
class Run:
    """Letters of one size; rise: of their baseline, in em; back: em to go back before them."""

    text: str
    level: int = 0
    rise: float = 0.0
    back: float = 0.0
    upright: bool = True

    @property
    def width(self) -> float:
        """In em of the whole label."""
        return SIZES[self.level] * sum(map(_advance, self.text))


def runs(node: Node, notation: Notation) -> tuple[Run, ...]:
    """The label as runs from left to right. Raises TypeError for what a label cannot hold."""
    found: list[Run] = []
    ahead = 0.0
    for run in _set(node, notation, 0, 0.0):
        if not run.text:
            ahead += run.back
            continue
        run, ahead = replace(run, back=run.back + ahead), 0.0
        last = found[-1] if found else None
        if (
            last is not None
            and run.back == 0
            and replace(last, text=run.text) == replace(run, back=last.back)
        ):
            found[-1] = replace(last, text=last.text + run.text)
        else:
            found.append(run)
    return tuple(found)


def width(node: Node, notation: Notation = NOTE) -> float:
    """How wide a label is, in units of a drawing."""
    return EM * max(0.0, _extent(_set(node, notation, 0, 0.0)))


def reach(label: Label, notation: Notation = NOTE) -> tuple[float, float]:
    """The x at which a label begins and ends."""
    wide = width(label.text, notation)
    left = label.x - {START: 0.0, MIDDLE: wide / 2, END: wide}[label.anchor]
    return left, left + wide


def _extent(found: tuple[Run, ...]) -> float:
    """em from the start of the first run to the end of the one that reaches farthest."""
    place = farthest = 0.0
    for run in found:
        place += run.width - run.back
        farthest = max(farthest, place)
    return farthest


def _advance(character: str) -> float:
    if unicodedata.combining(character):
        return 0.0
    if character in _NARROW:
        return 0.33
    if character in _WIDE:
        return 0.85
    return 0.66 if character.isupper() or character in _LOOSE else 0.5


def _set(node: Node, notation: Notation, level: int, rise: float) -> tuple[Run, ...]:
    match node:
        case Name() | Par() | Size() | When() | Objective() | Derivative():
            return _set(notation.written(node), notation, level, rise)
        case Ident(text=text, style=style):
            upright = style != "italic" or text[:1].isdigit()
            return (Run(GREEK_CHARACTERS.get(text, text), level, rise, upright=upright),)
        case Op(sign=sign):
            shown = _SIGNS.get(sign, sign)
            if sign == "," and not level:
                return (Run(", ", level, rise),)
            return (Run(f" {shown} " if sign in _LOOSE and not level else shown, level, rise),)
        case Words(text=text):
            return (Run(text, level, rise),)
        case Number(text=text, power=None):
            return (Run(text.replace("-", "−"), level, rise),)
        case Row(items=(Op(sign="<"), *inside, Op(sign=">")), thin=False):
            step = (Op("⟨"), *inside, Op("⟩"))
            return tuple(run for item in step for run in _set(item, notation, level, rise))
        case Row(items=items, thin=thin):
            parts = [_set(item, notation, level, rise) for item in items]
            space = (Run(" ", level, rise),) if thin else ()
            return tuple(run for i, part in enumerate(parts) for run in ((*space, *part) if i else part))
        case Fence(body=body, marks=marks) if len(marks) == 2:
            inner = _set(body, notation, level, rise)
            return (Run(marks[0], level, rise), *inner, Run(marks[1], level, rise))
        case Accent(base=base, mark=mark):
            return _marked(_set(base, notation, level, rise), mark)
        case Transposed(base=base):
            return _set(Sup(base, Ident("T", "upright")), notation, level, rise)
        case Sub() | Sup():
            return _scripts(node, notation, level, rise)
        case _:
            raise TypeError(f"no place in a drawing for {type(node).__name__}")


def _marked(found: tuple[Run, ...], mark: str) -> tuple[Run, ...]:
    """The mark over the first letter."""
    if mark not in _MARKS:
        raise TypeError(f"no place in a drawing for the mark {mark!r}")
    first, *others = found
    text = unicodedata.normalize("NFC", first.text[:1] + _MARKS[mark]) + first.text[1:]
    return (replace(first, text=text), *others)


def _scripts(node: Sub | Sup, notation: Notation, level: int, rise: float) -> tuple[Run, ...]:
    """A base with an index, an exponent, or both: the second goes back over the first."""
    inner, size = min(level + 1, len(SIZES) - 1), SIZES[level]

    def script(one: Sub | Sup) -> tuple[Run, ...]:
        if isinstance(one, Sub):
            return _set(one.below, notation, inner, rise - LOWERED * size)
        return _set(one.above, notation, inner, rise + RAISED * size)

    below = node.base
    if isinstance(below, (Name, Par, Size, When, Objective)):
        below = notation.written(below)
    if isinstance(below, (Sub, Sup)) and type(below) is not type(node):
        first, second = script(below), script(node)
        back = _extent(first)
        rest = max(0.0, back - _extent(second))
        stacked = (replace(second[0], back=back), *second[1:])
        padding = (Run("", inner, rise, back=-rest),) if rest else ()
        return (*_set(below.base, notation, level, rise), *first, *stacked, *padding)
    return (*_set(below, notation, level, rise), *script(node))
