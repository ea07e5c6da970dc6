"""Written mathematics as LaTeX that amsmath, MathJax and KaTeX in strict mode read alike.

Precedence is what the tree says: whoever builds a tree sets the parentheses of sums and products. Here
they are only added where two scripts would meet (the square of a^{<t>}) and around a sum under Σ.
"""

from __future__ import annotations

import re

from chalkgrad.derive.terms.functions import ELEMENTWISE, sign_of
from chalkgrad.derive.writing.notation import GREEK, NOTE, Notation
from chalkgrad.derive.writing.signs import Stacked, closes, opens
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
    is_sum,
)
from chalkgrad.derive.writing.words import UPRIGHT_SIGNS, ascii_words, letters_of

SEMANTIC = (Name, Par, Size, When, Objective, Derivative)
_FUNCTIONS = {
    **{name: rf"\{name}" for name in ("max", "min", "ln", "det")},
    **{function.written: function.latex for function in ELEMENTWISE.values() if function.latex},
}
_SIGNS = {
    **{sign: sign for sign in "+-=<>,:;/()[]!|"},
    "−": "-",
    "∗": r"\ast",
    "*": r"\ast",
    "·": r"\cdot",
    "×": r"\times",
    "⊙": r"\odot",
    "∘": r"\circ",
    "±": r"\pm",
    "≠": r"\neq",
    "≤": r"\le",
    "≥": r"\ge",
    "≈": r"\approx",
    "≡": r"\equiv",
    "≪": r"\ll",
    "≫": r"\gg",
    "∝": r"\propto",
    "∈": r"\in",
    "→": r"\to",
    "←": r"\leftarrow",
    "↦": r"\mapsto",
    "⇒": r"\Rightarrow",
    "⋯": r"\cdots",
    "…": r"\ldots",
    "⋮": r"\vdots",
    "⋱": r"\ddots",
    "‖": r"\|",
    "⟨": r"\langle",
    "⟩": r"\rangle",
    "{": r"\{",
    "}": r"\}",
    **{sign: rf"\{sign}" for sign in "%&#_"},
    "⟮": r"\Bigl(",
    "⟯": r"\Bigr)",
    "⟬": r"\Bigl[",
    "⟭": r"\Bigr]",
}
_BIG = {"Σ": r"\sum", "∑": r"\sum", "Π": r"\prod", "∏": r"\prod", "max": r"\max", "min": r"\min"}
_ACCENTS = {"^": r"\hat", "‾": r"\bar", "~": r"\tilde"}
_MACRO_AT_END = re.compile(r"\\[A-Za-z]+\Z")
_GLUED = frozenset(",:;!")  # signs that stand close behind what is before them
_TALL = (Frac, Big, Matrix, Cases, Derivative)


def latex(node: Node, notation: Notation = NOTE) -> str:
    """The node as LaTeX for math mode. Raises TypeError for what it does not know, naming it."""
    return _Printer(notation).text(node)


def words_latex(text: str, command: str = "text") -> str:
    """Words amid mathematics: \\text where the characters can stand in it, math where they are signs."""
    pieces = [(math, piece) for math, piece in ascii_words(text) if piece]
    return "".join(sign(piece) if math else rf"\{command}{{{plain(piece)}}}" for math, piece in pieces)


def plain(text: str) -> str:
    """Words that mean the same in \\text of LaTeX, MathJax and KaTeX: nothing that they would interpret."""
    return re.sub(r"[\\{}$&#%_^~`<>\s]+", " ", text)


def tall(node: Node) -> bool:
    """Whether parentheses around it have to grow."""
    match node:
        case Row(items=items):
            return any(map(tall, items))
        case Fence(body=inner) | Wrong(body=inner) | Call(argument=inner) | Transposed(base=inner):
            return tall(inner)
        case Sup(base=inner) | Sub(base=inner) | Accent(base=inner) | Root(body=inner):
            return tall(inner)
        case _:
            return isinstance(node, _TALL)


def sign(character: str) -> str:
    """One sign in math mode. Raises TypeError for what it does not know."""
    found = UPRIGHT_SIGNS.get(character) or _SIGNS.get(character)
    if found is None:
        raise TypeError(f"no LaTeX for the sign {character!r}")
    return found


class _Printer:
    """One notation; `script`: whether the text stands in an index or exponent, where signs are tight."""

    def __init__(self, notation: Notation) -> None:
        self._notation = notation

    def text(self, node: Node, script: bool = False) -> str:
        match node:
            case Par(moved=True):
                written = self._notation.written(node)
                return self.text(Fence(written.body, sized=False) if isinstance(written, Fence) else written)
            case Name() | Par() | Size() | When() | Objective() | Derivative():
                return self.text(self._notation.written(node), script)
            case Ident(text=text, style=style):
                return _letters(text, style)
            case Number():
                return _number(node)
            case Op(sign=shown):
                return sign(shown)
            case Words(text=text):
                return words_latex(text)
            case Row(items=()):
                return "{}"
            case Row():
                return self._row(node, script)
            case Fence(body=body, marks=marks, sized=sized):
                return self._fenced(self.text(body, script), marks, sized)
            case Frac(above=above, below=below):
                return rf"\frac{{{self.text(above)}}}{{{self.text(below)}}}"
            case Sup(base=base, above=above):
                return f"{self._base(base, '^')}^{{{self.text(above, True)}}}"
            case Sub(base=base, below=below):
                return f"{self._base(base, '_')}_{{{self.text(below, True)}}}"
            case Transposed(base=base):
                return rf"{self._base(base, '^', sized=True)}^{{\top}}"
            case Accent(base=base, mark=mark):
                if mark not in _ACCENTS:
                    raise TypeError(f"no LaTeX for the mark {mark!r}")
                return f"{_ACCENTS[mark]}{{{self.text(base)}}}"
            case Root(body=body):
                return rf"\sqrt{{{self.text(body)}}}"
            case Call():
                return self._call(node)
            case Big():
                return self._big(node)
            case Matrix(rows=rows):
                lines = r" \\ ".join(" & ".join(map(self.text, cells)) for cells in rows)
                return rf"\begin{{pmatrix}} {lines} \end{{pmatrix}}"
            case Cases(branches=branches):
                lines = r" \\ ".join(self._branch(value, condition) for value, condition in branches)
                return rf"\begin{{cases}} {lines} \end{{cases}}"
            case Stacked(lines=inner):
                lines = r" \\ ".join(f"& {self.text(line)}" for line in inner)
                return rf"\begin{{aligned}} {lines} \end{{aligned}}"
            case Wrong(body=body):
                return rf"\boxed{{{self.text(body)}}}"
            case _:
                raise TypeError(f"no LaTeX for {type(node).__name__}")

    # ------------------------------------------------------------------------- pieces

    def _row(self, row: Row, script: bool) -> str:
        text, before = "", None
        for item in row.items:
            piece = self.text(item, script)
            text += self._space(before, item, row.thin, script, text, piece) + piece
            before = item
        return text

    def _space(self, before: Node | None, item: Node, thin: bool, script: bool, text: str, piece: str) -> str:
        needed = " " if _MACRO_AT_END.search(text) and piece[:1].isalpha() else ""
        if before is None:
            return ""
        if script:
            spaced = any(isinstance(n, Op) and sign(n.sign).startswith("\\") for n in (before, item))
            return " " if spaced else needed
        if isinstance(before, Words) or isinstance(item, Words):
            return needed
        if (isinstance(item, Op) and item.sign in _GLUED) or _unary(text, before) or opens(before):
            return needed
        if closes(item) or _applied(before, item):
            return needed
        if thin and not isinstance(before, Op) and not isinstance(item, Op):
            return r"\," if _numeral(before) else r" \, "
        return " "

    def _fenced(self, text: str, marks: str, sized: bool) -> str:
        if len(marks) != 2:
            raise TypeError(f"no LaTeX for the marks {marks!r}")
        left, right = map(sign, marks)
        if sized:
            return rf"\left{left} {text} \right{right}"
        return f"{left}{_apart(left, text)}{text}{_apart(text, right)}{right}"

    def _base(self, base: Node, mark: str, sized: bool = False) -> str:
        """What carries a script: in parentheses where it has one of that kind, or is no single thing."""
        match base:
            case Fence(body=body, marks="()", sized=False) if isinstance(body, SEMANTIC):
                return self._base(body, mark)
            case _:
                pass
        written = self._notation.written(base) if isinstance(base, SEMANTIC) else base
        text = self.text(base)
        if _single(written, mark) or (isinstance(base, Name) and isinstance(written, Row)):
            return text
        if isinstance(base, Par | Size):
            return f"{{{text}}}"
        return self._fenced(text, "()", tall(base) or (sized and not isinstance(base, SEMANTIC)))

    def _call(self, call: Call) -> str:
        name = _function(call.function) + "'" * call.primes
        argument = "" if call.argument == Row(()) else self.text(call.argument)
        if call.function == "sqrt" and not call.primes:
            return rf"\sqrt{{{argument}}}"
        if call.bare and not is_sum(call.argument):
            return f"{name} {argument}".rstrip()
        return name + self._fenced(argument, "()", True)

    def _big(self, big: Big) -> str:
        if big.sign not in _BIG:
            raise TypeError(f"no LaTeX for the sign {big.sign!r}")
        below = "" if big.below is None else f"_{{{self.text(big.below, True)}}}"
        above = "" if big.above is None else f"^{{{self.text(big.above, True)}}}"
        body = self.text(Fence(big.body) if is_sum(big.body) else big.body)
        return f"{_BIG[big.sign]}{below}{above} {'' if big.body == Row(()) else body}".rstrip()

    def _branch(self, value: Node, condition: Node | None) -> str:
        if condition is None:
            return rf"{self.text(value)} & \text{{otherwise}}"
        return rf"{self.text(value)} & \text{{if }} {self.text(condition)}"


# ----------------------------------------------------------------------------- leaves


def _letters(text: str, style: str) -> str:
    if text in GREEK or (len(text) == 1 and not text.isascii()):
        macro = letters_of(text)
        return rf"\boldsymbol{{{macro}}}" if style == "bold" else macro
    if not re.fullmatch(r"[A-Za-z0-9_.' -]*", text):
        raise TypeError(f"no LaTeX for the letters {text!r}")
    shown = text.replace("_", r"\_").replace(" ", r"\ ")
    match style:
        case "italic":
            return shown
        case "upright":
            return shown if not any(c.isalpha() for c in text) and len(text) > 0 else rf"\mathrm{{{shown}}}"
        case "bold":
            return rf"\mathbf{{{shown}}}"
        case _:
            raise TypeError(f"no LaTeX for the style {style!r}")


def _number(number: Number) -> str:
    if not re.fullmatch(r"-?[0-9]*\.?[0-9]*", number.text.replace("−", "-")):
        raise TypeError(f"no LaTeX for the number {number.text!r}")
    text = number.text.replace("−", "-")
    if number.power is None:
        return text
    power = f"10^{{{number.power}}}"
    return text.removesuffix("1") + power if text in ("", "1", "-1") else rf"{text} \cdot {power}"


def _function(name: str) -> str:
    name = sign_of(name)
    if name in _FUNCTIONS:
        return _FUNCTIONS[name]
    if name in GREEK or (len(name) == 1 and not name.isascii()):
        return letters_of(name)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise TypeError(f"no LaTeX for the function {name!r}")
    shown = name.replace("_", r"\_")
    return name if len(name) == 1 else rf"\operatorname{{{shown}}}"


# ----------------------------------------------------------------------------- what stands beside what


def _single(node: Node, mark: str) -> bool:
    """Whether a script of that kind can stand at it without parentheses."""
    match node:
        case Ident() | Fence() | Matrix() | Root() | Accent():
            return True
        case Op(sign=sign):
            return closes(node) or sign == "|"
        case Number(text=text, power=power):
            return power is None and not text.startswith(("-", "−"))
        case Sub(base=base):
            return mark == "^" and _single(base, mark)
        case Sup(base=base):
            return mark == "_" and _single(base, mark)
        case _:
            return False


def _unary(text: str, before: Node) -> bool:
    """Whether `before` is a sign with nothing on its left."""
    return isinstance(before, Op) and before.sign in "+-−" and text in ("+", "-")


def _applied(before: Node, item: Node) -> bool:
    """𝟏[z > 0], a(t), L(ŷ, y), dW: letters close to what they apply to."""
    if before == Ident("d", "upright"):
        return True
    if isinstance(item, Fence) and isinstance(before, Ident | Sub | Accent | Objective):
        return not item.sized or (isinstance(before, Ident) and before.style == "bold")
    return False


def _numeral(node: Node) -> bool:
    return isinstance(node, Number) or (
        isinstance(node, Frac) and _numeral(node.above) and _numeral(node.below)
    )


def _apart(left: str, right: str) -> str:
    return " " if _MACRO_AT_END.search(left) and right[:1].isalpha() else ""
