"""The parser of formulas: from text to the sides of a claim, "A = B = C". Nothing is ever evaluated.

    sum      product + product - …
    product  factor @ factor * factor / …      @ is the product of matrices, * works component by component
    factor   -factor, sum_t product, or a power
    power    atom ^T  atom ^2  atom **2  atom.T
    atom     number, (sum), a reference (see `names`), f(sum), f'(sum), diag(sum), sum(sum)

A sum over time reaches to the next + or - outside of parentheses. Side by side is no product, but in LaTeX,
where there is no sign for it: there it is the product of matrices, or of components where shapes say so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sympy

from chalkgrad.derive.cells.scan import rational
from chalkgrad.derive.checking.reading.cursor import Cursor
from chalkgrad.derive.checking.reading.errors import FormulaError
from chalkgrad.derive.checking.reading.names import References
from chalkgrad.derive.checking.reading.scanner import Token, is_latex, one_line, tokens
from chalkgrad.derive.checking.reading.scope import Scope
from chalkgrad.derive.checking.reading.tree import (
    Diag,
    Factors,
    FunctionCall,
    Index,
    Num,
    Over,
    Power,
    Sum,
    Syntax,
    Total,
    Turned,
    negative,
)
from chalkgrad.derive.terms.functions import ELEMENTWISE

_MAX_POWER = 20  # numerator and denominator of an exponent
_MAX_PRIMES = 4
_OPERAND = "a name, a number or '('"
_OPERATORS = ("*", "@", "/", "·")


def parse(text: str, scope: Scope) -> tuple[Syntax, ...]:
    """The sides of a claim, two or more. Raises FormulaError with a caret for what cannot be read."""
    line = one_line(text).rstrip(" .,;$")
    try:
        return _Parser(line, scope).claim()
    except RecursionError:
        raise FormulaError(line, None, "a formula of moderate depth", "a deeper one") from None


def parse_name(text: str, scope: Scope) -> Syntax:
    """One side alone, as dL/dW_aa. Raises FormulaError."""
    return parse(f"{one_line(text).rstrip(' .,;$')} = 0", scope)[0]


class _Parser:
    def __init__(self, text: str, scope: Scope) -> None:
        self._cursor = Cursor(text, tokens(text, scope.names))
        self._names = References(scope, self._cursor)
        self._scope, self._latex = scope, is_latex(text)

    def claim(self) -> tuple[Syntax, ...]:
        cursor = self._cursor
        if cursor.token.is_sign("="):
            raise cursor.mistake("what the right side is equal to, before '='")
        sides = [self._sum()]
        while cursor.sign("="):
            sides.append(self._sum())
        if cursor.token.kind != "end":
            raise cursor.mistake("an operator or the end" if len(sides) > 1 else "an operator or '='")
        if len(sides) == 1:
            raise cursor.mistake("'=' and what the left side is equal to")
        return tuple(sides)

    # ------------------------------------------------------------------------- operators

    def _sum(self) -> Syntax:
        cursor = self._cursor
        sign = -1 if cursor.sign("-") else 1
        if sign > 0:
            cursor.sign("+")
        terms = [(sign, self._product())]
        while cursor.token.is_sign("+", "-"):
            sign = 1 if cursor.take().text == "+" else -1
            terms.append((sign, self._product()))
        return terms[0][1] if len(terms) == 1 and terms[0][0] > 0 else Sum(tuple(terms))

    def _product(self) -> Syntax:
        first, rest = self._factor(), []
        while True:
            if self._cursor.token.is_sign(*_OPERATORS):
                rest.append((self._cursor.take().text, self._factor()))
            elif self._starts_operand():
                if not self._latex:
                    raise self._cursor.mistake("'@' or '*' between two factors")
                if self._cursor.breaks():
                    raise self._cursor.mistake("'=' or an operator on a new line: one claim at a time")
                rest.append(("·", self._factor()))
            else:
                return Factors(first, tuple(rest)) if rest else first

    def _starts_operand(self) -> bool:
        token = self._cursor.token
        if token.kind in ("name", "number"):
            return True
        if token.kind == "word":
            return token.text in ("sum", "prod", "frac", "partial")
        return token.is_sign("(", "[", "{")

    def _factor(self) -> Syntax:
        cursor = self._cursor
        with cursor.deeper():
            if cursor.sign("-"):
                return negative(self._factor())
            if cursor.sign("+"):
                return self._factor()
            for word in ("sum", "prod"):
                if cursor.word(word):
                    return self._over(word == "prod")
            return self._powers(self._atom())

    def _powers(self, base: Syntax) -> Syntax:
        cursor = self._cursor
        if self._names.half_read:
            self._names.half_read = False
            base = self._raised(base)
            cursor.due("}")
        for _ in range(6):
            if cursor.word("turned") or cursor.sign(".T"):
                base = Turned(base)
            elif cursor.token.kind == "power":
                base = Power(base, self._moderate(sympy.Integer(int(cursor.token.text[:9])), cursor.take()))
            elif cursor.sign("^"):
                base = self._raised(base)
            elif cursor.token.kind == "prime":
                raise cursor.mistake(
                    "no prime here: it belongs to a function, as in g'(…); a transpose is ^T"
                )
            else:
                return base
        raise cursor.mistake("an operator", "one more exponent")

    def _raised(self, base: Syntax, enclosed: bool = False) -> Syntax:
        """What stands behind ^; a quotient is an exponent only in brackets of its own, not in (v^2 / 2)."""
        cursor, token = self._cursor, self._cursor.token
        for opening, closing in (("{", "}"), ("(", ")")):
            if cursor.sign(opening):
                with cursor.deeper():
                    found = self._raised(base, enclosed=True)
                cursor.due(closing)
                return found
        if cursor.word("turned") or (token.kind == "name" and token.text == "T"):
            if cursor.token is token:
                cursor.take()
            return Turned(base)
        if token.is_sign("<", "["):
            raise cursor.mistake("a power or T: a step stands behind a name")
        minus = cursor.sign("-")
        exponent = self._rational()
        if (
            enclosed
            and cursor.token.is_sign("/")
            and cursor.ahead().kind == "number"
            and cursor.ahead(2).is_sign("}", ")")
        ):
            cursor.take()
            below = self._rational()
            if below == 0:
                raise cursor.mistake("an exponent that is a number", at=token)
            exponent = exponent / below
        return Power(base, self._moderate(-exponent if minus else exponent, token))

    def _rational(self) -> sympy.Rational:
        token = self._cursor.token
        value = rational(token.text) if token.kind == "number" else None
        if value is None:
            raise self._cursor.mistake("a number or T behind '^'")
        self._cursor.take()
        return value

    def _moderate(self, exponent: sympy.Rational, token: Token) -> sympy.Rational:
        if max(abs(exponent.p), exponent.q) > _MAX_POWER:
            raise self._cursor.mistake(f"an exponent of at most {_MAX_POWER}", at=token)
        return exponent

    # ------------------------------------------------------------------------- sums over time

    def _over(self, product: bool) -> Over:
        """Behind Σ: an index with or without its bounds, and what is added up."""
        cursor = self._cursor
        index, first, last = "", None, None
        while cursor.token.is_sign("_", "^"):
            if cursor.take().text == "_" and not index:
                index, first, last = self._below(last)
            elif index and last is not None:
                raise cursor.mistake("what is added up")
            else:
                last = self._above()
        if not index:
            raise cursor.mistake("an index behind the sum: sum_t or sum_{t=1}^{T}")
        if (first is None) != (last is None) or (product and first is None):
            raise cursor.mistake("both bounds of the index: sum_{t=1}^{T}")
        self._names.bound.append(index)
        body = self._product()
        self._names.bound.pop()
        return Over(body, index, first, last, product)

    def _below(self, last: Index | None) -> tuple[str, Index | None, Index | None]:
        """t, {t}, {t=1}, {t=1..T}"""
        cursor = self._cursor
        braced = cursor.sign("{")
        token = cursor.token
        if token.kind != "name" or not (len(token.text) == 1 or token.text == "tau") or token.text == "T":
            raise cursor.mistake("an index of one letter")
        cursor.take()
        first = None
        if braced:
            if cursor.sign("="):
                first = self._names.index()
                if cursor.sign(".."):
                    last = self._names.index()
            cursor.due("}")
        return token.text, first, last

    def _above(self) -> Index:
        cursor = self._cursor
        if cursor.sign("{"):
            found = self._names.index()
            cursor.due("}")
            return found
        return self._names._item()

    # ------------------------------------------------------------------------- atoms

    def _atom(self) -> Syntax:
        cursor, token = self._cursor, self._cursor.token
        if token.kind == "number":
            value = rational(token.text)
            if value is None:
                raise cursor.mistake("a number that float64 can hold")
            cursor.take()
            return Num(value)
        for opening, closing in (("(", ")"), ("[", "]"), ("{", "}")):
            if cursor.sign(opening):
                with cursor.deeper():
                    inner = self._sum()
                cursor.close(closing)
                return inner
        if cursor.word("frac"):
            return self._names.fraction() or self._fraction()
        if token.kind == "name" or (token.kind == "word" and token.text == "partial"):
            return self._named(token)
        raise cursor.mistake(_OPERAND)

    def _fraction(self) -> Syntax:
        """\\frac{above}{below}"""
        cursor = self._cursor
        parts = []
        for _ in range(2):
            cursor.due("{")
            with cursor.deeper():
                parts.append(self._sum())
            cursor.close("}")
        return Factors(parts[0], (("/", parts[1]),))

    def _named(self, token: Token) -> Syntax:
        slope = self._names.slope()
        if slope is not None:
            return slope
        if self._is_call(token):
            return self._call(token)
        found = self._names.reference()
        if found is not None:
            return found
        name, scope = token.text, self._scope
        if name in scope.functions or name == "diag":
            self._cursor.take()
            raise self._cursor.mistake(f"'(' and the argument of {name!r}")
        known = {*scope.names, *scope.functions, *scope.counts, *(f"d{n}" for n in scope.names)}
        raise self._cursor.unknown("a name of the model", name, known, token)

    # ------------------------------------------------------------------------- functions

    def _is_call(self, token: Token) -> bool:
        """A name of a function, with an argument or a prime behind it."""
        name, after = token.text, self._cursor.ahead()
        if name not in self._scope.functions and name != "diag":
            return False
        if after.kind == "prime" or after.is_sign("(", "{"):
            return True
        known = name in self._scope.values or name in self._scope.parameters
        if after.is_sign("^") and not known:
            return True
        return self._latex and not known and (after.kind in ("name", "number") or after.is_sign("["))

    def _call(self, token: Token) -> Syntax:
        cursor = self._cursor
        name = cursor.take().text
        function = self._scope.functions.get(name, name)
        primes = self._primes()
        exponent = None
        if primes == 0 and cursor.token.is_sign("^"):
            cursor.take()
            exponent = self._moderate(self._rational(), token)
        if primes and function == "softmax":
            raise cursor.mistake(
                f"the Jacobian of {name}, diag(v) - v @ v^T with v its value: "
                "softmax is not componentwise and has no derivative of that kind",
                f"{name}{chr(39) * primes}",
                token,
            )
        arity = ELEMENTWISE[function].arity if function in ELEMENTWISE else 1
        if primes and (function in ("sum", "mean", "diag") or arity > 1):
            raise cursor.mistake(f"no prime behind {name!r}", at=token)
        arguments = self._arguments(name, arity)
        made = self._made(function, arguments, primes, name)
        return made if exponent is None else Power(made, exponent)

    def _made(self, function: str, arguments: Sequence[Syntax], primes: int, name: str) -> Syntax:
        build: dict[str, Callable[[Syntax], Syntax]] = {
            "sum": Total,
            "mean": lambda inner: Total(inner, mean=True),
            "diag": Diag,
        }
        make, (first, *others) = build.get(function), arguments
        if make is None:
            return FunctionCall(first, function, primes, name, tuple(others))
        return make(first)

    def _primes(self) -> int:
        """g'(…), g''(…), g^{\\prime}(…)"""
        cursor, count = self._cursor, 0
        while True:
            if cursor.token.kind == "prime":
                count += len(cursor.take().text)
            elif cursor.token.is_sign("^") and cursor.ahead().kind == "prime":
                cursor.take()
            elif cursor.token.is_sign("^") and cursor.ahead(2).kind == "prime":
                cursor.position += 2
                count += len(cursor.take().text)
                cursor.due("}")
            else:
                break
        if count > _MAX_PRIMES:
            raise cursor.mistake(f"at most {_MAX_PRIMES} primes", str(count))
        return count

    def _arguments(self, name: str, count: int) -> list[Syntax]:
        cursor = self._cursor
        for opening, closing in (("(", ")"), ("{", "}"), ("[", "]")):
            if cursor.token.is_sign(opening) and (opening != "[" or self._latex):
                cursor.take()
                with cursor.deeper():
                    found = [self._sum()]
                    while len(found) < count:
                        cursor.due(",")
                        found.append(self._sum())
                cursor.close(closing)
                return found
        if self._latex and count == 1 and self._starts_operand():
            with cursor.deeper():
                return [self._powers(self._atom())]
        raise cursor.mistake(f"'(' and the argument of {name!r}")
