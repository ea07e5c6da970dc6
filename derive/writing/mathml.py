"""Written mathematics as MathML Core, which browsers draw by themselves.

Every symbol with a meaning carries `data-sym`, its key (`symbol_key`), so that a page can say what it is.
Signs in an index or exponent stand close together, as in print; MathML would space them, so they say
otherwise. Parentheses are those of the tree; they are only added where two scripts would meet (the
transpose of a⟨t⟩) and around a sum under Σ.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from html import escape

import sympy

from chalkgrad.derive.terms.algebra import Role
from chalkgrad.derive.terms.functions import sign_of
from chalkgrad.derive.writing.mathml_elements import (
    SIGNS,
    SPACE,
    grouped,
    italic,
    letters,
    mark,
    marked,
    number,
    operator,
    scripts,
    spaced,
)
from chalkgrad.derive.writing.notation import Notation
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
    children,
    is_sum,
    row,
)
from chalkgrad.derive.writing.words import GREEK_CHARACTERS

SEMANTIC = (Name, Par, Size, When, Objective, Derivative)
_BIG = {"Σ": "∑", "Π": "∏"}
_ROLES = {Role.VALUE: "v", Role.COTANGENT: "d", Role.EXTERNAL: "e"}


def mathml(node: Node, notation: Notation, display: bool = False, known: Collection[str] = ()) -> str:
    """The node as one `math` element. Raises TypeError for what it does not know, naming it.

    display: on a line of its own. known: keys of letters, functions and steps that are symbols, too.
    """
    inner = "".join(MathML(notation, frozenset(known)).items(node))
    return f'<math display="block">{inner}</math>' if display else f"<math>{inner}</math>"


def symbol_key(node: Node) -> str | None:
    """What tells a symbol from others, whatever the step: its kind and its name. None: no symbol."""
    match node:
        case Name(name=name, role=role):
            return f"{_ROLES[role]}:{name}"
        case Par(name=name, moved=moved):
            return f"{'m' if moved else 'p'}:{name}"
        case Size(name=name):
            return f"n:{name}"
        case Objective(name=name):
            return f"L:{name}"
        case When(step=sympy.Symbol(name=name)):
            return f"w:{name}"
        case Ident(text=text) | Call(function=text):
            return f"i:{text}"
        case _:
            return None


@dataclass(frozen=True)
class MathML:
    """A printer for one notation; `known`: keys of letters, functions and steps that are symbols."""

    notation: Notation
    known: frozenset[str] = field(default_factory=frozenset)

    def items(self, node: Node, script: bool = False) -> list[str]:
        """Elements that stand beside each other; script: in an index or exponent. Raises TypeError."""
        match node:
            case Row():
                return self._row(node, script)
            case Derivative():
                return self.items(self.notation.written(node), script)
            case When():
                key = symbol_key(node)
                inner = self._plain.items(self.notation.written(node), script)
                return [marked(grouped(inner), key)] if key in self.known else inner
            case Name() | Par() | Size() | Objective():
                return [self._symbol(node, script)]
            case Fence(body=Matrix() as body, marks="()"):
                return self.items(body, script)
            case Fence(body=body, marks=marks, sized=sized):
                grows = sized and self.tall(body)
                left, right = self.marks(marks, "" if grows else None)
                whole = [left, *self.items(body, script), right]
                return [grouped(whole)] if grows else whole
            case Call():
                return self._call(node, script)
            case Big(body=body):
                return [self.big_sign(node), *self.items(Fence(body) if is_sum(body) else body, script)]
            case _:
                return [self._element(node, script)]

    def one(self, node: Node, script: bool = False) -> str:
        """The node as exactly one element."""
        return grouped(self.items(node, script))

    def inner(self, node: Node, script: bool = False) -> str:
        return "".join(self.items(node, script))

    def _element(self, node: Node, script: bool) -> str:
        match node:
            case Ident(text=text, style=style):
                return self._marked(letters(text, style), node)
            case Number(text=text, power=power):
                return number(text, power)
            case Op(sign=sign):
                return operator(sign, script)
            case Words(text=text):
                return f"<mtext>{spaced(text)}</mtext>"
            case Frac(above=above, below=below):
                return f"<mfrac>{self.one(above)}{self.one(below)}</mfrac>"
            case Sup(base=base, above=above):
                return self._scripts(base, None, self.above(above))
            case Transposed(base=base):
                return self._scripts(base, None, "<mi>⊤</mi>")
            case Sub(base=base, below=below):
                return self._scripts(base, self.script(below), None)
            case Accent(base=base, mark=mark):
                fixed = ' stretchy="false"' if mark == "^" else ""
                return f'<mover accent="true">{self.one(base)}<mo{fixed}>{escape(mark)}</mo></mover>'
            case Root(body=body):
                return f"<msqrt>{self.inner(body, script)}</msqrt>"
            case Matrix(rows=rows):
                return f"<mrow><mo>(</mo>{self._table(rows)}<mo>)</mo></mrow>"
            case Cases(branches=branches):
                lines = [(v, Words("otherwise") if c is None else row(Words("if "), c)) for v, c in branches]
                return f"<mrow><mo>{{</mo>{self._table(lines, 'text-align:left')}</mrow>"
            case Wrong(body=body):
                style = "border:.07em dashed;padding:.12em"
                return f'<mrow class="wrong" style="{style}">{self.inner(body, script)}</mrow>'
            case _:
                raise TypeError(f"no MathML for {type(node).__name__}")

    # ------------------------------------------------------------------------- symbols

    def _symbol(self, node: Node, script: bool) -> str:
        return marked(self._plain.one(self.written(node), script), symbol_key(node))

    def written(self, node: Node) -> Node:
        """A symbol in letters; anything else as it is."""
        if not isinstance(node, SEMANTIC):
            return node
        plain = self.notation.written(node)
        moved = isinstance(node, Par) and node.moved and isinstance(plain, Fence)
        return Fence(plain.body, plain.marks, sized=False) if moved and isinstance(plain, Fence) else plain

    @property
    def _plain(self) -> MathML:
        """For what stands inside a symbol, which is none of its own."""
        return MathML(self.notation) if self.known else self

    def _marked(self, markup: str, node: Node) -> str:
        key = symbol_key(node)
        return marked(markup, key) if key in self.known else markup

    # ------------------------------------------------------------------------- rows

    def _row(self, node: Row, script: bool) -> list[str]:
        found: list[str] = []
        before: Node | None = None
        for item in node.items:
            if before is not None and self.apart(before, item, node.thin, script):
                found.append(SPACE)
            if isinstance(item, Op) and (before is None or is_open(before)):
                found.append(operator(item.sign, script, unary=True))
            else:
                found += self.items(item, script)
            before = item
        return found

    def apart(self, before: Node, item: Node, thin: bool, script: bool) -> bool:
        """Whether a thin space belongs between two things that have no sign between them."""
        if script or isinstance(before, Op | Words) or isinstance(item, Op | Words):
            return False
        bars = isinstance(before, Frac | Derivative) and isinstance(item, Frac | Derivative)
        named = isinstance(item, Call) and len(function_name(item.function)) > 1
        fences = any(isinstance(n, Fence) and n.sized and self.tall(n.body) for n in (before, item))
        return thin or bars or named or fences

    def marks(self, marks: str, attributes: str | None) -> tuple[str, str]:
        """The two marks of a fence, with attributes where they grow. Raises TypeError.

        Browsers set space around a mark that might grow, so one that need not may not.
        """
        if len(marks) != 2:
            raise TypeError(f"no MathML for the marks {marks!r}")
        left, right = (mark(sign, attributes) for sign in marks)
        return left, right

    def tall(self, node: Node) -> bool:
        """Whether parentheses around it have to grow."""
        match node:
            case Frac() | Derivative() | Big() | Matrix() | Cases() | Root():
                return True
            case Sup(base=inner) | Sub(base=inner) | Transposed(base=inner) | Accent(base=inner):
                return self.tall(inner)
            case _ if isinstance(node, SEMANTIC):
                return False
            case _:
                return any(map(self.tall, children(node)))

    def name_of(self, call: Call) -> str:
        """The function's name, with its primes."""
        name = function_name(call.function)
        style = "italic" if len(name) == 1 else "upright"
        shown = self._marked(letters(name, style), call)
        return f"<msup>{shown}<mo>{'′' * call.primes}</mo></msup>" if call.primes else shown

    def _call(self, call: Call, script: bool) -> list[str]:
        if call.function == "sqrt" and not call.primes:
            return [f"<msqrt>{self.inner(call.argument, script)}</msqrt>"]
        if call.bare and not is_sum(call.argument):
            return [self.name_of(call), SPACE, *self.items(call.argument, script)]
        return [self.name_of(call), *self.items(Fence(call.argument), script)]

    def big_sign(self, big: Big) -> str:
        """Σ, Π or max, with what stands below and above."""
        sign = _BIG.get(big.sign, big.sign)
        word = ' movablelimits="true" lspace="0" rspace=".17em"' if len(sign) > 1 else ""
        core = f"<mo{word}>{escape(sign)}</mo>"
        bounds = [self.script(b) for b in (big.below, big.above) if b is not None]
        if not bounds:
            return core
        tag = "munderover" if len(bounds) == 2 else "munder" if big.below is not None else "mover"
        return f"<{tag}>{core}{''.join(bounds)}</{tag}>"

    def _table(self, rows: Collection[tuple[Node, ...]], style: str = "") -> str:
        cell = f'<mtd style="{style}">' if style else "<mtd>"
        lines = ("".join(f"{cell}{self.inner(c)}</mtd>" for c in cells) for cells in rows)
        return f"<mtable>{''.join(f'<mtr>{line}</mtr>' for line in lines)}</mtable>"

    # ------------------------------------------------------------------------- scripts

    def above(self, node: Node) -> str:
        """An exponent, or the step in angle brackets."""
        match node:
            case Row(items=(Op(sign="<"), *inside, Op(sign=">"))):
                step = row(*inside)
                text = self._run(step)
                if text is not None:
                    return f"<mi>⟨{text}⟩</mi>"
                return f"<mrow><mi>⟨</mi>{self.inner(step, True)}<mi>⟩</mi></mrow>"
            case _:
                return self.script(node)

    def script(self, node: Node) -> str:
        """An index, an exponent or a bound as one element, one run of characters where it can be."""
        plain = self.notation.written(node) if isinstance(node, When) else node
        text = self._run(plain) if isinstance(plain, Row) else None
        return self.one(node, True) if text is None else f"<mi>{text}</mi>"

    def _run(self, node: Node) -> str | None:
        """Letters, digits and signs that stand close together; None where more is in it."""
        match node:
            case When():
                return self._run(self.notation.written(node))
            case Row(items=items):
                parts = [self._run(item) for item in items]
                return None if None in parts or len(parts) < 2 else "".join(map(str, parts))
            case Ident(text=text, style="italic") if text.isascii() and len(text) <= 2:
                return escape(italic(text))
            case Ident(text=text) | Number(text=text, power=None) if text.isdecimal():
                return text
            case Op(sign=sign) if sign in "+-=≠":
                return SIGNS.get(sign, sign)
            case _:
                return None

    def _scripts(self, base: Node, below: str | None, above: str | None) -> str:
        """An index or an exponent at a base, which may have one of the other kind already."""
        plain = self.written(base)
        inside = self if plain is base else self._plain
        key = symbol_key(base) if isinstance(base, SEMANTIC) else None
        match plain:
            case Sub(base=core, below=index) if above is not None and single(core):
                return marked(scripts(inside.one(core), inside.script(index), above), key)
            case Sup(base=core, above=power) if below is not None and single(core):
                return marked(scripts(inside.one(core), below, inside.above(power)), key)
            case Row() if isinstance(base, Name):
                return scripts(self.one(base), below, above)  # a(t)
            case _:
                bare = single(plain) or isinstance(base, Par | Size)
                return scripts(self.one(base if bare else Fence(base)), below, above)


# ----------------------------------------------------------------------------- what stands beside what


def single(node: Node) -> bool:
    """Whether a first index or exponent can stand at it without parentheses."""
    match node:
        case Ident() | Fence() | Matrix() | Root() | Accent():
            return True
        case Number(text=text, power=power):
            return power is None and not text.startswith(("-", "−"))
        case _:
            return False


def is_open(node: Node) -> bool:
    """Whether a sign behind it has nothing on its left: it is a sign itself and closes nothing."""
    return isinstance(node, Op) and node.sign not in tuple(")]}!′'")


def function_name(function: str) -> str:
    """A function as it is shown: tanh, ReLU, σ."""
    return sign_of(GREEK_CHARACTERS.get(function, function))
