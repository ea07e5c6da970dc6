"""LaTeX of the SymPy bodies of elementwise maps, in our order of terms (`derive.order`).

A piece of mathematics is a `Tex`: its text and how tightly it binds. Nothing here knows about
vectors' names or time; `derive.latex_expr` prints the arguments first and hands them over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import sympy

from derive.algebra import arg_index
from derive.functions import leaky_relu, relu, sigmoid, softplus
from derive.order import factors, signed_terms


class Level(IntEnum):
    """How tightly a piece binds; what stands in a tighter place gets parentheses."""

    SUM = 1  # a + b, −a
    PRODUCT = 2  # a ∗ b, 2 a
    MATVEC = 3  # W v: bare in a sum and behind a number, in parentheses beside ∗
    ATOM = 4


@dataclass(frozen=True)
class Tex:
    """LaTeX text, how tightly it binds, and whether it is a vector (a scalar spreads over one)."""

    text: str
    level: Level = Level.ATOM
    vector: bool = False

    def at(self, level: Level) -> str:
        """The text for a place that needs `level`."""
        return self.text if self.level >= level else parenthesised(self.text)


def parenthesised(text: str) -> str:
    return rf"\left( {text} \right)"


_FUNCTIONS: dict[type[sympy.Basic], str] = {
    sympy.tanh: r"\tanh",
    sympy.exp: r"\exp",
    sympy.log: r"\log",
    sympy.sin: r"\sin",
    sympy.cos: r"\cos",
    sigmoid: r"\sigma",
    softplus: r"\operatorname{softplus}",
    relu: r"\operatorname{ReLU}",
    leaky_relu: r"\operatorname{LeakyReLU}",
}
_RELATIONS: dict[type[sympy.Basic], str] = {
    sympy.Eq: "=",
    sympy.Ne: r"\neq",
    sympy.Lt: "<",
    sympy.Le: r"\le",
    sympy.Gt: ">",
    sympy.Ge: r"\ge",
}
_PLAIN_FROM, _PLAIN_TO = -3, 6  # decimal exponents that are written out


def name_latex(name: str) -> str:
    """An identifier: z_a → z_{a}, yhat → \\hat{y}, alpha → \\alpha, gate_x → \\mathrm{gate}_{x}."""
    head, _, tail = name.partition("_")
    if not head or name.endswith("_"):
        return rf"\mathrm{{{_escaped(name)}}}"
    return f"{_word(head, 1)}_{{{_subscript(tail)}}}" if tail else _word(head, 1)


def _subscript(text: str) -> str:
    if text.partition("_")[0] in ("z", "u", "s", "m", "l", "w") and "_" in text:
        return name_latex(text)
    return r"\_".join(_word(part, 2) for part in text.split("_"))


def _word(word: str, plain: int) -> str:
    """One word; up to `plain` letters stay italic, as the note has W_{aa}."""
    if word == "yhat":
        return r"\hat{y}"
    if word in GREEK:
        return rf"\{word}"
    bare = word.rstrip("0123456789")
    if plain > 1 and bare != word and bare in {"yhat", *GREEK}:
        return _word(bare, plain) + word[len(bare) :]
    return word if len(word) <= plain else rf"\mathrm{{{word}}}"


def _escaped(name: str) -> str:
    return name.replace("_", r"\_")


_LOWER = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi"
)
_UPPER = "chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
GREEK = frozenset(f"{_LOWER} {_UPPER}".split())


def body_latex(body: sympy.Basic, args: Sequence[Tex]) -> Tex:
    """The body with its placeholders replaced by `args`. Raises TypeError for what it cannot print."""
    match body:
        case sympy.Symbol():
            index = arg_index(body)
            return Tex(name_latex(body.name)) if index is None else args[index]
        case sympy.Rational():
            return _signed_number(body)
        case sympy.NumberSymbol():
            return Tex({"E": "e", "Exp1": "e"}.get(str(body), rf"\{str(body).lower()}"))
        case sympy.Add():
            return _sum(body, args)
        case sympy.Mul():
            return _product(body, args)
        case sympy.Piecewise():
            return _cases(body, args)
        case sympy.Pow() if not isinstance(body, sympy.exp):
            return _power(body, args)
        case sympy.Function() if len(body.args) == 1:
            inside = body_latex(body.args[0], args)
            macro = _FUNCTIONS.get(type(body)) or rf"\operatorname{{{_escaped(type(body).__name__)}}}"
            return Tex(macro + parenthesised(inside.text), vector=inside.vector)
        case _:
            raise TypeError(f"no LaTeX for {type(body).__name__}")


def joined(pieces: Sequence[str]) -> str:
    """Terms, each with its own sign in front if it has one, as one sum."""
    text = pieces[0]
    for piece in pieces[1:]:
        text += f" - {piece[1:].lstrip()}" if piece.startswith("-") else f" + {piece}"
    return text


def _sum(body: sympy.Add, args: Sequence[Tex]) -> Tex:
    terms = [(sign, body_latex(term, args)) for sign, term in signed_terms(body)]
    pieces = [f"-{tex.at(Level.PRODUCT)}" if sign < 0 else tex.text for sign, tex in terms]
    return Tex(joined(pieces), Level.SUM, any(tex.vector for _, tex in terms))


def _product(body: sympy.Expr, args: Sequence[Tex]) -> Tex:
    """A sign, a number, the factors, and under a bar what divides."""
    coefficient, above, below = factors(body)
    sign, size = ("-", -coefficient) if coefficient < 0 else ("", coefficient)
    above = sorted(above, key=lambda factor: isinstance(factor, sympy.Function))  # y log ŷ, not log ŷ y
    over = _factors([body_latex(factor, args) for factor in above])
    under = _factors([body_latex(factor, args) for factor in below])
    level = Level.SUM if sign else Level.PRODUCT
    if under is not None:
        top, bottom = _scaled(sympy.Integer(size.p), over), _scaled(sympy.Integer(size.q), under)
        vector = bottom.vector or top.vector
        fraction = rf"\frac{{{top.text}}}{{{bottom.text}}}"
        return Tex(sign + fraction, Level.SUM if sign else Level.ATOM, vector)
    inner = _scaled(size, over)
    return Tex(sign + inner.at(Level.PRODUCT), min(level, inner.level), inner.vector)


def _scaled(size: sympy.Rational, over: Tex | None) -> Tex:
    if over is None:
        return Tex(number_latex(size))
    if size == 1:
        return over
    level = Level.MATVEC if over.level is Level.MATVEC else Level.PRODUCT
    return Tex(rf"{number_latex(size)}\,{over.at(Level.PRODUCT)}", level, over.vector)


def _factors(pieces: Sequence[Tex]) -> Tex | None:
    """Vectors multiply componentwise, with ∗; a scalar stands in front without a sign."""
    if len(pieces) < 2:
        return pieces[0] if pieces else None
    scalars = [piece.at(Level.ATOM) for piece in pieces if not piece.vector]
    vectors = [piece for piece in pieces if piece.vector]
    if len(vectors) == 1:
        level = Level.MATVEC if vectors[0].level is Level.MATVEC else Level.PRODUCT
        return Tex(r" \, ".join([*scalars, vectors[0].at(Level.PRODUCT)]), level, True)
    text = [r" \ast ".join(_beside_ast(piece) for piece in vectors)] if vectors else []
    return Tex(r" \, ".join(scalars + text), Level.PRODUCT, bool(vectors))


def _beside_ast(piece: Tex) -> str:
    """∗ is associative; W v ∗ u could be read as W (v ∗ u)."""
    return piece.text if piece.level is Level.PRODUCT else piece.at(Level.ATOM)


def _power(body: sympy.Pow, args: Sequence[Tex]) -> Tex:
    base, exponent = body.args
    if exponent.is_Rational and exponent.is_negative:
        return _product(body, args)
    inside = body_latex(base, args)
    if exponent == sympy.Rational(1, 2):
        return Tex(rf"\sqrt{{{inside.text}}}", vector=inside.vector)
    simple = inside.level is Level.ATOM and "^" not in inside.text
    text = inside.text if simple else rf"({inside.text})"
    return Tex(f"{text}^{{{body_latex(exponent, args).text}}}", vector=inside.vector)


def _cases(body: sympy.Piecewise, args: Sequence[Tex]) -> Tex:
    """A step from 0 to 1 as an indicator, anything else as cases."""
    pairs = [(value, condition) for value, condition in body.args]
    if [value for value, _ in pairs] == [0, 1] and pairs[1][1] == sympy.true:
        inside = condition_latex(sympy.Not(pairs[0][1]), args)
        return Tex(rf"\mathbf{{1}}\left[ {inside.text} \right]", vector=inside.vector)
    rows, vector = [], False
    for value, condition in pairs:
        shown = body_latex(value, args)
        when = Tex(r"\text{otherwise}") if condition == sympy.true else condition_latex(condition, args)
        word = "" if condition == sympy.true else r"\text{if } "
        rows.append(f"{shown.text} & {word}{when.text}")
        vector = vector or shown.vector or when.vector
    return Tex(r"\begin{cases} " + r" \\ ".join(rows) + r" \end{cases}", Level.SUM, vector)


def condition_latex(condition: sympy.Basic, args: Sequence[Tex]) -> Tex:
    """A comparison of two bodies."""
    sign = _RELATIONS.get(type(condition))
    if sign is None:
        raise TypeError(f"no LaTeX for {type(condition).__name__}")
    left, right = (body_latex(side, args) for side in condition.args)
    return Tex(f"{left.text} {sign} {right.text}", Level.SUM, left.vector or right.vector)


def _signed_number(value: sympy.Rational) -> Tex:
    if value < 0:
        return Tex(f"-{number_latex(-value)}", Level.SUM)
    return Tex(number_latex(value))


def number_latex(value: sympy.Rational) -> str:
    """A non-negative rational: a decimal if it terminates (0.01, 10^{-7}), else a fraction; ½ is \\frac."""
    p, q = int(value.p), int(value.q)
    places = _decimal_places(q)
    if places is None or (p, q) == (1, 2):
        return rf"\frac{{{p}}}{{{q}}}"
    digits = str(p * 10**places // q).rstrip("0") or "0"
    exponent = len(str(p * 10**places // q)) - 1 - places
    if digits == "0" or _PLAIN_FROM <= exponent <= _PLAIN_TO:
        return _plain_decimal(p * 10**places // q, places)
    power = f"10^{{{exponent}}}"
    if digits == "1":
        return power
    return rf"{digits[0]}{'.' + digits[1:] if digits[1:] else ''} \cdot {power}"


def _plain_decimal(scaled: int, places: int) -> str:
    text = str(scaled).rjust(places + 1, "0")
    return f"{text[:-places]}.{text[-places:]}" if places else text


def _decimal_places(denominator: int) -> int | None:
    """The decimals of a fraction with that denominator; None where they never end."""
    counts = []
    for prime in (2, 5):
        count = 0
        while denominator % prime == 0:
            denominator, count = denominator // prime, count + 1
        counts.append(count)
    return max(counts) if denominator == 1 else None
