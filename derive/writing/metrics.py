"""How wide LaTeX prints: an estimate in em, of displayed formulas in the mathematics of this project.

Widths of letters and signs are those of Computer Modern at 10 pt (D. E. Knuth, Computer Modern Typefaces,
1986); spaces and scripts follow the rules of The TeXbook, appendix G, with the heights of boxes rounded up.
Against `\\settowidth` on the formulas of the built-in models the estimate is never below the true width
and at most an eighth above it: tests/derive/writing/test_metrics.py measures it again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import lru_cache
from itertools import pairwise, zip_longest
from string import ascii_letters

from chalkgrad.derive.terms.functions import ELEMENTWISE

_ITALIC = """
529 429 433 520 466 597 513 576 345 469 552 318 878 600 485 503 482 479 469 361 572 521 743 572 526
509 750 809 786 856 796 782 786 912 518 651 921 681 1079 912 791 781 791 767 671 723 792 806 1083 907
803 754
"""
_ROMAN = """
500 556 444 556 444 383 514 556 278 306 528 278 833 556 500 556 528 392 394 389 556 542 736 528 542
444 750 708 722 764 681 653 785 750 361 514 778 625 917 750 778 681 778 736 556 722 750 764 1042 750
775 611
"""
_BOLD = """
559 639 511 639 527 460 591 639 319 351 607 319 958 639 575 639 607 474 454 447 639 623 847 607 623
511 869 818 831 882 756 724 904 900 436 594 901 692 1092 900 864 786 864 862 639 800 885 885 1205 869
898 703
"""
_DIGIT, _BOLD_DIGIT, _OTHER = 0.501, 0.576, 0.78
_SPACE, _BOLD_SPACE = 0.334, 0.384
_FONTS = {
    name: dict(zip(ascii_letters, (int(w) / 1000 for w in widths.split()), strict=True))
    for name, widths in {"italic": _ITALIC, "roman": _ROMAN, "bold": _BOLD}.items()
}
_NARROW = dict.fromkeys("()", 0.389) | dict.fromkeys("[]|,:;!.'", 0.282) | {"/": 0.5, "-": 0.334}
_GREEK = """
alpha 643 beta 618 gamma 573 delta 482 epsilon 406 varepsilon 467 zeta 511 eta 532 theta 497 vartheta 592
iota 354 kappa 576 lambda 583 mu 603 nu 558 xi 484 pi 606 rho 517 sigma 607 varsigma 443 tau 550
upsilon 576 phi 596 varphi 655 chi 626 psi 687 omega 658 Gamma 625 Delta 833 Theta 778 Lambda 694 Xi 667
Pi 750 Sigma 722 Upsilon 778 Phi 722 Psi 778 Omega 722 partial 586 nabla 833 infty 1000 ell 417 top 778
surd 833 vdots 278 # 833 % 833 & 778 _ 362 { 500 } 500 | 500
"""
_WORDS = _GREEK.split()
_LETTERS = {name: int(width) / 1000 for name, width in zip(_WORDS[::2], _WORDS[1::2], strict=True)}


class Kind(IntEnum):
    """What an atom is to its neighbours: The TeXbook, chapter 18."""

    ORD = 0
    OP = 1
    BIN = 2
    REL = 3
    OPEN = 4
    CLOSE = 5
    PUNCT = 6
    INNER = 7


_KINDS = dict.fromkeys("([", Kind.OPEN) | dict.fromkeys(")]!", Kind.CLOSE) | dict.fromkeys(",;", Kind.PUNCT)
_THIN, _MEDIUM, _THICK = 1 / 6, 2 / 9, 5 / 18
_SPACES = {"0": 0.0, "1": _THIN, "2": _MEDIUM, "3": _THICK}
_BETWEEN = ("01230001", "11030001", "22002002", "33000303", "00000000", "01230001", "11011111", "11231011")
_BINARY = (
    dict.fromkeys(("ast", "circ"), 0.5) | {"cdot": 0.278} | dict.fromkeys(("times", "odot", "pm"), 0.778)
)
_RELATIONS = dict.fromkeys(["neq", "le", "ge", "approx", "equiv", "propto", "in"], 0.778) | dict.fromkeys(
    ["to", "leftarrow", "mapsto", "Rightarrow", "ll", "gg"], 1.0
)
_OPERATORS = {"sum": 1.444, "prod": 1.278}
_NAMES = {"max", "min", "ln", "det", *(f.latex[1:] for f in ELEMENTWISE.values() if f.latex)}
_STACKED = frozenset(("sum", "prod", "max", "min"))  # bounds stand above and below
_BRACKETS = ((1.0, 0.389), (1.2, 0.458), (1.8, 0.597), (2.4, 0.736), (3.0, 0.792))  # height, width
_TALLEST = 0.876
_SIZES = {0: 1.0, 1: 1.0, 2: 0.82, 3: 0.72}  # display, text, script, script of a script
_AXIS = 0.25
_SCRIPT_SPACE = 0.056
_ROUNDING = 1.004  # of widths to thousandths, and of bold letters beside each other
_TOKENS = re.compile(r"\\[A-Za-z]+|\\.|\s+|.", re.DOTALL)


@dataclass(frozen=True)
class Box:
    """em: width, height above and depth below the line."""

    width: float
    up: float = 0.7
    down: float = 0.2
    kind: Kind = Kind.ORD
    stacked: bool = False


@lru_cache(maxsize=8192)
def width(text: str) -> float:
    """The width in em of our LaTeX as one displayed line. Raises ValueError for a macro it does not know."""
    return _ROUNDING * _Reader(text).line(0).width


def height(text: str) -> float:
    """The height in em of our LaTeX as one displayed line. Raises ValueError as `width` does."""
    box = _Reader(text).line(0)
    return box.up + box.down


def text_width(text: str, font: str = "roman") -> float:
    """The width in em of words."""
    return sum(map(_Font(font), text))


@dataclass(frozen=True)
class _Font:
    name: str

    def __call__(self, character: str) -> float:
        if character == " ":
            return _BOLD_SPACE if self.name == "bold" else _SPACE
        if character.isdigit():
            return _BOLD_DIGIT if self.name == "bold" else _DIGIT
        return _FONTS[self.name].get(character) or _NARROW.get(character, _OTHER)


class _Reader:
    """One pass over the tokens of a formula; `style` as in _SIZES."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = _TOKENS.findall(text)
        self._at = 0

    def line(self, style: int, *ends: str) -> Box:
        """Up to one of the tokens `ends`, which is left where it is, or to the end of the text."""
        boxes: list[Box] = []
        while self._at < len(self._tokens) and self._tokens[self._at] not in ends:
            token = self._next()
            if token in ("^", "_"):
                base = boxes.pop() if boxes else Box(0.0)
                boxes.append(self._scripts(base, token, style))
            elif not token.isspace():
                boxes.append(self._atom(token, style))
        return _beside(boxes, style)

    def _next(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1]

    def _skip_spaces(self) -> None:
        while self._at < len(self._tokens) and self._tokens[self._at].isspace():
            self._at += 1

    def _argument(self, style: int) -> Box:
        self._skip_spaces()
        token = self._next()
        return replace(self._group(style) if token == "{" else self._atom(token, style), kind=Kind.ORD)

    def _group(self, style: int) -> Box:
        box = self.line(style, "}")
        self._next()
        return replace(box, kind=Kind.ORD)

    def _raw(self) -> str:
        """The characters of an argument in braces."""
        self._skip_spaces()
        self._next()
        start, depth = self._at, 1
        while depth:
            depth += {"{": 1, "}": -1}.get(self._next(), 0)
        return "".join(self._tokens[start : self._at - 1])

    def _scripts(self, base: Box, mark: str, style: int) -> Box:
        scripts = {mark: self._argument(_script(style))}
        self._skip_spaces()
        if self._at < len(self._tokens) and self._tokens[self._at] in "^_":
            other = self._next()
            scripts[other] = self._argument(_script(style))
        above, below = scripts.get("^"), scripts.get("_")
        wide = max(box.width for box in scripts.values())
        up = base.up if above is None else max(base.up, 0.42 + above.up, base.up - 0.3 + above.up)
        down = base.down if below is None else max(base.down + 0.05, 0.25) + below.down
        if base.stacked and style == 0:
            up, down = base.up + (0.9 if above else 0), base.down + (0.9 if below else 0)
            return Box(max(base.width, wide), up, down, base.kind)
        return Box(base.width + wide + _SCRIPT_SPACE, up, down, base.kind)

    def _atom(self, token: str, style: int) -> Box:
        size = _SIZES[style]
        if token == "{":
            return self._group(style)
        if not token.startswith("\\"):
            return _character(token, size)
        name = token[1:]
        if name in _LETTERS:
            return Box(_LETTERS[name] * size, 0.7 * size, 0.2 * size)
        if name in _BINARY:
            return Box(_BINARY[name] * size, 0.6 * size, 0.1 * size, Kind.BIN)
        if name in _RELATIONS:
            return Box(_RELATIONS[name] * size, 0.7 * size, 0.2 * size, Kind.REL)
        if name in _NAMES:
            return Box(text_width(name) * size, 0.7 * size, 0.2 * size, Kind.OP, name in _STACKED)
        if name in _OPERATORS:
            return Box(_OPERATORS[name] * size, 0.95 * size, 0.45 * size, Kind.OP, True)
        return self._built(name, style, size)

    def _built(self, name: str, style: int, size: float) -> Box:
        match name:
            case "frac" | "tfrac":
                return self._fraction(style if name == "frac" else max(style, 1))
            case "left":
                return self._fenced(style, size)
            case "begin":
                return self._table(self._raw(), style)
            case "text" | "textbf":
                words = text_width(self._raw(), "roman" if name == "text" else "bold")
                return Box(words * size, 0.75 * size, 0.25 * size)
            case "mathrm" | "operatorname" | "mathbf":
                letters = text_width(self._raw().replace("\\", ""), "bold" if name == "mathbf" else "roman")
                kind = Kind.OP if name == "operatorname" else Kind.ORD
                return Box(letters * size, 0.7 * size, 0.2 * size, kind)
            case "mathcal" | "mathbb":
                return Box(_OTHER * size * len(self._raw()), 0.7 * size, 0.2 * size)
            case "boldsymbol":
                inner = self._argument(style)
                return replace(inner, width=inner.width * 1.2)
            case "hat" | "bar" | "tilde":
                inner = self._argument(style)
                return replace(inner, up=inner.up + 0.25)
            case "sqrt":
                inner = self._argument(style)
                return Box(inner.width + 1.01, inner.up + 0.2, inner.down)
            case "boxed":
                inner = self._argument(0)
                return Box(inner.width + 0.69, inner.up + 0.34, inner.down + 0.34)
            case "Bigl" | "Bigr":
                self._next()
                return Box(0.598, 1.15, 0.65, Kind.OPEN if name == "Bigl" else Kind.CLOSE)
            case "langle" | "rangle":
                return Box(0.389 * size, kind=Kind.OPEN if name == "langle" else Kind.CLOSE)
            case "cdots" | "ldots" | "ddots":
                return Box((1.34 if name == "cdots" else 1.17) * size, kind=Kind.INNER)
            case "hline":
                return Box(0.0)
            case "quad" | "qquad":
                return Box(1.0 if name == "quad" else 2.0)
            case "," | ";" | " ":
                return Box({",": _THIN, ";": _THICK, " ": _SPACE}[name])
            case _:
                raise ValueError(f"no width for \\{name}")

    def _fraction(self, style: int) -> Box:
        inside = 1 if style == 0 else _script(style)
        above, below = self._argument(inside), self._argument(inside)
        up = max(0.68 if style == 0 else 0.45, 0.39 + above.down) + above.up
        down = max(0.69 if style == 0 else 0.35, below.up - 0.11) + below.down
        return Box(max(above.width, below.width) + 0.24, up, down, Kind.INNER)

    def _fenced(self, style: int, size: float) -> Box:
        self._skip_spaces()
        self._next()
        inner = self.line(style, "\\right")
        self._next()
        self._skip_spaces()
        self._next()
        return _bracketed(inner, size)

    def _table(self, environment: str, style: int) -> Box:
        """Cells of \\begin{aligned}, displayed, or of {array}, {pmatrix} or {cases}, as text."""
        if environment == "array":
            self._raw()
        rows: list[list[Box]] = [[]]
        while True:
            rows[-1].append(self.line(0 if environment == "aligned" else 1, "&", "\\\\", "\\end"))
            token = self._next()
            if token == "\\\\":
                rows.append([])
            elif token == "\\end":
                self._raw()
                break
        columns = [max(box.width for box in column) for column in zip_longest(*rows, fillvalue=Box(0.0))]
        apart = 0.0 if environment == "aligned" else 1.0
        jot = 0.3 if environment == "aligned" else 0.0
        tall = sum(max(1.2, *(box.up + box.down for box in row), 0.0) + jot for row in rows)
        inner = Box(sum(columns) + apart * (len(columns) - 1), tall / 2 + _AXIS, tall / 2 - _AXIS)
        match environment:
            case "aligned" | "array":
                return inner
            case "pmatrix":
                return _bracketed(inner, _SIZES[style])
            case "cases":
                return replace(inner, width=inner.width + 1.0 * (len(columns) < 2) + 1.1, kind=Kind.INNER)
            case _:
                raise ValueError(f"no width for {environment}")


def _script(style: int) -> int:
    return 2 if style < 2 else 3


def _character(character: str, size: float) -> Box:
    if character in "+-":
        return Box(0.778 * size, 0.6 * size, 0.1 * size, Kind.BIN)
    if character in "=<>:":
        return Box((0.282 if character == ":" else 0.778) * size, 0.6 * size, 0.1 * size, Kind.REL)
    kinds = (
        dict.fromkeys("([", Kind.OPEN) | dict.fromkeys(")]!", Kind.CLOSE) | dict.fromkeys(",;", Kind.PUNCT)
    )
    kind = kinds.get(character, Kind.ORD)
    if kind in (Kind.OPEN, Kind.CLOSE):
        return Box(_NARROW[character] * size, 0.75 * size, 0.25 * size, kind)
    return Box(_Font("italic")(character) * size, 0.7 * size, 0.2 * size, kind)


def _bracketed(inner: Box, size: float) -> Box:
    """Brackets cover nine tenths of what stands between them: The TeXbook, rule 19."""
    reach = 2 * max(inner.up - _AXIS, inner.down + _AXIS)
    needed = max(0.901 * reach, reach - 0.5)
    bracket = next((wide for tall, wide in _BRACKETS if tall >= needed), _TALLEST)
    half = needed / 2 + 0.1
    up, down = max(inner.up, half + _AXIS), max(inner.down, half - _AXIS)
    return Box(inner.width + 2 * max(bracket, 0.389 * size), up, down, Kind.INNER)


def _beside(boxes: Sequence[Box], style: int) -> Box:
    """Atoms in a line with the space that TeX sets between them."""
    kinds = _settled([box.kind for box in boxes])
    total = sum(box.width for box in boxes)
    for left, right in pairwise(kinds):
        space = _BETWEEN[left][right]
        if style < 2 or (space == "1" and Kind.OP in (left, right)):
            total += _SPACES[space]
    up, down = max((b.up for b in boxes), default=0.0), max((b.down for b in boxes), default=0.0)
    return Box(total, up, down, boxes[0].kind if len(boxes) == 1 else Kind.ORD)


def _settled(kinds: list[Kind]) -> list[Kind]:
    """A binary sign with nothing on one of its sides is an ordinary one."""
    found = list(kinds)
    for i, kind in enumerate(kinds):
        before = found[i - 1] if i else None
        after = kinds[i + 1] if i + 1 < len(kinds) else None
        lonely = before in (None, Kind.BIN, Kind.OP, Kind.REL, Kind.OPEN, Kind.PUNCT)
        if kind is Kind.BIN and (lonely or after in (None, Kind.REL, Kind.CLOSE, Kind.PUNCT)):
            found[i] = Kind.ORD
    return found
