"""Unicode of written mathematics: readable, on one line, and of the same meaning as the tree."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chalkgrad.derive.terms.algebra import Role
from chalkgrad.derive.terms.functions import NAMES
from chalkgrad.derive.writing.tree import (
    AST,
    EQUALS,
    MINUS,
    PLUS,
    Accent,
    Big,
    Call,
    Cases,
    Derivative,
    Fence,
    Frac,
    Ident,
    Level,
    Matrix,
    Name,
    Node,
    Number,
    Objective,
    Op,
    Par,
    Piece,
    Root,
    Row,
    Sub,
    Sup,
    Transposed,
    When,
    Words,
    Wrong,
    joined,
    row,
)
from chalkgrad.derive.writing.unicode import unicode
from chalkgrad.derive.writing.unicode_scripts import columns, lowered, marked, raised
from tests.derive.writing.trees import NOTATIONS, T, formulas, nodes, t

NOTE, D2L, PASCANU, WERBOS = NOTATIONS
a, W, z = Name("a", t), Par("W_aa"), Ident("z")
one, two = Number("1"), Number("2")
CASES: list[tuple[Node, str]] = [
    (a, "a⟨t⟩"),
    (Name("z_a", t - 1, Role.COTANGENT), "δ_z_a⟨t−1⟩"),
    (Name("yhat", t), "ŷ⟨t⟩"),
    (Name("v", t, Role.EXTERNAL), "v̄⟨t⟩"),
    (W, "W_aa"),
    (Par("enc_W_aa"), "Wᵉⁿᶜ_aa"),
    (Transposed(W), "W_aaᵀ"),
    (Transposed(a), "a⟨t⟩ᵀ"),
    (Transposed(row(W, a)), "(W_aa a⟨t⟩)ᵀ"),
    (Sup(a, two), "a⟨t⟩²"),
    (Sup(Sup(z, two), two), "(z²)²"),
    (Sup(row(z, MINUS, one), Number("10")), "(z − 1)¹⁰"),
    (Sup(z, row(Ident("T"), MINUS, one)), "z^(T−1)"),
    (Derivative(Objective("L"), W), "∂L/∂W_aa"),
    (Derivative(a, W, immediate=True), "∂⁺a⟨t⟩/∂W_aa"),
    (row(Derivative(Objective("L"), a), Derivative(a, W, True)), "∂L/∂a⟨t⟩ ∂⁺a⟨t⟩/∂W_aa"),
    (Frac(row(one, MINUS, z), row(z, AST, z)), "(1 − z)/(z ∗ z)"),
    (Frac(one, two), "1/2"),
    (row(Frac(one, two), z, thin=True), "(1/2) z"),
    (row(z, AST, Frac(one, two)), "z ∗ 1/2"),
    (Frac(Frac(one, two), z), "(1/2)/z"),
    (Big("Σ", row(Ident("t"), EQUALS, one), When(T), row(W, a)), "Σ_{t=1..T} W_aa a⟨t⟩"),
    (row(Big("Σ", z, None, a), AST, a), "(Σ_{z} a⟨t⟩) ∗ a⟨t⟩"),
    (Call("tanh", z), "tanh(z)"),
    (Call("sigmoid", Fence(z), primes=1), "σ′(z)"),
    (Call("exp", z, bare=True), "exp(z)"),
    (row(Number("2"), a, thin=True), "2 a⟨t⟩"),
    (Number("2.5", -16), "2.5·10⁻¹⁶"),
    (Number("", -7), "10⁻⁷"),
    (Sub(Fence(a), Ident("i")), "a⟨t⟩ᵢ"),
    (Sub(Ident("z"), Ident("v")), "z_v"),
    (Matrix(((W, one), (z, two))), "[W_aa, 1; z, 2]"),
    (Fence(Cases(((one, row(z, Op(">"), two)), (z, None)))), "{1 if z > 2; z otherwise}"),
    (Root(z), "√(z)"),
    (Wrong(z), "⟦z⟧"),
    (row(Words("at "), Ident("t"), EQUALS, one, Op(","), Op("…"), Op(","), When(T)), "at t = 1, …, T"),
    (Par("W_aa", moved=True), "(dW_aa)"),
    (row(Objective("L", 1), Fence(row(a, Op(","), z), sized=False)), "L⟨1⟩(a⟨t⟩, z)"),
    (Accent(row(z, MINUS, one), "‾"), "bar(z − 1)"),
]


@pytest.mark.parametrize(("node", "expected"), CASES)
def test_printed(node: Node, expected: str) -> None:
    assert unicode(node) == expected


def test_steps_below_are_lowered_where_every_character_can_be() -> None:
    assert unicode(Name("h", t - 1), D2L) == "hₜ₋₁"
    assert unicode(Name("h", T), D2L) == "h_T"
    assert unicode(Name("z_h", T, Role.COTANGENT), D2L) == "δ_(z_h,T)"
    assert unicode(Name("h", t + 1), WERBOS) == "h(t+1)"
    assert unicode(Derivative(Objective("L", 2), W), WERBOS) == "∂⁺L(2)/∂⁺W_aa"
    assert unicode(Objective("L", 2), PASCANU) == "ℰ₂"


@pytest.mark.parametrize("name", [*NAMES, "diag", "max", "σ", "ReLU", "f", "phi"])
def test_every_function_has_a_name(name: str) -> None:
    assert unicode(Call(name, z)).endswith("(z)")


@pytest.mark.parametrize(
    "node",
    [Ident("a\x00"), Ident("a", "slanted"), Call("a b", z), Big("∮", None, None, z), Accent(z, "?"), Node()],
)
def test_what_is_unknown_raises(node: Node) -> None:
    with pytest.raises(TypeError, match="no Unicode"):
        unicode(node)


@given(nodes)
def test_every_tree_is_one_balanced_line(node: Node) -> None:
    for notation in NOTATIONS:
        text = unicode(node, notation)
        assert "\n" not in text
        assert "\\" not in text or "\\ ~" in text
        for left, right in ("()", "⟨⟩", "⟦⟧"):
            assert text.count(left) == text.count(right)


def test_formulas_in_one_notation_are_told_apart() -> None:
    """Two that print alike are the same formula: what one line says is not ambiguous."""
    chosen = [*{w.name + str(w.letters): w for _, w in formulas()}.values()]
    assert len(chosen) > 4
    for notation in chosen:
        found = [(unicode(n, w), n) for n, w in formulas() if w == notation]
        assert len({text for text, _ in found}) == len({node for _, node in found})


def test_columns() -> None:
    assert columns("ŷ⟨t⟩") == 4
    assert columns(marked("gate", "‾")) == 4
    assert columns("日本") == 4
    assert raised("t-1") == "ᵗ⁻¹"
    assert raised("T") is None
    assert lowered("z_a") is None


# ----------------------------------------------------------------------------- meaning

VALUES = {"b": 0.7, "c": 1.3, "d": 0.4, "e": 2.1}


def value(node: Node) -> float:
    """What the tree means, for scalars."""
    match node:
        case Ident(text=text):
            return VALUES[text]
        case Number(text=text):
            return float(text)
        case Fence(body=body):
            return value(body)
        case Frac(above=above, below=below):
            return value(above) / value(below)
        case Sup(base=base, above=above):
            return float(value(base) ** value(above))
        case Root(body=body):
            return math.sqrt(abs(value(body)))
        case Call(argument=argument):
            return math.tanh(value(argument))
        case Big(body=body):
            return 3 * value(body)
        case Row(items=items):
            total, factors, sign = 0.0, [], 1
            for item in (*items, PLUS):
                if isinstance(item, Op) and item.sign in "+-":
                    total += sign * math.prod(factors) if factors else 0.0
                    factors, sign = [], 1 if item == PLUS else -1
                elif not isinstance(item, Op):
                    factors.append(value(item))
            return total
        case _:
            raise TypeError(type(node).__name__)


@dataclass
class Reader:
    """Reads a line by the usual precedence: sums, products, quotients, powers."""

    text: str
    at: int = 0

    def peek(self, *starts: str) -> bool:
        return any(self.text.startswith(start, self.at) for start in starts)

    def take(self, text: str) -> None:
        assert self.peek(text), (self.text, self.at, text)
        self.at += len(text)

    def sum(self) -> float:
        total = self.term()
        while self.peek(" + ", " − "):
            sign = 1 if self.peek(" + ") else -1
            self.at += 3
            total += sign * self.product()
        return total

    def term(self) -> float:
        if self.peek("−"):
            self.take("−")
            return -self.product()
        return self.product()

    def product(self) -> float:
        if self.peek("Σ"):
            self.take("Σ_{i} ")
            return 3 * self.product()
        found = self.quotient()
        while self.peek(" ") and not self.peek(" + ", " − "):
            self.take(" ∗ " if self.peek(" ∗ ") else " ")
            found *= self.quotient()
        return found

    def quotient(self) -> float:
        found = self.power()
        if self.peek("/"):
            self.take("/")
            found /= self.power()
            assert not self.peek("/"), self.text
        return found

    def power(self) -> float:
        base = self.atom()
        match = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹]+").match(self.text, self.at)
        if match is None:
            return base
        self.at = match.end()
        return float(base ** int("".join(str("⁰¹²³⁴⁵⁶⁷⁸⁹".index(c)) for c in match[0])))

    def atom(self) -> float:
        if self.peek("("):
            return self.inside("(")
        if self.peek("tanh("):
            return math.tanh(self.inside("tanh("))
        if self.peek("√("):
            return math.sqrt(abs(self.inside("√(")))
        match = re.compile(r"[bcde]|[0-9.]+").match(self.text, self.at)
        assert match is not None, (self.text, self.at)
        self.at = match.end()
        return VALUES.get(match[0]) or float(match[0])

    def inside(self, start: str) -> float:
        self.take(start)
        found = self.sum()
        self.take(")")
        return found


@st.composite
def pieces(draw: st.DrawFn, depth: int = 4) -> Piece:
    """Sums, products, quotients, powers, roots, functions and Σ, with the parentheses that a page needs."""
    kind = draw(st.integers(0, 9)) if depth else 0
    if kind <= 1:
        return Piece(draw(st.sampled_from([*map(Ident, VALUES), Number("2"), Number("0.5")])))
    first = draw(pieces(depth - 1))
    if kind == 2:
        return Piece(row(MINUS, first.at(Level.PRODUCT)), Level.SUM)
    if kind == 3:
        return Piece(Sup(first.at(Level.ATOM), Number("2")))
    if kind == 4:
        return Piece(draw(st.sampled_from([Root(first.node), Call("tanh", first.node)])))
    if kind == 5:
        return Piece(Fence(Big("Σ", Ident("i"), None, first.at(Level.PRODUCT))))
    second = draw(pieces(depth - 1))
    if kind == 6:
        return Piece(Frac(first.node, second.node))
    if kind == 7:
        return Piece(row(first.at(Level.PRODUCT), AST, second.at(Level.PRODUCT)), Level.PRODUCT)
    if kind == 8:
        return Piece(row(first.at(Level.ATOM), second.at(Level.ATOM), thin=True), Level.PRODUCT)
    return Piece(joined([first.node, second.node]), Level.SUM)


@given(pieces())
def test_the_line_means_what_the_tree_means(piece: Piece) -> None:
    try:
        expected = value(piece.node)
    except (ZeroDivisionError, OverflowError):
        assume(False)
    assume(math.isfinite(expected) and abs(expected) < 1e12)
    reader = Reader(unicode(piece.node))
    try:
        found = reader.sum()
    except (ZeroDivisionError, OverflowError):
        assume(False)
    assert reader.at == len(reader.text), reader.text
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-9), reader.text
