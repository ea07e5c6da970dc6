"""Written mathematics as one line of Unicode for a terminal.

Scripts, fractions and matrices stand on one line, so parentheses are set where the two dimensions of a
page would have told things apart: ∂L/∂W_aa, (a + b)/c, (1/2) x, Σ_{t=1..T} δ_a⟨t⟩ a⟨t−1⟩ᵀ. A quotient binds
tighter than the space between factors, and that tighter than a sum.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

from chalkgrad.derive.terms.functions import sign_of
from chalkgrad.derive.writing.notation import NOTE, Notation
from chalkgrad.derive.writing.signs import LEVEL, Stacked, closes, opens
from chalkgrad.derive.writing.tree import (
    Accent,
    Big,
    Call,
    Cases,
    Derivative,
    Fence,
    Frac,
    Ident,
    Matrix,
    Name,
    Node,
    Number,
    Objective,
    Op,
    Par,
    Root,
    Row,
    Size,
    Sub,
    Sup,
    Transposed,
    When,
    Words,
    Wrong,
)
from chalkgrad.derive.writing.unicode_scripts import bold, lowered, marked, raised
from chalkgrad.derive.writing.words import GREEK_CHARACTERS

_SIGNS = {"-": "−", "*": "∗", "∑": "Σ", "∏": "Π", **LEVEL}
_TERMS = frozenset("+-−±")
_FACTORS = frozenset("∗*·×⊙∘/")
_CLOSE = frozenset(",:;!")  # signs that stand close behind what is before them


class _Level(IntEnum):
    """How tightly a text binds."""

    OPEN = 0  # a = b, a list
    SUM = 1
    PRODUCT = 2
    QUOTIENT = 3
    DERIVATIVE = 4  # ∂a/∂b, which is read as one thing among factors
    ATOM = 5


@dataclass(frozen=True)
class _Text:
    """A text, how tightly it binds, and the script that it ends with: "index", "power", "step" or none."""

    text: str
    level: _Level = _Level.ATOM
    tail: str = ""

    def at(self, level: _Level) -> str:
        return self.text if self.level >= level else f"({self.text})"

    def carrying(self, tail: str) -> str:
        """As what gets a script of that kind."""
        return self.text if self.level is _Level.ATOM and self.tail != tail else f"({self.text})"


def unicode(node: Node, notation: Notation = NOTE) -> str:
    """The node as one line of Unicode. Raises TypeError for what it does not know, naming it."""
    return _Printer(notation).shown(node).text


class _Printer:
    """One notation; tight: in an index or exponent; named: in a name, whose index follows "_"."""

    def __init__(self, notation: Notation) -> None:
        self._notation = notation

    def shown(self, node: Node, tight: bool = False, named: bool = False) -> _Text:
        match node:
            case Name() | Par() | Size() | Objective():
                return self._named(node)
            case When() | Derivative():
                return self.shown(self._notation.written(node), tight, named)
            case Ident(text=text, style=style):
                return _Text(_letters(text, style))
            case Number():
                return _number(node)
            case Op(sign=sign):
                return _Text(_SIGNS.get(sign, sign))
            case Words(text=text):
                return _Text(re.sub(r"\s+", " ", text))
            case Row():
                return self._row(node, tight, named)
            case Fence(body=(Matrix() | Cases()) as body, marks="()"):
                return self.shown(body)
            case Fence(body=body, marks=marks):
                if len(marks) != 2:
                    raise TypeError(f"no Unicode for the marks {marks!r}")
                return _Text(f"{marks[0]}{self.shown(body, tight, named).text}{marks[1]}")
            case Frac(above=above, below=below):
                top, bottom = self.shown(above), self.shown(below)
                level = _Level.DERIVATIVE if _differential(above) else _Level.QUOTIENT
                return _Text(f"{top.at(_Level.ATOM)}/{bottom.at(_Level.ATOM)}", level)
            case Sup(base=base, above=above):
                return self._raised(base, above, named)
            case Sub(base=base, below=below):
                return self._lowered(base, below, named)
            case Transposed(base=base):
                return _Text(f"{self._bare(base).carrying('power')}ᵀ", tail="power")
            case Accent(base=base, mark=mark):
                return self._accent(base, mark, named)
            case Root(body=body):
                return _Text(f"√({self.shown(body).text})")
            case Call():
                return self._call(node)
            case Big():
                return self._big(node)
            case Matrix(rows=rows):
                lines = (", ".join(self.shown(cell).text for cell in cells) for cells in rows)
                return _Text(f"[{'; '.join(lines)}]")
            case Cases(branches=branches):
                return _Text("{" + "; ".join(self._branch(*branch) for branch in branches) + "}")
            case Stacked(lines=inner):
                return _Text(" ".join(self.shown(line).text for line in inner), _Level.SUM)
            case Wrong(body=body):
                return _Text(f"⟦{self.shown(body).text}⟧")
            case _:
                raise TypeError(f"no Unicode for {type(node).__name__}")

    # ------------------------------------------------------------------------- scripts

    def _named(self, node: Name | Par | Size | Objective) -> _Text:
        """A step below is a lowered character where there is one for each of it."""
        if isinstance(node, Name | Objective) and node.step is not None and self._notation.place == "below":
            bare = Name(node.name, None, node.role) if isinstance(node, Name) else Objective(node.name)
            low = lowered(self.shown(self._notation.step(node.step), tight=True).text)
            if low is not None:
                return _Text(self._named(bare).text + low, tail="index")
        return self.shown(self._notation.written(node), tight=True, named=True)

    def _raised(self, base: Node, above: Node, named: bool) -> _Text:
        match above:
            case Row(items=(Op(sign="<"), *inside, Op(sign=">"))):
                step = self.shown(Row(tuple(inside)), tight=True).text
                return _Text(f"{self.shown(base, named=named).carrying('step')}⟨{step}⟩", tail="step")
            case _:
                carrier = self._bare(base, named).carrying("power")
                exponent = self.shown(above, tight=True, named=named)
                high = raised(exponent.text)
                if high is not None:
                    return _Text(carrier + high, tail="power")
                simple = re.fullmatch(r"\w+", exponent.text)
                return _Text(f"{carrier}^{exponent.text if simple else f'({exponent.text})'}", tail="power")

    def _lowered(self, base: Node, below: Node, named: bool) -> _Text:
        carrier = self._bare(base, named).carrying("index")
        index = self.shown(below, tight=True, named=named)
        low = None if named or isinstance(base, Ident) else lowered(index.text)
        if low is not None:
            return _Text(carrier + low, tail="index")
        simple = re.fullmatch(r"[\w\u0300-\u036f]+", index.text) and index.tail in ("", "index")
        return _Text(f"{carrier}_{index.text if simple else f'({index.text})'}", tail="index")

    def _bare(self, base: Node, named: bool = False) -> _Text:
        """What gets an exponent; without parentheses that only a page needs."""
        if isinstance(base, Fence) and base.marks == "()":
            inside = self.shown(base.body, named=named)
            if inside.level is _Level.ATOM and not isinstance(base.body, Op | Words):
                return inside
        return self.shown(base, named=named)

    def _accent(self, base: Node, mark: str, named: bool) -> _Text:
        match base:
            case Ident() | Accent(base=Ident()):
                return _Text(marked(self.shown(base).text, mark))
            case Sub(base=inner, below=below) if isinstance(inner, Ident | Accent):
                return self._lowered(Accent(inner, mark), below, named)
            case _:
                name = {"^": "hat", "‾": "bar", "~": "tilde"}.get(mark)
                if name is None:
                    raise TypeError(f"no Unicode for the mark {mark!r}")
                return _Text(f"{name}({self.shown(base, named=named).text})")

    # ------------------------------------------------------------------------- rows

    def _row(self, row: Row, tight: bool, named: bool) -> _Text:
        items = row.items
        shown = [self.shown(item, tight, named) for item in items]
        text = ""
        for i, item in enumerate(items):
            before = items[i - 1] if i else None
            after = items[i + 1] if i + 1 < len(items) else None
            piece = _among(item, shown[i], before, after)
            text += (_space(items, i, tight) if text else "") + piece
        return _Text(text, _row_level(items, shown), shown[-1].tail if len(items) == 1 else "")

    def _call(self, call: Call) -> _Text:
        name = sign_of(GREEK_CHARACTERS.get(call.function, call.function))
        if not re.fullmatch(r"\w+", name):
            raise TypeError(f"no Unicode for the function {call.function!r}")
        argument = call.argument
        while isinstance(argument, Fence) and argument.marks == "()":
            argument = argument.body
        if argument == Row(()):
            return _Text(name + "′" * call.primes)
        return _Text(f"{name}{'′' * call.primes}({self.shown(argument).text})")

    def _big(self, big: Big) -> _Text:
        sign = _SIGNS.get(big.sign, big.sign)
        if sign not in ("Σ", "Π", "max", "min"):
            raise TypeError(f"no Unicode for the sign {big.sign!r}")
        below = "" if big.below is None else self.shown(big.below, tight=True).text
        above = "" if big.above is None else self.shown(big.above, tight=True).text
        span = f"_{{{below}..{above}}}" if above else f"_{{{below}}}" if below else ""
        body = self.shown(big.body)
        return _Text(f"{sign}{span} {body.at(_Level.PRODUCT)}".rstrip(), _Level.PRODUCT)

    def _branch(self, value: Node, condition: Node | None) -> str:
        when = "otherwise" if condition is None else f"if {self.shown(condition).text}"
        return f"{self.shown(value).text} {when}"


# ----------------------------------------------------------------------------- leaves


def _letters(text: str, style: str) -> str:
    if style not in ("italic", "upright", "bold"):
        raise TypeError(f"no Unicode for the style {style!r}")
    if not text.isprintable():
        raise TypeError(f"no Unicode for the letters {text!r}")
    shown = GREEK_CHARACTERS.get(text, text)
    return bold(shown) if style == "bold" else shown


def _number(number: Number) -> _Text:
    text = number.text.replace("-", "−")
    level = _Level.SUM if text.startswith("−") else _Level.ATOM
    if number.power is None:
        return _Text(text, level)
    power = f"10{raised(str(number.power))}"
    if text in ("", "1", "−1"):
        return _Text(text.removesuffix("1") + power, level, "power")
    return _Text(f"{text}·{power}", min(level, _Level.PRODUCT), "power")


# ----------------------------------------------------------------------------- what stands beside what


def _differential(node: Node) -> bool:
    """∂a, ∂⁺a"""
    return isinstance(node, Row) and bool(node.items) and _del(node.items[0])


def _del(node: Node | None) -> bool:
    return node == Ident("∂") or (isinstance(node, Sup) and node.base == Ident("∂"))


def _sign(node: Node | None) -> str:
    return node.sign if isinstance(node, Op) else ""


def _factor(node: Node | None) -> bool:
    """Whether it is a factor of what stands beside it without a sign."""
    return node is not None and not isinstance(node, Op | Words)


def _among(item: Node, shown: _Text, before: Node | None, after: Node | None) -> str:
    """An item of a row, in parentheses where its neighbours would take a part of it."""
    left, right = _sign(before), _sign(after)
    multiplied = left in _FACTORS or right in _FACTORS
    beside = _factor(before) or _factor(after)
    if isinstance(item, Op | Words):
        return shown.text
    if _del(before):
        return shown.at(_Level.ATOM)
    match shown.level:
        case _Level.OPEN:
            return shown.at(_Level.SUM) if multiplied or beside or left in _TERMS else shown.text
        case _Level.SUM:
            tight = multiplied or beside or left in ("-", "−", "±")
            return shown.at(_Level.PRODUCT) if tight else shown.text
        case _Level.PRODUCT if isinstance(item, Big) and item.body != Row(()):
            takes = _factor(after) or right in _FACTORS
            return shown.at(_Level.ATOM) if takes else shown.text
        case _Level.QUOTIENT:
            return shown.at(_Level.ATOM) if beside or "/" in (left, right) else shown.text
        case _:
            return shown.text


def _space(items: tuple[Node, ...], i: int, tight: bool) -> str:
    if i == 0 or tight:
        return ""
    before, item = items[i - 1], items[i]
    if isinstance(before, Words) or isinstance(item, Words) or _sign(item) in _CLOSE:
        return ""
    named = isinstance(before, Call) and before.argument == Row(())
    if opens(before) or closes(item) or (named and opens(item)):
        return ""
    if _sign(before) in ("+", "-", "−") and (i == 1 or _unfinished(items[i - 2])):
        return ""
    if _del(before) or before == Ident("d", "upright"):
        return ""
    if isinstance(item, Fence) and isinstance(before, Ident | Sub | Accent | Objective):
        bare = not item.sized or (isinstance(before, Ident) and before.style == "bold")
        return "" if bare else " "
    return " "


def _unfinished(node: Node) -> bool:
    """Whether a sign behind it belongs to what follows only."""
    sign = _sign(node)
    return bool(sign) and sign not in (")", "]", "⋯", "…", "!")


def _row_level(items: tuple[Node, ...], shown: list[_Text]) -> _Level:
    if len(items) == 1:
        return shown[0].level
    if not items:
        return _Level.ATOM
    if _del(items[0]) and len(items) == 2:
        return _Level.ATOM
    applied = len(items) == 2 and not isinstance(items[0], Op) and isinstance(items[1], Fence)
    if applied and _space(items, 1, False) == "":
        return _Level.ATOM
    signs = {_sign(item) for item in items} - {""}
    loose = {s for s in signs if s not in _TERMS | _FACTORS | frozenset("()[]")}
    if loose - {"⋯"} or any(isinstance(item, Words) for item in items):
        return _Level.OPEN
    levels = [piece.level for item, piece in zip(items, shown, strict=True) if not isinstance(item, Op)]
    if signs & _TERMS or any(level is _Level.SUM for level in levels[:1]):
        return _Level.SUM
    return _Level.PRODUCT
